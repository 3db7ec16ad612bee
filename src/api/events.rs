//! What changes, told as it happens: server-sent events.
//!
//! A stream begins with every row there is, so that who reads it needs nothing else; then comes each row that
//! is new or shown otherwise (`transfer`, `piece`), and the names of those that are gone (`gone`). Who reads
//! slowly is told less often, never more at once.
//!
//! Of letters it tells what happens from its beginning on (`letter`: one came, `outbox`: one that was sent is in
//! another state); who reads too slowly for that is told how many of these it `missed`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use futures_util::{Stream, stream};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::failure::{Code, Failure};
use super::guard::Drain;
use super::routes::routes;
use super::server::Context;
use super::shapes::{
    self, CameEvent, Gone, HexFile, HexId, HexLetter, Missed, OutboxEvent, Shaped,
};
use crate::actors::messages::{File, Happened, MailView, PiecesView, Transfer};
use crate::pieces::FileId;
use crate::pieces::event::TransferId;

/// Most streams at once.
pub const STREAMS_MAX: usize = 32;
/// A stream that is silent this long says that it is still there.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// About how many bytes are handed on at once.
const CHUNK_BYTES: usize = 32 * 1024;

/// The places for streams.
pub struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Places {
        Places(Arc::new(Semaphore::new(STREAMS_MAX)))
    }
}

impl Places {
    /// How many streams are open.
    pub(super) fn taken(&self) -> usize {
        STREAMS_MAX.saturating_sub(self.0.available_permits())
    }
}

routes![events];

/// What changes, as it happens: server-sent events
///
/// The stream begins with every row there is, then tells each that is new or shown otherwise: `transfer`
/// (Transfer), `piece` (File), and `gone` (Gone) of those that are shown no more. `letter` (CameEvent) and `outbox`
/// (OutboxEvent) tell what happens to letters from then on, `missed` (Missed) that some of that news was lost. All
/// data are JSON objects with `schema` 1. A comment comes every 10 s when there is nothing to say.
#[utoipa::path(get, path = "/api/v1/events", tag = "see", responses(
    (status = 200, description = "it goes on until either end closes it", content_type = "text/event-stream",
        body = String),
))]
async fn events(context: web::Data<Context>) -> Result<HttpResponse, Failure> {
    let place = context.places.0.clone().try_acquire_owned().map_err(|_| {
        Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Code::Unavailable,
            "cannot tell you what happens",
            format!("{STREAMS_MAX} others are told already, and that is the most"),
            "close a dashboard, or ask again and again instead: GET transfers",
        )
    })?;
    let (pieces, mail) = (context.pieces.clone(), context.mail.clone());
    let told = stream(pieces, mail, context.drain.clone(), place, HEARTBEAT);
    Ok(HttpResponse::Ok().content_type("text/event-stream").streaming(told))
}

/// What one reader is told, as long as `place` is theirs.
pub(super) fn stream(
    mut pieces: watch::Receiver<Arc<PiecesView>>,
    mut mail: watch::Receiver<Arc<MailView>>,
    drain: Drain,
    place: OwnedSemaphorePermit,
    heartbeat: Duration,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    pieces.mark_changed();
    let told = Arc::default();
    let news = mail.borrow_and_update().news.back().map_or(0, |news| news.number);
    let teller =
        Teller { pieces, mail, drain, told, telling: None, news, heartbeat, _place: place };
    stream::unfold(teller, |mut teller| async move {
        let text = teller.next().await?;
        Some((Ok(Bytes::from(text)), teller))
    })
}

/// Tells one stream.
struct Teller {
    pieces: watch::Receiver<Arc<PiecesView>>,
    mail: watch::Receiver<Arc<MailView>>,
    drain: Drain,
    /// What was told of last, in whole.
    told: Arc<PiecesView>,
    /// What is being told of, and how many of its rows are done.
    telling: Option<(Arc<PiecesView>, usize)>,
    /// The last news of letters that were told.
    news: u64,
    heartbeat: Duration,
    _place: OwnedSemaphorePermit,
}

impl Teller {
    /// What to say next; nothing if that was all.
    async fn next(&mut self) -> Option<String> {
        loop {
            if self.drain.begun() {
                return None;
            }
            let mut text = String::new();
            if self.telling.is_none() && self.pieces.has_changed().ok()? {
                self.telling = Some((self.pieces.borrow_and_update().clone(), 0));
            }
            if let Some((now, done)) = self.telling.take() {
                self.telling =
                    say(&self.told, &now, done, &mut text).map(|done| (now.clone(), done));
                if self.telling.is_none() {
                    self.told = now;
                }
            }
            // Both in one turn: many news of the one never keep the other from being told.
            self.news = say_news(&self.mail.borrow_and_update(), self.news, &mut text);
            if !text.is_empty() {
                return Some(text);
            }
            if self.telling.is_some() {
                continue;
            }
            tokio::select! {
                changed = self.pieces.changed() => {
                    changed.ok()?;
                    self.pieces.mark_changed();
                }
                changed = self.mail.changed() => changed.ok()?,
                () = tokio::time::sleep(self.heartbeat) => return Some(": still here\n\n".into()),
                () = self.drain.wait() => return None,
            }
        }
    }
}

