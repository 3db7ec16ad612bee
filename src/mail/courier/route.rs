//! Which way a letter takes: through volunteers, another way than the last ones, and not through those that
//! went silent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::members::Members;
use crate::mesh::dice::Dice;
use crate::mesh::{NodeId, Time};

/// Paths remembered for each reader.
pub(super) const PATHS_REMEMBERED: usize = 32;
/// Readers whose paths are remembered.
const READERS_MAX: usize = 1024;
/// With so many candidates the first hop is one of a few that are kept for long.
pub(super) const GUARDS_FROM: usize = 10;
/// How many.
pub(super) const GUARDS: usize = 3;
/// For how long: with fresh first hops each time, a tenth of bad relays would see a sender within a hundred
/// letters with a chance of 63 %.
pub(super) const GUARD_FOR_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// Longest rest of a relay whose paths went silent.
const QUARANTINE_MAX: Duration = Duration::from_secs(600);
/// With at most so many paths in all, each is looked at; else a few are drawn.
const LOOKED_AT: usize = 128;
const DRAWN: usize = 32;

/// What is against a path, in points. The fewest win; among equals, chance.
const IMMEDIATE_REPEAT: u32 = 100_000;
const USED_BY_ANOTHER_FRAGMENT: u32 = 1_000;
const LAST_NOT_LINKED: u32 = 400;
const NO_GUARD: u32 = 300;
const FIRST_NOT_LINKED: u32 = 250;
const REPEAT_OF_LATE: u32 = 200;
const REPEAT: u32 = 100;
const NOT_LINKED: u32 = 60;
const SAME_NET: u32 = 3;

/// How a relay has done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    /// Letters that went through it and were signed for.
    pub(super) delivered: u64,
    /// Paths through it of which no word came back.
    pub(super) silent: u64,
    /// Paths through it that went silent since the last one that did not.
    suspicion: u32,
    /// Until when it rests.
    until: Time,
}

impl Record {
    fn rests(&self, now: Time) -> bool {
        now < self.until
    }

    /// Chance of being drawn, in percent of a perfect one's; at least 1.
    fn weight(&self) -> u64 {
        (100 * (self.delivered + 1) / (self.delivered + self.silent + 2)).max(1)
    }
}

/// What is remembered for choosing ways.
#[derive(Default)]
pub(super) struct Ways {
    relays: BTreeMap<NodeId, Record>,
    /// The last paths to each reader, newest last, and when the last one was taken.
    taken: BTreeMap<NodeId, (u64, VecDeque<Vec<NodeId>>)>,
    count: u64,
}

/// What a way is wanted for.
pub(super) struct Wanted<'a> {
    /// Where it leads: the reader, a mailbox, or ourselves.
    pub(super) end: NodeId,
    /// Relays on it, if there are so many.
    pub(super) hops: usize,
    /// How many other fragments of the same letter go through each relay.
    pub(super) used: &'a BTreeMap<NodeId, u32>,
    /// Who is asked to be the first hop: ourselves, or nobody in particular.
    pub(super) from: NodeId,
    /// First hops kept for long; empty if any will do.
    pub(super) guards: &'a [NodeId],
}

impl Ways {
    /// Who could be on a way of so many hops now: volunteers that are there, do not rest, and whose key is fresh.
    /// Where they are too few those that rest join, the first to be awake first: whoever loses packets must not
    /// make ways shorter.
    pub(super) fn candidates(
        &self,
        members: &Members,
        now: Time,
        now_ms: u64,
        avoid: &[NodeId],
        hops: usize,
    ) -> Vec<NodeId> {
        let fits = |id: &NodeId| {
            members.get(id).is_some_and(|m| m.relay)
                && members.hop(id, now_ms).is_some()
                && !avoid.contains(id)
        };
        let all = members.iter().map(|(id, _)| *id).filter(fits);
        let rests = |id: &NodeId| self.relays.get(id).is_some_and(|r| r.rests(now));
        let (mut resting, mut awake): (Vec<NodeId>, Vec<NodeId>) = all.partition(rests);
        if awake.len() < hops {
            resting.sort_by_key(|id| self.relays.get(id).map(|record| record.until));
            awake.extend(resting.into_iter().take(hops - awake.len()));
        }
        awake
    }

