//! Who may have whom asked to dial back.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::sync::topology;
use super::*;
use crate::mesh::gossip::Gossip;
use crate::mesh::record::{CARD_BYTES_MAX, SignedCard};
use crate::mesh::route::{Hop, OnLink, Routed, Word};
use crate::mesh::topology::{Effect, Event, Topology};
use crate::mesh::{Core, Time};
use crate::wire::bounded::Blob;

const NOW: Time = Time::from_ms(100_000);

/// Node `n`, linked with `neighbours`, in a network whose nodes 1..=6 list the links that `pairs` says.
fn knowing(n: u8, neighbours: &[u8], pairs: &[(u8, u8)]) -> Topology {
    let mut topology = topology(n);
    let mut out = Vec::new();
    for peer in neighbours {
        let (dir, card) = (Direction::In, card(*peer, 1));
        let up = Event::LinkUp { peer: id(*peer), dir, rtt_us: 1, addr: addr(1), card };
        topology.handle(NOW, up, &mut out);
    }
    for other in (1..=6).filter(|other| *other != n) {
        let of = |(a, b): &(u8, u8)| (*a == other).then_some(*b).or((*b == other).then_some(*a));
        let peers: Vec<u8> = pairs.iter().filter_map(of).collect();
        topology.take(NOW, card(other, 1), &mut out);
        topology.take(NOW, links(other, 1, &peers), &mut out);
    }
    // Its own links are told and the graph is derived.
    for ms in 0..200 {
        let at = NOW + Duration::from_millis(ms);
        while topology.next_wake().is_some_and(|due| due <= at) {
            topology.wake(at, &mut out);
        }
    }
    topology
}

fn later(ms: u64) -> Time {
    NOW + Duration::from_millis(1000 + ms)
}

fn lone(record: &Record) -> SignedCard {
    SignedCard::of(record).expect("a card")
}

/// A call as it comes from the last one on its way.
fn say(
    topology: &mut Topology,
    now: Time,
    way: &[u8],
    target: u8,
    card: SignedCard,
) -> Vec<Effect> {
    let peer = id(*way.last().expect("somebody brings it"));
    let way = List::first_of(way.iter().map(|n| Hop { node: id(*n), us: 0 }));
    let routed = Routed::Out { to: id(target), way, word: Word::CallMe(card) };
    let mut out = Vec::new();
    topology.handle(now, Event::FromPeer { peer, gossip: Gossip::Route(routed) }, &mut out);
    out
}

/// To whom calls go out.
fn passed(out: &[Effect]) -> Vec<NodeId> {
    let call = |e: &Effect| match e {
        Effect::Send { peer, gossip: Gossip::Route(_) } => Some(*peer),
        _ => None,
    };
    out.iter().filter_map(call).collect()
}

fn heeded(out: &[Effect]) -> Vec<Card> {
    let called = |e: &Effect| match e {
        Effect::Called { card } => card.card().cloned(),
        _ => None,
    };
    out.iter().filter_map(called).collect()
}

fn forged(n: u8) -> SignedCard {
    let mut card = lone(&card(n, 2));
    card.sig = Blob::new(vec![0; 64]).expect("fits");
    card
}

// --- The caller: node 1 wants node 2 and is linked with 3, 4 and 5.

#[test]
fn a_call_goes_through_a_neighbour_of_both_and_the_next_one_through_another() {
    // 3 and 4 are linked with 2; 5 is not; 6 is, but not with us.
    let pairs = [(1, 3), (1, 4), (1, 5), (3, 2), (4, 2), (6, 2)];
    let mut topology = knowing(1, &[3, 4, 5], &pairs);
    let mut call = |n: u64| {
        let mut out = Vec::new();
        topology.handle(later(1000 * n), Event::CallBack { target: id(2) }, &mut out);
        let [Effect::Send { peer, gossip: Gossip::Route(routed) }] = &out[..] else {
            panic!("{out:?}")
        };
        let Routed::Out { to, way, word: Word::CallMe(card) } = routed else {
            panic!("{routed:?}")
        };
        assert_eq!((*to, NodeId::of_key(&card.key)), (id(2), id(1)));
        assert_eq!(way[..], [Hop { node: id(1), us: 0 }]);
        assert!(Arc::new(card.clone().into_signed()).open(&node(1)).is_ok());
        *peer
    };
    let asked: Vec<NodeId> = (0..10).map(&mut call).collect();
    assert!(asked.iter().all(|peer| [id(3), id(4)].contains(peer)));
    assert!(asked.windows(2).all(|w| w[0] != w[1]), "each time another: {asked:?}");
}

