//! The page for whoever is not signed in. The server sends it in place of any other one, as a document of its own without scripts.

use crate::ui::components::header::Brand;
use leptos::prelude::*;

/// Why the page is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInReason {
    /// Nobody is signed in.
    SignedOut,
    /// A link that has been used, has expired, or was never one.
    InvalidLink,
}

/// The page.
#[component]
pub fn SignInPage(
    /// Why it is shown.
    reason: SignInReason,
    /// Where to go afterwards; a path on this host.
    #[prop(into)]
    next: String,
) -> impl IntoView {
    let words = match reason {
        SignInReason::SignedOut => "You are not signed in.",
        SignInReason::InvalidLink => "This link does not work any more. Each one works once, within 15 minutes.",
    };
    view! {
        <main class="sign-in" id="main">
            <Brand/>
            <h1>"Sign in"</h1>
            <p role=(reason == SignInReason::InvalidLink).then_some("alert") class:form-error=reason == SignInReason::InvalidLink>{words}</p>
            <p>"On the machine where Kontasks runs, type"</p>
            <pre class="command"><code>"kontasks sign-in-link"</code></pre>
            <p>"and open the link that it prints, or paste what follows “token=” in it here:"</p>
            <form method="post" action="/sign-in" class="sign-in-form">
                <label class="field">
                    <span>"Token"</span>
                    <input type="password" name="token" autocomplete="off" required autofocus/>
                </label>
                <input type="hidden" name="next" value=next/>
                <button class="button" data-variant="primary">"Sign in"</button>
            </form>
        </main>
    }
}
