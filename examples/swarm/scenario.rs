//! What is done to a network, as it stands in a file.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

use crate::engine::settled::MANY;

/// Scenarios that come with the program, by name.
pub const KNOWN: [(&str, &str); 12] = [
    ("cold-start", include_str!("scenarios/cold-start.toml")),
    ("settled", include_str!("scenarios/settled.toml")),
    ("ten-thousand", include_str!("scenarios/ten-thousand.toml")),
    ("join", include_str!("scenarios/join.toml")),
    ("churn", include_str!("scenarios/churn.toml")),
    ("split", include_str!("scenarios/split.toml")),
    ("mass-failure", include_str!("scenarios/mass-failure.toml")),
    ("slow-links", include_str!("scenarios/slow-links.toml")),
    ("nat", include_str!("scenarios/nat.toml")),
    ("clock-skew", include_str!("scenarios/clock-skew.toml")),
    ("shout", include_str!("scenarios/shout.toml")),
    ("all", include_str!("scenarios/all.toml")),
];

/// Fewest and most nodes of a run.
pub const NODES: (usize, usize) = (2, 50_000);
/// Most phases of a scenario.
const PHASES_MAX: usize = 64;
/// Longest time a phase may take.
const SPAN_MAX: Duration = Duration::from_secs(24 * 3600);
/// Most shouts of a phase.
const SHOUTS_MAX: usize = 10_000;

/// A length of time: `250ms`, `30s`, `10m`, `1h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let wrong = || format!("{text:?} is no time; write 250ms, 30s, 10m or 1h, up to 24h");
        let unit = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = text[..unit].parse().map_err(|_| wrong())?;
        let ms = match &text[unit..] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        let span = number.checked_mul(ms).map(Duration::from_millis).ok_or_else(wrong)?;
        if span <= SPAN_MAX { Ok(Span(span)) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for Span {
    type Error = String;
    fn try_from(text: String) -> Result<Span, String> {
        text.parse()
    }
}

/// A part of a whole, in thousandths: `30%`, `0.5%`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Share(pub u32);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Share, String> {
        let wrong = || format!("{text:?} is no share; write 30% or 0.5%, from 0% to 100%");
        let number = text.strip_suffix('%').ok_or_else(wrong)?;
        let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(tenth) || whole.len() > 3 || tenth.len() != 1 {
            return Err(wrong());
        }
        let number = |part: &str| part.parse::<u32>().map_err(|_| wrong());
        let permille = number(whole)? * 10 + number(tenth)?;
        if permille <= 1000 { Ok(Share(permille)) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for Share {
    type Error = String;
    fn try_from(text: String) -> Result<Share, String> {
        text.parse()
    }
}

impl Share {
    /// So many of `all`, rounded down.
    pub fn of(self, all: usize) -> usize {
        all * self.0 as usize / 1000
    }
}

/// What is done to a network, and what the network is like.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One sentence.
    pub about: String,
    /// How many nodes there are before anybody joins.
    pub nodes: usize,
    /// Where chance begins.
    #[serde(default = "one")]
    pub seed: u64,
    /// The way between the nodes.
    #[serde(default)]
    pub network: Network,
    /// What is done, one after the other.
    #[serde(rename = "phase")]
    pub phases: Vec<Phase>,
}

fn one() -> u64 {
    1
}

/// What the links are like.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Shortest and longest way of a packet; each pair has its own.
    pub delay: [Span; 2],
    /// How much longer a packet may take than its pair's delay.
    pub jitter: Share,
    /// How many segments are lost.
    pub loss: Share,
    /// Who links with whom, as `network.topology.mode` of a daemon.
    pub mode: Mode,
    /// Links a node of a partial network aims for.
    pub degree: u16,
    /// Most links of a node there.
    pub max_conns: u16,
}

/// Who links with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Full in a small network, partial in a large one.
    Auto,
    /// Everyone with everyone.
    Full,
    /// Each with some.
    Partial,
}

impl Default for Network {
    fn default() -> Network {
        let ms = |ms| Span(Duration::from_millis(ms));
        Network {
            delay: [ms(10), ms(50)],
            jitter: Share(100),
            loss: Share(0),
            mode: Mode::Auto,
            degree: 8,
            max_conns: 16,
        }
    }
}

/// A step of a scenario and its name in the report.
#[derive(Clone, Debug, Deserialize)]
pub struct Phase {
    /// Its own name, if the step's is not enough.
    name: Option<String>,
    /// What is done.
    #[serde(flatten)]
    pub step: Step,
}

/// What is done in a phase. All that run know the truth `within` the time after it, or the run has failed.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// All nodes start `over` this time, each knowing the first few.
    ColdStart { over: Span, seeds: usize, within: Span },
    /// All nodes run already, each linked with some others chosen by chance, and know of each other. Who joins later
    /// knows the first few.
    Settled { seeds: usize, within: Span },
    /// So many more nodes start, each knowing the first few.
    Join { nodes: usize, over: Span, within: Span },
    /// Every so often a node crashes, or leaves, or one that is down starts again; at most this share is down at
    /// once, and at the end all start.
    Churn { share: Share, every: Span, lasting: Span, within: Span },
    /// This share crashes at one moment.
    MassFailure { share: Share, within: Span },
    /// This share is cut off from the others for so long.
    Split { share: Share, within: Span, lasting: Span },
    /// The cut is no more.
    Heal { within: Span },
    /// Every packet from or to this share takes so much longer.
    SlowLinks { share: Share, by: Span },
    /// This share (none of the first few) cannot be dialled.
    Nat { share: Share },
    /// Clocks are up to so much ahead or behind, and count up to so many of a million too many or too few.
    ClockSkew { share: Share, off: Span, drift_ppm: u32 },
    /// Nodes chosen by chance shout, one after the other; everybody hears each shout once.
    Shout { count: usize, every: Span, within: Span },
    /// Nothing is done for so long.
    Rest { lasting: Span },
}

