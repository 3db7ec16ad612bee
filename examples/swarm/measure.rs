//! Who knows the truth since when, looked at again and again while a phase goes on.

use std::time::Duration;

use kith::mesh::Time;
use serde::Serialize;

use crate::engine::truth::Truth;
use crate::engine::world::World;

/// At a phase's end, links that came or went no longer ago than this need not be known yet.
const LATELY: Duration = Duration::from_secs(5);

/// One look: so many of the nodes that run show exactly those that run, and so many have had the exact graph.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Virtual seconds since the run began.
    pub at_s: f64,
    /// Share of the nodes that show alive exactly those that are.
    pub members: f64,
    /// Share of the nodes that have had the exact graph since the phase's last change.
    pub links: f64,
}

/// Times of all nodes, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Half of them were no longer.
    pub p50: u64,
    /// Nine of ten.
    pub p90: u64,
    /// 99 of a hundred.
    pub p99: u64,
    /// All.
    pub max: u64,
}

impl Spread {
    /// The spread of some times.
    pub fn of(mut times: Vec<Duration>) -> Spread {
        times.sort_unstable();
        let at = |percent: usize| {
            let place = (times.len() * percent).div_ceil(100).saturating_sub(1);
            let time = times.get(place).copied().unwrap_or_default();
            u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
        };
        Spread { p50: at(50), p90: at(90), p99: at(99), max: at(100) }
    }
}

/// What is known of one phase.
pub struct Measure {
    /// When the last thing was done; times are counted from there.
    asked: Time,
    /// When each host had the exact graph first.
    links_at: Vec<Option<Time>>,
    /// Where each host's graph differed last.
    differed: Vec<u32>,
    /// The host whose graph was not the truth at the last look at all.
    wrong: usize,
    /// What was seen.
    pub points: Vec<Point>,
}

/// What a look has found.
pub struct Look {
    /// How many nodes run.
    pub running: usize,
    /// How many of them show exactly those.
    pub members: usize,
    /// How many have had the exact graph.
    pub links: usize,
    /// Somebody who does not know the truth, for the report of a failure.
    pub behind: Option<usize>,
}

impl Measure {
    /// Begins to measure.
    pub fn new(world: &World) -> Measure {
        let hosts = world.hosts.len();
        Measure {
            asked: world.now,
            links_at: vec![None; hosts],
            differed: vec![0; hosts],
            wrong: 0,
            points: Vec::new(),
        }
    }

    /// Something was done: what was known before counts no more.
    pub fn asked(&mut self, now: Time) {
        self.asked = now;
        self.links_at.fill(None);
    }

    /// How long ago the last thing was done.
    pub fn waited(&self, now: Time) -> Duration {
        now.since(self.asked)
    }

    /// Looks at all hosts. Who has had the exact graph once is not looked at again.
    pub fn look(&mut self, world: &World, begin: Time, links_too: bool) -> Look {
        let truth = world.truth();
        let mut look = Look { running: 0, members: 0, links: 0, behind: None };
        for host in 0..world.hosts.len() {
            if !world.hosts[host].alive() {
                continue;
            }
            look.running += 1;
            let members = world.knows_members(host, &truth);
            let known = self.links_at[host].is_some()
                || members && links_too && {
                    world.knows_links(host, &truth, &mut self.differed[host], Duration::ZERO)
                };
            if known {
                self.links_at[host].get_or_insert(world.now);
            }
            look.members += usize::from(members);
            look.links += usize::from(known);
            if !(members && known) {
                look.behind.get_or_insert(host);
            }
        }
        let share = |part: usize| part as f64 / look.running.max(1) as f64;
        self.mark(Point {
            at_s: seconds(world.now.since(begin)),
            members: share(look.members),
            links: share(look.links),
        });
        look
    }

    /// Keeps a point; of many equal ones the first and the last.
    fn mark(&mut self, point: Point) {
        let same = |a: &Point| (a.members, a.links) == (point.members, point.links);
        if let [.., before, last] = &mut self.points[..]
            && same(before)
            && same(last)
        {
            *last = point;
        } else {
            self.points.push(point);
        }
    }

    /// Whether every graph is the truth now, but for links that came or went just before.
    pub fn all_exact(&mut self, world: &World) -> Result<(), usize> {
        let truth = world.truth();
        let hosts = world.hosts.len();
        let first = self.wrong;
        for host in (first..hosts).chain(0..first).filter(|host| world.hosts[*host].alive()) {
            let exact = world.knows_members(host, &truth)
                && world.knows_links(host, &truth, &mut self.differed[host], LATELY);
            if !exact {
                self.wrong = host;
                return Err(host);
            }
        }
        Ok(())
    }

    /// How long after the last thing done each host that runs showed who is there, and had the exact graph.
    pub fn spreads(&self, world: &World) -> (Spread, Spread) {
        let running = || (0..world.hosts.len()).filter(|host| world.hosts[*host].alive());
        let members = running().map(|host| world.laws.shown[host].since.since(self.asked));
        let links = running().filter_map(|host| self.links_at[host]);
        (Spread::of(members.collect()), Spread::of(links.map(|at| at.since(self.asked)).collect()))
    }

    /// In words, what a host does not know.
    pub fn lacks(&self, world: &World, host: usize, truth: &Truth) -> String {
        let mut differed = self.differed[host];
        if !world.knows_members(host, truth) {
            return format!("n{host} does not show exactly those who run");
        }
        if world.knows_links(host, truth, &mut differed, Duration::ZERO) {
            return format!("n{host} knows the truth only now");
        }
        format!("n{host} does not know the links of n{differed}")
    }
}

/// Seconds, exact to the millisecond: no more digits in a report than mean something.
pub fn seconds(span: Duration) -> f64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX) as f64 / 1000.0
}
