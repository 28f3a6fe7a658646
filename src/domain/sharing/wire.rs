//! A message as the channel carries it: one text, a line with the words of the message, and behind it the data of an event as it came.
//! What cannot be read is nothing: the channel is open to other versions of the page.

use super::{Heard, Led, Message, TabId, Term, Wish};
use crate::domain::reconnect::{Closed, Pause, Status, Trouble, View};
use std::{fmt::Write, str::FromStr};

impl Message {
    /// As the channel carries it.
    #[must_use]
    pub fn to_wire(&self) -> String {
        match self {
            Message::Wants(tab, None) => format!("wants {tab}"),
            Message::Wants(tab, Some(wish)) => format!("wants {tab} {}", wish_to_wire(wish)),
            Message::ReconnectNow => "reconnect".to_owned(),
            Message::LookedAt => "look".to_owned(),
            Message::Led { term, number, what } => {
                let what = match what {
                    Led::Carries { wish, asker } => format!("carries {asker} {}", wish_to_wire(wish)),
                    Led::View(view) => format!("view {}", view_to_wire(view)),
                    Led::Heard(Heard::Hello { resumed, data }) => format!("hello {resumed}\n{data}"),
                    Led::Heard(Heard::Event { cursor, name, data }) => format!("event {cursor} {name}\n{data}"),
                    Led::Heard(Heard::Reset(None)) => "reset".to_owned(),
                    Led::Heard(Heard::Reset(Some(cursor))) => format!("reset {cursor}"),
                    Led::Heard(Heard::Ping) => "ping".to_owned(),
                };
                format!("led {} {} {number} {what}", term.since, term.tab)
            }
        }
    }

    /// Reads what the channel carried.
    #[must_use]
    pub fn from_wire(text: &str) -> Option<Self> {
        let (words, data) = text.split_once('\n').unwrap_or((text, ""));
        let mut words = words.split(' ');
        Some(match words.next()? {
            "wants" => {
                let tab: TabId = next(&mut words)?;
                Message::Wants(tab, wish_from_wire(&mut words))
            }
            "reconnect" => Message::ReconnectNow,
            "look" => Message::LookedAt,
            "led" => {
                let term = Term { since: next(&mut words)?, tab: next(&mut words)? };
                let number = next(&mut words)?;
                let what = match words.next()? {
                    "carries" => {
                        let asker = next(&mut words)?;
                        Led::Carries { asker, wish: wish_from_wire(&mut words)? }
                    }
                    "view" => Led::View(view_from_wire(&mut words, data)?),
                    "hello" => Led::Heard(Heard::Hello { resumed: next(&mut words)?, data: data.to_owned() }),
                    "event" => {
                        let cursor = next(&mut words)?;
                        Led::Heard(Heard::Event { cursor, name: words.next()?.to_owned(), data: data.to_owned() })
                    }
                    "reset" => Led::Heard(Heard::Reset(next(&mut words))),
                    "ping" => Led::Heard(Heard::Ping),
                    _ => return None,
                };
                Message::Led { term, number, what }
            }
            _ => return None,
        })
    }
}

fn next<'t, T: FromStr>(words: &mut impl Iterator<Item = &'t str>) -> Option<T> {
    words.next()?.parse().ok()
}

fn wish_to_wire(wish: &Wish) -> String {
    let mut text = wish.after.to_string();
    for run in &wish.runs {
        let _ = write!(text, " {run}");
    }
    text
}

fn wish_from_wire<'t>(words: &mut impl Iterator<Item = &'t str>) -> Option<Wish> {
    let after = next(words)?;
    Some(Wish { after, runs: words.filter_map(|run| run.parse().ok()).collect() })
}

/// The words of a view, and what a server said in the line behind them.
fn view_to_wire(view: &View) -> String {
    let status = match view.status {
        Status::Idle => "idle",
        Status::Connecting => "connecting",
        Status::Live => "live",
        Status::Waiting => "waiting",
        Status::Paused(Pause::Offline) => "offline",
        Status::Paused(Pause::Exhausted) => "exhausted",
        Status::Paused(Pause::Away) => "away",
        Status::Closed(Closed::SignedOut) => "signed-out",
        Status::Closed(Closed::Completed) => "completed",
        Status::Closed(Closed::Rejected(_)) => "rejected",
        Status::Closed(Closed::Explicit) => "closed",
    };
    let code = match (&view.status, &view.error) {
        (Status::Closed(Closed::Rejected(code)), _) | (_, Some(Trouble::Answered(code))) => *code,
        _ => 0,
    };
    let (trouble, words) = match &view.error {
        None => ("none", ""),
        Some(Trouble::Lost) => ("lost", ""),
        Some(Trouble::ShuttingDown) => ("shutdown", ""),
        Some(Trouble::Silent) => ("silent", ""),
        Some(Trouble::NoAnswer) => ("no-answer", ""),
        Some(Trouble::Unreachable) => ("unreachable", ""),
        Some(Trouble::Answered(_)) => ("answered", ""),
        Some(Trouble::LoggedOut(words)) => ("logged-out", words.as_str()),
    };
    let retry_at = view.next_retry_at.unwrap_or_default();
    format!("{status} {code} {} {retry_at} {trouble}\n{words}", view.attempt)
}

