//! Networks in which not everyone links with everyone, and everyone still knows all.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use kith::mesh::NodeId;
use kith::mesh::peers::{Command, Event};
use kith::mesh::record::Direction;
use kith::mesh::shape::{Mode, Plan, SAME_PREFIX};
use kith::mesh::view::State;

use crate::STEP;
use crate::engine::net::Weather;
use crate::engine::world::{Act, World};
use crate::run::{Times, seeds};

const PLAN: Plan = Plan { mode: Mode::Partial, degree: 8, conns_max: 16 };
const AUTO: Plan = Plan { mode: Mode::Auto, ..PLAN };
/// How often a large network is looked at: that costs more than to run it.
const LOOK: Duration = Duration::from_millis(100);

fn network(test: &'static str, seed: u64, hosts: usize, plan: Plan) -> World {
    let mut w = World::new(test, seed, hosts, Weather::default());
    w.hosts.iter_mut().for_each(|host| host.plan = plan);
    w
}

fn running(w: &World) -> Vec<usize> {
    (0..w.hosts.len()).filter(|host| w.hosts[*host].alive()).collect()
}

/// Whether everybody knows who is there and every link, and all hang together.
fn all_know_all(w: &World) -> Result<(), String> {
    let truth = w.truth();
    let running = running(w);
    let who = |what: &str, knows: &dyn Fn(usize) -> bool| {
        let lacks = running.iter().filter(|host| !knows(**host)).count();
        if lacks == 0 { Ok(()) } else { Err(format!("{lacks} do not know {what}")) }
    };
    who("who is there", &|host| w.knows_members(host, &truth))?;
    for host in &running {
        let told = w.hosts[*host].process.as_ref().and_then(|p| {
            p.topology.graph().link_state(&w.hosts[*host].id)?.links().map(|s| s.links.to_vec())
        });
        let told = told.into_iter().flatten().map(|l| (l.peer, l.dir));
        let of = |l: (NodeId, Direction)| format!("{} {:?}", w.name(&l.0), l.1);
        let told: BTreeSet<String> = told.map(of).collect();
        let held: BTreeSet<String> = truth.links[*host].iter().copied().map(of).collect();
        if told != held {
            return Err(format!("n{host} tells of {told:?} and holds {held:?}"));
        }
    }
    who("all links", &|host| w.knows_links(host, &truth, &mut 0, Duration::ZERO))?;
    match truth.components() {
        1 => Ok(()),
        parts => Err(format!("the network is in {parts} parts")),
    }
}

/// Beside that: everybody has the links it should have.
fn at_rest(w: &World) -> Result<(), String> {
    all_know_all(w)?;
    let truth = w.truth();
    for host in running(w) {
        let links = truth.links[host].len();
        let out = truth.links[host].iter().filter(|(_, dir)| *dir == Direction::Out).count();
        let most = usize::from(PLAN.conns_max);
        if !(PLAN.wanted()..=most).contains(&links) || out < PLAN.outgoing_min() {
            return Err(format!("n{host} has {links} links, {out} of them dialled"));
        }
    }
    Ok(())
}

/// No link is made or given up for nothing.
fn stays_at_rest(w: &mut World, span: Duration, dials_max: u64) {
    let before = w.counts.dials;
    w.run_for(span);
    w.run_until(Duration::from_secs(1), STEP, at_rest);
    let dials = w.counts.dials - before;
    if dials > dials_max {
        w.broken(format!("{dials} dials in {span:?} in which nothing happened"));
    }
}

#[test]
fn a_large_network_comes_to_rest_with_few_links_each_and_everyone_knowing_all() {
    let mut times = Times::default();
    for seed in seeds(20) {
        let mut w = network("a_large_network", seed, 60, PLAN);
        w.start_all(Duration::from_millis(500), 2);
        times.add(w.run_until(Duration::from_secs(30), LOOK, at_rest));
        stays_at_rest(&mut w, Duration::from_secs(120), 12);
    }
    times.check("60 at rest", Duration::from_secs(15), Duration::from_secs(20));
}

/// What examples/swarm can begin with instead of a cold start is such a network as there is after one.
#[test]
fn a_network_that_is_there_already_is_as_one_that_has_grown() {
    for (plan, seed) in [(PLAN, 1), (AUTO, 2)] {
        let mut w = network("a_network_that_is_there_already", seed, 100, plan);
        w.settle(0..100, usize::from(plan.degree), &mut |_, _| {});
        w.run_until(Duration::from_secs(10), STEP, at_rest);
        stays_at_rest(&mut w, Duration::from_secs(60), 20);
    }
}

