//! A small network for tests: me (`alice`) is node 1.

use crate::actors::messages::{File, PiecesView, Transfer};
use crate::mesh::NodeId;
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
    PiecesView { transfers: vec![shared(1), fetching(2)], files: files.into() }
}
