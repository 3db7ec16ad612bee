//! Letters for readers that are away, from all three ends.

use super::letters::taken;
use super::world::*;
use crate::mail::event::Draft;
use crate::mail::keys::MailKeys;
use crate::mail::rows::{Shards, State};

/// Nodes of which the last few are mailboxes; those are named.
fn with_boxes(count: usize, boxes: usize, seed: u64) -> (World, Vec<usize>) {
    let mut w = World::new(count, seed, policy());
    let boxes: Vec<usize> = (count - boxes..count).collect();
    for n in &boxes {
        w.nodes[*n].policy.mailbox = true;
    }
    w.start_all();
    w.run_for(secs(2));
    (w, boxes)
}

/// Letters kept for node 1.
fn kept(w: &World, boxes: &[usize]) -> usize {
    kept_for(w, boxes, 1)
}

fn kept_for(w: &World, boxes: &[usize], reader: usize) -> usize {
    let of = |n: &usize| w.nodes[*n].disk.kept.get(&id(reader)).map_or(0, Vec::len);
    boxes.iter().map(of).sum()
}

fn all_stored(w: &World) -> Result<(), String> {
    w.all_stored(0)
}

#[test]
fn a_letter_waits_in_a_mailbox_and_is_thrown_away_there_once_it_is_safe() {
    for gone in [false, true] {
        let (mut w, boxes) = with_boxes(7, 2, 1);
        w.crash(1, ms(50));
        w.run_for(secs(1));
        let asks = [
            w.letter(0, 1, b"hello"),
            w.push(0, Draft { shards: Some(Shards { k: 3, n: 5 }), ..draft(1, b"in parts") }),
        ];
        w.run_for(secs(3));
        for ask in asks {
            assert_eq!(w.nodes[0].turned[&taken(&w, 0, ask)], State::Stored);
        }
        assert_eq!(kept(&w, &boxes), 6);
        if gone {
            w.crash(0, ms(50));
        }
        w.start(1);
        w.run_for(secs(3));
        assert_eq!(w.nodes[1].disk.came.len(), 2);
        assert_eq!(kept(&w, &boxes), 0);
        if gone {
            w.start(0);
        }
        w.run_until(secs(5), World::all_delivered);
        w.run_for(secs(1));
        w.quiet().expect("nothing is left over");
    }
}

#[test]
fn a_mailbox_without_a_link_comes_when_it_has_something_and_is_left_alone_otherwise() {
    let (mut w, boxes) = with_boxes(7, 1, 3);
    let mailbox = boxes[0];
    assert!(w.core(1).mailboxes().contains(&id(mailbox)));
    w.unlink(1, mailbox);
    w.run_for(secs(600));
    assert!(!w.links.contains_key(&(1, mailbox)), "nobody needs that link");
    // Nobody reaches the reader, but all see it.
    for n in (0..=mailbox).filter(|n| *n != 1) {
        w.part(1, n, true);
    }
    w.letter(0, 1, b"hello");
    w.run_until(secs(30), |w| match kept(w, &boxes) {
        1 => Ok(()),
        count => Err(format!("{count} letters are kept")),
    });
    assert!(w.nodes[1].disk.came.is_empty());
    w.never.remove(&(1, mailbox));
    w.run_until(secs(90), |w| match w.nodes[1].disk.came.len() {
        1 => Ok(()),
        _ => Err("the letter still lies in the mailbox".into()),
    });
}

#[test]
fn a_receipt_for_a_sender_that_is_away_waits_in_its_mailbox() {
    let (mut w, boxes) = with_boxes(7, 2, 2);
    w.crash(1, ms(50));
    w.run_for(secs(1));
    w.letter(0, 1, b"hello");
    w.run_for(secs(3));
    w.crash(0, ms(50));
    w.run_for(secs(1));
    w.start(1);
    w.run_for(secs(3));
    assert_eq!(kept_for(&w, &boxes, 0), 1, "the receipt");
    w.crash(1, ms(50));
    w.run_for(secs(1));
    w.start(0);
    w.run_until(secs(5), World::all_delivered);
    w.run_for(secs(1));
    assert_eq!(kept_for(&w, &boxes, 0), 0);
}

#[test]
fn a_thousand_letters_are_fetched_in_bounded_rounds() {
    let (mut w, boxes) = with_boxes(8, 3, 3);
    w.crash(1, ms(50));
    w.run_for(secs(1));
    for n in 0..1000_u32 {
        w.letter(0, 1, &n.to_be_bytes());
    }
    w.run_until(secs(120), all_stored);
    w.crash(0, ms(50));
    w.start(1);
    let took = w.run_until(secs(5), |w| match w.nodes[1].disk.came.len() {
        1000 => Ok(()),
        n => Err(format!("{n} have come")),
    });
    println!("1,000 letters of three mailboxes in {took:?}");
    w.run_for(secs(1));
    assert_eq!(kept(&w, &boxes), 0);
    w.start(0);
    w.run_until(secs(30), World::all_delivered);
    w.run_for(secs(1));
    w.quiet().expect("nothing is left over");
}

#[test]
fn nothing_is_kept_for_who_was_not_promised() {
    let (mut w, boxes) = with_boxes(6, 1, 4);
    w.crash(1, ms(50));
    w.crash(boxes[0], ms(50));
    // The mailbox forgets whom it promised.
    w.nodes[boxes[0]].disk.memo.grants.clear();
    w.start(boxes[0]);
    w.run_for(secs(1));
    let ask = w.letter(0, 1, b"hello");
    w.run_for(secs(30));
    assert_eq!(kept(&w, &boxes), 0);
    assert_ne!(w.nodes[0].turned[&taken(&w, 0, ask)], State::Stored);
    w.start(1);
    w.run_until(secs(10), World::all_delivered);
}

