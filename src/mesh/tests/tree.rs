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
    Record::sign(Body::Cast(Cast { id, ver, shout: true, text }), &Hashed(key(author)))
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
        let state =
            LinkState { id, ver, slots_free: 0, degree_max: 16, links, lost: List::default() };
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
    seq: u64,
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
            trees[*a].link_up(ids[*b], rtt_us, true);
            trees[*b].link_up(ids[*a], rtt_us, true);
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
            seq: 0,
            payloads: 0,
            controls: 0,
            last: (Time(0), 0),
            crossed: BTreeMap::new(),
        }
    }

    fn follow(&mut self) {
        let graph = known(self.ids.len(), &self.late);
        let spanning = graph.spanning();
        for (tree, id) in self.trees.iter_mut().zip(&self.ids) {
            tree.follow(self.now, &spanning.around(id), &spanning.partners(id));
        }
    }

    fn say(&mut self, author: usize, seq: u64) -> Name {
        let record = cast(author, seq);
        let name = Name::of(&record);
        self.has[author].insert(name);
        self.trees[author].push(&record, self.now, 1, None);
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
                        tree.push(&record, now, pushed.hops + 1, Some(&peer));
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
                if names.is_empty() {
                    tree.grafted(&peer);
                }
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
    for nth in 1..=many {
        woods.seq += 1;
        let seq = woods.seq;
        woods.now = woods.now + Duration::from_secs(2);
        let begun = woods.now;
        let before = (woods.payloads, woods.controls, woods.counts().grafts);
        woods.last = (begun, 0);
        let author = usize::try_from(dice.below(nodes as u64)).expect("small");
        let name = woods.say(author, seq);
        woods.run();
        assert!(woods.everybody_has(&name), "broadcast {seq}");
        if nth > skip {
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
    for (nodes, last_hop, last_ms) in [(100, 7.0, 220.0), (1000, 11.0, 350.0)] {
        let mut woods = Woods::new(nodes, 8, 3);
        woods.follow();
        let first = broadcasts(&mut woods, 4, 0, &mut Dice::new(8));
        let later = broadcasts(&mut woods, 24, 0, &mut Dice::new(9));
        println!("{nodes} nodes, the first four: {first:.2?}\n{nodes} nodes, 24 more: {later:.2?}");
        // At first some more links are eager than the tree has.
        assert!(first.redundancy < 0.6, "{first:?}");
        assert!(later.redundancy < 0.15, "{later:?}");
        assert!(later.last_hop <= last_hop && later.last_ms <= last_ms, "{later:?}");
        assert_eq!(woods.counts().crowded, 0);
    }
}

#[test]
fn without_a_graph_to_follow_a_tree_grows_as_well_and_only_longer() {
    let mut woods = Woods::new(100, 8, 2);
    broadcasts(&mut woods, 20, 0, &mut Dice::new(9));
    let later = broadcasts(&mut woods, 20, 0, &mut Dice::new(9));
    assert!(later.redundancy < 0.5 && later.last_ms < 500.0, "{later:?}");
}

#[test]
fn nothing_goes_over_a_link_twice() {
    for seed in 0..8 {
        let mut woods = Woods::new(60, 8, seed);
        if seed % 2 == 0 {
            woods.follow();
        }
        broadcasts(&mut woods, 12, 0, &mut Dice::new(seed));
        // Several at once, from all sides.
        for author in 0..30 {
            woods.say(author, 100);
        }
        woods.run();
        for author in 0..30 {
            assert!(woods.everybody_has(&Name::of(&cast(author, 100))), "{seed} {author}");
        }
        assert!(woods.crossed.values().all(|times| *times == 1), "seed {seed}");
        assert!(woods.trees.iter().all(|t| t.eager() > 0), "nobody is cut off");
    }
}

#[test]
fn what_a_dead_link_does_not_bring_is_grafted_and_then_comes_another_way() {
    for seed in 0..5 {
        let mut woods = Woods::new(60, 8, seed);
        woods.follow();
        let mut dice = Dice::new(seed);
        broadcasts(&mut woods, 12, 0, &mut dice);
        // All eager links of one node but one die silently: nobody is told.
        let victim = 7;
        let eager = |a: &usize| {
            let ends = (victim.min(*a), victim.max(*a));
            woods.late.contains_key(&ends) && woods.trees[victim].is_eager(&woods.ids[*a])
        };
        let eager: Vec<usize> = (0..60).filter(eager).collect();
        let neighbours = woods.late.keys().filter(|(a, b)| *a == victim || *b == victim).count();
        let cut = eager.len().min(neighbours - 2);
        woods.cut.extend(eager[..cut].iter().map(|a| (victim.min(*a), victim.max(*a))));
        let before = woods.counts().grafts;
        let broken = broadcasts(&mut woods, 1, 0, &mut Dice::new(seed));
        assert!(woods.counts().grafts > before, "seed {seed}");
        assert!(broken.last_ms < 1500.0, "seed {seed}: {broken:?}");
        broadcasts(&mut woods, 6, 0, &mut dice);
        let healed = broadcasts(&mut woods, 6, 0, &mut dice);
        assert!(healed.redundancy < 0.3, "seed {seed}: {healed:?}");
    }
}

#[test]
fn the_tree_of_the_graph_spans_it_and_both_ends_see_it_alike() {
    for seed in 0..20 {
        let nodes = 50;
        let links = random_links(nodes, 6, &mut Dice::new(seed));
        let graph = known(nodes, &links);
        let spanning = graph.spanning();
        let ids: Vec<NodeId> = (0..nodes).map(|n| NodeId::of_key(&key(n))).collect();
        let around: Vec<_> = ids.iter().map(|id| spanning.around(id)).collect();
        let live: Vec<usize> = (0..nodes).filter(|n| graph.is_alive(&ids[*n])).collect();
        let mut edges = 0;
        for n in &live {
            for peer in &around[*n] {
                let other = ids.iter().position(|id| id == peer).expect("one of them");
                assert!(links.contains_key(&(other.min(*n), other.max(*n))), "a link there is");
                assert!(around[other].contains(&ids[*n]), "both ends see it");
                edges += 1;
            }
        }
        assert_eq!(edges, 2 * (live.len() - 1), "seed {seed}: as many as a tree has");
        let mut reached = BTreeSet::from([ids[0]]);
        let mut queue = vec![0];
        while let Some(n) = queue.pop() {
            for peer in around[n].iter().filter(|peer| reached.insert(**peer)) {
                queue.push(ids.iter().position(|id| id == peer).expect("one of them"));
            }
        }
        assert_eq!(reached.len(), live.len(), "seed {seed}: and it reaches all");
    }
}

// --- What a hostile neighbour can do.

fn beset() -> (Tree, NodeId, NodeId) {
    let (friend, foe) = (id(1), id(2));
    let mut tree = Tree::default();
    tree.link_up(friend, 20_000, true);
    tree.link_up(foe, 4_000_000_000, true);
    tree.grafted(&foe);
    assert_eq!(sent(&mut tree, Time(0)).len(), 1, "the first one is asked for all there is");
    (tree, friend, foe)
}

fn name(n: u64) -> Name {
    let ver = Ver { epoch: 1, seq: n };
    Name { id: n.to_be_bytes(), kind: [Kind::Card, Kind::Links, Kind::Cast][(n % 3) as usize], ver }
}

/// All that goes out, by whom to.
fn sent(tree: &mut Tree, now: Time) -> Vec<(NodeId, Gossip)> {
    let mut out = Vec::new();
    tree.wake(now);
    tree.flush(now, &mut out);
    let send = |effect| match effect {
        Effect::Send { peer, gossip } => (peer, gossip),
        other => panic!("{other:?}"),
    };
    out.into_iter().map(send).collect()
}

#[test]
fn a_million_names_of_nothing_cost_a_bounded_number_of_questions() {
    let (mut tree, friend, foe) = beset();
    let (mut asked, mut frames) = (0, 0);
    for ms in 0..10_000 {
        let now = Time::from_ms(ms);
        for n in 0..100 {
            tree.told(now, name(ms * 100 + n), &foe);
        }
        for (peer, gossip) in sent(&mut tree, now) {
            assert_eq!(peer, foe, "nobody else is bothered");
            let Gossip::Graft(names) = gossip else { panic!("{gossip:?}") };
            (asked, frames) = (asked + names.len(), frames + 1);
        }
        assert!(tree.missing() <= 4096);
    }
    assert!(asked <= 512 + 256 * 10, "{asked} asked for");
    assert!(frames <= 1001, "{frames} frames");
    // What an honest neighbour tells meanwhile is asked for all the same.
    let now = Time::from_ms(10_000);
    tree.told(now, name(5_000_000_001), &friend);
    let later = now + Duration::from_secs(1);
    assert!(sent(&mut tree, later).iter().any(|(peer, _)| *peer == friend));
}

#[test]
fn a_flood_of_grafts_and_prunes_is_answered_by_little() {
    let (mut tree, friend, foe) = beset();
    let record = cast(1, 1);
    let mut pushed = 0;
    for ms in 0..10_000 {
        let now = Time::from_ms(ms);
        for _ in 0..10 {
            tree.grafted(&foe);
            tree.answer(now, &record, &foe);
            tree.pruned(now, &foe);
        }
        for (_, gossip) in sent(&mut tree, now) {
            if let Gossip::Push(news) = gossip {
                pushed += news.len();
            }
        }
    }
    // One a flush at most, for what waits twice goes once; and it never pays to prune a link with it waiting.
    assert!(pushed <= 1000, "{pushed}");
    assert!(tree.is_eager(&friend), "the other link is as before");
    // Where all prune us, one link is made eager anyway: else nothing new would ever be pushed.
    tree.pruned(Time::from_ms(20_000), &friend);
    tree.pruned(Time::from_ms(20_000), &foe);
    assert_eq!(tree.eager(), 1);
}

#[test]
fn one_author_gets_its_share_and_a_thousand_do_not_grow_the_memory() {
    let (mut tree, _, _) = beset();
    let passed = |tree: &mut Tree, author| {
        let at = |ms: u64| Time::from_ms(50 * ms);
        (0..200).filter(|ms| tree.may_pass(at(*ms), &cast(author, *ms))).count()
    };
    // 200 in ten seconds, as the shortest period of pings has it, are all passed on.
    assert_eq!(passed(&mut tree, 1), 200);
    let flood = (0..10_000).filter(|n| tree.may_pass(Time::from_ms(n / 10), &cast(2, *n))).count();
    assert!((128..=128 + 24 + 1).contains(&flood), "{flood} in a second");
    for author in 0..1000 {
        tree.may_pass(Time::from_ms(20_000), &cast(author, 1));
    }
    assert!(tree.authors() <= 256);
}

#[test]
fn what_waits_for_a_link_is_bounded_and_the_newest_takes_the_place_of_the_old() {
    let (mut tree, friend, _) = beset();
    for n in 0..10_000 {
        tree.push(&cast(n, 1), Time(0), 1, None);
    }
    assert_eq!(tree.counts().crowded, 2 * (10_000 - 4096));
    let mut news = 0;
    for ms in 0..10_000 {
        for (peer, gossip) in sent(&mut tree, Time::from_ms(ms)) {
            let Gossip::Push(pushed) = gossip else { panic!("{gossip:?}") };
            news += if peer == friend { pushed.len() } else { 0 };
        }
    }
    assert_eq!(news, 4096, "each once");

    let (mut tree, friend, _) = beset();
    let last = |seq| links(9, seq, &[1, 2, 3]);
    tree.push(&last(1), Time(0), 1, None);
    assert_eq!(sent(&mut tree, Time::from_ms(10)).len(), 2);
    (2..9).for_each(|seq| tree.push(&last(seq), Time(0), 1, None));
    assert!(sent(&mut tree, Time::from_ms(15)).is_empty(), "gathered");
    let out = sent(&mut tree, Time::from_ms(20));
    let (_, gossip) = out.iter().find(|(peer, _)| *peer == friend).expect("sent");
    let Gossip::Push(pushed) = gossip else { panic!("{gossip:?}") };
    assert_eq!(pushed.len(), 1);
    assert_eq!(&pushed[0].signed, last(8).signed());
}

#[test]
fn a_version_that_nobody_has_keeps_no_other_from_being_asked_for() {
    let (mut tree, friend, foe) = beset();
    let real = Name { kind: Kind::Links, ..name(1) };
    let made_up = Name { ver: Ver { epoch: u64::MAX, seq: u64::MAX }, ..real };
    tree.told(Time(0), real, &friend);
    let mut asked = 0;
    for ms in 0..2000 {
        let now = Time::from_ms(ms);
        tree.told(now, made_up, &foe);
        for (peer, gossip) in sent(&mut tree, now) {
            if let (true, Gossip::Graft(names)) = (peer == friend, gossip) {
                asked += names.iter().filter(|n| **n == real).count();
            }
        }
    }
    assert_eq!(asked, 1);
}

/// The names that go to `peer`, and when, in these milliseconds.
fn names_to(tree: &mut Tree, peer: NodeId, during: std::ops::Range<u64>) -> Vec<(u64, usize)> {
    let mut told = Vec::new();
    for ms in during {
        for (to, gossip) in sent(tree, Time::from_ms(ms)) {
            if let (true, Gossip::IHave(names)) = (to == peer, gossip) {
                told.push((ms, names.len()));
            }
        }
    }
    told
}

#[test]
fn names_go_together_when_the_first_may_wait_no_longer_or_when_there_are_many() {
    let at = Time::from_ms;
    let (mut tree, _, foe) = beset();
    tree.pruned(Time(0), &foe);
    tree.push(&links(7, 1, &[1, 2]), at(200), 1, None);
    tree.push(&links(8, 1, &[1, 2]), at(100), 1, None);
    // What the other end tells us of needs no name.
    tree.push(&links(9, 1, &[1, 2]), at(50), 1, None);
    assert_eq!(names_to(&mut tree, foe, 0..40), []);
    tree.known_there(&Name::of(&links(9, 1, &[1, 2])), &foe);
    assert_eq!(names_to(&mut tree, foe, 40..1000), [(50, 2)]);
    // With the last one gone, the next has its own time.
    tree.push(&cast(9, 2), at(1010), 1, None);
    tree.known_there(&Name::of(&cast(9, 2)), &foe);
    tree.push(&cast(9, 3), at(1100), 1, None);
    assert_eq!(names_to(&mut tree, foe, 1000..2000), [(1100, 1)]);
    (5..36).for_each(|seq| tree.push(&cast(9, seq), at(9000), 1, None));
    assert_eq!(names_to(&mut tree, foe, 2000..3000), []);
    tree.push(&cast(9, 36), at(9000), 1, None);
    assert_eq!(names_to(&mut tree, foe, 3000..10_000), [(3000, 32)]);
}

proptest! {
    #[test]
    fn no_order_of_events_makes_a_tree_panic_or_leaves_it_without_an_eager_link(
        events in prop::collection::vec((0..10u8, 0..6u8, 0..40u64), 0..200),
    ) {
        let mut tree = Tree::default();
        let mut up = BTreeSet::new();
        let mut now = Time(0);
        let mut out = Vec::new();
        for (what, peer, n) in events {
            let peer = id(peer);
            let record = cast(usize::try_from(n % 7).expect("small"), n);
            match what {
                0 => {
                    up.insert(peer);
                    tree.link_up(peer, u32::try_from(n).expect("small") * 100_000_000, true);
                }
                1 => {
                    up.remove(&peer);
                    tree.link_down(&peer, true);
                }
                2 => tree.push(&record, now, 255, Some(&peer)),
                3 => tree.came(now, &record, 255, &peer),
                4 => tree.duplicate(now, &record, &peer),
                5 => tree.told(now, name(n), &peer),
                6 => tree.pruned(now, &peer),
                7 => {
                    tree.grafted(&peer);
                    tree.answer(now, &record, &peer);
                }
                8 => tree.follow(now, &BTreeSet::from([peer]), &BTreeSet::from([peer])),
                _ => now = now + Duration::from_millis(n * n),
            }
            tree.wake(now);
            tree.flush(now, &mut out);
            prop_assert!(up.is_empty() || tree.eager() > 0);
            for effect in out.drain(..) {
                let Effect::Send { peer, .. } = effect else { panic!("{effect:?}") };
                prop_assert!(up.contains(&peer));
            }
        }
    }
}
