//! The connection's side of the story: dial, handshake in two phases, frames, goodbyes.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use kith::mesh::gossip::Beat;
use kith::mesh::peers::{Bye, Ended, Event};
use kith::mesh::record::Record;
use kith::mesh::{ConnId, NodeId, Time, pulse, topology};

use super::pipe::{Due, End, Item, Lane, Pipe, PipeId, Stage, ToProcess};
use super::traffic::weigh;
use super::world::{Act, World};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const SYN_RTO: Duration = Duration::from_secs(1);
const DATA_RTO: Duration = Duration::from_millis(200);
const RTO_MAX: Duration = Duration::from_secs(120);

impl World {
    pub fn dial(&mut self, host: usize, conn: ConnId, addr: SocketAddr, expect: Option<NodeId>) {
        self.counts.dials += 1;
        self.log(|| format!("n{host} dials {addr}"));
        let Some(&to) = self.by_addr.get(&addr) else {
            self.broken(format!("n{host} dials {addr}, which nobody ever told"));
        };
        let process = self.hosts[host].process.as_mut().expect("it spoke");
        let boot = process.boot;
        let end = |host, boot, conn, stage| End {
            host,
            boot,
            conn,
            stage,
            card: None,
            hello_at: Time(0),
        };
        let ends = [end(host, boot, conn, Stage::Syn), end(to, 0, 0, Stage::Closed)];
        let lanes = [Lane { rto: SYN_RTO, ..Lane::default() }, Lane::default()];
        let pipe = self.pipes.insert(Pipe { expect, ends, lanes, young: true });
        process.conns.insert(conn, (pipe, 0));
        self.plan(self.now + HANDSHAKE_TIMEOUT, Due::Timeout { pipe, side: 0 });
        self.transmit(pipe, 0, Item::Syn);
    }

    /// Puts something on the wire, behind what is there already.
    pub fn transmit(&mut self, pipe: PipeId, side: usize, item: Item) {
        let now = self.now;
        let Some(p) = self.pipes.get_mut(&pipe) else { return };
        let (from, to) = (p.ends[side].host, p.ends[1 - side].host);
        let lane = &mut p.lanes[side];
        let connect = matches!(item, Item::Syn) || (side == 0 && p.ends[0].stage == Stage::Syn);
        let closed = self.net.is_cut(from, to) || connect && !self.net.may_connect(from, to);
        if matches!(item, Item::Rst) {
            lane.waiting.clear();
            if closed {
                return; // Nobody sends a reset twice.
            }
        } else if lane.blocked && !closed && !connect {
            // What gets through tells the sender what did not: one more round trip (RFC 8985).
            lane.waiting.push_back(item);
            lane.blocked = false;
            lane.last = lane.last.max(now + Duration::from_millis(20));
            for item in std::mem::take(&mut lane.waiting) {
                self.transmit(pipe, side, item);
            }
            return;
        } else if lane.blocked || closed {
            lane.waiting.push_back(item);
            if !lane.blocked {
                lane.blocked = true;
                if lane.rto.is_zero() || !connect {
                    lane.rto = DATA_RTO;
                }
                let at = now + lane.rto;
                self.plan(at, Due::Retransmit { pipe, side });
            }
            return;
        }
        let (kind, bytes) = weigh(&item);
        let tally = &mut self.traffic[kind as usize];
        tally.messages += 1;
        tally.bytes += bytes;
        let delay = self.net.delay(from, to, &mut self.dice);
        let lane = &mut self.pipes.get_mut(&pipe).expect("just seen").lanes[side];
        lane.last = (now + delay).max(lane.last + Duration::from_micros(1));
        let at = lane.last;
        self.plan(at, Due::Arrive { pipe, side: 1 - side, item });
    }

    pub fn retransmit(&mut self, pipe: PipeId, side: usize) {
        let Some(p) = self.pipes.get_mut(&pipe) else { return };
        let (from, to) = (p.ends[side].host, p.ends[1 - side].host);
        let connect = side == 0 && p.ends[0].stage == Stage::Syn;
        let closed = self.net.is_cut(from, to) || connect && !self.net.may_connect(from, to);
        let lane = &mut p.lanes[side];
        if closed {
            lane.rto = (lane.rto * 2).min(RTO_MAX);
            let at = self.now + lane.rto;
            return self.plan(at, Due::Retransmit { pipe, side });
        }
        lane.blocked = false;
        let waiting = std::mem::take(&mut lane.waiting);
        for item in waiting {
            self.transmit(pipe, side, item);
        }
    }

