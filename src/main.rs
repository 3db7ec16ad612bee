//! `node`: runs the daemon, or asks one that runs.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use kith::{cli, daemon};

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Err(exit) => exit.into(),
        Ok(line) => match &line.verb {
            Some(verb) => cli::run(&line.flags, verb, daemon::effective).into(),
            None => daemon::run(&line.flags).into(),
        },
    }
}
