//! Rich output made safe: HTML from any program in, HTML that a page may contain out. Safe inline styles are kept, since reports are
//! written with them; nothing that is left can run, load, ask for input, or leave the box that the page puts around it.

mod measure;
mod queue;

pub use measure::{Bounds, Cost, Excess, measure};
pub use queue::Sanitizers;

use crate::domain::visible_text::visible;
use ammonia::{Builder, UrlRelative};
use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    panic,
    sync::LazyLock,
};

/// Which sanitiser this is. What was sanitised by an older one is sanitised again before it is shown: raise it with each change of
/// what is let through.
pub const VERSION: i64 = 1;

/// What becomes of a rich text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sanitized {
    /// HTML that a page may contain.
    Html(String),
    /// It is shown as the text that it is, and why.
    Refused(String),
}

impl Sanitized {
    /// What a page contains for the text that was given as `original`.
    #[must_use]
    pub fn to_html(&self, original: &str) -> String {
        match self {
            Sanitized::Html(html) => html.clone(),
            Sanitized::Refused(why) => format!(
                "<p data-shown-as=\"text\">Shown as text, since as HTML it {}.</p><pre>\n{}</pre>",
                escaped(why),
                escaped(&visible(original))
            ),
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The properties that a report may set on its own elements. What could reach beyond the box (`position`, `z-index`, `transform`,
/// `animation`, `content`), load something (`background-image`) or follow the page's own styles (custom properties) is not among them.
#[rustfmt::skip]
const PROPERTIES: &[&str] = &[
    "align-content", "align-items", "align-self", "background", "background-color", "border", "border-bottom", "border-bottom-color",
    "border-bottom-left-radius", "border-bottom-right-radius", "border-bottom-style", "border-bottom-width", "border-collapse",
    "border-color", "border-left", "border-left-color", "border-left-style", "border-left-width", "border-radius", "border-right",
    "border-right-color", "border-right-style", "border-right-width", "border-spacing", "border-style", "border-top",
    "border-top-color", "border-top-left-radius", "border-top-right-radius", "border-top-style", "border-top-width", "border-width",
    "box-shadow", "box-sizing", "clear", "color", "column-gap", "display", "flex", "flex-basis", "flex-direction", "flex-grow",
    "flex-shrink", "flex-wrap", "float", "font", "font-family", "font-size", "font-style", "font-variant", "font-weight", "gap",
    "grid-column", "grid-gap", "grid-row", "grid-template-columns", "grid-template-rows", "height", "justify-content",
    "justify-items", "letter-spacing", "line-height", "list-style", "list-style-type", "margin", "margin-bottom", "margin-left",
    "margin-right", "margin-top", "max-height", "max-width", "min-height", "min-width", "opacity", "overflow", "overflow-wrap",
    "overflow-x", "overflow-y", "padding", "padding-bottom", "padding-left", "padding-right", "padding-top", "row-gap", "tab-size",
    "text-align", "text-decoration", "text-indent", "text-overflow", "text-transform", "vertical-align", "white-space", "width",
    "word-break", "word-spacing", "word-wrap",
];

/// The functions that may stand in a value. `url()`, `image-set()`, `var()` and whatever comes next are not among them.
#[rustfmt::skip]
const FUNCTIONS: &[&str] = &[
    "calc", "clamp", "fit-content", "hsl", "hsla", "lab", "lch", "linear-gradient", "max", "min", "minmax", "oklab", "oklch",
    "radial-gradient", "repeat", "rgb", "rgba",
];

/// What an image may be: pictures that come with the text. (SVG could load and, opened by itself, run.)
const IMAGES: &[&str] = &["data:image/png;", "data:image/jpeg;", "data:image/gif;", "data:image/webp;"];

static SANITIZER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::default();
    builder
        // `bdo` turns the order of letters around, as U+202E does.
        .rm_tags(["map", "area", "bdo"])
        .add_tags(["section"])
        .tag_attributes(HashMap::from([
            ("a", HashSet::from(["href", "hreflang"])),
            ("blockquote", HashSet::from(["cite"])),
            ("col", HashSet::from(["align", "span"])),
            ("colgroup", HashSet::from(["align", "span"])),
            ("del", HashSet::from(["cite", "datetime"])),
            ("details", HashSet::from(["open"])),
            ("hr", HashSet::from(["align", "size", "width"])),
            ("img", HashSet::from(["align", "alt", "height", "src", "width"])),
            ("ins", HashSet::from(["cite", "datetime"])),
            ("ol", HashSet::from(["start", "type"])),
            ("q", HashSet::from(["cite"])),
            ("table", HashSet::from(["align", "summary"])),
            ("tbody", HashSet::from(["align"])),
            ("td", HashSet::from(["align", "colspan", "headers", "rowspan", "valign"])),
            ("tfoot", HashSet::from(["align"])),
            ("th", HashSet::from(["align", "colspan", "headers", "rowspan", "scope", "valign"])),
            ("thead", HashSet::from(["align"])),
            ("tr", HashSet::from(["align", "valign"])),
        ]))
        .generic_attributes(HashSet::from(["lang", "title", "dir", "style"]))
        .url_schemes(HashSet::from(["http", "https", "mailto", "data"]))
        .url_relative(UrlRelative::PassThrough)
        .link_rel(Some("noopener noreferrer"))
        .set_tag_attribute_value("a", "target", "_blank")
        .filter_style_properties(PROPERTIES.iter().copied().collect())
        .attribute_filter(keep_attribute);
    builder
});

/// The most bytes that sanitised HTML has.
const MOST: usize = 4 * 1024 * 1024;

/// The text as a page may contain it, where it is within the bounds. It takes up to about two seconds of the processor's time.
#[must_use]
pub fn sanitize(html: &str) -> Sanitized {
    sanitize_within(html, &Bounds::default())
}

/// The same with bounds of one's own.
#[must_use]
pub fn sanitize_within(html: &str, bounds: &Bounds) -> Sanitized {
    // The parsers beneath say of some inputs that they cannot be. Whoever finds one gets the text as text, not a broken page.
    let sanitized = panic::catch_unwind(|| {
        measure(html, bounds).1?;
        // What the parser gave as characters was written as references, perhaps.
        Ok(visible(&SANITIZER.clean(html).to_string()))
    });
    match sanitized {
        Ok(Ok(clean)) if clean.len() > MOST => Sanitized::Refused(Excess::Bytes.to_string()),
        Ok(Ok(clean)) => Sanitized::Html(clean),
        Ok(Err(excess)) => Sanitized::Refused(Excess::to_string(&excess)),
        Err(_) => Sanitized::Refused("cannot be read".to_owned()),
    }
}

fn keep_attribute<'a>(element: &str, attribute: &str, value: &'a str) -> Option<Cow<'a, str>> {
    let is_data = || value.trim_start().get(..5).is_some_and(|start| start.eq_ignore_ascii_case("data:"));
    match (element, attribute) {
        (_, "style") => keep_style(value),
        ("img", "src") => IMAGES.iter().any(|image| value.starts_with(image)).then_some(Cow::Borrowed(value)),
        (_, "href" | "cite") if is_data() => None,
        _ => Some(Cow::Borrowed(value)),
    }
}

