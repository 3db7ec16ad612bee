//! The registry as people see it.

use std::net::SocketAddr;

use super::{Member, Peers};
use crate::mesh::NodeId;
use crate::mesh::record::Direction;

/// One thing that was seen of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Unix milliseconds.
    pub at_ms: u64,
    /// What was seen, in words.
    pub text: String,
}

/// What a link is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Both ends agreed on it.
    Up,
    /// Being dialled or greeted.
    Connecting,
    /// Not there.
    Down,
}

/// One peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its id; none while only an address is known.
    pub id: Option<NodeId>,
    /// Its label, hostile text until escaped; empty when unknown.
    pub label: String,
    /// What its link is doing.
    pub link: Phase,
    /// Who dialled, if a link is up.
    pub direction: Option<Direction>,
    /// Smoothed round-trip time, microseconds.
    pub rtt_us: Option<u32>,
    /// Where it is linked from or dialled at.
    pub addr: Option<SocketAddr>,
    /// Unix milliseconds since when the link is in this phase.
    pub since_ms: u64,
    /// Pinned by hand.
    pub pinned: bool,
    /// Banned.
    pub banned: bool,
    /// What stands in the way, if anything.
    pub problem: Option<String>,
}

impl Peers {
    /// All peers, by id; then seeds nobody has answered at, then strangers that were refused.
    pub fn rows(&self) -> Vec<Row> {
        let start_ms = self.home.start_ms;
        let members = self.members.iter().map(|(id, m)| Row {
            id: Some(*id),
            label: m.label.clone(),
            link: match (&m.up, m.dialing.or(m.limbo.map(|_| 0))) {
                (Some(_), _) => Phase::Up,
                (None, Some(_)) => Phase::Connecting,
                (None, None) => Phase::Down,
            },
            direction: m.up.as_ref().map(|u| u.dir),
            rtt_us: m.up.as_ref().map(|u| u.rtt_us).filter(|rtt| *rtt != 0),
            addr: m.up.as_ref().map(|u| u.addr).or_else(|| m.addrs.first().copied()),
            since_ms: start_ms + m.since.as_ms(),
            pinned: self.book.trusted.contains(id),
            banned: self.book.banned.contains_key(id),
            problem: self.stands_in_the_way(id, m),
        });
        let seeds = self.seeds.iter().filter(|s| !s.myself);
        let seeds = seeds.filter(|s| s.id.is_none() || s.problem.is_some()).map(|s| Row {
            link: if s.dialing.is_some() { Phase::Connecting } else { Phase::Down },
            addr: Some(s.addr),
            problem: s.problem.clone(),
            ..nobody(start_ms)
        });
        let refused = self.refusals.iter().filter(|(id, _)| !self.members.contains_key(id));
        let refused = refused.map(|(id, (at, text))| Row {
            id: Some(*id),
            since_ms: start_ms + at.as_ms(),
            problem: Some(text.clone()),
            ..nobody(start_ms)
        });
        let banned = self.book.banned.iter().filter(|(id, _)| !self.members.contains_key(id));
        let banned = banned.map(|(id, since_ms)| Row {
            id: Some(*id),
            since_ms: *since_ms,
            banned: true,
            ..nobody(start_ms)
        });
        members.chain(seeds).chain(refused).chain(banned).collect()
    }

    fn stands_in_the_way(&self, id: &NodeId, member: &Member) -> Option<String> {
        let refused = self.refusals.get(id).map(|(_, text)| text.clone());
        let held = || member.held.then(|| "disconnected by hand".into());
        refused.or_else(|| member.problem.clone()).or_else(held)
    }

    /// What was seen of a node, oldest first.
    pub fn evidence(&self, id: &NodeId) -> Vec<Evidence> {
        self.members.get(id).map(|m| m.evidence.iter().cloned().collect()).unwrap_or_default()
    }

    /// What a person should look at.
    pub fn problems(&self) -> Vec<String> {
        let seeds = self.seeds.iter().filter_map(|s| s.problem.clone());
        let refused = self.refusals.values().map(|(_, text)| text.clone());
        let mut problems: Vec<String> = seeds.chain(refused).collect();
        if self.health > 0 {
            problems.push(format!(
                "this machine is slow to run the daemon (health {} of 8, 0 is well): waits are stretched",
                self.health
            ));
        }
        problems
    }

    /// A link is up, or nobody is configured to be joined.
    pub fn joined(&self) -> bool {
        self.counts().0 > 0 || self.seeds.iter().all(|s| s.myself)
    }

    /// How well this machine runs us, as the pulse said last: 0 is well, 8 worst.
    pub fn health(&self) -> u32 {
        self.health
    }

    /// Whether this peer is linked.
    pub fn is_up(&self, id: &NodeId) -> bool {
        self.members.get(id).is_some_and(|m| m.up.is_some())
    }

    /// A node's label; empty when unknown.
    pub fn label_of(&self, id: &NodeId) -> &str {
        self.members.get(id).map_or("", |m| &m.label)
    }

    /// Whether anything at all is known of this node.
    pub fn knows(&self, id: &NodeId) -> bool {
        self.members.contains_key(id) || self.book.banned.contains_key(id)
    }

    /// Whether a label is pinned.
    pub fn pins_label(&self, label: &str) -> bool {
        self.book.label_pins.contains_key(label)
    }

    /// Takes over a changed epoch of our own.
    pub fn set_epoch(&mut self, epoch: u64) {
        self.book.epoch = epoch;
    }
}

fn nobody(start_ms: u64) -> Row {
    Row {
        id: None,
        label: String::new(),
        link: super::Phase::Down,
        direction: None,
        rtt_us: None,
        addr: None,
        since_ms: start_ms,
        pinned: false,
        banned: false,
        problem: None,
    }
}
