//! Messages to nodes that a host holds no link with.

use std::time::Duration;

use kith::mesh::route::Lost;
use kith::mesh::shape::{Mode, Plan};
use kith::mesh::topology;

use crate::STEP;
use crate::engine::host::FULL;
use crate::engine::net::Weather;
use crate::engine::world::{Act, World};
use crate::run::seeds;

const HOSTS: usize = 10;

/// A network in which no two of the first eight can link; the last two link with all.
fn apart(test: &'static str, seed: u64) -> World {
    let mut w = World::new(test, seed, HOSTS, Weather::default());
    for a in 0..HOSTS - 2 {
        w.never.extend((a + 1..HOSTS - 2).map(|b| (a, b)));
    }
    let hubs = [w.hosts[HOSTS - 2].addr, w.hosts[HOSTS - 1].addr];
    for host in 0..HOSTS {
        w.hosts[host].seeds = hubs.to_vec();
        w.start(host);
    }
    w.run_until(Duration::from_secs(15), STEP, World::at_rest);
    w
}

fn probe(w: &mut World, ticket: u64, from: usize, to: usize) {
    let to = w.hosts[to].id;
    w.act(from, Act::Topology(topology::Event::Trace { ticket, to }));
}

#[test]
fn a_probe_goes_over_another_host_where_there_is_no_link() {
    for seed in seeds(4) {
        let mut w = apart("a_probe_goes_over_another_host", seed);
        for to in 1..HOSTS {
            let start = w.now;
            probe(&mut w, to as u64, 0, to);
            let came = |w: &World| match w.traced.contains_key(&(to as u64)) {
                true => Ok(()),
                false => Err(format!("the probe to n{to} is under way")),
            };
            w.run_until(Duration::from_secs(1), Duration::from_millis(1), came);
            let took = w.now.since(start);
            let walk = w.traced[&(to as u64)].clone().expect("a way leads there");
            let hops: Vec<usize> = walk.hops.iter().map(|hop| w.by_id[&hop.node]).collect();
            let way = std::iter::once(&0).chain(&hops).zip(&hops);
            if way.clone().any(|(a, b)| w.link(*a, &w.hosts[*b].id).is_none()) {
                w.broken(format!("{hops:?} are not linked"));
            }
            let links: Duration =
                walk.hops.iter().map(|hop| Duration::from_micros(hop.rtt_us.into())).sum();
            let measured = Duration::from_micros(walk.rtt_us);
            if hops.last() != Some(&to) || hops.len() > 3 || measured > took {
                w.broken(format!("a walk to n{to} by {hops:?} in {measured:?} of {took:?}"));
            }
            // Each link was measured on another occasion, under jitter.
            if measured > links * 2 + Duration::from_millis(5) || measured * 3 < links {
                w.broken(format!("{measured:?} over links of {links:?}"));
            }
        }
    }
}

#[test]
fn every_probe_ends_while_hosts_come_and_go_and_arrives_as_long_as_a_way_is_left() {
    let (mut arrived, mut lost) = (0u32, 0u32);
    for seed in seeds(8) {
        let mut w = apart("every_probe_ends_while_hosts_come_and_go", seed);
        let mut ticket = 0;
        let mut ask = |w: &mut World| {
            ticket += 1;
            let (from, step) = (w.dice.below(8) as usize, 1 + w.dice.below(7) as usize);
            probe(w, ticket, from, (from + step) % 8);
        };
        for round in 0..10 {
            // One hub at a time; the other one is left.
            let hub = HOSTS - 1 - round % 2;
            ask(&mut w);
            let wait = w.dice.between(Duration::ZERO, Duration::from_millis(40));
            w.run_for(wait);
            match round % 4 {
                0 | 1 => w.crash(hub),
                _ => w.leave(hub),
            }
            for _ in 0..4 {
                ask(&mut w);
                w.run_for(Duration::from_millis(100));
            }
            w.start(hub);
            w.run_until(Duration::from_secs(15), STEP, World::at_rest);
        }
        w.run_for(Duration::from_secs(4));
        if w.traced.len() as u64 != ticket {
            w.broken(format!("{} of {ticket} probes ended", w.traced.len()));
        }
        for (ticket, outcome) in &w.traced {
            match outcome {
                Ok(_) => arrived += 1,
                Err(Lost::TooMany) => w.broken(format!("probe {ticket} was refused")),
                Err(_) => lost += 1,
            }
        }
    }
    println!("{arrived} probes arrived, {lost} were lost");
    assert!(lost == 0, "{lost} of {} probes were lost", arrived + lost);
}

#[test]
fn in_a_partial_mesh_everybody_is_reached_also_while_a_third_is_killed() {
    let (mut longest, mut arrived, mut lost) = (0, 0u32, 0u32);
    for seed in seeds(80) {
        let hosts = 60;
        let mut w =
            World::new("in_a_partial_mesh_everybody_is_reached", seed, hosts, Weather::default());
        w.hosts.iter_mut().for_each(|h| h.plan = Plan { mode: Mode::Partial, ..FULL });
        w.start_all(Duration::from_secs(2), 3);
        w.run_for(Duration::from_secs(30));
        let ask = |w: &mut World, ticket: u64, among: u64| {
            let from = w.dice.below(among) as usize;
            let to = (from + 1 + w.dice.below(among - 1) as usize) % among as usize;
            probe(w, ticket, from, to);
        };
        // At rest; then as the last third dies one by one, and everybody seeks new links; then at rest again.
        for ticket in 0..40 {
            ask(&mut w, ticket, hosts as u64);
            w.run_for(Duration::from_millis(100));
        }
        for victim in 40..hosts {
            w.crash(victim);
            ask(&mut w, 1_000 + victim as u64, 40);
            w.run_for(Duration::from_millis(50));
        }
        w.run_for(Duration::from_secs(30));
        for ticket in 2_000..2_040 {
            ask(&mut w, ticket, 40);
            w.run_for(Duration::from_millis(100));
        }
        w.run_for(Duration::from_secs(4));
        if w.traced.len() != 40 + 20 + 40 {
            w.broken(format!("{} of 100 probes ended", w.traced.len()));
        }
        for (ticket, outcome) in &w.traced {
            match outcome {
                Ok(walk) => longest = walk.hops.len().max(longest),
                Err(why) if !(1_000..2_000).contains(ticket) => {
                    w.broken(format!("probe {ticket} in a network at rest: {why:?}"))
                }
                Err(_) => lost += 1,
            }
            arrived += u32::from(outcome.is_ok());
        }
    }
    println!("{arrived} probes arrived, {lost} were lost, the longest way had {longest} links");
    assert!(lost * 50 <= arrived, "{lost} lost, {arrived} arrived");
    assert!((3..=9).contains(&longest), "{longest} links");
}
