//! Measures foca and chitchat as `scripts/bench.sh mesh` measures kith and serf: many members in one process, over
//! real UDP sockets on the loopback. Prints one figure a line, `NAME VALUE`; times are in milliseconds, and what
//! the script expects of each is said there.
//!
//! One process instead of many costs these libraries nothing: a member has a task and a socket of its own, and
//! none of the memory and switches of a process.

#![forbid(unsafe_code)]

mod board;
mod gossip;
mod swim;
mod usage;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use board::Board;
use rand::RngExt;

const USAGE: &str = "usage: peers foca|chitchat N [--trials T] [--idle SECONDS] [--false SECONDS]

  --trials  crash, join, silent death and back, so often (default 3)
  --idle    bytes and processor time of members that do nothing, for so long (default 20)
  --false   nothing of that: 5 members are stopped for 1-2 s every 4 s, for so long, and who is called gone is counted";

/// Until a measure is given up.
const LIMIT: Duration = Duration::from_secs(120);
/// Lets the last event die down, so that it is not measured with the next.
const SETTLE: Duration = Duration::from_secs(3);
/// Members that are stopped again and again.
const STUTTERING: usize = 5;
const STUTTER: Duration = Duration::from_secs(4);

#[derive(Clone, Copy, PartialEq)]
enum System {
    Foca,
    Chitchat,
}

struct Wanted {
    system: System,
    size: usize,
    trials: usize,
    idle: Duration,
    falsely: Option<Duration>,
}

fn wanted() -> Result<Wanted> {
    let mut words = std::env::args().skip(1);
    let system = match words.next().as_deref() {
        Some("foca") => System::Foca,
        Some("chitchat") => System::Chitchat,
        _ => bail!("{USAGE}"),
    };
    let size = words.next().and_then(|n| n.parse().ok()).filter(|n| (3..=1000).contains(n));
    let size = size.with_context(|| format!("N is a number from 3 to 1000\n\n{USAGE}"))?;
    let mut wanted =
        Wanted { system, size, trials: 3, idle: Duration::from_secs(20), falsely: None };
    while let Some(flag) = words.next() {
        let value: Option<u32> = words.next().and_then(|value| value.parse().ok());
        let value = value.with_context(|| format!("{flag} wants a whole number\n\n{USAGE}"))?;
        let seconds = Duration::from_secs(value.into());
        match flag.as_str() {
            "--trials" => wanted.trials = value as usize,
            "--idle" => wanted.idle = seconds,
            "--false" => wanted.falsely = Some(seconds),
            _ => bail!("{USAGE}"),
        }
    }
    if wanted.falsely.is_some() && size <= STUTTERING {
        bail!("--false wants more than {STUTTERING} members");
    }
    Ok(wanted)
}

enum Member {
    Foca(swim::Member),
    Chitchat(gossip::Member),
}

impl Member {
    async fn stop(&mut self, stop: bool) {
        match self {
            Member::Foca(member) => member.stop(stop),
            Member::Chitchat(member) => member.stop(stop).await,
        }
    }
}

/// The members that run, by number, and what they see.
struct Cluster {
    wanted: Wanted,
    board: Arc<Board>,
    members: BTreeMap<usize, Member>,
    seed: Option<SocketAddr>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut cluster =
        Cluster { wanted: wanted()?, board: Arc::default(), members: BTreeMap::new(), seed: None };
    cluster.cold_start().await?;
    if let Some(time) = cluster.wanted.falsely {
        return cluster.count_false(time).await;
    }
    cluster.idle().await?;
    for trial in 1..=cluster.wanted.trials {
        cluster.trial(trial).await?;
    }
    Ok(())
}

impl Cluster {
    fn numbers(&self) -> Vec<usize> {
        self.members.keys().copied().collect()
    }

    async fn start(&mut self, number: usize) -> Result<()> {
        let board = self.board.clone();
        let (member, addr) = match self.wanted.system {
            System::Foca => {
                let size = u32::try_from(self.wanted.size)?;
                let (member, addr) = swim::Member::start(number, size, self.seed, board).await?;
                (Member::Foca(member), addr)
            }
            System::Chitchat => {
                let (member, addr) = gossip::Member::start(number, self.seed, board).await?;
                (Member::Chitchat(member), addr)
            }
        };
        self.seed.get_or_insert(addr);
        self.members.insert(number, member);
        Ok(())
    }

    async fn stop(&mut self, number: usize, stop: bool) {
        if let Some(member) = self.members.get_mut(&number) {
            member.stop(stop).await;
        }
    }

