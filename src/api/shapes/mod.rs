//! The JSON shapes of the control API, in both directions: the daemon writes them, the command line reads
//! them. Fields may be added, never renamed.

mod events;
mod letters;
mod peers;
mod pieces;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::actors::messages;
use crate::mesh::view::{LinkView, NodeView, State, View};
use crate::mesh::{NodeId, ParseIdError};

pub use events::{Ends, Gone, Level, LogLine, Whole};
pub use letters::{
    CameEvent, Conversation, HexLetter, Inbox, Kept, Letter, LetterState, Letters, Mailbox, Missed,
    OutboxEvent, Pushed, Received, Relay, Relays,
};
pub use peers::{LinkWord, Peer, Peers};
pub use pieces::{File, HexFile, Kind, Phase, Pieces, Source, Transfer, Transfers};

/// The version of every shape.
pub const SCHEMA: u32 = 1;

/// A shape as it travels: `"schema": 1` before its own fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Shaped<T> {
    /// The version of the shape, always 1.
    #[schema(minimum = 1, maximum = 1)]
    pub schema: u32,
    /// The shape itself.
    #[serde(flatten)]
    pub body: T,
}

impl<T> Shaped<T> {
    /// Puts the version before `body`.
    pub fn new(body: T) -> Shaped<T> {
        Shaped { schema: SCHEMA, body }
    }
}

/// A node id written as 64 hex digits.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
pub struct HexId(pub NodeId);

impl TryFrom<String> for HexId {
    type Error = ParseIdError;
    fn try_from(text: String) -> Result<HexId, ParseIdError> {
        text.parse().map(HexId)
    }
}

impl From<HexId> for String {
    fn from(id: HexId) -> String {
        id.0.to_string()
    }
}

/// The state of a node; see [`State`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// A confirmed path leads to it.
    Alive,
    /// Somebody just dropped its link to it.
    Suspect,
    /// Its last confirmed link is gone.
    Failed,
    /// It went away together with others: a split.
    Unreachable,
    /// It said goodbye.
    Left,
    /// Never met: only an address is known, or it was only ever named.
    #[serde(other)]
    Unknown,
}

impl NodeState {
    /// The word used in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            NodeState::Alive => State::Alive.as_str(),
            NodeState::Suspect => State::Suspect.as_str(),
            NodeState::Failed => State::Failed.as_str(),
            NodeState::Unreachable => State::Unreachable.as_str(),
            NodeState::Left => State::Left.as_str(),
            NodeState::Unknown => "unknown",
        }
    }
}

impl From<State> for NodeState {
    fn from(state: State) -> NodeState {
        match state {
            State::Alive => NodeState::Alive,
            State::Suspect => NodeState::Suspect,
            State::Failed => NodeState::Failed,
            State::Unreachable => NodeState::Unreachable,
            State::Left => NodeState::Left,
        }
    }
}

/// Whether a person has to look at something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Nothing to look at.
    Ok,
    /// `problems` says what.
    Degraded,
}

/// `GET status`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The daemon's own id.
    pub id: HexId,
    /// Its own label.
    pub label: String,
    /// Version of the program.
    pub version: String,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// Where it listens for peers.
    #[schema(value_type = Vec<String>, example = json!(["127.0.0.1:9001"]))]
    pub listen: Vec<SocketAddr>,
    /// Where it keeps its state; none when it keeps it in memory only.
    pub state_dir: Option<String>,
    /// Nodes that a confirmed path leads to, itself included.
    pub nodes_alive: usize,
    /// Links up.
    pub links: usize,
    /// Handshakes under way.
    #[serde(default)]
    pub handshakes: usize,
    /// A link is up, or there is nobody configured to join.
    pub joined: bool,
    /// Degraded when there is a problem.
    pub health: Health,
    /// What a person should look at.
    pub problems: Vec<String>,
    /// Counters by name.
    #[serde(default)]
    pub counters: std::collections::BTreeMap<String, u64>,
}

/// `GET graph`, also the content of `peers.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Graph {
    /// The node that sees this.
    #[serde(rename = "self")]
    pub me: HexId,
    /// All nodes known, by id.
    pub nodes: Vec<Node>,
    /// Links between nodes that are there, by (from, to).
    pub links: Vec<Link>,
    /// Unix milliseconds of the last change of who is there or linked to whom.
    #[serde(default)]
    pub changed_ms: u64,
}

