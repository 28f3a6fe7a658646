//! The store as its callers use it: runs, tasks, answers, snapshots, sign-in, and files that are no database of ours.

use bytes::Bytes;
use kontasks::{
    backend::{
        clock::Clock,
        store::{Conflict, EventKind, LinkUse, Missing, NewRun, RunEnd, Store, StoreError, Topics},
    },
    domain::{
        digest::OutputDigest,
        event::{StreamEvent, TaskEvent},
        filter::TaskFilter,
        id::{RunId, TaskId},
        run::RunStatus,
        snapshot::ConsoleSnapshot,
        task::{NewTask, TaskPatch},
        timestamp::Timestamp,
    },
};
use serde_json::{Value, json};
use std::time::Duration;

fn prompt(text: &str) -> NewRun {
    NewRun { prompt: text.into(), runner: "shell".into(), ..NewRun::default() }
}

fn succeeded(at: i64) -> RunEnd {
    RunEnd { status: RunStatus::Succeeded, exit_code: Some(0), signal: None, reason: None, at: Timestamp(at) }
}

struct Folder {
    store: Store,
    clock: Clock,
    folder: tempfile::TempDir,
}

async fn folder() -> Folder {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::manual(Timestamp(1_000_000));
    let store = Store::open(&folder.path().join("kontasks.db"), clock.clone()).await.expect("opens");
    Folder { store, clock, folder }
}

#[tokio::test]
async fn a_run_from_prompt_to_end() {
    let Folder { store, folder, .. } = folder().await;
    let submitted = store.submit(prompt("echo hello\nand more")).await.expect("submits");
    assert!(submitted.created);
    assert_eq!((submitted.task.title.as_str(), submitted.task.status.as_str()), ("echo hello", "pending"));
    let id = submitted.run.id;
    let mut reader = store.reader(Topics::Run(id), 0);
    let first = reader.next().await.expect("reads");
    assert_eq!(first.frames.iter().map(|frame| frame.kind).collect::<Vec<_>>(), [EventKind::Run]);

    store.run_started(id, Timestamp(2_000_000)).await.expect("starts");
    assert_eq!(store.task(submitted.task.id).await.expect("reads").expect("there").status, "in_progress");
    store.append_output(id, Bytes::from_static(b"hel"), 3).await.expect("appends");
    store.append_output(id, Bytes::from_static(b"lo\n"), 6).await.expect("appends");
    let twice = store.append_output(id, Bytes::from_static(b"lo\n"), 6).await;
    assert!(matches!(twice, Err(StoreError::Conflict(Conflict::Position { committed: 6 }))), "{twice:?}");
    assert_eq!(store.output(id, 0, 100).await.expect("reads"), "hello\n");
    assert_eq!(store.output(id, 2, 2).await.expect("reads"), "ll");
    assert_eq!(store.output(id, 6, 2).await.expect("reads"), "");
    assert_eq!(store.end_seq(id).await.expect("reads"), None);

    let ended = store.run_ended(id, succeeded(3_000_000)).await.expect("ends");
    assert_eq!((ended.events, ended.bytes, ended.lines), (2, 6, 1));
    let digest = "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
    assert_eq!(ended.digest.as_deref(), Some(digest), "of hello and a line feed");
    let again = RunEnd { status: RunStatus::Failed, ..succeeded(4_000_000) };
    assert_eq!(store.run_ended(id, again).await.expect("stands"), ended);
    assert!(matches!(store.append_output(id, Bytes::from_static(b"x"), 7).await, Err(StoreError::Conflict(Conflict::RunEnded { .. }))));
    assert_eq!(store.task(submitted.task.id).await.expect("reads").expect("there").status, "completed");

    let mut kinds = Vec::new();
    while kinds.last() != Some(&EventKind::End) {
        kinds.extend(reader.next().await.expect("reads").frames.iter().map(|frame| frame.kind));
    }
    assert_eq!(kinds, [EventKind::Run, EventKind::Output, EventKind::Output, EventKind::Run, EventKind::End]);
    assert_eq!(store.end_seq(id).await.expect("reads"), store.last_seq_of_run(id).await.expect("reads"));
    assert_eq!(store.end_seq(RunId(uuid::Uuid::nil())).await.expect("reads"), None);

    // Closed and opened again, everything is as it was.
    let cursor = store.cursor();
    store.close().await;
    assert!(matches!(store.submit(prompt("true")).await, Err(StoreError::Closed)));
    let store = Store::open(&folder.path().join("kontasks.db"), Clock::system()).await.expect("opens");
    assert_eq!(store.cursor(), cursor);
    assert_eq!(store.run(id).await.expect("reads"), Some(ended));
    assert_eq!(store.position(id).await.expect("reads"), 6);
}

