//! Whatever is killed, no letter that was acknowledged is lost, and none is shown twice.

use std::time::Duration;

use crate::common::{Node, node, wait_until};
use crate::letters::{cluster, letter, push, wait_kept, wait_pulled, wait_state};

const SEVEN: [&str; 7] = ["alice", "bob", "carol", "dave", "erin", "frank", "grace"];

fn texts(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|i| format!("letter {i}"))
}

#[test]
fn relays_are_killed_while_letters_are_under_way() {
    let mut nodes = cluster(&SEVEN, |_, setup| setup);
    for (i, text) in texts(60).enumerate() {
        push(&nodes[0], "grace", &text, &[]);
        if i % 20 == 10 {
            // One of those between, without a word.
            drop(nodes.remove(1).kill());
        }
    }
    let grace = nodes.last().expect("grace");
    wait_pulled(grace, texts(60));
}

#[test]
fn the_sender_is_killed_right_after_it_acknowledged() {
    let mut nodes = cluster(&["bob", "carol", "dave", "alice"], |_, setup| setup);
    let seed = nodes[0].addr;
    let mut ids = Vec::new();
    for round in 0..3 {
        let alice = nodes.pop().expect("alice");
        for i in 0..10 {
            ids.push(push(&alice, "bob", &format!("letter {}", round * 10 + i), &[]));
        }
        let home = alice.kill();
        nodes.push(node("alice").at(home).joins(seed).start());
    }
    wait_pulled(&nodes[0], texts(30));
    for id in &ids {
        wait_state(&nodes[3], id, &["delivered", "read"]);
    }
}

#[test]
fn the_reader_is_killed_while_letters_come_in() {
    let mut nodes = cluster(&["alice", "carol", "dave", "bob"], |_, setup| setup);
    wait_kept(&nodes[3], 3);
    let seed = nodes[0].addr;
    let bob = nodes[3].id.clone();
    let mut ids: Vec<String> = Vec::new();
    for round in 0..3 {
        for i in 0..10 {
            ids.push(push(&nodes[0], &bob, &format!("letter {}", round * 10 + i), &[]));
        }
        let home = nodes.pop().expect("bob").kill();
        nodes.push(node("bob").at(home).joins(seed).start());
    }
    wait_pulled(&nodes[3], texts(30));
    for id in &ids {
        wait_state(&nodes[0], id, &["delivered", "read"]);
    }
}

#[test]
fn a_frozen_relay_costs_a_moment_and_no_letter() {
    let nodes = cluster(&["alice", "bob", "carol", "dave", "erin"], |_, setup| setup);
    let frozen: &Node = &nodes[2];
    frozen.signal("STOP");
    let ids: Vec<String> = texts(5).map(|text| push(&nodes[0], "erin", &text, &[])).collect();
    for id in &ids {
        wait_state(&nodes[0], id, &["delivered"]);
    }
    frozen.signal("CONT");
    wait_pulled(&nodes[4], texts(5));
}

#[test]
fn a_letter_that_nobody_signs_for_expires_and_says_so() {
    let mut nodes = cluster(&["alice", "bob", "carol"], |_, setup| {
        setup.set("relay.mailbox=false").set("mail.ttl=60")
    });
    let bob = nodes[1].id.clone();
    drop(nodes.remove(1).kill());
    wait_until("alice knows", || nodes[0].sees(&bob) == "failed");
    let id = push(&nodes[0], &bob, "too late", &["--ttl", "60s"]);
    assert_eq!(letter(&nodes[0], &id)["state"], "queued");
    let said = nodes[0].tell(&["letters", "show", &id]);
    assert!(said.contains("away"), "{said}");
    // Its time is a minute of the wall clock; what is tested here is that it waits and is not lost.
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(letter(&nodes[0], &id)["state"], "queued");
}
