use std::time::Duration;

use super::*;
use crate::mesh::gossip::Beat;
use crate::mesh::pulse::{Effect, Event, Policy, Pulse};
use crate::mesh::{Core, Time};

const MS: u64 = 1000;

/// A pulse with a link it dialled to each of `peers`, in a full mesh of them all, and its clock.
struct Bench {
    pulse: Pulse,
    now: Time,
    peers: Vec<u8>,
    /// Who answers pings at once.
    answering: Vec<u8>,
    /// What the others say when asked about somebody: the age of what they heard, in milliseconds.
    word: Option<u32>,
    silent: Vec<(u8, bool, u64)>,
    health: u32,
    /// Who was pinged, each time.
    pinged: Vec<u8>,
}

impl Bench {
    fn new(peers: &[u8]) -> Bench {
        let policy = Policy { period: Duration::from_secs(1), timeout: Duration::from_secs(3) };
        let mut bench = Bench {
            pulse: Pulse::new(policy, 7),
            now: Time(0),
            peers: peers.to_vec(),
            answering: peers.to_vec(),
            word: None,
            silent: Vec::new(),
            health: 0,
            pinged: Vec::new(),
        };
        for peer in peers {
            bench.tell(Event::LinkUp { peer: id(*peer), dir: Direction::Out, rtt_us: 1000 });
        }
        bench
    }

    fn number(&self, peer: &NodeId) -> u8 {
        self.peers.iter().copied().find(|n| id(*n) == *peer).expect("one of ours")
    }

    fn tell(&mut self, event: Event) {
        let mut out = Vec::new();
        self.pulse.handle(self.now, event, &mut out);
        self.perform(out);
    }

    fn pings(&self, peer: u8) -> usize {
        self.pinged.iter().filter(|n| **n == peer).count()
    }

    fn perform(&mut self, out: Vec<Effect>) {
        for effect in out {
            if let Effect::Send { peer, beat: Beat::Ping { .. } } = &effect {
                let peer = self.number(peer);
                self.pinged.push(peer);
            }
            match effect {
                Effect::Witnesses { of } => {
                    let neighbours = self.peers.iter().map(|n| id(*n)).filter(|n| *n != of);
                    let neighbours = neighbours.collect();
                    self.tell(Event::Witnesses { of, neighbours });
                }
                Effect::Send { peer, beat: Beat::Ping { .. } }
                    if self.answering.contains(&self.number(&peer)) =>
                {
                    let heard = Event::Heard { peer, at: self.now, rtt_us: Some(1000) };
                    self.tell(heard);
                }
                Effect::Send { peer, beat: Beat::Ask { target } } => {
                    let beat = Beat::Answer { target, age_ms: self.word };
                    self.tell(Event::FromPeer { peer, beat });
                }
                Effect::Silent { peer, vouched, .. } => {
                    let n = self.number(&peer);
                    self.silent.push((n, vouched, self.now.as_ms()));
                    self.tell(Event::LinkDown { peer });
                }
                Effect::Health(health) => self.health = health,
                _ => {}
            }
        }
    }

    /// Runs its timers on time until then.
    fn run_to(&mut self, ms: u64) {
        while let Some(at) = self.pulse.next_wake().filter(|at| at.0 <= ms * MS) {
            assert!(at >= self.now, "it asks to be woken in the past");
            self.now = at;
            let mut out = Vec::new();
            self.pulse.wake(at, &mut out);
            self.perform(out);
        }
        self.now = Time(ms * MS);
    }
}

#[test]
fn who_answers_is_never_silent() {
    let mut b = Bench::new(&[1, 2, 3, 4]);
    b.run_to(600_000);
    assert_eq!(b.silent, []);
    assert_eq!(b.health, 0);
}

#[test]
fn silence_is_judged_after_the_timeout_and_says_whether_others_hear_the_peer() {
    for (word, vouched) in [(None, false), (Some(0), true)] {
        let mut b = Bench::new(&[1, 2, 3, 4]);
        b.word = word;
        b.run_to(10_000);
        b.answering.retain(|n| *n != 2);
        b.run_to(20_000);
        let [(peer, said, at)] = b.silent[..] else { panic!("{:?}", b.silent) };
        assert_eq!((peer, said), (2, vouched));
        assert!((13_000..=14_300).contains(&at), "a period and 3 s, not {at} ms");
    }
}

#[test]
fn an_answer_ends_all_doubt() {
    let mut b = Bench::new(&[1, 2, 3, 4]);
    b.run_to(10_000);
    b.answering.retain(|n| *n != 2);
    b.run_to(12_500);
    b.answering.push(2);
    b.run_to(60_000);
    assert_eq!(b.silent, []);
}

#[test]
fn who_gives_is_not_silent_however_long_its_answers_wait_behind_the_bytes() {
    let mut b = Bench::new(&[1, 2, 3, 4]);
    b.run_to(10_000);
    b.answering.retain(|n| *n != 2);
    let mut asked = 0;
    for ms in (10_000..40_000).step_by(800) {
        b.run_to(ms);
        b.tell(Event::Alive { peer: id(2), at: b.now });
        asked = b.pings(2);
    }
    assert_eq!(b.silent, []);
    assert!(asked >= 38, "{asked} pings in 40 s: bytes put none off");
    b.run_to(60_000);
    assert!(matches!(b.silent[..], [(2, ..)]), "{:?}", b.silent);
}

