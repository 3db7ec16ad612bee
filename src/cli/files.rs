//! The verbs that begin something and wait for it: `share` and `get`.

use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::args::{Flags, Follow};
use super::client::Client;
use super::look::print;
use super::progress::Shown;
use super::read::pretty;
use super::trouble::{Exit, Trouble};
use super::{daemon, interrupt, table};
use crate::api::asks::{AskGet, AskShare, Begun};
use crate::api::pieces::WAIT_MS_MAX;
use crate::api::shapes::{HexFile, Kind, Phase, Shaped, Transfer};
use crate::pieces::ticket::{BadTicket, Ticket};
use crate::text::escape_to;

/// Most columns of a path or a line of text.
const LINE_COLUMNS_MAX: usize = 4096;
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
    let paths: Vec<String> = paths.iter().map(|path| existing(path)).collect::<Result<_, _>>()?;
    let client = Client::to(daemon::find(flags)?);
    interrupt_says(follow);
    let mut failed: Option<Trouble> = None;
    for path in paths {
        if let Err(trouble) = share_one(&client, path, follow)
            && let Some(earlier) = failed.replace(trouble)
        {
            earlier.report();
        }
    }
    failed.map_or(Ok(()), Err)
}

pub(super) fn share_one(client: &Client, path: String, follow: &Follow) -> Result<(), Trouble> {
    let begun: Begun = client.post("share", &AskShare { path })?;
    let Some(done) = wait(client, &begun, Kind::Share, follow)? else { return Ok(()) };
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
    ticket.parse::<Ticket>().map_err(|error: BadTicket| {
        let remedy = "copy it again, whole, from where node share printed it";
        Trouble::usage("cannot read the ticket", &error.to_string(), remedy)
    })?;
    let ask = AskGet { ticket: ticket.trim().into(), out: Some(target(out)?), force };
    let client = Client::to(daemon::find(flags)?);
    interrupt_says(follow);
    get_one(&client, &ask, follow)
}

pub(super) fn get_one(client: &Client, ask: &AskGet, follow: &Follow) -> Result<(), Trouble> {
    let begun: Begun = client.post("get", ask)?;
    let Some(done) = wait(client, &begun, Kind::Get, follow)? else { return Ok(()) };
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

fn interrupt_says(follow: &Follow) {
    if !follow.no_wait {
        interrupt::says(GOES_ON);
    }
}

/// Waits until it is done, and shows how it goes on; nothing with `--no-wait`.
fn wait(
    client: &Client,
    begun: &Begun,
    kind: Kind,
    follow: &Follow,
) -> Result<Option<Transfer>, Trouble> {
    if follow.no_wait {
        match follow.json {
            true => json(begun)?,
            false => print(&format!("{}\n", begun.transfer))?,
        }
        return Ok(None);
    }
    let mut shown = Shown::new(follow.progress, kind)?;
    let last = until_over(client, begun.transfer, follow, &mut shown);
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
    let (size, seconds) = (table::size(done.bytes), done.seconds);
    match done.kind {
        Kind::Share => {
            format!("shared: {size} in {} pieces, hashed in {seconds:.1} s", done.pieces)
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
    transfer: u64,
    follow: &Follow,
    shown: &mut Shown,
) -> Result<Transfer, Trouble> {
    let begun = Instant::now();
    let longest = follow.timeout.map(|seconds| Duration::from_secs(seconds.into()));
    let mut wait_ms = 0;
    loop {
        let path = format!("transfers/{transfer}?wait_ms={wait_ms}");
        let Shaped { body: now, .. } = client.get::<Shaped<Transfer>>(&path)?;
        shown.tell(&now);
        if now.phase.is_over() {
            return Ok(now);
        }
        wait_ms = WAIT_MS_MAX;
        if let Some(longest) = longest {
            let left = longest.saturating_sub(begun.elapsed()).as_millis();
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
