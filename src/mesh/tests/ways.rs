//! The way that is found is the cheapest one there is.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::id;
use crate::mesh::NodeId;
use crate::mesh::ways::{cheapest, cost_us};

/// Links by node: to whom, and how long the round trip takes.
type Links = BTreeMap<NodeId, BTreeMap<NodeId, u32>>;

fn links(pairs: &[(u8, u8, u32)]) -> Links {
    let mut links = Links::new();
    for (a, b, rtt_us) in pairs.iter().filter(|(a, b, _)| a != b) {
        // One link between two nodes: the last that is named.
        links.entry(id(*a)).or_default().insert(id(*b), *rtt_us);
        links.entry(id(*b)).or_default().insert(id(*a), *rtt_us);
    }
    links
}

fn of(links: &Links, id: NodeId) -> Vec<(NodeId, u32)> {
    links.get(&id).into_iter().flatten().map(|(to, rtt)| (*to, *rtt)).collect()
}

/// The least cost of any way, by relaxing every link as often as there are nodes (Bellman and Ford).
fn least(links: &Links, from: NodeId, to: NodeId) -> Option<u64> {
    let mut cost = BTreeMap::from([(from, 0u64)]);
    for _ in 0..=links.len() {
        for (a, peers) in links {
            let Some(here) = cost.get(a).copied() else { continue };
            for (b, rtt) in peers {
                let there = cost.entry(*b).or_insert(u64::MAX);
                *there = (*there).min(here + cost_us(*rtt));
            }
        }
    }
    cost.get(&to).copied()
}

fn name(n: u64) -> NodeId {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&n.to_be_bytes());
    NodeId(id)
}

fn number(id: NodeId) -> u64 {
    u64::from_be_bytes(id.0[..8].try_into().expect("8 bytes"))
}

proptest! {
    #[test]
    fn no_way_is_cheaper_than_the_one_found(
        pairs in prop::collection::vec((0..12u8, 0..12u8, prop_oneof![Just(0u32), 1..3_000u32, any::<u32>()]), 0..40),
        from in 0..12u8,
        to in 0..12u8,
    ) {
        let links = links(&pairs);
        let found = cheapest(id(from), id(to), |at| of(&links, at));
        let mut cost = 0;
        let mut at = id(from);
        for (next, rtt_us) in found.iter().flatten() {
            prop_assert_eq!(links[&at].get(next), Some(rtt_us), "the way goes over links");
            cost += cost_us(*rtt_us);
            at = *next;
        }
        prop_assert_eq!(found.as_ref().map(|_| cost), least(&links, id(from), id(to)));
        prop_assert!(found.is_none() || at == id(to));
    }
}

#[test]
fn of_two_ways_that_are_as_good_the_shorter_one_is_taken() {
    let links = links(&[(1, 2, 100), (2, 3, 100), (1, 3, 200)]);
    assert_eq!(cheapest(id(1), id(3), |at| of(&links, at)), Some(vec![(id(3), 200)]));
}

#[test]
fn however_many_links_there_are_the_search_ends_with_the_best_way_so_far() {
    // Two full meshes of 200; the only link between them is so dear that any detour would be worth a look.
    let all = |of: u64| (0..400).filter(move |n| *n != of && (*n < 200) == (of < 200));
    for dear in [Some(u32::MAX), None] {
        let looked = std::cell::Cell::new(0);
        let way = cheapest(name(0), name(399), |at| {
            let at = number(at);
            let links: Vec<(NodeId, u32)> = all(at).map(|n| (name(n), 10)).collect();
            let between = dear.filter(|_| [0, 399].contains(&at)).map(|rtt| (name(399 - at), rtt));
            looked.set(looked.get() + links.len());
            links.into_iter().chain(between).collect::<Vec<_>>()
        });
        assert_eq!(way, dear.map(|rtt_us| vec![(name(399), rtt_us)]));
        assert!((16_000..17_000).contains(&looked.get()), "{} links", looked.get());
    }
}

#[test]
fn in_a_large_mesh_few_nodes_are_looked_at() {
    // 10,000 nodes in a ring, each with six links to others: what the search may cost bounds what a message
    // that is passed on may.
    let nodes: u64 = 10_000;
    let mut dice = crate::mesh::dice::Dice::new(7);
    let mut links = Links::new();
    let mut link = |a: u64, b: u64, rtt_us: u32| {
        links.entry(name(a)).or_default().insert(name(b), rtt_us);
        links.entry(name(b)).or_default().insert(name(a), rtt_us);
    };
    for n in 0..nodes {
        link(n, (n + 1) % nodes, 30_000);
        for _ in 0..3 {
            link(n, dice.below(nodes), 10_000 + dice.below(40_000) as u32);
        }
    }
    let looked = std::cell::Cell::new(0);
    for far in 1..=50 {
        let way = cheapest(name(0), name(far * 197), |at| {
            looked.set(looked.get() + 1);
            of(&links, at)
        });
        assert!(way.is_some_and(|way| way.len() < 16));
    }
    let each = looked.get() / 50;
    assert!(each < 500, "{each} of {nodes} nodes were looked at for one way");
}
