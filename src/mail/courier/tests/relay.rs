//! Packets passed on, or not.

use std::collections::BTreeMap;

use super::letters::world;
use super::world::*;
use crate::mail::event::{Effect, Event};
use crate::mail::frame::MailFrame;
use crate::mail::rows::{Change, Outcome};
use crate::mail::seal::{self, Inner, Kind};
use crate::mail::work::{Bad, Opened, Tag};
use crate::mesh::{Core, NodeId, Time};

fn counter(w: &World, n: usize, name: &str) -> u64 {
    let counters: BTreeMap<_, _> = w.core(n).counters().into_iter().collect();
    counters[name]
}

/// Hands a node packets of a neighbour and says what was inside; what it does at the end.
struct Alone {
    w: World,
    number: u32,
}

impl Alone {
    fn new() -> Alone {
        Alone { w: world(4, 1), number: 0 }
    }

    /// The job that peels it; none if it was refused.
    fn packet(&mut self, peer: usize) -> Option<u64> {
        self.number += 1;
        let event = Event::Packet { peer: id(peer), number: self.number, packet: vec![0; 10] };
        let out = self.turn(event);
        match &out[..] {
            [Effect::Peel { job, .. }] => Some(*job),
            [Effect::Send { frame: MailFrame::Busy { number }, .. }] => {
                assert_eq!(*number, self.number);
                None
            }
            other => panic!("{other:?}"),
        }
    }

    fn peeled(&mut self, job: u64, opened: Opened) -> Vec<Effect> {
        self.turn(Event::Peeled { job, opened })
    }

    fn turn(&mut self, event: Event) -> Vec<Effect> {
        let (now, mut out) = (self.w.local(0), Vec::new());
        self.w.nodes[0].core.as_mut().expect("up").handle(now, event, &mut out);
        out
    }

    fn key(&self) -> [u8; 32] {
        crate::mail::keys::MailKeys::decode(&self.w.nodes[0].published).expect("keys").onion
    }

    fn forward(&self, n: u64, next: NodeId) -> Opened {
        let mut tag = [0; 16];
        tag[..8].copy_from_slice(&n.to_be_bytes());
        Opened::Forward { tag: Tag { key: self.key(), tag }, next, packet: vec![1; 10] }
    }
}

#[test]
fn a_packet_is_passed_on_once() {
    let mut a = Alone::new();
    for times in 0..3 {
        let job = a.packet(1).expect("taken");
        let forward = a.forward(7, id(2));
        let out = a.peeled(job, forward);
        assert_eq!(out.len(), usize::from(times == 0), "{out:?}");
    }
    assert_eq!(counter(&a.w, 0, "packets_dropped_replay"), 2);
}

#[test]
fn who_does_not_volunteer_passes_nothing_on() {
    let mut a = Alone::new();
    a.w.configure(0, |policy| policy.volunteer = false);
    let job = a.packet(1).expect("taken");
    let forward = a.forward(1, id(2));
    assert!(a.peeled(job, forward).is_empty());
    assert_eq!(counter(&a.w, 0, "packets_dropped_not_volunteer"), 1);
}

#[test]
fn nobody_is_dialled_for_a_packet_to_nobody() {
    let mut a = Alone::new();
    for next in [NodeId([3; 32]), id(0)] {
        let job = a.packet(1).expect("taken");
        let forward = a.forward(u64::from(next.0[0]), next);
        assert!(a.peeled(job, forward).is_empty());
    }
}

#[test]
fn what_is_of_no_use_is_dropped_without_a_word_and_counted() {
    let table = [
        (Bad::Mac, "packets_dropped_mac"),
        (Bad::Malformed, "packets_dropped_malformed"),
        (Bad::Key, "letters_dropped_key"),
        (Bad::Signature, "letters_dropped_signature"),
        (Bad::Kind, "letters_dropped_kind"),
    ];
    let mut a = Alone::new();
    for (bad, name) in table {
        let job = a.packet(1).expect("taken");
        assert!(a.peeled(job, Opened::Bad(bad)).is_empty());
        assert_eq!(counter(&a.w, 0, name), 1);
    }
}

#[test]
fn budgets_hold_for_each_link_and_for_all() {
    let mut a = Alone::new();
    let start = a.w.now;
    // A burst of two seconds, then the rate. Peeled at once, so that no queue is in the way.
    let mut taken = [0_u32; 4];
    for _ in 0..3000 {
        for (peer, taken) in taken.iter_mut().enumerate().skip(1) {
            if let Some(job) = a.packet(peer) {
                *taken += 1;
                a.peeled(job, Opened::Bad(Bad::Mac));
            }
        }
        a.w.now = a.w.now + ms(1);
    }
    let seconds = a.w.now.since(start).as_secs() as u32;
    for of_one in &taken[1..] {
        let most = 400 + 200 * seconds;
        assert!((most - 10..=most + 1).contains(of_one), "{taken:?} in {seconds} s");
    }
    a.w.configure(0, |policy| policy.packets_per_second = 100);
    let mut all = 0;
    for _ in 0..300 {
        for peer in 1..4 {
            if let Some(job) = a.packet(peer) {
                all += 1;
                a.peeled(job, Opened::Bad(Bad::Mac));
            }
        }
    }
    assert_eq!(all, 200, "a burst of two seconds of all");
}

#[test]
fn too_much_to_peel_is_refused() {
    let mut a = Alone::new();
    a.w.configure(0, |policy| policy.packets_per_second_per_link = 100_000);
    a.w.configure(0, |policy| policy.packets_per_second = 100_000);
    let jobs: Vec<u64> = (0..600).filter_map(|_| a.packet(1)).collect();
    assert_eq!(jobs.len(), 512);
    assert!(a.packet(2).is_some(), "another link has its own room");
    for job in jobs {
        a.peeled(job, Opened::Bad(Bad::Mac));
    }
    assert!(a.packet(1).is_some());
}

