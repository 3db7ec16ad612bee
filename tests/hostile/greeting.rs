//! Wrong words before a connection is a link: each is closed, and none becomes a link.

use kith::mesh::Ver;
use kith::mesh::gossip::{Beat, Gossip};
use kith::mesh::record::{Body, Record};
use kith::wire::bounded::{List, Text};
use kith::wire::{Frame, encode};
use tokio::io::AsyncWriteExt;

use crate::client::{Hostile, Key, VER, card};
use crate::common::wait_until;
use crate::target::Target;

/// A frame with a length of its own choice.
fn framed(len: u32, rest: &[u8]) -> Vec<u8> {
    [&len.to_be_bytes(), rest].concat()
}

#[tokio::test]
async fn bytes_that_are_no_hello_end_the_connection() {
    let target = Target::start(&[]);
    let ping =
        encode(&Frame::Beat(Beat::Ping { sent_us: 1, rtt_us: 1, root: 1 })).expect("encodes");
    let gossip = encode(&Frame::Gossip(Gossip::Want(List::default()))).expect("encodes");
    let ready = encode(&Frame::Ready).expect("encodes");
    for (what, bytes) in [
        ("length 0", framed(0, &[])),
        ("length 2^32 - 1", framed(u32::MAX, &[1; 5000])),
        ("4,097 bytes", framed(4097, &[1; 4097])),
        ("an unknown kind", framed(2, &[99, 0])),
        ("an empty hello", framed(1, &[1])),
        ("a hello of zeros", framed(200, &[vec![1], vec![0; 199]].concat())),
        ("a hello of ones", framed(200, &[vec![1], vec![0xff; 199]].concat())),
        ("a heartbeat first", ping.to_vec()),
        ("gossip first", gossip.to_vec()),
        ("ready first", ready.to_vec()),
    ] {
        let mut hostile = Hostile::tls(target.node.addr).await;
        hostile.raw(&bytes).await.unwrap_or_else(|e| panic!("{what}: {e}"));
        hostile.closed().await;
        assert!(!target.node.linked(&hostile.id()), "{what}");
    }
    // Cut off in the middle.
    let mut hostile = Hostile::tls(target.node.addr).await;
    hostile.raw(&framed(1000, &[1; 10])).await.expect("taken");
    drop(hostile);
    target.assert_unharmed();
}

#[tokio::test]
async fn hellos_that_lie_are_refused() {
    let target = Target::start(&[]);
    let other = Key::new();
    for what in
        ["version", "network", "somebody else's card", "a forged card", "no card", "no epoch"]
    {
        let mut hostile = Hostile::tls(target.node.addr).await;
        let mut hello = hostile.hello();
        let sign = |record: Body| (**Record::sign(record, &hostile.identity).signed()).clone();
        match what {
            "version" => hello.version = 999,
            "network" => hello.network = Text::new("other").expect("short"),
            "somebody else's card" => {
                let theirs = Record::sign(Body::Card(card(&other, "bob", VER)), &other);
                hello.card = (**theirs.signed()).clone();
            }
            // Another key inside, our own signature around it.
            "a forged card" => hello.card = sign(Body::Card(card(&other, "bob", VER))),
            "no card" => {
                hello.card = sign(Body::Cast(kith::mesh::record::Cast {
                    id: hostile.identity.id(),
                    ver: VER,
                    shout: true,
                    text: Text::default(),
                }));
            }
            _ => {
                let ver = Ver { epoch: u64::MAX, seq: u64::MAX };
                hello.card = sign(Body::Card(card(&hostile.identity, "", ver)));
            }
        }
        hostile.send(&Frame::Hello(Box::new(hello))).await.expect("taken");
        // The node may have closed before it is said.
        let _ = hostile.send(&Frame::Ready).await;
        hostile.closed().await;
        assert!(!target.node.linked(&hostile.id()), "{what}");
        assert_ne!(target.node.sees(&hostile.id()), "alive", "{what}");
        assert_eq!(target.node.sees(&other.id().to_string()), "", "{what}");
    }
    target.assert_unharmed();
}

#[tokio::test]
async fn nothing_may_come_before_ready_and_no_second_hello_after() {
    let target = Target::start(&[]);
    let mut hostile = Hostile::tls(target.node.addr).await;
    let hello = Frame::Hello(Box::new(hostile.hello()));
    hostile.send(&hello).await.expect("taken");
    hostile.gossip(Gossip::Want(List::default())).await.expect("taken");
    hostile.closed().await;
    assert!(!target.node.linked(&hostile.id()));

    for frame in [None, Some(Frame::Ready)] {
        let mut hostile = Hostile::linked(target.node.addr).await;
        let hello = Frame::Hello(Box::new(hostile.hello()));
        hostile.send(&frame.unwrap_or(hello)).await.expect("taken");
        hostile.closed().await;
        wait_until("no link", || !target.node.linked(&hostile.id()));
    }
    target.assert_unharmed();
}

#[tokio::test]
async fn a_hello_may_come_byte_by_byte() {
    let target = Target::start(&[]);
    let mut hostile = Hostile::tls(target.node.addr).await;
    let hello = encode(&Frame::Hello(Box::new(hostile.hello()))).expect("encodes");
    for byte in hello {
        hostile.stream.write_all(&[byte]).await.expect("taken");
        hostile.stream.flush().await.expect("taken");
    }
    assert!(matches!(hostile.receive().await, Some(Frame::Hello(_))));
    hostile.send(&Frame::Ready).await.expect("taken");
    wait_until("a link", || target.node.linked(&hostile.id()));
    drop(hostile);
    target.assert_unharmed();
}
