//! What the topology does with what comes over the tree.

use std::sync::Arc;
use std::time::Duration;

use super::TreeCounts;
use crate::mesh::gossip::{Name, Pushed};
use crate::mesh::record::{Body, Kind, Record, Signed};
use crate::mesh::topology::{Effect, Link, Topology};
use crate::mesh::{NodeId, Time};

/// What a record costs its bringer that its author did not sign: nobody honest passes on what it has not checked.
const FORGED_COST: u32 = 64;
/// A link is new for so long.
const NEW_LINK: Duration = Duration::from_secs(30);
/// Names wait this long for others, and for the news itself, which most links of a node hear of by then.
const NAMES_WAIT: Duration = Duration::from_millis(100);
/// Those of pings longer: nobody waits for a ping, and when nothing else goes on their names would be a tenth of what
/// is said.
const PINGS_WAIT: Duration = Duration::from_secs(5);
/// The tree follows the graph after this long, and no sooner after the last time than this for each listed link:
/// working it out takes a thousandth of that.
const SPAN_AFTER: Duration = Duration::from_millis(300);
const SPAN_PAUSE_PER_LINK: Duration = Duration::from_micros(50);

/// What became of a record that came.
enum Taken {
    New(Record),
    /// It is the one that was here.
    Known(Record),
    /// Old, forged, too much, or of ourselves.
    Dropped,
}

impl Topology {
    /// News, hop counts and repairs so far.
    pub fn tree_counts(&self) -> TreeCounts {
        self.tree.counts()
    }

    /// News from a neighbour, on its way.
    pub(in crate::mesh) fn take_pushed(
        &mut self,
        now: Time,
        peer: NodeId,
        pushed: Vec<Pushed>,
        out: &mut Vec<Effect>,
    ) {
        for Pushed { hops, signed } in pushed {
            if signed.kind == Kind::Cast {
                self.hear(now, peer, signed, Some(hops), out);
                continue;
            }
            let author = NodeId::of_key(&signed.key);
            if !self.graph.is_alive(&author) && author != peer && !self.may_be_strange(now, &peer) {
                self.dropped_records += 1;
                continue;
            }
            match self.take_signed(now, (peer, author), signed, out) {
                Taken::New(record) => {
                    self.tree.came(now, &record, hops, &peer);
                    self.relay(now, &record, hops, &peer);
                }
                Taken::Known(record) => self.tree.duplicate(now, &record, &peer),
                Taken::Dropped => {}
            }
        }
    }

    /// Records from a neighbour: its own, said to all its neighbours, or what a comparison has shown to be missing.
    pub(in crate::mesh) fn take_records(
        &mut self,
        now: Time,
        peer: NodeId,
        records: Vec<Arc<Signed>>,
        out: &mut Vec<Effect>,
    ) {
        for signed in records {
            let author = NodeId::of_key(&signed.key);
            let strange = !self.graph.is_known(&author) && author != peer;
            if strange && !self.may_be_unknown(now, &peer) {
                self.dropped_records += 1;
                continue;
            }
            let taken = self.take_signed(now, (peer, author), signed, out);
            let Taken::New(record) = taken else { continue };
            self.tree.arrived(now, &record);
            if !self.is_partial() {
                self.pass_on(&record, out);
            } else if record.id() == peer {
                self.relay(now, &record, 1, &peer);
            } else if self.tree.may_pass(now, &record) {
                // Others may lack it, too; but where two networks meet each pair compares for itself.
                let links = &self.links;
                let old = |to: &NodeId| links.get(to).is_some_and(|l| !l.sync.is_strange(now));
                self.tree.announce(now, &record, |to| *to != peer && old(to));
            }
        }
    }

    fn take_signed(
        &mut self,
        now: Time,
        (peer, author): (NodeId, NodeId),
        signed: Arc<Signed>,
        out: &mut Vec<Effect>,
    ) -> Taken {
        // Most of what comes twice comes by two ways at once: only news is worth a signature's check.
        if let Some(held) = self.held(&author, signed.kind) {
            if *held.signed() == signed {
                return Taken::Known(held.clone());
            }
            if signed.claimed_ver().is_some_and(|ver| ver < held.ver()) {
                return Taken::Dropped;
            }
        }
        let Ok(record) = self.crypto.open(&signed) else {
            self.forged(now, &peer);
            return Taken::Dropped;
        };
        match self.insert(now, record.clone(), out) {
            true => Taken::New(record),
            false => Taken::Dropped,
        }
    }

