//! What goes wrong at the command line: each mistake is one clear message, the right exit code, and never a
//! panic.

mod common;

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Done, node, program, run, skipped, wait_until};
use tempfile::TempDir;

fn home() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// It ended with this code and one message that says all of this.
#[track_caller]
fn failed(done: &Done, code: i32, says: &[&str]) {
    assert_eq!(done.code, Some(code), "{done:#?}");
    assert_eq!(done.errors().len(), 1, "one message: {done:#?}");
    for words in says {
        assert!(done.stderr.contains(words), "{words:?} in {done:#?}");
    }
    assert!(!done.stderr.contains("panicked"), "{done:#?}");
    assert_eq!(done.stdout, "", "stdout is for what was asked");
}

fn openssl(args: &[&str]) {
    let done = Command::new("openssl").args(args).output().expect("openssl");
    assert!(done.status.success(), "{done:?}");
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
}

/// A private key made by openssl, readable by its owner only.
fn key(home: &TempDir, name: &str, algorithm: &[&str]) -> String {
    let path = home.path().join(name);
    let file = path.to_string_lossy().into_owned();
    openssl(&[&["genpkey", "-out", &file, "-algorithm"], algorithm].concat());
    mode(&path, 0o600);
    file
}

const PORT: [&str; 4] =
    ["-s", "network.controller.listen.addr=127.0.0.1", "-s", "network.controller.listen.port=0"];

/// Starts a daemon that must not start.
fn daemon(home: &TempDir, args: &[&str]) -> Done {
    run(home.path(), &[&PORT, args].concat())
}

