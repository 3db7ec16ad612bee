//! The laws of routed messages: they arrive by the cheapest way, visit nobody twice, and end.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use proptest::prelude::*;

use super::sync::topology;
use super::*;
use crate::mesh::gossip::Gossip;
use crate::mesh::route::{Hop, Lost, OnLink, Routed, WAY_MAX, Walk, Word};
use crate::mesh::topology::{Effect, Event, Topology};
use crate::mesh::ways::cost_us;
use crate::mesh::{Core, Time};

const NOW: Time = Time::from_ms(100_000);

/// Links between nodes, each with its round trip in microseconds.
type Links = BTreeMap<(u8, u8), u32>;

/// What node `n` says of its links.
fn told(n: u8, seq: u64, links: &Links) -> Record {
    let ends = |((a, b), rtt_us): (&(u8, u8), &u32)| match n {
        n if n == *a => Some((*b, Direction::Out, *rtt_us)),
        n if n == *b => Some((*a, Direction::In, *rtt_us)),
        _ => None,
    };
    let entry = |(peer, dir, rtt_us)| LinkEntry { peer: id(peer), dir, rtt_us, since_s: 0 };
    let mut entries: Vec<LinkEntry> = links.iter().filter_map(ends).map(entry).collect();
    entries.sort_by_key(|l| l.peer);
    let state = LinkState { links: List::first_of(entries), ..link_state(n, seq, &[]) };
    Record::sign(Body::Links(state), &node(n))
}

/// Nodes that hand one another what they route, and nothing else.
struct Net {
    nodes: BTreeMap<NodeId, Topology>,
    links: Links,
    now: Time,
    /// From whom, to whom.
    wire: VecDeque<(NodeId, NodeId, Routed)>,
    frames: usize,
    /// Nodes that take all they are sent and say nothing.
    holes: Vec<NodeId>,
    traced: Vec<(u64, Result<Walk, Lost>)>,
}

impl Net {
    fn new(links: Links) -> Net {
        let mut names: Vec<u8> = links.keys().flat_map(|(a, b)| [*a, *b]).collect();
        names.sort_unstable();
        names.dedup();
        let nodes = names.iter().map(|n| (id(*n), topology(*n))).collect();
        let (wire, holes, traced) = Default::default();
        let mut net = Net { nodes, links, now: NOW, wire, frames: 0, holes, traced };
        for ((a, b), rtt_us) in net.links.clone() {
            for (one, other, dir) in [(a, b, Direction::Out), (b, a, Direction::In)] {
                let card = card(other, 1);
                let up = Event::LinkUp { peer: id(other), dir, rtt_us, addr: addr(other), card };
                net.handle(id(one), up);
                net.handle(id(one), Event::Measured { peer: id(other), rtt_us });
            }
        }
        let records: Vec<Record> =
            names.iter().flat_map(|n| [card(*n, 1), told(*n, 1, &net.links)]).collect();
        for record in records {
            net.all_know(&record);
        }
        net.run_for(Duration::from_millis(500));
        net.wire.clear();
        net.frames = 0;
        net
    }

    fn all_know(&mut self, record: &Record) {
        let others: Vec<NodeId> =
            self.nodes.keys().filter(|id| **id != record.id()).copied().collect();
        for id in others {
            self.handle(id, Event::Learned { record: record.clone() });
        }
    }

    fn handle(&mut self, id: NodeId, event: Event) {
        let mut out = Vec::new();
        let now = self.now;
        self.nodes.get_mut(&id).expect("it is there").handle(now, event, &mut out);
        self.perform(id, out);
    }

    fn perform(&mut self, id: NodeId, out: Vec<Effect>) {
        for effect in out {
            match effect {
                Effect::Send { peer, gossip: Gossip::Route(routed) } => {
                    self.frames += 1;
                    self.wire.push_back((id, peer, routed));
                }
                Effect::Traced { ticket, outcome } => self.traced.push((ticket, outcome)),
                _ => {}
            }
        }
    }

