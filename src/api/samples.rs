//! A small network for tests: me (`alice`) is node 1.

use super::shapes::{Health, HexId, Status};
use crate::actors::messages::{
    Amounts, File, LinkPhase, MailFigures, PeerRow, PiecesView, RelayRow, Relays, Transfer, Walk,
};
use crate::mail::LetterId;
use crate::mail::rows::{Conversation, InLetter, OutLetter, State as LetterState};
use crate::mesh::NodeId;
use crate::mesh::record::Direction;
use crate::mesh::view::{LinkView, NodeView, State, View};
use crate::pieces::FileId;
use crate::pieces::rows::{Bottleneck, FileRow, Phase, SourceRow, TransferRow};
use crate::pieces::ticket::Ticket;
use crate::wire::bounded::List;

/// An id made of a seed byte.
pub fn id(seed: u8) -> NodeId {
    NodeId([seed.wrapping_mul(17); 32])
}

/// A confirmed link.
pub fn link(from: u8, to: u8, rtt_us: u32) -> LinkView {
    LinkView { from: id(from), to: id(to), rtt_us, confirmed: true }
}

/// alice -> bob -> carol alive and linked, dave failed, two nodes called twin, and one without a card.
pub fn view() -> View {
    let node = |seed: u8, label: &str, state| NodeView {
        id: id(seed),
        label: label.into(),
        state,
        addrs: match label {
            "" => vec![],
            _ => vec![([127, 0, 0, 1], 9000 + u16::from(seed)).into()],
        },
        since_ms: 1_700_000_000_000,
        offers: Default::default(),
    };
    View {
        me: id(1),
        nodes: vec![
            node(1, "alice", State::Alive),
            node(2, "bob", State::Alive),
            node(3, "carol", State::Suspect),
            node(4, "dave", State::Failed),
            node(5, "twin", State::Alive),
            node(6, "twin", State::Alive),
            node(7, "", State::Alive),
        ],
        links: vec![
            link(1, 2, 321),
            link(2, 3, 45_000),
            LinkView { confirmed: false, ..link(3, 5, 0) },
        ],
        changed_ms: 1_700_000_000_500,
    }
}

/// How alice is.
pub fn status() -> Status {
    Status {
        id: HexId(id(1)),
        label: "alice".into(),
        version: "0.1.0".into(),
        uptime_s: 301,
        listen: vec![([127, 0, 0, 1], 9001).into()],
        state_dir: Some("profiles/alice".into()),
        nodes_alive: 6,
        links: 1,
        handshakes: 0,
        joined: true,
        health: Health::Ok,
        problems: vec![],
        counters: Default::default(),
    }
}

/// Her link to bob, as her registry knows it: pinned, and dialled by her.
pub fn linked() -> PeerRow {
    PeerRow {
        id: Some(id(2)),
        label: "bob".into(),
        link: LinkPhase::Up,
        direction: Some(Direction::Out),
        rtt_us: Some(321),
        addr: Some(([127, 0, 0, 1], 9002).into()),
        since_ms: 1_700_000_000_100,
        pinned: true,
        banned: false,
        problem: None,
    }
}

/// How a probe got to carol and back.
pub fn walk() -> Walk {
    Walk { hops: vec![(id(2), 330), (id(3), 45_100)], rtt_us: 45_430 }
}

/// A file id made of a seed byte.
pub fn file(seed: u8) -> FileId {
    FileId([seed.wrapping_mul(17); 32])
}

const MIB: u64 = 1 << 20;

/// A get of a disc from bob and carol, at 62 %.
pub fn fetching(transfer: u64) -> Transfer {
    let source = |peer: u8, pieces: u32, lies: u32| SourceRow {
        peer: id(peer),
        pieces,
        bytes: u64::from(pieces + lies) * MIB,
        bytes_per_second: 160 * MIB,
        asked: 4,
        lies,
    };
    let row = TransferRow {
        transfer,
        share: false,
        file: Some(file(10)),
        name: "disc.iso".into(),
        phase: Phase::Fetching,
        bytes: 1024 * MIB,
        bytes_done: 635 * MIB,
        bytes_received: 637 * MIB,
        pieces: 1024,
        pieces_done: 635,
        bytes_per_second: 480 * MIB,
        bottleneck: Bottleneck::Peers,
        sources: vec![source(2, 400, 0), source(3, 235, 2)],
        problem: String::new(),
        elapsed_ms: 1_500,
    };
    Transfer {
        row,
        path: "files/disc.iso".into(),
        ticket: Some(ticket(10)),
        since_ms: 1_700_000_000_000,
        left_out: vec![],
    }
}

/// A share that is done.
pub fn shared(transfer: u64) -> Transfer {
    let get = fetching(transfer);
    let row = TransferRow {
        share: true,
        file: Some(file(11)),
        name: "photos".into(),
        phase: Phase::Done,
        bytes: 3 * MIB,
        bytes_done: 3 * MIB,
        bytes_received: 0,
        pieces: 3,
        pieces_done: 3,
        bytes_per_second: 0,
        bottleneck: Bottleneck::None,
        sources: vec![],
        elapsed_ms: 12,
        ..get.row
    };
    let left_out = vec!["photos/latest: a symbolic link".into()];
    Transfer { row, path: "files/photos".into(), ticket: Some(ticket(11)), left_out, ..get }
}

