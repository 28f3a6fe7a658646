//! What holds for tabs that share one connection, in stories and in random histories.

use super::{
    Action, Heard, Input, Led, Message, Sharing, Term, Wish,
    browser::{Browser, run},
};
use crate::domain::reconnect::{Closed, Status, Trouble, View};
use proptest::{collection::vec, prelude::*};

/// A browser in which so many tabs are live; the first of them leads.
fn tabs(count: usize) -> (Browser, Vec<u64>) {
    let mut browser = Browser::new();
    let ids = (0..count)
        .map(|_| {
            let id = browser.open(&[], 0);
            browser.settle();
            id
        })
        .collect();
    browser.check_all_live();
    (browser, ids)
}

fn connections(browser: &Browser) -> usize {
    browser.tabs.iter().filter(|tab| tab.stream.is_some()).count()
}

#[test]
fn twelve_tabs_have_one_connection_and_all_hear_everything() {
    let (mut browser, _) = tabs(12);
    assert_eq!((connections(&browser), browser.opened), (1, 1), "whoever comes later needs no other connection");
    browser.log.extend([None; 50]);
    browser.settle();
    browser.check_all_live();
}

#[test]
fn a_tab_that_wants_a_run_from_further_back_gets_all_of_it() {
    let (mut browser, _) = tabs(3);
    browser.log.extend([Some(run(1)), None, Some(run(1)), Some(run(2))]);
    browser.settle();
    browser.open(&[run(1)], 4);
    browser.settle();
    browser.log.extend([Some(run(1)), None]);
    browser.settle();
    browser.check_all_live();
    assert_eq!((connections(&browser), browser.opened), (1, 2));
}

#[test]
fn a_run_that_no_tab_shows_any_more_is_not_carried() {
    let (mut browser, ids) = tabs(3);
    let carried = |browser: &Browser| browser.tabs.iter().find_map(|tab| Some(tab.stream.as_ref()?.runs.clone()));
    for id in &ids[..2] {
        browser.turn_to(*id, &[run(1)]);
        browser.settle();
    }
    // What a leader's predecessor carried is kept for a while.
    browser.wait(10_000);
    for (id, runs) in [(ids[0], vec![run(1)]), (ids[1], vec![])] {
        browser.turn_to(id, &[]);
        browser.settle();
        assert_eq!(carried(&browser), Some(runs));
    }
    browser.log.extend([Some(run(1)), None]);
    browser.settle();
    browser.check_all_live();
}

#[test]
fn when_the_one_that_leads_is_closed_another_goes_on_at_once() {
    let (mut browser, ids) = tabs(4);
    for id in &ids[..3] {
        browser.log.extend([None; 5]);
        browser.close(*id);
        browser.log.extend([None; 5]);
        browser.settle();
        browser.check_all_live();
        assert_eq!(connections(&browser), 1);
    }
}

#[test]
fn when_it_is_killed_in_the_middle_nothing_is_lost_or_repeated() {
    let (mut browser, ids) = tabs(3);
    browser.log.extend([None; 20]);
    for _ in 0..7 {
        browser.stream(ids[0]);
    }
    browser.run(ids[1]);
    browser.kill(ids[0]);
    browser.settle();
    browser.check_all_live();
}

#[test]
fn one_that_freezes_with_notice_hands_over_and_without_it_is_replaced() {
    for with_notice in [true, false] {
        let (mut browser, ids) = tabs(3);
        browser.freeze(ids[0], with_notice);
        browser.log.extend([None; 5]);
        browser.wait(if with_notice { 1_000 } else { 60_000 });
        assert_ne!(browser.holder, Some(ids[0]));
        browser.check_all_live();
        browser.log.extend([None; 5]);
        browser.thaw(ids[0]);
        browser.wait(1_000);
        assert_ne!(browser.holder, Some(ids[0]));
        browser.check_all_live();
        assert_eq!(connections(&browser), 1);
    }
}

#[test]
fn a_message_that_is_lost_is_noticed_by_the_next() {
    let (mut browser, ids) = tabs(3);
    browser.log.extend([None; 4]);
    browser.stream(ids[0]);
    browser.stream(ids[0]);
    browser.lose(ids[1]);
    browser.settle();
    browser.check_all_live();
}

