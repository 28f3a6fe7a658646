//! The log's promise, on the real store: whoever reads it, from wherever and however often interrupted, receives every event once and
//! in order; and what is committed is still there, whole, after the process was killed in the middle of writing.

use bytes::Bytes;
use kontasks::{
    backend::{
        clock::Clock,
        store::{EventKind, Frame, NewRun, RunEnd, Store, Topics},
    },
    domain::{
        digest::OutputDigest,
        event::{Output, StreamEvent},
        id::{RunId, TaskId},
        run::RunStatus,
        task::{NewTask, TaskPatch},
        timestamp::Timestamp,
    },
};
use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    io::Write,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

fn prompt(text: String) -> NewRun {
    NewRun { prompt: text, runner: "shell".into(), ..NewRun::default() }
}

fn end() -> RunEnd {
    RunEnd { status: RunStatus::Succeeded, exit_code: Some(0), signal: None, reason: None, at: Timestamp(9) }
}

/// The event in a frame, checked against what the frame says of itself.
fn event(frame: &Frame) -> StreamEvent {
    let text = std::str::from_utf8(&frame.bytes).expect("UTF-8");
    let mut lines = text.split('\n');
    let id = lines.next().and_then(|line| line.strip_prefix("id: ")).and_then(|id| id.rsplit_once('-')).expect("an id");
    assert_eq!(id.1, frame.seq.to_string());
    assert_eq!(lines.next(), Some(format!("event: {}", frame.kind.name()).as_str()));
    let data = lines.next().and_then(|line| line.strip_prefix("data: ")).expect("data");
    assert_eq!(lines.collect::<Vec<_>>(), ["", ""]);
    StreamEvent::parse(frame.kind.name(), data).expect("JSON").expect("a known name")
}

fn raw(output: &Output) -> Vec<u8> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    output.base64.as_ref().map_or_else(|| output.text.clone().into_bytes(), |base64| STANDARD.decode(base64).expect("base64"))
}

/// Which run a frame of kind output or end is about, or a run's own.
fn run_of(frame: &Frame) -> Option<RunId> {
    match event(frame) {
        StreamEvent::Run(run) => Some(run.id),
        StreamEvent::Output(output) => Some(output.run),
        StreamEvent::End(end) => Some(end.run),
        _ => None,
    }
}

/// Reads until `done` says so, and is cut off again and again on the way: after `cuts[i]` frames, in the middle of a batch or not,
/// the reader is dropped and a new one goes on from the last frame that was taken.
async fn read_with_cuts(store: Store, topics: Topics, cuts: Vec<(usize, u64)>, done: impl Fn(&[Frame]) -> bool) -> Vec<Frame> {
    let mut taken: Vec<Frame> = Vec::new();
    let mut cuts = cuts.into_iter();
    let patience = Instant::now();
    while !done(&taken) {
        let (mut most, pause) = cuts.next().unwrap_or((usize::MAX, 0));
        let mut reader = store.reader(topics.clone(), taken.last().map_or(0, |frame| frame.seq));
        while most > 0 && !done(&taken) {
            assert!(patience.elapsed() < Duration::from_secs(60), "an event is missing after {:?}", taken.last());
            // A wait that is given up at any point must cost nothing.
            let Ok(batch) = tokio::time::timeout(Duration::from_micros(300 + pause), reader.next()).await else { continue };
            let batch = batch.expect("reads");
            assert!(!batch.frames.is_empty() && batch.frames.len() <= 256);
            most -= batch.frames.len().min(most);
            let keep = if most == 0 { batch.frames.len().div_ceil(2) } else { batch.frames.len() };
            if keep == batch.frames.len() {
                assert!(reader.position() >= batch.frames[keep - 1].seq);
            }
            taken.extend(batch.frames.into_iter().take(keep));
        }
        tokio::time::sleep(Duration::from_millis(pause % 40)).await;
    }
    taken
}

fn ends(frames: &[Frame]) -> usize {
    frames.iter().filter(|frame| frame.kind == EventKind::End).count()
}

/// What a run writes: parts between characters, some of them large, some not UTF-8.
fn written() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let part = prop_oneof![
        6 => ".{1,40}".prop_map(String::into_bytes),
        2 => prop::collection::vec(any::<u8>(), 1..20).prop_map(|mut bytes| { bytes.push(b'.'); bytes }),
        1 => (60_000usize..140_000).prop_map(|size| "zażółć\r\n".repeat(size / 12).into_bytes()),
    ];
    // Long ones leave the ring of recent frames behind.
    prop_oneof![3 => prop::collection::vec(part.clone(), 0..40), 1 => prop::collection::vec(part, 600..700)]
}

