//! Reads the sources and fails where they leave the house's rules: which layer may name which, where features are switched, and what
//! must not stand in code that a request, a file or a program's output can reach. ARCHITECTURE.md gives the reasons.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The layers from the bottom up, each with what it may name of this crate and which outside words it must not know.
const LAYERS: [Layer; 6] = [
    Layer {
        name: "domain",
        may_name: &["domain"],
        must_not_know: &["leptos", "tokio", "axum", "sqlx", "web_sys", "js_sys", "SystemTime", "Instant", "std::fs", "std::net"],
    },
    Layer { name: "backend", may_name: &["domain", "backend"], must_not_know: &["axum", "leptos", "leptos_axum", "web_sys", "hyper"] },
    Layer { name: "api", may_name: &["domain", "backend", "api"], must_not_know: &["sqlx", "web_sys"] },
    Layer { name: "ui", may_name: &["domain", "api", "ui"], must_not_know: &["sqlx", "axum", "tokio"] },
    Layer { name: "app", may_name: &["domain", "api", "ui", "app"], must_not_know: &["sqlx", "axum", "tokio"] },
    Layer { name: "http", may_name: &["domain", "backend", "api", "ui", "app", "http"], must_not_know: &["sqlx", "web_sys"] },
];

struct Layer {
    name: &'static str,
    may_name: &'static [&'static str],
    must_not_know: &'static [&'static str],
}

struct Source {
    /// Relative to the crate, with `/`.
    path: String,
    /// The lines that are code and no test, with their numbers.
    code: Vec<(usize, String)>,
    first_line: String,
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&root.join("src"), &mut files);
    assert!(files.len() > 20, "the sources were not found");
    files
        .into_iter()
        .map(|file| {
            let text = fs::read_to_string(&file).expect("UTF-8 source");
            let path = file.strip_prefix(root).expect("below the crate").to_string_lossy().replace('\\', "/");
            Source { path, code: code_lines(&text), first_line: text.lines().next().unwrap_or_default().to_owned() }
        })
        .collect()
}

/// The lines before the first test module that are no comments. Tests stand last in a file, so what follows is test code.
fn code_lines(text: &str) -> Vec<(usize, String)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]") && !line.starts_with("#[cfg(all(test"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(number, line)| (number + 1, line.split(" // ").next().unwrap_or_default().to_owned()))
        .collect()
}

fn layer_of(path: &str) -> Option<&'static Layer> {
    let rest = path.strip_prefix("src/")?;
    let name = rest.split(['/', '.']).next()?;
    LAYERS.iter().find(|layer| layer.name == name)
}

