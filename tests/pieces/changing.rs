//! A shared file changes under our hands.

use std::fs;
use std::io::{Seek, SeekFrom, Write};

use crate::common::wait_or_say;
use crate::files::{MIB, begin, cluster, end, file, percent, share, str, wait_transfer};

#[test]
fn a_changed_file_is_said_to_be_and_never_served_under_its_old_hash() {
    let nodes = cluster(&["alice", "bob"], |_, setup| setup);
    let (path, bytes) = file(&nodes[0], "notes", 4 * MIB);
    let old = share(&nodes[0], &path);
    let mut changed = bytes;
    changed[2 * MIB] ^= 1;
    fs::write(&path, &changed).expect("written");
    let out = nodes[1].home.path().join("notes");
    let done = nodes[1].ask(&["get", &old, "--timeout", "2"]);
    assert_eq!(done.code, Some(4), "{done:?}");
    assert!(!out.exists());
    wait_or_say(
        "alice says so",
        || nodes[0].tell(&["pieces"]).contains("changed"),
        || nodes[0].tell(&["pieces"]) + &nodes[0].stderr(),
    );
    let new = share(&nodes[0], &path);
    assert_ne!(new, old);
    let other = nodes[1].home.path().join("new notes");
    nodes[1].tell(&["get", &new, "--out", str(&other)]);
    assert_eq!(fs::read(&other).expect("in place"), changed);
}

#[test]
fn a_file_that_was_only_touched_is_served_on() {
    let nodes = cluster(&["alice", "bob"], |_, setup| setup);
    let (path, bytes) = file(&nodes[0], "notes", 2 * MIB);
    let ticket = share(&nodes[0], &path);
    fs::write(&path, &bytes).expect("written again, the same");
    nodes[1].tell(&["get", &ticket]);
    assert_eq!(fs::read(nodes[1].home.path().join("notes")).expect("in place"), bytes);
}

#[test]
fn a_file_that_changes_while_it_is_fetched_leaves_no_wrong_byte() {
    let nodes = cluster(&["alice", "bob", "carol"], |_, setup| {
        setup.set("pieces.upload_bytes_per_second=8388608")
    });
    let (path, bytes) = file(&nodes[0], "film", 24 * MIB);
    fs::copy(&path, nodes[1].home.path().join("film")).expect("copied");
    share(&nodes[1], &nodes[1].home.path().join("film"));
    let ticket = share(&nodes[0], &path);
    let out = nodes[2].home.path().join("film");
    let get = begin(&nodes[2], &ticket, &out);
    wait_transfer(&nodes[2], "a third of it", |t| percent(t) >= 33);
    let mut file = fs::OpenOptions::new().write(true).open(&path).expect("opened");
    file.seek(SeekFrom::Start(1)).expect("within");
    file.write_all(&[7; 20 * MIB]).expect("written");
    assert_eq!(end(get).code, Some(0));
    assert_eq!(fs::read(&out).expect("in place"), bytes, "bob's copy was good");
}