fn new_task(value: Value) -> NewTask {
    serde_json::from_value(value).expect("a task")
}

fn filter(value: Value) -> TaskFilter {
    serde_json::from_value(value).expect("a filter")
}

#[tokio::test]
async fn one_request_is_one_run() {
    let Folder { store, folder: _folder, .. } = folder().await;
    let ask = |text: &str| NewRun { request_id: Some("once".into()), ..prompt(text) };
    let both = tokio::join!(store.submit(ask("true")), store.submit(ask("true")));
    let (first, second) = (both.0.expect("submits"), both.1.expect("submits"));
    assert_eq!((first.run.id, first.created, second.created), (second.run.id, true, false));
    let other = store.submit(ask("false")).await;
    assert!(matches!(other, Err(StoreError::Conflict(Conflict::RequestId { run })) if run == first.run.id), "{other:?}");
    let followed = store.submit(NewRun { task_id: Some(first.task.id), ..prompt("again") }).await.expect("submits");
    assert_eq!(followed.run.task_id, first.task.id);
    assert_eq!(store.runs_of_task(first.task.id).await.expect("reads").len(), 2);
    let nowhere = NewRun { task_id: Some(TaskId(uuid::Uuid::nil())), ..prompt("x") };
    assert!(matches!(store.submit(nowhere).await, Err(StoreError::NotFound(Missing::Task))));
    assert!(matches!(store.submit(prompt(" \n")).await, Err(StoreError::Invalid(invalid)) if invalid.field == "prompt"));
    // What was refused left nothing behind.
    assert_eq!(store.unfinished_runs().await.expect("reads").len(), 2);
}

#[tokio::test]
async fn a_task_follows_its_runs_until_somebody_decides() {
    let Folder { store, folder: _folder, .. } = folder().await;
    let status = async |id| store.task(id).await.expect("reads").expect("there").status;
    let end = |status| RunEnd { status, ..succeeded(9) };
    for (ended, word) in [
        (RunStatus::Failed, "failed"),
        (RunStatus::Cancelled, "cancelled"),
        (RunStatus::Interrupted, "failed"),
        (RunStatus::Succeeded, "completed"),
    ] {
        let submitted = store.submit(prompt("x")).await.expect("submits");
        store.run_started(submitted.run.id, Timestamp(5)).await.expect("starts");
        store.run_ended(submitted.run.id, end(ended)).await.expect("ends");
        assert_eq!(status(submitted.task.id).await, word);
    }
    let queued = store.submit(prompt("never started")).await.expect("submits");
    store.run_ended(queued.run.id, end(RunStatus::Cancelled)).await.expect("ends");
    assert_eq!(status(queued.task.id).await, "cancelled");
    assert!(matches!(store.run_started(queued.run.id, Timestamp(7)).await, Err(StoreError::Conflict(Conflict::RunEnded { .. }))));

    let decided = store.submit(prompt("x")).await.expect("submits");
    store.run_started(decided.run.id, Timestamp(5)).await.expect("starts");
    let patch = TaskPatch { status: Some("recommended".into()), ..TaskPatch::default() };
    store.patch_task(decided.task.id, patch).await.expect("changes");
    store.run_ended(decided.run.id, end(RunStatus::Succeeded)).await.expect("ends");
    assert_eq!(status(decided.task.id).await, "recommended");
    assert!(matches!(store.run_ended(decided.run.id, end(RunStatus::Running)).await, Err(StoreError::Invalid(_))));
}

