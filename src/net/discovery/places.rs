//! Who was seen: a place for each announcement, 64 at most, whatever is shouted.
//!
//! PURE: knows no socket.

use std::collections::VecDeque;

use mdns_sd::ServiceEvent;

use super::instance::read;
use crate::mesh::NodeId;
use crate::mesh::peers::{NEAR_MAX, Sighting};

/// Longest name of an announcement, bytes; DNS has none longer.
const NAME_BYTES_MAX: usize = 255;

/// The announcements of this network that are there, ours left out.
pub(super) struct Places {
    me: NodeId,
    network: String,
    /// Name of the announcement and its place; the one seen longest ago first.
    taken: VecDeque<(String, usize)>,
}

impl Places {
    pub(super) fn new(me: NodeId, network: String) -> Places {
        Places { me, network, taken: VecDeque::new() }
    }

    /// What an event means for the registry.
    pub(super) fn heard(&mut self, event: ServiceEvent) -> Option<Sighting> {
        match event {
            ServiceEvent::ServiceResolved(service) => {
                let name = service.get_fullname();
                match read(&service, &self.network).filter(|(id, _)| *id != self.me) {
                    Some((peer, addrs)) if name.len() <= NAME_BYTES_MAX => {
                        Some(Sighting::Here { place: self.place(name), peer, addrs })
                    }
                    // It was one of us and is none any more.
                    _ => self.away(name),
                }
            }
            ServiceEvent::ServiceRemoved(_, name) => self.away(&name),
            _ => None,
        }
    }

    fn away(&mut self, name: &str) -> Option<Sighting> {
        let at = self.taken.iter().position(|(taken, _)| taken == name)?;
        self.taken.remove(at).map(|(_, place)| Sighting::Away { place })
    }

    /// The place of this announcement; if all are taken, that of who was seen longest ago.
    fn place(&mut self, name: &str) -> usize {
        let known = self.taken.iter().position(|(taken, _)| taken == name);
        let oldest = (self.taken.len() >= NEAR_MAX).then_some(0);
        let place = match known.or(oldest).and_then(|at| self.taken.remove(at)) {
            Some((_, place)) => place,
            None => (0..NEAR_MAX)
                .find(|free| self.taken.iter().all(|(_, taken)| taken != free))
                .unwrap_or_default(),
        };
        self.taken.push_back((name.to_owned(), place));
        place
    }
}
