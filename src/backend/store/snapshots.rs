//! What pages are rendered from. Each is read in one transaction together with the log's end, so that a stream that starts at its
//! cursor goes on exactly where it ends. Runners, and what makes a
//! submission or a typed line one, are the caller's to fill in.

use super::{
    Store,
    digests::digest_so_far,
    error::{Missing, StoreError},
    held::held_runs,
    queue::count_ahead,
    rich_texts,
    rows::{self, find_run, find_task, run_columns},
    runs::output,
    sizes,
    tasks::{count_tasks, find_tasks},
};
use crate::domain::{
    board::Limits,
    cursor::Cursor,
    filter::TaskFilter,
    filtered_tasks,
    id::{RunId, TaskId},
    run::Run,
    snapshot::{BoardSnapshot, ConsoleSnapshot, DashboardSnapshot, RunTail, TaskSnapshot},
    task::Task,
};
use bytes::Bytes;
use sqlx::{Connection, Row, SqliteConnection};
use std::{cmp::Reverse, collections::HashSet};

/// How many bytes of its output are shown of a run that is not over.
const TAIL: u64 = 4096;

impl Store {
    /// The dashboard: the newest tasks that need an answer, that run, and that do neither, as many as [`Limits`] says; their runs and
    /// what those wrote last.
    ///
    /// # Errors
    /// The database failed.
    pub async fn dashboard(&self) -> Result<DashboardSnapshot, StoreError> {
        let mut connection = self.0.readers.acquire().await?;
        let mut snapshot = connection.begin().await?;
        let cursor = self.cursor_of(&mut snapshot).await?;
        let tasks = dashboard_tasks(&mut snapshot).await?;
        let (mut runs, mut tails) = (Vec::new(), Vec::new());
        for task in &tasks {
            let sql = concat!(
                "select ",
                run_columns!(),
                " from runs r where r.task = ?1 and (r.status in ('queued', 'running') \
                 or r.number = (select number from runs where task = ?1 order by created_at desc, number desc limit 1))"
            );
            for row in sqlx::query(sql).bind(rows::id(&task.id.0)).fetch_all(&mut *snapshot).await? {
                let run = rows::run(&row)?;
                if !run.status.is_final() && run.bytes > 0 {
                    let number = rows::run_number(&row)?;
                    let (start, bytes) = tail(&mut snapshot, number, run.bytes, TAIL).await?;
                    let (text, sizes) = sizes::place(start, &bytes, sizes::of_run(&mut snapshot, number).await?);
                    tails.push(RunTail { run: run.id, text, sizes });
                }
                runs.push(run);
            }
        }
        count_ahead(&mut snapshot, &mut runs).await?;
        // Where the newest of a task has ended and an older one has not, both are there.
        runs.sort_by_key(|run: &Run| Reverse(run.sort_key()));
        let held = held_runs(&mut snapshot).await?;
        snapshot.commit().await?;
        Ok(DashboardSnapshot { cursor, tasks, runs, tails, runners: Vec::new(), request_id: String::new(), held })
    }

    /// The board, as the filter has it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn board(&self, filter: &TaskFilter) -> Result<BoardSnapshot, StoreError> {
        let mut connection = self.0.readers.acquire().await?;
        let mut snapshot = connection.begin().await?;
        let cursor = self.cursor_of(&mut snapshot).await?;
        let board = BoardSnapshot {
            cursor,
            tasks: find_tasks(&mut snapshot, filter, filtered_tasks::SHOWN).await?,
            total: count_tasks(&mut snapshot, filter).await?,
            scopes: words(&mut snapshot, "select distinct scope from tasks where scope <> '' order by 1 limit ?1").await?,
            tags: words(&mut snapshot, "select distinct tag from task_tags order by 1 limit ?1").await?,
            kinds: words(&mut snapshot, "select distinct kind from tasks order by 1 limit ?1").await?,
            statuses: words(&mut snapshot, "select distinct status from tasks order by 1 limit ?1").await?,
            held: held_runs(&mut snapshot).await?,
        };
        snapshot.commit().await?;
        Ok(board)
    }

    /// One task with its output as it was given and as it is shown, its runs and the newest run's console.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn task_snapshot(&self, id: TaskId) -> Result<TaskSnapshot, StoreError> {
        let mut connection = self.0.readers.acquire().await?;
        let mut snapshot = connection.begin().await?;
        let cursor = self.cursor_of(&mut snapshot).await?;
        let task = find_task(&mut snapshot, id).await?.ok_or(StoreError::NotFound(Missing::Task))?;
        let sanitized = rich_texts::find(&mut snapshot, id).await?;
        let sql = concat!("select ", run_columns!(), " from runs r where r.task = ?1 order by r.created_at desc, r.number desc");
        let found = sqlx::query(sql).bind(rows::id(&id.0)).fetch_all(&mut *snapshot).await?;
        let mut runs = found.iter().map(rows::run).collect::<Result<Vec<_>, _>>()?;
        count_ahead(&mut snapshot, &mut runs).await?;
        let console = match (found.first(), runs.first()) {
            (Some(row), Some(run)) => Some(console(&mut snapshot, &cursor, rows::run_number(row)?, run.clone()).await?),
            _ => None,
        };
        snapshot.commit().await?;
        drop(connection);
        let output_html = self.output_html(&task, sanitized).await;
        Ok(TaskSnapshot { cursor, task, output_html, runs, console })
    }

    /// One run with the end of its output.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn console(&self, id: RunId) -> Result<ConsoleSnapshot, StoreError> {
        let mut connection = self.0.readers.acquire().await?;
        let mut snapshot = connection.begin().await?;
        let cursor = self.cursor_of(&mut snapshot).await?;
        let (number, mut run) = find_run(&mut snapshot, id).await?.ok_or(StoreError::NotFound(Missing::Run))?;
        count_ahead(&mut snapshot, std::slice::from_mut(&mut run)).await?;
        let console = console(&mut snapshot, &cursor, number, run).await?;
        snapshot.commit().await?;
        Ok(console)
    }

    /// The log's end as this transaction sees it. What is committed is visible here a moment before the streams have heard of it; the
    /// page that is made from it must not be ahead of them.
    async fn cursor_of(&self, connection: &mut SqliteConnection) -> Result<Cursor, StoreError> {
        let seq = super::head(connection).await?;
        self.0.hub.heads().wait_for(|head| *head >= seq).await.map_err(|_| StoreError::Closed)?;
        Ok(Cursor { epoch: self.epoch().clone(), seq })
    }
}

