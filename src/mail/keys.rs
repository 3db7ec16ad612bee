//! The keys of a node's mail: what it keeps secret, what it publishes, and when each key makes room for a new
//! one.
//!
//! | key | new | the old one still opens | stored |
//! |---|---|---|---|
//! | onion | every 6 h and at each start | 30 min | never: the table of replays may then live in memory |
//! | short prekey | hourly | 2 h | yes |
//! | long prekey | daily | 7 d 1 h: what a letter may take, and room | yes |
//!
//! A retired key is kept for its time from the moment it was retired, not from when it was made: a node that
//! comes back after a week has letters waiting that were sealed for the last key it published.
//!
//! Clocks jump. A key made in the future is replaced; a key whose time seems to be over right after a jump is
//! kept until the clock has gone on evenly for ten minutes, so that a clock set wrong for a moment loses
//! nothing.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroize;

use super::CLOCK_TOLERANCE_MS;
use super::onion::OnionSecret;
use super::seal::PreKey;
use crate::mesh::NodeId;
use crate::wire::bounded::{Blob, List};

const MINUTE_MS: u64 = 60 * 1000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// How long an onion key is the newest, milliseconds: 6 hours.
pub const ONION_LIFE_MS: u64 = 6 * HOUR_MS;
/// How long the onion key before it is still accepted, milliseconds: 30 minutes.
pub const ONION_GRACE_MS: u64 = 30 * MINUTE_MS;
/// How long a short prekey is the newest, milliseconds: an hour.
pub const SHORT_LIFE_MS: u64 = HOUR_MS;
/// How long a retired short prekey still opens letters, milliseconds: two hours.
pub const SHORT_KEEP_MS: u64 = 2 * HOUR_MS;
/// How long a long prekey is the newest, milliseconds: a day.
pub const LONG_LIFE_MS: u64 = DAY_MS;
/// How long a retired long prekey still opens letters, milliseconds: seven days and an hour.
pub const LONG_KEEP_MS: u64 = 7 * DAY_MS + HOUR_MS;
/// Most mailboxes a node names.
pub const MAILBOXES_MAX: usize = 3;
/// Most keys of one sort in store. Regular rotation needs 4 and 10; a clock that jumps to and fro makes more,
/// and then the oldest goes.
pub const STORED_MAX: usize = 16;

/// Most onion keys at a time: the newest and two in their grace, should one be replaced early.
const ONIONS_MAX: usize = 3;
/// What a sealed letter needs to arrive: senders stop using a key this long before its owner forgets it.
const ARRIVAL_MS: u64 = HOUR_MS;
/// The ring is looked at once an hour at least; a longer step of the clock is a jump, or a sleep.
const STEP_MS_MAX: u64 = 2 * HOUR_MS;
/// After a jump, how long until a key whose time is over really goes.
const SETTLE_MS: u64 = 10 * MINUTE_MS;

/// What a node publishes in its card ([`crate::mesh::record::Card::keys`]): whom packets are wrapped and
/// letters sealed for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailKeys {
    /// X25519 public key that packets are wrapped for, 32 bytes.
    pub onion: [u8; 32],
    /// When it was made, unix seconds.
    pub onion_made_s: u64,
    /// For letters to a node that is there.
    pub short: PreKey,
    /// When it was made, unix seconds.
    pub short_made_s: u64,
    /// For letters that may wait.
    pub long: PreKey,
    /// When it was made, unix seconds.
    pub long_made_s: u64,
    /// Who keeps letters for it while it is away.
    pub mailboxes: List<NodeId, MAILBOXES_MAX>,
}

/// Why published keys were not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    /// There are none: the node takes no letters.
    #[error("it publishes no keys")]
    None,
    /// They are of another version of the format.
    #[error("version {0} of the keys is not known")]
    Version(u8),
    /// They cannot be read, or there are bytes left over.
    #[error("the keys are malformed")]
    Malformed,
}

impl MailKeys {
    const VERSION: u8 = 1;

    /// As they stand in a card: a version byte and postcard.
    pub fn encode(&self) -> Blob<512> {
        let bytes = postcard::to_extend(self, vec![MailKeys::VERSION]);
        let bytes = bytes.expect("bounded values always encode");
        Blob::new(bytes).expect("three keys and three ids have at most 240 bytes")
    }

