//! Messages about letters.

use std::collections::VecDeque;
use std::sync::Arc;

use actix::Message;

use super::Refused;
use crate::mail::LetterId;
pub use crate::mail::courier::Standing as RelayRow;
use crate::mail::event::Draft;
use crate::mail::frame::MailFrame;
use crate::mail::rows::{Conversation, InLetter, OutLetter, State};
use crate::mesh::{ConnId, NodeId};
pub use crate::store::letters::Amounts;
use crate::wire::Packet;

/// What is told of letters as it happens. Published in one slot (`tokio::sync::watch`): who looks rarely
/// misses only what is older than the last [`NEWS_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailView {
    /// Letters that came and that nobody has been shown.
    pub unread: u64,
    /// Letters sent from here that are not over.
    pub waiting: u64,
    /// The last news, oldest first.
    pub news: VecDeque<News>,
}

/// How many news are kept for those who look.
pub const NEWS_MAX: usize = 256;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Rises by one with each.
    pub number: u64,
    /// Unix milliseconds.
    pub at_ms: u64,
    /// What.
    pub what: Happened,
}

/// What can happen to a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// One came and is safe on the disk.
    Came {
        /// Which.
        id: LetterId,
        /// From whom.
        from: NodeId,
    },
    /// One that was sent from here is in another state.
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
}

/// Courier: send a letter. Answers once it is safe on the disk; then it is never lost.
#[derive(Message)]
#[rtype(result = "Result<OutLetter, Refused>")]
pub struct Push(pub Draft);

/// Courier: letters sent from here, newest first, and all conversations, newest first.
#[derive(Message)]
#[rtype(result = "Result<Letters, Refused>")]
pub struct LettersWanted {
    /// Only those with this node.
    pub with: Option<NodeId>,
    /// At most so many letters.
    pub limit: usize,
}

/// What [`LettersWanted`] asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letters {
    /// Sent from here, newest first.
    pub sent: Vec<OutLetter>,
    /// By correspondent, newest first.
    pub conversations: Vec<Conversation>,
}

/// Courier: one letter sent from here, with the path it took.
#[derive(Message)]
#[rtype(result = "Result<Option<OutLetter>, Refused>")]
pub struct LetterWanted(pub LetterId);

/// Courier: letters that came, oldest first. Those it answers with are lent: for 30 s nobody else gets them,
/// unless they are only peeked at.
#[derive(Message)]
#[rtype(result = "Result<Vec<InLetter>, Refused>")]
pub struct Pull {
    /// Only those from this node.
    pub with: Option<NodeId>,
    /// Only look: also at those that were shown before, and lend nothing.
    pub peek: bool,
    /// Only those whose number is above this.
    pub after: u64,
    /// At most so many.
    pub limit: usize,
}

/// Courier: somebody has been shown these letters. Answers how many of them were unread, once that is on the
/// disk.
#[derive(Message)]
#[rtype(result = "Result<usize, Refused>")]
pub struct Acknowledge(pub Vec<(NodeId, LetterId)>);

/// Courier: who could pass letters on, and how that goes.
#[derive(Message)]
#[rtype(result = "Relays")]
pub struct RelaysWanted;

/// What [`RelaysWanted`] asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relays {
    /// This node passes packets on for others.
    pub volunteer: bool,
    /// This node keeps letters for others that are away.
    pub mailbox: bool,
    /// Every other node that is alive, by id.
    pub nodes: Vec<RelayRow>,
    /// Nodes that agreed to keep letters for us.
    pub mailboxes: Vec<NodeId>,
    /// For how many nodes this one keeps letters, and how many.
    pub kept: (u64, u64),
    /// Counters by name, in stable order (`packets_forwarded`, `packets_dropped_replay`, …).
    pub counters: Vec<(&'static str, u64)>,
}

/// Courier: how much there is of everything, for metrics.
#[derive(Message)]
#[rtype(result = "MailFigures")]
pub struct FiguresWanted;

/// What [`FiguresWanted`] asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailFigures {
    /// This node passes packets on for others.
    pub volunteer: bool,
    /// This node keeps letters for others that are away.
    pub mailbox: bool,
    /// Other nodes that are alive and volunteer to pass packets on, by whether letters go through them
    /// (`ready`, `quarantined`, `no_key`).
    pub relays: Vec<(&'static str, u64)>,
    /// Nodes that agreed to keep letters for us.
    pub mailboxes: u64,
    /// For how many nodes this one keeps letters, and how many.
    pub kept: (u64, u64),
    /// Letters sent from here that are not over, by state.
    pub under_way: Vec<(&'static str, u64)>,
    /// Packets that wait for a neighbour.
    pub packets_waiting: u64,
    /// What is on the disk.
    pub amounts: Amounts,
    /// Counters by name, in stable order (`packets_forwarded`, `packets_dropped_replay`, …).
    pub counters: Vec<(&'static str, u64)>,
}

// ---- what happens on links ----

/// Courier: a packet came. Waits for room: the link is not read meanwhile.
#[derive(Message)]
#[rtype(result = "()")]
pub struct PacketFrom {
    /// From whom.
    pub peer: NodeId,
    /// On which of its links.
    pub conn: ConnId,
    /// The packet.
    pub packet: Packet,
}

/// Courier: a peer said something about letters. Waits for room: the link is not read meanwhile.
#[derive(Message)]
#[rtype(result = "()")]
pub struct MailFrom {
    /// Who.
    pub peer: NodeId,
    /// On which of its links.
    pub conn: ConnId,
    /// What.
    pub frame: MailFrame,
}

/// Topology: our card says this of the mail from now on. Never lost.
#[derive(Message)]
#[rtype(result = "()")]
pub struct KeysChanged(pub Arc<[u8]>);
