//! The laws of reconnecting, each by its content: here those of failing, waiting and giving up.

mod delivery;
mod page;

use super::{
    Action, Answer, Closed, Heard, Input, Options, Pause, Status, Trouble, View,
    fake::{Browser, at, hello_with},
};

/// Fails until the stream pauses; says how long it waited before each attempt.
fn exhaust(browser: &mut Browser) -> Vec<u64> {
    let mut delays = Vec::new();
    if browser.source.is_some() {
        browser.fail();
    }
    while browser.machine.status() == Status::Waiting {
        delays.push(browser.delay());
        browser.fire();
        browser.fail();
    }
    delays
}

#[test]
fn a_lost_server_is_shown_before_anything_else_is_known() {
    let mut browser = Browser::live(1);
    browser.fail();
    let view = browser.machine.view();
    assert_eq!((view.status, view.attempt, view.error), (Status::Waiting, 1, Some(Trouble::Lost)));
    assert!(browser.probe.is_some(), "the question is still open");
}

#[test]
fn each_failure_in_a_row_doubles_the_delay_which_lies_between_half_and_whole() {
    for seed in 0..200 {
        let delays = exhaust(&mut Browser::live(seed));
        let caps = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000];
        assert!(delays.len() == 8 && delays.iter().zip(caps).all(|(delay, cap)| (cap / 2..=cap).contains(delay)), "{delays:?}");
    }
}

#[test]
fn delays_differ_between_browsers() {
    let mut first: Vec<u64> = (0..100).map(|seed| exhaust(&mut Browser::live(seed))[0]).collect();
    first.sort_unstable();
    first.dedup();
    assert!(first.len() > 80, "{first:?}");
}

#[test]
fn the_server_s_hint_replaces_the_base_within_bounds() {
    for (hint, cap) in [(400, 400), (0, 100), (9_999_999, 30_000)] {
        let mut browser = Browser::live(3);
        browser.hear(hello_with(Some(hint)));
        browser.fail();
        assert!((cap / 2..=cap).contains(&browser.delay()), "{hint}: {}", browser.delay());
    }
}

#[test]
fn the_stream_s_own_hint_counts_where_hello_names_none() {
    let mut browser = Browser::live(3);
    browser.hear(Heard::Retry { retry_ms: 6_000 });
    browser.hear(hello_with(None));
    browser.fail();
    assert!((3_000..=6_000).contains(&browser.delay()), "{}", browser.delay());
    // Another connection says it anew, or not.
    browser.fire();
    browser.open();
    browser.hear(hello_with(None));
    browser.fail();
    assert!((500..=1_000).contains(&browser.delay()), "{}", browser.delay());
    browser.fire();
    browser.open();
    browser.hear(Heard::Retry { retry_ms: 6_000 });
    browser.hear(hello_with(Some(400)));
    browser.fail();
    assert!((200..=400).contains(&browser.delay()), "{}", browser.delay());
    // A hint is no event: it neither proves health nor ends a row of failures.
    browser.fire();
    browser.open();
    browser.hear(Heard::Retry { retry_ms: 6_000 });
    browser.fail();
    assert_eq!(browser.machine.view().attempt, 2);
    assert!((6_000..=12_000).contains(&browser.delay()), "{}", browser.delay());
}

#[test]
fn a_shutdown_is_taken_at_its_word_and_needs_no_question() {
    let mut browser = Browser::live(3);
    browser.hear(Heard::Shutdown { retry_ms: 600, renewal: false });
    assert_eq!((browser.source, browser.probe), (None, None));
    assert_eq!(browser.machine.view().error, Some(Trouble::ShuttingDown));
    assert!((300..=600).contains(&browser.delay()));
}