#[tokio::test]
async fn who_waits_is_told_how_many_are_before_it_and_the_log_is_not() {
    let Folder { store, folder: _folder, .. } = folder().await;
    let mut runs = Vec::new();
    for number in 0..4 {
        runs.push(store.submit(prompt(&format!("echo {number}"))).await.expect("submits").run);
    }
    let ahead = async || {
        let mut ahead = Vec::new();
        for run in &runs {
            let now = store.run(run.id).await.expect("reads").expect("there").ahead;
            assert_eq!(store.console(run.id).await.expect("reads").run.ahead, now);
            let task = store.task_snapshot(run.task_id).await.expect("reads");
            assert_eq!([task.runs[0].ahead, task.console.expect("has a run").run.ahead], [now; 2]);
            let dashboard = store.dashboard().await.expect("reads").runs.into_iter().find(|known| known.id == run.id);
            assert_eq!(dashboard.expect("there").ahead, now);
            ahead.push(now);
        }
        ahead
    };
    assert!(runs.is_sorted_by(|a, b| a.number < b.number && a.number > 0));
    assert_eq!(ahead().await, [Some(0), Some(1), Some(2), Some(3)]);
    store.run_started(runs[1].id, Timestamp(7)).await.expect("starts");
    assert_eq!(ahead().await, [Some(0), None, Some(1), Some(2)]);
    store.run_ended(runs[0].id, RunEnd { status: RunStatus::Cancelled, ..succeeded(8) }).await.expect("ends");
    assert_eq!(ahead().await, [None, None, Some(0), Some(1)]);

    let mut reader = store.reader(Topics::Board { runs: vec![] }, 0);
    let mut log = Vec::new();
    while reader.position() < store.head() {
        log.extend(reader.next().await.expect("reads").frames);
    }
    let text: String = log.iter().map(|frame| String::from_utf8_lossy(&frame.bytes).into_owned()).collect();
    assert!(text.contains("\"number\":") && !text.contains("\"ahead\""), "{text}");
}

#[tokio::test]
async fn a_posted_task_keeps_everything_and_is_taken_once() {
    let Folder { store, folder: _folder, .. } = folder().await;
    let posted: Value = serde_json::from_str(include_str!("fixtures/task.json")).expect("JSON");
    let first = store.create_task(new_task(posted.clone())).await.expect("creates");
    assert!(first.created);
    let stored = store.task(first.task.id).await.expect("reads").expect("there");
    let mut expected = posted.clone();
    expected["context"]["requestedAt"] = json!("2026-01-02T09:40:00.000Z");
    assert_eq!(serde_json::to_value(&stored).expect("JSON"), expected);
    // A repeated post is the same one, also after the task has moved on.
    store.answer_task(first.task.id, "backlog".into(), None).await.expect("answers");
    let again = store.create_task(new_task(posted.clone())).await.expect("known");
    assert!(!again.created && again.task.answer.is_some());
    let mut other = posted;
    other["title"] = json!("Another");
    assert!(matches!(store.create_task(new_task(other)).await, Err(StoreError::Conflict(Conflict::TaskExists { .. }))));
    // The log carries it without its output.
    let batch = store.reader(Topics::Board { runs: vec![] }, 0).next().await.expect("reads");
    let text = String::from_utf8(batch.frames[0].bytes.to_vec()).expect("UTF-8");
    assert!(text.contains("How the console") && text.contains("layout") && !text.contains("border-radius"), "{text}");
    let plain = store.create_task(new_task(json!({"title": "  plain "}))).await.expect("creates").task;
    assert_eq!((plain.title.as_str(), plain.kind.as_str(), plain.status.as_str()), ("plain", "general", "pending"));
    assert_eq!((plain.created_at, plain.updated_at), (Timestamp(1_000_000), Timestamp(1_000_000)));
}

#[tokio::test]
async fn the_first_answer_stands() {
    let Folder { store, clock, folder: _folder } = folder().await;
    let task = store.create_task(new_task(json!({"title": "Which?", "type": "question"}))).await.expect("creates").task.id;
    assert_eq!(store.wait_for_answer(task, Duration::from_millis(20)).await.expect("waits"), None);
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.wait_for_answer(task, Duration::from_secs(30)).await }
    });
    tokio::time::sleep(Duration::from_millis(30)).await;
    clock.set(Timestamp(2_000_000));
    let both = tokio::join!(store.answer_task(task, "a".into(), Some("because".into())), store.answer_task(task, "b".into(), None));
    let first = both.0.expect("answers");
    assert!(first.first);
    assert!(matches!(both.1, Err(StoreError::Conflict(Conflict::Answered(standing))) if standing == first.answer));
    assert_eq!(waiting.await.expect("joins").expect("waits"), Some(first.answer.clone()));
    let again = store.answer_task(task, "a".into(), None).await.expect("stands");
    assert_eq!((again.first, &again.answer), (false, &first.answer));
    assert_eq!(again.task.updated_at, Timestamp(2_000_000));
    assert_eq!(store.wait_for_answer(task, Duration::ZERO).await.expect("waits"), Some(first.answer));
    let nobody = TaskId(uuid::Uuid::nil());
    assert!(matches!(store.wait_for_answer(nobody, Duration::ZERO).await, Err(StoreError::NotFound(Missing::Task))));
}

