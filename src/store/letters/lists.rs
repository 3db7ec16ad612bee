//! What is read: letters by name, and lists with bounds.
//!
//! Each is one view of the disk as some commit left it, and reads no more than it answers (and, of letters kept
//! for others, the names of those that are not wanted).

use std::collections::BTreeSet;
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable};

use super::tables::{
    Did, IN_LETTERS, IN_UNREAD, IN_WITH, KEPT, KEYS, MEMO, OUT_IDS, OUT_OPEN, OUT_ROWS, OUT_TEXTS,
    OUT_WITH, damaged, in_letter, in_with_key, kept_key, number, out_letter, out_row, part,
    with_key,
};
use super::{Amounts, LetterStore};
use crate::mail::LetterId;
use crate::mail::rows::{Conversation, InLetter, KeptLetter, OutLetter, Recalled};
use crate::mesh::NodeId;
use crate::store::database::{DbError, Table, decode};

impl LetterStore {
    /// What is needed to go on after a start.
    pub fn recall(&self) -> Result<Recalled, DbError> {
        let mut recalled = self.look(|read| {
            let rows = read.open_table(OUT_ROWS)?;
            let mut outbox = Vec::new();
            for row in read.open_table(OUT_OPEN)?.iter()? {
                outbox.push(out_row(&rows, number(row?.0.value(), 0, OUT_OPEN)?)?);
            }
            let keys = one(read, KEYS)?;
            let memo = one(read, MEMO)?.unwrap_or_default();
            Ok(Recalled { outbox, keys, memo, kept: Vec::new(), acquaintances: Vec::new() })
        })?;
        recalled.kept = self.kept_counts();
        let written_to = self.conversations(usize::MAX).into_iter().filter(|talk| talk.sent > 0);
        recalled.acquaintances = written_to.map(|talk| talk.with).collect();
        Ok(recalled)
    }

    /// The text of a letter that was written here, under way or finished.
    pub fn body(&self, id: &LetterId) -> Result<Option<Arc<[u8]>>, DbError> {
        self.look(|read| {
            let Some(written) = written(read, id)? else { return Ok(None) };
            let texts = read.open_table(OUT_TEXTS)?;
            let text = texts.get(&written.to_be_bytes()[..])?.ok_or_else(|| damaged(OUT_TEXTS))?;
            Ok(Some(text.value().into()))
        })
    }

    /// A letter that was written here, under way or finished.
    pub fn letter(&self, id: &LetterId) -> Result<Option<OutLetter>, DbError> {
        self.look(|read| {
            let Some(written) = written(read, id)? else { return Ok(None) };
            out_row(&read.open_table(OUT_ROWS)?, written).map(Some)
        })
    }

    /// Letters that were written here (to this reader), under way or finished, the newest first.
    pub fn sent(&self, with: Option<&NodeId>, limit: usize) -> Result<Vec<OutLetter>, DbError> {
        self.look(|read| {
            let rows = read.open_table(OUT_ROWS)?;
            let mut letters = Vec::new();
            let Some(with) = with else {
                for row in rows.iter()?.rev().take(limit) {
                    letters.push(out_letter(row?.1.value())?);
                }
                return Ok(letters);
            };
            let (first, last) = (with_key(with, 0), with_key(with, u64::MAX));
            let index = read.open_table(OUT_WITH)?;
            for row in index.range::<&[u8]>(&first[..]..=&last[..])?.rev().take(limit) {
                letters.push(out_row(&rows, number(row?.0.value(), 32, OUT_WITH)?)?);
            }
            Ok(letters)
        })
    }