fn cuts() -> impl Strategy<Value = Vec<(usize, u64)>> {
    prop::collection::vec((1usize..60, 0u64..400), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_reader_gets_every_event_once_and_in_order(
        runs in prop::collection::vec((written(), cuts()), 1..5),
        board_cuts in prop::collection::vec(cuts(), 2),
        changes in 0usize..30,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(writers_and_readers(runs, board_cuts, changes));
    }
}

type Written = (Vec<Vec<u8>>, Vec<(usize, u64)>);

async fn writers_and_readers(runs: Vec<Written>, board_cuts: Vec<Vec<(usize, u64)>>, changes: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().join("kontasks.db"), Clock::system()).await.expect("opens");
    let mut ids = Vec::new();
    for number in 0..runs.len() {
        ids.push(store.submit(prompt(format!("run {number}"))).await.expect("submits").run.id);
    }
    let count = runs.len();
    let board = Topics::Board { runs: ids.clone() };
    let boards: Vec<_> = board_cuts
        .into_iter()
        .map(|cuts| tokio::spawn(read_with_cuts(store.clone(), board.clone(), cuts, move |taken| ends(taken) == count)))
        .collect();
    let mut readers = Vec::new();
    let mut writers = Vec::new();
    for (id, (parts, cuts)) in ids.iter().copied().zip(runs.clone()) {
        readers.push((id, tokio::spawn(read_with_cuts(store.clone(), Topics::Run(id), cuts, |taken| ends(taken) == 1))));
        let store = store.clone();
        writers.push(tokio::spawn(async move {
            store.run_started(id, Timestamp(5)).await.expect("starts");
            let mut position = 0;
            for (burst, parts) in parts.chunks(20).enumerate() {
                // Some one by one, some all at once: those of a burst are queued in order and fall into few groups.
                let mut appends = Vec::new();
                for part in parts {
                    position += part.len() as u64;
                    let append = store.append_output(id, part.clone().into(), position);
                    if burst % 3 == 0 { append.await.expect("appends") } else { appends.push(append) }
                }
                futures::future::try_join_all(appends).await.expect("appends");
            }
            store.run_ended(id, end()).await.expect("ends");
        }));
    }
    let changer = tokio::spawn(change_tasks(store.clone(), changes));
    for writer in writers {
        writer.await.expect("writes");
    }
    let task = changer.await.expect("changes");

    // The log itself, in one go: every number is there, and each run's parts are what was written.
    let whole = read_with_cuts(store.clone(), board, Vec::new(), {
        let head = store.head();
        move |taken| taken.last().is_some_and(|frame| frame.seq == head)
    })
    .await;
    assert_eq!(whole.iter().map(|frame| frame.seq).collect::<Vec<_>>(), (1..=store.head()).collect::<Vec<_>>());
    let mut outputs: BTreeMap<RunId, Vec<u8>> = BTreeMap::new();
    for frame in &whole {
        if let StreamEvent::Output(output) = event(frame) {
            outputs.entry(output.run).or_default().extend(raw(&output));
        }
    }
    for (id, (parts, _)) in ids.iter().zip(&runs) {
        let written = parts.concat();
        assert_eq!(outputs.remove(id).unwrap_or_default(), written);
        assert_eq!(store.output(*id, 0, usize::MAX).await.expect("reads"), written);
        let run = store.run(*id).await.expect("reads").expect("there");
        let events = whole.iter().filter(|frame| frame.kind == EventKind::Output && run_of(frame) == Some(*id)).count();
        assert_eq!((run.bytes, run.events), (written.len() as u64, events as u64));
        assert_eq!(run.lines, written.iter().filter(|byte| **byte == b'\n').count() as u64);
    }
    let changed =
        |frame: &&Frame| matches!(event(frame), StreamEvent::Task(task_event) if format!("{task_event:?}").contains(&task.to_string()));
    assert_eq!(whole.iter().filter(changed).count(), changes + 1);

    // Whoever read while it was written, and was cut off on the way, has the same.
    for board in boards {
        let taken = board.await.expect("reads");
        let upto = taken.last().map_or(0, |frame| frame.seq);
        assert_eq!(taken, whole.iter().filter(|frame| frame.seq <= upto).cloned().collect::<Vec<_>>());
    }
    for (id, reader) in readers {
        assert_eq!(reader.await.expect("reads"), whole.iter().filter(|frame| run_of(frame) == Some(id)).cloned().collect::<Vec<_>>());
    }
    store.close().await;
}

async fn change_tasks(store: Store, changes: usize) -> TaskId {
    let task = store.create_task(NewTask { title: "changes".into(), ..NewTask::default() }).await.expect("creates").task.id;
    for change in 0..changes {
        let patch = TaskPatch { description: Some(format!("change {change}")), ..TaskPatch::default() };
        store.patch_task(task, patch).await.expect("changes");
    }
    task
}

