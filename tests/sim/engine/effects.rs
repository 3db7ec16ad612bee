//! What the effects of one core mean for the others and for the network: the wiring the actors do.

use std::collections::VecDeque;

use kith::mesh::gossip::{Beat, Gossip};
use kith::mesh::record::{Kind, Signed};
use kith::mesh::route::{Routed, Word};
use kith::mesh::{NodeId, peers, pulse, topology};

use super::pipe::{Item, Stage};
use super::world::{Act, World};

impl World {
    pub fn peers_effects(
        &mut self,
        host: usize,
        effects: Vec<peers::Effect>,
        todo: &mut VecDeque<Act>,
    ) {
        use peers::Effect;
        for effect in effects {
            match effect {
                Effect::Dial { conn, addr, expect } => self.dial(host, conn, addr, expect),
                Effect::Admit(_) => {}
                Effect::Keep(conn) => self.keep(host, conn),
                Effect::Close { conn, bye } => self.close(host, conn, bye, todo),
                Effect::Up { peer, conn, dir, rtt_us, addr, card } => {
                    let name = self.name(&peer);
                    self.log(|| format!("n{host} up {name} {dir:?} conn {conn}"));
                    let process = self.hosts[host].process.as_mut().expect("it spoke");
                    process.links.insert(peer, conn);
                    self.laws.linked_at[host] = self.now;
                    todo.push_back(Act::Pulse(pulse::Event::LinkUp { peer, dir, rtt_us }));
                    todo.push_back(Act::Topology(topology::Event::LinkUp {
                        peer,
                        dir,
                        rtt_us,
                        addr,
                        card,
                    }));
                    self.law_one_link(host, peer);
                }
                Effect::Down { peer, why } => {
                    let name = self.name(&peer);
                    self.log(|| format!("n{host} down {name} {why:?}"));
                    let process = self.hosts[host].process.as_mut().expect("it spoke");
                    process.links.remove(&peer);
                    self.laws.linked_at[host] = self.now;
                    todo.push_back(Act::Pulse(pulse::Event::LinkDown { peer }));
                    todo.push_back(Act::Topology(topology::Event::LinkDown {
                        peer,
                        lost: why.is_loss(),
                    }));
                }
                Effect::CallBack(target) => {
                    let name = self.name(&target);
                    self.log(|| format!("n{host} has {name} called"));
                    todo.push_back(Act::Topology(topology::Event::CallBack { target }));
                }
                Effect::WhoIs(ids) => {
                    todo.push_back(Act::Topology(topology::Event::WhoIs { ids }));
                }
                Effect::Reachable(addrs) => {
                    todo.push_back(Act::Topology(topology::Event::Reachable { addrs }));
                }
                Effect::Learned(record) => {
                    todo.push_back(Act::Topology(topology::Event::Learned { record }));
                }
                Effect::Remember { .. } | Effect::Connected { .. } => {}
                Effect::Notice(text) => self.notice(host, text),
            }
        }
    }

    pub fn topology_effects(
        &mut self,
        host: usize,
        effects: Vec<topology::Effect>,
        todo: &mut VecDeque<Act>,
    ) {
        use topology::Effect;
        let me = self.hosts[host].id;
        let mut announced = false;
        for effect in effects {
            match effect {
                Effect::Send { peer, gossip } => {
                    announced |= is_own(&gossip, &self.hosts[host].key);
                    self.counts.gossip += 1;
                    if let Gossip::Route(Routed::Out { way, word: Word::CallMe(_), .. }) = &gossip {
                        self.counts.calls += 1;
                        if self.mute_calls && way.len() == 1 {
                            continue;
                        }
                    }
                    if self.net.weather.gossip_loss_permille <= self.dice.below(1000) {
                        self.send_frame(host, me, &peer, Item::Gossip(Box::new(gossip)));
                    }
                }
                Effect::Root(root) => {
                    self.hosts[host].process.as_mut().expect("it spoke").root = root;
                }
                Effect::Changed(nodes) | Effect::Known(nodes) => {
                    self.law_nodes(host, &nodes);
                    todo.push_back(Act::Peers(peers::Event::Graph(nodes)));
                }
                Effect::Shape(advice) => {
                    let process = self.hosts[host].process.as_mut().expect("it spoke");
                    process.room.clone_from(&advice.room);
                    todo.push_back(Act::Peers(peers::Event::Shape(advice)));
                }
                Effect::Dropped { peer } => {
                    todo.push_back(Act::Pulse(pulse::Event::Dropped { peer }));
                }
                Effect::Heard(said) => {
                    self.counts.casts += 1;
                    if said.shout {
                        self.shouts.heard(self.now, &said);
                        *self.casts.entry((host, said.text)).or_default() += 1;
                    }
                }
                Effect::Called { card } => {
                    todo.push_back(Act::Peers(peers::Event::Called { card }));
                }
                Effect::Epoch(epoch) => {
                    let process = self.hosts[host].process.as_mut().expect("it spoke");
                    process.peers.set_epoch(epoch);
                }
                Effect::Traced { ticket, outcome } => {
                    self.traced.insert(ticket, outcome);
                }
                Effect::Notice(text) => self.notice(host, text),
            }
        }
        self.counts.announcements += u64::from(announced);
    }

