//! Texts that cost a parser more than their size says, each below the size of a request. Test and bench read the same ones.

#![allow(dead_code)]

/// A shape by its name.
pub struct Shape {
    pub name: &'static str,
    pub html: String,
}

const BYTES: usize = 900_000;

fn repeated(name: &'static str, part: &str) -> Shape {
    Shape { name, html: part.repeat(BYTES / part.len()) }
}

fn numbered(name: &'static str, before: &str, part: impl Fn(usize) -> String, after: &str) -> Shape {
    let mut html = before.to_owned();
    let parts = (0..).map(part);
    for part in parts {
        if html.len() + part.len() > BYTES {
            break;
        }
        html.push_str(&part);
    }
    html.push_str(after);
    Shape { name, html }
}

/// All of them.
pub fn shapes() -> Vec<Shape> {
    vec![
        Shape { name: "<ul><li> × 32,000", html: "<ul><li>".repeat(32_000) },
        repeated("bare & in text", "fish & chips & "),
        repeated("& alone", "&"),
        repeated("&x without an end", "&x"),
        repeated("&#", "&#"),
        repeated("&notit;", "&notit;"),
        repeated("<b><i> without an end", "<b><i>"),
        numbered("formatting that differs, closed in the wrong order", "", |n| format!("<b title={n}><i title={n}><p></b></i>"), ""),
        numbered("formatting that is taken up in each paragraph", "", |n| format!("<p><b title={n}>x</p>"), ""),
        numbered("formatting in cells", "<table>", |n| format!("<tr><td><b title={n}><i>x</td></tr>"), ""),
        repeated("text between table and row", "<table>x<tr>"),
        numbered("text beside rows of one table", "<table>", |n| format!("<tr></tr>{n}<b></b>"), ""),
        numbered("links in a table", "<table>", |n| format!("<a href={n}>x"), ""),
        numbered("100,000 attributes", "<p ", |n| format!("a{n} "), ">x</p>"),
        numbered("attributes behind a quote in a comment", "<!-- <p x=\" --><p ", |n| format!("a{n}/"), "\">x</p>"),
        numbered("one style of many declarations", "<p style=\"", |_| "color:red;".into(), "\">x</p>"),
        numbered("one style of brackets", "<p style=\"width:", |_| "[(".into(), "\">x</p>"),
        numbered("one style of calls", "<p style=\"width:", |_| "calc(".into(), "\">x</p>"),
        numbered("a style repeated by the parser", &format!("<b style=\"color:#{}\">", "0".repeat(20_000)), |_| "<p>x".into(), ""),
        repeated("<!--", "<!--"),
        repeated("<!-- closed", "<!---->"),
        repeated("<!", "<!"),
        repeated("<a><a><a>", "<a>"),
        repeated("<a><p>", "<a><p>"),
        repeated("<nobr> and divisions", "<nobr><div>"),
        repeated("<svg><style>", "<svg><style>"),
        repeated("<math><mtext><table>", "<math><mtext><table>"),
        repeated("<template>", "<template>"),
        repeated("<select><option>", "<select><option>"),
        numbered("options of one select", "<select>", |n| format!("<option>{n}"), ""),
        repeated("<selectedcontent>", "<select><button><selectedcontent></button><option>x"),
        repeated("</p>", "</p>"),
        repeated("<br>", "<br>"),
        repeated("<", "<"),
        repeated("< and a letter", "<a"),
        repeated("</", "</"),
        repeated("<details><summary>", "<details><summary>"),
        repeated("<dl><dt><dd>", "<dl><dt><dd>"),
        repeated("<body a>", "<body a=1 b=2>"),
        repeated("<plaintext>", "<plaintext>"),
        repeated("<script>", "<script>"),
        repeated("<title>&amp;", "<title>&amp;"),
        repeated("NUL", "\0"),
        repeated("CR", "\r"),
        numbered("& in an attribute", "<p title='", |_| "& ".into(), "'>x</p>"),
        repeated("no-break spaces", "\u{a0}"),
        repeated("hidden characters", "\u{200b}a"),
    ]
}

/// Reports as programs write them, the largest that are still shown as such.
pub fn reports() -> Vec<Shape> {
    let rows: String = (0..4_000).map(|n| format!("<tr><td>{n}</td><td style=\"color:#333\">a &amp; b</td><td>x</td></tr>")).collect();
    let prose: String =
        (0..4_000).map(|n| format!("<p>Paragraph {n}, of <b>some</b> words & a <a href=\"https://example.org/{n}\">link</a>.\n")).collect();
    let image = format!("<img alt=chart src=\"data:image/png;base64,{}\">", format!("/{}", "iVBORw0KGgo+AAAA".repeat(4)).repeat(9_000));
    vec![
        Shape { name: "a table of 4,000 rows", html: format!("<table>{rows}</table>") },
        Shape { name: "4,000 paragraphs without ends", html: prose },
        Shape { name: "a picture of 600 kB", html: image },
        Shape { name: "800 kB of plain text", html: "All work and no play makes Jack a dull boy.\n".repeat(18_000) },
    ]
}
