//! From the command line to the report.

use std::io::Write;

use kith::logs::Format;
use kith::text::escape_to;

use crate::args::Args;
use crate::machine::enough_descriptors;
use crate::report::Report;
use crate::{run, table};

/// Something was not as it should be, or a file could not be written.
const FAILED: u8 = 1;
/// The command line asks for what this machine has not.
const USAGE: u8 = 2;

/// Longest line of what is told.
const COLUMNS_MAX: usize = 256;

/// Does what the flags say; the exit status.
pub fn go(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    // The joiners, too.
    if let Err(why) = enough_descriptors(args.nodes() + args.trials as usize) {
        complain(err, &why);
        return USAGE;
    }
    kith::logs::set(&args.log, Format::Text);
    let mut tell = |line: &str| {
        // Where nobody reads it, nothing is lost.
        let _ = if args.quiet { Ok(()) } else { writeln!(err, "{}", escape_to(line, COLUMNS_MAX)) };
    };
    let told = run::run(args, &mut tell)
        .and_then(|report| tell_report(args, &report, out).map(|()| report));
    match told {
        Err(why) => {
            complain(err, &why);
            FAILED
        }
        Ok(report) => {
            for what in &report.broken {
                complain(err, what);
            }
            if report.broken.is_empty() { 0 } else { FAILED }
        }
    }
}

/// Prints and writes what is wanted.
fn tell_report(args: &Args, report: &Report, out: &mut dyn Write) -> Result<(), String> {
    if !args.quiet {
        let printed = out.write_all(table::whole(report).as_bytes());
        printed.map_err(|error| format!("cannot print the report: {error}"))?;
    }
    let Some(path) = &args.json else { return Ok(()) };
    let json = serde_json::to_string_pretty(report).map_err(|error| error.to_string())?;
    std::fs::write(path, json + "\n")
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// What, and below it what to do.
fn complain(err: &mut dyn Write, text: &str) {
    for (number, line) in text.lines().enumerate() {
        let lead = if number == 0 { "lab: " } else { "  " };
        // Where nobody reads it, the exit status says it, too.
        let _ = writeln!(err, "{lead}{}", escape_to(line, COLUMNS_MAX));
    }
}
