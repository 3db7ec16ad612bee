//! A file for a bug report: what the doctor found, how the daemon is, its settings and the last lines of its log,
//! as one JSON object that can be read before it is sent.
//!
//! Nothing goes in that opens or tells anything: no key, token or secret, no letter, no name of a file. What is
//! taken of transfers is named here, field by field; and at the end every text is searched for what must not be
//! in it, whatever way it came.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::args::Flags;
use super::super::client::{Client, Event};
use super::super::trouble::{Exit, Trouble};
use super::facts::Facts;
use super::gather::{content, rows_of};
use crate::api::shapes::SCHEMA;
use crate::settings::load;
use crate::text::escape_to;

/// What stands in the place of what was taken out.
const REMOVED: &str = "(removed)";
/// The fields of a transfer that tell nothing of the file but its size.
const OF_TRANSFER: [&str; 18] = [
    "transfer",
    "kind",
    "phase",
    "bytes",
    "bytes_done",
    "bytes_received",
    "pieces",
    "pieces_done",
    "bytes_per_second",
    "eta_s",
    "bottleneck",
    "unheld",
    "sources",
    "seconds",
    "verified",
    "since_ms",
    "pieces_held",
    "served",
];
/// The fields that name files, with `--with-names`.
const NAMES: [&str; 5] = ["name", "path", "problem", "left_out", "file_id"];
/// Shortest text that is searched for: anything shorter is found everywhere, and is no secret.
const SOUGHT_BYTES_MIN: usize = 4;
/// Longest wait for the last lines of the log.
const LOG_WAIT: Duration = Duration::from_secs(2);
/// Most lines of the log.
const LOG_LINES_MAX: usize = 256;

/// Everything that goes into the file.
pub fn contents(
    flags: &Flags,
    facts: &Facts,
    report: &Value,
    client: Option<&Client>,
    with_names: bool,
) -> Value {
    let mut silent = Vec::new();
    let mut ask = |path: &'static str| {
        let Some(client) = client else { return Value::Null };
        client.get(path).unwrap_or_else(|_| {
            silent.push(path);
            Value::Null
        })
    };
    let (transfers, pieces) = (ask("transfers"), ask("pieces"));
    let (status, peers, graph) = (ask("status"), ask("peers"), ask("graph"));
    let config = match client {
        Some(_) => ask("config?origin=true"),
        None => {
            load(&flags.sources()).ok().map_or(Value::Null, |l| json!({"settings": rows_of(&l)}))
        }
    };
    let mut contents = json!({
        "schema": SCHEMA,
        "about": about(with_names),
        "made_ms": facts.now_ms,
        "program": facts.program,
        "doctor": report["checks"],
        "status": status,
        "peers": peers["peers"],
        "graph": graph,
        "transfers": of_files(&transfers["transfers"], with_names),
        "pieces": of_files(&pieces["pieces"], with_names),
        "config": config["settings"],
        // Who reads the file shall not take what is missing for nothing.
        "not_answered": silent,
        "system": system(facts),
        "log": client.map_or(Value::Null, |client| log(client, with_names)),
    });
    let mut sought = secrets(flags, facts);
    if !with_names {
        sought.extend(names(&transfers["transfers"]).chain(names(&pieces["pieces"])));
    }
    // The longest first: what is part of another is gone with it.
    sought.retain(|text| text.len() >= SOUGHT_BYTES_MIN);
    sought.sort_by_key(|text| std::cmp::Reverse(text.len()));
    scrub(&mut contents, &sought);
    contents
}

/// What is in it, for whoever opens it.
fn about(with_names: bool) -> String {
    let names = if with_names { "" } else { ", no name of a file" };
    format!(
        "made by node doctor --bundle: checks, status, peers, graph, transfers, settings with their origin, the \
         system, the last lines of the log; no key, token, secret or letter{names}"
    )
}

/// What is in it, for whoever has it made.
pub fn said(file: &Path, with_names: bool) -> String {
    let files = match with_names {
        true => "what was asked for with --with-names: the names and paths of files",
        false => "of files only sizes and rates; their names with --with-names",
    };
    format!(
        "wrote {}: these checks, status, peers, graph, transfers, settings, the system, the last log lines\n  \
         it holds the labels, ids and addresses of the nodes; {files}\n  \
         it holds no key, token, secret or letter; read it before you send it\n",
        escape_to(&file.display().to_string(), 200)
    )
}

