//! What a person tells a node to do.

use std::fs;

use crate::common::{Node, node, wait_or_say, wait_until};

fn pair() -> (Node, Node) {
    let first = node("alice").start();
    let second = node("bob").joins(first.addr).start();
    wait_until("a link", || first.linked(&second.id) && second.linked(&first.id));
    (first, second)
}

#[test]
fn a_banned_node_is_out_until_it_is_unbanned() {
    let (first, second) = pair();
    first.tell(&["ban", "bob"]);
    wait_until("no link", || !first.linked(&second.id) && !second.linked(&first.id));
    assert_eq!(first.peer(&second.id)["banned"], true);
    let refused = second.ask(&["connect", &first.addr.to_string()]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(!first.linked(&second.id));
    first.tell(&["unban", &second.id]);
    wait_until("a link again", || first.linked(&second.id) && second.linked(&first.id));
    assert_eq!(first.peer(&second.id)["banned"], false);
}

/// Whether the file is the same twice in a row.
fn settled(file: &dyn Fn() -> Vec<u8>) -> bool {
    let before = file();
    std::thread::sleep(std::time::Duration::from_millis(300));
    file() == before
}

#[test]
fn a_ban_holds_over_a_kill() {
    // Nothing but urgent changes is written here.
    let first = node("alice").set("network.controller.peer_file_dump_interval=3600").start();
    let second = node("bob").joins(first.addr).start();
    let book = || fs::read(first.state.join("kith.redb")).expect("the book");
    wait_until("a link", || first.linked(&second.id));
    wait_until("bob is pinned on disk", || settled(&book));
    let before = book();
    first.tell(&["ban", "bob"]);
    wait_until("the ban is on disk", || book() != before && settled(&book));
    let home = first.kill();
    let first = node("alice").at(home).start();
    assert_eq!(first.peer(&second.id)["banned"], true);
    assert_eq!(second.ask(&["connect", &first.addr.to_string()]).code, Some(1));
}

#[test]
fn a_ban_that_finds_no_room_is_told() {
    let node = node("alice").set("network.controller.peers.max_banned_count=1").start();
    let (one, two) = ("1".repeat(64), "2".repeat(64));
    node.tell(&["ban", &one]);
    let refused = node.ask(&["ban", &two]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("max_banned_count"), "{refused:?}");
    assert_ne!(node.peer(&two)["banned"], true);
    node.tell(&["unban", &one]);
    node.tell(&["ban", &two]);
    assert_eq!(node.peer(&two)["banned"], true);
}

#[test]
fn a_closed_link_stays_closed_until_somebody_connects() {
    let (first, second) = pair();
    first.tell(&["disconnect", "bob"]);
    wait_until("no link", || !first.linked(&second.id) && !second.linked(&first.id));
    let problem = first.peer(&second.id)["problem"].clone();
    assert!(problem.as_str().is_some_and(|p| p.contains("disconnected")), "{problem}");
    let made = first.tell(&["connect", &second.addr.to_string()]);
    assert!(made.contains(second.short()), "{made}");
    wait_until("a link again", || first.linked(&second.id) && second.linked(&first.id));
}

#[test]
fn pins_are_shown_and_taken_back() {
    let (first, second) = pair();
    first.tell(&["pin", "bob"]);
    assert_eq!(first.peer(&second.id)["pinned"], true);
    first.tell(&["unpin", second.short()]);
    assert_eq!(first.peer(&second.id)["pinned"], false);
    assert!(first.linked(&second.id), "a pin is no link");
    let unknown = first.ask(&["pin", "nobody"]);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.stderr.starts_with("error: "), "{unknown:?}");
}

#[test]
fn the_verbs_that_look_show_what_is() {
    let (first, second) = pair();
    let rtt = first.tell(&["ping", "bob"]);
    assert!(rtt.contains("ms"), "{rtt}");
    let path: serde_json::Value =
        serde_json::from_str(&first.tell(&["path", "bob", "--json"])).expect("JSON");
    assert_eq!(path["to"], second.id);
    assert_eq!(path["schema"], 1);
    assert!(first.tell(&["why", "bob"]).contains("link up"));
    assert_eq!(first.json("status")["nodes_alive"], 2);
    assert_eq!(first.json("status")["links"], 1);
    for verb in ["status", "peers", "graph"] {
        let table = first.tell(&[verb]);
        assert!(table.contains("alice") || table.contains("bob"), "{verb}: {table}");
    }
    let nobody = first.ask(&["connect", "127.0.0.1:1"]);
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    let myself = first.ask(&["connect", &first.addr.to_string()]);
    assert_eq!(myself.code, Some(1), "{myself:?}");
    wait_or_say(
        "no link to itself",
        || first.json("status")["links"] == 1,
        || first.tell(&["peers"]),
    );
}
