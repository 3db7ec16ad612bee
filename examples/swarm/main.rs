//! The daemon's own cores in virtual time, ten thousand of them, as a program: scenarios in, a report out.
//!
//! ```text
//! cargo run --release --example swarm -- --nodes 1000 --scenario mass-failure --seeds 1..50
//! ```

mod args;
#[path = "../../tests/sim/engine/mod.rs"]
#[allow(dead_code, reason = "the tests of tests/sim use more of it")]
mod engine;
mod measure;
mod plot;
mod progress;
mod report;
mod run;
mod scenario;
mod table;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use kith::text::escape;

use args::Args;
use progress::Progress;
use report::Report;
use table::Cost;

fn main() -> ExitCode {
    let args = Args::parse();
    let scenario = match args.plan() {
        Ok(scenario) => scenario,
        Err(why) => {
            eprintln!("swarm: cannot run {}", escape(&args.scenario));
            for line in why.lines() {
                eprintln!("  {}", escape(line));
            }
            return ExitCode::from(2);
        }
    };
    let progress = Progress::new(args.quiet);
    let began = Instant::now();
    let mut runs = Vec::new();
    for seed in args.seeds(&scenario) {
        let replay = args.replay(&scenario, seed);
        runs.push(run::run(&scenario, seed, replay, &mut |glance| progress.tell(seed, glance)));
    }
    progress.end();
    let report = Report::new(&args.scenario, &scenario, runs);
    let hosts = scenario.hosts() as u64;
    let cost = Cost { wall: began.elapsed(), peak_bytes: peak_bytes(), entries: hosts.pow(2) };
    match tell(&args, &report, &cost) {
        Err(why) => {
            eprintln!("swarm: {}", escape(&why));
            ExitCode::from(1)
        }
        Ok(()) if report.broken().next().is_some() => {
            for (seed, law) in report.broken() {
                eprintln!("swarm: seed {seed}: {}", escape(law));
                eprintln!("  again: {}", escape(&args.replay(&scenario, seed)));
            }
            ExitCode::from(1)
        }
        Ok(()) => ExitCode::SUCCESS,
    }
}

/// Prints and writes what is wanted.
fn tell(args: &Args, report: &Report, cost: &Cost) -> Result<(), String> {
    if !args.quiet {
        let text = table::whole(report, cost);
        let printed = std::io::stdout().lock().write_all(text.as_bytes());
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

/// The most memory this process has held.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
