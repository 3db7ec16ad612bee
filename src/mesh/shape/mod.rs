//! Which links a node should have: with everyone in a small network, with about eight in a large one.
//!
//! The graph is here, so here is decided whom to seek and which links there are too many of; the registry
//! ([`super::peers`]) knows what is being dialled and keeps the limits.

mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use sha2::{Digest, Sha256};

use plan::{FULL_UP_TO, PARTIAL_ABOVE};
pub use plan::{Mode, Plan, SAME_PREFIX, prefix};

use super::dice::Dice;
use super::record::{Card, Direction, Record};
use super::topology::{Effect, Link, Topology};
use super::view::State;
use super::{NodeId, Time};

/// Time between two looks at our links, while there are enough and while there are too few.
const LOOK: Duration = Duration::from_secs(1);
const LOOK_SOON: Duration = Duration::from_millis(200);
/// Most nodes proposed at once, and most links given up at once.
const SEEK_MAX: usize = 16;
const TRIM_MAX: usize = 4;
/// Most cards for those that are turned away: what a goodbye holds.
const ROOM_MAX: usize = 32;
/// Nodes drawn before we do without one that suits.
const DRAWS: usize = 64;
/// Links with the shortest round trips that are kept, and whose other ends' neighbours may be near, too.
const BEST: usize = 2;

/// What the registry should do about our links.
#[derive(Clone, Debug, Default)]
pub struct Advice {
    /// Not everyone links with everyone: dial only whom you are told to.
    pub partial: bool,
    /// How many more links are wanted.
    pub want: usize,
    /// Cards of nodes to link with, the best first.
    pub seek: Vec<Record>,
    /// A lost node to be tried even with links enough, so that a split heals.
    pub heal: Option<Record>,
    /// Links to give up, the least useful first.
    pub trim: Vec<NodeId>,
    /// How many of them.
    pub surplus: usize,
    /// Cards of nodes that have room, for those that are turned away.
    pub room: Vec<Record>,
}

impl Advice {
    fn says_something(&self) -> bool {
        let nothing = self.seek.is_empty() && self.trim.is_empty() && self.room.is_empty();
        !nothing || self.heal.is_some()
    }
}

/// What is remembered between two looks.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) partial: bool,
    look_at: Time,
    dice: Dice,
}

impl Shape {
    /// Chance here only spreads links over nodes; it must differ between nodes and boots.
    pub(super) fn new(plan: &Plan, me: &NodeId, epoch: u64) -> Shape {
        let partial = plan.mode == Mode::Partial;
        Shape { partial, look_at: Time(0), dice: Dice::new(me.head() ^ epoch.rotate_left(32)) }
    }
}

/// The same number at both ends of a link: when all give up many at once, both ends choose the same ones.
fn of_pair(a: &NodeId, b: &NodeId) -> u64 {
    let mut sha = Sha256::new();
    sha.update(a.min(b).0);
    sha.update(a.max(b).0);
    let digest = sha.finalize();
    u64::from_le_bytes(digest[..8].try_into().expect("SHA-256 gives 32 bytes"))
}

/// What a node to link with should be like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// It offers room.
    Room,
    /// Of some that offer room the one with the fewest links.
    Needy,
    /// It would not refuse.
    Any,
}

/// Links counted by prefix.
#[derive(Default)]
struct Prefixes(BTreeMap<[u8; 6], usize>);

impl Prefixes {
    /// Counts one more; whether it is one too many.
    fn add(&mut self, addr: Option<&SocketAddr>) -> bool {
        let Some(prefix) = addr.and_then(prefix) else { return false };
        let count = self.0.entry(prefix).or_default();
        *count += 1;
        *count > SAME_PREFIX
    }

    fn is_full(&self, addr: Option<&SocketAddr>) -> bool {
        let count = addr.and_then(prefix).and_then(|prefix| self.0.get(&prefix));
        count.is_some_and(|count| *count >= SAME_PREFIX)
    }
}

impl Topology {
    /// Whether not everyone links with everyone here.
    pub fn is_partial(&self) -> bool {
        self.shape.partial
    }

