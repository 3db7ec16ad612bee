//! Letters that came.

use redb::ReadableTable;

use super::batch::{Batch, first_up_to};
use super::tables::{
    Did, IN_LETTERS, IN_NAMES, IN_SEEN, IN_WITH, came, damaged, in_letter, in_with_key, join,
    name_key, number, part, time_key,
};
use crate::mail::LetterId;
use crate::mail::rows::{InLetter, Outcome};
use crate::mesh::NodeId;

/// Marks removed by one sweep: so many that it keeps up with any flow of letters, so few that it is over soon.
const SWEPT_MAX: usize = 4096;

/// Letters looked at for some that may be forgotten.
const LOOKED_AT_MAX: usize = 1024;

impl Batch<'_> {
    pub fn receive(&mut self, letter: &InLetter) -> Did<Outcome> {
        if self.seen(&letter.from, &letter.id)? {
            return Ok(Outcome::Duplicate);
        }
        let bytes = letter.body.len() as u64;
        if !self.make_room(bytes)? {
            return Ok(Outcome::Full);
        }
        let sums = self.staged.sums();
        sums.numbers.came += 1;
        sums.inbox_letters += 1;
        sums.inbox_bytes += bytes;
        sums.unread += u64::from(!letter.read);
        let seq = sums.numbers.came;
        let key = seq.to_be_bytes();
        self.tables.in_letters.insert(&key[..], came(letter).as_slice())?;
        if !letter.read {
            self.tables.in_unread.insert(&key[..], &[][..])?;
        }
        let with = in_with_key(&letter.from, letter.read, seq);
        let short: [u8; 16] = join(&[&letter.received_ms.to_be_bytes(), &bytes.to_be_bytes()]);
        self.tables.in_with.insert(&with[..], &short[..])?;
        self.tables.in_names.insert(&name_key(&letter.from, &letter.id, seq)[..], &[1][..])?;
        let name: [u8; 48] = join(&[&letter.from.0, &letter.id.0]);
        self.tables.in_seen.insert(&time_key(letter.seen_until_ms, seq)[..], &name[..])?;
        let talk = self.staged.talk(&letter.from);
        talk.received += 1;
        talk.unread += u64::from(!letter.read);
        talk.last_in = (seq, letter.received_ms);
        Ok(Outcome::Done)
    }

    /// Forgets the oldest letters that somebody has been shown, as many as it takes for one more with so many
    /// bytes; whether it has room then. Letters that nobody has seen are never forgotten.
    fn make_room(&mut self, bytes: u64) -> Did<bool> {
        let limits = self.limits;
        let sums = self.staged.sums();
        let mut letters_over = (sums.inbox_letters + 1).saturating_sub(limits.inbox_letters);
        let mut bytes_over =
            sums.inbox_bytes.saturating_add(bytes).saturating_sub(limits.inbox_bytes);
        let mut oldest = Vec::new();
        for row in self.tables.in_letters.iter()?.take(LOOKED_AT_MAX) {
            if letters_over == 0 && bytes_over == 0 {
                break;
            }
            let (key, value) = row?;
            if self.tables.in_unread.get(key.value())?.is_none() {
                let seq = number(key.value(), 0, IN_LETTERS)?;
                let letter = in_letter(seq, true, value.value())?;
                let bytes = letter.body.len() as u64;
                letters_over = letters_over.saturating_sub(1);
                bytes_over = bytes_over.saturating_sub(bytes);
                oldest.push((seq, letter.from, bytes));
            }
        }
        if letters_over > 0 || bytes_over > 0 {
            return Ok(false);
        }
        for (seq, from, bytes) in oldest {
            // Its name stays, as long as a copy of it may come.
            self.tables.in_letters.remove(&seq.to_be_bytes()[..])?;
            self.tables.in_with.remove(&in_with_key(&from, true, seq)[..])?;
            let last_in = self.last_in(&from)?;
            let talk = self.staged.talk(&from);
            talk.received -= 1;
            talk.last_in = last_in;
            let sums = self.staged.sums();
            sums.inbox_letters -= 1;
            sums.inbox_bytes -= bytes;
        }
        Ok(true)
    }

    /// Number and time of the last letter kept that came from there; zeros if there is none.
    fn last_in(&self, from: &NodeId) -> Did<(u64, u64)> {
        let mut last = (0, 0);
        for read in [false, true] {
            let (first, end) = (in_with_key(from, read, 0), in_with_key(from, read, u64::MAX));
            let mut rows = self.tables.in_with.range::<&[u8]>(&first[..]..=&end[..])?;
            if let Some(row) = rows.next_back() {
                let (key, value) = row?;
                let found = (number(key.value(), 33, IN_WITH)?, number(value.value(), 0, IN_WITH)?);
                last = last.max(found);
            }
        }
        Ok(last)
    }

    /// Whether it has come, and a copy of it may still come.
    fn seen(&self, from: &NodeId, id: &LetterId) -> Did<bool> {
        let (first, last) = (name_key(from, id, 0), name_key(from, id, u64::MAX));
        let mut rows = self.tables.in_names.range::<&[u8]>(&first[..]..=&last[..])?;
        match rows.next_back() {
            Some(row) => Ok(row?.1.value() == [1]),
            None => Ok(false),
        }
    }

    /// Marks letters as read; those that were not before, each once.
    pub fn read(&mut self, letters: &[(NodeId, LetterId)]) -> Did<Vec<(NodeId, LetterId)>> {
        let mut fresh = Vec::new();
        for (from, id) in letters {
            let (first, last) = (name_key(from, id, 0), name_key(from, id, u64::MAX));
            let mut unread = Vec::new();
            for row in self.tables.in_names.range::<&[u8]>(&first[..]..=&last[..])? {
                unread.push(number(row?.0.value(), 48, IN_NAMES)?);
            }
            let mut any = false;
            for seq in unread {
                any |= self.read_one(from, seq)?;
            }
            if any {
                fresh.push((*from, *id));
            }
        }
        Ok(fresh)
    }

    /// Whether it was unread.
    fn read_one(&mut self, from: &NodeId, seq: u64) -> Did<bool> {
        if self.tables.in_unread.remove(&seq.to_be_bytes()[..])?.is_none() {
            return Ok(false);
        }
        let short = match self.tables.in_with.remove(&in_with_key(from, false, seq)[..])? {
            Some(short) => short.value().to_vec(),
            None => return Err(damaged(IN_NAMES)),
        };
        self.tables.in_with.insert(&in_with_key(from, true, seq)[..], short.as_slice())?;
        self.staged.sums().unread -= 1;
        self.staged.talk(from).unread -= 1;
        Ok(true)
    }

    /// Removes marks of letters of which no copy can come any more; whether there were any.
    pub fn sweep_seen(&mut self, now_ms: u64) -> Did<bool> {
        let Some(last_ms) = now_ms.checked_sub(1) else { return Ok(false) };
        let last = time_key(last_ms, u64::MAX);
        let expired = first_up_to(&self.tables.in_seen, &last, SWEPT_MAX)?;
        for (key, name) in &expired {
            self.tables.in_seen.remove(key.as_slice())?;
            let (from, id) = (NodeId(part(name, 0, IN_SEEN)?), LetterId(part(name, 32, IN_SEEN)?));
            let name = name_key(&from, &id, number(key, 8, IN_SEEN)?);
            if self.tables.in_letters.get(&key[8..])?.is_some() {
                self.tables.in_names.insert(&name[..], &[0][..])?;
            } else {
                self.tables.in_names.remove(&name[..])?;
            }
        }
        Ok(!expired.is_empty())
    }
}
