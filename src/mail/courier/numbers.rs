//! Which letter a packet with that number carried, for neighbours that give one back.

use std::collections::{BTreeMap, VecDeque};

use crate::mail::LetterId;
use crate::mesh::NodeId;

/// Packets remembered: a busy neighbour says so at once.
const REMEMBERED: usize = 4096;

/// The last packets of ours that were handed on.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    by: BTreeMap<(NodeId, u32), LetterId>,
    order: VecDeque<(NodeId, u32)>,
}

impl Numbers {
    pub(super) fn remember(&mut self, peer: NodeId, number: u32, id: LetterId) {
        if self.order.len() == REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.by.remove(&oldest);
        }
        self.by.insert((peer, number), id);
        self.order.push_back((peer, number));
    }

    /// The letter, once.
    pub(super) fn take(&mut self, peer: NodeId, number: u32) -> Option<LetterId> {
        self.by.remove(&(peer, number))
    }
}
