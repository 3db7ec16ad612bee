//! The laws. Some are checked whenever something changes, the rest when the network has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use kith::mesh::graph::NodeChange;
use kith::mesh::view::State;
use kith::mesh::{NodeId, Time};

use super::host::Process;
use super::net::mixed;
use super::pipe::Stage;
use super::world::World;

/// In larger networks it is not logged who shows whom as gone: it would be millions of lines.
const LOGGED_MAX: usize = 200;

/// A set of hosts.
#[derive(Clone)]
pub struct Hosts(Vec<u64>);

impl Hosts {
    pub fn none(of: usize) -> Hosts {
        Hosts(vec![0; of.div_ceil(64)])
    }

    pub fn contains(&self, host: usize) -> bool {
        self.0[host / 64] & (1 << (host % 64)) != 0
    }

    /// Whether it was not in it.
    pub fn insert(&mut self, host: usize) -> bool {
        let new = !self.contains(host);
        self.0[host / 64] |= 1 << (host % 64);
        new
    }

    /// Whether it was in it.
    pub fn remove(&mut self, host: usize) -> bool {
        let old = self.contains(host);
        self.0[host / 64] &= !(1 << (host % 64));
        old
    }

    pub fn clear(&mut self) {
        self.0.fill(0);
    }
}

/// Who is alive in the eyes of one host.
pub struct Shown {
    alive: Hosts,
    /// The sum of [`sign`] over them.
    pub sum: u64,
    /// When that changed last.
    pub since: Time,
}

/// What a host adds to the sum of a set: two sets with one sum are one set.
pub fn sign(host: usize) -> u64 {
    mixed(host as u64)
}

pub struct Laws {
    /// Hosts nothing is done to: they may never be called failed by one another.
    pub healthy: BTreeSet<usize>,
    /// Nobody crashed may be shown alive again. (Not asked for while splits and crashes mix: two
    /// components that meet may each know what the other does not.)
    pub no_ghosts: bool,
    /// Hosts that are down, and who has shown them so.
    down: BTreeMap<usize, Hosts>,
    /// Whom each host shows alive.
    pub shown: Vec<Shown>,
    /// When a link of each host has come or gone last.
    pub linked_at: Vec<Time>,
}

impl Laws {
    pub fn new(hosts: usize) -> Laws {
        let nobody = || Shown { alive: Hosts::none(hosts), sum: 0, since: Time(0) };
        Laws {
            healthy: BTreeSet::new(),
            no_ghosts: false,
            down: BTreeMap::new(),
            shown: (0..hosts).map(|_| nobody()).collect(),
            linked_at: vec![Time(0); hosts],
        }
    }

    pub fn started(&mut self, host: usize, now: Time) {
        self.down.remove(&host);
        for seen in self.down.values_mut() {
            seen.remove(host);
        }
        let shown = &mut self.shown[host];
        shown.alive.clear();
        shown.alive.insert(host);
        (shown.sum, shown.since) = (sign(host), now);
        self.linked_at[host] = now;
    }

    pub fn crashed(&mut self, host: usize) {
        self.down.insert(host, Hosts::none(self.shown.len()));
        self.healthy.remove(&host);
    }

    fn show(&mut self, host: usize, of: usize, alive: bool, now: Time) {
        if host == of {
            return;
        }
        let shown = &mut self.shown[host];
        if alive && shown.alive.insert(of) {
            shown.sum = shown.sum.wrapping_add(sign(of));
            shown.since = now;
        } else if !alive && shown.alive.remove(of) {
            shown.sum = shown.sum.wrapping_sub(sign(of));
            shown.since = now;
        }
    }
}

fn gone(state: State) -> bool {
    matches!(state, State::Failed | State::Unreachable | State::Left)
}

impl World {
    /// At most one kept connection leads to a peer.
    pub fn law_one_link(&self, host: usize, peer: NodeId) {
        let Some(process) = &self.hosts[host].process else { return };
        let kept = process.conns.values().filter(|(pipe, side)| {
            self.pipes.get(pipe).is_some_and(|p| {
                p.ends[*side].stage == Stage::Kept && self.hosts[p.ends[1 - *side].host].id == peer
            })
        });
        let kept = kept.count();
        if kept > 1 {
            self.broken(format!("n{host} holds {kept} links to {}", self.name(&peer)));
        }
        let plan = &self.hosts[host].plan;
        let most =
            if process.topology.is_partial() { Some(plan.conns_max) } else { plan.full_max() };
        // A link that broke is still told to the others for a moment, and holds no place any more.
        let up = process.conns.values().filter(|(pipe, side)| {
            self.pipes.get(pipe).is_some_and(|p| p.ends[*side].stage == Stage::Kept)
        });
        let up = up.count();
        if let Some(most) = most.filter(|most| up > usize::from(*most)) {
            self.broken(format!("n{host} has {up} links, {most} are the most"));
        }
    }

    /// What must never be shown of a node whose state changes.
    pub fn law_nodes(&mut self, host: usize, nodes: &[NodeChange]) {
        for node in nodes {
            let Some(&of) = self.by_id.get(&node.id) else {
                self.broken(format!("n{host} shows a node nobody is"));
            };
            self.laws.show(host, of, !gone(node.state), self.now);
            if gone(node.state)
                && self.laws.healthy.contains(&host)
                && self.laws.healthy.contains(&of)
            {
                self.broken(format!("n{host} calls the healthy n{of} {:?}", node.state));
            }
            if let Some(seen) = self.laws.down.get_mut(&of) {
                if gone(node.state) {
                    if seen.insert(host) && self.hosts.len() <= LOGGED_MAX {
                        let state = node.state;
                        self.log(|| format!("n{host} shows n{of} {state:?}"));
                    }
                } else if self.laws.no_ghosts && seen.contains(host) {
                    self.broken(format!("n{host} shows the dead n{of} {:?} again", node.state));
                }
            }
        }
    }

