//! The last lines of a run, live: a console in small, for lists.

use super::rows;
use crate::{
    api::pages::PageRequest,
    domain::{
        cursor::Cursor,
        event::StreamEvent,
        id::RunId,
        snapshot::ConsoleSnapshot,
        terminal::Screen,
        terminal_size::{PlacedSize, screen_of},
    },
    ui::{
        hooks::use_snapshot::{Fetched, SnapshotOptions, use_snapshot},
        markup::{LiveMarkup, Markup},
    },
};
use leptos::prelude::*;

/// The last `lines` lines of a run's output. What comes before is a matter for its console.
///
/// ## On the server
/// The lines as they are, and the same in the first render in the browser.
#[component]
pub fn ConsoleTail(
    /// Which run.
    run: RunId,
    /// The end of its output.
    text: String,
    /// The sizes that its terminal had.
    sizes: Vec<PlacedSize>,
    /// Everything up to here is in `text`.
    cursor: Cursor,
    /// How many lines are shown.
    #[prop(default = 6)]
    lines: usize,
) -> impl IntoView {
    let screen = StoredValue::new(screen_of(&text, &sizes));
    let html = LiveMarkup::new(screen.with_value(|screen| last_rows(screen, lines)));
    let drawn = StoredValue::new(true);
    let draw_soon = move || {
        if drawn.try_update_value(|drawn| std::mem::replace(drawn, false)) == Some(true) {
            request_animation_frame(move || {
                drawn.try_update_value(|drawn| *drawn = true);
                if let Some(now) = screen.try_with_value(|screen| last_rows(screen, lines)) {
                    html.set(now);
                }
            });
        }
    };
    use_snapshot(SnapshotOptions {
        cursor,
        runs: vec![run],
        request: Box::new(move || PageRequest::console(run.to_string())),
        open: Box::new(move |packed| {
            let ConsoleSnapshot { cursor, text, sizes, .. } = packed.open()?;
            let show = move || {
                screen.try_set_value(screen_of(&text, &sizes));
                draw_soon();
            };
            Ok(Fetched { cursor, show: Box::new(show) })
        }),
        on_event: Box::new(move |event, _| {
            match event {
                StreamEvent::Output(output) if output.run == run => {
                    screen.try_update_value(|screen| screen.feed(&output.text));
                }
                StreamEvent::Size(size) if size.run == run => {
                    screen.try_update_value(|screen| screen.resize(size.columns.into(), size.rows.into()));
                }
                _ => return false,
            }
            draw_soon();
            false
        }),
        on_missing: Box::new(|_| {}),
    });
    view! { <div class="console-tail" style=format!("--rows: {lines}") {..html.content()}></div> }
}

fn last_rows(screen: &Screen, lines: usize) -> Markup {
    let line = |number: &usize| screen.line(*number);
    let is_shown = |number: &usize| line(number).is_some_and(|line| !line.text().is_empty());
    let end = (screen.first_line()..screen.lines()).rev().find(is_shown).map_or(0, |last| last + 1);
    let mut html = Markup::default();
    for line in (end.saturating_sub(lines).max(screen.first_line())..end).filter_map(|number| line(&number)) {
        // no number: nobody knows how many lines came before
        html.open("div", &[("class", "row")]);
        html.push(&rows::content(&line));
        html.close("div");
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let html = last_rows(&Screen::of(text), 3);
        html.as_str()
            .split("</div>")
            .filter_map(|row| row.strip_prefix("<div class=\"row\"><span>")?.strip_suffix("</span>"))
            .map(String::from)
            .collect()
    }

    #[test]
    fn the_end_is_shown_without_blank_lines_behind_it() {
        assert_eq!(shown(""), [""; 0]);
        assert_eq!(shown("a\r\n\r\nb  \r\n\r\n"), ["a", "", "b"]);
        assert_eq!(shown(&(1..=100).map(|n| format!("{n}\r\n")).collect::<String>()), ["98", "99", "100"]);
        assert_eq!(shown("10%\r20%"), ["20%"]);
        assert_eq!(shown("<b>"), ["&lt;b&gt;"]);
    }
}
