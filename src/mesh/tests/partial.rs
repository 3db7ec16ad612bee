//! A few dozen topologies with links that stay, in virtual time: what the tree and the comparisons do together.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::tree::{key, random_links};
use super::*;
use crate::mesh::dice::Dice;
use crate::mesh::gossip::{BucketSet, Gossip, Name, Pushed, Versions};
use crate::mesh::graph::Limits;
use crate::mesh::record::{Cast, Kind};
use crate::mesh::topology::{Effect, Event, Identity, Policy, Topology};
use crate::mesh::{Core, Time};

const PARTIAL: Plan = Plan { mode: Mode::Partial, degree: 8, conns_max: 16 };

/// A node of its own.
pub(super) fn core(n: usize, nodes_max: usize) -> Topology {
    let identity = Identity {
        network: Text::new("test").expect("short"),
        label: Text::new(format!("n{n}")).expect("short"),
        relay: false,
        mailbox: false,
        epoch: 1,
        start_ms: 0,
    };
    let policy = Policy {
        period: Some(Duration::from_secs(3600)),
        limits: Limits { nodes_max, forget_after: Duration::from_secs(86_400) },
        records_per_second: 50,
        degree_max: 128,
        plan: PARTIAL,
    };
    Topology::new(identity, policy, Arc::new(Hashed(key(n))))
}

enum What {
    Said(Gossip),
    Root(u64),
    Wake,
    Beat,
}

pub(super) struct Net {
    pub now: Time,
    pub cores: Vec<Topology>,
    pub ids: Vec<NodeId>,
    pub late: BTreeMap<(usize, usize), Duration>,
    by_id: BTreeMap<NodeId, usize>,
    queue: BinaryHeap<Reverse<(Time, u64, usize, usize)>>,
    what: BTreeMap<u64, What>,
    count: u64,
    /// Of a thousand messages so many are lost.
    pub loss: u64,
    dice: Dice,
    pub heard: BTreeMap<(usize, String), Vec<u8>>,
    pub sent: BTreeMap<&'static str, usize>,
    pub bytes: usize,
    pub largest: usize,
    /// Whether heartbeats carry digests.
    pub beats: bool,
}

impl Net {
    pub fn new(nodes: usize, seed: u64) -> Net {
        let cores: Vec<Topology> = (0..nodes).map(|n| core(n, 4096)).collect();
        let ids: Vec<NodeId> = (0..nodes).map(|n| NodeId::of_key(&key(n))).collect();
        let mut net = Net {
            now: Time::from_ms(1000),
            by_id: ids.iter().enumerate().map(|(n, id)| (*id, n)).collect(),
            cores,
            ids,
            late: BTreeMap::new(),
            queue: BinaryHeap::new(),
            what: BTreeMap::new(),
            count: 0,
            loss: 0,
            dice: Dice::new(seed ^ 77),
            heard: BTreeMap::new(),
            sent: BTreeMap::new(),
            bytes: 0,
            largest: 0,
            beats: true,
        };
        for n in 0..nodes {
            let at = net.now + Duration::from_millis(net.dice.below(1000));
            net.plan(at, n, n, What::Beat);
        }
        net
    }

    /// All linked at random, and settled.
    pub fn settled(nodes: usize, degree: usize, seed: u64) -> Net {
        let mut net = Net::new(nodes, seed);
        for ((a, b), late) in random_links(nodes, degree, &mut Dice::new(seed)) {
            net.link(a, b, late);
        }
        net.run(Duration::from_secs(20));
        assert_eq!(net.different(), 0, "settled");
        net.heard.clear();
        net
    }

    fn plan(&mut self, at: Time, from: usize, to: usize, what: What) {
        self.count += 1;
        self.what.insert(self.count, what);
        self.queue.push(Reverse((at, self.count, from, to)));
    }

    pub fn link(&mut self, a: usize, b: usize, late: Duration) {
        self.late.insert((a.min(b), a.max(b)), late);
        let rtt_us = 2 * u32::try_from(late.as_micros()).expect("short");
        for (me, peer, dir) in [(a, b, Direction::Out), (b, a, Direction::In)] {
            let card = self.cores[peer].card();
            let peer = self.ids[peer];
            self.tell(me, Event::LinkUp { peer, dir, rtt_us, addr: addr(1), card });
        }
    }

