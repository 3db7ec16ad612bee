//! What a shared path is made of.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::place::{Place, Stamp};
use super::share::ShareError;
use crate::pieces::ENTRIES_MAX;
use crate::pieces::manifest::Entry;
use crate::pieces::names;

/// Most lines that say what was left out.
const LEFT_OUT_MAX: usize = 16;

/// What was found.
#[derive(Debug)]
pub(super) struct Walked {
    pub name: String,
    pub place: Place,
    /// In byte order of their paths, with the stamps of the files.
    pub entries: Vec<(Entry, Stamp)>,
    pub left_out: Vec<String>,
}

/// Looks at a path; `ours` says what is an unfinished download.
pub(super) fn walk(path: &Path, ours: &dyn Fn(&Path) -> bool) -> Result<Walked, ShareError> {
    let failed = |source| ShareError::Unreadable { path: path.to_owned(), source };
    if !path.is_absolute() {
        return Err(ShareError::Relative(path.to_owned()));
    }
    let meta = fs::symlink_metadata(path).map_err(failed)?;
    if meta.is_symlink() {
        return Err(ShareError::Link(path.to_owned()));
    }
    let bad_name = |why: String| ShareError::Name { path: path.to_owned(), why };
    let name = path.file_name().ok_or_else(|| bad_name("it has no name of its own".into()))?;
    let name = name.to_str().ok_or_else(|| bad_name("it is not UTF-8".into()))?.to_owned();
    names::check_top(&name).map_err(|why| bad_name(why.to_string()))?;
    let place = Place { root: path.to_owned(), directory: meta.is_dir() };
    let mut walk = Walk { place: &place, ours, entries: Vec::new(), left_out: Vec::new(), more: 0 };
    if meta.is_dir() {
        walk.directories()?;
    } else if meta.is_file() {
        walk.entries.push(file(name.clone(), &meta));
    } else {
        return Err(ShareError::Kind(path.to_owned()));
    }
    let Walk { mut entries, mut left_out, more, .. } = walk;
    if more > 0 {
        left_out.push(format!("and {more} more"));
    }
    entries.sort_by(|(a, _), (b, _)| a.path.as_bytes().cmp(b.path.as_bytes()));
    Ok(Walked { name, place, entries, left_out })
}

struct Walk<'a> {
    place: &'a Place,
    ours: &'a dyn Fn(&Path) -> bool,
    entries: Vec<(Entry, Stamp)>,
    left_out: Vec<String>,
    more: usize,
}

fn file(path: String, meta: &Metadata) -> (Entry, Stamp) {
    let executable = meta.mode() & 0o100 != 0;
    (Entry { path, bytes: meta.len(), executable, directory: false }, Stamp::of(meta))
}

impl Walk<'_> {
    /// Looks into the root and all below it; no deeper than names may be long.
    fn directories(&mut self) -> Result<(), ShareError> {
        let mut ahead = vec![String::new()];
        while let Some(dir) = ahead.pop() {
            let path = if dir.is_empty() { self.place.root.clone() } else { self.place.path(&dir) };
            let failed = |source| ShareError::Unreadable { path: path.clone(), source };
            let found_before = self.entries.len() + ahead.len();
            for child in fs::read_dir(&path).map_err(failed)? {
                let child = child.map_err(failed)?;
                let at = child.path();
                let Some(name) = child.file_name().to_str().map(str::to_owned) else {
                    self.leave_out(&at, "its name is not UTF-8");
                    continue;
                };
                let below = if dir.is_empty() { name } else { format!("{dir}/{name}") };
                // Looked at without following links.
                let meta = child
                    .metadata()
                    .map_err(|source| ShareError::Unreadable { path: at.clone(), source })?;
                let kind = meta.file_type();
                if let Err(why) = names::check_path(&below) {
                    self.leave_out(&at, &why.to_string());
                } else if (self.ours)(&at) {
                    self.leave_out(&at, "it is an unfinished download");
                } else if kind.is_dir() {
                    ahead.push(below);
                } else if kind.is_file() {
                    self.entries.push(file(below, &meta));
                } else {
                    let what = if kind.is_symlink() {
                        "a symbolic link"
                    } else {
                        "neither a file nor a directory"
                    };
                    self.leave_out(&at, &format!("it is {what}"));
                }
                if self.entries.len() + ahead.len() > ENTRIES_MAX {
                    return Err(ShareError::TooMany(self.place.root.clone()));
                }
            }
            if !dir.is_empty() && self.entries.len() + ahead.len() == found_before {
                let entry = Entry { path: dir, bytes: 0, executable: false, directory: true };
                self.entries.push((entry, Stamp::default()));
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, path: &Path, why: &str) {
        if self.left_out.len() + 1 < LEFT_OUT_MAX {
            let path: PathBuf = path.strip_prefix(&self.place.root).unwrap_or(path).into();
            self.left_out.push(format!("{}: {why}", path.display()));
        } else {
            self.more += 1;
        }
    }
}
