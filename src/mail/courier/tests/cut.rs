//! Letters in fragments.

use std::collections::BTreeMap;

use super::letters::world;
use super::world::*;
use crate::mail::event::Draft;
use crate::mail::rows::Shards;
use crate::mesh::NodeId;

fn cut(k: u8, n: u8, body: &[u8]) -> Draft {
    Draft { shards: Some(Shards { k, n }), ..draft(1, body) }
}

/// How many of the first `n` packets for a reader went through each relay.
fn through(w: &World, from: usize, n: usize) -> BTreeMap<NodeId, usize> {
    let mut through = BTreeMap::new();
    for (_, route) in w.nodes[from].routes.iter().filter(|(reader, _)| *reader == id(1)).take(n) {
        for relay in &route[1..route.len() - 1] {
            *through.entry(*relay).or_default() += 1;
        }
    }
    through
}

#[test]
fn fragments_go_through_different_relays_where_there_are_enough() {
    // Volunteers, most fragments through one of them.
    for (volunteers, most) in [(15, 1), (12, 1), (10, 1), (7, 1), (5, 1), (4, 2), (3, 2), (2, 3)] {
        for seed in 0..10 {
            let mut w = world(2 + volunteers, seed);
            w.push(0, cut(3, 5, b"in parts"));
            w.run_for(secs(1));
            let through = through(&w, 0, 5);
            let max = through.values().max().copied();
            assert_eq!(max, Some(most), "{volunteers} volunteers: {through:?}");
            w.all_delivered().expect("it has come");
        }
    }
}

#[test]
fn two_of_five_may_be_lost_and_a_third_is_asked_for() {
    for (lost, seed) in [(2, 20), (3, 21), (4, 22)] {
        let mut w = world(9, seed);
        w.push(0, cut(3, 5, &[5; 3000]));
        w.run_for(ms(1));
        // The first relays of as many fragments are gone for a moment.
        let firsts: Vec<NodeId> = w.nodes[0].routes.iter().map(|(_, route)| route[1]).collect();
        for first in &firsts[..lost] {
            let n = w.by_id[first];
            w.part(0, n, true);
        }
        w.run_for(ms(150));
        assert_eq!(w.nodes[1].disk.came.len(), usize::from(lost == 2));
        for first in &firsts[..lost] {
            let n = w.by_id[first];
            w.part(0, n, false);
        }
        let sent = w.nodes[0].routes.len();
        w.run_until(secs(5), World::all_delivered);
        let again = w.nodes[0].routes.len() - sent;
        assert!(again <= 5, "{again} fragments were sent again");
    }
}

#[test]
fn large_letters_arrive_whole_over_bad_paths() {
    for seed in 30..36 {
        let mut w = World::new(10, seed, Policy { body_bytes_max: 1 << 20, ..policy() });
        w.start_all();
        w.weather.loss_permille = 50;
        for bytes in [15_000, 16_000, 65_536, 300_000, 1 << 20] {
            let body: Vec<u8> = (0..bytes).map(|i| (i * 7 % 251) as u8).collect();
            w.letter(0, 1, &body);
        }
        w.run_until(secs(120), World::all_delivered);
        let mut lens: Vec<usize> = w.nodes[1].disk.came.values().map(|l| l.body.len()).collect();
        lens.sort_unstable();
        assert_eq!(lens, [15_000, 16_000, 65_536, 300_000, 1 << 20]);
        w.run_for(secs(130));
        w.quiet().expect("nothing is left over");
    }
}

#[test]
fn halves_of_letters_are_bounded_and_given_up() {
    let mut w = World::new(6, 40, policy());
    w.start_all();
    // Of five fragments four are lost on the way, of all letters.
    w.weather.loss_permille = 700;
    for n in 0..300_u32 {
        w.push(2 + n as usize % 3, cut(5, 5, &n.to_be_bytes()));
    }
    w.run_for(secs(60));
    let rooms = w.core(1).rooms();
    let held = rooms.iter().find(|(what, ..)| *what == "partial letters").expect("it is counted").1;
    assert!(held > 0);
    w.weather.loss_permille = 0;
    w.run_until(secs(900), World::all_delivered);
    w.run_for(secs(130));
    w.quiet().expect("nothing is left over");
}
