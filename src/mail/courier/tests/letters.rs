//! Letters from their writer to their reader's disk, and the word back.

use std::sync::Arc;

use super::world::*;
use crate::mail::LetterId;
use crate::mail::event::{Draft, Event, Fallback, PushError};
use crate::mail::rows::{Shards, State};
use crate::mail::work::RealSealer;
use crate::mesh::record::Crypto;

/// The key is the signature's first half; enough where forging is not the subject.
struct Plain([u8; 32]);

impl Crypto for Plain {
    fn key(&self) -> [u8; 32] {
        self.0
    }
    fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut sig = [0; 64];
        sig[..32].copy_from_slice(&self.0);
        sig[32] = message.iter().fold(0, |sum, byte| sum ^ byte);
        sig
    }
    fn verify(&self, key: &[u8; 32], message: &[u8], sig: &[u8]) -> bool {
        Plain(*key).sign(message) == *sig
    }
}

pub fn world(count: usize, seed: u64) -> World {
    let mut w = World::new(count, seed, policy());
    w.start_all();
    w
}

/// The letter that was made of a question.
#[track_caller]
pub fn taken(w: &World, from: usize, ask: u64) -> LetterId {
    w.nodes[from].pushed.get(&ask).expect("answered").clone().expect("taken").id
}

#[track_caller]
fn refused(w: &World, from: usize, ask: u64) -> PushError {
    w.nodes[from].pushed.get(&ask).expect("answered").clone().expect_err("refused")
}

#[test]
fn a_letter_arrives_once_and_its_sender_knows() {
    let mut w = world(6, 1);
    let ask = w.letter(0, 1, b"hello");
    w.run_for(secs(1));
    let letter = taken(&w, 0, ask);
    assert_eq!(w.nodes[0].turned[&letter], State::Delivered);
    w.all_delivered().expect("it has come");
    assert_eq!(w.nodes[1].disk.came[&(id(0), letter)].body, b"hello");
    w.quiet().expect("nothing is left over");
    assert_eq!(w.core(0).under_way_count(), 0);
}

#[test]
fn real_onions_and_seals_carry_letters_receipts_fragments_and_kept_letters() {
    let mut w = World::new(8, 2, policy());
    for n in 0..8 {
        w.sealer(n, Box::new(RealSealer::new(Arc::new(Plain(key(n))))));
        w.nodes[n].policy.mailbox = n >= 6;
    }
    w.start_all();
    w.letter(0, 1, b"hello");
    w.letter(0, 1, &[7; 40_000]);
    let shards = Some(Shards { k: 2, n: 3 });
    w.push(0, Draft { shards, ..draft(1, b"in parts") });
    w.run_for(secs(2));
    w.all_delivered().expect("all have come");
    w.crash(1, ms(100));
    w.run_for(secs(1));
    w.letter(0, 1, b"while you were away");
    w.letter(0, 1, &[8; 20_000]);
    w.run_for(secs(20));
    assert!(w.nodes[0].turned.values().filter(|state| **state == State::Stored).count() == 2);
    w.crash(0, ms(100));
    w.start(1);
    w.run_for(secs(5));
    assert_eq!(w.nodes[1].disk.came.len(), 5, "also when the sender is gone");
    w.start(0);
    w.run_until(secs(60), World::all_delivered);
    assert_eq!(w.nodes[6].disk.kept_count() + w.nodes[7].disk.kept_count(), 0);
}

#[test]
fn a_lost_receipt_is_asked_for_by_sending_the_letter_again() {
    let mut w = world(6, 3);
    let ask = w.letter(0, 1, b"hello");
    // Nothing passes once the letter has come.
    while w.nodes[1].disk.came.is_empty() {
        w.run_for(ms(1));
    }
    w.weather.loss_permille = 1000;
    w.run_for(ms(500));
    assert_ne!(w.nodes[0].turned[&taken(&w, 0, ask)], State::Delivered);
    w.weather.loss_permille = 0;
    w.run_for(secs(30));
    w.all_delivered().expect("its sender knows");
    assert_eq!(w.nodes[1].disk.came.len(), 1);
    assert!(w.nodes[1].disk.duplicates > 0, "it was sent again");
}

