//! What people are shown.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Exchange;
use super::fetch::{Fetch, Tally};
use crate::mesh::{NodeId, Time};
use crate::pieces::FileId;
use crate::pieces::event::TransferId;
use crate::pieces::rows::{Bottleneck, FileRow, Phase, SourceRow, TransferRow};

/// How long after it a reason for not asking still is one, and a rate counts without new bytes.
const RECENT: Duration = Duration::from_secs(1);
const STALE: Duration = Duration::from_secs(3);
/// How long a download looks for holders before it is said that there are none.
const LOOKING: Duration = Duration::from_secs(3);
/// Sources shown of one transfer, holders of one file.
const SHOWN_MAX: usize = 64;

impl Exchange {
    /// Running transfers and the last 64 that ended, by their numbers.
    pub fn rows(&self) -> Vec<TransferRow> {
        let running = self.fetches.iter().map(|(t, fetch)| self.row_of(self.now, *t, fetch));
        let mut rows: Vec<TransferRow> = self.ended.iter().cloned().chain(running).collect();
        rows.sort_by_key(|row| row.transfer);
        rows
    }

    /// All files known here, by their ids.
    pub fn file_rows(&self) -> Vec<FileRow> {
        let mut holders: BTreeMap<FileId, Vec<NodeId>> =
            self.files.keys().map(|file| (*file, Vec::new())).collect();
        for (peer, link) in &self.links {
            for file in &link.whole {
                if let Some(holders) = holders.get_mut(file) {
                    holders.push(*peer);
                }
            }
        }
        for (file, holders) in &mut holders {
            let known = self.index.holders(file).into_iter();
            let more: Vec<NodeId> =
                known.filter(|id| *id != self.home.me && !holders.contains(id)).collect();
            holders.extend(more);
            holders.truncate(SHOWN_MAX);
        }
        let row = |(file, local): (&FileId, &super::serve::Local)| FileRow {
            file: *file,
            name: local.name.clone(),
            bytes: local.bytes,
            pieces: local.held.len(),
            pieces_held: local.held.count(),
            served: local.served,
            bytes_given: local.given,
            holders: holders.remove(file).unwrap_or_default(),
        };
        self.files.iter().map(row).collect()
    }

    pub(super) fn row_of(&self, now: Time, transfer: TransferId, fetch: &Fetch) -> TransferRow {
        let known = fetch.known.as_ref();
        let bytes_done = known.map_or(0, |known| {
            let whole = u64::from(known.have.count()) * u64::from(known.piece_bytes);
            let last = known.have.len().checked_sub(1).filter(|last| known.have.contains(*last));
            let short = last.map_or(0, |last| known.piece_bytes - known.piece_len(last));
            whole - u64::from(short)
        });
        let bottleneck = self.bottleneck(now, fetch);
        let runs = now.since(fetch.heard_at) < STALE
            && fetch.phase == Phase::Fetching
            && bottleneck != Bottleneck::Holders;
        TransferRow {
            transfer,
            share: false,
            file: Some(fetch.file),
            name: known.map(|known| known.name.clone()).unwrap_or_default(),
            phase: fetch.phase,
            bytes: known.map_or(0, |known| known.bytes),
            bytes_done,
            bytes_received: fetch.received + self.coming(transfer),
            pieces: known.map_or(0, |known| known.have.len()),
            pieces_done: known.map_or(0, |known| known.have.count()),
            bytes_per_second: if runs { fetch.meter.rate } else { 0 },
            bottleneck,
            sources: self.sources_of(transfer, fetch),
            problem: fetch.problem.clone(),
            elapsed_ms: u64::try_from(now.since(fetch.since).as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Bytes of requests that are not whole yet.
    pub(super) fn coming(&self, transfer: TransferId) -> u64 {
        let asks = self.links.values().flat_map(|link| link.asks.values());
        asks.filter(|asked| asked.transfer == transfer).map(|asked| u64::from(asked.got)).sum()
    }

    fn sources_of(&self, transfer: TransferId, fetch: &Fetch) -> Vec<SourceRow> {
        let row = |(peer, tally): (&NodeId, &Tally)| {
            let link = self.links.get(peer);
            let asked = link.map_or(0, |link| {
                link.asks.values().filter(|asked| asked.transfer == transfer).count()
            });
            SourceRow {
                peer: *peer,
                pieces: tally.pieces,
                bytes: tally.bytes,
                bytes_per_second: link.map_or(0, |link| link.meter.rate),
                asked: u32::try_from(asked).unwrap_or(u32::MAX),
                lies: tally.lies,
            }
        };
        let mut rows: Vec<SourceRow> = fetch.tallies.iter().map(row).collect();
        // Who gave most comes first; who lied must not be cut off.
        rows.sort_by_key(|row| std::cmp::Reverse((row.lies, row.bytes)));
        rows.truncate(SHOWN_MAX);
        rows.sort_by_key(|row| (std::cmp::Reverse(row.bytes), row.peer));
        rows
    }

    fn bottleneck(&self, now: Time, fetch: &Fetch) -> Bottleneck {
        let recent = |at: Option<Time>| at.is_some_and(|at| now.since(at) < RECENT);
        let Some(known) = fetch.known.as_ref().filter(|_| fetch.phase == Phase::Fetching) else {
            let looked = now.since(fetch.hope_at) >= LOOKING;
            let seeks = fetch.phase == Phase::Seeking && fetch.starves() && looked;
            return if seeks { Bottleneck::Holders } else { Bottleneck::None };
        };
        let at_disk = self.storing.len() + self.to_store.len();
        let asked_of = fetch.sources.keys().filter_map(|peer| self.links.get(peer));
        let far = |link: &super::link::Link| link.is_too_far(known.piece_bytes);
        if fetch.starves() {
            Bottleneck::Holders
        } else if recent(fetch.limited_at) {
            Bottleneck::Limit
        } else if recent(fetch.crowded_at) && at_disk * 2 >= known.owners.len() {
            Bottleneck::Disk
        } else if asked_of.filter(|link| !link.asks.is_empty()).any(far) {
            Bottleneck::Rtt
        } else {
            Bottleneck::Peers
        }
    }
}
