//! Pings and shouts that come in: each is heard once, and passed on only to those its origin cannot reach.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::gossip::Gossip;
use super::record::{Body, Signed};
use super::topology::{Effect, Said, Topology};
use super::{NodeId, Time, Ver};

/// How far back a cast may lag behind its origin's newest and still be heard.
const WINDOW: u64 = 64;

/// Which casts were heard: for each origin the newest version and a window of the 64 before it (the
/// replay window of RFC 4303, section 3.4.3). Only live nodes are in it, so the graph's bound is its own.
#[derive(Debug, Default)]
pub(super) struct Heard {
    origins: BTreeMap<NodeId, (Ver, u64)>,
}

impl Heard {
    /// Whether this one is new; it is not the next time.
    fn first_time(&mut self, origin: NodeId, ver: Ver) -> bool {
        let (newest, seen) = self.origins.entry(origin).or_insert((ver, 0));
        if ver.epoch != newest.epoch {
            if ver.epoch < newest.epoch {
                return false;
            }
            (*newest, *seen) = (ver, 0);
        }
        if ver.seq > newest.seq {
            let ahead = ver.seq - newest.seq;
            *seen = if ahead < WINDOW { *seen << ahead } else { 0 };
            newest.seq = ver.seq;
        }
        let back = newest.seq - ver.seq;
        if back >= WINDOW || *seen & (1 << back) != 0 {
            return false;
        }
        *seen |= 1 << back;
        true
    }

    /// Whether this one was heard, or is too old to tell.
    pub(super) fn heard(&self, origin: &NodeId, ver: Ver) -> bool {
        self.origins.get(origin).is_some_and(|(newest, seen)| {
            let back = newest.seq.saturating_sub(ver.seq);
            match ver.epoch.cmp(&newest.epoch) {
                Ordering::Less => true,
                Ordering::Greater => false,
                Ordering::Equal if ver.seq > newest.seq => false,
                Ordering::Equal => back >= WINDOW || *seen & (1 << back) != 0,
            }
        })
    }

    /// Forgets origins that `keep` does not want.
    fn retain(&mut self, keep: impl Fn(&NodeId) -> bool) {
        self.origins.retain(|id, _| keep(id));
    }
}

impl Topology {
    /// Takes a cast from a neighbour: one that came over the tree, by so many links, or one that was said to its
    /// author's neighbours.
    pub(super) fn hear(
        &mut self,
        now: Time,
        peer: NodeId,
        signed: Arc<Signed>,
        pushed: Option<u8>,
        out: &mut Vec<Effect>,
    ) {
        let Ok(record) = self.crypto.open(&signed) else {
            return self.forged(now, &peer);
        };
        let Body::Cast(cast) = record.body() else {
            self.dropped_records += 1;
            return;
        };
        let from = record.id();
        if from == self.me || !self.may_speak(&from) {
            return;
        }
        if self.casts.origins.len() > 2 * self.graph.live_count() + 16 {
            let graph = &self.graph;
            self.casts.retain(|id| graph.is_alive(id));
        }
        if !self.casts.first_time(from, record.ver()) {
            if pushed.is_some() {
                self.tree.duplicate(now, &record, &peer);
            }
            return;
        }
        // Where no tree is, it came straight, or by one that helps those who cannot link.
        let hops = pushed.unwrap_or(if from == peer { 1 } else { 2 });
        let label = self.graph.card(&from).and_then(|r| r.card()).map(|c| c.label.to_string());
        out.push(Effect::Heard(Said {
            from,
            label: label.unwrap_or_default(),
            text: cast.text.to_string(),
            shout: cast.shout,
            rtt_us: self.rtt_to(&from),
            hops,
        }));
        match pushed {
            Some(_) => self.tree.came(now, &record, hops, &peer),
            None => self.tree.arrived(now, &record),
        }
        if pushed.is_some() || self.is_partial() {
            self.relay(now, &record, hops, &peer);
            return self.tree.keep(record);
        }
        for peer in self.cut_off_from(&from) {
            out.push(Effect::Send { peer, gossip: Gossip::Cast(signed.clone()) });
        }
    }

    /// Whether a node's casts are heard: what cannot be shown in the graph cannot speak.
    pub(super) fn may_speak(&self, id: &NodeId) -> bool {
        self.graph.is_alive(id) || self.links.contains_key(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cast_is_heard_once_in_any_order() {
        let mut heard = Heard::default();
        let origin = NodeId([1; 32]);
        let ver = |epoch, seq| Ver { epoch, seq };
        for seq in [5, 3, 70, 10, 69] {
            assert!(heard.first_time(origin, ver(1, seq)), "{seq} is new");
            assert!(!heard.first_time(origin, ver(1, seq)), "{seq} was heard");
        }
        assert!(!heard.first_time(origin, ver(1, 6)), "too old to tell");
        assert!(heard.first_time(origin, ver(2, 1)), "a restart begins anew");
        assert!(!heard.first_time(origin, ver(1, 71)), "the old boot is over");
    }
}
