//! Everything at once, and then calm: all that was acknowledged arrives, once, and its sender knows.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::kith::mail::event::{Draft, Event, Fallback};
use crate::kith::mail::rows::Shards;
use crate::seeds;
use crate::world::{Policy, Weather, World, draft, ms, policy, secs};

const NODES: usize = 50;
/// What one run does.
struct Plan {
    letters: usize,
    faults: usize,
    /// Of 100 nodes so many volunteer as relays, and as mailboxes.
    relays: u64,
    boxes: u64,
    /// A node that starts links to so many others.
    links: usize,
    /// After the storm all letters have arrived within this. A letter that was tried in vain rests for up to five
    /// minutes and a quarter; where a quarter of all pairs cannot be linked, many ways lead nowhere.
    calm: Duration,
}

fn storm(test: &str, seed: u64, plan: &Plan) -> World {
    let mut w = World::new(NODES, seed, policy());
    w.replay = format!("cargo test --test mail_sim {test} -- --nocapture");
    w.weather = Weather {
        delay: (ms(1), ms(80)),
        disk: (ms(1), ms(15)),
        work: (Duration::from_micros(100), ms(5)),
        news: (ms(20), ms(800)),
        ..Weather::default()
    };
    w.first_links = plan.links;
    for n in 0..NODES {
        let fallback =
            [Fallback::Always, Fallback::Always, Fallback::Never][w.dice.below(3) as usize];
        w.nodes[n].policy = Policy {
            // One relay and one mailbox there always are.
            volunteer: n < 3 || w.dice.below(100) < plan.relays,
            mailbox: n == 3 || w.dice.below(100) < plan.boxes,
            fallback,
            hops: 1 + w.dice.below(4) as u8,
            ..policy()
        };
        w.nodes[n].skew_ms = w.dice.below(600_000) as i64 - 300_000;
    }
    // A part of the pairs cannot be linked.
    for _ in 0..w.dice.below(300) {
        let (a, b) = (any(&mut w), any(&mut w));
        // Everybody reaches the first three.
        if a.min(b) >= 3 {
            w.never.insert((a.min(b), a.max(b)));
        }
    }
    w.start_all();
    w.run_for(secs(3));
    w.weather.loss_permille = w.dice.below(100);
    w.weather.full_permille = w.dice.below(20);
    let (mut letters, mut faults) = (plan.letters, plan.faults);
    while letters + faults > 0 {
        if w.dice.below((letters + faults) as u64) < letters as u64 {
            letters -= 1;
            send(&mut w);
        } else {
            faults -= 1;
            fault(&mut w);
        }
        let pause = w.dice.between(Duration::ZERO, ms(1500));
        w.run_for(pause);
    }
    w
}

fn any(w: &mut World) -> usize {
    w.dice.below(NODES as u64) as usize
}

fn send(w: &mut World) {
    let (from, to) = (any(w), any(w));
    if from == to || !w.is_up(from) {
        return;
    }
    let count = 1 + w.dice.below(4);
    for _ in 0..count {
        let len = [10, 300, 3000, 3000, 16_000, 40_000][w.dice.below(6) as usize];
        let mut body = vec![from as u8; len];
        body[..8].copy_from_slice(&w.dice.below(u64::MAX).to_le_bytes());
        let shards = (w.dice.below(6) == 0).then_some(Shards { k: 3, n: 5 });
        let key = (w.dice.below(10) == 0).then(|| w.dice.below(5).to_string());
        w.push(from, Draft { shards, key, ..draft(to, &body) });
    }
    // Somebody reads what came.
    let reader = any(w);
    let shown = w.nodes[reader].disk.came.keys().take(3).copied().collect();
    w.give(reader, Event::Shown(shown));
}

fn fault(w: &mut World) {
    let (n, other) = (any(w), any(w));
    match w.dice.below(10) {
        0..=3 if w.is_up(n) => {
            // Known at once, as when a stream breaks; or late, as when a machine dies.
            let known = [(ms(1), ms(300)), (secs(2), secs(6))][w.dice.below(2) as usize];
            let known = w.dice.between(known.0, known.1);
            w.crash(n, known);
        }
        0..=5 if !w.is_up(n) => w.start(n),
        4 => w.nodes[n].disk.fails = !w.nodes[n].disk.fails,
        5 if n != other => w.unlink(n, other),
        6 => {
            let skew = w.dice.below(600_000) as i64 - 300_000;
            if w.is_up(n) {
                w.set_clock(n, skew);
            }
        }
        7 if n > 3 && w.is_up(n) => {
            let volunteer = !w.nodes[n].policy.volunteer;
            w.configure(n, |policy| policy.volunteer = volunteer);
        }
        // Some of those that are down, at once.
        _ => {
            for n in (0..NODES).filter(|n| !w.is_up(*n)).step_by(3).collect::<Vec<_>>() {
                w.start(n);
            }
        }
    }
}

/// Everybody is there again, and nothing is lost any more.
fn heal(w: &mut World) {
    w.weather.loss_permille = 0;
    w.weather.full_permille = 0;
    for n in 0..NODES {
        w.nodes[n].disk.fails = false;
        if !w.is_up(n) {
            w.start(n);
        }
    }
    if w.first_links == NODES {
        for a in 0..NODES {
            for b in 0..a {
                w.link(a, b);
            }
        }
    }
}

fn calm(mut w: World, within: Duration) -> Duration {
    heal(&mut w);
    let took = w.run_until(within, World::all_delivered);
    // Nothing is left over, and nothing more happens.
    w.run_for(secs(150));
    w.run_until(secs(600), World::quiet);
    for n in 0..NODES {
        let came: BTreeSet<_> = w.nodes[n].disk.came.values().map(|l| (l.from, &l.body)).collect();
        if came.len() != w.nodes[n].disk.came.len() {
            w.broken(format!("n{n} has a letter twice"));
        }
        if w.nodes[n].wakes > 1200 * w.now.0 / 1_000_000 {
            w.broken(format!("n{n} woke {} times", w.nodes[n].wakes));
        }
    }
    took
}

fn run(test: &str, plan: &Plan) {
    let (began, mut worst, seeds) = (std::time::Instant::now(), Duration::ZERO, seeds(2));
    for seed in &seeds {
        worst = worst.max(calm(storm(test, *seed, plan), plan.calm));
    }
    println!("{test}: {} seeds, all known after {worst:?}; {:?}", seeds.len(), began.elapsed());
}

#[test]
fn in_a_full_mesh_what_was_acknowledged_arrives_once() {
    let plan =
        Plan { letters: 45, faults: 45, relays: 40, boxes: 15, links: NODES, calm: secs(800) };
    run("in_a_full_mesh", &plan);
}

#[test]
fn with_links_on_demand_what_was_acknowledged_arrives_once() {
    let plan = Plan { letters: 45, faults: 45, relays: 40, boxes: 15, links: 3, calm: secs(1600) };
    run("with_links_on_demand", &plan);
}