#[test]
fn an_acknowledged_letter_outlives_its_sender() {
    for seed in 0..20 {
        let mut w = world(6, 100 + seed);
        w.weather.loss_permille = 1000;
        let ask = w.letter(0, 1, b"hello");
        while !w.nodes[0].pushed.contains_key(&ask) {
            w.run_for(ms(1));
        }
        w.crash(0, ms(100));
        w.weather.loss_permille = 0;
        w.run_for(secs(2));
        w.start(0);
        w.run_until(secs(10), World::all_delivered);
        assert_eq!(w.nodes[1].disk.came.len(), 1);
    }
}

#[test]
fn a_reader_that_dies_between_store_and_receipt_signs_when_it_is_back() {
    for seed in 0..20 {
        let mut w = world(6, 200 + seed);
        w.letter(0, 1, b"hello");
        while w.nodes[1].disk.came.is_empty() {
            w.run_for(ms(1));
        }
        w.crash(1, ms(100));
        w.run_for(secs(20));
        w.start(1);
        w.run_until(secs(5), World::all_delivered);
        assert_eq!(w.nodes[1].disk.came.len(), 1);
    }
}

#[test]
fn a_letter_that_the_disk_did_not_take_is_not_acknowledged() {
    let mut w = world(6, 4);
    w.nodes[0].disk.fails = true;
    let ask = w.letter(0, 1, b"hello");
    // A receipt would be faster than this disk.
    w.weather.loss_permille = 1000;
    w.run_for(secs(1));
    assert!(matches!(refused(&w, 0, ask), PushError::Disk(_)));
    assert_eq!(w.core(0).under_way_count(), 0);
    w.weather.loss_permille = 0;
    w.nodes[0].disk.fails = false;
    w.run_for(secs(20));
    w.quiet().expect("nothing is left over");
    let ask = w.letter(0, 1, b"hello");
    w.run_for(secs(1));
    taken(&w, 0, ask);
    w.all_delivered().expect("it has come");
}

#[test]
fn a_reader_whose_disk_fails_signs_nothing_until_it_works() {
    let mut w = world(6, 5);
    w.nodes[1].disk.fails = true;
    let ask = w.letter(0, 1, b"hello");
    w.run_for(secs(5));
    assert_eq!(w.nodes[0].turned[&taken(&w, 0, ask)], State::Sent);
    w.nodes[1].disk.fails = false;
    w.run_until(secs(60), World::all_delivered);
}

#[test]
fn a_full_inbox_takes_nothing_and_later_does() {
    let mut w = world(6, 6);
    w.nodes[1].disk.came_max = 1;
    w.letter(0, 1, b"one");
    w.letter(0, 1, b"two");
    w.run_for(secs(5));
    assert_eq!(w.nodes[1].disk.came.len(), 1);
    w.nodes[1].disk.came_max = 2;
    w.run_until(secs(60), World::all_delivered);
}

#[test]
fn the_same_key_is_the_same_letter() {
    let mut w = world(6, 7);
    let keyed = || Draft { key: Some("invoice-7".into()), ..draft(1, b"pay") };
    let asks = [w.push(0, keyed()), w.push(0, keyed())];
    w.run_for(secs(2));
    let letters = asks.map(|ask| taken(&w, 0, ask));
    assert_eq!(letters[0], letters[1]);
    let (again, wraps) = (w.push(0, keyed()), w.laws.wraps);
    w.run_for(secs(2));
    assert_eq!(w.laws.wraps, wraps, "nothing leaves before it is known whether it is new");
    assert_eq!(refused(&w, 0, again), PushError::Before(letters[0]));
    assert_eq!(w.nodes[1].disk.came.len(), 1);
    w.quiet().expect("nothing is left over");
}

