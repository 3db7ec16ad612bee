//! How much crosses the links: messages and bytes, by what they are for.

use kith::mesh::gossip::{Beat, Gossip, Name};
use kith::mesh::record::{self, Signed};
use kith::wire::HEADER_BYTES;

use super::pipe::Item;

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Connecting, TLS, hellos.
    Handshake,
    /// Pings of links and their answers, questions about silence.
    Heartbeat,
    /// Cards and link states.
    Records,
    /// Digests, versions, and what is asked for after them.
    Comparing,
    /// Shouts and periodic pings.
    Casts,
    /// What lazy links carry instead of records, and what is asked for because of them.
    Names,
    /// What is passed on to a node that is no neighbour.
    Routed,
    /// The last word on a link.
    Goodbye,
}

/// All kinds and their names, in the order of the report.
pub const KINDS: [(Kind, &str); 8] = [
    (Kind::Handshake, "handshakes"),
    (Kind::Heartbeat, "heartbeats"),
    (Kind::Records, "records"),
    (Kind::Comparing, "comparing"),
    (Kind::Casts, "casts"),
    (Kind::Names, "names"),
    (Kind::Routed, "routed"),
    (Kind::Goodbye, "goodbyes"),
];

/// Bytes of a TLS 1.3 record around its content: header 5, type 1, tag 16.
const RECORD_BYTES: u64 = 22;
/// Bytes of a first flight with a post-quantum key share; of the answer with certificate; of the dialler's own.
const CLIENT_HELLO_BYTES: u64 = 1_500;
const SERVER_FLIGHT_BYTES: u64 = 2_000;
const CLIENT_FLIGHT_BYTES: u64 = 650;
/// What a hello says beside the card.
const HELLO_BYTES: u64 = 20;
/// A signed record beside its body: kind, key, length of the signature, signature.
const SIGNED_BYTES: u64 = 1 + 32 + 1 + 64;

/// Messages and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub messages: u64,
    pub bytes: u64,
}

/// Tallies of all kinds.
pub type Traffic = [Tally; KINDS.len()];

/// What was added to `before` up to `now`.
pub fn since(now: &Traffic, before: &Traffic) -> Traffic {
    let mut added = Traffic::default();
    for (i, tally) in added.iter_mut().enumerate() {
        tally.messages = now[i].messages - before[i].messages;
        tally.bytes = now[i].bytes - before[i].bytes;
    }
    added
}

/// What something is for, and how many bytes TLS makes of it. Headers of TCP and IP are not counted.
pub fn weigh(item: &Item) -> (Kind, u64) {
    let frame = |bytes: u64| HEADER_BYTES as u64 + bytes + RECORD_BYTES;
    match item {
        Item::Syn | Item::SynAck | Item::Fin | Item::Rst => (Kind::Handshake, 0),
        Item::ClientHello => (Kind::Handshake, CLIENT_HELLO_BYTES),
        Item::ServerHello => (Kind::Handshake, SERVER_FLIGHT_BYTES),
        Item::DiallerHello(card) => {
            (Kind::Handshake, CLIENT_FLIGHT_BYTES + frame(HELLO_BYTES + signed(card.signed())))
        }
        Item::AcceptorHello(card) => (Kind::Handshake, frame(HELLO_BYTES + signed(card.signed()))),
        Item::Ready => (Kind::Handshake, frame(0)),
        Item::Beat(beat) => (Kind::Heartbeat, frame(beat_bytes(beat))),
        Item::Bye(_, cards) => {
            let cards: u64 = cards.iter().map(|card| signed(card.signed())).sum();
            (Kind::Goodbye, frame(2 + cards))
        }
        Item::Gossip(gossip) => {
            let (kind, bytes) = gossip_bytes(gossip);
            (kind, frame(bytes))
        }
    }
}

/// Bytes of a number as postcard writes it: seven bits in each.
fn number(n: u64) -> u64 {
    u64::from((64 - (n | 1).leading_zeros()).div_ceil(7))
}

fn signed(record: &Signed) -> u64 {
    let body = record.body.len() as u64;
    SIGNED_BYTES + number(body) + body
}

