//! What is true, and who knows it: the large network's form of [`World::at_rest`]. Nothing is compared for
//! each pair; a host's graph is compared with the truth until the first difference, and the next time there.

use std::time::Duration;

use kith::mesh::NodeId;
use kith::mesh::record::{Direction, Record};
use kith::mesh::tree::TreeCounts;

use super::laws::sign;
use super::world::World;

/// The network as it is at one moment.
pub struct Truth {
    /// Of each host the links that both ends hold, as its link state should list them.
    pub links: Vec<Vec<(NodeId, Direction)>>,
    /// The other ends' numbers.
    pub peers: Vec<Vec<u32>>,
    /// Of each running host its own newest link state, and whether that is the truth.
    own: Vec<Option<(Record, bool)>>,
    /// The hosts that run, and the sum of their signs, on each side of a split.
    sums: [(usize, u64); SIDES],
}

/// Most sides of a split.
const SIDES: usize = 256;

/// News that came over the tree, of all hosts since they started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pushes {
    /// Came for the first time.
    pub firsts: u64,
    /// Had come before.
    pub duplicates: u64,
    /// Links over which the former came, added up.
    pub hops: u64,
    /// Was asked for because only its name came.
    pub grafts: u64,
}

impl Pushes {
    /// Adds what one host has counted.
    pub fn add(&mut self, counts: &TreeCounts) {
        self.firsts += counts.firsts;
        self.duplicates += counts.duplicates;
        self.hops += counts.hops;
        self.grafts += counts.grafts;
    }

    /// What was added to `before`.
    pub fn since(&self, before: &Pushes) -> Pushes {
        Pushes {
            firsts: self.firsts - before.firsts,
            duplicates: self.duplicates - before.duplicates,
            hops: self.hops - before.hops,
            grafts: self.grafts - before.grafts,
        }
    }
}

impl World {
    /// What all hosts have counted of the tree, those included that are no more.
    pub fn tree_counts(&self) -> Pushes {
        let mut sum = self.counts.ended;
        for process in self.hosts.iter().filter_map(|host| host.process.as_ref()) {
            sum.add(&process.topology.tree_counts());
        }
        sum
    }

    /// Looks at everything as it is now.
    pub fn truth(&self) -> Truth {
        let hosts = self.hosts.len();
        let mut truth = Truth {
            links: vec![Vec::new(); hosts],
            peers: vec![Vec::new(); hosts],
            own: vec![None; hosts],
            sums: [(0, 0); SIDES],
        };
        for (i, host) in self.hosts.iter().enumerate() {
            let Some(process) = &host.process else { continue };
            let side = &mut truth.sums[usize::from(self.net.side(i))];
            *side = (side.0 + 1, side.1.wrapping_add(sign(i)));
            for (peer, conn) in &process.links {
                let Some(&(pipe, end)) = process.conns.get(conn) else { continue };
                let Some(p) = self.pipes.get(&pipe) else { continue };
                let other = p.ends[1 - end].host;
                if self.link(other, &host.id) == Some((pipe, 1 - end)) {
                    let dir = if end == 0 { Direction::Out } else { Direction::In };
                    truth.links[i].push((*peer, dir));
                    truth.peers[i].push(u32::try_from(other).expect("few hosts"));
                }
            }
            let graph = process.topology.graph();
            truth.own[i] = graph.link_state(&host.id).map(|record| {
                let honest = lists(record, &truth.links[i]);
                (record.clone(), honest)
            });
        }
        truth
    }

    /// Whether a host shows exactly those alive that run on its side of the network.
    pub fn knows_members(&self, host: usize, truth: &Truth) -> bool {
        self.laws.shown[host].sum == truth.sums[usize::from(self.net.side(host))].1
    }

    /// Whether a host's graph has exactly the links there are, beginning with the host that differed last.
    /// Links of a host whose own have changed within `lately` may be known or not.
    pub fn knows_links(
        &self,
        host: usize,
        truth: &Truth,
        differed: &mut u32,
        lately: Duration,
    ) -> bool {
        let Some(process) = &self.hosts[host].process else { return false };
        let (graph, side) = (process.topology.graph(), self.net.side(host));
        let hosts = self.hosts.len();
        let right = |of: usize| {
            let Some((own, honest)) = &truth.own[of] else { return true };
            if self.net.side(of) != side || self.now.since(self.laws.linked_at[of]) < lately {
                return true;
            }
            graph.link_state(&self.hosts[of].id).is_some_and(|known| {
                let same = std::sync::Arc::ptr_eq(known.signed(), own.signed());
                if same { *honest } else { lists(known, &truth.links[of]) }
            })
        };
        let first = *differed as usize % hosts;
        match (first..hosts).chain(0..first).find(|of| !right(*of)) {
            Some(of) => {
                *differed = u32::try_from(of).expect("few hosts");
                false
            }
            None => true,
        }
    }
}

fn lists(record: &Record, links: &[(NodeId, Direction)]) -> bool {
    let listed = record.links().map_or(&[][..], |state| &state.links);
    listed.iter().map(|l| (l.peer, l.dir)).eq(links.iter().copied())
}

impl Truth {
    /// How many hosts run.
    pub fn running(&self) -> usize {
        self.own.iter().filter(|own| own.is_some()).count()
    }

    /// How many links each running host has: by that number, how many hosts.
    pub fn degrees(&self) -> Vec<usize> {
        let mut degrees = Vec::new();
        for (links, _) in self.links.iter().zip(&self.own).filter(|(_, own)| own.is_some()) {
            if degrees.len() <= links.len() {
                degrees.resize(links.len() + 1, 0);
            }
            degrees[links.len()] += 1;
        }
        degrees
    }

    /// Into how many parts the links leave the running hosts.
    pub fn components(&self) -> usize {
        let mut seen = vec![false; self.peers.len()];
        let mut components = 0;
        for first in 0..self.peers.len() {
            if self.own[first].is_none() || seen[first] {
                continue;
            }
            components += 1;
            let mut queue = vec![first];
            seen[first] = true;
            while let Some(host) = queue.pop() {
                for &peer in &self.peers[host] {
                    if !std::mem::replace(&mut seen[peer as usize], true) {
                        queue.push(peer as usize);
                    }
                }
            }
        }
        components
    }
}