#[test]
fn letters_for_us_do_not_count_and_copies_of_them_do() {
    let mut w = World::new(3, 2, policy());
    w.start_all();
    w.configure(1, |policy| policy.packets_per_second_per_link = 5);
    // Direct, so that all come over one link.
    for n in 0..100 {
        w.push(0, crate::mail::event::Draft { hops: Some(0), ..draft(1, &[n]) });
        w.run_for(ms(20));
    }
    w.run_for(secs(1));
    assert_eq!(w.nodes[1].disk.came.len(), 100);
    assert_eq!(counter(&w, 1, "packets_dropped_busy"), 0);
}

#[test]
fn a_full_table_of_replays_takes_a_new_key() {
    let mut a = Alone::new();
    a.w.configure(0, |policy| policy.packets_per_second_per_link = 100_000_000);
    a.w.configure(0, |policy| policy.packets_per_second = 100_000_000);
    let key = a.key();
    for n in 0..1_000_000 {
        let job = a.packet(1).expect("taken");
        let mut tag = [0; 16];
        tag[..8].copy_from_slice(&u64::to_be_bytes(n));
        let (tag, sealed) = (Tag { key, tag }, Vec::new());
        a.peeled(job, Opened::Reply { tag, mark: [0; 16], sealed });
    }
    assert_eq!(counter(&a.w, 0, "replays_remembered"), 1_000_000);
    let mut renewed = 0;
    for _ in 0..5 {
        let job = a.packet(1).expect("taken");
        let (tag, sealed) = (Tag { key, tag: [255; 16] }, Vec::new());
        let out = a.peeled(job, Opened::Reply { tag, mark: [0; 16], sealed });
        renewed += out.iter().filter(|e| matches!(e, Effect::Publish(_))).count();
    }
    assert_eq!(renewed, 1, "the old key is not renewed again");
}

#[test]
fn a_busy_relay_is_gone_round_without_blame() {
    let mut w = World::new(8, 3, policy());
    w.start_all();
    w.configure(2, |policy| policy.packets_per_second_per_link = 1);
    w.configure(2, |policy| policy.packets_per_second = 1);
    for n in 0..100 {
        w.letter(0, 1, &[n]);
        w.run_for(ms(30));
    }
    w.run_until(secs(30), World::all_delivered);
    assert!(counter(&w, 2, "packets_dropped_busy") > 5);
}

#[test]
fn packets_wait_for_a_link_and_not_for_ever() {
    let mut w = World::new(4, 4, policy());
    w.first_links = 0;
    w.start_all();
    w.letter(0, 1, b"hello");
    w.run_for(secs(2));
    w.all_delivered().expect("links are made when they are needed");
    let mut w = World::new(3, 5, policy());
    w.start_all();
    w.part(0, 1, true);
    w.part(0, 2, true);
    w.run_for(secs(1));
    w.letter(0, 1, b"hello");
    w.run_for(secs(4));
    let waiting = |w: &World| {
        let rooms = w.core(0).rooms();
        rooms.iter().find(|(what, ..)| *what == "packets waiting").expect("it is counted").1
    };
    assert!(waiting(&w) > 0);
    w.run_for(secs(3600));
    assert!(waiting(&w) < 5, "{} packets wait", waiting(&w));
    assert!(w.nodes[0].wakes < 3600, "{} wakes in an hour", w.nodes[0].wakes);
    w.part(0, 1, false);
    w.part(0, 2, false);
    w.run_until(secs(400), World::all_delivered);
}

#[test]
fn nothing_spins_where_nothing_happens() {
    let mut w = World::new(5, 6, policy());
    w.nodes[4].policy.mailbox = true;
    w.start_all();
    w.letter(0, 1, b"hello");
    w.run_for(secs(24 * 3600));
    w.quiet().expect("nothing is left over");
    for n in 0..5 {
        // Once a minute for mailboxes; every ten for the disk; keys.
        let wakes = w.nodes[n].wakes;
        assert!(wakes < 24 * 60 * 2, "n{n}: {wakes} wakes in a day");
    }
    assert!(w.core(0).next_wake() > Some(Time(0)));
}

#[test]
fn letters_from_strangers_are_counted_and_those_of_nodes_once_met_are_not() {
    let mut a = Alone::new();
    a.w.configure(0, |policy| policy.requests_per_day = 2);
    let mut receive = |sender: NodeId, n: u8| {
        let job = a.packet(1).expect("taken");
        let id = crate::mail::LetterId([n; 16]);
        let created_ms = a.w.clock(0);
        let inner = Inner { kind: Kind::Text, id, created_ms, ttl_s: 60, body: vec![n] };
        let letter = Box::new(seal::Opened { sender, sender_key: [0; 32], inner });
        let tag = Some(Tag { key: a.key(), tag: [n; 16] });
        let out = a.peeled(job, Opened::Letter { tag, letter });
        let [Effect::Keep { note, change: Change::Receive(letter) }] = &out[..] else {
            return None;
        };
        let request = letter.request;
        a.turn(Event::Kept(vec![(*note, Ok(Outcome::Done))]));
        Some(request)
    };
    let stranger = NodeId([99; 32]);
    assert_eq!([1, 2, 3].map(|n| receive(stranger, n)), [Some(true), Some(true), None]);
    assert_eq!([4, 5, 6].map(|n| receive(id(2), n)), [Some(false); 3], "it was met");
    assert_eq!(counter(&a.w, 0, "letters_dropped_requests"), 1);
}
