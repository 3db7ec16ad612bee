//! From text to entries: one setting each, with the place it was written at.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::Value;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::problem::{Problem, shown_text};
use super::table::{find, section};

/// One value somebody wrote, not checked yet.
#[derive(Clone)]
pub(super) struct Entry {
    /// Dotted key as written.
    pub key: String,
    /// The value as written.
    pub value: Value,
    /// Where it was written: `config/network/bob.toml:3`, `KITH__LABEL`, `--port`, `-s`.
    pub layer: String,
}

/// The setting that `RUST_LOG` is another name of.
const LEVELS: &str = "log.levels";

/// The name of the embedded defaults as a layer.
pub(super) const DEFAULT_LAYER: &str = "default";

/// The embedded defaults: the very file that documents them.
pub(super) const DEFAULT_TOML: &str = include_str!("../../config/network/default.toml");

/// Entries of the embedded defaults.
pub(super) fn embedded() -> Vec<Entry> {
    let mut entries = from_toml(DEFAULT_TOML, Path::new(DEFAULT_LAYER))
        .expect("a test reads the embedded defaults");
    entries.iter_mut().for_each(|entry| entry.layer = DEFAULT_LAYER.to_string());
    entries
}

/// Entries of a TOML file, in the order of its lines; `path` is only for messages.
///
/// Quoted keys (`"network.controller.d2" = true`) mean the same as nested ones.
pub(super) fn from_toml(text: &str, path: &Path) -> Result<Vec<Entry>, Problem> {
    let table = DeTable::parse(text).map_err(|error| {
        let (line, column) = position(text, error.span().map_or(0, |span| span.start));
        let message = shown_text(&error.message().replace('\n', ", "));
        Problem::NotToml { path: path.to_path_buf(), line, column, message }
    })?;
    let mut found = Vec::new();
    flatten("", table.into_inner(), text, &mut found);
    found.sort_by_key(|(start, _, _)| *start);
    let (mut line, mut counted) = (1, 0);
    let entry = |(start, key, value)| {
        line += text.as_bytes()[counted..start].iter().filter(|b| **b == b'\n').count();
        counted = start;
        Entry { key, value, layer: format!("{}:{line}", path.display()) }
    };
    Ok(found.into_iter().map(entry).collect())
}

fn flatten(prefix: &str, table: DeTable<'_>, text: &str, found: &mut Vec<(usize, String, Value)>) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name.as_ref().to_string()
        } else {
            format!("{prefix}.{}", name.as_ref())
        };
        match value.get_ref() {
            // An empty table under a wrong name is still a mistake worth telling.
            DeValue::Table(inner) if inner.is_empty() && section(&key).is_empty() => {}
            DeValue::Table(_) if find(&key).is_none() => {
                if let DeValue::Table(inner) = value.into_inner() {
                    flatten(&key, inner, text, found);
                }
                continue;
            }
            _ => {}
        }
        let start = name.span().start;
        found.push((start, key, plain_value(value, text)));
    }
}

/// The value without its place. A whole number too large for 64 bits becomes a float, which no
/// setting for whole numbers accepts.
fn plain_value(value: Spanned<DeValue<'_>>, text: &str) -> Value {
    let written = text.get(value.span()).unwrap_or_default();
    Value::deserialize(ValueDeserializer::from(value))
        .unwrap_or_else(|_| Value::Float(written.parse().unwrap_or(f64::NAN)))
}

/// Line and column (in characters), from 1, of a byte offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The entry of one `-s key=value`; the key may be quoted.
pub(super) fn from_set(text: &str) -> Result<Entry, Problem> {
    let wrong = || {
        // Somebody may have meant to write a secret here.
        let secret = text.to_lowercase().contains("secret");
        let text = if secret { super::values::REDACTED.to_string() } else { shown_text(text) };
        Problem::NotAssignment { text }
    };
    let (key, value) = text.split_once('=').ok_or_else(wrong)?;
    let key = unquoted(key.trim());
    if key.is_empty() {
        return Err(wrong());
    }
    Ok(Entry { key: key.to_string(), value: from_word(key, value.trim()), layer: "-s".into() })
}

fn unquoted(key: &str) -> &str {
    let inside = |quote| key.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(key)
}

/// Entries of the environment variables that begin with `KITH__`, in alphabetical order. `RUST_LOG`, which Rust
/// programs share, counts where our own variable for it is not set.
pub(super) fn from_environment(variables: &[(String, String)]) -> Vec<Entry> {
    let mut entries: Vec<_> = variables
        .iter()
        .filter_map(|(name, text)| {
            let lower = name.to_lowercase();
            let key = lower.strip_prefix("kith__")?.replace("__", ".");
            Some(Entry { value: from_word(&key, text), key, layer: shown_text(name) })
        })
        .collect();
    let shared = variables.iter().find(|(name, text)| name == "RUST_LOG" && !text.is_empty());
    if let Some((name, text)) = shared
        && !entries.iter().any(|entry| entry.key == LEVELS)
    {
        entries.push(Entry {
            key: LEVELS.into(),
            value: Value::String(text.clone()),
            layer: name.clone(),
        });
    }
    entries.sort_by(|a, b| a.layer.cmp(&b.layer));
    entries
}