#[test]
fn a_call_goes_over_many_hops_where_there_is_no_neighbour_of_both() {
    let mut topology = knowing(1, &[3], &[(1, 3), (3, 4), (4, 5), (5, 2)]);
    let mut out = Vec::new();
    topology.handle(later(0), Event::CallBack { target: id(2) }, &mut out);
    assert_eq!(passed(&out), [id(3)]);
}

#[test]
fn nobody_is_asked_where_nobody_could_help() {
    let pairs = [(1, 3), (1, 4), (1, 5), (4, 2)];
    let mut topology = knowing(1, &[3, 4, 5], &pairs);
    let mut call = |event| {
        let mut out = Vec::new();
        topology.handle(later(0), event, &mut out);
        passed(&out)
    };
    assert_eq!(call(Event::CallBack { target: id(2) }), [id(4)], "the only one, again and again");
    assert_eq!(call(Event::CallBack { target: id(2) }), [id(4)]);
    assert!(call(Event::CallBack { target: id(1) }).is_empty(), "ourselves");
    assert!(call(Event::CallBack { target: id(3) }).is_empty(), "linked");
    assert!(call(Event::CallBack { target: id(6) }).is_empty(), "nobody is linked with it");
    assert!(call(Event::CallBack { target: id(99) }).is_empty(), "unknown");
    call(Event::Leave);
    assert!(call(Event::CallBack { target: id(2) }).is_empty(), "we leave");
}

#[test]
fn a_link_only_one_end_lists_helps_nobody() {
    let mut topology = knowing(1, &[3], &[(1, 3), (3, 2)]);
    topology.take(later(0), links(2, 2, &[]), &mut Vec::new());
    let mut out = Vec::new();
    topology.handle(later(0), Event::CallBack { target: id(2) }, &mut out);
    assert!(passed(&out).is_empty());
}

// --- The neighbour: node 3, linked with 1, 2 and 4.

fn neighbour() -> Topology {
    knowing(3, &[1, 2, 4], &[(3, 1), (3, 2), (3, 4), (4, 5)])
}

#[test]
fn a_neighbour_passes_a_call_on_as_it_is() {
    let mut topology = neighbour();
    let newer = lone(&card(1, 2));
    let out = say(&mut topology, later(0), &[1], 2, newer.clone());
    let [Effect::Send { peer, gossip: Gossip::Route(routed) }] = &out[..] else {
        panic!("{out:?}")
    };
    let hop = |n, us| Hop { node: id(n), us };
    let way = List::first_of([hop(1, 0), hop(3, later(0).0)]);
    let passed_on = Routed::Out { to: id(2), way, word: Word::CallMe(newer) };
    assert_eq!((*peer, routed), (id(2), &passed_on));
    // And so does one that is neither the caller's neighbour nor the target's.
    let mut topology = knowing(3, &[1, 4], &[(3, 1), (3, 4), (4, 5), (1, 6)]);
    let out = say(&mut topology, later(0), &[6, 1], 5, lone(&card(6, 1)));
    assert_eq!(passed(&out), [id(4)]);
}