fn ticket(seed: u8) -> Ticket {
    let hints = List::new(vec![(id(1), ([127, 0, 0, 1], 9001).into())]).expect("one");
    Ticket { file: file(seed), bytes: 3 * MIB, hints }
}

/// A disc on its way, and two directories of one name, one of which has changed on the disk.
pub fn pieces() -> PiecesView {
    let known = |seed: u8, name: &str, pieces: u32, pieces_held: u32| File {
        row: FileRow {
            file: file(seed),
            name: name.into(),
            bytes: u64::from(pieces) * MIB,
            pieces,
            pieces_held,
            served: true,
            bytes_given: 5 * MIB,
            holders: vec![id(2), id(3)],
        },
        path: format!("files/{name}").into(),
        ticket: ticket(seed),
        problem: String::new(),
    };
    let mut changed = known(12, "photos", 3, 3);
    changed.row.served = false;
    changed.row.holders.clear();
    changed.problem = "it has changed since it was shared; share it again".into();
    let files = vec![known(10, "disc.iso", 1024, 635), known(11, "photos", 3, 3), changed];
    let counters = vec![("bytes_received", 637 * MIB), ("pieces_verified", 635)];
    PiecesView { transfers: vec![shared(1), fetching(2)], files: files.into(), counters }
}

/// When the letters were written, Unix milliseconds.
pub const WRITTEN_MS: u64 = 1_700_000_000_000;

/// The id of a letter made of a seed byte.
pub fn letter_id(seed: u8) -> LetterId {
    LetterId([seed.wrapping_mul(17); 16])
}

/// A letter to bob that has come this far, over carol and a node without a label.
pub fn letter(seed: u8, state: LetterState) -> OutLetter {
    let at = |reached: LetterState, ms: u64| {
        let passed = state >= reached && state <= LetterState::Read;
        if passed { WRITTEN_MS + ms } else { 0 }
    };
    let left = state != LetterState::Queued;
    OutLetter {
        id: letter_id(seed),
        reader: id(2),
        created_ms: WRITTEN_MS,
        expires_ms: WRITTEN_MS + 7 * 24 * 3_600_000,
        bytes: 12,
        hops: None,
        shards: None,
        split_seed: [0; 32],
        state,
        why: match state {
            LetterState::Failed => "no relay, and mail.direct_fallback is ask\x1b".into(),
            _ => String::new(),
        },
        tries: if left { 2 } else { 0 },
        sent_ms: at(LetterState::Sent, 4),
        stored_ms: 0,
        delivered_ms: at(LetterState::Delivered, 61),
        read_ms: at(LetterState::Read, 90_000),
        paths: if left { vec![vec![id(3), id(7)]] } else { vec![] },
    }
}

/// A letter that came.
pub fn came(seed: u8, from: NodeId, body: &[u8]) -> InLetter {
    InLetter {
        seq: seed.into(),
        id: letter_id(seed),
        from,
        created_ms: WRITTEN_MS,
        received_ms: WRITTEN_MS + 1000 * u64::from(seed),
        seen_until_ms: u64::MAX,
        read: false,
        request: from == id(9),
        body: body.to_vec(),
    }
}

/// All letters with one node, in short.
pub fn conversation(with: u8) -> Conversation {
    Conversation {
        with: id(with),
        received: 12,
        unread: 3,
        sent: 7,
        waiting: 1,
        last_ms: WRITTEN_MS,
    }
}

/// How much there is of everything about letters.
pub fn figures() -> MailFigures {
    MailFigures {
        volunteer: true,
        mailbox: true,
        relays: vec![("ready", 1), ("quarantined", 1), ("no_key", 0)],
        mailboxes: 1,
        kept: (2, 30),
        under_way: vec![("queued", 1), ("sent", 2), ("stored", 0)],
        packets_waiting: 3,
        amounts: Amounts {
            inbox_letters: 12,
            inbox_bytes: 3456,
            sent_letters: 7,
            kept_bytes: 78_900,
        },
        counters: relays().counters,
    }
}

/// Bob and carol pass letters on, and bob keeps ours.
pub fn relays() -> Relays {
    let bob = RelayRow {
        id: id(2),
        volunteer: true,
        mailbox: true,
        state: "ready",
        guard: true,
        delivered: 41,
        silent: 1,
    };
    let carol = RelayRow {
        id: id(3),
        mailbox: false,
        state: "quarantined",
        guard: false,
        delivered: 0,
        silent: 6,
        ..bob.clone()
    };
    Relays {
        volunteer: true,
        mailbox: true,
        nodes: vec![bob, carol],
        mailboxes: vec![id(2)],
        kept: (2, 30),
        counters: vec![("packets_forwarded", 420), ("packets_dropped_replay", 3)],
    }
}