#[test]
fn looking_at_a_tab_finds_a_leader_that_is_frozen_within_seconds() {
    let (mut browser, ids) = tabs(2);
    browser.freeze(ids[0], false);
    browser.tell(ids[1], Input::Visible);
    browser.wait(6_000);
    assert_eq!(browser.holder, Some(ids[1]));
}

#[test]
fn what_was_on_its_way_when_the_leader_froze_is_no_sign_of_life() {
    let (mut browser, ids) = tabs(2);
    browser.log.extend([None; 5]);
    for _ in 0..5 {
        browser.stream(ids[0]);
    }
    browser.freeze(ids[0], false);
    browser.tell(ids[1], Input::Visible);
    browser.wait(7_000);
    assert_eq!(browser.holder, Some(ids[1]));
    browser.check_all_live();
}

#[test]
fn a_healthy_leader_is_left_alone() {
    let (mut browser, ids) = tabs(3);
    for _ in 0..30 {
        browser.wait(15_000);
        browser.tell(ids[0], Input::Heard(Heard::Ping));
    }
    assert_eq!((browser.holder, browser.opened), (Some(ids[0]), 1));
    browser.check_all_live();
}

#[test]
fn the_connection_s_state_is_the_same_in_all_tabs() {
    let (mut browser, ids) = tabs(3);
    let lost = View { status: Status::Waiting, attempt: 2, next_retry_at: Some(7), error: Some(Trouble::Lost) };
    browser.up = false;
    browser.tell(ids[0], Input::Stands(lost.clone()));
    browser.settle();
    assert!(browser.tabs.iter().all(|tab| tab.view == lost));
    let late = browser.open(&[], 0);
    browser.settle();
    assert_eq!(browser.tab(late).view, lost, "also in one that comes later");
}

#[test]
fn signed_out_is_said_in_every_tab_and_no_tab_tries_again() {
    let (mut browser, ids) = tabs(3);
    let over = View { status: Status::Closed(Closed::SignedOut), error: Some(Trouble::LoggedOut("ended".into())), ..View::default() };
    browser.up = false;
    browser.tab(ids[0]).stream = None;
    browser.tell(ids[0], Input::Stands(over.clone()));
    for id in &ids {
        for input in [Input::ReconnectNow, Input::Visible, Input::Away, Input::Back] {
            browser.tell(*id, input);
        }
    }
    browser.wait(120_000);
    assert!(browser.tabs.iter().all(|tab| tab.view == over), "{:?}", browser.tabs.iter().map(|tab| &tab.view).collect::<Vec<_>>());
    assert_eq!((browser.opened, browser.holder), (1, None));
    // A page that is loaded after signing in again is not held up by them.
    browser.up = true;
    let fresh = browser.open(&[], 0);
    browser.settle();
    assert_eq!((browser.holder, browser.tab(fresh).view.status), (Some(fresh), Status::Live));
}

#[test]
fn another_log_is_loaded_anew_by_all_once() {
    let (mut browser, _) = tabs(3);
    browser.replace_log(3);
    browser.settle();
    browser.check_all_live();
    assert!(browser.tabs.iter().all(|tab| tab.resets == 1), "{:?}", browser.tabs.iter().map(|tab| tab.resets).collect::<Vec<_>>());
}

#[test]
fn without_lock_or_channel_each_tab_has_its_own() {
    let mut alone = Sharing::new(1);
    let wish = Wish { runs: vec![run(1)], after: "k-3".parse().expect("a cursor") };
    alone.step(1, Input::Want(Some(wish.clone())));
    assert_eq!(alone.step(2, Input::Alone), [Action::Connect(Some(wish.clone()))]);
    let heard = Heard::Event { cursor: wish.after.clone(), name: "run".into(), data: "{}".into() };
    assert_eq!(alone.step(3, Input::Heard(heard.clone())), [Action::Deliver(heard)]);
    assert_eq!(alone.step(4, Input::ReconnectNow), [Action::Reconnect]);
    assert_eq!(alone.step(5, Input::Want(None)), [Action::Connect(None)]);
}

#[test]
fn an_older_leader_that_has_not_heard_of_its_end_is_not_listened_to() {
    let (mut browser, ids) = tabs(2);
    let stale = Message::Led { term: Term { since: 1, tab: 99 }, number: 7, what: Led::View(View::default()) };
    browser.tell(ids[1], Input::Told(stale));
    assert_eq!(browser.tab(ids[1]).view.status, Status::Live);
}

