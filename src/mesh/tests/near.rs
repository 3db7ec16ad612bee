//! Nodes that somebody on the local network says are there.

use std::time::Duration;

use super::peers::{comes_in, dialled, registry, tell};
use super::*;
use crate::mesh::book::Book;
use crate::mesh::peers::{Bye, Command, Effect, Ended, Event, NEAR_MAX, Peers, Sighting};
use crate::mesh::{ConnId, Core, Time};

fn here(place: usize, who: u8) -> Event {
    Event::Sighted(Sighting::Here { place, peer: id(who), addrs: vec![addr(who)] })
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
    let sighting = Sighting::Here { place: 0, peer: id(2), addrs };
    tell(&mut peers, Time(0), Event::Sighted(sighting));
    let beyond = Sighting::Here { place: NEAR_MAX, peer: id(3), addrs: vec![addr(3)] };
    tell(&mut peers, Time(0), Event::Sighted(beyond));
    assert_eq!(run(&mut peers, Time(0), Time::from_ms(1900)), []);
}

#[test]
fn who_goes_away_is_dialled_no_more() {
    let mut peers = registry(1, &[], Book::default());
    tell(&mut peers, Time(0), here(0, 2));
    tell(&mut peers, Time(0), here(1, 3));
    tell(&mut peers, Time(0), Event::Sighted(Sighting::Away { place: 0 }));
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
    let sighting = Sighting::Here { place: 0, peer: id(2), addrs: addrs.clone() };
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
            let sighting = Sighting::Here { place, peer: id(who + 2), addrs: vec![bogus] };
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

#[test]
fn what_is_said_of_a_place_replaces_no_known_address() {
    let mut peers = registry(1, &[], Book::default());
    let out = comes_in(&mut peers, Time::from_ms(1), card(2, 1));
    let conn = out.iter().find_map(|effect| match effect {
        Effect::Keep(conn) => Some(*conn),
        _ => None,
    });
    let bogus = SocketAddr::from(([203, 0, 113, 9], 443));
    let lie = Sighting::Here { place: 0, peer: id(2), addrs: vec![bogus] };
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
