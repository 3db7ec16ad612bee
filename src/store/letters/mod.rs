//! The letters on disk: those written here, those that came, and those kept for others. One redb file.
//!
//! A letter that is said to be safe is safe: what [`LetterStore::commit`] has returned for survives the loss of
//! power, and a crash leaves what some number of commits made, never half of one. All changes of a commit share
//! one write to the disk, which is what costs time.

mod batch;
mod inbox;
mod kept;
mod lists;
mod outbox;
mod tables;
mod tally;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use redb::{Database, ReadTransaction, ReadableDatabase};

use self::batch::Batch;
use self::tables::{Did, Numbers, TABLES, Tables};
use self::tally::Tally;
use super::database::{DbError, Purpose};
use crate::mail::LetterId;
use crate::mail::rows::{Change, Limits, Outcome};
use crate::mesh::NodeId;

/// Name of the database file in the state directory.
pub const LETTERS_FILE: &str = "letters.redb";
const LETTERS: Purpose<Tally> = Purpose {
    name: "the mail",
    loss: "letters that came, letters that had not arrived and letters kept for others are not here any \
           more; new keys are made, and a letter that came before may come once more",
    tables: &TABLES,
    load: Tally::load,
};

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Letters that came.
    pub inbox_letters: u64,
    /// Bytes of their texts.
    pub inbox_bytes: u64,
    /// Letters sent from here that are over.
    pub sent_letters: u64,
    /// Bytes of letters kept for others.
    pub kept_bytes: u64,
}

/// The letters on disk. Clones are the same store; all may be used at once, from any thread.
///
/// Reads do not wait for commits. After an error the file is opened anew before it is used again, and what
/// is in memory is then read, not guessed.
#[derive(Clone, Debug)]
pub struct LetterStore(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// None: it is in memory only.
    path: Option<PathBuf>,
    /// Who uses it holds the lock for reading, so that the file is not opened a second time while somebody still
    /// has it.
    database: RwLock<Opened>,
    /// As the last commit left it. Written by a commit, or by opening, and these exclude one another.
    tally: RwLock<Tally>,
    limits: Mutex<Limits>,
    /// One commit at a time.
    writing: Mutex<()>,
}

#[derive(Debug)]
struct Opened {
    /// None: it failed, and is opened anew before it is used again.
    database: Option<Database>,
    /// How often it was opened; tells one that failed from the one after it.
    times: u64,
}

impl LetterStore {
    /// Opens or makes [`LETTERS_FILE`] in the state directory, or without one a store that is forgotten at the
    /// end; and if a file could not be read and was renamed, one line for the log that says where to and why.
    ///
    /// `Err` only when the disk is at fault, or not even a new file can be made.
    pub fn open(
        dir: Option<&Path>,
        limits: Limits,
    ) -> Result<(LetterStore, Option<String>), DbError> {
        let path = dir.map(|dir| dir.join(LETTERS_FILE));
        let (database, tally, aside) = match &path {
            Some(path) => open_file(path)?,
            None => (LETTERS.in_memory()?, Tally::default(), None),
        };
        if path.is_none() {
            make_tables(&database).map_err(|e| DbError::at(LETTERS.name, nowhere(), e))?;
        }
        let shared = Shared {
            path,
            database: RwLock::new(Opened { database: Some(database), times: 1 }),
            tally: RwLock::new(tally),
            limits: Mutex::new(limits),
            writing: Mutex::new(()),
        };
        Ok((LetterStore(Arc::new(shared)), aside))
    }

