//! What the courier is told, what it asks for, and the rules it follows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::LetterId;
use super::frame::MailFrame;
use super::rows::{Change, KeptLetter, OutLetter, Outcome, Shards, State};
use super::work::{Opened, Peel, Wrap, Wrapped};
use crate::mesh::NodeId;
use crate::mesh::view::View;

/// Names one job of the sealers; never reused.
pub type JobId = u64;
/// Names one change of the disk; never reused.
pub type NoteId = u64;
/// Names what a person asked; chosen by the driver.
pub type AskId = u64;

/// A letter as a person wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// To whom.
    pub to: NodeId,
    /// What; at most `mail.body_bytes_max`.
    pub body: Vec<u8>,
    /// The writer's own name for it: the same one again is the same letter, and is not sent twice.
    pub key: Option<String>,
    /// How many relays, 0 to 4; none: the rule's.
    pub hops: Option<u8>,
    /// In how many fragments; none: as many as it needs.
    pub shards: Option<Shards>,
    /// Seconds until it is given up, at most 7 days; none: the rule's.
    pub ttl_s: Option<u32>,
}

/// What the courier is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// A link is up (or has replaced another one to the same peer).
    LinkUp {
        /// The peer.
        peer: NodeId,
    },
    /// A link is gone.
    LinkDown {
        /// The peer.
        peer: NodeId,
    },
    /// Who is there now.
    Graph(Arc<View>),
    /// The time of day, Unix milliseconds.
    WallClock(u64),
    /// A packet came.
    Packet {
        /// From whom.
        peer: NodeId,
        /// The number in front of it.
        number: u32,
        /// The onion, of one of both sizes.
        packet: Vec<u8>,
    },
    /// A neighbour said something about letters.
    FromPeer {
        /// Who.
        peer: NodeId,
        /// What.
        frame: MailFrame,
    },
    /// The lane to a neighbour had no room for this packet.
    LaneFull {
        /// To whom.
        peer: NodeId,
        /// Its number.
        number: u32,
        /// The packet, to be sent again.
        packet: Vec<u8>,
        /// As it was in [`Effect::SendPacket`].
        relayed: bool,
    },
    /// A [`Wrap`] is done, or why it could not be.
    Wrapped {
        /// Which.
        job: JobId,
        /// One packet for each part that was asked for, in their order.
        result: Result<Vec<Wrapped>, String>,
    },
    /// A [`Peel`] is done.
    Peeled {
        /// Which.
        job: JobId,
        /// What was inside.
        opened: Opened,
    },
    /// Changes are on the disk, or failed.
    Kept(Vec<(NoteId, Result<Outcome, String>)>),
    /// The text of a letter sent from here; none if it cannot be read.
    Body {
        /// Which.
        letter: LetterId,
        /// Its text.
        body: Option<Arc<[u8]>>,
    },
    /// Letters kept for a node that asked for them.
    Handed {
        /// Who asked.
        reader: NodeId,
        /// Some of them, oldest first.
        letters: Vec<KeptLetter>,
        /// There are more.
        more: bool,
    },
    /// A person sends a letter.
    Push {
        /// Names the question.
        ask: AskId,
        /// The letter.
        draft: Draft,
    },
    /// Somebody has been shown these letters for the first time, and that is on the disk.
    Shown(Vec<(NodeId, LetterId)>),
    /// Other rules from now on.
    Configure(Policy),
}

/// What the courier asks for.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Send a packet; without room in the lane, come back with [`Event::LaneFull`].
    SendPacket {
        /// To whom.
        peer: NodeId,
        /// The number in front of it.
        number: u32,
        /// The packet.
        packet: Vec<u8>,
        /// It is somebody else's.
        relayed: bool,
    },
    /// Say something to a neighbour. Lost if its lane is full.
    Send {
        /// To whom.
        peer: NodeId,
        /// What.
        frame: MailFrame,
    },
    /// Seal and wrap, off the main thread.
    Wrap {
        /// Names it.
        job: JobId,
        /// What.
        wrap: Box<Wrap>,
    },
    /// Take a layer off, off the main thread.
    Peel {
        /// Names it.
        job: JobId,
        /// What.
        peel: Peel,
    },
    /// Change what is on the disk; [`Event::Kept`] tells how it went.
    Keep {
        /// Names it.
        note: NoteId,
        /// What.
        change: Change,
    },
    /// Read the text of a letter sent from here.
    LoadBody(LetterId),
    /// Read letters kept for a node: [`Event::Handed`].
    LoadKept {
        /// For whom.
        reader: NodeId,
        /// Not these.
        but: BTreeSet<[u8; 16]>,
        /// At most so many bytes, as they are padded; one letter is always handed out.
        bytes: usize,
    },
    /// A link to this node is needed.
    NeedLink(NodeId),
    /// Put these keys on our card.
    Publish(Vec<u8>),
    /// The answer to [`Event::Push`].
    Pushed {
        /// The question.
        ask: AskId,
        /// The letter, safe on the disk; or why not.
        result: Result<OutLetter, PushError>,
    },
    /// A letter came and is safe on the disk.
    Came {
        /// Which.
        id: LetterId,
        /// From whom.
        from: NodeId,
    },
    /// A letter sent from here is in another state.
    Turned {
        /// Which.
        id: LetterId,
        /// To whom.
        to: NodeId,
        /// What has become of it.
        state: State,
        /// Why, if there is something to say.
        why: String,
    },
    /// A person should know this.
    Notice(String),
}

/// Why a letter was not taken. Nothing was kept of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// To ourselves.
    #[error("that is this node itself: a letter needs another reader")]
    Self_,
    /// Without text.
    #[error("a letter without text says nothing")]
    Empty,
    /// Over the limit.
    #[error(
        "the text has {bytes} bytes and mail.body_bytes_max is {max}; share larger things as a file: node share"
    )]
    TooLong {
        /// Of the text.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Too many are under way.
    #[error(
        "{0} letters are under way, and that is the most (mail.outbox_letters_max); wait until some have arrived"
    )]
    OutboxFull(usize),
    /// Fragments that cannot be.
    #[error("{0}")]
    Shards(String),
    /// No relay, and the rules say to ask.
    #[error(
        "there is no relay to send it through; straight to the reader (who looks at the network sees who writes to whom): --hops 0"
    )]
    NoRelay,
    /// The disk did not take it.
    #[error("it could not be kept ({0}), so it is not acknowledged")]
    Disk(String),
    /// It was sent before, under the same name; the disk knows what became of it.
    #[error("it was sent before")]
    Before(LetterId),
}

/// What is done when there is no relay at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// Send straight to the reader.
    Always,
    /// Refuse, and say how to.
    Ask,
    /// Wait for a relay.
    Never,
}

/// The rules; see the settings of the same names.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Pass packets on.
    pub volunteer: bool,
    /// Keep letters for others.
    pub mailbox: bool,
    /// Packets a second from all links.
    pub packets_per_second: u32,
    /// Packets a second from one link.
    pub packets_per_second_per_link: u32,
    /// Relays on a path.
    pub hops: u8,
    /// Without any relay.
    pub fallback: Fallback,
    /// Life of a letter.
    pub ttl: Duration,
    /// Longest text, bytes.
    pub body_bytes_max: usize,
    /// Most letters under way.
    pub outbox_max: usize,
    /// How many nodes are asked to keep our letters while we are away, at most
    /// [`MAILBOXES_MAX`](super::keys::MAILBOXES_MAX).
    pub mailboxes: usize,
    /// Tell senders that somebody has been shown their letter.
    pub read_receipts: bool,
    /// Most letters a day from strangers.
    pub requests_per_day: u32,
}
