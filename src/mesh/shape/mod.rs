//! Which links a node should have: with everyone in a small network, with about eight in a large one.
//!
//! The graph is here, so here is decided whom to seek and which links there are too many of; the registry
//! ([`super::peers`]) knows what is being dialled and keeps the limits.

mod plan;
mod seek;
mod surplus;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use plan::{FULL_UP_TO, PARTIAL_ABOVE, SMALL_FOR};
pub use plan::{Mode, Plan, SAME_PREFIX, prefix};

use super::dice::Dice;
use super::record::{Card, Direction, Record};
use super::topology::{Effect, Topology};
use super::view::State;
use super::{NodeId, Time};

/// Time between two looks at our links, while there are enough and while there are too few.
const LOOK: Duration = Duration::from_secs(1);
const LOOK_SOON: Duration = Duration::from_millis(200);
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
    /// Since when the network is small, and whether that is long enough.
    small_since: Option<Time>,
    is_small: bool,
    pub(super) dice: Dice,
}

impl Shape {
    /// Chance here only spreads links over nodes; it must differ between nodes and boots.
    pub(super) fn new(plan: &Plan, me: &NodeId, epoch: u64) -> Shape {
        let partial = plan.mode == Mode::Partial;
        let dice = Dice::new(me.head() ^ epoch.rotate_left(32));
        Shape { partial, look_at: Time(0), small_since: None, is_small: false, dice }
    }
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

    /// Whether the network has become large, or has been small for a while.
    pub(super) fn mode_has_changed(&self) -> bool {
        let partial = match self.policy.plan.mode {
            Mode::Full => false,
            Mode::Partial => true,
            Mode::Auto if self.shape.partial => !self.shape.is_small,
            Mode::Auto => self.graph.size() > PARTIAL_ABOVE,
        };
        partial != self.shape.partial
    }

    /// Notes since when the network is small. In a large one that has just started, or fell apart for a moment,
    /// each part is small, too: if everyone in it linked with everyone, that would keep the parts from meeting.
    fn note_size(&mut self, now: Time) {
        let small = self.shape.partial && self.graph.size() <= FULL_UP_TO;
        let since = self.shape.small_since.filter(|_| small);
        self.shape.small_since = since.or(small.then_some(now));
        self.shape.is_small = self.shape.small_since.is_some_and(|at| now.since(at) >= SMALL_FOR);
    }

    /// Looks at our links; tells what should become of them.
    pub(super) fn look(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.note_size(now);
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
            out.push(Effect::Known(self.graph.all()));
        }
    }

    fn outgoing(&self) -> usize {
        self.links.values().filter(|l| l.dir == Direction::Out).count()
    }

    /// Our neighbours, the oldest link first.
    fn by_age(&self) -> Vec<NodeId> {
        let mut links: Vec<(Time, NodeId)> =
            self.links.iter().map(|(id, l)| (l.up_at, *id)).collect();
        links.sort_unstable();
        links.into_iter().map(|(_, id)| id).collect()
    }

    /// Our neighbours by the round trip in microseconds, the shortest first, as far as it is measured.
    fn by_rtt(&self) -> Vec<(u32, NodeId)> {
        let measured = self.links.iter().filter(|(_, l)| l.rtt_us > 0);
        let mut links: Vec<(u32, NodeId)> = measured.map(|(id, l)| (l.rtt_us, *id)).collect();
        links.sort_unstable();
        links
    }

    /// The networks our links lead to, and those links, the youngest, that are too many for one of them.
    fn crowd(&self) -> (Prefixes, BTreeSet<NodeId>) {
        let mut prefixes = Prefixes::default();
        let too_many = |id: &NodeId| prefixes.add(self.links.get(id).map(|l| &l.addr));
        let crowd = self.by_age().into_iter().filter(too_many).collect();
        (prefixes, crowd)
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
        let pick = self.shape.dice.index(ids.len());
        let dialable = |card: &&Record| card.card().is_some_and(|c: &Card| !c.addrs.is_empty());
        self.graph.card(ids.get(pick)?).filter(dialable).cloned()
    }
}
