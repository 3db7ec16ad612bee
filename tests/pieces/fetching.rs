//! A file goes from one node to others, whole.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::common::node;
use crate::files::{
    MIB, assert_same, begin, cluster, end, file, number, share, str, transfer, wait_transfer,
};

#[test]
fn a_file_arrives_as_it_was_and_is_shared_again() {
    let nodes = cluster(&["alice", "bob", "carol"], |_, setup| setup);
    let [alice, bob, carol] = &nodes[..] else { unreachable!("three") };
    let (path, bytes) = file(alice, "film.mkv", 5 * MIB + 77);
    let ticket = share(alice, &path);
    assert_eq!(share(alice, &path), ticket, "the same content has the same ticket");
    // Without --out it goes to where the caller is, under its own name.
    let said = bob.tell(&["get", &ticket]);
    let got = bob.home.path().join("film.mkv");
    assert_eq!(fs::read(&got).expect("in place"), bytes);
    assert!(said.contains(str(&got)), "{said}");
    let row = transfer(bob);
    assert_eq!(
        (row["phase"].as_str(), row["verified"].as_bool()),
        (Some("done"), Some(true)),
        "{row:#}"
    );
    let received = number(&row, "bytes_received");
    assert!(
        received < bytes.len() as u64 + 1024,
        "each piece came once, and the manifest: {received}"
    );
    // Its first holder goes, and it is still to be had, by the bare id.
    let id = row["file_id"].as_str().expect("an id").to_owned();
    alice.tell(&["stop"]);
    carol.tell(&["get", &id, "--out", str(&carol.home.path().join("renamed"))]);
    assert_eq!(fs::read(carol.home.path().join("renamed")).expect("in place"), bytes);
    assert!(!carol.home.path().join("renamed.part").exists());
    let pieces = carol.json("pieces");
    assert!(pieces.to_string().contains(&id), "{pieces:#}");
}

#[test]
fn a_directory_arrives_with_everything_in_it() {
    let nodes = cluster(&["alice", "bob"], |_, setup| setup);
    let dir = nodes[0].home.path().join("album");
    fs::create_dir_all(dir.join("deep/er")).expect("made");
    fs::create_dir(dir.join("empty")).expect("made");
    for i in 0..300 {
        let name = dir.join(format!("deep/{i:03} ünï.txt"));
        fs::write(name, crate::files::noise(i, i as usize * 37)).expect("written");
    }
    fs::write(dir.join("deep/er/large"), crate::files::noise(9, 3 * MIB)).expect("written");
    fs::write(dir.join("run.sh"), "#!/bin/sh\n").expect("written");
    fs::set_permissions(dir.join("run.sh"), fs::Permissions::from_mode(0o755)).expect("set");
    let ticket = share(&nodes[0], &dir);
    nodes[1].tell(&["get", &ticket]);
    let got = nodes[1].home.path().join("album");
    assert_same(&dir, &got);
    assert!(got.join("empty").is_dir());
    let mode = fs::metadata(got.join("run.sh")).expect("there").permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "it may still be run");
    assert!(!nodes[1].home.path().join("album.part").exists());
}

#[test]
fn small_and_empty_files_arrive_too() {
    let nodes = cluster(&["alice", "bob"], |_, setup| setup);
    for (name, len) in [("nothing", 0), ("byte", 1), ("exact", MIB), ("more", MIB + 1)] {
        let (path, bytes) = file(&nodes[0], name, len);
        let ticket = share(&nodes[0], &path);
        nodes[1].tell(&["get", &ticket]);
        assert_eq!(fs::read(nodes[1].home.path().join(name)).expect("in place"), bytes, "{name}");
    }
}

#[test]
fn four_fetch_at_once_and_share_among_themselves() {
    let slow = |label: &str, setup: crate::common::Setup| match label {
        // So slow that fetching everything from it would take four times as long.
        "alice" => setup.set("pieces.upload_bytes_per_second=16777216"),
        _ => setup,
    };
    let nodes = cluster(&["alice", "bob", "carol", "dave", "erin"], slow);
    let (path, bytes) = file(&nodes[0], "film", 48 * MIB);
    let ticket = share(&nodes[0], &path);
    let gets: Vec<_> =
        nodes[1..].iter().map(|n| begin(n, &ticket, &n.home.path().join("film"))).collect();
    for get in gets {
        let done = end(get);
        assert_eq!(done.code, Some(0), "{done:?}");
    }
    let mut from_alice = 0;
    for node in &nodes[1..] {
        assert_eq!(fs::read(node.home.path().join("film")).expect("in place"), bytes);
        let row = transfer(node);
        let received = number(&row, "bytes_received");
        assert!(received <= bytes.len() as u64 * 102 / 100, "{received} bytes came: {row:#}");
        let sources = row["sources"].as_array().expect("a list");
        from_alice += sources
            .iter()
            .filter(|s| s["id"] == nodes[0].id)
            .map(|s| number(s, "bytes"))
            .sum::<u64>();
    }
    assert!(from_alice < 3 * bytes.len() as u64, "the others gave, too: alice gave {from_alice}");
}

