//! What is done to the hosts and the network.

use std::net::SocketAddr;
use std::time::Duration;

use kith::mesh::book::Book;
use kith::mesh::{peers, topology};
use kith::wire::bounded::Text;

use super::host::Host;

use super::pipe::{Item, ToProcess};
use super::world::{Act, World};

impl World {
    /// Starts (or restarts) a daemon.
    pub fn start(&mut self, host: usize) {
        let seed = self.dice.below(u64::MAX);
        let now = self.now;
        self.log(|| format!("n{host} starts"));
        let checked = self.checked.clone();
        self.hosts[host].boot(now, &format!("n{host}"), seed, &self.policies, checked);
        self.laws.started(host, now);
        self.act(host, Act::Peers(peers::Event::Start));
    }

    /// Gives a host that does not run another address.
    pub fn move_host(&mut self, host: usize, addr: SocketAddr) {
        self.by_addr.remove(&self.hosts[host].addr);
        self.by_addr.insert(addr, host);
        self.hosts[host].addr = addr;
    }

    /// kill -9: every connection is reset.
    pub fn crash(&mut self, host: usize) {
        self.log(|| format!("n{host} crashes"));
        self.end_process(host, Item::Rst);
        self.laws.crashed(host);
    }

    fn end_process(&mut self, host: usize, last: Item) {
        let Some(process) = self.hosts[host].process.take() else { return };
        self.counts.ended.add(&process.topology.tree_counts());
        let epoch = self.hosts[host].book.epoch;
        self.hosts[host].book = process.peers.book().clone();
        self.hosts[host].book.epoch = epoch.max(process.peers.book().epoch);
        for (pipe, side) in process.conns.values() {
            self.abandon(*pipe, *side, last.clone());
        }
        self.hosts[host].stopped = false;
        self.hosts[host].inbox.clear();
    }

    /// SIGTERM: says goodbye, flushes, ends.
    pub fn leave(&mut self, host: usize) {
        self.log(|| format!("n{host} leaves"));
        self.act(host, Act::Peers(peers::Event::Leave { forget: false }));
        self.act(host, Act::Topology(topology::Event::Leave));
        let process = self.hosts[host].process.as_ref().expect("it runs");
        let conns: Vec<_> = process.conns.values().copied().collect();
        for (pipe, side) in conns {
            self.transmit(pipe, side, Item::Bye(peers::Bye::Leaving, Vec::new()));
        }
        self.end_process(host, Item::Fin);
        self.hosts[host].left = true;
        self.laws.crashed(host);
    }

    /// SIGSTOP: the kernel goes on, the process does not.
    pub fn stop(&mut self, host: usize) {
        self.log(|| format!("n{host} is stopped"));
        self.hosts[host].stopped = true;
    }

    /// SIGCONT. Either the late timers or what the sockets hold is looked at first.
    pub fn go_on(&mut self, host: usize) {
        self.log(|| format!("n{host} goes on"));
        self.hosts[host].stopped = false;
        let mut inbox = std::mem::take(&mut self.hosts[host].inbox);
        if self.dice.below(2) == 0 {
            inbox.sort_by_key(|what| matches!(what, ToProcess::Net { .. }));
        }
        let boot = self.hosts[host].boots;
        for what in inbox {
            self.give(host, boot, what);
        }
    }

    /// Cuts every path between the two groups, or heals it.
    pub fn split(&mut self, one: &[usize], other: &[usize], cut: bool) {
        self.log(|| format!("{one:?} | {other:?}: cut = {cut}"));
        for &a in one {
            for &b in other {
                self.net.cut(a, b, cut);
                self.net.cut(b, a, cut);
            }
        }
    }

    /// Starts every host within `span`, each dialling the first few.
    pub fn start_all(&mut self, span: Duration, seeds: usize) {
        let hosts = self.hosts.len();
        let addrs: Vec<_> = self.hosts[..seeds].iter().map(|h| h.addr).collect();
        let mut order: Vec<usize> = (0..hosts).collect();
        self.dice.shuffle(&mut order);
        for host in order {
            self.hosts[host].seeds.clone_from(&addrs);
            let pause = self.dice.between(Duration::ZERO, span / hosts as u32 * 2);
            self.run_for(pause);
            self.start(host);
        }
    }

    /// Starts it if it is down, lets it go on if it is stopped.
    pub fn revive(&mut self, host: usize) {
        if !self.hosts[host].alive() {
            self.start(host);
        } else if self.hosts[host].stopped {
            self.go_on(host);
        }
    }

    /// The state directory is gone; the key was kept elsewhere.
    pub fn lose_disk(&mut self, host: usize) {
        self.hosts[host].book = Book::default();
    }

    /// The second host is started with the first one's key.
    pub fn same_key(&mut self, first: usize, second: usize) {
        self.by_id.remove(&self.hosts[second].id);
        let (key, addr) = (self.hosts[first].key, self.hosts[second].addr);
        self.hosts[second] = Host::new(key, addr);
    }

    pub fn shout(&mut self, host: usize, text: &str) {
        self.shouts.said(self.now, text);
        let text = Text::new(text).expect("short");
        self.act(host, Act::Topology(topology::Event::Shout { text }));
    }

    pub fn dice_pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.dice.below(items.len() as u64) as usize]
    }
}
