//! Keys that change and clocks that are set, under traffic.

use super::letters::world;
use super::world::*;
use crate::mail::keys::MailKeys;

#[test]
fn keys_change_under_traffic_and_nothing_is_lost() {
    let mut w = world(6, 1);
    w.weather.delay = (ms(1), ms(80));
    w.weather.news = (ms(50), secs(2));
    let first = MailKeys::decode(&w.nodes[1].published).expect("keys");
    // Seven hours: seven short prekeys, a new onion key, and the end of the old one.
    for n in 0..7 * 60_u32 {
        w.letter(0, 1, &n.to_be_bytes());
        w.letter(2, 1, &n.to_be_bytes());
        w.run_for(secs(60));
    }
    w.run_until(secs(60), World::all_delivered);
    let last = MailKeys::decode(&w.nodes[1].published).expect("keys");
    assert!(first.onion != last.onion && first.short != last.short);
    assert_eq!(w.nodes[1].disk.came.len(), 7 * 60 * 2);
    w.quiet().expect("nothing is left over");
}

#[test]
fn clocks_that_jump_an_hour_either_way_lose_nothing() {
    for (who, jump_ms) in [(0, 3_600_000), (0, -3_600_000), (1, 3_600_000), (1, -3_600_000)] {
        let mut w = world(6, 2);
        let send = |w: &mut World, n: u8| {
            w.letter(0, 1, &[n]);
            w.letter(1, 0, &[n]);
            w.run_for(secs(20));
        };
        send(&mut w, 0);
        w.set_clock(who, jump_ms);
        for n in 1..4 {
            send(&mut w, n);
        }
        w.set_clock(who, 0);
        let good = w.now;
        send(&mut w, 4);
        // What was written by a clock that was ahead is from the future for an hour.
        w.run_until(secs(2 * 3600), World::all_delivered);
        let took = w.now.since(good);
        assert!(took < secs(3600 + 400), "n{who} off by {jump_ms} ms: {took:?}");
    }
}

#[test]
fn letters_written_after_the_clock_was_set_right_arrive_at_once() {
    for jump_ms in [3_600_000, -3_600_000] {
        let mut w = world(6, 3);
        w.set_clock(1, jump_ms);
        w.run_for(secs(600));
        w.set_clock(1, 0);
        w.run_for(secs(5));
        w.letter(0, 1, b"hello");
        w.run_for(secs(10));
        w.all_delivered().expect("the keys are good again");
    }
}

#[test]
fn a_clock_a_little_off_is_no_matter() {
    for skew_ms in [300_000, -300_000] {
        let mut w = World::new(6, 4, policy());
        w.nodes[1].skew_ms = skew_ms;
        w.nodes[3].skew_ms = -skew_ms;
        w.start_all();
        for n in 0..50 {
            w.letter(0, 1, &[n]);
            w.letter(1, 0, &[n]);
        }
        w.run_until(secs(10), World::all_delivered);
    }
}

#[test]
fn keys_that_are_not_safe_are_not_shown() {
    let mut w = World::new(3, 5, policy());
    w.nodes[1].disk.fails = true;
    w.start_all();
    w.run_for(secs(60));
    assert!(w.nodes[1].published.is_empty());
    w.nodes[1].disk.fails = false;
    w.run_for(secs(15));
    let keys = w.nodes[1].published.clone();
    assert!(!keys.is_empty());
    // Nor are newer ones, when the disk fails again.
    w.nodes[1].disk.fails = true;
    w.run_for(secs(3700));
    assert_eq!(w.nodes[1].published, keys);
    w.nodes[1].disk.fails = false;
    w.run_for(secs(15));
    assert_ne!(w.nodes[1].published, keys);
}
