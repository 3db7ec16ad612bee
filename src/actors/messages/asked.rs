//! What Control asks. Each answer is a snapshot; a lost question is answered 503.

use std::net::SocketAddr;

use actix::Message;

use crate::mesh::NodeId;
use crate::mesh::peers::{Evidence, Row as PeerRow};
pub use crate::mesh::route::Walk;

/// PeerRegistry: which peers are there, linked or not?
#[derive(Message)]
#[rtype(result = "Vec<PeerRow>")]
pub struct PeersWanted;

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
    /// How well this machine runs the daemon: 0 is well, 8 worst.
    pub health: u32,
    /// Counters by name, in stable order (`dials_begun`, `handshakes_failed`, …).
    pub counters: Vec<(&'static str, u64)>,
}

/// PeerRegistry: who was seen first behind this name, be it a label, an address or an IP?
#[derive(Message)]
#[rtype(result = "Pins")]
pub struct PinsWanted(pub String);

/// What [`PinsWanted`] asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    /// Seen first with this label.
    pub label: Option<NodeId>,
    /// Seen first at this address, or at one with this IP; each node once.
    pub places: Vec<NodeId>,
}

/// PeerRegistry: the evidence behind the last verdicts on a node, oldest first, at most 32.
#[derive(Message)]
#[rtype(result = "Vec<Evidence>")]
pub struct WhyWanted {
    /// About whom.
    pub peer: NodeId,
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

/// Topology: send a probe to a node, over as many links as it takes, and tell how it went.
#[derive(Message)]
#[rtype(result = "Result<Walk, Refused>")]
pub struct Trace {
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

/// Supervisor: say goodbye to the network and stop. Answers once stopping has begun.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Shutdown {
    /// Also forget whom we were linked with: the next start joins through the configured seeds only.
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
