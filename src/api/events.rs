//! What changes, told as it happens: server-sent events.
//!
//! A stream begins with every row there is, so that who reads it needs nothing else, and says when that is done
//! (`whole`); then comes each row that is new or shown otherwise (`node`, `link`, `transfer`, `piece`), and the
//! names of those that are gone (`gone`). Who reads slowly is told less often, never more at once. `status` comes
//! every two seconds, so that a stream is never silent.
//!
//! Of letters it tells what happens from its beginning on (`letter`: one came, `outbox`: one that was sent is in
//! another state); who reads too slowly for that is told how many of these it `missed`. Of the log it tells the
//! last lines and then each new one (`log`).

mod files;
mod graph;
mod news;
mod part;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::{Stream, stream};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use super::failure::{Code, Failure};
use super::guard::Shown;
use super::read::status_now;
use super::routes::routes;
use super::server::Context;
use super::shapes::{Shaped, Whole};
use crate::actors::messages::{MailView, PiecesView};
use crate::logs::{self, Lines};
use crate::mesh::view::View;
use news::{say_lines, say_news};
use part::Part;

/// Most streams at once.
pub const STREAMS_MAX: usize = 32;
/// Time between two tellings of the status.
const STATUS_PERIOD: Duration = Duration::from_secs(2);
/// Shortest time between two tellings of what changed.
const PAUSE: Duration = Duration::from_millis(100);
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
/// The stream begins with every row there is: `status` (Status), `node` (Node), `link` (Link), `transfer` (Transfer),
/// `piece` (File) and the last lines of the log, `log` (LogLine); `whole` says that this was all. Then it tells each row
/// that is new or shown otherwise, and `gone` (Gone) of those that are shown no more. `letter` (CameEvent) and `outbox`
/// (OutboxEvent) tell what happens to letters from the beginning on, `missed` (Missed) that some of that news was lost.
/// All data are JSON objects with `schema` 1. `status` comes every 2 s.
#[utoipa::path(get, path = "/api/v1/events", tag = "see", responses(
    (status = 200, description = "it goes on until either end closes it", content_type = "text/event-stream",
        body = String),
))]
async fn events(
    context: web::Data<Context>,
    request: HttpRequest,
) -> Result<HttpResponse, Failure> {
    let place = context.places.0.clone().try_acquire_owned().map_err(|_| {
        Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Code::Unavailable,
            "cannot tell you what happens",
            format!("{STREAMS_MAX} others are told already, and that is the most"),
            "close a dashboard, or ask again and again instead: GET transfers",
        )
    })?;
    let session = request.extensions().get::<Shown>().and_then(|shown| shown.session.clone());
    let told = stream(context, logs::lines(), session, place);
    Ok(HttpResponse::Ok().content_type("text/event-stream").streaming(told))
}

/// What one reader is told, as long as `place` is theirs, and the session with this cookie has not ended.
pub(super) fn stream(
    context: web::Data<Context>,
    lines: watch::Receiver<Lines>,
    session: Option<String>,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let mut mail = context.mail.clone();
    let news = mail.borrow_and_update().news.back().map_or(0, |news| news.number);
    let teller = Teller {
        graph: Part::new(context.view.clone(), View::nothing()),
        pieces: Part::new(context.pieces.clone(), PiecesView::default()),
        mail,
        news,
        lines,
        line: 0,
        whole: false,
        status_at: Instant::now(),
        told_at: Instant::now(),
        context,
        session,
        _place: place,
    };
    stream::unfold(teller, |mut teller| async move {
        let text = teller.next().await?;
        Some((Ok(Bytes::from(text)), teller))
    })
}

/// Tells one stream.
struct Teller {
    context: web::Data<Context>,
    /// The cookie of the session that reads, if it is one.
    session: Option<String>,
    graph: Part<View>,
    pieces: Part<PiecesView>,
    mail: watch::Receiver<Arc<MailView>>,
    /// The last news of letters that were told.
    news: u64,
    lines: watch::Receiver<Lines>,
    /// The last line of the log that was told.
    line: u64,
    /// All there was at the beginning has been told.
    whole: bool,
    /// When the status is due.
    status_at: Instant,
    /// When something was told last.
    told_at: Instant,
    _place: OwnedSemaphorePermit,
}

impl Teller {
    /// What to say next; nothing if that was all.
    async fn next(&mut self) -> Option<String> {
        loop {
            if self.context.drain.begun() {
                return None;
            }
            let mut text = String::new();
            if self.status_at <= Instant::now() {
                let now = std::time::Instant::now();
                if self.session.as_ref().is_some_and(|s| !self.context.sessions.is_open(s, now)) {
                    return None;
                }
                self.status_at = Instant::now() + STATUS_PERIOD;
                // A registry too busy to answer is asked again two seconds later.
                if let Ok(status) = status_now(&self.context).await {
                    event("status", status, &mut text);
                }
            }
            // All in one turn: many news of the one never keep another from being told.
            let graph_goes_on = self.graph.say(&mut text)?;
            let pieces_go_on = self.pieces.say(&mut text)?;
            self.news = say_news(&self.mail.borrow_and_update(), self.news, &mut text);
            let log_goes_on = say_lines(&self.lines.borrow_and_update(), &mut self.line, &mut text);
            let goes_on = graph_goes_on || pieces_go_on || log_goes_on;
            if !goes_on && !std::mem::replace(&mut self.whole, true) {
                event("whole", Whole {}, &mut text);
            }
            self.told_at = Instant::now();
            if !text.is_empty() {
                return Some(text);
            }
            if !goes_on {
                self.wait().await?;
            }
        }
    }

    /// Waits for something to tell; nothing if there never will be.
    async fn wait(&mut self) -> Option<()> {
        tokio::select! {
            changed = self.graph.changed() => changed?,
            changed = self.pieces.changed() => changed?,
            changed = self.mail.changed() => changed.ok()?,
            Ok(()) = self.lines.changed() => {}
            () = tokio::time::sleep_until(self.status_at) => {}
            () = self.context.drain.wait() => return None,
        }
        tokio::time::sleep_until(self.told_at + PAUSE).await;
        Some(())
    }
}

/// One event. JSON holds no line breaks, so that it is one line of data.
fn event(name: &str, row: impl Serialize, text: &mut String) {
    match serde_json::to_string(&Shaped::new(row)) {
        Ok(json) => *text += &format!("event: {name}\ndata: {json}\n\n"),
        Err(error) => log::error!("an event of kind {name} cannot be written: {error}"),
    }
}
