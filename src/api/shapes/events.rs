//! The events that are not rows of another shape.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{HexFile, HexId};
use crate::logs;
use crate::pieces::event::TransferId;

/// The event `whole`: every row there was at the beginning has been told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Whole {}

/// The event `gone`: one of these is shown no more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gone {
    /// A transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<TransferId>,
    /// A file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_id: Option<HexFile>,
    /// A node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<HexId>,
    /// A link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Ends>,
}

/// Names a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ends {
    /// Who dialled.
    pub from: HexId,
    /// Who was dialled.
    pub to: HexId,
}

/// The event `log`: a line the daemon logged at level info or above, or a shout it heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// Counts the lines of this run of the daemon, from 1; 0 where a view writes a line of its own beside them.
    pub number: u64,
    /// Unix milliseconds.
    pub at_ms: u64,
    /// How bad it is.
    pub level: Level,
    /// The module it comes from.
    pub target: String,
    /// What it says.
    pub text: String,
}

/// How bad a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something is broken.
    Error,
    /// Something may become so.
    Warn,
    /// Worth knowing.
    Info,
    /// For who looks for a mistake.
    Debug,
    /// For who looks very closely; also whatever a newer daemon calls otherwise.
    #[serde(other)]
    Trace,
}

impl Level {
    /// The word in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        }
    }
}

impl From<log::Level> for Level {
    fn from(level: log::Level) -> Level {
        match level {
            log::Level::Error => Level::Error,
            log::Level::Warn => Level::Warn,
            log::Level::Info => Level::Info,
            log::Level::Debug => Level::Debug,
            log::Level::Trace => Level::Trace,
        }
    }
}

impl From<&logs::Line> for LogLine {
    fn from(line: &logs::Line) -> LogLine {
        LogLine {
            number: line.number,
            at_ms: line.at_ms,
            level: line.level.into(),
            target: line.target.clone(),
            text: line.text.clone(),
        }
    }
}
