//! `use_kept_text`: what is typed into a field outlives its page, so that a reload, a sign-in or a new version takes nothing away.

use super::effect::effect;
use leptos::{html::Textarea, prelude::*};
use web_sys::{HtmlTextAreaElement, Storage};

/// A field whose text is kept.
#[derive(Clone, Copy)]
pub struct KeptText {
    name: &'static str,
}

impl KeptText {
    /// Keeps what the field holds now. To be called whenever a person has changed it.
    pub fn keep(&self, field: &HtmlTextAreaElement) {
        if let Some(storage) = storage() {
            // A storage that is full keeps what it had.
            let _ = storage.set_item(self.name, &field.value());
        }
    }

    /// The text has arrived where it was meant for.
    pub fn forget(&self) {
        if let Some(storage) = storage() {
            let _ = storage.remove_item(self.name);
        }
    }
}

/// Fills the field, where it is empty, with what was kept under that name in this tab.
///
/// ## On the server
/// Does nothing.
pub fn use_kept_text(name: &'static str, field: NodeRef<Textarea>) -> KeptText {
    effect(move || {
        if let Some(field) = field.get().filter(|field| field.value().is_empty())
            && let Some(text) = storage().and_then(|storage| storage.get_item(name).ok().flatten())
        {
            field.set_value(&text);
        }
    });
    KeptText { name }
}

/// None where the browser refuses it to the page.
fn storage() -> Option<Storage> {
    web_sys::window()?.session_storage().ok().flatten()
}
