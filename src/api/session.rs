//! Letting a browser in: a link with a key that works once, exchanged for a session.
//!
//! A session has two halves, and both must be shown: a cookie no script can read, and a page key the page sends in a
//! header. Cookies know no ports, so the cookie alone would be sent to whatever else listens on this machine's
//! loopback addresses; the page key is kept where only pages of this very port can read it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use data_encoding::BASE32_NOPAD;
use subtle::{Choice, ConstantTimeEq};

use super::asks::{AskSession, Link, Session};
use super::failure::{Code, Failure};
use super::guard::only;
use super::read::{Answer, answer};
use super::routes::routes;
use super::server::Context;
use super::shapes::{HexId, Shaped};
use crate::store::secret;

/// The header with the page key.
pub const PAGE_HEADER: &str = "x-kith-page";
/// Where a key is exchanged for a session by POST, which needs no token, and one is ended by DELETE.
pub const SESSION: &str = "/api/v1/session";
/// Most keys that wait to be used; the oldest makes room.
pub const KEYS_MAX: usize = 64;
/// How long a key works.
pub const KEY_LIFE: Duration = Duration::from_secs(600);
/// Most sessions; the one not used for longest makes room.
pub const SESSIONS_MAX: usize = 32;
/// How long a session lives that is not used.
pub const SESSION_LIFE: Duration = Duration::from_secs(12 * 3600);

/// Who was let in, and who may be.
#[derive(Default)]
pub struct Sessions(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    keys: VecDeque<(String, Instant)>,
    sessions: VecDeque<Open>,
}

struct Open {
    cookie: String,
    page: String,
    used: Instant,
}

fn fits(ours: &str, shown: &str) -> Choice {
    ours.as_bytes().ct_eq(shown.as_bytes())
}

/// 128 bits of chance as 26 letters and digits.
fn draw() -> Result<String, Failure> {
    let chance = secret().map_err(|error| {
        let why = format!("the system gives no chance: {error}");
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, "no key", why, "ask again")
    })?;
    Ok(BASE32_NOPAD.encode(&chance[..16]).to_ascii_lowercase())
}

impl Sessions {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new key for a link.
    fn key(&self, now: Instant) -> Result<String, Failure> {
        let key = draw()?;
        let mut inner = self.inner();
        if inner.keys.len() >= KEYS_MAX {
            inner.keys.pop_front();
        }
        inner.keys.push_back((key.clone(), now));
        Ok(key)
    }

    /// Exchanges a key, which then works no more, for the cookie and the page key of a new session; nothing if it
    /// does not fit.
    fn begin(&self, key: &str, now: Instant) -> Result<Option<(String, String)>, Failure> {
        let mut inner = self.inner();
        inner.keys.retain(|(_, since)| now.duration_since(*since) < KEY_LIFE);
        let Some(at) = inner.keys.iter().position(|(ours, _)| fits(ours, key).into()) else {
            return Ok(None);
        };
        let (cookie, page) = (draw()?, draw()?);
        inner.keys.remove(at);
        if inner.sessions.len() >= SESSIONS_MAX {
            inner.sessions.pop_front();
        }
        inner.sessions.push_back(Open { cookie: cookie.clone(), page: page.clone(), used: now });
        Ok(Some((cookie, page)))
    }

    /// Whether both halves are those of one session; it lives on from now.
    fn knows(&self, cookie: &str, page: &str, now: Instant) -> bool {
        self.use_one(now, |s| (fits(&s.cookie, cookie) & fits(&s.page, page)).into())
    }

    /// Uses a session: it stands last now, and the one that stands first makes room.
    fn use_one(&self, now: Instant, is: impl Fn(&Open) -> bool) -> bool {
        let mut inner = self.inner();
        inner.sessions.retain(|s| now.duration_since(s.used) < SESSION_LIFE);
        let at = inner.sessions.iter().position(is);
        let Some(session) = at.and_then(|at| inner.sessions.remove(at)) else { return false };
        inner.sessions.push_back(Open { used: now, ..session });
        true
    }

    /// Ends the session of a cookie.
    fn end(&self, cookie: &str) {
        self.inner().sessions.retain(|s| !bool::from(fits(&s.cookie, cookie)));
    }

    /// Whether the session of a cookie has not ended; it lives on from now.
    pub fn is_open(&self, cookie: &str, now: Instant) -> bool {
        self.use_one(now, |s| fits(&s.cookie, cookie).into())
    }

    /// The cookie of the session both halves of which a request shows; `port` is ours.
    pub fn shown(&self, request: &HttpRequest, port: u16) -> Option<String> {
        let page = only(request.headers(), PAGE_HEADER)?;
        let now = Instant::now();
        cookies(request, port).into_iter().find(|cookie| self.knows(cookie, page, now))
    }
}

/// Several daemons on one machine are told apart by their ports.
fn cookie_name(port: u16) -> String {
    format!("kith-{port}")
}