#[test]
fn nodes_that_start_together_do_not_all_ping_together() {
    for seed in seeds(100) {
        let mut w = network("nodes_that_start_together", seed, 100, PLAN);
        w.policies.topology.period = None;
        w.start_all(Duration::from_secs(1), 2);
        w.run_until(Duration::from_secs(30), LOOK, at_rest);
        let (mut heard, mut most) = (0, 0);
        for _ in 0..200 {
            let before = w.counts.casts;
            w.run_for(Duration::from_secs(1));
            heard += w.counts.casts - before;
            most = most.max(w.counts.casts - before);
        }
        // One in two seconds is the rule; chance may bring some at once.
        let each = |heard: u64| heard / 100;
        if each(most) > 5 || !(70..150).contains(&each(heard)) {
            w.broken(format!("heard by each in a second: {}, in all {}", each(most), each(heard)));
        }
    }
}

#[test]
fn a_small_network_is_full_and_a_large_one_is_not() {
    for seed in seeds(20) {
        let mut w = network("a_small_network_is_full", seed, 44, AUTO);
        let hub = w.hosts[0].addr;
        w.hosts.iter_mut().for_each(|host| host.seeds = vec![hub]);
        let grow = |w: &mut World, to: usize| {
            for host in 0..to {
                if !w.hosts[host].alive() {
                    w.start(host);
                    w.run_for(Duration::from_millis(50));
                }
            }
        };
        grow(&mut w, 20);
        let full = |w: &World| w.at_rest();
        w.run_until(Duration::from_secs(20), LOOK, full);
        grow(&mut w, 30);
        w.run_until(Duration::from_secs(20), LOOK, full);
        grow(&mut w, 44);
        w.run_until(Duration::from_secs(40), LOOK, at_rest);
        // Between 24 and 32 it stays as it was.
        (28..44).for_each(|host| w.crash(host));
        w.run_until(Duration::from_secs(40), LOOK, at_rest);
        w.run_for(Duration::from_secs(20));
        w.run_until(Duration::from_secs(20), LOOK, at_rest);
        (20..28).for_each(|host| w.crash(host));
        w.run_until(Duration::from_secs(40), LOOK, full);
    }
}

#[test]
fn when_half_of_them_die_the_rest_stays_together() {
    let mut times = Times::default();
    for seed in seeds(20) {
        let mut w = network("when_half_of_them_die", seed, 100, PLAN);
        w.start_all(Duration::from_millis(500), 2);
        w.run_until(Duration::from_secs(30), LOOK, at_rest);
        w.run_for(Duration::from_secs(5));
        let mut order: Vec<usize> = (0..100).collect();
        w.dice.shuffle(&mut order);
        order[..50].iter().for_each(|host| w.crash(*host));
        // All neighbours of one with eight of them die together once in 2^8 times: such a node is alone for a
        // moment, and finds the others by what it knows of them.
        let parts = w.truth().components();
        if parts > 3 {
            w.broken(format!("what is left is in {parts} parts"));
        }
        // (A split and crashes together: the parts have seen different deaths.)
        w.laws.no_ghosts = parts == 1;
        times.add(w.run_until(Duration::from_secs(20), LOOK, at_rest));
    }
    times.check("degrees back", Duration::from_secs(12), Duration::from_secs(15));
}

#[test]
fn a_split_of_a_large_network_heals_by_itself() {
    let mut times = Times::default();
    for seed in seeds(20) {
        let mut w = network("a_split_of_a_large_network", seed, 60, PLAN);
        w.start_all(Duration::from_millis(500), 2);
        w.run_until(Duration::from_secs(30), LOOK, at_rest);
        let apart: Vec<usize> = (0..60).filter(|host| host % 3 == 0).collect();
        w.net.move_to(apart, 1);
        w.run_for(Duration::from_secs(90));
        w.net.move_to(0..60, 0);
        times.add(w.run_until(Duration::from_secs(60), LOOK, all_know_all));
        w.run_until(Duration::from_secs(60), LOOK, at_rest);
    }
    times.check("heal", Duration::from_secs(20), Duration::from_secs(30));
}

#[test]
fn a_crash_in_a_large_network_is_known_by_all_within_a_second() {
    let mut times = Times::default();
    for seed in seeds(20) {
        let mut w = network("a_crash_in_a_large_network", seed, 60, PLAN);
        w.start_all(Duration::from_millis(500), 2);
        w.run_until(Duration::from_secs(30), LOOK, at_rest);
        w.run_for(Duration::from_secs(5));
        for _ in 0..3 {
            let victim = *w.dice_pick(&running(&w));
            w.crash(victim);
            let known = |w: &World| w.all_show_gone(victim, &[State::Failed]);
            times.add(w.run_until(Duration::from_secs(5), STEP, known));
            w.run_until(Duration::from_secs(20), LOOK, at_rest);
        }
    }
    times.check("crash known by all", Duration::from_secs(1), Duration::from_secs(1));
}

