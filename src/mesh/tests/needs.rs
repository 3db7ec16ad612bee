//! Links that a service needs, and nodes that have us asked to dial them.

use std::time::Duration;

use super::peers::{comes_in, dialled, registry, tell};
use super::*;
use crate::mesh::book::Book;
use crate::mesh::graph::NodeChange;
use crate::mesh::peers::{Bye, Command, Effect, Ended, Event, Peers};
use crate::mesh::shape::Advice;
use crate::mesh::view::State;
use crate::mesh::{ConnId, Core, Time};

const START: Time = Time::from_ms(10_000);

fn need(addrs: &[SocketAddr]) -> Event {
    Event::NeedLink { peer: id(2), addrs: addrs.to_vec() }
}

/// The graph shows node 2, and no address of it.
fn shown(peers: &mut Peers) {
    let node = |n: u8| NodeChange { id: id(n), state: State::Alive, card: None };
    tell(peers, START, Event::Graph(vec![node(1), node(2)]));
}

fn called(effects: &[Effect]) -> usize {
    effects.iter().filter(|e| matches!(e, Effect::CallBack(peer) if *peer == id(2))).count()
}

/// Wakes it whenever it wants to be woken; when it had which calls made.
fn calls_until(peers: &mut Peers, now: Time, until: Time) -> Vec<Time> {
    let (mut now, mut calls) = (now, Vec::new());
    for _ in 0..10_000 {
        let Some(at) = peers.next_wake().map(|at| at.max(now)).filter(|at| *at <= until) else {
            return calls;
        };
        now = at;
        let mut out = Vec::new();
        peers.wake(now, &mut out);
        calls.extend(std::iter::repeat_n(now, called(&out)));
    }
    panic!("it spins at {now:?}");
}

/// Needs node 2 and dials it.
fn dialling(peers: &mut Peers) -> ConnId {
    let out = tell(peers, START, need(&[addr(2)]));
    let [(conn, to)] = dialled(&out)[..] else { panic!("{out:?}") };
    assert_eq!((to, called(&out)), (addr(2), 0));
    conn
}

#[test]
fn a_needed_node_whose_dial_fails_is_called_once() {
    let mut peers = registry(1, &[], Book::default());
    let conn = dialling(&mut peers);
    let failed = START + Duration::from_millis(20);
    let out = tell(&mut peers, failed, Event::Closed { conn, how: Ended::Refused });
    assert_eq!(called(&out), 1);
    assert!(calls_until(&mut peers, failed, START + Duration::from_secs(60)).is_empty());
    assert!(peers.evidence(&id(2)).iter().any(|e| e.text.contains("neighbour")));
}

#[test]
fn a_needed_node_whose_dial_hangs_is_called_after_a_second() {
    let mut peers = registry(1, &[], Book::default());
    dialling(&mut peers);
    let calls = calls_until(&mut peers, START, START + Duration::from_secs(60));
    assert_eq!(calls, [START + Duration::from_secs(1)]);
}

#[test]
fn a_needed_node_without_an_address_is_called_at_once() {
    for useless in [Vec::new(), vec![SocketAddr::from(([0, 0, 0, 0], 0))]] {
        let mut peers = registry(1, &[], Book::default());
        shown(&mut peers);
        let out = tell(&mut peers, START, need(&useless));
        assert_eq!((dialled(&out).len(), called(&out)), (0, 1));
    }
}

#[test]
fn a_node_needed_all_the_time_is_called_every_few_seconds() {
    let mut peers = registry(1, &[], Book::default());
    shown(&mut peers);
    let (mut now, mut calls) = (START, 0);
    while now < START + Duration::from_secs(30) {
        calls += called(&tell(&mut peers, now, need(&[])));
        let next = now + Duration::from_millis(100);
        calls += calls_until(&mut peers, now, next).len();
        now = next;
    }
    assert!((9..=11).contains(&calls), "{calls} calls in 30 s");
}

