//! What can be said on the command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Parser;

use crate::scenario::{KNOWN, Scenario, Share};

/// Most seeds of one call.
const SEEDS_MAX: u64 = 10_000;

/// Runs the daemon's own cores, ten thousand and more of them, in virtual time over a network made of chance.
///
/// One seed gives one run, down to the last message. A run ends with an error where a law of the mesh is broken:
/// more than one link to a peer, more links than allowed, somebody called failed who is not, a dead one shown
/// alive again, a timer that spins, or somebody who does not know in time who is there and every link.
#[derive(Debug, Parser)]
#[command(name = "swarm", verbatim_doc_comment, after_help = EXITS)]
pub struct Args {
    /// What is done: a scenario that comes with the program (see below), or a file like those in
    /// examples/swarm/scenarios
    #[arg(long, value_name = "NAME|FILE", default_value = "cold-start")]
    pub scenario: String,
    /// How many nodes there are before anybody joins
    #[arg(long, value_name = "N")]
    pub nodes: Option<usize>,
    /// Where chance begins
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    pub seed: Option<u64>,
    /// One run for each of these seeds, both ends included, and how much they differ
    #[arg(long, value_name = "A..B")]
    pub seeds: Option<Seeds>,
    /// How many segments are lost, such as 1%
    #[arg(long, value_name = "SHARE")]
    pub loss: Option<Share>,
    /// Write the report as JSON, the same for the same seed byte for byte
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw who knew the truth when (of the first seed)
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Print no table and show no progress
    #[arg(long)]
    pub quiet: bool,
}

/// What stands below the flags in --help.
pub const EXITS: &str = "\
Scenarios: cold-start, settled, ten-thousand, join, churn, split, mass-failure, slow-links, nat, clock-skew,
shout, all.
Exit status: 0 all laws hold, 1 one was broken or a file could not be written, 2 usage or scenario.
Example: cargo run --release --example swarm -- --nodes 1000 --seed 7 --loss 1% --json swarm.json
A cold start of N nodes costs N x N changes, that of ten thousand many hours. Scenarios that begin with settled
go without it; ten-thousand takes 12 GiB and an hour.";

/// Seeds from the one to the other, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds {
    first: u64,
    last: u64,
}

impl Seeds {
    /// All of them.
    pub fn all(self) -> impl Iterator<Item = u64> {
        self.first..=self.last
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Seeds, String> {
        let wrong = || "write two numbers, the smaller one first: 1..50".to_owned();
        let (first, last) = text.split_once("..").ok_or_else(wrong)?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(wrong());
        }
        if last - first >= SEEDS_MAX {
            return Err(format!("more than {SEEDS_MAX} seeds; run them in several calls"));
        }
        Ok(Seeds { first, last })
    }
}

impl Args {
    /// The scenario, with what the flags say over it.
    pub fn plan(&self) -> Result<Scenario, String> {
        let mut scenario = Scenario::load(&self.scenario)?;
        if let Some(nodes) = self.nodes {
            scenario.nodes = nodes;
        }
        if let Some(loss) = self.loss {
            scenario.network.loss = loss;
        }
        if let Some(seed) = self.seed {
            scenario.seed = seed;
        }
        scenario.check()?;
        Ok(scenario)
    }

    /// Which seeds are run.
    pub fn seeds(&self, scenario: &Scenario) -> Vec<u64> {
        self.seeds.map_or_else(|| vec![scenario.seed], |seeds| seeds.all().collect())
    }

    /// The command that runs one seed again.
    pub fn replay(&self, scenario: &Scenario, seed: u64) -> String {
        let loss = scenario.network.loss.0;
        let name = &self.scenario;
        let name = match KNOWN.iter().any(|(known, _)| known == name) {
            true => name.clone(),
            false => format!("'{}'", name.replace('\'', r"'\''")),
        };
        format!(
            "cargo run --release --example swarm -- --scenario {name} --nodes {} --seed {seed} --loss {}.{}%",
            scenario.nodes,
            loss / 10,
            loss % 10
        )
    }
}
