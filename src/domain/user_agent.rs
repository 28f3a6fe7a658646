//! What a browser calls itself, in words for a person. Only the common ones are known; what is not is shown as it says it.

use super::visible_text::{is_blank, is_hidden};

/// How much of an unknown name is shown, in characters.
const SHOWN_CHARS: usize = 60;

/// What stands in the header and the browser it stands for. Most name others as well, in order to be taken for them: the first that fits counts.
const BROWSERS: [(&str, &str); 14] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
    ("Safari/", "Safari"),
];

const SYSTEMS: [(&str, &str); 8] = [
    ("Android", "Android"),
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
    ("FreeBSD", "FreeBSD"),
];

/// `Firefox on Linux` for the value of a `User-Agent` header.
#[must_use]
pub fn in_words(user_agent: &str) -> String {
    let find = |known: &[(&str, &'static str)]| known.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name);
    let is_browser = user_agent.starts_with("Mozilla/5.0 (");
    match (is_browser.then(|| find(&BROWSERS)).flatten(), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) => as_it_is(user_agent),
    }
}

/// Without what would change how the text around it reads, and not too long.
fn as_it_is(text: &str) -> String {
    let is_plain = |c: &char| !c.is_control() && !is_hidden(*c);
    let mut plain = text.trim().chars().filter(is_plain);
    let mut shown: String = plain.by_ref().take(SHOWN_CHARS).collect();
    if plain.next().is_some() {
        shown.push('…');
    }
    if is_blank(&shown) { "A browser that does not say its name".to_owned() } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn common_browsers_are_known() {
        for (user_agent, words) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
                "Chrome on Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0.0.0 Safari/537.36",
                "Chrome on Linux",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
                "Safari on an iPhone",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
                "Safari on macOS",
            ),
            ("Mozilla/5.0 (Android 16; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0", "Firefox on Android"),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
                "Chrome on ChromeOS",
            ),
        ] {
            assert_eq!(in_words(user_agent), words);
        }
    }

    #[test]
    fn what_is_unknown_is_shown_as_it_is_within_bounds() {
        assert_eq!(in_words("curl/8.14.1"), "curl/8.14.1");
        assert_eq!(in_words("<b>Chrome/1 on Windows</b>"), "<b>Chrome/1 on Windows</b>");
        assert_eq!(in_words(" \t"), "A browser that does not say its name");
        assert_eq!(in_words("\u{200b}\u{2800}\u{3164}"), "A browser that does not say its name");
        assert_eq!(in_words("a\u{202e}b\nc\u{0}d\u{e0041}\u{ad}e"), "abcde");
        assert_eq!(in_words(&"ä".repeat(300)), format!("{}…", "ä".repeat(60)));
        assert_eq!(in_words(&"ä".repeat(60)), "ä".repeat(60));
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_short_line(text in ".*") {
            let words = in_words(&text);
            prop_assert!(!words.is_empty() && words.chars().count() <= SHOWN_CHARS + 1 && !words.chars().any(char::is_control));
        }
    }
}
