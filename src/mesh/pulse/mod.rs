//! Heartbeats, and the verdict that a peer is silent.
//!
//! The dialler of a link pings; one exchange gives both ends the round trip. A ping that stays unanswered
//! makes a peer doubtful: three of its other neighbours are asked, and only if none of them hears it
//! either is it called silent. Lateness of our own timers stretches every wait (after Lifeguard, Dadgar
//! et al. 2018), because then the sick node is likely we ourselves.

mod events;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::mesh::dice::Dice;
use crate::mesh::gossip::Beat;
use crate::mesh::record::Direction;
use crate::mesh::{Core, NodeId, Time};

pub use events::{Effect, Event, Policy};

/// Links above which heartbeats are stretched: a node sends at most this many a second.
const BEATS_PER_SECOND: usize = 12;
/// An unanswered ping makes its peer doubtful after this long.
const DOUBT: Duration = Duration::from_secs(1);
/// A peer heard within this time needs no ping to vouch for it.
const FRESH: Duration = Duration::from_millis(300);
/// A timer this late says that we are slow ourselves.
const LATE: Duration = Duration::from_millis(250);
/// A timer this late says that we were suspended.
const SUSPENDED: Duration = Duration::from_millis(1500);
/// How long the neighbours that were asked about a peer have for their answer.
const WORD: Duration = Duration::from_millis(250);
/// How many neighbours of a silent peer are asked.
const WITNESSES: usize = 3;
/// Worst local health.
const HEALTH_MAX: u32 = 8;
/// A round trip counts for this many times the smoothed one at most: for less than two fifths more, then.
const OUTLIER: u32 = 4;
/// Most questions of others kept waiting for one peer's pong.
const ASKERS_MAX: usize = 16;

#[derive(Debug)]
struct Link {
    dir: Direction,
    /// What the handshake took, then what pings take, smoothed.
    srtt_us: u32,
    /// A ping was measured.
    measured: bool,
    heard: Time,
    next_ping: Time,
    /// The oldest ping that nothing was heard after.
    unanswered: Option<Time>,
    /// When the last ping went out.
    pinged: Option<Time>,
    doubt: Option<Doubt>,
    /// When another node last gave up its own link with this peer.
    given_up: Option<Time>,
    /// Neighbours waiting to hear of this peer.
    askers: Vec<NodeId>,
    probe: Option<Time>,
}

/// What has been found out about a doubtful peer.
#[derive(Debug, Default)]
struct Doubt {
    /// Who was asked; nobody else's word counts.
    asked: Vec<NodeId>,
    /// Until when a neighbour's word holds that it lives.
    vouched: Option<Time>,
}

/// The liveness core.
pub struct Pulse {
    policy: Policy,
    dice: Dice,
    links: BTreeMap<NodeId, Link>,
    health: u32,
    healed_at: Time,
    wanted_wake: Option<Time>,
    /// When something last happened here.
    clock: Time,
}

impl Pulse {
    /// A pulse without links.
    pub fn new(policy: Policy, seed: u64) -> Pulse {
        Pulse {
            policy,
            dice: Dice::new(seed),
            links: BTreeMap::new(),
            health: 0,
            healed_at: Time(0),
            wanted_wake: None,
            clock: Time(0),
        }
    }

    /// Time between heartbeats on one link, stretched above 12 links.
    fn period(&self) -> Duration {
        let stretch = u32::try_from(self.links.len()).unwrap_or(u32::MAX);
        let stretched = Duration::from_secs(1) * stretch / BEATS_PER_SECOND as u32;
        self.policy.period.max(if self.links.len() > BEATS_PER_SECOND {
            stretched
        } else {
            Duration::ZERO
        })
    }

    fn patience(&self, wait: Duration) -> Duration {
        wait * (1 + self.health)
    }

    fn ping(&mut self, now: Time, peer: NodeId, out: &mut Vec<Effect>) {
        let wait = self.period();
        let wait = self.dice.between(wait * 9 / 10, wait * 11 / 10);
        let Some(link) = self.links.get_mut(&peer) else { return };
        link.unanswered.get_or_insert(now);
        link.pinged = Some(now);
        link.next_ping = now + wait;
        out.push(Effect::Send {
            peer,
            beat: Beat::Ping { sent_us: 0, rtt_us: link.srtt_us, root: 0 },
        });
    }

