//! What can be wrong with settings, in words that name the key, the value, the layer and a way out.

use std::fmt;
use std::path::PathBuf;

use toml::Value;

/// One thing that is wrong. Nothing was changed and nothing was started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// There is no setting of that name.
    #[error("{key}{} (from {layer}): there is no such setting{}", given(value), hint(nearest))]
    UnknownKey {
        /// What was written.
        key: String,
        /// The value, if it is a number or a flag (a text could be a secret).
        value: Option<String>,
        /// Where it was written.
        layer: String,
        /// The most similar key, as a question.
        nearest: Option<String>,
    },
    /// The name of a section was used as if it were a setting.
    #[error("{key} (from {layer}): this is a section; in it are {}", names.join(", "))]
    Section {
        /// The section.
        key: String,
        /// Where it was written.
        layer: String,
        /// What the section holds.
        names: Vec<String>,
    },
    /// The value has the wrong type or is out of range.
    #[error("{key} = {value} (from {layer}): expected {expected}{}", hint(why))]
    WrongValue {
        /// The setting.
        key: String,
        /// The value as written, shortened, or `(secret)`.
        value: String,
        /// Where it was written.
        layer: String,
        /// Type and range.
        expected: String,
        /// More about the mistake, where something is known.
        why: Option<String>,
    },
    /// Two settings do not go together.
    #[error("{key} = {value} (from {layer}): expected {expected}, which is {other}")]
    Mismatch {
        /// The setting that is out of range.
        key: String,
        /// Its value.
        value: String,
        /// Where it was written.
        layer: String,
        /// What it must be, by naming the other setting.
        expected: String,
        /// The other setting's value and where that was written.
        other: String,
    },
    /// One file (or the environment) has the same setting twice.
    #[error("{key} (from {layer}): already given in {first}; keep one of them")]
    Twice {
        /// The setting.
        key: String,
        /// Where it came the second time.
        layer: String,
        /// Where it came first.
        first: String,
    },
    /// A `-s` argument is not of the form `key=value`.
    #[error("-s {text}: expected key=value, such as -s network.controller.listen.port=9002")]
    NotAssignment {
        /// The argument, shortened.
        text: String,
    },
    /// A file is not TOML.
    #[error("{}:{line}:{column}: not TOML: {message}", path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What the parser says.
        message: String,
    },
    /// A file could not be read.
    #[error("cannot read {}: {message}", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        message: String,
    },
    /// The configuration directory is not there.
    #[error("there is no directory {} (-c names the directory that holds network/)", path.display())]
    NoDirectory {
        /// The directory looked for.
        path: PathBuf,
    },
    /// The configuration directory has no such profile.
    #[error("there is no profile {name} in {}; {}{}", dir.display(), profiles(known), hint(nearest))]
    NoProfile {
        /// The profile asked for.
        name: String,
        /// Where profiles are.
        dir: PathBuf,
        /// The profiles there are.
        known: Vec<String>,
        /// The most similar one, as a question.
        nearest: Option<String>,
    },
    /// A profile's name cannot be a file name.
    #[error(
        "-p {name}: a profile's name is 1 to 64 letters, digits, '-', '_' or '.', not first '.'"
    )]
    BadProfileName {
        /// The name, shortened.
        name: String,
    },
    /// The file of initial peers is missing or wrong.
    #[error("{} (network.controller.target.path, from {layer}): {message}", path.display())]
    PeerFile {
        /// The file.
        path: PathBuf,
        /// Where the path was written.
        layer: String,
        /// What is wrong.
        message: String,
    },
    /// The checked values do not fit the typed shape: a mistake in kith, not in the settings.
    #[error("internal mistake in the table of settings: {message}")]
    Internal {
        /// What the deserialiser says.
        message: String,
    },
}

/// What a problem is about, for programs. What it does not have is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The setting.
    pub key: Option<String>,
    /// What was written.
    pub value: Option<String>,
    /// What may be written.
    pub range: Option<String>,
    /// Where it was written.
    pub layer: Option<String>,
}

