//! The pages for whoever is not signed in: the one that the server sends in place of any other, and the one of a one-time link. Both are
//! documents of their own without scripts.

use crate::ui::components::header::Brand;
use leptos::prelude::*;

/// Why the page is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInReason {
    /// Nobody is signed in.
    SignedOut,
    /// A link that has been used, has expired, or was never one.
    InvalidLink,
    /// Another password.
    WrongPassword,
    /// Too many wrong passwords; in so many seconds one more is looked at.
    TooManyGuesses(u64),
}

impl SignInReason {
    /// What the person is told.
    fn words(self) -> String {
        match self {
            SignInReason::SignedOut => "You are not signed in.".to_owned(),
            SignInReason::InvalidLink => "This link does not work any more. Each one works once, within 15 minutes.".to_owned(),
            SignInReason::WrongPassword => "This is not the password.".to_owned(),
            SignInReason::TooManyGuesses(seconds) => format!(
                "There were too many wrong passwords, so this one was not looked at. Try again in {seconds} seconds, or sign in by a link."
            ),
        }
    }
}

/// The page.
#[component]
pub fn SignInPage(
    /// Why it is shown.
    reason: SignInReason,
    /// Whether a password is set.
    has_password: bool,
    /// Where to go afterwards; a path on this host.
    #[prop(into)]
    next: String,
) -> impl IntoView {
    let is_refusal = reason != SignInReason::SignedOut;
    let by_password = has_password.then(|| {
        view! {
            <form method="post" action="/sign-in" class="sign-in-form">
                // Password managers keep a password by a name, and there is only one here.
                <input type="text" autocomplete="username" value="kontasks" readonly hidden/>
                <label class="field">
                    <span>"Password"</span>
                    <input type="password" name="password" autocomplete="current-password" required autofocus/>
                </label>
                <input type="hidden" name="next" value=next.clone()/>
                <button class="button" data-variant="primary">"Sign in"</button>
            </form>
        }
    });
    view! {
        <main class="sign-in" id="main">
            <Brand/>
            <h1>"Sign in"</h1>
            <p role=is_refusal.then_some("alert") class:form-error=is_refusal>{reason.words()}</p>
            {by_password}
            <p>{if has_password { "Or, on the machine where Kontasks runs, type" } else { "On the machine where Kontasks runs, type" }}</p>
            <pre class="command"><code>"kontasks sign-in-link"</code></pre>
            <p>"and open the link that it prints, or paste what follows “token=” in it here:"</p>
            <form method="post" action="/sign-in" class="sign-in-form">
                <label class="field">
                    <span>"Token"</span>
                    <input type="password" name="token" autocomplete="off" required autofocus=!has_password/>
                </label>
                <input type="hidden" name="next" value=next/>
                <button class="button" data-variant=(!has_password).then_some("primary")>
                    "Sign in"{has_password.then(|| view! { <span class="visually-hidden">" by the link"</span> })}
                </button>
            </form>
        </main>
    }
}

/// The page of a one-time link that is still good. Opening it is not enough, since not only people open links.
#[component]
pub fn LinkPage(
    /// What the board is called in an address: a host, with its port where that is not the usual one.
    #[prop(into)]
    board: String,
    /// What the link is good by.
    #[prop(into)]
    token: String,
    /// Where to go afterwards; a path on this host.
    #[prop(into)]
    next: String,
) -> impl IntoView {
    view! {
        <main class="sign-in" id="main">
            <Brand/>
            <h1>"Sign in"</h1>
            <p>"This link signs this browser in to the board at "<strong>{board}</strong>". It works once."</p>
            <form method="post" action="/sign-in" class="sign-in-form">
                <input type="hidden" name="token" value=token/>
                <input type="hidden" name="next" value=next/>
                <button class="button" data-variant="primary" autofocus>"Sign in"</button>
            </form>
        </main>
    }
}
