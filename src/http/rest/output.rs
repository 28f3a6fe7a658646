//! The exact bytes that a run wrote, as far as they are committed: whole, or the part that a `Range` asks for (RFC 9110, 14).

use super::{Id, runs};
use crate::{
    backend::store::{Store, StoreError},
    domain::id::RunId,
    http::{problem::Problem, state::AppState},
};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::stream;
use std::ops::Range;

/// How much is read from the database and held at once.
const PIECE: usize = 256 * 1024;

/// `GET /runs/{id}/output`: 200, 206 for a range.
///
/// # Errors
/// 404; 416 where the range lies behind what there is.
pub async fn read(State(state): State<AppState>, method: Method, Id(id): Id<RunId>, headers: HeaderMap) -> Result<Response, Problem> {
    let length = runs::find(&state, id).await?.bytes;
    let asked = if method == Method::GET { headers.get(header::RANGE).and_then(|value| value.to_str().ok()) } else { None };
    let (status, part) = match asked.map_or(Asked::All, |text| range(text, length)) {
        Asked::All => (StatusCode::OK, 0..length),
        Asked::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Asked::Beyond => {
            let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, format!("the output has {length} bytes so far"));
            return Ok(([(header::CONTENT_RANGE, format!("bytes */{length}"))], problem).into_response());
        }
    };
    let body =
        if method == Method::HEAD { Body::empty() } else { Body::from_stream(pieces(state.backend.store.clone(), id, part.clone())) };
    let mut response = (status, body).into_response();
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    out.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    out.insert(header::CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {}-{}/{length}", part.start, part.end - 1);
        out.insert(header::CONTENT_RANGE, HeaderValue::try_from(range).map_err(|error| Problem::internal(&error))?);
    }
    Ok(response)
}

/// A piece after the other, each read when the one before is on its way.
fn pieces(store: Store, id: RunId, part: Range<u64>) -> impl futures::Stream<Item = Result<Bytes, StoreError>> {
    stream::try_unfold(part.start, move |at| {
        let (store, end) = (store.clone(), part.end);
        async move {
            if at >= end {
                return Ok(None);
            }
            let most = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
            let piece = store.output(id, at, most).await?;
            let next = at + piece.len() as u64;
            // What was counted is there; should it not be, the connection breaks off rather than to wait.
            Ok((!piece.is_empty()).then_some((piece, next)))
        }
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    All,
    Part(Range<u64>),
    Beyond,
}

/// What a `Range` header asks for. What is not understood, and several ranges at once, mean all, as the standard allows.
fn range(text: &str, length: u64) -> Asked {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|set| set.trim().split_once('-')) else { return Asked::All };
    let number = |text: &str| if text.bytes().all(|b| b.is_ascii_digit()) { text.parse::<u64>().ok() } else { None };
    match (first, last) {
        ("", suffix) => match number(suffix) {
            Some(0) => Asked::Beyond,
            Some(_) if length == 0 => Asked::Beyond,
            Some(suffix) => Asked::Part(length.saturating_sub(suffix)..length),
            None => Asked::All,
        },
        (first, last) => match (number(first), if last.is_empty() { Some(u64::MAX) } else { number(last) }) {
            (Some(first), Some(last)) if first > last => Asked::All,
            (Some(first), Some(_)) if first >= length => Asked::Beyond,
            (Some(first), Some(last)) => Asked::Part(first..last.saturating_add(1).min(length)),
            _ => Asked::All,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_has_them() {
        for (text, length, asked) in [
            ("bytes=0-4", 10, Asked::Part(0..5)),
            ("bytes=5-", 10, Asked::Part(5..10)),
            ("bytes=-3", 10, Asked::Part(7..10)),
            ("bytes=-30", 10, Asked::Part(0..10)),
            ("bytes=9-99", 10, Asked::Part(9..10)),
            ("bytes=0-18446744073709551615", 10, Asked::Part(0..10)),
            ("bytes=10-", 10, Asked::Beyond),
            ("bytes=0-", 0, Asked::Beyond),
            ("bytes=-0", 10, Asked::Beyond),
            ("bytes=-5", 0, Asked::Beyond),
            ("bytes=4-3", 10, Asked::All),
            ("bytes=0-1,3-4", 10, Asked::All),
            ("bytes=+1-2", 10, Asked::All),
            ("bytes=", 10, Asked::All),
            ("bytes=-", 10, Asked::All),
            ("lines=0-1", 10, Asked::All),
        ] {
            assert_eq!(range(text, length), asked, "{text} of {length}");
        }
    }
}