#[test]
fn what_a_dialler_gives_does_not_put_our_own_pings_off() {
    let mut b = Bench::new(&[1, 2, 3, 4]);
    b.tell(Event::LinkUp { peer: id(5), dir: Direction::In, rtt_us: 1000 });
    b.peers.push(5);
    for ms in (0..10_000).step_by(250) {
        b.run_to(ms);
        b.tell(Event::Alive { peer: id(5), at: b.now });
    }
    assert!(b.pings(5) >= 6, "{} pings: it hears nothing else of us", b.pings(5));
}

#[test]
fn what_another_has_given_up_is_given_up_after_one_look_of_our_own_unless_vouched_for() {
    for (word, limit) in [(None, 11_300), (Some(0), 14_300)] {
        let mut b = Bench::new(&[1, 2, 3, 4]);
        b.word = word;
        b.run_to(10_000);
        b.answering.retain(|n| *n != 2);
        b.tell(Event::Dropped { peer: id(2) });
        b.run_to(20_000);
        let [(2, _, at)] = b.silent[..] else { panic!("{:?}", b.silent) };
        assert!(at > 11_000 && at <= limit, "{at} ms");
        assert!(word.is_none() || at >= 13_000, "vouched for, yet given up after {at} ms");
    }
}

#[test]
fn a_deadline_that_turns_out_to_be_past_does_not_make_us_late() {
    let mut b = Bench::new(&[1, 2, 3, 4]);
    b.run_to(10_000);
    b.answering.retain(|n| *n != 2);
    b.run_to(13_000);
    b.tell(Event::Dropped { peer: id(2) });
    b.run_to(13_001);
    assert!(matches!(b.silent[..], [(2, false, 13_000)]), "{:?}", b.silent);
    assert_eq!(b.health, 0);
}

#[test]
fn one_accuser_alone_kills_nobody() {
    let mut b = Bench::new(&[1, 2, 3, 4]);
    b.run_to(10_000);
    for _ in 0..20 {
        b.tell(Event::Dropped { peer: id(2) });
    }
    b.run_to(60_000);
    assert_eq!(b.silent, []);
}

#[test]
fn when_all_are_silent_at_once_verdicts_are_frozen_and_the_first_answer_begins_the_wait_anew() {
    let mut b = Bench::new(&[1, 2, 3, 4]);
    b.run_to(10_000);
    b.answering.clear();
    b.run_to(18_000);
    assert_eq!(b.silent, [], "the sick one is most likely this node");
    b.answering = vec![3];
    b.tell(Event::Heard { peer: id(3), at: b.now, rtt_us: None });
    b.run_to(18_900);
    assert_eq!(b.silent, [], "the others' answers may be on their way");
    b.run_to(23_500);
    let mut judged: Vec<u8> = b.silent.iter().map(|(n, ..)| *n).collect();
    judged.sort_unstable();
    assert_eq!(judged, [1, 2, 4]);
}

#[test]
fn after_a_suspend_nothing_counts_that_was_not_heard_in_it() {
    // Whatever is looked at first, timers or messages.
    for message_first in [false, true] {
        let mut b = Bench::new(&[1, 2, 3, 4]);
        b.run_to(10_000);
        b.answering.clear();
        b.run_to(12_500);
        b.now = Time(20_000 * MS);
        if message_first {
            b.tell(Event::Heard { peer: id(1), at: b.now, rtt_us: None });
        }
        let mut out = Vec::new();
        b.pulse.wake(b.now, &mut out);
        b.perform(out);
        assert_eq!(b.silent, []);
        assert_eq!(b.health, 1);
        b.run_to(20_900);
        assert_eq!(b.silent, []);
    }
}

#[test]
fn lateness_stretches_every_wait_and_wears_off() {
    let mut b = Bench::new(&[1, 2, 3, 4]);
    b.run_to(10_000);
    for _ in 0..20 {
        let Some(at) = b.pulse.next_wake() else { panic!("it has links") };
        b.now = at + Duration::from_millis(300);
        let mut out = Vec::new();
        b.pulse.wake(b.now, &mut out);
        b.perform(out);
    }
    assert!(b.health > 2 && b.health <= 8, "{}", b.health);
    let end = b.now.as_ms() + 15_000;
    b.run_to(end);
    assert_eq!(b.health, 0);
}

#[test]
fn the_first_ping_replaces_what_the_handshake_took_and_an_acceptor_believes_the_dialler() {
    let rtt = |dir: Direction, heard: &[u32]| {
        let policy = Policy { period: Duration::from_secs(1), timeout: Duration::from_secs(3) };
        let mut pulse = Pulse::new(policy, 7);
        let (mut out, peer) = (Vec::new(), id(1));
        pulse.handle(Time(0), Event::LinkUp { peer, dir, rtt_us: 5000 }, &mut out);
        for (second, rtt_us) in heard.iter().enumerate() {
            let now = Time(second as u64 * 1000 * MS);
            pulse.handle(now, Event::Heard { peer, at: now, rtt_us: Some(*rtt_us) }, &mut out);
        }
        let measured = |effect: Effect| match effect {
            Effect::Measured { rtt_us, .. } => Some(rtt_us),
            _ => None,
        };
        out.into_iter().filter_map(measured).collect::<Vec<_>>()
    };
    assert_eq!(rtt(Direction::Out, &[80, 160]), [80, 90]);
    assert_eq!(rtt(Direction::In, &[80, 90]), [80, 90]);
    // One lost segment makes one long round trip. A link that has become slow is soon seen to be.
    assert_eq!(rtt(Direction::Out, &[800, 200_000, 800]), [800, 1100, 1063]);
    assert!(
        rtt(Direction::Out, &[[800].as_slice(), &[200_000; 40]].concat()).last() > Some(&180_000)
    );
}