    /// A heartbeat came in.
    fn heard(
        &mut self,
        now: Time,
        peer: NodeId,
        at: Time,
        rtt_us: Option<u32>,
        out: &mut Vec<Effect>,
    ) {
        self.alive(peer, at, out);
        let period = self.period();
        let Some(link) = self.links.get_mut(&peer) else { return };
        if link.dir == Direction::In {
            // The peer pings; we only do when it has missed its turn.
            link.next_ping = now + period * 3 / 2;
        }
        if let Some(rtt_us) = rtt_us {
            let first = !std::mem::replace(&mut link.measured, true);
            link.srtt_us = match link.dir {
                // Jacobson's smoothing, RFC 6298: an eighth of the new value. One that waited for a lost segment
                // to be sent again says little of the link: alone it must not look like a change worth telling.
                Direction::Out if !first => {
                    let rtt_us = rtt_us.min(link.srtt_us.saturating_mul(OUTLIER));
                    link.srtt_us - link.srtt_us / 8 + rtt_us / 8
                }
                // What the dialler says is smoothed already.
                _ => rtt_us,
            };
            link.srtt_us = link.srtt_us.max(1);
            out.push(Effect::Measured { peer, rtt_us: link.srtt_us });
            if link.probe.take().is_some() {
                out.push(Effect::Probed { peer, rtt_us: Some(rtt_us) });
            }
        }
    }

    /// Anything came in that only a living peer sends. It does not put our own pings off: where a peer's wait
    /// behind what it gives us, ours are the sign of life that it gets.
    fn alive(&mut self, peer: NodeId, at: Time, out: &mut Vec<Effect>) {
        if self.all_silent() {
            // We were cut off, and the others' answers are still on their way: waiting begins anew.
            for link in self.links.values_mut() {
                link.unanswered = link.unanswered.map(|_| at.max(link.heard));
                link.doubt = None;
            }
        }
        let Some(link) = self.links.get_mut(&peer) else { return };
        link.heard = link.heard.max(at);
        // A frame that was read before our ping went out does not answer it.
        if link.unanswered.is_some_and(|sent| at >= sent) {
            link.unanswered = None;
            if link.doubt.take().is_some() {
                out.push(Effect::Evidence { peer, text: "heard again".into() });
            }
        }
        for asker in std::mem::take(&mut link.askers) {
            let beat = Beat::Answer { target: peer, age_ms: Some(0) };
            out.push(Effect::Send { peer: asker, beat });
        }
    }

    fn asked(&mut self, now: Time, asker: NodeId, target: NodeId, out: &mut Vec<Effect>) {
        let mut answer = |age_ms| {
            out.push(Effect::Send { peer: asker, beat: Beat::Answer { target, age_ms } });
        };
        let Some(link) = self.links.get_mut(&target) else { return answer(None) };
        let age = now.since(link.heard);
        if age <= FRESH && link.unanswered.is_none() {
            return answer(Some(u32::try_from(age.as_millis()).unwrap_or(u32::MAX)));
        }
        if link.askers.len() < ASKERS_MAX && !link.askers.contains(&asker) {
            link.askers.push(asker);
        }
        if link.unanswered.is_none() {
            self.ping(now, target, out);
        }
    }

    fn answered(&mut self, now: Time, witness: NodeId, target: NodeId, age_ms: Option<u32>) {
        let hold = self.patience(self.policy.timeout);
        let Some(link) = self.links.get_mut(&target) else { return };
        let (Some(doubt), Some(sent)) = (&mut link.doubt, link.unanswered) else { return };
        let age = age_ms.map(|ms| Duration::from_millis(u64::from(ms)));
        if doubt.asked.contains(&witness) && age.is_some_and(|age| age < now.since(sent)) {
            doubt.vouched = Some(now + hold);
        }
    }

