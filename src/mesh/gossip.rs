//! What neighbours say to one another about the network.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::record::{Kind, Record, Signed};
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

    /// Takes bucket `i` out.
    pub fn remove(&mut self, i: u8) {
        self.0[usize::from(i) / 64] &= !(1 << (i % 64));
    }

    /// The buckets in the set, in order.
    pub fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=u8::MAX).filter(|i| self.contains(*i))
    }

    /// Whether no bucket is in the set.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; BUCKETS / 64]
    }
}

/// Names one broadcast. Short, because all lazy neighbours hear it: of the id it has the first 8 bytes. Who makes
/// two ids that begin alike only has its own broadcasts mistaken for one another, until the next comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name {
    /// How the author's id begins.
    pub id: [u8; 8],
    /// What it is.
    pub kind: Kind,
    /// Which of them.
    pub ver: Ver,
}

impl Name {
    /// The name of a record or cast.
    pub fn of(record: &Record) -> Name {
        Name { id: record.id().prefix(), kind: record.kind(), ver: record.ver() }
    }

    /// What it has in common with those that replace it. A cast replaces no other.
    pub fn slot(self) -> Name {
        match self.kind {
            Kind::Card | Kind::Links => Name { ver: Ver::default(), ..self },
            Kind::Cast => self,
        }
    }
}

/// A broadcast on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    /// Over how many links it has come, this one included.
    pub hops: u8,
    /// What its author signed.
    pub signed: Arc<Signed>,
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
    /// News on its way over the tree.
    Push(List<Pushed, NAMED_MAX>),
    /// "I have these, and did not send them, because you should get them from somebody else."
    IHave(List<Name, NAMED_MAX>),
    /// "They did not come. Send me these." Or, with an empty list: "From now on send me whatever you hear."
    Graft(List<Name, NAMED_MAX>),
    /// "I had that already. Only tell me names from now on."
    Prune,
    /// "In these buckets you have now got whatever you lacked", behind the records and the wants.
    Evened(BucketSet),
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
