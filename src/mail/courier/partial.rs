//! Letters of which some fragments are here. Bounded in number, bytes and time; a letter that is given up
//! comes again whole.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::inbox::FromMailbox;
use crate::mail::LetterId;
use crate::mail::seal::Inner;
use crate::mail::shards::{Fragment, PIECE_BYTES_MAX, join};
use crate::mail::work::split_context;
use crate::mesh::{NodeId, Time};

/// Most letters of which some fragments are here.
const PARTIALS_MAX: usize = 256;
/// Most of them of one sender.
const PARTIALS_MAX_OF_ONE: usize = 64;
/// Most bytes of all fragments.
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// A letter that did not become whole in this time is given up.
const LIFE: Duration = Duration::from_secs(120);
/// The fragments that are missing are asked for when none has come for so long.
const STALLED: Duration = Duration::from_millis(400);
/// Letters that became whole and are remembered, so that late fragments of them begin nothing new.
const SAFE_REMEMBERED: usize = 1024;
/// However many fragments come late, it is not said more often that their letter is safe.
const SAID_AGAIN: Duration = Duration::from_millis(200);

#[derive(Debug)]
struct Partial {
    fragments: BTreeMap<u8, Fragment>,
    lies: Vec<FromMailbox>,
    bytes: usize,
    since: Time,
    grown: Time,
    asked: Option<Time>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Partials {
    me: NodeId,
    all: BTreeMap<(NodeId, LetterId), Partial>,
    bytes: usize,
    /// Those that are whole and with the disk, and where fragments lie that came since.
    joined: BTreeMap<(NodeId, LetterId), Vec<FromMailbox>>,
    /// Those that are safe, and when that was said last.
    safe: BTreeMap<(NodeId, LetterId), Time>,
    order: VecDeque<(NodeId, LetterId)>,
}

/// What a fragment made of its letter.
#[derive(Debug)]
pub(super) enum Joined {
    /// It is whole.
    Whole { body: Vec<u8>, lies: Vec<FromMailbox> },
    /// More are needed.
    NotYet,
    /// It is whole, and safe: that is to be said if it was not said a moment ago.
    Late { say: bool },
    /// It is no fragment, or does not go with those that are here. What was thrown away lies there.
    Bad { lies: Vec<FromMailbox> },
}

impl Partials {
    pub(super) fn new(me: NodeId) -> Partials {
        let (safe, order) = (BTreeMap::new(), VecDeque::new());
        Partials { me, all: BTreeMap::new(), bytes: 0, joined: BTreeMap::new(), safe, order }
    }

    pub(super) fn add(
        &mut self,
        now: Time,
        sender: NodeId,
        inner: &Inner,
        from: Option<FromMailbox>,
    ) -> Joined {
        let key = (sender, inner.id);
        if let Some(said) = self.safe.get_mut(&key) {
            let say = now.since(*said) >= SAID_AGAIN;
            if say {
                *said = now;
            }
            return Joined::Late { say };
        }
        // The disk has not said that it is safe.
        if let Some(lies) = self.joined.get_mut(&key) {
            lies.extend(from);
            return Joined::NotYet;
        }
        let bad = || Joined::Bad { lies: from.into_iter().collect() };
        let Ok(fragment) = Fragment::decode(&inner.body) else { return bad() };
        if let Some(partial) = self.all.get(&key) {
            let first = partial.fragments.values().next();
            let fits = |f: &Fragment| (f.k, f.n, f.len) == (fragment.k, fragment.n, fragment.len);
            if first.is_some_and(|first| !fits(first)) {
                return bad();
            }
        } else {
            self.make_room(&sender);
        }
        let (k, bytes) = (fragment.k, fragment.bytes.len());
        let partial = self.all.entry(key).or_insert_with(|| Partial {
            fragments: BTreeMap::new(),
            lies: Vec::new(),
            bytes: 0,
            since: now,
            grown: now,
            asked: None,
        });
        partial.lies.extend(from.filter(|from| !partial.lies.contains(from)));
        if partial.fragments.insert(fragment.index, fragment).is_none() {
            partial.grown = now;
            partial.bytes += bytes;
            self.bytes += bytes;
        }
        if partial.fragments.len() < usize::from(k) {
            while self.bytes > BYTES_MAX {
                self.drop_oldest(|_| true);
            }
            return Joined::NotYet;
        }
        let Some(partial) = self.remove(&key) else { return Joined::NotYet };
        let fragments: Vec<Fragment> = partial.fragments.into_values().collect();
        match join(&fragments, &split_context(&inner.id, &self.me)) {
            Ok(body) => {
                self.joined.insert(key, Vec::new());
                Joined::Whole { body, lies: partial.lies }
            }
            Err(_) => Joined::Bad { lies: partial.lies },
        }
    }

