//! Digest anti-entropy: two neighbours whose graphs differ find out where and give one another what is
//! missing. This closes the tail that lost or unsendable messages leave, and fills a newcomer's graph.
//!
//! A sends its digest. B, who now knows where they differ, leads: a few buckets at a time, it gives all it has where
//! A has nothing, and tells its versions in the others; A sends what B lacks, asks for what it lacks itself, and
//! says which buckets that evens. Then come the next ones. So no list is ever cut, no more is under way than a lane
//! holds, and ten thousand nodes take as many round trips as there are messages of some hundred KiB.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::budget::Budget;
use super::gossip::{BATCH_BYTES, BUCKETS, BucketSet, Gossip, NAMED_MAX, Versions};
use super::record::{Direction, Kind, Record, Signed};
use super::topology::{Effect, Topology};
use super::{NodeId, Time};
use crate::wire::bounded::List;

/// A root that has not changed for this long and still differs is worth an exchange.
const SETTLED: Duration = Duration::from_millis(300);
/// Where ours never settles, one that has differed for this long is, too; and no other follows on any link before
/// as much again. Longer by a millisecond for each node: in a storm all buckets differ.
const UNSETTLED: Duration = Duration::from_secs(5);
/// A difference goes on if the next heartbeat that tells of it comes within this, or twice what lay between the two
/// before: where few are sent they can be a minute apart.
const BEAT_MAX: Duration = Duration::from_secs(3);
/// Shortest time between two exchanges begun on one link, and after anything was said in one.
const LINK_PAUSE: Duration = Duration::from_secs(1);
/// A link that comes up this soon after an exchange needs none of its own.
const JUST_SYNCED: Duration = Duration::from_millis(500);
/// An exchange in which nothing was said for this long is over.
const STALLED: Duration = Duration::from_secs(5);
/// How long a link to a node that no path led to counts as one between two networks.
const STRANGE: Duration = Duration::from_secs(15);

/// Most nodes named at once: the answer may ask for two records of each.
const STEP_NODES_MAX: usize = 256;
/// Most nodes named of one bucket, even if nothing else is: what is asked for of them is one message.
const BUCKET_NODES_MAX: usize = NAMED_MAX / 2;
/// Most records given of one bucket in which something was named; as with those named, honest networks have fewer.
const BUCKET_RECORDS_MAX: usize = NAMED_MAX;
/// Most bytes of records given at once (and one bucket more): a third of what a bulk lane holds.
const STEP_BYTES_MAX: usize = 384 * 1024;

/// One link's part in anti-entropy.
#[derive(Debug)]
pub(super) struct Sync {
    /// When a heartbeat carried another root than ours last, and since when each one has.
    differed: Option<Time>,
    differs_since: Option<Time>,
    /// What lay between the last two of those.
    beat: Duration,
    begun: Option<Time>,
    /// When something was said in an exchange.
    active: Option<Time>,
    led: Option<Led>,
    /// Until when this is a link between two networks.
    strange_until: Option<Time>,
    /// Records that comparing may cost us.
    pub(super) given: Budget,
}

/// An exchange that we lead.
#[derive(Debug)]
struct Led {
    /// Where we still differ.
    left: BucketSet,
    /// Where the other end has nothing.
    empty: BucketSet,
    /// Something was named the last time.
    named: bool,
}

impl Sync {
    pub(super) fn new(given: Budget) -> Sync {
        Sync {
            differed: None,
            differs_since: None,
            beat: Duration::ZERO,
            begun: None,
            active: None,
            led: None,
            strange_until: None,
            given,
        }
    }

    /// Whether the link is one between two networks that have only just met.
    pub(super) fn is_strange(&self, now: Time) -> bool {
        self.strange_until.is_some_and(|until| now < until)
    }

