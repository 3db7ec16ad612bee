//! Nodes that hold no link with one another, and are reached all the same.

use crate::common::{node, wait_until};

#[test]
fn a_node_without_a_link_is_pinged_and_walked_to_over_another_one() {
    let alice = node("alice").start();
    let bob = node("bob").joins(alice.addr).start();
    let carol = node("carol").joins(bob.addr).start();
    wait_until("all links", || {
        alice.linked(&carol.id) && bob.linked(&carol.id) && alice.linked(&bob.id)
    });
    alice.tell(&["disconnect", "carol"]);
    let apart = |links: &serde_json::Value| {
        let confirmed =
            links.as_array().into_iter().flatten().filter(|l| l["state"] == "confirmed");
        confirmed.count() == 2
    };
    wait_until("both see two links", || {
        [&alice, &carol].iter().all(|node| apart(&node.json("graph")["links"]))
    });

    for (from, to) in [(&alice, "carol"), (&carol, "alice")] {
        let told = from.tell(&["ping", to]);
        assert!(told.contains("answered in ") && told.ends_with(" over 2 hops\n"), "{told}");
    }
    let ping: serde_json::Value =
        serde_json::from_str(&alice.tell(&["ping", "carol", "--json"])).expect("JSON");
    assert_eq!(ping["hops"], 2);
    let direct = alice.tell(&["ping", "bob"]);
    assert!(direct.ends_with(" ms\n"), "{direct}");

    let way: serde_json::Value =
        serde_json::from_str(&alice.tell(&["path", "carol", "--json"])).expect("JSON");
    let hops = [&bob.id, &carol.id];
    assert_eq!(way["hops"], serde_json::json!(hops));
    let walked: Vec<&serde_json::Value> =
        way["walk"]["hops"].as_array().expect("it came back").iter().collect();
    assert_eq!(walked.iter().map(|hop| &hop["id"]).collect::<Vec<_>>(), hops);
    assert!(walked.iter().all(|hop| hop["rtt_us"].as_u64() > Some(0)), "{way}");
    assert!(way["walk"]["rtt_us"].as_u64() > Some(0), "{way}");
    let shown = alice.tell(&["path", "carol"]);
    let lines: Vec<&str> = shown.lines().collect();
    let name = |label: &str, id: &str| format!("{label} ({})", &id[..8]);
    let [a, b, c] = [("alice", &alice), ("bob", &bob), ("carol", &carol)]
        .map(|(label, node)| name(label, &node.id));
    assert_eq!(lines[0], format!("{a} -> {b} -> {c}"));
    assert!(lines[1].starts_with("2 hops, ") && lines[1].contains(" ms measured"), "{shown}");
    assert!(lines[4].starts_with(&b) && lines[5].starts_with(&c), "{shown}");

    // Nobody is left in between.
    drop(bob.kill());
    wait_until("no way", || alice.ask(&["path", "carol"]).code == Some(1));
    let refused = alice.ask(&["ping", "carol"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("no chain of links leads there"), "{refused:?}");
}