    /// Delivers one frame. Answers whether there was one.
    fn step(&mut self) -> bool {
        let Some((from, to, routed)) = self.wire.pop_front() else { return false };
        let (Routed::Out { way, .. } | Routed::Back { way, .. }) = &routed;
        let mut seen: Vec<NodeId> = way.iter().map(|hop| hop.node).collect();
        seen.sort_unstable();
        assert!(seen.windows(2).all(|w| w[0] != w[1]), "a node is visited twice: {way:?}");
        // It takes half a round trip; with several frames on the wire that is not exact.
        let half = u64::from(self.rtt_us(from, to).unwrap_or(0)) / 2;
        self.now = self.now + Duration::from_micros(half);
        if !self.holes.contains(&to) {
            self.handle(to, Event::FromPeer { peer: from, gossip: Gossip::Route(routed) });
        }
        true
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            while self.step() {}
            self.now = self.now + Duration::from_millis(5);
            for id in self.nodes.keys().copied().collect::<Vec<_>>() {
                let node = self.nodes.get_mut(&id).expect("it is there");
                if node.next_wake().is_some_and(|at| at <= self.now) {
                    let mut out = Vec::new();
                    node.wake(self.now, &mut out);
                    self.perform(id, out);
                }
            }
        }
    }

    fn trace(&mut self, ticket: u64, from: u8, to: u8) {
        self.handle(id(from), Event::Trace { ticket, to: id(to) });
    }

    /// The only outcome there is.
    fn outcome(&mut self) -> Result<Walk, Lost> {
        assert_eq!(self.traced.len(), 1, "each probe ends once");
        self.traced.remove(0).1
    }

    /// A link ends. Only its ends know.
    fn cut(&mut self, a: u8, b: u8) {
        let ends = (a.min(b), a.max(b));
        self.links.remove(&ends).expect("it is there");
        for (one, other) in [(id(a), id(b)), (id(b), id(a))] {
            self.wire.retain(|(from, to, _)| (*from, *to) != (one, other));
            self.handle(one, Event::LinkDown { peer: other, lost: true });
        }
    }

    /// Everybody hears what the ends of a link that was cut say since.
    fn spread(&mut self, ends: [u8; 2]) {
        for n in ends {
            let record = told(n, 2, &self.links);
            self.all_know(&record);
        }
    }

    fn rtt_us(&self, a: NodeId, b: NodeId) -> Option<u32> {
        let found = |(x, y): &(u8, u8)| (id(*x), id(*y)) == (a, b) || (id(*x), id(*y)) == (b, a);
        self.links.iter().find(|(ends, _)| found(ends)).map(|(_, rtt_us)| *rtt_us)
    }

    /// The least cost of any way, by relaxing every link as often as there are nodes.
    fn least(&self, from: u8, to: u8) -> Option<u64> {
        let mut cost = BTreeMap::from([(from, 0u64)]);
        for _ in &self.nodes {
            for ((a, b), rtt_us) in &self.links {
                for (a, b) in [(a, b), (b, a)] {
                    let Some(here) = cost.get(a).copied() else { continue };
                    let there = cost.entry(*b).or_insert(u64::MAX);
                    *there = (*there).min(here + cost_us(*rtt_us));
                }
            }
        }
        cost.get(&to).copied()
    }

    /// Takes a frame that the simulation did not make. Answers what came of it.
    fn hostile(&mut self, to: u8, from: u8, routed: Routed) -> Vec<Effect> {
        let mut out = Vec::new();
        let gossip = Gossip::Route(routed);
        let (now, node) = (self.now, self.nodes.get_mut(&id(to)).expect("it is there"));
        node.handle(now, Event::FromPeer { peer: id(from), gossip }, &mut out);
        out
    }
}

fn nodes_of(walk: &Walk) -> Vec<NodeId> {
    walk.hops.iter().map(|(id, _)| *id).collect()
}

fn ids<const N: usize>(nodes: [u8; N]) -> Vec<NodeId> {
    nodes.map(id).to_vec()
}

fn way(nodes: &[u8]) -> crate::mesh::route::Way {
    List::first_of(nodes.iter().map(|n| Hop { node: id(*n), us: 0 }))
}

fn probe(to: u8, nodes: &[u8]) -> Routed {
    Routed::Out { to: id(to), way: way(nodes), word: Word::Probe { number: 1 } }
}

fn sent(out: &[Effect]) -> usize {
    out.iter().filter(|e| matches!(e, Effect::Send { .. })).count()
}