/// Edges are the truth within two seconds of the last change, whatever came before.
#[test]
fn after_churn_every_graph_is_the_truth_within_two_seconds() {
    let mut times = Times::default();
    for seed in seeds(10) {
        let mut w = network("after_churn", seed, 50, PLAN);
        w.start_all(Duration::from_millis(500), 3);
        w.run_until(Duration::from_secs(30), LOOK, at_rest);
        let mut changed = w.now;
        for _ in 0..30 {
            let host = w.dice.below(50) as usize;
            match w.hosts[host].alive() {
                true if running(&w).len() > 35 => w.crash(host),
                true => continue,
                false => w.start(host),
            }
            changed = w.now;
            let pause = w.dice.between(Duration::ZERO, Duration::from_millis(800));
            w.run_for(pause);
        }
        // Links are still made and given up for a while: from the last of these on it counts.
        let mut links = w.truth().links;
        let end = w.now + Duration::from_secs(60);
        loop {
            let now = w.truth().links;
            if now != links {
                (links, changed) = (now, w.now);
            }
            let known = all_know_all(&w);
            let late = w.now.since(changed);
            match known {
                Ok(()) if late >= Duration::from_secs(4) => break,
                Ok(()) => {}
                Err(_) if late <= Duration::from_secs(2) && w.now < end => times.add(late),
                Err(why) => w.broken(format!("{late:?} after the last change: {why}")),
            }
            w.run_for(STEP);
        }
    }
    times.check("graphs wrong after a change", Duration::from_secs(2), Duration::from_secs(2));
}

/// One victim, 30 honest nodes in networks of their own, 60 attackers in two that all want it.
#[test]
fn whom_attackers_of_two_networks_surround_has_honest_links_of_its_own() {
    const HONEST: usize = 30;
    const ATTACKERS: usize = 60;
    let (mut safe, mut runs) = (0, 0);
    for seed in seeds(100) {
        let mut w = network("whom_attackers_surround", seed, 1 + HONEST + ATTACKERS, PLAN);
        for host in 0..w.hosts.len() {
            let n = u8::try_from(host % 200).expect("small");
            let ip = if host <= HONEST {
                Ipv4Addr::new(50, n, 0, 1)
            } else {
                Ipv4Addr::new(60, 0, u8::from(host % 2 == 0), n + 1)
            };
            w.move_host(host, SocketAddr::from((ip, 8100)));
        }
        let (honest, attacker) = (w.hosts[1].addr, w.hosts[HONEST + 1].addr);
        let greedy = Plan { conns_max: 128, ..PLAN };
        for host in 1..w.hosts.len() {
            w.hosts[host].seeds = vec![honest];
            if host > HONEST {
                w.hosts[host].seeds = vec![honest, attacker];
                w.hosts[host].plan = greedy;
            }
            w.start(host);
            w.run_for(Duration::from_millis(20));
        }
        w.run_for(Duration::from_secs(10));
        w.hosts[0].seeds = vec![honest, attacker];
        w.start(0);
        let victim = w.hosts[0].addr;
        for _ in 0..10 {
            for host in HONEST + 1..w.hosts.len() {
                if w.link(host, &w.hosts[0].id).is_none() {
                    let connect = Command::Connect { addr: victim, ticket: 1 };
                    w.act(host, Act::Peers(Event::Command(connect)));
                }
            }
            w.run_for(Duration::from_secs(3));
        }
        let ids: BTreeSet<_> = w.hosts[1..=HONEST].iter().map(|host| host.id).collect();
        let truth = w.truth();
        let (mine, theirs): (Vec<_>, Vec<_>) =
            truth.links[0].iter().partition(|(peer, _)| ids.contains(peer));
        let out = mine.iter().filter(|(_, dir)| *dir == Direction::Out).count();
        runs += 1;
        safe += usize::from(out >= 4);
        if theirs.len() > 2 * SAME_PREFIX + PLAN.outgoing_min() {
            w.broken(format!("{} links with attackers and {} others", theirs.len(), mine.len()));
        }
    }
    println!("at least 4 outgoing links with honest nodes: {safe} of {runs}");
    assert!(safe * 100 >= runs * 95, "only {safe} of {runs}");
}
