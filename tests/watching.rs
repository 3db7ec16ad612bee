//! What goes on being shown: `--watch`, and `node top` on a terminal.

mod common;

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use common::{Done, LONG, Node, node, program, run, wait_or_say, wait_until};
use serde_json::Value;

/// What a child has printed so far.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    fn of(mut pipe: impl Read + Send + 'static) -> Printed {
        let printed = Printed::default();
        let into = printed.clone();
        thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut some) {
                into.0.lock().expect("no panic while locked").extend_from_slice(&some[..count]);
            }
        });
        printed
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no panic while locked")).into()
    }

    #[track_caller]
    fn wait_for(&self, words: &[&str]) {
        let there = || words.iter().all(|word| self.text().contains(word));
        wait_or_say(&format!("{words:?}"), there, || format!("{:?}", self.text()));
    }
}

/// A verb on a terminal of its own.
struct Terminal {
    script: Child,
    printed: Printed,
}

impl Terminal {
    fn run(node: &Node, verb: &str, size: (u16, u16), env: &[(&str, &str)]) -> Terminal {
        let (columns, rows) = size;
        let exe = program(node.home.path()).get_program().to_string_lossy().into_owned();
        // The shell makes room for the verb, so that the number it prints is the verb's.
        let line = format!("stty cols {columns} rows {rows}; echo pid=$$.; exec '{exe}' {verb}");
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
            .env("TERM", "xterm-256color")
            .env("SHELL", "/bin/sh")
            .env("KITH_STATE", &node.state);
        command.envs(env.iter().copied()).current_dir(node.home.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut script = command.spawn().expect("script, of the package bsdutils");
        let printed = Printed::of(script.stdout.take().expect("piped"));
        Terminal { script, printed }
    }

    fn press(&mut self, keys: &str) {
        let stdin = self.script.stdin.as_mut().expect("piped");
        stdin.write_all(keys.as_bytes()).and_then(|()| stdin.flush()).expect("it reads");
    }

    fn signal(&self, name: &str) {
        let text = self.printed.text();
        let pid = text.split_once("pid=").and_then(|(_, rest)| rest.split_once('.'));
        let (pid, _) = pid.expect("the shell has said it");
        assert!(Command::new("kill").args([name, pid]).status().expect("kill").success());
    }

    /// Waits until it has ended: how, and all it printed.
    fn end(mut self) -> (Option<i32>, String) {
        let mut status = None;
        wait_until("its end", || {
            status = self.script.try_wait().expect("our child");
            status.is_some()
        });
        let status: ExitStatus = status.expect("it has ended");
        assert_eq!(status.signal(), None);
        // The last of it may still be on its way through the pipe.
        wait_until("its last words", || Arc::strong_count(&self.printed.0) == 1);
        (status.code(), self.printed.text())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

/// The full screen was left, and the cursor is back.
fn given_back(text: &str) -> bool {
    let (entered, left) = (text.rfind("\u{1b}[?1049h"), text.rfind("\u{1b}[?1049l"));
    entered.is_some() && left > entered && text.rfind("\u{1b}[?25h") > text.rfind("\u{1b}[?25l")
}

/// Whether it asks for any colour but the terminal's own.
fn coloured(text: &str) -> bool {
    text.split("\u{1b}[").skip(1).any(|rest| {
        let end = rest.find(|c: char| c != ';' && !c.is_ascii_digit());
        let (codes, kind) = rest.split_at(end.unwrap_or(rest.len()));
        let colour = |code: u8| matches!(code, 30..=38 | 40..=48 | 90..=107);
        kind.starts_with('m') && codes.split(';').any(|code| code.parse().is_ok_and(colour))
    })
}

fn alice_and_bob() -> (Node, Node) {
    let alice = node("alice").start();
    let bob = node("bob").joins(alice.addr).start();
    wait_until("a link", || alice.linked(&bob.id));
    (alice, bob)
}

#[test]
fn the_full_screen_shows_the_daemon_and_gives_the_terminal_back() {
    let (alice, bob) = alice_and_bob();
    let mut top = Terminal::run(&alice, "top", (80, 24), &[]);
    top.printed.wait_for(&["alice", "Peers", "bob", bob.short(), "Transfers", "Letters", "Log"]);
    top.press("?");
    top.printed.wait_for(&["quit", "PgUp"]);
    top.press("?q");
    let (code, text) = top.end();
    assert_eq!(code, Some(0), "{text:?}");
    assert!(given_back(&text) && coloured(&text) && !text.contains("panicked"), "{text:?}");

    // Whoever ends it by a signal gets the terminal back, too.
    for signal in ["-TERM", "-INT", "-HUP"] {
        let top = Terminal::run(&alice, "top", (200, 50), &[("NO_COLOR", "1")]);
        top.printed.wait_for(&["alice", "bob"]);
        top.signal(signal);
        let (code, text) = top.end();
        assert_eq!(code, Some(0), "{signal} {text:?}");
        assert!(given_back(&text), "{signal} {text:?}");
        assert!(!coloured(&text), "{text:?}");
    }

    bob.kill();
    wait_until("bob's end is noticed", || alice.json("status")["nodes_alive"] == 1);
    let mut top = Terminal::run(&alice, "top", (20, 5), &[]);
    top.printed.wait_for(&["small"]);
    top.press("\u{3}");
    let (code, text) = top.end();
    assert_eq!((code, given_back(&text)), (Some(0), true), "{text:?}");
    let mut top = Terminal::run(&alice, "top", (80, 24), &[]);
    top.printed.wait_for(&["bob", "failed"]);
    top.press("\u{1b}");
    assert_eq!(top.end().0, Some(0));
}

#[test]
fn without_a_terminal_or_a_daemon_there_is_no_full_screen() {
    let alice = node("alice").start();
    let done = alice.ask(&["top"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{done:?}");
    assert!(done.stderr.contains("try: node status --watch"), "{done:?}");
    let dumb = Terminal::run(&alice, "top", (80, 24), &[("TERM", "dumb")]);
    let (code, text) = dumb.end();
    assert_eq!(code, Some(2), "{text:?}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
    let gone = Terminal::run(&alice, "top", (80, 24), &[("KITH_STATE", "nowhere")]);
    let (code, text) = gone.end();
    assert_eq!(code, Some(3), "{text:?}");
    assert!(text.contains("no daemon to ask") && !text.contains("\u{1b}[?1049h"), "{text:?}");
}

#[test]
fn tables_are_coloured_on_a_terminal_only_and_never_with_no_color() {
    let (alice, _bob) = alice_and_bob();
    for verb in ["status", "peers", "graph", "transfers", "pieces", "letters", "relays", "config"] {
        assert!(!alice.tell(&[verb]).contains('\u{1b}'), "{verb}: no terminal");
        for plain in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let (code, text) = Terminal::run(&alice, verb, (80, 24), &[plain]).end();
            assert_eq!(code, Some(0), "{text:?}");
            assert!(!coloured(&text), "{verb} {plain:?} {text:?}");
        }
    }
    let (_, text) = Terminal::run(&alice, "peers", (80, 24), &[]).end();
    assert!(coloured(&text), "{text:?}");
    let (_, text) = Terminal::run(&alice, "peers", (80, 24), &[("NO_COLOR", "")]).end();
    assert!(coloured(&text), "an empty one is none: {text:?}");
}

/// A verb that goes on, without a terminal.
struct Watching {
    child: Child,
    stdout: Printed,
    stderr: Printed,
}

impl Watching {
    fn run(node: &Node, args: &[&str]) -> Watching {
        let mut command = program(node.home.path());
        command.env("KITH_STATE", &node.state).args(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        let stdout = Printed::of(child.stdout.take().expect("piped"));
        let stderr = Printed::of(child.stderr.take().expect("piped"));
        Watching { child, stdout, stderr }
    }

    fn lines(&self) -> Vec<String> {
        let text = self.stdout.text();
        // The last one may be half there.
        text.split_inclusive('\n').filter(|l| l.ends_with('\n')).map(|l| l.trim().into()).collect()
    }

    fn end(mut self) -> Option<i32> {
        let mut status = None;
        wait_until("its end", || {
            status = self.child.try_wait().expect("our child");
            status.is_some()
        });
        status.and_then(|status: ExitStatus| status.code())
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_ping_is_repeated_and_survives_that_nobody_answers() {
    let (alice, bob) = alice_and_bob();
    let ping = Watching::run(&alice, &["ping", "bob", "--watch"]);
    let json = Watching::run(&alice, &["ping", "bob", "--watch", "--json"]);
    let path = Watching::run(&alice, &["path", "bob", "--watch"]);
    let why = Watching::run(&alice, &["why", "bob", "--watch", "--json"]);
    wait_until("three answers", || ping.lines().len() >= 3 && json.lines().len() >= 3);
    for line in ping.lines() {
        assert!(line.starts_with(&format!("bob ({}) answered in ", bob.short())), "{line}");
    }
    for line in json.lines() {
        let answer: Value = serde_json::from_str(&line).expect("an object a line");
        assert_eq!((&answer["schema"], answer["id"].as_str()), (&1.into(), Some(bob.id.as_str())));
        assert!(answer["rtt_us"].is_u64(), "{answer}");
    }
    path.stdout.wait_for(&["1 hop, "]);
    why.stdout.wait_for(&["\"state\":\"alive\""]);
    let (home, addr) = (bob.home.clone(), bob.addr);
    bob.kill();
    ping.stderr.wait_for(&["error: "]);
    json.stderr.wait_for(&["{\"error\":"]);
    path.stderr.wait_for(&["no path to"]);
    why.stdout.wait_for(&["\"state\":\"failed\""]);
    // It comes back, and so do the answers.
    let before = (ping.lines().len(), path.lines().len());
    let port = format!("network.controller.listen.port={}", addr.port());
    let bob = node("bob").at(home).joins(alice.addr).set(&port).start();
    wait_until("answers again", || ping.lines().len() > before.0 && path.lines().len() > before.1);
    drop(bob);
    alice.tell(&["stop"]);
    for watching in [ping, json, path, why] {
        let stderr = watching.stderr.clone();
        assert_eq!(watching.end(), Some(3), "{}", stderr.text());
    }
}

#[test]
fn a_mistake_ends_a_watch_at_once() {
    let alice = node("alice").start();
    for args in [["path", "nobody"], ["why", "nobody"], ["ping", "nobody"]] {
        let begun = std::time::Instant::now();
        let done: Done = alice.ask(&[&args[..], &["--watch"]].concat());
        assert_eq!((done.code, done.errors().len()), (Some(1), 1), "{done:?}");
        assert!(begun.elapsed() < LONG);
    }
    let done = run(alice.home.path(), &["letters", "show", "3f2a91bc", "--watch"]);
    assert_eq!(done.code, Some(3), "{done:?}");
}