    pub fn unlink(&mut self, a: usize, b: usize) {
        self.late.remove(&(a.min(b), a.max(b)));
        for (me, peer) in [(a, b), (b, a)] {
            let peer = self.ids[peer];
            self.tell(me, Event::LinkDown { peer, lost: true });
        }
    }

    pub fn neighbours(&self, n: usize) -> Vec<usize> {
        let ends = self.late.keys();
        ends.filter_map(|(a, b)| (*a == n).then_some(*b).or((*b == n).then_some(*a))).collect()
    }

    pub fn tell(&mut self, n: usize, event: Event) {
        let mut out = Vec::new();
        self.cores[n].handle(self.now, event, &mut out);
        self.perform(n, out);
    }

    fn perform(&mut self, from: usize, out: Vec<Effect>) {
        for effect in out {
            match effect {
                Effect::Send { peer, gossip } => {
                    let to = self.by_id[&peer];
                    let (kind, items) = match &gossip {
                        Gossip::Records(records) => ("records", records.len()),
                        Gossip::Digest(_) => ("digests", 1),
                        Gossip::Versions { have, .. } => ("versions", have.len()),
                        Gossip::Want(_) => ("wants", 1),
                        Gossip::Evened(_) => ("evened", 1),
                        Gossip::Push(pushed) => ("pushed", pushed.len()),
                        Gossip::IHave(names) => ("names", names.len()),
                        Gossip::Graft(_) => ("grafts", 1),
                        Gossip::Prune => ("prunes", 1),
                        Gossip::Cast(_) => ("casts", 1),
                        Gossip::Route(_) => ("routes", 1),
                    };
                    let bytes = postcard::to_stdvec(&gossip).expect("encodes").len();
                    self.bytes += bytes;
                    self.largest = self.largest.max(bytes);
                    *self.sent.entry(kind).or_default() += items;
                    let lost = self.dice.below(1000) < self.loss;
                    if let Some(late) = self.late.get(&(from.min(to), from.max(to)))
                        && !lost
                    {
                        self.plan(self.now + *late, from, to, What::Said(gossip));
                    }
                }
                Effect::Heard(said) => {
                    self.heard.entry((from, said.text)).or_default().push(said.hops);
                }
                _ => {}
            }
        }
        if let Some(at) = self.cores[from].next_wake() {
            self.plan(at.max(self.now), from, from, What::Wake);
        }
    }

    pub fn run(&mut self, long: Duration) {
        let end = self.now + long;
        while let Some(Reverse((at, _, _, _))) = self.queue.peek()
            && *at <= end
        {
            let Reverse((at, what, from, to)) = self.queue.pop().expect("just seen");
            self.now = at;
            match self.what.remove(&what).expect("planned") {
                What::Said(gossip) => {
                    let peer = self.ids[from];
                    if self.late.contains_key(&(from.min(to), from.max(to))) {
                        self.tell(to, Event::FromPeer { peer, gossip });
                    }
                }
                What::Root(root) if root != self.cores[to].root() => {
                    let peer = self.ids[from];
                    self.tell(to, Event::RootDiffers { peer });
                }
                What::Root(_) => {}
                What::Wake if self.cores[to].next_wake().is_some_and(|at| at <= self.now) => {
                    let mut out = Vec::new();
                    self.cores[to].wake(self.now, &mut out);
                    self.perform(to, out);
                }
                What::Wake => {}
                What::Beat => {
                    for peer in self.neighbours(to) {
                        let late = self.late[&(to.min(peer), to.max(peer))];
                        let root = self.cores[to].root();
                        if self.beats {
                            self.plan(self.now + late, to, peer, What::Root(root));
                        }
                    }
                    self.plan(self.now + Duration::from_secs(1), to, to, What::Beat);
                }
            }
        }
        self.now = end;
    }

    /// How many cores have another graph than the first one.
    pub fn different(&self) -> usize {
        let first = self.cores[0].graph.digest();
        self.cores.iter().filter(|core| core.graph.digest() != first).count()
    }

    pub fn shout(&mut self, from: usize, text: &str) {
        self.tell(from, Event::Shout { text: Text::new(text).expect("short") });
    }

    /// Everybody but the author has heard it, once.
    pub fn heard_by_all(&self, text: &str) -> bool {
        let by = (0..self.cores.len()).filter(|n| self.heard.contains_key(&(*n, text.to_owned())));
        assert!(self.heard.values().all(|times| times.len() == 1), "each once");
        by.count() == self.cores.len() - 1
    }
}

