//! Files and transfers: what the exchange knows of them, in words.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::HexId;
use crate::actors::messages;
use crate::mesh::ParseIdError;
use crate::pieces::FileId;
use crate::pieces::event::TransferId;
use crate::pieces::rows::{self, Bottleneck};

/// A file id written as 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
pub struct HexFile(pub FileId);

impl TryFrom<String> for HexFile {
    type Error = ParseIdError;
    fn try_from(text: String) -> Result<HexFile, ParseIdError> {
        text.parse().map(HexFile)
    }
}

impl From<HexFile> for String {
    fn from(file: HexFile) -> String {
        file.0.to_string()
    }
}

/// `GET transfers`: running ones and the last that ended, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Transfers {
    /// The transfers.
    pub transfers: Vec<Transfer>,
}

/// `GET transfers/{n}`, and one of [`Transfers`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Transfer {
    /// Its number, as long as the daemon runs.
    pub transfer: TransferId,
    /// A share or a get.
    pub kind: Kind,
    /// How far it is.
    pub phase: Phase,
    /// The file, once it is known.
    pub file_id: Option<HexFile>,
    /// Its name, once it is known; hostile text until escaped.
    pub name: String,
    /// What is shared, or where the file goes.
    pub path: String,
    /// Bytes of the file; 0 while unknown.
    pub bytes: u64,
    /// Bytes verified and stored (hashed, for a share).
    pub bytes_done: u64,
    /// Bytes that came over links in this run, good or not.
    pub bytes_received: u64,
    /// Pieces of the file.
    pub pieces: u32,
    /// Pieces verified and stored.
    pub pieces_done: u32,
    /// Smoothed bytes per second.
    pub bytes_per_second: u64,
    /// Seconds until it is done at this rate; none while that cannot be told.
    pub eta_s: Option<u64>,
    /// What keeps it from being faster, in words.
    pub bottleneck: Option<String>,
    /// Nobody who holds what is missing can be reached.
    #[serde(default)]
    pub unheld: bool,
    /// Peers it gets pieces from.
    pub sources: Vec<Source>,
    /// The ticket, once the file is known.
    pub ticket: Option<String>,
    /// What is wrong and what to do; hostile text until escaped.
    pub problem: Option<String>,
    /// How long it has been running, or took.
    pub seconds: f64,
    /// Every byte was hashed, and the file is in its place.
    pub verified: bool,
    /// Unix milliseconds when it began.
    #[serde(default)]
    pub since_ms: u64,
    /// What was left out of a shared directory and why; hostile text until escaped.
    #[serde(default)]
    pub left_out: Vec<String>,
}

/// What a transfer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Giving a file to others.
    Share,
    /// Getting one from others.
    Get,
}

/// How far a transfer is; see [`rows::Phase`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Waits for its turn.
    Waiting,
    /// Reads and hashes what is on disk.
    Hashing,
    /// Looks for somebody who holds the file.
    Seeking,
    /// Gets pieces.
    Fetching,
    /// Waits for room on the disk.
    Full,
    /// Puts the file into its place.
    Finishing,
    /// Is verified and in its place.
    Done,
    /// Was stopped by a person; what is there stays.
    Stopped,
    /// Cannot go on.
    Failed,
}

impl Phase {
    /// The word used in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Waiting => "waiting",
            Phase::Hashing => "hashing",
            Phase::Seeking => "seeking",
            Phase::Fetching => "fetching",
            Phase::Full => "full",
            Phase::Finishing => "finishing",
            Phase::Done => "done",
            Phase::Stopped => "stopped",
            Phase::Failed => "failed",
        }
    }

    /// Nothing will happen any more.
    pub fn is_over(self) -> bool {
        matches!(self, Phase::Done | Phase::Stopped | Phase::Failed)
    }
}

impl From<rows::Phase> for Phase {
    fn from(phase: rows::Phase) -> Phase {
        match phase {
            rows::Phase::Waiting => Phase::Waiting,
            rows::Phase::Hashing => Phase::Hashing,
            rows::Phase::Seeking => Phase::Seeking,
            rows::Phase::Fetching => Phase::Fetching,
            rows::Phase::Full => Phase::Full,
            rows::Phase::Finishing => Phase::Finishing,
            rows::Phase::Done => Phase::Done,
            rows::Phase::Stopped => Phase::Stopped,
            rows::Phase::Failed => Phase::Failed,
        }
    }
}

