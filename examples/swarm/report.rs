//! What a run has shown, as it stands in the JSON: no wall time and no memory, so that two runs of one seed say
//! the same byte for byte.

use std::time::Duration;

use serde::Serialize;

use crate::engine::traffic::{KINDS, Traffic};
use crate::engine::truth::{Pushes, Truth};
use crate::measure::{Point, Spread};
use crate::scenario::Scenario;

/// The whole report.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What wrote it.
    pub program: &'static str,
    /// The name or file of the scenario.
    pub scenario: String,
    /// Its sentence.
    pub about: String,
    /// Nodes before anybody joins.
    pub nodes: usize,
    /// Shortest and longest way of a packet, milliseconds.
    pub delay_ms: [u64; 2],
    /// Lost segments, percent.
    pub loss_percent: f64,
    /// One for each seed.
    pub runs: Vec<RunReport>,
    /// With several seeds: how much the runs differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub over_seeds: Vec<SeedSpread>,
}

/// What one seed has shown.
#[derive(Debug, Serialize)]
pub struct RunReport {
    /// Which.
    pub seed: u64,
    /// The law that was broken, if one was; the run ended there.
    pub broken: Option<String>,
    /// The phases it has come through.
    pub phases: Vec<PhaseReport>,
}

/// What one phase has shown.
#[derive(Debug, Serialize)]
pub struct PhaseReport {
    /// Its name.
    pub name: String,
    /// Virtual seconds from the run's begin to the phase's.
    pub began_s: f64,
    /// Virtual seconds it took.
    pub took_s: f64,
    /// Nodes that run at its end.
    pub nodes: usize,
    /// How long after the last thing done each node showed alive exactly those that are, milliseconds.
    pub members_ms: Option<Spread>,
    /// How long after it each node had the exact graph, milliseconds.
    pub links_ms: Option<Spread>,
    /// Parts that the links leave the network in, at its end.
    pub components: usize,
    /// By number of links: how many nodes have so many, at its end.
    pub degrees: Vec<usize>,
    /// Messages and bytes in the phase, by what they are for.
    pub traffic: Vec<Said>,
    /// Messages of one node, on average.
    pub messages_per_node: f64,
    /// Bytes of one node, on average: what it sent, frames and TLS records without TCP and IP.
    pub bytes_per_node: f64,
    /// Bytes one node sent in a second, on average.
    pub bytes_per_node_second: f64,
    /// Dials of one node, on average.
    pub dials_per_node: f64,
    /// How often one node told its own links, on average.
    pub announcements_per_node: f64,
    /// News that came by two ways, for each that came first; none where nothing was pushed.
    pub redundancy: Option<f64>,
    /// Links over which news came, on average.
    pub hops_mean: Option<f64>,
    /// News that one node had to ask for, on average.
    pub grafts_per_node: f64,
    /// What became of the shouts, if there were some.
    pub shouts: Option<Shouted>,
    /// Who knew the truth when.
    pub curve: Vec<Point>,
}

/// What became of shouts that all have heard.
#[derive(Debug, Serialize)]
pub struct Shouted {
    /// How long after it each has heard each, milliseconds.
    pub heard_ms: Spread,
    /// The most links over which one came.
    pub last_hop: u8,
}

/// What was seen and counted in a phase.
pub struct Figures {
    /// Its name.
    pub name: String,
    /// When it began, and how long it took.
    pub began_s: f64,
    /// See above.
    pub took_s: f64,
    /// Who showed who is there when, and who had every link when; if that was waited for.
    pub spreads: Option<(Spread, Spread)>,
    /// The network at its end.
    pub truth: Truth,
    /// What was sent.
    pub traffic: Traffic,
    /// By all nodes.
    pub dials: u64,
    /// By all nodes.
    pub announcements: u64,
    /// What came over the tree.
    pub tree: Pushes,
    /// How long after each shout each node has heard it.
    pub heard: Vec<Duration>,
    /// The most links over which a shout came, if there was one.
    pub last_hop: Option<u8>,
    /// Who knew the truth when.
    pub curve: Vec<Point>,
}

/// Messages of one kind that one node sent, on average.
#[derive(Debug, Serialize)]
pub struct Said {
    /// What for.
    pub kind: &'static str,
    /// How many.
    pub messages_per_node: f64,
    /// Bytes.
    pub bytes_per_node: f64,
}

/// How one phase differs from seed to seed.
#[derive(Debug, Serialize)]
pub struct SeedSpread {
    /// The phase.
    pub name: String,
    /// Runs that came through it.
    pub runs: usize,
    /// Least, middle and most of the times at which the last node showed alive exactly those that are.
    pub members_max_ms: Option<Three>,
    /// The same for the exact graph.
    pub links_max_ms: Option<Three>,
    /// Parts at its end.
    pub components: Three,
    /// Fewest links of a node.
    pub degree_min: Three,
    /// Most links of a node.
    pub degree_max: Three,
}

