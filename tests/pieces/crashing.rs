//! Daemons are killed at the worst moment, and what was fetched stays fetched.

use std::fs;
use std::time::{Duration, Instant};

use crate::common::{Setup, node, wait_until};
use crate::files::{
    MIB, begin, cluster, end, file, number, percent, share, transfer, wait_transfer,
};

/// Gives 16 MiB a second: a file of 48 MiB takes three seconds.
fn slow(setup: Setup) -> Setup {
    setup.set("pieces.upload_bytes_per_second=16777216")
}

#[test]
fn a_receiver_killed_half_way_goes_on_by_itself_and_fetches_little_again() {
    let mut nodes = cluster(&["alice", "bob"], |_, setup| slow(setup));
    let (path, bytes) = file(&nodes[0], "film", 96 * MIB);
    let ticket = share(&nodes[0], &path);
    let out = nodes[1].home.path().join("film");
    let get = begin(&nodes[1], &ticket, &out);
    let before = wait_transfer(&nodes[1], "half of it", |t| percent(t) >= 50);
    let home = nodes.pop().expect("bob").kill();
    assert_eq!(end(get).code, Some(3), "the verb says that the daemon is gone");
    assert!(!out.exists() && out.with_file_name("film.part").exists());
    let bob = slow(node("bob")).at(home).joins(nodes[0].addr).start();
    let row = wait_transfer(&bob, "the rest", |t| t["phase"] == "done");
    assert_eq!(fs::read(&out).expect("in place"), bytes);
    let again = number(&before, "bytes_done") + number(&row, "bytes_received");
    let most = bytes.len() as u64 + 40 * MIB as u64;
    assert!(again <= most, "{again} bytes fetched for {}", bytes.len());
    assert!(number(&row, "bytes_received") < bytes.len() as u64, "it began anew: {row:#}");
}

#[test]
fn the_only_holder_is_killed_and_comes_back_and_the_fetch_goes_on_by_itself() {
    let mut nodes = cluster(&["alice", "bob"], |_, setup| slow(setup));
    let (path, bytes) = file(&nodes[0], "film", 32 * MIB);
    let ticket = share(&nodes[0], &path);
    let out = nodes[1].home.path().join("film");
    let get = begin(&nodes[1], &ticket, &out);
    wait_transfer(&nodes[1], "a third of it", |t| percent(t) >= 33);
    let home = nodes.remove(0).kill();
    let bob = &nodes[0];
    wait_until("bob knows", || bob.json("peers").to_string().contains("failed"));
    let alice = slow(node("alice")).at(home).joins(bob.addr).start();
    let done = end(get);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(fs::read(&out).expect("in place"), bytes);
    assert!(alice.json("pieces").to_string().contains("film"));
}

#[test]
fn one_of_three_holders_is_killed_and_nothing_stalls() {
    let mut nodes = cluster(&["alice", "bob", "carol", "dave"], |_, setup| {
        setup.set("pieces.upload_bytes_per_second=8388608")
    });
    let (path, bytes) = file(&nodes[0], "film", 64 * MIB);
    for node in &nodes[1..3] {
        fs::copy(&path, node.home.path().join("film")).expect("copied");
        share(node, &node.home.path().join("film"));
    }
    let ticket = share(&nodes[0], &path);
    let out = nodes[3].home.path().join("film");
    let get = begin(&nodes[3], &ticket, &out);
    wait_transfer(&nodes[3], "a quarter of it", |t| percent(t) >= 25);
    drop(nodes.remove(1).kill());
    let dave = &nodes[2];
    let (mut last, mut moved, mut longest) = (0, Instant::now(), Duration::ZERO);
    wait_until("the rest", || {
        let row = transfer(dave);
        if number(&row, "bytes_done") > last {
            last = number(&row, "bytes_done");
            longest = longest.max(moved.elapsed());
            moved = Instant::now();
        }
        row["phase"] == "done"
    });
    assert_eq!(end(get).code, Some(0));
    assert_eq!(fs::read(&out).expect("in place"), bytes);
    // The aim is 2 s; a shared machine is given five times as long.
    assert!(longest < Duration::from_secs(10), "nothing came for {longest:?}");
    let row = transfer(dave);
    assert!(number(&row, "bytes_received") <= bytes.len() as u64 * 105 / 100, "{row:#}");
}
