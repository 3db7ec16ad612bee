//! Starts the nodes, waits for what must come, and measures.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix::{Arbiter, System};
use kith::settings::{Settings, Sources, load};
use kith::store::unix_ms;

use crate::args::Args;
use crate::host::{self, Node, Threads};
use crate::look::{Eyes, Look, sees, truth};
use crate::machine::{cores, cpu, memory};
use crate::report::{ColdStart, Idle, Memory, Report, Trial};

/// Nodes that everybody dials first.
const SEEDS: usize = 3;
/// Time between two looks at all graphs, at least; looking must not take more than a tenth of it.
const LOOK: Duration = Duration::from_millis(20);
/// The traffic is weighed once nothing has changed for so long, or after a few times that.
const CALM: Duration = Duration::from_secs(5);
/// How often it is told how far all is.
const TELL: Duration = Duration::from_secs(5);
/// Between two trials.
const PAUSE: Duration = Duration::from_secs(2);

/// The nodes, and those who look at them.
struct Lab<'a> {
    args: &'a Args,
    settings: Arc<Settings>,
    threads: Vec<Arbiter>,
    /// Those that will crash run on threads of their own, which end with them. The last nodes, in this order.
    doomed: Vec<Arbiter>,
    nodes: Vec<Node>,
    eyes: Eyes,
    began: Instant,
    told: Instant,
    tell: &'a mut dyn FnMut(&str),
}

/// Does all that `args` say. `tell` is told how far it is.
pub fn run(args: &Args, tell: &mut dyn FnMut(&str)) -> Result<Report, String> {
    let settings = Arc::new(settings(args)?);
    let system = System::new();
    let now = Instant::now();
    let cores = cores();
    let mut lab = Lab {
        args,
        settings,
        threads: Vec::new(),
        doomed: Vec::new(),
        nodes: Vec::new(),
        eyes: Eyes::default(),
        began: now,
        told: now,
        tell,
    };
    let report = system.block_on(async {
        lab.threads = (0..2 * cores).map(|_| Arbiter::new()).collect();
        lab.all().await
    });
    for arbiter in lab.threads.iter().chain(&lab.doomed) {
        arbiter.stop();
    }
    for arbiter in lab.threads.drain(..).chain(lab.doomed.drain(..)) {
        // A thread that panicked has left its actors' ends behind, which were counted.
        let _ = arbiter.join();
    }
    report
}

/// The daemon's own defaults; loopback, any port.
fn settings(args: &Args) -> Result<Settings, String> {
    let sets = [
        "network.controller.listen.addr=127.0.0.1".to_owned(),
        "network.controller.listen.port=0".to_owned(),
        format!("network.topology.mode={}", args.mode.as_str()),
    ];
    let sources = Sources { sets: sets.into(), ..Sources::default() };
    load(&sources).map(|loaded| loaded.settings).map_err(|problems| problems.to_string())
}

