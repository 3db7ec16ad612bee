//! The courier: letters out, letters in, packets passed on, letters kept. Decides everything and does nothing:
//! the sealers do the cryptography, the disk keeps, links carry.

mod boxes;
mod counters;
mod hops;
mod inbox;
mod mailbox;
mod members;
mod numbers;
mod outbox;
mod partial;
mod push;
mod relay;
mod replies;
mod route;
mod send;
mod settle;
mod shown;
mod upkeep;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use self::inbox::{Coming, FromMailbox, Requests, Said};
use self::members::Members;
use self::outbox::{Entry, Outbox, Stage};
use super::LetterId;
use super::event::{Effect, Event, JobId, NoteId, Policy};
use super::keys::KeyRing;
use super::rows::{Change, Memo, OutLetter, Outcome, Recalled, State};
use crate::mesh::dice::Dice;
use crate::mesh::{Core, NodeId, Time};

pub use shown::{Standing, counted};

/// Most jobs that the sealers may be at work on: beyond it no packet is peeled and no receipt made.
const JOBS_MAX: usize = 8192;
/// Most changes that the disk may be at work on: beyond it nothing more is taken in.
const NOTES_MAX: usize = 8192;

/// Most letters that are over and that the disk is still to be told of; others are sent again after a restart.
const UNTOLD_MAX: usize = 4096;

/// Who we are, fixed for one run.
#[derive(Clone, Copy, Debug)]
pub struct Home {
    /// Own id.
    pub me: NodeId,
    /// Unix milliseconds at time 0.
    pub start_ms: u64,
    /// Secret chance for everything that must not be guessed.
    pub seed: [u8; 32],
}

/// What the sealers are at work on.
#[derive(Debug)]
enum Job {
    /// A letter of ours.
    Letter {
        id: LetterId,
        /// The relays of each packet.
        paths: Vec<Vec<NodeId>>,
        /// How the answer to each packet will be marked, if a mailbox is to answer.
        marks: Vec<Option<[u8; 16]>>,
        mailbox: Option<NodeId>,
    },
    /// A receipt of ours.
    Receipt,
    /// Our answer to who left a letter here.
    Reply,
    /// A packet of this peer.
    Packet { peer: NodeId },
    /// A letter that a mailbox handed out.
    Sealed(FromMailbox),
}

/// What the disk is at work on.
#[derive(Debug)]
enum Note {
    /// Nothing that anybody waits for.
    Nothing,
    /// A letter of ours.
    Written(LetterId),
    /// What became of a letter of ours that is over.
    Over(Box<OutLetter>),
    /// A letter for us.
    Came(Coming),
    /// A letter for somebody else, and the reply block of who left it.
    Stored { reader: NodeId, block: Vec<u8> },
    /// We agreed to keep letters for a neighbour.
    Granted { peer: NodeId, until_ms: u64, before: Option<u64> },
    /// What a reader has fetched.
    Thrown { reader: NodeId, tokens: Vec<[u8; 16]> },
    /// Our mailboxes: published once they are safe.
    Mailboxes,
    /// Our keys, as they were after so many changes: published once they are safe.
    Keys(u64),
}

/// The courier core.
pub struct Courier {
    me: NodeId,
    policy: Policy,
    start_ms: u64,
    /// How far the time of day is from `start_ms` and the time since then, milliseconds.
    drift_ms: i64,
    /// Draws what must not be guessed.
    rng: ChaCha20Rng,
    /// Draws what only must be even.
    dice: Dice,
    keys: Arc<KeyRing>,
    keys_at: Time,
    /// How often the keys have changed, and up to which change they are on the disk.
    keys_changed: u64,
    keys_safe: u64,
    published: Vec<u8>,
    members: Members,
    hops: hops::Hops,
    ways: route::Ways,
    outbox: Outbox,
    numbers: numbers::Numbers,
    /// Smoothed time until a reader's receipt.
    srtt: BTreeMap<NodeId, Duration>,
    partials: partial::Partials,
    requests: Requests,
    /// Nodes that were met or written to: they are no strangers.
    acquaintances: BTreeSet<NodeId>,
    owed: BTreeMap<NodeId, Vec<(LetterId, Said)>>,
    /// To whom a receipt is owed once more: the last one did not arrive.
    owed_again: BTreeSet<NodeId>,
    replays: relay::Replays,
    budgets: relay::Budgets,
    boxes: boxes::Boxes,
    replies: replies::Replies,
    /// How many letters are kept for each reader, about.
    kept: BTreeMap<NodeId, u64>,
    /// Readers that were sought because of them, and when.
    sought: BTreeMap<NodeId, Time>,
    /// For whom kept letters are being read from the disk, and whether it is all of them.
    handing: BTreeMap<NodeId, bool>,
    /// What readers have fetched and the disk has not thrown away yet.
    going: BTreeMap<NodeId, BTreeSet<[u8; 16]>>,
    memo: Memo,
    jobs: BTreeMap<JobId, Job>,
    notes: BTreeMap<NoteId, Note>,
    /// Letters that are over, which the disk could not be told.
    untold: Vec<OutLetter>,
    named: u64,
    sweep_at: Time,
    counters: counters::Counters,
}

