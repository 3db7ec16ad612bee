use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::mesh::Time;
use crate::mesh::dice::Dice;
use crate::mesh::gossip::{Gossip, Name};
use crate::mesh::graph::{Graph, Limits};
use crate::mesh::record::{Cast, Kind};
use crate::mesh::topology::Effect;
use crate::mesh::tree::{Tree, TreeCounts};

pub(super) fn key(n: usize) -> [u8; 32] {
    let mut key = [7; 32];
    key[..8].copy_from_slice(&(n as u64).to_le_bytes());
    key
}

fn cast(author: usize, seq: u64) -> Record {
    let (id, ver) = (NodeId::of_key(&key(author)), Ver { epoch: 1, seq });
    let text = Text::new("hello").expect("short");
    Record::sign(Body::Cast(Cast { id, ver, shout: false, text }), &Hashed(key(author)))
}

/// Who is linked with whom, and how long one way takes: a random graph in which nearly all have `degree`.
pub(super) fn random_links(
    nodes: usize,
    degree: usize,
    dice: &mut Dice,
) -> BTreeMap<(usize, usize), Duration> {
    let mut ends: Vec<usize> = (0..nodes * degree).map(|end| end / degree).collect();
    for i in (1..ends.len()).rev() {
        ends.swap(i, usize::try_from(dice.below(i as u64 + 1)).expect("below"));
    }
    let pairs = ends.chunks(2).filter(|pair| pair[0] != pair[1]);
    let mut links = BTreeMap::new();
    for pair in pairs {
        let late = Duration::from_micros(10_000 + dice.below(40_000));
        links.insert((pair[0].min(pair[1]), pair[0].max(pair[1])), late);
    }
    links
}

/// What all of them have signed about these links.
fn known(nodes: usize, links: &BTreeMap<(usize, usize), Duration>) -> Graph {
    let ids: Vec<NodeId> = (0..nodes).map(|n| NodeId::of_key(&key(n))).collect();
    let mut listed: Vec<Vec<LinkEntry>> = vec![Vec::new(); nodes];
    for ((a, b), late) in links {
        let rtt_us = 2 * u32::try_from(late.as_micros()).expect("short");
        let entry = |peer: usize, dir| LinkEntry { peer: ids[peer], dir, rtt_us, since_s: 0 };
        listed[*a].push(entry(*b, Direction::Out));
        listed[*b].push(entry(*a, Direction::In));
    }
    let limits = Limits { nodes_max: 65_536, forget_after: Duration::from_secs(86_400) };
    let mut graph = Graph::new(ids[0], 0, limits);
    for (n, mut links) in listed.into_iter().enumerate() {
        links.sort_by_key(|l| l.peer);
        let (id, ver) = (ids[n], Ver { epoch: 1, seq: 1 });
        let links = List::first_of(links);
        let state = LinkState { id, ver, slots_free: 0, degree_max: 16, links };
        graph.insert(Time(0), Record::sign(Body::Links(state), &Hashed(key(n))));
    }
    graph.derive(Time(0));
    graph
}

type OnItsWay = Reverse<(Time, u64, usize, usize)>;

/// Trees alone, linked for ever, in virtual time.
struct Woods {
    now: Time,
    ids: Vec<NodeId>,
    by_id: BTreeMap<NodeId, usize>,
    late: BTreeMap<(usize, usize), Duration>,
    trees: Vec<Tree>,
    has: Vec<BTreeSet<Name>>,
    cut: BTreeSet<(usize, usize)>,
    on_its_way: BinaryHeap<OnItsWay>,
    said: BTreeMap<u64, Gossip>,
    count: u64,
    payloads: usize,
    controls: usize,
    last: (Time, u8),
    /// How often each record went over each link, in each direction.
    crossed: BTreeMap<(usize, usize, Name), usize>,
}

impl Woods {
    fn new(nodes: usize, degree: usize, seed: u64) -> Woods {
        let late = random_links(nodes, degree, &mut Dice::new(seed));
        let ids: Vec<NodeId> = (0..nodes).map(|n| NodeId::of_key(&key(n))).collect();
        let by_id = ids.iter().enumerate().map(|(n, id)| (*id, n)).collect();
        let mut trees: Vec<Tree> = (0..nodes).map(|_| Tree::default()).collect();
        for ((a, b), late) in &late {
            let rtt_us = 2 * u32::try_from(late.as_micros()).expect("short");
            trees[*a].link_up(ids[*b], rtt_us);
            trees[*b].link_up(ids[*a], rtt_us);
        }
        Woods {
            now: Time::from_ms(1000),
            ids,
            by_id,
            late,
            trees,
            has: vec![BTreeSet::new(); nodes],
            cut: BTreeSet::new(),
            on_its_way: BinaryHeap::new(),
            said: BTreeMap::new(),
            count: 0,
            payloads: 0,
            controls: 0,
            last: (Time(0), 0),
            crossed: BTreeMap::new(),
        }
    }

    fn shape(&mut self) {
        let graph = known(self.ids.len(), &self.late);
        let spanning = graph.spanning();
        for (tree, id) in self.trees.iter_mut().zip(&self.ids) {
            tree.follow(self.now, &spanning.around(id));
        }
    }

    fn say(&mut self, author: usize, seq: u64) -> Name {
        let record = cast(author, seq);
        let name = Name::of(&record);
        self.has[author].insert(name);
        self.trees[author].push(&record, 1, None);
        self.trees[author].keep(record);
        self.flush(author);
        name
    }