#[test]
fn a_network_that_comes_up_all_at_once_knows_itself_and_prunes_itself_to_a_tree() {
    let mut net = Net::settled(40, 8, 1);
    println!("cold start: {:?} {} bytes", net.sent, net.bytes);
    assert!(net.cores.iter().all(|core| core.graph.live_count() == 40));
    // From now on each shout crosses 39 links, and some few more by short cuts.
    for n in 0..10 {
        net.shout(n, &format!("warm {n}"));
        net.run(Duration::from_secs(2));
    }
    net.sent.clear();
    for n in 10..30 {
        net.shout(n, &format!("shout {n}"));
        net.run(Duration::from_secs(2));
        assert!(net.heard_by_all(&format!("shout {n}")), "{n}");
        net.heard.clear();
    }
    println!("20 shouts: {:?}", net.sent);
    assert!((20 * 39..20 * 39 * 5 / 4).contains(&net.sent["pushed"]), "{:?}", net.sent);
    assert_eq!(net.sent.get("digests"), None, "nothing was lost");
}

#[test]
fn a_newcomer_has_all_of_a_large_network_within_seconds() {
    // One node knows three thousand others; the newcomer links with it.
    let mut net = Net::new(2, 3);
    for core in &mut net.cores {
        *core = super::partial::core(if core.me == net.ids[0] { 0 } else { 1 }, 16_384);
    }
    let others = 3000;
    let far: Vec<NodeId> = (2..2 + others).map(|n| NodeId::of_key(&key(n))).collect();
    let mut out = Vec::new();
    for (i, id) in far.iter().enumerate() {
        let mut peers = vec![net.ids[0], far[(i + 1) % others], far[(i + others - 1) % others]];
        peers.sort_unstable();
        let links = peers.into_iter().map(|peer| LinkEntry {
            peer,
            dir: Direction::Out,
            rtt_us: 1,
            since_s: 0,
        });
        let ver = Ver { epoch: 1, seq: 1 };
        let links = List::first_of(links);
        let state =
            LinkState { id: *id, ver, slots_free: 0, degree_max: 9, links, lost: List::default() };
        let hashed = Hashed(key(i + 2));
        let card = Card { key: key(i + 2), ..plain_card(1, ver) };
        let first = &mut net.cores[0];
        first.graph.insert(Time(0), Record::sign(Body::Card(card), &hashed));
        first.graph.insert(Time(0), Record::sign(Body::Links(state), &hashed));
    }
    // The first one is linked with some of them, which are not there to hear it.
    net.by_id.extend(far.iter().map(|id| (*id, 0)));
    for id in &far[..8] {
        let card = net.cores[0].graph.card(id).cloned().expect("just taken");
        let up = Event::LinkUp { peer: *id, dir: Direction::In, rtt_us: 1, addr: addr(1), card };
        net.cores[0].handle(net.now, up, &mut out);
    }
    for _ in 0..20 {
        net.now = net.now + Duration::from_millis(200);
        net.cores[0].wake(net.now, &mut out);
    }
    assert_eq!(net.cores[0].graph.live_count(), others + 1);

    net.link(1, 0, Duration::from_millis(25));
    let begun = net.now;
    while net.cores[1].graph.live_count() < others + 2
        && net.now.since(begun) < Duration::from_secs(10)
    {
        net.run(Duration::from_millis(50));
    }
    println!("{:?} after {:?}, largest {}", net.sent, net.now.since(begun), net.largest);
    assert!(net.now.since(begun) < Duration::from_secs(3));
    assert!(net.sent["records"] < 2 * others + 16, "each once");
    assert!(net.largest < 64 * 1024);
}

#[test]
fn what_is_lost_on_the_way_is_evened_out() {
    for loss in [10, 100] {
        let mut net = Net::settled(25, 6, 5);
        net.loss = loss;
        net.sent.clear();
        for seq in 0..40u8 {
            let n = usize::from(seq) % 25;
            net.tell(n, Event::Reachable { addrs: vec![addr(seq)] });
            net.run(Duration::from_millis(300));
        }
        net.run(Duration::from_secs(20));
        println!("{loss} of 1000 lost: {:?}", net.sent);
        assert_eq!(net.different(), 0, "{loss} of a thousand lost");
    }
}

