//! What the tests of letters share.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::common::{Node, Setup, node, text, wait_or_say, wait_until};

/// Daemons of these names, each knowing the first, all keys on all cards.
pub fn cluster(names: &[&str], set: impl Fn(&str, Setup) -> Setup) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for name in names {
        let setup = set(name, node(name));
        let setup = match nodes.first() {
            Some(first) => setup.joins(first.addr),
            None => setup,
        };
        nodes.push(setup.start());
    }
    for node in &nodes {
        wait_ready(node, names.len() - 1);
    }
    nodes
}

/// Waits until a node could send a letter through so many others.
pub fn wait_ready(node: &Node, others: usize) {
    let ready = || {
        let relays = node.json("relays");
        let rows = relays["nodes"].as_array().expect("nodes");
        rows.iter().filter(|r| r["state"] == "ready").count() >= others
    };
    wait_or_say("the others' keys", ready, || node.tell(&["relays"]));
}

/// Waits until so many nodes have agreed to keep letters for this one.
pub fn wait_kept(node: &Node, count: usize) {
    let kept = || node.json("relays")["mailboxes"].as_array().expect("mailboxes").len() >= count;
    wait_until("mailboxes", kept);
}

/// Waits until so many nodes have agreed to keep letters for this one, and all others know which. No verb shows
/// what a node knows of another one's mailboxes; cards are told within a second, and this is three of them.
pub fn wait_kept_and_known(node: &Node, count: usize) {
    wait_kept(node, count);
    std::thread::sleep(std::time::Duration::from_secs(3));
}

/// Sends a letter; its id.
pub fn push(from: &Node, to: &str, msg: &str, more: &[&str]) -> String {
    let args = [&["push", "--to", to, "--msg", msg, "--json"], more].concat();
    let answer: Value = serde_json::from_str(&from.tell(&args)).expect("JSON");
    text(&answer["id"])
}

/// What has become of a letter.
pub fn letter(from: &Node, id: &str) -> Value {
    let shown = from.tell(&["letters", "show", id, "--json"]);
    serde_json::from_str(&shown).expect("JSON")
}

/// Waits until a letter is in one of these states.
pub fn wait_state(from: &Node, id: &str, states: &[&str]) -> Value {
    let is = || states.contains(&text(&letter(from, id)["state"]).as_str());
    wait_or_say(&format!("{id} to be {states:?}"), is, || format!("{:#}", letter(from, id)));
    letter(from, id)
}

/// Shows all unread letters and acknowledges them; their texts.
pub fn pull(reader: &Node) -> Vec<String> {
    let shown: Value = serde_json::from_str(&reader.tell(&["pull", "--json"])).expect("JSON");
    let letters = shown["letters"].as_array().expect("letters");
    letters.iter().map(|letter| text(&letter["text"])).collect()
}

/// Waits until these texts have been pulled, each once, and none else.
pub fn wait_pulled(reader: &Node, texts: impl IntoIterator<Item = String>) {
    let wanted: BTreeSet<String> = texts.into_iter().collect();
    let mut got = BTreeSet::new();
    wait_until(&format!("{} letters", wanted.len()), || {
        for text in pull(reader) {
            assert!(wanted.contains(&text), "nobody wrote {text:?}");
            assert!(got.insert(text.clone()), "{text:?} was shown twice");
        }
        got.len() == wanted.len()
    });
}
