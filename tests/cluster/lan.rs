//! Real daemons on a local network of their own, each with a network namespace, all on one bridge: they find
//! each other by multicast DNS. Nothing of it reaches the machines around this one.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::common::{Node, Setup, node, skipped, wait_or_say, wait_until};

/// Machines on one local network. It is gone with this value, however the test ends.
struct Lan {
    hub: Child,
    hosts: Vec<Child>,
}

/// A network namespace: as long as a program in it reads from us.
fn namespace() -> Option<Child> {
    let child =
        Command::new("unshare").args(["--net", "cat"]).stdin(Stdio::piped()).spawn().ok()?;
    let net = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    let (mine, pid) = (net("self"), child.id().to_string());
    let begun = Instant::now();
    while net(&pid) == mine {
        if begun.elapsed().as_secs() >= 5 {
            return None;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    net(&pid).map(|_| child)
}

fn within(host: &Child) -> Vec<String> {
    vec!["nsenter".into(), format!("--net=/proc/{}/ns/net", host.id())]
}

/// Runs a command that must succeed in a namespace.
fn at(host: &Child, line: &str) {
    let words = within(host);
    let done = Command::new(&words[0]).args(&words[1..]).args(line.split(' ')).output();
    let done = done.expect("nsenter");
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
}

impl Lan {
    /// A hub without machines; nothing where that is not allowed, which is printed.
    fn new() -> Option<Lan> {
        let allowed =
            Command::new("unshare").args(["--net", "true"]).stderr(Stdio::null()).status();
        if !allowed.is_ok_and(|status| status.success()) {
            skipped("a network of its own needs root, unshare, nsenter and ip");
            return None;
        }
        let hub = namespace().expect("it was allowed a moment ago");
        at(&hub, "ip link add bridge type bridge");
        at(&hub, "ip link set bridge up");
        Some(Lan { hub, hosts: Vec::new() })
    }

    /// One more machine, with no address yet; its number.
    fn machine(&mut self) -> usize {
        let host = namespace().expect("the hub has one");
        let n = self.hosts.len();
        at(&self.hub, &format!("ip link add b{n} type veth peer name eth0 netns {}", host.id()));
        at(&self.hub, &format!("ip link set b{n} master bridge up"));
        at(&host, "ip link set lo up");
        self.hosts.push(host);
        n
    }

    /// Gives a machine its address.
    fn plug_in(&self, n: usize) {
        at(&self.hosts[n], &format!("ip address add 10.77.0.{}/24 dev eth0", n + 1));
        at(&self.hosts[n], "ip link set eth0 up");
    }

    /// A daemon on a new machine that is plugged in, looking for others.
    fn node(&mut self, label: &str) -> Setup {
        let n = self.machine();
        self.plug_in(n);
        self.on(n, label).set("network.discovery.mdns=true")
    }

    fn on(&self, n: usize, label: &str) -> Setup {
        let words = within(&self.hosts[n]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        node(label).within(&words).set("network.controller.listen.addr=::")
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for child in self.hosts.iter_mut().chain([&mut self.hub]) {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn wait_for_link(one: &Node, other: &Node) {
    let both = || one.linked(&other.id) && other.linked(&one.id);
    let what = format!("a link between {} and {}", one.label, other.label);
    wait_or_say(&what, both, || format!("{}\n{}", one.stderr(), other.stderr()));
}

#[test]
fn those_of_one_network_find_each_other_without_any_address_and_nobody_else_is_dialled() {
    let Some(mut lan) = Lan::new() else { return };
    let one = lan.node("one").start();
    let stranger = lan.node("stranger").set("network.name=office").start();
    let silent = lan.node("silent").set("network.discovery.mdns=false").start();

    let begun = Instant::now();
    let mut two = lan.node("two").start();
    wait_for_link(&one, &two);
    println!("linked {:.2} s after the second one was started", begun.elapsed().as_secs_f64());

    // By now all that the others could do has long been possible: a fourth one came and found two.
    let three = lan.node("three").start();
    wait_for_link(&one, &three);
    wait_for_link(&two, &three);
    for other in [&stranger, &silent] {
        let peers = other.json("peers");
        assert!(peers["peers"].as_array().is_some_and(Vec::is_empty), "{}: {peers}", other.label);
        for ours in [&one, &two, &three] {
            assert_eq!(ours.peer(&other.id), serde_json::Value::Null, "{}", ours.label);
        }
    }
    let heard = one.stderr();
    assert!(!heard.contains(stranger.short()), "{heard}");
    assert!(!silent.stderr().contains("mDNS"), "{}", silent.stderr());

    // Nothing was said of whom it was linked with: it finds them again by itself.
    two.tell(&["leave"]);
    two.end();
    let begun = Instant::now();
    let two = lan.on(3, "two").set("network.discovery.mdns=true").at(two.home.clone()).start();
    wait_for_link(&one, &two);
    println!("linked again {:.2} s after it came back", begun.elapsed().as_secs_f64());
}

#[test]
fn an_interface_that_comes_later_is_used_and_a_reload_switches_it_on_and_off() {
    let Some(mut lan) = Lan::new() else { return };
    let late = lan.machine();
    let one = lan.on(late, "one").set("network.discovery.mdns=true").start();
    let says = |node: &Node, what: &str| node.stderr().contains(what);
    wait_until("the warning", || says(&one, "no interface takes the announcement"));
    lan.plug_in(late);

    let there = lan.machine();
    lan.plug_in(there);
    let config = tempfile::tempdir().expect("a directory");
    fs::create_dir(config.path().join("network")).expect("a directory");
    let switch = |on: bool| {
        let text = format!("[network.discovery]\nmdns = {on}\n");
        fs::write(config.path().join("network/default.toml"), text).expect("our own file");
    };
    switch(false);
    let dir = config.path().to_str().expect("UTF-8").to_owned();
    let two = lan.on(there, "two").arg("-c").arg(dir).start();
    switch(true);
    assert!(two.tell(&["reload"]).contains("applied: network.discovery.mdns"));
    wait_for_link(&one, &two);
    switch(false);
    two.tell(&["reload"]);
    // What is linked stays linked, and nobody new is found.
    let three = lan.node("three").start();
    wait_for_link(&one, &three);
    assert!(one.linked(&two.id));
    assert!(!says(&two, &format!("{} is announced", three.short())), "{}", two.stderr());
}

/// A record of DNS: name, type, class with the bit that replaces what was known, two minutes, data.
fn record(name: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let mut out = name.to_vec();
    out.extend(kind.to_be_bytes());
    out.extend([0x80, 0x01, 0, 0, 0, 120]);
    out.extend(u16::try_from(data.len()).expect("short").to_be_bytes());
    out.extend(data);
    out
}

fn name(labels: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for label in labels {
        out.push(u8::try_from(label.len()).expect("short"));
        out.extend(*label);
    }
    out.push(0);
    out
}

/// A message of multicast DNS that answers what nobody has asked.
fn message(records: &[Vec<u8>]) -> Vec<u8> {
    let mut out = vec![0, 0, 0x84, 0, 0, 0];
    out.extend(u16::try_from(records.len()).expect("few").to_be_bytes());
    out.extend([0; 4]);
    out.extend(records.concat());
    out
}

/// An announcement of kith with this text, at 10.77.0.250, where nobody is.
fn announcement(instance: &[u8], txt: &[u8]) -> Vec<u8> {
    let service: [&[u8]; 3] = [b"_kith", b"_tcp", b"local"];
    let (full, host) = (name(&[&[instance][..], &service].concat()), name(&[b"evil", b"local"]));
    let srv = [&[0, 0, 0, 0, 0x1f, 0xa4][..], &host].concat();
    message(&[
        record(&name(&service), 12, &full),
        record(&full, 33, &srv),
        record(&full, 16, txt),
        record(&host, 1, &[10, 77, 0, 250]),
    ])
}

/// Sends each of these to everyone on the local network.
fn shout(host: &Child, home: &Path, messages: &[Vec<u8>]) {
    let files = home.join("shouts");
    fs::create_dir_all(&files).expect("a directory");
    for (n, message) in messages.iter().enumerate() {
        fs::write(files.join(format!("{n:05}")), message).expect("our own file");
    }
    let script = "for m in shouts/*; do cat \"$m\" >/dev/udp/224.0.0.251/5353; done; rm -r shouts";
    let words = within(host);
    let mut command = Command::new(&words[0]);
    let done = command.args(&words[1..]).args(["bash", "-c", script]).current_dir(home).status();
    assert!(done.expect("bash").success());
}

#[test]
fn what_strangers_shout_on_the_local_network_harms_nobody() {
    let Some(mut lan) = Lan::new() else { return };
    let mut one = lan.node("one").start();
    wait_until("the announcement", || one.stderr().contains("mDNS: announced"));
    let stranger = lan.machine();
    lan.plug_in(stranger);
    at(&lan.hosts[stranger], "ip route add 224.0.0.0/4 dev eth0");
    let before = one.memory_kib();

    let text = |word: &str| [&[u8::try_from(word.len()).expect("short")], word.as_bytes()].concat();
    let id = "id=".to_owned() + &"7".repeat(64);
    let hostile: Vec<Vec<u8>> = vec![
        Vec::new(),
        vec![0; 3],
        vec![0xff; 8000],
        // A name that points to itself.
        message(&[[&[0xc0, 12][..], &[0, 12, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, 12]].concat()]),
        announcement(b"\x1b[2Jevil\0\xff", &text("v=1")),
        announcement(&[b'x'; 63], &[255]),
        announcement(b"long", &text(&"n=".repeat(120))),
        announcement(b"none", &[]),
        announcement(
            b"copy",
            &[text("v=1"), text(&id), text(&format!("n={}", "0".repeat(32)))].concat(),
        ),
    ];
    shout(&lan.hosts[stranger], one.home.path(), &hostile);
    one.assert_well();
    let peers = one.json("peers");
    assert!(peers["peers"].as_array().is_some_and(Vec::is_empty), "{peers}");
    assert!(!one.stderr().contains('\x1b'), "{}", one.stderr());

    // More names than anybody would keep.
    let flood: Vec<Vec<u8>> = (0..60)
        .map(|m| {
            let host = |n: u32| name(&[format!("h{m}-{n}").as_bytes(), b"local"]);
            message(&(0..250).map(|n| record(&host(n), 1, &[10, 77, 0, 250])).collect::<Vec<_>>())
        })
        .collect();
    shout(&lan.hosts[stranger], one.home.path(), &flood);
    wait_or_say("the end of listening", || one.stderr().contains("more is said"), || one.stderr());
    let grown = one.memory_kib().saturating_sub(before);
    println!("15,000 shouted names cost {grown} KiB");
    assert!(grown < 32 * 1024, "{grown} KiB");

    let begun = Instant::now();
    let two = lan.node("two").start();
    wait_for_link(&one, &two);
    println!("linked {:.2} s after the second one was started", begun.elapsed().as_secs_f64());
    one.assert_well();
}