impl Phase {
    /// What it is called in the report.
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.step.word().into())
    }
}

impl Step {
    fn word(&self) -> &'static str {
        match self {
            Step::ColdStart { .. } => "cold-start",
            Step::Settled { .. } => "settled",
            Step::Join { .. } => "join",
            Step::Churn { .. } => "churn",
            Step::MassFailure { .. } => "mass-failure",
            Step::Split { .. } => "split",
            Step::Heal { .. } => "heal",
            Step::SlowLinks { .. } => "slow-links",
            Step::Nat { .. } => "nat",
            Step::ClockSkew { .. } => "clock-skew",
            Step::Shout { .. } => "shout",
            Step::Rest { .. } => "rest",
        }
    }
}

impl Scenario {
    /// One that comes with the program, or a file. The error says what to do instead.
    pub fn load(name: &str) -> Result<Scenario, String> {
        if let Some((_, text)) = KNOWN.iter().find(|(known, _)| *known == name) {
            return Scenario::parse(text);
        }
        let text = std::fs::read_to_string(Path::new(name)).map_err(|error| {
            let names: Vec<&str> = KNOWN.iter().map(|(name, _)| *name).collect();
            format!(
                "{error}; there are the scenarios {}, or name a file such as \
                 examples/swarm/scenarios/churn.toml",
                names.join(", ")
            )
        })?;
        Scenario::parse(&text)
    }

    /// Reads a scenario.
    pub fn parse(text: &str) -> Result<Scenario, String> {
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
    }

    /// Whether it can be run as it is, flags included.
    pub fn check(&self) -> Result<(), String> {
        let (fewest, most) = NODES;
        let nodes = self.hosts();
        if self.nodes < fewest || nodes > most {
            return Err(format!(
                "{nodes} nodes with those that join; {fewest} are the fewest and {most} the most"
            ));
        }
        if self.phases.is_empty() || self.phases.len() > PHASES_MAX {
            return Err(format!("{} phases; 1 to {PHASES_MAX} can be run", self.phases.len()));
        }
        let [low, high] = self.network.delay;
        if low.0 > high.0 {
            return Err("the first of network.delay is the shorter one".into());
        }
        if self.network.loss.0 > 500 {
            return Err("a loss of more than 50% leaves no network".into());
        }
        let Network { degree, max_conns, .. } = self.network;
        let conns = degree + degree / 2..=128;
        if !(4..=64).contains(&degree) || !conns.contains(&max_conns) {
            return Err(format!(
                "degree = {degree}, max_conns = {max_conns}; degree is 4 to 64, max_conns at least one and a \
                 half times as many and at most 128"
            ));
        }
        let mut started = false;
        let mut cut = false;
        for (i, phase) in self.phases.iter().enumerate() {
            let wrong = |why: &str| Err(format!("phase {} ({}): {why}", i + 1, phase.name()));
            match &phase.step {
                Step::ColdStart { .. } | Step::Settled { .. } if started => {
                    return wrong("all nodes run already");
                }
                Step::ColdStart { seeds, .. } | Step::Settled { seeds, .. }
                    if *seeds == 0 || *seeds > self.nodes =>
                {
                    return wrong("seeds: 1 is the fewest, and all nodes the most");
                }
                Step::Settled { .. } if self.network.mode == Mode::Full || self.nodes < MANY => {
                    return wrong("for 64 nodes and more, not all linked with all; use cold-start");
                }
                Step::ColdStart { .. } | Step::Settled { .. } => started = true,
                Step::SlowLinks { .. } | Step::Nat { .. } | Step::ClockSkew { .. } => {}
                _ if !started => {
                    return wrong("nobody runs yet; cold-start or settled comes first");
                }
                Step::Split { .. } if cut => return wrong("it is split already; heal it first"),
                Step::Split { share, .. } if share.0 == 0 || share.0 == 1000 => {
                    return wrong("a share between 0% and 100% is cut off");
                }
                Step::Split { .. } => cut = true,
                Step::Heal { .. } if !cut => return wrong("nothing is split"),
                Step::Heal { .. } => cut = false,
                Step::MassFailure { share, .. } if share.0 == 1000 => {
                    return wrong("somebody has to be left over; less than 100%");
                }
                Step::Churn { every, .. } if every.0.is_zero() => {
                    return wrong("every: longer than 0ms");
                }
                Step::Shout { count, .. } if *count == 0 || *count > SHOUTS_MAX => {
                    return wrong("count: 1 is the fewest, and 10000 the most");
                }
                Step::Shout { .. } if cut => return wrong("the network is split; heal it first"),
                Step::Join { .. } if cut => return wrong("nobody joins a split network; heal it"),
                _ => {}
            }
        }
        match started {
            true => Ok(()),
            false => Err("no phase starts the nodes; do = \"cold-start\" or \"settled\"".into()),
        }
    }

    /// All hosts there will ever be.
    pub fn hosts(&self) -> usize {
        let joining = self.phases.iter().map(|phase| match phase.step {
            Step::Join { nodes, .. } => nodes,
            _ => 0,
        });
        joining.fold(self.nodes, usize::saturating_add)
    }
}
