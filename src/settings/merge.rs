//! From entries to settings: each checked, the last one of a key kept, then all checked together.

use std::collections::{BTreeMap, BTreeSet};

use toml::Value;

use super::check::Kind;
use super::layer::{Entry, embedded};
use super::problem::{Problem, shown, shown_text};
use super::shape::Settings;
use super::table::{find, nearest, section};
use super::values::REDACTED;

/// The value of each key that won.
pub(super) type Effective = BTreeMap<&'static str, Won>;

/// The value that won, and the layer it came from.
#[derive(Clone)]
pub(super) struct Won {
    pub value: Value,
    pub layer: String,
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

/// Keeps the last good value of each key; tells the bad ones and returns their keys.
pub(super) fn check(
    entries: Vec<Entry>,
    problems: &mut Vec<Problem>,
) -> (Effective, BTreeSet<&'static str>) {
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
    // Between aiming for some and taking no more there must be room for those who come.
    ("network.topology.max_conns", 1.5, "network.topology.degree"),
];

/// Checks settings against each other, except where one of them is wrong by itself.
pub(super) fn check_together(
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
            other: format!("{} (from {})", shown(&other.value), other.layer),
        });
    };
    let fine = |key: &str| !wrong.contains(key) && effective.contains_key(key);
    for (key, times, other) in AT_LEAST.iter().filter(|(key, _, other)| fine(key) && fine(other)) {
        let number = |key: &str| {
            let value = &effective[key].value;
            value.as_float().or(value.as_integer().map(|n| n as f64)).unwrap_or_default()
        };
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
pub(super) fn name_after_profile(effective: &mut Effective, profile: Option<&str>) {
    let empty = effective.get("label").is_some_and(|won| won.value.as_str() == Some(""));
    if let (true, Some(profile)) = (empty, profile) {
        let value = Value::from(profile);
        effective.insert("label", Won { value, layer: "-p".to_string() });
    }
}

/// The typed settings of checked values.
pub(super) fn typed(effective: &Effective) -> Result<Settings, Problem> {
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
