//! Many cores as a swarm.

use std::time::Duration;

use super::world::World;
use super::*;
use crate::mesh::dice::Dice;
use crate::pieces::event::TransferId;
use crate::pieces::rows::Phase;

const SECOND: Duration = Duration::from_secs(1);
const SLOW: u64 = 200 * 1024;

fn whole(n: u8, pieces: u32) -> KnownFile {
    file(n, pieces, Bitmap::all(pieces))
}

/// The pieces of which this one says so.
fn part(n: u8, pieces: u32, has: impl Fn(u32) -> bool) -> KnownFile {
    let mut held = Bitmap::none(pieces);
    (0..pieces).filter(|piece| has(*piece)).for_each(|piece| _ = held.insert(piece));
    file(n, pieces, held)
}

/// The content and the manifest.
fn weight(known: &KnownFile) -> u64 {
    known.bytes + u64::from(known.manifest_bytes)
}

#[test]
fn one_gets_a_file_from_one() {
    let mut world = World::new(2, 1, policy());
    let known = whole(1, 100);
    world.share(0, known.clone());
    world.start();
    world.get(1, 7, known.file, 0);
    let took = world.run_until_done(&[(1, 7)], 60 * SECOND);
    world.run_for(SECOND);
    assert!(took < 3 * SECOND, "100 MiB at 50 MiB/s took {took:?}");
    let row = world.row(1, 7);
    assert_eq!((row.phase, row.pieces_done, row.bytes_done), (Phase::Done, 100, known.bytes));
    assert_eq!(world.nodes[1].received, weight(&known), "nothing came twice");
    assert_eq!(row.bytes_received, world.nodes[1].received);
    let held = &world.nodes[1].core.file_rows()[0];
    assert_eq!((held.pieces_held, &held.holders[..]), (100, &[id(0)][..]));
    let moved = weight(&known);
    assert_eq!(world.count(1, "bytes_received"), moved);
    assert_eq!(world.count(0, "bytes_given"), moved);
    assert_eq!((world.count(1, "pieces_verified"), world.count(1, "gets_done")), (100, 1));
}

#[test]
fn files_of_no_bytes_and_of_one_piece_arrive_too() {
    let mut world = World::new(2, 1, policy());
    for (n, pieces) in [(1, 0), (2, 1)] {
        let known = whole(n, pieces);
        world.share(0, known.clone());
        world.get(1, u64::from(n), known.file, 0);
    }
    world.start();
    world.run_until_done(&[(1, 1), (1, 2)], 10 * SECOND);
}

#[test]
fn three_holders_give_at_once_and_each_its_share() {
    let mut world = World::new(4, 2, policy());
    let known = whole(1, 300);
    (0..3).for_each(|n| world.share(n, known.clone()));
    world.nodes[3].rate.1 = 1000 * MIB;
    world.start();
    world.get(3, 1, known.file, 0);
    let took = world.run_until_done(&[(3, 1)], 60 * SECOND);
    world.run_for(SECOND);
    assert!(took < Duration::from_millis(2600), "300 MiB at 150 MiB/s took {took:?}");
    let row = world.row(3, 1);
    assert!(row.sources.iter().filter(|s| s.pieces >= 80).count() == 3, "{:#?}", row.sources);
    let ratio = world.overhead(3..4, known.bytes);
    assert!(ratio <= 1.002, "{ratio}");
}

#[test]
fn a_holder_that_dies_silently_stalls_nobody_for_two_seconds() {
    for seed in 0..10 {
        let mut world = World::new(4, seed, policy());
        let known = whole(1, 200);
        (0..3).for_each(|n| world.share(n, known.clone()));
        world.start();
        world.get(3, 1, known.file, 0);
        world.run_for(Duration::from_millis(300 + 60 * seed));
        world.kill(0, 8 * SECOND);
        world.run_until_done(&[(3, 1)], 60 * SECOND);
        let stall = world.longest_stall(3);
        assert!(stall < 2 * SECOND, "seed {seed}: {stall:?}");
    }
}

#[test]
fn the_seeder_dies_and_the_others_have_all_pieces_between_them() {
    let mut world = World::new(4, 3, policy());
    world.share(0, whole(1, 90));
    for n in 1..4 {
        world.share(n, part(1, 90, |piece| piece as usize % 3 == n - 1));
    }
    world.start();
    let id = whole(1, 90).file;
    for n in 1..4 {
        // They shared what they have as an earlier run's download would; they go on with it.
        world.resume(n, 5, id, 0);
    }
    world.run_for(Duration::from_millis(100));
    world.kill(0, Duration::ZERO);
    world.run_until_done(&[(1, 5), (2, 5), (3, 5)], 60 * SECOND);
}

