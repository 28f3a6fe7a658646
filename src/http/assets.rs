//! The files that a page needs: scripts, styles, icons and fonts, inside the binary in release builds and read from `target/site` in
//! debug builds. They are compressed when they are built, not when they are asked for.
//!
//! What the build makes lies under `/pkg/<build>/` and never changes there, so that a browser keeps it for good; a page of another
//! build asks by another name. What comes from `public/` lies at the root and is asked for again by its ETag.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest, Sha256};
use std::{borrow::Cow, collections::HashMap, fmt::Write};

#[derive(RustEmbed)]
#[folder = "target/site"]
#[allow_missing = true]
struct Site;

/// A year, the most that caches take seriously (RFC 9111).
const FOR_GOOD: &str = "public, max-age=31536000, immutable";
/// Kept, but asked for again each time.
const ASK_AGAIN: &str = "public, no-cache";

/// Names this build of the page: 12 hexadecimal digits over everything that its pages load.
#[must_use]
pub fn build_id() -> String {
    let mut names: Vec<_> = Site::iter().filter(|name| name.starts_with("pkg/") && encoding_of(name).is_none()).collect();
    names.sort();
    let mut hash = Sha256::new();
    for name in names {
        hash.update(name.as_bytes());
        hash.update(Site::get(&name).map(|file| file.metadata.sha256_hash()).unwrap_or_default());
    }
    hex(&hash.finalize()[..6])
}

/// The script that loads the page's chunks, as the splitter names it.
pub const CHUNK_LOADER: &str = "__wasm_split.______________________.js";

/// Which chunks each lazily loaded view needs, as the splitter wrote it down; none where the page was built in one piece.
#[must_use]
pub fn chunks() -> HashMap<String, Vec<String>> {
    Site::get("pkg/__wasm_split_manifest.json").and_then(|file| serde_json::from_slice(&file.data).ok()).unwrap_or_default()
}

/// A file of this build, by its name below `/pkg/<build>/`.
pub fn of_build(name: &str, headers: &HeaderMap) -> Response {
    let path = format!("pkg/{name}");
    // cargo-leptos and wasm-bindgen disagree about the name of the wasm.
    let other = match path.strip_suffix("_bg.wasm") {
        Some(stem) => format!("{stem}.wasm"),
        None => path.replace(".wasm", "_bg.wasm"),
    };
    [path, other]
        .iter()
        .find_map(|path| respond(path, headers, FOR_GOOD))
        .unwrap_or_else(|| (StatusCode::NOT_FOUND, "no such file in this build\n").into_response())
}

/// A file of `public/`, by its path from the root without its first `/`; none where it is not there.
#[must_use]
pub fn of_root(path: &str, headers: &HeaderMap) -> Option<Response> {
    if path.is_empty() || path.starts_with("pkg/") || encoding_of(path).is_some() {
        return None;
    }
    respond(path, headers, ASK_AGAIN)
}

fn respond(path: &str, headers: &HeaderMap, caching: &'static str) -> Option<Response> {
    let plain = Site::get(path)?;
    let (file, encoding) = match smallest_accepted(path, &plain, headers) {
        Some((file, encoding)) => (file, Some(encoding)),
        None => (plain, None),
    };
    let etag = format!("\"{}\"", hex(&file.metadata.sha256_hash()[..8]));
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let unchanged = known.is_some_and(|known| known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag));
    let body = match file.data {
        _ if unchanged => Body::empty(),
        Cow::Borrowed(bytes) => Body::from(Bytes::from_static(bytes)),
        Cow::Owned(bytes) => Body::from(bytes),
    };
    let mut response = Response::new(body);
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let kind = if kind.type_() == "text" { format!("{kind}; charset=utf-8") } else { kind.to_string() };
    let out = response.headers_mut();
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    for (name, value) in [(header::CONTENT_TYPE, kind), (header::ETAG, etag)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            out.insert(name, value);
        }
    }
    if let Some(encoding) = encoding {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    Some(response)
}

/// A compressed form that is older than the file is left over from another build.
fn smallest_accepted(path: &str, plain: &EmbeddedFile, headers: &HeaderMap) -> Option<(EmbeddedFile, &'static str)> {
    [(".br", "br"), (".gz", "gzip")]
        .into_iter()
        .filter(|(_, encoding)| accepts(headers, encoding))
        .filter_map(|(ending, encoding)| Some((Site::get(&format!("{path}{ending}"))?, encoding)))
        .find(|(file, _)| file.metadata.last_modified() >= plain.metadata.last_modified())
}

/// Whether the client named the encoding and did not give it a weight of 0 (RFC 9110, 12.5.3).
fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|item| {
        let (name, weight) = item.split_once(';').unwrap_or((item, "q=1"));
        let refused = weight.trim().trim_start_matches("q=").parse::<f32>().is_ok_and(|weight| weight <= 0.0);
        name.trim().eq_ignore_ascii_case(encoding) && !refused
    })
}

fn encoding_of(path: &str) -> Option<&str> {
    [".br", ".gz"].into_iter().find(|ending| path.ends_with(ending))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))])
    }

    #[test]
    fn an_encoding_is_used_where_it_is_wanted() {
        assert!(accepts(&accepting("gzip, deflate, br"), "br"));
        assert!(accepts(&accepting("BR;q=0.5"), "br"));
        assert!(!accepts(&accepting("br;q=0, gzip"), "br"));
        assert!(!accepts(&accepting("brotli"), "br"));
        assert!(!accepts(&HeaderMap::new(), "gzip"));
    }

    #[test]
    fn nothing_outside_the_site_is_served() {
        for path in ["", "../Cargo.toml", "/etc/passwd", "pkg/../../Cargo.toml", "pkg/kontasks.js", "a\0b", "Cargo.toml"] {
            assert!(of_root(path, &HeaderMap::new()).is_none(), "{path}");
        }
        assert_eq!(of_build("../../Cargo.toml", &HeaderMap::new()).status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn a_build_has_a_name() {
        assert_eq!(build_id().len(), 12);
        assert_eq!(build_id(), build_id());
    }
}
