//! Many real nodes in one process: real sockets, real TLS, real signatures, the daemon's own actors for the mesh.
//! Nothing is simulated but the distance: all is on the loopback.
//!
//! ```text
//! cargo run --release --example lab -- --nodes 1000 --json lab.json
//! ```

mod args;
mod host;
mod look;
mod machine;
mod program;
mod report;
mod run;
mod table;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    ExitCode::from(program::go(&args, &mut std::io::stdout(), &mut std::io::stderr()))
}
