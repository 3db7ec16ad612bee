//! The typed shape of the settings: what the rest of the daemon reads.
//!
//! Keys, kinds and ranges are in the table (`table.rs`); a test keeps both the same.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::values::{Period, Seconds, Secret, hex_ids};
use crate::logs;
use crate::mesh::NodeId;

/// Everything that can be set. `config/network/default.toml` explains each key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name for people, at most 64 bytes. Loading fills in the profile's name; empty means: the
    /// short id.
    pub label: String,
    /// The mesh.
    pub network: Network,
    /// Files.
    pub pieces: Pieces,
    /// The control API.
    pub control: Control,
    /// Logs.
    pub log: Log,
    /// Where state is kept.
    pub state: StateDir,
    /// What this node does for the letters of others.
    pub relay: Relay,
    /// Letters.
    pub mail: Mail,
}

/// `[network]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Only nodes of the same network name link; at most 64 bytes.
    pub name: String,
    /// Shared secret, at most 256 bytes; empty means none. Never shown.
    pub secret: Secret,
    /// Time between two pings to each node.
    pub period: Period,
    /// Who may link.
    pub trust: Trust,
    /// If not empty, only these ids may link.
    #[serde(with = "hex_ids")]
    pub allow: Vec<NodeId>,
    /// These ids may never link.
    #[serde(with = "hex_ids")]
    pub deny: Vec<NodeId>,
    /// PEM file with an Ed25519 private key (PKCS#8); empty means: the state directory's.
    pub key: PathBuf,
    /// PEM file with the certificate of that key; empty means: made from the key.
    pub cert: PathBuf,
    /// The part inherited from area-net.
    pub controller: Controller,
    /// How others are found.
    pub discovery: Discovery,
    /// Who links with whom.
    pub topology: Topology,
    /// What is remembered of others.
    pub graph: Graph,
    /// Bounds of one link.
    pub link: Link,
}

/// Who may link (`network.trust`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// Anyone of the network; what is seen first behind a label or address is pinned.
    Open,
    /// Only ids that are pinned already.
    PinnedOnly,
}

/// `[network.controller]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controller {
    /// Write `peers.json` and `peers.d2` into the state directory.
    pub d2: bool,
    /// Seconds between two saves of the address book.
    pub peer_file_dump_interval: Seconds,
    /// `[network.controller.incoming]`
    pub incoming: Incoming,
    /// `[network.controller.outgoing]`
    pub outgoing: Outgoing,
    /// `[network.controller.peers]`
    pub peers: Peers,
    /// `[network.controller.listen]`
    pub listen: Listen,
    /// `[network.controller.target]`
    pub target: Target,
}

/// `[network.controller.incoming]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incoming {
    /// Most links accepted from others.
    pub max_conn_count: u32,
    /// Most handshakes under way at once.
    pub max_simultaneous_conn_attempts: u32,
    /// Most connections from one address; loopback is exempt.
    pub max_conn_per_address: u32,
}

/// `[network.controller.outgoing]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outgoing {
    /// Most dials under way at once.
    pub max_simultaneous_conn_attempts: u32,
    /// Most dials begun in a second.
    pub conn_attempts_per_second: u32,
}

/// `[network.controller.peers]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    /// Dials in a row that fail before a peer counts as long lost (its retries then go up to
    /// 5 minutes apart, unless pinned or configured).
    pub max_conn_attempt: u32,
    /// Shortest wait before a peer is dialled again.
    pub conn_attempt_delay: Seconds,
    /// Longest wait before a peer is dialled again.
    pub conn_attempt_delay_max: Seconds,
    /// Most peers kept in the address book.
    pub max_idle_count: u32,
    /// Most banned ids.
    pub max_banned_count: u32,
    /// Silence after which a peer is given up (if nobody else hears it).
    pub heartbeat_timeout: Seconds,
    /// Time between heartbeats on a link (stretched above 12 links).
    pub heartbeat_period: Seconds,
}

/// `[network.controller.listen]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Address to listen on.
    pub addr: IpAddr,
    /// Port to listen on; 0 means any free one.
    pub port: u16,
    /// Addresses told to others; empty means: those found out.
    pub advertise: Vec<SocketAddr>,
}

/// `[network.controller.target]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// JSON array of addresses to dial first, relative to the working directory; empty means none.
    #[serde(alias = "file")]
    pub path: PathBuf,
    /// More addresses to dial first (`--connect`): `IP:port` or `host:port`.
    pub connect: Vec<String>,
}

