//! The page that a form is answered by which carried no good form token, as a document of its own
//! without scripts: nothing was done, why, and what was typed, so that it is not lost. It offers no
//! button that would do it after all: the form may be somebody else's.

use crate::ui::{
    components::header::Brand,
    markup::{Markup, content},
};
use leptos::prelude::*;

/// The page.
#[component]
pub fn NotDonePage(
    /// What was typed: the field's name in words, and its text.
    typed: Vec<(&'static str, String)>,
    /// The page that the form says it stood on; a path on this host.
    back: String,
) -> impl IntoView {
    let keeps = !typed.is_empty();
    let fields = typed.into_iter().map(|(name, text)| {
        view! {
            <label class="field">
                <span>{name}</span>
                <textarea rows="3" readonly {..content(Markup::of_textarea(&text))}></textarea>
            </label>
        }
    });
    view! {
        <main class="sign-in" id="main">
            <Brand/>
            <h1>"Nothing was done"</h1>
            <p class="form-error" role="alert">"This form is not from a page of this sign-in."</p>
            <p>
                "It stood on a page that is older than the sign-in, or something that is shown on a page has brought it there. Load the page anew, and send the form from there if it is what you want."
            </p>
            {keeps.then(|| view! { <p>"What was in it, for you to copy:"</p> })}
            {fields.collect_view()}
            <p><a class="button" href=back>"Load the page anew"</a></p>
        </main>
    }
}
