//! What is done to the nodes and to the network.

use std::time::Duration;

use super::kith::mail::courier::{Courier, Home};
use super::kith::mail::event::Event;
use super::kith::mesh::view::{LinkView, NodeView, Offers, State, View};
use super::{Due, World, id, ms, pair};

impl World {
    /// Starts every node, and links them.
    pub fn start_all(&mut self) {
        for n in 0..self.nodes.len() {
            self.start(n);
        }
        self.run_for(ms(300));
    }

    /// Starts a node with what is on its disk, or starts it again.
    pub fn start(&mut self, n: usize) {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.dice.below(u64::MAX).to_le_bytes());
        let home = Home { me: id(n), start_ms: self.clock(n), seed };
        let now = self.now;
        self.log(|| format!("n{n} starts"));
        let node = &mut self.nodes[n];
        node.boot += 1;
        node.started = now;
        node.armed = None;
        node.core = Some(Courier::new(home, node.policy, node.disk.recall()));
        let can = |w: &World, o: &usize| *o != n && w.is_up(*o) && !w.never.contains(&pair(n, *o));
        let mut others: Vec<usize> = (0..self.nodes.len()).filter(|o| can(self, o)).collect();
        if others.len() > self.first_links {
            self.dice.shuffle(&mut others);
            others.truncate(self.first_links);
        }
        for other in others {
            let delay = self.between(self.weather.delay) * 3;
            self.plan(now + delay, Due::Link { a: n, b: other });
        }
        self.news();
        self.perform(n, Vec::new());
    }

    /// kill -9. The others know after a while.
    pub fn crash(&mut self, n: usize, known: Duration) {
        if !self.is_up(n) {
            return;
        }
        self.log(|| format!("n{n} crashes, known in {known:?}"));
        self.torn(n);
        // Nobody answers them any more.
        self.laws.asked.retain(|_, asked| *asked != n);
        self.nodes[n].core = None;
        // What was not on the disk is forgotten.
        self.nodes[n].turned.clear();
        self.nodes[n].boot += 1;
        for other in 0..self.nodes.len() {
            if self.links.remove(&pair(n, other)).is_some() {
                self.down(other, n, known);
            }
        }
        self.plan(self.now + known, Due::News);
    }

    /// Links two, if they are up and can be.
    pub fn link(&mut self, a: usize, b: usize) {
        let between = pair(a, b);
        let can = a != b && self.is_up(a) && self.is_up(b) && !self.never.contains(&between);
        if !can || self.links.contains_key(&between) {
            return;
        }
        self.links.insert(between, self.planned + 1);
        self.log(|| format!("n{a} and n{b} are linked"));
        self.tell(a, Duration::ZERO, Event::LinkUp { peer: id(b) });
        self.tell(b, Duration::ZERO, Event::LinkUp { peer: id(a) });
        self.news();
    }

    /// Breaks a link.
    pub fn unlink(&mut self, a: usize, b: usize) {
        if self.links.remove(&pair(a, b)).is_some() {
            self.log(|| format!("the link of n{a} and n{b} breaks"));
            self.down(a, b, ms(1));
            self.down(b, a, ms(1));
            self.news();
        }
    }

    fn down(&mut self, to: usize, peer: usize, after: Duration) {
        let boot = self.nodes[to].boot;
        self.plan(self.now + after, Due::Down { to, boot, peer });
    }

    /// They cannot be linked any more, or can again.
    pub fn part(&mut self, a: usize, b: usize, never: bool) {
        if never {
            self.never.insert(pair(a, b));
            self.unlink(a, b);
        } else {
            self.never.remove(&pair(a, b));
            if self.first_links > 0 {
                self.link(a, b);
            }
        }
    }

    /// Sets a node's clock.
    pub fn set_clock(&mut self, n: usize, skew_ms: i64) {
        self.log(|| format!("n{n}: its clock is {skew_ms} ms off now"));
        self.nodes[n].skew_ms = skew_ms;
        let unix_ms = self.clock(n);
        self.give(n, Event::WallClock(unix_ms));
    }

    /// Other rules from now on.
    pub fn configure(&mut self, n: usize, change: impl FnOnce(&mut super::Policy)) {
        change(&mut self.nodes[n].policy);
        let policy = self.nodes[n].policy;
        self.give(n, Event::Configure(policy));
        self.news();
    }

    /// The network as it is.
    pub fn view(&self) -> View {
        let there = self.nodes.iter().enumerate().filter(|(_, node)| node.boot > 0);
        let mut nodes: Vec<NodeView> = there
            .map(|(n, node)| NodeView {
                id: id(n),
                label: String::new(),
                state: if node.core.is_some() { State::Alive } else { State::Failed },
                addrs: vec![node.addr],
                since_ms: 0,
                offers: Offers {
                    relay: node.policy.volunteer,
                    mailbox: node.policy.mailbox,
                    keys: node.published.clone(),
                },
            })
            .collect();
        nodes.sort_by_key(|node| node.id);
        let confirmed = |(a, b): &(usize, usize)| {
            let (from, to) = (id(*a), id(*b));
            LinkView { from, to, rtt_us: 1000, confirmed: true }
        };
        let mut links: Vec<LinkView> = self.links.keys().map(confirmed).collect();
        links.sort_by_key(|link| (link.from, link.to));
        View { me: id(0), nodes, links, changed_ms: 0 }
    }
}