    /// Letters that came (from this sender, unread) with a number above `after`, the oldest first: at most
    /// `limit`, and with texts of at most `bytes_max` in all. The first is given however long it is, so that no
    /// letter waits forever behind it.
    pub fn inbox(
        &self,
        with: Option<&NodeId>,
        unread_only: bool,
        after: u64,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<InLetter>, DbError> {
        let Some(first) = after.checked_add(1) else { return Ok(Vec::new()) };
        self.look(|read| {
            let numbers: Numbers = match (with, unread_only) {
                (None, false) => plain(read, IN_LETTERS, first)?,
                (None, true) => plain(read, IN_UNREAD, first)?,
                (Some(with), true) => of(read, with, false, first)?,
                (Some(with), false) => {
                    both(of(read, with, false, first)?, of(read, with, true, first)?)
                }
            };
            let (texts, unread) = (read.open_table(IN_LETTERS)?, read.open_table(IN_UNREAD)?);
            let (mut letters, mut bytes) = (Vec::new(), 0);
            for seq in numbers.take(limit) {
                let seq = seq?;
                let key = seq.to_be_bytes();
                let value = texts.get(&key[..])?.ok_or_else(|| damaged(IN_LETTERS))?;
                let read = unread.get(&key[..])?.is_none();
                let letter = in_letter(seq, read, value.value())?;
                bytes += letter.body.len();
                if bytes > bytes_max && !letters.is_empty() {
                    break;
                }
                letters.push(letter);
            }
            Ok(letters)
        })
    }

    /// Letters kept for `reader` that have not expired and are not in `but`, those that expire first before the
    /// others: at most `limit`, and at most `bytes_max` sealed bytes in all, of which the first may be more.
    pub fn kept(
        &self,
        reader: &NodeId,
        but: &BTreeSet<[u8; 16]>,
        limit: usize,
        bytes_max: usize,
        now_ms: u64,
    ) -> Result<Vec<KeptLetter>, DbError> {
        self.look(|read| {
            let first = kept_key(reader, now_ms, &[0; 16]);
            let last = kept_key(reader, u64::MAX, &[0xff; 16]);
            let (mut letters, mut bytes) = (Vec::new(), 0);
            for row in read.open_table(KEPT)?.range::<&[u8]>(&first[..]..=&last[..])? {
                let (key, sealed) = row?;
                let (key, sealed) = (key.value(), sealed.value());
                let token = part(key, 40, KEPT)?;
                if but.contains(&token) {
                    continue;
                }
                bytes += sealed.len();
                if letters.len() == limit || (bytes > bytes_max && !letters.is_empty()) {
                    break;
                }
                let expires_ms = number(key, 32, KEPT)?;
                letters.push(KeptLetter { token, expires_ms, sealed: sealed.to_vec() });
            }
            Ok(letters)
        })
    }

    /// All letters, by correspondent; those with the newest letters first. Costs no reading.
    pub fn conversations(&self, limit: usize) -> Vec<Conversation> {
        self.tally().conversations(limit)
    }

    /// How much is kept in all. Costs no reading.
    pub fn amounts(&self) -> Amounts {
        let sums = self.tally().sums;
        Amounts {
            inbox_letters: sums.inbox_letters,
            inbox_bytes: sums.inbox_bytes,
            sent_letters: sums.history,
            kept_bytes: sums.kept_bytes,
        }
    }

    /// How many letters are kept for each reader. Costs no reading.
    pub fn kept_counts(&self) -> Vec<(NodeId, u64)> {
        self.tally().kept_counts()
    }

    /// How many letters came that nobody was shown. Costs no reading.
    pub fn unread(&self) -> u64 {
        self.tally().sums.unread
    }
}

/// Numbers of letters that came, in their order.
type Numbers = Box<dyn Iterator<Item = Did<u64>>>;

/// The keys of a table of numbers.
fn plain(read: &ReadTransaction, table: Table, first: u64) -> Did<Numbers> {
    let first = first.to_be_bytes();
    let rows = read.open_table(table)?.range::<&[u8]>(&first[..]..)?;
    Ok(Box::new(rows.map(move |row| number(row?.0.value(), 0, table))))
}

/// Those of one sender that were read, or were not.
fn of(read: &ReadTransaction, with: &NodeId, was_read: bool, first: u64) -> Did<Numbers> {
    let (first, last) = (in_with_key(with, was_read, first), in_with_key(with, was_read, u64::MAX));
    let rows = read.open_table(IN_WITH)?.range::<&[u8]>(&first[..]..=&last[..])?;
    Ok(Box::new(rows.map(|row| number(row?.0.value(), 33, IN_WITH))))
}

/// Two lists as one.
fn both(one: Numbers, other: Numbers) -> Numbers {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    Box::new(std::iter::from_fn(move || match (one.peek(), other.peek()) {
        (Some(Ok(a)), Some(Ok(b))) if a > b => other.next(),
        (None, _) => other.next(),
        _ => one.next(),
    }))
}

/// The number of a letter that was written here.
fn written(read: &ReadTransaction, id: &LetterId) -> Did<Option<u64>> {
    match read.open_table(OUT_IDS)?.get(&id.0[..])? {
        Some(value) => number(value.value(), 0, OUT_IDS).map(Some),
        None => Ok(None),
    }
}

/// The only value of a table.
fn one<T: serde::de::DeserializeOwned>(read: &ReadTransaction, table: Table) -> Did<Option<T>> {
    match read.open_table(table)?.get(&[][..])? {
        Some(value) => decode(value.value()).map(Some).ok_or_else(|| damaged(table)),
        None => Ok(None),
    }
}
