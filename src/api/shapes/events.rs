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
    /// Counts the lines of this run of the daemon.
    pub number: u64,
    /// Unix milliseconds.
    pub at_ms: u64,
    /// `error`, `warn` or `info`.
    pub level: String,
    /// The module it comes from.
    pub target: String,
    /// What it says.
    pub text: String,
}

impl From<&logs::Line> for LogLine {
    fn from(line: &logs::Line) -> LogLine {
        LogLine {
            number: line.number,
            at_ms: line.at_ms,
            level: line.level.as_str().to_lowercase(),
            target: line.target.clone(),
            text: line.text.clone(),
        }
    }
}