#[tokio::test]
async fn a_deleted_task_leaves_nothing_but_the_word() {
    let Folder { store, folder, .. } = folder().await;
    let submitted = store.submit(prompt("a secret prompt")).await.expect("submits");
    let (task, run) = (submitted.task.id, submitted.run.id);
    store.append_output(run, Bytes::from_static(b"a secret output"), 15).await.expect("appends");
    assert!(matches!(store.delete_task(task).await, Err(StoreError::Conflict(Conflict::TaskBusy { run: busy })) if busy == run));
    store.run_ended(run, succeeded(9)).await.expect("ends");
    let head = store.head();
    let mut reader = store.reader(Topics::Run(run), head);
    store.delete_task(task).await.expect("deletes");
    assert!(matches!(reader.next().await, Err(StoreError::NotFound(Missing::Run))));
    assert!(matches!(store.delete_task(task).await, Err(StoreError::NotFound(Missing::Task))));
    assert_eq!((store.task(task).await.expect("reads"), store.run(run).await.expect("reads")), (None, None));
    assert!(matches!(store.output(run, 0, 10).await, Err(StoreError::NotFound(Missing::Run))));
    let batch = store.reader(Topics::Board { runs: vec![run] }, 0).next().await.expect("reads");
    assert_eq!(batch.frames.len(), 1);
    let text = String::from_utf8(batch.frames[0].bytes.to_vec()).expect("UTF-8");
    let data = text.lines().nth(2).and_then(|line| line.strip_prefix("data: ")).expect("data");
    let gone = StreamEvent::Task(Box::new(TaskEvent::Deleted { id: task, deleted: true }));
    assert_eq!(StreamEvent::parse("task", data).expect("JSON"), Some(gone));
    // A number is used once, also where the newest events went with their task.
    assert_eq!(batch.frames[0].seq, head + 1);
    store.close().await;
    let store = Store::open(&folder.path().join("kontasks.db"), Clock::system()).await.expect("opens");
    assert_eq!(store.head(), head + 1);
}

#[tokio::test]
async fn an_operation_that_fails_hurts_no_other() {
    let Folder { store, folder: _folder, .. } = folder().await;
    let run = store.submit(prompt("x")).await.expect("submits").run.id;
    let nobody = RunId(uuid::Uuid::nil());
    let ask = |id: &str| NewRun { request_id: Some(id.into()), ..prompt("y") };
    store.submit(NewRun { request_id: Some("taken".into()), ..prompt("z") }).await.expect("submits");
    // All of these wait together and fall into few groups.
    let (a, b, c, d, e, f) = tokio::join!(
        store.append_output(run, Bytes::from_static(b"one "), 4),
        store.append_output(nobody, Bytes::from_static(b"x"), 1),
        store.submit(ask("taken")),
        store.append_output(run, Bytes::from_static(b"two "), 8),
        store.submit(ask("free")),
        store.append_output(run, Bytes::from_static(b"three"), 14),
    );
    a.expect("appends");
    assert!(matches!(b, Err(StoreError::NotFound(Missing::Run))));
    assert!(matches!(c, Err(StoreError::Conflict(Conflict::RequestId { .. }))));
    d.expect("appends");
    assert!(e.expect("submits").created);
    assert!(matches!(f, Err(StoreError::Conflict(Conflict::Position { committed: 8 }))));
    assert_eq!(store.output(run, 0, 100).await.expect("reads"), "one two ");
    let frames = store.reader(Topics::Board { runs: vec![run] }, 0).next().await.expect("reads").frames;
    assert_eq!(frames.iter().map(|frame| frame.seq).collect::<Vec<_>>(), (1..=store.head()).collect::<Vec<_>>());
}

