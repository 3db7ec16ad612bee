//! The log of the process: who is heard and how a line looks, both changeable while it runs, and the last
//! lines for those who look at the daemon from outside.
//!
//! Knows the `log` crate and standard error; must not know any other room.

mod writer;

use std::collections::VecDeque;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use env_logger::fmt::Formatter;
use env_logger::{Target, WriteStyle};
use log::kv::{Error, Key, Value, VisitSource};
use log::{Level, LevelFilter, Log, Metadata, Record};
use serde_json::Map;
use tokio::sync::watch;
use writer::Writer;

/// Most lines kept for those who look.
pub const LINES_MAX: usize = 256;
/// Longest text of a kept line, bytes; a longer one is cut.
const TEXT_BYTES_MAX: usize = 2048;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line, with the record's own fields beside time, level, target and message.
    Json,
}

/// A line that was logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Counts the lines of this process, from 1.
    pub number: u64,
    /// Unix milliseconds.
    pub at_ms: u64,
    /// How much it matters.
    pub level: Level,
    /// The module it comes from.
    pub target: String,
    /// What it says; text of peers in it was escaped by whoever logged it.
    pub text: String,
}

/// The last lines, oldest first.
pub type Lines = Arc<VecDeque<Line>>;

struct Logs {
    /// Filters and prints; another one after each change.
    printer: RwLock<env_logger::Logger>,
    /// Where it prints; none where no thread could be started for it: then it prints itself.
    writer: Option<Writer>,
    kept: Mutex<u64>,
    lines: watch::Sender<Lines>,
}

static LOGS: OnceLock<Logs> = OnceLock::new();

/// Says why `levels` cannot be used: a list such as `info,kith::net=debug`, `off` for silence.
pub fn check(levels: &str) -> Result<(), String> {
    env_filter::Builder::new().try_parse(levels).map(|_| ()).map_err(|error| error.to_string())
}

/// Begins to log, or goes on with other levels and another format. `levels` must have passed [`check`]; what
/// cannot be read of it is left out.
pub fn set(levels: &str, format: Format) {
    let logs = LOGS.get_or_init(|| {
        let writer = Writer::to(std::io::stderr()).ok();
        Logs {
            printer: RwLock::new(printer(levels, format, writer.clone())),
            writer,
            kept: Mutex::new(0),
            lines: watch::Sender::default(),
        }
    });
    let printer = printer(levels, format, logs.writer.clone());
    let most = printer.filter();
    *logs.printer.write().unwrap_or_else(PoisonError::into_inner) = printer;
    // Only tests in one process could have set a logger before; theirs then stays.
    let _ = log::set_logger(logs);
    log::set_max_level(most);
}

/// The last lines as they are, and as they come. Of what is less than [`Level::Info`] none is kept: telling of a
/// line makes such lines itself.
pub fn lines() -> watch::Receiver<Lines> {
    LOGS.get().map_or_else(|| watch::Sender::default().subscribe(), |logs| logs.lines.subscribe())
}

/// Keeps a line for those who look, without printing it: what is said on standard output already.
pub fn keep(target: &str, text: &str) {
    if let Some(logs) = LOGS.get() {
        logs.keep(Level::Info, target, text.to_owned());
    }
}

/// Waits a moment until all that was logged is written; for the end of the process.
pub fn finish() {
    if let Some(writer) = LOGS.get().and_then(|logs| logs.writer.as_ref()) {
        writer.finish();
    }
}

fn printer(levels: &str, format: Format, writer: Option<Writer>) -> env_logger::Logger {
    let mut builder = env_logger::Builder::new();
    // It calls each connection to the control API that does not speak HTTP an error, and anyone can make those.
    builder.filter_module("actix_http", LevelFilter::Off);
    builder.parse_filters(levels);
    if let Some(writer) = writer {
        builder.target(Target::Pipe(Box::new(writer)));
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let coloured = std::io::stderr().is_terminal() && !plain;
        builder.write_style(if coloured { WriteStyle::Always } else { WriteStyle::Never });
    }
    match format {
        Format::Json => builder.format(json),
        Format::Text => builder.format_timestamp_millis().format_target(false),
    };
    builder.build()
}

/// One JSON object: `{"time":…,"level":…,"target":…,"message":…}` and the fields of the record.
fn json(out: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    let mut line = Map::new();
    line.insert("time".into(), out.timestamp_millis().to_string().into());
    line.insert("level".into(), record.level().as_str().into());
    line.insert("target".into(), record.target().into());
    line.insert("message".into(), record.args().to_string().into());
    // Our visitor never fails.
    let _ = record.key_values().visit(&mut Fields(&mut line));
    writeln!(out, "{}", serde_json::Value::Object(line))
}

