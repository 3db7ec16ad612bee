//! Runs a scenario with one seed: does what its phases say, and waits until everybody knows the truth.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use kith::mesh::Time;
use kith::mesh::shape::{Mode, Plan};

use crate::engine::host::Skew;
use crate::engine::net::Weather;
use crate::engine::traffic::{self, Traffic};
use crate::engine::truth::Pushes;
use crate::engine::world::{Broken, Counts, World};
use crate::measure::{Look, Measure, Spread, seconds};
use crate::report::{Figures, PhaseReport, RunReport};
use crate::scenario::{self, Phase, Scenario, Span, Step};

/// Larger networks are looked at less often: a look at ten thousand graphs takes a second.
const OFTEN: (usize, Duration) = (2_000, Duration::from_millis(50));
const SELDOM: Duration = Duration::from_millis(200);
/// How often while nothing is to be waited for.
const AT_REST: Duration = Duration::from_secs(1);

/// What is told while a run goes on.
pub struct Glance<'a> {
    /// Which phase of how many, from 1 on.
    pub phase: (usize, usize),
    /// Its name.
    pub name: &'a str,
    /// Nodes that run.
    pub running: usize,
    /// How many of them show exactly those.
    pub members: usize,
    /// How many have had every link since the last change.
    pub links: usize,
    /// Virtual time.
    pub at: Duration,
    /// Events so far.
    pub events: u64,
    /// The phase is over.
    pub over: bool,
}

/// Something done at some time in a phase.
#[derive(Clone, Copy)]
enum Deed {
    Start(usize),
    /// A node that runs goes down, or one that is down starts; at most so many are down at once.
    Churn(usize),
    /// All that are down start.
    StartRest,
    /// Somebody says something to everyone.
    Shout(usize),
}

struct Runner<'a> {
    world: World,
    scenario: &'a Scenario,
    begin: Time,
    /// Hosts that take part: those that join later are numbered behind them.
    joined: usize,
    seeds: usize,
    watch: &'a mut dyn FnMut(&Glance),
}

/// Runs it. A broken law ends the run; the report says which.
pub fn run(
    scenario: &Scenario,
    seed: u64,
    replay: String,
    watch: &mut dyn FnMut(&Glance),
) -> RunReport {
    let mut report = RunReport { seed, broken: None, phases: Vec::new() };
    let phases = &mut report.phases;
    let all = catch_unwind(AssertUnwindSafe(|| {
        let mut runner = Runner::new(scenario, seed, replay, watch);
        for (i, phase) in scenario.phases.iter().enumerate() {
            runner.phase(i, phase, phases);
        }
    }));
    if let Err(cause) = all {
        let law = cause.downcast::<Broken>().map(|broken| broken.0);
        report.broken = Some(law.unwrap_or_else(|_| "the simulator itself failed".into()));
    }
    report
}

