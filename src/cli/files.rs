//! The verbs that begin something and wait for it: `share` and `get`.

use std::collections::VecDeque;
use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::args::{Flags, Follow, Progress};
use super::client::Client;
use super::look::print;
use super::progress::Shown;
use super::read::pretty;
use super::trouble::{Exit, Trouble};
use super::{daemon, interrupt, table};
use crate::api::asks::{AskGet, AskShare, Begun};
use crate::api::pieces::WAIT_MS_MAX;
use crate::api::shapes::{HexFile, Kind, Phase, Shaped, Transfer};
use crate::pieces::FileId;
use crate::pieces::ticket::{BadTicket, Ticket};
use crate::text::escape_to;

/// Most columns of a path or a line of text.
const LINE_COLUMNS_MAX: usize = 4096;
/// Shares that are begun before the first of them is over: the daemon hashes 64 at once, for everybody, and
/// shows no more of those that have ended.
const AHEAD: usize = 32;
/// What a verb says when it is interrupted.
const GOES_ON: &str =
    "not waiting any more; it goes on in the daemon: node transfers shows it, and how to stop it";

/// `node share --json`
#[derive(Serialize)]
struct Shared {
    ticket: String,
    file_id: HexFile,
    size: u64,
    pieces: u32,
}

/// `node get --json`
#[derive(Serialize)]
struct Got {
    file_id: HexFile,
    path: String,
    bytes: u64,
    verified: bool,
    seconds: f64,
}

/// `node share PATH…`: each is tried, whatever becomes of the others.
pub fn share(flags: &Flags, paths: &[PathBuf], follow: &Follow) -> Result<(), Trouble> {
    let (mut named, mut troubles) = (Vec::new(), Vec::new());
    for path in paths {
        match existing(path) {
            Ok(path) => named.push(path),
            Err(trouble) => troubles.push(trouble),
        }
    }
    if !named.is_empty() {
        let unsent = Arc::new(AtomicUsize::new(named.len()));
        match daemon::find(flags) {
            Ok(daemon) => {
                interrupt_says(follow, unsent.clone());
                share_all(&Client::to(daemon), named, follow, &unsent, &mut troubles);
            }
            Err(trouble) => troubles.push(trouble),
        }
    }
    all_of(paths.len(), troubles, follow)
}

/// What came of several, some of which failed: all of it is told, and the last ends the process. One status for
/// all if nothing was done and all failed alike; otherwise "it was not done".
fn all_of(tried: usize, mut troubles: Vec<Trouble>, follow: &Follow) -> Result<(), Trouble> {
    let Some(last) = troubles.pop() else { return Ok(()) };
    let json = follow.progress == Progress::Json;
    let exit = last.exit();
    let alike = troubles.iter().all(|t| t.exit() == exit);
    let whole = alike && (troubles.len() + 1 == tried || exit != Exit::Usage);
    // Where there is no daemon to ask, that is what is wrong with all of them.
    let exit = if whole || exit == Exit::NoDaemon { exit } else { Exit::Failed };
    for trouble in troubles {
        trouble.in_json(json).report();
    }
    Err(last.ending(exit).in_json(json))
}

/// Begins all of them, as far as the daemon takes them at once, and waits for each; `unsent` counts down.
pub(super) fn share_all(
    client: &Client,
    paths: Vec<String>,
    follow: &Follow,
    unsent: &AtomicUsize,
    troubles: &mut Vec<Trouble>,
) {
    let until = deadline(follow);
    let (mut paths, mut begun) = (paths.into_iter(), VecDeque::new());
    loop {
        while begun.len() < AHEAD
            && let Some(path) = paths.next()
        {
            match client.post::<Begun>("share", &AskShare { path }) {
                Ok(one) => begun.push_back(one),
                Err(trouble) if trouble.exit() == Exit::NoDaemon => return troubles.push(trouble),
                Err(trouble) => troubles.push(trouble),
            }
            unsent.fetch_sub(1, Ordering::Relaxed);
        }
        let Some(one) = begun.pop_front() else { return };
        match end_share(client, &one, follow, until) {
            Ok(()) => {}
            Err(trouble) if trouble.exit() == Exit::NoDaemon => return troubles.push(trouble),
            Err(trouble) => troubles.push(trouble),
        }
    }
}

fn end_share(
    client: &Client,
    begun: &Begun,
    follow: &Follow,
    until: Option<Instant>,
) -> Result<(), Trouble> {
    let awaited = Awaited { transfer: begun.transfer, kind: Kind::Share, file: None };
    let Some(done) = wait(client, &awaited, follow, until)? else { return Ok(()) };
    let (Some(ticket), Some(file_id)) = (done.ticket, done.file_id) else {
        return Err(unsaid("the daemon says it is shared, and tells no ticket"));
    };
    if follow.json {
        return json(Shared { ticket, file_id, size: done.bytes, pieces: done.pieces });
    }
    print(&format!("{ticket}\n"))
}