    /// A neighbour brought what its author did not sign.
    pub(in crate::mesh) fn forged(&mut self, now: Time, peer: &NodeId) {
        self.dropped_records += 1;
        if let Some(link) = self.links.get_mut(peer) {
            link.budget.charge(now, FORGED_COST);
        }
    }

    /// Whether one more node that is not reached yet may come by this link.
    fn may_be_strange(&mut self, now: Time, peer: &NodeId) -> bool {
        self.links.get_mut(peer).is_some_and(|link| link.strangers.take(now, 1))
    }

    /// The same for one of which nothing is known. New links share what there is for all of them: whoever has used up
    /// that of one link only needs to make another.
    fn may_be_unknown(&mut self, now: Time, peer: &NodeId) -> bool {
        let new = |link: &Link| now.since(link.up_at) < NEW_LINK;
        match self.links.get(peer).is_some_and(new) {
            true => self.strangers.take(now, 1),
            false => self.may_be_strange(now, peer),
        }
    }

    /// Passes on what came by this many links.
    pub(in crate::mesh) fn relay(&mut self, now: Time, record: &Record, hops: u8, from: &NodeId) {
        if self.tree.may_pass(now, record) {
            let until = self.name_until(now, record);
            self.tree.push(record, until, hops.saturating_add(1), Some(from));
        }
    }

    /// Until when the name of something may wait. That of a loss may not, as long as it is news: with a node the tree
    /// has broken, and names lead around the place.
    pub(in crate::mesh) fn name_until(&self, now: Time, record: &Record) -> Time {
        let (graph, author) = (&self.graph, record.id());
        let news = |peer: &NodeId| graph.is_alive(peer) && graph.lists(peer, &author);
        match record.body() {
            Body::Links(state) if state.lost.iter().any(news) => now,
            Body::Cast(cast) if !cast.shout => now + PINGS_WAIT,
            Body::Card(_) | Body::Links(_) | Body::Cast(_) => now + NAMES_WAIT,
        }
    }

    /// A neighbour names what it has.
    pub(in crate::mesh) fn take_names(&mut self, now: Time, peer: NodeId, names: &[Name]) {
        for name in names {
            match self.has(name) {
                true => self.tree.known_there(name, &peer),
                false => self.tree.told(now, *name, &peer),
            }
        }
    }

    /// Whether this, or something newer, is here; or would not be taken.
    fn has(&self, name: &Name) -> bool {
        if name.id == self.me.prefix() {
            return true;
        }
        if name.kind != Kind::Cast {
            return self.graph.named(name).is_some();
        }
        let author = self.graph.beginning_with(&name.id);
        author.is_none_or(|id| !self.may_speak(&id) || self.casts.heard(&id, name.ver))
    }

    /// A neighbour asks for what it only has the names of; or, without naming anything, for all that follows.
    pub(in crate::mesh) fn take_graft(&mut self, now: Time, peer: NodeId, names: &[Name]) {
        if names.is_empty() {
            self.tree.grafted(&peer);
        }
        for name in names {
            let found = self.tree.kept(name).or_else(|| self.graph.named(name).cloned());
            if let Some(record) = found {
                self.tree.answer(now, &record, &peer);
            }
        }
    }

    /// The graph may have another shape now.
    pub(in crate::mesh) fn schedule_span(&mut self, now: Time) {
        if self.is_partial()
            && self.span_at.is_none()
            && self.graph.changed_ms() != self.spanned_for
        {
            let listed = u32::try_from(self.graph.listed()).unwrap_or(u32::MAX);
            let pause = SPAN_PAUSE_PER_LINK.saturating_mul(listed);
            self.span_at = Some((now + SPAN_AFTER).max(self.spanned_at + pause));
        }
    }

    pub(in crate::mesh) fn span(&mut self, now: Time) {
        (self.span_at, self.spanned_at) = (None, now);
        self.spanned_for = self.graph.changed_ms();
        let spanning = self.graph.spanning();
        self.tree.follow(now, &spanning.around(&self.me), &spanning.partners(&self.me));
    }
}
