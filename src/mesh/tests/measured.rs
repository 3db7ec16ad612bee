//! What a node tells of its own links, and how often.

use std::collections::BTreeSet;
use std::time::Duration;

use super::sync::topology;
use super::*;
use crate::mesh::record::LOST_MAX;
use crate::mesh::topology::{Event, Topology};
use crate::mesh::{Core, Time};
use crate::wire::bounded::Blob;

/// Node 1, linked with 2, that with 3, and so on up to `count`; what 1 tells of its link, which took 1 us, when
/// 10 ms are measured so many seconds later.
fn told(count: u8, seconds: u64) -> Option<u32> {
    let (mut topology, mut out) = (topology(1), Vec::new());
    let up = Event::LinkUp {
        peer: id(2),
        dir: Direction::In,
        rtt_us: 1,
        addr: addr(2),
        card: card(2, 1),
    };
    topology.handle(Time(0), up, &mut out);
    for n in 2..=count {
        topology.take(Time(0), card(n, 1), &mut out);
        topology.take(Time(0), links(n, 1, &[n - 1, n.saturating_add(1).min(count)]), &mut out);
    }
    let later = Time::from_ms(seconds * 1000);
    for at in (0..2000).map(Time::from_ms).chain([later]) {
        while topology.next_wake().is_some_and(|due| due <= at) {
            topology.wake(at, &mut out);
        }
    }
    assert_eq!(topology.view().alive().count(), usize::from(count));
    topology.handle(later, Event::Measured { peer: id(2), rtt_us: 10_000 }, &mut out);
    topology.wake(later + Duration::from_secs(1), &mut out);
    topology.graph().listed_by(&id(1))?.lists(&id(2)).map(|l| l.rtt_us)
}

#[test]
fn a_changed_round_trip_is_told_after_half_a_minute_and_more_rarely_where_many_hear_it() {
    assert_eq!((told(6, 29), told(6, 31)), (Some(1), Some(10_000)));
    assert_eq!((told(100, 58), told(100, 62)), (Some(1), Some(10_000)));
}

#[test]
fn a_link_that_we_dialled_is_told_when_the_other_end_has_spoken_and_one_that_it_declines_never() {
    let (mut topology, mut out) = (topology(1), Vec::new());
    let up =
        |n: u8, dir| Event::LinkUp { peer: id(n), dir, rtt_us: 1, addr: addr(n), card: card(n, 1) };
    let mut now = Time(0);
    let mut told = |event: Event| {
        topology.handle(now, event, &mut out);
        now = now + Duration::from_secs(5);
        topology.wake(now, &mut out);
        let said = topology.graph().listed_by(&id(1)).expect("it speaks");
        let peers: Vec<NodeId> = said.links.iter().map(|l| l.peer).collect();
        (said.ver, peers)
    };
    let begin = told(up(2, Direction::In));
    assert_eq!(begin.1, [id(2)]);
    assert_eq!(told(up(3, Direction::Out)), begin);
    assert_eq!(told(Event::LinkDown { peer: id(3), lost: true }), begin, "nobody heard of it");
    assert_eq!(told(up(4, Direction::Out)), begin);
    let both: BTreeSet<NodeId> =
        told(Event::Measured { peer: id(4), rtt_us: 1 }).1.into_iter().collect();
    assert_eq!(both, BTreeSet::from([id(2), id(4)]));
    let again = told(up(4, Direction::Out)).1;
    assert_eq!(again.len(), 2, "one that takes its place is one that is known");
}

#[test]
fn in_a_storm_of_a_large_network_a_node_tells_of_itself_every_few_seconds_and_after_it_at_once() {
    let (mut topology, mut out) = (topology(1), Vec::new());
    for n in 0..1000u32 {
        topology.take(Time(0), card_of_many(n), &mut out);
    }
    let ver = |topology: &Topology| topology.graph().listed_by(&id(1)).expect("it speaks").ver.seq;
    let mut run = |topology: &mut Topology, from: Time, millis: u64, change: bool| {
        let before = ver(topology);
        for ms in (0..millis).step_by(10) {
            let (now, peer) = (from + Duration::from_millis(ms), id(2));
            if change && ms % 100 == 0 {
                let up = Event::LinkUp {
                    peer,
                    dir: Direction::In,
                    rtt_us: 1,
                    addr: addr(2),
                    card: card(2, 1),
                };
                let down = Event::LinkDown { peer, lost: false };
                topology.handle(now, if ms % 200 == 0 { up } else { down }, &mut out);
            }
            topology.wake(now, &mut out);
            out.clear();
        }
        ver(topology) - before
    };
    let storm = run(&mut topology, Time(0), 60_000, true);
    assert!((15..=25).contains(&storm), "told {storm} times in a minute");
    let calm = run(&mut topology, Time::from_ms(60_000), 10_000, false);
    assert!(calm <= 2, "told {calm} times more");
    assert_eq!(run(&mut topology, Time::from_ms(70_000), 100, true), 1, "told at once");
}

#[test]
fn links_lost_are_told_for_ten_seconds_and_only_so_many() {
    let (mut topology, mut out) = (topology(1), Vec::new());
    let (end, came) = (Time::from_ms(1000), |n: u8| Event::LinkUp {
        peer: id(n),
        dir: Direction::In,
        rtt_us: 1,
        addr: addr(n),
        card: card(n, 1),
    });
    for n in 2..=100 {
        topology.handle(Time(0), came(n), &mut out);
    }
    for n in 3..=100 {
        topology.handle(end, Event::LinkDown { peer: id(n), lost: n > 3 }, &mut out);
    }
    let mut told = |at: Time| {
        topology.handle(
            at,
            Event::Keys(Blob::new(at.0.to_le_bytes().to_vec()).expect("short")),
            &mut out,
        );
        topology.wake(at + Duration::from_secs(5), &mut out);
        let said = topology.graph().listed_by(&id(1)).expect("it speaks").lost.to_vec();
        assert!(!said.contains(&id(3)), "closed on purpose");
        said.len()
    };
    assert_eq!(told(end), LOST_MAX);
    assert_eq!(told(end + Duration::from_secs(10)), 0);
}
