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
mod program;
mod progress;
mod report;
mod run;
mod scenario;
mod table;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    ExitCode::from(program::go(&args, &mut std::io::stdout(), &mut std::io::stderr()))
}
