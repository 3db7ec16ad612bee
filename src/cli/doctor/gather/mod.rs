//! Finds the facts out. Nothing here changes anything, and nothing waits longer than some seconds.

mod machine;
mod process;
mod seeds;
mod sockets;
mod state;

pub use process::content;

use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::super::client::Client;
use super::super::daemon;
use super::facts::Values;
use super::facts::{Answers, Daemon, Facts, Read};
use super::values::read;
use crate::api::asks::{Config, Setting};
use crate::api::shapes::{Peers, Shaped, Status};
use crate::cli::args::Flags;
use crate::cli::trouble::Trouble;
use crate::settings::{Loaded, load};
use crate::store::unix_ms;

/// Everything that can be found out, and how to ask the daemon more, if it answers.
pub fn gather(flags: &Flags) -> (Facts, Option<Client>) {
    let loaded = load(&flags.sources());
    let settings = match &loaded {
        Ok(loaded) => Ok(Read { count: rows_of(loaded).len(), files: loaded.files.clone() }),
        Err(problems) => Err(problems.0.iter().map(ToString::to_string).collect()),
    };
    let (asked, client) = ask(flags);
    let rows = client.as_ref().and_then(|(_, rows)| rows.clone());
    let rows = rows.or_else(|| loaded.as_ref().ok().map(rows_of)).unwrap_or_default();
    let values = Values::of(&rows);
    let dir = state_dir(flags, &asked);
    let state = dir.map(|dir| state::look(dir, values.key.as_deref()));
    let listeners = sockets::tcp();
    let asked = with_pid(asked, listeners.as_deref(), state.as_ref().and_then(|s| s.held_by));
    let pid = match &asked {
        Daemon::Answers(answers) => answers.pid,
        Daemon::Silent { .. } => None,
    };
    let targets = match &loaded {
        // With neither a profile nor flags these settings are no daemon's.
        Ok(loaded) if !loaded.targets.is_empty() => loaded.targets.clone(),
        _ => targets(&rows),
    };
    let listens = match &asked {
        Daemon::Answers(answers) => answers.status.listen.clone(),
        Daemon::Silent { .. } => vec![values.listen],
    };
    let (seeds, seeds_untried) = seeds::dial(targets, &listens);
    let downloads = values.downloads.clone().or_else(|| Some(state.as_ref()?.dir.join("received")));
    let machine = machine::look(pid, downloads);
    let facts = Facts {
        program: env!("CARGO_PKG_VERSION").into(),
        now_ms: unix_ms(),
        settings,
        values,
        state,
        daemon: asked,
        listeners,
        mdns: sockets::udp(5353),
        seeds,
        seeds_untried,
        machine,
    };
    (facts, client.map(|(client, _)| client))
}

/// The addresses to dial first that the daemon was started with; of the file of them, if it lies here too.
fn targets(rows: &[Setting]) -> Vec<String> {
    let file: PathBuf = read(rows, "network.controller.target.path").unwrap_or_default();
    let in_file = content(file).and_then(|text| serde_json::from_str::<Vec<String>>(&text).ok());
    let given: Vec<String> = read(rows, "network.controller.target.connect").unwrap_or_default();
    in_file.into_iter().flatten().chain(given).collect()
}

/// All settings with their origin, secrets redacted.
pub fn rows_of(loaded: &Loaded) -> Vec<Setting> {
    let setting = |line: crate::settings::Line| Setting {
        key: line.key.to_owned(),
        value: serde_json::to_value(&line.value).unwrap_or_default(),
        origin: line.origin,
    };
    loaded.describe(true).into_iter().map(setting).collect()
}

/// A client, and the settings that the daemon runs with.
type Asked = (Client, Option<Vec<Setting>>);

fn ask(flags: &Flags) -> (Daemon, Option<Asked>) {
    let silent = |trouble: &Trouble| {
        let (exit, why, remedy) = trouble.words();
        (Daemon::Silent { exit, why, remedy }, None)
    };
    let found = match daemon::find(flags) {
        Ok(found) => found,
        Err(trouble) => return silent(&trouble),
    };
    let addr = found.addr;
    let client = Client::to(found);
    let asked = client.get::<Shaped<Status>>("status").and_then(|status| {
        let peers: Shaped<Peers> = client.get("peers")?;
        Ok(Answers { addr, pid: None, status: status.body, peers: peers.body })
    });
    match asked {
        Ok(answers) => {
            let config = client.get::<Shaped<Config>>("config?origin=true");
            let rows = config.ok().map(|config| config.body.settings);
            (Daemon::Answers(Box::new(answers)), Some((client, rows)))
        }
        Err(trouble) => silent(&trouble),
    }
}

/// Where this node keeps its state: as the daemon says, or as it would be started.
fn state_dir(flags: &Flags, asked: &Daemon) -> Option<PathBuf> {
    let said = match asked {
        Daemon::Answers(answers) => answers.status.state_dir.as_ref().map(PathBuf::from),
        Daemon::Silent { .. } => None,
    };
    let env = || std::env::var_os("KITH_STATE").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    daemon::state_dir(flags).or(said).or_else(env)
}

/// The process that listens where the daemon was asked, else the one that has the lock.
fn with_pid(
    asked: Daemon,
    listeners: Option<&[super::facts::Listener]>,
    held_by: Option<u32>,
) -> Daemon {
    let Daemon::Answers(mut answers) = asked else { return asked };
    let there = listeners.into_iter().flatten().find(|listener| listener.addr == answers.addr);
    answers.pid = there.and_then(|l| l.holder.as_ref()).map(|holder| holder.pid).or(held_by);
    Daemon::Answers(answers)
}

/// What `look` finds within `time`, or nothing: some questions to the system may hang for minutes.
fn within<T: Send + 'static>(
    time: Duration,
    look: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (tell, told) = channel();
    let thread = std::thread::Builder::new().spawn(move || {
        // Whoever asked may have given up.
        drop(tell.send(look()));
    });
    thread.ok().and_then(|_| told.recv_timeout(time).ok())
}
