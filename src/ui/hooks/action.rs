//! How an action stands, for views. An action can end after the view that asked for it: what stands here may be asked then too, as the view
//! may still be in the document while another is being loaded in its place.

use crate::{api::error::ApiError, domain::visible_text::visible};
use leptos::prelude::*;

/// What an action comes to.
type Done = Result<(), ApiError>;

/// Whether the action is under way.
pub fn pending<I: Send + Sync + 'static>(action: &Action<I, Done>) -> impl Fn() -> bool + Copy + Send + Sync + use<I> {
    let pending = action.pending();
    move || pending.try_get() == Some(true)
}

/// Whether it was done; anew each time.
pub fn done<I: Send + Sync + 'static>(action: &Action<I, Done>) -> impl Fn() -> bool + Copy + Send + Sync + use<I> {
    let value = action.value();
    move || value.try_with(|value| matches!(value, Some(Ok(())))) == Some(true)
}

/// Why it was not done.
pub fn refusal<I: Send + Sync + 'static>(action: &Action<I, Done>) -> impl Fn() -> Option<String> + Copy + Send + Sync + use<I> {
    let value = action.value();
    move || value.try_with(|value| value.as_ref()?.as_ref().err().map(|error| visible(&error.to_string()))).flatten()
}
