//! Nodes that somebody on the local network says are there.

use std::time::Duration;

use super::peers::{comes_in, dialled, registry, tell};
use super::*;
use crate::mesh::book::Book;
use crate::mesh::peers::{Bye, Command, Effect, Ended, Event, NEAR_MAX, Peers, Sighting};
use crate::mesh::{ConnId, Core, Time};

fn here(place: usize, who: u8) -> Event {
    let name = place.to_string();
    Event::Sighted(Sighting::Here { name, peer: id(who), addrs: vec![addr(who)] })
}

/// Runs the registry until `until`, waking it whenever it wants; every dial with its time and expected id.
fn run(peers: &mut Peers, from: Time, until: Time) -> Vec<(Time, ConnId, SocketAddr)> {
    let (mut now, mut made, mut turns) = (from, Vec::new(), 0);
    while let Some(at) = peers.next_wake().filter(|at| *at <= until) {
        now = now.max(at);
        let mut out = Vec::new();
        peers.wake(now, &mut out);
        made.extend(dialled(&out).into_iter().map(|(conn, addr)| (now, conn, addr)));
        turns += 1;
        assert!(turns < 100_000, "it wakes again and again and does nothing");
    }
    made
}

/// As [`run`], and every dial ends at once as `how` says.
fn run_failing(peers: &mut Peers, until: Time, how: &Ended) -> Vec<(Time, SocketAddr)> {
    let (mut now, mut made) = (Time(0), Vec::new());
    loop {
        let Some(at) = peers.next_wake().filter(|at| *at <= until) else { return made };
        now = now.max(at);
        let mut out = Vec::new();
        peers.wake(now, &mut out);
        for (conn, addr) in dialled(&out) {
            made.push((now, addr));
            tell(peers, now, Event::Closed { conn, how: how.clone() });
        }
    }
}

#[test]
fn who_is_seen_is_dialled_soon_and_only_it_may_answer() {
    let mut peers = registry(1, &[], Book::default());
    let mut out = tell(&mut peers, Time::from_ms(10), here(0, 2));
    assert!(peers.joined(), "nobody is configured to be joined");
    let soon = Time::from_ms(200);
    let at = peers.next_wake().filter(|at| *at <= soon).expect("within a moment");
    peers.wake(at, &mut out);
    let dials = out.iter().filter_map(|effect| match effect {
        Effect::Dial { addr, expect, .. } => Some((*addr, *expect)),
        _ => None,
    });
    assert_eq!(dials.collect::<Vec<_>>(), [(addr(2), Some(id(2)))]);
}

#[test]
fn who_is_linked_banned_or_myself_is_not_dialled() {
    let mut peers = registry(1, &[], Book::default());
    comes_in(&mut peers, Time::from_ms(1), card(2, 1));
    tell(&mut peers, Time::from_ms(2), Event::Command(Command::Ban(id(3))));
    for (place, who) in [(0, 1), (1, 2), (2, 3)] {
        tell(&mut peers, Time::from_ms(3), here(place, who));
    }
    assert_eq!(run(&mut peers, Time::from_ms(3), Time::from_ms(1900)), []);
    let out = tell(&mut peers, Time::from_ms(1900), Event::Command(Command::Unban(id(3))));
    assert_eq!(dialled(&out).iter().map(|(_, addr)| *addr).collect::<Vec<_>>(), [addr(3)]);
}

#[test]
fn addresses_nobody_could_mean_are_left_out() {
    let mut peers = registry(1, &[], Book::default());
    let bad = ["127.0.0.1:80", "[::1]:80", "[::ffff:127.0.0.1]:80", "0.0.0.0:80", "224.0.0.251:80"];
    let bad = bad.iter().chain(&["192.0.2.1:0"]).map(|text| text.parse().expect("an address"));
    let addrs: Vec<SocketAddr> = bad.collect();
    let sighting = Sighting::Here { name: "0".into(), peer: id(2), addrs };
    tell(&mut peers, Time(0), Event::Sighted(sighting));
    assert_eq!(run(&mut peers, Time(0), Time::from_ms(1900)), []);
}

#[test]
fn who_goes_away_is_dialled_no_more() {
    let mut peers = registry(1, &[], Book::default());
    tell(&mut peers, Time(0), here(0, 2));
    tell(&mut peers, Time(0), here(1, 3));
    tell(&mut peers, Time(0), Event::Sighted(Sighting::Away { name: "0".into() }));
    let made = run_failing(&mut peers, Time::from_ms(60_000), &Ended::Refused);
    assert!(made.len() > 2 && made.iter().all(|(_, to)| *to == addr(3)), "{made:?}");
    tell(&mut peers, Time::from_ms(60_000), Event::Sighted(Sighting::Afresh));
    assert_eq!(run(&mut peers, Time::from_ms(60_000), Time::from_ms(600_000)), []);
}

