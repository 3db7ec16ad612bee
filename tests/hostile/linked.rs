//! What a member can do once it is linked.

use std::sync::Arc;
use std::time::Duration;

use kith::mesh::gossip::{Beat, Gossip};
use kith::mesh::record::{
    Body, Cast, Crypto, Direction, Kind, LinkEntry, LinkState, Record, Signed,
};
use kith::mesh::{NodeId, Ver};
use kith::store::identity::Identity;
use kith::wire::Frame;
use kith::wire::bounded::{Blob, List, Text};
use tokio::net::TcpSocket;

use crate::client::{Hostile, Key, Liar, VER, card};
use crate::common::{wait_or_say, wait_until};
use crate::target::Target;

/// How long a flood lasts: longer than the silence after which an honest peer would be given up.
const FLOOD: Duration = Duration::from_secs(5);

fn signed(body: Body, crypto: &dyn Crypto) -> Arc<Signed> {
    Record::sign(body, crypto).signed().clone()
}

fn links(id: NodeId, ver: Ver, peers: &[NodeId]) -> Body {
    let mut peers = peers.to_vec();
    peers.sort();
    let entry =
        |peer: &NodeId| LinkEntry { peer: *peer, dir: Direction::In, rtt_us: 9, since_s: 0 };
    let links = List::first_of(peers.iter().map(entry));
    Body::Links(LinkState { id, ver, slots_free: 9, degree_max: 9, links, lost: List::default() })
}

#[tokio::test]
async fn frames_that_cannot_be_read_end_the_link() {
    let target = Target::start(&[]);
    let too_long = [&65_550_u32.to_be_bytes()[..], &[5; 65_550]].concat();
    let garbage = [&60_000_u32.to_be_bytes()[..], &[5; 60_000]].concat();
    let nested = [&9_u32.to_be_bytes()[..], &[5, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]].concat();
    for bytes in [too_long, garbage, nested, vec![0; 4], vec![0, 0, 0, 1, 77]] {
        let mut hostile = Hostile::linked(target.node.addr).await;
        // The node may close while we still write.
        let _ = hostile.raw(&bytes).await;
        hostile.closed().await;
        wait_until("no link", || !target.node.linked(&hostile.id()));
    }
    target.assert_unharmed();
}

#[tokio::test]
async fn records_that_are_forged_or_from_the_far_future_change_nothing() {
    let target = Target::start(&[]);
    let mut hostile = Hostile::linked(target.node.addr).await;
    wait_until("a link", || target.node.linked(&hostile.id()));
    let friend: NodeId = target.friend.id.parse().expect("an id");
    let me = hostile.identity.id();
    let future = Ver { epoch: u64::MAX, seq: u64::MAX };
    let ghost = Key::new();

    // In the friend's name, with our signature; and with the friend's key and no valid signature.
    let forged =
        signed(links(friend, Ver { epoch: VER.epoch * 2, seq: 9 }, &[]), &hostile.identity);
    let unsigned = Signed { sig: Blob::new(vec![7; 64]).expect("fits"), ..(*forged).clone() };
    let ours = signed(links(me, future, &[friend]), &hostile.identity);
    let old = signed(
        Body::Card(card(&hostile.identity, "older", Ver { epoch: 1, seq: 1 })),
        &hostile.identity,
    );
    let far = signed(Body::Card(card(&ghost, "ghost", future)), &ghost);
    let batch = [forged, Arc::new(unsigned), ours, old.clone(), far, old];
    hostile.gossip(Gossip::Records(List::first_of(batch))).await.expect("taken");
    let invalid =
        Signed { kind: Kind::Card, key: [3; 32], body: Blob::default(), sig: Blob::default() };
    let many = List::first_of(std::iter::repeat_n(Arc::new(invalid), 1024));
    hostile.gossip(Gossip::Records(many)).await.expect("taken");
    // What comes behind it on the same link has been read when the answer is there.
    hostile
        .send(&Frame::Beat(Beat::Ping { sent_us: 42, rtt_us: 0, root: 0 }))
        .await
        .expect("taken");
    while !matches!(hostile.receive().await, Some(Frame::Beat(Beat::Pong { sent_us: 42, .. }))) {}

    assert!(target.node.linked(&hostile.id()), "bad records are dropped, and cost no link");
    assert_eq!(target.node.sees(&target.friend.id), "alive");
    assert_eq!(target.node.sees(&ghost.id().to_string()), "");
    assert!(!target.node.tell(&["graph"]).contains("older"));
    drop(hostile);
    target.assert_unharmed();
}

