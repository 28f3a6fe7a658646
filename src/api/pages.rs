//! What pages are made of. All of them are loaded by one server function, since each one more would cost the browser as much again.

use super::{codec::Answer, error::ApiError, packed::Packed, runs::PromptDraft};
use crate::domain::{
    filter::TaskFilter,
    members::{Members, Read, Unreadable},
    snapshot::{DashboardSnapshot, TaskSnapshot},
};
use leptos::{prelude::*, server_fn::codec::GetUrl};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which page, and what its address says beside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PageRequest {
    /// `dashboard`, `board`, `task` or `console`.
    pub page: String,
    /// Which task or run; whatever stands in the address.
    pub id: String,
    /// The name of what could not be done on the page before; mostly empty.
    pub notice: String,
    /// Which tasks the board shows.
    pub filter: TaskFilter,
}

impl PageRequest {
    /// The first page: [`DashboardData`].
    #[must_use]
    pub fn dashboard(notice: String) -> Self {
        PageRequest { page: "dashboard".to_owned(), notice, ..Self::default() }
    }

    /// The board, as a filter shows it: [`BoardSnapshot`](crate::domain::snapshot::BoardSnapshot).
    #[must_use]
    pub fn board(filter: TaskFilter) -> Self {
        PageRequest { page: "board".to_owned(), filter, ..Self::default() }
    }

    /// One task with its runs: [`TaskData`].
    #[must_use]
    pub fn task(id: String, notice: String) -> Self {
        PageRequest { page: "task".to_owned(), id, notice, ..Self::default() }
    }

    /// A run with what it wrote so far: [`ConsoleSnapshot`](crate::domain::snapshot::ConsoleSnapshot).
    #[must_use]
    pub fn console(run: String) -> Self {
        PageRequest { page: "console".to_owned(), id: run, ..Self::default() }
    }
}

/// What could not be done on the page before, where that page worked without JavaScript.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Notice {
    /// Why.
    pub error: ApiError,
    /// What was typed into the prompt form.
    pub draft: Option<PromptDraft>,
}

impl Read for Notice {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(Notice { error: members.take("error")?, draft: members.take("draft")? })
    }
}

/// The first page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DashboardData {
    /// What it shows.
    pub snapshot: DashboardSnapshot,
    /// What could not be done on the page before.
    pub notice: Option<Notice>,
}

impl Read for DashboardData {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(DashboardData { snapshot: members.take("snapshot")?, notice: members.take("notice")? })
    }
}

/// A task's page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskData {
    /// What it shows; the task without its output, which is there sanitised.
    pub snapshot: TaskSnapshot,
    /// The task as JSON, with its output as it was given; what would not be seen of it stands as an escape.
    pub raw: String,
    /// What could not be done on the page before.
    pub notice: Option<Notice>,
}

impl Read for TaskData {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(TaskData { snapshot: members.take("snapshot")?, raw: members.take("raw")?, notice: members.take("notice")? })
    }
}

/// A page's data.
#[server(prefix = "/actions", endpoint = "page", input = GetUrl, output = Answer)]
pub async fn fetch_page(
    /// Which page.
    request: PageRequest,
) -> Result<Packed, ApiError> {
    use crate::{
        api_context::{backend, input_id, noticed, with_status},
        backend::{raw_json::raw_json, space::Shortage},
        domain::snapshot::ConsoleSnapshot,
    };

    let backend = backend()?;
    let PageRequest { page, id, notice, filter } = request;
    let loaded = async {
        match page.as_str() {
            "dashboard" => {
                let mut snapshot = backend.store.dashboard().await?;
                snapshot.runs.iter_mut().for_each(|run| backend.runners.complete(run));
                let request_id = uuid::Uuid::now_v7().to_string();
                let snapshot = DashboardSnapshot { runners: backend.runners.names(), request_id, ..snapshot };
                Packed::of(&DashboardData { snapshot, notice: noticed(&backend, &notice) })
            }
            "board" => Packed::of(&backend.store.board(&filter).await?),
            "task" => {
                let mut snapshot = backend.store.task_snapshot(id.parse().map_err(|_| ApiError::NoSuchTask)?).await?;
                snapshot.runs.iter_mut().for_each(|run| backend.runners.complete(run));
                if let Some(console) = &mut snapshot.console {
                    backend.runners.complete(&mut console.run);
                    console.input = input_id(&backend, &console.run);
                }
                let raw = raw_json(&snapshot.task).map_err(|_| ApiError::Failed)?;
                let snapshot = TaskSnapshot { task: snapshot.task.without_output(), ..snapshot };
                Packed::of(&TaskData { snapshot, raw, notice: noticed(&backend, &notice) })
            }
            "console" => {
                let mut snapshot = backend.store.console(id.parse().map_err(|_| ApiError::NoSuchRun)?).await?;
                backend.runners.complete(&mut snapshot.run);
                Packed::of(&ConsoleSnapshot { input: input_id(&backend, &snapshot.run), ..snapshot })
            }
            _ => Err(ApiError::OtherBuild),
        }
    };
    let notice = backend.runners.shortage().borrow().map(Shortage::notice);
    loaded.await.map(|packed: Packed| packed.with_notice(notice)).map_err(with_status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::members::tests::{check, settles};
    use serde_json::json;

    #[test]
    fn every_page_reads_what_it_writes() {
        let draft = json!({"prompt": "p", "runner": "shell", "scope": "s", "tags": "a, b"});
        check::<PromptDraft>(draft.clone(), &["prompt", "runner", "scope", "tags"]);
        let notice = json!({"error": {"refused": {"status": 413, "detail": "too large"}}, "draft": draft});
        check::<Notice>(notice.clone(), &["error"]);
        let at = "2026-01-02T09:13:58.259Z";
        let task = json!({
            "id": "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c", "type": "odd", "status": "new", "title": "T", "context": {"a": 1}, "tags": [],
            "createdAt": at, "updatedAt": at, "more": [],
        });
        let snapshot = json!({"cursor": "k-7", "task": task, "output_html": "<p>x</p>", "runs": [], "console": null});
        check::<TaskData>(json!({"snapshot": snapshot, "raw": "{}", "notice": notice}), &["snapshot", "raw"]);
        let snapshot = json!({"cursor": "k-7", "tasks": [task], "runs": [], "tails": [], "runners": [], "request_id": "r", "held": {"count": 0, "copiedAt": at}});
        check::<DashboardData>(json!({"snapshot": snapshot, "notice": null}), &["snapshot"]);
        for odd in [json!(null), json!([]), json!({"notice": {"error": {"refused": []}}})] {
            settles::<DashboardData>(&odd);
            settles::<TaskData>(&odd);
        }
    }
}