/// Writes it where nothing is yet, for the owner alone.
pub fn write(file: &Path, contents: &Value) -> Result<(), Trouble> {
    let text = format!("{contents:#}\n");
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    made.and_then(|mut made| made.write_all(text.as_bytes())).map_err(|error| {
        let why = format!("{}: {error}", file.display());
        Trouble::new(
            Exit::Failed,
            "cannot write the bundle",
            why,
            "name a file that is not there yet",
        )
    })
}

/// Rows of files without what names them, unless that is wished.
fn of_files(rows: &Value, with_names: bool) -> Vec<Value> {
    let keep = |key: &str| OF_TRANSFER.contains(&key) || with_names && NAMES.contains(&key);
    let reduced = |row: &Value| {
        let fields = row.as_object().into_iter().flatten().filter(|(key, _)| keep(key));
        Value::Object(
            fields.map(|(key, value)| (key.clone(), value.clone())).collect::<Map<_, _>>(),
        )
    };
    rows.as_array().into_iter().flatten().map(reduced).collect()
}

/// Every text that names a file: names, paths, the parts of paths, and tickets.
fn names(rows: &Value) -> impl Iterator<Item = String> {
    let texts = ["name", "path", "ticket", "file_id"];
    let rows = rows.as_array().into_iter().flatten();
    let found = rows.flat_map(move |row| texts.map(|key| row[key].as_str().unwrap_or_default()));
    let found: Vec<String> = found.map(str::to_owned).collect();
    let last = |path: &String| path.rsplit('/').next().unwrap_or_default().to_owned();
    let parts: Vec<String> = found.iter().map(last).collect();
    found.into_iter().chain(parts)
}

/// Every secret this node has, as far as it can be read: to be searched for, not to be shown.
fn secrets(flags: &Flags, facts: &Facts) -> Vec<String> {
    let mut found = Vec::new();
    let sources = flags.sources();
    if let Ok(loaded) = load(&sources) {
        found.push(loaded.settings.network.secret.expose().to_owned());
    }
    // What is wrong elsewhere keeps the settings from being read, and not these.
    let env = sources.env.into_iter().filter(|(name, _)| name.to_lowercase().ends_with("secret"));
    found.extend(env.map(|(_, secret)| secret));
    let set = |set: &String| {
        Some(set.split_once('=')?)
            .filter(|(key, _)| key.contains("secret"))
            .map(|(_, s)| s.trim_matches('"').to_owned())
    };
    found.extend(sources.sets.iter().filter_map(set));
    found.extend(flags.token.clone());
    found.extend(std::env::var("KITH_TOKEN"));
    if let Some(state) = &facts.state {
        found.extend(content(state.dir.join("control.token")).map(|token| token.trim().to_owned()));
        let key = state.key.as_ref().and_then(|(path, _)| content(path)).unwrap_or_default();
        found.extend(key.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned));
    }
    found
}

/// The system, as far as it matters here.
fn system(facts: &Facts) -> Value {
    let name = content("/etc/os-release").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
        Some(line.trim_matches('"').to_owned())
    });
    let machine = &facts.machine;
    json!({
        "os": name,
        "kernel": content("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned()),
        "architecture": std::env::consts::ARCH,
        "processors": std::thread::available_parallelism().map_or(0, usize::from),
        "memory_bytes": machine.memory,
        "memory_limit_bytes": machine.memory_limit,
        "open_files_soft_hard": machine.files,
        "open_files": machine.files_open,
        "ipv6": machine.ipv6,
        "unit": machine.unit.as_ref().map(|unit| unit.name.clone()),
    })
}

/// Who logs names of files.
const OF_FILES: [&str; 3] =
    ["kith::actors::exchange", "kith::actors::shelf", "kith::store::pieces"];

/// The last lines of the daemon's log, which the event stream begins with. What somebody said to all is not
/// taken, nor what tells of files, unless their names are wanted.
fn log(client: &Client, with_names: bool) -> Value {
    let said = |text: &str| text.starts_with("shout from ") || text.starts_with("ping from ");
    let of_files = |target: &str| OF_FILES.iter().any(|module| target.starts_with(module));
    let line = |event: Event| {
        let data: Value = serde_json::from_str(&event.data).ok().filter(|_| event.name == "log")?;
        let text = data["text"].as_str().filter(|text| !said(text))?;
        if !with_names && data["target"].as_str().is_none_or(of_files) {
            return None;
        }
        Some(
            json!({"at_ms": data["at_ms"], "level": data["level"], "target": data["target"], "text": text}),
        )
    };
    let mut lines: Vec<Value> =
        client.first_events(LOG_WAIT).into_iter().filter_map(line).collect();
    if lines.is_empty() {
        return "this daemon does not tell them; they are on its standard error".into();
    }
    lines.drain(..lines.len().saturating_sub(LOG_LINES_MAX));
    lines.into()
}