#[test]
fn the_only_seeder_is_away_for_a_while_and_it_goes_on_by_itself() {
    let mut world = World::new(2, 4, policy());
    let known = whole(1, 100);
    world.share(0, known.clone());
    world.start();
    world.get(1, 1, known.file, 0);
    world.run_for(SECOND);
    world.kill(0, Duration::ZERO);
    world.run_for(20 * SECOND);
    let row = world.row(1, 1);
    assert_eq!((row.phase, row.bytes_per_second), (Phase::Fetching, 0));
    assert_eq!(row.bottleneck, crate::pieces::rows::Bottleneck::Holders);
    world.revive(0, policy());
    world.share(0, known.clone());
    world.run_until_done(&[(1, 1)], 10 * SECOND);
    assert!(world.nodes[1].received <= known.bytes + 40 * MIB);
}

#[test]
fn a_download_of_an_earlier_run_gets_only_what_is_missing() {
    let mut world = World::new(2, 5, policy());
    let known = whole(1, 100);
    world.share(0, known.clone());
    world.nodes[1].held.insert(known.file, part(1, 100, |piece| piece < 50).held);
    world.start();
    world.resume(1, 1, known.file, 0);
    world.run_until_done(&[(1, 1)], 10 * SECOND);
    assert!(world.nodes[1].received <= 50 * MIB, "{}", world.nodes[1].received);
}

#[test]
fn a_liar_is_named_and_refused_and_the_file_is_right() {
    let mut world = World::new(5, 6, policy());
    let known = whole(1, 120);
    (0..3).for_each(|n| world.share(n, known.clone()));
    world.nodes[1].liar = true;
    world.start();
    world.get(4, 1, known.file, 0);
    world.run_until_done(&[(4, 1)], 60 * SECOND);
    let row = world.row(4, 1);
    let lies = |n| row.sources.iter().find(|s| s.peer == id(n)).map_or(0, |s| s.lies);
    assert!(lies(1) <= 16 && lies(0) + lies(2) == 0, "{:#?}", row.sources);
    assert_eq!(world.count(4, "pieces_wrong"), u64::from(lies(1)));
    assert_eq!(world.count(4, "pieces_verified"), 120);
    let liar = id(1).to_string();
    assert!(world.nodes[4].notices.iter().any(|text| text.contains(&liar)));
    assert!(world.nodes[4].notices.iter().all(|text| text.contains(&liar)));
}

#[test]
fn a_slow_holder_holds_nobody_up() {
    let mut world = World::new(4, 7, policy());
    let known = whole(1, 150);
    (0..3).for_each(|n| world.share(n, known.clone()));
    world.nodes[2].rate.0 = SLOW;
    world.start();
    world.get(3, 1, known.file, 0);
    let took = world.run_until_done(&[(3, 1)], 60 * SECOND);
    world.run_for(SECOND);
    // 150 MiB at 50 MiB/s of download take 3 s; a piece of the slow one takes 5 s.
    assert!(took < Duration::from_millis(4200), "{took:?}");
    let ratio = world.overhead(3..4, known.bytes);
    assert!(ratio <= 1.02, "{ratio}");
}

#[test]
fn a_full_disk_is_waited_for_and_nothing_is_lost() {
    let mut world = World::new(2, 8, policy());
    let known = whole(1, 100);
    world.share(0, known.clone());
    world.nodes[1].room = 70;
    world.start();
    world.get(1, 1, known.file, 0);
    world.run_for(12 * SECOND);
    let row = world.row(1, 1);
    assert_eq!((row.phase, row.pieces_done), (Phase::Full, 70));
    assert_eq!(row.problem, "no room");
    assert!(world.nodes[1].received < 110 * MIB, "one try every 3 s");
    world.nodes[1].room = 1000;
    world.run_until_done(&[(1, 1)], 10 * SECOND);
    assert_eq!(world.row(1, 1).problem, "");
}

#[test]
fn limits_are_kept() {
    let mut slow = policy();
    slow.download_bytes_per_second = 10 * MIB;
    for (up, down, least) in [
        (policy(), slow, 5),
        (with_upload(20 * MIB, 0), policy(), 3),
        (with_upload(0, 10 * MIB), policy(), 5),
    ] {
        let mut world = World::new(2, 9, down);
        world.nodes[0].core = exchange(0, up, 1);
        let known = whole(1, 60);
        world.share(0, known.clone());
        world.start();
        world.get(1, 1, known.file, 0);
        let took = world.run_until_done(&[(1, 1)], 60 * SECOND);
        let least = least * SECOND;
        assert!(took > least && took < least + 3 * SECOND, "{took:?} for {least:?}");
        assert!(world.turns < 20_000, "{} turns", world.turns);
    }
}

fn with_upload(all: u64, each: u64) -> crate::pieces::event::Policy {
    let mut policy = policy();
    policy.upload_bytes_per_second = all;
    policy.upload_bytes_per_second_per_peer = each;
    policy
}

