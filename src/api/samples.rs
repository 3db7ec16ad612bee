//! A small network for tests: me (`alice`) is node 1.

use crate::mesh::NodeId;
use crate::mesh::view::{LinkView, NodeView, State, View};

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