/// `node get TICKET`
pub fn get(
    flags: &Flags,
    ticket: &str,
    out: Option<&Path>,
    force: bool,
    follow: &Follow,
) -> Result<(), Trouble> {
    let done = get_it(flags, ticket, out, force, follow);
    done.map_err(|trouble| trouble.in_json(follow.progress == Progress::Json))
}

fn get_it(
    flags: &Flags,
    text: &str,
    out: Option<&Path>,
    force: bool,
    follow: &Follow,
) -> Result<(), Trouble> {
    let ticket = text.parse::<Ticket>().map_err(|error: BadTicket| {
        let remedy = "copy it again, whole, from where node share printed it";
        Trouble::usage("cannot read the ticket", &error.to_string(), remedy)
    })?;
    let ask = AskGet { ticket: text.trim().into(), out: Some(target(out)?), force };
    let client = Client::to(daemon::find(flags)?);
    interrupt_says(follow, Arc::default());
    get_one(&client, &ask, ticket.file, follow)
}

pub(super) fn get_one(
    client: &Client,
    ask: &AskGet,
    file: FileId,
    follow: &Follow,
) -> Result<(), Trouble> {
    let until = deadline(follow);
    let begun: Begun = client.post("get", ask)?;
    let awaited = Awaited { transfer: begun.transfer, kind: Kind::Get, file: Some(file) };
    let Some(done) = wait(client, &awaited, follow, until)? else { return Ok(()) };
    let Some(file_id) = done.file_id.filter(|_| done.verified) else {
        return Err(unsaid("the daemon says it is done, and not that it is verified"));
    };
    let Transfer { path, bytes, verified, seconds, .. } = done;
    if follow.json {
        return json(Got { file_id, path, bytes, verified, seconds });
    }
    // A program wants the path as it is; on a terminal the name that a peer gave must not act.
    match std::io::stdout().is_terminal() {
        true => print(&format!("{}\n", escape_to(&path, LINE_COLUMNS_MAX))),
        false => print(&format!("{path}\n")),
    }
}

fn unsaid(why: &str) -> Trouble {
    let remedy = "see that this program and the daemon are of the same version";
    Trouble::new(Exit::Internal, "cannot read the answer", why.into(), remedy)
}

fn json(shape: impl Serialize) -> Result<(), Trouble> {
    let value: Value = serde_json::to_value(Shaped::new(shape))
        .map_err(|error| unsaid(&format!("it cannot be written as JSON: {error}")))?;
    print(&pretty(&value))
}

fn interrupt_says(follow: &Follow, unsent: Arc<AtomicUsize>) {
    if !follow.no_wait {
        interrupt::says(move || match unsent.load(Ordering::Relaxed) {
            0 => GOES_ON.into(),
            some => format!("{GOES_ON}\nnot begun: the last {some} of the paths"),
        });
    }
}

/// Until when is waited; for ever if nothing was said.
fn deadline(follow: &Follow) -> Option<Instant> {
    follow.timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds.into()))
}

/// What is waited for.
pub(super) struct Awaited {
    transfer: u64,
    kind: Kind,
    /// The file it must be; unknown while it is hashed.
    file: Option<FileId>,
}

impl Awaited {
    /// A daemon that has built its actors again counts its transfers from the beginning: under the number may
    /// be another one now.
    fn is(&self, now: &Transfer, first: Option<u64>) -> bool {
        let file = self.file.zip(now.file_id).is_none_or(|(wanted, is)| wanted == is.0);
        now.kind == self.kind && file && first.is_none_or(|since_ms| since_ms == now.since_ms)
    }

    fn lost(&self) -> Trouble {
        let (what, remedy) = match self.kind {
            Kind::Share => {
                ("share", "node pieces shows whether it is shared; if not, share it again")
            }
            Kind::Get => ("get", "the same verb goes on where it was: what is there stays"),
        };
        let why = format!("transfer {} is another one now: the daemon began anew", self.transfer);
        Trouble::new(Exit::Failed, format!("lost sight of the {what}"), why, remedy)
    }
}

