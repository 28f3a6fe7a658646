//! The one writer. Everything that changes the database comes through its queue; it takes all that waits, up to a bound, and commits it
//! as one group with one sync of the disk. Only then do readers see the events and callers hear of it. Each operation has a savepoint,
//! so that one that fails takes nothing of the others with it.

use super::{
    append::{Append, Live},
    claim::Head,
    error::StoreError,
    frame::{Event, EventKind, json},
    hub::Hub,
};
use crate::{
    backend::identity::Presence,
    domain::{digest::OutputDigest, id::RunId, timestamp::Timestamp},
};
use bytes::Bytes;
use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::{Connection, SqliteConnection};
use std::{collections::HashMap, sync::Arc};
use tokio::sync::{mpsc, oneshot};

/// How many operations wait at the most before callers have to, and how many are committed at once.
const QUEUE: usize = 256;
/// How much output is committed at once before the group is closed.
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// Told the caller once the group is committed, or why it was not.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// Given the group, or why there is none.
type Work = Box<dyn for<'g> FnOnce(Result<&'g mut Group, StoreError>) -> BoxFuture<'g, (Result<(), StoreError>, Answer)> + Send>;

enum Job {
    /// Output, which is most of what is written, has a way of its own: many events in few statements.
    Append(Append, Answer),
    Work(Work),
    /// Answers when all before it is done, and ends the writer.
    Close(oneshot::Sender<()>),
}

/// The callers' end of the queue; cheap to clone.
#[derive(Clone)]
pub(super) struct Writer(mpsc::Sender<Job>);

impl Writer {
    /// Starts the writer on a connection. `head` is the newest event there is; what is committed is written down in the head file,
    /// where this is the server's.
    pub fn start(connection: SqliteConnection, head: u64, hub: Arc<Hub>, presence: Presence, head_file: Option<Head>) -> Writer {
        let (sender, queue) = mpsc::channel(QUEUE);
        let (events, gone) = (Vec::new(), Vec::new());
        let group = Group { connection, presence, head_file, head, events, gone, answered: false, live: HashMap::new(), data_version: 0 };
        tokio::spawn(run(group, queue, hub));
        Writer(sender)
    }

    /// Carries out `work` in the next group and waits until it is committed. Once queued it happens, also where the caller no longer
    /// waits for it.
    pub async fn write<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'g> FnOnce(&'g mut Group) -> BoxFuture<'g, Result<T, StoreError>> + Send + 'static,
    {
        let (sender, result) = oneshot::channel();
        let job: Work = Box::new(move |group| {
            Box::pin(async move {
                let result = match group {
                    Ok(group) => work(group).await,
                    Err(error) => Err(error),
                };
                let (done, value) = match result {
                    Ok(value) => (Ok(()), Some(value)),
                    Err(error) => (Err(error), None),
                };
                let answer: Answer = Box::new(move |committed| {
                    let result = committed.and_then(|()| value.ok_or(StoreError::Closed));
                    // Nobody waits any more: that is the caller's affair.
                    let _ = sender.send(result);
                });
                (done, answer)
            })
        });
        self.0.send(Job::Work(job)).await.map_err(|_| StoreError::Closed)?;
        result.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Appends output in the next group and waits until it is committed; gives the digest of all of the run's output.
    pub async fn append(&self, run: RunId, bytes: Bytes, position: u64, at: Timestamp) -> Result<OutputDigest, StoreError> {
        let digest = Arc::default();
        let append = Append { run, bytes, position, at, digest: Arc::clone(&digest) };
        let (sender, result) = oneshot::channel();
        let answer: Answer = Box::new(move |committed| {
            let _ = sender.send(committed);
        });
        self.0.send(Job::Append(append, answer)).await.map_err(|_| StoreError::Closed)?;
        result.await.unwrap_or(Err(StoreError::Closed))?;
        digest.get().cloned().ok_or(StoreError::Closed)
    }

    /// Waits until everything queued is committed, and ends the writer.
    pub async fn close(&self) {
        let (sender, done) = oneshot::channel();
        if self.0.send(Job::Close(sender)).await.is_ok() {
            let _ = done.await;
        }
    }
}

