//! Letters that were written here.

use redb::ReadableTable;

use super::batch::Batch;
use super::tables::{
    Did, OUT_IDS, OUT_OVER, OUT_ROWS, OUT_WITH, damaged, number, out_letter, out_row, with_key,
};
use crate::mail::LetterId;
use crate::mail::rows::{OutLetter, Outcome, State};
use crate::mesh::NodeId;
use crate::store::database::encode;

/// Finished letters forgotten by one batch, beyond as many as it adds. A limit that is set lower is reached in
/// several batches, so that none of them takes long.
const PRUNED_MAX: u64 = 1024;

impl Batch<'_> {
    pub fn write(&mut self, letter: &OutLetter, body: &[u8]) -> Did<Outcome> {
        if self.tables.out_ids.get(&letter.id.0[..])?.is_some() {
            return Ok(Outcome::Duplicate);
        }
        let numbers = &mut self.staged.sums().numbers;
        numbers.written += 1;
        let written = numbers.written;
        let key = written.to_be_bytes();
        self.tables.out_ids.insert(&letter.id.0[..], &key[..])?;
        self.tables.out_rows.insert(&key[..], encode(letter).as_slice())?;
        self.tables.out_texts.insert(&key[..], body)?;
        let with = with_key(&letter.reader, written);
        self.tables.out_with.insert(&with[..], &letter.created_ms.to_be_bytes()[..])?;
        let talk = self.staged.talk(&letter.reader);
        talk.sent += 1;
        talk.last_out = (written, letter.created_ms);
        if letter.state.is_over() {
            self.finish(written)?;
        } else {
            talk.waiting += 1;
            self.tables.out_open.insert(&key[..], &[][..])?;
        }
        Ok(Outcome::Done)
    }

    pub fn update(&mut self, letter: &OutLetter) -> Did<Outcome> {
        let written = match self.tables.out_ids.get(&letter.id.0[..])? {
            Some(written) => number(written.value(), 0, OUT_IDS)?,
            None => return Ok(Outcome::Duplicate),
        };
        let key = written.to_be_bytes();
        let before = out_row(&self.tables.out_rows, written)?;
        let same = (before.reader, before.created_ms) == (letter.reader, letter.created_ms);
        if !same || before == *letter || !may_become(before.state, letter.state) {
            return Ok(Outcome::Duplicate);
        }
        self.tables.out_rows.insert(&key[..], encode(letter).as_slice())?;
        if letter.state.is_over() && !before.state.is_over() {
            self.tables.out_open.remove(&key[..])?;
            self.staged.talk(&letter.reader).waiting -= 1;
            self.finish(written)?;
        }
        Ok(Outcome::Done)
    }

    /// The reader has shown a letter of ours.
    pub fn shown(&mut self, id: &LetterId, by: &NodeId, at_ms: u64) -> Did<Outcome> {
        let written = match self.tables.out_ids.get(&id.0[..])? {
            Some(written) => number(written.value(), 0, OUT_IDS)?,
            None => return Ok(Outcome::Duplicate),
        };
        let mut letter = out_row(&self.tables.out_rows, written)?;
        if letter.reader != *by {
            return Ok(Outcome::Duplicate);
        }
        (letter.state, letter.read_ms) = (State::Read, at_ms);
        self.update(&letter)
    }

    fn finish(&mut self, written: u64) -> Did<()> {
        let sums = self.staged.sums();
        sums.history += 1;
        sums.numbers.finished += 1;
        let place = sums.numbers.finished.to_be_bytes();
        self.tables.out_over.insert(&place[..], &written.to_be_bytes()[..])?;
        Ok(())
    }

    /// Forgets the letters that were finished first, as far as there are too many; whether there were any.
    pub fn prune(&mut self, added: u64) -> Did<bool> {
        let excess = self.staged.sums().history.saturating_sub(self.limits.history_letters);
        for _ in 0..excess.min(added + PRUNED_MAX) {
            let written = match self.tables.out_over.pop_first()? {
                Some((_, written)) => number(written.value(), 0, OUT_OVER)?,
                None => return Err(damaged(OUT_OVER)),
            };
            let key = written.to_be_bytes();
            let letter = match self.tables.out_rows.remove(&key[..])? {
                Some(row) => out_letter(row.value())?,
                None => return Err(damaged(OUT_ROWS)),
            };
            self.tables.out_texts.remove(&key[..])?;
            self.tables.out_ids.remove(&letter.id.0[..])?;
            self.tables.out_with.remove(&with_key(&letter.reader, written)[..])?;
            self.staged.sums().history -= 1;
            self.staged.talk(&letter.reader).sent -= 1;
            if self.staged.talk(&letter.reader).last_out.0 == written {
                self.staged.talk(&letter.reader).last_out = self.last_out(&letter.reader)?;
            }
        }
        Ok(excess > 0)
    }

    /// Number and time of the last letter kept that went there; zeros if there is none.
    fn last_out(&self, reader: &NodeId) -> Did<(u64, u64)> {
        let (first, last) = (with_key(reader, 0), with_key(reader, u64::MAX));
        let mut rows = self.tables.out_with.range::<&[u8]>(&first[..]..=&last[..])?;
        let Some(row) = rows.next_back() else { return Ok((0, 0)) };
        let (key, value) = row?;
        Ok((number(key.value(), 32, OUT_WITH)?, number(value.value(), 0, OUT_WITH)?))
    }
}

/// Nothing is taken back: what is over stays as it is, but a letter that was delivered may yet be read.
fn may_become(before: State, after: State) -> bool {
    match before.is_over() {
        true => after == before || (before, after) == (State::Delivered, State::Read),
        false => after >= before,
    }
}
