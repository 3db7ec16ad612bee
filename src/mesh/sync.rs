//! Digest anti-entropy: two neighbours whose graphs differ find out where and give one another what is
//! missing. This closes the tail that lost or unsendable messages leave.
//!
//! One exchange makes both ends equal: A sends its digest; B answers with its versions in the differing
//! buckets; A sends what B lacks and asks for what it lacks itself.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::gossip::{BATCH_BYTES, BucketSet, Gossip, NAMED_MAX, Versions};
use super::record::{Direction, Kind, Record, Signed};
use super::topology::{Effect, Topology};
use super::{NodeId, Time};
use crate::wire::bounded::List;

/// A root that has not changed for this long and still differs is worth an exchange.
const SETTLED: Duration = Duration::from_millis(300);
/// Shortest time between two exchanges begun on one link.
const LINK_PAUSE: Duration = Duration::from_secs(1);
/// A link that comes up this soon after an exchange needs none of its own.
const JUST_SYNCED: Duration = Duration::from_millis(500);

/// One link's part in anti-entropy.
#[derive(Debug, Default)]
pub(super) struct Sync {
    /// When a heartbeat carried another root than ours while ours was the same as now.
    differed: Option<Time>,
    begun: Option<Time>,
}

impl Topology {
    /// A new link to a node that was not in our component: two components meet, and the dialler compares
    /// at once. A link inside one component brings no news.
    pub(super) fn begin_sync_on_link(
        &mut self,
        now: Time,
        peer: NodeId,
        dir: Direction,
        out: &mut Vec<Effect>,
    ) {
        if dir == Direction::Out && !self.graph.is_alive(&peer) {
            self.begin_sync(now, peer, out);
        }
    }

