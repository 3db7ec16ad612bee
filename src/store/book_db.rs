//! The address book on disk: one redb file, in which only what changed is written.
//!
//! The book makes restarts quick and keeps pins; without it a node still works. So a file that cannot
//! be read is set aside for a person to look at, and the daemon begins with an empty book.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError,
    TableHandle,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::state_dir::{StateDir, StateError};
use crate::mesh::NodeId;
use crate::mesh::book::{Book, Entry};

/// Name of the database file in the state directory.
pub const BOOK_FILE: &str = "kith.redb";
/// Bytes of memory redb may use as cache; the whole book is seldom larger.
const CACHE_BYTES: usize = 1024 * 1024;

/// Keys and values are postcard; the number in the name is the version of their shape.
type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;
const META: Table = TableDefinition::new("book.meta.1");
const ENTRIES: Table = TableDefinition::new("book.entries.1");
const LABEL_PINS: Table = TableDefinition::new("book.label-pins.1");
const ADDR_PINS: Table = TableDefinition::new("book.addr-pins.1");
const TRUSTED: Table = TableDefinition::new("book.trusted.1");
const BANNED: Table = TableDefinition::new("book.banned.1");
const TABLES: [Table; 6] = [META, ENTRIES, LABEL_PINS, ADDR_PINS, TRUSTED, BANNED];
/// Key in [`META`] of the highest epoch used.
const EPOCH: &str = "epoch";

/// Why the book could not be opened or saved. What was on disk is as before, or set aside.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// The file or its directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The database refused; the next save opens it again.
    #[error("the address book {} cannot be used", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What redb said.
        source: redb::Error,
    },
    /// The database library failed in a way it does not explain; the next save opens it again.
    #[error("the database library failed while saving {}", .0.display())]
    Broken(PathBuf),
}

impl BookError {
    fn at(path: &Path, source: redb::Error) -> BookError {
        match source {
            redb::Error::Io(source) => StateError::at(path, source).into(),
            source => BookError::Database { path: path.to_owned(), source },
        }
    }
}

/// What makes a file unreadable, as told to people.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
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
    fn said(error: impl Into<redb::Error>) -> Unreadable {
        Unreadable::Database(error.into())
    }
}

/// Saves a [`Book`]; remembers what was saved last, to write only differences.
#[derive(Debug)]
pub struct BookDb {
    /// None: there is no state directory, and nothing is saved.
    path: Option<PathBuf>,
    /// None: the last save failed, and the file is opened anew before the next.
    database: Option<Database>,
    saved: Book,
}

impl BookDb {
    /// A book that is forgotten at the end, for a daemon without a state directory.
    pub fn memory() -> BookDb {
        BookDb { path: None, database: None, saved: Book::default() }
    }

    /// Opens or makes [`BOOK_FILE`]; the book in it, and if a file could not be read and was
    /// renamed, one line for the log that says where to and why.
    ///
    /// `Err` only when the disk is at fault, or not even a new file can be made.
    pub fn open(dir: &StateDir) -> Result<(BookDb, Book, Option<String>), BookError> {
        let path = dir.path().join(BOOK_FILE);
        let (database, saved, aside) = open_or_set_aside(&path)?;
        let book = saved.clone();
        Ok((BookDb { path: Some(path), database: Some(database), saved }, book, aside))
    }

    /// Makes the file say what `book` says, in one transaction that is safe on disk when this
    /// returns; how many entries were written or removed.
    ///
    /// On `Err` the file says what it said before (or, after a failed sync, perhaps the new).
    pub fn save(&mut self, book: &Book) -> Result<usize, BookError> {
        let Some(path) = &self.path else { return Ok(0) };
        let database = match self.database.take() {
            Some(database) => database,
            None => {
                // After an error redb wants to be opened again; what it holds is then read, not guessed.
                let (database, saved, aside) = open_or_set_aside(path)?;
                if let Some(message) = aside {
                    log::warn!("{message} (what is known since the start is saved anew)");
                }
                self.saved = saved;
                database
            }
        };
        let changes = differences(&self.saved, book);
        if !changes.is_empty() {
            // A file damaged under a running daemon can make redb panic instead of saying so.
            match catch_unwind(AssertUnwindSafe(|| commit(&database, &changes))) {
                Ok(Ok(())) => self.saved = book.clone(),
                Ok(Err(source)) => return Err(BookError::at(path, source)),
                Err(_) => return Err(BookError::Broken(path.clone())),
            }
        }
        self.database = Some(database);
        Ok(changes.len())
    }
}