    /// Whether everybody knows that `host` is gone.
    pub fn all_show_gone(&self, of: usize, accept: &[State]) -> Result<(), String> {
        for (i, h) in self.hosts.iter().enumerate() {
            if h.alive() && !h.stopped && i != of {
                match self.sees(i, of) {
                    None => {}
                    Some(state) if accept.contains(&state) => {}
                    Some(state) => return Err(format!("n{i} shows n{of} {state:?}")),
                }
            }
        }
        Ok(())
    }

    /// Whether everybody shows `of` as alive.
    pub fn all_show_alive(&self, of: usize) -> Result<(), String> {
        for (i, h) in self.hosts.iter().enumerate() {
            if h.alive() && !matches!(self.sees(i, of), Some(State::Alive | State::Suspect)) {
                return Err(format!("n{i} shows n{of} {:?}", self.sees(i, of)));
            }
        }
        Ok(())
    }

    /// Whether every pair may be linked and is, both ends agree, and all graphs are the truth.
    pub fn at_rest(&self) -> Result<(), String> {
        let alive: Vec<usize> = (0..self.hosts.len()).filter(|i| self.hosts[*i].alive()).collect();
        let mut truth: Vec<(NodeId, NodeId)> = Vec::new();
        for &a in &alive {
            for &b in &alive {
                if a < b {
                    self.pair_at_rest(a, b, &mut truth)?;
                }
            }
        }
        truth.sort_unstable();
        let ids: BTreeSet<NodeId> = alive.iter().map(|i| self.hosts[*i].id).collect();
        let mut roots = BTreeSet::new();
        for &i in &alive {
            let process = self.hosts[i].process.as_ref().expect("alive");
            self.graph_is_truth(i, process, &ids, &truth)?;
            roots.insert(process.root);
            let (links, others) = process.peers.counts();
            if links != process.links.len() || others > 0 {
                return Err(format!(
                    "n{i} counts {links} links and {others} other connections, has {}",
                    process.links.len()
                ));
            }
        }
        if roots.len() > 1 {
            return Err(format!("{} different roots", roots.len()));
        }
        Ok(())
    }

    fn pair_at_rest(
        &self,
        a: usize,
        b: usize,
        truth: &mut Vec<(NodeId, NodeId)>,
    ) -> Result<(), String> {
        let (ida, idb) = (self.hosts[a].id, self.hosts[b].id);
        let (ab, ba) = (self.link(a, &idb), self.link(b, &ida));
        if self.never.contains(&(a, b)) || self.never.contains(&(b, a)) {
            return match (ab, ba) {
                (None, None) => Ok(()),
                _ => Err(format!("n{a} and n{b} cannot be linked, yet are")),
            };
        }
        let (Some((pa, sa)), Some((pb, sb))) = (ab, ba) else {
            return Err(format!(
                "n{a} and n{b} are not linked ({} {})",
                ab.is_some(),
                ba.is_some()
            ));
        };
        if pa != pb || sa == sb {
            return Err(format!("n{a} and n{b} disagree on which connection is their link"));
        }
        truth.push(if sa == 0 { (ida, idb) } else { (idb, ida) });
        Ok(())
    }

    fn graph_is_truth(
        &self,
        i: usize,
        process: &Process,
        ids: &BTreeSet<NodeId>,
        truth: &[(NodeId, NodeId)],
    ) -> Result<(), String> {
        let view = process.topology.view();
        if !view.alive().map(|n| &n.id).eq(ids) {
            let shown: BTreeSet<NodeId> = view.alive().map(|n| n.id).collect();
            let missing: Vec<_> = ids.difference(&shown).map(|id| self.name(id)).collect();
            let ghosts: Vec<_> = shown.difference(ids).map(|id| self.name(id)).collect();
            return Err(format!("n{i} does not show {missing:?} and wrongly shows {ghosts:?}"));
        }
        if let Some(half) = view.links.iter().find(|l| !l.confirmed) {
            let (from, to) = (self.name(&half.from), self.name(&half.to));
            return Err(format!("n{i} shows the half-open edge {from} -> {to}"));
        }
        let edges = || view.links.iter().map(|l| (l.from, l.to));
        if !edges().eq(truth.iter().copied()) {
            let text = |e: (NodeId, NodeId)| format!("{}->{}", self.name(&e.0), self.name(&e.1));
            let missing = truth.iter().copied().find(|e| edges().all(|edge| edge != *e)).map(text);
            let wrong = edges().find(|e| !truth.contains(e)).map(text);
            return Err(format!("n{i} lacks the edge {missing:?} or has the wrong {wrong:?}"));
        }
        Ok(())
    }

    /// Bounds that hold at any time.
    pub fn bounded(&self, dials_max: u64, announcements_max: u64) {
        let counts = self.counts;
        if counts.dials > dials_max {
            self.broken(format!("{} dials, {dials_max} would be many", counts.dials));
        }
        if counts.announcements > announcements_max {
            self.broken(format!(
                "{} announcements, {announcements_max} would be many",
                counts.announcements
            ));
        }
        self.law_timers();
    }

    /// No core wakes so often that it spins.
    pub fn law_timers(&self) {
        let seconds = self.now.0 / 1_000_000 + 1;
        let wakes_max = 300 * seconds * self.hosts.len() as u64;
        let wakes = self.counts.wakes;
        if wakes > wakes_max {
            self.broken(format!("{wakes} timer turns in {seconds} s: a core spins"));
        }
    }
}