    fn begin_sync(&mut self, now: Time, peer: NodeId, out: &mut Vec<Effect>) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        link.sync = Sync { differed: None, begun: Some(now) };
        self.synced_at = Some(now);
        let digest = List::first_of(self.graph.digest().iter().copied());
        out.push(Effect::Send { peer, gossip: Gossip::Digest(digest) });
    }

    /// A heartbeat's root differs from ours: twice in a row, while ours is settled, begins an exchange.
    pub(super) fn root_differs(&mut self, now: Time, peer: NodeId, out: &mut Vec<Effect>) {
        let settled = now.since(self.root_since) >= SETTLED;
        let Some(link) = self.links.get_mut(&peer) else { return };
        // The first one may only have been under way while something changed.
        let again = link.sync.differed.replace(now).is_some_and(|at| at >= self.root_since);
        let pause = link.sync.begun.is_none_or(|at| now.since(at) >= LINK_PAUSE);
        let elsewhere = self.synced_at.is_some_and(|at| now.since(at) < JUST_SYNCED);
        if settled && pause && !elsewhere && again {
            self.begin_sync(now, peer, out);
        }
    }

    /// Takes what a neighbour said.
    pub(super) fn take_gossip(
        &mut self,
        now: Time,
        peer: NodeId,
        gossip: Gossip,
        out: &mut Vec<Effect>,
    ) {
        let cost = match &gossip {
            // It has budgets of its own: those who ask for much must not keep us from the news.
            Gossip::Route(_) => 0,
            // A long link state costs more to check, to keep and to derive from than a short one.
            Gossip::Records(records) => {
                records.iter().map(|r| 1 + r.body.len() / 4096).sum::<usize>().max(1)
            }
            Gossip::Cast(_) => 1,
            Gossip::Digest(_) | Gossip::Versions { .. } | Gossip::Want(_) => 8,
        };
        let cost = u32::try_from(cost).unwrap_or(u32::MAX);
        let allowed = self.links.get_mut(&peer).is_some_and(|l| l.budget.take(now, cost));
        if !allowed {
            self.dropped_records += u64::from(cost);
            return;
        }
        match gossip {
            Gossip::Records(records) => {
                for signed in records.into_vec() {
                    self.open_record(now, signed, out);
                }
            }
            Gossip::Digest(theirs) => self.answer_digest(peer, &theirs, out),
            Gossip::Versions { buckets, have } => self.even_out(peer, &buckets, &have, out),
            Gossip::Want(wanted) => {
                // What is named a thousand times is sent once.
                let wanted: BTreeSet<(NodeId, Kind)> = wanted.iter().copied().collect();
                let found = wanted.iter().filter_map(|(id, kind)| self.held(id, *kind)).collect();
                send_records(peer, found, out);
            }
            Gossip::Cast(signed) => self.hear(signed, out),
            Gossip::Route(routed) => self.hear_routed(now, peer, routed, out),
        }
    }

    fn open_record(&mut self, now: Time, signed: Arc<Signed>, out: &mut Vec<Effect>) {
        // Most of what comes twice comes by two ways at once: only news is worth a signature's check.
        if self
            .held(&NodeId::of_key(&signed.key), signed.kind)
            .is_some_and(|r| *r.signed() == signed)
        {
            return;
        }
        match self.crypto.open(&signed) {
            Ok(record) => self.take(now, record, out),
            Err(_) => self.dropped_records += 1,
        }
    }

    fn answer_digest(&self, peer: NodeId, theirs: &[u64], out: &mut Vec<Effect>) {
        let buckets = self.graph.differing(theirs);
        if !buckets.is_empty() {
            let have = List::first_of(self.graph.versions(&buckets).take(NAMED_MAX));
            out.push(Effect::Send { peer, gossip: Gossip::Versions { buckets, have } });
        }
    }

    /// Sends what the neighbour lacks in these buckets and asks for what we lack.
    fn even_out(
        &self,
        peer: NodeId,
        buckets: &BucketSet,
        have: &[Versions],
        out: &mut Vec<Effect>,
    ) {
        let mut wanted = Vec::new();
        let mut give = Vec::new();
        let mut named: BTreeSet<NodeId> = BTreeSet::new();
        for theirs in have {
            if !named.insert(theirs.id) {
                continue;
            }
            let ours = self.graph.versions_of(&theirs.id);
            let sides =
                [(Kind::Card, theirs.card, ours.card), (Kind::Links, theirs.links, ours.links)];
            for (kind, theirs_ver, ours_ver) in sides {
                match theirs_ver.cmp(&ours_ver) {
                    // Our own newer record makes us newer still: that is how a double is met.
                    Ordering::Greater => wanted.push((theirs.id, kind)),
                    // Also of a node that is gone here: what they lack may be its goodbye.
                    Ordering::Less => give.extend(self.held(&theirs.id, kind)),
                    Ordering::Equal => {}
                }
            }
        }
        for ours in self.graph.versions(buckets).filter(|v| !named.contains(&v.id)) {
            give.extend(self.held(&ours.id, Kind::Card));
            give.extend(self.held(&ours.id, Kind::Links));
        }
        send_records(peer, give, out);
        if !wanted.is_empty() {
            out.push(Effect::Send { peer, gossip: Gossip::Want(List::first_of(wanted)) });
        }
    }

    pub(super) fn held(&self, id: &NodeId, kind: Kind) -> Option<&Record> {
        match kind {
            Kind::Card => self.graph.card(id),
            Kind::Links => self.graph.link_state(id),
            Kind::Cast => None,
        }
    }
}

/// Sends records in batches that keep one frame short.
fn send_records(peer: NodeId, records: Vec<&Record>, out: &mut Vec<Effect>) {
    let mut batch: Vec<Arc<Signed>> = Vec::new();
    let mut bytes = 0;
    let mut flush = |batch: &mut Vec<Arc<Signed>>| {
        if !batch.is_empty() {
            let records = List::first_of(std::mem::take(batch));
            out.push(Effect::Send { peer, gossip: Gossip::Records(records) });
        }
    };
    for record in records {
        if bytes > 0 && bytes + record.signed().body.len() > BATCH_BYTES {
            flush(&mut batch);
            bytes = 0;
        }
        bytes += record.signed().body.len() + 128;
        batch.push(record.signed().clone());
    }
    flush(&mut batch);
}
