//! What is kept at hand for reading: a few open files, a few manifests.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::catalog::Loaded;
use crate::pieces::FileId;

/// Most files kept open for reading.
const FILES_MAX: usize = 64;
/// Most bytes of manifests kept in memory, roughly; the one used last stays even if it is larger.
const MANIFESTS_BYTES_MAX: usize = 8 << 20;

/// What was not read for so long is closed when it is asked for.
const IDLE: Duration = Duration::from_secs(8);

/// Open files of shared files and finished downloads: by file and entry, with when each was used last.
#[derive(Debug, Default)]
pub(super) struct Files {
    open: BTreeMap<(FileId, usize), (Arc<File>, Instant)>,
}

impl Files {
    pub fn get(&mut self, file: &FileId, entry: usize) -> Option<Arc<File>> {
        let (open, used) = self.open.get_mut(&(*file, entry))?;
        *used = Instant::now();
        Some(Arc::clone(open))
    }

    pub fn insert(&mut self, file: FileId, entry: usize, open: Arc<File>) {
        if self.open.len() >= FILES_MAX
            && let Some(oldest) = self.open.iter().min_by_key(|(_, (_, used))| *used)
        {
            let oldest = *oldest.0;
            self.open.remove(&oldest);
        }
        self.open.insert((file, entry), (open, Instant::now()));
    }

    /// Takes out all files of one. They are closed by whoever drops them: closing the last of a deleted file
    /// frees its room, which may take a while.
    pub fn remove(&mut self, file: &FileId) -> Vec<Arc<File>> {
        self.take(|of, _| of == file)
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Takes out what has not been used for a while.
    pub fn take_idle(&mut self, now: Instant) -> Vec<Arc<File>> {
        self.take(|_, used| now.saturating_duration_since(used) >= IDLE)
    }

    fn take(&mut self, which: impl Fn(&FileId, Instant) -> bool) -> Vec<Arc<File>> {
        let wanted = self.open.iter().filter(|((of, _), (_, used))| which(of, *used));
        let wanted: Vec<(FileId, usize)> = wanted.map(|(key, _)| *key).collect();
        wanted.iter().filter_map(|key| self.open.remove(key)).map(|(open, _)| open).collect()
    }
}

/// Manifests, with when each was used last.
#[derive(Debug, Default)]
pub(super) struct Manifests {
    loaded: BTreeMap<FileId, (Arc<Loaded>, u64)>,
    uses: u64,
}

impl Manifests {
    pub fn get(&mut self, file: &FileId) -> Option<Arc<Loaded>> {
        self.uses += 1;
        let (loaded, used) = self.loaded.get_mut(file)?;
        *used = self.uses;
        Some(Arc::clone(loaded))
    }

    pub fn insert(&mut self, file: FileId, loaded: Arc<Loaded>) {
        // Encoded, and about three times that as entries, hashes and stamps.
        let weight = |loaded: &Loaded| loaded.bytes.len().saturating_mul(4);
        let mut bytes = weight(&loaded);
        bytes += self.loaded.values().map(|(loaded, _)| weight(loaded)).sum::<usize>();
        while bytes > MANIFESTS_BYTES_MAX
            && let Some(oldest) = self.loaded.iter().min_by_key(|(_, (_, used))| *used)
        {
            let oldest = *oldest.0;
            bytes -= self.loaded.remove(&oldest).map_or(0, |(loaded, _)| weight(&loaded));
        }
        self.uses += 1;
        self.loaded.insert(file, (loaded, self.uses));
    }

    pub fn remove(&mut self, file: &FileId) {
        self.loaded.remove(file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_files_stay_open_and_those_used_last() {
        let mut files = Files::default();
        let open = Arc::new(File::open("/dev/null").unwrap());
        for entry in 0..500 {
            files.insert(FileId([1; 32]), entry, Arc::clone(&open));
            assert!(files.get(&FileId([1; 32]), 0).is_some() && files.open.len() <= FILES_MAX);
        }
        assert!(files.get(&FileId([1; 32]), 1).is_none());
        assert_eq!(files.remove(&FileId([1; 32])).len(), FILES_MAX);
        assert!(files.open.is_empty());
    }

    #[test]
    fn what_is_not_read_any_more_is_closed() {
        let mut files = Files::default();
        files.insert(FileId([1; 32]), 0, Arc::new(File::open("/dev/null").unwrap()));
        let now = Instant::now();
        assert!(files.take_idle(now).is_empty());
        assert_eq!(files.take_idle(now + IDLE + Duration::from_secs(1)).len(), 1);
        assert!(files.get(&FileId([1; 32]), 0).is_none());
    }
}
