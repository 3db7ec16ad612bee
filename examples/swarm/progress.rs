//! How far a run is, on stderr: a bar on a terminal, elsewhere a line now and then.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kith::text::escape;

use crate::run::Glance;
use crate::table::time;

/// Without a terminal at most one line in this time, and one at the end of each phase that took longer.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// How it is shown.
pub enum Progress {
    /// One line, redrawn.
    Bar(ProgressBar),
    /// A line now and then; when the last one was printed, and how many in this phase.
    Lines(Cell<(Instant, u32)>),
    /// Not at all.
    Silent,
}

impl Progress {
    /// As it is wanted, and as stderr can.
    pub fn new(quiet: bool) -> Progress {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let style = ProgressStyle::with_template("{bar:24} {wide_msg}");
        match style {
            _ if quiet => Progress::Silent,
            Ok(style) if !dumb && std::io::stderr().is_terminal() => {
                let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
                Progress::Bar(bar.with_style(style))
            }
            _ => Progress::Lines(Cell::new((Instant::now(), 0))),
        }
    }

    /// Shows how it is now.
    pub fn tell(&self, seed: u64, glance: &Glance) {
        let words = || {
            let (phase, phases) = glance.phase;
            let over = if glance.over { " is over" } else { "" };
            format!(
                "seed {seed}, {phase}/{phases} {}{over}: of {} nodes {} show who is there and {} know every \
                 link; {} of virtual time, {:.1} M events",
                escape(glance.name),
                glance.running,
                glance.members,
                glance.links,
                millis(glance.at),
                glance.events as f64 / 1e6
            )
        };
        match self {
            Progress::Bar(bar) => {
                bar.set_length(glance.running.max(1) as u64);
                bar.set_position(glance.members.min(glance.links) as u64);
                bar.set_message(words());
            }
            Progress::Lines(last) => {
                let (at, printed) = last.get();
                let due = at.elapsed() >= LINE_EVERY || glance.over && printed > 0;
                if due {
                    eprintln!("swarm: {}", words());
                }
                let at = if due { Instant::now() } else { at };
                last.set((at, if glance.over { 0 } else { printed + u32::from(due) }));
            }
            Progress::Silent => {}
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Progress::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn millis(span: Duration) -> String {
    time(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}
