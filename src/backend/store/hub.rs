//! Who waits for what. For each topic that somebody reads, the hub keeps its newest frames, encoded once, and the bells of its
//! readers. A reader that is further behind than the frames reach reads the database instead.
//!
//! One lock guards all of it: each commit must appear in all topics at once, or a reader of several could miss an event of one while
//! it goes past it in another. It is held for moves of pointers only, and never across an await.

use super::frame::{Event, EventKind, Frame};
use crate::domain::{cursor::Epoch, id::RunId};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::{Notify, watch};

/// The most frames that a topic keeps, and the most bytes of them.
const RING_FRAMES: usize = 512;
const RING_BYTES: usize = 1024 * 1024;

/// The most frames that a reader is given at once, and the bytes after which there are no more. One frame is always given.
pub(super) const BATCH_FRAMES: usize = 256;
pub(super) const BATCH_BYTES: usize = 256 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    /// All task and run events.
    Board,
    /// The run, output, size and end events of one run.
    Run(RunId),
}

struct Ring {
    /// Every event of the topic after this one is in `frames`.
    floor: u64,
    frames: VecDeque<Frame>,
    bytes: usize,
    /// What is read about was deleted: there will be no more.
    gone: bool,
    bells: Vec<Arc<Notify>>,
}

pub(super) struct Hub {
    epoch: Epoch,
    topics: Mutex<Topics>,
    head: watch::Sender<u64>,
    /// Moves when a task is answered or deleted.
    answers: watch::Sender<u64>,
    /// The last commit failed because there is no room.
    full: AtomicBool,
}

#[derive(Default)]
struct Topics {
    head: u64,
    rings: HashMap<Topic, Ring>,
}

/// What the rings have for a reader.
pub(super) enum Found {
    /// These, and everything up to the number has been given with them.
    Frames(Vec<Frame>, u64),
    /// Nothing up to this number.
    Nothing(u64),
    /// The reader is further behind than the rings reach: what comes up to this number is in the database.
    Behind(u64),
    /// There is nothing and will be nothing.
    Gone,
}

impl Hub {
    pub fn new(epoch: Epoch, head: u64) -> Self {
        let topics = Mutex::new(Topics { head, rings: HashMap::new() });
        Hub { epoch, topics, head: watch::Sender::new(head), answers: watch::Sender::new(0), full: AtomicBool::new(false) }
    }

    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// The newest committed event.
    pub fn head(&self) -> u64 {
        *self.head.borrow()
    }

