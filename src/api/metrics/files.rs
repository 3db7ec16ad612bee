//! Files and transfers.

use super::Seen;
use super::sheet::{Counted, Sheet, bytes, one, plain, several};
use crate::actors::messages::File;
use crate::api::shapes::Phase;
use crate::pieces::rows;

const PHASES: [Phase; 9] = [
    Phase::Waiting,
    Phase::Hashing,
    Phase::Seeking,
    Phase::Fetching,
    Phase::Full,
    Phase::Finishing,
    Phase::Done,
    Phase::Stopped,
    Phase::Failed,
];

/// What [`crate::pieces::exchange`] counts.
const COUNTED: [Counted; 7] = [
    one(
        bytes("pieces_received", "Bytes of files that came over links, good or not"),
        "bytes_received",
    ),
    one(bytes("pieces_given", "Bytes of files written to links"), "bytes_given"),
    one(
        plain("pieces_verified", "Pieces that came, had the right hash and were stored"),
        "pieces_verified",
    ),
    one(
        plain("pieces_wrong", "Pieces and lists of pieces that came with a wrong hash"),
        "pieces_wrong",
    ),
    one(
        plain("pieces_not_stored", "Pieces that came and that the disk did not take"),
        "pieces_not_stored",
    ),
    one(
        plain("pieces_asks_refused", "Asks of others that were answered with nothing"),
        "asks_refused",
    ),
    several(
        plain("transfers_ended", "Downloads that are over"),
        "phase",
        &[("done", "gets_done"), ("stopped", "gets_stopped"), ("failed", "gets_failed")],
    ),
];

pub(super) fn tell(sheet: &mut Sheet, seen: &Seen) {
    let (transfers, files) = (&seen.pieces.transfers, &seen.pieces.files);
    let kinds = [("get", false), ("share", true)];
    let rows = kinds.into_iter().flat_map(|(kind, share)| {
        PHASES.map(|phase| {
            let such = |row: &rows::TransferRow| row.share == share && phase == row.phase.into();
            let count = transfers.iter().filter(|t| such(&t.row)).count();
            let labels = vec![("kind", kind.to_owned()), ("phase", phase.as_str().to_owned())];
            (labels, count as f64)
        })
    });
    let about = "Transfers that run, and the last 64 that ended";
    sheet.gauges_of(plain("transfers", about), rows);
    let gets = transfers.iter().filter(|t| !t.row.share);
    let rate: u64 = gets.map(|t| t.row.bytes_per_second).sum();
    let about = "Smoothed rate of all downloads together, bytes per second";
    sheet.gauge(plain("transfers_receiving_bytes_per_second", about), rate as f64);
    let count = |such: &dyn Fn(&&File) -> bool| files.iter().filter(such).count() as f64;
    sheet.gauge(plain("files", "Files known here"), files.len() as f64);
    let about = "Files that are given to whoever asks";
    sheet.gauge(plain("files_served", about), count(&|file| file.row.served));
    let about =
        "Files with something wrong (changed since they were shared, say); node pieces says what";
    sheet.gauge(plain("files_with_problem", about), count(&|file| !file.problem.is_empty()));
    let sum = |of: fn(&rows::FileRow) -> u64| files.iter().map(|f| of(&f.row)).sum::<u64>() as f64;
    sheet.gauge(bytes("files", "Bytes of all files known here, held or not"), sum(|row| row.bytes));
    sheet.gauge(plain("pieces", "Pieces of all files known here"), sum(|row| row.pieces.into()));
    sheet.gauge(plain("pieces_held", "Pieces that are here"), sum(|row| row.pieces_held.into()));
    sheet.counted(COUNTED, &seen.pieces.counters);
}
