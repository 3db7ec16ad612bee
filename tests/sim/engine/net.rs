//! The simulated network: how long a packet takes from one host to another, and which pairs are cut. Nothing
//! is kept for each pair: ten thousand hosts have a hundred million.

use std::collections::BTreeSet;
use std::time::Duration;

use kith::mesh::dice::Dice;

/// What links are like in one run.
#[derive(Clone, Copy, Debug)]
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

/// Where one host is.
#[derive(Clone, Copy, Default)]
struct Place {
    /// Packets pass within a side, not between two.
    side: u8,
    /// It can dial; whoever dials it hears nothing.
    natted: bool,
    /// What every packet from or to it takes longer.
    slower: Duration,
}

pub struct Net {
    pub weather: Weather,
    seed: u64,
    places: Vec<Place>,
    /// Whether not all hosts are on one side.
    split: bool,
    cuts: BTreeSet<(usize, usize)>,
    /// TCP connects from the one to the other vanish on the way; what is connected stays so.
    pub swallowed: BTreeSet<(usize, usize)>,
}

/// TCP's shortest retransmission timeout on Linux.
const RTO: Duration = Duration::from_millis(200);

impl Net {
    pub fn new(hosts: usize, weather: Weather, dice: &mut Dice) -> Net {
        Net {
            weather,
            seed: dice.below(u64::MAX),
            places: vec![Place::default(); hosts],
            split: false,
            cuts: BTreeSet::new(),
            swallowed: BTreeSet::new(),
        }
    }

    /// Packets from one host to the other vanish (or come through again).
    pub fn cut(&mut self, from: usize, to: usize, cut: bool) {
        if cut {
            self.cuts.insert((from, to));
        } else {
            self.cuts.remove(&(from, to));
        }
    }

    /// Moves hosts to another side: nothing passes between two sides. Side 0 for all heals it.
    pub fn move_to(&mut self, hosts: impl IntoIterator<Item = usize>, side: u8) {
        for host in hosts {
            self.places[host].side = side;
        }
        self.split = self.places.iter().any(|place| place.side != self.places[0].side);
    }

    pub fn side(&self, host: usize) -> u8 {
        self.places[host].side
    }

    /// Whoever dials it from now on hears nothing.
    pub fn hide(&mut self, host: usize, natted: bool) {
        self.places[host].natted = natted;
    }

    pub fn is_hidden(&self, host: usize) -> bool {
        self.places[host].natted
    }

    /// Each packet from or to it takes so much longer.
    pub fn slow_down(&mut self, host: usize, by: Duration) {
        self.places[host].slower = by;
    }

    pub fn is_cut(&self, from: usize, to: usize) -> bool {
        self.split && self.places[from].side != self.places[to].side
            || !self.cuts.is_empty() && self.cuts.contains(&(from, to))
    }

    /// Whether packets pass in both directions.
    pub fn open(&self, a: usize, b: usize) -> bool {
        !self.is_cut(a, b) && !self.is_cut(b, a)
    }

    /// Whether a connect gets through: its answer has to come back, too.
    pub fn may_connect(&self, from: usize, to: usize) -> bool {
        self.open(from, to) && !self.places[to].natted && !self.swallowed.contains(&(from, to))
    }

    /// What the path of an ordered pair takes without jitter.
    fn base(&self, from: usize, to: usize) -> Duration {
        let (low, high) = self.weather.delay;
        let span = u64::try_from(high.saturating_sub(low).as_micros()).unwrap_or(u64::MAX);
        let pair = ((from as u64) << 32) | to as u64;
        let path = low + Duration::from_micros(mixed(self.seed ^ mixed(pair)) % span.max(1));
        path + self.places[from].slower + self.places[to].slower
    }

    /// How long one segment takes, retransmissions included.
    pub fn delay(&self, from: usize, to: usize, dice: &mut Dice) -> Duration {
        let base = self.base(from, to);
        let mut delay = base + base * dice.below(self.weather.jitter_percent + 1) as u32 / 100;
        let mut rto = RTO;
        while self.weather.loss_permille > 0 && dice.below(1000) < self.weather.loss_permille {
            delay += rto;
            rto *= 2;
        }
        delay
    }
}

/// A number that looks random and is the same for the same `number` (splitmix64's last step).
pub fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
