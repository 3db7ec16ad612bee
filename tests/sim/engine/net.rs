//! The simulated network: how long a packet takes from one host to another, and which pairs are cut.

use std::collections::BTreeSet;
use std::time::Duration;

use kith::mesh::dice::Dice;

/// What links are like in one run.
#[derive(Clone, Copy)]
pub struct Weather {
    /// Shortest and longest one-way delay; each ordered pair has its own.
    pub delay: (Duration, Duration),
    /// A packet takes up to this many percent longer than its pair's delay.
    pub jitter_percent: u64,
    /// Of 1,000 segments so many are lost; TCP sends them again after its timeout.
    pub loss_permille: u64,
    /// Of 1,000 gossip frames so many vanish whole, as when a lane is full.
    pub gossip_loss_permille: u64,
}

impl Default for Weather {
    fn default() -> Weather {
        Weather {
            delay: (Duration::from_millis(1), Duration::from_millis(10)),
            jitter_percent: 30,
            loss_permille: 0,
            gossip_loss_permille: 0,
        }
    }
}

pub struct Net {
    pub weather: Weather,
    base: Vec<Vec<Duration>>,
    cut: Vec<Vec<bool>>,
    /// TCP connects from the one to the other vanish on the way; what is connected stays so.
    pub swallowed: BTreeSet<(usize, usize)>,
}

/// TCP's shortest retransmission timeout on Linux.
const RTO: Duration = Duration::from_millis(200);

impl Net {
    pub fn new(hosts: usize, weather: Weather, dice: &mut Dice) -> Net {
        let (low, high) = weather.delay;
        let mut row = || (0..hosts).map(|_| dice.between(low, high)).collect();
        let base = (0..hosts).map(|_| row()).collect();
        Net { weather, base, cut: vec![vec![false; hosts]; hosts], swallowed: BTreeSet::new() }
    }

    /// Packets from one host to the other vanish (or come through again).
    pub fn cut(&mut self, from: usize, to: usize, cut: bool) {
        self.cut[from][to] = cut;
    }

    pub fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cut[from][to]
    }

    /// Whether packets pass in both directions.
    pub fn open(&self, a: usize, b: usize) -> bool {
        !self.cut[a][b] && !self.cut[b][a]
    }

    /// Whether a connect gets through: its answer has to come back, too.
    pub fn may_connect(&self, from: usize, to: usize) -> bool {
        self.open(from, to) && !self.swallowed.contains(&(from, to))
    }

    /// How long one segment takes, retransmissions included.
    pub fn delay(&self, from: usize, to: usize, dice: &mut Dice) -> Duration {
        let base = self.base[from][to];
        let mut delay = base + base * dice.below(self.weather.jitter_percent + 1) as u32 / 100;
        let mut rto = RTO;
        while self.weather.loss_permille > 0 && dice.below(1000) < self.weather.loss_permille {
            delay += rto;
            rto *= 2;
        }
        delay
    }
}
