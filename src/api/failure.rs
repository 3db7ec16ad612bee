//! What the API answers when it cannot do what was asked: a status, and an error a person can act on.

use std::fmt;

use actix::MailboxError;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError, error::JsonPayloadError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::guard::harden;
use super::shapes::Shaped;
use super::which::WhichError;
use super::who::WhoError;
use crate::actors::messages::Refused;
use crate::pieces::FileId;

/// Most letters listed that could be meant.
const CANDIDATES_MAX: usize = 8;

/// What went wrong, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request itself is wrong.
    Usage,
    /// No token, the wrong one, or a page of another origin.
    Denied,
    /// No such node or route.
    NotFound,
    /// Several nodes fit.
    Ambiguous,
    /// Understood, and not done.
    Refused,
    /// Not ready, or shutting down.
    Unavailable,
    /// Not answered in time; it may still happen.
    Timeout,
    /// A mistake of the daemon; also what a newer daemon's unknown codes are read as.
    #[serde(other)]
    Internal,
}

/// The error itself, as it travels in `error`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// For programs.
    pub code: Code,
    /// What did not happen.
    pub what: String,
    /// Why; may hold text of peers, hostile until escaped.
    pub why: String,
    /// What to do instead.
    #[serde(rename = "try")]
    pub remedy: String,
    /// The nodes (or files) that fit, when several do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
}

/// A node (or a file) that could have been meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Candidate {
    /// The 64 hex digits of its id.
    pub id: String,
    /// Its label (or name), hostile text until escaped.
    pub label: String,
}

/// The body of every answer that is not 200.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// The error.
    pub error: Problem,
}

/// What [`Failure`] answers, for the documentation of the API.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is shown, never made: a Failure writes the same")]
pub struct Refusal {
    /// The version of the shape, always 1.
    #[schema(minimum = 1, maximum = 1)]
    schema: u32,
    /// What went wrong, and what to do.
    error: Problem,
}

/// A [`Problem`] with its HTTP status.
#[derive(Clone, Debug)]
pub struct Failure {
    status: StatusCode,
    problem: Problem,
}

impl Failure {
    /// A failure with all its words.
    pub fn new(
        status: StatusCode,
        code: Code,
        what: impl Into<String>,
        why: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Failure {
        let (what, why, remedy) = (what.into(), why.into(), remedy.into());
        Failure { status, problem: Problem { code, what, why, remedy, candidates: Vec::new() } }
    }

    /// The same with another word on what to do.
    pub fn trying(mut self, remedy: impl Into<String>) -> Failure {
        self.problem.remedy = remedy.into();
        self
    }

    /// The request is wrong: 400.
    pub fn usage(why: impl Into<String>, remedy: &str) -> Failure {
        Failure::new(StatusCode::BAD_REQUEST, Code::Usage, "cannot read the request", why, remedy)
    }

    /// The text does not name one node: 404 or 409.
    pub fn who(text: &str, error: WhoError) -> Failure {
        let what = format!("cannot tell who \"{text}\" is");
        let mut failure = match &error {
            WhoError::Nobody => Failure::new(
                StatusCode::NOT_FOUND,
                Code::NotFound,
                what,
                error.to_string(),
                "node peers lists everyone known",
            ),
            WhoError::Ambiguous(_) => Failure::new(
                StatusCode::CONFLICT,
                Code::Ambiguous,
                what,
                error.to_string(),
                "name it by its id: the first 8 digits do, if no other id begins so",
            ),
        };
        failure.problem.candidates = error
            .candidates()
            .into_iter()
            .map(|(label, id)| Candidate { id: id.to_string(), label })
            .collect();
        failure
    }

    /// The text does not name one file: 404 or 409.
    pub fn which(text: &str, error: WhichError) -> Failure {
        let what = format!("cannot tell which file \"{text}\" is");
        let why = error.to_string();
        match error {
            WhichError::None => {
                let remedy = "node pieces lists all that are known here";
                Failure::new(StatusCode::NOT_FOUND, Code::NotFound, what, why, remedy)
            }
            WhichError::Ambiguous { fits, .. } => {
                let remedy = "name it by its id: the first 8 digits do, if no other id begins so";
                let mut failure =
                    Failure::new(StatusCode::CONFLICT, Code::Ambiguous, what, why, remedy);
                let candidate =
                    |(label, file): (String, FileId)| Candidate { id: file.to_string(), label };
                failure.problem.candidates = fits.into_iter().map(candidate).collect();
                failure
            }
        }
    }

    /// Several letters begin so: 409. `fits` are their ids, and the labels of their readers.
    pub fn which_letter(text: &str, fits: Vec<(String, String)>) -> Failure {
        let what = format!("cannot tell which letter \"{text}\" is");
        let (status, why) = (StatusCode::CONFLICT, format!("{} letters begin so", fits.len()));
        let mut failure =
            Failure::new(status, Code::Ambiguous, what, why, "write more digits of its id");
        let fits = fits.into_iter().take(CANDIDATES_MAX);
        failure.problem.candidates = fits.map(|(id, label)| Candidate { id, label }).collect();
        failure
    }

    /// Understood and not done: 409.
    pub fn refused(what: &str, refused: Refused) -> Failure {
        Failure::new(StatusCode::CONFLICT, Code::Refused, what, refused.why, "")
    }

    /// An actor did not answer: 503.
    pub fn mailbox(service: &str, error: MailboxError) -> Failure {
        let (code, why) = match error {
            MailboxError::Closed => {
                (Code::Unavailable, format!("the {service} is being started again"))
            }
            MailboxError::Timeout => {
                (Code::Timeout, format!("the {service} did not answer in time"))
            }
        };
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Failure::new(status, code, "no answer from inside the daemon", why, "ask again in a moment")
    }

    /// The whole request took too long: 503.
    pub fn slow() -> Failure {
        Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Code::Timeout,
            "gave up waiting",
            "the request was not done within 5 seconds; it may still happen",
            "node status and node peers show what came of it",
        )
    }

    /// The daemon is shutting down: 503.
    pub fn stopping() -> Failure {
        Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Code::Unavailable,
            "not taking requests any more",
            "the daemon is shutting down",
            "start it again",
        )
    }

    /// Asked with a method that is not the route's: 405. `allowed` are those that are.
    pub fn method(allowed: &str) -> Failure {
        let (status, why) = (StatusCode::METHOD_NOT_ALLOWED, "this route answers another method");
        Failure::new(status, Code::Usage, "not done", why, format!("ask with {allowed}"))
    }

    /// The body is wrong: 400, 413 or 415.
    pub fn body(error: &JsonPayloadError) -> Failure {
        let remedy = "send one JSON object, at most 1 MiB; a letter's may have a third more";
        let mut failure = Failure::usage(error.to_string(), remedy);
        failure.status = match error {
            JsonPayloadError::Overflow { .. } | JsonPayloadError::OverflowKnownLength { .. } => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            JsonPayloadError::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            _ => StatusCode::BAD_REQUEST,
        };
        failure
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.problem.what, self.problem.why)
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let body = Shaped::new(ErrorBody { error: self.problem.clone() });
        let mut response = HttpResponse::build(self.status).json(body);
        harden(response.headers_mut());
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