#[test]
fn nobody_answers_there_and_the_dials_become_rare() {
    let mut peers = registry(1, &[], Book::default());
    tell(&mut peers, Time(0), here(0, 2));
    let refused = run_failing(&mut peers, Time::from_ms(3_600_000), &Ended::Refused);
    assert!((10..120).contains(&refused.len()), "{} dials in an hour", refused.len());
    // Another network: asking again soon changes nothing.
    let mut peers = registry(1, &[], Book::default());
    tell(&mut peers, Time(0), here(0, 2));
    let unwanted = run_failing(&mut peers, Time::from_ms(60_000), &Ended::WrongNetwork);
    assert!(unwanted.len() <= 4, "{unwanted:?}");
}

#[test]
fn all_addresses_of_one_place_are_tried() {
    let mut peers = registry(1, &[], Book::default());
    let addrs = vec![addr(7), addr(8)];
    let sighting = Sighting::Here { name: "0".into(), peer: id(2), addrs: addrs.clone() };
    tell(&mut peers, Time(0), Event::Sighted(sighting));
    let made = run_failing(&mut peers, Time::from_ms(1900), &Ended::Refused);
    assert_eq!(made[..2].iter().map(|(_, to)| *to).collect::<Vec<_>>(), addrs);
}

/// Places that swallow every dial: seeds and members are dialled all the same, and nobody is dialled often.
#[test]
fn a_flood_of_sightings_holds_up_nobody_and_is_bounded() {
    let mut peers = registry(1, &[200], Book::default());
    let (mut seeds, mut near) = (Vec::new(), 0);
    let mut now = Time(0);
    for round in 0..400u32 {
        now = Time::from_ms(u64::from(round) * 50);
        for place in 0..NEAR_MAX {
            let who =
                u8::try_from(u32::try_from(place).expect("small") + round % 3).expect("small");
            let bogus = SocketAddr::from(([203, 0, 113, who], 443));
            let name = place.to_string();
            let sighting = Sighting::Here { name, peer: id(who + 2), addrs: vec![bogus] };
            let out = tell(&mut peers, now, Event::Sighted(sighting));
            for (conn, to) in dialled(&out) {
                if to == addr(200) {
                    seeds.push(now);
                    tell(&mut peers, now, Event::Closed { conn, how: Ended::Refused });
                } else {
                    near += 1;
                }
            }
        }
    }
    // Twenty seconds, in which no dial to a place has ended: four are under way.
    assert_eq!(near, 4);
    assert!(seeds.len() >= 5, "{seeds:?}");
    let mut ended = 0;
    for conn in 1..1000 {
        let out = tell(&mut peers, now, Event::Closed { conn, how: Ended::TimedOut });
        ended += dialled(&out).len();
    }
    assert!(ended <= 16, "{ended} dials in one moment");
}

/// Invented announcements, each of another id, from this number on.
fn flood(peers: &mut Peers, now: Time, names: std::ops::Range<usize>) {
    for n in names {
        let key = u32::try_from(n).expect("small").to_be_bytes().repeat(8);
        let peer = NodeId::of_key(&key.try_into().expect("32 bytes"));
        let sighting = Sighting::Here { name: format!("x{n}"), peer, addrs: vec![bogus()] };
        tell(peers, now, Event::Sighted(sighting));
    }
}

fn bogus() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 9], 443))
}