#[tokio::test]
async fn snapshots_hold_what_pages_need() {
    let Folder { store, clock, folder: _folder } = folder().await;
    let old =
        store.create_task(new_task(json!({"title": "Old question", "type": "question", "tags": ["q"]}))).await.expect("creates").task.id;
    for number in 0..30 {
        clock.set(Timestamp(2_000_000 + number));
        let task = json!({"title": format!("Task {number}"), "scope": "Größe", "tags": ["t", format!("n{}", number % 3)], "status": "odd"});
        store.create_task(new_task(task)).await.expect("creates");
    }
    let run = store.submit(prompt("make ÄRGER\nand more")).await.expect("submits").run;
    store.run_started(run.id, Timestamp(3_000_000)).await.expect("starts");
    let text: String = (0..40_000).map(|line| format!("żółw {line}\n")).collect();
    store.append_output(run.id, text.clone().into(), text.len() as u64).await.expect("appends");

    let dashboard = store.dashboard().await.expect("reads");
    assert_eq!(dashboard.cursor, store.cursor());
    assert_eq!(dashboard.tasks.len(), 32, "the latest thirty, the one that runs and the one that waits");
    assert_eq!(dashboard.tasks[0].id, run.task_id);
    assert_eq!(dashboard.tasks.last().expect("tasks").id, old);
    assert_eq!(dashboard.runs.iter().map(|run| run.id).collect::<Vec<_>>(), [run.id]);
    assert!(text.ends_with(&dashboard.tails[0].text) && (3000..=4096).contains(&dashboard.tails[0].text.len()));

    let console = store.console(run.id).await.expect("reads");
    assert!(console.text.len() as u64 <= ConsoleSnapshot::MAX_TEXT && console.text.len() > 200_000);
    assert_eq!(console.text, text[usize::try_from(console.text_start).expect("fits")..]);
    assert!(console.text.starts_with("żółw "));
    let task = store.task_snapshot(run.task_id).await.expect("reads");
    assert_eq!((task.console.expect("a console"), task.runs.len()), (console, 1));
    assert!(matches!(store.console(RunId(uuid::Uuid::nil())).await, Err(StoreError::NotFound(Missing::Run))));
    assert!(matches!(store.task_snapshot(TaskId(uuid::Uuid::nil())).await, Err(StoreError::NotFound(Missing::Task))));

    let board = store.board(&TaskFilter::default()).await.expect("reads");
    assert_eq!((board.tasks.len(), board.total), (32, 32));
    assert_eq!(board.tags, ["n0", "n1", "n2", "q", "t"]);
    assert_eq!((board.scopes.len(), board.kinds.len(), board.statuses.len()), (1, 2, 3));
    // The database lets through what the domain's filter does, and no other.
    for wanted in [
        json!({"status": "odd"}),
        json!({"tag": "n1"}),
        json!({"tag": "n"}),
        json!({"scope": "Größe"}),
        json!({"type": "question"}),
        json!({"text": "GRÖSSE"}),
        json!({"text": "größe task"}),
        json!({"text": "ärger MORE"}),
        json!({"text": "2 n2"}),
        json!({"text": "old", "tag": "q"}),
        json!({"text": "%"}),
        json!({"text": "task 29"}),
        json!({"status": "none"}),
    ] {
        let filter = filter(wanted.clone());
        let found = store.board(&filter).await.expect("reads");
        let expected: Vec<_> = board.tasks.iter().filter(|task| filter.matches(task)).cloned().collect();
        assert_eq!(found.tasks, expected, "{wanted}");
        assert_eq!(found.total, expected.len() as u64);
    }
    assert_eq!(store.tasks(&TaskFilter::default(), 3).await.expect("reads"), board.tasks[..3]);
}

#[tokio::test]
async fn links_are_used_once_and_sessions_end() {
    let Folder { store, clock, folder: _folder } = folder().await;
    let (link, late) = ([1; 32], [2; 32]);
    store.create_link(link, Timestamp(1_900_000)).await.expect("creates");
    store.create_link(late, Timestamp(1_000_001)).await.expect("creates");
    let both = tokio::join!(store.consume_link(link), store.consume_link(link));
    let mut both = [both.0.expect("asks"), both.1.expect("asks")];
    both.sort_by_key(|outcome| *outcome == LinkUse::Used);
    assert_eq!(both, [LinkUse::Accepted, LinkUse::Used]);
    clock.set(Timestamp(1_000_001));
    assert_eq!(store.consume_link(late).await.expect("asks"), LinkUse::Expired);
    assert_eq!(store.consume_link([3; 32]).await.expect("asks"), LinkUse::Unknown);

    let session = store.create_session([7; 32], "a browser".into(), Timestamp(2_000_000)).await.expect("creates");
    assert_eq!(store.session([7; 32]).await.expect("reads"), Some(session.clone()));
    assert_eq!(store.session([8; 32]).await.expect("reads"), None);
    clock.set(Timestamp(1_500_000));
    store.touch_session(session.id, Timestamp(3_000_000)).await.expect("touches");
    let seen = store.sessions().await.expect("reads");
    assert_eq!((seen.len(), seen[0].last_seen, seen[0].expires_at), (1, Timestamp(1_500_000), Timestamp(3_000_000)));
    clock.set(Timestamp(3_000_000));
    assert_eq!(store.session([7; 32]).await.expect("reads"), None);
    store.delete_session(session.id).await.expect("deletes");
    assert!(matches!(store.delete_session(session.id).await, Err(StoreError::NotFound(Missing::Session))));
    assert!(matches!(store.touch_session(session.id, Timestamp(9)).await, Err(StoreError::NotFound(Missing::Session))));
}

