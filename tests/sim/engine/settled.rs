//! A network that has been there for long. A cold start costs what all its changes cost everybody, a hundred times
//! as much for ten times as many nodes; what happens to a network afterwards can be looked at without it.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use kith::mesh::record::Record;
use kith::mesh::{peers, topology};

use super::world::{Act, World};

/// Dials, handshakes and the first announcements take no longer.
const LINKING: Duration = Duration::from_secs(3);
/// So many nodes are a large network to everybody.
pub const MANY: usize = 64;
/// Until everybody has found out.
const TURNING: Duration = Duration::from_secs(2);
/// So much later than one the next is given everything. (What nobody has derived anything from yet takes most memory.)
const APART: Duration = Duration::from_millis(1);

impl World {
    /// Starts all these hosts, has each dial others chosen by chance until it has about `degree` links, and gives each
    /// the cards and link states of all. Links and records are made as ever; only that they spread is left out. `tell`
    /// hears how many hosts have been given everything.
    pub fn settle(
        &mut self,
        hosts: Range<usize>,
        degree: usize,
        tell: &mut dyn FnMut(&World, usize),
    ) {
        let weather = self.net.weather.gossip_loss_permille;
        self.net.weather.gossip_loss_permille = 1000;
        for host in hosts.clone() {
            self.start(host);
        }
        for _ in 0..degree / 2 {
            self.link_in_a_ring(hosts.clone());
        }
        self.run_for(LINKING);
        let some = self.records_of(hosts.clone().take(MANY));
        for host in hosts.clone() {
            self.teach(host, &some);
        }
        self.run_for(TURNING);
        let all = self.records_of(hosts.clone());
        for (i, host) in hosts.enumerate() {
            self.teach(host, &all);
            self.run_for(APART);
            tell(self, i + 1);
        }
        self.net.weather.gossip_loss_permille = weather;
    }

    fn link_in_a_ring(&mut self, hosts: Range<usize>) {
        let mut ring: Vec<usize> = hosts.collect();
        self.dice.shuffle(&mut ring);
        for (i, &host) in ring.iter().enumerate() {
            let addr = self.hosts[ring[(i + 1) % ring.len()]].addr;
            let connect = peers::Command::Connect { addr, ticket: 0 };
            self.act(host, Act::Peers(peers::Event::Command(connect)));
        }
    }

    /// What these hosts say of themselves.
    fn records_of(&self, hosts: impl Iterator<Item = usize>) -> Vec<Record> {
        let own = |host: usize| {
            let graph = self.hosts[host].process.as_ref().expect("it was started").topology.graph();
            let id = &self.hosts[host].id;
            graph.card(id).into_iter().chain(graph.link_state(id)).cloned().collect::<Vec<_>>()
        };
        hosts.flat_map(own).collect()
    }

    fn teach(&mut self, host: usize, records: &[Record]) {
        let id = self.hosts[host].id;
        let others = records.iter().filter(|record| record.id() != id).cloned();
        let learned = |record| Act::Topology(topology::Event::Learned { record });
        self.turn(host, others.map(learned).collect::<VecDeque<_>>());
    }
}
