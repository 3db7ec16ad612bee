//! Pings and shouts that come in: each is heard once, and passed on only to those its origin cannot reach.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::gossip::Gossip;
use super::record::{Body, Signed};
use super::topology::{Effect, Said, Topology};
use super::{NodeId, Ver};

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

    /// Forgets origins that `keep` does not want.
    fn retain(&mut self, keep: impl Fn(&NodeId) -> bool) {
        self.origins.retain(|id, _| keep(id));
    }
}

impl Topology {
    /// Takes a cast from a neighbour.
    pub(super) fn hear(&mut self, signed: Arc<Signed>, out: &mut Vec<Effect>) {
        let Ok(record) = self.crypto.open(&signed) else {
            self.dropped_records += 1;
            return;
        };
        let Body::Cast(cast) = record.body() else {
            self.dropped_records += 1;
            return;
        };
        let from = record.id();
        // Strangers are not heard: what cannot be shown in the graph cannot speak.
        if from == self.me || !self.graph.is_alive(&from) && !self.links.contains_key(&from) {
            return;
        }
        if self.casts.origins.len() > 2 * self.graph.live_count() + 16 {
            let graph = &self.graph;
            self.casts.retain(|id| graph.is_alive(id));
        }
        if !self.casts.first_time(from, record.ver()) {
            return;
        }
        let label = self.graph.card(&from).and_then(|r| r.card()).map(|c| c.label.to_string());
        out.push(Effect::Heard(Said {
            from,
            label: label.unwrap_or_default(),
            text: cast.text.to_string(),
            shout: cast.shout,
            rtt_us: self.rtt_to(&from),
        }));
        for peer in self.cut_off_from(&from) {
            out.push(Effect::Send { peer, gossip: Gossip::Cast(signed.clone()) });
        }
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