    /// The relays of a way, first one first; none if there is not a single candidate.
    pub(super) fn choose(
        &mut self,
        members: &Members,
        candidates: &[NodeId],
        wanted: &Wanted<'_>,
        dice: &mut Dice,
    ) -> Option<Vec<NodeId>> {
        let hops = wanted.hops.min(candidates.len());
        if hops == 0 {
            return None;
        }
        let candidates = &least_used(candidates, wanted.used, hops);
        let guards: Vec<NodeId> =
            wanted.guards.iter().copied().filter(|g| candidates.contains(g)).collect();
        let paths = if count(candidates.len(), hops) <= LOOKED_AT {
            let mut paths = Vec::new();
            all_paths(candidates, hops, &mut Vec::new(), &mut paths);
            paths
        } else {
            let weights: Vec<u64> = candidates.iter().map(|id| self.weight(&[*id])).collect();
            // A few without a guard, should none of them lead there.
            let guards = |n| if n % 4 == 3 { &[] } else { &guards[..] };
            (0..DRAWN).map(|n| draw(candidates, &weights, hops, guards(n), dice)).collect()
        };
        let against = |path: &Vec<NodeId>| {
            let guarded = guards.is_empty() || guards.contains(&path[0]);
            self.against(members, path, wanted) + if guarded { 0 } else { NO_GUARD }
        };
        let scored: Vec<(u32, &Vec<NodeId>)> =
            paths.iter().map(|path| (against(path), path)).collect();
        let least = scored.iter().map(|(points, _)| *points).min()?;
        let best: Vec<&Vec<NodeId>> =
            scored.iter().filter(|(points, _)| *points == least).map(|(_, path)| *path).collect();
        let weights: Vec<u64> = best.iter().map(|path| self.weight(path)).collect();
        let path = best.get(weighted(&weights, dice)).copied()?.clone();
        self.remember(wanted.end, path.clone());
        Some(path)
    }

    fn weight(&self, path: &[NodeId]) -> u64 {
        path.iter().map(|id| self.relays.get(id).map_or(50, Record::weight)).min().unwrap_or(1)
    }

    /// What is against a path, in points.
    fn against(&self, members: &Members, path: &[NodeId], wanted: &Wanted<'_>) -> u32 {
        let mut points = 0;
        if let Some((_, taken)) = self.taken.get(&wanted.end) {
            if taken.back().is_some_and(|last| last == path) {
                points += IMMEDIATE_REPEAT;
            } else if let Some(at) = taken.iter().rposition(|old| old == path) {
                points += if 2 * at >= taken.len() { REPEAT_OF_LATE } else { REPEAT };
            }
        }
        let used: u32 = path.iter().filter_map(|id| wanted.used.get(id)).sum();
        points += USED_BY_ANOTHER_FRAGMENT.saturating_mul(used);
        // Whoever cannot be dialled is reached through one of its neighbours.
        if path.last().is_some_and(|last| !members.linked(last, &wanted.end)) {
            points += LAST_NOT_LINKED;
        }
        if path.first().is_some_and(|first| !members.linked(&wanted.from, first)) {
            points += FIRST_NOT_LINKED;
        }
        let apart = path.windows(2).filter(|pair| !members.linked(&pair[0], &pair[1])).count();
        points += NOT_LINKED * u32::try_from(apart).unwrap_or(0);
        let nets: Vec<[u8; 6]> = path.iter().filter_map(|id| members.get(id)?.net).collect();
        let distinct: BTreeSet<&[u8; 6]> = nets.iter().collect();
        points + SAME_NET * u32::try_from(nets.len() - distinct.len()).unwrap_or(0)
    }