fn in_words(bottleneck: Bottleneck) -> Option<String> {
    let words = match bottleneck {
        Bottleneck::None => return None,
        Bottleneck::Holders => "no holder in reach",
        Bottleneck::Peers => "rate of the peers",
        Bottleneck::Rtt => "round trip",
        Bottleneck::Disk => "disk or hashing",
        Bottleneck::Limit => "a set limit",
    };
    Some(words.into())
}

/// One peer a download gets pieces from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Source {
    /// Who.
    pub id: HexId,
    /// Good pieces it gave.
    pub pieces: u32,
    /// Bytes it gave, good or not.
    pub bytes: u64,
    /// Smoothed bytes per second while it was asked.
    pub bytes_per_second: u64,
    /// Pieces asked of it now.
    #[serde(default)]
    pub asked: u32,
    /// Pieces with a wrong hash that it gave.
    pub lies: u32,
}

impl From<&rows::SourceRow> for Source {
    fn from(row: &rows::SourceRow) -> Source {
        Source {
            id: HexId(row.peer),
            pieces: row.pieces,
            bytes: row.bytes,
            bytes_per_second: row.bytes_per_second,
            asked: row.asked,
            lies: row.lies,
        }
    }
}

/// Seconds until the rest is done.
fn eta_s(row: &rows::TransferRow) -> Option<u64> {
    let moving = matches!(row.phase, rows::Phase::Hashing | rows::Phase::Fetching);
    let rest = row.bytes.saturating_sub(row.bytes_done);
    (moving && row.bytes > 0 && row.bytes_per_second > 0)
        .then(|| rest.div_ceil(row.bytes_per_second))
}

fn unless_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

impl From<&messages::Transfer> for Transfer {
    fn from(shown: &messages::Transfer) -> Transfer {
        let row = &shown.row;
        Transfer {
            transfer: row.transfer,
            kind: if row.share { Kind::Share } else { Kind::Get },
            phase: row.phase.into(),
            file_id: row.file.map(HexFile),
            name: row.name.clone(),
            path: shown.path.display().to_string(),
            bytes: row.bytes,
            bytes_done: row.bytes_done,
            bytes_received: row.bytes_received,
            pieces: row.pieces,
            pieces_done: row.pieces_done,
            bytes_per_second: row.bytes_per_second,
            eta_s: eta_s(row),
            bottleneck: in_words(row.bottleneck),
            unheld: row.bottleneck == Bottleneck::Holders,
            sources: row.sources.iter().map(Source::from).collect(),
            ticket: shown.ticket.as_ref().map(ToString::to_string),
            problem: unless_empty(&row.problem),
            seconds: row.elapsed_ms as f64 / 1000.0,
            verified: row.phase == rows::Phase::Done,
            since_ms: shown.since_ms,
            left_out: shown.left_out.clone(),
        }
    }
}

/// `GET pieces`: the files known here, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pieces {
    /// The files.
    pub pieces: Vec<File>,
}

/// One file that is known here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct File {
    /// Which.
    pub file_id: HexFile,
    /// Its name; hostile text until escaped.
    pub name: String,
    /// Where it is.
    pub path: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Pieces of the file.
    pub pieces: u32,
    /// Pieces that are here.
    pub pieces_held: u32,
    /// It is given to whoever asks.
    pub served: bool,
    /// Bytes given to others since the start.
    pub bytes_given: u64,
    /// Other nodes that hold all of it, as far as is known here.
    pub holders: Vec<HexId>,
    /// Its ticket.
    pub ticket: String,
    /// What is wrong with it; hostile text until escaped.
    pub problem: Option<String>,
}

impl From<&messages::File> for File {
    fn from(shown: &messages::File) -> File {
        let row = &shown.row;
        File {
            file_id: HexFile(row.file),
            name: row.name.clone(),
            path: shown.path.display().to_string(),
            bytes: row.bytes,
            pieces: row.pieces,
            pieces_held: row.pieces_held,
            served: row.served,
            bytes_given: row.bytes_given,
            holders: row.holders.iter().copied().map(HexId).collect(),
            ticket: shown.ticket.to_string(),
            problem: unless_empty(&shown.problem),
        }
    }
}