/// Says what is different in `now`, beginning at its row number `from` (transfers first, then files), until
/// about a chunk is full: the row to go on with, if there is one.
fn say(told: &PiecesView, now: &PiecesView, from: usize, text: &mut String) -> Option<usize> {
    if from == 0 {
        say_gone(told, now, text);
    }
    for (at, row) in now.transfers.iter().enumerate().skip(from) {
        if numbered(&told.transfers, row.row.transfer) != Some(row) {
            event("transfer", shapes::Transfer::from(row), text);
        }
        if text.len() >= CHUNK_BYTES {
            return Some(at + 1);
        }
    }
    if Arc::ptr_eq(&told.files, &now.files) {
        return None;
    }
    let files = from.saturating_sub(now.transfers.len());
    let mut before = Finder::new(&told.files);
    for (at, row) in now.files.iter().enumerate().skip(files) {
        if before.find(row.row.file) != Some(row) {
            event("piece", shapes::File::from(row), text);
        }
        if text.len() >= CHUNK_BYTES {
            return Some(now.transfers.len() + at + 1);
        }
    }
    None
}

/// Says what happened to letters after number `told`, until about a chunk is full: the last number that is told
/// now. Where the numbers begin anew (the daemon has built its actors again), so does what is told.
fn say_news(mail: &MailView, told: u64, text: &mut String) -> u64 {
    let (Some(first), Some(last)) = (mail.news.front(), mail.news.back()) else { return told };
    let mut told = if last.number < told { first.number.saturating_sub(1) } else { told };
    if first.number > told + 1 {
        event("missed", Missed { count: first.number - told - 1 }, text);
        told = first.number - 1;
    }
    let begun = told;
    for news in mail.news.iter().filter(|news| news.number > begun) {
        let at_ms = news.at_ms;
        match &news.what {
            Happened::Came { id, from } => {
                let (id, from) = (HexLetter(*id), HexId(*from));
                event("letter", CameEvent { id, from, at_ms }, text);
            }
            Happened::Turned { id, to, state, why } => {
                let (id, to, why) = (HexLetter(*id), HexId(*to), why.clone());
                event("outbox", OutboxEvent { id, to, state: (*state).into(), why, at_ms }, text);
            }
        }
        told = news.number;
        if text.len() >= CHUNK_BYTES {
            break;
        }
    }
    told
}

fn say_gone(told: &PiecesView, now: &PiecesView, text: &mut String) {
    for Transfer { row, .. } in &told.transfers {
        if numbered(&now.transfers, row.transfer).is_none() {
            event("gone", Gone { transfer: Some(row.transfer), file_id: None }, text);
        }
    }
    if Arc::ptr_eq(&told.files, &now.files) {
        return;
    }
    let mut after = Finder::new(&now.files);
    for File { row, .. } in told.files.iter() {
        if after.find(row.file).is_none() {
            event("gone", Gone { transfer: None, file_id: Some(HexFile(row.file)) }, text);
        }
    }
}

/// The transfer with this number, of some that are in the order of theirs.
fn numbered(transfers: &[Transfer], number: TransferId) -> Option<&Transfer> {
    let at = transfers.binary_search_by_key(&number, |t| t.row.transfer).ok()?;
    transfers.get(at)
}

/// Finds rows of a list that is asked about in nearly its own order: two views of ten thousand files differ
/// in few, and all of them are compared once a second.
struct Finder<'a> {
    files: &'a [File],
    next: usize,
}

impl Finder<'_> {
    fn new(files: &[File]) -> Finder<'_> {
        Finder { files, next: 0 }
    }
}

impl<'a> Finder<'a> {
    fn find(&mut self, file: FileId) -> Option<&'a File> {
        let is = |at: &usize| self.files.get(*at).is_some_and(|f| f.row.file == file);
        let at = Some(self.next).filter(is).or_else(|| (0..self.files.len()).find(is))?;
        self.next = at + 1;
        self.files.get(at)
    }
}

/// One event. JSON holds no line breaks, so that it is one line of data.
fn event(name: &str, row: impl Serialize, text: &mut String) {
    match serde_json::to_string(&Shaped::new(row)) {
        Ok(json) => *text += &format!("event: {name}\ndata: {json}\n\n"),
        Err(error) => log::error!("an event of kind {name} cannot be written: {error}"),
    }
}
