//! One transaction: what each change does to the tables and the counts.

use redb::{ReadableTable, WriteTransaction};

use super::tables::{Did, Numbers, Tables};
use super::tally::{Delta, Staged, Tally};
use crate::mail::rows::{Change, Limits, Outcome};
use crate::store::database::encode;

/// Changes that are being made, on the disk and in the counts.
pub(super) struct Batch<'t> {
    pub tables: Tables<'t>,
    pub staged: Staged<'t>,
    pub limits: Limits,
    /// What the numbers were before.
    numbers: Numbers,
    /// Whether there is anything to commit.
    changed: bool,
}

impl<'t> Batch<'t> {
    pub fn on(write: &'t WriteTransaction, tally: &'t Tally, limits: Limits) -> Did<Batch<'t>> {
        let tables = Tables::of(write)?;
        let numbers = tally.sums.numbers;
        Ok(Batch { tables, staged: Staged::on(tally), limits, numbers, changed: false })
    }

    /// Makes one change.
    pub fn make(&mut self, change: &Change) -> Did<Outcome> {
        let outcome = match change {
            Change::Write { letter, body } => self.write(letter, body)?,
            Change::Update(letter) => self.update(letter)?,
            Change::Shown { id, by, at_ms } => self.shown(id, by, *at_ms)?,
            Change::Receive(letter) => self.receive(letter)?,
            Change::Read(letters) => done_if(!self.read(letters)?.is_empty()),
            Change::Keep { reader, letter } => self.keep(reader, letter)?,
            Change::Fetched { reader, tokens } => done_if(self.fetched(reader, tokens)?),
            Change::Keys(keys) => {
                self.tables.keys.insert(&[][..], encode(keys).as_slice())?;
                Outcome::Done
            }
            Change::Memo(memo) => {
                self.tables.memo.insert(&[][..], encode(memo).as_slice())?;
                Outcome::Done
            }
            Change::Sweep { now_ms } => {
                self.changed |= self.sweep_seen(*now_ms)? | self.sweep_kept(*now_ms)?;
                return Ok(Outcome::Done);
            }
        };
        self.changed |= outcome == Outcome::Done;
        Ok(outcome)
    }

    /// Says that something was changed that is no [`Change`].
    pub fn changed(&mut self) {
        self.changed = true;
    }

    /// Does what comes after the last change; none if there is nothing to commit.
    pub fn done(mut self) -> Did<Option<Delta>> {
        let added = self.staged.sums().numbers.finished - self.numbers.finished;
        self.changed |= self.prune(added)?;
        let numbers = self.staged.sums().numbers;
        if numbers != self.numbers {
            self.tables.numbers.insert(&[][..], encode(&numbers).as_slice())?;
        }
        Ok(self.changed.then(|| self.staged.done()))
    }
}

/// [`Outcome::Duplicate`] is what nothing came of.
fn done_if(changed: bool) -> Outcome {
    if changed { Outcome::Done } else { Outcome::Duplicate }
}

/// The first keys of a table up to `last`, at most `most`, each with its value: to be removed.
pub(super) fn first_up_to(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    last: &[u8],
    most: usize,
) -> Did<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut rows = Vec::new();
    for row in table.range::<&[u8]>(..=last)?.take(most) {
        let (key, value) = row?;
        rows.push((key.value().to_vec(), value.value().to_vec()));
    }
    Ok(rows)
}