#[test]
fn in_a_partial_mesh_a_need_is_over_after_a_while() {
    let mut peers = registry(1, &[], Book::default());
    tell(&mut peers, START, Event::Shape(Box::new(Advice { partial: true, ..Advice::default() })));
    let mut conn = dialling(&mut peers);
    let (mut now, mut dials) = (START, 0);
    while now < START + Duration::from_secs(600) {
        tell(&mut peers, now, Event::Closed { conn, how: Ended::Refused });
        let Some(at) = peers.next_wake().filter(|at| *at < START + Duration::from_secs(600)) else {
            break;
        };
        now = now.max(at);
        let mut out = Vec::new();
        peers.wake(now, &mut out);
        if let [(next, _)] = dialled(&out)[..] {
            (conn, dials) = (next, dials + 1);
            // What was planned while it counted is done; no wait is longer than half a minute.
            assert!(now < START + Duration::from_secs(41), "dialled at {now:?}");
        }
    }
    assert!(dials > 0, "while it counts it is dialled again");
}

#[test]
fn nobody_is_called_who_is_not_needed_or_unwanted_or_linked() {
    // Known and failing, but no service needs it.
    let later = START + Duration::from_secs(60);
    let mut peers = registry(1, &[], Book::default());
    let out =
        tell(&mut peers, START, Event::Command(Command::Connect { addr: addr(2), ticket: 1 }));
    let [(conn, _)] = dialled(&out)[..] else { panic!("{out:?}") };
    tell(&mut peers, START, Event::Closed { conn, how: Ended::Refused });
    assert!(calls_until(&mut peers, START, later).is_empty());

    // Banned while the dial hangs.
    let mut peers = registry(1, &[], Book::default());
    dialling(&mut peers);
    tell(&mut peers, START, Event::Command(Command::Ban(id(2))));
    assert!(calls_until(&mut peers, START, later).is_empty());

    // It has told us that it does not want us.
    let mut peers = registry(1, &[], Book::default());
    let conn = dialling(&mut peers);
    let how = Ended::Said(Bye::Banned, Vec::new());
    assert_eq!(called(&tell(&mut peers, START, Event::Closed { conn, how })), 0);
    assert!(calls_until(&mut peers, START, START + Duration::from_secs(9)).is_empty());

    // It came by itself.
    let mut peers = registry(1, &[], Book::default());
    dialling(&mut peers);
    comes_in(&mut peers, START, card(2, 1));
    assert!(peers.is_up(&id(2)));
    assert!(calls_until(&mut peers, START, later).is_empty());

    // We are leaving.
    let mut peers = registry(1, &[], Book::default());
    dialling(&mut peers);
    tell(&mut peers, START, Event::Leave { forget: false });
    assert!(calls_until(&mut peers, START, later).is_empty());

    // Ourselves.
    let mut peers = registry(2, &[], Book::default());
    assert_eq!(called(&tell(&mut peers, START, need(&[]))), 0);
}

/// A registry that knows node 2, has just failed to dial it and waits for long.
fn waiting() -> Peers {
    let mut peers = registry(1, &[], Book::default());
    let conn = dialling(&mut peers);
    let how = Ended::Said(Bye::NotNamed, Vec::new());
    tell(&mut peers, START, Event::Closed { conn, how });
    peers
}

#[test]
fn ids_that_are_made_up_take_nobodys_place() {
    let mut peers = registry(1, &[], Book::default());
    shown(&mut peers);
    let known = peers.rows().len();
    for n in 10..250 {
        for addrs in [Vec::new(), vec![SocketAddr::from(([0, 0, 0, 0], 7))]] {
            tell(&mut peers, START, Event::NeedLink { peer: id(n), addrs });
        }
    }
    assert_eq!(peers.rows().len(), known);
}

