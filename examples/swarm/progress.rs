//! How far a run is, on stderr: a bar on a terminal, elsewhere a line now and then.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kith::text::escape;

use crate::run::Glance;
use crate::table::time;

/// Without a terminal at most one line in this time.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// How it is shown.
pub enum Progress {
    /// One line, redrawn.
    Bar(ProgressBar),
    /// A line now and then, and when the last one was printed.
    Lines(Cell<Instant>),
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
            _ => Progress::Lines(Cell::new(Instant::now())),
        }
    }

    /// Shows how it is now.
    pub fn tell(&self, seed: u64, glance: &Glance) {
        let words = || {
            let (phase, phases) = glance.phase;
            format!(
                "seed {seed}, {phase}/{phases} {}: of {} nodes {} show who is there and {} know every \
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
            Progress::Lines(last) if last.get().elapsed() >= LINE_EVERY => {
                last.set(Instant::now());
                eprintln!("swarm: {}", words());
            }
            Progress::Lines(_) | Progress::Silent => {}
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