    /// Waits until all of `by` see all of `of` so, and prints how long after `begin` that was.
    async fn measure(&self, name: &str, begin: Instant, by: &[usize], of: &[usize], alive: bool) {
        let took = loop {
            if let Some(since) = self.board.since(by, of, alive) {
                break since.saturating_duration_since(begin);
            }
            if begin.elapsed() > LIMIT {
                eprintln!("peers: {name} did not come in {} s", LIMIT.as_secs());
                break LIMIT;
            }
            // The times are on the board; looking at it costs processor time that is measured.
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        println!("{name} {}", took.as_millis());
    }

    async fn measure_full(&self, name: &str, begin: Instant) {
        let all = self.numbers();
        self.measure(name, begin, &all, &all, true).await;
    }

    async fn cold_start(&mut self) -> Result<()> {
        let begin = Instant::now();
        for number in 1..=self.wanted.size {
            self.start(number).await?;
        }
        self.measure_full("cold_start", begin).await;
        println!("cold_cpu_ms {}", usage::cpu_us()? / 1000 / self.wanted.size as u64);
        Ok(())
    }

    async fn idle(&self) -> Result<()> {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (begin, bytes, cpu) = (Instant::now(), self.board.sent(), usage::cpu_us()?);
        tokio::time::sleep(self.wanted.idle).await;
        let shares = begin.elapsed().as_secs_f64() * self.wanted.size as f64;
        let each = |all: u64| (all as f64 / shares).round();
        println!("idle_bytes {}", each(self.board.sent() - bytes));
        println!("idle_cpu_us {}", each(usage::cpu_us()? - cpu));
        println!("memory_kib {}", usage::pss_kib()? / self.wanted.size as u64);
        Ok(())
    }

    async fn trial(&mut self, trial: usize) -> Result<()> {
        // Any but the first, which is the seed of those that join.
        let pick = |all: &[usize], trial: usize| all[1 + trial % (all.len() - 1)];
        tokio::time::sleep(SETTLE).await;
        let victim = pick(&self.numbers(), trial);
        let begin = Instant::now();
        self.members.remove(&victim);
        self.measure("crash", begin, &self.numbers(), &[victim], false).await;

        tokio::time::sleep(SETTLE).await;
        let (others, newcomer) = (self.numbers(), self.wanted.size + trial);
        let begin = Instant::now();
        self.start(newcomer).await?;
        self.measure("join_seen", begin, &others, &[newcomer], true).await;
        self.measure_full("join", begin).await;

        tokio::time::sleep(SETTLE).await;
        let victim = pick(&self.numbers(), trial + 1);
        let others: Vec<usize> = self.numbers().into_iter().filter(|n| *n != victim).collect();
        let before = self.board.falls(&others);
        let begin = Instant::now();
        self.stop(victim, true).await;
        self.measure("silent_death", begin, &others, &[victim], false).await;
        println!("accused {}", self.board.falls(&others) - before);
        let begin = Instant::now();
        self.stop(victim, false).await;
        self.measure_full("back", begin).await;
        Ok(())
    }

    /// The last five stutter, each at its own time.
    async fn count_false(&mut self, time: Duration) -> Result<()> {
        tokio::time::sleep(SETTLE).await;
        let (healthy, stuttering) = {
            let mut all = self.numbers();
            let stuttering = all.split_off(all.len() - STUTTERING);
            (all, stuttering)
        };
        let before = (self.board.falls(&healthy), self.board.falls(&stuttering));
        let begin = Instant::now();
        // What happens next to each: when, to whom, whether it is stopped or goes on.
        let mut due: Vec<(Instant, usize, bool)> = stuttering
            .iter()
            .map(|number| (begin + STUTTER.mul_f64(rand::rng().random()), *number, true))
            .collect();
        loop {
            due.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
            let Some((at, number, stop)) = due.pop() else { break };
            tokio::time::sleep_until(at.into()).await;
            self.stop(number, stop).await;
            if stop {
                let held = Duration::from_millis(rand::rng().random_range(1000..=2000));
                due.push((at + held, number, false));
                if begin.elapsed() < time {
                    due.push((at + STUTTER, number, true));
                }
            }
        }
        tokio::time::sleep(SETTLE).await;
        println!("false_healthy {}", self.board.falls(&healthy) - before.0);
        println!("false_shaky {}", self.board.falls(&stuttering) - before.1);
        println!("false_not_alive {}", healthy.len() - self.healthy_seen(&healthy));
        Ok(())
    }

    /// How many of them everyone of them sees alive now.
    fn healthy_seen(&self, healthy: &[usize]) -> usize {
        healthy.iter().filter(|of| self.board.since(healthy, &[**of], true).is_some()).count()
    }
}
