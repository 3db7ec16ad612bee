use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::mesh::gossip::{BucketSet, Gossip, Versions};
use crate::mesh::graph::Limits;
use crate::mesh::record::Kind;
use crate::mesh::topology::{Effect, Event, Identity, Policy, Topology};
use crate::mesh::{Core, Time};

fn policy() -> Policy {
    Policy {
        period: Some(Duration::from_secs(3600)),
        limits: Limits { nodes_max: 4096, forget_after: Duration::from_secs(86_400) },
        records_per_second: 50,
        degree_max: 128,
        plan: FULL,
    }
}

pub(super) fn topology(n: u8) -> Topology {
    let identity = Identity {
        network: Text::new("test").expect("short"),
        label: Text::new(format!("node{n}")).expect("short"),
        relay: false,
        mailbox: false,
        epoch: 1,
        start_ms: 0,
    };
    Topology::new(identity, policy(), Arc::new(node(n)))
}

/// Hands everything one says to the other until nobody says anything more.
fn talk(now: Time, pair: &mut [Topology; 2], mut said: Vec<(usize, Effect)>) {
    while !said.is_empty() {
        for (from, effect) in std::mem::take(&mut said) {
            let Effect::Send { peer, gossip } = effect else { continue };
            let to = 1 - from;
            if peer == pair[to].me {
                let peer = pair[from].me;
                let mut out = Vec::new();
                pair[to].handle(now, Event::FromPeer { peer, gossip }, &mut out);
                said.extend(out.into_iter().map(|e| (to, e)));
            }
        }
    }
}

fn settle(now: Time, pair: &mut [Topology; 2]) {
    for side in 0..2 {
        while pair[side].next_wake().is_some_and(|at| at <= now) {
            let mut out = Vec::new();
            pair[side].wake(now, &mut out);
            talk(now, pair, out.into_iter().map(|e| (side, e)).collect());
        }
    }
}

#[test]
fn one_exchange_in_each_direction_makes_any_two_graphs_equal() {
    let mut differed = 0;
    for case in 0..50u64 {
        let mut dice = crate::mesh::dice::Dice::new(case);
        let mut pair = [topology(1), topology(2)];
        // A full mesh of 3..40 hangs on the two; each knows a random part of it in a random version.
        let all: Vec<u8> = (1..40).collect();
        for third in 3..40u8 {
            for side in &mut pair {
                for seq in 1..=dice.below(4) {
                    let mut out = Vec::new();
                    side.take(Time(0), card(third, seq), &mut out);
                    if dice.below(3) > 0 {
                        side.take(Time(0), links(third, 100 + seq, &all), &mut out);
                    }
                }
            }
        }
        let now = Time::from_ms(1000);
        for side in 0..2 {
            let (peer, card) = (pair[1 - side].me, pair[1 - side].card());
            let dir = if side == 0 { Direction::Out } else { Direction::In };
            let mut out = Vec::new();
            pair[side].handle(
                now,
                Event::LinkUp { peer, dir, rtt_us: 1, addr: addr(1), card },
                &mut out,
            );
            // Both also list every third node, so that all of them are alive.
            for third in 3..40u8 {
                let up = Event::LinkUp {
                    peer: id(third),
                    dir,
                    rtt_us: 1,
                    addr: addr(1),
                    card: super::card(third, 1),
                };
                pair[side].handle(now, up, &mut out);
            }
        }
        let now = now + Duration::from_millis(500);
        settle(now, &mut pair);
        settle(now + Duration::from_millis(500), &mut pair);
        differed += u32::from(pair[0].graph.digest() != pair[1].graph.digest());
        for side in 0..2 {
            let now = now + Duration::from_secs(1 + 2 * side as u64);
            let digest = Gossip::Digest(List::first_of(pair[side].graph.digest().iter().copied()));
            let peer = pair[1 - side].me;
            talk(now, &mut pair, vec![(side, Effect::Send { peer, gossip: digest })]);
            settle(now + Duration::from_secs(1), &mut pair);
        }
        assert_eq!(pair[0].graph.digest(), pair[1].graph.digest(), "case {case}");
    }
    assert!(differed > 40, "there was something to even out in {differed} of 50 cases");
}

/// How many records these effects send.
fn records_sent(out: &[Effect]) -> usize {
    let sent = |e: &Effect| match e {
        Effect::Send { gossip: Gossip::Records(records), .. } => records.len(),
        _ => 0,
    };
    out.iter().map(sent).sum()
}