    fn may_begin(&self, now: Time) -> bool {
        let pause = [self.begun, self.active].into_iter().flatten().max();
        let under_way = self.led.is_some() && self.active.is_some_and(|at| now.since(at) < STALLED);
        !under_way && pause.is_none_or(|at| now.since(at) >= LINK_PAUSE)
    }
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
        if self.graph.is_alive(&peer) {
            return;
        }
        if let Some(link) = self.links.get_mut(&peer) {
            link.sync.strange_until = Some(now + STRANGE);
        }
        if dir == Direction::Out {
            self.begin_sync(now, peer, out);
        }
    }

    fn begin_sync(&mut self, now: Time, peer: NodeId, out: &mut Vec<Effect>) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        link.sync.differed = None;
        link.sync.differs_since = None;
        link.sync.begun = Some(now);
        self.synced_at = Some(now);
        let digest = List::first_of(self.graph.digest().iter().copied());
        out.push(Effect::Send { peer, gossip: Gossip::Digest(digest) });
    }

    /// A heartbeat's root differs from ours: twice in a row, while ours is settled, begins an exchange; and so
    /// does a difference that stays, in a network that never settles.
    pub(super) fn root_differs(&mut self, now: Time, peer: NodeId, out: &mut Vec<Effect>) {
        let long = UNSETTLED + Duration::from_millis(self.graph.live_count() as u64);
        let settled = now.since(self.root_since) >= SETTLED;
        self.speaks(now, &peer);
        let Some(link) = self.links.get_mut(&peer) else { return };
        // The first one may only have been under way while something changed.
        let before = link.sync.differed.replace(now);
        let again = before.is_some_and(|at| at >= self.root_since);
        let within = BEAT_MAX.max(2 * link.sync.beat);
        let goes_on = before.is_some_and(|at| now.since(at) <= within);
        link.sync.beat = before.map_or(Duration::ZERO, |at| now.since(at));
        let since = link.sync.differs_since.filter(|_| goes_on).unwrap_or(now);
        link.sync.differs_since = Some(since);
        let elsewhere = |pause| self.synced_at.is_some_and(|at| now.since(at) < pause);
        let worth = settled && again && !elsewhere(JUST_SYNCED)
            || now.since(since) >= long && !elsewhere(long);
        if worth && link.sync.may_begin(now) {
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
        self.speaks(now, &peer);
        let rate = self.records_per_second();
        let cost = u32::try_from(cost(&gossip)).unwrap_or(u32::MAX);
        let allowed = self.links.get_mut(&peer).is_some_and(|link| {
            link.budget.set_rate(now, rate);
            link.budget.take(now, cost)
        });
        if !allowed {
            self.dropped_records += u64::from(cost);
            return;
        }
        match gossip {
            Gossip::Records(records) => self.take_records(now, peer, records.into_vec(), out),
            Gossip::Digest(theirs) => self.lead(now, peer, &theirs, out),
            Gossip::Versions { buckets, have } => self.even_out(now, peer, &buckets, &have, out),
            Gossip::Want(wanted) => {
                // What is named a thousand times is sent once.
                let wanted: BTreeSet<(NodeId, Kind)> = wanted.iter().copied().collect();
                let found = wanted.iter().filter_map(|(id, kind)| self.held(id, *kind)).cloned();
                let found = found.collect();
                self.give(now, peer, found, out);
            }
            Gossip::Evened(buckets) => self.go_on(now, peer, &buckets, out),
            Gossip::Cast(signed) => self.hear(now, peer, signed, None, out),
            Gossip::Push(pushed) => self.take_pushed(now, peer, pushed.into_vec(), out),
            Gossip::IHave(names) => self.take_names(now, peer, &names),
            Gossip::Graft(names) => self.take_graft(now, peer, &names),
            Gossip::Prune => self.tree.pruned(now, &peer),
            Gossip::Route(routed) => self.hear_routed(now, peer, routed, out),
        }
    }

    /// The other end wants to compare: we know both digests, and lead.
    fn lead(&mut self, now: Time, peer: NodeId, theirs: &[u64], out: &mut Vec<Effect>) {
        let left = self.graph.differing(theirs);
        let mut empty = BucketSet::default();
        for i in left.iter().filter(|i| theirs.get(usize::from(*i)) == Some(&0)) {
            empty.insert(i);
        }
        let smaller = self.me < peer;
        let Some(link) = self.links.get_mut(&peer) else { return };
        // Where both have begun at once, one leads.
        let crossed = smaller && link.sync.begun.is_some_and(|at| now.since(at) < LINK_PAUSE);
        if left.is_empty() || crossed || !link.sync.may_begin_to_lead(now) {
            return;
        }
        link.sync.led = Some(Led { left, empty, named: false });
        self.step(now, peer, out);
    }

    /// Gives and names as many buckets as go at once.
    fn step(&mut self, now: Time, peer: NodeId, out: &mut Vec<Effect>) {
        let rate = self.records_per_second();
        let Some(sync) = self.links.get_mut(&peer).map(|link| &mut link.sync) else { return };
        let Some(led) = &mut sync.led else { return };
        sync.active = Some(now);
        sync.given.set_rate(now, rate);
        let (mut given, mut bytes): (Vec<Record>, usize) = (Vec::new(), 0);
        let (mut buckets, mut have) = (BucketSet::default(), Vec::new());
        for bucket in led.left.iter().collect::<Vec<u8>>() {
            if !led.empty.contains(bucket) {
                if have.len() >= STEP_NODES_MAX {
                    continue;
                }
                let mut theirs: Vec<Versions> = self.graph.versions_in(bucket).collect();
                if theirs.len() > BUCKET_NODES_MAX {
                    // Ids made up to fill one bucket must not keep the others from being evened. Others of them are
                    // named the next time.
                    let first = self.shape.dice.index(theirs.len());
                    theirs.rotate_left(first);
                    theirs.truncate(BUCKET_NODES_MAX);
                }
                if buckets.is_empty() || have.len() + theirs.len() <= STEP_NODES_MAX {
                    have.extend(theirs);
                    buckets.insert(bucket);
                }
                continue;
            }
            if bytes >= STEP_BYTES_MAX {
                continue;
            }
            let (mut records, mut more): (Vec<Record>, usize) = (Vec::new(), 0);
            let whole = self.graph.records_in(bucket).all(|record| {
                more += record.signed().size();
                records.push(record.clone());
                more < STEP_BYTES_MAX
            });
            if !sync.given.take(now, u32::try_from(records.len()).unwrap_or(u32::MAX)) {
                // It has had its share: it may come again later.
                sync.led = None;
                break;
            }
            bytes += more;
            given.extend(records);
            if whole {
                led.left.remove(bucket);
            } else {
                // The rest is given where versions show that it is missing.
                led.empty.remove(bucket);
            }
        }
        send_records(peer, &given, out);
        if sync.led.as_ref().is_some_and(|led| led.left.is_empty()) {
            sync.led = None;
        }
        if let Some(led) = &mut sync.led {
            led.named = !buckets.is_empty();
            // With no bucket in it, it only asks whether what was given has come.
            let have = List::first_of(have);
            out.push(Effect::Send { peer, gossip: Gossip::Versions { buckets, have } });
        }
    }

    /// The other end has evened these buckets.
    fn go_on(&mut self, now: Time, peer: NodeId, evened: &BucketSet, out: &mut Vec<Effect>) {
        let Some(sync) = self.links.get_mut(&peer).map(|link| &mut link.sync) else { return };
        let Some(led) = &mut sync.led else { return };
        let further = evened.iter().any(|bucket| led.left.contains(bucket));
        for bucket in evened.iter() {
            led.left.remove(bucket);
        }
        if led.left.is_empty() || led.named && !further {
            // All is even; or the other end gives no more: each step names much, and must bring us further.
            sync.led = None;
            return;
        }
        self.step(now, peer, out);
    }

    /// Sends what the neighbour lacks in these buckets, asks for what we lack, and says which are evened by it:
    /// those that go at once.
    fn even_out(
        &mut self,
        now: Time,
        peer: NodeId,
        buckets: &BucketSet,
        have: &[Versions],
        out: &mut Vec<Effect>,
    ) {
        let mut wanted = Vec::new();
        let mut give: Vec<Record> = Vec::new();
        let mut named: BTreeSet<NodeId> = BTreeSet::new();
        let mut has_named = [false; BUCKETS];
        for theirs in have {
            if !buckets.contains(theirs.id.0[0]) || !named.insert(theirs.id) {
                continue;
            }
            has_named[usize::from(theirs.id.0[0])] = true;
            let ours = self.graph.versions_of(&theirs.id);
            let sides =
                [(Kind::Card, theirs.card, ours.card), (Kind::Links, theirs.links, ours.links)];
            for (kind, theirs_ver, ours_ver) in sides {
                match theirs_ver.cmp(&ours_ver) {
                    // Our own newer record makes us newer still: that is how a double is met.
                    Ordering::Greater => wanted.push((theirs.id, kind)),
                    // Also of a node that is gone here: what they lack may be its goodbye.
                    Ordering::Less => give.extend(self.held(&theirs.id, kind).cloned()),
                    Ordering::Equal => {}
                }
            }
        }
        let mut evened = BucketSet::default();
        let mut bytes = 0;
        // Those in which something was named first: what is wanted there is asked for now.
        let order = |i: &u8| !has_named[usize::from(*i)];
        let mut buckets: Vec<u8> = buckets.iter().collect();
        buckets.sort_by_key(order);
        for bucket in buckets {
            if bytes >= STEP_BYTES_MAX && order(&bucket) {
                break;
            }
            let ours = self.graph.records_in(bucket).filter(|r| !named.contains(&r.id()));
            let ours = ours.take(BUCKET_RECORDS_MAX);
            let before = give.len();
            give.extend(ours.cloned());
            bytes += give[before..].iter().map(|r| r.signed().size()).sum::<usize>();
            evened.insert(bucket);
        }
        if let Some(link) = self.links.get_mut(&peer) {
            link.sync.active = Some(now);
        }
        if !self.give(now, peer, give, out) {
            evened = BucketSet::default();
        }
        if !wanted.is_empty() {
            out.push(Effect::Send { peer, gossip: Gossip::Want(List::first_of(wanted)) });
        }
        out.push(Effect::Send { peer, gossip: Gossip::Evened(evened) });
    }

    /// Sends records if the neighbour's share allows.
    fn give(
        &mut self,
        now: Time,
        peer: NodeId,
        records: Vec<Record>,
        out: &mut Vec<Effect>,
    ) -> bool {
        let rate = self.records_per_second();
        let cost = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let allowed = self.links.get_mut(&peer).is_some_and(|link| {
            link.sync.given.set_rate(now, rate);
            link.sync.given.take(now, cost)
        });
        if allowed {
            send_records(peer, &records, out);
        }
        allowed
    }

    pub(super) fn held(&self, id: &NodeId, kind: Kind) -> Option<&Record> {
        match kind {
            Kind::Card => self.graph.card(id),
            Kind::Links => self.graph.link_state(id),
            Kind::Cast => None,
        }
    }
}

