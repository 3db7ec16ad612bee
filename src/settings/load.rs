//! All layers together: from sources to settings, or to everything that is wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use toml::Value;

use super::check::Kind;
use super::files::{is_profile_name, read_directory};
use super::layer::{Entry, embedded, from_environment, from_set, twice};
use super::place::state_dir;
use super::problem::{Problem, Problems, shown, shown_text};
use super::shape::Settings;
use super::table::{ROWS, find, nearest, section};
use super::targets::read_targets;
use super::values::REDACTED;

/// Where settings come from; later fields win.
///
/// Has no `Debug`, because it may hold secrets.
#[derive(Clone, Default)]
pub struct Sources {
    /// `-c`: the directory that holds `network/`; without one there are the embedded defaults.
    pub config_dir: Option<PathBuf>,
    /// `-p`: the profile, `network/<profile>.toml` in the configuration directory.
    pub profile: Option<String>,
    /// Environment variables ([`process_environment`]); `KITH__…` are settings, `XDG_DATA_HOME`
    /// and `HOME` may place the state directory, others are ignored.
    pub env: Vec<(String, String)>,
    /// Flags: name as the user knows it (`--port`), key, value.
    pub flags: Vec<(String, String, Value)>,
    /// `-s key=value`, in the order given.
    pub sets: Vec<String>,
}

/// The variables of this process that [`Sources::env`] needs. What is not UTF-8 becomes `U+FFFD`.
pub fn process_environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .map(|(name, text)| (name.to_string_lossy().into(), text.to_string_lossy().into()))
        .filter(|(name, _): &(String, String)| {
            name.to_lowercase().starts_with("kith__") || name == "XDG_DATA_HOME" || name == "HOME"
        })
        .collect()
}

/// Settings that were read and checked.
#[derive(Clone)]
pub struct Loaded {
    /// The settings. `label` is the profile's name if nobody set one.
    pub settings: Settings,
    /// Addresses to dial first, each once: those of the file `target.path`, then `target.connect`.
    pub targets: Vec<String>,
    /// Files read, in order.
    pub files: Vec<PathBuf>,
    /// Where state is kept; `None` means in memory only ([`state_dir`]).
    pub state_dir: Option<PathBuf>,
    /// The value of each key that won, with its layer.
    pub(super) effective: Effective,
}

pub(super) type Effective = BTreeMap<&'static str, Won>;

/// The value that won, and the layer it came from.
#[derive(Clone)]
pub(super) struct Won {
    pub value: Value,
    pub layer: String,
}

/// One line of `node config`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// Full dotted key.
    pub key: &'static str,
    /// The value, `(secret)` in place of a secret. `Display` writes it as TOML.
    pub value: Value,
    /// The layer it came from (`default`, `config/network/bob.toml:3`, `KITH__…`, `--port`, `-s`),
    /// if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

impl Loaded {
    /// Every setting with its value, and its origin if asked for, in the order of `default.toml`.
    pub fn describe(&self, origin: bool) -> Vec<Line> {
        ROWS.iter()
            .filter_map(|row| {
                let won = self.effective.get(row.key)?;
                let value = redacted(&row.kind, &won.value);
                Some(Line { key: row.key, value, origin: origin.then(|| won.layer.clone()) })
            })
            .collect()
    }

    /// The layer a setting came from; `None` if there is no such setting.
    pub fn origin(&self, key: &str) -> Option<&str> {
        self.effective.get(find(key)?.key).map(|won| won.layer.as_str())
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("settings", &self.settings)
            .field("targets", &self.targets)
            .field("files", &self.files)
            .field("state_dir", &self.state_dir)
            .finish_non_exhaustive()
    }
}

impl Default for Settings {
    /// The embedded defaults.
    fn default() -> Settings {
        let (effective, _) = check(embedded(), &mut Vec::new());
        typed(&effective).expect("a test reads the embedded defaults")
    }
}

/// The value as it may be shown.
pub(super) fn redacted(kind: &Kind, value: &Value) -> Value {
    match value {
        Value::String(text) if kind.is_secret() && text.is_empty() => value.clone(),
        _ if kind.is_secret() => Value::from(REDACTED),
        _ => value.clone(),
    }
}

/// Reads and checks all layers.
///
/// # Errors
/// Everything that is wrong in any layer, even where a later layer overrides it. Nothing but files
/// is touched, so a running daemon keeps what it has.
pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
    let mut problems = Vec::new();
    let mut entries = embedded();
    let mut files = Vec::new();

    if let Some(name) = sources.profile.as_ref().filter(|name| !is_profile_name(name)) {
        problems.push(Problem::BadProfileName { name: shown_text(name) });
    }
    if let Some(config) = &sources.config_dir {
        let directory = read_directory(config, sources.profile.as_deref());
        entries.extend(directory.entries);
        problems.extend(directory.problems);
        files = directory.files;
    }
    let environment = from_environment(&sources.env);
    problems.extend(twice(&environment));
    entries.extend(environment);
    entries.extend(sources.flags.iter().map(|(layer, key, value)| Entry {
        key: key.clone(),
        value: value.clone(),
        layer: layer.clone(),
    }));
    for text in &sources.sets {
        match from_set(text) {
            Ok(entry) => entries.push(entry),
            Err(problem) => problems.push(problem),
        }
    }

    let (mut effective, wrong) = check(entries, &mut problems);
    check_together(&effective, &wrong, &mut problems);
    name_after_profile(&mut effective, sources);
    let settings = match typed(&effective) {
        Ok(settings) => settings,
        Err(problem) => {
            problems.push(problem);
            return Err(Problems(problems));
        }
    };
    let targets = targets(&settings, &effective, &mut files, &mut problems);
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let state_dir = state_dir(&settings.state.dir, sources);
    Ok(Loaded { settings, targets, files, state_dir, effective })
}

