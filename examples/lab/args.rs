//! What can be said on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// In mode auto a network of so many nodes is one where everyone may be linked with everyone.
pub const FULL_UP_TO: usize = 32;
/// Most links of a node while the network is small, in mode auto.
const FULL_LINKS: usize = 32;
/// The daemon's own default.
pub const PARTIAL_LINKS: usize = 16;

/// Runs many real nodes in this process, over TLS on the loopback, and tells what they do and cost.
///
/// A node is what the daemon has for the mesh (PeerRegistry, Heartbeat, Topology, a Listener, a Connection for
/// each peer), without files, letters and control API; all share a few threads. First all are started, and all
/// graphs must become equal and true; then nothing happens for a while; then some join, and some crash.
#[derive(Clone, Debug, Parser)]
#[command(name = "lab", verbatim_doc_comment, after_help = EXITS)]
pub struct Args {
    /// How many nodes
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = number(2, 4000))]
    pub nodes: u32,
    /// Start them one after the other over this time [default: N/25]
    #[arg(long, value_name = "SECONDS", value_parser = number(0, 3600))]
    pub over: Option<u32>,
    /// How long the graphs may take to become equal after each change [default: 60 + N]
    #[arg(long, value_name = "SECONDS", value_parser = number(0, 86_400))]
    pub within: Option<u32>,
    /// How long to weigh the traffic of nodes that do nothing
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = number(1, 3600))]
    pub seconds: u32,
    /// How many join, and how many crash, one after the other
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = number(0, 50))]
    pub trials: u32,
    /// Who links with whom: as the daemon does by itself (auto), or each with about eight from the start
    #[arg(long, value_enum, default_value_t = Shape::Auto)]
    pub mode: Shape,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// What the nodes log, on standard error: off, warn, kith::mesh=debug and the like
    #[arg(long, value_name = "LEVELS", default_value = "off", value_parser = levels)]
    pub log: String,
    /// Print no table and show no progress
    #[arg(long)]
    pub quiet: bool,
}

/// What stands below the flags in --help.
const EXITS: &str = "\
Exit status: 0 all was as it should be, 1 graphs were not equal in time, a node had more links than it may have,
or a file could not be written, 2 usage, or too few file descriptors.
Example: cargo run --release --example lab -- --nodes 1000 --json lab.json";

/// network.topology.mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// Full while it is small.
    Auto,
    /// Never full.
    Partial,
}

fn number(least: i64, most: i64) -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(least..=most)
}

fn levels(text: &str) -> Result<String, String> {
    kith::logs::check(text).map(|()| text.to_owned())
}

impl Args {
    /// How many nodes.
    pub fn nodes(&self) -> usize {
        self.nodes as usize
    }

    /// How long starting takes.
    pub fn over(&self) -> Duration {
        self.over.map_or(Duration::from_secs(u64::from(self.nodes)) / 25, seconds)
    }

    /// How long becoming equal may take.
    pub fn within(&self) -> Duration {
        seconds(self.within.unwrap_or(60 + self.nodes))
    }

    /// How long the traffic is weighed.
    pub fn idle(&self) -> Duration {
        seconds(self.seconds)
    }

    /// Most links a node may ever have: while the network is small all may be linked with all.
    pub fn links_ever(&self) -> usize {
        match self.mode {
            Shape::Auto => FULL_LINKS,
            Shape::Partial => PARTIAL_LINKS,
        }
    }

    /// Most links a node may have once the network is as large as it gets.
    pub fn links_in_the_end(&self) -> usize {
        match self.nodes() <= FULL_UP_TO {
            true => self.links_ever(),
            false => PARTIAL_LINKS,
        }
    }
}

impl Shape {
    /// The setting's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Shape::Auto => "auto",
            Shape::Partial => "partial",
        }
    }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}
