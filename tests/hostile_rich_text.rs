//! Hostile rich output: what is let through of a corpus, read again by a parser of HTML; and what it costs to find out, counted.

#[path = "support/hostile_shapes.rs"]
mod hostile_shapes;

use hostile_shapes::{reports, shapes};
use html5ever::{
    buffer_queue::BufferQueue,
    tendril::StrTendril,
    tokenizer::{Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts},
};
use kontasks::{
    backend::rich_text::{Bounds, Excess, Sanitized, measure, sanitize, sanitize_within},
    domain::visible_text::visible,
};
use proptest::prelude::*;
use std::{cell::RefCell, time::Duration};

const ELEMENTS: &str = " a abbr acronym article aside b bdi blockquote br caption center cite code col colgroup data dd del details dfn div dl dt em \
    figcaption figure footer h1 h2 h3 h4 h5 h6 header hgroup hr i img ins kbd li mark nav ol p pre q rp rt rtc ruby s samp section small \
    span strike strong sub summary sup table tbody td tfoot th thead time tr tt u ul var wbr ";
const ATTRIBUTES: &str = " align alt cite colspan datetime dir headers height href hreflang lang open rel rowspan scope size span src start style \
    summary target title type valign width ";

/// The tags of a text, as a parser of HTML sees them.
#[derive(Default)]
struct Tags(RefCell<Vec<Tag>>);