#[test]
fn who_has_refused_us_is_not_pressed_however_much_it_is_needed() {
    let mut peers = waiting();
    let mut dials = 0;
    for ms in (0..60_000).step_by(100) {
        let now = START + Duration::from_millis(ms);
        for (conn, _) in dialled(&tell(&mut peers, now, need(&[addr(2)]))) {
            dials += 1;
            let how = Ended::Said(Bye::NotNamed, Vec::new());
            tell(&mut peers, now, Event::Closed { conn, how });
        }
    }
    assert!(dials <= 4, "{dials} dials in a minute");
    // Once it lets us in, all is as before.
    comes_in(&mut peers, START + Duration::from_secs(60), card(2, 1));
    assert!(peers.is_up(&id(2)));
}

#[test]
fn who_has_us_asked_is_dialled_at_once_where_it_says_it_is() {
    let mut peers = waiting();
    let now = START + Duration::from_secs(1);
    let moved =
        Card { addrs: List::first_of([addr(77)]), ..plain_card(2, Ver { epoch: 1, seq: 2 }) };
    let card = Record::sign(Body::Card(moved), &node(2));
    let out = tell(&mut peers, now, Event::Called { card: card.clone() });
    let [(conn, to)] = dialled(&out)[..] else { panic!("{out:?}") };
    assert_eq!(to, addr(77));
    // Under way already; and not again and again when it fails.
    assert!(dialled(&tell(&mut peers, now, Event::Called { card: card.clone() })).is_empty());
    tell(&mut peers, now, Event::Closed { conn, how: Ended::Refused });
    let mut dials = 0;
    for ms in (0..10_000).step_by(50) {
        let now = now + Duration::from_millis(ms);
        let out = tell(&mut peers, now, Event::Called { card: card.clone() });
        for (conn, _) in dialled(&out) {
            dials += 1;
            tell(&mut peers, now, Event::Closed { conn, how: Ended::Refused });
        }
    }
    assert!(dials <= 30, "{dials} dials: backoff and one every 2 s");
}

#[test]
fn who_is_held_banned_gone_unknown_or_ourselves_is_not_dialled_for_the_asking() {
    let now = START + Duration::from_secs(1);
    let asked = |peers: &mut Peers, who: Record| {
        let out = tell(peers, now, Event::Called { card: who });
        (dialled(&out).len(), called(&out))
    };
    let mut peers = waiting();
    assert_eq!(asked(&mut peers, card(1, 1)), (0, 0), "ourselves");
    assert_eq!(asked(&mut peers, card(3, 1)), (0, 0), "nobody the graph ever showed");

    let mut peers = waiting();
    comes_in(&mut peers, START, card(2, 1));
    assert_eq!(asked(&mut peers, card(2, 1)), (0, 0), "linked already");
    tell(&mut peers, START, Event::Command(Command::Disconnect(id(2))));
    assert_eq!(asked(&mut peers, card(2, 1)), (0, 0), "a person closed the link");

    let mut peers = waiting();
    tell(&mut peers, START, Event::Command(Command::Ban(id(2))));
    assert_eq!(asked(&mut peers, card(2, 1)), (0, 0), "banned");

    let mut peers = waiting();
    tell(&mut peers, START, Event::Leave { forget: false });
    assert_eq!(asked(&mut peers, card(2, 1)), (0, 0), "we leave");

    // Its link ended with a goodbye.
    let mut peers = registry(1, &[], Book::default());
    let conn = dialling(&mut peers);
    let up = Event::Handshaken { conn, card: card(2, 1), rtt_us: 1, local: addr(1) };
    tell(&mut peers, START, up);
    let how = Ended::Said(Bye::Leaving, Vec::new());
    tell(&mut peers, START, Event::Closed { conn, how });
    assert_eq!(asked(&mut peers, card(2, 1)), (0, 0), "it left");
}

#[test]
fn the_budget_of_dials_holds_for_calls_too() {
    let mut peers = registry(1, &[], Book::default());
    // Thirty that do not answer: 16 may be under way.
    for n in 10..40 {
        let need = Event::NeedLink { peer: id(n), addrs: vec![addr(n)] };
        tell(&mut peers, START, need);
    }
    let mut out = Vec::new();
    for n in 10..40 {
        out.extend(tell(&mut peers, START, Event::Called { card: card(n, 1) }));
    }
    assert!(dialled(&out).is_empty());
}
