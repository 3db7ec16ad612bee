//! From the command line to the report.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use kith::text::escape_to;

use crate::args::Args;
use crate::plot;
use crate::progress::Progress;
use crate::report::Report;
use crate::run;
use crate::scenario::Scenario;
use crate::table::{self, Cost};

/// A law was broken, or a file could not be written.
const FAILED: u8 = 1;
/// The command line or the scenario is wrong.
const USAGE: u8 = 2;
/// Most columns of one line of an error.
const COLUMNS_MAX: usize = 600;

/// Does what the flags say; the exit status.
pub fn go(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let scenario = match args.plan() {
        Ok(scenario) => scenario,
        Err(why) => {
            complain(err, &format!("cannot run {}", args.scenario), why.lines());
            return USAGE;
        }
    };
    let (report, cost) = run_all(args, &scenario);
    if let Err(why) = tell(args, &report, &cost, out) {
        complain(err, &why, []);
        return FAILED;
    }
    for (seed, law) in report.broken() {
        let again = format!("again: {}", args.replay(&scenario, seed));
        complain(err, &format!("seed {seed}: {law}"), [again.as_str()]);
    }
    if report.broken().next().is_some() { FAILED } else { 0 }
}

fn run_all(args: &Args, scenario: &Scenario) -> (Report, Cost) {
    let progress = Progress::new(args.quiet);
    let began = Instant::now();
    let mut runs = Vec::new();
    for seed in args.seeds(scenario) {
        let replay = args.replay(scenario, seed);
        runs.push(run::run(scenario, seed, replay, &mut |glance| progress.tell(seed, glance)));
    }
    progress.end();
    let hosts = scenario.hosts() as u64;
    let entries = hosts * hosts;
    let cost = Cost { wall: began.elapsed(), peak_bytes: peak_bytes(), entries };
    (Report::new(&args.scenario, scenario, runs), cost)
}

/// Prints and writes what is wanted.
fn tell(args: &Args, report: &Report, cost: &Cost, out: &mut dyn Write) -> Result<(), String> {
    if !args.quiet {
        let printed = out.write_all(table::whole(report, cost).as_bytes());
        printed.map_err(|error| format!("cannot print the report: {error}"))?;
    }
    if let Some(path) = &args.json {
        let json = report.json().map_err(|error| format!("cannot make the JSON: {error}"))?;
        write(path, &json)?;
    }
    match &args.svg {
        Some(path) => write(path, &plot::svg(report)),
        None => Ok(()),
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// What, and below it why and what to do. Where nobody reads it, nothing is lost: the exit status says it, too.
fn complain<'a>(err: &mut dyn Write, what: &str, why: impl IntoIterator<Item = &'a str>) {
    let _ = writeln!(err, "swarm: {}", escape_to(what, COLUMNS_MAX));
    for line in why {
        let _ = writeln!(err, "  {}", escape_to(line, COLUMNS_MAX));
    }
}

/// The most memory this process has held.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