fn view_from_wire<'t>(words: &mut impl Iterator<Item = &'t str>, said: &str) -> Option<View> {
    let status = words.next()?;
    let code = next(words)?;
    let status = match status {
        "idle" => Status::Idle,
        "connecting" => Status::Connecting,
        "live" => Status::Live,
        "waiting" => Status::Waiting,
        "offline" => Status::Paused(Pause::Offline),
        "exhausted" => Status::Paused(Pause::Exhausted),
        "away" => Status::Paused(Pause::Away),
        "signed-out" => Status::Closed(Closed::SignedOut),
        "completed" => Status::Closed(Closed::Completed),
        "rejected" => Status::Closed(Closed::Rejected(code)),
        "closed" => Status::Closed(Closed::Explicit),
        _ => return None,
    };
    let attempt = next(words)?;
    let next_retry_at = Some(next(words)?).filter(|at| *at > 0);
    let error = match words.next()? {
        "lost" => Some(Trouble::Lost),
        "shutdown" => Some(Trouble::ShuttingDown),
        "silent" => Some(Trouble::Silent),
        "no-answer" => Some(Trouble::NoAnswer),
        "unreachable" => Some(Trouble::Unreachable),
        "answered" => Some(Trouble::Answered(code)),
        "logged-out" => Some(Trouble::LoggedOut(said.to_owned())),
        _ => None,
    };
    Some(View { status, attempt, next_retry_at, error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::RunId;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn wish() -> impl Strategy<Value = Wish> {
        (0..9u64, proptest::collection::vec(any::<u128>(), 0..4)).prop_map(|(seq, runs)| Wish {
            after: format!("k-{seq}").parse().expect("a cursor"),
            runs: runs.into_iter().map(|run| RunId(Uuid::from_u128(run))).collect(),
        })
    }

    fn view() -> impl Strategy<Value = View> {
        let status = prop::sample::select(vec![
            Status::Idle,
            Status::Connecting,
            Status::Live,
            Status::Waiting,
            Status::Paused(Pause::Offline),
            Status::Paused(Pause::Exhausted),
            Status::Paused(Pause::Away),
            Status::Closed(Closed::SignedOut),
            Status::Closed(Closed::Completed),
            Status::Closed(Closed::Explicit),
        ]);
        let error = prop_oneof![
            Just(None),
            prop::sample::select(vec![Trouble::Lost, Trouble::ShuttingDown, Trouble::Silent, Trouble::NoAnswer, Trouble::Unreachable])
                .prop_map(Some),
            any::<u16>().prop_map(|code| Some(Trouble::Answered(code))),
            ".*\n?.*".prop_map(|words| Some(Trouble::LoggedOut(words))),
        ];
        (status, 0..9u32, proptest::option::of(1..u64::MAX), error).prop_map(|(status, attempt, next_retry_at, error)| View {
            status,
            attempt,
            next_retry_at,
            error,
        })
    }

    fn led() -> impl Strategy<Value = Led> {
        prop_oneof![
            (wish(), any::<u64>()).prop_map(|(wish, asker)| Led::Carries { wish, asker }),
            view().prop_map(Led::View),
            (any::<bool>(), ".*").prop_map(|(resumed, data)| Led::Heard(Heard::Hello { resumed, data })),
            (wish(), "[a-z]+", ".*").prop_map(|(wish, name, data)| Led::Heard(Heard::Event { cursor: wish.after, name, data })),
            proptest::option::of(wish()).prop_map(|wish| Led::Heard(Heard::Reset(wish.map(|wish| wish.after)))),
            Just(Led::Heard(Heard::Ping)),
        ]
    }

    fn message() -> impl Strategy<Value = Message> {
        prop_oneof![
            (any::<u64>(), proptest::option::of(wish())).prop_map(|(tab, wish)| Message::Wants(tab, wish)),
            Just(Message::ReconnectNow),
            Just(Message::LookedAt),
            (any::<(u64, u64, u64)>(), led()).prop_map(|((since, tab, number), what)| Message::Led {
                term: Term { since, tab },
                number,
                what
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_said_is_understood(message in message()) {
            prop_assert_eq!(Message::from_wire(&message.to_wire()), Some(message));
        }

        #[test]
        fn anything_else_is_nothing_or_something_but_never_a_panic(text in "(wants|led|view|look)?[ -9a-z\n]*") {
            let _ = Message::from_wire(&text);
        }
    }

    #[test]
    fn a_refusal_keeps_its_status() {
        let view = View { status: Status::Closed(Closed::Rejected(422)), error: Some(Trouble::Answered(422)), ..View::default() };
        let message = Message::Led { term: Term { since: 1, tab: 2 }, number: 3, what: Led::View(view) };
        assert_eq!(Message::from_wire(&message.to_wire()), Some(message));
    }

    #[test]
    fn what_another_version_says_is_passed_over() {
        for text in ["", "hello", "led", "led 1 2", "led 1 2 3 later k-1", "wants", "wants me", "led 1 2 3 event nonsense output\n{}"] {
            assert_eq!(Message::from_wire(text), None, "{text:?}");
        }
    }
}
