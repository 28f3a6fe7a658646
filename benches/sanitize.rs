//! What sanitising costs for texts that are made to cost much, and for reports, against escaping the same text; with RAW=1 also what
//! ammonia takes alone.
#![allow(clippy::print_stdout, reason = "a bench is a program that prints")]

#[path = "../tests/support/hostile_shapes.rs"]
mod hostile_shapes;
mod support;

use hostile_shapes::{Shape, reports, shapes};
use kontasks::backend::rich_text::{Bounds, Sanitized, measure, sanitize};
use std::time::{Duration, Instant};
use support::{headline, table};

fn main() {
    headline("Sanitising rich output (once, when it is posted)", "1");
    let raw = std::env::var_os("RAW").is_some();
    let milliseconds = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e3);
    let mut rows = Vec::new();
    for Shape { name, html } in reports().into_iter().chain(shapes()) {
        let (sanitized, time) = timed(|| sanitize(&html));
        let (escaped, plain) = timed(|| html.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"));
        assert!(escaped.len() >= html.len());
        let outcome = match sanitized {
            Sanitized::Html(html) => format!("{} kB of HTML", html.len() / 1000),
            Sanitized::Refused(why) => format!("text: {why}"),
        };
        let (cost, _) = measure(&html, &Bounds::default());
        let mut row = vec![
            name.to_owned(),
            format!("{}", html.len() / 1000),
            milliseconds(time),
            milliseconds(plain),
            cost.steps.to_string(),
            outcome,
        ];
        if raw {
            row.push(milliseconds(timed(|| ammonia::clean(&html)).1));
        }
        rows.push(row);
    }
    let mut columns = vec!["", "kB", "ms", "escaped ms", "steps", "shown as"];
    columns.extend(raw.then_some("ammonia alone ms"));
    table(&columns, &rows);
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (work(), start.elapsed())
}