    /// Reads what [`MailKeys::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<MailKeys, BadKeys> {
        let (&version, rest) = bytes.split_first().ok_or(BadKeys::None)?;
        if version != MailKeys::VERSION {
            return Err(BadKeys::Version(version));
        }
        match postcard::take_from_bytes::<MailKeys>(rest) {
            Ok((keys, [])) if keys.short.id != 0 && keys.long.id != 0 => Ok(keys),
            _ => Err(BadKeys::Malformed),
        }
    }

    /// Whether its owner still peels packets wrapped for the onion key at `now_ms`.
    pub fn usable_onion(&self, now_ms: u64) -> bool {
        younger(self.onion_made_s, ONION_LIFE_MS + ONION_GRACE_MS, now_ms)
    }

    /// The key to seal a letter for: the short one if its owner is there and it is fresh, else the long one
    /// while that is fresh. None: the letter must wait for newer keys.
    pub fn prekey(&self, now_ms: u64, offline: bool) -> Option<&PreKey> {
        let short = younger(self.short_made_s, SHORT_LIFE_MS + SHORT_KEEP_MS - ARRIVAL_MS, now_ms);
        let long = younger(self.long_made_s, LONG_LIFE_MS + LONG_KEEP_MS - ARRIVAL_MS, now_ms);
        let short = (short && !offline).then_some(&self.short);
        short.or_else(|| long.then_some(&self.long))
    }
}

/// Made less than `age_ms` ago, and not further in the future than clocks disagree.
fn younger(made_s: u64, age_ms: u64, now_ms: u64) -> bool {
    let made_ms = made_s.saturating_mul(1000);
    made_ms <= now_ms.saturating_add(CLOCK_TOLERANCE_MS) && now_ms.saturating_sub(made_ms) < age_ms
}

/// 32 secret bytes; wiped from memory when dropped, and never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Secret([u8; 32]);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A secret prekey as it is stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredKey {
    secret: Secret,
    made_ms: u64,
    until_ms: Option<u64>,
}

/// What of a [`KeyRing`] must outlive the process: the prekeys, newest last. Secret: it belongs in a file that
/// only its owner reads. Wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    short: List<StoredKey, STORED_MAX>,
    long: List<StoredKey, STORED_MAX>,
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stored({} short, {} long)", self.short.len(), self.long.len())
    }
}

/// A prekey with its secret.
#[derive(Clone)]
struct Pair {
    secret: Secret,
    public: PreKey,
}

impl Pair {
    /// None if its id would be 0, once in 2^32.
    fn of(secret: Secret) -> Option<Pair> {
        let key = PublicKey::from(&StaticSecret::from(secret.0)).to_bytes();
        let hash: [u8; 32] = Sha256::digest(key).into();
        let id = u32::from_be_bytes(*hash.first_chunk().expect("4 of 32 bytes"));
        (id != 0).then_some(Pair { secret, public: PreKey { id, key } })
    }
}

/// A key and its times.
#[derive(Clone)]
struct Aged<K> {
    key: K,
    made_ms: u64,
    /// Set when it is retired: when it goes.
    until_ms: Option<u64>,
}

/// Keys of one sort, the newest last; never empty.
#[derive(Clone)]
struct Chain<K> {
    keys: Vec<Aged<K>>,
    life_ms: u64,
    keep_ms: u64,
    max: usize,
}

/// What a rotation did.
#[derive(Default)]
struct Turn {
    renewed: bool,
    dropped: bool,
}

impl<K> Chain<K> {
    fn newest(&self) -> &Aged<K> {
        self.keys.last().expect("a chain is never empty")
    }

    /// Puts `key` on top.
    fn renew(&mut self, now_ms: u64, key: K) {
        let until_ms = Some(now_ms.saturating_add(self.keep_ms));
        for old in self.keys.iter_mut().filter(|k| k.until_ms.is_none()) {
            old.until_ms = until_ms;
        }
        self.keys.push(Aged { key, made_ms: now_ms, until_ms: None });
        let surplus = self.keys.len().saturating_sub(self.max);
        self.keys.drain(..surplus);
    }

