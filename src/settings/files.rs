//! The configuration directory: `<config>/network/default.toml` and `<config>/network/<profile>.toml`.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::layer::{Entry, from_toml, twice};
use super::problem::{Problem, shown_text};
use super::table::nearest_of;

/// Largest file read, bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What the configuration directory says.
#[derive(Default)]
pub(super) struct Directory {
    pub entries: Vec<Entry>,
    pub problems: Vec<Problem>,
    pub files: Vec<PathBuf>,
}

/// Reads the default and profile files of a configuration directory.
pub(super) fn read_directory(config: &Path, profile: Option<&str>) -> Directory {
    let mut all = Directory::default();
    let network = config.join("network");
    if !network.is_dir() {
        let path = if config.is_dir() { network } else { config.to_path_buf() };
        all.problems.push(Problem::NoDirectory { path });
        return all;
    }
    all.read(network.join("default.toml"));
    if let Some(name) = profile.filter(|name| *name != "default" && is_profile_name(name))
        && !all.read(network.join(format!("{name}.toml")))
    {
        let known = profiles(&network);
        let near = nearest_of(name, known.iter().map(|k| (k.as_str(), k.as_str())));
        let nearest = near.map(|near| format!("did you mean {near}?"));
        let name = name.to_string();
        all.problems.push(Problem::NoProfile { name, dir: network, known, nearest });
    }
    all
}

impl Directory {
    /// Adds one file; false if there is none.
    fn read(&mut self, path: PathBuf) -> bool {
        let text = match read_text(&path) {
            Ok(Some(text)) => text,
            Ok(None) => return false,
            Err(problem) => {
                self.problems.push(problem);
                return true;
            }
        };
        match from_toml(&text, &path) {
            Ok(entries) => {
                self.problems.extend(twice(&entries));
                self.entries.extend(entries);
            }
            Err(problem) => self.problems.push(problem),
        }
        self.files.push(path);
        true
    }
}

/// Whether a profile's name can be a file name everywhere.
pub(super) fn is_profile_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// The profiles in a directory, in alphabetical order.
fn profiles(network: &Path) -> Vec<String> {
    let Ok(files) = network.read_dir() else { return Vec::new() };
    let mut names: Vec<String> = files
        .filter_map(|file| {
            let name = file.ok()?.file_name();
            let name = name.to_str()?.strip_suffix(".toml")?;
            (name != "default").then(|| shown_text(name))
        })
        .collect();
    names.sort();
    names
}

/// A whole file as text, at most 1 MiB; `None` if it does not exist.
pub(super) fn read_text(path: &Path) -> Result<Option<String>, Problem> {
    let wrong = |message: String| Problem::Unreadable { path: path.to_path_buf(), message };
    let mut text = String::new();
    let read =
        File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
    match read {
        Ok(bytes) if bytes as u64 > FILE_BYTES_MAX => Err(wrong("it is larger than 1 MiB".into())),
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(wrong(error.to_string())),
    }
}
