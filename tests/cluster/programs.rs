//! What other programs see of a daemon: the example client, and whoever collects figures.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{Done, Node, node, skipped, wait_or_say, wait_until};

fn pair() -> (Node, Node) {
    let first = node("alice").start();
    let second = node("bob").joins(first.addr).start();
    wait_until("a link", || first.linked(&second.id) && second.linked(&first.id));
    (first, second)
}

/// `examples/client.py` with a state directory and more.
fn client(state: &Path, more: &[&str]) -> Command {
    let mut python = Command::new("python3");
    python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/client.py")).arg(state).args(more);
    python.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    python
}

#[test]
fn the_example_client_shows_sends_and_follows() {
    if Command::new("python3").arg("--version").output().is_err() {
        return skipped("python3 is not here, in which the example client is written");
    }
    let (alice, bob) = pair();
    let mut follower = client(&bob.state, &["--follow"]).spawn().expect("python3 starts");
    let mut lines = BufReader::new(follower.stdout.take().expect("piped")).lines();
    let mut line = || lines.next().expect("a line").expect("text");
    assert!(line().starts_with(&format!("bob ({}) is ok, links: 1, up ", bob.short())));
    assert!(line().starts_with("  alice "));

    let sent = client(&alice.state, &["--to", "bob", "--msg", "lunch?"]).output();
    let sent = Done::of(sent.expect("python3 starts"));
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert!(sent.stdout.lines().nth(2).expect("a third line").starts_with("letter "), "{sent:?}");
    loop {
        let news = line();
        if news.starts_with("letter: ") {
            assert!(news.contains(&alice.id), "{news}");
            break;
        }
    }
    follower.kill().expect("our child");
    follower.wait().expect("our child");

    let nobody = client(&alice.state, &["--to", "nobody", "--msg", "lunch?"]).output();
    let nobody = Done::of(nobody.expect("python3 starts"));
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(nobody.stderr.contains("try: node peers"), "{nobody:?}");
}

/// One sample of a daemon's metrics; 0 if it is not told (yet).
fn figure(of: &Node, series: &str) -> f64 {
    let read = |name| fs::read_to_string(of.state.join(name)).expect("it is there");
    let url = format!("http://{}/metrics", read("control.addr").trim());
    let token = format!("Bearer {}", read("control.token").trim());
    let answer = ureq::get(url).header("authorization", token).call();
    let text = answer.expect("answered").body_mut().read_to_string().expect("text");
    let sample = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    sample.map_or(0.0, |value| value.parse().expect("a number"))
}

#[test]
fn figures_tell_what_has_really_happened() {
    let (alice, bob) = pair();
    let file = alice.home.path().join("file.bin");
    let bytes = 3 << 20;
    fs::write(&file, vec![7; bytes]).expect("written");
    let ticket = alice.tell(&["share", "--json", &file.display().to_string()]);
    let ticket: serde_json::Value = serde_json::from_str(&ticket).expect("JSON");
    let out = bob.home.path().join("got.bin").display().to_string();
    bob.tell(&["get", ticket["ticket"].as_str().expect("a ticket"), "--out", &out]);
    bob.tell(&["push", "--to", &alice.id, "--msg", "thanks", "--wait"]);

    let wanted = [
        (&alice, "kith_nodes{state=\"alive\"}", 2.0),
        (&alice, "kith_links{direction=\"in\"}", 1.0),
        (&alice, "kith_links_up_total{direction=\"in\"}", 1.0),
        (&bob, "kith_links_up_total{direction=\"out\"}", 1.0),
        (&bob, "kith_dials_total", 1.0),
        (&bob, "kith_pieces_verified_total", 3.0),
        (&bob, "kith_transfers_ended_total{phase=\"done\"}", 1.0),
        (&alice, "kith_files_served", 1.0),
        (&alice, "kith_letters_received_total", 1.0),
        (&alice, "kith_letters_unread", 1.0),
        (&bob, "kith_letters_ended_total{state=\"delivered\"}", 1.0),
    ];
    for (of, series, value) in wanted {
        // The view of files is published a moment after what it tells.
        let told = || figure(of, series);
        wait_or_say(series, || told() == value, || format!("{} tells {}", of.label, told()));
    }
    let least = [
        (&bob, "kith_pieces_received_bytes_total"),
        (&alice, "kith_pieces_given_bytes_total"),
        (&bob, "kith_link_bytes_total{direction=\"in\"}"),
        (&alice, "kith_link_bytes_total{direction=\"out\"}"),
    ];
    for (of, series) in least {
        let told = || figure(of, series);
        wait_or_say(series, || told() >= bytes as f64, || format!("{} tells {}", of.label, told()));
    }
    assert!(figure(&bob, "kith_link_frames_total{direction=\"in\",lane=\"bulk\"}") >= 48.0);
    assert!(figure(&alice, "kith_turns_total") > 10.0);
}
