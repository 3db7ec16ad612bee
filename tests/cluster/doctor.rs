//! `node doctor` beside real daemons, well and in trouble, and what goes into a bundle.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::{Done, node, program, run, text, wait_until};

/// What a check found: its result and its words, of the first with this name that is not ok, else the first.
fn found(report: &Value, name: &str) -> (String, String) {
    let checks = report["checks"].as_array().expect("checks").iter();
    let mut named: Vec<&Value> = checks.filter(|check| check["name"] == name).collect();
    named.sort_by_key(|check| check["result"] == "ok");
    let first = named.first().unwrap_or_else(|| panic!("no check {name}: {report:#}"));
    (text(&first["result"]), text(&first["what"]))
}

/// The doctor for a state directory without a daemon, with these flags; its report and its exit status.
fn look(home: &Path, flags: &[&str]) -> (Value, Option<i32>) {
    let set = format!("state.dir={}", home.join("state").display());
    let mut args = vec!["-s", &set, "-s", "network.controller.listen.addr=127.0.0.1"];
    if !flags.contains(&"--port") {
        args.extend(["-s", "network.controller.listen.port=0"]);
    }
    args.extend(flags);
    args.extend(["doctor", "--json"]);
    let done = run(home, &args);
    let report = serde_json::from_str(&done.stdout);
    (report.unwrap_or_else(|error| panic!("{error}: {done:?}")), done.code)
}