/// Drops each declaration that escapes a character or calls an unknown function. A semicolon within a string or a function cuts the
/// declaration in two that both lose their sense; the property filter, which parses what is left, drops such parts.
fn keep_style(value: &str) -> Option<Cow<'_, str>> {
    let kept: Vec<&str> = value.split(';').filter(|declaration| is_harmless(declaration)).collect();
    let kept = kept.join(";");
    (!kept.trim().is_empty()).then_some(Cow::Owned(kept))
}

fn is_harmless(declaration: &str) -> bool {
    let knows_function = |before: &str| {
        let name: String = before.chars().rev().take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect();
        let name: String = name.chars().rev().collect::<String>().to_ascii_lowercase();
        name.is_empty() || FUNCTIONS.contains(&name.as_str())
    };
    !declaration.contains(['\\', '@', '{', '}'])
        && !declaration.contains("/*")
        && declaration.match_indices('(').all(|(at, _)| knows_function(&declaration[..at]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sanitize(html: &str) -> String {
        match super::sanitize(html) {
            Sanitized::Html(clean) => clean,
            Sanitized::Refused(why) => panic!("it {why}: {html}"),
        }
    }

    #[test]
    fn a_report_keeps_its_looks() {
        let report = "<div style=\"background:#1e1e1e;color:#e0e0e0;padding:20px\"><h2 style=\"margin:0 0 16px 0\">Found</h2>\
                      <table style=\"width:100%\"><tbody><tr><th style=\"text-align:left\">a</th></tr></tbody></table></div>";
        let clean = sanitize(report);
        for kept in ["background:#1e1e1e", "margin:0 0 16px 0", "<table style=\"width:100%\">", "text-align:left", "Found"] {
            assert!(clean.contains(kept), "{kept} is missing in {clean}");
        }
    }

    #[test]
    fn nothing_runs_loads_asks_or_leaves_its_box() {
        for hostile in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "<img src=https://example.org/pixel.png>",
            "<img src='data:image/svg+xml,<svg onload=alert(1)>'>",
            "<a href='javascript:alert(1)'>a</a>",
            "<a href='data:text/html,alert(1)'>a</a>",
            "<iframe src=/></iframe><object data=/></object><embed src=/>",
            "<form action=/actions/cancel-run><input name=a><button>b</button></form>",
            "<style>body{display:none}</style><link rel=stylesheet href=//example.org><base href=//example.org><meta http-equiv=refresh>",
            "<p id=main class=console data-connection=live name=a>a</p>",
            "<p style='position:fixed;inset:0;z-index:9;transform:scale(9);animation:a 1s;--ink:red'>a</p>",
            "<p style='background:url(https://example.org/a.png)'>a</p>",
            "<p style='background:u\\72l(https://example.org/a.png)'>a</p>",
            "<p style='background:image-set(\"https://example.org/a.png\" 1x)'>a</p>",
            "<p style='background:/**/url(https://example.org/a.png);color:var(--secret)'>a</p>",
            "<p style='background:rgb(0,0,0) url(\"https://example.org/;color:red\")'>a</p>",
            "<svg><style><img src=x onerror=alert(1)></style></svg><math><mtext><script>alert(1)</script></mtext></math>",
        ] {
            let clean = sanitize(hostile).to_lowercase();
            for bad in [
                "script",
                "onerror",
                "onload",
                "<img src",
                "iframe",
                "object",
                "embed",
                "form",
                "input",
                "<button",
                "<style",
                "<link",
                "base",
                "meta",
                "id=",
                "class=",
                "data-",
                "name=",
                "position",
                "inset",
                "z-index",
                "animation",
                "--ink",
                "url",
                "\\",
                "image-set",
                "var(",
                "svg",
                "example.org",
            ] {
                assert!(!clean.contains(bad), "{bad} is left of {hostile}: {clean}");
            }
        }
    }

    #[test]
    fn links_say_nothing_of_where_they_are() {
        let clean = sanitize("<a href='https://example.org' target=_self rel=opener>a</a>");
        assert!(clean.contains("rel=\"noopener noreferrer\"") && clean.contains("target=\"_blank\""), "{clean}");
        assert!(sanitize("<img alt=a src='data:image/png;base64,AAAA'>").contains("data:image/png;base64,AAAA"));
    }

    proptest! {
        #[test]
        fn no_soup_gets_through(html in "(<(p|b|div|a|img|svg|math|style|title|table|td|script|textarea)( style=\"[a-z:;(){}'#0-9 -]{0,12}\"| href=\"(javascript|data):[a-z:/]{0,8}\"| onclick=1)?>|[a-z&;<>\"' /=!-]{0,8}|</(p|b|div|a|style|title|table|svg|script)>){0,16}") {
            // A second parse must not bring to life what the first one let through as text.
            for clean in [sanitize(&html), sanitize(&sanitize(&html))] {
                for tag in clean.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
                    // An attribute may have the name of an element: `title` is harmless, `<title>` is not.
                    let element = tag.trim_start_matches('/').split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
                    for bad in ["script", "svg", "math", "title", "textarea"] {
                        prop_assert!(element != bad, "{} is left: {}", bad, clean);
                    }
                    for bad in ["javascript:", "onclick"] {
                        prop_assert!(!tag.contains(bad), "{} is left: {}", bad, clean);
                    }
                }
            }
        }

        #[test]
        fn no_style_breaks_it(style in "[a-z:;(){}\\[\\]'\"#!@,/*\\\\0-9 -]{0,40}") {
            let clean = sanitize(&format!("<p style=\"{}\">a</p>", style.replace('"', "&quot;")));
            prop_assert!(!clean.contains("url("));
        }
    }
}
