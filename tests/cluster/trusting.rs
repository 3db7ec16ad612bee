//! Whom a node lets in.

use crate::common::{Node, node, wait_or_say, wait_until};

fn problems(node: &Node) -> String {
    node.json("peers")["peers"]
        .as_array()
        .expect("peers")
        .iter()
        .filter_map(|p| p["problem"].as_str().map(|text| format!("{text}\n")))
        .collect()
}

/// Also the case of a changed key: a new daemon that calls itself as the old one did.
#[test]
fn a_label_belongs_to_whom_it_was_first_seen_with_until_it_is_unpinned() {
    let alice = node("alice").start();
    let bob = node("bob").joins(alice.addr).start();
    wait_until("a link", || alice.linked(&bob.id));
    let first = bob.id.clone();
    bob.kill();
    let eve = node("bob").joins(alice.addr).start();
    let shown = || {
        let text = problems(&alice);
        text.contains("identity changed behind label") && text.contains(&eve.id[..8])
    };
    wait_or_say("the refusal in `peers`", shown, || alice.tell(&["peers"]));
    assert!(problems(&alice).contains(&format!("node unpin {}", &first[..8])));
    assert!(alice.stderr().contains("identity changed behind label"));
    assert!(!alice.linked(&eve.id));
    assert_ne!(alice.sees(&eve.id), "alive");
    alice.tell(&["unpin", &first]);
    let connected = || eve.ask(&["connect", &alice.addr.to_string()]).code == Some(0);
    wait_until("a link after unpin", connected);
    wait_until("it is up", || alice.linked(&eve.id));
}

#[test]
fn another_key_behind_a_known_address_is_refused_and_shown() {
    let bob = node("bob").start();
    let alice = node("alice").joins(bob.addr).start();
    wait_until("a link", || alice.linked(&bob.id));
    let port = bob.addr.port();
    bob.kill();
    let eve = node("eve").set(&format!("network.controller.listen.port={port}")).start();
    assert_eq!(eve.addr.port(), port);
    let shown = || problems(&alice).contains("identity changed behind");
    wait_or_say("the refusal in `peers`", shown, || alice.tell(&["peers"]));
    assert!(!alice.linked(&eve.id));
    assert!(!eve.linked(&alice.id));
}

#[test]
fn strangers_stay_out_by_the_networks_name_and_its_secret() {
    let alice = node("alice").set("network.name=ours").set("network.secret=open-sesame").start();
    let strangers = [
        node("other-name").set("network.secret=open-sesame"),
        node("other-secret").set("network.name=ours").set("network.secret=open-sesamf"),
        node("no-secret").set("network.name=ours"),
    ];
    for stranger in strangers {
        let stranger = stranger.start();
        let refused = stranger.ask(&["connect", &alice.addr.to_string()]);
        assert_eq!(refused.code, Some(1), "{}: {refused:?}", stranger.label);
        assert!(refused.stderr.contains("another network, or the secret differs"), "{refused:?}");
        let tried = alice.ask(&["connect", &stranger.addr.to_string()]);
        assert_eq!(tried.code, Some(1), "{}: {tried:?}", stranger.label);
        assert!(!alice.linked(&stranger.id) && !stranger.linked(&alice.id));
        assert_eq!(alice.sees(&stranger.id), "", "not even known");
    }
    let friend = node("friend").set("network.name=ours").set("network.secret=open-sesame");
    let friend = friend.joins(alice.addr).start();
    wait_until("the friend is in", || alice.linked(&friend.id));
    assert!(!alice.stderr().contains("open-sesame"), "a secret is never logged");
}

#[test]
fn only_pinned_nodes_get_in_when_told_so() {
    let alice = node("alice").set("network.trust=pinned-only").start();
    let bob = node("bob").start();
    assert_eq!(bob.ask(&["connect", &alice.addr.to_string()]).code, Some(1));
    alice.tell(&["pin", &bob.id]);
    assert_eq!(bob.ask(&["connect", &alice.addr.to_string()]).code, Some(0));
    wait_until("a link", || alice.linked(&bob.id));
}