/// What is committed together.
pub(super) struct Group {
    pub connection: SqliteConnection,
    /// The database, where it was opened.
    presence: Presence,
    head_file: Option<Head>,
    /// The newest event, with those of this group.
    head: u64,
    events: Vec<Event>,
    /// Runs deleted in this group.
    pub gone: Vec<RunId>,
    /// Whether a task was answered or deleted in this group.
    pub answered: bool,
    /// The runs that output is appended to, and their output that is not in the database yet.
    pub live: HashMap<RunId, Live>,
    /// Changes when another connection has committed something: a person with a database tool, or a command of this program.
    data_version: i64,
}

impl Group {
    /// The number of the event that comes next.
    fn next_seq(&mut self) -> u64 {
        self.head += 1;
        self.head
    }

    /// Takes an output event into the group; [`Group::flush`] writes it.
    pub fn push_output(&mut self, run: RunId, at: Timestamp, payload: Bytes) -> u64 {
        let seq = self.next_seq();
        self.events.push(Event { seq, kind: EventKind::Output, run: Some(run), at, payload });
        seq
    }

    /// Writes a task, run, size or end event and gives its number.
    pub async fn log<T: Serialize>(&mut self, kind: EventKind, of: Subject<'_>, at: Timestamp, what: &T) -> Result<u64, StoreError> {
        let payload = json(what)?;
        let seq = self.next_seq();
        sqlx::query("insert into events (seq, kind, task, run, at, payload) values (?1, ?2, ?3, ?4, ?5, ?6)")
            .bind(seq.cast_signed())
            .bind(kind.code())
            .bind(of.task)
            .bind(of.run.map(|(number, _)| number))
            .bind(at.0)
            .bind(&payload[..])
            .execute(&mut self.connection)
            .await?;
        self.events.push(Event { seq, kind, run: of.run.map(|(_, id)| id), at, payload });
        Ok(seq)
    }
}

/// Whom an event is about: a task, or a run by its number and id.
#[derive(Clone, Copy, Default)]
pub(super) struct Subject<'a> {
    pub task: Option<&'a [u8]>,
    pub run: Option<(i64, RunId)>,
}

async fn run(mut group: Group, mut queue: mpsc::Receiver<Job>, hub: Arc<Hub>) {
    let mut jobs = Vec::with_capacity(QUEUE);
    loop {
        if queue.recv_many(&mut jobs, QUEUE).await == 0 {
            break;
        }
        let mut closing = None;
        let mut waiting = jobs.drain(..);
        while waiting.len() > 0 && closing.is_none() {
            closing = commit_group(&mut group, &mut waiting, &hub).await;
        }
        if let Some(done) = closing {
            queue.close();
            drop(waiting);
            drop(queue);
            // An orderly end moves the write-ahead log into the database.
            match group.connection.close().await {
                Ok(()) => drop(group.head_file.map(Head::close)),
                Err(error) => tracing::warn!(%error, "the database was not closed in order; nothing committed is lost"),
            }
            let _ = done.send(());
            return;
        }
    }
}

/// Commits as many of the waiting jobs as one group takes, publishes their events and answers. Gives what is to be told when the
/// writer was asked to end.
async fn commit_group(group: &mut Group, waiting: &mut impl Iterator<Item = Job>, hub: &Hub) -> Option<oneshot::Sender<()>> {
    let before = group.head;
    let mut answers: Vec<(Answer, Result<(), StoreError>)> = Vec::new();
    let mut closing = None;
    let outcome = fill(group, waiting, &mut answers, &mut closing).await;
    let (events, gone, answered) =
        (std::mem::take(&mut group.events), std::mem::take(&mut group.gone), std::mem::take(&mut group.answered));
    // One that found no room may have cost the others their transaction, which is another error then.
    let is_full = |result: &Result<(), StoreError>| matches!(result, Err(StoreError::Full));
    hub.set_full(is_full(&outcome) || answers.iter().any(|(_, result)| is_full(result)));
    match outcome {
        Ok(()) => {
            // Before anybody hears of it, so that nothing that was heard of can get lost unseen.
            if let Some(head_file) = &mut group.head_file {
                head_file.advance(group.head).await;
            }
            hub.publish(group.head, &events, &gone, answered);
            for (answer, result) in answers {
                answer(result);
            }
        }
        Err(error) => {
            // Nothing of the group is in the database; what was remembered of it is forgotten.
            let _ = sqlx::query("rollback").execute(&mut group.connection).await;
            group.head = before;
            group.live.clear();
            for (answer, result) in answers {
                answer(result.and(Err(error.clone())));
            }
        }
    }
    closing
}

