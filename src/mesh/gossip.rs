//! What neighbours say to one another about the network.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::record::{Kind, Signed};
use super::route::Routed;
use super::{NodeId, Ver};
use crate::wire::bounded::List;

/// How many buckets node ids are sorted into for comparing two graphs (by the first byte of the id).
pub const BUCKETS: usize = 256;
/// Most nodes named in one [`Gossip::Versions`] or [`Gossip::Want`].
pub const NAMED_MAX: usize = 1024;
/// Bytes after which a batch of records is sent and a new one begun.
pub const BATCH_BYTES: usize = 16 * 1024;

/// The versions of one node's records; the zero version means none is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Whose.
    pub id: NodeId,
    /// Of its card.
    pub card: Ver,
    /// Of its link state.
    pub links: Ver,
}

/// A set of buckets, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketSet([u64; BUCKETS / 64]);

impl BucketSet {
    /// Adds bucket `i`.
    pub fn insert(&mut self, i: u8) {
        self.0[usize::from(i) / 64] |= 1 << (i % 64);
    }

    /// Whether bucket `i` is in the set.
    pub fn contains(&self, i: u8) -> bool {
        self.0[usize::from(i) / 64] & (1 << (i % 64)) != 0
    }

    /// Whether no bucket is in the set.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; BUCKETS / 64]
    }
}

/// A message between neighbours. Losing one costs time only: the next digest repairs it, or it is asked again.
/// (Kinds are told apart by their order: a new one goes to the end.)
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gossip {
    /// New or asked-for records.
    Records(List<Arc<Signed>, NAMED_MAX>),
    /// "This is what I know": one hash for each of the [`BUCKETS`].
    Digest(List<u64, BUCKETS>),
    /// "In these buckets we differ; this is what I have there."
    Versions {
        /// The buckets spoken of.
        buckets: BucketSet,
        /// What the sender knows in them.
        have: List<Versions, NAMED_MAX>,
    },
    /// "Send me these."
    Want(List<(NodeId, Kind), NAMED_MAX>),
    /// A ping or a shout.
    Cast(Arc<Signed>),
    /// A message that is passed on from node to node.
    Route(Routed),
}

/// Heartbeats and questions about silence. They use the urgent lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Beat {
    /// "Are you there?"
    Ping {
        /// The sender's clock when the ping went out, microseconds; comes back in the pong.
        sent_us: u64,
        /// The sender's smoothed round-trip time of this link, microseconds; 0 if unknown.
        rtt_us: u32,
        /// Digest of all the sender knows.
        root: u64,
    },
    /// "I am." Answered by the connection itself.
    Pong {
        /// As it came in the ping.
        sent_us: u64,
        /// Digest of all the answerer knows.
        root: u64,
    },
    /// "I hear nothing from this node. Do you?"
    Ask {
        /// The silent node.
        target: NodeId,
    },
    /// "I heard it so long ago."
    Answer {
        /// The node asked about.
        target: NodeId,
        /// Milliseconds since it was heard; none if there is no link to it.
        age_ms: Option<u32>,
    },
}