    /// Somebody gave up its link with `peer`: look at once whether ours still works.
    fn dropped(&mut self, now: Time, peer: NodeId, out: &mut Vec<Effect>) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        link.given_up = Some(now);
        if link.unanswered.is_none() {
            self.ping(now, peer, out);
        }
    }

    /// A peer has not answered for [`DOUBT`]: those who should hear it too are sought.
    fn doubt(&mut self, now: Time, peer: NodeId, out: &mut Vec<Effect>) {
        if let Some(link) = self.links.get_mut(&peer) {
            link.doubt = Some(Doubt::default());
        }
        out.push(Effect::Witnesses { of: peer });
        self.ping(now, peer, out);
    }

    /// These have links with a doubtful peer: ask some of those we can ask.
    fn ask(&mut self, peer: NodeId, mut witnesses: Vec<NodeId>, out: &mut Vec<Effect>) {
        let doubted = |id: &NodeId| self.links.get(id).is_none_or(|l| l.doubt.is_some());
        witnesses.retain(|w| *w != peer && !doubted(w));
        self.dice.shuffle(&mut witnesses);
        witnesses.truncate(WITNESSES);
        let Some(doubt) = self.links.get_mut(&peer).and_then(|link| link.doubt.as_mut()) else {
            return;
        };
        let text =
            format!("no answer to a ping for 1 s; asking {} of its neighbours", witnesses.len());
        out.push(Effect::Evidence { peer, text });
        for witness in &witnesses {
            out.push(Effect::Send { peer: *witness, beat: Beat::Ask { target: peer } });
        }
        doubt.asked = witnesses;
    }

    /// Every link is silent at once: the sick one is most likely this node.
    fn all_silent(&self) -> bool {
        self.links.len() > 1 && self.links.values().all(|l| l.doubt.is_some())
    }

    /// How long a doubtful peer's silence may last.
    fn allowed(&self, now: Time, link: &Link, all_silent: bool) -> Duration {
        let cap = (self.period() * 10).max(self.policy.timeout * 3);
        let vouched = link.doubt.as_ref().is_some_and(|d| d.vouched.is_some());
        let given_up = link.given_up.is_some_and(|at| now.since(at) < self.policy.timeout * 2);
        if all_silent {
            cap
        } else if given_up && !vouched {
            // Somebody else has waited the whole time already; what we need is our own look, and the word
            // of those we have just asked: the accuser's link may be the only bad one.
            self.patience(DOUBT + WORD).min(cap)
        } else {
            self.patience(self.policy.timeout).min(cap)
        }
    }

    /// When something is to be done next.
    fn earliest(&self) -> Option<Time> {
        let all_silent = self.all_silent();
        let due = self.links.values().map(|link| match (link.unanswered, &link.doubt) {
            (None, _) => link.next_ping,
            (Some(sent), None) => sent + self.patience(DOUBT),
            (Some(sent), Some(_)) => {
                let verdict = sent + self.allowed(self.clock, link, all_silent);
                verdict.min(link.pinged.unwrap_or(sent) + DOUBT)
            }
        });
        due.min()
    }

    /// Asks to be woken when something is due. What only now turns out to be overdue does not make us late.
    fn plan(&mut self, now: Time) {
        self.clock = now;
        self.wanted_wake = self.earliest().map(|at| at.max(now));
    }

    fn verdict(&mut self, now: Time, peer: NodeId, out: &mut Vec<Effect>) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        let silent = now.since(link.unanswered.unwrap_or(now));
        let vouched = link.doubt.as_ref().and_then(|d| d.vouched).is_some_and(|until| until > now);
        for asker in std::mem::take(&mut link.askers) {
            let beat = Beat::Answer { target: peer, age_ms: None };
            out.push(Effect::Send { peer: asker, beat });
        }
        if link.probe.take().is_some() {
            out.push(Effect::Probed { peer, rtt_us: None });
        }
        // The link stays known here until the registry takes it down; it must not be judged twice.
        link.unanswered = None;
        link.doubt = None;
        link.next_ping = now + Duration::from_secs(1);
        if vouched {
            self.set_health(now, self.health + 1, out);
        }
        out.push(Effect::Silent { peer, silent, vouched });
    }

    fn set_health(&mut self, now: Time, health: u32, out: &mut Vec<Effect>) {
        let health = health.min(HEALTH_MAX);
        self.healed_at = now;
        if health != self.health {
            self.health = health;
            out.push(Effect::Health(health));
        }
    }

    /// What a late timer says of ourselves.
    fn note_lateness(&mut self, now: Time, out: &mut Vec<Effect>) {
        let late = self.wanted_wake.map_or(Duration::ZERO, |wanted| now.since(wanted));
        if late >= LATE {
            self.set_health(now, self.health + 1, out);
        } else if now.since(self.healed_at) >= Duration::from_secs(1) && self.health > 0 {
            self.set_health(now, self.health - 1, out);
        }
        if late >= SUSPENDED {
            // We were stopped: what we did not hear meanwhile is no evidence against anyone.
            for link in self.links.values_mut() {
                link.heard = now;
                link.unanswered = None;
                link.doubt = None;
                link.next_ping = now;
            }
        }
    }
}