#[test]
fn what_is_asked_for_a_thousand_times_is_sent_once() {
    let mut topology = topology(1);
    let (peer, now) = (id(2), Time::from_ms(1000));
    let up = Event::LinkUp { peer, dir: Direction::In, rtt_us: 1, addr: addr(1), card: card(2, 1) };
    topology.handle(now, up, &mut Vec::new());
    let mut asked = |gossip| {
        let mut out = Vec::new();
        topology.handle(now, Event::FromPeer { peer, gossip }, &mut out);
        records_sent(&out)
    };
    let wanted = std::iter::repeat_n((id(1), Kind::Card), 1000);
    assert_eq!(asked(Gossip::Want(List::first_of(wanted))), 1);
    let none = Versions { id: id(1), card: Ver::default(), links: Ver::default() };
    let have = List::first_of(std::iter::repeat_n(none, 1000));
    let mut buckets = BucketSet::default();
    buckets.insert(id(1).0[0]);
    assert_eq!(asked(Gossip::Versions { buckets, have: have.clone() }), 2);
    // What is named outside of the buckets that are spoken of is not looked at.
    assert_eq!(asked(Gossip::Versions { buckets: BucketSet::default(), have }), 0);
}

/// What 1 sends when 2, on a link of theirs, says this.
fn answers(topology: &mut Topology, now: Time, gossip: Gossip) -> Vec<Gossip> {
    let mut out = Vec::new();
    topology.handle(now, Event::FromPeer { peer: id(2), gossip }, &mut out);
    let sent = out.into_iter().filter_map(|e| match e {
        Effect::Send { gossip, .. } => Some(gossip),
        _ => None,
    });
    sent.collect()
}

/// Node 1, which 2 has dialled.
fn linked() -> (Topology, Time) {
    let mut topology = topology(1);
    let now = Time::from_ms(60_000);
    let (peer, card) = (id(2), card(2, 1));
    let up = Event::LinkUp { peer, dir: Direction::In, rtt_us: 1, addr: addr(2), card };
    topology.handle(now, up, &mut Vec::new());
    (topology, now)
}

/// Node 1 knows all others, and 2 is linked with it.
fn knows_everyone() -> (Topology, Time) {
    let (mut topology, now) = linked();
    let others: Vec<u8> = (3..=255).collect();
    for n in 2..=255 {
        let peers = if n == 2 { [&[1][..], &others].concat() } else { vec![2] };
        topology.take(now, links(n, 1, &peers), &mut Vec::new());
    }
    let now = now + Duration::from_secs(10);
    topology.wake(now, &mut Vec::new());
    assert_eq!(topology.view().alive().count(), 255);
    (topology, now)
}

#[test]
fn pings_are_as_often_as_the_network_is_large_also_when_it_has_become_small() {
    let (mut topology, now) = knows_everyone();
    let policy = Policy { period: None, ..policy() };
    topology.handle(now, Event::Configure(policy), &mut Vec::new());
    let pings = |topology: &mut Topology, from: u64, seconds: u64| {
        let mut out = Vec::new();
        for s in from..from + seconds {
            topology.wake(now + Duration::from_secs(s), &mut out);
        }
        let is_ping = |e: &Effect| matches!(e, Effect::Send { gossip: Gossip::Cast(_), .. });
        out.iter().filter(|e| is_ping(e)).count()
    };
    let many = pings(&mut topology, 0, 600);
    assert!((3..=6).contains(&many), "{many} pings in ten minutes among 255 nodes");
    topology.take(now + Duration::from_secs(600), links(2, 2, &[1]), &mut Vec::new());
    let few = pings(&mut topology, 600, 60);
    assert!(few >= 9, "{few} pings in a minute between two");
}

#[test]
fn an_exchange_ends_where_the_other_end_brings_it_no_further() {
    let (mut topology, now) = knows_everyone();
    let digest = Gossip::Digest(List::first_of([1; 256]));
    let [Gossip::Versions { buckets, have }] = &answers(&mut topology, now, digest)[..] else {
        panic!("it leads");
    };
    assert!(have.len() > 100);
    let first = buckets.iter().next().expect("it speaks of some");
    let mut evened = BucketSet::default();
    evened.insert(first);
    let step = answers(&mut topology, now, Gossip::Evened(evened));
    assert!(matches!(&step[..], [Gossip::Versions { .. }]), "{step:?}");
    assert!(answers(&mut topology, now, Gossip::Evened(evened)).is_empty());
    assert!(answers(&mut topology, now, Gossip::Evened(*buckets)).is_empty(), "it is over");
}