/// Every place where `word` stands in `line` as a word of its own.
fn mentions(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// The modules that a line names as `crate::module`, also inside a `use crate::{…}` of one line.
fn named_modules(line: &str) -> Vec<&str> {
    line.match_indices("crate::")
        .filter(|(at, _)| !line[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        .flat_map(|(at, found)| {
            let rest = &line[at + found.len()..];
            match rest.strip_prefix('{') {
                Some(list) => list.split(',').map(str::trim).collect::<Vec<_>>(),
                None => vec![rest],
            }
        })
        .map(|text| text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
        .filter(|name| !name.is_empty())
        .collect()
}

fn fail_on(offences: Vec<String>, rule: &str) {
    assert!(offences.is_empty(), "{rule}\n{}", offences.join("\n"));
}

#[test]
fn dependencies_run_one_way() {
    let known: Vec<&str> = LAYERS.iter().map(|layer| layer.name).collect();
    let mut offences = Vec::new();
    for source in sources() {
        let Some(layer) = layer_of(&source.path) else { continue };
        let mut in_crate_list = false;
        for (number, line) in &source.code {
            let opens = line.trim() == "use crate::{" || line.trim() == "pub use crate::{";
            let mut names = named_modules(line);
            if in_crate_list && line.starts_with("    ") && !line.starts_with("     ") {
                names.extend(line.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next());
            }
            in_crate_list = opens || (in_crate_list && !line.starts_with("};"));
            for name in names.into_iter().filter(|name| known.contains(name) && !layer.may_name.contains(name)) {
                offences.push(format!("{}:{number}: {} must not name {name}", source.path, layer.name));
            }
            for word in layer.must_not_know.iter().filter(|word| mentions(line, word)) {
                offences.push(format!("{}:{number}: {} must not know {word}", source.path, layer.name));
            }
        }
    }
    fail_on(offences, "domain ← backend ← api ← ui ← app ← http: a layer names only itself and what stands before it");
}

#[test]
fn features_are_switched_in_one_place() {
    let offences = sources()
        .iter()
        .filter(|source| source.path != "src/lib.rs" && source.path != "src/main.rs")
        .flat_map(|source| {
            let lines = source.code.iter().filter(|(_, line)| line.contains("feature = ") && line.contains("cfg"));
            lines.map(|(number, _)| format!("{}:{number}", source.path)).collect::<Vec<_>>()
        })
        .collect();
    fail_on(offences, "cfg(feature …) stands in src/lib.rs and src/main.rs only");
}

#[test]
fn nothing_panics_or_prints_on_its_own() {
    let forbidden = [".unwrap()", "todo!(", "unimplemented!(", "panic!(", "println!(", "print!(", "eprintln!(", "dbg!("];
    // The command line talks to a person at a terminal, and the supervisor has no other voice than its own log.
    let may_print = |path: &str| path == "src/main.rs" || path.contains("command_line") || path.contains("supervisor");
    let mut offences = Vec::new();
    for source in sources() {
        for (number, line) in &source.code {
            for word in forbidden.iter().filter(|word| line.contains(**word)) {
                let prints = word.contains("print") && !word.starts_with("dbg");
                if !(prints && may_print(&source.path)) {
                    offences.push(format!("{}:{number}: {word}", source.path));
                }
            }
        }
    }
    fail_on(offences, "no panic is reachable from a request, a file or a program's output, and only the command line prints");
}

#[test]
fn every_file_says_what_it_is_and_stays_one_concept() {
    let mut offences = Vec::new();
    for source in sources() {
        if !source.first_line.starts_with("//!") {
            offences.push(format!("{}: opens with no //! sentence", source.path));
        }
        if source.path.ends_with("/mod.rs") {
            offences.push(format!("{}: a module's file stands beside its folder", source.path));
        }
        if source.code.len() > 400 {
            offences.push(format!("{}: {} lines of code, over 400", source.path, source.code.len()));
        }
    }
    fail_on(offences, "a file opens by saying what it is, and holds one concept");
}

/// The door by which text gets into a document past Leptos' own escaping.
const DOOR: &str = "src/ui/markup.rs";

/// What would go past the door, and who may have it beside the door itself.
const PAST_THE_DOOR: [(&str, &[&str]); 13] = [
    // It writes titles, meta elements and attributes of the document without escaping them.
    ("leptos_meta", &[]),
    // What fills an element with markup, in a view and in the browser's own words.
    ("inner_html", &[]),
    ("set_inner_html", &[]),
    ("outer_html", &[]),
    ("set_outer_html", &[]),
    ("insert_adjacent_html", &[]),
    ("create_contextual_fragment", &[]),
    ("parse_from_string", &[]),
    ("write_1", &[]),
    ("srcdoc", &[]),
    // Leptos' elements that are markup as a whole, and axum's document without any rules.
    ("InertElement", &[]),
    ("Html", &[]),
    // The one place where sanitised output is shown.
    ("sanitized", &["src/ui/pages/task.rs"]),
];

/// What is below knows no documents; of HTML that a task brings, `backend/rich_text.rs` makes less, and nothing new.
fn makes_documents(path: &str) -> bool {
    layer_of(path).is_some_and(|layer| !["domain", "backend"].contains(&layer.name))
}

/// Whether the text between quotes has a tag, a comment or a declaration in it. Comments in code are gone before.
fn holds_a_tag(line: &str) -> bool {
    let (mut in_text, mut previous, mut escaped) = (false, ' ', false);
    for c in line.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' if previous != '\'' => in_text = !in_text,
            _ if in_text && previous == '<' && (c.is_ascii_alphabetic() || c == '/' || c == '!') => return true,
            _ => {}
        }
        previous = c;
    }
    false
}

#[test]
fn text_becomes_markup_in_one_place() {
    let mut offences = Vec::new();
    for source in sources().iter().filter(|source| source.path != DOOR && makes_documents(&source.path)) {
        for (number, line) in &source.code {
            let past = PAST_THE_DOOR.iter().filter(|(word, may)| mentions(line, word) && !may.contains(&source.path.as_str()));
            offences.extend(past.map(|(word, _)| format!("{}:{number}: {word}", source.path)));
            if holds_a_tag(line) {
                offences.push(format!("{}:{number}: markup in a text", source.path));
            }
        }
    }
    fail_on(offences, "text becomes markup in src/ui/markup.rs only, and views are what Leptos escapes");
}

#[test]
fn every_form_that_posts_carries_the_form_token() {
    let mut offences = Vec::new();
    // The sign-in stands before there is a session.
    for source in sources().iter().filter(|source| source.path != "src/ui/pages/sign_in.rs") {
        let count = |words: &str| source.code.iter().map(|(_, line)| line.matches(words).count()).sum::<usize>();
        let (forms, tokens) = (count("<ActionForm") + count("method=\"post\""), count("<FormToken/>"));
        if forms != tokens {
            offences.push(format!("{}: {forms} forms and {tokens} tokens", source.path));
        }
    }
    fail_on(offences, "each form that posts has <FormToken/> in it");
}

#[test]
fn a_server_function_reads_by_get_or_carries_the_form_token() {
    let mut offences = Vec::new();
    for source in sources() {
        for (number, line) in source.code.iter().filter(|(_, line)| line.contains("#[server(prefix")) {
            let reads = line.contains("input = GetUrl") && source.path == "src/api/pages.rs";
            if !reads && !line.contains("client = FormClient") {
                offences.push(format!("{}:{number}: {line}", source.path));
            }
        }
    }
    fail_on(offences, "a server function that changes something is sent by FormClient; what is read by GET changes nothing");
}

#[test]
fn the_rules_see_what_they_forbid() {
    assert_eq!(named_modules("use crate::{backend::store::Store, domain::run::Run};"), ["backend", "domain"]);
    assert_eq!(named_modules("let x = crate::http::router();"), ["http"]);
    assert_eq!(named_modules("pub(crate) fn f() {}"), Vec::<&str>::new());
    assert!(mentions("use leptos::prelude::*;", "leptos"));
    assert!(!mentions("use leptos_axum::x;", "leptos"));
    let text = "//! A file.\nfn a() {}\n// .unwrap()\n#[cfg(test)]\nmod tests { fn b() { None::<u8>.unwrap(); } }\n";
    assert_eq!(code_lines(text), [(2, "fn a() {}".to_owned())]);
    for line in [r#"let x = format!("<a href={y}>");"#, r#"html.push_str("</b>");"#, r#"x("a \"<!-- b");"#, r#"f('"', "<b");"#] {
        assert!(holds_a_tag(line), "{line}");
    }
    for line in [r#"view! { <p class="a">"1 < 2"</p> }"#, r#"let x: Vec<u8> = f("a");"#, r#"find(['<', '"', '>']); let y: Vec<u8>"#] {
        assert!(!holds_a_tag(line), "{line}");
    }
    assert!(mentions(r#"<div inner_html=html></div>"#, "inner_html") && mentions("element.set_inner_html(&html);", "set_inner_html"));
    assert!(mentions("use leptos_meta::{Meta, Title};", "leptos_meta") && mentions("axum::response::Html(page)", "Html"));
    assert!(!mentions("output_html.map(x)", "Html") && mentions("Markup::sanitized(x)", "sanitized"));
}