    /// `make` gives a new key if one is due; `calm` says that the clock may be believed.
    fn rotate(&mut self, now_ms: u64, calm: bool, make: impl FnOnce(&Self) -> K) -> Turn {
        let mut turn = Turn::default();
        let newest = self.newest();
        // Others refuse a key from the future, so ours is replaced when the clock was set back behind it.
        let from_future = newest.made_ms > now_ms.saturating_add(CLOCK_TOLERANCE_MS);
        if from_future || now_ms.saturating_sub(newest.made_ms) >= self.life_ms {
            let key = make(self);
            self.renew(now_ms, key);
            turn.renewed = true;
        }
        // Retired while the clock was ahead: none is kept for longer than its sort.
        let latest_ms = now_ms.saturating_add(self.keep_ms);
        for key in &mut self.keys {
            key.until_ms = key.until_ms.map(|until| until.min(latest_ms));
        }
        if calm {
            let before = self.keys.len();
            self.keys.retain(|k| k.until_ms.is_none_or(|until| until > now_ms));
            turn.dropped = self.keys.len() < before;
        }
        turn
    }

    fn due_ms(&self) -> u64 {
        self.newest().made_ms.saturating_add(self.life_ms)
    }

    /// The end of the retired one that goes first.
    fn first_end_ms(&self) -> Option<u64> {
        self.keys.iter().filter_map(|k| k.until_ms).min()
    }
}

/// All secret mail keys of a node; wiped from memory when dropped.
#[derive(Clone)]
pub struct KeyRing {
    onion: Chain<OnionSecret>,
    short: Chain<Pair>,
    long: Chain<Pair>,
    /// The clock when it was last looked at.
    seen_ms: u64,
    /// From when on the clock is believed that a key is over.
    settled_ms: u64,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyRing")
    }
}

impl KeyRing {
    /// The ring of a node that never had one. `seed` must be secret and new.
    pub fn new(now_ms: u64, seed: &[u8; 32]) -> KeyRing {
        let nothing = Stored { short: List::default(), long: List::default() };
        KeyRing::restore(nothing, now_ms, seed)
    }

    /// The ring of a node that stored its prekeys. The onion key is new, and a prekey whose life is over is
    /// replaced; none is dropped yet, as the clock of a machine that just started may still be set.
    pub fn restore(stored: Stored, now_ms: u64, seed: &[u8; 32]) -> KeyRing {
        let mut rng = ChaCha20Rng::from_seed(*seed);
        let mut chain = |stored: &[StoredKey], life_ms, keep_ms| {
            let aged = |k: &StoredKey| {
                let key = Pair::of(k.secret.clone())?;
                Some(Aged { key, made_ms: k.made_ms, until_ms: k.until_ms })
            };
            let keys = stored.iter().filter_map(aged).collect();
            let mut chain = Chain { keys, life_ms, keep_ms, max: STORED_MAX };
            if chain.keys.last().is_none_or(|k| k.until_ms.is_some()) {
                let key = new_pair(&mut rng, |_| false);
                chain.renew(now_ms, key);
            }
            chain
        };
        let short = chain(&stored.short, SHORT_LIFE_MS, SHORT_KEEP_MS);
        let long = chain(&stored.long, LONG_LIFE_MS, LONG_KEEP_MS);
        let key = Aged { key: new_onion(&mut rng), made_ms: now_ms, until_ms: None };
        let onion = Chain {
            keys: vec![key],
            life_ms: ONION_LIFE_MS,
            keep_ms: ONION_GRACE_MS,
            max: ONIONS_MAX,
        };
        let settled_ms = now_ms.saturating_add(SETTLE_MS);
        let mut ring = KeyRing { onion, short, long, seen_ms: now_ms, settled_ms };
        ring.turn(now_ms, false, &mut rng);
        ring
    }

    /// Makes what is due and drops what is over. Whether anything that is published or stored changed: then
    /// store first ([`KeyRing::stored`]), publish after.
    pub fn rotate(&mut self, now_ms: u64, seed: &[u8; 32]) -> bool {
        if !self.went_on(now_ms) {
            self.settled_ms = now_ms.saturating_add(SETTLE_MS);
        }
        self.seen_ms = now_ms;
        self.turn(now_ms, self.believes(now_ms), &mut ChaCha20Rng::from_seed(*seed))
    }

    fn turn(&mut self, now_ms: u64, calm: bool, rng: &mut ChaCha20Rng) -> bool {
        let onion = self.onion.rotate(now_ms, calm, |_| new_onion(rng));
        let long_ids = ids(&self.long);
        let short = self.short.rotate(now_ms, calm, |chain| {
            new_pair(rng, |id| long_ids.contains(&id) || ids(chain).contains(&id))
        });
        let short_ids = ids(&self.short);
        let long = self.long.rotate(now_ms, calm, |chain| {
            new_pair(rng, |id| short_ids.contains(&id) || ids(chain).contains(&id))
        });
        onion.renewed || [short, long].iter().any(|turn| turn.renewed || turn.dropped)
    }

