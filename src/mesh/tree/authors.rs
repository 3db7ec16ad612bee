//! How much of one author is passed on. Everyone would carry what one node signs, so each has a share, and only
//! those are remembered who have used some of theirs.

use std::collections::BTreeMap;

use crate::mesh::Time;
use crate::mesh::budget::Budget;
use crate::mesh::record::Record;

/// Most authors remembered.
const AUTHORS_MAX: usize = 256;
/// What an author may have passed on at once, and in a second: one for each record or cast, and one for each
/// KiB of it. The shortest period of pings is 20 a second.
const BURST: u32 = 128;
const PER_SECOND: u32 = 24;

#[derive(Debug, Default)]
pub(super) struct Authors(BTreeMap<[u8; 8], Budget>);

impl Authors {
    pub(super) fn may_pass(&mut self, now: Time, record: &Record) -> bool {
        let author = record.id().prefix();
        if self.0.len() >= AUTHORS_MAX && !self.0.contains_key(&author) {
            self.forget_half();
        }
        let cost = 1 + u32::try_from(record.signed().body.len() / 1024).unwrap_or(BURST);
        let budget = self.0.entry(author).or_insert_with(|| Budget::new(BURST, PER_SECOND));
        budget.take(now, cost)
    }

    /// Those who have used least have nearly a whole share anyway. Half of them at once: among thousands of authors
    /// somebody has to go for nearly each record.
    fn forget_half(&mut self) {
        let mut used: Vec<_> = self.0.iter().map(|(author, b)| (b.full_at(), *author)).collect();
        used.sort_unstable();
        for (_, author) in &used[..used.len() / 2] {
            self.0.remove(author);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
