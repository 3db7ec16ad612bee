//! What was measured.

use serde::Serialize;

/// All of it.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// How many nodes were started at first.
    pub nodes: usize,
    /// network.topology.mode.
    pub mode: &'static str,
    /// Processors of this machine.
    pub cores: usize,
    /// The start of all.
    pub cold_start: ColdStart,
    /// Doing nothing; none if it did not come to that.
    pub idle: Option<Idle>,
    /// Newcomers.
    pub joins: Vec<Trial>,
    /// Crashes.
    pub crashes: Vec<Trial>,
    /// Memory when all had settled.
    pub memory: Option<Memory>,
    /// Most links of a node, at any moment of the whole run.
    pub links_most: usize,
    /// How many it may have while the network is small, and how many once it is as large as it gets.
    pub links_max: [usize; 2],
    /// Processor seconds of the whole run.
    pub cpu_s: f64,
    /// Seconds of the whole run.
    pub wall_s: f64,
    /// What was not as it should be.
    pub broken: Vec<String>,
}

/// From nothing to equal graphs.
#[derive(Debug, Default, Serialize)]
pub struct ColdStart {
    /// How long it took to start them all.
    pub started_s: f64,
    /// From the first start until all graphs were equal, true and confirmed; none if they never were.
    pub equal_s: Option<f64>,
    /// The same from the last start.
    pub equal_after_last_start_s: Option<f64>,
    /// When the newest change in any of those graphs was, from the first start.
    pub last_change_s: Option<f64>,
    /// Processor seconds for it.
    pub cpu_s: f64,
    /// Links when all were equal.
    pub links: usize,
    /// How many nodes have how many links, from 0 on.
    pub degrees: Vec<usize>,
}

/// Nodes that do nothing.
#[derive(Debug, Serialize)]
pub struct Idle {
    /// For how long.
    pub seconds: f64,
    /// Links and bytes: those of TLS, below which there is only TCP.
    pub sent_bytes_per_s_mean: f64,
    /// The node that sent most.
    pub sent_bytes_per_s_max: f64,
    /// Most and mean received are the same bytes from the other side.
    pub received_bytes_per_s_max: f64,
    /// Processor seconds in a second, of all nodes together.
    pub cpu_s_per_s: f64,
    /// Links that went while nothing happened: those given up for better ones, too.
    pub links_lost: u64,
    /// Whether the graphs stayed equal.
    pub equal_at_the_end: bool,
}

/// One came or went.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Trial {
    /// Milliseconds until every node knew of it; none if that never came.
    pub known_ms: Option<u64>,
    /// Milliseconds until all graphs were equal and true again.
    pub equal_ms: Option<u64>,
}

/// What nodes hold.
#[derive(Debug, Serialize)]
pub struct Memory {
    /// The whole process.
    pub process_bytes: u64,
    /// What it has grown by for each node.
    pub per_node_bytes: u64,
    /// What it has grown by for each node that a node knows: everything is in it, links and TLS, too.
    pub per_known_member_bytes: u64,
}

/// The `percent`th percentile of some times; none if one of them is none.
pub fn percentile(times: impl Iterator<Item = Option<u64>>, percent: usize) -> Option<u64> {
    let mut times = times.collect::<Option<Vec<u64>>>()?;
    times.sort_unstable();
    let place = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times.get(place).copied()
}