impl Sync {
    /// One exchange at a time, and one in a second.
    fn may_begin_to_lead(&self, now: Time) -> bool {
        match (&self.led, self.active) {
            (Some(_), Some(at)) => now.since(at) >= STALLED,
            (None, Some(at)) => now.since(at) >= LINK_PAUSE,
            (_, None) => true,
        }
    }
}

/// What a message costs its sender of what it may bring.
fn cost(gossip: &Gossip) -> usize {
    let record = |r: &Signed| r.cost() as usize;
    match gossip {
        // It has budgets of its own: those who ask for much must not keep us from the news.
        Gossip::Route(_) => 0,
        Gossip::Records(records) => records.iter().map(|r| record(r)).sum::<usize>().max(1),
        Gossip::Push(pushed) => pushed.iter().map(|p| record(&p.signed)).sum::<usize>().max(1),
        Gossip::Cast(_) | Gossip::Prune | Gossip::Evened(_) => 1,
        Gossip::Digest(_) | Gossip::Versions { .. } | Gossip::Want(_) => 8,
        // A lazy link names what all others say.
        Gossip::IHave(names) => 1 + names.len() / 64,
        Gossip::Graft(names) => 1 + names.len() / 8,
    }
}

/// Sends records in batches that keep one frame short.
fn send_records(peer: NodeId, records: &[Record], out: &mut Vec<Effect>) {
    let mut batch: Vec<Arc<Signed>> = Vec::new();
    let mut bytes = 0;
    let mut flush = |batch: &mut Vec<Arc<Signed>>| {
        if !batch.is_empty() {
            let records = List::first_of(std::mem::take(batch));
            out.push(Effect::Send { peer, gossip: Gossip::Records(records) });
        }
    };
    for record in records {
        if bytes > 0 && bytes + record.signed().size() > BATCH_BYTES || batch.len() >= NAMED_MAX {
            flush(&mut batch);
            bytes = 0;
        }
        bytes += record.signed().size();
        batch.push(record.signed().clone());
    }
    flush(&mut batch);
}
