//! Asking the control API.

use std::io::{BufRead, BufReader, ErrorKind};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body, Error};

use super::daemon::{Daemon, no_daemon};
use super::trouble::{Exit, Trouble};
use crate::api::failure::ErrorBody;

/// Longest time for one question; a little more than the daemon gives itself.
const ASK_TIMEOUT: Duration = Duration::from_secs(6);
/// Longest answer, bytes; a graph of ten thousand nodes is a tenth of it.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Most bytes read of what the event stream begins with.
const EVENTS_BYTES_MAX: u64 = 4 << 20;
/// Longest time a daemon takes to stop, and a little more.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);

/// Asks one daemon.
pub struct Client {
    agent: Agent,
    daemon: Daemon,
}

impl Client {
    /// Will ask this one.
    pub fn to(daemon: Daemon) -> Client {
        let config = Agent::config_builder()
            .timeout_global(Some(ASK_TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            // A proxy in the environment is meant for the world, not for this machine.
            .proxy(None);
        Client { agent: config.build().new_agent(), daemon }
    }

    /// The text a GET of `/api/v1/<path>` answers.
    pub fn text(&self, path: &str) -> Result<String, Trouble> {
        let request = self.agent.get(self.url(path)).header("authorization", self.bearer());
        self.finish(request.call())
    }

    /// The shape a GET answers.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        parse(&self.text(path)?)
    }

    /// The text a POST of `body` answers.
    pub fn post_text(&self, path: &str, body: &impl Serialize) -> Result<String, Trouble> {
        let request = self.agent.post(self.url(path)).header("authorization", self.bearer());
        self.finish(request.send_json(body))
    }

    /// The shape a POST of `body` answers.
    pub fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Trouble> {
        parse(&self.post_text(path, body)?)
    }

    /// What the event stream begins with: up to the event `whole`, for at most `wait`. Less, or nothing, where
    /// that fails.
    pub fn first_events(&self, wait: Duration) -> Vec<(String, Value)> {
        let request = self.agent.get(self.url("events")).header("authorization", self.bearer());
        let answer = request.config().timeout_global(Some(wait)).build().call();
        let Ok(answer) = answer else { return Vec::new() };
        let body = answer.into_body().into_with_config().limit(EVENTS_BYTES_MAX).reader();
        let (mut events, mut event) = (Vec::new(), String::new());
        for line in BufReader::new(body).lines().map_while(Result::ok) {
            match (line.strip_prefix("event: "), line.strip_prefix("data: ")) {
                (Some("whole"), _) => break,
                (Some(name), _) => event = name.to_owned(),
                (_, Some(data)) => {
                    events
                        .extend(serde_json::from_str(data).ok().map(|data| (event.clone(), data)));
                }
                _ => {}
            }
        }
        events
    }

    /// Waits until the daemon is gone.
    pub fn wait_for_end(&self) -> Result<(), Trouble> {
        let begun = Instant::now();
        while TcpStream::connect_timeout(&self.daemon.addr, ASK_TIMEOUT).is_ok() {
            if begun.elapsed() > STOP_TIMEOUT {
                let why = "it said it would stop, and still listens after 8 seconds".into();
                let remedy = "its log says what it waits for";
                return Err(Trouble::new(Exit::TimedOut, "the daemon still runs", why, remedy));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/api/v1/{path}", self.daemon.addr)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.daemon.token)
    }

    fn finish(&self, answer: Result<Response<Body>, Error>) -> Result<String, Trouble> {
        let mut response = answer.map_err(|error| self.silent(&error))?;
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let body = body.map_err(|error| self.silent(&error))?;
        if response.status().is_success() {
            return Ok(body);
        }
        match serde_json::from_str::<ErrorBody>(&body) {
            Ok(told) => Err(Trouble::told(told.error)),
            Err(_) => Err(no_daemon(
                &format!("something else answers on {}", self.daemon.addr),
                &self.daemon.start,
            )),
        }
    }

    /// The daemon did not answer at all.
    fn silent(&self, error: &Error) -> Trouble {
        let addr = self.daemon.addr;
        match error {
            Error::Timeout(_) => {
                let why = format!("{addr} did not answer within 6 seconds");
                Trouble::new(Exit::TimedOut, "gave up waiting", why, "ask again in a moment")
            }
            Error::Io(io) if io.kind() == ErrorKind::TimedOut => {
                let why = format!("{addr} did not answer");
                Trouble::new(Exit::TimedOut, "gave up waiting", why, "ask again in a moment")
            }
            Error::Io(_) | Error::ConnectionFailed => {
                no_daemon(&format!("{addr}: {error}"), &self.daemon.start)
            }
            other => Trouble::new(Exit::Internal, "cannot ask", other.to_string(), ""),
        }
    }
}

/// Reads an answer that should have this shape.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Trouble> {
    serde_json::from_str(text).map_err(|error| {
        let remedy = "see that this program and the daemon are of the same version";
        Trouble::new(Exit::Internal, "cannot read the answer", error.to_string(), remedy)
    })
}

/// One segment of a path, percent-encoded.
pub fn segment(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => out.push(byte.into()),
            byte => out += &format!("%{byte:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests;
