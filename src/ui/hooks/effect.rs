//! `effect`: an Effect whose code is in the page once. Each kind of closure that is given to `Effect::new` itself brings all of that
//! function along again.

use leptos::prelude::Effect;

/// Runs `act` in the browser once what it stands in is mounted, and again whenever a signal that it reads has changed.
///
/// ## On the server
/// Does nothing.
pub fn effect(act: impl FnMut() + 'static) {
    fn boxed(mut act: Box<dyn FnMut()>) {
        Effect::new(move |_: Option<()>| act());
    }
    boxed(Box::new(act));
}
