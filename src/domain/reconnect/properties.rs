//! What holds in every history of a connection, whatever happens in whatever order. [`Browser`] itself checks at each step that there
//! is never a second connection, and that what a status promises is there: a connection, a timer, or neither.

use super::{
    Answer, Closed, Heard, Input, Options, Pause, Status,
    fake::{Browser, at, epoch},
};
use crate::domain::cursor::Cursor;
use proptest::{collection::vec, prelude::*};

/// How long a history may be. With it the four properties make more than a million steps of the machine together.
const LONG: usize = 7_000;

/// One thing that happens; numbers choose among what there is at that moment.
#[derive(Clone, Debug)]
enum Happening {
    Wait(u64),
    Fire,
    Open,
    Fail,
    Answer(u16, Option<u64>),
    NoAnswer,
    Hear(Heard),
    Stale(u64, u8),
    Page(Input),
}

fn heard() -> impl Strategy<Value = Heard> {
    let name = prop_oneof![9 => Just("k"), 1 => Just("n")];
    prop_oneof![
        (name.clone(), 0..200u64, any::<u64>(), any::<Option<u64>>()).prop_map(|(name, head, heartbeat_ms, retry_ms)| Heard::Hello {
            epoch: epoch(name),
            head,
            heartbeat_ms,
            retry_ms
        }),
        Just(Heard::Ping),
        any::<u64>().prop_map(|retry_ms| Heard::Retry { retry_ms }),
        (0..200u64).prop_map(|head| Heard::Reset { head }),
        any::<(u64, bool)>().prop_map(|(retry_ms, renewal)| Heard::Shutdown { retry_ms, renewal }),
        (name, 0..200u64).prop_map(|(name, seq)| Heard::Log(Cursor { epoch: epoch(name), seq })),
        proptest::option::of(0..200u64).prop_map(|seq| Heard::Unreadable(seq.map(at))),
    ]
}

fn page() -> impl Strategy<Value = Input> {
    let after = proptest::option::of(0..200u64);
    prop_oneof![
        after.clone().prop_map(|seq| Input::Start { after: seq.map(at) }),
        after.prop_map(|seq| Input::Retarget { after: seq.map(at) }),
        Just(Input::ReconnectNow),
        Just(Input::Online),
        Just(Input::Offline),
        Just(Input::Visible),
        Just(Input::Hidden),
        Just(Input::PageHide),
        Just(Input::PageShow),
        Just(Input::Stop),
        Just(Input::Close),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        2 => (0..60_000u64).prop_map(Happening::Wait),
        6 => Just(Happening::Fire),
        4 => Just(Happening::Open),
        6 => Just(Happening::Fail),
        2 => (prop_oneof![Just(200u16), Just(429), Just(503), Just(500), 100..600u16], any::<Option<u64>>())
            .prop_map(|(code, wish)| Happening::Answer(code, wish)),
        2 => Just(Happening::NoAnswer),
        4 => heard().prop_map(Happening::Hear),
        2 => (any::<u64>(), any::<u8>()).prop_map(|(which, what)| Happening::Stale(which, what)),
        4 => page().prop_map(Happening::Page),
    ]
}

fn happen(browser: &mut Browser, happening: Happening) {
    match happening {
        Happening::Wait(ms) => browser.now += ms,
        Happening::Fire if browser.timer.is_some() => drop(browser.fire().to_vec()),
        Happening::Open if browser.source.is_some() => drop(browser.open().to_vec()),
        Happening::Fail if browser.source.is_some() => drop(browser.fail().to_vec()),
        Happening::Answer(code, retry_after_ms) if browser.probe.is_some() => {
            browser.answer(Answer::Status { code, retry_after_ms });
        }
        Happening::NoAnswer if browser.probe.is_some() => drop(browser.answer(Answer::Unreachable).to_vec()),
        Happening::Hear(heard) if browser.source.is_some() => drop(browser.hear(heard).to_vec()),
        Happening::Stale(which, what) => stale(browser, which, what),
        Happening::Page(input) => drop(browser.say(input).to_vec()),
        _ => {}
    }
}