#[test]
fn what_cannot_be_sent_is_refused_with_a_reason() {
    let mut w = world(4, 8);
    w.configure(0, |policy| policy.outbox_max = 2);
    let too_long = vec![0; 64 * 1024 + 1];
    let shards = |k, n| Draft { shards: Some(Shards { k, n }), ..draft(1, &[1; 40_000]) };
    let table = [
        (draft(0, b"me"), PushError::Self_),
        (draft(1, b""), PushError::Empty),
        (draft(1, &too_long), PushError::TooLong { bytes: 65_537, max: 65_536 }),
    ];
    for (draft, error) in table {
        let ask = w.push(0, draft);
        assert_eq!(refused(&w, 0, ask), error);
    }
    for (k, n) in [(0, 3), (4, 3), (3, 129), (2, 5)] {
        let ask = w.push(0, shards(k, n));
        assert!(matches!(refused(&w, 0, ask), PushError::Shards(_)), "{k}/{n}");
    }
    w.crash(1, ms(1));
    w.run_for(secs(1));
    for n in 0..3 {
        let ask = w.letter(0, 1, b"hello");
        w.run_for(ms(20));
        assert_eq!(w.nodes[0].pushed[&ask].is_ok(), n < 2);
        if n == 2 {
            assert_eq!(refused(&w, 0, ask), PushError::OutboxFull(2));
        }
    }
}

#[test]
fn without_a_relay_the_rules_decide() {
    for (fallback, hops, outcome) in [
        (Fallback::Always, None, Some(State::Delivered)),
        (Fallback::Ask, None, None),
        (Fallback::Ask, Some(0), Some(State::Delivered)),
        (Fallback::Never, None, Some(State::Queued)),
    ] {
        let mut w = World::new(2, 9, policy());
        w.nodes.iter_mut().for_each(|node| node.policy.fallback = fallback);
        w.start_all();
        let ask = w.push(0, Draft { hops, ..draft(1, b"hello") });
        w.run_for(secs(3));
        match (w.nodes[0].pushed[&ask].clone(), outcome) {
            (Err(error), None) => assert_eq!(error, PushError::NoRelay),
            (Ok(letter), Some(state)) => {
                let now = w.nodes[0].turned.get(&letter.id).copied();
                assert_eq!(now.unwrap_or(State::Queued), state, "{fallback:?}");
            }
            (other, _) => panic!("{fallback:?}: {other:?}"),
        }
    }
}

#[test]
fn a_letter_that_was_taken_does_not_go_straight_because_the_relays_went() {
    let mut w = World::new(4, 10, Policy { fallback: Fallback::Ask, ..policy() });
    w.start_all();
    w.crash(1, ms(1));
    w.run_for(secs(1));
    let ask = w.letter(0, 1, b"hello");
    w.run_for(secs(1));
    w.crash(2, ms(1));
    w.crash(3, ms(1));
    w.run_for(secs(1));
    w.start(1);
    w.run_for(secs(5));
    assert!(w.nodes[1].disk.came.is_empty());
    assert!(w.core(0).letter(&taken(&w, 0, ask)).expect("it waits").why.contains("relay"));
    w.start(2);
    w.run_until(secs(5), World::all_delivered);
    assert!(w.nodes[0].routes.iter().all(|(_, route)| route.len() > 2), "never direct");
}

#[test]
fn a_letter_expires_in_time_and_not_before_it_is_safe() {
    let mut w = world(4, 11);
    w.crash(1, ms(1));
    w.run_for(secs(1));
    let ask = w.push(0, Draft { ttl_s: Some(20), ..draft(1, b"hello") });
    w.run_for(secs(19));
    assert_ne!(w.nodes[0].turned.get(&taken(&w, 0, ask)), Some(&State::Expired));
    w.run_for(secs(2));
    assert_eq!(w.nodes[0].turned[&taken(&w, 0, ask)], State::Expired);
    let none = w.push(0, Draft { ttl_s: Some(0), ..draft(1, b"hello") });
    w.run_for(secs(3));
    assert_eq!(w.nodes[0].turned[&taken(&w, 0, none)], State::Expired);
    w.nodes[0].disk.fails = true;
    let none = w.push(0, Draft { ttl_s: Some(0), ..draft(1, b"hello") });
    w.run_for(secs(3));
    assert!(matches!(refused(&w, 0, none), PushError::Disk(_)));
    w.quiet().expect("nothing is left over");
}

