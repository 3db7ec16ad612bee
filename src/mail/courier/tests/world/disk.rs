//! A disk in memory: what was committed, and nothing else, is there after a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::kith::mail::LetterId;
use super::kith::mail::keys::Stored;
use super::kith::mail::rows::{
    Change, InLetter, KeptLetter, Memo, OutLetter, Outcome, Recalled, State,
};
use super::kith::mesh::NodeId;

pub struct Disk {
    pub sent: BTreeMap<LetterId, (OutLetter, Arc<[u8]>)>,
    pub came: BTreeMap<(NodeId, LetterId), InLetter>,
    pub kept: BTreeMap<NodeId, Vec<KeptLetter>>,
    keys: Option<Stored>,
    pub memo: Memo,
    /// Most letters that came, and most that are kept for one reader.
    pub came_max: usize,
    pub kept_max: usize,
    /// Commits fail.
    pub fails: bool,
    /// Tokens of all letters that were ever kept here.
    pub ever_kept: BTreeSet<[u8; 16]>,
    /// How often each letter was written into the inbox; a law says once.
    pub duplicates: u64,
}

impl Default for Disk {
    fn default() -> Disk {
        Disk {
            sent: BTreeMap::new(),
            came: BTreeMap::new(),
            kept: BTreeMap::new(),
            keys: None,
            memo: Memo::default(),
            came_max: usize::MAX,
            kept_max: usize::MAX,
            fails: false,
            ever_kept: BTreeSet::new(),
            duplicates: 0,
        }
    }
}

impl Disk {
    pub fn apply(&mut self, change: Change) -> Outcome {
        match change {
            Change::Write { letter, body } => {
                if self.sent.contains_key(&letter.id) {
                    return Outcome::Duplicate;
                }
                self.sent.insert(letter.id, (letter, body));
            }
            Change::Update(letter) => {
                if let Some((old, _)) = self.sent.get_mut(&letter.id)
                    && letter.state >= old.state
                {
                    *old = letter;
                }
            }
            Change::Shown { id, by, at_ms } => match self.sent.get_mut(&id) {
                Some((letter, _)) if letter.reader == by => {
                    letter.state = letter.state.max(State::Read);
                    letter.read_ms = at_ms;
                }
                _ => return Outcome::Duplicate,
            },
            Change::Receive(letter) => {
                let key = (letter.from, letter.id);
                if self.came.contains_key(&key) {
                    self.duplicates += 1;
                    return Outcome::Duplicate;
                }
                if self.came.len() >= self.came_max {
                    return Outcome::Full;
                }
                self.came.insert(key, letter);
            }
            Change::Read(letters) => {
                for key in letters {
                    if let Some(letter) = self.came.get_mut(&key) {
                        letter.read = true;
                    }
                }
            }
            Change::Keep { reader, letter } => {
                let kept = self.kept.entry(reader).or_default();
                if kept.iter().any(|old| old.token == letter.token) {
                    return Outcome::Duplicate;
                }
                if kept.len() >= self.kept_max {
                    return Outcome::Full;
                }
                self.ever_kept.insert(letter.token);
                kept.push(letter);
            }
            Change::Fetched { reader, tokens } => {
                if let Some(kept) = self.kept.get_mut(&reader) {
                    kept.retain(|letter| !tokens.contains(&letter.token));
                }
            }
            Change::Keys(keys) => self.keys = Some(keys),
            Change::Memo(memo) => self.memo = memo,
            Change::Sweep { now_ms } => {
                for kept in self.kept.values_mut() {
                    kept.retain(|letter| letter.expires_ms > now_ms);
                }
            }
        }
        Outcome::Done
    }

    /// Some letters kept for a reader, and whether there are more.
    pub fn load(
        &self,
        reader: &NodeId,
        but: &BTreeSet<[u8; 16]>,
        bytes: usize,
    ) -> (Vec<KeptLetter>, bool) {
        let kept = self.kept.get(reader).into_iter().flatten();
        let mut wanted = kept.filter(|letter| !but.contains(&letter.token)).peekable();
        let (mut some, mut room) = (Vec::new(), bytes);
        while let Some(letter) = wanted.next_if(|l| some.is_empty() || l.sealed.len() <= room) {
            room = room.saturating_sub(letter.sealed.len());
            some.push(letter.clone());
        }
        (some, wanted.peek().is_some())
    }

    pub fn body(&self, id: &LetterId) -> Option<Arc<[u8]>> {
        self.sent.get(id).map(|(_, body)| body.clone())
    }

    pub fn recall(&self) -> Recalled {
        let letters = self.sent.values().map(|(letter, _)| letter);
        Recalled {
            outbox: letters.filter(|letter| !letter.state.is_over()).cloned().collect(),
            keys: self.keys.clone(),
            memo: self.memo.clone(),
            kept: self.kept.iter().map(|(id, kept)| (*id, kept.len() as u64)).collect(),
            acquaintances: self.sent.values().map(|(letter, _)| letter.reader).collect(),
        }
    }

    /// Letters kept here for anybody.
    pub fn kept_count(&self) -> usize {
        self.kept.values().map(Vec::len).sum()
    }
}
