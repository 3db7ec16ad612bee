//! Attacks that need no identity.

use std::io::Write;
use std::net::TcpStream;
use std::thread;

use crate::client::Hostile;
use crate::common::{node, wait_until};
use crate::target::Target;

fn connections(target: &Target, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| TcpStream::connect(target.node.addr).expect("it listens")).collect()
}

#[test]
fn silent_connections_keep_nobody_out() {
    let mut target = Target::start(&[]);
    let silent = connections(&target, 300);
    target.honest_join();
    drop(silent);
    target.assert_unharmed();
}

#[test]
fn a_thousand_connections_of_garbage_do_no_harm() {
    let target = Target::start(&[]);
    let mut bytes = [0_u8; 512];
    for i in 0..1000_usize {
        let mut stream = TcpStream::connect(target.node.addr).expect("it listens");
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = (i.wrapping_mul(31) ^ at.wrapping_mul(i | 1)) as u8;
        }
        // Some look like the beginning of TLS, some of HTTP.
        match i % 4 {
            0 => bytes[..3].copy_from_slice(&[0x16, 3, 1]),
            1 => bytes[..4].copy_from_slice(b"GET "),
            _ => {}
        }
        // It may be closed already.
        let _ = stream.write_all(&bytes[..1 + i % bytes.len()]);
    }
    target.assert_unharmed();
}

#[tokio::test]
async fn a_stranger_behind_tls_that_says_nothing_is_let_go() {
    let target = Target::start(&["network.link.handshake_timeout=1"]);
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(Hostile::tls(target.node.addr).await);
    }
    for hostile in &mut silent {
        hostile.closed().await;
    }
    target.assert_unharmed();
}

#[test]
fn a_node_out_of_descriptors_survives_and_recovers() {
    let mut node = node("target").open_files(64).start();
    let mut flood: Vec<TcpStream> = Vec::new();
    wait_until("no descriptor is left", || {
        flood.extend((0..20).filter_map(|_| TcpStream::connect(node.addr).ok()));
        node.stderr().contains("cannot accept") || flood.len() > 400
    });
    assert!(node.is_running(), "{}", node.stderr());
    drop(flood);
    wait_until("it answers again", || node.ask(&["status"]).code == Some(0));
    let honest = crate::common::node("honest").joins(node.addr).start();
    wait_until("an honest join", || node.linked(&honest.id));
    node.assert_well();
}

#[test]
fn connections_that_come_and_go_cost_nothing() {
    let target = Target::start(&[]);
    let addr = target.node.addr;
    let storm = |_| thread::spawn(move || (0..500).for_each(|_| drop(TcpStream::connect(addr))));
    let storms: Vec<_> = (0..4).map(storm).collect();
    storms.into_iter().for_each(|s| s.join().expect("no panic"));
    target.assert_unharmed();
}
