//! Which daemon a verb talks to.

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::Flags;
use super::called::called;
use super::trouble::{Exit, Trouble};
use crate::settings::{self, data_dir, load, process_environment};
use crate::store::runtime;

/// The file that says where a daemon's control API listens.
const ADDR: &str = "control.addr";
/// Where the system's own service keeps its state, and what starts it: as dist/systemd/kith.service says.
const SERVICE: (&str, &str) = ("/var/lib/kith", "systemctl start kith");
/// Longest time to see whether something listens on a loopback address.
const LISTENS_TIMEOUT: Duration = Duration::from_millis(300);
/// A token is far shorter than this, bytes; an address too.
const FILE_BYTES_MAX: u64 = 4096;

/// Where a daemon is asked, and the secret it wants to see.
#[derive(Clone, PartialEq, Eq)]
pub struct Daemon {
    /// Loopback address of its control API.
    pub addr: SocketAddr,
    /// Its token.
    pub token: String,
    /// The command that starts it, for the error when it does not run.
    pub start: String,
}

/// The state directory that these flags lead to, even when the settings have something wrong.
pub fn state_dir(flags: &Flags) -> Option<PathBuf> {
    let sources = flags.sources();
    match load(&sources) {
        Ok(loaded) => loaded.state_dir,
        Err(_) => settings::state_dir(Path::new(""), &sources),
    }
}

/// The daemon that the flags, else the environment, else what runs here point at.
pub fn find(flags: &Flags) -> Result<Daemon, Trouble> {
    let env = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let token = flags.token.clone().or_else(|| env("KITH_TOKEN"));
    let chosen = flags.config.is_some() || flags.profile.is_some();
    if let Some(addr) = flags.control.clone().or_else(|| env("KITH_CONTROL").filter(|_| !chosen)) {
        return named(&addr, token);
    }
    if let Some(dir) = state_dir(flags) {
        let here = Path::new("profiles").join(flags.profile.as_deref().unwrap_or_default());
        // `-p bob` alone also means the bob that was started here with `-c`.
        let started_here =
            flags.config.is_none() && !dir.join(ADDR).exists() && here.join(ADDR).exists();
        return at(if started_here { &here } else { &dir }, &start_line(flags));
    }
    if let Some(dir) = env("KITH_STATE") {
        return at(Path::new(&dir), called());
    }
    only_one(running())
}

/// The daemon at an address given by hand.
fn named(addr: &str, token: Option<String>) -> Result<Daemon, Trouble> {
    let what = "cannot tell which daemon is meant";
    let addr = loopback(addr).ok_or_else(|| {
        let why = format!("{addr} is not a loopback IP:port");
        Trouble::usage(what, &why, "the daemon prints its control address when it starts")
    })?;
    let token = token.ok_or_else(|| {
        Trouble::usage(what, "an address without its token", "set KITH_TOKEN, or give --token")
    })?;
    Ok(Daemon { addr, token, start: called().into() })
}

/// A token must never leave the machine in the clear.
fn loopback(text: &str) -> Option<SocketAddr> {
    text.trim().parse().ok().filter(|addr: &SocketAddr| addr.ip().is_loopback())
}

/// The daemon with this state directory.
fn at(dir: &Path, start: &str) -> Result<Daemon, Trouble> {
    read(dir, start).map_err(|why| no_daemon(&format!("{why} in {}", dir.display()), start))
}

/// The two files a running daemon leaves in its state directory.
fn read(dir: &Path, start: &str) -> Result<Daemon, String> {
    let content = |name: &str| match fs::metadata(dir.join(name)) {
        Ok(about) if about.len() <= FILE_BYTES_MAX => fs::read_to_string(dir.join(name))
            .map_err(|error| format!("cannot read {name}: {error}")),
        Ok(_) => Err(format!("{name} is far too long")),
        Err(error) => Err(format!("there is no {name} ({error})")),
    };
    let addr =
        loopback(&content("control.addr")?).ok_or("control.addr holds no loopback address")?;
    let token = content("control.token")?.trim().to_owned();
    Ok(Daemon { addr, token, start: start.into() })
}

