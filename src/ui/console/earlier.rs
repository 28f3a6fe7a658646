//! Loads the output that comes before what the page knows, piece by piece, without holding the page up. Browser only.

use super::drawing::Drawing;
use crate::domain::id::RunId;
use gloo_net::http::Request;
use leptos::prelude::*;
use std::{
    ops::Range,
    rc::{Rc, Weak},
    time::Duration,
};
use wasm_bindgen_futures::JsFuture;

/// How loading stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loading {
    /// It has not begun, or is done.
    #[default]
    Idle,
    /// So many bytes are still to come.
    Under(u64),
    /// The server did not give them.
    Failed,
}

/// How many bytes are asked for at once.
const PIECE: u64 = 1024 * 1024;

/// How many bytes are interpreted before the page gets its turn.
const SLICE: usize = 128 * 1024;

/// Where a run's output lies.
#[must_use]
pub fn address(run: RunId) -> String {
    format!("/api/v1/runs/{run}/output")
}

/// Loads what is missing. Ends early, and changes nothing, when the drawing is gone.
pub async fn load(drawing: Weak<Drawing>, run: RunId, loading: RwSignal<Loading>) {
    let Some(range) = drawing.upgrade().map(|drawing| drawing.with_transcript(|transcript| transcript.begin_replay())) else { return };
    let mut at = range.start;
    while at < range.end {
        loading.try_set(Loading::Under(range.end - at));
        let piece = at..range.end.min(at + PIECE);
        let Some(bytes) = fetch(run, piece.clone()).await else {
            if let Some(drawing) = drawing.upgrade() {
                drawing.with_transcript(|transcript| transcript.abandon_replay());
            }
            loading.try_set(Loading::Failed);
            return;
        };
        at += bytes.len() as u64;
        for slice in bytes.chunks(SLICE) {
            let Some(drawing) = drawing.upgrade() else { return };
            drawing.with_transcript(|transcript| transcript.replay(slice));
            drop(drawing);
            turn().await;
        }
    }
    if let Some(drawing) = drawing.upgrade() {
        finish(&drawing);
    }
    loading.try_set(Loading::Idle);
}

fn finish(drawing: &Rc<Drawing>) {
    let shift = drawing.with_transcript(|transcript| transcript.finish_replay());
    drawing.shifted(shift);
}

/// Exactly the bytes of the range, or none.
async fn fetch(run: RunId, range: Range<u64>) -> Option<Vec<u8>> {
    let asked = format!("bytes={}-{}", range.start, range.end - 1);
    let response = Request::get(&address(run)).header("Range", &asked).send().await.ok()?;
    let wanted = usize::try_from(range.end - range.start).ok()?;
    let bytes = match response.status() {
        206 => response.binary().await.ok()?,
        // a server or proxy that does not know ranges gives everything
        200 if range.start == 0 => response.binary().await.ok().map(|mut bytes| {
            bytes.truncate(wanted);
            bytes
        })?,
        _ => return None,
    };
    (bytes.len() == wanted).then_some(bytes)
}

/// Lets the page do what else it has to do.
async fn turn() {
    wait(Duration::ZERO).await;
}

/// Waits.
pub async fn wait(pause: Duration) {
    let millis = i32::try_from(pause.as_millis()).unwrap_or(i32::MAX);
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        // where there is no timer the promise would never be kept
        if window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, millis).is_err() {
            let _ = resolve.call0(&wasm_bindgen::JsValue::UNDEFINED);
        }
    });
    let _ = JsFuture::from(promise).await;
}