impl Courier {
    /// A courier that knows what the disk knew. Nothing is sent before its first event.
    pub fn new(home: Home, policy: Policy, recalled: Recalled) -> Courier {
        let Home { me, start_ms, seed } = home;
        let mut rng = ChaCha20Rng::from_seed(seed);
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        let keys = match recalled.keys {
            Some(stored) => KeyRing::restore(stored, start_ms, &secret),
            None => KeyRing::new(start_ms, &secret),
        };
        let mut outbox = Outbox::default();
        for letter in recalled.outbox {
            let stage = Stage::Waits(Time(0));
            let asks = Vec::new();
            // The last path of a letter that is stored ends with the mailbox.
            let stored = (letter.state == State::Stored).then(|| letter.paths.first()?.last());
            let mailbox = stored.flatten().copied();
            let (body, durable, attempt, missing) = (None, true, 0, None);
            let entry = Entry { letter, body, durable, asks, stage, attempt, missing, mailbox };
            outbox.insert(entry);
        }
        let budgets =
            relay::Budgets::new(policy.packets_per_second, policy.packets_per_second_per_link);
        Courier {
            me,
            policy,
            start_ms,
            drift_ms: 0,
            dice: Dice::new(rng.next_u64()),
            rng,
            keys: Arc::new(keys),
            keys_at: Time(0),
            keys_changed: 1,
            keys_safe: 0,
            published: Vec::new(),
            members: Members::new(me),
            hops: hops::Hops::default(),
            ways: route::Ways::default(),
            outbox,
            numbers: numbers::Numbers::default(),
            srtt: BTreeMap::new(),
            partials: partial::Partials::new(me),
            requests: Requests::default(),
            acquaintances: recalled.acquaintances.into_iter().collect(),
            owed: BTreeMap::new(),
            owed_again: BTreeSet::new(),
            replays: relay::Replays::default(),
            budgets,
            boxes: boxes::Boxes::default(),
            replies: replies::Replies::default(),
            kept: recalled.kept.into_iter().collect(),
            sought: BTreeMap::new(),
            handing: BTreeMap::new(),
            going: BTreeMap::new(),
            memo: recalled.memo,
            jobs: BTreeMap::new(),
            notes: BTreeMap::new(),
            untold: Vec::new(),
            named: 0,
            sweep_at: Time(0),
            counters: counters::Counters::default(),
        }
    }

    /// The time of day, Unix milliseconds.
    fn now_ms(&self, now: Time) -> u64 {
        (self.start_ms + now.as_ms()).saturating_add_signed(self.drift_ms)
    }