/// Least, middle and most.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Three {
    /// Least.
    pub min: u64,
    /// Half are no more than this.
    pub p50: u64,
    /// Most.
    pub max: u64,
}

/// To a thousandth: more digits would say nothing.
fn short(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

impl PhaseReport {
    /// Puts the figures of a phase together.
    pub fn new(figures: Figures) -> PhaseReport {
        let Figures { name, truth, traffic, tree, curve, .. } = figures;
        let nodes = truth.running();
        let per_node = |n: u64| short(n as f64 / nodes.max(1) as f64);
        let said = KINDS.iter().zip(&traffic).map(|((_, kind), tally)| Said {
            kind,
            messages_per_node: per_node(tally.messages),
            bytes_per_node: per_node(tally.bytes),
        });
        let bytes = per_node(traffic.iter().map(|tally| tally.bytes).sum());
        let pushed = |n: u64| (tree.firsts > 0).then(|| short(n as f64 / tree.firsts as f64));
        let heard_ms = Spread::of(figures.heard);
        PhaseReport {
            name,
            began_s: figures.began_s,
            took_s: figures.took_s,
            nodes,
            members_ms: figures.spreads.map(|(members, _)| members),
            links_ms: figures.spreads.map(|(_, links)| links),
            components: truth.components(),
            degrees: truth.degrees(),
            traffic: said.collect(),
            messages_per_node: per_node(traffic.iter().map(|tally| tally.messages).sum()),
            bytes_per_node: bytes,
            bytes_per_node_second: short(bytes / figures.took_s.max(0.001)),
            dials_per_node: per_node(figures.dials),
            announcements_per_node: per_node(figures.announcements),
            redundancy: pushed(tree.duplicates),
            hops_mean: pushed(tree.hops),
            grafts_per_node: per_node(tree.grafts),
            shouts: figures.last_hop.map(|last_hop| Shouted { heard_ms, last_hop }),
            curve,
        }
    }

    /// Fewest and most links of a node.
    pub fn degree_bounds(&self) -> (usize, usize) {
        let fewest = self.degrees.iter().position(|hosts| *hosts > 0).unwrap_or(0);
        (fewest, self.degrees.len().saturating_sub(1))
    }

    /// Links of a node, on average.
    pub fn degree_mean(&self) -> f64 {
        let links: usize =
            self.degrees.iter().enumerate().map(|(links, hosts)| links * hosts).sum();
        links as f64 / self.nodes.max(1) as f64
    }
}

impl Three {
    fn of(mut numbers: Vec<u64>) -> Option<Three> {
        numbers.sort_unstable();
        let (min, max) = (*numbers.first()?, *numbers.last()?);
        Some(Three { min, p50: numbers[(numbers.len() - 1) / 2], max })
    }
}

impl Report {
    /// Puts the runs together.
    pub fn new(name: &str, scenario: &Scenario, runs: Vec<RunReport>) -> Report {
        let [low, high] = scenario.network.delay;
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let over_seeds = match runs.len() {
            0 | 1 => Vec::new(),
            _ => (0..scenario.phases.len()).filter_map(|i| SeedSpread::of(&runs, i)).collect(),
        };
        Report {
            program: "swarm",
            scenario: name.into(),
            about: scenario.about.clone(),
            nodes: scenario.nodes,
            delay_ms: [ms(low.0), ms(high.0)],
            loss_percent: f64::from(scenario.network.loss.0) / 10.0,
            runs,
            over_seeds,
        }
    }

    /// The runs in which a law was broken.
    pub fn broken(&self) -> impl Iterator<Item = (u64, &str)> {
        self.runs.iter().filter_map(|run| Some((run.seed, run.broken.as_deref()?)))
    }

    /// As it is written to a file.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

impl SeedSpread {
    fn of(runs: &[RunReport], phase: usize) -> Option<SeedSpread> {
        let phases: Vec<&PhaseReport> =
            runs.iter().filter_map(|run| run.phases.get(phase)).collect();
        let three = |number: &dyn Fn(&PhaseReport) -> Option<u64>| {
            Three::of(phases.iter().filter_map(|phase| number(phase)).collect())
        };
        let count = |n: usize| Some(n as u64);
        Some(SeedSpread {
            name: phases.first()?.name.clone(),
            runs: phases.len(),
            members_max_ms: three(&|phase| Some(phase.members_ms?.max)),
            links_max_ms: three(&|phase| Some(phase.links_ms?.max)),
            components: three(&|phase| count(phase.components))?,
            degree_min: three(&|phase| count(phase.degree_bounds().0))?,
            degree_max: three(&|phase| count(phase.degree_bounds().1))?,
        })
    }
}