/// A connected graph of up to 14 nodes: a tree, and some links more.
fn connected() -> impl Strategy<Value = Links> {
    let tree = prop::collection::vec((any::<prop::sample::Index>(), 1..50_000u32), 2..14);
    let more = prop::collection::vec((0..14u8, 0..14u8, 0..50_000u32), 0..16);
    (tree, more).prop_map(|(tree, more)| {
        let mut links = Links::new();
        let nodes = u8::try_from(tree.len() + 1).expect("few");
        for (child, (parent, rtt_us)) in (1u8..).zip(tree) {
            let parent = u8::try_from(parent.index(child.into())).expect("few");
            links.insert((parent, child), rtt_us);
        }
        for (a, b, rtt_us) in more {
            let (a, b) = (a % nodes, b % nodes);
            if a != b {
                links.insert((a.min(b), a.max(b)), rtt_us);
            }
        }
        links
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_message_arrives_by_a_cheapest_way_and_its_answer_comes_back(links in connected(), pick: [prop::sample::Index; 2]) {
        let mut net = Net::new(links);
        let [from, to] = pick.map(|i| u8::try_from(i.index(net.nodes.len())).expect("few"));
        net.trace(1, from, to);
        while net.step() {}
        let walk = net.outcome().expect("a connected graph");
        let (mut at, mut cost) = (id(from), 0);
        for (next, took_us) in &walk.hops {
            let rtt_us = net.rtt_us(at, *next).expect("it goes over links");
            prop_assert!((*took_us).max(2).abs_diff(rtt_us.max(2)) < 2, "{took_us} is not {rtt_us}");
            cost += cost_us(rtt_us);
            at = *next;
        }
        prop_assert_eq!(at, id(to));
        prop_assert_eq!(Some(cost), net.least(from, to));
        prop_assert_eq!(net.frames, 2 * walk.hops.len(), "a frame for each link, there and back");
        prop_assert!(net.nodes.values().all(|node| node.dropped_records == 0));
    }

    #[test]
    fn a_message_ends_whatever_breaks_and_arrives_if_a_way_is_left(
        links in connected(),
        pick: [prop::sample::Index; 2],
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..12usize), 1..4),
    ) {
        let mut net = Net::new(links);
        let [from, to] = pick.map(|i| u8::try_from(i.index(net.nodes.len())).expect("few"));
        prop_assume!(from != to);
        net.trace(1, from, to);
        for (which, steps) in cuts {
            for _ in 0..steps {
                net.step();
            }
            let Some((a, b)) = net.links.keys().nth(which.index(net.links.len().max(1))).copied() else { break };
            net.cut(a, b);
            while net.step() {}
            net.spread([a, b]);
        }
        net.run_for(Duration::from_millis(3_200));
        prop_assert!(net.wire.is_empty());
        prop_assert!(net.frames <= 4 * 2 * net.nodes.len(), "{} frames", net.frames);
        let outcome = net.outcome();
        if net.least(from, to).is_some() {
            prop_assert!(outcome.is_ok(), "{outcome:?}");
        }
    }

    #[test]
    fn no_frame_makes_more_than_one_and_none_makes_anybody_panic(
        back: bool,
        from in 0..7u8,
        to in 0..8u8,
        nodes in prop::collection::vec(0..8u8, 0..=WAY_MAX),
        arrived: bool,
        at in 1..5u8,
    ) {
        // 1 to 5 in a ring, 6 beside it.
        let ring = [((1, 2), 9), ((2, 3), 9), ((3, 4), 9), ((4, 5), 9), ((1, 5), 9), ((1, 6), 9)];
        let mut net = Net::new(ring.into());
        let routed = match back {
            true => Routed::Back { number: 2, way: way(&nodes), arrived },
            false => probe(to, &nodes),
        };
        let before = postcard::to_stdvec(&routed).expect("encodes").len();
        let out = net.hostile(at, from, routed);
        prop_assert!(sent(&out) <= 1);
        for effect in &out {
            if let Effect::Send { gossip: Gossip::Route(routed), .. } = effect {
                let after = postcard::to_stdvec(routed).expect("encodes").len();
                prop_assert!(after <= before + 38, "an answer is a hop longer, at most");
            }
        }
    }
}

// --- What breaks on the way.

/// 1 and 4 over 2, dearer over 3; 5 is beside 2 and 4.
fn diamond() -> Links {
    [((1, 2), 10), ((2, 4), 10), ((1, 3), 500), ((3, 4), 500)].into()
}