/// One node of the graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// Its id.
    pub id: HexId,
    /// Its label, hostile text until escaped; empty when unknown.
    pub label: String,
    /// Its state.
    pub state: NodeState,
    /// Where it says it can be dialled.
    #[schema(value_type = Vec<String>, example = json!(["127.0.0.1:9001"]))]
    pub addrs: Vec<SocketAddr>,
    /// Unix milliseconds of its last change of state.
    pub since_ms: u64,
    /// It says that it passes letters on.
    #[serde(default)]
    pub relay: bool,
    /// It says that it keeps letters for who is away.
    #[serde(default)]
    pub mailbox: bool,
}

/// One link of the graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Link {
    /// Who dialled.
    pub from: HexId,
    /// Who was dialled.
    pub to: HexId,
    /// Round-trip time, microseconds; 0 when nobody has measured it yet.
    pub rtt_us: u32,
    /// Whether both ends list it.
    pub state: LinkState,
}

/// Whether both ends list a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LinkState {
    /// Both do.
    Confirmed,
    /// Only one does.
    HalfOpen,
}

impl From<&View> for Graph {
    fn from(view: &View) -> Graph {
        Graph {
            me: HexId(view.me),
            nodes: view.nodes.iter().map(Node::from).collect(),
            links: view.links.iter().map(Link::from).collect(),
            changed_ms: view.changed_ms,
        }
    }
}

impl From<&NodeView> for Node {
    fn from(node: &NodeView) -> Node {
        Node {
            id: HexId(node.id),
            label: node.label.clone(),
            state: node.state.into(),
            addrs: node.addrs.clone(),
            since_ms: node.since_ms,
            relay: node.offers.relay,
            mailbox: node.offers.mailbox,
        }
    }
}

impl From<&LinkView> for Link {
    fn from(link: &LinkView) -> Link {
        let state = if link.confirmed { LinkState::Confirmed } else { LinkState::HalfOpen };
        Link { from: HexId(link.from), to: HexId(link.to), rtt_us: link.rtt_us, state }
    }
}

/// `GET path/{who}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Path {
    /// Where it leads.
    pub to: HexId,
    /// The nodes passed, in order, the asking one left out and `to` last: as many as there are links.
    pub hops: Vec<HexId>,
    /// Sum of the round-trip times, microseconds; none while a link on the way is not measured yet.
    pub rtt_us: Option<u64>,
    /// How a probe fared, if one was to be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub walk: Option<Walk>,
}

/// How a probe fared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Walk {
    /// The nodes it passed, in order, the asking one left out and the one it was for last; none if it did not
    /// come back.
    pub hops: Vec<Step>,
    /// How long it took there and back, microseconds; none if it did not come back.
    pub rtt_us: Option<u64>,
    /// Why it did not come back, if it did not.
    pub problem: Option<String>,
}

/// A node that a probe came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// Which.
    pub id: HexId,
    /// How long it took over the link to this node and back, microseconds; 0 if nobody knows.
    pub rtt_us: u32,
}

impl From<Result<messages::Walk, messages::Refused>> for Walk {
    fn from(outcome: Result<messages::Walk, messages::Refused>) -> Walk {
        match outcome {
            Ok(walk) => Walk {
                hops: walk
                    .hops
                    .iter()
                    .map(|(id, rtt_us)| Step { id: HexId(*id), rtt_us: *rtt_us })
                    .collect(),
                rtt_us: Some(walk.rtt_us),
                problem: None,
            },
            Err(refused) => Walk { hops: Vec::new(), rtt_us: None, problem: Some(refused.why) },
        }
    }
}

/// `GET why/{who}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// About whom.
    pub id: HexId,
    /// Its label, hostile text until escaped.
    pub label: String,
    /// Its state.
    pub state: NodeState,
    /// What was seen of it, oldest first.
    pub evidence: Vec<Evidence>,
}

/// One thing that was seen of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// Unix milliseconds.
    pub at_ms: u64,
    /// What was seen, in words.
    pub text: String,
}

impl From<messages::Evidence> for Evidence {
    fn from(seen: messages::Evidence) -> Evidence {
        Evidence { at_ms: seen.at_ms, text: seen.text }
    }
}
