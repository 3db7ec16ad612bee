//! Who may ask: checked once, before any route is looked at.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpMessage;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::http::header::{
    AUTHORIZATION, AsHeaderName, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, HOST,
    HeaderMap, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError, web};
use subtle::ConstantTimeEq;
use tokio::sync::watch;

use super::failure::{Code, Failure};
use super::page;
use super::server::Context;
use super::session::SESSION;

/// Longest body, bytes.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Longest body of a letter to send, bytes: its text may have 1 MiB of any bytes, which base64 makes a third
/// longer, and a few words stand beside it. Only that route takes so much.
pub const LETTER_BODY_BYTES_MAX: usize = (1 << 20) * 4 / 3 + 8 * 1024;
/// The path of that route.
const LETTERS: &str = "/api/v1/letters";
/// Longest time from the head of a request to its answer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The only paths of the API that need no token, but for the one that lets a browser in.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// The secret a caller must show. Never printed.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// The token with this text (the content of `control.token`, blanks around it left out).
    pub fn new(text: &str) -> Token {
        Token(text.trim().to_owned())
    }

    /// Whether `shown` is this token; takes as long whichever digit is wrong. An empty token fits nothing.
    fn fits(&self, shown: &[u8]) -> bool {
        !self.0.is_empty() && bool::from(self.0.as_bytes().ct_eq(shown))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

/// Says to the API that the daemon is shutting down: from then on it answers 503.
#[derive(Clone, Debug)]
pub struct Drain(Arc<watch::Sender<bool>>);

impl Default for Drain {
    fn default() -> Drain {
        Drain(Arc::new(watch::Sender::new(false)))
    }
}

impl Drain {
    /// Begins to refuse; cannot be undone.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Whether it has begun.
    pub fn begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends when it has begun.
    pub async fn wait(&self) {
        // The sender is ours, so that waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|begun| *begun).await;
    }
}

/// The names a request may call us by. A page that made its own name lead to our address (DNS rebinding)
/// sends that name, and is found out.
#[derive(Clone, Debug)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// The loopback names with the port of `addr`, and `addr` itself.
    pub fn of(addr: SocketAddr) -> Hosts {
        let port = addr.port();
        let names = ["127.0.0.1", "[::1]", "localhost"];
        let mut hosts: Vec<String> = names.iter().map(|n| format!("{n}:{port}")).collect();
        hosts.push(addr.to_string());
        Hosts(hosts)
    }

    fn has_host(&self, host: &str) -> bool {
        self.0.iter().any(|ours| ours.eq_ignore_ascii_case(host))
    }

    fn has_origin(&self, origin: &str) -> bool {
        origin.strip_prefix("http://").is_some_and(|host| self.has_host(host))
    }
}

/// Lets a request through, or answers why not; bounds its time; sets the headers every answer has.
pub async fn guard(
    context: web::Data<Context>,
    req: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let shown = match admit(&context, &req) {
        Ok(shown) => shown,
        Err(failure) => {
            log::debug!("refused {} {}: {failure}", req.method(), req.path());
            let mut refused = failure.error_response();
            refused.head_mut().set_connection_type(ConnectionType::Close);
            return Ok(req.into_response(refused));
        }
    };
    let stranger = !shown.token && shown.session.is_none();
    req.extensions_mut().insert(shown);
    let answer = actix_web::rt::time::timeout(REQUEST_TIMEOUT, next.call(req)).await;
    let mut response = answer.map_err(|_| Failure::slow())??;
    harden(response.headers_mut());
    // Who has shown nothing keeps no connection from others.
    if stranger {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}

/// What a request has shown to be let in; neither for what is open to all.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// The token.
    pub token: bool,
    /// Both halves of a session: its cookie.
    pub session: Option<String>,
}

/// Headers of every answer: nothing is sniffed, cached, framed, run or embedded elsewhere, unless the page says
/// more exactly what it needs.
pub fn harden(headers: &mut HeaderMap) {
    let set: [(HeaderName, &str); 5] = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in set {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// The rules, in order; the first that is broken answers.
fn admit(context: &Context, req: &ServiceRequest) -> Result<Shown, Failure> {
    if !only(req.headers(), HOST).is_some_and(|host| context.hosts.has_host(host)) {
        return Err(Failure::new(
            StatusCode::MISDIRECTED_REQUEST,
            Code::Denied,
            "this is not the place you asked for",
            "the Host header does not name this daemon's loopback address and port",
            "ask 127.0.0.1, [::1] or localhost, with the port in control.addr",
        ));
    }
    let foreign = req.headers().contains_key(ORIGIN)
        && !only(req.headers(), ORIGIN).is_some_and(|origin| context.hosts.has_origin(origin));
    if foreign {
        let why = "the request comes from a web page of another origin";
        return Err(denied(StatusCode::FORBIDDEN, why));
    }
    if OPEN.contains(&req.path()) || page::is_page(req.method(), req.path()) {
        return Ok(Shown::default());
    }
    let begins = req.path() == SESSION && req.method() == Method::POST;
    let token = only(req.headers(), AUTHORIZATION).and_then(bearer);
    let shown = Shown {
        token: token.is_some_and(|token| context.facts.token.fits(token.as_bytes())),
        session: context.sessions.shown(req.request(), context.addr.port()),
    };
    if !begins && !shown.token && shown.session.is_none() {
        let why = "the request carries no token of this daemon";
        return Err(denied(StatusCode::UNAUTHORIZED, why));
    }
    if context.drain.begun() {
        return Err(Failure::stopping());
    }
    let length = only(req.headers(), CONTENT_LENGTH).and_then(|l| l.parse::<u64>().ok());
    let limit = if req.path() == LETTERS { LETTER_BODY_BYTES_MAX } else { BODY_BYTES_MAX };
    if length.is_some_and(|bytes| bytes > limit as u64) {
        return Err(Failure::body(&actix_web::error::JsonPayloadError::Overflow { limit }));
    }
    Ok(shown)
}

/// The token of `Bearer TOKEN`; the scheme may be written in any case (RFC 9110, 11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

fn denied(status: StatusCode, why: &str) -> Failure {
    let remedy = "send Authorization: Bearer with the content of control.token";
    Failure::new(status, Code::Denied, "not allowed", why, remedy)
}

/// The header's value, if it was sent exactly once.
pub(super) fn only(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}