    /// Replaces the onion key before its time, as when the table of its replays is full. It is to be published.
    pub fn rotate_onion(&mut self, now_ms: u64, seed: &[u8; 32]) {
        self.onion.renew(now_ms, new_onion(&mut ChaCha20Rng::from_seed(*seed)));
    }

    /// When [`KeyRing::rotate`] has something to do, unix milliseconds; at most an hour after it was called.
    pub fn next_rotation_ms(&self) -> u64 {
        let due = self.onion.due_ms().min(self.short.due_ms()).min(self.long.due_ms());
        // Retired prekeys go with the hourly rotation, unless one waits for the clock to settle; the onion key
        // goes to the minute, as its packets are refused from then on.
        let prekeys = [self.short.first_end_ms(), self.long.first_end_ms()];
        let late = prekeys.into_iter().flatten().filter(|end| *end <= self.seen_ms);
        let ends = self.onion.first_end_ms().into_iter().chain(late);
        ends.map(|end| end.max(self.settled_ms)).fold(due, u64::min)
    }

    /// What packets are peeled with at `now_ms`: the newest, then those in their grace.
    pub fn onion_secrets(&self, now_ms: u64) -> Vec<&OnionSecret> {
        let live = self.onion.keys.iter().rev().filter(|k| !self.over(k, now_ms));
        live.map(|k| &k.key).collect()
    }

    /// The secret of a prekey, X25519, 32 bytes, if it still opens letters at `now_ms`.
    pub fn secret_of(&self, id: u32, now_ms: u64) -> Option<[u8; 32]> {
        let mut keys = self.short.keys.iter().chain(&self.long.keys);
        let key = keys.find(|k| k.key.public.id == id)?;
        (!self.over(key, now_ms)).then_some(key.key.secret.0)
    }

    /// What to publish, with the mailboxes that keep our letters.
    pub fn published(&self, mailboxes: List<NodeId, MAILBOXES_MAX>) -> MailKeys {
        let (onion, short, long) = (self.onion.newest(), self.short.newest(), self.long.newest());
        MailKeys {
            onion: onion.key.public(),
            onion_made_s: onion.made_ms / 1000,
            short: short.key.public,
            short_made_s: short.made_ms / 1000,
            long: long.key.public,
            long_made_s: long.made_ms / 1000,
            mailboxes,
        }
    }

    /// What to store.
    pub fn stored(&self) -> Stored {
        let stored = |chain: &Chain<Pair>| {
            List::first_of(chain.keys.iter().map(|k| StoredKey {
                secret: k.key.secret.clone(),
                made_ms: k.made_ms,
                until_ms: k.until_ms,
            }))
        };
        Stored { short: stored(&self.short), long: stored(&self.long) }
    }

    /// Whether the clock went on evenly since it was last looked at.
    fn went_on(&self, now_ms: u64) -> bool {
        now_ms.checked_sub(self.seen_ms).is_some_and(|step| step <= STEP_MS_MAX)
    }

    /// Whether a key whose time is over at `now_ms` is really over.
    fn believes(&self, now_ms: u64) -> bool {
        self.went_on(now_ms) && now_ms >= self.settled_ms
    }

    fn over<K>(&self, key: &Aged<K>, now_ms: u64) -> bool {
        key.until_ms.is_some_and(|until| until <= now_ms) && self.believes(now_ms)
    }
}

fn ids(chain: &Chain<Pair>) -> Vec<u32> {
    chain.keys.iter().map(|k| k.key.public.id).collect()
}

fn new_onion(rng: &mut ChaCha20Rng) -> OnionSecret {
    let mut seed = Secret([0; 32]);
    rng.fill_bytes(&mut seed.0);
    OnionSecret::from_seed(&seed.0)
}

/// A new prekey whose id is not `taken`.
fn new_pair(rng: &mut ChaCha20Rng, taken: impl Fn(u32) -> bool) -> Pair {
    loop {
        let mut secret = Secret([0; 32]);
        rng.fill_bytes(&mut secret.0);
        if let Some(pair) = Pair::of(secret).filter(|pair| !taken(pair.public.id)) {
            return pair;
        }
    }
}
