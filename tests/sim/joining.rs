//! Starting and joining.

use std::time::Duration;

use kith::mesh::view::State;

use crate::STEP;
use crate::engine::net::Weather;
use crate::engine::world::World;
use crate::run::{Times, seeds};

#[test]
fn a_cold_start_of_20_comes_to_rest_in_seconds() {
    let mut times = Times::default();
    for seed in seeds(1) {
        let mut w = World::new("a_cold_start_of_20", seed, 20, Weather::default());
        w.start_all(Duration::from_millis(200), 2);
        times.add(w.run_until(Duration::from_secs(15), STEP, World::at_rest));
        w.bounded(20 * 60, 20 * 40);
    }
    times.check("cold start of 20", Duration::from_secs(2), Duration::from_secs(3));
}

#[test]
fn a_cold_start_of_50_comes_to_rest_in_seconds() {
    let mut times = Times::default();
    for seed in seeds(40) {
        let mut w = World::new("a_cold_start_of_50", seed, 50, Weather::default());
        w.start_all(Duration::from_millis(200), 2);
        times.add(w.run_until(Duration::from_secs(20), STEP, World::at_rest));
        w.bounded(50 * 150, 50 * 60);
    }
    times.check("cold start of 50", Duration::from_secs(3), Duration::from_secs(4));
}

#[test]
fn a_joiner_is_known_by_all_within_half_a_second() {
    let mut times = Times::default();
    for seed in seeds(8) {
        let mut w = World::new("a_joiner_is_known", seed, 20, Weather::default());
        let seeds = vec![w.hosts[0].addr];
        w.start(0);
        for joiner in 1..20 {
            let pause = w.dice.between(Duration::from_millis(500), Duration::from_secs(2));
            w.run_for(pause);
            w.hosts[joiner].seeds.clone_from(&seeds);
            w.start(joiner);
            let known = |w: &World| w.all_show_alive(joiner);
            times.add(w.run_until(Duration::from_secs(2), Duration::from_millis(5), known));
        }
        w.run_until(Duration::from_secs(12), STEP, World::at_rest);
        w.bounded(20 * 45, 20 * 60);
    }
    times.check("join", Duration::from_millis(500), Duration::from_millis(500));
}

#[test]
fn everyone_starting_at_once_and_knowing_everyone_ends_with_one_link_for_each_pair() {
    let mut times = Times::default();
    for seed in seeds(4) {
        let mut w = World::new("everyone_starting_at_once", seed, 20, Weather::default());
        w.start_all(Duration::from_micros(20), 20);
        times.add(w.run_until(Duration::from_secs(12), STEP, World::at_rest));
        w.bounded(20 * 100, 20 * 40);
    }
    times.check("all dial all", Duration::from_secs(3), Duration::from_secs(5));
}

#[test]
fn a_lossy_slow_network_comes_to_rest_too() {
    let mut times = Times::default();
    for seed in seeds(8) {
        let weather = Weather {
            delay: (Duration::from_millis(5), Duration::from_millis(150)),
            jitter_percent: 50,
            loss_permille: 30,
            ..Weather::default()
        };
        let mut w = World::new("a_lossy_slow_network", seed, 20, weather);
        w.start_all(Duration::from_secs(1), 2);
        w.laws.healthy = (0..20).collect();
        times.add(w.run_until(Duration::from_secs(25), STEP, World::at_rest));
        w.run_for(Duration::from_secs(30));
        w.run_until(Duration::from_secs(5), STEP, World::at_rest);
        w.bounded(20 * 120, 20 * 60);
    }
    times.check("cold start on a bad network", Duration::from_secs(8), Duration::from_secs(15));
}

#[test]
fn digests_alone_repair_what_a_third_of_lost_gossip_leaves() {
    let mut times = Times::default();
    for seed in seeds(8) {
        let weather = Weather { gossip_loss_permille: 300, ..Weather::default() };
        let mut w = World::new("digests_alone_repair", seed, 20, weather);
        w.start_all(Duration::from_millis(200), 2);
        times.add(w.run_until(Duration::from_secs(40), STEP, World::at_rest));
        let host = 3;
        w.leave(host);
        w.run_until(Duration::from_secs(20), STEP, |w| {
            // The goodbye itself may be what was lost.
            w.all_show_gone(host, &[State::Left, State::Failed])?;
            w.at_rest()
        });
    }
    times.check(
        "cold start, 30 % of gossip lost",
        Duration::from_secs(15),
        Duration::from_secs(25),
    );
}

#[test]
fn a_pair_that_can_never_link_still_knows_everything_of_one_another() {
    for seed in seeds(4) {
        let mut w = World::new("a_pair_that_can_never_link", seed, 12, Weather::default());
        let (a, b) = (2 + w.dice.below(5) as usize, 7 + w.dice.below(5) as usize);
        w.never.insert((a, b));
        w.start_all(Duration::from_millis(200), 1);
        w.run_until(Duration::from_secs(15), STEP, World::at_rest);
        w.laws.healthy = (0..12).collect();
        // A change at one is seen by the other as fast as by anyone.
        w.laws.healthy.remove(&0);
        w.crash(0);
        w.run_until(Duration::from_secs(1), STEP, |w| w.all_show_gone(0, &[State::Failed]));
        w.run_for(Duration::from_secs(300));
        w.run_until(Duration::from_secs(5), STEP, World::at_rest);
        // Three healers dial the dead one every 2 s; the pair tries once or twice a minute; and in its first
        // 1.5 s, as long as it has no link, each node may ask its two seeds every 100 ms.
        w.bounded(12 * 60 + 600 + 12 * 2 * 15, 12 * 40);
    }
}

#[test]
fn a_shout_is_heard_by_everyone_once() {
    for seed in seeds(8) {
        let mut w = World::new("a_shout_is_heard", seed, 12, Weather::default());
        w.never.insert((2, 7));
        w.start_all(Duration::from_millis(200), 1);
        w.run_until(Duration::from_secs(15), STEP, World::at_rest);
        for host in 0..12 {
            w.shout(host, &format!("from {host}"));
        }
        w.run_for(Duration::from_millis(500));
        for speaker in 0..12 {
            for hearer in (0..12).filter(|h| *h != speaker) {
                let heard = w.casts.get(&(hearer, format!("from {speaker}"))).copied();
                if heard != Some(1) {
                    w.broken(format!("n{hearer} heard n{speaker} {heard:?} times"));
                }
            }
        }
    }
}

#[test]
fn two_daemons_with_one_key_make_no_storm_and_say_so() {
    for seed in seeds(8) {
        let mut w = World::new("two_daemons_with_one_key", seed, 8, Weather::default());
        w.same_key(6, 7);
        w.start_all(Duration::from_millis(500), 1);
        w.run_for(Duration::from_secs(20));
        let before = w.counts;
        w.run_for(Duration::from_secs(120));
        let (dials, told) =
            (w.counts.dials - before.dials, w.counts.announcements - before.announcements);
        // In two minutes, of all eight together.
        if dials > 400 || told > 600 {
            w.broken(format!("{dials} dials and {told} announcements in two minutes"));
        }
        if !w.notices.iter().any(|(host, text)| [6, 7].contains(host) && text.contains("key")) {
            w.broken("neither of the two says so".into());
        }
        // The others are not disturbed among themselves.
        for a in 0..6 {
            for b in (0..6).filter(|b| *b != a) {
                let peer = w.hosts[b].id;
                if w.link(a, &peer).is_none() {
                    w.broken(format!("n{a} and n{b} lost their link"));
                }
            }
        }
    }
}