    /// A segment reaches the other kernel.
    pub fn arrive(&mut self, pipe: PipeId, side: usize, item: Item) {
        let Some(p) = self.pipes.get_mut(&pipe) else { return };
        let (host, peer) = (p.ends[side].host, p.ends[1 - side].host);
        let Some(process) = &mut self.hosts[host].process else {
            if !matches!(item, Item::Rst) {
                self.transmit(pipe, side, Item::Rst);
            }
            return;
        };
        if matches!(item, Item::Syn) {
            if self.never.contains(&(host, peer)) || self.never.contains(&(peer, host)) {
                return self.transmit(pipe, side, Item::Rst);
            }
            let boot = process.boot;
            p.ends[1].boot = boot;
            p.ends[1].stage = Stage::Greeting;
            self.transmit(pipe, 1, Item::SynAck);
            self.plan(self.now + HANDSHAKE_TIMEOUT, Due::Timeout { pipe, side: 1 });
            return self.give(host, boot, ToProcess::Net { pipe, side, item });
        }
        if p.ends[side].boot != process.boot {
            if !matches!(item, Item::Rst) {
                self.transmit(pipe, side, Item::Rst);
            }
            return;
        }
        let boot = process.boot;
        self.give(host, boot, ToProcess::Net { pipe, side, item });
    }