async fn fill(
    group: &mut Group,
    waiting: &mut impl Iterator<Item = Job>,
    answers: &mut Vec<(Answer, Result<(), StoreError>)>,
    closing: &mut Option<oneshot::Sender<()>>,
) -> Result<(), StoreError> {
    let mut size = 0;
    let mut begun = false;
    // Once the group is lost, the jobs that it had taken are answered so by the caller; the others are tried in a group of their own.
    while size < GROUP_BYTES
        && let Some(job) = waiting.next()
    {
        let job = match job {
            Job::Close(done) => {
                *closing = Some(done);
                break;
            }
            job => job,
        };
        let begin = if begun { Ok(()) } else { group.begin().await };
        begun = true;
        match job {
            Job::Append(append, answer) => {
                size += append.bytes.len();
                let taken = match begin {
                    Ok(()) => group.append(append).await,
                    Err(error) => Err(error),
                };
                let lost = taken.as_ref().err().filter(|error| fatal(error)).cloned();
                answers.push((answer, taken));
                lost.map_or(Ok(()), Err)?;
            }
            Job::Work(work) => {
                let mark = match begin {
                    Ok(()) => group.mark().await,
                    Err(error) => Err(error),
                };
                match mark {
                    Ok(mark) => {
                        let (done, answer) = work(Ok(&mut *group)).await;
                        let kept = group.keep(mark, done.is_ok()).await;
                        answers.push((answer, done));
                        kept?;
                    }
                    Err(error) => {
                        let (done, answer) = work(Err(error.clone())).await;
                        answers.push((answer, done));
                        return Err(error);
                    }
                }
            }
            Job::Close(_) => {}
        }
    }
    if !begun {
        return Ok(());
    }
    group.flush().await?;
    if !group.presence.holds() {
        return Err(StoreError::Gone);
    }
    execute(group, "commit").await
}

/// Whether the error may have cost the whole transaction, not only the operation.
fn fatal(error: &StoreError) -> bool {
    matches!(error, StoreError::Full | StoreError::Damaged | StoreError::Database(_))
}

async fn execute(group: &mut Group, sql: &'static str) -> Result<(), StoreError> {
    sqlx::query(sql).execute(&mut group.connection).await?;
    Ok(())
}

/// Where the group stood before an operation.
struct Mark {
    head: u64,
    events: usize,
    gone: usize,
    answered: bool,
}

impl Group {
    /// Begins the transaction, and forgets what is known of runs where somebody else may have changed it.
    async fn begin(&mut self) -> Result<(), StoreError> {
        execute(self, "begin immediate").await?;
        let (version,): (i64,) = sqlx::query_as("pragma data_version").fetch_one(&mut self.connection).await?;
        if std::mem::replace(&mut self.data_version, version) != version {
            self.live.clear();
        }
        Ok(())
    }

    async fn mark(&mut self) -> Result<Mark, StoreError> {
        self.flush().await?;
        execute(self, "savepoint operation").await?;
        Ok(Mark { head: self.head, events: self.events.len(), gone: self.gone.len(), answered: self.answered })
    }

    async fn keep(&mut self, mark: Mark, good: bool) -> Result<(), StoreError> {
        if !good {
            // Fails where SQLite gave up the whole transaction, as it does on a full disk: then the group is lost.
            execute(self, "rollback to operation").await?;
            self.head = mark.head;
            self.events.truncate(mark.events);
            self.gone.truncate(mark.gone);
            self.answered = mark.answered;
        }
        execute(self, "release operation").await
    }
}
