//! The machine: its clock, its limits, and what starts the daemon.

use super::super::Check;
use super::super::facts::{Facts, Unit};
use super::{failed, ok, warning};
use crate::text::size;

/// No clock that is right says less: the first day of 2026, Unix milliseconds.
const EARLIEST_MS: u64 = 1_767_225_600_000;
/// By so much a file may seem to come from the future.
const AHEAD_MS: u64 = 120_000;
/// Below this many open files a daemon does not get far.
const FILES_MIN: u64 = 128;
/// What the control API and the daemon's own files may need.
const FILES_OTHER: u64 = 256;
/// What a daemon needs beside its buffers for downloads.
const MEMORY_OTHER: u64 = 64 << 20;

pub(super) fn checks(facts: &Facts, out: &mut Vec<Check>) {
    clock(facts, out);
    files(facts, out);
    memory(facts, out);
    if let Some(unit) = &facts.machine.unit {
        systemd(unit, out);
    }
}

fn clock(facts: &Facts, out: &mut Vec<Check>) {
    let newest = facts.state.as_ref().and_then(|state| state.newest_ms).unwrap_or(0);
    let behind = newest.saturating_sub(facts.now_ms);
    let remedy = "set it right; timedatectl set-ntp true keeps it so";
    out.push(if facts.now_ms < EARLIEST_MS {
        let what = "says a time before 2026: letters and keys end by the clock, and would not";
        failed("clock", what, remedy)
    } else if behind > AHEAD_MS {
        let what = format!(
            "is {} behind the newest file in the state directory: it was set back",
            long(behind)
        );
        failed("clock", what, remedy)
    } else {
        match facts.machine.synchronised {
            Some(true) => ok("clock", "kept right by a time server"),
            Some(false) => {
                warning("clock", "no time server keeps it right", "timedatectl set-ntp true")
            }
            None => ok(
                "clock",
                "nothing is wrong with it; whether a time server keeps it right is not told here",
            ),
        }
    });
}

fn long(ms: u64) -> String {
    match ms / 60_000 {
        minutes @ 0..120 => format!("{minutes} min"),
        minutes @ 120..2880 => format!("{} h", minutes / 60),
        minutes => format!("{} days", minutes / 1440),
    }
}

fn files(facts: &Facts, out: &mut Vec<Check>) {
    let Some((soft, hard)) = facts.machine.files else { return };
    let values = &facts.values;
    // In a full mesh about as many are dialled as are accepted.
    let links = values.links_max.saturating_mul(2);
    let need = links + values.handshakes_max + values.transfers_max * 4 + FILES_OTHER;
    let open = facts.machine.files_open.map_or(String::new(), |open| format!(", {open} are open"));
    let remedy = match hard >= need {
        true => format!("ulimit -n {need} before the start, or LimitNOFILE={need} in its unit"),
        false => format!("LimitNOFILE={need} in its unit, or raise the hard limit of {hard} first"),
    };
    out.push(if soft < FILES_MIN {
        let what =
            format!("{soft} open files are allowed: too few for more than a handful of links");
        failed("files", what, remedy)
    } else if soft < need {
        let what = format!(
            "{soft} open files are allowed{open}; all that the settings allow may need {need}"
        );
        warning("files", what, remedy)
    } else {
        ok("files", format!("{soft} open files are allowed{open}"))
    });
}

fn memory(facts: &Facts, out: &mut Vec<Check>) {
    let machine = &facts.machine;
    let need = MEMORY_OTHER + facts.values.buffer_bytes;
    let remedy = "raise the limit (MemoryMax= of its unit), or lower pieces.buffer_bytes_max";
    if let Some(kills @ 1..) = machine.memory_kills {
        let times = if kills == 1 { "once".into() } else { format!("{kills} times") };
        let what = format!("the system has ended something here {times} for want of memory");
        out.push(warning("memory", what, remedy));
    }
    match (machine.memory_limit, machine.memory) {
        (Some(limit), _) if limit < need => {
            let what = format!(
                "{} are allowed; downloads and all else may need {}",
                size(limit),
                size(need)
            );
            out.push(warning("memory", what, remedy));
        }
        (Some(limit), _) => out.push(ok("memory", format!("{} are allowed", size(limit)))),
        (None, Some(all)) => {
            out.push(ok("memory", format!("no limit but the machine's {}", size(all))))
        }
        (None, None) => {}
    }
}

fn systemd(unit: &Unit, out: &mut Vec<Check>) {
    let (name, user) = (&unit.name, if unit.of_user { " --user" } else { "" });
    let log = format!("journalctl{user} -u {name}");
    out.push(match unit.restarts {
        Some(times @ 1..) => {
            let times = if times == 1 { "once".into() } else { format!("{times} times") };
            warning("systemd", format!("{name} was started again {times} after it had failed"), log)
        }
        _ => ok("systemd", format!("{name}; its log: {log}")),
    });
}
