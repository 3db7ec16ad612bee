//! What was pushed here lately, by whom, and over how many links. A duplicate that is not remembered here prunes
//! nothing; the next one will be.

use std::collections::{BTreeMap, VecDeque};

use super::branch::Branch;
use crate::mesh::record::Record;
use crate::mesh::{NodeId, Time};

/// How many are remembered.
const RECEIPTS_MAX: usize = 256;

/// 32 bytes: ten thousand nodes are simulated in one process.
#[derive(Debug)]
struct Receipt {
    record: u64,
    from: [u8; 8],
    at: Time,
    hops: u8,
}

#[derive(Debug, Default)]
pub(super) struct Receipts(VecDeque<Receipt>);

impl Receipts {
    pub(super) fn note(&mut self, now: Time, record: &Record, hops: u8, from: &NodeId) {
        if self.0.len() >= RECEIPTS_MAX {
            self.0.pop_front();
        }
        let (record, from) = (record.hash(), from.prefix());
        self.0.push_back(Receipt { record, from, at: now, hops });
    }

    fn find(&self, record: &Record) -> Option<&Receipt> {
        let hash = record.hash();
        self.0.iter().rev().find(|r| r.record == hash)
    }

    /// Over which other link, still up, it came first, and when.
    pub(super) fn by_other(
        &self,
        record: &Record,
        than: &NodeId,
        links: &BTreeMap<NodeId, Branch>,
    ) -> Option<(NodeId, Time)> {
        let receipt = self.find(record).filter(|r| r.from != than.prefix())?;
        let by = links.keys().find(|peer| peer.prefix() == receipt.from)?;
        Some((*by, receipt.at))
    }

    /// Over how many links it came; 0 if nobody remembers.
    pub(super) fn hops(&self, record: &Record) -> u8 {
        self.find(record).map_or(0, |r| r.hops)
    }
}
