//! The laws of the page around a connection: its clock, its network, its comings and goings, and what it asks for.

use super::{
    super::{
        Action, Answer, Heard, Input, Machine, Options, Pause, Status, Trouble,
        fake::{Browser, at},
    },
    exhaust,
};

#[test]
fn nothing_happens_before_the_page_wants_it() {
    let mut machine = Machine::new(Options::default(), 1);
    for input in [Input::Online, Input::Visible, Input::PageShow, Input::ReconnectNow, Input::Offline, Input::TimerFired { timer: 0 }] {
        assert_eq!(machine.step(1, input), []);
        assert_eq!(machine.status(), Status::Idle);
    }
}

#[test]
fn two_and_a_half_silent_heartbeats_reconnect() {
    let mut browser = Browser::live(1);
    let heard = browser.now;
    browser.fire();
    assert_eq!((browser.machine.status(), browser.now - heard), (Status::Waiting, 37_500));
    assert_eq!(browser.machine.view().error, Some(Trouble::Silent));
}

#[test]
fn an_event_puts_the_watchdog_off() {
    let mut browser = Browser::live(1);
    for _ in 0..10 {
        browser.now += 15_000;
        browser.hear(Heard::Ping);
    }
    let heard = browser.now;
    while browser.machine.status() == Status::Live {
        browser.fire();
    }
    assert_eq!(browser.now - heard, 37_500);
}

#[test]
fn a_slept_watchdog_is_made_up_for_by_the_clock_on_waking() {
    for input in [Input::Visible, Input::PageShow] {
        let mut browser = Browser::live(1);
        browser.now += 3_600_000;
        browser.say(input);
        assert_eq!(browser.machine.status(), Status::Waiting);
        let mut browser = Browser::live(1);
        browser.now += 20_000;
        browser.say(Input::Visible);
        assert_eq!(browser.machine.status(), Status::Live);
    }
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let mut browser = Browser::new(Options::default(), 1);
    browser.say(Input::Start { after: None });
    browser.fire();
    assert_eq!((browser.machine.status(), browser.machine.view().error), (Status::Waiting, Some(Trouble::NoAnswer)));
}

#[test]
fn offline_pauses_and_online_tries_at_once_with_a_fresh_budget() {
    let mut browser = Browser::live(1);
    browser.fail();
    browser.fire();
    browser.fail();
    browser.say(Input::Offline);
    assert_eq!((browser.machine.status(), browser.timer), (Status::Paused(Pause::Offline), None));
    browser.say(Input::Visible);
    assert_eq!(browser.machine.status(), Status::Paused(Pause::Offline));
    browser.say(Input::Online);
    assert_eq!(browser.machine.status(), Status::Connecting);
    assert_eq!(exhaust(&mut browser).len(), 8);
}

#[test]
fn online_shortens_a_wait() {
    let mut browser = Browser::live(1);
    browser.fail();
    browser.say(Input::Online);
    assert_eq!(browser.machine.status(), Status::Connecting);
}

#[test]
fn offline_never_blocks_loopback() {
    let mut browser = Browser::new(Options { loopback: true, ..Options::default() }, 1);
    browser.say(Input::Offline);
    browser.say(Input::Start { after: None });
    browser.open();
    browser.say(Input::Offline);
    assert_eq!(browser.machine.status(), Status::Live);
    browser.fail();
    assert_eq!(browser.machine.status(), Status::Waiting);
}

#[test]
fn a_person_may_try_although_the_browser_says_offline() {
    let mut browser = Browser::live(1);
    browser.say(Input::Offline);
    browser.say(Input::ReconnectNow);
    assert_eq!(browser.machine.status(), Status::Connecting);
    browser.fail();
    assert_eq!(browser.machine.status(), Status::Paused(Pause::Offline));
}

#[test]
fn leaving_the_page_closes_and_coming_back_resumes_once() {
    let mut browser = Browser::live(1);
    browser.say(Input::PageHide);
    assert_eq!((browser.machine.status(), browser.source, browser.timer), (Status::Paused(Pause::Away), None, None));
    for input in [Input::Online, Input::ReconnectNow, Input::Visible] {
        browser.say(input);
        assert_eq!(browser.machine.status(), Status::Paused(Pause::Away));
    }
    browser.say(Input::PageShow);
    browser.say(Input::PageShow);
    browser.say(Input::Visible);
    browser.say(Input::Online);
    assert_eq!(browser.opens.len(), 2);
    assert_eq!(browser.opens.last().map(|(_, after)| after.clone()), Some(Some(at(10))));
}

#[test]
fn stopping_in_any_state_leaves_nothing_behind() {
    let mut waiting = Browser::live(1);
    waiting.fail();
    for mut browser in [Browser::live(1), waiting] {
        browser.say(Input::Stop);
        assert_eq!((browser.machine.status(), browser.source, browser.timer, browser.probe), (Status::Idle, None, None, None));
    }
}

#[test]
fn an_explicit_close_ends_only_by_open() {
    let mut browser = Browser::live(1);
    browser.say(Input::Close);
    for input in [Input::Online, Input::Visible, Input::PageShow, Input::Retarget { after: None }] {
        assert_eq!(browser.say(input), []);
    }
    browser.say(Input::Start { after: None });
    assert_eq!(browser.opens.last().map(|(_, after)| after.clone()), Some(Some(at(10))));
}

#[test]
fn a_new_target_reopens_and_costs_no_attempt() {
    let mut browser = Browser::live(1);
    assert_eq!(browser.say(Input::Retarget { after: Some(at(4)) }).first(), Some(&Action::CloseSource));
    assert_eq!(browser.opens.last().map(|(_, after)| after.clone()), Some(Some(at(4))));
    assert_eq!(browser.machine.view().attempt, 0);
    browser.open();
    browser.fail();
    let waits_until = browser.timer;
    browser.say(Input::Retarget { after: Some(at(2)) });
    assert_eq!((browser.machine.status(), browser.timer), (Status::Waiting, waits_until));
}

#[test]
fn an_answer_about_an_older_target_has_no_effect() {
    let mut browser = Browser::live(1);
    browser.fail();
    let generation = browser.probe.expect("asked");
    assert_eq!(browser.say(Input::Retarget { after: Some(at(2)) }), [Action::DropProbe]);
    let answer = Answer::Status { code: 204, retry_after_ms: None };
    assert_eq!(browser.say(Input::Probed { generation, answer }), []);
    browser.fire();
    assert_eq!(browser.opens.last().map(|(_, after)| after.clone()), Some(Some(at(2))));
}

#[test]
fn a_clock_that_is_set_back_neither_strands_nor_hurries() {
    let mut browser = Browser::live(1);
    let heard = browser.now - 86_400_000;
    browser.set_clock(heard);
    while browser.machine.status() == Status::Live {
        browser.fire();
    }
    // What passed unseen around the change is not counted, so that it takes up to twice as long.
    assert!((37_500..=75_000).contains(&(browser.now - heard)));
    let delay = browser.delay();
    browser.set_clock(heard - 86_400_000);
    browser.say(Input::Hidden);
    assert_eq!(browser.delay(), delay);
    browser.fire();
    assert_eq!(browser.machine.status(), Status::Connecting);
}