#[test]
fn a_hop_whose_link_is_gone_takes_another_way() {
    let mut links = diamond();
    links.extend([((2, 5), 10), ((4, 5), 20_000)]);
    let mut net = Net::new(links);
    net.trace(1, 1, 4);
    net.cut(2, 4);
    while net.step() {}
    // 2 alone knows; back to 1 and over 3 would be cheaper, but there it has been.
    assert_eq!(net.outcome().map(|walk| nodes_of(&walk)), Ok(ids([2, 5, 4])));
}

#[test]
fn where_no_way_leads_on_the_question_comes_back_and_goes_another_way() {
    let mut net = Net::new(diamond());
    net.trace(1, 1, 4);
    net.cut(2, 4);
    while net.step() {}
    assert!(net.traced.is_empty() && net.frames == 2, "there and back again");
    // Nobody has told 1 anything: it avoids the neighbour it tried last.
    net.run_for(Duration::from_millis(300));
    let walk = net.outcome().expect("over 3");
    assert_eq!(nodes_of(&walk), ids([3, 4]));
    assert!(walk.rtt_us < 100_000, "the first try does not count: {walk:?}");
}

#[test]
fn an_answer_whose_way_back_is_gone_is_handed_to_whom_is_left_or_asked_for_again() {
    // 4 answers over 2; the link of 1 and 2 goes, but 4 and 1 are linked, too.
    let mut links = diamond();
    links.insert((1, 4), 60_000);
    let mut net = Net::new(links);
    net.trace(1, 1, 4);
    assert!(net.step() && net.step(), "4 has answered");
    net.cut(2, 4);
    net.run_for(Duration::from_millis(1_100));
    assert_eq!(net.outcome().map(|walk| nodes_of(&walk)), Ok(ids([3, 4])), "asked again");

    let mut net = Net::new([((1, 2), 10), ((2, 3), 10), ((3, 4), 10), ((1, 3), 60_000)].into());
    net.trace(1, 1, 4);
    assert!(net.step() && net.step() && net.step() && net.step(), "3 has the answer from 4");
    net.cut(2, 3);
    net.handle(
        id(3),
        Event::FromPeer {
            peer: id(4),
            gossip: Gossip::Route(Routed::Back {
                number: 2,
                way: way(&[1, 2, 3, 4]),
                arrived: true,
            }),
        },
    );
    let (_, to, _) = net.wire.front().expect("handed on");
    assert_eq!(*to, id(1), "past the one that is out of reach");
}

#[test]
fn a_message_that_nobody_answers_is_tried_another_way_and_given_up_in_time() {
    let mut net = Net::new(diamond());
    net.holes.push(id(2));
    net.trace(1, 1, 4);
    net.run_for(Duration::from_millis(1_010));
    assert_eq!(net.outcome().map(|walk| nodes_of(&walk)), Ok(ids([3, 4])));

    net.holes.push(id(3));
    net.trace(2, 1, 4);
    net.run_for(Duration::from_millis(2_900));
    assert!(net.traced.is_empty());
    net.run_for(Duration::from_millis(200));
    assert_eq!(net.outcome(), Err(Lost::Silent));
}

#[test]
fn where_no_way_is_known_it_is_said_at_once() {
    let mut net = Net::new([((1, 2), 10), ((3, 4), 10)].into());
    for (to, lost) in [(4, Lost::NoWay), (99, Lost::NoWay)] {
        net.trace(1, 1, to);
        assert_eq!(net.outcome(), Err(lost));
    }
    net.trace(1, 1, 1);
    assert_eq!(net.outcome(), Ok(Walk { hops: vec![], rtt_us: 0 }));
    assert_eq!(net.frames, 0);
    // A way that goes while the message is under way.
    let mut net = Net::new([((1, 2), 10), ((2, 3), 10)].into());
    net.trace(1, 1, 3);
    net.cut(2, 3);
    while net.step() {}
    net.run_for(Duration::from_millis(200));
    assert!(net.traced.is_empty(), "it may come back");
    net.spread([2, 3]);
    net.run_for(Duration::from_millis(300));
    assert!(matches!(net.outcome(), Err(Lost::NoWay | Lost::Stuck(_))));
}

