//! The routes about letters: send one, how they are, what came, who passes them on.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web;
use data_encoding::BASE64;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use utoipa::IntoParams;

use super::asks::{Acknowledged, AskAcknowledge, AskPush, Came};
use super::correspondents::{self, Names};
use super::failure::{Code, Failure, Refusal};
use super::pieces::WAIT_MS_MAX;
use super::read::{Answer, answer, ask};
use super::routes::routes;
use super::server::Context;
use super::shapes::{Conversation, Inbox, Letter, Letters, Pushed, Received, Relays, Shaped};
use super::who::PREFIX_DIGITS_MIN;
use crate::actors::messages::{
    Acknowledge, Happened, LetterWanted, LettersWanted, MailView, Pull, Push, Refused, RelaysWanted,
};
use crate::mail::LetterId;
use crate::mail::event::Draft;
use crate::mail::rows::{InLetter, OutLetter, Shards};
use crate::mesh::NodeId;

/// Longest text of a letter, bytes, whatever the settings say.
pub const TEXT_BYTES_MAX: usize = 1 << 20;
/// Most relays a letter passes.
pub const HOPS_MAX: u8 = 4;
/// Most fragments of a letter.
pub const SHARDS_MAX: u8 = 128;
/// Longest time a letter is tried, seconds: so long readers keep their keys.
pub const TTL_S_MAX: u32 = 7 * 24 * 3600;
/// Longest name a writer gives a letter, bytes.
pub const KEY_BYTES_MAX: usize = 128;
/// How many letters are listed when nobody says how many.
const LIMIT: usize = 100;
/// Most letters listed at once; among so many the one that an id begins is looked for.
pub const LIMIT_MAX: usize = 10_000;
/// So many letters are pulled at a time, until there are enough of them.
const PORTION: usize = 8;
/// About how many bytes of letters one answer holds: with the last portion, and every byte escaped, still
/// fewer than the command line reads.
const INBOX_BYTES: usize = 2 << 20;

routes![push, letters, letter, inbox, acknowledge, relays];

/// `K/N`: so many fragments give the letter back, so many are sent.
pub fn shards(text: &str) -> Result<Shards, String> {
    let number =
        |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?;
    let parts = text.split_once('/').and_then(|(k, n)| Some((number(k)?, number(n)?)));
    match parts {
        Some((k, n)) if (1..=n).contains(&k) && n <= SHARDS_MAX => Ok(Shards { k, n }),
        _ => Err(format!("shards are K/N with 1 <= K <= N <= {SHARDS_MAX}, such as 3/5")),
    }
}

/// What the letter says, if it can be one.
fn body_of(asked: &mut AskPush) -> Result<Vec<u8>, Failure> {
    let remedy = "give exactly one of text and body_base64, and something in it";
    let body = match (asked.text.take(), asked.body_base64.take()) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(base64)) => BASE64.decode(base64.as_bytes()).map_err(|error| {
            Failure::usage(format!("body_base64 is no base64: {error}"), "RFC 4648, with padding")
        })?,
        _ => return Err(Failure::usage("a letter has one text", remedy)),
    };
    match body.len() {
        0 => Err(Failure::usage("the letter says nothing", remedy)),
        1..=TEXT_BYTES_MAX => Ok(body),
        bytes => {
            let why = format!("a letter has at most {TEXT_BYTES_MAX} bytes, this has {bytes}");
            Err(Failure::usage(why, "larger things are shared: node share"))
        }
    }
}

