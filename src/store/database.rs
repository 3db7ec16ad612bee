//! What the databases in the state directory have in common: how one is opened, set aside when it cannot be
//! read, and written.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{
    Builder, Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition,
    TableError, TableHandle,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::state_dir::StateError;
use super::unix_ms;

/// Bytes of memory redb may use as cache, for each table of a database. A commit touches pages of most tables; what
/// does not fit is written before its end, and once more when it changes again: a quarter of this nearly doubles what a
/// commit of 256 letters writes.
const CACHE_BYTES_PER_TABLE: usize = 256 * 1024;

/// Keys and values are bytes, most of them postcard; the number in the name is the version of their shape.
pub(super) type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// What a database is for.
pub(super) struct Purpose<T> {
    /// What people know it as.
    pub name: &'static str,
    /// What a person should know when an empty one took its place.
    pub loss: &'static str,
    /// The tables it has. One with another makes the file unreadable: another version of kith made it.
    pub tables: &'static [Table],
    /// Reads what is kept in memory.
    pub load: fn(&ReadTransaction) -> Result<T, Unreadable>,
}

/// Why a database could not be opened, read or saved. What was on disk is as before, or set aside.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The file or its directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The database refused; the next save opens it again.
    #[error("{what} {} cannot be used", path.display())]
    Database {
        /// What people know it as.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What redb said.
        source: Box<redb::Error>,
    },
    /// The database library failed in a way it does not explain; the next save opens it again.
    #[error("the database library failed while using {}", .0.display())]
    Broken(PathBuf),
}

impl DbError {
    /// There was no room on the disk of the state directory; there may be later.
    pub fn is_full(&self) -> bool {
        matches!(self, DbError::State(StateError::Full { .. }))
    }

    pub(super) fn at(what: &'static str, path: &Path, source: redb::Error) -> DbError {
        match source {
            redb::Error::Io(source) => StateError::at(path, source).into(),
            source => {
                let (path, source) = (path.to_owned(), Box::new(source));
                DbError::Database { what, path, source }
            }
        }
    }
}

/// What makes a file unreadable, as told to people.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("{0}")]
    Database(redb::Error),
    #[error("it has the table {0}, which another version of kith made")]
    Version(String),
    #[error("an entry in {0} is damaged")]
    Entry(String),
    #[error("it is damaged")]
    Damaged,
}

impl Unreadable {
    pub fn said(error: impl Into<redb::Error>) -> Unreadable {
        Unreadable::Database(error.into())
    }
}

impl<T> Purpose<T> {
    /// Opens or makes the file; what is in it, and if it could not be read and was renamed, one line for
    /// the log that says where to and why.
    ///
    /// `Err` only when the disk is at fault, or not even a new file can be made.
    pub fn open_or_set_aside(&self, path: &Path) -> Result<(Database, T, Option<String>), DbError> {
        let why = match self.open(path) {
            Ok((database, content)) => return Ok((database, content, None)),
            Err(Unreadable::Database(source)) if !says_damaged(&source) => {
                return Err(DbError::at(self.name, path, source));
            }
            Err(why) => why,
        };
        let now_ms = unix_ms();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let aside = path.with_file_name(format!("{file}.set-aside-{now_ms}"));
        fs::rename(path, &aside).map_err(|e| StateError::at(path, e))?;
        let (database, content) = self.open(path).map_err(|why| self.failed(path, why))?;
        let message = format!(
            "{} could not be read ({why}); it was moved to {} and an empty one takes its place: {}",
            self.name,
            aside.display(),
            self.loss
        );
        Ok((database, content, Some(message)))
    }

    /// Opens or makes the file, with a panic turned into an error: redb checks every page when asked to,
    /// and still a file that is damaged in the right place could trip one of its assertions.
    pub fn open(&self, path: &Path) -> Result<(Database, T), Unreadable> {
        let open = AssertUnwindSafe(|| {
            // Made here and not by redb so that others cannot read whom we know and what we have.
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false).mode(0o600);
            options.open(path).map_err(Unreadable::said)?;
            let database = self.builder().create(path).map_err(Unreadable::said)?;
            let content = self.read(&database)?;
            Ok((database, content))
        });
        catch_unwind(open).unwrap_or(Err(Unreadable::Damaged))
    }

    /// One that is forgotten at the end, for a daemon without a state directory.
    pub fn in_memory(&self) -> Result<Database, DbError> {
        let backend = redb::backends::InMemoryBackend::new();
        let failed =
            |e: redb::DatabaseError| DbError::at(self.name, Path::new("in memory"), e.into());
        self.builder().create_with_backend(backend).map_err(failed)
    }

    /// Why a file that is not damaged could not be opened.
    pub fn failed(&self, path: &Path, why: Unreadable) -> DbError {
        match why {
            Unreadable::Database(source) => DbError::at(self.name, path, source),
            _ => DbError::Broken(path.to_owned()),
        }
    }

    fn read(&self, database: &Database) -> Result<T, Unreadable> {
        let read = database.begin_read().map_err(Unreadable::said)?;
        for table in read.list_tables().map_err(Unreadable::said)? {
            if !self.tables.iter().any(|ours| ours.name() == table.name()) {
                return Err(Unreadable::Version(table.name().to_owned()));
            }
        }
        (self.load)(&read)
    }

    fn builder(&self) -> Builder {
        let mut builder = Database::builder();
        builder
            .set_cache_size(self.tables.len() * CACHE_BYTES_PER_TABLE)
            .set_check_integrity_on_open(true);
        builder
    }
}

/// Whether redb speaks of the file's content, not of the disk, permissions or another process.
fn says_damaged(error: &redb::Error) -> bool {
    match error {
        // What is too short or has no magic number is reported as an I/O error of these kinds.
        redb::Error::Io(e) => {
            matches!(e.kind(), InvalidData | InvalidInput | UnexpectedEof)
        }
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => false,
        _ => true,
    }
}

/// All rows of a table, read as postcard.
pub(super) fn load<K: DeserializeOwned + Ord, V: DeserializeOwned>(
    read: &ReadTransaction,
    definition: Table,
) -> Result<BTreeMap<K, V>, Unreadable> {
    let table = match read.open_table(definition) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(BTreeMap::new()),
        opened => opened.map_err(Unreadable::said)?,
    };
    let mut rows = BTreeMap::new();
    for row in table.iter().map_err(Unreadable::said)? {
        let (key, value) = row.map_err(Unreadable::said)?;
        match (decode(key.value()), decode(value.value())) {
            (Some(key), Some(value)) => rows.insert(key, value),
            _ => return Err(Unreadable::Entry(definition.name().to_owned())),
        };
    }
    Ok(rows)
}

/// One row to write, or without value to remove.
pub(super) struct Change {
    pub table: Table,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

/// Writes all of them in one transaction that is safe on disk when this returns.
pub(super) fn commit(database: &Database, changes: &[Change]) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    for change in changes {
        let mut table = write.open_table(change.table)?;
        match &change.value {
            Some(value) => table.insert(change.key.as_slice(), value.as_slice())?,
            None => table.remove(change.key.as_slice())?,
        };
    }
    Ok(write.commit()?)
}

pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("plain values in memory always encode")
}

/// None for bytes that are not exactly one value.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Some(value),
        _ => None,
    }
}