#[test]
fn more_downloads_than_may_run_take_turns() {
    let mut few = policy();
    few.transfers_max = 2;
    let mut world = World::new(2, 10, few);
    let mut all: Vec<(usize, TransferId)> = Vec::new();
    world.start();
    // Nobody has the first two: they give up their turns.
    for n in 1..=6 {
        let known = whole(n, 10);
        if n > 2 {
            world.share(0, known.clone());
            all.push((1, u64::from(n)));
        } else {
            world.files.insert(known.file, known.clone());
        }
        world.get(1, u64::from(n), known.file, 0);
    }
    world.run_until_done(&all, 200 * SECOND);
    world.run_for(SECOND);
    let runs = world.nodes[1].core.rows();
    assert!(runs.iter().filter(|r| r.phase == Phase::Seeking).count() == 2);
}

#[test]
fn holders_are_found_through_the_index_and_linked_when_needed() {
    let mut world = World::new(30, 11, policy());
    world.meshed = false;
    let known = whole(1, 30);
    world.share(0, known.clone());
    world.start();
    world.run_for(60 * SECOND);
    world.get(17, 1, known.file, 29);
    let took = world.run_until_done(&[(17, 1)], 30 * SECOND);
    assert!(took < 15 * SECOND, "{took:?}");
    // After a change of members the new keepers know, too.
    for n in 20..29 {
        world.kill(n, Duration::ZERO);
    }
    world.run_for(60 * SECOND);
    world.get(18, 1, known.file, 18);
    world.run_until_done(&[(18, 1)], 30 * SECOND);
}

/// One seeder, fifty that want it, some of them slow, some lying, some coming and going.
fn flash_crowd(seed: u64, liars: usize, churn: bool) -> World {
    let peers = 50;
    let mut world = World::new(peers + 1, seed, policy());
    let mut dice = Dice::new(seed);
    let known = whole(1, 48);
    world.share(0, known.clone());
    for n in 1..=peers {
        world.nodes[n].rate = match n % 10 {
            0 => (2 * MIB, 2 * MIB),
            1..4 => (20 * MIB, 20 * MIB),
            _ => (50 * MIB, 50 * MIB),
        };
        world.nodes[n].liar = (1..=liars).contains(&n);
    }
    world.start();
    for n in 1..=peers {
        world.get(n, 1, known.file, 0);
    }
    if churn {
        for _ in 0..20 {
            world.run_for(Duration::from_millis(200));
            let n = 1 + dice.below(peers as u64) as usize;
            if world.nodes[n].up && !world.nodes[n].done.contains_key(&1) {
                world.kill(n, Duration::from_millis(dice.below(3) * 1500));
                world.run_for(Duration::from_millis(100 + dice.below(400)));
                world.revive(n, policy());
                world.resume(n, 1, known.file, 0);
            }
        }
    }
    let all: Vec<(usize, TransferId)> = (1..=peers).map(|n| (n, 1)).collect();
    let took = world.run_until_done(&all, 300 * SECOND);
    world.run_for(SECOND);
    eprintln!("seed {seed}: {took:?}, {} turns", world.turns);
    assert!(world.nodes.iter().all(|node| node.closed.is_empty()));
    world
}

#[test]
fn fifty_get_a_file_from_one_and_nearly_nothing_twice() {
    let world = flash_crowd(1, 0, false);
    let known = whole(1, 48);
    let all: u64 = world.nodes.iter().map(|node| node.received).sum();
    let ratio = all as f64 / (50 * known.bytes) as f64;
    eprintln!("received {ratio} of the size, worst {}", world.overhead(1..51, known.bytes));
    assert!(ratio <= 1.01, "{ratio}");
}

#[test]
fn fifty_get_a_file_though_some_come_and_go() {
    flash_crowd(2, 0, true);
}

#[test]
fn fifty_get_a_file_though_some_lie() {
    let world = flash_crowd(3, 5, false);
    let liars: Vec<String> = (1..=5).map(|n| id(n).to_string()).collect();
    let mut notices = world.nodes.iter().flat_map(|node| &node.notices);
    assert!(notices.all(|text| liars.iter().any(|liar| text.contains(liar))));
}

#[test]
fn a_run_repeats_itself_from_its_seed() {
    let run = |seed| {
        let mut world = World::new(6, seed, policy());
        let known = whole(1, 40);
        (0..2).for_each(|n| world.share(n, known.clone()));
        world.start();
        (2..6).for_each(|n| world.get(n, 1, known.file, 0));
        world.run_for(Duration::from_millis(700));
        world.kill(1, SECOND);
        world.run_until_done(&[(2, 1), (3, 1), (4, 1), (5, 1)], 60 * SECOND);
        (world.trace, world.now, world.turns)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).0, run(2).0);
}