/// Sends a letter
///
/// Once it is answered, the letter is safe on the disk and tried until it is delivered or its time is up. The body
/// of this request may have a third more than others: 1 MiB of any bytes, in base64.
#[utoipa::path(post, path = "/api/v1/letters", tag = "letters", request_body = AskPush, responses(
    (status = 200, description = "it is safe here", body = Shaped<Pushed>),
    (status = 404, description = "nobody fits", body = Refusal),
    (status = 409, description = "several fit, or it was refused", body = Refusal),
))]
async fn push(context: web::Data<Context>, body: web::Json<AskPush>) -> Answer<Pushed> {
    let mut asked = body.into_inner();
    let body = body_of(&mut asked)?;
    let AskPush { to, hops, ttl_s, id: key, .. } = asked;
    if let Some(hops) = hops.filter(|hops| *hops > HOPS_MAX) {
        let why = format!("a letter passes at most {HOPS_MAX} relays, not {hops}");
        return Err(Failure::usage(why, "0 sends it straight to its reader"));
    }
    if ttl_s.is_some_and(|s| !(1..=TTL_S_MAX).contains(&s)) {
        let why = format!("a letter is tried for 1 to {TTL_S_MAX} seconds");
        return Err(Failure::usage(why, "leave ttl_s out for what the settings say"));
    }
    if key.as_ref().is_some_and(|key| !(1..=KEY_BYTES_MAX).contains(&key.len())) {
        let why = format!("the id that a writer gives has 1 to {KEY_BYTES_MAX} bytes");
        return Err(Failure::usage(why, "leave it out, and each letter is a new one"));
    }
    let shards = asked.shards.as_deref().map(shards).transpose();
    let shards = shards.map_err(|why| Failure::usage(why, "leave them out for one fragment"))?;
    let (reader, warning) = correspondents::reader(&context, &to).await?;
    if reader == context.facts.id {
        let (status, why) = (StatusCode::BAD_REQUEST, "it is addressed to this node itself");
        let remedy = "name another node: node peers lists them";
        return Err(Failure::new(status, Code::Usage, "cannot send that letter", why, remedy));
    }
    let message = Push(Draft { to: reader, body, key, hops, shards, ttl_s });
    let sent = ask("courier", &context.services.push, message).await?;
    let letter = done(&format!("cannot send a letter to {}", reader.short()), sent)?;
    let letter = shape(&context, &letter).await;
    answer(Pushed { letter, warnings: warning.into_iter().collect() })
}

/// Turns what the Courier refused into the answer.
fn done<T>(what: &str, result: Result<T, Refused>) -> Result<T, Failure> {
    result.map_err(|refused| Failure::refused(what, refused))
}

async fn shape(context: &Context, letter: &OutLetter) -> Letter {
    let names = Names::of(context, std::iter::once(letter.reader)).await;
    Letter::of(letter, names.label(&letter.reader))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Only those with this node: id, beginning of one, label, IP or `IP:port`.
    #[param(max_length = 256)]
    with: Option<String>,
    /// At most so many; 100 if there is none.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<usize>,
}

/// How many, if that is not too many.
fn bounded(limit: Option<usize>) -> Result<usize, Failure> {
    match limit.unwrap_or(LIMIT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        _ => Err(Failure::usage(format!("limit is 1 to {LIMIT_MAX}"), "ask for fewer")),
    }
}

async fn correspondent(context: &Context, who: Option<&str>) -> Result<Option<NodeId>, Failure> {
    match who {
        Some(who) => correspondents::with(context, who).await.map(Some),
        None => Ok(None),
    }
}

/// Letters sent from here, newest first, and all conversations
#[utoipa::path(get, path = "/api/v1/letters", tag = "letters", params(Which), responses(
    (status = 200, description = "what was sent, and with whom", body = Shaped<Letters>),
    (status = 404, description = "nobody fits", body = Refusal),
    (status = 409, description = "several fit, or they cannot be read", body = Refusal),
))]
async fn letters(context: web::Data<Context>, query: web::Query<Which>) -> Answer<Letters> {
    let limit = bounded(query.limit)?;
    let with = correspondent(&context, query.with.as_deref()).await?;
    let listed = ask("courier", &context.services.letters, LettersWanted { with, limit }).await?;
    let listed = done("cannot list the letters", listed)?;
    let readers = listed.sent.iter().map(|letter| letter.reader);
    let all = readers.chain(listed.conversations.iter().map(|c| c.with));
    let names = Names::of(&context, all).await;
    let conversation = |c| Conversation::of(c, names.label(&c.with));
    answer(Letters {
        letters: listed.sent.iter().map(|l| Letter::of(l, names.label(&l.reader))).collect(),
        conversations: listed.conversations.iter().map(conversation).collect(),
    })
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wait {
    /// Milliseconds to wait until it is in another state.
    #[serde(default)]
    #[param(maximum = 4000)]
    wait_ms: u64,
}

/// The end of a path that names a letter.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct Lettered {
    /// Its id, or the first 8 or more digits of it.
    #[param(pattern = "^[0-9a-fA-F]{8,32}$")]
    letter: String,
}

fn too_long(wait_ms: u64) -> Option<Failure> {
    let why = format!("wait_ms is at most {WAIT_MS_MAX}, this is {wait_ms}");
    (wait_ms > WAIT_MS_MAX).then(|| Failure::usage(why, "ask again when it has been answered"))
}

