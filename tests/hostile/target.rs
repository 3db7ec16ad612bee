//! The node that is attacked.

use std::time::{Duration, Instant};

use crate::common::{Node, node, wait_or_say, wait_until};

/// Most memory an attack may leave behind, KiB.
const GROWTH_KIB_MAX: u64 = 32 * 1024;
/// Descriptors that may be open by chance when they are counted (a verb that asks).
const DESCRIPTORS_SLACK: usize = 6;
/// Far more than a join takes, and less than the handshake timeout of 10 s.
const JOIN_MAX: Duration = Duration::from_secs(8);

/// A node, an honest peer that stays linked with it, and what it used before the attack.
pub struct Target {
    pub node: Node,
    pub friend: Node,
    linked_since: serde_json::Value,
    memory_kib: u64,
    descriptors: usize,
}

impl Target {
    pub fn start(settings: &[&str]) -> Target {
        let set = |label| settings.iter().fold(node(label), |node, setting| node.set(setting));
        let node = set("target").start();
        let friend = set("friend").joins(node.addr).start();
        wait_until("a link", || node.linked(&friend.id));
        let mut target = Target {
            linked_since: node.peer(&friend.id)["since_ms"].clone(),
            memory_kib: node.memory_kib(),
            descriptors: node.descriptors(),
            node,
            friend,
        };
        target.honest_join();
        target
    }

    /// An honest node joins, and goes.
    pub fn honest_join(&mut self) {
        let begun = Instant::now();
        let mut honest = node("honest").in_memory().joins(self.node.addr).start();
        let log = |n: &Node| n.stderr().lines().rev().take(20).collect::<Vec<_>>().join("\n");
        wait_or_say("an honest join", || honest.linked(&self.node.id), || log(&self.node));
        let took = begun.elapsed();
        assert!(took < JOIN_MAX, "an honest node needed {took:?}");
        honest.signal("TERM");
        honest.end();
        // The next one has another key, and would seem to have stolen the label.
        self.node.tell(&["unpin", &honest.id]);
        self.friend.ask(&["unpin", &honest.id]);
    }

    /// After the attackers are gone: all is as before.
    pub fn assert_unharmed(mut self) {
        self.node.assert_well();
        self.friend.assert_well();
        let most = self.descriptors + DESCRIPTORS_SLACK;
        wait_or_say(
            "the descriptors are given back",
            || self.node.descriptors() <= most,
            || format!("{} open, {} before", self.node.descriptors(), self.descriptors),
        );
        let grown = self.node.memory_kib().saturating_sub(self.memory_kib);
        assert!(grown < GROWTH_KIB_MAX, "{grown} KiB more than before");
        self.assert_friend_stayed();
        self.honest_join();
        self.node.assert_well();
    }

    /// The honest peer's link was up all the time.
    pub fn assert_friend_stayed(&self) {
        let row = self.node.peer(&self.friend.id);
        assert_eq!((&row["link"], &row["since_ms"]), (&"up".into(), &self.linked_since), "{row}");
    }
}