/// State directories with a daemon that listens, with what it is called by.
fn running() -> Vec<(PathBuf, Daemon)> {
    let mut found = Vec::new();
    let mut look = |dir: PathBuf, start: &str| {
        if let Ok(daemon) = read(&dir, start)
            && TcpStream::connect_timeout(&daemon.addr, LISTENS_TIMEOUT).is_ok()
        {
            found.push((dir, daemon));
        }
    };
    look(SERVICE.0.into(), SERVICE.1);
    let mut roots =
        vec![(Some("profiles".into()), "-c config -p"), (data_dir(&process_environment()), "-p")];
    if runtime::is_ours() {
        roots.push((Some(runtime::root()), ""));
    }
    for (root, flag) in roots {
        let entries = root.and_then(|root| fs::read_dir(root).ok()).into_iter().flatten();
        for dir in entries.flatten().map(|entry| entry.path()) {
            let profile = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
            look(dir, &format!("{} {flag} {profile}", called()));
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

fn only_one(mut running: Vec<(PathBuf, Daemon)>) -> Result<Daemon, Trouble> {
    match running.len() {
        0 => {
            let why = "none was named, and none with a state directory runs here";
            let start = if closed(Path::new(SERVICE.0)) {
                &format!("{}; the system's service is root's to ask: sudo {0}", called())
            } else {
                called()
            };
            Err(no_daemon(why, start))
        }
        1 => Ok(running.remove(0).1),
        many => {
            let dirs: Vec<String> =
                running.iter().map(|(dir, _)| dir.display().to_string()).collect();
            let why = format!("{many} run here: {}", dirs.join(", "));
            let remedy = "name one by -c and -p, or by its directory: KITH_STATE=DIR";
            Err(Trouble::usage("cannot tell which daemon is meant", &why, remedy))
        }
    }
}

/// Somebody's state is there, and not ours to see.
fn closed(dir: &Path) -> bool {
    let seen = fs::metadata(dir.join(ADDR));
    seen.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

/// Nothing runs where it was looked for.
pub fn no_daemon(why: &str, start: &str) -> Trouble {
    let remedy = format!("start it with: {start}");
    Trouble::new(Exit::NoDaemon, "no daemon to ask", why.into(), &remedy)
}

/// The line that starts the daemon these flags name.
fn start_line(flags: &Flags) -> String {
    let mut line = String::from(called());
    if let Some(dir) = &flags.config {
        line += &format!(" -c {}", dir.display());
    }
    if let Some(profile) = &flags.profile {
        line += &format!(" -p {profile}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_directory_follows_from_the_flags() {
        let flags = |config: Option<&str>, profile: Option<&str>| Flags {
            config: config.map(Into::into),
            profile: profile.map(Into::into),
            ..Flags::default()
        };
        assert_eq!(state_dir(&flags(None, None)), None);
        let alice = state_dir(&flags(Some("config"), Some("alice")));
        assert_eq!(alice, Some("profiles/alice".into()));
        let alone = state_dir(&flags(None, Some("alice"))).expect("a home");
        assert!(alone.ends_with("kith/alice"));
    }

    #[test]
    fn the_token_is_never_sent_off_this_machine() {
        for addr in ["192.0.2.1:80", "0.0.0.0:80", "example.com:80", "127.0.0.1", ""] {
            assert!(named(addr, Some("t".into())).is_err(), "{addr}");
        }
        assert!(named("[::1]:80", None).is_err());
        assert_eq!(named("[::1]:80", Some("t".into())).ok().map(|d| d.addr.port()), Some(80));
    }

    #[test]
    fn a_state_directory_without_a_daemon_says_how_to_start_it() {
        let dir = tempfile::tempdir().unwrap();
        let Err(trouble) = at(dir.path(), "node -p alice") else { panic!() };
        assert_eq!(trouble.report(), Exit::NoDaemon);
        fs::write(dir.path().join("control.addr"), "127.0.0.1:4000\n").unwrap();
        fs::write(dir.path().join("control.token"), "abc\n").unwrap();
        let daemon = at(dir.path(), "node").ok().unwrap();
        assert_eq!((daemon.addr.port(), daemon.token.as_str()), (4000, "abc"));
        fs::write(dir.path().join("control.addr"), "192.0.2.1:4000\n").unwrap();
        assert!(at(dir.path(), "node").is_err());
    }

    #[test]
    fn one_of_several_is_never_guessed() {
        let daemon =
            Daemon { addr: ([127, 0, 0, 1], 1).into(), token: "t".into(), start: "".into() };
        let both = vec![("a".into(), daemon.clone()), ("b".into(), daemon.clone())];
        assert_eq!(only_one(both).err().map(|t| t.report()), Some(Exit::Usage));
        assert_eq!(only_one(vec![]).err().map(|t| t.report()), Some(Exit::NoDaemon));
        assert!(only_one(vec![("a".into(), daemon)]).is_ok());
    }
}