    pub fn pulse_effects(
        &mut self,
        host: usize,
        effects: Vec<pulse::Effect>,
        todo: &mut VecDeque<Act>,
    ) {
        use pulse::Effect;
        let me = self.hosts[host].id;
        for effect in effects {
            match effect {
                Effect::Send { peer, beat } => {
                    self.counts.beats += 1;
                    let process = self.hosts[host].process.as_ref().expect("it spoke");
                    let beat = match beat {
                        Beat::Ping { rtt_us, .. } => Beat::Ping {
                            sent_us: process.clock(self.now).0,
                            rtt_us,
                            root: process.root,
                        },
                        other => other,
                    };
                    self.send_frame(host, me, &peer, Item::Beat(Box::new(beat)));
                }
                Effect::Witnesses { of } => {
                    let process = self.hosts[host].process.as_ref().expect("it spoke");
                    let neighbours = process.topology.neighbours(&of);
                    todo.push_back(Act::Pulse(pulse::Event::Witnesses { of, neighbours }));
                }
                Effect::Measured { peer, rtt_us } => {
                    todo.push_back(Act::Peers(peers::Event::Measured { peer, rtt_us }));
                    todo.push_back(Act::Topology(topology::Event::Measured { peer, rtt_us }));
                }
                Effect::Silent { peer, silent, vouched } => {
                    self.counts.silents += 1;
                    let name = self.name(&peer);
                    self.log(|| format!("n{host} silent {name} {silent:?} {vouched}"));
                    todo.push_back(Act::Peers(peers::Event::Silent { peer, silent, vouched }));
                }
                Effect::Evidence { peer, text } => {
                    self.counts.evidence += 1;
                    todo.push_back(Act::Peers(peers::Event::Note { peer, text }));
                }
                Effect::Health(health) => todo.push_back(Act::Peers(peers::Event::Health(health))),
                Effect::Probed { .. } => {}
            }
        }
    }

    fn notice(&mut self, host: usize, text: String) {
        self.counts.notices += 1;
        self.log(|| format!("n{host} says: {text}"));
        if self.notices.len() < 10_000 {
            self.notices.push((host, text));
        }
    }

    /// Writes a frame on the current link to a peer, if there is one.
    fn send_frame(&mut self, host: usize, me: NodeId, peer: &NodeId, item: Item) {
        debug_assert_ne!(me, *peer);
        if let Some((pipe, side)) = self.link(host, peer)
            && self.pipes.get(&pipe).is_some_and(|p| p.ends[side].stage == Stage::Kept)
        {
            self.transmit(pipe, side, item);
        }
    }
}

/// Whether this tells the sender's own links anew.
fn is_own(gossip: &Gossip, key: &[u8; 32]) -> bool {
    let own = |signed: &Signed| signed.key == *key && signed.kind != Kind::Cast;
    match gossip {
        Gossip::Records(records) => records.len() <= 2 && records.iter().all(|r| own(r)),
        Gossip::Push(pushed) => pushed.iter().any(|p| p.hops <= 1 && own(&p.signed)),
        _ => false,
    }
}
