//! What is remembered of files over restarts: one redb file.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError,
};
use serde::{Deserialize, Serialize};

use super::place::{Birth, Place, Stamp};
use crate::pieces::names::{NAME_BYTES_MAX, UNFINISHED};
use crate::pieces::{Bitmap, FileId};
use crate::store::database::{
    Change, DbError, Purpose, Table, Unreadable, commit, decode, encode, load,
};

/// Name of the database file in the state directory.
pub const PIECES_FILE: &str = "pieces.redb";
const FILES: Table = TableDefinition::new("pieces.files.1");
/// Raw bytes; their SHA-256 is the key.
const MANIFESTS: Table = TableDefinition::new("pieces.manifests.1");
/// Raw bytes of a [`Bitmap`]; only of downloads that are not finished.
const BITMAPS: Table = TableDefinition::new("pieces.bitmaps.1");
/// Postcard; one for each entry of a file that is whole.
const STAMPS: Table = TableDefinition::new("pieces.stamps.1");
/// Postcard of a [`Birth`]; only of downloads that are not finished: the `.part` that was made for one.
const PARTS: Table = TableDefinition::new("pieces.parts.1");
/// Nothing; only of downloads that a person has stopped: they do not go on by themselves.
const STOPPED: Table = TableDefinition::new("pieces.stopped.1");
const CATALOG: Purpose<BTreeMap<FileId, Row>> = Purpose {
    name: "the list of shared files and downloads",
    loss: "what was shared must be shared again, and what was being fetched must be fetched again (what \
           there is of it stays on disk as .part)",
    tables: &[FILES, MANIFESTS, BITMAPS, STAMPS, PARTS, STOPPED],
    load: |read| load(read, FILES),
};

/// How a file came to be here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A person shared it.
    Shared,
    /// It was fetched, and is whole.
    Downloaded,
    /// It is being fetched, or was.
    Unfinished,
}

/// A known file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    pub name: String,
    pub bytes: u64,
    pub piece_bytes: u32,
    pub pieces: u32,
    pub manifest_bytes: u32,
    pub directory: bool,
    /// The shared path, or the (final) name of the download; not always UTF-8.
    root: Vec<u8>,
    pub kind: Kind,
    /// What is at the final name may be overwritten.
    pub force: bool,
    /// Unix milliseconds.
    pub added_ms: u64,
}

impl Row {
    pub fn at(mut self, root: &Path) -> Row {
        root.as_os_str().as_bytes().clone_into(&mut self.root);
        self
    }

    pub fn new(loaded: &Loaded, root: &Path, kind: Kind, force: bool, added_ms: u64) -> Row {
        let manifest = &loaded.manifest;
        let row = Row {
            name: manifest.name.clone(),
            bytes: manifest.total_bytes(),
            piece_bytes: manifest.piece_bytes,
            pieces: manifest.pieces(),
            manifest_bytes: u32::try_from(loaded.bytes.len()).expect("at most MANIFEST_BYTES_MAX"),
            directory: manifest.directory,
            root: Vec::new(),
            kind,
            force,
            added_ms,
        };
        row.at(root)
    }

    /// The shared path, or the final name.
    pub fn root(&self) -> PathBuf {
        PathBuf::from(std::ffi::OsString::from_vec(self.root.clone()))
    }

    /// Where its content is, or will be.
    pub fn place(&self) -> Place {
        Place { root: self.root(), directory: self.directory }
    }

    /// Where its content is while it is not whole: `NAME.part`.
    pub fn part(&self, file: &FileId) -> Place {
        let root = self.root();
        let mut name = root.file_name().unwrap_or(OsStr::new("download")).as_bytes().to_vec();
        if name.len() + UNFINISHED.len() > NAME_BYTES_MAX {
            // A shortened name must still be this file's own.
            let tail = format!("~{}", file.short());
            name.truncate(NAME_BYTES_MAX - UNFINISHED.len() - tail.len());
            name.extend_from_slice(tail.as_bytes());
        }
        name.extend_from_slice(UNFINISHED.as_bytes());
        let root = root.with_file_name(OsStr::from_bytes(&name));
        Place { root, directory: self.directory }
    }
}