#[test]
fn keys_that_are_not_ed25519_are_refused_with_the_command_that_makes_one() {
    let home = home();
    let rsa = key(&home, "rsa.pem", &["RSA", "-pkeyopt", "rsa_keygen_bits:1024"]);
    let ec = key(&home, "ec.pem", &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    for (file, kind) in [(rsa, "an RSA key"), (ec, "an EC key")] {
        let done = daemon(&home, &["--key", &file]);
        failed(&done, 2, &[kind, &file, "openssl genpkey -algorithm ed25519"]);
    }
}

#[test]
fn key_files_that_are_missing_or_open_to_others_are_refused() {
    let home = home();
    failed(&daemon(&home, &["--key", "nothing.pem"]), 2, &["nothing.pem does not exist"]);
    let good = key(&home, "good.pem", &["ed25519"]);
    mode(Path::new(&good), 0o644);
    failed(&daemon(&home, &["--key", &good]), 2, &["mode 0644", "chmod 600"]);
    fs::write(home.path().join("text.pem"), "hello\n").expect("ours");
    mode(&home.path().join("text.pem"), 0o600);
    failed(&daemon(&home, &["--key", "text.pem"]), 2, &["text.pem holds no PEM section"]);
    failed(&daemon(&home, &["--key", "."]), 2, &["no identity"]);
}

#[test]
fn a_certificate_of_another_key_is_refused() {
    let home = home();
    let (ours, other) = (key(&home, "a.pem", &["ed25519"]), key(&home, "b.pem", &["ed25519"]));
    let cert = home.path().join("b.crt").to_string_lossy().into_owned();
    openssl(&["req", "-x509", "-key", &other, "-out", &cert, "-days", "9", "-subj", "/CN=b"]);
    let done = daemon(&home, &["--key", &ours, "--cert", &cert]);
    failed(&done, 2, &["does not belong to the key", &ours, &cert]);
    failed(&daemon(&home, &["--cert", &cert]), 2, &["network.cert", "network.key"]);
}

#[test]
fn a_port_in_use_is_named_with_a_way_out() {
    let (home, taken) = (home(), TcpListener::bind("127.0.0.1:0").expect("a port"));
    let addr = taken.local_addr().expect("bound");
    let port = addr.port().to_string();
    let set = format!("network.controller.listen.port={port}");
    let done = daemon(&home, &["-s", &set]);
    failed(&done, 1, &[&format!("cannot listen on {addr}"), "in use", "listen.port="]);
    let done = daemon(&home, &["-s", "network.controller.listen.addr=192.0.2.7"]);
    failed(&done, 1, &["cannot listen on 192.0.2.7:0", "listen.addr"]);
}

#[test]
fn wrong_settings_name_key_value_layer_and_what_was_meant() {
    let home = home();
    let secret = format!("network.secret={}", "hush".repeat(100));
    for (args, says) in [
        (vec!["--period", "0"], vec!["network.period", "0", "--period", "0.05"]),
        (vec!["--period", "-1"], vec!["period", "-1"]),
        (vec!["-s", "network.perod=1"], vec!["network.perod", "= 1", "-s", "network.period"]),
        (
            vec!["-s", "network.controller.incoming.max_conn_count=0"],
            vec!["max_conn_count = 0", "1 to 1024", "from -s"],
        ),
        (vec!["-s", "network.period=[1,2]"], vec!["network.period", "expected"]),
        (vec!["-s", "novalue"], vec!["-s novalue", "key=value"]),
        (vec!["-s", "network=1"], vec!["section"]),
        (vec!["-s", "control.listen=0.0.0.0:80"], vec!["control.listen", "0.0.0.0:80"]),
        (
            vec!["-s", "network.controller.peers.heartbeat_timeout=1"],
            vec!["heartbeat_timeout", "at least 2 x", "heartbeat_period"],
        ),
        (vec!["-s", &secret], vec!["network.secret", "(secret)", "256"]),
        (
            vec!["-s", "network.controller.target.path=gone.json"],
            vec!["gone.json", "network.controller.target.path", "-s"],
        ),
    ] {
        for verb in [&["check"][..], &[]] {
            let done = run(home.path(), &[&args, verb].concat());
            assert_eq!(done.code, Some(2), "{args:?} {done:#?}");
            assert!(done.stderr.starts_with("error: "), "{args:?} {done:#?}");
            assert!(!done.stderr.contains("hush"), "a secret is never shown: {done:#?}");
            for words in &says {
                assert!(done.stderr.contains(words), "{words:?} in {args:?} {done:#?}");
            }
        }
    }
    let mut command = program(home.path());
    command.env("KITH__NETWORK__PERIOD", "soon").arg("check");
    let done = Done::of(command.output().expect("starts"));
    failed(&done, 2, &["network.period", "soon", "KITH__NETWORK__PERIOD"]);
}

fn config_dir(home: &TempDir, files: &[(&str, &str)]) {
    let network = home.path().join("config/network");
    fs::create_dir_all(&network).expect("ours");
    for (name, text) in files {
        fs::write(network.join(name), text).expect("ours");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let home = home();
    config_dir(&home, &[("bob.toml", "[network]\nperiod = 0\nnmae = \"x\"\n")]);
    let done = run(home.path(), &["-c", "config", "-p", "bob", "-s", "log.format=xml", "check"]);
    failed(&done, 2, &["network.period", "network.nmae", "log.format", "bob.toml:2", "bob.toml:3"]);
}

#[test]
fn a_wrong_profile_or_directory_says_what_there_is() {
    let home = home();
    config_dir(&home, &[("alice.toml", ""), ("bob.toml", "")]);
    let done = run(home.path(), &["-c", "config", "-p", "bbo"]);
    failed(&done, 2, &["no profile bbo", "there are alice, bob", "did you mean bob?"]);
    failed(&run(home.path(), &["-c", "nowhere"]), 2, &["no directory nowhere"]);
    let done = run(home.path(), &["-c", "config", "-p", "../../etc/passwd"]);
    assert_eq!(done.code, Some(2), "{done:?}");
}

#[test]
fn a_file_that_is_not_toml_is_named_with_its_line() {
    let home = home();
    config_dir(&home, &[("bob.toml", "label = \"bob\"\n[network\nperiod = 1\n")]);
    let done = run(home.path(), &["-c", "config", "-p", "bob"]);
    failed(&done, 2, &["bob.toml:2:", "not TOML"]);
    config_dir(&home, &[("bob.toml", "\0\u{1}")]);
    failed(&run(home.path(), &["-c", "config", "-p", "bob"]), 2, &["bob.toml:1:"]);
}

#[test]
fn a_file_of_first_peers_may_not_hold_nonsense() {
    let home = home();
    for text in ["", "{}", "[1]", "[\"nowhere\"]", "[\"a:99999\"]", "[[[[[["] {
        fs::write(home.path().join("peers.json"), text).expect("ours");
        let done = daemon(&home, &["-s", "network.controller.target.path=peers.json"]);
        failed(&done, 2, &["peers.json"]);
    }
}

#[test]
fn a_second_daemon_on_one_state_directory_is_told_who_holds_it() {
    let mut first = node("alice").start();
    let set = format!("state.dir={}", first.state.display());
    let done = run(first.home.path(), &[&PORT[..], &["-s", &set]].concat());
    failed(&done, 1, &[&format!("pid {}", first.pid()), "in use by another node"]);
    first.assert_well();
}

#[test]
fn a_damaged_address_book_is_set_aside_and_the_daemon_starts() {
    let first = node("alice").start();
    let (id, state) = (first.id.clone(), first.state.clone());
    let home = first.kill();
    for damage in [&b"not a database at all"[..], &[0; 8192], b""] {
        fs::write(state.join("kith.redb"), damage).expect("ours");
        let mut again = node("alice").at(home.clone()).start();
        assert_eq!(again.id, id);
        again.assert_well();
        if !damage.is_empty() {
            assert!(again.stderr().contains("set-aside"), "{}", again.stderr());
        }
        again.kill();
    }
    let aside = |name: &str| name.contains("set-aside");
    let names =
        fs::read_dir(&state).expect("ours").filter_map(|e| e.ok()?.file_name().into_string().ok());
    assert_eq!(names.filter(|n| aside(n)).count(), 2);
}

#[test]
fn a_lost_or_damaged_key_is_not_silently_replaced() {
    let first = node("alice").start();
    let state = first.state.clone();
    let home = first.kill();
    let set = format!("state.dir={}", state.display());
    let start = || run(home.path(), &[&PORT[..], &["-s", &set]].concat());
    fs::remove_file(state.join("identity.key")).expect("it was made");
    failed(&start(), 2, &["identity.key", "restore the key"]);
    fs::write(state.join("identity.key"), "garbage").expect("ours");
    mode(&state.join("identity.key"), 0o600);
    failed(&start(), 2, &["identity.key", "no PEM section"]);
}

#[test]
fn verbs_without_a_daemon_say_how_to_start_one() {
    let home = home();
    for verb in [
        &["status"][..],
        &["peers", "--json"],
        &["graph"],
        &["path", "bob"],
        &["shout", "hi"],
        &["stop"],
        &["reload"],
        &["config", "--running"],
        &["share", "."],
        &["get", FILE_ID],
        &["transfers"],
        &["pieces", "--json"],
        &["forget", "disc.iso"],
        &["push", "--to", "bob", "--msg", "hi"],
        &["pull"],
        &["pull", "--follow"],
        &["letters", "--json"],
        &["letters", "show", "3f2a91bc"],
        &["relays"],
    ] {
        failed(&run(home.path(), verb), 3, &["no daemon to ask", "start it with: node"]);
    }
    let done = run(home.path(), &["-c", "config", "-p", "bob", "status"]);
    failed(&done, 3, &["node -c config -p bob"]);
    // An address file whose daemon has gone.
    let dead = node("alice").start();
    let state = dead.state.clone();
    let keep = dead.kill();
    let mut command = program(keep.path());
    let done = command.env("KITH_STATE", &state).arg("status").output().expect("starts");
    failed(&Done::of(done), 3, &["no daemon to ask"]);
}

/// A bare file id is a ticket, too.
const FILE_ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// What is wrong with the words themselves is told before any daemon is looked for.
#[test]
fn files_and_tickets_that_are_none_are_told_with_what_to_do() {
    let home = home();
    fs::write(home.path().join("file"), "x").expect("ours");
    let long = "x".repeat(100_000);
    for (args, says) in [
        (&["share", "gone"][..], &["cannot share gone", "No such file", "try: name a file"][..]),
        (&["share", "gone", ""], &["PATH"]),
        (&["share", ""], &["PATH"]),
        (&["share", "file/below"], &["cannot share file/below", "Not a directory"]),
        (&["get", "kith1nonsense"], &["cannot read the ticket", "try: copy it again"]),
        (&["get", ""], &["cannot read the ticket", "nothing was given"]),
        (&["get", "\u{1b}[2J"], &["cannot read the ticket"]),
        (&["get", &long], &["cannot read the ticket", "too long"]),
        (&["get", &FILE_ID[1..]], &["cannot read the ticket"]),
        (
            &["get", FILE_ID, "--out", "gone/disc.iso"],
            &["gone/disc.iso", "no directory gone", "try: mkdir -p gone"],
        ),
        (&["get", FILE_ID, "--out", "gone/"], &["no directory gone/", "mkdir"]),
        (&["get", FILE_ID, "--out", "file/x"], &["no directory file"]),
    ] {
        let done = run(home.path(), args);
        failed(&done, 2, says);
        assert!(!done.stderr.contains('\u{1b}'), "{args:?}: raw control characters");
    }
}

/// As for files: the words are looked at before any daemon is.
#[test]
fn letters_that_are_none_are_told_with_what_to_do() {
    let home = home();
    let write = |name: &str, bytes: usize| {
        fs::write(home.path().join(name), vec![b'x'; bytes]).expect("ours");
    };
    write("empty", 0);
    write("large", (1 << 20) + 1);
    write("fits", 1 << 20);
    let to = ["push", "--to", "bob"];
    for (args, says) in [
        (&[][..], &["--msg <TEXT>", "--file <FILE>"][..]),
        (&["--msg", ""], &["cannot send a letter to bob", "it says nothing", "try: --msg"]),
        (&["--file", "empty"], &["it says nothing"]),
        (&["-"], &["it says nothing"]),
        (&["--file", "large"], &["at most 1.0 MiB (1048576 bytes)", "try: node share"]),
        (&["--file", "gone"], &["gone cannot be read: No such file", "try: name a file"]),
        (&["--file", "."], &[". cannot be read: Is a directory"]),
        (&["--file", "\u{1b}[2J"], &["cannot be read"]),
        (&["--msg", "hi", "-"], &["cannot be used with"]),
        (&["--msg", "hi", "--file", "empty"], &["cannot be used with"]),
        (&["hi"], &["invalid value 'hi'"]),
        (&["--msg", "hi", "--hops", "5"], &["5 is not in 0..=4"]),
        (&["--msg", "hi", "--hops", "x"], &["'x'"]),
        (&["--msg", "hi", "--shards", "6/5"], &["K/N with 1 <= K <= N <= 128"]),
        (&["--msg", "hi", "--shards", "0/5"], &["K/N"]),
        (&["--msg", "hi", "--shards", "3/129"], &["K/N"]),
        (&["--msg", "hi", "--shards", "3"], &["K/N"]),
        (&["--msg", "hi", "--ttl", "8d"], &["from 1s to 7d"]),
        (&["--msg", "hi", "--ttl", "7"], &["from 1s to 7d"]),
        (&["--msg", "hi", "--id", ""], &["1 to 128 bytes"]),
        (&["--msg", "hi", "--timeout", "1"], &["--wait"]),
        (&["--msg", "hi", "--wait", "--timeout", "0"], &["0 is not in 1"]),
        (&["--msg", "hi", "--json", "--plain"], &["cannot be used with"]),
    ] {
        let done = run(home.path(), &[&to[..], args].concat());
        failed(&done, 2, says);
        assert!(!done.stderr.contains('\u{1b}'), "{args:?}: raw control characters");
    }
    failed(&run(home.path(), &["push", "--msg", "hi"]), 2, &["--to <WHO>"]);
    for args in [&["--limit", "0"][..], &["--limit", "x"], &["--plain", "--follow"], &["bob"]] {
        failed(&run(home.path(), &[&["pull"], args].concat()), 2, &[]);
    }
    failed(&run(home.path(), &["letters", "show"]), 2, &["<ID>"]);
    // What is right is what a daemon is looked for with.
    failed(&run(home.path(), &[&to[..], &["--file", "fits"]].concat()), 3, &["no daemon to ask"]);
}

#[test]
fn the_plain_forms_fail_in_one_word_and_keep_the_exit_status() {
    let home = home();
    for (args, code) in [
        (&["push", "--to", "bob", "--msg", "hi", "--plain"][..], 3),
        (&["push", "--to", "bob", "--msg", "", "--plain"], 2),
        (&["pull", "--plain"], 3),
    ] {
        let done = run(home.path(), args);
        assert_eq!((done.code, done.stdout.as_str()), (Some(code), "FAIL\n"), "{done:#?}");
        assert_eq!(done.errors().len(), 1, "{done:#?}");
    }
}

#[test]
fn a_letter_to_nobody_or_to_oneself_is_not_taken() {
    let alice = node("alice").start();
    let own = alice.id.clone();
    let push = |to: &str| alice.ask(&["push", "--to", to, "--msg", "hi"]);
    failed(&push("nobody"), 1, &["cannot tell who \"nobody\" is", "try: node peers"]);
    failed(&push("\u{1b}[2J"), 1, &["cannot tell who \"\\u{1b}[2J\" is"]);
    failed(&push("192.0.2.1"), 1, &["192.0.2.1", "give its port, too"]);
    failed(&push("127.0.0.1:1"), 1, &["cannot tell who is at 127.0.0.1:1"]);
    for to in ["alice", own.as_str(), &own[..8]] {
        failed(&push(to), 2, &["addressed to this node itself", "try: name another node"]);
    }
    let done = alice.ask(&["push", "--to", "nobody", "--msg", "hi", "--plain"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), "FAIL\n"), "{done:#?}");
    failed(&alice.ask(&["letters", "show", "xyz"]), 2, &["not the id of a letter", "first 8"]);
    failed(&alice.ask(&["pull", "--with", "nobody"]), 1, &["cannot tell who"]);
    failed(&alice.ask(&["letters", "--with", "nobody"]), 1, &["cannot tell who"]);
    drop(alice);
}

#[test]
fn each_path_is_shared_whatever_becomes_of_the_others() {
    let alice = node("alice").start();
    for name in ["a", "b"] {
        fs::write(alice.home.path().join(name), name).expect("ours");
    }
    let path = |name: &str| alice.home.path().join(name).display().to_string();
    let paths = [path("a"), path("gone"), path("b")];
    let [a, gone, b] = paths.each_ref().map(String::as_str);
    let done = alice.ask(&["share", a, gone, b]);
    assert_eq!((done.code, done.errors().len()), (Some(1), 1), "{done:#?}");
    assert!(done.stderr.contains("cannot share"), "{done:#?}");
    assert_eq!(done.stdout.matches("kith1").count(), 2, "{done:#?}");

    let done = alice.ask(&["share", gone, "--progress", "json"]);
    assert_eq!(done.code, Some(2), "{done:#?}");
    let told: serde_json::Value = serde_json::from_str(&done.stderr).expect("one object");
    assert!(told["error"].as_str().expect("a text").contains("cannot share"), "{told}");
    assert!(told["try"].is_string() && told["because"].is_string(), "{told}");
    drop(alice);
}

#[test]
fn state_that_cannot_be_written_ends_the_start() {
    let home = home();
    fs::write(home.path().join("file"), "").expect("ours");
    for dir in ["file", "file/below", "/proc/1/kith", "/dev/null"] {
        let done = daemon(&home, &["-s", &format!("state.dir={dir}")]);
        failed(&done, 1, &["cannot use the state directory", dir]);
    }
}

/// A small file system of its own, for as long as this lives.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn mount(at: PathBuf, size: &str) -> Option<Tmpfs> {
        fs::create_dir(&at).expect("ours");
        let options = format!("size={size}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "kith-test"]).arg(&at);
        let mounted = mount.output().is_ok_and(|done| done.status.success());
        mounted.then_some(Tmpfs(at))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_told_at_the_start_and_survived_while_running() {
    let home = home();
    let Some(disk) = Tmpfs::mount(home.path().join("disk"), "8m") else {
        return skipped("only root can mount a small disk");
    };
    let state = disk.0.join("state");
    let set = format!("state.dir={}", state.display());
    fs::write(disk.0.join("ballast"), vec![7; 16 << 20]).expect_err("a small disk");
    let done = daemon(&home, &["-s", &set]);
    assert_eq!(done.errors().len(), 1, "{done:#?}");
    assert!([Some(1), Some(2)].contains(&done.code), "{done:#?}");
    assert!(done.stderr.contains("no space left"), "{done:#?}");

    fs::remove_file(disk.0.join("ballast")).expect("ours");
    let mut alice = node("alice").set(&set).spawn();
    alice.state = state;
    alice.wait_ready();
    fs::write(disk.0.join("ballast"), vec![7; 16 << 20]).expect_err("a small disk");
    let bob = node("bob").joins(alice.addr).start();
    wait_until("a link on a full disk", || alice.linked(&bob.id));
    alice.tell(&["pin", "bob"]);
    wait_until("the complaint", || alice.stderr().contains("not saved"));
    alice.assert_well();
    fs::remove_file(disk.0.join("ballast")).expect("ours");
    wait_until("saved at last", || alice.stderr().contains("is saved again"));
    alice.assert_well();
}

#[test]
fn huge_and_odd_arguments_are_refused_politely() {
    let home = home();
    let long = "x".repeat(100_000);
    let (set, who) = (format!("{long}=1"), format!("label={long}"));
    for args in [
        &["-s", &set][..],
        &["-s", &who],
        &["-p", &long],
        &["-c", &long],
        &["--connect", &long],
        &["--connect", "\u{1b}[2J"],
        &["-s", "\u{7f}=1"],
        &["-s", "=1"],
        &["-s", ""],
        &["--key", &long],
        &[&long],
        &["--port", "70000"],
        &["--period", "nan"],
        &["--period", "inf"],
        &["--period", "1e999"],
        &["--control", "example.com:1", "status"],
        &["--control", "127.0.0.1:1", "status"],
    ] {
        let done = run(home.path(), args);
        let shown: Vec<_> = args.iter().map(|a| a.chars().take(30).collect::<String>()).collect();
        assert_eq!(done.code, Some(2), "{shown:?} {:.2000}", done.stderr);
        assert!(done.stderr.starts_with("error: "), "{shown:?} {:.2000}", done.stderr);
        assert!(!done.stderr.contains('\u{1b}'), "{shown:?}: raw control characters");
    }
    let mut command = program(home.path());
    let bytes = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff\xfe");
    let odd: &std::ffi::OsStr = bytes;
    let done = Done::of(command.arg("-s").arg(odd).output().expect("starts"));
    assert_eq!(done.code, Some(2), "{done:?}");
}

#[test]
fn help_and_version_are_printed_to_stdout() {
    let home = home();
    for args in [&["--help"][..], &["-h"], &["--version"], &["push", "--help"], &["help"]] {
        let done = run(home.path(), args);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{args:?}");
        assert!(!done.stdout.is_empty(), "{args:?}");
    }
    assert!(run(home.path(), &["--help"]).stdout.contains("Exit status: 0 done, 1 failed"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let node = node("alice").start();
    for args in [&["--help"][..], &["config"], &["status"], &["graph", "--format", "svg"]] {
        let mut command = program(node.home.path());
        command.env("KITH_STATE", &node.state).args(args);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        let status = child.wait().expect("our child");
        assert_eq!((status.code(), said.as_str()), (Some(0), ""), "{args:?}");
    }
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux");
    let mut command = program(node.home.path());
    command.env("KITH_STATE", &node.state).arg("config").stdout(full);
    let done = Done::of(command.output().expect("starts"));
    failed(&done, 1, &["cannot print"]);
}

/// Somebody pipes the daemon into `head`, or into a program that hangs.
#[test]
fn a_daemon_whose_stdout_is_closed_or_full_goes_on() {
    let home = home();
    let alice = node("alice").set("network.period=0.05").start();
    for close in [true, false] {
        let state = home.path().join(format!("state-{close}"));
        let mut command = program(home.path());
        command.args(PORT).arg("-s").arg(format!("state.dir={}", state.display()));
        command.arg("--connect").arg(alice.addr.to_string());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("starts");
        let pipe = child.stdout.take();
        let held = if close { None } else { pipe };
        let ask = |verb: &str| {
            let mut command = program(home.path());
            Done::of(
                command.env("KITH_STATE", &state).args([verb, "--json"]).output().expect("starts"),
            )
        };
        wait_until("a link", || ask("status").stdout.contains("\"links\": 1"));
        // 64 KiB fill a pipe; these are shouts of 15 KiB.
        let long = "la ".repeat(5000);
        for _ in 0..12 {
            alice.tell(&["shout", &long]);
        }
        wait_until("it still answers", || ask("peers").code == Some(0));
        assert!(child.try_wait().expect("our child").is_none(), "it runs");
        let stopped = ask_stop(&home, &state);
        assert_eq!(stopped.code, Some(0), "{stopped:?}");
        assert_eq!(child.wait().expect("our child").code(), Some(0));
        drop(held);
    }
}

fn ask_stop(home: &TempDir, state: &Path) -> Done {
    let mut command = program(home.path());
    Done::of(command.env("KITH_STATE", state).arg("stop").output().expect("starts"))
}