/// `[network.discovery]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discovery {
    /// Find others on the local network by multicast DNS, and be found.
    pub mdns: bool,
}

/// `[network.topology]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// Who links with whom.
    pub mode: Mode,
    /// Links a node aims for where not everyone links with everyone.
    pub degree: u32,
    /// Most links of a node there.
    pub max_conns: u32,
}

/// `network.topology.mode`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Full in a small network, partial in a large one.
    Auto,
    /// Everyone with everyone.
    Full,
    /// Each with some.
    Partial,
}

/// `[network.graph]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Graph {
    /// Most nodes known.
    pub nodes_max: u32,
    /// Most records accepted from one peer in a second, over time; a burst of 2 x `nodes_max` is
    /// allowed before (a joiner is told everything at once).
    pub records_per_second: u32,
    /// Time a failed node is remembered.
    pub forget_after: Seconds,
}

/// `[network.link]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Longest handshake (TCP, TLS and hello together).
    pub handshake_timeout: Seconds,
    /// Most bytes waiting in the normal lane.
    pub normal_bytes_max: u32,
    /// Most bytes of blocks waiting in the bulk lane.
    pub bulk_bytes_max: u32,
    /// A link whose lanes stay full this long is closed.
    pub stalled_timeout: Seconds,
}

/// `[pieces]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pieces {
    /// Where a download goes that names no place; empty means: `received` in the state directory.
    pub dir: PathBuf,
    /// Most bytes asked for and not yet written, in all.
    pub buffer_bytes_max: u64,
    /// Most bytes given to all peers in a second; 0 means no limit.
    pub upload_bytes_per_second: u64,
    /// Most bytes given to one peer in a second; 0 means no limit.
    pub upload_bytes_per_second_per_peer: u64,
    /// Most bytes asked for in a second; 0 means no limit.
    pub download_bytes_per_second: u64,
    /// Most downloads at once; others wait for their turn.
    pub transfers_max: u32,
    /// Most files shared or being got.
    pub files_max: u32,
    /// Most holders of files remembered for others.
    pub index_max: u32,
    /// Most bytes all downloads together may take on disk; 0 means no limit.
    pub quota_bytes: u64,
}

/// `[control]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Loopback address of the control API; port 0 means any free one.
    pub listen: SocketAddr,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// What is logged: a level, and levels of single modules ([`logs::check`]).
    pub levels: String,
}

/// `log.format`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl From<LogFormat> for logs::Format {
    fn from(format: LogFormat) -> logs::Format {
        match format {
            LogFormat::Text => logs::Format::Text,
            LogFormat::Json => logs::Format::Json,
        }
    }
}

/// `[state]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateDir {
    /// State directory; empty means: chosen from how the daemon was started
    /// ([`state_dir`](super::state_dir)).
    pub dir: PathBuf,
}

/// `[relay]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relay {
    /// Pass packets on for others.
    pub volunteer: bool,
    /// Most packets taken in a second from all links together; twice as many at once.
    pub packets_per_second: u32,
    /// Most packets taken in a second from one link; twice as many at once.
    pub packets_per_second_per_link: u32,
    /// Keep letters for nodes that are away.
    pub mailbox: bool,
    /// Most bytes of letters kept for all others.
    pub kept_bytes_max: u64,
    /// Most bytes of letters kept for one other.
    pub kept_bytes_max_per_reader: u64,
    /// Most letters kept for one other.
    pub kept_letters_max_per_reader: u32,
}

/// `[mail]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Relays a letter passes, where there are so many.
    pub hops: u8,
    /// What is done when there is no relay at all.
    pub direct_fallback: DirectFallback,
    /// Time after which a letter that was not delivered is given up.
    pub ttl: Seconds,
    /// Longest text of a letter, bytes.
    pub body_bytes_max: u32,
    /// Most letters under way.
    pub outbox_letters_max: u32,
    /// Most finished letters remembered as sent.
    pub history_letters_max: u32,
    /// Most letters kept that came.
    pub inbox_letters_max: u32,
    /// Most bytes of letters kept that came.
    pub inbox_bytes_max: u64,
    /// How many nodes are asked to keep letters while this one is away.
    pub mailboxes: u8,
    /// Tell senders when their letter was shown here.
    pub read_receipts: bool,
    /// Most letters taken in a day from nodes that are not known here.
    pub requests_per_day: u32,
}

/// `mail.direct_fallback`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DirectFallback {
    /// Send to the reader directly.
    Always,
    /// Refuse, and say how to send it directly.
    Ask,
    /// Wait for a relay.
    Never,
}