    /// Follows the newest committed event.
    pub fn heads(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// Moves when a task is answered or deleted.
    pub fn answers(&self) -> watch::Receiver<u64> {
        self.answers.subscribe()
    }

    /// Whether the last commit failed because there is no room.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// How the last commit went.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    /// No code that can panic runs under the lock; were it poisoned, what it guards would still be whole.
    fn lock(&self) -> MutexGuard<'_, Topics> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a committed group visible and rings for the readers of its topics.
    pub fn publish(&self, head: u64, events: &[Event], gone: &[RunId], answered: bool) {
        let frames = self.encode(events);
        let bells = self.put(head, events, frames, gone);
        self.head.send_replace(head);
        for bell in bells {
            bell.notify_one();
        }
        if answered {
            self.answers.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Encodes what somebody reads, outside the lock.
    fn encode(&self, events: &[Event]) -> Vec<Option<Frame>> {
        let watched: Vec<bool> = {
            let topics = self.lock();
            events.iter().map(|event| topics_of(event).into_iter().flatten().any(|topic| topics.rings.contains_key(&topic))).collect()
        };
        events.iter().zip(watched).map(|(event, watched)| watched.then(|| event.frame(&self.epoch).ok()).flatten()).collect()
    }

    /// Puts a group into the rings of its topics, all at once, and gives the bells to ring. A topic that appeared since the frames were
    /// encoded begins behind this group, and its readers find the group in the database.
    fn put(&self, head: u64, events: &[Event], frames: Vec<Option<Frame>>, gone: &[RunId]) -> Vec<Arc<Notify>> {
        let mut topics = self.lock();
        let mut touched = HashSet::new();
        for (event, frame) in events.iter().zip(frames) {
            for topic in topics_of(event).into_iter().flatten() {
                let Some(ring) = topics.rings.get_mut(&topic) else { continue };
                match &frame {
                    Some(frame) => ring.push(frame.clone()),
                    None => ring.skip(event.seq),
                }
                touched.insert(topic);
            }
        }
        for run in gone {
            if let Some(ring) = topics.rings.get_mut(&Topic::Run(*run)) {
                ring.gone = true;
                touched.insert(Topic::Run(*run));
            }
        }
        topics.head = head;
        touched.iter().filter_map(|topic| topics.rings.get(topic)).flat_map(|ring| ring.bells.iter().cloned()).collect()
    }

    /// A reader begins to wait for these topics.
    pub fn join(&self, topics: &[Topic], bell: &Arc<Notify>) {
        let mut known = self.lock();
        let head = known.head;
        for topic in topics {
            let ring = known.rings.entry(*topic).or_insert_with(|| Ring {
                floor: head,
                frames: VecDeque::new(),
                bytes: 0,
                gone: false,
                bells: Vec::new(),
            });
            ring.bells.push(bell.clone());
        }
    }

    /// A reader no longer waits. A topic without readers costs nothing.
    pub fn leave(&self, topics: &[Topic], bell: &Arc<Notify>) {
        let mut known = self.lock();
        for topic in topics {
            if let Some(ring) = known.rings.get_mut(topic) {
                ring.bells.retain(|other| !Arc::ptr_eq(other, bell));
                if ring.bells.is_empty() {
                    known.rings.remove(topic);
                }
            }
        }
    }

    /// What comes after `after` in these topics, in order.
    pub fn take(&self, topics: &[Topic], after: u64) -> Found {
        let known = self.lock();
        let board = topics.contains(&Topic::Board);
        let rings: Vec<&Ring> = topics.iter().filter_map(|topic| known.rings.get(topic)).collect();
        if rings.iter().any(|ring| ring.floor > after) {
            return Found::Behind(known.head);
        }
        // A run event is in its run's ring and in the board's; a reader of both takes it from the board's.
        let wanted = |ring: &Ring, place: usize| {
            let from_run = !std::ptr::eq(ring, rings[0]);
            (place..ring.frames.len()).find(|place| !(board && from_run && ring.frames[*place].kind == EventKind::Run))
        };
        let mut places: Vec<Option<usize>> =
            rings.iter().map(|ring| wanted(ring, ring.frames.partition_point(|frame| frame.seq <= after))).collect();
        let (mut frames, mut bytes) = (Vec::new(), 0);
        while frames.len() < BATCH_FRAMES && bytes < BATCH_BYTES {
            let first =
                (0..rings.len()).filter_map(|ring| Some((&rings[ring].frames[places[ring]?], ring))).min_by_key(|(frame, _)| frame.seq);
            let Some((frame, ring)) = first else {
                let gone = frames.is_empty() && !board && rings.iter().any(|ring| ring.gone);
                return match (gone, frames.is_empty()) {
                    (true, _) => Found::Gone,
                    (_, true) => Found::Nothing(known.head),
                    _ => Found::Frames(frames, known.head),
                };
            };
            bytes += frame.bytes.len();
            frames.push(frame.clone());
            places[ring] = places[ring].and_then(|place| wanted(rings[ring], place + 1));
        }
        let last = frames.last().map_or(after, |frame| frame.seq);
        Found::Frames(frames, last)
    }
}

fn topics_of(event: &Event) -> [Option<Topic>; 2] {
    let run = event.run.map(Topic::Run);
    match event.kind {
        EventKind::Task => [Some(Topic::Board), None],
        EventKind::Run => [Some(Topic::Board), run],
        EventKind::Output | EventKind::Size | EventKind::End => [None, run],
    }
}

impl Ring {
    fn push(&mut self, frame: Frame) {
        self.bytes += frame.bytes.len();
        self.frames.push_back(frame);
        while self.frames.len() > RING_FRAMES || self.bytes > RING_BYTES {
            let Some(oldest) = self.frames.pop_front() else { break };
            self.bytes -= oldest.bytes.len();
            self.floor = oldest.seq;
        }
    }

    /// An event that is not here: whoever has not seen it must read the database.
    fn skip(&mut self, seq: u64) {
        self.frames.clear();
        self.bytes = 0;
        self.floor = seq;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::timestamp::Timestamp;
    use bytes::Bytes;
    use uuid::Uuid;

    const RUN: RunId = RunId(Uuid::from_u128(1));
    const OTHER: RunId = RunId(Uuid::from_u128(2));

    fn event(seq: u64, kind: EventKind, run: Option<RunId>, size: usize) -> Event {
        Event { seq, kind, run, at: Timestamp(0), payload: Bytes::from(vec![b'x'; size]) }
    }

    fn output(seq: u64, run: RunId) -> Event {
        event(seq, EventKind::Output, Some(run), 10)
    }

    fn hub() -> Hub {
        Hub::new(Epoch::new("k").expect("fits"), 0)
    }

    /// The numbers that are found, and how far that goes; none where the reader must look elsewhere.
    fn take(hub: &Hub, topics: &[Topic], after: u64) -> Option<(Vec<u64>, u64)> {
        match hub.take(topics, after) {
            Found::Frames(frames, upto) => Some((frames.iter().map(|frame| frame.seq).collect(), upto)),
            Found::Nothing(upto) => Some((vec![], upto)),
            Found::Behind(_) | Found::Gone => None,
        }
    }

    #[test]
    fn several_topics_are_merged_in_order_and_none_is_given_twice() {
        let hub = hub();
        let (bell, topics) = (Arc::new(Notify::new()), [Topic::Board, Topic::Run(RUN)]);
        hub.join(&topics, &bell);
        let task = |seq| event(seq, EventKind::Task, None, 10);
        let run = |seq, run| event(seq, EventKind::Run, Some(run), 10);
        hub.publish(4, &[task(1), output(2, RUN), run(3, RUN), output(4, OTHER)], &[], false);
        hub.publish(7, &[run(5, OTHER), output(6, RUN), output(7, OTHER)], &[], false);
        assert_eq!(take(&hub, &topics, 0), Some((vec![1, 2, 3, 5, 6], 7)));
        assert_eq!(take(&hub, &topics, 3), Some((vec![5, 6], 7)));
        assert_eq!(take(&hub, &topics, 6), Some((vec![], 7)));
        assert_eq!(take(&hub, &[Topic::Run(RUN)], 0), Some((vec![2, 3, 6], 7)));
        hub.leave(&topics, &bell);
        assert!(hub.lock().rings.is_empty());
    }

    #[test]
    fn who_is_behind_the_ring_is_told_so() {
        let hub = hub();
        let (bell, topic) = (Arc::new(Notify::new()), [Topic::Run(RUN)]);
        hub.join(&topic, &bell);
        for seq in 1..=RING_FRAMES as u64 {
            hub.publish(seq, &[output(seq, RUN)], &[], false);
        }
        assert_eq!(take(&hub, &topic, 0).expect("all there"), ((1..=BATCH_FRAMES as u64).collect(), BATCH_FRAMES as u64));
        let next = RING_FRAMES as u64 + 1;
        hub.publish(next, &[output(next, RUN)], &[], false);
        assert!(take(&hub, &topic, 0).is_none());
        assert_eq!(take(&hub, &topic, 1).expect("there").0[0], 2);
        // By bytes as well, and one that is larger than all of it.
        hub.publish(next + 1, &[event(next + 1, EventKind::Output, Some(RUN), RING_BYTES - 1000)], &[], false);
        assert!(take(&hub, &topic, 1).is_none());
        hub.publish(next + 2, &[event(next + 2, EventKind::Output, Some(RUN), RING_BYTES + 1)], &[], false);
        assert!(take(&hub, &topic, next + 1).is_none());
        assert_eq!(take(&hub, &topic, next + 2), Some((vec![], next + 2)));
    }

    #[test]
    fn who_comes_while_a_group_is_encoded_misses_nothing() {
        let hub = hub();
        let (bell, topic) = (Arc::new(Notify::new()), [Topic::Run(RUN)]);
        let events = [output(1, RUN)];
        let frames = hub.encode(&events);
        assert!(frames[0].is_none(), "nobody reads it");
        hub.join(&topic, &bell);
        assert_eq!(hub.put(1, &events, frames, &[]).len(), 1);
        assert!(take(&hub, &topic, 0).is_none(), "it is in the database only");
    }

    #[tokio::test]
    async fn a_bell_rings_for_its_topics_only_and_keeps_ringing() {
        let hub = hub();
        let bell = Arc::new(Notify::new());
        hub.join(&[Topic::Run(RUN)], &bell);
        let rings = || tokio::time::timeout(std::time::Duration::from_millis(5), bell.notified());
        hub.publish(1, &[output(1, OTHER)], &[], false);
        assert!(rings().await.is_err());
        hub.publish(2, &[output(2, RUN)], &[], false);
        assert!(rings().await.is_ok() && rings().await.is_err());
        hub.publish(2, &[], &[RUN], false);
        assert!(rings().await.is_ok());
        assert!(matches!(hub.take(&[Topic::Run(RUN)], 2), Found::Gone));
        assert_eq!(take(&hub, &[Topic::Run(RUN)], 1), Some((vec![2], 2)), "what there was is still given");
    }
}
