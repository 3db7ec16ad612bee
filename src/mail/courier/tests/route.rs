//! Which ways letters take.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::world::*;
use crate::mail::courier::members::Members;
use crate::mail::courier::route::{PATHS_REMEMBERED, Wanted, Ways};
use crate::mesh::dice::Dice;
use crate::mesh::view::View;
use crate::mesh::{NodeId, Time};

/// A network at rest as node 0 sees it; node 1 is the reader.
fn members(count: usize, change: impl FnOnce(&mut World)) -> (Members, u64) {
    let mut w = World::new(count, 1, policy());
    change(&mut w);
    w.start_all();
    w.run_for(secs(1));
    let mut members = Members::new(id(0));
    members.update(Arc::new(w.view()));
    (members, w.clock(0))
}

fn shown(view: View) -> Members {
    let mut members = Members::new(id(0));
    members.update(Arc::new(view));
    members
}

fn candidates(ways: &Ways, members: &Members, now: Time, now_ms: u64) -> Vec<NodeId> {
    ways.candidates(members, now, now_ms, &[id(1)], 3)
}

fn choose(
    ways: &mut Ways,
    members: &Members,
    now_ms: u64,
    hops: usize,
    dice: &mut Dice,
) -> Option<Vec<NodeId>> {
    let candidates = candidates(ways, members, Time(0), now_ms);
    let used = &BTreeMap::new();
    let wanted = Wanted { end: id(1), hops, used, from: id(0), guards: &[] };
    ways.choose(members, &candidates, &wanted, dice)
}

#[test]
fn only_volunteers_with_good_keys_that_are_there() {
    let mut w = World::new(8, 1, policy());
    w.nodes[2].policy.volunteer = false;
    w.nodes[3].disk.fails = true;
    w.start_all();
    w.crash(4, ms(1));
    w.run_for(secs(1));
    let (members, now_ms) = (shown(w.view()), w.clock(0));
    let found: BTreeSet<NodeId> =
        candidates(&Ways::default(), &members, Time(0), now_ms).into_iter().collect();
    assert_eq!(found, BTreeSet::from([id(5), id(6), id(7)]));
    let late = candidates(&Ways::default(), &members, Time(0), now_ms + 7 * 3600 * 1000);
    assert!(late.is_empty(), "keys that are too old");
}

#[test]
fn of_n_paths_the_first_n_are_different_and_none_comes_twice_running() {
    for volunteers in 1..=6 {
        let (members, now_ms) = members(2 + volunteers, |_| {});
        for hops in 1..=4 {
            let long = hops.min(volunteers);
            let paths: usize = (0..long).map(|i| volunteers - i).product();
            for seed in 0..10 {
                let (mut ways, mut dice) = (Ways::default(), Dice::new(seed));
                let mut seen: Vec<Vec<NodeId>> = Vec::new();
                for _ in 0..100 {
                    let path = choose(&mut ways, &members, now_ms, hops, &mut dice);
                    let path = path.expect("there is one");
                    let distinct: BTreeSet<&NodeId> = path.iter().collect();
                    assert_eq!((path.len(), distinct.len()), (long, long));
                    assert!(!path.contains(&id(0)) && !path.contains(&id(1)));
                    if paths > 1 {
                        assert_ne!(seen.last(), Some(&path), "{volunteers} volunteers");
                    }
                    seen.push(path);
                }
                let first: BTreeSet<_> = seen.iter().take(paths.min(PATHS_REMEMBERED)).collect();
                assert_eq!(first.len(), paths.min(PATHS_REMEMBERED), "{volunteers}, {hops} hops");
            }
        }
    }
}

#[test]
fn ten_thousand_letters_through_eight_volunteers_never_go_the_same_way_twice_running() {
    let (members, now_ms) = members(10, |_| {});
    let (mut ways, mut dice) = (Ways::default(), Dice::new(1));
    let mut last = Vec::new();
    let began = std::time::Instant::now();
    let mut each: BTreeMap<NodeId, u32> = BTreeMap::new();
    for _ in 0..10_000 {
        let path = choose(&mut ways, &members, now_ms, 3, &mut dice).expect("there is one");
        assert_ne!(path, last);
        path.iter().for_each(|id| *each.entry(*id).or_default() += 1);
        last = path;
    }
    println!("10,000 ways in {:?}", began.elapsed());
    assert_eq!(each.len(), 8);
    assert!(each.values().all(|n| (3000..4500).contains(n)), "{:?}", each.values());
}