#[test]
fn a_link_made_up_by_liars_traps_nothing() {
    // 5 and 6 say that they are linked with 9, and 9 with them, at no cost; 9 is nowhere. 5 and 6 are honest
    // otherwise, or swallow all.
    let real: Links =
        [((1, 5), 10), ((1, 6), 10), ((1, 2), 900), ((2, 3), 900), ((5, 2), 5_000)].into();
    let mut net = Net::new(real.clone());
    let mut lie = real;
    lie.extend([((5, 9), 1), ((6, 9), 1), ((3, 9), 1)]);
    for liar in [5, 6, 9, 3] {
        net.all_know(&told(liar, 7, &lie));
    }
    net.all_know(&card(9, 1));
    net.run_for(Duration::from_millis(100));
    net.trace(1, 1, 3);
    let (_, first, _) = net.wire.front().expect("it went").clone();
    assert!([id(5), id(6)].contains(&first), "the lie is believed");
    net.run_for(Duration::from_millis(3_100));
    let outcome = net.outcome();
    assert!(net.wire.is_empty() && net.frames <= 4 * 2 * 6, "{} frames", net.frames);
    assert!(
        outcome.is_ok() || matches!(outcome, Err(Lost::Stuck(_) | Lost::Silent)),
        "{outcome:?}"
    );
}

// --- Bounds.

#[test]
fn a_way_has_a_longest_length() {
    let chain = |nodes: u8| Net::new((1..nodes).map(|n| ((n, n + 1), 10)).collect());
    let longest = u8::try_from(WAY_MAX).expect("small");
    let mut net = chain(longest);
    net.trace(1, 1, longest);
    while net.step() {}
    assert_eq!(net.outcome().map(|walk| walk.hops.len()), Ok(WAY_MAX - 1));
    let mut net = chain(longest + 1);
    net.trace(1, 1, longest + 1);
    assert_eq!(net.outcome(), Err(Lost::TooFar));
    // One that somebody began all the same ends where there is no more room.
    let nodes: Vec<u8> = (1..longest).collect();
    let out = net.hostile(longest, longest - 1, probe(longest + 1, &nodes));
    let [Effect::Send { peer, gossip: Gossip::Route(Routed::Back { way, arrived, .. }) }] =
        &out[..]
    else {
        panic!("{out:?}")
    };
    assert_eq!((*peer, way.len(), *arrived), (id(longest - 1), WAY_MAX, false));
}

#[test]
fn each_link_has_a_budget_for_its_own_for_others_and_for_answers() {
    let links: Links = [((1, 2), 10), ((2, 3), 10), ((1, 4), 10), ((4, 2), 10)].into();
    let mut net = Net::new(links);
    let flood = |net: &mut Net, from: u8, routed: Routed| {
        let mut passed = 0;
        for _ in 0..1_000 {
            net.now = net.now + Duration::from_millis(10);
            passed += sent(&net.hostile(2, from, routed.clone()));
        }
        passed
    };
    let own = flood(&mut net, 1, probe(3, &[1]));
    assert!((16 + 39..=16 + 40).contains(&own), "{own} in 10 s");
    let back = Routed::Back { number: 1, way: way(&[1, 2, 3]), arrived: true };
    let back = flood(&mut net, 3, back);
    assert!((80 + 199..=80 + 200).contains(&back), "{back} in 10 s");
    let carried = flood(&mut net, 1, probe(3, &[4, 1]));
    assert!((64 + 159..=64 + 160).contains(&carried), "{carried} in 10 s");
    // A link made anew does not fill them.
    let up = Event::LinkUp {
        peer: id(1),
        dir: Direction::In,
        rtt_us: 1,
        addr: addr(1),
        card: card(1, 1),
    };
    net.handle(id(2), up);
    assert_eq!(sent(&net.hostile(2, 1, probe(3, &[4, 1]))), 0);
    assert_eq!(sent(&net.hostile(2, 4, probe(3, &[4]))), 1, "another one's is its own");
}

#[test]
fn news_get_through_while_messages_are_refused() {
    let mut net = Net::new([((1, 2), 10), ((2, 3), 10)].into());
    for _ in 0..10_000 {
        net.hostile(2, 1, probe(3, &[1]));
    }
    let dropped = net.nodes[&id(2)].dropped_records;
    let record = told(1, 9, &[((1, 2), 77)].into());
    let records = Gossip::Records(List::first_of([record.signed().clone()]));
    net.handle(id(2), Event::FromPeer { peer: id(1), gossip: records });
    let node = &net.nodes[&id(2)];
    assert_eq!(node.graph.link_state(&id(1)).map(Record::ver), Some(record.ver()));
    assert_eq!((dropped, node.dropped_records), (10_000 - 16, 10_000 - 16));
}