/// Waits until it is done, and shows how it goes on; nothing with `--no-wait`.
fn wait(
    client: &Client,
    awaited: &Awaited,
    follow: &Follow,
    until: Option<Instant>,
) -> Result<Option<Transfer>, Trouble> {
    let (transfer, kind) = (awaited.transfer, awaited.kind);
    if follow.no_wait {
        match follow.json {
            true => json(Begun { transfer })?,
            false => print(&format!("{transfer}\n"))?,
        }
        return Ok(None);
    }
    let mut shown = Shown::new(follow.progress, kind)?;
    let last = until_over(client, awaited, until, &mut shown);
    shown.end();
    let last = last?;
    for line in &last.left_out {
        shown.note(&format!("left out: {}", escape_to(line, LINE_COLUMNS_MAX)));
    }
    for liar in last.sources.iter().filter(|s| s.lies > 0) {
        let who = liar.id.0.short();
        shown.note(&format!("{who} gave pieces with a wrong hash ({}); not used", liar.lies));
    }
    let verb = if kind == Kind::Share { "share" } else { "get" };
    let what = match last.name.as_str() {
        "" => format!("cannot {verb} it"),
        name => format!("cannot {verb} {name}"),
    };
    match last.phase {
        Phase::Failed => {
            Err(Trouble::new(Exit::Failed, what, last.problem.unwrap_or_default(), ""))
        }
        Phase::Stopped => {
            let why = format!("transfer {} was stopped", last.transfer);
            let remedy = "the same verb goes on where it was: what is there stays";
            Err(Trouble::new(Exit::Failed, what, why, remedy))
        }
        _ => {
            shown.note(&summary(&last));
            Ok(Some(last))
        }
    }
}

fn summary(done: &Transfer) -> String {
    let (size, seconds) = (crate::text::size(done.bytes), done.seconds);
    match done.kind {
        Kind::Share => {
            let pieces = table::counted(done.pieces, "piece");
            format!("shared: {size} in {pieces}, hashed in {seconds:.1} s")
        }
        Kind::Get => {
            let peers = done.sources.iter().filter(|s| s.pieces > 0).count();
            let plural = if peers == 1 { "peer" } else { "peers" };
            format!("verified: {size} in {seconds:.1} s from {peers} {plural}")
        }
    }
}

fn until_over(
    client: &Client,
    awaited: &Awaited,
    until: Option<Instant>,
    shown: &mut Shown,
) -> Result<Transfer, Trouble> {
    let (mut wait_ms, mut since_ms) = (0, None);
    loop {
        let path = format!("transfers/{}?wait_ms={wait_ms}", awaited.transfer);
        let Shaped { body: now, .. } = client.get::<Shaped<Transfer>>(&path)?;
        if !awaited.is(&now, since_ms) {
            return Err(awaited.lost());
        }
        since_ms = Some(now.since_ms);
        shown.tell(&now);
        if now.phase.is_over() {
            return Ok(now);
        }
        wait_ms = WAIT_MS_MAX;
        if let Some(until) = until {
            let left = until.saturating_duration_since(Instant::now()).as_millis();
            if left == 0 {
                return Err(too_long(&now));
            }
            wait_ms = wait_ms.min(u64::try_from(left).unwrap_or(u64::MAX));
        }
    }
}

fn too_long(now: &Transfer) -> Trouble {
    let remedy = format!(
        "it goes on in the daemon: node transfers shows it, node transfers --stop {} ends it",
        now.transfer
    );
    Trouble::new(Exit::TimedOut, "gave up waiting", table::standing(now), &remedy)
}

/// What is to be shared, from the root. A symbolic link at the end of it is meant itself.
fn existing(path: &Path) -> Result<String, Trouble> {
    let what = format!("cannot share {}", path.display());
    let whole = whole(path).and_then(|whole| fs::symlink_metadata(&whole).map(|_| whole));
    let whole = whole.map_err(|error| {
        Trouble::usage(&what, &error.to_string(), "name a file or directory that is there")
    })?;
    text(whole, &what)
}

