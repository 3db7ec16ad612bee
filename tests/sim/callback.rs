//! A node that cannot be dialled is asked, through a neighbour, to dial back.

use std::time::Duration;

use kith::mesh::peers;

use crate::STEP;
use crate::engine::net::Weather;
use crate::engine::world::{Act, World};
use crate::run::{Times, seeds};

const FINE: Duration = Duration::from_millis(5);
/// The dial that nobody answers is given a second; the way over the neighbour and a handshake come after.
const IN_TIME: Duration = Duration::from_millis(1300);

/// A network in which the first two could not link for so long that they hardly try any more. From now on
/// the second could dial the first, and dials of the first to the second vanish.
fn estranged(test: &'static str, seed: u64, hosts: usize) -> World {
    let mut w = World::new(test, seed, hosts, Weather::default());
    w.never.insert((0, 1));
    let hub = w.hosts[2].addr;
    for host in 0..hosts {
        w.hosts[host].seeds = vec![hub];
        w.start(host);
    }
    w.run_until(Duration::from_secs(15), STEP, World::at_rest);
    w.run_for(Duration::from_secs(900));
    w.run_until(Duration::from_secs(30), STEP, World::at_rest);
    w.never.clear();
    w.net.swallowed.insert((0, 1));
    w
}

fn need(w: &mut World) {
    let (peer, addrs) = (w.hosts[1].id, vec![w.hosts[1].addr]);
    w.act(0, Act::Peers(peers::Event::NeedLink { peer, addrs }));
}

fn linked(w: &World) -> Result<(), String> {
    let (first, second) = (w.hosts[0].id, w.hosts[1].id);
    match (w.link(0, &second), w.link(1, &first)) {
        (Some(_), Some(_)) => Ok(()),
        _ => Err("n0 and n1 are not linked".into()),
    }
}

#[test]
fn a_callback_links_whom_a_dial_does_not_reach() {
    let mut times = Times::default();
    for seed in seeds(4) {
        let mut w = estranged("a_callback_links", seed, 3 + (seed % 3) as usize);
        w.laws.healthy = (0..w.hosts.len()).collect();
        let calls = w.counts.calls;
        need(&mut w);
        times.add(w.run_until(Duration::from_secs(3), FINE, linked));
        // Asked for once, passed on once; none at all if the other end came by itself within the second.
        if w.counts.calls - calls > 2 {
            w.broken(format!("{} frames for one call", w.counts.calls - calls));
        }
        // The dial that hangs ends in its time, and both agree on the link that is there.
        w.run_until(Duration::from_secs(15), STEP, World::at_rest);
        w.run_for(Duration::from_secs(30));
        w.run_until(Duration::from_secs(1), STEP, World::at_rest);
    }
    times.check("link by a callback", IN_TIME, IN_TIME);
}

#[test]
fn without_a_callback_the_needed_link_is_not_there_in_time() {
    let seeds = seeds(4);
    let mut by_luck = 0;
    for &seed in &seeds {
        let mut w = estranged("without_a_callback", seed, 3);
        w.mute_calls = true;
        need(&mut w);
        w.run_for(IN_TIME);
        // The other end still tries once in a while.
        by_luck += usize::from(linked(&w).is_ok());
    }
    println!("linked without a callback: {by_luck} of {}", seeds.len());
    assert!(by_luck * 5 <= seeds.len(), "{by_luck} of {} linked without help", seeds.len());
}

#[test]
fn a_callback_asked_for_all_the_time_makes_no_storm() {
    for seed in seeds(20) {
        let mut w = estranged("a_callback_asked_for_all_the_time", seed, 5);
        // The other end cannot dial either: nothing helps.
        w.net.swallowed.insert((1, 0));
        let before = w.counts;
        for _ in 0..300 {
            need(&mut w);
            w.run_for(Duration::from_millis(100));
        }
        // In 30 s: a call every 3 s goes the cheapest way, which is two links or, past slow ones, all four; each
        // dial hangs for 10 s, another is not begun.
        let (calls, dials) = (w.counts.calls - before.calls, w.counts.dials - before.dials);
        if calls > 4 * 11 || dials > 20 {
            w.broken(format!("{calls} frames for calls and {dials} dials in 30 s"));
        }
        if calls < 10 {
            w.broken(format!("only {calls} frames for calls in 30 s"));
        }
    }
}