#[test]
fn a_node_whose_links_all_go_is_missed_by_all_and_the_rest_go_on() {
    let mut net = Net::settled(30, 6, 6);
    for peer in net.neighbours(4) {
        net.unlink(4, peer);
    }
    net.run(Duration::from_secs(3));
    let others = (0..30).filter(|n| *n != 4);
    assert!(others.clone().all(|n| !net.cores[n].graph.is_alive(&net.ids[4])), "gone for all");
    net.shout(0, "still there");
    net.run(Duration::from_secs(2));
    let heard = others.filter(|n| net.heard.contains_key(&(*n, "still there".to_owned())));
    assert_eq!(heard.count(), 28);
    // What it hears when it is back is all of it.
    net.link(4, 9, Duration::from_millis(30));
    net.run(Duration::from_secs(10));
    assert_eq!(net.different(), 0);
}

#[test]
fn where_two_networks_meet_both_know_all_at_once() {
    let mut net = Net::new(40, 7);
    for (part, first) in [(0u64, 0), (1, 20)] {
        for ((a, b), late) in random_links(20, 6, &mut Dice::new(part)) {
            net.link(first + a, first + b, late);
        }
    }
    net.run(Duration::from_secs(20));
    assert!(net.cores.iter().all(|core| core.graph.live_count() == 20));
    net.link(3, 33, Duration::from_millis(30));
    net.run(Duration::from_millis(1500));
    let few = net.cores.iter().filter(|core| core.graph.live_count() < 40).count();
    assert_eq!(few, 0, "no comparison for each link of the way");
}

#[test]
fn while_some_are_partial_already_nothing_is_lost_for_long() {
    let mut net = Net::settled(24, 6, 8);
    for (n, core) in net.cores.iter_mut().enumerate() {
        core.shape.partial = n % 2 == 0;
    }
    for n in 0..24 {
        net.tell(n, Event::Reachable { addrs: vec![addr(77)] });
    }
    net.run(Duration::from_secs(1));
    for core in &mut net.cores {
        core.shape.partial = true;
    }
    net.run(Duration::from_secs(8));
    assert_eq!(net.different(), 0);
}

#[test]
fn comparisons_go_on_where_something_always_changes_and_do_not_become_the_traffic() {
    let mut net = Net::settled(25, 6, 9);
    net.sent.clear();
    // One loses what is pushed for a while.
    let poor = 11;
    let of_poor = |(a, b): &(usize, usize)| *a == poor || *b == poor;
    let links: Vec<((usize, usize), Duration)> =
        net.late.iter().filter(|(ends, _)| of_poor(ends)).map(|(e, l)| (*e, *l)).collect();
    net.late.retain(|ends, _| !of_poor(ends));
    net.tell(2, Event::Reachable { addrs: vec![addr(200)] });
    net.run(Duration::from_secs(2));
    net.late.extend(links);
    let moved = net.cores[2].card().ver();
    let knows = |net: &Net| net.cores[poor].graph.card(&net.ids[2]).map(Record::ver) == Some(moved);
    assert!(!knows(&net));
    // Some node changes every 150 ms: no root is ever settled for long.
    for step in 0..200usize {
        let (n, to) = (3 + step % 5, u8::try_from(step).expect("below 200"));
        net.tell(n, Event::Reachable { addrs: vec![addr(to)] });
        net.run(Duration::from_millis(150));
    }
    println!("a storm of 30 s: {:?}", net.sent);
    assert!(knows(&net), "within 30 s");
    assert!(net.sent["versions"] * 4 < net.sent["pushed"], "{:?}", net.sent);
    assert!(net.sent.get("digests").is_none_or(|digests| *digests < 25 * 8), "{:?}", net.sent);
}

#[test]
fn what_a_link_may_bring_grows_with_the_network_and_what_is_forged_costs_its_bringer() {
    let mut net = Net::settled(20, 6, 10);
    let core = &mut net.cores[0];
    let now = net.now + Duration::from_secs(3600);
    assert_eq!(core.records_per_second(), 50 + 10);
    core.shape.partial = false;
    assert_eq!(core.records_per_second(), 50, "where each speaks for itself");
    core.shape.partial = true;

    let peer = *core.links.keys().next().expect("linked");
    let burst = 2 * 4096;
    let forged = |n: usize| {
        let mut signed = (**cast(n, true).signed()).clone();
        signed.key[0] ^= 1;
        Pushed { hops: 1, signed: Arc::new(signed) }
    };
    let before = core.dropped_records;
    for n in 0..200 {
        let gossip = Gossip::Push(List::first_of([forged(n)]));
        core.handle(now, Event::FromPeer { peer, gossip }, &mut Vec::new());
    }
    assert_eq!(core.dropped_records - before, 200);
    let budget = &mut core.links.get_mut(&peer).expect("linked").budget;
    assert!(!budget.take(now, burst / 64), "after {} of them nothing is checked", burst / 65);
}

