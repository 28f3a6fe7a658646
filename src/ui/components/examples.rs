//! Three prompts for somebody who has none yet: each runs with one click, in any shell, within seconds.

use super::{fixed::fixed, form_token::FormToken, prompt_form::REQUEST_ID};
use crate::{
    api::runs::SubmitPrompt,
    ui::hooks::action::{pending, refusal},
};
use leptos::{form::ActionForm, prelude::*};

/// What each shows, and the prompt that shows it.
const EXAMPLES: [(&str, &str, &str); 3] = [
    ("Count to twenty", "Lines arrive as they are written.", "for i in $(seq 1 20); do echo \"line $i\"; sleep 0.2; done"),
    (
        "Paint a rainbow",
        "Colours are shown as in a terminal.",
        "for i in $(seq 0 71); do printf '\\033[48;5;%dm  ' $((16 + i * 3)); [ $((i % 24)) = 23 ] && printf '\\033[0m\\n'; done; printf '\\033[1;32mdone\\033[0m\\n'",
    ),
    (
        "Fill a progress bar",
        "It redraws in place instead of piling up.",
        "for i in $(seq 1 40); do printf '\\r\\033[36m%3d%%\\033[0m [%-40s]' $((i * 100 / 40)) \"$(printf '#%.0s' $(seq 1 $i))\"; sleep 0.08; done; echo",
    ),
];

/// The three, as buttons.
#[component]
pub fn Examples(
    /// What makes the next submission from this page one submission.
    request_id: String,
) -> impl IntoView {
    let submit = ServerAction::<SubmitPrompt>::new();
    let (is_pending, failed) = (pending(&submit), refusal(&submit));
    let examples = EXAMPLES
        .into_iter()
        .map(|(name, shows, prompt)| {
            let request_id = request_id.clone();
            view! {
                <li>
                    <ActionForm action=submit>
                        <FormToken/>
                        <input {..fixed(&[("type", "hidden"), ("name", "prompt"), ("value", prompt)])}/>
                        <input {..fixed(REQUEST_ID)} value=request_id/>
                        <button class="example" disabled=is_pending>
                            <span class="example-name">{name}</span>
                            <span class="example-shows">{shows}</span>
                            <code>{prompt}</code>
                        </button>
                    </ActionForm>
                </li>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <section class="empty" aria-labelledby="examples-heading">
            <h2 id="examples-heading">"Nothing has run here yet"</h2>
            <p>"Type a command above, or try one of these. Each runs in your shell with one click."</p>
            <ul class="examples">{examples}</ul>
            {move || failed().map(|words| view! { <p class="form-error" role="alert">{words}</p> }.into_any())}
        </section>
    }
}