#[tokio::test]
async fn tokens_have_names_and_whatever_goes_is_counted() {
    let Folder { store, clock, folder } = folder().await;
    let token = store.create_token([1; 32], "ci".into()).await.expect("creates").expect("a new name");
    assert_eq!(store.create_token([2; 32], "ci".into()).await.expect("asks"), None, "the name is taken");
    assert_eq!(store.token([1; 32]).await.expect("reads"), Some(token.clone()));
    assert_eq!(store.token([2; 32]).await.expect("reads"), None);
    clock.set(Timestamp(1_000_007));
    store.touch_token(token.id).await.expect("touches");
    assert_eq!(store.tokens().await.expect("reads")[0].last_used, Some(Timestamp(1_000_007)));

    let session = store.create_session([3; 32], String::new(), Timestamp(2_000_000)).await.expect("creates");
    store.create_session([4; 32], String::new(), Timestamp(2_000_000)).await.expect("creates");
    assert_eq!(store.endings().await.expect("reads"), 0);
    // As another process does it.
    let beside = Store::open(&folder.path().join("kontasks.db"), clock.clone()).await.expect("opens");
    assert_eq!(beside.delete_token(token.id).await.expect("deletes").as_deref(), Some("ci"));
    assert_eq!(beside.delete_token(token.id).await.expect("asks"), None);
    assert!(!store.has_token(token.id).await.expect("reads"));
    assert_eq!(store.endings().await.expect("reads"), 1);
    assert_eq!(beside.delete_sessions(Some(session.id)).await.expect("deletes"), 1);
    assert_eq!(beside.delete_sessions(None).await.expect("deletes"), 1);
    assert_eq!(store.endings().await.expect("reads"), 3);
    assert_eq!(store.set_password(Some("a hash".into())).await.ok(), Some(false));
    assert_eq!(beside.password().await.expect("reads").as_deref(), Some("a hash"));
    assert_eq!(beside.set_password(None).await.ok(), Some(true));
    assert_eq!(store.password().await.expect("reads"), None);
}