/// Keeps the last good value of each key; tells the bad ones and returns their keys.
fn check(entries: Vec<Entry>, problems: &mut Vec<Problem>) -> (Effective, BTreeSet<&'static str>) {
    let mut effective = Effective::new();
    let mut wrong = BTreeSet::new();
    for Entry { key, value, layer } in entries {
        let Some(row) = find(&key) else {
            problems.push(unknown(&key, &value, layer));
            continue;
        };
        match row.kind.accept(&value) {
            Ok(value) => {
                effective.insert(row.key, Won { value, layer });
            }
            Err(why) => {
                let secret = row.kind.is_secret();
                problems.push(Problem::WrongValue {
                    key: row.key.to_string(),
                    value: if secret { REDACTED.to_string() } else { shown(&value) },
                    layer,
                    expected: row.kind.expected(),
                    why,
                });
                wrong.insert(row.key);
            }
        }
    }
    (effective, wrong)
}

fn unknown(key: &str, value: &Value, layer: String) -> Problem {
    let names: Vec<String> = section(key).into_iter().map(String::from).collect();
    if !names.is_empty() {
        return Problem::Section { key: shown_text(key), layer, names };
    }
    let near = nearest(key).and_then(find);
    // What was meant as a secret must not appear because its key has a typing error.
    let secret = near.is_some_and(|row| row.kind.is_secret()) || key.contains("secret");
    let harmless = matches!(value, Value::Integer(_) | Value::Float(_) | Value::Boolean(_));
    Problem::UnknownKey {
        key: shown_text(key),
        value: (harmless && !secret).then(|| shown(value)),
        layer,
        nearest: near.map(|row| format!("did you mean {}?", row.key)),
    }
}

/// The rules that need two settings: the first is at least so many times the second.
const AT_LEAST: &[(&str, f64, &str)] = &[
    // One lost heartbeat must not make a peer silent.
    (
        "network.controller.peers.heartbeat_timeout",
        2.0,
        "network.controller.peers.heartbeat_period",
    ),
    (
        "network.controller.peers.conn_attempt_delay_max",
        1.0,
        "network.controller.peers.conn_attempt_delay",
    ),
];

/// Checks settings against each other, except where one of them is wrong by itself.
fn check_together(
    effective: &Effective,
    wrong: &BTreeSet<&'static str>,
    problems: &mut Vec<Problem>,
) {
    let mut mismatch = |key: &str, other_key: &str, expected: String| {
        let (won, other) = (&effective[key], &effective[other_key]);
        problems.push(Problem::Mismatch {
            key: key.to_string(),
            value: shown(&won.value),
            layer: won.layer.clone(),
            expected,
            other: shown(&other.value),
            other_layer: other.layer.clone(),
        });
    };
    let fine = |key: &str| !wrong.contains(key) && effective.contains_key(key);
    for (key, times, other) in AT_LEAST.iter().filter(|(key, _, other)| fine(key) && fine(other)) {
        let number = |key: &str| effective[key].value.as_float().unwrap_or_default();
        if number(key) < times * number(other) {
            mismatch(key, other, format!("at least {times} x {other}"));
        }
    }
    let (cert, key) = ("network.cert", "network.key");
    let empty = |key: &str| effective[key].value.as_str() == Some("");
    if fine(cert) && fine(key) && !empty(cert) && empty(key) {
        mismatch(cert, key, format!("no certificate without its {key}"));
    }
}

/// A node without a label is called by its profile.
fn name_after_profile(effective: &mut Effective, sources: &Sources) {
    let empty = effective.get("label").is_some_and(|won| won.value.as_str() == Some(""));
    if let (true, Some(profile)) = (empty, &sources.profile) {
        let value = Value::from(profile.as_str());
        effective.insert("label", Won { value, layer: "-p".to_string() });
    }
}

/// The typed settings of checked values.
fn typed(effective: &Effective) -> Result<Settings, Problem> {
    let wrong = |error: config::ConfigError| Problem::Internal { message: error.to_string() };
    let mut builder = config::Config::builder();
    for (key, won) in effective {
        builder = builder.set_override(key, for_config(&won.value, &won.layer)).map_err(wrong)?;
    }
    builder.build().and_then(config::Config::try_deserialize).map_err(wrong)
}

/// A TOML value as the config crate holds it. Checked settings are scalars and lists of texts.
fn for_config(value: &Value, layer: &String) -> config::Value {
    let kind = match value {
        Value::String(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Boolean(flag) => (*flag).into(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| for_config(item, layer)).collect();
            config::ValueKind::Array(items)
        }
        Value::Datetime(_) | Value::Table(_) => config::ValueKind::Nil,
    };
    config::Value::new(Some(layer), kind)
}

/// All addresses to dial first, each once.
fn targets(
    settings: &Settings,
    effective: &Effective,
    files: &mut Vec<PathBuf>,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    let target = &settings.network.controller.target;
    let mut all = Vec::new();
    if !target.path.as_os_str().is_empty() {
        let layer = effective.get("network.controller.target.path");
        match read_targets(&target.path, layer.map_or("default", |won| &won.layer)) {
            Ok(targets) => {
                files.push(target.path.clone());
                all = targets;
            }
            Err(found) => problems.extend(found),
        }
    }
    all.extend(target.connect.iter().cloned());
    let mut seen = BTreeSet::new();
    all.retain(|address| seen.insert(address.clone()));
    all
}