/// Node 1, linked with 2, that with 600 nodes whose ids begin with one byte and with node 255; each of the 600 lists 20
/// more that are made up. That byte.
fn crowd() -> (Topology, Time, u8) {
    let (mut topology, now) = linked();
    let first = 0;
    assert!([1, 2, 255].iter().all(|n| id(*n).0[0] > first), "they are in later buckets");
    let keys = (0..).map(one_of_many);
    let crowd = keys.filter(|key| NodeId::of_key(&key.0).0[0] == first).take(600);
    let entry = |peer: NodeId| LinkEntry { peer, dir: Direction::Out, rtt_us: 1, since_s: 0 };
    let say = |topology: &mut Topology, key: &Hashed, peers: &[NodeId]| {
        let mut links: Vec<LinkEntry> = peers.iter().copied().map(entry).collect();
        links.sort_by_key(|l| l.peer);
        let (id, ver) = (NodeId::of_key(&key.0), Ver { epoch: 1, seq: 1 });
        let state = LinkState { id, ver, links: List::first_of(links), ..link_state(0, 1, &[]) };
        topology.take(now, Record::sign(Body::Links(state), key), &mut Vec::new());
    };
    let mut all = vec![id(1), id(255)];
    for key in crowd {
        let made_up = (1..=20).map(|n| NodeId([n; 32]));
        let peers: Vec<NodeId> = made_up.chain([id(2)]).collect();
        say(&mut topology, &key, &peers);
        all.push(NodeId::of_key(&key.0));
    }
    say(&mut topology, &node(2), &all);
    say(&mut topology, &node(255), &[id(2)]);
    let now = now + Duration::from_secs(10);
    topology.wake(now, &mut Vec::new());
    assert_eq!(topology.view().alive().count(), 603);
    (topology, now, first)
}

#[test]
fn one_crowded_bucket_does_not_keep_the_others_from_being_evened() {
    let (mut topology, now, first) = crowd();
    let digest = Gossip::Digest(List::first_of([1; 256]));
    let [Gossip::Versions { buckets, have }] = &answers(&mut topology, now, digest)[..] else {
        panic!("it leads");
    };
    assert_eq!((buckets.iter().collect::<Vec<u8>>(), have.len()), (vec![first], 512));
    let next = answers(&mut topology, now, Gossip::Evened(*buckets));
    let [Gossip::Versions { buckets, .. }] = &next[..] else { panic!("{next:?}") };
    assert!(buckets.contains(id(255).0[0]));
}

#[test]
fn a_bucket_that_is_too_much_for_one_step_is_given_in_part_and_then_compared() {
    let (mut topology, now, first) = crowd();
    let step = answers(&mut topology, now, Gossip::Digest(List::first_of([0; 256])));
    let given = |step: &[Gossip]| -> usize {
        let records = |gossip: &Gossip| match gossip {
            Gossip::Records(records) => records.len(),
            _ => 0,
        };
        step.iter().map(records).sum()
    };
    assert!((100..600).contains(&given(&step)), "{} given", given(&step));
    let next = answers(&mut topology, now, Gossip::Evened(BucketSet::default()));
    let named = next.iter().find_map(|gossip| match gossip {
        Gossip::Versions { buckets, have } => Some((buckets.contains(first), have.len())),
        _ => None,
    });
    assert_eq!(named, Some((true, 512)), "the exchange goes on");
    assert!(given(&next) >= 3, "what is in the other buckets is given");
}

#[test]
fn a_difference_that_stays_is_compared_however_rare_heartbeats_are() {
    for beat in [1, 60] {
        let (mut topology, mut now) = knows_everyone();
        let mut begun = 0;
        for seq in 2..20 {
            // Something changes all the time, so that nothing ever settles.
            topology.take(now, links(2, seq, &[1]), &mut Vec::new());
            topology.wake(now + Duration::from_millis(50), &mut Vec::new());
            let mut out = Vec::new();
            topology.handle(now, Event::RootDiffers { peer: id(2) }, &mut out);
            let digest = |e: &Effect| matches!(e, Effect::Send { gossip: Gossip::Digest(_), .. });
            begun += out.iter().filter(|e| digest(e)).count();
            now = now + Duration::from_secs(beat);
        }
        assert!(begun > 0, "heartbeats {beat} s apart");
    }
}