fn open_or_set_aside(path: &Path) -> Result<(Database, Book, Option<String>), BookError> {
    let why = match open_guarded(path) {
        Ok((database, book)) => return Ok((database, book, None)),
        Err(Unreadable::Database(source)) if !says_damaged(&source) => {
            return Err(BookError::at(path, source));
        }
        Err(why) => why,
    };
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
    let aside = path.with_file_name(format!("{BOOK_FILE}.set-aside-{now_ms}"));
    fs::rename(path, &aside).map_err(|e| StateError::at(path, e))?;
    let (database, book) = open_guarded(path).map_err(|why| match why {
        Unreadable::Database(source) => BookError::at(path, source),
        _ => BookError::Broken(path.to_owned()),
    })?;
    let message = format!(
        "the address book could not be read ({why}); it was moved to {} and an empty one takes its \
         place: whom this node met, pinned and banned is forgotten",
        aside.display()
    );
    Ok((database, book, Some(message)))
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

/// [`open_database`], with a panic turned into an error: redb checks every page when asked to, and
/// still a file that is damaged in the right place could trip one of its assertions.
fn open_guarded(path: &Path) -> Result<(Database, Book), Unreadable> {
    catch_unwind(|| open_database(path)).unwrap_or(Err(Unreadable::Damaged))
}

fn open_database(path: &Path) -> Result<(Database, Book), Unreadable> {
    // Made here and not by redb so that others cannot read whom we know.
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map_err(Unreadable::said)?;
    let database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .set_check_integrity_on_open(true)
        .create(path)
        .map_err(Unreadable::said)?;
    let read = database.begin_read().map_err(Unreadable::said)?;
    let names = TABLES.map(|table| table.name().to_owned());
    for table in read.list_tables().map_err(Unreadable::said)? {
        if !names.iter().any(|name| name == table.name()) {
            return Err(Unreadable::Version(table.name().to_owned()));
        }
    }
    let book = load_book(&read)?;
    drop(read);
    Ok((database, book))
}

fn load_book(read: &ReadTransaction) -> Result<Book, Unreadable> {
    let entries = load::<NodeId, StoredEntry>(read, ENTRIES)?;
    Ok(Book {
        epoch: load::<String, u64>(read, META)?.remove(EPOCH).unwrap_or(0),
        entries: entries.into_iter().map(|(id, stored)| (id, entry(stored))).collect(),
        label_pins: load(read, LABEL_PINS)?,
        addr_pins: load(read, ADDR_PINS)?,
        trusted: load::<NodeId, ()>(read, TRUSTED)?.into_keys().collect(),
        banned: load(read, BANNED)?,
    })
}

fn load<K: DeserializeOwned + Ord, V: DeserializeOwned>(
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

/// An [`Entry`] as it is stored: label, addresses, seen (unix ms), anchor. Another shape needs another
/// version in the table's name.
type StoredEntry = (String, Vec<SocketAddr>, u64, bool);

fn entry((label, addrs, seen_ms, anchor): StoredEntry) -> Entry {
    Entry { label, addrs, seen_ms, anchor }
}

/// One row to write, or without value to remove.
struct Change {
    table: Table,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

fn differences(old: &Book, new: &Book) -> Vec<Change> {
    let mut out = Vec::new();
    let epoch = |book: &Book| BTreeMap::from([(EPOCH, book.epoch)]);
    let set = |ids: &BTreeSet<NodeId>| ids.iter().map(|id| (*id, ())).collect();
    compare(&mut out, META, &epoch(old), &epoch(new), encode);
    compare(&mut out, ENTRIES, &old.entries, &new.entries, |e| {
        encode(&(&e.label, &e.addrs, e.seen_ms, e.anchor))
    });
    compare(&mut out, LABEL_PINS, &old.label_pins, &new.label_pins, encode);
    compare(&mut out, ADDR_PINS, &old.addr_pins, &new.addr_pins, encode);
    compare(&mut out, TRUSTED, &set(&old.trusted), &set(&new.trusted), encode);
    compare(&mut out, BANNED, &old.banned, &new.banned, encode);
    out
}

fn compare<K: Serialize + Ord, V: PartialEq>(
    out: &mut Vec<Change>,
    table: Table,
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
    stored: impl Fn(&V) -> Vec<u8>,
) {
    for key in old.keys().filter(|key| !new.contains_key(key)) {
        out.push(Change { table, key: encode(key), value: None });
    }
    for (key, value) in new.iter().filter(|(key, value)| old.get(key) != Some(value)) {
        out.push(Change { table, key: encode(key), value: Some(stored(value)) });
    }
}

fn commit(database: &Database, changes: &[Change]) -> Result<(), redb::Error> {
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

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("plain values in memory always encode")
}

/// None for bytes that are not exactly one value.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