fn cast(n: usize, shout: bool) -> Record {
    let (id, ver) = (NodeId::of_key(&key(n)), Ver { epoch: 1, seq: 1000 });
    let text = Text::new("x").expect("short");
    Record::sign(Body::Cast(Cast { id, ver, shout, text }), &Hashed(key(n)))
}

fn card_of(n: usize) -> Record {
    let card = Card { key: key(n), ..plain_card(1, Ver { epoch: 1, seq: 1 }) };
    Record::sign(Body::Card(card), &Hashed(key(n)))
}

/// A node that is linked with those before `end`.
fn linked(end: usize, now: Time) -> Topology {
    let mut core = core(0, 64);
    for n in 1..end {
        let (peer, dir, card) = (NodeId::of_key(&key(n)), Direction::In, card_of(n));
        let up = Event::LinkUp { peer, dir, rtt_us: 1, addr: addr(1), card };
        core.handle(now, up, &mut Vec::new());
    }
    core
}

#[test]
fn the_name_of_a_loss_goes_at_once_while_it_is_news_and_the_name_of_a_ping_takes_its_time() {
    let mut net = Net::settled(20, 8, 3);
    let (me, author) = (0, 1);
    let victim = net.neighbours(author).into_iter().find(|n| *n != me).expect("it has eight");
    let now = net.now;
    let held = net.cores[me].graph().listed_by(&net.ids[author]).expect("settled").clone();
    let said = |lost: &[usize]| {
        let left = held.links.iter().filter(|l| !lost.iter().any(|n| l.peer == net.ids[*n]));
        let links = List::first_of(left.cloned());
        let lost = List::first_of(lost.iter().map(|n| net.ids[*n]));
        let state = LinkState { ver: Ver { epoch: 1, seq: 1000 }, links, lost, ..held.clone() };
        Record::sign(Body::Links(state), &Hashed(key(author)))
    };
    let until =
        |core: &Topology, record: &Record| core.name_until(now, record).since(now).as_millis();
    let (loss, core) = (said(&[victim]), &net.cores[me]);
    assert_eq!(until(core, &said(&[])), 100);
    assert_eq!(until(core, &loss), 0);
    assert_eq!(until(core, &cast(author, true)), 100);
    assert_eq!(until(core, &cast(author, false)), 5000);
    // Once the lost one does not count as alive any more, nobody needs to hurry.
    net.neighbours(victim).into_iter().for_each(|n| net.unlink(n, victim));
    net.run(Duration::from_secs(5));
    assert!(!net.cores[me].graph().is_alive(&net.ids[victim]));
    assert_eq!(until(&net.cores[me], &loss), 100);
}

#[test]
fn strangers_that_nobody_is_linked_with_are_not_passed_on_without_end() {
    let now = Time::from_ms(1_000_000);
    let (mut core, peer) = (linked(3, now), NodeId::of_key(&key(1)));
    let mut out = Vec::new();
    for n in 1..3 {
        let peer = NodeId::of_key(&key(n));
        let graft = Gossip::Graft(List::default());
        core.handle(now, Event::FromPeer { peer, gossip: graft }, &mut out);
    }
    for n in 10..5000 {
        let pushed = Pushed { hops: 1, signed: card_of(n).signed().clone() };
        let gossip = Gossip::Push(List::first_of([pushed]));
        core.handle(now, Event::FromPeer { peer, gossip }, &mut out);
    }
    for ms in 0..1000 {
        core.wake(now + Duration::from_millis(ms), &mut out);
    }
    let news = |e: &Effect| match e {
        Effect::Send { gossip: Gossip::Push(pushed), .. } => pushed.len(),
        _ => 0,
    };
    let passed: usize = out.iter().map(news).sum();
    assert!((64..=128 + 16).contains(&passed), "{passed}: twice the nodes that the graph holds");
}

