//! What a node remembers over restarts: whom it met and where, whom it pinned, whom it banned.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::NodeId;

/// A node met before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its label when last met.
    pub label: String,
    /// Where it could be dialled, best first; at most 8.
    pub addrs: Vec<SocketAddr>,
    /// Unix milliseconds when it was last linked or alive.
    pub seen_ms: u64,
    /// A link to it was up at the last save; anchors are dialled first after a restart.
    pub anchor: bool,
}

/// The whole memory; small enough to be handed over as one value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    /// Highest epoch this identity has used.
    pub epoch: u64,
    /// Nodes met before.
    pub entries: BTreeMap<NodeId, Entry>,
    /// Label -> the id first seen behind it.
    pub label_pins: BTreeMap<String, NodeId>,
    /// Address -> the id first seen behind it.
    pub addr_pins: BTreeMap<SocketAddr, NodeId>,
    /// Ids pinned by hand; the only ones let in under `network.trust = "pinned-only"`.
    pub trusted: BTreeSet<NodeId>,
    /// Banned ids and since when (unix milliseconds).
    pub banned: BTreeMap<NodeId, u64>,
}