struct Fields<'a>(&'a mut Map<String, serde_json::Value>);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let value = value.to_u64().map_or_else(|| value.to_string().into(), Into::into);
        self.0.insert(key.as_str().into(), value);
        Ok(())
    }
}

impl Logs {
    fn keep(&self, level: Level, target: &str, text: String) {
        // One after another, so that numbers are in the order of the lines.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        *kept += 1;
        let line = Line {
            number: *kept,
            at_ms: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
            level,
            target: target.to_owned(),
            text: cut(text),
        };
        self.lines.send_modify(|lines| {
            let lines = Arc::make_mut(lines);
            if lines.len() >= LINES_MAX {
                lines.pop_front();
            }
            lines.push_back(line);
        });
    }
}

/// The text, cut at a character if it is too long.
fn cut(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let whole = (0..=TEXT_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(whole.unwrap_or(0));
        text.push('…');
    }
    text
}

impl Log for Logs {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.printer.read().unwrap_or_else(PoisonError::into_inner).enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        let printer = self.printer.read().unwrap_or_else(PoisonError::into_inner);
        if !printer.matches(record) {
            return;
        }
        if record.level() <= Level::Info {
            self.keep(record.level(), record.target(), record.args().to_string());
        }
        printer.log(record);
    }

    fn flush(&self) {
        self.printer.read().unwrap_or_else(PoisonError::into_inner).flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs(levels: &str) -> Logs {
        Logs {
            printer: RwLock::new(printer(levels, Format::Text, None)),
            writer: None,
            kept: Mutex::new(0),
            lines: watch::Sender::default(),
        }
    }

    fn say(logs: &Logs, level: Level, target: &str, text: &str) {
        let args = format_args!("{text}");
        logs.log(&Record::builder().level(level).target(target).args(args).build());
    }

    fn texts(logs: &Logs) -> Vec<String> {
        logs.lines.borrow().iter().map(|line| line.text.clone()).collect()
    }

    #[test]
    fn what_is_printed_is_kept_unless_it_is_for_those_who_search_bugs() {
        let logs = logs("off,kith=trace,kith::net=error");
        say(&logs, Level::Info, "kith::api", "one");
        say(&logs, Level::Debug, "kith::api", "two");
        say(&logs, Level::Warn, "kith::net::tls", "three");
        say(&logs, Level::Error, "kith::net::tls", "four");
        say(&logs, Level::Error, "other", "five");
        assert_eq!(texts(&logs), ["one", "four"]);
        assert_eq!(logs.lines.borrow()[1].number, 2);
    }

    #[test]
    fn the_last_lines_are_kept_and_long_ones_cut() {
        let logs = logs("off,kith=info");
        for n in 0..LINES_MAX + 3 {
            say(&logs, Level::Info, "kith", &n.to_string());
        }
        say(&logs, Level::Info, "kith", &"ä".repeat(TEXT_BYTES_MAX));
        let texts = texts(&logs);
        assert_eq!((texts.len(), texts[0].as_str()), (LINES_MAX, "4"));
        assert_eq!(texts[LINES_MAX - 1].chars().count(), TEXT_BYTES_MAX / 2 + 1);
    }

    #[test]
    fn what_anyone_can_make_a_library_say_is_not_heard_unless_it_is_asked_for() {
        for (levels, heard) in [("info", 0), ("info,actix_http=error", 1)] {
            let logs = logs(levels);
            say(&logs, Level::Error, "actix_http::h1::dispatcher", "request parse error");
            assert_eq!(texts(&logs).len(), heard, "{levels}");
        }
    }

    #[test]
    fn levels_are_checked() {
        for good in ["info", "off", "", "info,kith::net=debug", "warn,actix_server=off"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["kith=loud", "a=b=c"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn fields_stand_beside_the_message() {
        let mut line = Map::new();
        let fields = [("peer", Value::from("3f2a")), ("conn", Value::from(7_u64))];
        let record = Record::builder().key_values(&fields).build();
        assert!(record.key_values().visit(&mut Fields(&mut line)).is_ok());
        assert_eq!(serde_json::Value::Object(line).to_string(), r#"{"peer":"3f2a","conn":7}"#);
    }
}
