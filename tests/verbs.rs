//! What verbs print for programs, and what `node check` says about twenty configurations that are wrong.

mod common;

use std::fs;
use std::path::Path;

use common::{Done, Node, node, program, run, wait_until};
use serde_json::Value;

/// The names of the fields of a verb's answer, in their order.
fn fields(done: &Done) -> String {
    let answer: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{done:?}"));
    assert_eq!(answer["schema"], 1, "{answer}");
    let names = answer.as_object().expect("an object").keys();
    names.skip(1).map(String::as_str).collect::<Vec<_>>().join(" ")
}

fn told(node: &Node, args: &[&str]) -> String {
    let done = node.ask(&[args, &["--json"]].concat());
    assert_eq!((done.code, done.errors().len()), (Some(0), 0), "{args:?} {done:?}");
    fields(&done)
}

#[test]
fn every_verb_that_shows_something_has_json() {
    let alice = node("alice").start();
    let bob = node("bob").joins(alice.addr).start();
    wait_until("a link", || alice.linked(&bob.id) && bob.linked(&alice.id));
    let path = alice.home.path().join("song");
    fs::write(&path, vec![7; 3000]).expect("ours");
    let path = path.to_string_lossy().into_owned();
    let letter = "id to label state why bytes tries hops paths wanted_hops shards created_ms sent_ms stored_ms \
                  delivered_ms read_ms expires_ms";
    let transfer = "transfer kind phase file_id name path bytes bytes_done bytes_received pieces pieces_done \
                    bytes_per_second eta_s bottleneck unheld sources ticket problem seconds verified since_ms left_out";
    assert_eq!(told(&alice, &["share", &path]), "ticket file_id size pieces");
    let shared: Value = alice.json("pieces");
    let ticket = shared["pieces"][0]["ticket"].as_str().expect("a ticket");
    assert_eq!(told(&bob, &["get", ticket]), "file_id path bytes verified seconds");
    let transfers = bob.json("transfers");
    let names: Vec<&String> = transfers["transfers"][0].as_object().expect("one").keys().collect();
    assert_eq!(names, transfer.split_whitespace().collect::<Vec<_>>());
    let pushed = told(&alice, &["push", "--to", &bob.id, "--msg", "hi", "--wait"]);
    assert_eq!(pushed, format!("{letter} warnings"));
    let letters = alice.json("letters");
    let id = letters["letters"][0]["id"].as_str().expect("an id");
    for (args, names) in [
        (
            &["status"][..],
            "id label version uptime_s listen state_dir nodes_alive links handshakes joined health problems counters",
        ),
        (&["peers"], "peers"),
        (&["graph"], "self nodes links changed_ms"),
        (&["graph", "--format", "json"], "self nodes links changed_ms"),
        (&["path", "bob"], "to hops rtt_us walk"),
        (&["why", "bob"], "id label state evidence"),
        (&["ping", "bob"], "id rtt_us hops"),
        (&["transfers"], "transfers"),
        (&["pieces"], "pieces"),
        (&["letters"], "letters conversations"),
        (&["letters", "show", id], letter),
        (&["relays"], "volunteer mailbox nodes mailboxes kept counters"),
        (&["config"], "settings"),
        (&["config", "--running", "--origin"], "settings"),
        (&["check"], "good settings problems"),
    ] {
        let told = match args {
            // It is JSON already.
            ["graph", "--format", ..] => fields(&alice.ask(args)),
            args => told(&alice, args),
        };
        assert_eq!(told, names, "{args:?}");
    }
    assert_eq!(told(&bob, &["pull"]), "letters unread");
    assert_eq!(told(&bob, &["pull", "--peek"]), "letters unread");
    drop(alice);
}

/// One configuration that is wrong: what is written where, and what must be said of it.
struct Bad {
    /// In `config/network/bob.toml`.
    file: &'static str,
    /// In the environment.
    env: Option<(&'static str, &'static str)>,
    /// On the command line.
    args: &'static [&'static str],
    key: &'static str,
    value: Option<&'static str>,
    /// The beginning of the range.
    range: Option<&'static str>,
    /// The end of the layer.
    layer: &'static str,
}

const PORT: &str = "network.controller.listen.port";
const PORTS: Option<&str> = Some("a whole number from 0 to 65535");

