//! Showing how a transfer goes on, on stderr: stdout is for what was asked.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::Progress;
use super::table;
use super::trouble::{Exit, Trouble};
use crate::api::shapes::{Kind, Shaped, Transfer};

/// Without a terminal at most one line in this time.
const LINE_EVERY: Duration = Duration::from_secs(1);
/// How the line looks while something is hashed, and while it is fetched.
const HASHING: &str = "{bar:24} {wide_msg}";
const FETCHING: &str = "{wide_msg}";

/// Shows one transfer.
pub enum Shown {
    /// One line, redrawn.
    Redrawn(ProgressBar),
    /// A line now and then, if it says something new.
    Lines {
        /// When the last one was printed, and what it said.
        last: Option<(Instant, String)>,
    },
    /// A JSON object for each change.
    Json,
    /// Not at all.
    Silent,
}

impl Shown {
    /// As it is wanted, and as stderr can.
    pub fn new(how: Progress, kind: Kind) -> Result<Shown, Trouble> {
        let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        Ok(match how {
            Progress::None => Shown::Silent,
            Progress::Json => Shown::Json,
            Progress::Auto if std::io::stderr().is_terminal() && !dumb => {
                let template = if kind == Kind::Share { HASHING } else { FETCHING };
                let style = ProgressStyle::with_template(template).map_err(|error| {
                    Trouble::new(Exit::Internal, "cannot show progress", error.to_string(), "")
                })?;
                let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
                Shown::Redrawn(bar.with_style(style))
            }
            Progress::Auto => Shown::Lines { last: None },
        })
    }

    /// Whether a person reads along.
    pub fn talks(&self) -> bool {
        matches!(self, Shown::Redrawn(_) | Shown::Lines { .. })
    }

    /// Shows how it is now.
    pub fn tell(&mut self, transfer: &Transfer) {
        match self {
            Shown::Silent => {}
            Shown::Json => match serde_json::to_string(&Shaped::new(transfer)) {
                Ok(json) => say(&json),
                Err(error) => say(&format!("cannot write JSON: {error}")),
            },
            Shown::Redrawn(bar) => {
                bar.set_length(transfer.bytes);
                bar.set_position(transfer.bytes_done);
                bar.set_message(table::progress(transfer));
            }
            Shown::Lines { last } => {
                let line = table::progress(transfer);
                let stale =
                    |(at, said): &(Instant, String)| at.elapsed() >= LINE_EVERY && *said != line;
                if !transfer.phase.is_over() && last.as_ref().is_none_or(stale) {
                    say(&line);
                    *last = Some((Instant::now(), line));
                }
            }
        }
    }

    /// Takes the line away: what comes next is printed by itself.
    pub fn end(&self) {
        if let Shown::Redrawn(bar) = self {
            bar.finish_and_clear();
        }
    }

    /// Says something beside the progress, if a person reads along.
    pub fn note(&self, text: &str) {
        if self.talks() {
            say(text);
        }
    }
}

/// With stderr closed there is nobody to tell; what was asked still goes to stdout.
fn say(line: &str) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}