#[test]
fn a_joiner_hears_on_when_it_learns_how_large_the_network_is() {
    let ((mut topology, now), peer) = (linked(), id(2));
    assert!(topology.links.get_mut(&peer).expect("up").budget.take(now, 6000));
    // Two minutes at 50 a second; with a network of 4,000 the rest of the burst is the share of three seconds.
    topology.links.get_mut(&peer).expect("up").budget.set_rate(now, 2050);
    let later = now + Duration::from_secs(1);
    assert!(topology.links.get_mut(&peer).expect("up").budget.take(later, 2050));
}

#[test]
fn records_of_nobody_known_are_bounded_however_many_links_bring_them() {
    let mut topology = topology(1);
    let now = Time::from_ms(1_000_000);
    let limits = Limits { nodes_max: 50, forget_after: Duration::from_secs(86_400) };
    let policy =
        Policy { period: None, limits, records_per_second: 1, degree_max: 128, plan: FULL };
    topology.handle(now, Event::Configure(policy), &mut Vec::new());
    let mut dropped = Vec::new();
    for link in 0..3u8 {
        let (peer, card) = (id(200 + link), card(200 + link, 1));
        let up = Event::LinkUp { peer, dir: Direction::In, rtt_us: 1, addr: addr(link), card };
        topology.handle(now, up, &mut Vec::new());
        let made_up = (1..=60).map(|n| self::card(n + 60 * link, 1).signed().clone());
        let gossip = Gossip::Records(List::first_of(made_up));
        let before = topology.dropped_records;
        topology.handle(now, Event::FromPeer { peer, gossip }, &mut Vec::new());
        dropped.push(topology.dropped_records - before);
    }
    assert_eq!((dropped[0], dropped[2]), (0, 60), "{dropped:?}");
    // A link that has been there for a while has a share of its own.
    let later = now + Duration::from_secs(31);
    let made_up = (1..=60).map(|n| self::card(n + 120, 1).signed().clone());
    let gossip = Gossip::Records(List::first_of(made_up));
    let before = topology.dropped_records;
    topology.handle(later, Event::FromPeer { peer: id(202), gossip }, &mut Vec::new());
    assert_eq!(topology.dropped_records, before);
}

#[test]
fn dialling_again_buys_no_new_burst_and_a_reload_counts_for_links_that_are_up() {
    let mut topology = topology(1);
    let (peer, now) = (id(2), Time::from_ms(1_000_000));
    let up =
        || Event::LinkUp { peer, dir: Direction::In, rtt_us: 1, addr: addr(1), card: card(2, 1) };
    topology.handle(now, up(), &mut Vec::new());
    assert!(topology.links.get_mut(&peer).expect("up").budget.take(now, 8192));
    topology.handle(now, up(), &mut Vec::new());
    assert!(!topology.links.get_mut(&peer).expect("up").budget.take(now, 1));

    let limits = Limits { nodes_max: 1, forget_after: Duration::from_secs(86_400) };
    let policy =
        Policy { period: None, limits, records_per_second: 1, degree_max: 128, plan: FULL };
    topology.handle(now, Event::Configure(policy), &mut Vec::new());
    let budget = &mut topology.links.get_mut(&peer).expect("up").budget;
    assert!(budget.take(now, 64), "even then every question fits");
    assert!(!budget.take(now, 1));
}

#[test]
fn a_label_cannot_write_lines_of_its_own_into_the_log() {
    let mut topology = topology(1);
    let now = Time::from_ms(1000);
    let (peer, ver) = (id(2), Ver { epoch: 1, seq: 1 });
    let said = |label: &str| {
        let label = Text::new(label).expect("short");
        Record::sign(Body::Card(Card { label, ..plain_card(2, ver) }), &node(2))
    };
    let evil = said("x\nERROR \u{1b}[2J");
    let up = Event::LinkUp { peer, dir: Direction::In, rtt_us: 1, addr: addr(1), card: evil };
    topology.handle(now, up, &mut Vec::new());
    let mut out = Vec::new();
    topology.take(now, links(2, 1, &[1]), &mut out);
    for ms in [1100, 1200, 1300] {
        topology.wake(Time::from_ms(ms), &mut out);
    }
    assert!(topology.view().node(&peer).is_some(), "it is shown");
    out.clear();
    topology.take(Time::from_ms(1400), said("other"), &mut out);
    let [Effect::Notice(text)] = &out[..] else { panic!("{out:?}") };
    assert!(!text.chars().any(char::is_control), "{text}");
}