fn beat_bytes(beat: &Beat) -> u64 {
    1 + match beat {
        Beat::Ping { sent_us, rtt_us, root } => {
            number(*sent_us) + number(u64::from(*rtt_us)) + number(*root)
        }
        Beat::Pong { sent_us, root } => number(*sent_us) + number(*root),
        Beat::Ask { .. } => 32,
        Beat::Answer { age_ms, .. } => 33 + age_ms.map_or(0, |age| number(u64::from(age))),
    }
}

fn gossip_bytes(gossip: &Gossip) -> (Kind, u64) {
    match gossip {
        Gossip::Records(records) => {
            let bodies: u64 = records.iter().map(|r| signed(r)).sum();
            (Kind::Records, 1 + number(records.len() as u64) + bodies)
        }
        Gossip::Cast(cast) => (Kind::Casts, 1 + signed(cast)),
        Gossip::Digest(_) | Gossip::Versions { .. } | Gossip::Want(_) => {
            (Kind::Comparing, encoded(gossip))
        }
        Gossip::Push(pushed) => {
            let cast = pushed.iter().all(|p| p.signed.kind == record::Kind::Cast);
            let bodies: u64 = pushed.iter().map(|p| 1 + signed(&p.signed)).sum();
            let kind = if cast { Kind::Casts } else { Kind::Records };
            (kind, 1 + number(pushed.len() as u64) + bodies)
        }
        Gossip::IHave(names) | Gossip::Graft(names) => {
            let name = |n: &Name| 9 + number(n.ver.epoch) + number(n.ver.seq);
            (Kind::Names, 1 + number(names.len() as u64) + names.iter().map(name).sum::<u64>())
        }
        Gossip::Prune => (Kind::Names, 1),
        Gossip::Evened(_) => (Kind::Comparing, encoded(gossip)),
        Gossip::Route(_) => (Kind::Routed, encoded(gossip)),
    }
}

/// Bytes of what is said too rarely for a formula of its own.
fn encoded(gossip: &Gossip) -> u64 {
    postcard::experimental::serialized_size(gossip).map_or(0, |bytes| bytes as u64)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kith::mesh::gossip::Pushed;
    use kith::mesh::record::Kind as RecordKind;
    use kith::mesh::{NodeId, Ver};
    use kith::wire::bounded::{Blob, List};
    use kith::wire::{Frame, encode};

    use super::*;

    #[test]
    fn what_is_counted_is_what_the_daemon_would_send() {
        let record = |bytes: usize| {
            let (body, sig) = (Blob::new(vec![7; bytes]), Blob::new(vec![9; 64]));
            let (body, sig) = (body.expect("fits"), sig.expect("fits"));
            Arc::new(Signed { kind: RecordKind::Links, key: [3; 32], body, sig })
        };
        let records = List::first_of([record(10), record(127), record(128), record(20_000)]);
        let name =
            |seq| Name { id: [9; 8], kind: RecordKind::Card, ver: Ver { epoch: 1 << 40, seq } };
        let pushed = [10, 300].map(|bytes| Pushed { hops: 200, signed: record(bytes) });
        let said = [
            Gossip::Records(records),
            Gossip::Push(List::first_of(pushed)),
            Gossip::IHave(List::first_of([name(1), name(300)])),
            Gossip::Prune,
            Gossip::Cast(record(300)),
            Gossip::Digest(List::first_of((0..256).map(|i| i << (i % 60)))),
        ];
        for gossip in said {
            let frame = encode(&Frame::Gossip(gossip.clone())).expect("short enough");
            let (_, bytes) = weigh(&Item::Gossip(Box::new(gossip)));
            assert_eq!(bytes, frame.len() as u64 + RECORD_BYTES);
        }
        let of = NodeId([5; 32]);
        let beats = [
            Beat::Ping { sent_us: 1 << 40, rtt_us: 128, root: u64::MAX },
            Beat::Pong { sent_us: 127, root: 0 },
            Beat::Ask { target: of },
            Beat::Answer { target: of, age_ms: Some(300) },
            Beat::Answer { target: of, age_ms: None },
        ];
        for beat in beats {
            let frame = encode(&Frame::Beat(beat)).expect("short enough");
            let (_, bytes) = weigh(&Item::Beat(Box::new(beat)));
            assert_eq!(bytes, frame.len() as u64 + RECORD_BYTES);
        }
    }
}