#[test]
fn of_our_own_too_only_so_many_go_out() {
    let mut net = Net::new([((1, 2), 10), ((2, 3), 10)].into());
    net.holes.push(id(2));
    for ticket in 0..40 {
        net.trace(ticket, 1, 3);
    }
    assert_eq!(net.frames, 16);
    assert_eq!(net.traced.len(), 24);
    assert!(net.traced.iter().all(|(_, outcome)| *outcome == Err(Lost::TooMany)));
    net.run_for(Duration::from_millis(3_100));
    assert_eq!(net.traced.len(), 40, "each ends");
    assert_eq!(net.nodes[&id(1)].next_wake().filter(|at| *at <= net.now), None);
}

// --- Forgeries. Node 2 is linked with 1, 3 and 4; 4 with 5.

#[test]
fn what_is_out_of_order_goes_nowhere() {
    let links: Links = [((1, 2), 10), ((2, 3), 10), ((2, 4), 10), ((4, 5), 10)].into();
    let mut net = Net::new(links);
    let mut dropped = 0;
    let mut refused = |what: &str, from: u8, routed: Routed| {
        let node = net.nodes.get_mut(&id(2)).expect("it is there");
        node.links.values_mut().for_each(|link| link.routes = OnLink::default());
        let out = net.hostile(2, from, routed);
        assert!(out.is_empty(), "{what}: {out:?}");
        let now = net.nodes[&id(2)].dropped_records;
        assert!(now > dropped || from == 5, "{what} is counted");
        dropped = now;
    };
    let full: Vec<u8> = (100..=130).chain([1]).collect();
    refused("a way that the neighbour is not the last of", 1, probe(3, &[1, 5]));
    refused("one begun in another one's name", 1, probe(3, &[4]));
    refused("without a way", 1, probe(3, &[]));
    refused("a way we are on", 1, probe(3, &[2, 1]));
    refused("a way it has arrived on", 1, probe(3, &[3, 1]));
    refused("to whom it comes from", 1, probe(1, &[1]));
    refused("a way without room for us", 1, probe(3, &full));
    refused("by one we are not linked with", 5, probe(3, &[5]));
    let back = |nodes: &[u8]| Routed::Back { number: 1, way: way(nodes), arrived: true };
    refused("an answer on a way we are not on", 3, back(&[1, 4, 3]));
    refused("an answer by one that is not on its way", 3, back(&[1, 2, 4]));
    refused("an answer by one that is before us", 1, back(&[1, 2, 3]));
    refused("an answer by one further away than it need be", 3, back(&[1, 2, 4, 3]));
    refused("an answer to nothing", 3, back(&[2, 3]));
    refused("an answer by one that is not linked with us", 5, back(&[1, 2, 5]));
    refused("an answer without a way", 1, back(&[]));
}

#[test]
fn only_who_was_asked_can_answer() {
    let mut net = Net::new([((1, 2), 10), ((1, 3), 10), ((2, 4), 10)].into());
    net.trace(1, 1, 4);
    let number = 2;
    let answer = |nodes: &[u8], number| Routed::Back { number, way: way(nodes), arrived: true };
    assert!(net.hostile(1, 3, answer(&[1, 3, 4], number)).is_empty(), "asked over 2");
    assert!(net.hostile(1, 3, answer(&[1, 2, 3, 4], number)).is_empty(), "2 is there to speak");
    assert!(net.hostile(1, 2, answer(&[1, 2, 4], number + 1)).is_empty(), "no such number");
    assert!(net.hostile(1, 2, answer(&[1, 2, 3], number)).is_empty(), "another one arrived");
    assert_eq!(net.nodes[&id(1)].dropped_records, 4);
    while net.step() {}
    assert_eq!(net.outcome().map(|walk| nodes_of(&walk)), Ok(ids([2, 4])));
    assert!(net.hostile(1, 2, answer(&[1, 2, 4], number)).is_empty(), "it was answered");
}