    /// When to look at our links next.
    pub(super) fn look_at(&self) -> Option<Time> {
        let idle = self.leaving || !self.shape.partial && !self.mode_has_changed();
        (!idle).then_some(self.shape.look_at)
    }

    /// Our links have changed: in a partial mesh they are looked at soon.
    pub(super) fn look_soon(&mut self, now: Time) {
        if self.shape.partial {
            self.shape.look_at = self.shape.look_at.min(now + LOOK_SOON);
        }
    }

    /// The most links we take: told to all.
    pub(super) fn degree_max(&self) -> u16 {
        let plan = &self.policy.plan;
        if self.shape.partial {
            plan.conns_max
        } else {
            plan.full_max().unwrap_or(self.policy.degree_max)
        }
    }

    /// How many more links we would like to take: told to all.
    pub(super) fn slots_free(&self) -> u16 {
        let plan = &self.policy.plan;
        let most = if self.shape.partial { plan.most() } else { usize::from(self.degree_max()) };
        u16::try_from(most.saturating_sub(self.links.len())).unwrap_or(u16::MAX)
    }

    /// Whether the network has become small or large.
    pub(super) fn mode_has_changed(&self) -> bool {
        let live = self.graph.live_count();
        let partial = match self.policy.plan.mode {
            Mode::Full => false,
            Mode::Partial => true,
            Mode::Auto if self.shape.partial => live > FULL_UP_TO,
            Mode::Auto => live > PARTIAL_ABOVE,
        };
        partial != self.shape.partial
    }

    /// Looks at our links; tells what should become of them.
    pub(super) fn look(&mut self, now: Time, out: &mut Vec<Effect>) {
        let turned = self.mode_has_changed();
        if turned {
            self.shape.partial = !self.shape.partial;
            // How many more links we take is another number now.
            self.touch(now);
        }
        let mut advice = Advice { partial: self.shape.partial, ..Advice::default() };
        let mut wait = LOOK;
        if self.shape.partial {
            let plan = self.policy.plan;
            let outgoing = self.outgoing();
            advice.want = plan
                .wanted()
                .saturating_sub(self.links.len())
                .max(plan.outgoing_min().saturating_sub(outgoing));
            self.seek(&mut advice);
            advice.heal = self.lost();
            if turned {
                self.thin_out(&mut advice);
            } else {
                self.find_surplus(&mut advice);
            }
            advice.room = self.with_room();
            if self.links.len() < plan.outgoing_min() || outgoing == 0 {
                wait = LOOK_SOON;
            }
        }
        self.shape.look_at = now + self.shape.dice.between(wait * 4 / 5, wait * 6 / 5);
        if turned || advice.says_something() {
            out.push(Effect::Shape(Box::new(advice)));
        }
        if turned && !self.shape.partial {
            // The registry has known only some of them.
            out.push(Effect::Changed(self.graph.all()));
        }
    }

    fn outgoing(&self) -> usize {
        self.links.values().filter(|l| l.dir == Direction::Out).count()
    }

    /// Whom to link with: mostly anyone, sometimes one that is near, sometimes one that has few links.
    fn seek(&mut self, advice: &mut Advice) {
        let mut prefixes = Prefixes::default();
        let crowded = self.links.values().filter(|l| prefixes.add(Some(&l.addr))).count();
        // Links of one prefix beyond the second are no reason to do without others.
        let apart = (self.policy.plan.wanted() + crowded).saturating_sub(self.links.len());
        let want = advice.want.max(if crowded > 0 { apart } else { 0 });
        if want == 0 {
            return;
        }
        let live = self.graph.live_ids();
        let mut taken: BTreeSet<NodeId> = self.links.keys().copied().collect();
        taken.insert(self.me);
        let mut near = self.near(&taken);
        for _ in 0..(2 * want).min(SEEK_MAX) {
            let found = match self.shape.dice.below(8) {
                0 | 1 => near.pop().filter(|id| !taken.contains(id)),
                2 => self.draw(&live, &taken, &prefixes, Wish::Needy),
                _ => None,
            };
            let found = found.or_else(|| self.draw(&live, &taken, &prefixes, Wish::Room));
            let Some(id) = found else { break };
            taken.insert(id);
            if let Some(card) = self.graph.card(&id) {
                prefixes.add(card.card().and_then(|c| c.addrs.first()));
                advice.seek.push(card.clone());
            }
        }
        if advice.seek.is_empty() && advice.want > 0 {
            // Nobody has room to offer, or nobody is of another network: a company may have only the one.
            let found = self
                .draw(&live, &taken, &prefixes, Wish::Any)
                .or_else(|| self.draw(&live, &taken, &Prefixes::default(), Wish::Any));
            advice.seek.extend(found.and_then(|id| self.graph.card(&id)).cloned());
        }
        advice.want = want;
    }

