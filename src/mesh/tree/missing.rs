//! Names of what others have and we do not, and whom to ask for it if it does not come.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::mesh::gossip::Name;
use crate::mesh::{NodeId, Time, Ver};

/// Most names remembered.
const NAMES_MAX: usize = 4096;
/// Most nodes remembered that have one of them.
const TELLERS_MAX: usize = 8;

#[derive(Debug)]
struct Awaited {
    told_at: Time,
    at: Time,
    asked: bool,
    /// Who told of it and was not asked yet, in order, and of which version: who makes one up must not keep the others'
    /// from being asked for.
    tellers: Vec<(NodeId, Ver)>,
}

/// What is missing, by slot.
#[derive(Debug, Default)]
pub(super) struct Missing {
    awaited: BTreeMap<Name, Awaited>,
    due: BTreeSet<(Time, Name)>,
}

impl Missing {
    /// Somebody has something. False if there is no room.
    pub(super) fn told(&mut self, now: Time, name: Name, by: &NodeId, wait: Duration) -> bool {
        let slot = name.slot();
        let Some(awaited) = self.awaited.get_mut(&slot) else {
            let room = self.awaited.len() < NAMES_MAX;
            if room {
                let at = now + wait;
                self.due.insert((at, slot));
                let tellers = vec![(*by, name.ver)];
                let awaited = Awaited { told_at: now, at, asked: false, tellers };
                self.awaited.insert(slot, awaited);
            }
            return room;
        };
        // The clock goes on whatever is told: an author who says something new all the time must be heard, too.
        if let Some((_, ver)) = awaited.tellers.iter_mut().find(|(teller, _)| teller == by) {
            *ver = name.ver.max(*ver);
        } else if awaited.tellers.len() < TELLERS_MAX {
            awaited.tellers.push((*by, name.ver));
        }
        true
    }

    /// This is here, and all that is older. How long after its name it came, if that was without being asked for.
    pub(super) fn arrived(&mut self, now: Time, name: &Name) -> Option<Duration> {
        let slot = name.slot();
        let awaited = self.awaited.get_mut(&slot)?;
        awaited.tellers.retain(|(_, ver)| *ver > name.ver);
        if !awaited.tellers.is_empty() {
            return None;
        }
        let awaited = self.awaited.remove(&slot)?;
        self.due.remove(&(awaited.at, slot));
        (!awaited.asked).then(|| now.since(awaited.told_at))
    }

    pub(super) fn next_due(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The slot of something that should have come by now.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<Name> {
        let (at, slot) = *self.due.first()?;
        (at <= now).then(|| {
            self.due.pop_first();
            slot
        })
    }

    /// What is to be asked for, whom, and how long to wait for the answer. `wait` answers none for those who
    /// cannot be asked. When nobody is left, it is forgotten.
    pub(super) fn next_teller(
        &mut self,
        slot: &Name,
        mut wait: impl FnMut(&NodeId) -> Option<Duration>,
    ) -> Option<(Name, NodeId, Duration)> {
        let awaited = self.awaited.get_mut(slot)?;
        while !awaited.tellers.is_empty() {
            let (peer, ver) = awaited.tellers.remove(0);
            if let Some(wait) = wait(&peer) {
                return Some((Name { ver, ..*slot }, peer, wait));
            }
        }
        self.awaited.remove(slot);
        None
    }

    /// It was asked for; the next one is asked at this time.
    pub(super) fn wait_on(&mut self, at: Time, name: Name) {
        let slot = name.slot();
        if let Some(awaited) = self.awaited.get_mut(&slot) {
            (awaited.at, awaited.asked) = (at, true);
            self.due.insert((at, slot));
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.awaited.len()
    }
}