#[test]
fn when_one_mailbox_is_full_another_is_taken() {
    let (mut w, boxes) = with_boxes(8, 3, 5);
    w.nodes[boxes[0]].disk.kept_max = 0;
    w.nodes[boxes[1]].disk.kept_max = 5;
    w.crash(1, ms(50));
    w.run_for(secs(1));
    for n in 0..20 {
        w.letter(0, 1, &[n]);
    }
    w.run_until(secs(180), all_stored);
    assert_eq!(w.nodes[boxes[0]].disk.kept_count(), 0);
    assert!(w.nodes[boxes[1]].disk.kept_count() <= 5);
    // All are full: the letter waits, without a storm.
    w.nodes[boxes[2]].disk.kept_max = 0;
    w.nodes[boxes[1]].disk.kept_max = 0;
    let ask = w.letter(0, 1, b"no room");
    let before = w.laws.wraps;
    w.run_for(secs(600));
    assert_ne!(w.nodes[0].turned[&taken(&w, 0, ask)], State::Stored);
    assert!(w.laws.wraps - before < 40, "{} tries and answers", w.laws.wraps - before);
    w.start(1);
    w.run_until(secs(60), World::all_delivered);
}

#[test]
fn a_letter_whose_mailbox_dies_is_left_at_another_one() {
    let (mut w, boxes) = with_boxes(8, 2, 6);
    w.crash(1, ms(50));
    w.run_for(secs(1));
    w.letter(0, 1, b"hello");
    w.run_until(secs(10), all_stored);
    let one = *boxes.iter().find(|n| w.nodes[**n].disk.kept_count() == 1).expect("one has it");
    w.crash(one, ms(50));
    w.run_for(secs(800));
    assert_eq!(kept(&w, &boxes), 2);
    w.crash(0, ms(50));
    w.start(1);
    w.run_for(secs(3));
    assert_eq!(w.nodes[1].disk.came.len(), 1);
    // The first one is back, with a letter that is here already.
    w.start(one);
    w.run_for(secs(3));
    assert_eq!(w.nodes[1].disk.came.len(), 1);
    assert_eq!(kept(&w, &boxes), 0);
}

#[test]
fn promises_are_renewed_and_last() {
    let (mut w, boxes) = with_boxes(6, 3, 7);
    let listed = |w: &World| {
        MailKeys::decode(&w.nodes[1].published).expect("it publishes").mailboxes.into_vec()
    };
    let first = listed(&w);
    assert_eq!(first.len(), 3);
    w.run_for(secs(12 * 24 * 3600));
    assert_eq!(listed(&w), first, "twelve days later");
    // One stops being a mailbox: it is listed no more, and what it keeps is fetched.
    w.configure(boxes[0], |policy| policy.mailbox = false);
    w.run_for(secs(120));
    assert!(!listed(&w).contains(&id(boxes[0])));
    // One is away for two hours.
    w.crash(boxes[1], ms(50));
    w.run_for(secs(2 * 3600));
    assert!(!listed(&w).contains(&id(boxes[1])));
    w.start(boxes[1]);
    w.run_for(secs(120));
    assert!(listed(&w).contains(&id(boxes[1])));
}

#[test]
fn with_a_full_inbox_mailboxes_are_not_asked_without_a_pause() {
    let (mut w, boxes) = with_boxes(7, 2, 8);
    w.crash(1, ms(50));
    w.run_for(secs(1));
    for n in 0..100 {
        w.letter(0, 1, &[n; 9000]);
    }
    w.run_until(secs(60), all_stored);
    w.crash(0, ms(50));
    w.nodes[1].disk.came_max = 10;
    w.start(1);
    w.run_for(secs(600));
    let fetches = w.nodes[1].frames.len();
    assert!(fetches < 300, "{fetches} frames");
    assert!(kept(&w, &boxes) >= 90);
    w.nodes[1].disk.came_max = 1000;
    w.run_for(secs(130));
    assert_eq!(w.nodes[1].disk.came.len(), 100);
    assert_eq!(kept(&w, &boxes), 0);
}

#[test]
fn letters_of_strangers_over_the_limit_do_not_stand_in_the_way_of_others() {
    let (mut w, _) = with_boxes(8, 2, 9);
    w.crash(1, ms(50));
    w.run_for(secs(1));
    w.nodes[1].policy.requests_per_day = 0;
    // Node 2 wrote first, and most.
    for n in 0..700_u32 {
        w.letter(2, 1, &n.to_be_bytes());
    }
    w.run_until(secs(60), |w| w.all_stored(2));
    w.letter(0, 1, b"hello");
    w.run_until(secs(60), all_stored);
    // It never heard of node 2.
    w.crash(2, ms(50));
    w.nodes[2].boot = 0;
    w.run_for(secs(1));
    w.start(1);
    w.run_for(secs(5));
    assert_eq!(w.nodes[1].disk.came.len(), 1, "the one that is no stranger's");
}

#[test]
fn a_reader_that_dies_while_it_fetches_loses_nothing() {
    for seed in 0..20 {
        let (mut w, _) = with_boxes(7, 2, 100 + seed);
        w.crash(1, ms(50));
        w.run_for(secs(1));
        for n in 0..100 {
            w.letter(0, 1, &[n; 5000]);
        }
        w.run_until(secs(60), all_stored);
        w.crash(0, ms(50));
        for _ in 0..4 {
            w.start(1);
            let pause = w.dice.between(ms(1), ms(100));
            w.run_for(pause);
            w.crash(1, ms(20));
            w.run_for(ms(50));
        }
        w.start(1);
        w.run_for(secs(5));
        assert_eq!(w.nodes[1].disk.came.len(), 100);
        w.start(0);
        w.run_until(secs(60), World::all_delivered);
    }
}