#[test]
fn a_file_nobody_has_is_waited_for() {
    let nodes = cluster(&["alice", "bob"], |_, setup| setup);
    let (path, bytes) = file(&nodes[0], "late", MIB);
    let ticket = share(&nodes[0], &path);
    nodes[0].tell(&["forget", "late"]);
    assert!(path.exists(), "what is shared stays where it is");
    let out = nodes[1].home.path().join("late");
    let done = nodes[1].ask(&["get", &ticket, "--out", str(&out), "--timeout", "1"]);
    assert_eq!(done.code, Some(4), "{done:?}");
    share(&nodes[0], &path);
    wait_transfer(&nodes[1], "the file, once it is shared again", |t| t["phase"] == "done");
    assert_eq!(fs::read(&out).expect("in place"), bytes);
}

#[test]
fn what_is_there_already_is_not_overwritten_unless_told_to() {
    let nodes = cluster(&["alice", "bob"], |_, setup| setup);
    let (path, bytes) = file(&nodes[0], "film", MIB);
    let ticket = share(&nodes[0], &path);
    let out = nodes[1].home.path().join("film");
    fs::write(&out, "mine").expect("written");
    let done = nodes[1].ask(&["get", &ticket]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("--force"), "{}", done.stderr);
    assert_eq!(fs::read(&out).expect("there"), b"mine");
    nodes[1].tell(&["get", &ticket, "--force"]);
    assert_eq!(fs::read(&out).expect("there"), bytes);
}

#[test]
fn a_daemon_without_a_state_directory_shares_and_fetches() {
    let alice = node("alice").in_memory().start();
    let bob = node("bob").in_memory().joins(alice.addr).start();
    let (path, bytes) = file(&alice, "film", 2 * MIB);
    let ticket = share(&alice, &path);
    bob.tell(&["get", &ticket]);
    assert_eq!(fs::read(bob.home.path().join("film")).expect("in place"), bytes);
}

#[test]
fn what_was_fetched_and_deleted_is_fetched_again_when_it_is_wanted() {
    let nodes = cluster(&["alice", "bob"], |_, setup| setup);
    let (path, bytes) = file(&nodes[0], "film", 2 * MIB);
    let ticket = share(&nodes[0], &path);
    let got = nodes[1].home.path().join("film");
    nodes[1].tell(&["get", &ticket]);
    let done = nodes[1].ask(&["get", &ticket]);
    assert!(done.stderr.contains("here already"), "{done:?}");
    fs::remove_file(&got).expect("it is bob's");
    nodes[1].tell(&["get", &ticket]);
    assert_eq!(fs::read(&got).expect("in place"), bytes);
}

#[test]
fn a_get_that_runs_is_found_again_and_does_not_swallow_another_place() {
    let nodes =
        cluster(&["alice", "bob"], |_, setup| setup.set("pieces.upload_bytes_per_second=4194304"));
    let (path, bytes) = file(&nodes[0], "film", 48 * MIB);
    let ticket = share(&nodes[0], &path);
    let (out, other) = (nodes[1].home.path().join("film"), nodes[1].home.path().join("other"));
    let first = begin(&nodes[1], &ticket, &out);
    wait_transfer(&nodes[1], "a little of it", |t| crate::files::percent(t) >= 10);
    let done = nodes[1].ask(&["get", &ticket, "--out", str(&other)]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains(str(&out)), "{done:?}");
    let done = nodes[1].ask(&["get", &ticket, "--out", str(&out), "--force"]);
    assert!(done.stderr.contains("--force"), "{done:?}");
    // To where the caller is, which is the same.
    let done =
        nodes[1].ask(&["get", &ticket, "--out", str(nodes[1].home.path()), "--timeout", "1"]);
    assert_eq!(done.code, Some(4), "{done:?}");
    // Stopped and wanted again at once, it goes on: whoever lets go of it is waited for.
    let number = number(&transfer(&nodes[1]), "transfer");
    nodes[1].tell(&["transfers", "--stop", &number.to_string()]);
    nodes[1].tell(&["get", &ticket, "--out", str(&out)]);
    assert_ne!(end(first).code, Some(0), "it watched the one that was stopped");
    assert_eq!(fs::read(&out).expect("in place"), bytes);
    let received = crate::files::number(&transfer(&nodes[1]), "bytes_received");
    assert!(received < bytes.len() as u64, "{received}: what was there was not fetched again");
    assert!(!other.exists());
}