#[test]
fn a_neighbour_passes_on_nothing_forged_nor_for_others_nor_where_no_way_leads() {
    let mut topology = neighbour();
    let mut refused = |what: &str, way: &[u8], target, card| {
        // Each time the budget is full again.
        let out = say(&mut topology, later(100_000), way, target, card);
        topology.links.values_mut().for_each(|l| l.routes = OnLink::default());
        assert!(passed(&out).is_empty() && heeded(&out).is_empty(), "{what}: {out:?}");
    };
    refused("a forged card", &[1], 2, forged(1));
    refused("a forged card of somebody further away", &[5, 4], 2, forged(5));
    refused("the card of a third node", &[1], 2, lone(&card(4, 1)));
    refused("a card that is not who began it", &[5, 4], 2, lone(&card(4, 1)));
    refused("our own card", &[1], 2, lone(&card(3, 1)));
    refused("our own card, brought back", &[3, 1], 2, lone(&card(3, 1)));
    refused("a target that no way leads to", &[1], 6, lone(&card(1, 1)));
    refused("a target nobody knows", &[1], 99, lone(&card(1, 1)));
    refused("the caller itself", &[1], 1, lone(&card(1, 1)));
    refused("somebody we are not linked with", &[5], 2, lone(&card(5, 1)));
    refused("ourselves, by one that is linked", &[1], 3, lone(&card(1, 1)));
    // What one signed for another network is no card here.
    let network = Text::new("other").expect("short");
    let other = Card { network, ..plain_card(1, Ver { epoch: 1, seq: 3 }) };
    let other = Record::sign(Body::Card(other), &node(1));
    refused("another network's card", &[1], 2, lone(&other));
    // A body that is no card, though well signed.
    let signed = links(1, 9, &[3]).signed().clone();
    let body = Blob::new(signed.body.to_vec()).expect("short");
    let no_card = SignedCard { key: signed.key, body, sig: signed.sig.clone() };
    refused("no card", &[1], 2, no_card);
    assert!(topology.dropped_records > 0);
}

#[test]
fn a_neighbour_passes_on_four_at_once_and_one_a_second_for_each() {
    let mut topology = neighbour();
    let mut flood = 0;
    for ms in (0..10_000).step_by(10) {
        flood += passed(&say(&mut topology, later(ms), &[1], 2, lone(&card(1, 1)))).len();
    }
    assert_eq!(flood, 4 + 9);
    let other = say(&mut topology, later(9_999), &[4], 2, lone(&card(4, 1)));
    assert_eq!(passed(&other), [id(2)], "another one's budget is its own");
    // Neither does a link made anew fill the budget.
    let up = Event::LinkUp {
        peer: id(1),
        dir: Direction::In,
        rtt_us: 1,
        addr: addr(1),
        card: card(1, 1),
    };
    topology.handle(later(9_999), up, &mut Vec::new());
    assert!(passed(&say(&mut topology, later(9_999), &[1], 2, lone(&card(1, 1)))).is_empty());
}

// --- The target: node 2, linked with 3; 1 is alive behind 3.

fn target() -> Topology {
    knowing(2, &[3], &[(2, 3), (3, 1), (5, 6)])
}

#[test]
fn the_target_heeds_a_call_and_passes_it_no_further() {
    let mut topology = target();
    let moved =
        Card { addrs: List::first_of([addr(77)]), ..plain_card(1, Ver { epoch: 1, seq: 5 }) };
    let moved = Record::sign(Body::Card(moved), &node(1));
    let out = say(&mut topology, later(0), &[1, 3], 2, lone(&moved));
    assert_eq!((heeded(&out)[0].addrs[..].to_vec(), passed(&out).len()), (vec![addr(77)], 0));
    // An old card played again leads nowhere else.
    let out = say(&mut topology, later(0), &[1, 3], 2, lone(&card(1, 1)));
    assert_eq!(heeded(&out)[0].addrs[..], [addr(77)]);
}

