//! From facts to checks.
//!
//! PURE: looks at nothing but the facts, so every outcome can be tried without the trouble behind it.

mod daemon;
mod machine;
mod network;
mod state;

use super::facts::{Daemon, Facts};
use super::{Check, Outcome};

/// All checks, from what is nearest to what is farthest.
pub fn all(facts: &Facts) -> Vec<Check> {
    let mut out = Vec::new();
    settings(facts, &mut out);
    state::checks(facts, &mut out);
    daemon::checks(facts, &mut out);
    network::checks(facts, &mut out);
    machine::checks(facts, &mut out);
    out
}

fn ok(name: &'static str, what: impl Into<String>) -> Check {
    Check { name, result: Outcome::Ok, what: what.into(), remedy: String::new() }
}

fn warning(name: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Check {
    Check { name, result: Outcome::Warning, what: what.into(), remedy: remedy.into() }
}

fn failed(name: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Check {
    Check { name, result: Outcome::Failed, what: what.into(), remedy: remedy.into() }
}

/// Most problems of one kind that are told.
const TOLD_MAX: usize = 8;

/// The first of many, and how many more there are.
fn few<T>(
    all: &[T],
    tell: impl Fn(&T) -> Check,
    more: impl Fn(usize) -> Check,
    out: &mut Vec<Check>,
) {
    out.extend(all.iter().take(TOLD_MAX).map(tell));
    if all.len() > TOLD_MAX {
        out.push(more(all.len() - TOLD_MAX));
    }
}

fn settings(facts: &Facts, out: &mut Vec<Check>) {
    match &facts.settings {
        Ok(read) => {
            let files: Vec<String> = read.files.iter().map(|f| f.display().to_string()).collect();
            let from = match (&facts.daemon, files.is_empty()) {
                (_, false) => files.join(", "),
                (Daemon::Silent { .. }, true) => "those built in, and this command line's".into(),
                (Daemon::Answers(_), true) => {
                    "of this command line; those of the daemon: node config --running".into()
                }
            };
            out.push(ok("settings", format!("{} settings, all good ({from})", read.count)));
        }
        Err(problems) => {
            let more = |more| failed("settings", format!("{more} more problems: node check"), "");
            few(problems, |problem| failed("settings", problem, ""), more, out);
            if let Some(last) = out.last_mut() {
                last.remedy = "config/network/default.toml explains every setting".into();
            }
        }
    }
}
