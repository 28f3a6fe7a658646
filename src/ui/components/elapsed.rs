//! How long a run took, or has been taking.

use crate::{
    domain::{run::Run, timestamp::Timestamp},
    ui::hooks::{live::use_live, use_now::use_now},
};
use leptos::prelude::*;
use std::time::Duration;

/// The time between a run's start and its end. While it runs, it counts, but only as long as the page is live: a run of which
/// nothing is heard may have ended.
#[component]
pub fn Elapsed(
    /// The run.
    run: Memo<Run>,
) -> impl IntoView {
    let live = use_live();
    let runs = Memo::new(move |_| run.with(|run| !run.status.is_final() && run.started_at.is_some()) && live.is_live());
    let now = use_now(Duration::from_secs(1), runs);
    view! { <span class="elapsed">{move || run.with(|run| time_taken(run, &now))}</span> }
}

/// How long an ended run took; nothing where it was never started.
#[must_use]
pub fn took(run: &Run) -> String {
    time_taken(run, &|| None)
}

fn time_taken(run: &Run, now: &dyn Fn() -> Option<Timestamp>) -> String {
    let until = run.ended_at.or_else(now);
    run.started_at.zip(until).map(|(start, until)| duration(until.since(start))).unwrap_or_default()
}

/// Milliseconds in words that take little room: `< 0.1 s`, `0.4 s`, `12 s`, `3 min 05 s`, `1 h 02 min`.
#[must_use]
pub fn duration(millis: i64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0 if millis < 100 => "< 0.1 s".to_owned(),
        0..=9 if millis % 1000 >= 100 || seconds == 0 => format!("{}.{} s", seconds, millis % 1000 / 100),
        0..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_are_short() {
        let words = [40, 420, 2000, 2340, 12_900, 185_000, 3_720_000].map(duration);
        assert_eq!(words, ["< 0.1 s", "0.4 s", "2 s", "2.3 s", "12 s", "3 min 05 s", "1 h 02 min"]);
    }
}