impl Problem {
    /// What it is about.
    pub fn parts(&self) -> Parts {
        let some = |text: &String| Some(text.clone());
        let of = |key: &String, value: Option<String>, range: Option<String>, layer: &String| {
            Parts { key: some(key), value, range, layer: some(layer) }
        };
        let file =
            |path: &PathBuf| Parts { layer: Some(path.display().to_string()), ..Parts::default() };
        let flag = |flag: &str, value: String, range: Option<String>| Parts {
            value: Some(value),
            range,
            layer: Some(flag.into()),
            ..Parts::default()
        };
        match self {
            Problem::UnknownKey { key, value, layer, nearest: _ } => {
                of(key, value.clone(), None, layer)
            }
            Problem::Section { key, layer, names } => {
                of(key, None, Some(format!("a section with {}", names.join(", "))), layer)
            }
            Problem::WrongValue { key, value, layer, expected, why: _ } => {
                of(key, some(value), some(expected), layer)
            }
            Problem::Mismatch { key, value, layer, expected, other } => {
                of(key, some(value), Some(format!("{expected}, which is {other}")), layer)
            }
            Problem::Twice { key, layer, first } => {
                of(key, None, Some(format!("only once; it is in {first}")), layer)
            }
            Problem::NotAssignment { text } => flag("-s", text.clone(), Some("key=value".into())),
            Problem::NotToml { path, line, column, message: _ } => {
                let layer = format!("{}:{line}:{column}", path.display());
                Parts { layer: Some(layer), range: Some("TOML".into()), ..Parts::default() }
            }
            Problem::Unreadable { path, message: _ } => file(path),
            Problem::NoDirectory { path } => flag("-c", path.display().to_string(), None),
            Problem::NoProfile { name, known, dir: _, nearest: _ } => {
                flag("-p", name.clone(), Some(profiles(known)))
            }
            Problem::BadProfileName { name } => {
                let range = "1 to 64 letters, digits, '-', '_' or '.', not first '.'";
                flag("-p", name.clone(), Some(range.into()))
            }
            Problem::PeerFile { path, layer, message: _ } => {
                let key = "network.controller.target.path".to_owned();
                of(
                    &key,
                    Some(path.display().to_string()),
                    Some("a JSON array of addresses".into()),
                    layer,
                )
            }
            Problem::Internal { message: _ } => Parts::default(),
        }
    }
}

/// Everything that is wrong, in the order of the layers; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [only] => write!(f, "{only}"),
            all => {
                write!(f, "{} problems in the settings", all.len())?;
                all.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

fn given(value: &Option<String>) -> String {
    value.as_ref().map_or(String::new(), |value| format!(" = {value}"))
}

fn hint(hint: &Option<String>) -> String {
    hint.as_ref().map_or(String::new(), |hint| format!("; {hint}"))
}

fn profiles(known: &[String]) -> String {
    if known.is_empty() {
        "there are none".into()
    } else {
        format!("there are {}", known.join(", "))
    }
}

/// Most characters of a value that a message repeats.
const SHOWN_CHARS_MAX: usize = 80;

/// A value on one line, shortened, safe to print.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{}\"", shown_text(text)),
        other => shown_text(&other.to_string()),
    }
}

/// A text on one line, shortened, without control characters.
pub(super) fn shown_text(text: &str) -> String {
    let mut out = String::new();
    for (count, letter) in text.chars().enumerate() {
        if count == SHOWN_CHARS_MAX {
            out.push('…');
            break;
        }
        if letter.is_control() {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_value_is_one_short_line() {
        assert_eq!(shown(&Value::from("a\n\x1b[31m")), "\"a\\n\\u{1b}[31m\"");
        assert_eq!(shown(&Value::from("é".repeat(500))).chars().count(), 83);
        assert_eq!(shown(&Value::from(8100)), "8100");
    }
}