impl TokenSink for Tags {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        match token {
            Token::TagToken(tag) => self.0.borrow_mut().push(tag),
            Token::CommentToken(text) => panic!("a comment is left: {text}"),
            Token::DoctypeToken(_) => panic!("a document type is left"),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

fn tags(html: &str) -> Vec<Tag> {
    let tokenizer = Tokenizer::new(Tags::default(), TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(html));
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.0.take()
}

/// Fails where a page could be harmed by it; gives how deep it nests.
fn check(html: &str) -> usize {
    assert_eq!(visible(html), html, "something hidden is left");
    let (mut depth, mut deepest) = (0_usize, 0);
    for tag in tags(html) {
        let listed = |list: &str, name: &str| list.contains(&format!(" {name} "));
        assert!(listed(ELEMENTS, &tag.name), "{} is left: {html}", &*tag.name);
        for attribute in &tag.attrs {
            let (name, value) = (&*attribute.name.local, attribute.value.to_lowercase());
            assert!(listed(ATTRIBUTES, name), "{name} is left: {html}");
            // A scheme is ASCII; anything else before a colon is a part of a path.
            let scheme = value.split_once(':').map(|(scheme, _)| scheme.to_owned()).filter(|scheme| scheme.is_ascii());
            match name {
                "src" => assert!(value.starts_with("data:image/") && !value.contains("svg"), "{html}"),
                "href" | "cite" => assert!(scheme.is_none_or(|scheme| ["http", "https", "mailto"].contains(&&*scheme)), "{html}"),
                "style" => {
                    assert!(["url", "var(", "\\", "position", "direction", "expression"].iter().all(|bad| !value.contains(bad)), "{html}")
                }
                _ => {}
            }
        }
        match tag.kind {
            TagKind::StartTag if !["br", "hr", "img", "wbr", "col"].contains(&&*tag.name) => depth += 1,
            TagKind::StartTag => {}
            TagKind::EndTag => depth -= 1,
        }
        deepest = deepest.max(depth);
    }
    assert_eq!(depth, 0, "every element is closed: {html}");
    deepest
}

fn html(text: &str) -> String {
    match sanitize(text) {
        Sanitized::Html(html) => html,
        Sanitized::Refused(why) => panic!("it {why}: {text}"),
    }
}

#[test]
fn nothing_of_the_corpus_is_let_through() {
    let corpus: Vec<serde_json::Value> = serde_json::from_str(include_str!("fixtures/hostile/rich_text.json")).expect("JSON");
    assert!(corpus.len() > 70);
    for entry in corpus {
        let once = html(entry["html"].as_str().expect("a text"));
        check(&once);
        // What is read a second time, by whatever parser, must not come to life.
        check(&html(&once));
    }
}

#[test]
fn what_is_refused_is_shown_whole_as_text() {
    let text = "</pre><script>1</script>\u{202e}&amp;".to_owned() + &"<b>".repeat(1000);
    let refused = sanitize(&text);
    assert_eq!(refused, Sanitized::Refused("nests its elements too deep".into()));
    let shown = refused.to_html(&text);
    let expected = "<p data-shown-as=\"text\">Shown as text, since as HTML it nests its elements too deep.</p>\
                    <pre>\n&lt;/pre&gt;&lt;script&gt;1&lt;/script&gt;‹U+202E›&amp;amp;&lt;b&gt;";
    assert!(shown.starts_with(expected), "{shown:.300}");
    assert_eq!(shown.matches("&lt;b&gt;").count(), 1000, "nothing is lost");
    assert_eq!(tags(&shown).len(), 4);
}

/// How far a piece can go beyond a bound before that is seen: its tags, each with a look at all that is open.
const BEYOND: usize = 1024 * 600;

#[test]
fn no_shape_costs_more_than_the_bounds() {
    let bounds = Bounds { time: Duration::MAX, ..Bounds::default() };
    for shape in shapes() {
        let (cost, outcome) = measure(&shape.html, &bounds);
        assert!(cost.steps <= bounds.steps + BEYOND, "{}: {cost:?}", shape.name);
        assert!(cost.depth <= bounds.depth + 512 && cost.elements <= bounds.elements + BEYOND, "{}: {cost:?}", shape.name);
        assert!(cost.escaping <= bounds.escaping + 900_000 * 1024, "{}: {cost:?}", shape.name);
        let is_known = match shape.name {
            "<ul><li> × 32,000" | "<b><i> without an end" => outcome == Err(Excess::Depth),
            "bare & in text" | "& alone" | "no-break spaces" | "links in a table" => outcome == Err(Excess::Steps),
            "100,000 attributes" | "attributes behind a quote in a comment" => outcome == Err(Excess::Attributes),
            "<a><a><a>" => outcome == Err(Excess::Elements),
            _ => true,
        };
        assert!(is_known, "{}: {outcome:?}", shape.name);
    }
}

#[test]
fn a_tag_is_given_up_long_before_its_hundred_thousandth_attribute() {
    let many = |count: usize| format!("<p {}>x</p>", (0..count).map(|n| format!("a{n} ")).collect::<String>());
    let few = Bounds { separators: 100, ..Bounds::default() };
    assert_eq!(measure(&many(90), &few).1, Ok(()));
    let (cost, outcome) = measure(&many(5_000), &few);
    assert_eq!((outcome, cost.attribute_bytes), (Err(Excess::Attributes), 0));
    assert_eq!(measure(&"x ".repeat(2_000_000), &Bounds::default()).1, Err(Excess::Bytes));
}

#[test]
fn reports_are_shown_as_they_are() {
    for report in reports() {
        let shown = html(&report.html);
        assert!(check(&shown) < 10, "{}", report.name);
        assert!(shown.len() >= report.html.len(), "{}", report.name);
    }
}

fn soup() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "<(b|i|a|p|div|table|tr|td|th|caption|ul|li|svg|math|mtext|style|template|select|option|button|nobr|form|h1|pre|font|span|em|details|summary|body|dl|dt|dd|object)( [a-z]=[0-9]{1,3}){0,2}>",
        "</(b|i|a|p|div|table|tr|td|svg|math|style|template|select|button|nobr|form|ul|li|body|html)>",
        "[a-z &<;]{0,6}",
        "(<!--|-->|&amp;|&#|<br>|\u{a0})",
    ];
    let block = prop::collection::vec(part, 1..6).prop_map(|parts| parts.concat());
    prop::collection::vec((block, 1usize..400), 1..5).prop_map(|blocks| blocks.iter().map(|(block, times)| block.repeat(*times)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_soup_costs_what_the_bounds_say_and_harms_nothing(text in soup()) {
        let bounds = Bounds { depth: 24, elements: 500, steps: 20_000, escaping: 1_000_000, time: Duration::MAX, ..Bounds::default() };
        let (cost, outcome) = measure(&text, &bounds);
        prop_assert!(cost.steps <= bounds.steps + BEYOND && cost.depth <= bounds.depth + 512, "{:?}", cost);
        match sanitize_within(&text, &bounds) {
            Sanitized::Html(html) => {
                prop_assert!(outcome.is_ok());
                prop_assert!(check(&html) <= 2 * bounds.depth);
                check(&sanitize(&html).to_html(&html));
            }
            Sanitized::Refused(why) => prop_assert_eq!(Some(why), outcome.err().map(|excess| excess.to_string())),
        }
    }
}
