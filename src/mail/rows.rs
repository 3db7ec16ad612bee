//! Letters as they are kept and shown.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::LetterId;
use crate::mesh::NodeId;

/// Longest reason kept with a letter, bytes; longer ones are cut.
pub const WHY_BYTES_MAX: usize = 256;

/// What has become of a letter that was sent from here. A later state is never taken back by an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// Safe on our disk; nothing has left yet.
    Queued,
    /// On its way: a packet has left and no word has come back.
    Sent,
    /// A mailbox has said that it keeps it for the reader.
    Stored,
    /// The reader has signed that it is safe on its disk.
    Delivered,
    /// The reader has signed that somebody was shown it.
    Read,
    /// Its time ran out before the reader said a word.
    Expired,
    /// It will not be tried again; the reason is told.
    Failed,
}

impl State {
    /// The word used in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Sent => "sent",
            State::Stored => "stored",
            State::Delivered => "delivered",
            State::Read => "read",
            State::Expired => "expired",
            State::Failed => "failed",
        }
    }

    /// Nothing more is done for it.
    pub fn is_over(self) -> bool {
        self >= State::Delivered
    }
}

/// `k` of `n` fragments give the letter back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shards {
    /// So many are needed, at least 1.
    pub k: u8,
    /// So many are sent, at least `k`.
    pub n: u8,
}

/// A letter sent from here, its text apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutLetter {
    /// Which.
    pub id: LetterId,
    /// To whom.
    pub reader: NodeId,
    /// Unix milliseconds when it was written.
    pub created_ms: u64,
    /// Unix milliseconds after which it is given up.
    pub expires_ms: u64,
    /// Bytes of its text.
    pub bytes: u32,
    /// How many relays its writer wants; none: the setting's.
    pub hops: Option<u8>,
    /// In how many fragments its writer wants it to travel; none: as many as it needs, mostly one.
    pub shards: Option<Shards>,
    /// Fixes how its text is split, so that fragments of two tries fit together.
    pub split_seed: [u8; 32],
    /// What has become of it.
    pub state: State,
    /// Why it failed, or waits; empty if there is nothing to say.
    pub why: String,
    /// How often it (or a fragment of it) has left.
    pub tries: u32,
    /// Unix milliseconds when it reached each state; 0: not yet.
    pub sent_ms: u64,
    /// See `sent_ms`.
    pub stored_ms: u64,
    /// See `sent_ms`.
    pub delivered_ms: u64,
    /// See `sent_ms`.
    pub read_ms: u64,
    /// The relays of the last path taken, first one first, one path for each fragment. The reader is not in
    /// them; a mailbox that it was left at is the last.
    pub paths: Vec<Vec<NodeId>>,
}

/// A letter that came for us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InLetter {
    /// Its place among all that came; the store gives it, starting with 1.
    pub seq: u64,
    /// Which; unique for one sender.
    pub id: LetterId,
    /// Who signed it.
    pub from: NodeId,
    /// Unix milliseconds when its sender says it was written.
    pub created_ms: u64,
    /// Unix milliseconds when it came.
    pub received_ms: u64,
    /// Unix milliseconds until which a copy of it may still come.
    pub seen_until_ms: u64,
    /// Whether somebody has been shown it, and has said so.
    pub read: bool,
    /// Its sender is nobody this node knows.
    pub request: bool,
    /// What it says: at most 1 MiB; hostile until escaped.
    pub body: Vec<u8>,
}

/// All letters with one correspondent, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// With whom.
    pub with: NodeId,
    /// Letters kept that came from there.
    pub received: u64,
    /// How many of them nobody has been shown.
    pub unread: u64,
    /// Letters kept that went there.
    pub sent: u64,
    /// How many of them are still under way.
    pub waiting: u64,
    /// Unix milliseconds of the newest one, either way.
    pub last_ms: u64,
}

/// A letter that a mailbox keeps for somebody who is away. It knows neither the sender nor the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptLetter {
    /// Names it between mailbox and reader; drawn by the sender, one for each letter, fragment and mailbox.
    pub token: [u8; 16],
    /// Unix milliseconds after which it is thrown away.
    pub expires_ms: u64,
    /// The sealed letter.
    pub sealed: Vec<u8>,
}

/// What the mail remembers beside letters. Each value replaces the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memo {
    /// First hops that are kept for long, and since when (Unix milliseconds).
    pub guards: Vec<(NodeId, u64)>,
    /// Nodes that agreed to keep letters for us, and until when (Unix milliseconds).
    pub mailboxes: Vec<(NodeId, u64)>,
    /// Nodes we agreed to keep letters for, and until when (Unix milliseconds).
    pub grants: Vec<(NodeId, u64)>,
}

/// One change of what is on the disk. Those of one batch are made together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new letter to send.
    Write {
        /// Without its text.
        letter: OutLetter,
        /// Its text.
        body: Arc<[u8]>,
    },
    /// What has become of a letter that was written before. One that is forgotten meanwhile stays so.
    Update(OutLetter),
    /// The reader has shown a letter that was delivered before: it is `read` now. Of another reader's letter,
    /// or one that is forgotten, nothing is changed ([`Outcome::Duplicate`]).
    Shown {
        /// Which.
        id: LetterId,
        /// Who says so.
        by: NodeId,
        /// Unix milliseconds.
        at_ms: u64,
    },
    /// A letter has come: [`Outcome::Duplicate`] when it has come before, [`Outcome::Full`] without room, for
    /// which the oldest letters that somebody has been shown are forgotten.
    Receive(InLetter),
    /// Somebody has been shown these.
    Read(Vec<(NodeId, LetterId)>),
    /// Keep a letter for `reader`, who is away.
    Keep {
        /// For whom.
        reader: NodeId,
        /// What.
        letter: KeptLetter,
    },
    /// `reader` has these.
    Fetched {
        /// Who.
        reader: NodeId,
        /// Their tokens.
        tokens: Vec<[u8; 16]>,
    },
    /// Our own keys.
    Keys(super::keys::Stored),
    /// What is remembered beside letters.
    Memo(Memo),
    /// The time: what has expired by now is thrown away (letters kept for others, marks of letters seen).
    Sweep {
        /// Unix milliseconds.
        now_ms: u64,
    },
}

/// What became of a [`Change`] once its batch was on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is on the disk.
    Done,
    /// It was there already; nothing was changed.
    Duplicate,
    /// There is no room by the limits that are set; nothing was changed.
    Full,
}

/// What the disk knew at the start.
#[derive(Clone, Debug, Default)]
pub struct Recalled {
    /// Letters that are not over, oldest first; their texts stay on the disk.
    pub outbox: Vec<OutLetter>,
    /// Our own keys, if there are any.
    pub keys: Option<super::keys::Stored>,
    /// What is remembered beside letters.
    pub memo: Memo,
    /// How many letters are kept for each reader.
    pub kept: Vec<(NodeId, u64)>,
    /// To whom letters were sent from here, and whom else this node has met: they are no strangers.
    pub acquaintances: Vec<NodeId>,
}

/// Bounds of what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of letters that came.
    pub inbox_bytes: u64,
    /// Most letters that came.
    pub inbox_letters: u64,
    /// Most finished letters that are remembered as sent; the oldest go first.
    pub history_letters: u64,
    /// Most bytes kept for one reader that is away.
    pub kept_bytes: u64,
    /// Most letters kept for one reader that is away.
    pub kept_letters: u64,
    /// Most bytes kept for all readers that are away.
    pub kept_bytes_all: u64,
}
