//! Real daemons as child processes, for all tests that need them.
//!
//! Every node has its own home and state directory, listens on a free loopback port, and is killed when
//! dropped. Nothing here sleeps for a fixed time: [`wait_until`] polls what is waited for.
#![allow(dead_code)] // Each test binary uses a part.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Far more than anything takes on an idle machine; only a test that fails waits so long.
pub const LONG: Duration = Duration::from_secs(40);

/// Waits until `done`; panics after [`LONG`] with what `state` says.
pub fn wait_until(what: &str, done: impl FnMut() -> bool) {
    wait_or_say(what, done, String::new);
}

/// As [`wait_until`], and says more if it fails.
pub fn wait_or_say(what: &str, mut done: impl FnMut() -> bool, state: impl Fn() -> String) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < LONG, "waited {LONG:?} in vain for: {what}\n{}", state());
        thread::sleep(Duration::from_millis(25));
    }
}

/// Says why something is not tested here. Where `scripts/test.sh` has seen to it that all can be, that is a failure.
pub fn skipped(why: &str) {
    let complete = std::env::var_os("KITH_TESTS_COMPLETE").is_some();
    assert!(!complete, "KITH_TESTS_COMPLETE is set, so nothing may be skipped, but {why}");
    eprintln!("SKIPPED: {why}");
}

/// The program under test, with nothing of this machine's own settings.
pub fn program(home: &Path) -> Command {
    program_within(&[], home)
}

/// As [`program`], run by these words (such as `nsenter …`).
fn program_within(within: &[String], home: &Path) -> Command {
    let mut words = within.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_node")]);
    let mut command = Command::new(words.next().expect("at least the program"));
    command.args(words).env_clear();
    if !within.is_empty() {
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    }
    command.current_dir(home).stdin(Stdio::null());
    command.env("HOME", home).env("XDG_RUNTIME_DIR", home.join("run")).env("RUST_BACKTRACE", "1");
    command
}

/// Runs the program to its end.
pub fn run(home: &Path, args: &[&str]) -> Done {
    let output = program(home).args(args).output().expect("the program starts");
    Done::of(output)
}

/// How a run of the program ended.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    pub fn of(output: Output) -> Done {
        Done {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into(),
            stderr: String::from_utf8_lossy(&output.stderr).into(),
        }
    }

    /// The lines of stderr that begin with `error:`.
    pub fn errors(&self) -> Vec<&str> {
        self.stderr.lines().filter(|l| l.starts_with("error: ")).collect()
    }
}

/// What a node is started with.
pub struct Setup {
    label: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    home: Option<Arc<TempDir>>,
    memory: bool,
    open_files: Option<u64>,
    within: Vec<String>,
}

/// A node called `label`, on a free port of 127.0.0.1.
pub fn node(label: &str) -> Setup {
    Setup {
        label: label.into(),
        args: Vec::new(),
        env: Vec::new(),
        home: None,
        memory: false,
        open_files: None,
        within: Vec::new(),
    }
}

impl Setup {
    pub fn arg(mut self, arg: impl Into<String>) -> Setup {
        self.args.push(arg.into());
        self
    }

    pub fn set(self, setting: &str) -> Setup {
        self.arg("-s").arg(setting)
    }

    pub fn env(mut self, name: &str, value: &str) -> Setup {
        self.env.push((name.into(), value.into()));
        self
    }

    pub fn joins(self, addr: SocketAddr) -> Setup {
        self.arg("--connect").arg(addr.to_string())
    }

    /// Keeps nothing on disk.
    pub fn in_memory(mut self) -> Setup {
        self.memory = true;
        self
    }

    /// In the home of a node that ran before.
    pub fn at(mut self, home: Arc<TempDir>) -> Setup {
        self.home = Some(home);
        self
    }

    pub fn open_files(mut self, most: u64) -> Setup {
        self.open_files = Some(most);
        self
    }

    /// Run by these words (such as `nsenter …`), and so is every verb.
    pub fn within(mut self, words: &[&str]) -> Setup {
        self.within = words.iter().map(ToString::to_string).collect();
        self
    }

    /// Starts it and does not wait for anything.
    pub fn spawn(self) -> Node {
        let home = self.home.unwrap_or_else(|| Arc::new(TempDir::new().expect("a directory")));
        let mut command = program_within(&self.within, home.path());
        let state = home.path().join("state");
        if !self.memory {
            command.arg("-s").arg(format!("state.dir={}", state.display()));
        }
        command.args(["-s", "network.controller.listen.addr=127.0.0.1"]);
        command.args(["-s", "network.controller.listen.port=0"]);
        command.arg("-s").arg(format!("label={}", self.label)).args(&self.args);
        command.envs(self.env).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        if let Some(most) = self.open_files {
            let pid = child.id().to_string();
            let limit = format!("--nofile={most}");
            let set = Command::new("prlimit").args(["--pid", &pid, &limit]).status();
            assert!(set.expect("prlimit").success());
        }
        let stdout = collect(child.stdout.take().expect("piped"));
        let stderr = collect(child.stderr.take().expect("piped"));
        let pid = child.id();
        let state =
            if self.memory { home.path().join(format!("run/kith/node-{pid}")) } else { state };
        let addr = SocketAddr::from(([0, 0, 0, 0], 0));
        let (label, within, id) = (self.label, self.within, String::new());
        Node { child, home, state, label, addr, id, within, stdout, stderr }
    }

    /// Starts it and waits until it can be asked.
    pub fn start(self) -> Node {
        let mut node = self.spawn();
        node.wait_ready();
        node
    }
}

/// What a child says, as far as it has.
type Text = Arc<Mutex<String>>;

