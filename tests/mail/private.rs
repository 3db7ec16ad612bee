//! What nodes other than the two ends know, and what the wire shows.

use std::fs;
use std::path::Path;

use crate::common::{Node, node, wait_until};
use crate::letters::{cluster, pull, push, wait_kept_and_known, wait_state};

/// Everything below a directory, as one string of bytes.
fn all_bytes(dir: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(dir).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            bytes.extend(all_bytes(&path));
        } else {
            // A socket or a lock has nothing to read.
            bytes.extend(fs::read(&path).unwrap_or_default());
        }
    }
    bytes
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// The bytes of an id of 64 hex digits.
fn raw(id: &str) -> Vec<u8> {
    (0..32).map(|i| u8::from_str_radix(&id[2 * i..2 * i + 2], 16).expect("hex")).collect()
}

#[test]
fn relays_and_mailboxes_keep_neither_the_text_nor_who_wrote_to_whom() {
    let text = "the-secret-of-this-letter";
    // Who asks others to keep letters is known to them: here only the reader does.
    let mut nodes = cluster(&["alice", "bob", "carol", "dave", "erin"], |name, setup| {
        let mailboxes = if name == "erin" { 3 } else { 0 };
        let setup = setup.set(&format!("mail.mailboxes={mailboxes}"));
        setup.env("RUST_LOG", "kith=trace")
    });
    wait_kept_and_known(&nodes[4], 3);
    let id = push(&nodes[0], "erin", text, &[]);
    wait_state(&nodes[0], &id, &["delivered"]);
    assert_eq!(pull(&nodes[4]), [text]);
    let erin = nodes[4].id.clone();
    let home = nodes.pop().expect("erin").kill();
    wait_until("alice knows", || nodes[0].sees(&erin) == "failed");
    let id = push(&nodes[0], &erin, text, &[]);
    wait_state(&nodes[0], &id, &["stored"]);
    for relay in &nodes[1..4] {
        assert_ignorant(relay, text, &id);
    }
    // What is searched for would be found: it is at both ends.
    assert!(holds(&all_bytes(&nodes[0].state), text.as_bytes()));
    drop(node("erin").at(home));
}

/// Neither on its disk nor in its log is the text or the letter's name, and where the reader is named the sender
/// is not.
fn assert_ignorant(relay: &Node, text: &str, letter: &str) {
    let disk = all_bytes(&relay.state);
    assert!(!holds(&disk, text.as_bytes()), "{}: the text is on its disk", relay.label);
    assert!(!holds(&disk, &raw32(letter)), "{}: the letter's name is on its disk", relay.label);
    let log = relay.stderr();
    assert!(!log.contains(text), "{}: the text is in its log", relay.label);
    assert!(!log.contains(&letter[..8]), "{}: the letter's name is in its log", relay.label);
    let letters = fs::read(relay.state.join("letters.redb")).expect("it is there");
    let relays = relay.json("graph");
    let alice = relays["nodes"].as_array().expect("nodes").iter();
    let alice = alice.clone().find(|n| n["label"] == "alice").expect("alice");
    let alice = raw(alice["id"].as_str().expect("an id"));
    assert!(!holds(&letters, &alice), "{}: it keeps who wrote", relay.label);
}

/// The bytes of a letter's name, 32 hex digits.
fn raw32(id: &str) -> Vec<u8> {
    (0..16).map(|i| u8::from_str_radix(&id[2 * i..2 * i + 2], 16).expect("hex")).collect()
}
