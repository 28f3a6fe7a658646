//! The line under a console: how the run stands, in words and a sign, what it came to, and what can be done with it.

use super::{earlier::address, own_copy::Check};
use crate::{
    api::runs::CancelRun,
    domain::{
        number::counted,
        run::{Run, RunStatus},
        timestamp::Timestamp,
        visible_text::visible,
    },
    ui::{
        components::{elapsed::Elapsed, form_token::FormToken},
        hooks::{action::refusal, live::use_live, use_local_time::local, use_now::present},
    },
};
use leptos::{form::ActionForm, prelude::*};

/// The footer.
#[component]
pub fn ConsoleFooter(
    /// The run as it is now.
    run: Memo<Run>,
    /// How many lines its output has.
    #[prop(into)]
    lines: Signal<usize>,
    /// Whether what the page shows is what the run wrote.
    #[prop(into)]
    check: Signal<Check>,
    /// Whether to offer the run's own page.
    full_page_link: bool,
) -> impl IntoView {
    let live = use_live();
    let id = run.with_untracked(|run| run.id);
    let over = Memo::new(move |_| run.with(|run| run.status.is_final()));
    let outcome = Memo::new(move |_| run.with(|run| (sign(run), visible(&run.outcome()))));
    // a failure's words name it already
    let exit_code = move || run.with(|run| run.exit_code.filter(|_| run.status.is_final() && run.status != RunStatus::Failed));
    let caught_up = move || {
        let lines = live.caught_up().map_or(0, |caught_up| caught_up.lines_of(id));
        (lines > 0).then(|| format!("caught up {}", lines_in_words(lines)))
    };
    let unknown_since = silent_since(over);
    view! {
        <footer class="console-footer">
            <p class="console-outcome" role="status">
                <span class="console-sign" aria-hidden="true">{move || outcome.get().0}</span>
                <span>{move || outcome.get().1}</span>
            </p>
            <ul class="console-facts">
                <li hidden=move || exit_code().is_none()>{move || exit_code().map(|code| format!("exit code {code}"))}</li>
                <li class="console-lines">{move || lines_in_words(lines.get() as u64)}</li>
                <li>
                    <Elapsed run/>
                </li>
                <li class="console-check" hidden=move || completeness(run, check).is_none()>{move || completeness(run, check)}</li>
                <li class="console-unknown" hidden=move || unknown_since.get().is_none()>
                    {move || unknown_since.get().map(|at| format!("not known to run since {}", local(at)))}
                </li>
                <li class="console-caught-up" hidden=move || caught_up().is_none()>{caught_up}</li>
            </ul>
            <div class="console-actions">
                <CancelButton run over/>
                <a href=address(id) rel="external">"Plain text"</a>
                {full_page_link.then(|| view! { <a href=format!("/runs/{id}")>"Full page"</a> })}
            </div>
        </footer>
    }
}

/// Asks for the run to be ended, and again for the next step towards it; a plain form, so that it needs no script.
#[component]
fn CancelButton(
    /// The run.
    run: Memo<Run>,
    /// Whether it has ended.
    over: Memo<bool>,
) -> impl IntoView {
    let id = run.with_untracked(|run| run.id);
    let cancel = ServerAction::<CancelRun>::new();
    let reached = Memo::new(move |_| run.with(|run| run.stopping.as_ref().map(|stopping| stopping.signal.clone())));
    // At which step it was pressed last: one press takes one step, also where it is a double click.
    let pressed = RwSignal::new(None::<Option<String>>);
    let error = refusal(&cancel);
    let asked = move || error().is_none() && pressed.try_get().flatten() == reached.try_get();
    let next = move || match reached.try_get().flatten().as_deref() {
        _ if asked() => "Cancelling…",
        None => "Cancel",
        Some("SIGINT") => "Terminate now",
        Some("SIGTERM") => "Kill now",
        Some(_) => "Ending…",
    };
    let nothing_more = move || reached.try_with(|signal| signal.as_deref() == Some("SIGKILL")) == Some(true);
    view! {
        <Show when=move || !over.get()>
            // At the click it would be too early: a button that is disabled by then submits nothing.
            <ActionForm action=cancel attr:class="console-cancel" on:submit=move |_| pressed.set(Some(reached.get_untracked()))>
                <FormToken/>
                <input type="hidden" name="run_id" value=id.to_string()/>
                <button class="button" type="submit" disabled=move || asked() || nothing_more()>{next}</button>
            </ActionForm>
            <span class="console-error" role="alert">{error}</span>
        </Show>
    }
}

/// Since when nothing has been heard of a run that had not ended; none while the page is live.
fn silent_since(over: Memo<bool>) -> Signal<Option<Timestamp>> {
    let live = use_live();
    let lost = RwSignal::new(None);
    Effect::new(move |was: Option<bool>| {
        let is = live.is_live();
        if is {
            lost.set(None);
        } else if was == Some(true) {
            lost.set(Some(present()));
        }
        is
    });
    Signal::derive(move || lost.get().filter(|_| !over.get()))
}