fn collect(pipe: impl Read + Send + 'static) -> Text {
    let text = Text::default();
    let into = text.clone();
    thread::spawn(move || {
        let mut lines = BufReader::new(pipe);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            into.lock().expect("no panic while locked").push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
    text
}

/// A daemon that runs.
pub struct Node {
    child: Child,
    pub home: Arc<TempDir>,
    pub state: PathBuf,
    pub label: String,
    /// Where it listens for the mesh.
    pub addr: SocketAddr,
    /// 64 hex digits.
    pub id: String,
    within: Vec<String>,
    stdout: Text,
    stderr: Text,
}

impl Node {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn stdout(&self) -> String {
        self.stdout.lock().expect("no panic while locked").clone()
    }

    pub fn stderr(&self) -> String {
        self.stderr.lock().expect("no panic while locked").clone()
    }

    pub fn wait_ready(&mut self) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                panic!("{} ended at its start, {status}:\n{}", self.label, self.stderr());
            }
            let done = self.ask(&["status", "--json"]);
            if done.code == Some(0) {
                let status: Value = serde_json::from_str(&done.stdout).expect("JSON");
                self.id = text(&status["id"]);
                self.addr = text(&status["listen"][0]).parse().expect("an address");
                return;
            }
            assert!(begun.elapsed() < LONG, "{} does not start: {done:?}", self.label);
            thread::sleep(Duration::from_millis(25));
        }
    }

    /// Runs a verb against this daemon.
    pub fn ask(&self, args: &[&str]) -> Done {
        let mut command = program_within(&self.within, self.home.path());
        Done::of(command.env("KITH_STATE", &self.state).args(args).output().expect("starts"))
    }

    /// Runs a verb that must succeed; what it printed.
    pub fn tell(&self, args: &[&str]) -> String {
        let done = self.ask(args);
        assert_eq!(done.code, Some(0), "{} {args:?}: {done:?}\n{}", self.label, self.stderr());
        done.stdout
    }

    /// The JSON a verb answers.
    pub fn json(&self, verb: &str) -> Value {
        serde_json::from_str(&self.tell(&[verb, "--json"])).expect("JSON")
    }

    /// The state of another node in this one's graph; empty if it is not there.
    pub fn sees(&self, id: &str) -> String {
        let graph = self.json("graph");
        let nodes = graph["nodes"].as_array().expect("nodes").clone();
        nodes.iter().find(|n| n["id"] == id).map_or_else(String::new, |n| text(&n["state"]))
    }

    /// This node's row about a peer; null if there is none.
    pub fn peer(&self, id: &str) -> Value {
        let peers = self.json("peers");
        let rows = peers["peers"].as_array().expect("peers").clone();
        rows.into_iter().find(|p| p["id"] == id).unwrap_or(Value::Null)
    }

    pub fn linked(&self, id: &str) -> bool {
        self.peer(id)["link"] == "up"
    }

    pub fn short(&self) -> &str {
        &self.id[..8]
    }

    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(sent.expect("kill").success(), "{} is gone", self.label);
    }

    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our child")
    }

    pub fn is_running(&mut self) -> bool {
        self.ended().is_none()
    }

    /// Waits until it has ended; how.
    pub fn end(&mut self) -> ExitStatus {
        let mut status = None;
        let label = self.label.clone();
        wait_until(&format!("the end of {label}"), || {
            status = self.ended();
            status.is_some()
        });
        status.expect("it has ended")
    }

    /// Ends it at once, as a crash would; its home.
    pub fn kill(mut self) -> Arc<TempDir> {
        self.child.kill().expect("our child");
        self.child.wait().expect("our child");
        self.home.clone()
    }

    /// Resident memory, KiB.
    pub fn memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).expect("VmRSS");
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
    }

    /// Open file descriptors.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("it runs").count()
    }

    /// It runs, answers, and nothing in it has panicked.
    pub fn assert_well(&mut self) {
        assert!(self.is_running(), "{} has ended:\n{}", self.label, self.stderr());
        assert!(!self.stderr().contains("panicked at"), "{}:\n{}", self.label, self.stderr());
        self.tell(&["status", "--json"]);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = self.stderr();
            let last: Vec<&str> = log.lines().rev().take(30).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            eprintln!("---- the last of {}'s log:\n{}", self.label, last.join("\n"));
        }
    }
}

/// A JSON string's text.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).into()
}

/// What two nodes must agree on: nodes with their states, links with direction and state.
pub fn agreed(graph: &Value) -> (Vec<String>, Vec<String>) {
    let rows = |key: &str, fields: &[&str]| {
        let rows = graph[key].as_array().expect("a list").iter();
        let row = |r: &Value| fields.iter().map(|f| text(&r[f])).collect::<Vec<_>>().join(" ");
        let mut rows: Vec<String> = rows.map(row).collect();
        rows.sort();
        rows
    };
    (rows("nodes", &["id", "label", "state"]), rows("links", &["from", "to", "state"]))
}

/// Waits until all these nodes, and no others, are linked each with each, and all agree on it.
pub fn wait_for_full_mesh(nodes: &[Node]) {
    let pairs = nodes.len() * (nodes.len() - 1) / 2;
    let full = || {
        let first = nodes[0].json("graph");
        let links = first["links"].as_array().expect("links").clone();
        let confirmed = links.iter().all(|l| l["state"] == "confirmed" && l["rtt_us"] != 0);
        let alive = first["nodes"].as_array().expect("nodes").iter();
        links.len() == pairs
            && confirmed
            && alive.filter(|n| n["state"] == "alive").count() == nodes.len()
            && nodes[1..].iter().all(|n| agreed(&n.json("graph")) == agreed(&first))
    };
    wait_or_say(&format!("a full mesh of {}", nodes.len()), full, || {
        nodes.iter().map(|n| format!("{}:\n{}", n.label, n.tell(&["graph"]))).collect()
    });
}
