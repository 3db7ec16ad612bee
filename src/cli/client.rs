//! Asking the control API.

mod stream;

use std::io::{BufReader, ErrorKind};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::Response;
use ureq::{Agent, Body, BodyReader, Error};

pub use stream::{Event, Events};

use super::daemon::{Daemon, no_daemon};
use super::trouble::{Exit, Trouble};
use crate::api::failure::ErrorBody;

/// Longest time for one question; a little more than the daemon gives itself.
const ASK_TIMEOUT: Duration = Duration::from_secs(6);
/// Longest silence of a stream of events; the daemon tells its status every two seconds.
const SILENCE_MAX: Duration = Duration::from_secs(25);
/// Longest answer, bytes; a graph of ten thousand nodes is a tenth of it.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
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

    /// What happens, from now on, as `GET events` tells it.
    pub fn events(&self) -> Result<Events<BufReader<BodyReader<'static>>>, Trouble> {
        self.events_within(SILENCE_MAX)
    }

    /// As [`events`](Self::events); a silence longer than `silence` ends them.
    fn events_within(
        &self,
        silence: Duration,
    ) -> Result<Events<BufReader<BodyReader<'static>>>, Trouble> {
        let request = self.agent.get(self.url("events")).header("authorization", self.bearer());
        let request =
            request.config().timeout_global(None).timeout_recv_response(Some(ASK_TIMEOUT));
        let answer = request.timeout_per_read(Some(silence)).build().call();
        let (_, body) = self.good(answer)?.into_parts();
        Ok(Events::new(BufReader::new(body.into_reader())))
    }

    /// The events that the stream begins with, up to `whole`, for at most `wait`. Less, or nothing, where that fails.
    pub fn first_events(&self, wait: Duration) -> Vec<Event> {
        let begun = Instant::now();
        let events = self.events_within(wait).into_iter().flatten().map_while(Result::ok);
        events.take_while(|e| e.name != "whole" && begun.elapsed() < wait).collect()
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
        self.body(self.good(answer)?)
    }

    fn body(&self, mut response: Response<Body>) -> Result<String, Trouble> {
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        body.map_err(|error| self.silent(&error))
    }

    /// An answer whose body is what was asked for.
    fn good(&self, answer: Result<Response<Body>, Error>) -> Result<Response<Body>, Trouble> {
        let response = answer.map_err(|error| self.silent(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let body = self.body(response)?;
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
pub mod tests;