/// A manifest in memory, with what it was checked against.
#[derive(Debug)]
pub(super) struct Loaded {
    pub bytes: Vec<u8>,
    pub manifest: crate::pieces::manifest::Manifest,
    /// One per entry; none while the file is not whole.
    pub stamps: Vec<Stamp>,
}

/// The database.
#[derive(Debug)]
pub(super) struct Catalog {
    /// None: it is in memory only.
    path: Option<PathBuf>,
    /// None: it failed, and is opened anew before it is used again.
    database: Mutex<Option<Arc<Database>>>,
}

/// What the catalog is opened with: itself, what is known, and a line for the log when it was set aside.
pub(super) type Opened = (Catalog, BTreeMap<FileId, Row>, Option<String>);

impl Catalog {
    pub fn open(dir: Option<&Path>) -> Result<Opened, DbError> {
        let (path, database, rows, aside) = match dir {
            Some(dir) => {
                let path = dir.join(PIECES_FILE);
                let (database, rows, aside) = CATALOG.open_or_set_aside(&path)?;
                (Some(path), database, rows, aside)
            }
            None => (None, CATALOG.in_memory()?, BTreeMap::new(), None),
        };
        Ok((Catalog { path, database: Mutex::new(Some(Arc::new(database))) }, rows, aside))
    }

    /// Writes a file that is whole, and forgets those whose place it takes.
    pub fn put_whole(
        &self,
        file: &FileId,
        row: &Row,
        loaded: &Loaded,
        replaced: &[FileId],
    ) -> Result<(), DbError> {
        let mut changes = gone(replaced);
        changes.extend([
            put(FILES, file, encode(row)),
            put(MANIFESTS, file, loaded.bytes.clone()),
            put(STAMPS, file, encode(&loaded.stamps)),
            Change { table: BITMAPS, key: encode(file), value: None },
            Change { table: PARTS, key: encode(file), value: None },
            Change { table: STOPPED, key: encode(file), value: None },
        ]);
        self.write(&changes)
    }

    /// Writes a download that begins.
    pub fn put_unfinished(&self, file: &FileId, row: &Row, loaded: &Loaded) -> Result<(), DbError> {
        self.write(&[
            put(FILES, file, encode(row)),
            put(MANIFESTS, file, loaded.bytes.clone()),
            put(BITMAPS, file, Bitmap::none(row.pieces).as_bytes().to_vec()),
            Change { table: STAMPS, key: encode(file), value: None },
            Change { table: PARTS, key: encode(file), value: None },
            Change { table: STOPPED, key: encode(file), value: None },
        ])
    }

    /// Writes which `.part` was made for a download.
    pub fn put_part(&self, file: &FileId, birth: &Birth) -> Result<(), DbError> {
        self.write(&[put(PARTS, file, encode(birth))])
    }

    /// Which `.part` was made for a download; None if the end came before that was written down.
    pub fn part(&self, file: &FileId) -> Result<Option<Birth>, DbError> {
        Ok(self.get(PARTS, file)?.as_deref().and_then(decode))
    }

    /// Writes that a person has stopped a download.
    pub fn put_stopped(&self, file: &FileId) -> Result<(), DbError> {
        self.write(&[put(STOPPED, file, Vec::new())])
    }

    /// Writes that a download is wanted again, if it was stopped.
    pub fn goes_on(&self, file: &FileId) -> Result<(), DbError> {
        if !self.stopped(file)? {
            return Ok(());
        }
        self.write(&[Change { table: STOPPED, key: encode(file), value: None }])
    }

    /// Whether a person has stopped a download.
    pub fn stopped(&self, file: &FileId) -> Result<bool, DbError> {
        Ok(self.get(STOPPED, file)?.is_some())
    }

    /// Writes a manifest that was damaged anew.
    pub fn put_manifest(&self, file: &FileId, bytes: &[u8]) -> Result<(), DbError> {
        self.write(&[put(MANIFESTS, file, bytes.to_vec())])
    }

    /// Writes what is known of a file, and nothing else of it.
    pub fn put_row(&self, file: &FileId, row: &Row) -> Result<(), DbError> {
        self.write(&[put(FILES, file, encode(row))])
    }