    /// 16 bytes that nobody guesses.
    fn chance(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// 32 bytes that nobody guesses.
    fn secret(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    fn name_job(&mut self, job: Job) -> JobId {
        self.named += 1;
        self.jobs.insert(self.named, job);
        self.named
    }

    fn keep(&mut self, note: Note, change: Change, out: &mut Vec<Effect>) {
        self.named += 1;
        self.notes.insert(self.named, note);
        out.push(Effect::Keep { note: self.named, change });
    }

    fn was_kept(
        &mut self,
        now: Time,
        results: Vec<(NoteId, Result<Outcome, String>)>,
        out: &mut Vec<Effect>,
    ) {
        let works = results.iter().any(|(_, outcome)| outcome.is_ok());
        for (note, outcome) in results {
            match self.notes.remove(&note) {
                Some(Note::Written(id)) => self.written(now, id, outcome, out),
                Some(Note::Over(letter)) if outcome.is_err() && self.untold.len() < UNTOLD_MAX => {
                    self.untold.push(*letter);
                }
                Some(Note::Came(coming)) => self.taken_in(now, coming, outcome, out),
                Some(Note::Stored { reader, block }) => {
                    self.stored(now, reader, block, outcome, out);
                }
                Some(Note::Thrown { reader, tokens }) => self.thrown(reader, &tokens),
                Some(Note::Granted { peer, until_ms, before }) => {
                    self.granted(peer, until_ms, before, outcome.is_ok(), out);
                }
                Some(Note::Mailboxes) if outcome.is_ok() => self.publish(out),
                Some(Note::Keys(change)) => self.keys_kept(now, change, outcome.is_ok(), out),
                Some(Note::Mailboxes | Note::Over(_) | Note::Nothing) | None => {}
            }
        }
        if works {
            for letter in std::mem::take(&mut self.untold) {
                self.tell_over(letter, out);
            }
        }
        self.pay(now, out);
        self.tell_fetched(now, out);
    }

    fn wrapped(
        &mut self,
        now: Time,
        job: JobId,
        result: Result<Vec<super::work::Wrapped>, String>,
        out: &mut Vec<Effect>,
    ) {
        match self.jobs.remove(&job) {
            Some(job @ Job::Letter { .. }) => self.letter_wrapped(now, job, result, out),
            Some(kind @ (Job::Receipt | Job::Reply)) => {
                // What could not be made is made again when it is asked for again.
                let relayed = matches!(kind, Job::Reply);
                for wrapped in result.unwrap_or_default() {
                    self.hand_on(now, wrapped.first, wrapped.packet, relayed, out);
                }
            }
            _ => {}
        }
    }
}

impl Core for Courier {
    type Event = Event;
    type Effect = Effect;

    fn handle(&mut self, now: Time, event: Event, out: &mut Vec<Effect>) {
        match event {
            Event::LinkUp { peer } => {
                self.hop_up(now, peer, out);
                self.greet(now, peer, out);
                self.ask_for_mailboxes(now, out);
            }
            Event::LinkDown { peer } => {
                self.hop_down(now, peer, out);
                self.box_gone(now, &peer);
            }
            Event::Graph(view) => self.look_around(now, view, out),
            Event::WallClock(unix_ms) => self.set_clock(now, unix_ms, out),
            Event::Packet { peer, number, packet } => {
                self.packet_came(now, peer, number, packet, out);
            }
            Event::FromPeer { peer, frame } => self.mail_came(now, peer, frame, out),
            Event::LaneFull { peer, number, packet, relayed } => {
                self.lane_full(now, peer, number, packet, relayed);
            }
            Event::Wrapped { job, result } => self.wrapped(now, job, result, out),
            Event::Peeled { job, opened } => {
                if let Some(job) = self.jobs.remove(&job) {
                    self.peeled(now, job, opened, out);
                    self.pay(now, out);
                    self.tell_fetched(now, out);
                }
            }
            Event::Kept(results) => self.was_kept(now, results, out),
            Event::Body { letter, body } => self.body_came(now, letter, body, out),
            Event::Handed { reader, letters, more } => self.hand_out(reader, letters, more, out),
            Event::Push { ask, draft } => self.push(now, ask, draft, out),
            Event::Shown(letters) => self.shown(now, letters, out),
            Event::Configure(policy) => self.configure(policy),
        }
        self.pump(now, out);
    }

    fn next_wake(&self) -> Option<Time> {
        let timers = [
            self.outbox.next_wake(),
            self.hops.next_wake(),
            self.partials.next_wake(),
            Some(self.keys_at),
            Some(self.sweep_at),
            Some(self.next_tending()),
        ];
        timers.into_iter().flatten().min()
    }

    fn wake(&mut self, now: Time, out: &mut Vec<Effect>) {
        if now >= self.keys_at {
            self.rotate_keys(now, out);
        }
        if now >= self.sweep_at {
            self.sweep(now, out);
        }
        if now >= self.next_tending() {
            self.tend_mailboxes(now, out);
        }
        if self.partials.next_wake().is_some_and(|at| now >= at) {
            self.ask_for_fragments(now, out);
        }
        if self.hops.next_wake().is_some_and(|at| now >= at) {
            self.wake_hops(now, out);
        }
        self.time_out(now, out);
        self.pump(now, out);
    }
}
