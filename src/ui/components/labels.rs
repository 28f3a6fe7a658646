//! Small words with a meaning: statuses, types, scopes, tags. What they mean is carried by an attribute, so that a style sheet can
//! colour the known ones and leave the unknown ones plain.

use crate::domain::visible_text::visible;
use leptos::prelude::*;

/// `in_progress` as a person writes it: "in progress".
#[must_use]
pub fn spaced(word: &str) -> String {
    visible(word).replace('_', " ")
}

/// A status, of a task or a run.
#[component]
pub fn StatusBadge(
    /// The status word.
    #[prop(into)]
    status: String,
) -> impl IntoView {
    let words = spaced(&status);
    view! { <span class="badge" data-status=visible(&status)>{words}</span> }
}

/// A scope and tags, each a link to the board of its like.
#[component]
pub fn Labels(
    /// The scope, if any.
    scope: Option<String>,
    /// The tags.
    tags: Vec<String>,
) -> impl IntoView {
    let label = |kind: &'static str, word: String| {
        let address = board(kind, &word);
        view! { <a class="label" data-kind=kind href=address>{visible(&word)}</a> }.into_any()
    };
    let labels: Vec<_> =
        scope.into_iter().map(|scope| label("scope", scope)).chain(tags.into_iter().map(|tag| label("tag", tag))).collect();
    view! { <span class="labels">{labels}</span> }
}

/// The address of the board where one member of the filter has that value.
#[must_use]
pub fn board(member: &str, value: &str) -> String {
    format!("/tasks?{member}={}", percent_encoded(value))
}

/// A text as a part of a query: what RFC 3986 calls unreserved stays, every other byte becomes `%XX`.
#[must_use]
pub fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_as_words() {
        assert_eq!(spaced("in_progress_now"), "in progress now");
        assert_eq!(board("tag", "a&b ü"), "/tasks?tag=a%26b%20%C3%BC");
    }
}