#[test]
fn a_stream_that_is_renewed_stays_live_to_the_eye() {
    let mut browser = Browser::live(3);
    browser.now += 600_000;
    let actions = browser.hear(Heard::Shutdown { retry_ms: 600, renewal: true }).to_vec();
    assert!(matches!(actions[..], [Action::CloseSource, Action::Open { .. }, Action::SetTimer { .. }]), "{actions:?}");
    let seen = |browser: &Browser| (browser.machine.status(), browser.machine.view());
    let calm = View { status: Status::Live, ..View::default() };
    assert_eq!(seen(&browser), (Status::Connecting, calm.clone()));
    browser.open();
    assert_eq!(browser.hear(hello_with(None))[1..], [Action::Greet { resumed: false }]);
    assert_eq!(seen(&browser), (Status::Live, calm));
}

#[test]
fn a_renewal_that_fails_is_shown_as_any_loss() {
    let mut browser = Browser::live(3);
    browser.now += 600_000;
    browser.hear(Heard::Shutdown { retry_ms: 600, renewal: true });
    browser.fail();
    let view = browser.machine.view();
    assert_eq!((view.status, view.attempt, view.error), (Status::Waiting, 1, Some(Trouble::Lost)));
    browser.fire();
    assert_eq!(browser.machine.view().status, Status::Connecting);
    browser.open();
    assert!(browser.hear(hello_with(None)).contains(&Action::Greet { resumed: true }));
}

#[test]
fn a_server_that_renews_without_end_is_not_asked_without_end() {
    let mut browser = Browser::live(3);
    browser.now += 4_999;
    browser.hear(Heard::Shutdown { retry_ms: 600, renewal: true });
    assert_eq!(browser.machine.status(), Status::Waiting);
    assert!((300..=600).contains(&browser.delay()));
}

#[test]
fn a_restart_is_found_after_twice_its_length_and_the_hint_at_the_most() {
    for seed in 0..5_000u64 {
        // As the server hints. A restart of 400 ms is thereby found within 1.5 s, one of 5 s within 11 s.
        let (hint, down) = (300 + seed % 401, seed * 7 % 5_001);
        let mut browser = Browser::live(seed);
        browser.hear(hello_with(Some(hint)));
        let back = browser.now + down;
        browser.fail();
        loop {
            browser.fire();
            if browser.now >= back {
                break;
            }
            browser.fail();
            browser.answer(Answer::Unreachable);
        }
        assert!(browser.now - back <= 2 * down + hint, "hint {hint}, down {down}: {} late", browser.now - back);
    }
}

#[test]
fn retry_after_is_a_lower_bound_with_jitter_above() {
    let mut delays: Vec<u64> = (0..50)
        .map(|seed| {
            let mut browser = Browser::live(seed);
            browser.fail();
            browser.answer(Answer::Status { code: 503, retry_after_ms: Some(7_000) });
            assert_eq!(browser.machine.view().error, Some(Trouble::Answered(503)));
            // Coming back to the page does not overrule the server; a person's own wish does.
            browser.say(Input::Visible);
            assert_eq!(browser.machine.status(), Status::Waiting);
            browser.delay()
        })
        .collect();
    assert!(delays.iter().all(|delay| (7_000..=8_000).contains(delay)), "{delays:?}");
    delays.dedup();
    assert!(delays.len() > 25, "{delays:?}");
}

#[test]
fn a_retry_after_of_years_fits_a_timer() {
    let mut browser = Browser::live(1);
    browser.fail();
    browser.answer(Answer::Status { code: 429, retry_after_ms: Some(u64::MAX) });
    assert!(browser.delay() < i32::MAX.unsigned_abs().into());
}

#[test]
fn after_eight_attempts_it_pauses_and_says_so() {
    let mut browser = Browser::live(5);
    exhaust(&mut browser);
    let view = browser.machine.view();
    assert_eq!((view.status, view.attempt), (Status::Paused(Pause::Exhausted), 8));
    assert_eq!(browser.opens.len(), 1 + 8);
}

