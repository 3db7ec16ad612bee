//! The verbs about letters that do more than show: `push` and `pull`.

use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::args::{Flags, PullArgs, PushArgs};
use super::called::hint;
use super::client::{Client, segment};
use super::look::print;
use super::read::pretty;
use super::trouble::{Exit, Trouble};
use super::{daemon, interrupt, table};
use crate::api::asks::{Acknowledged, AskAcknowledge, AskPush, Came};
use crate::api::letters::{LIMIT_MAX, TEXT_BYTES_MAX};
use crate::api::pieces::WAIT_MS_MAX;
use crate::api::shapes::{Graph, HexId, Inbox, Letter, LetterState, Pushed, Received, Shaped};
use crate::store::unix_ms;
use crate::text::escape_to;

/// Text up to this many bytes travels as text: six times as many, when every byte is escaped, still fit into a
/// request. Longer ones travel in base64, as what is no text does.
const TEXT_AS_TEXT_MAX: usize = 128 * 1024;
/// About how many bytes of letters are printed at once; they are held until then.
const BATCH_BYTES: usize = 16 << 20;
/// Letters that are acknowledged in one request.
const ACKNOWLEDGED_AT_ONCE: usize = 1000;
/// Most columns of a line on stderr.
const LINE_COLUMNS_MAX: usize = 400;

/// `node push`
pub fn push(flags: &Flags, args: &PushArgs) -> Result<(), Trouble> {
    let what = format!("cannot send a letter to {}", args.to);
    let pushed = body(args, &what).and_then(|body| {
        let client = Client::to(daemon::find(flags)?);
        push_to(&client, args, body)
    });
    match (args.plain, pushed) {
        (true, Ok(())) => print("SUCCESS\n"),
        (true, Err(trouble)) => {
            print("FAIL\n")?;
            Err(trouble)
        }
        (false, pushed) => pushed,
    }
}

/// What is to be said.
fn body(args: &PushArgs, what: &str) -> Result<Vec<u8>, Trouble> {
    let body = match (&args.msg, &args.file) {
        (Some(text), _) => text.clone().into_bytes(),
        (None, Some(path)) => file(path, what)?,
        (None, None) => bounded(std::io::stdin().lock()).map_err(|error| {
            let why = format!("standard input cannot be read: {error}");
            Trouble::usage(what, &why, "--msg TEXT and --file FILE say something, too")
        })?,
    };
    match body.len() {
        0 => Err(Trouble::usage(what, "it says nothing", "--msg TEXT says something")),
        1..=TEXT_BYTES_MAX => Ok(body),
        _ => {
            let most = crate::text::size(TEXT_BYTES_MAX as u64);
            let why =
                format!("a letter has at most {most} ({TEXT_BYTES_MAX} bytes), this has more");
            Err(Trouble::usage(what, &why, "node share FILE gives larger things; send the ticket"))
        }
    }
}

fn file(path: &Path, what: &str) -> Result<Vec<u8>, Trouble> {
    File::open(path).and_then(bounded).map_err(|error| {
        let why = format!("{} cannot be read: {error}", path.display());
        Trouble::usage(what, &why, "name a file that is there and yours to read")
    })
}