    /// The disk has a letter, or has not taken it: where fragments lie that came since. Nothing happens for one
    /// that did not come in fragments.
    pub(super) fn kept(
        &mut self,
        now: Time,
        key: (NodeId, LetterId),
        safe: bool,
    ) -> Vec<FromMailbox> {
        let Some(lies) = self.joined.remove(&key) else { return Vec::new() };
        if !safe || self.safe.insert(key, now).is_some() {
            return lies;
        }
        if self.order.len() == SAFE_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.safe.remove(&oldest);
        }
        self.order.push_back(key);
        lies
    }

    /// How many letters and bytes are here, and how many may be.
    pub(super) fn room(&self) -> (usize, usize, usize, usize) {
        (self.all.len(), PARTIALS_MAX, self.bytes, BYTES_MAX + PIECE_BYTES_MAX)
    }

    fn remove(&mut self, key: &(NodeId, LetterId)) -> Option<Partial> {
        let partial = self.all.remove(key)?;
        self.bytes -= partial.bytes;
        Some(partial)
    }

    /// One sender cannot crowd the others out.
    fn make_room(&mut self, sender: &NodeId) {
        let of_one = self.all.keys().filter(|(from, _)| from == sender).count();
        if of_one >= PARTIALS_MAX_OF_ONE {
            self.drop_oldest(|from| from == sender);
        } else if self.all.len() >= PARTIALS_MAX {
            self.drop_oldest(|_| true);
        }
    }

    fn drop_oldest(&mut self, of: impl Fn(&NodeId) -> bool) {
        let those = self.all.iter().filter(|((from, _), _)| of(from));
        let oldest = those.min_by_key(|(_, partial)| partial.grown).map(|(key, _)| *key);
        if let Some(key) = oldest {
            self.remove(&key);
        }
    }

    /// Gives up what is too old; those that have not grown for a while, and which fragments of them are here.
    pub(super) fn stalled(&mut self, now: Time) -> Vec<(NodeId, LetterId, Vec<u8>)> {
        let old: Vec<(NodeId, LetterId)> = self
            .all
            .iter()
            .filter(|(_, partial)| now.since(partial.since) >= LIFE)
            .map(|(key, _)| *key)
            .collect();
        for key in old {
            self.remove(&key);
        }
        let mut stalled = Vec::new();
        for ((from, id), partial) in &mut self.all {
            if now < partial.ask_at() {
                continue;
            }
            partial.asked = Some(now);
            let n = partial.fragments.values().next().map_or(0, |f| f.n);
            let mut have = vec![0_u8; usize::from(n).div_ceil(8)];
            for index in partial.fragments.keys() {
                have[usize::from(index / 8)] |= 1 << (index % 8);
            }
            stalled.push((*from, *id, have));
        }
        stalled
    }

    pub(super) fn next_wake(&self) -> Option<Time> {
        self.all.values().map(|partial| partial.ask_at().min(partial.since + LIFE)).min()
    }

    /// Tokens of what lies in a mailbox and is half here.
    pub(super) fn lies_in(&self, mailbox: &NodeId) -> impl Iterator<Item = [u8; 16]> + '_ {
        let mailbox = *mailbox;
        let all = self.all.values().flat_map(|partial| &partial.lies);
        all.filter(move |lies| lies.mailbox == mailbox).map(|lies| lies.token)
    }
}

impl Partial {
    /// When the missing ones are asked for: ever more rarely.
    fn ask_at(&self) -> Time {
        match self.asked.filter(|asked| *asked >= self.grown) {
            Some(asked) => asked + asked.since(self.grown).max(STALLED),
            None => self.grown + STALLED,
        }
    }
}