/// Each of them has a key, and says that it is linked with the liar and with the target.
#[test]
fn thousands_of_invented_nodes_are_bounded_and_go_with_the_liar() {
    let target = Target::start(&["network.graph.nodes_max=2000"]);
    let target_id: NodeId = target.node.id.parse().expect("an id");
    let identity = Identity::generate().expect("a key");
    let me = identity.id();
    let keys: Vec<Key> = (0..5000).map(|_| Key::new()).collect();
    let first: Vec<NodeId> = keys[..900].iter().map(Key::id).chain([target_id]).collect();
    let batch = |signed: Vec<Arc<Signed>>| Gossip::Records(List::first_of(signed));
    let mut says = vec![batch(vec![signed(links(me, Ver { seq: 2, ..VER }, &first), &identity)])];
    for some in keys.chunks(100) {
        says.push(batch(
            some.iter().map(|k| signed(Body::Card(card(k, "ghost", VER)), k)).collect(),
        ));
        let state = |k: &Key| signed(links(k.id(), VER, &[me, target_id]), k);
        says.push(batch(some.iter().map(state).collect()));
    }
    let liar = Liar::start(target.node.addr, identity, says);
    let nodes = || target.node.json("graph")["nodes"].as_array().map_or(0, Vec::len);
    wait_or_say("it is believed", || nodes() > 100, || target.node.tell(&["status"]));
    assert!(nodes() <= 2000, "{} nodes, 2000 are the most", nodes());
    assert_eq!(target.node.sees(&target.friend.id), "alive");
    let far = keys[4999].id().to_string();
    assert_ne!(target.node.sees(&far), "alive", "the liar does not list it");
    target.assert_friend_stayed();
    drop(liar);
    wait_or_say(
        "who hangs on a liar goes with it",
        || target.node.json("status")["nodes_alive"].as_u64().is_some_and(|n| n <= 2),
        || target.node.tell(&["status"]),
    );
    target.assert_unharmed();
}

/// Nodes that nobody has linked with are known at the most, never alive.
#[tokio::test]
async fn nodes_that_are_only_talked_about_are_not_alive() {
    let target = Target::start(&[]);
    let mut hostile = Hostile::linked(target.node.addr).await;
    wait_until("a link", || target.node.linked(&hostile.id()));
    let (me, ghost) = (hostile.identity.id(), Key::new());
    let friend: NodeId = target.friend.id.parse().expect("an id");
    // One-sided edges: we name a ghost that does not name us, and the ghost names the friend.
    let batch = [
        signed(links(me, VER, &[ghost.id(), friend]), &hostile.identity),
        signed(Body::Card(card(&ghost, "ghost", VER)), &ghost),
        signed(links(ghost.id(), VER, &[friend]), &ghost),
    ];
    hostile.gossip(Gossip::Records(List::first_of(batch))).await.expect("taken");
    hostile.send(&Frame::Beat(Beat::Ping { sent_us: 7, rtt_us: 0, root: 0 })).await.expect("taken");
    while !matches!(hostile.receive().await, Some(Frame::Beat(Beat::Pong { sent_us: 7, .. }))) {}
    let ghost = ghost.id().to_string();
    wait_until("settled", || target.node.sees(&target.friend.id) == "alive");
    assert_ne!(target.node.sees(&ghost), "alive");
    assert_ne!(target.friend.sees(&ghost), "alive");
    drop(hostile);
    target.assert_unharmed();
}