    /// Sets other limits. What is there already stays, but finished letters beyond theirs go with the next
    /// commits.
    pub fn set_limits(&self, limits: Limits) {
        *self.0.limits.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// Makes these changes in one transaction that is safe on disk when this returns; what became of each, in
    /// their order.
    ///
    /// On `Err` nothing was changed (or, after a failed sync, perhaps all was: making them again is then
    /// [`Outcome::Duplicate`], and does no harm).
    pub fn commit(&self, changes: &[Change]) -> Result<Vec<Outcome>, DbError> {
        self.change(|batch| changes.iter().map(|change| batch.make(change)).collect())
    }

    /// Marks letters that came as read, as [`Change::Read`] does; those that were not before, each once.
    pub fn mark_read(
        &self,
        letters: &[(NodeId, LetterId)],
    ) -> Result<Vec<(NodeId, LetterId)>, DbError> {
        self.change(|batch| {
            let fresh = batch.read(letters)?;
            if !fresh.is_empty() {
                batch.changed();
            }
            Ok(fresh)
        })
    }

    fn change<T>(&self, make: impl FnOnce(&mut Batch<'_>) -> Did<T>) -> Result<T, DbError> {
        let _one_at_a_time = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let limits = *self.0.limits.lock().unwrap_or_else(PoisonError::into_inner);
        self.guarded(|database| {
            let write = database.begin_write()?;
            let tally = self.tally();
            let mut batch = Batch::on(&write, &tally, limits)?;
            let made = make(&mut batch)?;
            let delta = batch.done()?;
            // Whoever asks for a count must not wait for the disk.
            drop(tally);
            if let Some(delta) = delta {
                write.commit()?;
                self.0.tally.write().unwrap_or_else(PoisonError::into_inner).take(delta);
            }
            Ok(made)
        })
    }

    /// Reads the disk as the last commit left it.
    fn look<T>(&self, run: impl FnOnce(&ReadTransaction) -> Did<T>) -> Result<T, DbError> {
        self.guarded(|database| run(&database.begin_read()?))
    }

    fn tally(&self) -> RwLockReadGuard<'_, Tally> {
        self.0.tally.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs something on the database. After an error redb wants to be opened again: the next call does.
    fn guarded<T>(&self, run: impl FnOnce(&Database) -> Did<T>) -> Result<T, DbError> {
        let path = self.0.path.as_deref().unwrap_or(nowhere());
        let current = self.opened()?;
        let Some(database) = &current.database else {
            return Err(DbError::Broken(path.to_owned()));
        };
        let times = current.times;
        // A file damaged under a running daemon can make redb panic instead of saying so.
        let done = catch_unwind(AssertUnwindSafe(|| run(database)));
        drop(current);
        if !matches!(done, Ok(Ok(_))) && self.0.path.is_some() {
            let mut current = self.0.database.write().unwrap_or_else(PoisonError::into_inner);
            // Another thread may have opened it anew meanwhile; that one is sound.
            if current.times == times {
                current.database = None;
            }
        }
        let done = done.map_err(|_| DbError::Broken(path.to_owned()))?;
        done.map_err(|source| DbError::at(LETTERS.name, path, source))
    }

    /// The database, opened anew if it failed; one in memory never is.
    fn opened(&self) -> Result<RwLockReadGuard<'_, Opened>, DbError> {
        loop {
            let current = self.0.database.read().unwrap_or_else(PoisonError::into_inner);
            let (None, Some(path)) = (&current.database, &self.0.path) else {
                return Ok(current);
            };
            drop(current);
            let mut current = self.0.database.write().unwrap_or_else(PoisonError::into_inner);
            if current.database.is_none() {
                current.database = Some(self.open_again(path)?);
                current.times += 1;
            }
        }
    }

    fn open_again(&self, path: &Path) -> Result<Database, DbError> {
        let (database, mut found, aside) = open_file(path)?;
        if let Some(message) = aside {
            log::warn!("{message}");
        }
        let mut tally = self.0.tally.write().unwrap_or_else(PoisonError::into_inner);
        // Numbers that were given stay given, also when the file they were in was set aside.
        let (before, now) = (tally.sums.numbers, found.sums.numbers);
        found.sums.numbers = Numbers {
            came: now.came.max(before.came),
            written: now.written.max(before.written),
            finished: now.finished.max(before.finished),
        };
        *tally = found;
        Ok(database)
    }
}

fn open_file(path: &Path) -> Result<(Database, Tally, Option<String>), DbError> {
    let (database, tally, aside) = LETTERS.open_or_set_aside(path)?;
    let made = catch_unwind(AssertUnwindSafe(|| make_tables(&database)));
    let made = made.map_err(|_| DbError::Broken(path.to_owned()))?;
    made.map_err(|source| DbError::at(LETTERS.name, path, source))?;
    Ok((database, tally, aside))
}

/// Makes all tables, so that no read needs to ask whether one is there.
fn make_tables(database: &Database) -> Did<()> {
    if database.begin_read()?.list_tables()?.count() == TABLES.len() {
        return Ok(());
    }
    let write = database.begin_write()?;
    drop(Tables::of(&write)?);
    Ok(write.commit()?)
}

fn nowhere() -> &'static Path {
    Path::new("in memory")
}

#[cfg(test)]
mod tests;
