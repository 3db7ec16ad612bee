//! The graph as rows: nodes, then links.

use super::super::shapes::{Ends, Gone, HexId, Link, Node};
use super::part::Rows;
use super::{CHUNK_BYTES, event};
use crate::mesh::NodeId;
use crate::mesh::view::{LinkView, View};

impl Rows for View {
    fn say(&self, told: &View, from: usize, text: &mut String) -> Option<usize> {
        if from == 0 {
            say_gone(self, told, text);
        }
        let nodes = self.nodes.len();
        for (at, node) in self.nodes.iter().enumerate().skip(from) {
            if told.node(&node.id) != Some(node) {
                event("node", Node::from(node), text);
            }
            if text.len() >= CHUNK_BYTES {
                return Some(at + 1);
            }
        }
        for (at, link) in self.links.iter().enumerate().skip(from.saturating_sub(nodes)) {
            if told.link(ends(link)) != Some(link) {
                event("link", Link::from(link), text);
            }
            if text.len() >= CHUNK_BYTES {
                return Some(nodes + at + 1);
            }
        }
        None
    }
}

fn ends(link: &LinkView) -> (NodeId, NodeId) {
    (link.from, link.to)
}

fn say_gone(now: &View, told: &View, text: &mut String) {
    for link in told.links.iter().filter(|link| now.link(ends(link)).is_none()) {
        let ends = Ends { from: HexId(link.from), to: HexId(link.to) };
        event("gone", Gone { link: Some(ends), ..Gone::default() }, text);
    }
    for node in told.nodes.iter().filter(|node| now.node(&node.id).is_none()) {
        event("gone", Gone { node: Some(HexId(node.id)), ..Gone::default() }, text);
    }
}
