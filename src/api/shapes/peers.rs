//! The peers: what the registry knows of our links, and what the graph knows of everyone.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{Object, ObjectBuilder, Type};

use super::{HexId, NodeState};
use crate::actors::messages::{LinkPhase, PeerRow};
use crate::mesh::NodeId;
use crate::mesh::record::Direction;
use crate::mesh::view::{NodeView, View};

/// `GET peers`: every other node known, linked or not, by label and id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Peers {
    /// The peers.
    pub peers: Vec<Peer>,
}

/// One peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Peer {
    /// Its id; none while only an address is known.
    pub id: Option<HexId>,
    /// Its label, hostile text until escaped; empty when unknown.
    pub label: String,
    /// Its state in the graph.
    pub state: NodeState,
    /// What our own link to it is doing.
    pub link: LinkWord,
    /// Who dialled, if a link is up.
    #[schema(schema_with = direction)]
    pub direction: Option<Direction>,
    /// Round-trip time of the link, microseconds.
    pub rtt_us: Option<u32>,
    /// Where it is linked from, dialled at, or says it can be dialled.
    #[schema(value_type = Option<String>, example = "127.0.0.1:9001")]
    pub addr: Option<SocketAddr>,
    /// Unix milliseconds since when the link (or, without one, the node) is so.
    pub since_ms: u64,
    /// Pinned by hand.
    #[serde(default)]
    pub pinned: bool,
    /// Banned.
    #[serde(default)]
    pub banned: bool,
    /// What stands in the way of a link.
    #[serde(default)]
    pub problem: Option<String>,
}

/// The words of [`Direction`], or null.
fn direction() -> Object {
    let types = SchemaType::from_iter([Type::String, Type::Null]);
    let about = "Who dialled, if a link is up.";
    let words = [Some("out"), Some("in"), None];
    let words = ObjectBuilder::new().enum_values(Some(words));
    words.schema_type(types).description(Some(about)).build()
}

/// What a link is doing; see [`LinkPhase`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LinkWord {
    /// Both ends agreed on it.
    Up,
    /// Being dialled or greeted.
    Connecting,
    /// Not there.
    Down,
}

impl LinkWord {
    /// The word used in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            LinkWord::Up => "up",
            LinkWord::Connecting => "connecting",
            LinkWord::Down => "down",
        }
    }
}

impl From<LinkPhase> for LinkWord {
    fn from(phase: LinkPhase) -> LinkWord {
        match phase {
            LinkPhase::Up => LinkWord::Up,
            LinkPhase::Connecting => LinkWord::Connecting,
            LinkPhase::Down => LinkWord::Down,
        }
    }
}

impl Peers {
    /// The registry's rows with the states the graph gives, and the nodes only the graph knows.
    pub fn merge(rows: &[PeerRow], view: &View) -> Peers {
        let listed = |id: &NodeId| rows.iter().any(|row| row.id.as_ref() == Some(id));
        let unlisted = view.nodes.iter().filter(|n| n.id != view.me && !listed(&n.id));
        let mut peers: Vec<Peer> =
            rows.iter().map(|r| Peer::linked(r, view)).chain(unlisted.map(Peer::seen)).collect();
        peers.sort_by(|a, b| (&a.label, a.id, a.addr).cmp(&(&b.label, b.id, b.addr)));
        Peers { peers }
    }
}

impl Peer {
    /// A peer the registry knows.
    fn linked(row: &PeerRow, view: &View) -> Peer {
        let node = row.id.and_then(|id| view.node(&id));
        let label = match node {
            Some(node) if row.label.is_empty() => node.label.clone(),
            _ => row.label.clone(),
        };
        Peer {
            id: row.id.map(HexId),
            label,
            state: node.map_or(NodeState::Unknown, |n| n.state.into()),
            link: row.link.into(),
            direction: row.direction,
            rtt_us: row.rtt_us,
            addr: row.addr.or_else(|| node.and_then(|n| n.addrs.first().copied())),
            since_ms: row.since_ms,
            pinned: row.pinned,
            banned: row.banned,
            problem: row.problem.clone(),
        }
    }

    /// A node that only the graph knows: reached through others.
    fn seen(node: &NodeView) -> Peer {
        Peer {
            id: Some(HexId(node.id)),
            label: node.label.clone(),
            state: node.state.into(),
            link: LinkWord::Down,
            direction: None,
            rtt_us: None,
            addr: node.addrs.first().copied(),
            since_ms: node.since_ms,
            pinned: false,
            banned: false,
            problem: None,
        }
    }
}
