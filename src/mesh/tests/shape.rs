//! The registry where not everyone links with everyone, and the plan it follows.

use std::time::Duration;

use super::peers::{closed_with, comes_in, dialled, policy, registry, tell};
use super::*;
use crate::mesh::book::Book;
use crate::mesh::peers::{Bye, Effect, Ended, Event, Peers, Policy};
use crate::mesh::shape::{Advice, prefix};
use crate::mesh::{Core, Time};

const START: Time = Time::from_ms(10_000);

fn advice(seek: &[u8], trim: &[u8]) -> Event {
    Event::Shape(Box::new(Advice {
        partial: true,
        // Half of what is wanted is dialled at a time.
        want: 2 * seek.len(),
        seek: seek.iter().map(|n| card(*n, 1)).collect(),
        trim: trim.iter().map(|n| id(*n)).collect(),
        surplus: trim.len(),
        ..Advice::default()
    }))
}

/// A registry in a partial network.
fn partial() -> Peers {
    let mut peers = registry(0, &[], Book::default());
    tell(&mut peers, Time(0), Event::Configure(Policy { incoming_max: 128, ..policy() }));
    // Long ago: while it turns partial nobody who gives it up is left alone for that.
    tell(&mut peers, Time(0), advice(&[], &[]));
    peers
}

#[test]
fn never_more_links_than_the_limit_and_room_is_left_for_those_we_dial() {
    let mut peers = partial();
    let refused = |peers: &mut Peers, n| closed_with(&comes_in(peers, START, card(n, 1)));
    let most = FULL.conns_max - u16::try_from(FULL.outgoing_min()).expect("small");
    for n in 1..=u8::try_from(most).expect("small") {
        assert_eq!(refused(&mut peers, n), None, "{n} finds room");
    }
    assert_eq!(refused(&mut peers, 100), Some(Bye::Full));
    // Those we dial find the room that was left, and then there is none.
    let out = tell(&mut peers, START, advice(&[101, 102, 103, 104], &[]));
    assert_eq!(dialled(&out).len(), FULL.outgoing_min(), "no dial without a place for its link");
    assert_eq!(peers.counts().0, usize::from(most));
}

#[test]
fn who_had_no_room_is_not_asked_again_for_a_minute() {
    for bye in [Bye::Full, Bye::Surplus] {
        let mut peers = partial();
        let [(conn, _)] = dialled(&tell(&mut peers, START, advice(&[2], &[])))[..] else {
            panic!("it dials whom it is told to");
        };
        let how = Ended::Said(bye, Vec::new());
        let closed = tell(&mut peers, START, Event::Closed { conn, how });
        assert!(dialled(&closed).is_empty(), "{bye:?}");
        for (wait, dials) in [(1, 0), (30, 0), (61, 1)] {
            let now = START + Duration::from_secs(wait);
            let mut out = Vec::new();
            peers.wake(now, &mut out);
            assert!(dialled(&out).is_empty(), "{bye:?}: by itself it dials nobody");
            let out = tell(&mut peers, now, advice(&[2], &[]));
            assert_eq!(dialled(&out).len(), dials, "{bye:?} after {wait} s");
        }
    }
}

#[test]
fn a_link_that_is_used_is_not_given_up_and_others_are() {
    let mut peers = partial();
    comes_in(&mut peers, START, card(1, 1));
    comes_in(&mut peers, START, card(2, 1));
    tell(&mut peers, START, Event::NeedLink { peer: id(1), addrs: vec![addr(1)] });
    let out = tell(&mut peers, START, advice(&[], &[1, 2]));
    assert_eq!(closed_with(&out), Some(Bye::Surplus));
    assert!(peers.is_up(&id(1)) && !peers.is_up(&id(2)));
    let out = tell(&mut peers, START + Duration::from_secs(601), advice(&[], &[1]));
    assert_eq!(closed_with(&out), Some(Bye::Surplus), "its use is over");
}

#[test]
fn a_member_of_a_partial_network_is_asked_after_once() {
    let mut peers = partial();
    let asked = |out: &[Effect]| out.iter().filter(|e| matches!(e, Effect::WhoIs(_))).count();
    assert_eq!(asked(&comes_in(&mut peers, START, card(1, 1))), 1);
    assert_eq!(asked(&tell(&mut peers, START, advice(&[], &[1]))), 0);
}

#[test]
fn prefixes_are_those_of_public_networks() {
    let of = |text: &str| prefix(&format!("{text}:1").parse().expect("an address"));
    for private in
        ["127.0.0.1", "10.1.2.3", "192.168.0.9", "169.254.1.1", "[::1]", "[fd00::1]", "[fe80::1]"]
    {
        assert_eq!(of(private), None, "{private}");
    }
    assert_eq!(of("50.1.2.3"), of("50.1.2.200"));
    assert_ne!(of("50.1.2.3"), of("50.1.3.3"));
    assert_eq!(of("[::ffff:50.1.2.3]"), of("50.1.2.9"), "also where it came in over IPv6");
    assert_eq!(of("[2001:db8:1:2::1]"), of("[2001:db8:1:3::1]"));
    assert_ne!(of("[2001:db8:1::1]"), of("[2001:db8:2::1]"));
}

#[test]
fn two_seeds_are_dialled_at_a_time_and_nothing_is_due_until_one_has_answered() {
    let now = Time::from_ms(1);
    let mut peers = registry(0, &[1, 2, 3, 4, 5], Book::default());
    let plan = Plan { mode: Mode::Auto, ..FULL };
    let out = tell(&mut peers, now, Event::Configure(Policy { plan, ..policy() }));
    let [(first, addr), _] = dialled(&out)[..] else { panic!("two of them: {out:?}") };
    assert!(peers.next_wake().is_none_or(|at| at > now), "nothing can be done now");
    // Who refuses is dialled again in a moment, and until then another one takes its place.
    let closed = tell(&mut peers, now, Event::Closed { conn: first, how: Ended::Refused });
    let [(_, next)] = dialled(&closed)[..] else { panic!("the third: {closed:?}") };
    assert_ne!(next, addr);
}