    /// One of the living that fits the wish and is of a network we are not linked with enough.
    fn draw(
        &mut self,
        live: &[NodeId],
        taken: &BTreeSet<NodeId>,
        prefixes: &Prefixes,
        wish: Wish,
    ) -> Option<NodeId> {
        let mut best: Option<(usize, NodeId)> = None;
        let all = live.len() <= DRAWS;
        let first = usize::try_from(self.shape.dice.below(live.len() as u64)).unwrap_or(0);
        for n in 0..live.len().min(DRAWS) {
            // Of a few all are looked at, of many some.
            let at = if all {
                (first + n) % live.len()
            } else {
                usize::try_from(self.shape.dice.below(live.len() as u64)).unwrap_or(0)
            };
            let id = live[at];
            let Some(degree) = self.suits(&id, taken, prefixes, wish) else { continue };
            if wish != Wish::Needy {
                return Some(id);
            }
            if best.is_none_or(|(fewest, _)| degree < fewest) {
                best = Some((degree, id));
            }
        }
        best.map(|(_, id)| id)
    }

    /// How many links a node has that we could link with; none if it does not suit.
    fn suits(
        &self,
        id: &NodeId,
        taken: &BTreeSet<NodeId>,
        prefixes: &Prefixes,
        wish: Wish,
    ) -> Option<usize> {
        let card = self.graph.card(id).and_then(Record::card)?;
        let state = self.graph.link_state(id).and_then(Record::links)?;
        let stays = card.leaving_ms.is_none() && !card.addrs.is_empty();
        // Beside what it offers it lets some in, up to its limit.
        let room = state.slots_free > 0
            || wish == Wish::Any && state.links.len() < usize::from(state.degree_max);
        let open = room && !prefixes.is_full(card.addrs.first());
        (stays && open && !taken.contains(id)).then_some(state.links.len())
    }

    /// Neighbours of our nearest neighbours, the nearest last: by the sum of both round trips, which is never
    /// less than theirs.
    fn near(&self, taken: &BTreeSet<NodeId>) -> Vec<NodeId> {
        let mut links: Vec<(u32, NodeId)> = self
            .links
            .iter()
            .filter(|(_, l)| l.rtt_us > 0)
            .map(|(id, l)| (l.rtt_us, *id))
            .collect();
        links.sort_unstable();
        let mut near: Vec<(u32, NodeId)> = Vec::new();
        for (rtt_us, id) in links.into_iter().take(BEST) {
            let state = self.graph.link_state(&id).and_then(Record::links);
            let entries = state.iter().flat_map(|s| s.links.iter()).filter(|l| l.rtt_us > 0);
            let fresh = entries
                .filter(|l| self.suits(&l.peer, taken, &Prefixes::default(), Wish::Room).is_some());
            near.extend(fresh.map(|l| (rtt_us.saturating_add(l.rtt_us), l.peer)));
        }
        near.sort_unstable_by(|a, b| b.cmp(a));
        near.into_iter().map(|(_, id)| id).collect()
    }

    /// A lost node, so that splits heal: all together try about three in two seconds.
    fn lost(&mut self) -> Option<Record> {
        let live = self.graph.live_count().max(1) as u64;
        let lost = self.graph.lost_count();
        if lost == 0 || self.shape.dice.below(2 * live) >= 3 {
            return None;
        }
        // Who went together with others is more likely there than who went alone.
        let kinds = [State::Unreachable, State::Failed].map(|state| self.graph.ids_in(state));
        let ids = kinds.into_iter().find(|ids| !ids.is_empty())?;
        let pick = usize::try_from(self.shape.dice.below(ids.len() as u64)).ok()?;
        let dialable = |card: &&Record| card.card().is_some_and(|c: &Card| !c.addrs.is_empty());
        self.graph.card(ids.get(pick)?).filter(dialable).cloned()
    }