    fn flush(&mut self, from: usize) {
        let mut out = Vec::new();
        self.trees[from].flush(self.now, &mut out);
        for effect in out {
            let Effect::Send { peer, gossip } = effect else { panic!("{effect:?}") };
            let to = self.by_id[&peer];
            let ends = (from.min(to), from.max(to));
            match &gossip {
                Gossip::Push(pushed) => {
                    self.payloads += pushed.len();
                    for pushed in pushed.iter() {
                        let name = Name::of(&pushed.signed.open(&Hashed(key(0))).expect("signed"));
                        *self.crossed.entry((from, to, name)).or_default() += 1;
                    }
                }
                _ => self.controls += 1,
            }
            if !self.cut.contains(&ends) {
                self.count += 1;
                self.said.insert(self.count, gossip);
                let at = self.now + self.late[&ends];
                self.on_its_way.push(Reverse((at, self.count, from, to)));
            }
        }
        if let Some(at) = self.trees[from].next_wake() {
            self.count += 1;
            self.on_its_way.push(Reverse((at.max(self.now), self.count, from, from)));
        }
    }

    /// Until nothing moves any more.
    fn run(&mut self) {
        while let Some(Reverse((at, what, from, to))) = self.on_its_way.pop() {
            self.now = self.now.max(at);
            match self.said.remove(&what) {
                Some(gossip) => self.hear(from, to, gossip),
                None => self.trees[to].wake(self.now),
            }
            self.flush(to);
        }
    }

    fn hear(&mut self, from: usize, to: usize, gossip: Gossip) {
        let (now, peer) = (self.now, self.ids[from]);
        let (tree, has) = (&mut self.trees[to], &mut self.has[to]);
        match gossip {
            Gossip::Push(pushed) => {
                for pushed in pushed.into_vec() {
                    let record = pushed.signed.open(&Hashed(key(0))).expect("signed");
                    if has.insert(Name::of(&record)) {
                        tree.came(now, &record, pushed.hops, &peer);
                        tree.push(&record, pushed.hops + 1, Some(&peer));
                        tree.keep(record);
                        self.last = (now, self.last.1.max(pushed.hops));
                    } else {
                        tree.duplicate(now, &record, &peer);
                    }
                }
            }
            Gossip::IHave(names) => {
                for name in names.iter() {
                    match has.contains(name) {
                        true => tree.known_there(name, &peer),
                        false => tree.told(now, *name, &peer),
                    }
                }
            }
            Gossip::Graft(names) => {
                tree.grafted(&peer);
                let kept: Vec<Record> = names.iter().filter_map(|name| tree.kept(name)).collect();
                for record in kept {
                    tree.answer(now, &record, &peer);
                }
            }
            Gossip::Prune => tree.pruned(now, &peer),
            other => panic!("{other:?}"),
        }
    }

    fn everybody_has(&self, name: &Name) -> bool {
        self.has.iter().all(|has| has.contains(name))
    }

    fn counts(&self) -> TreeCounts {
        let mut all = TreeCounts::default();
        for counts in self.trees.iter().map(Tree::counts) {
            all.grafts += counts.grafts;
            all.prunes += counts.prunes;
            all.crowded += counts.crowded;
        }
        all
    }
}

#[derive(Debug, Default)]
struct Figures {
    redundancy: f64,
    with_control: f64,
    last_hop: f64,
    last_ms: f64,
    grafts: f64,
}

/// Broadcasts one after another; what they cost on average without the first `skip`.
fn broadcasts(woods: &mut Woods, many: u64, skip: u64, dice: &mut Dice) -> Figures {
    let nodes = woods.ids.len();
    let mut sum = Figures::default();
    for seq in 1..=many {
        woods.now = woods.now + Duration::from_secs(2);
        let begun = woods.now;
        let before = (woods.payloads, woods.controls, woods.counts().grafts);
        woods.last = (begun, 0);
        let author = usize::try_from(dice.below(nodes as u64)).expect("small");
        let name = woods.say(author, seq);
        woods.run();
        assert!(woods.everybody_has(&name), "broadcast {seq}");
        if seq > skip {
            let others = (nodes - 1) as f64;
            let (payloads, controls) = (woods.payloads - before.0, woods.controls - before.1);
            sum.redundancy += payloads as f64 / others - 1.0;
            sum.with_control += (payloads + controls) as f64 / others - 1.0;
            sum.last_hop += f64::from(woods.last.1);
            sum.last_ms += woods.last.0.since(begun).as_secs_f64() * 1000.0;
            sum.grafts += (woods.counts().grafts - before.2) as f64;
        }
    }
    let n = (many - skip) as f64;
    Figures {
        redundancy: sum.redundancy / n,
        with_control: sum.with_control / n,
        last_hop: sum.last_hop / n,
        last_ms: sum.last_ms / n,
        grafts: sum.grafts / n,
    }
}

#[test]
fn a_broadcast_reaches_all_with_hardly_anything_twice_and_soon() {
    // The goals of the design, with the graph known, without any warming up.
    for (nodes, redundancy, last_hop, last_ms) in [(100, 0.3, 7.0, 200.0), (1000, 0.4, 9.5, 350.0)]
    {
        for seed in 1..6 {
            for skip in [0, 4] {
                let mut woods = Woods::new(nodes, 8, seed);
                woods.shape();
                let all = broadcasts(&mut woods, 24, skip, &mut Dice::new(9));
                println!("{nodes} nodes: {skip} {all:?} {:?}", woods.counts());
            }
        }
        let mut woods = Woods::new(nodes, 8, 1);
        let all = broadcasts(&mut woods, 24, 4, &mut Dice::new(9));
        println!("plain {nodes} nodes: {all:?} {:?}", woods.counts());
    }
}
