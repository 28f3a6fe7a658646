//! The one door by which text gets into a document where Leptos does not escape it: the document's
//! title, what an element is filled with as markup, and rows of a console. What comes from outside
//! leaves it as text; elements, attributes' names and whole pieces of markup are those of our
//! sources. `tests/tidy.rs` fails where something goes past it.

pub use leptos_meta::{MetaTags, provide_meta_context};

use leptos::{prelude::*, tachys::html::element::InnerHtml, text_prop::TextProp};
use leptos_meta::{ServerMetaContext, Title};

/// Markup whose elements and attributes' names stand in our sources. Everything else in it is text,
/// or was sanitised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Markup(String);

impl Markup {
    /// What `backend/rich_text.rs` has let through. Nothing else may come in here: `tests/tidy.rs`
    /// knows who calls it.
    #[must_use]
    pub fn sanitized(html: String) -> Self {
        Markup(html)
    }

    /// A text as it is to be read, in an element or in a document's title.
    #[must_use]
    pub fn text(text: &str) -> Self {
        let mut markup = Markup(String::with_capacity(text.len()));
        markup.push_text(text);
        markup
    }

    /// A text as the content of a `textarea`, with its own first line break, of which parsers drop
    /// one.
    #[must_use]
    pub fn of_textarea(text: &str) -> Self {
        let mut markup = Markup(if text.starts_with('\n') { "\n".to_owned() } else { String::new() });
        markup.push_text(text);
        markup
    }

    /// Adds a text: whatever is in it, it opens no element, ends none and leaves no attribute.
    pub fn push_text(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            let (plain, special) = rest.split_at(at);
            self.0.push_str(plain);
            self.0.push_str(match special.as_bytes().first() {
                Some(b'&') => "&amp;",
                Some(b'<') => "&lt;",
                Some(b'>') => "&gt;",
                Some(b'"') => "&quot;",
                _ => "&#39;",
            });
            rest = special.get(1..).unwrap_or_default();
        }
        self.0.push_str(rest);
    }

    /// Adds markup.
    pub fn push(&mut self, markup: &Markup) {
        self.0.push_str(&markup.0);
    }

    /// Opens an element. An attribute whose value is empty is left out.
    pub fn open(&mut self, element: &'static str, attributes: &[(&'static str, &str)]) {
        self.0.push('<');
        self.0.push_str(element);
        for (name, value) in attributes.iter().filter(|(_, value)| !value.is_empty()) {
            self.0.push(' ');
            self.0.push_str(name);
            self.0.push_str("=\"");
            self.push_text(value);
            self.0.push('"');
        }
        self.0.push('>');
    }

    /// Ends the element that was opened last.
    pub fn close(&mut self, element: &'static str) {
        self.0.push_str("</");
        self.0.push_str(element);
        self.0.push('>');
    }

    /// As a parser reads it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Puts it into an element in place of what is there. Browser only, as the next two are.
    pub fn fill(&self, element: &web_sys::Element) {
        element.set_inner_html(&self.0);
    }

    /// Puts it into an element before what is there.
    pub fn put_first(&self, element: &web_sys::Element) {
        let _ = element.insert_adjacent_html("afterbegin", &self.0);
    }

    /// Puts it into an element after what is there.
    pub fn put_last(&self, element: &web_sys::Element) {
        let _ = element.insert_adjacent_html("beforeend", &self.0);
    }
}

/// Fills an element, as one of its attributes: `<div {..content(markup)}></div>`.
pub fn content(markup: Markup) -> InnerHtml<String> {
    leptos::tachys::html::element::inner_html(markup.0)
}

/// Markup that changes. It is held as a text, since a signal of another type costs the page another
/// signal's code.
#[derive(Clone, Copy)]
pub struct LiveMarkup(RwSignal<String>);

impl LiveMarkup {
    /// What it is at first.
    #[must_use]
    pub fn new(markup: Markup) -> Self {
        LiveMarkup(RwSignal::new(markup.0))
    }

    /// Shows other markup, where it is other; after its owner is gone it does nothing.
    pub fn set(self, markup: Markup) {
        if self.0.try_with_untracked(|shown| *shown != markup.0) == Some(true) {
            self.0.try_set(markup.0);
        }
    }

    /// Fills an element, as one of its attributes, and does so again when it changes.
    #[must_use]
    pub fn content(self) -> InnerHtml<RwSignal<String>> {
        leptos::tachys::html::element::inner_html(self.0)
    }
}

/// The document's title as long as this is mounted, in words; the board's name alone where they are
/// empty.
///
/// In the browser it is set as text. On the server `leptos_meta` writes a title into the document
/// as it is given, so there it is given as markup: exactly where the context is that it writes
/// from.
#[component]
pub fn PageTitle(
    /// The words.
    #[prop(into)]
    text: TextProp,
) -> impl IntoView {
    let is_written_as_markup = use_context::<ServerMetaContext>().is_some();
    let text = if is_written_as_markup { TextProp::from(move || Markup::text(&text.get()).0) } else { text };
    view! { <Title text/> }
}

/// What all titles of the application have in common.
#[component]
pub fn SiteTitle() -> impl IntoView {
    view! { <Title formatter=titled/> }
}

/// The title of a document with those words, as text or as markup, whichever they are: what is
/// added is the same in both.
fn titled(page: String) -> String {
    if page.is_empty() { "Kontasks".to_owned() } else { format!("{page} · Kontasks") }
}

/// The title element of a document that is written as a whole.
#[component]
pub fn PlainTitle(
    /// The words.
    text: &'static str,
) -> impl IntoView {
    view! { <title {..content(Markup::text(&titled(text.to_owned())))}></title> }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_typed_is_shown_as_it_was() {
        assert_eq!(Markup::of_textarea("a < b && c").as_str(), "a &lt; b &amp;&amp; c");
        assert_eq!(Markup::of_textarea("</textarea><script>").as_str(), "&lt;/textarea&gt;&lt;script&gt;");
        assert_eq!(Markup::of_textarea("\nx").as_str(), "\n\nx");
        assert_eq!(Markup::of_textarea("").as_str(), "");
    }

    #[test]
    fn an_element_has_the_attributes_that_say_something() {
        let mut markup = Markup::default();
        markup.open("a", &[("class", ""), ("title", "\"><b>'&")]);
        markup.push_text("x");
        markup.close("a");
        assert_eq!(markup.as_str(), "<a title=\"&quot;&gt;&lt;b&gt;&#39;&amp;\">x</a>");
    }

    proptest! {
        /// Whatever the text, nothing of it opens a tag, ends an attribute or begins a reference
        /// that was not there; and it is all there.
        #[test]
        fn a_text_stays_a_text(text in "([<>&\"'/!a-z;#= -]|\\PC){0,40}") {
            let markup = Markup::text(&text);
            prop_assert!(!markup.as_str().contains(['<', '>', '"', '\'']));
            let back = markup.as_str().replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
            prop_assert_eq!(back.replace("&amp;", "&"), text);
        }
    }
}