    /// Everyone had links with everyone, and now is to have some: both ends keep the same ones.
    fn thin_out(&mut self, advice: &mut Advice) {
        let mut links: Vec<NodeId> = self.links.keys().copied().collect();
        links.sort_by_key(|id| of_pair(&self.me, id));
        let keep = (self.policy.plan.wanted() + BEST).min(self.policy.plan.most());
        advice.trim = links.split_off(keep.min(links.len()));
        advice.surplus = advice.trim.len();
    }

    /// Links that we can do without, if there are too many.
    fn find_surplus(&mut self, advice: &mut Advice) {
        let plan = self.policy.plan;
        let mut prefixes = Prefixes::default();
        let mut by_age: Vec<(Time, NodeId)> =
            self.links.iter().map(|(id, l)| (l.up_at, *id)).collect();
        by_age.sort_unstable();
        let crowded: BTreeSet<NodeId> = by_age
            .iter()
            .map(|(_, id)| *id)
            .filter(|id| prefixes.add(self.links.get(id).map(|l| &l.addr)))
            .collect();
        let over = self.links.len().saturating_sub(plan.most());
        // Only where others have taken their place: a company may have only the one network.
        let apart = self.links.len() - crowded.len();
        let crowd_over = if apart >= plan.wanted() { crowded.len() } else { 0 };
        advice.surplus = over.div_ceil(2).max(crowd_over).min(TRIM_MAX);
        if advice.surplus == 0 {
            return;
        }
        let old = by_age.len().div_ceil(2);
        let mut kept: BTreeSet<NodeId> = by_age[..old].iter().map(|(_, id)| *id).collect();
        let mut by_rtt: Vec<(u32, NodeId)> = self
            .links
            .iter()
            .filter(|(_, l)| l.rtt_us > 0)
            .map(|(id, l)| (l.rtt_us, *id))
            .collect();
        by_rtt.sort_unstable();
        kept.extend(by_rtt.iter().take(BEST).map(|(_, id)| *id));
        kept.retain(|id| !crowded.contains(id));
        if self.outgoing() <= plan.outgoing_min() {
            let outgoing = self.links.iter().filter(|(_, l)| l.dir == Direction::Out);
            kept.extend(outgoing.map(|(id, _)| *id));
        }
        let listed = |id: &NodeId| {
            let state = self.graph.link_state(id).and_then(Record::links);
            state.map_or(&[][..], |state| &state.links)
        };
        let dialled_by =
            |id: &NodeId| listed(id).iter().filter(|l| l.dir == Direction::Out).count();
        // Who dialled us and has no link of its own to spare would only dial somebody else.
        let needed = |id: &NodeId, link: &Link| {
            let their_own = link.dir == Direction::In && dialled_by(id) <= plan.outgoing_min();
            !crowded.contains(id) && (their_own || listed(id).len() <= plan.wanted())
        };
        let links = self.links.iter();
        let free = links.filter(|(id, link)| !kept.contains(id) && !needed(id, link));
        let mut free: Vec<NodeId> = free.map(|(id, _)| *id).collect();
        // Who has few links needs this one more.
        free.sort_by_key(|id| (!crowded.contains(id), std::cmp::Reverse(listed(id).len())));
        let mine: Vec<NodeId> = self.links.keys().copied().collect();
        free.retain(|id| !self.graph.is_bridge(id, &mine));
        free.truncate(2 * TRIM_MAX);
        advice.trim = free;
    }

    /// Cards for those that find no room here.
    fn with_room(&mut self) -> Vec<Record> {
        if self.links.len() < self.policy.plan.most() {
            return Vec::new();
        }
        let live = self.graph.live_ids();
        let mut taken = BTreeSet::from([self.me]);
        let mut room = Vec::new();
        while room.len() < ROOM_MAX {
            let Some(id) = self.draw(&live, &taken, &Prefixes::default(), Wish::Room) else {
                break;
            };
            taken.insert(id);
            room.extend(self.graph.card(&id).cloned());
        }
        room
    }
}
