//! `use_board`: tasks and runs from a snapshot, kept up to date by the page's stream.

use super::{
    effect::effect,
    live::{Sink, SinkOptions, use_live},
};
use crate::{
    api::error::ApiError,
    domain::{board::Board, cursor::Cursor, event::StreamEvent, id::RunId},
};
use leptos::{prelude::*, task::spawn_local};
use std::{future::Future, time::Duration};

/// How long to wait before a snapshot that could not be had is asked for again.
const PAUSE: Duration = Duration::from_secs(3);

/// What [`use_board`] gives.
#[derive(Clone, Copy)]
pub struct UseBoard {
    /// The tasks and runs as they are now.
    pub board: RwSignal<Board>,
    /// Of each run that was first heard of in the stream: where that was. Its output comes after it.
    pub first_heard: StoredValue<Vec<(RunId, Cursor)>>,
    sink: StoredValue<Option<Sink>>,
}

impl UseBoard {
    /// Replaces everything by a snapshot, and goes on from there.
    pub fn replace(&self, cursor: Cursor, board: Board) {
        self.first_heard.try_update_value(Vec::clear);
        self.board.try_set(board);
        if let Some(Some(sink)) = self.sink.try_get_value() {
            sink.restart(cursor);
        }
    }
}

/// Keeps a board. `changed` is called after each event that changed it; `reload` fetches a snapshot where the stream cannot be
/// continued, and is asked again until it brings one.
///
/// ## On the server
/// The board of the snapshot, as in the first render in the browser.
pub fn use_board<F>(
    cursor: Cursor,
    board: Board,
    changed: impl Fn(&mut Board, &StreamEvent) + Clone + 'static,
    reload: impl Fn() -> F + Clone + 'static,
) -> UseBoard
where
    F: Future<Output = Result<(Cursor, Board), ApiError>> + 'static,
{
    let live = use_live();
    let known = UseBoard { board: RwSignal::new(board), first_heard: StoredValue::new(Vec::new()), sink: StoredValue::new(None) };
    effect(move || {
        let (changed, reload) = (changed.clone(), reload.clone());
        let options = SinkOptions::new(cursor.clone())
            .on_event(move |event, at| {
                if let StreamEvent::Run(run) = event
                    && known.board.try_with_untracked(|board| board.runs.iter().any(|known| known.id == run.id)) == Some(false)
                {
                    known.first_heard.try_update_value(|first| first.push((run.id, at.clone())));
                }
                known.board.try_update(|board| {
                    match event {
                        StreamEvent::Task(event) => board.apply_task((**event).clone()),
                        StreamEvent::Run(run) => board.apply_run((**run).clone()),
                        _ => return,
                    }
                    changed(board, event);
                });
            })
            .on_reset(move || load_until_there(known, reload.clone()));
        known.sink.set_value(Some(live.sink(options)));
    });
    known
}

fn load_until_there<F>(known: UseBoard, reload: impl Fn() -> F + Clone + 'static)
where
    F: Future<Output = Result<(Cursor, Board), ApiError>> + 'static,
{
    spawn_local(async move {
        match reload().await {
            Ok((cursor, board)) => known.replace(cursor, board),
            Err(_) if known.board.is_disposed() => {}
            Err(_) => set_timeout(move || load_until_there(known, reload), PAUSE),
        }
    });
}