impl Core for Pulse {
    type Event = Event;
    type Effect = Effect;

    fn handle(&mut self, now: Time, event: Event, out: &mut Vec<Effect>) {
        // After a suspend, messages may be looked at before timers.
        self.note_lateness(now, out);
        match event {
            Event::LinkUp { peer, dir, rtt_us } => {
                let link = Link {
                    dir,
                    srtt_us: rtt_us,
                    measured: false,
                    heard: now,
                    next_ping: match dir {
                        Direction::Out => now,
                        Direction::In => now + self.period() * 3 / 2,
                    },
                    unanswered: None,
                    pinged: None,
                    doubt: None,
                    given_up: None,
                    askers: Vec::new(),
                    probe: None,
                };
                self.links.insert(peer, link);
            }
            Event::LinkDown { peer } => {
                let link = self.links.remove(&peer);
                for asker in link.iter().flat_map(|l| &l.askers) {
                    let beat = Beat::Answer { target: peer, age_ms: None };
                    out.push(Effect::Send { peer: *asker, beat });
                }
                if link.is_some_and(|l| l.probe.is_some()) {
                    out.push(Effect::Probed { peer, rtt_us: None });
                }
            }
            Event::Heard { peer, at, rtt_us } => self.heard(now, peer, at, rtt_us, out),
            Event::Alive { peer, at } => self.alive(peer, at, out),
            Event::FromPeer { peer, beat: Beat::Ask { target } } => {
                self.asked(now, peer, target, out);
            }
            Event::FromPeer { peer, beat: Beat::Answer { target, age_ms } } => {
                self.answered(now, peer, target, age_ms);
            }
            Event::FromPeer { beat: Beat::Ping { .. } | Beat::Pong { .. }, .. } => {}
            Event::Witnesses { of, neighbours } => self.ask(of, neighbours, out),
            Event::Dropped { peer } => self.dropped(now, peer, out),
            Event::Probe { peer } => {
                if let Some(link) = self.links.get_mut(&peer) {
                    link.probe = Some(now);
                    self.ping(now, peer, out);
                } else {
                    out.push(Effect::Probed { peer, rtt_us: None });
                }
            }
            Event::Configure(policy) => self.policy = policy,
        }
        self.plan(now);
    }

    fn next_wake(&self) -> Option<Time> {
        self.wanted_wake
    }

    fn wake(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.note_lateness(now, out);
        let peers: Vec<NodeId> = self.links.keys().copied().collect();
        let all_silent = self.all_silent();
        for peer in peers {
            let Some(link) = self.links.get(&peer) else { continue };
            let silent = link.unanswered.map(|sent| now.since(sent));
            match silent {
                Some(silent)
                    if link.doubt.is_some() && silent >= self.allowed(now, link, all_silent) =>
                {
                    self.verdict(now, peer, out);
                }
                Some(silent) if link.doubt.is_none() && silent >= self.patience(DOUBT) => {
                    self.doubt(now, peer, out);
                }
                Some(_) if link.pinged.is_some_and(|at| now.since(at) >= DOUBT) => {
                    self.ping(now, peer, out);
                }
                None if now >= link.next_ping => self.ping(now, peer, out),
                _ => {}
            }
        }
        self.plan(now);
    }
}