/// Takes everything that is sought out of every text, and the home directory's name too.
fn scrub(value: &mut Value, sought: &[String]) {
    match value {
        Value::String(text) => {
            for secret in sought.iter().filter(|secret| !secret.is_empty()) {
                if text.contains(secret.as_str()) {
                    *text = text.replace(secret.as_str(), REMOVED);
                }
            }
            if let Some(home) = std::env::var("HOME").ok().filter(|home| home.len() > 1) {
                *text = text.replace(&home, "~");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| scrub(item, sought)),
        Value::Object(fields) => fields.values_mut().for_each(|field| scrub(field, sought)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    use super::super::super::daemon::Daemon;
    use super::*;

    /// A daemon whose event stream begins with this and then says nothing more.
    fn tells(events: String) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
            stream.write_all((head.to_owned() + &events).as_bytes()).unwrap();
            // Open until the reader has enough.
            let _ = lines.next();
        });
        Client::to(Daemon { addr, token: "t".into(), start: "node".into() })
    }

    fn event(name: &str, data: Value) -> String {
        format!("event: {name}\ndata: {data}\n\n")
    }

    fn line(text: &str) -> String {
        event(
            "log",
            json!({"schema": 1, "number": 7, "at_ms": 9, "level": "info", "target": "kith", "text": text}),
        )
    }

    #[test]
    fn the_last_lines_of_the_log_are_taken_and_what_was_said_to_all_is_not() {
        let begun = std::time::Instant::now();
        let said = [
            event("letter", json!({"id": "x", "text": "hi"})),
            line("link up"),
            line("a.txt is verified and in its place")
                .replace("kith", "kith::actors::exchange::disk"),
            line("shout from bob (9dae25dc): \"secret plans\""),
            line("ping from bob (9dae25dc): \"hello\""),
            event("whole", json!({"schema": 1})),
            line("too late"),
        ];
        let taken = log(&tells(said.concat()), false);
        let expected = json!([{"at_ms": 9, "level": "info", "target": "kith", "text": "link up"}]);
        assert_eq!(taken, expected);
        assert!(begun.elapsed() < LOG_WAIT, "it waits for no more than the beginning");
        let many: String = (0..500).map(|n| line(&format!("line {n}"))).collect();
        let taken = log(&tells(many + &event("whole", json!({}))), true);
        let taken = taken.as_array().unwrap();
        assert_eq!((taken.len(), taken[0]["text"].as_str()), (LOG_LINES_MAX, Some("line 244")));
    }

    #[test]
    fn a_daemon_that_tells_no_lines_costs_a_moment_and_a_sentence() {
        let begun = std::time::Instant::now();
        let taken = log(&tells(String::new()), true);
        assert!(begun.elapsed() < LOG_WAIT * 5, "{:?}", begun.elapsed());
        assert!(taken.as_str().is_some_and(|text| text.contains("standard error")), "{taken}");
    }

    #[test]
    fn what_is_sought_is_found_in_every_text() {
        let mut value =
            json!({"a": ["x hunter2 y", {"b": "hunter2hunter2"}], "n": 2, "c": "hunter"});
        scrub(&mut value, &["hunter2".into(), String::new()]);
        assert_eq!(
            value,
            json!({"a": ["x (removed) y", {"b": "(removed)(removed)"}], "n": 2, "c": "hunter"})
        );
    }

    #[test]
    fn of_files_only_what_names_nobody_is_taken() {
        let rows = json!([{"transfer": 1, "bytes": 5, "name": "a", "path": "/a", "ticket": "k", "new": "?"}]);
        assert_eq!(json!(of_files(&rows, false)), json!([{"transfer": 1, "bytes": 5}]));
        let named = json!([{"transfer": 1, "bytes": 5, "name": "a", "path": "/a"}]);
        assert_eq!(json!(of_files(&rows, true)), named);
        assert!(of_files(&Value::Null, true).is_empty());
        let sought: Vec<String> = names(&json!([{"name": "n", "path": "/x/y.txt"}])).collect();
        for part in ["n", "/x/y.txt", "y.txt"] {
            assert!(sought.iter().any(|text| text == part), "{part}: {sought:?}");
        }
    }
}
