//! The laws of what is delivered, and of where a connection starts.

use super::super::{
    Action, Answer, Heard, Input, Options, Status,
    fake::{Browser, at, epoch, hello},
};
use crate::domain::cursor::Cursor;

#[test]
fn the_first_connection_starts_at_the_page_s_own_cursor() {
    let mut browser = Browser::new(Options::default(), 1);
    browser.say(Input::Start { after: Some(at(10)) });
    assert_eq!(browser.opens, [(browser.now, Some(at(10)))]);
}

#[test]
fn the_first_error_closes_and_the_next_connection_asks_for_what_follows_the_last_event() {
    let mut browser = Browser::live(1);
    browser.hear(Heard::Log(at(14)));
    let actions = browser.fail().to_vec();
    assert_eq!(actions.first(), Some(&Action::CloseSource));
    browser.fire();
    assert_eq!(browser.opens.last().map(|(_, after)| after.clone()), Some(Some(at(14))));
}

#[test]
fn events_are_delivered_once() {
    let mut browser = Browser::live(1);
    assert_eq!(browser.hear(Heard::Log(at(10))), []);
    assert_eq!(browser.hear(Heard::Log(at(12))), [Action::Deliver]);
    assert_eq!(browser.hear(Heard::Log(at(12))), []);
    assert_eq!(browser.hear(Heard::Log(at(11))), []);
    assert_eq!(browser.hear(Heard::Log(at(13))), [Action::Deliver]);
}

#[test]
fn a_reset_loads_a_snapshot_and_the_stream_goes_on_after_it() {
    let mut browser = Browser::live(1);
    assert_eq!(browser.hear(Heard::Reset { head: 4 }), [Action::LoadSnapshot { cursor: Some(at(4)) }]);
    assert_eq!(browser.hear(Heard::Log(at(5))), [Action::Deliver]);
}

#[test]
fn every_connection_can_ask_for_a_snapshot_of_its_own() {
    let mut browser = Browser::live(1);
    for _ in 0..2 {
        assert_eq!(browser.hear(Heard::Reset { head: 4 }), [Action::LoadSnapshot { cursor: Some(at(4)) }]);
        browser.fail();
        browser.fire();
        browser.open();
        browser.hear(hello());
    }
}

#[test]
fn another_log_loads_a_snapshot_once() {
    let mut browser = Browser::live(1);
    browser.fail();
    browser.fire();
    browser.open();
    let start = Cursor { epoch: epoch("n"), seq: 3 };
    let greeting = Heard::Hello { epoch: epoch("n"), head: 3, heartbeat_ms: 15_000, retry_ms: None };
    assert!(browser.hear(greeting).contains(&Action::LoadSnapshot { cursor: Some(start.clone()) }));
    assert_eq!(browser.hear(Heard::Reset { head: 3 }), []);
    assert_eq!(browser.hear(Heard::Log(Cursor { seq: 3, ..start.clone() })), []);
    assert_eq!(browser.hear(Heard::Log(Cursor { seq: 4, ..start })), [Action::Deliver]);
}

#[test]
fn an_event_that_cannot_be_read_is_made_good_by_a_snapshot() {
    let mut browser = Browser::live(1);
    assert_eq!(browser.hear(Heard::Unreadable(Some(at(11)))), [Action::LoadSnapshot { cursor: Some(at(11)) }]);
    assert_eq!(browser.hear(Heard::Unreadable(Some(at(11)))), []);
    assert_eq!(browser.hear(Heard::Unreadable(None)), []);
}

#[test]
fn without_a_cursor_the_stream_goes_on_from_the_head_it_was_told() {
    let mut browser = Browser::new(Options::default(), 1);
    browser.say(Input::Start { after: None });
    browser.open();
    browser.hear(hello());
    browser.fail();
    browser.fire();
    assert_eq!(browser.opens.last().map(|(_, after)| after.clone()), Some(Some(at(10))));
}

#[test]
fn only_a_connection_after_a_loss_counts_as_resumed() {
    let mut browser = Browser::live(1);
    browser.say(Input::Retarget { after: Some(at(2)) });
    browser.open();
    assert!(browser.hear(hello()).contains(&Action::Greet { resumed: false }));
    browser.fail();
    browser.fire();
    browser.open();
    assert!(browser.hear(hello()).contains(&Action::Greet { resumed: true }));
    browser.say(Input::ReconnectNow);
    browser.open();
    assert!(browser.hear(hello()).contains(&Action::Greet { resumed: false }));
}

#[test]
fn what_an_older_connection_says_has_no_effect() {
    let mut browser = Browser::live(1);
    let old = browser.source.expect("connected");
    browser.fail();
    let question = browser.probe.expect("asked");
    let (timer, _) = browser.timer.expect("set");
    browser.fire();
    for input in [
        Input::Opened { generation: old },
        Input::Heard { generation: old, heard: Heard::Log(at(99)) },
        Input::Heard { generation: old, heard: Heard::ForceLogout { reason: String::new() } },
        Input::Errored { generation: old },
        Input::Probed { generation: question, answer: Answer::Status { code: 401, retry_after_ms: None } },
        Input::TimerFired { timer },
    ] {
        assert_eq!(browser.say(input.clone()), [], "{input:?}");
        assert_eq!(browser.machine.status(), Status::Connecting, "{input:?}");
    }
}
