//! A letter goes from one person to another.

use std::collections::BTreeSet;

use crate::common::{node, text, wait_until};
use crate::letters::{
    cluster, letter, pull, push, wait_kept_and_known, wait_pulled, wait_ready, wait_state,
};

const FIVE: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

#[test]
fn a_letter_passes_three_relays_and_its_sender_hears_of_it() {
    let nodes = cluster(&FIVE, |_, setup| setup);
    let (alice, erin) = (&nodes[0], &nodes[4]);
    let id = push(alice, "erin", "hello", &[]);
    let delivered = wait_state(alice, &id, &["delivered"]);
    let hops = delivered["hops"].as_array().expect("hops").clone();
    let between: Vec<&str> = nodes[1..4].iter().map(|n| n.id.as_str()).collect();
    assert_eq!(hops.len(), 3, "{delivered:#}");
    assert!(hops.iter().all(|hop| between.contains(&hop.as_str().expect("an id"))));
    assert_eq!(pull(erin), ["hello"]);
    assert_eq!(pull(erin), [""; 0], "it is shown once");
    wait_state(alice, &id, &["read"]);
    // The six ways there are come before any comes again.
    let paths: BTreeSet<String> = (0..6)
        .map(|i| {
            let id = push(alice, "erin", &format!("{i}"), &[]);
            wait_state(alice, &id, &["delivered"])["hops"].to_string()
        })
        .collect();
    assert!(paths.len() >= 5, "{paths:?}");
}

#[test]
fn long_letters_and_letters_in_shards_arrive_whole() {
    let nodes = cluster(&FIVE, |_, setup| setup);
    let (alice, erin) = (&nodes[0], &nodes[4]);
    let long = "longer than one packet ".repeat(2800);
    let file = alice.home.path().join("letter.txt");
    std::fs::write(&file, &long).expect("written");
    let file = file.to_str().expect("UTF-8");
    alice.tell(&["push", "--to", "erin", "--file", file, "--wait"]);
    let id = push(alice, "erin", "in shards", &["--shards", "3/5"]);
    let delivered = wait_state(alice, &id, &["delivered"]);
    assert_eq!(delivered["paths"].as_array().map(Vec::len), Some(5), "{delivered:#}");
    wait_pulled(erin, [long, "in shards".to_owned()]);
}

#[test]
fn the_same_key_is_the_same_letter() {
    let nodes = cluster(&["alice", "bob"], |_, setup| setup);
    let first = push(&nodes[0], "bob", "once", &["--id", "invoice-7"]);
    wait_state(&nodes[0], &first, &["delivered"]);
    assert_eq!(push(&nodes[0], "bob", "once", &["--id", "invoice-7"]), first);
    wait_pulled(&nodes[1], ["once".to_owned()]);
    assert_eq!(pull(&nodes[1]), [""; 0]);
}

#[test]
fn a_letter_waits_in_a_mailbox_for_a_reader_who_is_away_also_without_its_sender() {
    let mut nodes = cluster(&FIVE, |_, setup| setup);
    wait_kept_and_known(&nodes[4], 3);
    let erin_id = nodes[4].id.clone();
    let knows = |n: &crate::common::Node| n.sees(&erin_id) == "failed";
    let home = nodes.pop().expect("erin").kill();
    wait_until("alice knows that erin is away", || knows(&nodes[0]));
    let ids: Vec<String> =
        (0..20).map(|i| push(&nodes[0], &erin_id, &format!("while away {i}"), &[])).collect();
    for id in &ids {
        wait_state(&nodes[0], id, &["stored"]);
    }
    let seed = nodes[1].addr;
    drop(nodes.remove(0).kill());
    let erin = node("erin").at(home).joins(seed).start();
    wait_pulled(&erin, (0..20).map(|i| format!("while away {i}")));
}

#[test]
fn without_any_relay_it_is_done_as_the_setting_says() {
    let nodes = cluster(&["alice", "bob"], |name, setup| match name {
        "alice" => setup.set("mail.direct_fallback=ask"),
        _ => setup,
    });
    let (alice, bob) = (&nodes[0], &nodes[1]);
    let refused = alice.ask(&["push", "--to", "bob", "--msg", "x"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("--hops 0"), "{refused:?}");
    let id = push(alice, "bob", "straight", &["--hops", "0"]);
    let delivered = wait_state(alice, &id, &["delivered"]);
    assert_eq!(delivered["hops"].as_array().map(Vec::len), Some(0));
    wait_pulled(bob, ["straight".to_owned()]);
    let id = push(bob, "alice", "by its own rule", &[]);
    wait_state(bob, &id, &["delivered"]);
}

#[test]
fn who_does_not_volunteer_is_on_no_path() {
    let nodes = cluster(&FIVE, |name, setup| match name {
        "carol" => setup.set("relay.volunteer=false"),
        _ => setup,
    });
    let (alice, carol) = (&nodes[0], &nodes[2]);
    for i in 0..8 {
        let id = push(alice, "erin", &format!("{i}"), &[]);
        let hops = wait_state(alice, &id, &["delivered"])["hops"].to_string();
        assert!(!hops.contains(&carol.id), "{hops}");
    }
    let relays = carol.json("relays");
    assert_eq!(relays["counters"]["packets_forwarded"], 0, "{relays:#}");
}

#[test]
fn a_node_that_joins_later_is_written_to_at_once() {
    let nodes = cluster(&["alice", "bob", "carol"], |_, setup| setup);
    let dave = node("dave").joins(nodes[0].addr).start();
    wait_ready(&dave, 3);
    wait_ready(&nodes[0], 3);
    let id = push(&nodes[0], "dave", "welcome", &[]);
    wait_state(&nodes[0], &id, &["delivered"]);
    assert_eq!(pull(&dave), ["welcome"]);
    assert_eq!(text(&letter(&nodes[0], &id)["to"]), dave.id);
}