/// One letter that was sent from here, with the path it took
///
/// With `wait_ms`, once its state is another than when it was asked about. What is over is told at once.
#[utoipa::path(get, path = "/api/v1/letters/{letter}", tag = "letters", params(Lettered, Wait), responses(
    (status = 200, description = "what has become of it", body = Shaped<Letter>),
    (status = 404, description = "no letter fits", body = Refusal),
    (status = 409, description = "several fit, or it cannot be read", body = Refusal),
))]
async fn letter(
    context: web::Data<Context>,
    lettered: web::Path<Lettered>,
    query: web::Query<Wait>,
) -> Answer<Letter> {
    if let Some(failure) = too_long(query.wait_ms) {
        return Err(failure);
    }
    // From before the first look on: what happens between it and the wait is not lost.
    let mut news = News::from_now_on(&context);
    let mut now = find(&context, &lettered.letter).await?;
    let (before, until) = (now.state, Instant::now() + Duration::from_millis(query.wait_ms));
    let id = now.id;
    let turned =
        move |what: &Happened| matches!(what, Happened::Turned { id: of, .. } if *of == id);
    while !now.state.is_over() && now.state == before && news.tell_of(turned, until).await {
        now = one(&context, id).await?;
    }
    answer(shape(&context, &now).await)
}

/// What is told of letters, as one request follows it.
struct News<'a> {
    context: &'a Context,
    mail: watch::Receiver<Arc<MailView>>,
    /// The last that is known.
    seen: u64,
}

impl News<'_> {
    fn from_now_on(context: &Context) -> News<'_> {
        let mut mail = context.mail.clone();
        let seen = mail.borrow_and_update().news.back().map_or(0, |news| news.number);
        News { context, mail, seen }
    }

    /// Waits until something such may have happened. `false` if it has not in time, or the daemon shuts down.
    async fn tell_of(&mut self, such: impl Fn(&Happened) -> bool, until: Instant) -> bool {
        loop {
            let changed = tokio::select! {
                changed = timeout_at(until, self.mail.changed()) => changed,
                () = self.context.drain.wait() => return false,
            };
            if !matches!(changed, Ok(Ok(()))) {
                return false;
            }
            let view = self.mail.borrow_and_update().clone();
            let after = std::mem::replace(&mut self.seen, view.news.back().map_or(0, |n| n.number));
            // Where some are not kept any more, or are counted anew, it may have been among them.
            let gap = view.news.front().is_some_and(|first| first.number > after + 1);
            let new = view.news.iter().filter(|news| news.number > after);
            if gap || self.seen < after || new.into_iter().any(|news| such(&news.what)) {
                return true;
            }
        }
    }
}

async fn one(context: &Context, id: LetterId) -> Result<OutLetter, Failure> {
    let found = ask("courier", &context.services.letter, LetterWanted(id)).await?;
    let found = done("cannot look at that letter", found)?;
    found.ok_or_else(|| unknown(&id.to_string(), "it was not sent from here, or is forgotten"))
}

fn unknown(text: &str, why: &str) -> Failure {
    let what = format!("there is no letter {text}");
    let status = StatusCode::NOT_FOUND;
    Failure::new(status, Code::NotFound, what, why, "node letters lists those sent from here")
}

