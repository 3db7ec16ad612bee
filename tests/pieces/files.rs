//! What all tests of files need.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::common::{LONG, Node, Setup, node, program, wait_for_full_mesh, wait_or_say};

/// One MiB.
pub const MIB: usize = 1 << 20;

/// Bytes that look random and are the same for the same seed (xorshift64*, Vigna 2016).
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// A file of noise in a node's home.
pub fn file(node: &Node, name: &str, len: usize) -> (PathBuf, Vec<u8>) {
    let path = node.home.path().join(name);
    let bytes = noise(len as u64 + name.len() as u64, len);
    fs::write(&path, &bytes).expect("written");
    (path, bytes)
}

pub fn str(path: &Path) -> &str {
    path.to_str().expect("plain names")
}

/// Shares a path; the ticket.
pub fn share(node: &Node, path: &Path) -> String {
    let ticket = node.tell(&["share", str(path)]).trim().to_owned();
    assert!(ticket.starts_with("kith1") && !ticket.contains('\n'), "{ticket}");
    ticket
}

/// The first node (which shares), and others linked with it and each other.
pub fn cluster(labels: &[&str], with: impl Fn(&str, Setup) -> Setup) -> Vec<Node> {
    let first = with(labels[0], node(labels[0])).start();
    let rest = labels[1..].iter().map(|l| with(l, node(l)).joins(first.addr).start());
    let rest: Vec<Node> = rest.collect();
    let all: Vec<Node> = std::iter::once(first).chain(rest).collect();
    wait_for_full_mesh(&all);
    all
}

/// A `get` in the background.
pub fn begin(node: &Node, ticket: &str, out: &Path) -> Child {
    let mut command = program(node.home.path());
    command.env("KITH_STATE", &node.state).args(["get", ticket, "--out", str(out)]);
    command.args(["--progress", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the program starts")
}

/// The newest transfer of a node.
pub fn transfer(node: &Node) -> Value {
    let all = node.json("transfers");
    all["transfers"].as_array().and_then(|t| t.last()).cloned().unwrap_or(Value::Null)
}

/// Waits until the newest transfer of a node is as wanted.
pub fn wait_transfer(node: &Node, what: &str, done: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let seen = std::cell::RefCell::new(Value::Null);
    wait_or_say(
        what,
        || {
            last = transfer(node);
            *seen.borrow_mut() = last.clone();
            done(&last)
        },
        || format!("{:#}\n{}", seen.borrow(), node.stderr()),
    );
    last
}

/// The share of a transfer that is done, percent.
pub fn percent(transfer: &Value) -> u64 {
    let number = |key: &str| transfer[key].as_u64().unwrap_or(0);
    100 * number("bytes_done") / number("bytes").max(1)
}

/// Its figure, which must be one.
pub fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key} in {value:#}"))
}

/// Every byte of a directory is that of the other.
pub fn assert_same(a: &Path, b: &Path) {
    let diff = Command::new("diff").arg("-r").args([a, b]).output().expect("diff");
    assert!(diff.status.success(), "{}", String::from_utf8_lossy(&diff.stdout));
}

/// The end of a `get`.
pub fn end(get: Child) -> crate::common::Done {
    let begun = std::time::Instant::now();
    let done = crate::common::Done::of(get.wait_with_output().expect("it ends"));
    assert!(begun.elapsed() < 3 * LONG, "{done:?}");
    done
}