#[test]
fn the_last_relay_is_linked_to_the_reader_where_one_is() {
    for friend in 2..7 {
        let (members, now_ms) = members(7, |w| {
            for n in (0..7).filter(|n| *n != friend && *n != 1) {
                w.part(1, n, true);
            }
        });
        let (mut ways, mut dice) = (Ways::default(), Dice::new(1));
        for n in 0..50 {
            let path = choose(&mut ways, &members, now_ms, 3, &mut dice).expect("there is one");
            // Of the twelve paths that end so each comes before one of the others is taken at all.
            assert_eq!(path.last(), Some(&id(friend)), "letter {n}");
        }
    }
}

#[test]
fn with_ten_candidates_the_first_hop_is_one_of_three() {
    for (volunteers, firsts) in [(9, 9), (10, 3), (20, 3)] {
        let mut w = World::new(2 + volunteers, 1, policy());
        w.start_all();
        for n in 0..200 {
            w.letter(0, 1, &[n]);
            w.run_for(ms(100));
        }
        let first: BTreeSet<NodeId> = w.nodes[0].routes.iter().map(|(_, r)| r[1]).collect();
        assert_eq!(first.len(), firsts, "{volunteers} volunteers");
        // They outlive a restart.
        w.run_for(secs(700));
        w.crash(0, ms(1));
        w.nodes[0].routes.clear();
        w.start(0);
        w.run_for(secs(1));
        for n in 0..100 {
            w.letter(0, 1, &[n, n]);
            w.run_for(ms(100));
        }
        let again: BTreeSet<NodeId> = w.nodes[0].routes.iter().map(|(_, r)| r[1]).collect();
        if firsts == 3 {
            assert_eq!(again, first);
        }
    }
}

#[test]
fn a_silent_relay_rests_twice_as_long_each_time_and_is_cleared_by_a_receipt() {
    let (members, now_ms) = members(6, |_| {});
    let mut ways = Ways::default();
    let rests = |ways: &Ways, at: Time| !candidates(ways, &members, at, now_ms).contains(&id(2));
    ways.blame(Time(0), &[id(2)]);
    assert!(!rests(&ways, Time(0)), "once says little");
    for (times, long) in [(2, 4), (3, 8), (4, 16), (5, 32)] {
        ways.blame(Time(0), &[id(2)]);
        assert!(rests(&ways, Time::from_ms(long * 1000 - 1)), "{times} times");
        assert!(!rests(&ways, Time::from_ms(long * 1000)), "{times} times");
    }
    for _ in 0..100 {
        ways.blame(Time(0), &[id(2)]);
    }
    assert!(rests(&ways, Time::from_ms(599_000)) && !rests(&ways, Time::from_ms(600_000)));
    ways.praise(&[id(2)]);
    assert!(!rests(&ways, Time(0)));
    // Where too few are awake for a whole way, those that are next to be join.
    for n in 2..6 {
        for _ in 0..n {
            ways.blame(Time(0), &[id(n)]);
        }
    }
    let found: BTreeSet<NodeId> =
        candidates(&ways, &members, Time(0), now_ms).into_iter().collect();
    assert_eq!(found, BTreeSet::from([id(2), id(3), id(4)]));
}

#[test]
fn relays_of_different_owners_are_preferred_and_loopback_is_nobodys() {
    let net = |n: usize, host: u8| std::net::SocketAddr::from(([10, 0, n as u8, host], 8100));
    let (members, now_ms) = members(8, |w| {
        for n in 2..8 {
            // Two of each of three networks.
            w.nodes[n].addr = net(n / 2, n as u8);
        }
    });
    let nets = |path: &[NodeId]| {
        let nets = path.iter().filter_map(|id| members.get(id)?.net);
        nets.collect::<BTreeSet<_>>().len()
    };
    let (mut ways, mut dice) = (Ways::default(), Dice::new(1));
    // 48 of 120 paths go through three networks.
    for _ in 0..PATHS_REMEMBERED {
        let path = choose(&mut ways, &members, now_ms, 3, &mut dice).expect("there is one");
        assert_eq!(nets(&path), 3);
    }
    let (members, _) = self::members(8, |_| {});
    assert!(members.iter().all(|(_, member)| member.net.is_none()));
}

#[test]
fn a_first_hop_that_cannot_be_reached_makes_room() {
    let mut w = World::new(14, 1, policy());
    w.start_all();
    w.letter(0, 1, b"hello");
    w.run_for(secs(1));
    let guard = w.by_id[&w.nodes[0].routes[0].1[1]];
    w.part(0, guard, true);
    for n in 0..20 {
        w.letter(0, 1, &[n]);
        w.run_for(secs(2));
    }
    w.run_until(secs(60), World::all_delivered);
    w.nodes[0].routes.clear();
    for n in 0..50 {
        w.letter(0, 1, &[n, n]);
        w.run_for(ms(200));
    }
    let first: BTreeSet<NodeId> = w.nodes[0].routes.iter().map(|(_, r)| r[1]).collect();
    assert!(first.len() <= 3 && !first.contains(&id(guard)), "{first:?}");
}
