//! Our own records and casts: when they are signed and told.

use std::sync::Arc;
use std::time::Duration;

use super::{Effect, Topology};
use crate::mesh::Time;
use crate::mesh::gossip::Gossip;
use crate::mesh::record::{
    ADDRS_MAX, Body, CAST_BYTES_MAX, Card, Cast, LINKS_MAX, LinkEntry, LinkState, Record, Signed,
};
use crate::wire::bounded::{List, Text, TooLarge};

/// Changes of our own links are gathered this long before they are told.
pub(super) const COALESCE: Duration = Duration::from_millis(20);
/// Longest pause between two announcements, for each link we have and in all. The pause doubles while
/// changes keep coming and is short again after [`QUIET`]. It grows with the links because the cost does
/// (one entry for each link, told on each): a small network has no reason to wait. (A fixed burst does not
/// do: a cold start spends it in its first tenth of a second, and a crash right after it then waits a
/// whole second to be told.)
const PAUSE_PER_LINK: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// The same for each node alive, since each hears it, and the longest of all.
const PAUSE_PER_NODE: Duration = Duration::from_millis(4);
const PAUSE_IN_STORM: Duration = Duration::from_secs(5);
/// Without news for this long, and for as long as it paused, the next change is told as if it were the first.
const QUIET: Duration = Duration::from_secs(2);
/// Our records are signed anew after this long, so that nobody takes them for forgotten.
pub(super) const REFRESH: Duration = Duration::from_secs(15 * 60);

/// Pings are stretched so that a node hears at most one in this time, from all others together. Over a tree each comes
/// with names of itself for those it did not reach, and a large network should say little when it rests.
const HEARD_EVERY: Duration = Duration::from_millis(500);
const HEARD_EVERY_OVER_TREE: Duration = Duration::from_secs(2);
/// The period of pings when nobody set one.
pub(super) const PERIOD: Duration = Duration::from_secs(5);

impl Topology {
    /// Signs our card and link state anew and takes them into the graph.
    pub(super) fn sign_own(&mut self, now: Time) -> [Record; 2] {
        self.ver.seq += 1;
        self.links.values_mut().for_each(|link| link.is_told(now));
        let card = Card {
            key: self.crypto.key(),
            network: self.identity.network.clone(),
            ver: self.ver,
            label: self.identity.label.clone(),
            addrs: List::first_of(self.addrs.iter().copied().take(ADDRS_MAX)),
            relay: self.identity.relay,
            mailbox: self.identity.mailbox,
            keys: self.keys.clone(),
            tags: Default::default(),
            leaving_ms: self.leaving.then(|| self.identity.start_ms + now.as_ms()),
        };
        let lost = self.lost_lately(now);
        let agreed = self.links.iter().filter(|(_, l)| l.agreed);
        let state = LinkState {
            id: self.me,
            ver: self.ver,
            slots_free: self.slots_free(),
            degree_max: self.degree_max(),
            links: List::first_of(agreed.take(LINKS_MAX).map(|(peer, l)| LinkEntry {
                peer: *peer,
                dir: l.dir,
                rtt_us: l.rtt_us,
                since_s: u32::try_from(l.up_at.as_ms() / 1000).unwrap_or(u32::MAX),
            })),
            lost,
        };
        let card_changed = self.graph.card(&self.me).and_then(Record::card).is_none_or(|old| {
            self.card_dirty || old.ver.epoch != self.ver.epoch || old.leaving_ms != card.leaving_ms
        });
        let links = Record::sign(Body::Links(state), &*self.crypto);
        self.graph.insert(now, links.clone());
        let card = if card_changed || now >= self.refresh_at {
            let card = Record::sign(Body::Card(card), &*self.crypto);
            self.graph.insert(now, card.clone());
            self.card_dirty = false;
            self.refresh_at = now + REFRESH;
            card
        } else {
            self.card()
        };
        [card, links]
    }

