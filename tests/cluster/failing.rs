//! How nodes are lost, and come back.

use crate::common::{Node, node, wait_for_full_mesh, wait_or_say, wait_until};

fn three() -> [Node; 3] {
    let first = node("alice").start();
    let second = node("bob").joins(first.addr).start();
    let third = node("carol").joins(first.addr).start();
    let nodes = [first, second, third];
    wait_for_full_mesh(&nodes);
    nodes
}

#[test]
fn a_killed_node_is_failed_everywhere_and_comes_back_as_itself() {
    let [first, second, third] = three();
    let id = third.id.clone();
    let home = third.kill();
    for node in [&first, &second] {
        wait_or_say("failed", || node.sees(&id) == "failed", || node.tell(&["graph"]));
    }
    // It knows nobody but whom it remembers.
    let third = node("carol").at(home).start();
    assert_eq!(third.id, id);
    wait_for_full_mesh(&[first, second, third]);
}

#[test]
fn a_frozen_node_is_failed_and_nobody_else_is_accused() {
    let [first, second, third] = three();
    let since = |n: &Node, of: &Node| n.peer(&of.id)["since_ms"].clone();
    let before = (since(&first, &second), since(&second, &first));
    third.signal("STOP");
    for node in [&first, &second] {
        wait_or_say("failed", || node.sees(&third.id) == "failed", || node.tell(&["graph"]));
    }
    assert_eq!((since(&first, &second), since(&second, &first)), before, "their link never ended");
    assert_eq!(
        (first.sees(&second.id).as_str(), second.sees(&first.id).as_str()),
        ("alive", "alive")
    );
    assert!(first.tell(&["why", "carol"]).contains("silent"), "{}", first.tell(&["why", "carol"]));
    third.signal("CONT");
    wait_for_full_mesh(&[first, second, third]);
}

#[test]
fn a_node_told_to_end_says_goodbye_and_has_left_everywhere() {
    let [first, second, mut third] = three();
    third.signal("TERM");
    assert_eq!(third.end().code(), Some(0), "{}", third.stderr());
    for node in [&first, &second] {
        wait_or_say("left", || node.sees(&third.id) == "left", || node.tell(&["graph"]));
    }
    let log = third.stderr();
    for step in ["stopping: SIGTERM", "saying goodbye on 2", "links closed", "stopped"] {
        assert!(log.contains(step), "{step} in:\n{log}");
    }
    assert!(!log.contains("took too long"), "{log}");
}

#[test]
fn stop_and_leave_end_a_daemon_in_order() {
    for verb in ["stop", "leave"] {
        let first = node("alice").start();
        let mut second = node("bob").joins(first.addr).start();
        wait_until("both know both", || {
            first.sees(&second.id) == "alive" && second.sees(&first.id) == "alive"
        });
        second.tell(&[verb]);
        assert_eq!(second.end().code(), Some(0), "{verb}");
        wait_until("left", || first.sees(&second.id) == "left");
        assert_eq!(second.ask(&["status"]).code, Some(3), "nobody is there to ask");
    }
}

/// A peer that does not read any more holds up an orderly stop; a second signal does not wait for it.
#[test]
fn a_second_signal_ends_at_once() {
    for (first_signal, second_signal) in [("TERM", "TERM"), ("TERM", "INT"), ("INT", "INT")] {
        let frozen = node("frozen").start();
        let mut node = node("alice").joins(frozen.addr).start();
        wait_until("a link", || node.linked(&frozen.id));
        frozen.signal("STOP");
        node.signal(first_signal);
        wait_until("the stop begins", || node.stderr().contains("stopping: saying goodbye"));
        if node.is_running() {
            node.signal(second_signal);
        }
        assert_eq!(node.end().code(), Some(130), "{}", node.stderr());
        frozen.signal("CONT");
    }
}