impl Lab<'_> {
    async fn all(&mut self) -> Result<Report, String> {
        let mut report = Report {
            nodes: self.args.nodes(),
            mode: self.args.mode.as_str(),
            cores: cores(),
            links_max: [self.args.links_ever(), self.args.links_in_the_end()],
            ..Report::default()
        };
        let before = memory();
        self.cold_start(&mut report).await?;
        if report.broken.is_empty() {
            self.idle(&mut report).await;
            report.memory = self.weigh(before);
            self.trials(&mut report).await?;
        }
        self.check_links(&mut report);
        report.wall_s = seconds(self.began.elapsed());
        report.cpu_s = seconds(cpu());
        Ok(report)
    }

    /// A node on the common threads, or on one of its own if it will crash.
    fn start(&mut self, dies: bool) -> Result<(), String> {
        let number = self.nodes.len();
        let threads = if dies {
            let arbiter = Arbiter::new();
            let handle = arbiter.handle();
            self.doomed.push(arbiter);
            Threads { mesh: handle.clone(), net: vec![handle] }
        } else {
            let (mesh, net) = self.threads.split_at(self.threads.len() / 2);
            let net = net.iter().map(Arbiter::handle).collect();
            Threads { mesh: mesh[number % mesh.len()].handle(), net }
        };
        let seeds: Vec<_> = self.nodes.iter().take(SEEDS).map(|node| node.addr).collect();
        let node = host::start(&format!("n{}", number + 1), &self.settings, &seeds, threads)?;
        self.nodes.push(node);
        Ok(())
    }

    async fn cold_start(&mut self, report: &mut Report) -> Result<(), String> {
        let (count, cpu_before) = (self.args.nodes(), cpu());
        let begin_ms = unix_ms();
        self.began = Instant::now();
        let doomed = (self.args.trials as usize).min(count.saturating_sub(2));
        for number in 0..count {
            self.start(number >= count - doomed)?;
            let due =
                self.args.over() * u32::try_from(number + 1).unwrap_or(u32::MAX) / self.args.nodes;
            tokio::time::sleep(due.saturating_sub(self.began.elapsed())).await;
            if self.told.elapsed() >= TELL {
                let look = self.eyes.look(&mut self.nodes);
                self.say(look);
            }
        }
        let started = self.began.elapsed();
        let settled = self.settle(self.began, self.args.within() + started).await;
        let (_, links) = truth(&self.nodes);
        let mut cold = ColdStart {
            started_s: seconds(started),
            cpu_s: seconds(cpu().saturating_sub(cpu_before)),
            links: links.len(),
            degrees: self.degrees(),
            ..ColdStart::default()
        };
        match settled {
            Ok((after, changed_ms)) => {
                cold.equal_s = Some(seconds(after));
                cold.equal_after_last_start_s = Some(seconds(after.saturating_sub(started)));
                let change = Duration::from_millis(changed_ms.saturating_sub(begin_ms));
                cold.last_change_s = Some(seconds(change));
            }
            Err(why) => report.broken.push(format!("cold start: {why}")),
        }
        report.cold_start = cold;
        Ok(())
    }

    /// Waits until all graphs are equal and true: how long that took, and when the newest change in them was.
    async fn settle(
        &mut self,
        since: Instant,
        within: Duration,
    ) -> Result<(Duration, u64), String> {
        loop {
            let begin = Instant::now();
            let look = self.eyes.look(&mut self.nodes);
            if look.all {
                return Ok((since.elapsed(), look.changed_ms));
            }
            if since.elapsed() > within {
                let Look { complete, equal, .. } = look;
                return Err(format!(
                    "after {:.0} s {complete} of {} nodes see all of them, and {equal} the same links, all confirmed",
                    seconds(since.elapsed()),
                    self.nodes.len(),
                ));
            }
            if self.told.elapsed() >= TELL {
                self.say(look);
            }
            tokio::time::sleep(LOOK.max(begin.elapsed() * 9)).await;
        }
    }

    fn say(&mut self, look: Look) {
        self.told = Instant::now();
        let (count, links) = (self.nodes.len(), truth(&self.nodes).1.len());
        (self.tell)(&format!(
            "{:>4.0} s: {count} nodes, {links} links; {} nodes see all, {} of them the same; {:.0} s of processors",
            seconds(self.began.elapsed()),
            look.complete,
            look.equal,
            seconds(cpu())
        ));
    }

    /// How many nodes have 0, 1, 2... links.
    fn degrees(&self) -> Vec<usize> {
        let mut degrees = Vec::new();
        for node in &self.nodes {
            let links = node.links.peers().len();
            if degrees.len() <= links {
                degrees.resize(links + 1, 0);
            }
            degrees[links] += 1;
        }
        degrees
    }

    async fn idle(&mut self, report: &mut Report) {
        let begin = Instant::now();
        loop {
            let look = self.eyes.look(&mut self.nodes);
            let quiet = Duration::from_millis(unix_ms().saturating_sub(look.changed_ms));
            if quiet >= CALM || begin.elapsed() > CALM * 6 {
                break;
            }
            tokio::time::sleep(CALM / 10).await;
        }
        let counts = |node: &Node| (node.tally.bytes_out.now(), node.tally.bytes_in.now());
        let lost = |nodes: &[Node]| -> u64 {
            nodes.iter().map(|node| node.links.lost.load(Ordering::Relaxed)).sum()
        };
        let before: Vec<_> = self.nodes.iter().map(counts).collect();
        let (cpu_before, lost_before, begin) = (cpu(), lost(&self.nodes), Instant::now());
        (self.tell)(&format!("now nothing happens for {} s", self.args.seconds));
        tokio::time::sleep(self.args.idle()).await;
        let after: Vec<_> = self.nodes.iter().map(counts).collect();
        let took = seconds(begin.elapsed());
        let cpu_s = seconds(cpu().saturating_sub(cpu_before));
        let mut idle = Idle {
            seconds: took,
            sent_bytes_per_s_mean: 0.0,
            sent_bytes_per_s_max: 0.0,
            received_bytes_per_s_max: 0.0,
            cpu_s_per_s: rounded(cpu_s / took),
            links_lost: (lost(&self.nodes) - lost_before) / 2,
            equal_at_the_end: self.eyes.look(&mut self.nodes).all,
        };
        for ((out, came), (out_before, came_before)) in after.iter().zip(&before) {
            let sent = rounded((out - out_before) as f64 / took);
            idle.sent_bytes_per_s_mean += sent / before.len() as f64;
            idle.sent_bytes_per_s_max = idle.sent_bytes_per_s_max.max(sent);
            let received = rounded((came - came_before) as f64 / took);
            idle.received_bytes_per_s_max = idle.received_bytes_per_s_max.max(received);
        }
        idle.sent_bytes_per_s_mean = rounded(idle.sent_bytes_per_s_mean);
        report.idle = Some(idle);
    }

    fn weigh(&self, before: Option<u64>) -> Option<Memory> {
        let (process_bytes, count) = (memory()?, self.nodes.len() as u64);
        let grown = process_bytes.saturating_sub(before?);
        Some(Memory {
            process_bytes,
            per_node_bytes: grown / count,
            per_known_member_bytes: grown / (count * count),
        })
    }

    async fn trials(&mut self, report: &mut Report) -> Result<(), String> {
        for _ in 0..self.args.trials {
            let begin = Instant::now();
            self.start(false)?;
            let id = self.nodes[self.nodes.len() - 1].id;
            let trial = self.trial(begin, |node| sees(node, &id), "a join", report).await;
            report.joins.push(trial);
            // Newcomers stand before those that will crash, so that these stay the last ones.
            let place = self.nodes.len() - 1 - self.doomed.len();
            let node = self.nodes.remove(self.nodes.len() - 1);
            self.nodes.insert(place, node);
            tokio::time::sleep(PAUSE).await;
        }
        while let Some(thread) = self.doomed.pop() {
            let Some(victim) = self.nodes.pop() else { break };
            let begin = Instant::now();
            // All its actors and sockets go with the thread, without a word.
            thread.stop();
            let trial = self.trial(begin, |node| !sees(node, &victim.id), "a crash", report).await;
            report.crashes.push(trial);
            let _ = thread.join();
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Measures how long it takes until every node knows it, and until all graphs are equal again.
    async fn trial(
        &mut self,
        begin: Instant,
        knows: impl Fn(&Node) -> bool,
        what: &str,
        report: &mut Report,
    ) -> Trial {
        let mut ignorant: Vec<usize> = (0..self.nodes.len()).collect();
        let mut trial = Trial { known_ms: None, equal_ms: None };
        while begin.elapsed() < self.args.within() {
            ignorant.retain(|number| !knows(&self.nodes[*number]));
            if ignorant.is_empty() {
                trial.known_ms = Some(millis(begin.elapsed()));
                break;
            }
            tokio::time::sleep(LOOK / 4).await;
        }
        match (trial.known_ms, self.settle(begin, self.args.within()).await) {
            (None, _) => report.broken.push(format!(
                "{what} was not known by {} of {} nodes in time",
                ignorant.len(),
                self.nodes.len()
            )),
            (_, Ok((after, _))) => trial.equal_ms = Some(millis(after)),
            (_, Err(why)) => report.broken.push(format!("{what}: {why}")),
        }
        trial
    }

    /// No node ever had more links than it may, and no actor crashed.
    fn check_links(&self, report: &mut Report) {
        let [ever, in_the_end] = report.links_max;
        for (number, node) in self.nodes.iter().enumerate() {
            let (most, now) = (node.links.most.load(Ordering::Relaxed), node.links.peers().len());
            report.links_most = report.links_most.max(most);
            let number = number + 1;
            if most > ever {
                report.broken.push(format!("node {number} had {most} links, {ever} are allowed"));
            }
            if now > in_the_end {
                report
                    .broken
                    .push(format!("node {number} has {now} links, {in_the_end} are allowed"));
            }
        }
        let crashed = self.nodes.iter().map(|node| node.links.crashed.load(Ordering::Relaxed));
        match crashed.sum() {
            0 => {}
            crashed => report.broken.push(format!("{crashed} actors ended that should not have")),
        }
    }
}

fn seconds(span: Duration) -> f64 {
    (span.as_secs_f64() * 1000.0).round() / 1000.0
}

fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
