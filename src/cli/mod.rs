//! The command line: every verb is one call of the control API, shown as a table or as JSON.
//!
//! Knows the API's shapes and how to find a daemon; must not know an actor, a core or a socket of the
//! mesh. Reading list: [`args`] (what can be said), `daemon` (which daemon is meant), `client` (asking
//! it), `table` (showing the answer), `files` and `letters` (the verbs that take long), [`offline`] (what needs no
//! daemon).

pub mod args;
mod called;
mod client;
mod daemon;
mod doctor;
mod files;
mod interrupt;
mod letters;
mod look;
mod manual;
pub mod offline;
mod progress;
mod read;
mod steer;
mod table;
mod top;
mod trouble;
mod watch;

pub use args::{Cli, Flags, Verb};
pub use called::called;
pub use daemon::state_dir;
pub use offline::Effective;
pub use trouble::{Exit, Trouble};

/// Reads the command line. What clap has to say (help, version, a mistake) it has said when this is `Err`.
pub fn parse(words: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Cli, Exit> {
    let cli = args::read(words).map_err(|said| {
        // Nobody is left to tell when even this cannot be printed.
        let _ = said.print();
        if said.use_stderr() { Exit::Usage } else { Exit::Done }
    })?;
    args::fits(&cli).map_err(|trouble| trouble.report())?;
    Ok(cli)
}

/// Does one verb, prints what came of it, and says how the process ends. `effective` reads the settings
/// that a command line leads to; only the verbs that need no daemon call it.
pub fn run(flags: &Flags, verb: &Verb, effective: Effective) -> Exit {
    match perform(flags, verb, effective) {
        Ok(()) => Exit::Done,
        Err(trouble) => trouble.report(),
    }
}

fn perform(flags: &Flags, verb: &Verb, effective: Effective) -> Result<(), Trouble> {
    let look = look::Look::of_stdout();
    match verb {
        Verb::Check { json } => offline::check(flags, effective, *json),
        Verb::Config { json, origin, running: false } => {
            offline::config(flags, effective, *json, *origin, look)
        }
        Verb::Init { dir, state } => offline::init(flags, dir, state.as_deref()),
        Verb::Completions { shell } => manual::completions(*shell),
        Verb::Man => manual::man(),
        Verb::Doctor(args) => doctor::doctor(flags, args, look),
        Verb::Share { paths, follow } => files::share(flags, paths, follow),
        Verb::Get { ticket, out, force, follow } => {
            files::get(flags, ticket, out.as_deref(), *force, follow)
        }
        Verb::Top => top::run(flags, look),
        Verb::Push(args) => letters::push(flags, args),
        Verb::Pull(args) => letters::pull(flags, args),
        verb => {
            let client = client::Client::to(daemon::find(flags)?);
            match read::show(&client, verb, look) {
                Some(result) => result,
                None => steer::steer(&client, verb),
            }
        }
    }
}