#[test]
fn a_thousand_letters_arrive_in_whatever_order_they_travel() {
    let mut w = world(8, 12);
    // The later a packet leaves the sooner it comes.
    w.weather.delay = (ms(1), ms(400));
    for n in 0..1000_u32 {
        w.letter(0, 1, &n.to_be_bytes());
    }
    w.run_until(secs(120), World::all_delivered);
    assert_eq!(w.nodes[1].disk.came.len(), 1000);
    w.run_for(secs(2));
    w.quiet().expect("nothing is left over");
}

#[test]
fn that_it_was_shown_reaches_its_sender() {
    let mut w = world(6, 14);
    let ask = w.letter(0, 1, b"hello");
    w.run_for(secs(1));
    let letter = taken(&w, 0, ask);
    w.give(1, Event::Shown(vec![(id(0), letter)]));
    w.run_for(secs(1));
    assert_eq!(w.nodes[0].turned[&letter], State::Read);
    assert_eq!(w.nodes[0].disk.sent[&letter].0.state, State::Read);
}

#[test]
fn a_reader_that_is_back_is_served_at_once() {
    let mut w = world(6, 15);
    w.crash(1, ms(50));
    w.run_for(secs(1));
    for n in 0..200_u32 {
        w.letter(0, 1, &n.to_be_bytes());
    }
    w.run_for(secs(1000));
    w.start(1);
    let took = w.run_until(secs(5), World::all_delivered);
    assert!(took < secs(3), "{took:?}");
}

#[test]
fn full_lanes_and_loss_only_cost_time() {
    let mut w = world(8, 16);
    w.weather.full_permille = 300;
    w.weather.loss_permille = 100;
    for n in 0..300_u32 {
        w.letter(0, 1, &n.to_be_bytes());
    }
    w.run_for(secs(60));
    // Eight hops there and back, each with a tenth of loss: few are still under way, but they rest.
    assert!(w.core(0).under_way_count() < 15);
    assert!(w.nodes[0].routes.iter().all(|(_, route)| route.len() == 5), "no way is shorter");
    w.weather.loss_permille = 0;
    w.run_until(secs(400), World::all_delivered);
}

#[test]
fn a_disk_that_is_far_behind_is_no_place_to_put_more() {
    let mut w = world(4, 18);
    w.weather.disk = (secs(60), secs(60));
    w.weather.loss_permille = 1000;
    let asks: Vec<u64> = (0..9000).map(|_| w.letter(0, 1, &[1; 60_000])).collect();
    let refused = asks.iter().filter(|ask| w.nodes[0].pushed.contains_key(ask)).count();
    assert!(refused > 7000, "{refused} were refused");
    w.weather.loss_permille = 0;
    w.run_for(secs(200));
    w.run_until(secs(600), World::all_delivered);
}

#[test]
fn texts_in_memory_are_bounded_and_all_arrive() {
    let mut w = World::new(8, 17, Policy { body_bytes_max: 1 << 20, ..policy() });
    // Budgets are not the subject.
    w.nodes.iter_mut().for_each(|node| node.policy.packets_per_second = 100_000);
    w.nodes.iter_mut().for_each(|node| node.policy.packets_per_second_per_link = 100_000);
    w.start_all();
    w.crash(1, ms(50));
    w.run_for(secs(1));
    for n in 0..30 {
        w.letter(0, 1, &vec![n; 1 << 20]);
    }
    w.run_for(secs(2));
    w.crash(0, ms(50));
    w.run_for(secs(1));
    w.start(0);
    w.start(1);
    w.run_until(secs(120), World::all_delivered);
}