/// The newest tasks of each of the dashboard's lists, in the order that a page keeps them in.
async fn dashboard_tasks(connection: &mut SqliteConnection) -> Result<Vec<Task>, StoreError> {
    let most = Limits::default();
    let mut known = HashSet::new();
    let mut tasks = Vec::new();
    for (sql, most) in [
        (
            "select body from tasks where waiting = 0 \
             and id not in (select task from runs where status in ('queued', 'running')) \
             order by updated_at desc, id desc limit ?1",
            most.recent,
        ),
        ("select body from tasks where waiting = 1 order by updated_at desc, id desc limit ?1", most.asking),
        (
            "select body from tasks where id in (select task from runs \
             where status in ('queued', 'running') order by created_at desc, number desc limit ?1)",
            most.running,
        ),
    ] {
        for row in sqlx::query(sql).bind(limit(most)).fetch_all(&mut *connection).await? {
            let task = rows::task(row.try_get(0)?)?;
            if known.insert(task.id) {
                tasks.push(task);
            }
        }
    }
    tasks.sort_by_key(|task| Reverse(task.sort_key()));
    Ok(tasks)
}

fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

async fn words(connection: &mut SqliteConnection, sql: &'static str) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query(sql).bind(limit(filtered_tasks::WORDS)).fetch_all(connection).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

async fn console(connection: &mut SqliteConnection, cursor: &Cursor, number: i64, run: Run) -> Result<ConsoleSnapshot, StoreError> {
    let (text_start, bytes) = tail(connection, number, run.bytes, ConsoleSnapshot::MAX_TEXT).await?;
    let digest_so_far = if run.status.is_final() { None } else { Some(digest_so_far(connection, number).await?.put_down()) };
    let (text, sizes) = sizes::place(text_start, &bytes, sizes::of_run(connection, number).await?);
    Ok(ConsoleSnapshot { cursor: cursor.clone(), run, text, text_start, sizes, digest_so_far, input: None })
}

/// The last bytes of a run's output, at most `most`, and how many come before them. Where there are more it begins with a line, if one
/// begins soon, and else with a character.
async fn tail(connection: &mut SqliteConnection, number: i64, total: u64, most: u64) -> Result<(u64, Bytes), StoreError> {
    let from = total.saturating_sub(most);
    let mut bytes = output(connection, number, total, from, usize::try_from(most).unwrap_or(usize::MAX)).await?;
    let skipped = if from == 0 { 0 } else { beginning(&bytes) };
    let _ = bytes.split_to(skipped);
    Ok((from + skipped as u64, bytes))
}

fn beginning(bytes: &[u8]) -> usize {
    let soon = bytes.len() / 4;
    match bytes[..soon].iter().position(|byte| *byte == b'\n') {
        Some(end) => end + 1,
        None => bytes.iter().take(3).take_while(|byte| (0x80..0xc0).contains(*byte)).count(),
    }
}

#[cfg(test)]
mod tests {
    use super::beginning;

    #[test]
    fn a_cut_text_begins_with_a_line_or_a_character() {
        assert_eq!(beginning(b"tail\nwhole line that is longer than the rest"), 5);
        assert_eq!(beginning("ä and no line feed".as_bytes()), 0);
        assert_eq!(beginning(&"ä and no line feed".as_bytes()[1..]), 1);
        assert_eq!(beginning(b"one long line and its end only at the end\n"), 0);
        assert_eq!(beginning(b""), 0);
    }
}