#[derive(Clone, Debug)]
enum Happening {
    Open(Vec<u8>, u64),
    Turn(usize, Vec<u8>),
    Close(usize),
    Kill(usize),
    Freeze(usize, bool),
    Thaw(usize),
    Write(Vec<Option<u8>>),
    NewLog,
    Look(usize),
    Run(usize, u8),
    Stream(u8),
    Elect,
    Wait(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let runs = || vec(0..4u8, 0..3);
    prop_oneof![
        3 => (runs(), 0..6u64).prop_map(|(runs, late)| Happening::Open(runs, late)),
        3 => (any::<usize>(), runs()).prop_map(|(tab, runs)| Happening::Turn(tab, runs)),
        1 => any::<usize>().prop_map(Happening::Close),
        1 => any::<usize>().prop_map(Happening::Kill),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(tab, notice)| Happening::Freeze(tab, notice)),
        1 => any::<usize>().prop_map(Happening::Thaw),
        6 => vec(proptest::option::of(0..4u8), 1..6).prop_map(Happening::Write),
        1 => Just(Happening::NewLog),
        1 => any::<usize>().prop_map(Happening::Look),
        8 => (any::<usize>(), 1..6u8).prop_map(|(tab, times)| Happening::Run(tab, times)),
        8 => (1..6u8).prop_map(Happening::Stream),
        4 => Just(Happening::Elect),
        1 => (0..20_000u64).prop_map(Happening::Wait),
    ]
}

fn happen(browser: &mut Browser, happening: Happening) {
    let runs = |numbers: Vec<u8>| numbers.into_iter().map(run).collect::<Vec<_>>();
    let pick = |browser: &Browser, which: usize| (!browser.tabs.is_empty()).then(|| browser.tabs[which % browser.tabs.len()].id);
    match happening {
        Happening::Open(numbers, late) if browser.tabs.len() < 12 => {
            browser.open(&runs(numbers), late);
        }
        Happening::Turn(which, numbers) => {
            // A frozen page turns to nothing.
            if let Some(id) = pick(browser, which).filter(|id| !browser.tab(*id).frozen) {
                browser.turn_to(id, &runs(numbers));
            }
        }
        Happening::Close(which) => {
            if let Some(id) = pick(browser, which) {
                browser.close(id);
            }
        }
        Happening::Kill(which) => {
            if let Some(id) = pick(browser, which) {
                browser.kill(id);
            }
        }
        Happening::Freeze(which, with_notice) => {
            if let Some(id) = pick(browser, which).filter(|id| !browser.tab(*id).frozen) {
                browser.freeze(id, with_notice);
            }
        }
        Happening::Thaw(which) => {
            if let Some(id) = pick(browser, which).filter(|id| browser.tab(*id).frozen) {
                browser.thaw(id);
            }
        }
        Happening::Write(events) => browser.log.extend(events.into_iter().map(|number| number.map(run))),
        Happening::NewLog => browser.replace_log(2),
        Happening::Look(which) => {
            if let Some(id) = pick(browser, which).filter(|id| !browser.tab(*id).frozen) {
                browser.tell(id, Input::Visible);
            }
        }
        Happening::Run(which, times) => {
            if let Some(id) = pick(browser, which) {
                for _ in 0..times {
                    browser.run(id);
                }
            }
        }
        Happening::Stream(times) => {
            let ids: Vec<_> = browser.tabs.iter().filter(|tab| tab.stream.is_some()).map(|tab| tab.id).collect();
            for id in ids {
                for _ in 0..times {
                    browser.stream(id);
                }
            }
        }
        Happening::Elect => browser.elect(),
        Happening::Wait(ms) => browser.now += ms,
        Happening::Open(..) => {}
    }
    browser.check();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever tabs come and go, in whatever order their messages are read: the components of each get every event once and in order
    /// (which they check themselves), and in the end all are live.
    #[test]
    fn no_history_loses_or_repeats_anything(history in vec(happening(), 1..150)) {
        let mut browser = Browser::new();
        for happening in history {
            happen(&mut browser, happening);
        }
        browser.wait(120_000);
        browser.check_all_live();
        let frozen: Vec<_> = browser.tabs.iter().filter(|tab| tab.frozen).map(|tab| tab.id).collect();
        frozen.into_iter().for_each(|id| browser.thaw(id));
        browser.log.extend([None, Some(run(1)), Some(run(2))]);
        browser.wait(120_000);
        browser.check_all_live();
        prop_assert!(connections(&browser) <= 1);
    }
}
