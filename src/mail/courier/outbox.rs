//! Letters that are on their way, and how many may be at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::mail::LetterId;
use crate::mail::event::{AskId, JobId};
use crate::mail::rows::OutLetter;
use crate::mesh::{NodeId, Time};

/// Most letters on their way at once; fewer while nodes or paths are slow.
const WINDOW_MAX: u32 = 512;
const WINDOW_MIN: u32 = 16;
const WINDOW_FIRST: u32 = 64;
/// A window is made smaller at most this often: one dead relay silences many letters at once.
const SHRINK_AGAIN: Duration = Duration::from_millis(500);
/// Receipts that take longer than this say that something on the way is busy.
const QUICK: Duration = Duration::from_millis(250);
const SLOW: Duration = Duration::from_millis(600);
/// Bytes of texts that are on their way: beyond it no other letter leaves.
pub(super) const OUT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of texts kept in memory; those of letters that wait are dropped beyond it and read from the disk when
/// they are sent.
const BODIES_BYTES_MAX: usize = 2 * OUT_BYTES_MAX;

/// One letter that is not over.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) letter: OutLetter,
    /// Its text, if it is in memory.
    pub(super) body: Option<Arc<[u8]>>,
    /// It is on the disk.
    pub(super) durable: bool,
    /// Who waits for that.
    pub(super) asks: Vec<AskId>,
    pub(super) stage: Stage,
    /// Tries since its reader was last seen to come back.
    pub(super) attempt: u32,
    /// Fragments that the reader has not got; none: all of them.
    pub(super) missing: Option<Vec<u8>>,
    /// The mailbox that keeps it, or that it was last left at.
    pub(super) mailbox: Option<NodeId>,
}

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Waits for its time.
    Waits(Time),
    /// Its text is being read, or whether it was sent before.
    Loads,
    /// It is being sealed and wrapped.
    Wraps(JobId),
    /// It is out; no word by then means that it is lost.
    Out(Flight),
}

/// A letter that is out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flight {
    pub(super) since: Time,
    pub(super) until: Time,
    /// The relays of each of its packets.
    pub(super) paths: Vec<Vec<NodeId>>,
    /// Left at this mailbox, and the marks of the answers that have not come.
    pub(super) mailbox: Option<(NodeId, BTreeSet<[u8; 16]>)>,
}

/// All letters that are not over.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    all: BTreeMap<LetterId, Entry>,
    /// Those that wait, by their time.
    waiting: BTreeSet<(Time, LetterId)>,
    /// Those that are out, by the time they are given up.
    out: BTreeSet<(Time, LetterId)>,
    /// How many are neither waiting nor out.
    busy: usize,
    /// Bytes of texts of those that do not wait.
    out_bytes: usize,
    bodies_bytes: usize,
    window: Window,
}

impl Outbox {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn get(&self, id: &LetterId) -> Option<&Entry> {
        self.all.get(id)
    }

    pub(super) fn letters(&self) -> impl Iterator<Item = &OutLetter> {
        self.all.values().map(|entry| &entry.letter)
    }

    /// Letters to a reader.
    pub(super) fn to(&self, reader: &NodeId) -> Vec<LetterId> {
        self.all.values().filter(|e| e.letter.reader == *reader).map(|e| e.letter.id).collect()
    }

    /// For changes of anything but the stage and the body.
    pub(super) fn get_mut(&mut self, id: &LetterId) -> Option<&mut Entry> {
        self.all.get_mut(id)
    }

    pub(super) fn insert(&mut self, mut entry: Entry) {
        let id = entry.letter.id;
        let body = entry.body.take();
        self.count_in(&id, entry.letter.bytes, &entry.stage);
        self.all.insert(id, entry);
        if let Some(body) = body {
            self.set_body(&id, body);
        }
    }

    pub(super) fn remove(&mut self, id: &LetterId) -> Option<Entry> {
        let entry = self.all.remove(id)?;
        self.count_out(id, entry.letter.bytes, &entry.stage);
        self.bodies_bytes -= entry.body.as_ref().map_or(0, |body| body.len());
        Some(entry)
    }

    /// Keeps a text in memory: of a letter that waits and is on the disk only while there is room.
    pub(super) fn set_body(&mut self, id: &LetterId, body: Arc<[u8]>) {
        let Some(entry) = self.all.get_mut(id) else { return };
        let waits = matches!(entry.stage, Stage::Waits(_)) && entry.durable;
        if entry.body.is_some() || waits && self.bodies_bytes + body.len() > BODIES_BYTES_MAX {
            return;
        }
        self.bodies_bytes += body.len();
        entry.body = Some(body);
    }