/// The cookies by the name of ours: whatever else listens on this machine may have set one, too.
fn cookies(request: &HttpRequest, port: u16) -> Vec<String> {
    let name = cookie_name(port);
    // A header that cannot be read has none of ours.
    let all = request.cookies().map(|all| all.clone()).unwrap_or_default();
    let ours = all.into_iter().filter(|cookie| cookie.name() == name);
    ours.map(|cookie| cookie.value().to_owned()).collect()
}

routes![session_link, begin_session, end_session];

/// Make a link that lets one browser in, once
#[utoipa::path(post, path = "/api/v1/session/link", tag = "page", responses(
    (status = 200, description = "the link", body = Shaped<Link>),
))]
async fn session_link(context: web::Data<Context>) -> Answer<Link> {
    let key = context.sessions.key(Instant::now())?;
    let url = format!("http://{}/#{key}", context.addr);
    answer(Link { url, expires_s: KEY_LIFE.as_secs() })
}

/// Exchange the key of a link for a session
///
/// Needs no token. What stands behind the `#` of the link works once. The answer sets a cookie and gives the page key,
/// which are to be sent together from then on.
#[utoipa::path(post, path = "/api/v1/session", tag = "page", security(()), request_body = AskSession, responses(
    (status = 200, description = "let in", body = Shaped<Session>),
))]
async fn begin_session(
    context: web::Data<Context>,
    ask: web::Json<AskSession>,
) -> Result<HttpResponse, Failure> {
    let Some((cookie, page_key)) = context.sessions.begin(&ask.key, Instant::now())? else {
        return Err(Failure::new(
            StatusCode::UNAUTHORIZED,
            Code::Denied,
            "not let in",
            "this link was used already, is older than ten minutes, or is of an earlier run of the daemon",
            "node open prints a new one",
        ));
    };
    let cookie = Cookie::build(cookie_name(context.addr.port()), cookie)
        .path("/api/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .finish();
    let facts = &context.facts;
    let session = Session { page_key, id: HexId(facts.id), label: facts.label.clone() };
    Ok(HttpResponse::Ok().cookie(cookie).json(Shaped::new(session)))
}

/// End the session of the cookie that is shown
#[utoipa::path(delete, path = "/api/v1/session", tag = "page", responses(
    (status = 204, description = "ended; its streams end, too"),
))]
async fn end_session(context: web::Data<Context>, request: HttpRequest) -> HttpResponse {
    for cookie in cookies(&request, context.addr.port()) {
        context.sessions.end(&cookie);
    }
    HttpResponse::NoContent().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn let_in(sessions: &Sessions, now: Instant) -> (String, String) {
        let key = sessions.key(now).unwrap();
        sessions.begin(&key, now).unwrap().expect("a fresh key fits")
    }

    #[test]
    fn a_key_works_once_and_not_for_ever() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let key = sessions.key(now).unwrap();
        assert_eq!(key.len(), 26);
        assert!(sessions.begin(&key, now).unwrap().is_some());
        assert!(sessions.begin(&key, now).unwrap().is_none(), "used");
        let key = sessions.key(now).unwrap();
        assert!(sessions.begin(&key[1..], now).unwrap().is_none());
        assert!(sessions.begin("", now).unwrap().is_none());
        assert!(sessions.begin(&key, now + KEY_LIFE).unwrap().is_none(), "too old");
    }

    #[test]
    fn both_halves_of_one_session_are_needed() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let (one, other) = (let_in(&sessions, now), let_in(&sessions, now));
        assert!(sessions.knows(&one.0, &one.1, now) && sessions.knows(&other.0, &other.1, now));
        assert!(!sessions.knows(&one.0, &other.1, now) && !sessions.knows(&one.0, "", now));
        sessions.end(&one.0);
        assert!(!sessions.knows(&one.0, &one.1, now) && sessions.knows(&other.0, &other.1, now));
        assert!(!sessions.is_open(&one.0, now) && sessions.is_open(&other.0, now));
        assert!(!sessions.knows(&other.0, &other.1, now + SESSION_LIFE));
    }

    #[test]
    fn keys_and_sessions_are_bounded() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let first = sessions.key(now).unwrap();
        for _ in 0..KEYS_MAX {
            sessions.key(now).unwrap();
        }
        assert!(sessions.begin(&first, now).unwrap().is_none(), "it made room");
        let [idle, busy, read] = [(); 3].map(|()| let_in(&sessions, now));
        for _ in 3..SESSIONS_MAX + 1 {
            let_in(&sessions, now);
            assert!(sessions.knows(&busy.0, &busy.1, now) && sessions.is_open(&read.0, now));
        }
        assert!(!sessions.knows(&idle.0, &idle.1, now));
        assert_eq!(sessions.inner().sessions.len(), SESSIONS_MAX);
    }
}