    /// Tells every neighbour what changed of our own.
    pub(super) fn announce(&mut self, now: Time, out: &mut Vec<Effect>) {
        let card_before = self.card().ver();
        let [card, links] = self.sign_own(now);
        let quiet = self
            .dirty
            .take()
            .is_none_or(|since| since.since(self.told_at) >= self.pause.max(QUIET));
        let degree = u32::try_from(self.links.len()).unwrap_or(u32::MAX);
        let longest = PAUSE_PER_LINK.saturating_mul(degree).clamp(COALESCE, PAUSE_MAX);
        let nodes = u32::try_from(self.graph.size()).unwrap_or(u32::MAX);
        // Behind a tree everyone hears of every link of everyone.
        let longest = longest.max(PAUSE_PER_NODE.saturating_mul(nodes)).min(PAUSE_IN_STORM);
        let longer = (self.pause * 2).min(longest);
        self.pause = if quiet { COALESCE } else { longer };
        self.told_at = now;
        let mut news = vec![links];
        if card.ver() != card_before {
            news.insert(0, card);
        }
        if self.is_partial() {
            for record in &news {
                self.tree.push(record, self.name_until(now, record), 1, None);
            }
            return self.schedule_derive(now);
        }
        let signed: Vec<Arc<Signed>> = news.iter().map(|r| r.signed().clone()).collect();
        for peer in self.links.keys() {
            let gossip = Gossip::Records(List::first_of(signed.iter().cloned()));
            out.push(Effect::Send { peer: *peer, gossip });
        }
        self.schedule_derive(now);
    }

    pub(in crate::mesh) fn touch(&mut self, now: Time) {
        self.dirty.get_or_insert(now);
    }

    /// When our pending change is due to be told.
    pub(super) fn announce_at(&self) -> Option<Time> {
        self.dirty.map(|since| (self.told_at + self.pause).max(since + COALESCE))
    }

    pub(super) fn say(
        &mut self,
        now: Time,
        text: Text<{ CAST_BYTES_MAX }>,
        shout: bool,
        out: &mut Vec<Effect>,
    ) {
        self.ver.seq += 1;
        let cast = Cast { id: self.me, ver: self.ver, shout, text };
        let record = Record::sign(Body::Cast(cast), &*self.crypto);
        if self.is_partial() {
            self.tree.push(&record, self.name_until(now, &record), 1, None);
            return self.tree.keep(record);
        }
        for peer in self.links.keys() {
            let gossip = Gossip::Cast(record.signed().clone());
            out.push(Effect::Send { peer: *peer, gossip });
        }
    }

    /// How long from one ping to the next: as set, or so that a node hears no more of them than it should.
    fn ping_every(&self) -> Duration {
        let nodes = u32::try_from(self.graph.live_count()).unwrap_or(u32::MAX);
        let each = if self.is_partial() { HEARD_EVERY_OVER_TREE } else { HEARD_EVERY };
        self.policy.period.unwrap_or(PERIOD.max(each.saturating_mul(nodes)))
    }

    /// Where there are far fewer nodes than when the next ping was planned, it comes sooner.
    pub(super) fn ping_sooner(&mut self, now: Time) {
        let wait = self.ping_every();
        if self.ping_at > now + 2 * wait {
            self.ping_wait = wait;
            self.ping_at = now + self.shape.dice.between(Duration::ZERO, wait);
        }
    }

    /// Says hello to everyone; when nobody set how often, no more often than everyone can hear from everyone.
    pub(super) fn ping(&mut self, now: Time, out: &mut Vec<Effect>) {
        let wait = self.ping_every();
        let grown = wait > 2 * self.ping_wait;
        self.ping_wait = wait;
        if grown {
            // All that started with us would speak at this moment, and again after each wait.
            self.ping_at = now + self.shape.dice.between(Duration::ZERO, wait);
            return;
        }
        self.ping_at = now + wait;
        let others = self.graph.live_count().saturating_sub(1);
        let text =
            format!("hello, I see {others} other node{}", if others == 1 { "" } else { "s" });
        match Text::new(text) {
            Ok(text) if !self.links.is_empty() => self.say(now, text, false, out),
            Ok(_) | Err(TooLarge { .. }) => {}
        }
    }
}
