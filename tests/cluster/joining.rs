//! How nodes meet.

use std::fs;
use std::path::Path;

use crate::common::{Node, agreed, node, wait_for_full_mesh, wait_or_say, wait_until};

#[test]
fn two_nodes_print_each_others_pings_also_when_nothing_is_logged() {
    let first = node("").in_memory().set("network.period=0.2").start();
    let second = node("bob").in_memory().env("RUST_LOG", "off").arg("--period").arg("0.2");
    let second = second.joins(first.addr).start();
    let from_second = format!("ping from bob ({}): \"", second.short());
    let from_first = format!(" ({}): \"", first.short());
    let heard = || first.stdout().contains(&from_second) && second.stdout().contains(&from_first);
    wait_or_say("pings", heard, || format!("{}\n{}", first.stdout(), second.stdout()));
    assert_eq!(second.stderr(), "", "RUST_LOG=off means silence");
    for line in second.stdout().lines() {
        assert!(line.starts_with("ping from ") && line.ends_with(" ms"), "{line}");
    }
}

/// The example profiles of the repository, on free ports: each one's first peers are given by hand, in the
/// direction of the files in `profiles/`.
#[test]
fn the_five_profiles_become_one_mesh_that_all_of_them_see_alike() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let profile = |name: &str| {
        let set = node(name).arg("-c").arg(config.to_string_lossy()).arg("-p").arg(name);
        set.set("network.controller.target.path=''")
    };
    let carol = profile("carol").start();
    let alice = profile("alice").joins(carol.addr).start();
    let bob = profile("bob").joins(alice.addr).joins(carol.addr).start();
    let dave = profile("dave").joins(alice.addr).start();
    let erin = profile("erin").joins(dave.addr).start();
    let nodes = [carol, alice, bob, dave, erin];
    wait_for_full_mesh(&nodes);
    let graph = nodes[0].json("graph");
    let labels = agreed(&graph).0;
    for node in &nodes {
        let row = format!("{} {} alive", node.id, node.label);
        assert!(labels.contains(&row), "{row} in {labels:?}");
    }
    assert_eq!(graph["links"].as_array().map(Vec::len), Some(10));
    for format in ["d2", "dot", "mermaid", "svg"] {
        assert!(nodes[1].tell(&["graph", "--format", format]).contains("erin"), "{format}");
    }
}

#[test]
fn twelve_nodes_started_at_once_link_every_pair_once() {
    let seed = node("n00").start();
    let addr = seed.addr;
    let mut nodes: Vec<Node> =
        (1..12).map(|i| node(&format!("n{i:02}")).joins(addr).spawn()).collect();
    nodes.iter_mut().for_each(Node::wait_ready);
    nodes.push(seed);
    wait_for_full_mesh(&nodes);
    for node in &nodes {
        assert_eq!(node.json("status")["links"], 11, "{}", node.label);
        let graph = node.json("graph");
        let mut pairs: Vec<[String; 2]> = Vec::new();
        for link in graph["links"].as_array().expect("links") {
            let mut pair = ["from", "to"].map(|end| link[end].as_str().unwrap_or("").to_owned());
            pair.sort();
            pairs.push(pair);
        }
        pairs.sort();
        let all = pairs.len();
        pairs.dedup();
        assert_eq!((all, pairs.len()), (66, 66), "{}", node.label);
    }
}

#[test]
fn the_graph_files_follow_the_graph() {
    let first = node("alice").start();
    let second = node("bob").joins(first.addr).start();
    let (short_a, short_b) = (first.label.clone(), second.label.clone());
    let d2 = || fs::read_to_string(first.state.join("peers.d2")).unwrap_or_default();
    let json = || -> serde_json::Value {
        let text = fs::read_to_string(first.state.join("peers.json")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    };
    let linked = |d2: &str| d2.contains(&short_a) && d2.contains(&short_b) && d2.contains("->");
    wait_or_say("the link in peers.d2", || linked(&d2()), d2);
    wait_until("the link in peers.json", || {
        json()["links"].as_array().is_some_and(|l| l.len() == 1)
    });
    let shown = first.json("graph");
    wait_until("peers.json and `graph` agree", || agreed(&json()) == agreed(&shown));
    drop(second);
    wait_or_say("no link in peers.d2", || !d2().contains("->"), d2);
    let leftovers: Vec<_> = fs::read_dir(&first.state)
        .expect("the state directory")
        .filter_map(|e| e.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".new"))
        .collect();
    assert!(leftovers.len() <= 1, "{leftovers:?}");
}

#[test]
fn a_shout_reaches_everyone_once() {
    let first = node("alice").start();
    let second = node("bob").joins(first.addr).start();
    let third = node("carol").joins(first.addr).start();
    let nodes = [first, second, third];
    wait_for_full_mesh(&nodes);
    let said = nodes[0].tell(&["shout", "the", "king\x1b[2J", "is", "dead"]);
    assert!(said.contains("2 links"), "{said}");
    let line = format!("shout from alice ({}): \"the king\\u{{1b}}[2J is dead\"", nodes[0].short());
    for node in &nodes[1..] {
        wait_or_say("the shout", || node.stdout().contains(&line), || node.stdout());
        assert_eq!(node.stdout().matches(&line).count(), 1);
    }
    assert!(!nodes[0].stdout().contains("shout from"), "nobody hears himself");
}