/// All there is, or one byte more than may be.
fn bounded(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(TEXT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn push_to(client: &Client, args: &PushArgs, body: Vec<u8>) -> Result<(), Trouble> {
    let begun = Instant::now();
    let (text, body_base64) = match String::from_utf8(body) {
        Ok(text) if text.len() <= TEXT_AS_TEXT_MAX => (Some(text), None),
        Ok(text) => (None, Some(data_encoding::BASE64.encode(text.as_bytes()))),
        Err(odd) => (None, Some(data_encoding::BASE64.encode(odd.as_bytes()))),
    };
    let asked = AskPush {
        to: args.to.clone(),
        text,
        body_base64,
        hops: args.hops,
        shards: args.shards.clone(),
        ttl_s: args.ttl,
        id: args.id.clone(),
    };
    let Shaped { body: mut pushed, .. } = client.post::<Shaped<Pushed>>("letters", &asked)?;
    for warning in &pushed.warnings {
        tell(&format!("warning: {warning}"));
    }
    let talks = !args.json && !args.plain;
    if talks {
        print(&table::pushed(&pushed, unix_ms()))?;
    }
    let ended = match args.wait {
        true => wait(client, args, begun, &mut pushed.letter, talks),
        false => Ok(()),
    };
    if args.json {
        print(&json(pushed, true)?)?;
    }
    ended
}

/// With stderr closed there is nobody to tell; what was asked still goes to stdout.
fn tell(line: &str) {
    let line = format!("{}\n", escape_to(&hint(line), LINE_COLUMNS_MAX));
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// The shape as JSON, over many lines or in one.
fn json(shape: impl Serialize, tall: bool) -> Result<String, Trouble> {
    let value = serde_json::to_value(Shaped::new(shape)).map_err(|error| {
        Trouble::new(Exit::Internal, "cannot print the answer", error.to_string(), "")
    })?;
    Ok(if tall { pretty(&value) } else { format!("{value}\n") })
}

/// Waits until the reader has signed for it, or nothing more is done for it; `letter` is as it was seen last.
fn wait(
    client: &Client,
    args: &PushArgs,
    begun: Instant,
    letter: &mut Letter,
    talks: bool,
) -> Result<(), Trouble> {
    let id = letter.id.0;
    let short = id.short();
    interrupt::says(move || {
        format!(
            "not waiting any more; the letter goes on: node letters show {short} tells how it is"
        )
    });
    let until = args.timeout.map(|s| begun + Duration::from_secs(s.into()));
    while !letter.state.is_over() {
        let mut wait_ms = WAIT_MS_MAX;
        if let Some(until) = until {
            let left = until.saturating_duration_since(Instant::now()).as_millis();
            if left == 0 {
                let why = format!("it is {}; it goes on", letter.state.as_str());
                let remedy = format!("node letters show {} tells how it is", id.short());
                return Err(Trouble::new(Exit::TimedOut, "gave up waiting", why, &remedy));
            }
            wait_ms = wait_ms.min(u64::try_from(left).unwrap_or(u64::MAX));
        }
        let path = format!("letters/{id}?wait_ms={wait_ms}");
        let Shaped { body: now, .. } = client.get::<Shaped<Letter>>(&path)?;
        if talks && now.state != letter.state {
            print(&table::turned(&now, begun.elapsed()))?;
        }
        *letter = now;
    }
    match letter.state {
        LetterState::Expired | LetterState::Failed => {
            let what = format!("letter {} was not delivered", id.short());
            let why = match letter.why.as_str() {
                "" => format!("it has {}", letter.state.as_str()),
                why => why.to_owned(),
            };
            let remedy = format!("node letters show {} tells more", id.short());
            Err(Trouble::new(Exit::Failed, what, why, &remedy))
        }
        _ => Ok(()),
    }
}

/// `node pull`
pub fn pull(flags: &Flags, args: &PullArgs) -> Result<(), Trouble> {
    let mut printed = false;
    let pulled =
        daemon::find(flags).and_then(|daemon| pull_from(&Client::to(daemon), args, &mut printed));
    if args.plain && pulled.is_err() && !printed {
        print("FAIL\n")?;
    }
    pulled
}

/// Prints what there is, or what comes; `printed` once stdout may hold some of it.
pub(super) fn pull_from(
    client: &Client,
    args: &PullArgs,
    printed: &mut bool,
) -> Result<(), Trouble> {
    let (mut left, mut after, mut last) = (args.limit.unwrap_or(usize::MAX), 0, None);
    if args.follow && !args.json && std::io::stderr().is_terminal() {
        tell("waiting for letters; Ctrl-C ends it");
    }
    loop {
        let inbox = batch(client, args, left, after)?;
        if inbox.letters.is_empty() && args.follow {
            continue;
        }
        let text = words(client, args, &inbox, &mut last)?;
        *printed = true;
        // Letters that nobody could read are not done with: here a closed pipe is an error, too.
        print(&text).map_err(Trouble::unread)?;
        if !args.peek {
            acknowledge(client, &inbox.letters)?;
        }
        left -= inbox.letters.len().min(left);
        // What is only looked at would be shown again and again.
        after = inbox.letters.last().filter(|_| args.peek).map_or(after, |last| last.seq);
        if !args.follow || left == 0 {
            return Ok(());
        }
    }
}

/// As many as are printed at once: those there are, or the first that comes.
fn batch(client: &Client, args: &PullArgs, left: usize, after: u64) -> Result<Inbox, Trouble> {
    let with = args.with.as_deref().map(|who| format!("&with={}", segment(who)));
    let with = with.unwrap_or_default();
    let mut all = Inbox { letters: Vec::new(), unread: 0 };
    let mut bytes = 0;
    loop {
        let limit = left.min(LIMIT_MAX) - all.letters.len();
        let wait_ms = if args.follow && all.letters.is_empty() { WAIT_MS_MAX } else { 0 };
        let after = all.letters.last().map_or(after, |last| last.seq);
        let peek = args.peek;
        let path = format!("inbox?peek={peek}&after={after}&limit={limit}&wait_ms={wait_ms}{with}");
        let Shaped { body: more, .. } = client.get::<Shaped<Inbox>>(&path)?;
        all.unread = more.unread;
        let last = more.letters.is_empty();
        bytes += more.letters.iter().map(bytes_of).sum::<usize>();
        all.letters.extend(more.letters);
        if last || bytes >= BATCH_BYTES || all.letters.len() >= left.min(LIMIT_MAX) {
            return Ok(all);
        }
    }
}

fn bytes_of(letter: &Received) -> usize {
    letter.text.as_ref().or(letter.body_base64.as_ref()).map_or(0, String::len)
}

/// What is printed of these letters; `last` is whose letters stand above.
fn words(
    client: &Client,
    args: &PullArgs,
    inbox: &Inbox,
    last: &mut Option<HexId>,
) -> Result<String, Trouble> {
    let letters = &inbox.letters;
    if args.json {
        return json(inbox, !args.follow);
    }
    if args.plain {
        let graph = match letters.is_empty() {
            true => None,
            false => Some(client.get::<Shaped<Graph>>("graph")?.body),
        };
        return Ok(table::plain_inbox(letters, |id| source(graph.as_ref(), id)));
    }
    if letters.is_empty() {
        let all = args.with.is_none() && !args.peek;
        return Ok(table::empty(inbox, all));
    }
    Ok(table::inbox(letters, last, unix_ms()))
}

/// Where a node says it is; its id if it does not say.
fn source(graph: Option<&Graph>, id: HexId) -> String {
    let node = graph.and_then(|graph| graph.nodes.iter().find(|node| node.id == id));
    let addr = node.and_then(|node| node.addrs.first());
    addr.map_or_else(|| id.0.to_string(), |addr| addr.ip().to_string())
}

fn acknowledge(client: &Client, letters: &[Received]) -> Result<(), Trouble> {
    for some in letters.chunks(ACKNOWLEDGED_AT_ONCE) {
        let letters = some.iter().map(|l| Came { id: l.id, from: l.from }).collect();
        client.post::<Shaped<Acknowledged>>("inbox/ack", &AskAcknowledge { letters })?;
    }
    Ok(())
}