/// The letter that a text names: a whole id, or what only one of the last ten thousand begins with.
async fn find(context: &Context, text: &str) -> Result<OutLetter, Failure> {
    if let Ok(id) = text.parse() {
        return one(context, id).await;
    }
    let prefix = text.to_ascii_lowercase();
    if prefix.len() < PREFIX_DIGITS_MIN || !prefix.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Failure::usage(
            format!("\"{text}\" is not the id of a letter"),
            "name it by its id: the first 8 digits do, if no other begins so",
        ));
    }
    let wanted = LettersWanted { with: None, limit: LIMIT_MAX };
    let listed = ask("courier", &context.services.letters, wanted).await?;
    let mut sent = done("cannot look at that letter", listed)?.sent;
    sent.retain(|letter| letter.id.to_string().starts_with(&prefix));
    match sent.len() {
        0 => Err(unknown(text, "none of the last 10000 that were sent from here begins so")),
        1 => Ok(sent.remove(0)),
        _ => {
            let names = Names::of(context, sent.iter().map(|letter| letter.reader)).await;
            let fits = sent.iter().map(|l| (l.id.to_string(), names.label(&l.reader)));
            Err(Failure::which_letter(text, fits.collect()))
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AskInbox {
    /// Only those from this node: id, beginning of one, label, IP or `IP:port`.
    #[param(max_length = 256)]
    with: Option<String>,
    /// Only look: also at those that were shown before, and lend nothing.
    #[serde(default)]
    peek: bool,
    /// Only those whose `seq` is above this.
    #[serde(default)]
    #[param(format = "uint64")]
    after: u64,
    /// At most so many; 100 if there is none.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<usize>,
    /// Milliseconds to wait until there is something to show.
    #[serde(default)]
    #[param(maximum = 4000)]
    wait_ms: u64,
}

/// Letters that came, oldest first
///
/// Unless they are only peeked at, they are lent: for 30 s nobody else is given them. Who has shown them says so with
/// `inbox/ack`; without that they come again.
#[utoipa::path(get, path = "/api/v1/inbox", tag = "letters", params(AskInbox), responses(
    (status = 200, description = "some, or none", body = Shaped<Inbox>),
    (status = 404, description = "nobody fits", body = Refusal),
    (status = 409, description = "several fit, or they cannot be read", body = Refusal),
))]
async fn inbox(context: web::Data<Context>, query: web::Query<AskInbox>) -> Answer<Inbox> {
    if let Some(failure) = too_long(query.wait_ms) {
        return Err(failure);
    }
    let limit = bounded(query.limit)?;
    let with = correspondent(&context, query.with.as_deref()).await?;
    let until = Instant::now() + Duration::from_millis(query.wait_ms);
    let mut news = News::from_now_on(&context);
    let came = move |what: &Happened| match what {
        Happened::Came { from, .. } => with.is_none_or(|with| with == *from),
        Happened::Turned { .. } => false,
    };
    let mut letters = pull(&context, with, &query, limit).await?;
    while letters.is_empty() && news.tell_of(came, until).await {
        letters = pull(&context, with, &query, limit).await?;
    }
    let names = Names::of(&context, letters.iter().map(|letter| letter.from)).await;
    let shown = letters.into_iter().map(|letter| {
        let label = names.label(&letter.from);
        Received::of(letter, label)
    });
    answer(Inbox { letters: shown.collect(), unread: context.mail.borrow().unread })
}

/// A portion after the other: what one answer cannot hold is not lent to it.
async fn pull(
    context: &Context,
    with: Option<NodeId>,
    query: &AskInbox,
    limit: usize,
) -> Result<Vec<InLetter>, Failure> {
    let (mut all, mut bytes): (Vec<InLetter>, usize) = (Vec::new(), 0);
    while all.len() < limit && bytes < INBOX_BYTES {
        let after = all.last().map_or(query.after, |last| last.seq);
        let portion = PORTION.min(limit - all.len());
        let message = Pull { with, peek: query.peek, after, limit: portion };
        let pulled = ask("courier", &context.services.pull, message).await?;
        let pulled = done("cannot look into the inbox", pulled)?;
        bytes += pulled.iter().map(|letter| letter.body.len()).sum::<usize>();
        let last = pulled.len() < portion;
        all.extend(pulled);
        if last {
            break;
        }
    }
    Ok(all)
}

/// Says that somebody has been shown letters that came
///
/// Their senders are told, unless the settings say no.
#[utoipa::path(post, path = "/api/v1/inbox/ack", tag = "letters", request_body = AskAcknowledge, responses(
    (status = 200, description = "how many were unread until now", body = Shaped<Acknowledged>),
    (status = 409, description = "it cannot be kept", body = Refusal),
))]
async fn acknowledge(
    context: web::Data<Context>,
    body: web::Json<AskAcknowledge>,
) -> Answer<Acknowledged> {
    let seen = body.letters.iter().map(|Came { id, from }| (from.0, id.0)).collect();
    let acknowledged = ask("courier", &context.services.acknowledge, Acknowledge(seen)).await?;
    let what = "cannot remember which letters were shown";
    answer(Acknowledged { acknowledged: done(what, acknowledged)? })
}

/// Who could pass letters on and who keeps ours, what was passed on and dropped
#[utoipa::path(get, path = "/api/v1/relays", tag = "letters", responses(
    (status = 200, description = "every other node that is alive, as a relay", body = Shaped<Relays>),
))]
async fn relays(context: web::Data<Context>) -> Answer<Relays> {
    let relays = ask("courier", &context.services.relays, RelaysWanted).await?;
    let ids = relays.nodes.iter().map(|row| row.id).chain(relays.mailboxes.iter().copied());
    let names = Names::of(&context, ids.collect::<Vec<_>>().into_iter()).await;
    answer(Relays::of(relays, |id| names.label(id)))
}