#[test]
fn the_target_heeds_nothing_forged_nor_of_strangers_nor_of_the_linked() {
    let mut topology = target();
    let mut refused = |what: &str, way: &[u8], card| {
        let out = say(&mut topology, later(0), way, 2, card);
        assert!(passed(&out).is_empty() && heeded(&out).is_empty(), "{what}: {out:?}");
    };
    refused("a forged card", &[1, 3], forged(1));
    refused("our own card", &[2, 3], lone(&card(2, 1)));
    refused("the neighbour's own card", &[3], lone(&card(3, 1)));
    refused("one that nobody knows", &[99, 3], lone(&card(99, 1)));
    refused("one that no path leads to", &[5, 3], lone(&card(5, 1)));
    refused("by one that is not linked with us", &[1, 6], lone(&card(1, 1)));
    let gone = Card { leaving_ms: Some(1), ..plain_card(1, Ver { epoch: 1, seq: 9 }) };
    refused("the card of another than the caller", &[4, 3], lone(&card(1, 1)));
    refused("one that says goodbye", &[1, 3], lone(&Record::sign(Body::Card(gone), &node(1))));

    let mut topology = knowing(2, &[1, 3], &[(2, 3), (2, 1), (3, 1)]);
    let out = say(&mut topology, later(0), &[1, 3], 2, lone(&card(1, 1)));
    assert!(heeded(&out).is_empty(), "linked already");
}

#[test]
fn a_neighbour_that_floods_the_target_is_bounded() {
    let mut topology = target();
    let mut heard = 0;
    for ms in (0..10_000).step_by(5) {
        heard += heeded(&say(&mut topology, later(ms), &[1, 3], 2, lone(&card(1, 1)))).len();
    }
    assert!((16..=16 + 40).contains(&heard), "{heard} in 10 s");
}

// --- The form.

#[test]
fn the_largest_card_fits_and_nothing_longer_is_read() {
    let v6 = SocketAddr::from(([0xffff; 8], u16::MAX));
    let ver = Ver { epoch: u64::MAX, seq: u64::MAX };
    let largest = Card {
        key: [1; 32],
        network: Text::new("n".repeat(64)).expect("fits"),
        ver,
        label: Text::new("l".repeat(64)).expect("fits"),
        addrs: List::first_of([v6; 8]),
        relay: true,
        mailbox: true,
        keys: Blob::new(vec![1; 512]).expect("fits"),
        tags: Text::new("t".repeat(1024)).expect("fits"),
        leaving_ms: Some(u64::MAX),
    };
    let record = Record::sign(Body::Card(largest), &node(1));
    let card = lone(&record);
    assert_eq!(card.clone().into_signed(), **record.signed());
    assert!(SignedCard::of(&links(1, 1, &[2])).is_none(), "no card");

    let bytes = postcard::to_stdvec(&card).expect("encodes");
    assert!(postcard::from_bytes::<SignedCard>(&bytes).is_ok());
    // The same with a body one byte too long.
    let mut long = card.key.to_vec();
    long.extend(
        postcard::to_stdvec(&Blob::<4096>::new(vec![0; CARD_BYTES_MAX + 1]).expect("fits"))
            .expect("encodes"),
    );
    long.extend(postcard::to_stdvec(&card.sig).expect("encodes"));
    assert!(postcard::from_bytes::<SignedCard>(&long).is_err());
}

proptest! {
    #[test]
    fn no_call_makes_anybody_panic(
        way in prop::collection::vec(0..8u8, 1..5),
        target in 0..8u8,
        key in 0..8u8,
        body in prop::collection::vec(any::<u8>(), 0..64),
        sig in prop::collection::vec(any::<u8>(), 0..64),
        signs: bool,
    ) {
        let mut topology = neighbour();
        let sig = if signs {
            node(key).sign(&crate::mesh::record::domain_separated("card", &body)).to_vec()
        } else {
            sig
        };
        let (body, sig) = (Blob::new(body).expect("fits"), Blob::new(sig).expect("fits"));
        let out = say(&mut topology, later(0), &way, target, SignedCard { key: [key; 32], body, sig });
        prop_assert!(passed(&out).is_empty() && heeded(&out).is_empty(), "no such body is a card");
    }
}
