//! The address book on disk: one redb file, in which only what changed is written.
//!
//! The book makes restarts quick and keeps pins; without it a node still works. So a file that cannot
//! be read is set aside for a person to look at, and the daemon begins with an empty book.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use redb::{Database, ReadTransaction, TableDefinition};
use serde::Serialize;

use super::database::{Change, DbError, Purpose, Table, Unreadable, commit, encode, load};
use super::state_dir::StateDir;
use crate::mesh::NodeId;
use crate::mesh::book::{Book, Entry};

/// Name of the database file in the state directory.
pub const BOOK_FILE: &str = "kith.redb";
const META: Table = TableDefinition::new("book.meta.1");
const ENTRIES: Table = TableDefinition::new("book.entries.1");
const LABEL_PINS: Table = TableDefinition::new("book.label-pins.1");
const ADDR_PINS: Table = TableDefinition::new("book.addr-pins.1");
const TRUSTED: Table = TableDefinition::new("book.trusted.1");
const BANNED: Table = TableDefinition::new("book.banned.1");
const BOOK: Purpose<Book> = Purpose {
    name: "the address book",
    loss: "whom this node met, pinned and banned is forgotten",
    tables: &TABLES,
    load: load_book,
};
const TABLES: [Table; 6] = [META, ENTRIES, LABEL_PINS, ADDR_PINS, TRUSTED, BANNED];
/// Key in [`META`] of the highest epoch used.
const EPOCH: &str = "epoch";

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
    pub fn open(dir: &StateDir) -> Result<(BookDb, Book, Option<String>), DbError> {
        let path = dir.path().join(BOOK_FILE);
        let (database, saved, aside) = BOOK.open_or_set_aside(&path)?;
        let book = saved.clone();
        Ok((BookDb { path: Some(path), database: Some(database), saved }, book, aside))
    }

    /// Makes the file say what `book` says, in one transaction that is safe on disk when this
    /// returns; how many entries were written or removed.
    ///
    /// On `Err` the file says what it said before (or, after a failed sync, perhaps the new).
    pub fn save(&mut self, book: &Book) -> Result<usize, DbError> {
        let Some(path) = &self.path else { return Ok(0) };
        let database = match self.database.take() {
            Some(database) => database,
            None => {
                // After an error redb wants to be opened again; what it holds is then read, not guessed.
                let (database, saved, aside) = BOOK.open_or_set_aside(path)?;
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
                Ok(Err(source)) => return Err(DbError::at(BOOK.name, path, source)),
                Err(_) => return Err(DbError::Broken(path.clone())),
            }
        }
        self.database = Some(database);
        Ok(changes.len())
    }
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

/// An [`Entry`] as it is stored: label, addresses, seen (unix ms), anchor. Another shape needs another
/// version in the table's name.
type StoredEntry = (String, Vec<SocketAddr>, u64, bool);

fn entry((label, addrs, seen_ms, anchor): StoredEntry) -> Entry {
    Entry { label, addrs, seen_ms, anchor }
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

#[cfg(test)]
mod tests;