/// A value given as plain text: TOML where it is, else (and for settings that are texts) itself.
fn from_word(key: &str, text: &str) -> Value {
    let is_text = find(key).is_some_and(|row| row.kind.is_text());
    match text.trim().parse::<Value>() {
        Ok(value) if value.is_str() || !is_text => value,
        _ => Value::String(text.to_string()),
    }
}

/// The settings that one file or the environment gives twice, in whatever spelling.
pub(super) fn twice(entries: &[Entry]) -> Vec<Problem> {
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for entry in entries {
        let Some(row) = find(&entry.key) else { continue };
        if let Some(first) = first.get(row.key) {
            problems.push(Problem::Twice {
                key: row.key.to_string(),
                layer: entry.layer.clone(),
                first: (*first).to_string(),
            });
        } else {
            first.insert(row.key, &entry.layer);
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(entries: &[Entry]) -> Vec<String> {
        entries.iter().map(|e| format!("{} = {} @ {}", e.key, e.value, e.layer)).collect()
    }

    #[test]
    fn a_file_becomes_entries_with_their_lines() {
        let text = "label = \"x\"\n[network.controller]\n\"listen.port\" = 1\nd2 = true\n[b]\n";
        let entries = from_toml(text, Path::new("f.toml")).unwrap();
        assert_eq!(
            written(&entries),
            [
                "label = \"x\" @ f.toml:1",
                "network.controller.listen.port = 1 @ f.toml:3",
                "network.controller.d2 = true @ f.toml:4",
                "b = {} @ f.toml:5",
            ]
        );
    }

    #[test]
    fn what_is_not_toml_is_told_with_its_place() {
        let problem = from_toml("a = 1\né = = 2\n", Path::new("f.toml")).err().unwrap();
        assert!(matches!(problem, Problem::NotToml { line: 2, .. }), "{problem}");
        let problem = from_toml("label = \"x", Path::new("f.toml")).err().unwrap();
        assert!(matches!(problem, Problem::NotToml { line: 1, .. }), "{problem}");
    }

    #[test]
    fn both_spellings_of_s_work() {
        let read = |text| {
            let entry = from_set(text).unwrap();
            (entry.key, entry.value)
        };
        let d2 = "network.controller.d2".to_string();
        assert_eq!(read("network.controller.d2=true"), (d2.clone(), true.into()));
        assert_eq!(read("\"network.controller.d2\"=true"), (d2.clone(), true.into()));
        assert_eq!(read("'network.controller.d2' = true"), (d2, true.into()));
        assert_eq!(read("label=bob"), ("label".into(), "bob".into()));
        assert_eq!(read("label='bob'"), ("label".into(), "bob".into()));
        assert_eq!(read("label=a=b"), ("label".into(), "a=b".into()));
        assert_eq!(read("label="), ("label".into(), "".into()));
        // A label may look like a number; a port may not look like a text.
        assert_eq!(read("label=2024"), ("label".into(), "2024".into()));
        assert_eq!(read("control.listen=127.0.0.1:0").1, "127.0.0.1:0".into());
        for wrong in ["", "label", "=1", "\"\"=1"] {
            assert!(from_set(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_variable_of_all_rust_programs_counts_below_our_own() {
        let read = |variables: &[(&str, &str)]| {
            let variables: Vec<_> =
                variables.iter().map(|(n, t)| (n.to_string(), t.to_string())).collect();
            written(&from_environment(&variables))
        };
        assert_eq!(read(&[("RUST_LOG", "off")]), ["log.levels = \"off\" @ RUST_LOG"]);
        assert!(read(&[("RUST_LOG", "")]).is_empty());
        let both = [("RUST_LOG", "off"), ("KITH__LOG__LEVELS", "warn")];
        assert_eq!(read(&both), ["log.levels = \"warn\" @ KITH__LOG__LEVELS"]);
    }

    #[test]
    fn variables_become_keys_in_any_case() {
        let variables = [
            ("KITH__NETWORK__CONTROLLER__LISTEN__PORT", "8901"),
            ("kith__Label", "bob"),
            ("KITH_SERVICE_HOST", "10.0.0.1"),
            ("PATH", "/bin"),
        ];
        let variables = variables.map(|(name, text)| (name.to_string(), text.to_string()));
        assert_eq!(
            written(&from_environment(&variables)),
            [
                "network.controller.listen.port = 8901 @ KITH__NETWORK__CONTROLLER__LISTEN__PORT",
                "label = \"bob\" @ kith__Label",
            ]
        );
    }
}
