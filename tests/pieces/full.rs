//! The disk is full, or not there.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::common::{skipped, wait_or_say};
use crate::files::{MIB, begin, cluster, end, file, percent, share, transfer, wait_transfer};

/// A small file system of its own; none (and a reason printed) where that is not allowed.
struct Small(PathBuf);

impl Small {
    fn mount(path: PathBuf, mib: usize) -> Option<Small> {
        fs::create_dir_all(&path).expect("made");
        let size = format!("size={mib}m");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path).output();
        if mount.as_ref().is_ok_and(|done| done.status.success()) {
            return Some(Small(path));
        }
        skipped(&format!("a small file system cannot be mounted here ({mount:?})"));
        None
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // A test that fails must not leave a mount behind, even while files on it are open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_fills_up_half_way_is_said_and_waited_for() {
    let nodes =
        cluster(&["alice", "bob"], |_, setup| setup.set("pieces.upload_bytes_per_second=33554432"));
    let Some(small) = Small::mount(nodes[1].home.path().join("small"), 200) else { return };
    let (path, bytes) = file(&nodes[0], "film", 64 * MIB);
    let ticket = share(&nodes[0], &path);
    let out = small.0.join("film");
    let get = begin(&nodes[1], &ticket, &out);
    // There was room when it began; then somebody else takes what is left.
    wait_transfer(&nodes[1], "a little of it", |t| percent(t) >= 20);
    let hog = small.0.join("hog");
    // It fails when the disk is full, as it should.
    let _ = fs::write(&hog, vec![1; 256 * MIB]);
    let row = wait_transfer(&nodes[1], "the disk is full", |t| t["phase"] == "full");
    let problem = row["problem"].as_str().expect("a text").to_owned();
    assert!(
        problem.contains("space") || problem.contains("full") || problem.contains("room"),
        "{problem}"
    );
    let before = transfer(&nodes[1])["pieces_done"].as_u64().expect("a number");
    assert!(before > 0);
    fs::remove_file(&hog).expect("removed");
    wait_or_say(
        "it goes on by itself",
        || transfer(&nodes[1])["phase"] == "done",
        || format!("{:#}", transfer(&nodes[1])),
    );
    assert_eq!(end(get).code, Some(0));
    assert_eq!(fs::read(&out).expect("in place"), bytes);
}

#[test]
fn what_does_not_fit_is_said_before_anything_is_fetched() {
    let nodes = cluster(&["alice", "bob"], |_, setup| setup);
    let Some(small) = Small::mount(nodes[1].home.path().join("small"), 8) else { return };
    let (path, _) = file(&nodes[0], "film", 16 * MIB);
    let ticket = share(&nodes[0], &path);
    let out = small.0.join("film");
    let done = nodes[1].ask(&["get", &ticket, "--out", crate::files::str(&out), "--timeout", "2"]);
    assert_ne!(done.code, Some(0), "{done:?}");
    let row = transfer(&nodes[1]);
    assert_eq!(row["phase"], "full", "{row:#}");
    assert_eq!(row["bytes_done"].as_u64(), Some(0), "{row:#}");
    assert!(!out.exists());
}

#[test]
fn a_download_that_finds_no_room_after_a_restart_goes_on_by_itself_once_there_is_some() {
    let slow = |setup: crate::common::Setup| setup.set("pieces.upload_bytes_per_second=16777216");
    let mut nodes = cluster(&["alice", "bob"], |_, setup| slow(setup));
    let Some(small) = Small::mount(nodes[1].home.path().join("small"), 200) else { return };
    let (path, bytes) = file(&nodes[0], "film", 64 * MIB);
    let ticket = share(&nodes[0], &path);
    let out = small.0.join("film");
    let get = begin(&nodes[1], &ticket, &out);
    wait_transfer(&nodes[1], "a third of it", |t| percent(t) >= 33);
    let home = nodes.pop().expect("bob").kill();
    assert_eq!(end(get).code, Some(3), "the verb says that the daemon is gone");
    let hog = small.0.join("hog");
    let _ = fs::write(&hog, vec![1; 256 * MIB]);
    let bob = slow(crate::common::node("bob")).at(home).joins(nodes[0].addr).start();
    let row = wait_transfer(&bob, "there is no room", |t| t["phase"] == "full");
    assert!(row["problem"].as_str().is_some_and(|p| p.contains("no room")), "{row:#}");
    fs::remove_file(&hog).expect("removed");
    let row = wait_transfer(&bob, "the rest", |t| t["phase"] == "done");
    assert!(crate::files::number(&row, "bytes_received") < bytes.len() as u64, "{row:#}");
    assert_eq!(fs::read(&out).expect("in place"), bytes);
}