/// Something that is over speaks up; nothing may come of it.
fn stale(browser: &mut Browser, which: u64, what: u8) {
    let current = browser.source.or(browser.probe).unwrap_or(browser.opens.len() as u64 + 1);
    if current <= 1 {
        return;
    }
    let generation = which % (current - 1) + 1;
    let before = (browser.machine.view(), browser.machine.cursor().cloned());
    let input = match what % 5 {
        0 => Input::Opened { generation },
        1 => Input::Errored { generation },
        2 => Input::Heard { generation, heard: Heard::Log(at(1_000)) },
        3 => Input::Probed { generation, answer: Answer::Status { code: 401, retry_after_ms: None } },
        _ => Input::TimerFired { timer: browser.timer.map_or(0, |(timer, _)| timer - 1) },
    };
    assert_eq!(browser.say(input), []);
    assert_eq!((browser.machine.view(), browser.machine.cursor().cloned()), before);
}

/// From a pause something that a browser or a person does leads out.
fn assert_a_way_out(browser: &Browser) {
    let mut machine = browser.machine.clone();
    match machine.status() {
        Status::Paused(pause) => {
            let mut by_hand = machine.clone();
            by_hand.step(browser.now, Input::ReconnectNow);
            assert!(pause == Pause::Away || by_hand.status() == Status::Connecting, "no way out by hand of {pause:?}");
            machine.step(browser.now, Input::PageShow);
            machine.step(browser.now, Input::Online);
            assert_eq!(machine.status(), Status::Connecting, "no way out of {pause:?}");
        }
        Status::Waiting => {
            let (timer, at) = browser.timer.expect("set");
            machine.step(at, Input::TimerFired { timer });
            assert_eq!(machine.status(), Status::Connecting);
        }
        Status::Closed(closed) => assert!(closed != Closed::Explicit || machine.view().error.is_none()),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_its_promises(loopback: bool, seed: u64, history in vec(happening(), 1..LONG)) {
        let mut browser = Browser::new(Options { loopback, ..Options::default() }, seed);
        browser.say(Input::Start { after: Some(at(10)) });
        for happening in history {
            happen(&mut browser, happening);
            assert_a_way_out(&browser);
        }
    }

    #[test]
    fn the_delay_stays_within_its_bounds_and_never_runs_hot(seed: u64, history in vec(happening(), 1..LONG)) {
        let mut browser = Browser::new(Options::default(), seed);
        browser.say(Input::Start { after: None });
        let mut lost_at = browser.now;
        for happening in history {
            let (opens, by_timer) = (browser.opens.len(), matches!(happening, Happening::Fire));
            let was = browser.machine.status();
            happen(&mut browser, happening);
            let now = browser.machine.status();
            if now == Status::Waiting && was != Status::Waiting {
                lost_at = browser.now;
                prop_assert!((50..=30_000).contains(&browser.delay()), "a delay of {}", browser.delay());
            }
            if by_timer && browser.opens.len() > opens {
                prop_assert!(browser.now - lost_at >= 50, "again after {} ms", browser.now - lost_at);
            }
        }
    }

    #[test]
    fn a_clock_that_jumps_breaks_no_promise(seed: u64, history in vec((happening(), -100_000_000..100_000_000i64), 1..60)) {
        let mut browser = Browser::new(Options::default(), seed);
        browser.say(Input::Start { after: None });
        for (happening, jump) in history {
            browser.set_clock(browser.now.saturating_add_signed(jump));
            browser.say(Input::Hidden);
            happen(&mut browser, happening);
        }
    }

    /// A server with a log of 60 events, that may repeat some, cut at random places: each event is delivered once, in order.
    #[test]
    fn each_event_is_delivered_once_and_in_order(seed: u64, cuts in vec((0..9u64, 0..4u64), 1..60)) {
        let mut browser = Browser::new(Options::default(), seed);
        browser.say(Input::Start { after: Some(at(0)) });
        let mut delivered = Vec::new();
        for (count, repeat) in cuts.into_iter().chain([(100, 0)]) {
            browser.open();
            let asked = browser.opens.last().and_then(|(_, after)| after.clone()).map_or(0, |cursor| cursor.seq);
            browser.hear(super::fake::hello());
            let first = asked.saturating_sub(repeat) + 1;
            for seq in (first..first + count).take_while(|seq| *seq <= 60) {
                if browser.hear(Heard::Log(at(seq))).contains(&super::Action::Deliver) {
                    delivered.push(seq);
                }
            }
            browser.fail();
            browser.fire();
        }
        prop_assert_eq!(delivered, (1..=60).collect::<Vec<u64>>());
    }
}