    /// A running process reads something.
    pub fn receive(&mut self, pipe: PipeId, side: usize, item: Item) {
        let now = self.now;
        let Some(p) = self.pipes.get_mut(&pipe) else { return };
        let (host, peer_host) = (p.ends[side].host, p.ends[1 - side].host);
        let (stage, conn) = (p.ends[side].stage, p.ends[side].conn);
        let (expect, found) = (p.expect, self.hosts[peer_host].id);
        let Some(process) = &mut self.hosts[host].process else { return };
        let clock = process.clock(now);
        if stage == Stage::Closed {
            if matches!(item, Item::SynAck) {
                self.transmit(pipe, side, Item::Rst);
            }
            return;
        }
        match item {
            Item::Syn => {
                let conn = process.peers.name_conn();
                p.ends[1].conn = conn;
                process.conns.insert(conn, (pipe, 1));
                let from = SocketAddr::new(self.hosts[peer_host].addr.ip(), 40_000);
                self.act(host, Act::Peers(Event::Arrived { conn, from }));
            }
            Item::SynAck => {
                p.ends[0].stage = Stage::Greeting;
                self.transmit(pipe, 0, Item::ClientHello);
            }
            Item::ClientHello => {
                self.transmit(pipe, 1, Item::ServerHello);
            }
            Item::ServerHello => {
                if expect.is_some_and(|id| id != found) {
                    return self.end(pipe, side, Ended::WrongIdentity { found }, Some(Item::Fin));
                }
                p.ends[0].hello_at = now;
                let card = Box::new(process.topology.card());
                self.transmit(pipe, 0, Item::DiallerHello(card));
            }
            Item::DiallerHello(card) => {
                p.ends[1].card = Some(*card);
                let card = Box::new(process.topology.card());
                self.transmit(pipe, 1, Item::AcceptorHello(card));
            }
            Item::AcceptorHello(card) => {
                let rtt = now.since(p.ends[0].hello_at);
                let rtt_us = u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX);
                let (card, local) = (*card, self.hosts[host].addr);
                self.act(host, Act::Peers(Event::Handshaken { conn, card, rtt_us, local }));
            }
            Item::Ready => {
                let local = self.hosts[host].addr;
                let Some(card) = p.ends[1].card.clone() else { return };
                self.act(host, Act::Peers(Event::Handshaken { conn, card, rtt_us: 0, local }));
            }
            Item::Bye(bye, cards) => {
                self.end(pipe, side, Ended::Said(bye, cards), Some(Item::Fin));
            }
            Item::Fin => self.end(pipe, side, Ended::Lost, None),
            Item::Rst if stage == Stage::Syn => self.end(pipe, side, Ended::Refused, None),
            Item::Rst => self.end(pipe, side, Ended::Lost, None),
            Item::Gossip(_) | Item::Beat(_) if stage != Stage::Kept => {}
            Item::Gossip(gossip) => {
                let (peer, gossip) = (self.hosts[peer_host].id, *gossip);
                self.act(host, Act::Topology(topology::Event::FromPeer { peer, gossip }));
            }
            Item::Beat(beat) => self.beat(pipe, side, *beat, clock),
        }
    }

    fn beat(&mut self, pipe: PipeId, side: usize, beat: Beat, at: Time) {
        let p = &self.pipes[&pipe];
        let (host, peer) = (p.ends[side].host, self.hosts[p.ends[1 - side].host].id);
        let mine = self.hosts[host].process.as_ref().map_or(0, |p| p.root);
        let (root, rtt_us) = match beat {
            Beat::Ping { sent_us, rtt_us, root } => {
                let pong = Beat::Pong { sent_us, root: mine };
                self.transmit(pipe, side, Item::Beat(Box::new(pong)));
                (root, (rtt_us != 0).then_some(rtt_us))
            }
            Beat::Pong { sent_us, root } => {
                let rtt = at.0.saturating_sub(sent_us);
                (root, Some(u32::try_from(rtt).unwrap_or(u32::MAX)))
            }
            Beat::Ask { .. } | Beat::Answer { .. } => {
                return self.act(host, Act::Pulse(pulse::Event::FromPeer { peer, beat }));
            }
        };
        let mut todo = VecDeque::from([Act::Pulse(pulse::Event::Heard { peer, at, rtt_us })]);
        if root != mine {
            todo.push_back(Act::Topology(topology::Event::RootDiffers { peer }));
        }
        self.turn(host, todo);
    }

    /// One end is over without its registry having asked for it.
    fn end(&mut self, pipe: PipeId, side: usize, how: Ended, last: Option<Item>) {
        if let Some(last) = last {
            self.transmit(pipe, side, last);
        }
        let Some((host, conn)) = self.forget_end(pipe, side) else { return };
        self.act(host, Act::Peers(Event::Closed { conn, how }));
    }

    fn forget_end(&mut self, pipe: PipeId, side: usize) -> Option<(usize, ConnId)> {
        let p = self.pipes.get_mut(&pipe)?;
        p.ends[side].stage = Stage::Closed;
        let (host, conn) = (p.ends[side].host, p.ends[side].conn);
        if p.is_over() {
            self.pipes.remove(&pipe);
        }
        self.hosts[host].process.as_mut()?.conns.remove(&conn);
        Some((host, conn))
    }

    /// The process at one end is no more: its kernel says the last thing.
    pub fn abandon(&mut self, pipe: PipeId, side: usize, last: Item) {
        let Some(p) = self.pipes.get_mut(&pipe) else { return };
        if p.ends[side].stage == Stage::Syn {
            p.lanes[side].waiting.clear();
        } else {
            self.transmit(pipe, side, last);
        }
        self.forget_end(pipe, side);
    }

    /// The time for a dial is over; what nobody uses by now goes.
    pub fn grown(&mut self, pipe: PipeId, side: usize) {
        let Some(p) = self.pipes.get_mut(&pipe) else { return };
        p.young &= side != 0;
        if p.is_over() {
            self.pipes.remove(&pipe);
        }
    }

    pub fn handshake_timeout(&mut self, pipe: PipeId, side: usize) {
        let stage = self.pipes.get(&pipe).map(|p| p.ends[side].stage);
        if matches!(stage, Some(Stage::Syn | Stage::Greeting)) {
            let last = (stage == Some(Stage::Greeting)).then_some(Item::Fin);
            self.end(pipe, side, Ended::TimedOut, last);
        }
    }

    /// The registry keeps a connection: the dialler tells the acceptor.
    pub fn keep(&mut self, host: usize, conn: ConnId) {
        let process = self.hosts[host].process.as_ref().expect("it spoke");
        let Some(&(pipe, side)) = process.conns.get(&conn) else { return };
        if let Some(p) = self.pipes.get_mut(&pipe) {
            p.ends[side].stage = Stage::Kept;
        }
        if side == 0 {
            self.transmit(pipe, 0, Item::Ready);
        }
    }

    /// Cards for one that finds no room: of nodes that have, and of neighbours.
    fn room(&self, host: usize) -> Vec<Record> {
        let process = self.hosts[host].process.as_ref().expect("it spoke");
        let card = |id: &NodeId| {
            let peer = self.hosts[*self.by_id.get(id)?].process.as_ref()?;
            Some(peer.topology.card())
        };
        let neighbours = process.links.keys().filter_map(card);
        process.room.iter().cloned().chain(neighbours).take(32).collect()
    }

    /// The registry closes a connection.
    pub fn close(&mut self, host: usize, conn: ConnId, bye: Bye, todo: &mut VecDeque<Act>) {
        let process = self.hosts[host].process.as_ref().expect("it spoke");
        let Some(&(pipe, side)) = process.conns.get(&conn) else { return };
        self.log(|| format!("n{host} closes conn {conn}: {bye:?}"));
        let p = &self.pipes[&pipe];
        let cards = match bye {
            Bye::Full | Bye::Surplus => self.room(host),
            _ => Vec::new(),
        };
        let said = p.ends[side].card.is_some() || p.ends[side].hello_at != Time(0);
        if said {
            self.transmit(pipe, side, Item::Bye(bye, cards));
        }
        if p_stage(self, pipe, side) != Stage::Syn {
            self.transmit(pipe, side, Item::Fin);
        }
        self.forget_end(pipe, side);
        todo.push_back(Act::Peers(Event::Closed { conn, how: Ended::Ours }));
    }
}

fn p_stage(world: &World, pipe: PipeId, side: usize) -> Stage {
    world.pipes.get(&pipe).map_or(Stage::Closed, |p| p.ends[side].stage)
}