/// How complete what is shown of a run is, once it is over; none where nobody can know.
fn completeness(run: Memo<Run>, check: Signal<Check>) -> Option<String> {
    run.with(|run| in_words(run, check.get()))
}

/// Only what goes back to the program is called verified.
fn in_words(run: &Run, check: Check) -> Option<String> {
    if let Some(damage) = run.damage {
        return Some(format!("damaged {}", damage.place()));
    }
    let up_to = run.verified_bytes.filter(|_| run.verified.is_none());
    let words = match (run.status, check) {
        (RunStatus::Queued | RunStatus::Running, _) | (RunStatus::Interrupted, Check::Unknown) => return None,
        (_, Check::Mended) => "loaded anew, as this page had not got all of it",
        (_, Check::Differs) => "not verified: reload the page, or read the plain text",
        (RunStatus::Interrupted, Check::Verified) => match up_to {
            None if run.verified == Some(true) => "verified",
            None | Some(0) => "the same as the log",
            Some(bytes) => return Some(format!("verified up to byte {}", counted(bytes))),
        },
        (_, Check::Unknown) => "complete",
        (_, Check::Verified) if run.verified == Some(true) => "complete · verified",
        (_, Check::Verified) => "complete · the same as the log",
    };
    Some(words.to_owned())
}

/// A sign for how a run stands, different for each word of it: colour alone says nothing to some.
fn sign(run: &Run) -> &'static str {
    match (run.status, run.exit_code, &run.signal) {
        (RunStatus::Queued, ..) => "○",
        (RunStatus::Running, ..) => "●",
        (RunStatus::Succeeded, ..) => "✓",
        (RunStatus::Failed, Some(_), _) => "✗",
        (RunStatus::Failed, None, Some(_)) => "↯",
        (RunStatus::Failed, None, None) => "⊘",
        (RunStatus::Cancelled, ..) => "■",
        (RunStatus::Interrupted, ..) => "⚠",
    }
}

fn lines_in_words(lines: u64) -> String {
    match lines {
        1 => "1 line".to_owned(),
        lines => format!("{} lines", counted(lines)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run that is over, with what its members say beside the usual.
    fn ended(members: serde_json::Value) -> Run {
        use crate::domain::members::Read;
        let mut run = serde_json::json!({
            "id": "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c", "taskId": "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4d",
            "requestId": "r", "runner": "shell", "prompt": "true", "status": "succeeded", "exitCode": 0,
            "createdAt": "2026-01-02T09:13:58.259Z", "startedAt": null, "endedAt": null, "events": 1,
            "bytes": 2_000_000, "digest": "sha256:00",
        });
        if let (Some(run), serde_json::Value::Object(members)) = (run.as_object_mut(), members) {
            run.extend(members);
        }
        Run::read(run).expect("a run")
    }

    #[test]
    fn only_what_goes_back_to_the_program_is_called_verified() {
        use serde_json::json;
        let words = |members, check| in_words(&ended(members), check);
        let verified = json!({"verified": true, "verifiedBytes": 2_000_000});
        let interrupted = |mut members: serde_json::Value| {
            members["status"] = "interrupted".into();
            members
        };
        let damage = json!({"verified": false, "damage": {"from": 1_048_576, "to": 2_000_000}});
        let damaged = Some("damaged between byte 1,048,576 and 2,000,000");
        for (members, check, expected) in [
            (verified.clone(), Check::Verified, Some("complete · verified")),
            (verified.clone(), Check::Unknown, Some("complete")),
            (verified.clone(), Check::Differs, Some("not verified: reload the page, or read the plain text")),
            (json!({}), Check::Verified, Some("complete · the same as the log")),
            (json!({}), Check::Unknown, Some("complete")),
            (interrupted(verified), Check::Verified, Some("verified")),
            (interrupted(json!({"verifiedBytes": 1_048_576})), Check::Verified, Some("verified up to byte 1,048,576")),
            (interrupted(json!({"verifiedBytes": 0})), Check::Verified, Some("the same as the log")),
            (interrupted(json!({})), Check::Verified, Some("the same as the log")),
            (interrupted(json!({})), Check::Unknown, None),
            (damage.clone(), Check::Verified, damaged),
            (interrupted(damage.clone()), Check::Unknown, damaged),
            (json!({"status": "running", "damage": damage["damage"]}), Check::Unknown, damaged),
            (json!({"status": "running"}), Check::Verified, None),
        ] {
            assert_eq!(words(members.clone(), check).as_deref(), expected, "{members} {check:?}");
        }
    }

    #[test]
    fn a_single_line_is_no_plural() {
        assert_eq!([0, 1, 1000].map(lines_in_words), ["0 lines", "1 line", "1,000 lines"]);
    }
}