    /// Changes where a letter is.
    pub(super) fn set_stage(&mut self, id: &LetterId, stage: Stage) {
        let Some(entry) = self.all.get_mut(id) else { return };
        let before = std::mem::replace(&mut entry.stage, stage.clone());
        if matches!(stage, Stage::Waits(_)) && self.bodies_bytes > BODIES_BYTES_MAX {
            // It was read for being sent; the disk has it.
            let gone = entry.body.take_if(|_| entry.durable).map_or(0, |body| body.len());
            self.bodies_bytes -= gone;
        }
        let bytes = entry.letter.bytes;
        self.count_out(id, bytes, &before);
        self.count_in(id, bytes, &stage);
    }

    fn count_in(&mut self, id: &LetterId, bytes: u32, stage: &Stage) {
        self.out_bytes += out_bytes(bytes, stage);
        match stage {
            Stage::Waits(at) => drop(self.waiting.insert((*at, *id))),
            Stage::Out(flight) => drop(self.out.insert((flight.until, *id))),
            Stage::Loads | Stage::Wraps(_) => self.busy += 1,
        }
    }

    fn count_out(&mut self, id: &LetterId, bytes: u32, stage: &Stage) {
        self.out_bytes -= out_bytes(bytes, stage);
        match stage {
            Stage::Waits(at) => drop(self.waiting.remove(&(*at, *id))),
            Stage::Out(flight) => drop(self.out.remove(&(flight.until, *id))),
            Stage::Loads | Stage::Wraps(_) => self.busy -= 1,
        }
    }

    fn has_room(&self) -> bool {
        self.out.len() + self.busy < usize::try_from(self.window.size).unwrap_or(usize::MAX)
            && self.out_bytes < OUT_BYTES_MAX
    }

    pub(super) fn out_bytes(&self) -> usize {
        self.out_bytes
    }

    /// The next letter whose time has come, if one more may be on its way.
    pub(super) fn next_due(&self, now: Time) -> Option<LetterId> {
        let (at, id) = self.waiting.first().filter(|_| self.has_room())?;
        (*at <= now).then_some(*id)
    }

    /// The next letter that no word came back of in time.
    pub(super) fn next_lost(&self, now: Time) -> Option<LetterId> {
        self.out.first().filter(|(until, _)| *until <= now).map(|(_, id)| *id)
    }

    pub(super) fn next_wake(&self) -> Option<Time> {
        let due = self.waiting.first().filter(|_| self.has_room());
        [due, self.out.first()].into_iter().flatten().map(|(at, _)| *at).min()
    }

    /// A letter was signed for after so long.
    pub(super) fn grow(&mut self, took: Duration) {
        self.window.grow(took);
    }

    /// A letter was lost, or a neighbour is busy.
    pub(super) fn shrink(&mut self, now: Time) {
        self.window.shrink(now);
    }
}

/// What a letter's text counts for among those that are on their way.
fn out_bytes(bytes: u32, stage: &Stage) -> usize {
    match stage {
        Stage::Waits(_) => 0,
        _ => usize::try_from(bytes).unwrap_or(usize::MAX),
    }
}

/// How many letters may be on their way: more as long as receipts come quickly, half after a loss.
#[derive(Debug)]
struct Window {
    size: u32,
    /// Below it grows by one for each receipt, above by one for each window's worth.
    threshold: u32,
    credit: u32,
    shrunk_at: Option<Time>,
}

impl Default for Window {
    fn default() -> Window {
        Window { size: WINDOW_FIRST, threshold: WINDOW_MAX, credit: 0, shrunk_at: None }
    }
}

impl Window {
    fn grow(&mut self, took: Duration) {
        if took > SLOW {
            self.threshold = self.size;
            self.size = (self.size - 1).max(WINDOW_MIN);
        } else if took < QUICK {
            self.credit += 1;
            if self.size < self.threshold || self.credit >= self.size {
                self.credit = 0;
                self.size = (self.size + 1).min(WINDOW_MAX);
            }
        }
    }

    fn shrink(&mut self, now: Time) {
        if self.shrunk_at.is_some_and(|at| now.since(at) < SHRINK_AGAIN) {
            return;
        }
        self.shrunk_at = Some(now);
        self.size = (self.size / 2).max(WINDOW_MIN);
        self.threshold = self.size;
    }
}
