//! What a service manager is told, through a socket that stands in for systemd's.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::common::{LONG, Node, Setup, node, wait_until};

/// The watchdog wants to hear of the daemon this often.
const WITHIN: Duration = Duration::from_millis(400);

struct Manager {
    home: TempDir,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Manager {
        let home = TempDir::new().expect("a directory");
        let socket = UnixDatagram::bind(home.path().join("notify")).expect("a socket");
        Manager { home, socket }
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("notify")
    }

    fn starts(&self, setup: Setup) -> Node {
        let within = WITHIN.as_micros().to_string();
        let path = self.path().to_string_lossy().into_owned();
        setup.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", &within).spawn()
    }

    /// The lines of the next word, if one comes within this time.
    fn hear(&self, within: Duration) -> Option<Vec<String>> {
        self.socket.set_read_timeout(Some(within)).expect("not zero");
        let mut word = [0; 4096];
        match self.socket.recv(&mut word) {
            Ok(len) => {
                Some(String::from_utf8_lossy(&word[..len]).lines().map(Into::into).collect())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) if error.kind() == ErrorKind::Interrupted => self.hear(within),
            Err(error) => panic!("{error}"),
        }
    }

    /// Hears until this is said; all lines on the way to it.
    fn hear_until(&self, line: &str) -> Vec<String> {
        let mut heard = Vec::new();
        while !heard.iter().any(|said| said == line) {
            heard.extend(self.hear(LONG).unwrap_or_else(|| panic!("no {line} in {heard:?}")));
        }
        heard
    }
}

/// One request, one try.
fn healthz(node: &Node) -> String {
    let addr = fs::read_to_string(node.state.join("control.addr")).expect("it was ready");
    let mut stream = TcpStream::connect(&addr).expect("it listens");
    stream.set_read_timeout(Some(LONG)).expect("not zero");
    let ask = format!("GET /healthz HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn a_service_is_ready_when_it_answers_lives_while_it_turns_and_says_that_it_stops() {
    let manager = Manager::new();
    let mut alice = manager.starts(node("alice"));
    let heard = manager.hear_until("READY=1");
    assert!(healthz(&alice).starts_with("HTTP/1.1 200 "), "ready, and does not answer");
    assert!(!heard.iter().any(|line| line.starts_with("STOPPING")), "{heard:?}");
    for _ in 0..3 {
        manager.hear_until("WATCHDOG=1");
    }

    alice.signal("STOP");
    let stat = format!("/proc/{}/stat", alice.pid());
    wait_until("the stop", || fs::read_to_string(&stat).expect("it is there").contains(") T "));
    // What was under way has arrived: a datagram is there when it is sent.
    while manager.hear(Duration::from_millis(1)).is_some() {}
    assert_eq!(manager.hear(WITHIN * 3), None, "a daemon that does nothing seems to live");
    alice.signal("CONT");
    manager.hear_until("WATCHDOG=1");

    alice.wait_ready();
    alice.tell(&["stop"]);
    let heard = manager.hear_until("STOPPING=1");
    assert!(!heard.contains(&"READY=1".into()), "once is enough: {heard:?}");
    assert!(alice.end().success());
}

#[test]
fn how_it_is_is_told_when_it_changes() {
    let manager = Manager::new();
    let alice = node("alice").start();
    let bob = manager.starts(node("bob").joins(alice.addr));
    manager.hear_until("STATUS=nodes alive: 2, links: 1");
    alice.kill();
    manager.hear_until("STATUS=nodes alive: 1, links: 0");
    bob.signal("TERM");
    manager.hear_until("STATUS=stopping: SIGTERM");
}

#[test]
fn a_manager_that_does_not_read_holds_up_nothing() {
    let manager = Manager::new();
    let stuffing = UnixDatagram::unbound().expect("a socket");
    stuffing.set_nonblocking(true).expect("ours");
    stuffing.connect(manager.path()).expect("it is there");
    while stuffing.send(b"full").is_ok() {}
    let mut alice = manager.starts(node("alice"));
    alice.wait_ready();
    alice.signal("TERM");
    assert!(alice.end().success(), "{}", alice.stderr());
}

#[test]
fn nobody_is_told_where_nobody_asked() {
    let alice = node("alice").env("WATCHDOG_USEC", "400000").start();
    let tasks = fs::read_dir(format!("/proc/{}/task", alice.pid())).expect("it runs").flatten();
    let mut threads = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    assert!(!threads.any(|name| name.trim() == "systemd"));
}