impl<'a> Runner<'a> {
    fn new(
        scenario: &'a Scenario,
        seed: u64,
        replay: String,
        watch: &'a mut dyn FnMut(&Glance),
    ) -> Runner<'a> {
        let network = &scenario.network;
        let weather = Weather {
            delay: (network.delay[0].0, network.delay[1].0),
            jitter_percent: u64::from(network.jitter.0 / 10),
            loss_permille: u64::from(network.loss.0),
            gossip_loss_permille: 0,
        };
        let hosts = scenario.hosts();
        let mut world = World::new("swarm", seed, hosts, weather);
        let mode = match network.mode {
            scenario::Mode::Auto => Mode::Auto,
            scenario::Mode::Full => Mode::Full,
            scenario::Mode::Partial => Mode::Partial,
        };
        let plan = Plan { mode, degree: network.degree, conns_max: network.max_conns };
        for host in &mut world.hosts {
            host.plan = plan;
        }
        world.replay = replay;
        let policies = &mut world.policies;
        policies.topology.period = None;
        policies.topology.limits.nodes_max = hosts.max(policies.topology.limits.nodes_max);
        let begin = world.now;
        let mut seeds = scenario.phases.iter().filter_map(|phase| match phase.step {
            Step::ColdStart { seeds, .. } | Step::Settled { seeds, .. } => Some(seeds),
            _ => None,
        });
        let seeds = seeds.next().unwrap_or(1);
        let joined = scenario.nodes;
        Runner { world, scenario, begin, joined, seeds, watch }
    }

    /// Does one phase.
    fn phase(&mut self, number: usize, phase: &Phase, reports: &mut Vec<PhaseReport>) {
        let name = phase.name();
        self.world.log(|| format!("phase {}: {name}", number + 1));
        let before = Before {
            traffic: self.world.traffic,
            counts: self.world.counts,
            tree: self.world.tree_counts(),
            at: self.world.now,
        };
        self.world.shouts.clear();
        let (deeds, within, lasting) = self.begin(number, &name, &phase.step);
        let mut measure = Measure::new(&self.world);
        let known = within.is_some();
        let last = self.go_through(number, &name, deeds, within, lasting, &mut measure);
        self.settled();
        if let Some(look) = last {
            self.tell(number, &name, &look, true);
        }
        let (members, links) = measure.spreads(&self.world);
        let spreads = known.then_some((members, links));
        reports.push(self.report(name, before, spreads, measure));
    }

    /// Does what a step does at once; what is still to be done, within which time all must know the truth
    /// afterwards, and how long the phase takes at least.
    fn begin(
        &mut self,
        number: usize,
        name: &str,
        step: &Step,
    ) -> (VecDeque<(Time, Deed)>, Option<Duration>, Duration) {
        let mut deeds = VecDeque::new();
        let (mut within, mut lasting) = (None, Duration::ZERO);
        match *step {
            Step::ColdStart { over, within: limit, .. } => {
                deeds = self.starts(0..self.scenario.nodes, over);
                within = Some(limit.0);
            }
            Step::Settled { within: limit, .. } => {
                let (nodes, degree) = (self.joined, usize::from(self.scenario.network.degree));
                let phase = (number + 1, self.scenario.phases.len());
                let (begin, watch) = (self.begin, &mut *self.watch);
                self.world.settle(0..nodes, degree, &mut |world, taught| {
                    watch(&glance(world, begin, phase, name, (nodes, taught, taught), false));
                });
                within = Some(limit.0);
            }
            Step::Join { nodes, over, within: limit } => {
                deeds = self.starts(self.joined..self.joined + nodes, over);
                self.joined += nodes;
                within = Some(limit.0);
            }
            Step::Churn { share, every, lasting: span, within: limit } => {
                let down = share.of(self.joined).max(1);
                let mut at = self.world.now;
                let end = at + span.0;
                while at < end {
                    deeds.push_back((at, Deed::Churn(down)));
                    at = at + every.0;
                }
                deeds.push_back((end, Deed::StartRest));
                within = Some(limit.0);
            }
            Step::MassFailure { share, within: limit } => {
                self.world.laws.healthy.clear();
                for host in self.some(share.of(self.running().len())) {
                    self.world.crash(host);
                }
                // All neighbours of somebody may die at once; parts have seen different deaths.
                let parts = self.world.truth().components();
                self.world.log(|| format!("what is left is in {parts} parts"));
                self.world.laws.no_ghosts = parts == 1;
                within = Some(limit.0);
            }
            Step::Split { share, within: limit, lasting: span } => {
                self.world.laws.healthy.clear();
                self.world.laws.no_ghosts = false;
                let cut_off = self.some(share.of(self.running().len()));
                self.world.log(|| format!("{} hosts are cut off", cut_off.len()));
                self.world.net.move_to(cut_off, 1);
                (within, lasting) = (Some(limit.0), span.0);
            }
            Step::Heal { within: limit } => {
                self.world.laws.healthy.clear();
                self.world.net.move_to(0..self.world.hosts.len(), 0);
                within = Some(limit.0);
            }
            Step::SlowLinks { share, by } => {
                for host in self.chosen(share.of(self.scenario.nodes), 0) {
                    self.world.net.slow_down(host, by.0);
                }
            }
            Step::Nat { share } => {
                for host in self.chosen(share.of(self.scenario.nodes), self.seeds) {
                    self.world.net.hide(host, true);
                }
            }
            Step::ClockSkew { share, off, drift_ppm } => {
                for host in self.chosen(share.of(self.scenario.nodes), 0) {
                    self.world.hosts[host].skew = self.skew(off, drift_ppm);
                }
            }
            Step::Shout { count, every, within: limit } => {
                let now = self.world.now;
                let at = |i: usize| now + every.0 * u32::try_from(i).unwrap_or(u32::MAX);
                deeds.extend((0..count).map(|i| (at(i), Deed::Shout(i))));
                within = Some(limit.0);
            }
            Step::Rest { lasting: span } => lasting = span.0,
        }
        (deeds, within, lasting)
    }

    /// A clock that is wrong by up to this, one way or the other.
    fn skew(&mut self, off: Span, drift_ppm: u32) -> Skew {
        let off_ms = u64::try_from(off.0.as_millis()).unwrap_or(0);
        let dice = &mut self.world.dice;
        let mut around = |most: u64| dice.below(2 * most + 1) as i64 - most as i64;
        Skew {
            ahead_ms: around(off_ms),
            fast_ppm: i32::try_from(around(u64::from(drift_ppm))).unwrap_or(0),
        }
    }

    fn running(&self) -> Vec<usize> {
        (0..self.joined).filter(|host| self.world.hosts[*host].alive()).collect()
    }

    /// So many of those that run, by chance.
    fn some(&mut self, count: usize) -> Vec<usize> {
        let mut hosts = self.running();
        self.world.dice.shuffle(&mut hosts);
        hosts.truncate(count);
        hosts
    }

    /// So many of the scenario's nodes from the `first` on, by chance.
    fn chosen(&mut self, count: usize, first: usize) -> Vec<usize> {
        let mut hosts: Vec<usize> = (first..self.scenario.nodes).collect();
        self.world.dice.shuffle(&mut hosts);
        hosts.truncate(count);
        hosts
    }

    fn starts(&mut self, hosts: std::ops::Range<usize>, over: Span) -> VecDeque<(Time, Deed)> {
        let now = self.world.now;
        let mut starts: Vec<(Time, usize)> = hosts
            .map(|host| (now + self.world.dice.between(Duration::ZERO, over.0), host))
            .collect();
        starts.sort_unstable();
        starts.into_iter().map(|(at, host)| (at, Deed::Start(host))).collect()
    }

    fn do_deed(&mut self, deed: Deed) {
        match deed {
            Deed::Start(host) => {
                let seeds = self.world.hosts[..self.seeds].iter().map(|seed| seed.addr);
                self.world.hosts[host].seeds = seeds.collect();
                self.world.start(host);
            }
            Deed::Churn(most) => {
                let running = self.running();
                let down = self.joined - running.len();
                if down >= most || down > 0 && self.world.dice.below(2) == 0 {
                    let down = self.down();
                    let host = *self.world.dice_pick(&down);
                    self.world.start(host);
                } else if running.len() > 1 {
                    let host = *self.world.dice_pick(&running);
                    match self.world.dice.below(2) {
                        0 => self.world.crash(host),
                        _ => self.world.leave(host),
                    }
                }
            }
            Deed::Shout(number) => {
                let running = self.running();
                let host = *self.world.dice_pick(&running);
                self.world.shout(host, &format!("shout {number}"));
            }
            Deed::StartRest => {
                for host in self.down() {
                    self.world.start(host);
                }
            }
        }
    }

    fn down(&self) -> Vec<usize> {
        (0..self.joined).filter(|host| !self.world.hosts[*host].alive()).collect()
    }

    /// Lets time pass until all is done and known, and the phase has taken its time; what was seen last.
    fn go_through(
        &mut self,
        number: usize,
        name: &str,
        mut deeds: VecDeque<(Time, Deed)>,
        within: Option<Duration>,
        lasting: Duration,
        measure: &mut Measure,
    ) -> Option<Look> {
        let end = self.world.now + lasting;
        let mut last = None;
        let (few, often) = OFTEN;
        let step = if self.world.hosts.len() <= few { often } else { SELDOM };
        let mut waiting = within.is_some();
        let mut look_at = self.world.now;
        while waiting || !deeds.is_empty() || self.world.now < end {
            if let Some(&(at, deed)) = deeds.front()
                && at <= look_at
            {
                self.world.run_for(at.since(self.world.now));
                deeds.pop_front();
                self.do_deed(deed);
                if deeds.is_empty() {
                    measure.asked(self.world.now);
                }
                continue;
            }
            self.world.run_for(look_at.since(self.world.now));
            let all_done = deeds.is_empty();
            let look = measure.look(&self.world, self.begin, waiting && all_done);
            self.tell(number, name, &look, false);
            if waiting && all_done {
                waiting = !self.known(&look, within, measure);
            }
            let pause = if waiting { step } else { AT_REST };
            look_at = look_at + pause;
            if !waiting && deeds.is_empty() {
                look_at = look_at.min(end).max(self.world.now);
            }
            last = Some(look);
        }
        last
    }

    /// Whether everybody knows everything. If not in time, a law is broken.
    fn known(&mut self, look: &Look, within: Option<Duration>, measure: &mut Measure) -> bool {
        let all = look.members == look.running && look.links == look.running;
        let behind = if all { measure.all_exact(&self.world).err() } else { look.behind };
        let unheard = self.unheard(look.running);
        if behind.is_none() && unheard.is_none() {
            return true;
        }
        if let Some(within) = within.filter(|within| measure.waited(self.world.now) >= *within) {
            let truth = self.world.truth();
            let lacks = behind.map(|host| measure.lacks(&self.world, host, &truth));
            self.world.broken(format!(
                "not known by all within {within:?}: of {} nodes {} show who is there and {} have had \
                 every link; {}",
                look.running,
                look.members,
                look.links,
                lacks.or(unheard).unwrap_or_default()
            ));
        }
        false
    }

    /// A shout that somebody has not heard yet. Whoever hears one twice breaks a law.
    fn unheard(&self, running: usize) -> Option<String> {
        let others = running.saturating_sub(1);
        for (text, shout) in self.world.shouts.all() {
            let heard = shout.heard.len();
            if heard > others {
                self.world.broken(format!("{text:?} was heard {heard} times by {others}"));
            }
            if heard < others {
                return Some(format!("{text:?} was heard by {heard} of {others}"));
            }
        }
        None
    }

    fn tell(&mut self, number: usize, name: &str, look: &Look, over: bool) {
        let phase = (number + 1, self.scenario.phases.len());
        let seen = (look.running, look.members, look.links);
        let glance = glance(&self.world, self.begin, phase, name, seen, over);
        (self.watch)(&glance);
    }

    /// At the end of a phase all is well: from now on nobody may be called failed who is not.
    fn settled(&mut self) {
        self.world.law_timers();
        let split = (0..self.joined).any(|host| self.world.net.side(host) != 0);
        if !split {
            self.world.laws.healthy = self.running().into_iter().collect();
        }
    }

    fn report(
        &self,
        name: String,
        before: Before,
        spreads: Option<(Spread, Spread)>,
        measure: Measure,
    ) -> PhaseReport {
        let world = &self.world;
        let (counts, tree) = (world.counts, world.tree_counts());
        PhaseReport::new(Figures {
            name,
            began_s: seconds(before.at.since(self.begin)),
            took_s: seconds(world.now.since(before.at)),
            spreads,
            truth: world.truth(),
            traffic: traffic::since(&world.traffic, &before.traffic),
            dials: counts.dials - before.counts.dials,
            announcements: counts.announcements - before.counts.announcements,
            tree: tree.since(&before.tree),
            heard: world.shouts.all().flat_map(|(_, shout)| shout.heard.clone()).collect(),
            last_hop: world.shouts.all().map(|(_, shout)| shout.hops_max).max(),
            curve: measure.points,
        })
    }
}

/// How it is now: so many run, so many of them show who is there, and so many know every link.
fn glance<'a>(
    world: &World,
    begin: Time,
    phase: (usize, usize),
    name: &'a str,
    (running, members, links): (usize, usize, usize),
    over: bool,
) -> Glance<'a> {
    let (at, events) = (world.now.since(begin), world.counts.events);
    Glance { phase, name, running, members, links, at, events, over }
}

/// What was counted when a phase began.
struct Before {
    traffic: Traffic,
    counts: Counts,
    tree: Pushes,
    at: Time,
}