const BAD: [Bad; 20] = [
    file("[network.controller.listen]\nport = 99999", PORT, Some("99999"), PORTS, "bob.toml:2"),
    file(
        "[network.controller.listen]\nport = \"http\"",
        PORT,
        Some("\"http\""),
        PORTS,
        "bob.toml:2",
    ),
    file(
        "\n[network.controller.listen]\nprt = 1",
        "network.controller.listen.prt",
        Some("1"),
        None,
        "bob.toml:3",
    ),
    file("label = 7", "label", Some("7"), Some("a text of 0 to 64 bytes"), "bob.toml:1"),
    file("network = 1", "network", None, Some("a section with "), "bob.toml:1"),
    file(
        "[network]\ntrust = \"opne\"",
        "network.trust",
        Some("\"opne\""),
        Some("\"open\" or \"pinned-only\""),
        "bob.toml:2",
    ),
    file(
        "[network]\nname = \"\"",
        "network.name",
        Some("\"\""),
        Some("a text of 1 to 64 bytes"),
        "bob.toml:2",
    ),
    file(
        "[network]\ndeny = [\"abc\"]",
        "network.deny",
        Some("[\"abc\"]"),
        Some("a list of at most 4096 node ids"),
        "bob.toml:2",
    ),
    file(
        "[network]\nsecret = 5",
        "network.secret",
        Some("(secret)"),
        Some("a text of "),
        "bob.toml:2",
    ),
    file(
        "[log]\nformat = \"xml\"",
        "log.format",
        Some("\"xml\""),
        Some("\"text\" or \"json\""),
        "bob.toml:2",
    ),
    file(
        "[control]\nlisten = \"0.0.0.0:80\"",
        "control.listen",
        Some("\"0.0.0.0:80\""),
        Some("a loopback address and port"),
        "bob.toml:2",
    ),
    file(
        "[network.controller.target]\nfile = \"\"\npath = \"\"",
        "network.controller.target.path",
        None,
        Some("only once"),
        "bob.toml:3",
    ),
    env(
        "KITH__NETWORK__PERIOD",
        "soon",
        "network.period",
        Some("\"soon\""),
        Some("\"auto\" or seconds from 0.05 to 3600"),
    ),
    env("KITH__LABLE", "x", "lable", None, None),
    set(
        &["--period", "0"],
        "network.period",
        "0.0",
        Some("\"auto\" or seconds from 0.05 to 3600"),
        "--period",
    ),
    set(
        &["-s", "network.controller.incoming.max_conn_count=0"],
        "network.controller.incoming.max_conn_count",
        "0",
        Some("a whole number from 1 to 1024"),
        "-s",
    ),
    set(
        &["-s", "network.controller.peers.heartbeat_timeout=1"],
        "network.controller.peers.heartbeat_timeout",
        "1.0",
        Some("at least 2 x network.controller.peers.heartbeat_period, which is 1.0"),
        "-s",
    ),
    set(
        &["-s", "network.controller.d2=maybe"],
        "network.controller.d2",
        "\"maybe\"",
        Some("true or false"),
        "-s",
    ),
    set(
        &["--cert", "a.pem"],
        "network.cert",
        "\"a.pem\"",
        Some("no certificate without its network.key"),
        "--cert",
    ),
    set(
        &["-s", "network.controller.target.path=gone.json"],
        "network.controller.target.path",
        "gone.json",
        Some("a JSON array of addresses"),
        "-s",
    ),
];

const fn file(
    file: &'static str,
    key: &'static str,
    value: Option<&'static str>,
    range: Option<&'static str>,
    layer: &'static str,
) -> Bad {
    Bad { file, env: None, args: &[], key, value, range, layer }
}

const fn env(
    name: &'static str,
    text: &'static str,
    key: &'static str,
    value: Option<&'static str>,
    range: Option<&'static str>,
) -> Bad {
    Bad { file: "", env: Some((name, text)), args: &[], key, value, range, layer: name }
}

const fn set(
    args: &'static [&'static str],
    key: &'static str,
    value: &'static str,
    range: Option<&'static str>,
    layer: &'static str,
) -> Bad {
    Bad { file: "", env: None, args, key, value: Some(value), range, layer }
}

fn check(home: &Path, bad: &Bad, more: &[&str]) -> Done {
    fs::write(home.join("config/network/bob.toml"), bad.file).expect("ours");
    let mut command = program(home);
    command.args(["-c", "config", "-p", "bob"]).args(bad.args).arg("check").args(more);
    Done::of(command.envs(bad.env).output().expect("starts"))
}

#[test]
fn twenty_mistakes_are_named_with_key_value_range_and_layer() {
    let home = tempfile::tempdir().expect("a directory");
    fs::create_dir_all(home.path().join("config/network")).expect("ours");
    for bad in &BAD {
        let (key, value) = (bad.key, bad.value);
        let done = check(home.path(), bad, &[]);
        assert_eq!(
            (done.code, done.errors().len(), done.stdout.as_str()),
            (Some(2), 1, ""),
            "{done:?}"
        );
        let because: Vec<&str> =
            done.stderr.lines().filter(|l| l.starts_with("because: ")).collect();
        let [because] = because[..] else { panic!("{key}: one mistake, one line: {done:?}") };
        for words in [Some(key), value, Some(bad.layer)].into_iter().flatten() {
            assert!(because.contains(words), "{words:?} in {because}");
        }

        let done = check(home.path(), bad, &["--json"]);
        assert_eq!((done.code, done.stderr.as_str()), (Some(2), ""), "{done:?}");
        let told: Value = serde_json::from_str(&done.stdout).expect("JSON");
        assert_eq!(
            (&told["schema"], &told["good"], &told["settings"]),
            (&1.into(), &false.into(), &Value::Null)
        );
        let [problem] = told["problems"].as_array().expect("a list").as_slice() else {
            panic!("{key}: {told}")
        };
        assert_eq!(problem["key"], key, "{told}");
        assert_eq!(problem["value"].as_str(), value, "{told}");
        let range = problem["range"].as_str();
        assert!(range.unwrap_or("").starts_with(bad.range.unwrap_or("")), "{told}");
        assert_eq!(range.is_some(), bad.range.is_some(), "{told}");
        assert!(problem["layer"].as_str().is_some_and(|l| l.ends_with(bad.layer)), "{told}");
        assert!(because.contains(problem["text"].as_str().expect("a text")), "{told} {because}");
    }
    let good = run(home.path(), &["check"]);
    assert_eq!(good.code, Some(0), "{good:?}");
    assert!(good.stdout.ends_with(" settings, all good\n"), "{good:?}");
}