#[tokio::test]
async fn floods_of_heartbeats_and_questions_crowd_nobody_out() {
    let target = Target::start(&[]);
    let mut hostile = Hostile::linked(target.node.addr).await;
    let friend: NodeId = target.friend.id.parse().expect("an id");
    let sent = hostile.flood(FLOOD, |i| {
        let beat = match i % 4 {
            0 => Beat::Ping { sent_us: i, rtt_us: 1 + i as u32, root: i },
            1 => Beat::Pong { sent_us: i, root: !i },
            2 => Beat::Ask { target: friend },
            _ => Beat::Answer { target: friend, age_ms: Some(u32::MAX) },
        };
        Frame::Beat(beat)
    });
    let sent = sent.await;
    assert!(sent > 1000, "{sent} were taken: no flood");
    target.assert_friend_stayed();
    drop(hostile);
    assert!(!target.node.stderr().contains("Heard was lost"), "{}", target.node.stderr());
    target.assert_unharmed();
}

#[tokio::test]
async fn floods_of_casts_and_digests_crowd_nobody_out() {
    let target = Target::start(&[]);
    let mut hostile = Hostile::linked(target.node.addr).await;
    wait_until("a link", || target.node.linked(&hostile.id()));
    let identity = hostile.identity.clone();
    let long = "la ".repeat(5000);
    let sent = hostile.flood(FLOOD, |i| {
        Frame::Gossip(match i % 3 {
            0 => Gossip::Digest(List::first_of([i; 256])),
            1 => Gossip::Want(List::first_of([(identity.id(), Kind::Card); 1024])),
            _ => Gossip::Cast(signed(
                Body::Cast(Cast {
                    id: identity.id(),
                    ver: Ver { seq: i, ..VER },
                    shout: i % 2 == 0,
                    text: Text::new(long.as_str()).expect("fits"),
                }),
                &identity,
            )),
        })
    });
    assert!(sent.await > 100, "no flood");
    target.assert_friend_stayed();
    drop(hostile);
    target.assert_unharmed();
}

/// A peer that asks and never reads.
async fn deaf(target: &Target) -> Hostile {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let mut deaf = Hostile::over(socket.connect(target.node.addr).await.expect("it listens")).await;
    deaf.greet().await;
    wait_until("a link", || target.node.linked(&deaf.id()));
    let id: NodeId = target.node.id.parse().expect("an id");
    for _ in 0..200 {
        let want = Gossip::Want(List::first_of([(id, Kind::Links); 1024]));
        // Taken until the node reads no more of it.
        let frame = Frame::Gossip(want);
        let sent = tokio::time::timeout(Duration::from_secs(1), deaf.send(&frame)).await;
        if !matches!(sent, Ok(Ok(()))) {
            break;
        }
    }
    deaf
}

#[tokio::test]
async fn a_peer_that_never_reads_is_let_go_and_costs_little() {
    let target = Target::start(&["network.link.stalled_timeout=1"]);
    let deaf = deaf(&target).await;
    wait_or_say(
        "the link is closed",
        || !target.node.linked(&deaf.id()),
        || target.node.tell(&["peers"]),
    );
    // The descriptor must come back although the socket is still open on this side.
    target.assert_unharmed();
    drop(deaf);
}

#[tokio::test]
async fn a_banned_peer_that_never_reads_cannot_keep_its_connection() {
    let target = Target::start(&[
        "network.link.stalled_timeout=300",
        "network.controller.peers.heartbeat_period=60",
        "network.controller.peers.heartbeat_timeout=600",
    ]);
    // More of them than descriptors may differ by chance.
    let mut all = Vec::new();
    for _ in 0..12 {
        all.push(deaf(&target).await);
    }
    for deaf in &all {
        target.node.tell(&["ban", &deaf.id()]);
        wait_until("no link", || !target.node.linked(&deaf.id()));
    }
    target.assert_unharmed();
    drop(all);
}
