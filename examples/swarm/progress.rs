//! How far a run is, on stderr, where that is a terminal.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::run::Glance;
use crate::table::time;

/// A bar, or nothing.
pub struct Progress(Option<ProgressBar>);

impl Progress {
    /// A bar if one is wanted and can be seen.
    pub fn new(quiet: bool) -> Progress {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if quiet || dumb || !std::io::stderr().is_terminal() {
            return Progress(None);
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:24} {wide_msg}");
        Progress(style.ok().map(|style| bar.with_style(style)))
    }

    /// Shows how it is now.
    pub fn tell(&self, seed: u64, glance: &Glance) {
        let Some(bar) = &self.0 else { return };
        bar.set_length(glance.running.max(1) as u64);
        bar.set_position(glance.know as u64);
        let (phase, phases) = glance.phase;
        bar.set_message(format!(
            "seed {seed}, {phase}/{phases} {}: {} of {} know all; {} of virtual time, {:.1} M events",
            kith::text::escape(glance.name),
            glance.know,
            glance.running,
            millis(glance.at),
            glance.events as f64 / 1e6
        ));
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn millis(span: Duration) -> String {
    time(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}