    /// Writes which pieces of a download are safe on disk; nothing if it was forgotten meanwhile.
    pub fn put_held(&self, file: &FileId, held: &Bitmap) -> Result<(), DbError> {
        let key = encode(file);
        self.guarded(|database| {
            let write = database.begin_write()?;
            if write.open_table(FILES)?.get(key.as_slice())?.is_none() {
                return Ok(());
            }
            write.open_table(BITMAPS)?.insert(key.as_slice(), held.as_bytes())?;
            Ok(write.commit()?)
        })
    }

    /// Forgets these files.
    pub fn remove(&self, files: &[FileId]) -> Result<(), DbError> {
        self.write(&gone(files))
    }

    /// Which pieces of a download are said to be safe on disk; none if that is not readable.
    pub fn held(&self, file: &FileId, pieces: u32) -> Result<Bitmap, DbError> {
        let bytes = self.get(BITMAPS, file)?.unwrap_or_default();
        Ok(Bitmap::from_bytes(&bytes, pieces).unwrap_or_else(|| Bitmap::none(pieces)))
    }

    /// The manifest and the stamps; None if they are not there or not what the file id says.
    pub fn loaded(&self, file: &FileId) -> Result<Option<Loaded>, DbError> {
        let Some(bytes) = self.get(MANIFESTS, file)? else { return Ok(None) };
        let stamps = self.get(STAMPS, file)?.as_deref().and_then(decode).unwrap_or_default();
        let right = FileId::of_manifest(&bytes) == *file;
        let manifest = crate::pieces::manifest::Manifest::parse(&bytes).ok().filter(|_| right);
        Ok(manifest.map(|manifest| Loaded { bytes, manifest, stamps }))
    }

    fn get(&self, table: Table, file: &FileId) -> Result<Option<Vec<u8>>, DbError> {
        let key = encode(file);
        self.guarded(|database| {
            let read: ReadTransaction = database.begin_read()?;
            let table = match read.open_table(table) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(None),
                opened => opened?,
            };
            Ok(table.get(key.as_slice())?.map(|value| value.value().to_vec()))
        })
    }

    fn write(&self, changes: &[Change]) -> Result<(), DbError> {
        self.guarded(|database| commit(database, changes))
    }

    /// Runs something on the database. After an error redb wants to be opened again: the next call does.
    fn guarded<T>(&self, run: impl Fn(&Database) -> Result<T, redb::Error>) -> Result<T, DbError> {
        let database = self.database()?;
        // A file damaged under a running daemon can make redb panic instead of saying so.
        let done = catch_unwind(AssertUnwindSafe(|| run(&database)));
        let Some(path) = &self.path else {
            let nowhere = PathBuf::from("in memory");
            let done = done.map_err(|_| DbError::Broken(nowhere.clone()))?;
            return done.map_err(|e| DbError::at(CATALOG.name, &nowhere, e));
        };
        if !matches!(done, Ok(Ok(_))) {
            let mut current = self.database.lock().unwrap_or_else(PoisonError::into_inner);
            current.take_if(|current| Arc::ptr_eq(current, &database));
        }
        let done = done.map_err(|_| DbError::Broken(path.clone()))?;
        done.map_err(|source| DbError::at(CATALOG.name, path, source))
    }

    fn database(&self) -> Result<Arc<Database>, DbError> {
        let mut current = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*current, &self.path) {
            (Some(database), _) => Ok(Arc::clone(database)),
            (None, Some(path)) => {
                let (database, _) =
                    CATALOG.open(path).map_err(|why: Unreadable| CATALOG.failed(path, why))?;
                Ok(Arc::clone(current.insert(Arc::new(database))))
            }
            (None, None) => Err(DbError::Broken(PathBuf::from("in memory"))),
        }
    }
}

/// All that is written of these files, to be removed.
fn gone(files: &[FileId]) -> Vec<Change> {
    let of = |file: &FileId| {
        let key = encode(file);
        CATALOG.tables.iter().map(move |table| Change {
            table: *table,
            key: key.clone(),
            value: None,
        })
    };
    files.iter().flat_map(of).collect()
}

fn put(table: Table, file: &FileId, value: Vec<u8>) -> Change {
    Change { table, key: encode(file), value: Some(value) }
}