/// Runs it from then on; a dial to anywhere but `there` is refused. When `there` was dialled, if it was.
fn dialled_at(peers: &mut Peers, from: Time, until: Time, there: SocketAddr) -> Option<Time> {
    let mut now = from;
    while let Some(at) = peers.next_wake().filter(|at| *at <= until) {
        now = now.max(at);
        let mut out = Vec::new();
        peers.wake(now, &mut out);
        let mut under_way = dialled(&out);
        while let Some((conn, to)) = under_way.pop() {
            if to == there {
                return Some(now);
            }
            let out = tell(peers, now, Event::Closed { conn, how: Ended::Refused });
            under_way.extend(dialled(&out));
        }
    }
    None
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn who_is_linked_is_not_driven_out_by_a_flood() {
    let mut peers = registry(1, &[], Book::default());
    let out = comes_in(&mut peers, Time(0), card(2, 1));
    let kept = out.iter().find_map(|effect| match effect {
        Effect::Keep(conn) => Some(*conn),
        _ => None,
    });
    // It is announced at an address that its card does not have.
    let elsewhere = addr(77);
    let sighting = Sighting::Here { name: "two".into(), peer: id(2), addrs: vec![elsewhere] };
    tell(&mut peers, Time::from_ms(1), Event::Sighted(sighting));
    // At once, so that no dial has failed yet, and then again and again.
    let mut now = Time::from_ms(2);
    for round in 0..10 {
        flood(&mut peers, now, round * 1000..round * 1000 + 1000);
        assert_eq!(dialled_at(&mut peers, now, now + MINUTE, elsewhere), None, "it is linked");
        now = now + MINUTE;
    }
    // It starts anew; its card's address is of no use any more.
    let how = Ended::Said(Bye::Leaving, Vec::new());
    tell(&mut peers, now, Event::Closed { conn: kept.expect("a link"), how });
    assert!(dialled_at(&mut peers, now, now + MINUTE, elsewhere).is_some(), "it was driven out");
}

/// Whether it is heard before the crowd or after it.
#[test]
fn who_is_turned_away_in_a_crowd_is_dialled_later() {
    for is_first in [true, false] {
        let mut peers = registry(1, &[], Book::default());
        let round = |n: u32| {
            let now = Time(0) + MINUTE * n;
            if is_first {
                tell(&mut peers, now, here(0, 2));
            }
            flood(&mut peers, now, 0..300);
            if !is_first {
                tell(&mut peers, now, here(0, 2));
            }
            dialled_at(&mut peers, now, now + MINUTE, addr(2)).is_some()
        };
        // It has one of 64 places of 301 each time.
        let dialled = (0..60).map(round).position(|dialled| dialled);
        assert!(dialled.is_some(), "first: {is_first}");
    }
}

/// A crowd that is linked leaves half of the places to others.
#[test]
fn a_newcomer_is_dialled_where_more_are_linked_than_there_are_places() {
    let mut peers = registry(1, &[], Book::default());
    for who in 2..=90 {
        comes_in(&mut peers, Time(0), card(who, 1));
        tell(&mut peers, Time(0), here(usize::from(who), who));
    }
    let dialled = (0..20).any(|n| {
        let now = Time(0) + Duration::from_secs(n);
        tell(&mut peers, now, here(200, 200));
        dialled_at(&mut peers, now, now + Duration::from_secs(1), addr(200)).is_some()
    });
    assert!(dialled, "it is turned away for ever");
}

#[test]
fn one_id_has_four_places_and_what_fails_there_makes_room() {
    let mut peers = registry(1, &[], Book::default());
    let says = |peers: &mut Peers, now, name: u32, port| {
        let addrs = vec![SocketAddr::from(([203, 0, 113, 9], port))];
        let sighting = Sighting::Here { name: format!("x{name}"), peer: id(9), addrs };
        tell(peers, now, Event::Sighted(sighting))
    };
    let mut ports = std::collections::BTreeSet::new();
    for name in 0..100 {
        says(&mut peers, Time(0), name, 1000 + u16::try_from(name).expect("small"));
    }
    let made = run_failing(&mut peers, Time::from_ms(60_000), &Ended::Refused);
    ports.extend(made.iter().map(|(_, to)| to.port()));
    assert_eq!(ports.len(), 4, "{ports:?}");
    // Its own announcement, which was none of the first, takes the place of one that failed.
    let now = Time::from_ms(60_000);
    tell(&mut peers, now, here(1, 9));
    assert!(dialled_at(&mut peers, now, now + MINUTE, addr(9)).is_some(), "it is turned away");
}

#[test]
fn what_is_said_of_a_place_replaces_no_known_address() {
    let mut peers = registry(1, &[], Book::default());
    let out = comes_in(&mut peers, Time::from_ms(1), card(2, 1));
    let conn = out.iter().find_map(|effect| match effect {
        Effect::Keep(conn) => Some(*conn),
        _ => None,
    });
    let bogus = SocketAddr::from(([203, 0, 113, 9], 443));
    let lie = Sighting::Here { name: "0".into(), peer: id(2), addrs: vec![bogus] };
    tell(&mut peers, Time::from_ms(2), Event::Sighted(lie));
    let how = Ended::Lost;
    let closed = Event::Closed { conn: conn.expect("a link"), how };
    let out = tell(&mut peers, Time::from_ms(100), closed);
    assert_eq!(dialled(&out).first().map(|(_, to)| *to), Some(addr(2)), "{out:?}");
}

/// It said goodbye and is back: what it announces is dialled.
#[test]
fn who_left_and_is_seen_again_is_dialled() {
    let mut peers = registry(1, &[], Book::default());
    let out = comes_in(&mut peers, Time::from_ms(1), card(2, 1));
    let kept = out.iter().find_map(|effect| match effect {
        Effect::Keep(conn) => Some(*conn),
        _ => None,
    });
    let how = Ended::Said(Bye::Leaving, Vec::new());
    tell(&mut peers, Time::from_ms(5), Event::Closed { conn: kept.expect("a link"), how });
    tell(&mut peers, Time::from_ms(10), here(0, 2));
    let made = run(&mut peers, Time::from_ms(10), Time::from_ms(10) + Duration::from_secs(1));
    assert_eq!(made.iter().map(|(.., to)| *to).collect::<Vec<_>>(), [addr(2)]);
}