#[test]
fn a_daemon_that_is_well_passes_every_check_and_nothing_is_changed() {
    let seed = node("seed").start();
    let alice = node("alice").joins(seed.addr).set("network.secret=s3cret").start();
    // The seed has no secret: they cannot link, and alice says so.
    wait_until("the refusal", || {
        !alice.json("status")["problems"].as_array().expect("a list").is_empty()
    });
    let done = alice.ask(&["doctor"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(
        done.stdout.contains("warning  health      it is of another network"),
        "{}",
        done.stdout
    );
    assert!(
        done.stdout.contains("ok       seeds       the address to dial first answers"),
        "{}",
        done.stdout
    );

    let bob = node("bob").joins(seed.addr).start();
    wait_until("a link", || bob.linked(&seed.id));
    let before = fs::read_to_string(bob.state.join("control.token")).expect("a token");
    let report: Value = serde_json::from_str(&bob.tell(&["doctor", "--json"])).expect("JSON");
    let (daemon, pid) = (found(&report, "daemon"), format!("pid {}", bob.pid()));
    assert!(daemon.0 == "ok" && daemon.1.contains(&pid), "{daemon:?}");
    assert_eq!(found(&report, "peers").1, "1 other is there, 1 linked directly");
    assert_eq!(found(&report, "port").1, format!("the daemon listens on {}", bob.addr));
    for name in ["settings", "state", "key", "version", "health", "files"] {
        assert_eq!(found(&report, name).0, "ok", "{name}: {report:#}");
    }
    assert_eq!(fs::read_to_string(bob.state.join("control.token")).expect("a token"), before);
}

#[test]
fn real_trouble_is_named_and_decides_the_exit_status() {
    let mut alice = node("alice").start();
    let state = alice.state.clone();
    alice.tell(&["stop"]);
    alice.end();
    let home = alice.home.path();
    let (report, code) = look(home, &[]);
    assert_eq!((found(&report, "daemon").0.as_str(), code), ("warning", Some(0)), "{report:#}");

    let mode =
        |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
    mode(&state, 0o755);
    let (report, code) = look(home, &[]);
    assert_eq!((found(&report, "state").0.as_str(), code), ("warning", Some(0)), "{report:#}");
    mode(&state, 0o700);
    mode(&state.join("identity.key"), 0o644);
    let (report, code) = look(home, &[]);
    assert_eq!((found(&report, "key").0.as_str(), code), ("failed", Some(1)), "{report:#}");
    mode(&state.join("identity.key"), 0o600);

    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = holder.local_addr().expect("bound").port();
    let (report, code) = look(home, &["--port", &port.to_string()]);
    let (result, what) = found(&report, "port");
    assert!(
        result == "failed" && what.contains(&format!("(pid {})", std::process::id())),
        "{what}"
    );
    assert_eq!(code, Some(1));
    drop(holder);
    let seed = format!("127.0.0.1:{port}");
    let (report, code) = look(home, &["--connect", &seed]);
    assert_eq!((found(&report, "seeds").0.as_str(), code), ("failed", Some(1)), "{report:#}");

    let (report, code) = look(home, &["-s", "network.periods=3"]);
    let (result, what) = found(&report, "settings");
    assert!(result == "failed" && what.contains("network.periods"), "{what}");
    assert_eq!(code, Some(1));
}

#[test]
fn a_daemon_that_was_killed_or_hangs_is_told_apart() {
    let alice = node("alice").start();
    let hangs = |look: &Done| look.stdout.contains(&format!("process {}", alice.pid()));
    alice.signal("STOP");
    let done = alice.ask(&["doctor"]);
    alice.signal("CONT");
    assert!(done.code == Some(1) && hangs(&done), "{done:?}");
    let home = alice.kill();
    let (report, code) = look(home.path(), &[]);
    let (result, what) = found(&report, "daemon");
    assert!(what.contains("where the last one did"), "{what}");
    assert_eq!((result.as_str(), code), ("warning", Some(0)));
}

#[test]
fn few_open_files_are_told() {
    let alice = node("alice").start();
    let limit = ["--pid", &alice.pid().to_string(), "--nofile=64:64"].map(String::from);
    assert!(Command::new("prlimit").args(limit).status().expect("prlimit").success());
    let done = alice.ask(&["doctor", "--json"]);
    let report: Value = serde_json::from_str(&done.stdout).expect("JSON");
    let (result, what) = found(&report, "files");
    assert!(result == "failed" && what.starts_with("64 open files"), "{what}");
    assert_eq!(done.code, Some(1));
}

/// Whatever must not be in a bundle is planted, in every place it could come from.
#[test]
fn a_bundle_holds_what_is_needed_and_nothing_that_opens_or_tells() {
    const SECRET: &str = "planted secret of the network";
    const LETTER: &str = "planted text of a letter";
    const FILE: &str = "planted-name-of-a-file.txt";
    let bob = node("bob").env("KITH__NETWORK__SECRET", SECRET).start();
    let alice = node("alice").env("KITH__NETWORK__SECRET", SECRET).joins(bob.addr).start();
    wait_until("a link", || alice.linked(&bob.id));
    let shared = alice.home.path().join(FILE);
    fs::write(&shared, "planted content of a file").expect("our own file");
    let ticket = alice.tell(&["share", shared.to_str().expect("UTF-8")]);
    let ticket =
        ticket.lines().find(|line| line.starts_with("kith1")).expect("a ticket").to_owned();
    bob.tell(&["get", &ticket, "--out", bob.home.path().to_str().expect("UTF-8")]);
    alice.tell(&["push", "--to", &bob.id, "--msg", LETTER, "--wait"]);
    alice.tell(&["shout", "planted text of a shout"]);

    let token = fs::read_to_string(bob.state.join("control.token")).expect("a token");
    let key = fs::read_to_string(bob.state.join("identity.key")).expect("a key");
    let key = key.lines().find(|line| !line.starts_with('-')).expect("base64").to_owned();
    let bundle = |name: &str, more: &[&str]| {
        let file = bob.home.path().join(name);
        let mut command = program(bob.home.path());
        command.env("KITH_STATE", &bob.state).env("KITH__NETWORK__SECRET", SECRET);
        command.args(["doctor", "--bundle"]).arg(&file).args(more);
        let done = Done::of(command.output().expect("it starts"));
        assert!(done.stdout.contains("no key, token, secret or letter"), "{done:?}");
        assert_eq!(fs::metadata(&file).expect("written").permissions().mode() & 0o7777, 0o600);
        // Nothing is overwritten.
        let again = Done::of(command.output().expect("it starts"));
        assert_eq!(again.code, Some(1), "{again:?}");
        assert!(again.errors()[0].contains("cannot write the bundle"), "{again:?}");
        fs::read_to_string(file).expect("written")
    };
    let plain = bundle("plain.json", &[]);
    let file_id = text(&bob.json("pieces")["pieces"][0]["file_id"]);
    for planted in [
        SECRET,
        LETTER,
        FILE,
        &token,
        &key,
        &ticket,
        &file_id,
        "planted content",
        "planted text of a shout",
    ] {
        assert!(!planted.is_empty() && !plain.contains(planted), "{planted}:\n{plain}");
    }
    let value: Value = serde_json::from_str(&plain).expect("JSON");
    assert_eq!(value["status"]["id"], bob.id.as_str());
    assert_eq!(value["peers"][0]["id"], alice.id.as_str());
    assert_eq!(value["graph"]["links"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&value["transfers"][0]["phase"], &value["transfers"][0]["kind"]),
        (&"done".into(), &"get".into())
    );
    assert!(
        value["config"].as_array().expect("rows").iter().any(|row| row["key"] == "network.secret"
            && row["value"] == "(secret)"
            && row["origin"] == "KITH__NETWORK__SECRET")
    );
    assert!(value["doctor"].as_array().is_some_and(|checks| checks.len() > 10));
    assert!(value["system"]["kernel"].is_string());

    let named = bundle("named.json", &["--with-names"]);
    assert!(named.contains(FILE), "{named}");
    for planted in [SECRET, LETTER, &token, &key, "planted content"] {
        assert!(!named.contains(planted), "{planted}:\n{named}");
    }
}