#[test]
fn an_exhausted_stream_is_armed_again_with_a_fresh_budget() {
    for input in [Input::Online, Input::Visible, Input::PageShow, Input::ReconnectNow] {
        let mut browser = Browser::live(5);
        exhaust(&mut browser);
        browser.probe = None;
        browser.say(input.clone());
        assert_eq!(browser.machine.status(), Status::Connecting, "{input:?}");
        assert_eq!(exhaust(&mut browser).len(), 8, "{input:?}");
    }
}

#[test]
fn opening_alone_does_not_reset_the_count() {
    let mut browser = Browser::live(5);
    browser.fail();
    for attempt in 2..=8 {
        browser.fire();
        browser.open();
        browser.fail();
        assert_eq!(browser.machine.view().attempt, attempt);
    }
}

#[test]
fn the_first_event_resets_the_count() {
    let mut browser = Browser::live(5);
    for _ in 0..20 {
        browser.fail();
        assert_eq!(browser.machine.view().attempt, 1);
        browser.fire();
        browser.open();
        browser.hear(Heard::Ping);
        assert_eq!(browser.machine.view().attempt, 0);
    }
}

#[test]
fn five_seconds_open_reset_the_count() {
    let mut browser = Browser::live(5);
    browser.fail();
    browser.fire();
    browser.open();
    let opened = browser.now;
    browser.fire();
    assert_eq!((browser.now - opened, browser.machine.view().attempt, browser.machine.status()), (5_000, 0, Status::Live));
}

#[test]
fn a_probe_tells_final_answers_from_those_to_be_tried_again() {
    for (code, status) in [
        (401, Status::Closed(Closed::SignedOut)),
        (403, Status::Closed(Closed::SignedOut)),
        (204, Status::Closed(Closed::Completed)),
        (400, Status::Closed(Closed::Rejected(400))),
        (404, Status::Closed(Closed::Rejected(404))),
        (410, Status::Closed(Closed::Rejected(410))),
        (200, Status::Waiting),
        (302, Status::Waiting),
        (408, Status::Waiting),
        (425, Status::Waiting),
        (429, Status::Waiting),
        (500, Status::Waiting),
        (502, Status::Waiting),
        (503, Status::Waiting),
        (504, Status::Waiting),
    ] {
        let mut browser = Browser::live(1);
        browser.fail();
        browser.status_answer(code);
        assert_eq!(browser.machine.status(), status, "{code}");
    }
    let mut browser = Browser::live(1);
    browser.fail();
    browser.answer(Answer::Unreachable);
    assert_eq!((browser.machine.status(), browser.machine.view().error), (Status::Waiting, Some(Trouble::Unreachable)));
}

#[test]
fn a_stream_that_is_refused_from_the_start_ends_the_same_way() {
    let mut browser = Browser::new(Options::default(), 1);
    browser.say(Input::Start { after: None });
    browser.fail();
    browser.status_answer(401);
    assert_eq!(browser.machine.status(), Status::Closed(Closed::SignedOut));
}

#[test]
fn force_logout_closes_before_anything_else_and_nothing_arms_it_again() {
    let mut browser = Browser::live(1);
    let generation = browser.source.expect("connected");
    let actions = browser.hear(Heard::ForceLogout { reason: "the session was ended".to_owned() }).to_vec();
    assert_eq!(actions, [Action::CloseSource, Action::ClearTimer]);
    assert_eq!(browser.machine.view().error, Some(Trouble::LoggedOut("the session was ended".to_owned())));
    for input in [
        Input::Heard { generation, heard: Heard::Log(at(11)) },
        Input::Errored { generation },
        Input::Online,
        Input::Visible,
        Input::PageShow,
        Input::ReconnectNow,
        Input::Retarget { after: Some(at(1)) },
        Input::Start { after: None },
        Input::Stop,
        Input::Retarget { after: None },
        Input::PageHide,
        Input::PageShow,
    ] {
        assert_eq!(browser.say(input.clone()), [], "{input:?}");
        assert_eq!(browser.machine.status(), Status::Closed(Closed::SignedOut), "{input:?}");
    }
}