#[tokio::test]
async fn a_database_of_the_first_version_is_brought_up_to_date() {
    use sqlx::{ConnectOptions, Connection, SqlSafeStr, migrate, sqlite::SqliteConnectOptions};
    let place = tempfile::tempdir().expect("a folder");
    let path = place.path().join("kontasks.db");
    let first = include_str!("../migrations/0001_foundation.sql").into_sql_str();
    let first = migrate::Migration::new(1, "foundation".into(), migrate::MigrationType::Simple, first, false);
    let mut connection = SqliteConnectOptions::new().filename(&path).create_if_missing(true).connect().await.expect("opens");
    migrate::Migrator::with_migrations(vec![first]).run(&mut connection).await.expect("migrates");
    let session = "insert into sessions (hash, user_agent, created_at, last_seen, expires_at) values (x'00', 'a browser', 1, 2, 3000000)";
    sqlx::query(session).execute(&mut connection).await.expect("inserts");
    // A run that had written something when nobody kept a digest of it on the way.
    let run = RunId(uuid::Uuid::from_u128(7));
    for (sql, id) in [
        ("insert into tasks values (?1, 1, 1, 'pending', 'general', '', 0, '', '{}', null, null)", run.0),
        (
            "insert into runs (id, task, request_id, runner, prompt, status, created_at, events, bytes, lines, position) \
             values (?1, ?1, 'r', 'shell', 'p', 'running', 1, 2, 5, 0, 5)",
            run.0,
        ),
        ("insert into events (kind, run, at, start, payload) select 2, number, 1, 3, cast('lo' as blob) from runs where id = ?1", run.0),
        ("insert into events (kind, run, at, start, payload) select 2, number, 1, 0, cast('hel' as blob) from runs where id = ?1", run.0),
    ] {
        sqlx::query(sql).bind(&id.as_bytes()[..]).execute(&mut connection).await.expect("inserts");
    }
    connection.close().await.expect("closes");

    let store = Store::open(&path, Clock::manual(Timestamp(1_000_000))).await.expect("opens");
    let [session] = <[_; 1]>::try_from(store.sessions().await.expect("reads")).expect("one");
    assert_eq!(session.user_agent, "a browser");
    store.append_output(run, Bytes::from_static(b"\n"), 6).await.expect("goes on");
    let console = store.console(run).await.expect("reads");
    let so_far = console.digest_so_far.as_deref().and_then(OutputDigest::take_up).expect("kept from now on");
    assert_eq!(so_far.finish(), "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
    store.create_token([1; 32], "ci".into()).await.expect("creates").expect("a new name");
    store.delete_session(session.id).await.expect("deletes");
    assert_eq!(store.endings().await.expect("reads"), 1);
}

#[tokio::test]
async fn what_is_no_database_of_ours_is_refused_in_words() {
    let Folder { store, folder, .. } = folder().await;
    let path = folder.path().join("kontasks.db");
    store.close().await;
    let words = async |path: &std::path::Path| Store::open(path, Clock::system()).await.err().expect("refused").to_string();

    let text = folder.path().join("text");
    std::fs::write(&text, "no database, ".repeat(100)).expect("writes");
    assert!(words(&text).await.contains("it is no database"), "{}", words(&text).await);
    assert_eq!(std::fs::read_to_string(&text).expect("reads"), "no database, ".repeat(100), "it is left as it was");
    assert!(words(&folder.path().join("nowhere/kontasks.db")).await.contains("see that the folder exists"));
    assert!(words(folder.path()).await.contains("cannot be written"), "{}", words(folder.path()).await);

    let sql = async |path: &std::path::Path, sql: &'static str| {
        use sqlx::Connection;
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.expect("opens");
        sqlx::raw_sql(sql).execute(&mut connection).await.expect("executes");
        connection.close().await.expect("closes");
    };
    let foreign = folder.path().join("foreign.db");
    sql(&foreign, "create table bookmarks (url text)").await;
    assert!(words(&foreign).await.contains("another program"), "{}", words(&foreign).await);
    sql(&path, "insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (99, 'later', 1, x'00', 0)")
        .await;
    assert!(words(&path).await.contains("newer version"), "{}", words(&path).await);
}

#[tokio::test]
async fn a_full_disk_is_said_and_survived() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("kontasks.db");
    let store = Store::open(&path, Clock::system()).await.expect("opens");
    let run = store.submit(prompt("x")).await.expect("submits").run.id;
    store.limit_pages(200).await.expect("limits");
    let part = Bytes::from(vec![b'x'; 50_000]);
    let mut position = 0;
    let full = loop {
        position += part.len() as u64;
        if let Err(error) = store.append_output(run, part.clone(), position).await {
            break error;
        }
        assert!(position < 10_000_000, "never full");
    };
    assert!(matches!(full, StoreError::Full), "{full:?}");
    let there = store.position(run).await.expect("reads");
    assert_eq!(there, position - part.len() as u64);
    assert!(matches!(store.submit(NewRun { prompt: "y".repeat(200_000), ..prompt("") }).await, Err(StoreError::Full)));
    assert_eq!(store.output(run, 0, usize::MAX).await.expect("reads").len() as u64, there);
    // With space again it goes on where it was.
    store.limit_pages(1_000_000).await.expect("limits");
    store.append_output(run, part, position).await.expect("appends");
    store.run_ended(run, succeeded(9)).await.expect("ends");
    let frames = read_all(&store, run).await;
    assert_eq!(frames, (2..=store.head()).filter(|seq| *seq != store.head() - 1).collect::<Vec<_>>());
}

async fn read_all(store: &Store, run: RunId) -> Vec<u64> {
    let mut reader = store.reader(Topics::Run(run), 0);
    let mut seen = Vec::new();
    loop {
        let frames = reader.next().await.expect("reads").frames;
        seen.extend(frames.iter().map(|frame| frame.seq));
        if frames.last().is_some_and(|frame| frame.kind == EventKind::End) {
            return seen;
        }
    }
}
