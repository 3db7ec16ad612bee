//! Records found by what others call them: by a bucket, or by how an id begins.

use std::ops::RangeInclusive;

use super::{Graph, Known};
use crate::mesh::gossip::{BucketSet, Name, Versions};
use crate::mesh::record::{Kind, Record};
use crate::mesh::{NodeId, Ver};

/// The ids that begin with these bytes.
fn beginning(prefix: &[u8]) -> RangeInclusive<NodeId> {
    let (mut low, mut high) = ([0; 32], [u8::MAX; 32]);
    low[..prefix.len()].copy_from_slice(prefix);
    high[..prefix.len()].copy_from_slice(prefix);
    NodeId(low)..=NodeId(high)
}

impl Graph {
    fn in_bucket(&self, bucket: u8) -> impl Iterator<Item = (&NodeId, &Known)> {
        self.nodes.range(beginning(&[bucket])).filter(|(_, n)| n.counts())
    }

    /// Versions of all live nodes in a bucket.
    pub fn versions_in(&self, bucket: u8) -> impl Iterator<Item = Versions> + '_ {
        self.in_bucket(bucket).map(|(id, known)| known.versions(*id))
    }

    /// Records of all live nodes in a bucket.
    pub fn records_in(&self, bucket: u8) -> impl Iterator<Item = &Record> {
        self.in_bucket(bucket).flat_map(|(_, n)| n.card.iter().chain(&n.links))
    }

    /// The node whose id begins like this, if one is known.
    pub fn beginning_with(&self, prefix: &[u8; 8]) -> Option<NodeId> {
        self.nodes.range(beginning(prefix)).next().map(|(id, _)| *id)
    }

    /// The card or link state of this name, or a newer one.
    pub fn named(&self, name: &Name) -> Option<&Record> {
        let (_, known) = self.nodes.range(beginning(&name.id)).next()?;
        let held = match name.kind {
            Kind::Card => known.card.as_ref(),
            Kind::Links => known.links.as_ref(),
            Kind::Cast => None,
        };
        held.filter(|record| record.ver() >= name.ver)
    }

    /// The buckets in which another's digest differs from this one.
    pub fn differing(&self, other: &[u64]) -> BucketSet {
        let mut set = BucketSet::default();
        for (i, mine) in (0..=u8::MAX).zip(&self.digest) {
            if other.get(usize::from(i)).is_none_or(|theirs| theirs != mine) {
                set.insert(i);
            }
        }
        set
    }

    /// Versions of what is known of one node, alive or not.
    pub fn versions_of(&self, id: &NodeId) -> Versions {
        let unknown = Versions { id: *id, card: Ver::default(), links: Ver::default() };
        self.nodes.get(id).map_or(unknown, |known| known.versions(*id))
    }
}

impl Known {
    fn versions(&self, id: NodeId) -> Versions {
        let ver = |r: &Option<Record>| r.as_ref().map_or(Ver::default(), Record::ver);
        Versions { id, card: ver(&self.card), links: ver(&self.links) }
    }
}