    fn remember(&mut self, end: NodeId, path: Vec<NodeId>) {
        self.count += 1;
        if self.taken.len() >= READERS_MAX && !self.taken.contains_key(&end) {
            let oldest = self.taken.iter().min_by_key(|(_, (at, _))| *at).map(|(id, _)| *id);
            oldest.and_then(|id| self.taken.remove(&id));
        }
        let (at, taken) = self.taken.entry(end).or_default();
        *at = self.count;
        if taken.len() == PATHS_REMEMBERED {
            taken.pop_front();
        }
        taken.push_back(path);
    }

    /// A letter that went this way was signed for.
    pub(super) fn praise(&mut self, path: &[NodeId]) {
        for id in path {
            let record = self.relays.entry(*id).or_default();
            record.delivered += 1;
            record.suspicion = 0;
            record.until = Time(0);
        }
    }

    /// No word came back of what went this way.
    pub(super) fn blame(&mut self, now: Time, path: &[NodeId]) {
        for id in path {
            let record = self.relays.entry(*id).or_default();
            record.silent += 1;
            record.suspicion = record.suspicion.saturating_add(1);
            let rest = Duration::from_secs(1 << record.suspicion.min(10)).min(QUARANTINE_MAX);
            // One silent path says little of each relay on it.
            if record.suspicion > 1 {
                record.until = now + rest;
            }
        }
    }

    /// How a relay has done, and whether it rests.
    pub(super) fn record(&self, now: Time, id: &NodeId) -> (Record, bool) {
        let record = self.relays.get(id).copied().unwrap_or_default();
        (record, record.rests(now))
    }

    /// Forgets relays that are not known any more.
    pub(super) fn keep(&mut self, members: &Members) {
        self.relays.retain(|id, _| members.get(id).is_some());
    }
}

/// A path, drawn hop by hop.
fn draw(
    candidates: &[NodeId],
    weights: &[u64],
    hops: usize,
    guards: &[NodeId],
    dice: &mut Dice,
) -> Vec<NodeId> {
    let mut left = weights.to_vec();
    let mut path = Vec::with_capacity(hops);
    if !guards.is_empty() {
        let guarded = |(id, w): (&NodeId, &u64)| if guards.contains(id) { *w } else { 0 };
        left = candidates.iter().zip(weights).map(guarded).collect();
    }
    while path.len() < hops {
        let at = weighted(&left, dice);
        if path.is_empty() {
            left.copy_from_slice(weights);
        }
        left[at] = 0;
        path.push(candidates[at]);
    }
    path
}

/// Those that the fewest other fragments go through, enough for a path.
fn least_used(candidates: &[NodeId], used: &BTreeMap<NodeId, u32>, hops: usize) -> Vec<NodeId> {
    let times = |id: &NodeId| used.get(id).copied().unwrap_or(0);
    let mut all: Vec<u32> = candidates.iter().map(times).collect();
    all.sort_unstable();
    let most = all.get(hops.saturating_sub(1)).copied().unwrap_or(0);
    candidates.iter().copied().filter(|id| times(id) <= most).collect()
}

/// An index, drawn in proportion to the weights; 0 of none.
fn weighted(weights: &[u64], dice: &mut Dice) -> usize {
    let mut at = dice.below(weights.iter().sum());
    for (i, weight) in weights.iter().enumerate() {
        match at.checked_sub(*weight) {
            Some(rest) => at = rest,
            None => return i,
        }
    }
    0
}

/// How many paths of `hops` relays there are among `n`.
fn count(n: usize, hops: usize) -> usize {
    (0..hops).fold(1_usize, |all, i| all.saturating_mul(n - i))
}

fn all_paths(
    candidates: &[NodeId],
    hops: usize,
    begun: &mut Vec<NodeId>,
    out: &mut Vec<Vec<NodeId>>,
) {
    if begun.len() == hops {
        out.push(begun.clone());
        return;
    }
    for id in candidates {
        if !begun.contains(id) {
            begun.push(*id);
            all_paths(candidates, hops, begun, out);
            begun.pop();
        }
    }
}
