//! All layers together: from sources to settings, or to everything that is wrong with them.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use toml::Value;

use super::files::{is_profile_name, read_directory};
use super::layer::{Entry, embedded, from_environment, from_set, twice};
use super::merge::{Effective, check, check_together, name_after_profile, redacted, typed};
use super::place::state_dir;
use super::problem::{Problem, Problems, shown_text};
use super::shape::Settings;
use super::table::{ROWS, find};
use super::targets::read_targets;

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
            name.to_lowercase().starts_with("kith__")
                || ["XDG_DATA_HOME", "HOME", "RUST_LOG"].contains(&name.as_str())
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
    name_after_profile(&mut effective, sources.profile.as_deref());
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