fn any_gossip() -> impl Strategy<Value = Gossip> {
    let kind = prop_oneof![Just(Kind::Card), Just(Kind::Links), Just(Kind::Cast)];
    let ver = (0..4u64, 0..4u64).prop_map(|(epoch, seq)| Ver { epoch, seq });
    let prefix = (0..6usize).prop_map(|n| NodeId::of_key(&key(n)).prefix());
    let name = (prefix, kind, ver).prop_map(|(id, kind, ver)| Name { id, kind, ver });
    let names = prop::collection::vec(name, 0..20);
    let pushed = (0..6usize, any::<u8>(), any::<bool>()).prop_map(|(n, hops, forged)| {
        let mut signed = (**cast(n, true).signed()).clone();
        signed.key[31] ^= u8::from(forged);
        Pushed { hops, signed: Arc::new(signed) }
    });
    let buckets = prop::collection::vec(any::<u8>(), 0..20).prop_map(|all| {
        let mut set = BucketSet::default();
        all.into_iter().for_each(|i| set.insert(i));
        set
    });
    let versions = (0..6usize, 0..9u64).prop_map(|(n, seq)| {
        let ver = Ver { epoch: 1, seq };
        Versions { id: NodeId::of_key(&key(n)), card: ver, links: ver }
    });
    let have = prop::collection::vec(versions, 0..9);
    prop_oneof![
        names.clone().prop_map(|names| Gossip::IHave(List::first_of(names))),
        names.prop_map(|names| Gossip::Graft(List::first_of(names))),
        prop::collection::vec(pushed, 0..9).prop_map(|all| Gossip::Push(List::first_of(all))),
        Just(Gossip::Prune),
        buckets.clone().prop_map(Gossip::Evened),
        prop::collection::vec(any::<u64>(), 0..256)
            .prop_map(|all| Gossip::Digest(List::first_of(all))),
        (buckets, have)
            .prop_map(|(buckets, have)| Gossip::Versions { buckets, have: List::first_of(have) }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_neighbours_say_nothing_panics_and_no_frame_is_too_long(
        said in prop::collection::vec((1..4usize, any_gossip(), 0..2000u64), 0..60),
    ) {
        let mut now = Time::from_ms(1000);
        let mut core = linked(4, now);
        let mut out = Vec::new();
        for (n, gossip, ms) in said {
            now = now + Duration::from_millis(ms);
            let peer = NodeId::of_key(&key(n));
            core.handle(now, Event::FromPeer { peer, gossip }, &mut out);
            while core.next_wake().is_some_and(|at| at <= now) {
                core.wake(now, &mut out);
            }
            for effect in out.drain(..) {
                if let Effect::Send { gossip, .. } = effect {
                    prop_assert!(postcard::to_stdvec(&gossip).expect("encodes").len() < 60_000);
                }
            }
        }
    }

    #[test]
    fn no_bytes_are_gossip_that_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        kind in 0..12u8,
    ) {
        let (peer, now) = (NodeId::of_key(&key(1)), Time::from_ms(1000));
        let mut core = linked(2, now);
        let bytes = [&[kind], &bytes[..]].concat();
        if let Ok((gossip, _)) = postcard::take_from_bytes::<Gossip>(&bytes) {
            core.handle(now, Event::FromPeer { peer, gossip }, &mut Vec::new());
            core.wake(now + Duration::from_secs(1), &mut Vec::new());
        }
    }
}

#[test]
fn while_links_come_and_go_little_goes_twice() {
    let mut net = Net::settled(60, 8, 11);
    let mut dice = Dice::new(5);
    let sum = |net: &Net| {
        let mut all = [0; 4];
        for counts in net.cores.iter().map(Topology::tree_counts) {
            all[0] += counts.firsts;
            all[1] += counts.duplicates;
            all[2] += counts.grafts;
            all[3] += counts.prunes;
        }
        all
    };
    let before = sum(&net);
    for _ in 0..100 {
        let nth = usize::try_from(dice.below(net.late.len() as u64)).expect("small");
        let (a, b) = *net.late.keys().nth(nth).expect("below");
        net.unlink(a, b);
        let to = usize::try_from(dice.below(60)).expect("small");
        if to != a && !net.late.contains_key(&(a.min(to), a.max(to))) {
            net.link(a, to, Duration::from_micros(10_000 + dice.below(40_000)));
        }
        net.run(Duration::from_millis(100));
    }
    let [firsts, duplicates, grafts, prunes] = std::array::from_fn(|i| sum(&net)[i] - before[i]);
    println!(
        "10 s of churn: {firsts} firsts, {duplicates} duplicates, {grafts} grafts, {prunes} prunes"
    );
    net.run(Duration::from_secs(10));
    assert_eq!(net.different(), 0);
    assert!(duplicates * 4 < firsts, "{duplicates} of {firsts}");
}