/// What a run of the crash test writes: at each place eight bytes that say where they are.
fn stream(from: u64, length: usize) -> Vec<u8> {
    let first = from / 8;
    let text: String = (first..=first + length as u64 / 8 + 1).map(|number| format!("{number:07}\n")).collect();
    let skipped = usize::try_from(from % 8).expect("small");
    text.as_bytes()[skipped..skipped + length].to_vec()
}

const CRASH_FOLDER: &str = "KONTASKS_TEST_CRASH_FOLDER";

/// Runs only as the process that the next test kills: appends to all unfinished runs at once, for ever, and notes what it was told is
/// committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_child() {
    let Some(folder) = std::env::var_os(CRASH_FOLDER) else { return };
    let folder = Path::new(&folder);
    let store = Store::open(&folder.join("kontasks.db"), Clock::system()).await.expect("opens");
    let mut writers = Vec::new();
    for run in store.unfinished_runs().await.expect("reads") {
        let store = store.clone();
        let mut notes = std::fs::File::options().append(true).open(folder.join(run.id.to_string())).expect("opens");
        writers.push(tokio::spawn(async move {
            let mut position = store.position(run.id).await.expect("there");
            for step in 1.. {
                let length = [1, 17, 4096, 70_000][step % 4];
                let bytes = stream(position, length);
                position += length as u64;
                store.append_output(run.id, bytes.into(), position).await.expect("appends");
                notes.write_all(format!("{position}\n").as_bytes()).expect("notes");
            }
        }));
    }
    for writer in writers {
        writer.await.expect("never ends");
    }
}

#[tokio::test]
async fn a_killed_writer_leaves_a_whole_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("kontasks.db");
    let store = Store::open(&path, Clock::system()).await.expect("opens");
    for number in 0..3 {
        let run = store.submit(prompt(format!("run {number}"))).await.expect("submits").run;
        std::fs::write(folder.path().join(run.id.to_string()), "").expect("writes");
    }
    store.close().await;
    let mut before = 0;
    for round in 0..4u64 {
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .args(["--exact", "crash_child", "--nocapture", "--test-threads=1"])
            .env(CRASH_FOLDER, folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("starts");
        let notes = || {
            let files = std::fs::read_dir(folder.path()).expect("lists").map(|entry| entry.expect("an entry").path());
            let notes = files.filter(|file| file.extension().is_none());
            notes.map(|file| std::fs::metadata(file).expect("there").len()).collect::<Vec<_>>()
        };
        let start: u64 = notes().iter().sum();
        let patience = Instant::now();
        while notes().iter().sum::<u64>() < start + 200 + round * 300 {
            assert!(patience.elapsed() < Duration::from_secs(60), "the child writes nothing");
            assert_eq!(child.try_wait().expect("asks"), None, "the child ended by itself");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        child.kill().expect("kills");
        child.wait().expect("waits");
        let head = check_whole(&path, folder.path()).await;
        assert!(head > before, "nothing was written");
        before = head;
    }
}

/// Opens the database and compares position, bytes, counts and log of each run with each other and with what the dead process knew to be
/// committed.
async fn check_whole(path: &Path, folder: &Path) -> u64 {
    let store = Store::open(path, Clock::system()).await.expect("opens");
    let runs = store.unfinished_runs().await.expect("reads");
    assert_eq!(runs.len(), 3);
    for run in runs {
        let notes = std::fs::read_to_string(folder.join(run.id.to_string())).expect("reads");
        let noted: u64 = notes.lines().last().map_or(0, |line| line.parse().expect("a number"));
        let position = store.position(run.id).await.expect("there");
        assert!(position >= noted, "byte {noted} was said to be committed, and {position} is");
        assert_eq!(run.bytes, position);
        let output = store.output(run.id, 0, usize::MAX).await.expect("reads");
        assert_eq!(output, stream(0, usize::try_from(position).expect("fits")));
        assert_eq!(run.lines, position / 8);
        let so_far = store.console(run.id).await.expect("reads").digest_so_far.expect("it goes on");
        let mut digest = OutputDigest::default();
        digest.update(&output);
        assert_eq!(so_far, digest.put_down());
        let last = store.last_seq_of_run(run.id).await.expect("reads").expect("events");
        let log = read_with_cuts(store.clone(), Topics::Run(run.id), Vec::new(), move |taken| {
            taken.last().is_some_and(|frame| frame.seq == last)
        });
        let outputs: Vec<Output> = log
            .await
            .iter()
            .filter_map(|frame| match event(frame) {
                StreamEvent::Output(output) => Some(output),
                _ => None,
            })
            .collect();
        assert_eq!(outputs.len() as u64, run.events);
        assert_eq!(outputs.iter().flat_map(raw).collect::<Bytes>(), output);
    }
    let head = store.head();
    store.close().await;
    head
}
