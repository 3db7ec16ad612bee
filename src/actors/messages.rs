//! Every message between actors, grouped by receiver, each with what losing it costs.

use std::net::SocketAddr;
use std::sync::Arc;

use actix::Message;

use crate::mesh::NodeId;
use crate::mesh::record::Direction;
use crate::mesh::view::View;

// ---- Control asks; each answer is a snapshot, and a lost question is answered 503 ----

/// PeerRegistry: which peers are there, linked or not?
#[derive(Message)]
#[rtype(result = "Vec<PeerRow>")]
pub struct PeersWanted;

/// One row of `node peers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRow {
    /// The peer; none while only an address is known.
    pub id: Option<NodeId>,
    /// Its label, hostile text until escaped; empty when unknown.
    pub label: String,
    /// Whether a link is up.
    pub link: LinkPhase,
    /// Who dialled, if a link is up.
    pub direction: Option<Direction>,
    /// Smoothed round-trip time, microseconds.
    pub rtt_us: Option<u32>,
    /// Where it is linked from or dialled at.
    pub addr: Option<SocketAddr>,
    /// Unix milliseconds since when the link is in this phase.
    pub since_ms: u64,
    /// Pinned by hand.
    pub pinned: bool,
    /// Banned.
    pub banned: bool,
    /// What stands in the way, if anything (`key changed behind label "bob": …`).
    pub problem: Option<String>,
}

/// What a link is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkPhase {
    /// Both ends agreed on it.
    Up,
    /// Being dialled or greeted.
    Connecting,
    /// Not there.
    Down,
}

/// PeerRegistry: the figures `node status` shows.
#[derive(Message)]
#[rtype(result = "RegistryStatus")]
pub struct StatusWanted;

/// The registry's part of `node status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryStatus {
    /// Links up.
    pub links: usize,
    /// Handshakes under way.
    pub handshakes: usize,
    /// Joined: a link is up, or there is nobody configured to join.
    pub joined: bool,
    /// What a person should look at; empty when all is well.
    pub problems: Vec<String>,
    /// Counters by name, in stable order (`handshakes_refused`, `frames_dropped`, …).
    pub counters: Vec<(&'static str, u64)>,
}

/// PeerRegistry: the evidence behind the last verdicts on a node, oldest first, at most 32.
#[derive(Message)]
#[rtype(result = "Vec<Evidence>")]
pub struct WhyWanted {
    /// About whom.
    pub peer: NodeId,
}

/// One thing that was seen of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Unix milliseconds.
    pub at_ms: u64,
    /// What was seen, in words.
    pub text: String,
}

/// A request that was understood and not done: why, and what to do instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refused {
    /// Why, in one line.
    pub why: String,
}

/// PeerRegistry: dial this address now. Answers once the dial has ended.
#[derive(Message)]
#[rtype(result = "Result<NodeId, Refused>")]
pub struct Connect {
    /// Where.
    pub addr: SocketAddr,
}

/// PeerRegistry: close the link and do not dial again until asked to.
#[derive(Message)]
#[rtype(result = "Result<(), Refused>")]
pub struct Disconnect {
    /// Whom.
    pub peer: NodeId,
}

/// PeerRegistry: pin (trust by hand) or unpin (forget every pin of) a node.
#[derive(Message)]
#[rtype(result = "Result<(), Refused>")]
pub struct SetPinned {
    /// Whom.
    pub peer: NodeId,
    /// Pin, or unpin.
    pub pinned: bool,
}

/// PeerRegistry: forget what is pinned behind a label.
#[derive(Message)]
#[rtype(result = "Result<(), Refused>")]
pub struct UnpinLabel {
    /// The label.
    pub label: String,
}

/// PeerRegistry: ban (close and refuse) or unban a node.
#[derive(Message)]
#[rtype(result = "Result<(), Refused>")]
pub struct SetBanned {
    /// Whom.
    pub peer: NodeId,
    /// Ban, or unban.
    pub banned: bool,
}

/// Heartbeat: measure the round trip to a linked peer now. Microseconds.
#[derive(Message)]
#[rtype(result = "Result<u32, Refused>")]
pub struct Probe {
    /// Whom.
    pub peer: NodeId,
}

/// Topology: say this to everyone. Answers how many links it went out on.
#[derive(Message)]
#[rtype(result = "Result<usize, Refused>")]
pub struct Shout {
    /// What; at most 16 KiB.
    pub text: String,
}

/// Supervisor: say goodbye (if `leave`) and stop. Answers once stopping has begun.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Shutdown {
    /// Say goodbye to the network first, so that everyone calls this node left and forgets to redial it.
    pub leave: bool,
    /// Who asked, for the log.
    pub why: &'static str,
}

/// Supervisor: the settings in force, in the order of `default.toml`, secrets redacted.
#[derive(Message)]
#[rtype(result = "Vec<SettingRow>")]
pub struct ConfigWanted;

/// One setting in force.
#[derive(Clone, Debug, PartialEq)]
pub struct SettingRow {
    /// Its key, dotted (`network.controller.listen.port`).
    pub key: String,
    /// Its value; a secret is only ever `"(set)"` or `""`.
    pub value: serde_json::Value,
    /// The layer it came from, in words (`default`, `config/network/alice.toml`, `-s`).
    pub origin: String,
}

/// Supervisor: read the settings again. Answers what was applied and what needs a restart.
#[derive(Message)]
#[rtype(result = "Result<Reloaded, Refused>")]
pub struct Reload;

/// What a reload did: setting keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// In force now.
    pub applied: Vec<String>,
    /// In force after a restart.
    pub needs_restart: Vec<String>,
}

// ---- told to Control ----

/// The graph as it is now. Latest wins; a lost one is made good by the next.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct GraphChanged(pub Arc<View>);