/// Where a download goes, from the root: a directory that is there, or a name in one.
fn target(out: Option<&Path>) -> Result<String, Trouble> {
    let out = out.unwrap_or(Path::new("."));
    let what = format!("cannot put it into {}", out.display());
    if out.is_dir() {
        let here = fs::canonicalize(out);
        let here = here.map_err(|error| Trouble::usage(&what, &error.to_string(), ""))?;
        return text(here, &what);
    }
    let named_as_directory = out.as_os_str().as_encoded_bytes().ends_with(b"/");
    let missing = if named_as_directory { out } else { parent(out) };
    if named_as_directory || !missing.is_dir() {
        let why = format!("there is no directory {}", missing.display());
        let remedy = format!("mkdir -p {}", missing.display());
        return Err(Trouble::usage(&what, &why, &remedy));
    }
    let whole = whole(out).map_err(|error| Trouble::usage(&what, &error.to_string(), ""))?;
    text(whole, &what)
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The path from the root, its last part not followed if it is a link.
fn whole(path: &Path) -> std::io::Result<PathBuf> {
    match path.file_name() {
        Some(name) => Ok(fs::canonicalize(parent(path))?.join(name)),
        None => fs::canonicalize(path),
    }
}

/// The API speaks JSON, and JSON is Unicode.
fn text(path: PathBuf, what: &str) -> Result<String, Trouble> {
    path.into_os_string().into_string().map_err(|path| {
        let why = format!("{} is not UTF-8", path.display());
        Trouble::usage(what, &why, "give it a name that is")
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A directory with a file, a directory, and a link to each.
    fn home() -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let real = fs::canonicalize(home.path()).unwrap();
        fs::write(real.join("file"), "x").unwrap();
        fs::create_dir(real.join("dir")).unwrap();
        symlink("file", real.join("link")).unwrap();
        symlink("dir", real.join("way")).unwrap();
        symlink("nowhere", real.join("dangling")).unwrap();
        (home, real)
    }

    #[test]
    fn what_is_shared_is_named_from_the_root_and_the_last_link_is_not_followed() {
        let (_home, at) = home();
        for (given, meant) in [
            ("file", "file"),
            ("dir/", "dir"),
            ("dir/.", "dir"),
            ("dir/../file", "file"),
            ("dir/..", ""),
            ("link", "link"),
            ("dangling", "dangling"),
            ("way/../file", "file"),
        ] {
            let meant = at.join(meant).display().to_string();
            let meant = meant.trim_end_matches('/');
            assert_eq!(existing(&at.join(given)), Ok(meant.to_owned()), "{given}");
        }
        fs::write(at.join("dir/below"), "x").unwrap();
        let through = at.join("dir/below").display().to_string();
        assert_eq!(existing(&at.join("way/below")), Ok(through));
        for given in ["", "gone", "gone/file", "file/below"] {
            let given = if given.is_empty() { PathBuf::new() } else { at.join(given) };
            assert_eq!(existing(&given).unwrap_err().report(), Exit::Usage, "{given:?}");
        }
        let odd = at.join(std::ffi::OsStr::from_bytes(b"\xff"));
        fs::write(&odd, "x").unwrap();
        assert_eq!(existing(&odd).unwrap_err().report(), Exit::Usage);
    }

    #[test]
    fn the_same_number_with_another_beginning_is_another_transfer() {
        let now = Transfer::from(&crate::api::samples::fetching(8));
        let file = now.file_id.map(|file| file.0);
        let awaited = Awaited { transfer: 8, kind: Kind::Get, file };
        assert!(awaited.is(&now, None) && awaited.is(&now, Some(now.since_ms)));
        assert!(!awaited.is(&now, Some(now.since_ms - 1)));
        assert!(!Awaited { kind: Kind::Share, ..awaited }.is(&now, None));
        let trouble = |exit| Trouble::new(exit, "", String::new(), "");
        let (failed, usage) = (trouble(Exit::Failed), trouble(Exit::Usage));
        let exit = |tried, troubles: &[&Trouble]| {
            let troubles = troubles.iter().map(|t| (*t).clone()).collect();
            all_of(tried, troubles, &Follow::default()).err().map_or(Exit::Done, |t| t.exit())
        };
        assert_eq!(exit(2, &[]), Exit::Done);
        assert_eq!(exit(1, &[&usage]), Exit::Usage);
        assert_eq!(exit(2, &[&usage, &usage]), Exit::Usage);
        assert_eq!(exit(2, &[&usage]), Exit::Failed, "the other was shared");
        assert_eq!(exit(2, &[&usage, &failed]), Exit::Failed);
        assert_eq!(exit(3, &[&trouble(Exit::TimedOut)]), Exit::TimedOut);
        assert_eq!(exit(2, &[&usage, &trouble(Exit::NoDaemon)]), Exit::NoDaemon);
    }

    #[test]
    fn a_download_goes_into_a_directory_or_under_a_new_name() {
        let (_home, at) = home();
        for (given, meant) in [
            ("dir", "dir"),
            ("way", "dir"),
            ("dir/", "dir"),
            ("new", "new"),
            ("way/new", "dir/new"),
            ("file", "file"),
            ("dangling", "dangling"),
        ] {
            let meant = at.join(meant).display().to_string();
            assert_eq!(target(Some(&at.join(given))), Ok(meant), "{given}");
        }
        for given in ["gone/new", "new/", "file/new", "gone/"] {
            assert_eq!(target(Some(&at.join(given))).unwrap_err().report(), Exit::Usage, "{given}");
        }
        let here = fs::canonicalize(".").unwrap().display().to_string();
        assert_eq!(target(None), Ok(here));
    }
}
