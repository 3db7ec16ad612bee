//! The tables of the letters, and what their keys and values look like.
//!
//! Every letter has a number, given in the order in which letters are written or come. What is large is found
//! by that number and written once, at the end of its table; what changes later is small. Only the tables that
//! find a number by a name are hit in random places.

use redb::{ReadTransaction, ReadableTable, TableDefinition, TableError, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::mail::LetterId;
use crate::mail::rows::{InLetter, OutLetter};
use crate::mesh::NodeId;
use crate::store::database::{Table, Unreadable, decode, encode};

/// Postcard of our own keys; its key is empty.
pub(super) const KEYS: Table = TableDefinition::new("letters.keys.1");
/// Postcard of a [`crate::mail::rows::Memo`]; its key is empty.
pub(super) const MEMO: Table = TableDefinition::new("letters.memo.1");
/// Postcard of [`Numbers`]; its key is empty.
pub(super) const NUMBERS: Table = TableDefinition::new("letters.numbers.1");

/// Letter id: number.
pub(super) const OUT_IDS: Table = TableDefinition::new("letters.out.ids.1");
/// Number: postcard of an [`OutLetter`], finished or not.
pub(super) const OUT_ROWS: Table = TableDefinition::new("letters.out.rows.1");
/// Number: text. Apart from the row, which is written anew with each state.
pub(super) const OUT_TEXTS: Table = TableDefinition::new("letters.out.texts.1");
/// Reader, number: when it was written.
pub(super) const OUT_WITH: Table = TableDefinition::new("letters.out.with.1");
/// Number, of those that are under way: nothing.
pub(super) const OUT_OPEN: Table = TableDefinition::new("letters.out.open.1");
/// A place in the order of finishing: number.
pub(super) const OUT_OVER: Table = TableDefinition::new("letters.out.over.1");

/// Number: postcard of a [`Came`], and behind it the text. Never written a second time.
pub(super) const IN_LETTERS: Table = TableDefinition::new("letters.in.letters.1");
/// Sender, 0 or 1 for unread or read, number: when it came, and how many bytes its text has.
pub(super) const IN_WITH: Table = TableDefinition::new("letters.in.with.1");
/// Number, of those that nobody was shown: nothing.
pub(super) const IN_UNREAD: Table = TableDefinition::new("letters.in.unread.1");
/// Sender, letter id, number: 1 while a copy of it may still come, then 0. A letter that comes again later is a
/// second letter of that name, and must not hide the first.
pub(super) const IN_NAMES: Table = TableDefinition::new("letters.in.names.1");
/// When no copy can come any more, number: sender, letter id.
pub(super) const IN_SEEN: Table = TableDefinition::new("letters.in.seen.1");

/// Reader, expiry, token: the sealed letter. Nothing tells when it came or from where.
pub(super) const KEPT: Table = TableDefinition::new("letters.kept.sealed.1");
/// Reader, token: expiry, and how many bytes are sealed.
pub(super) const KEPT_TOKENS: Table = TableDefinition::new("letters.kept.tokens.1");
/// Expiry, reader, token: nothing.
pub(super) const KEPT_UNTIL: Table = TableDefinition::new("letters.kept.until.1");

/// All of them.
pub(super) const TABLES: [Table; 17] = [
    KEYS,
    MEMO,
    NUMBERS,
    OUT_IDS,
    OUT_ROWS,
    OUT_TEXTS,
    OUT_WITH,
    OUT_OPEN,
    OUT_OVER,
    IN_LETTERS,
    IN_WITH,
    IN_UNREAD,
    IN_NAMES,
    IN_SEEN,
    KEPT,
    KEPT_TOKENS,
    KEPT_UNTIL,
];

/// What redb said, or that an entry is damaged.
pub(super) type Did<T> = Result<T, redb::Error>;

/// A table that is being written.
pub(super) type Writing<'t> = redb::Table<'t, &'static [u8], &'static [u8]>;

/// The tables of one transaction that writes. Opening one that is then left alone costs no write.
pub(super) struct Tables<'t> {
    pub keys: Writing<'t>,
    pub memo: Writing<'t>,
    pub numbers: Writing<'t>,
    pub out_ids: Writing<'t>,
    pub out_rows: Writing<'t>,
    pub out_texts: Writing<'t>,
    pub out_with: Writing<'t>,
    pub out_open: Writing<'t>,
    pub out_over: Writing<'t>,
    pub in_letters: Writing<'t>,
    pub in_with: Writing<'t>,
    pub in_unread: Writing<'t>,
    pub in_names: Writing<'t>,
    pub in_seen: Writing<'t>,
    pub kept: Writing<'t>,
    pub kept_tokens: Writing<'t>,
    pub kept_until: Writing<'t>,
}

impl<'t> Tables<'t> {
    /// Opens all, and makes those that are not there.
    pub fn of(write: &'t WriteTransaction) -> Did<Tables<'t>> {
        Ok(Tables {
            keys: write.open_table(KEYS)?,
            memo: write.open_table(MEMO)?,
            numbers: write.open_table(NUMBERS)?,
            out_ids: write.open_table(OUT_IDS)?,
            out_rows: write.open_table(OUT_ROWS)?,
            out_texts: write.open_table(OUT_TEXTS)?,
            out_with: write.open_table(OUT_WITH)?,
            out_open: write.open_table(OUT_OPEN)?,
            out_over: write.open_table(OUT_OVER)?,
            in_letters: write.open_table(IN_LETTERS)?,
            in_with: write.open_table(IN_WITH)?,
            in_unread: write.open_table(IN_UNREAD)?,
            in_names: write.open_table(IN_NAMES)?,
            in_seen: write.open_table(IN_SEEN)?,
            kept: write.open_table(KEPT)?,
            kept_tokens: write.open_table(KEPT_TOKENS)?,
            kept_until: write.open_table(KEPT_UNTIL)?,
        })
    }
}

/// The last numbers that were given. None is given twice, whatever is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Numbers {
    /// To a letter that came.
    pub came: u64,
    /// To a letter that was written.
    pub written: u64,
    /// To a letter that was finished.
    pub finished: u64,
}

/// An [`InLetter`] as it is stored before its text. Whether it was read is told by [`IN_UNREAD`], its number by
/// its key.
#[derive(Serialize, Deserialize)]
struct Came {
    id: LetterId,
    from: NodeId,
    created_ms: u64,
    received_ms: u64,
    seen_until_ms: u64,
    request: bool,
}

/// The value in [`IN_LETTERS`].
pub(super) fn came(letter: &InLetter) -> Vec<u8> {
    let mut value = encode(&Came {
        id: letter.id,
        from: letter.from,
        created_ms: letter.created_ms,
        received_ms: letter.received_ms,
        seen_until_ms: letter.seen_until_ms,
        request: letter.request,
    });
    value.extend_from_slice(&letter.body);
    value
}

/// What [`came`] made.
pub(super) fn in_letter(seq: u64, read: bool, value: &[u8]) -> Did<InLetter> {
    let (came, body) = postcard::take_from_bytes::<Came>(value).map_err(|_| damaged(IN_LETTERS))?;
    Ok(InLetter {
        seq,
        id: came.id,
        from: came.from,
        created_ms: came.created_ms,
        received_ms: came.received_ms,
        seen_until_ms: came.seen_until_ms,
        read,
        request: came.request,
        body: body.to_vec(),
    })
}

/// The value in [`OUT_ROWS`].
pub(super) fn out_letter(value: &[u8]) -> Did<OutLetter> {
    decode(value).ok_or_else(|| damaged(OUT_ROWS))
}

/// The row of a number that another table told.
pub(super) fn out_row(
    rows: &impl ReadableTable<&'static [u8], &'static [u8]>,
    number: u64,
) -> Did<OutLetter> {
    match rows.get(&number.to_be_bytes()[..])? {
        Some(value) => out_letter(value.value()),
        None => Err(damaged(OUT_ROWS)),
    }
}

/// An entry is not what this program wrote, although redb found its pages whole.
pub(super) fn damaged(table: Table) -> redb::Error {
    use redb::TableHandle;
    redb::Error::Corrupted(format!("an entry in {} is damaged", table.name()))
}

/// A key (or value) of several parts, each of a fixed length.
pub(super) fn join<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut key = [0; N];
    let mut rest = &mut key[..];
    for part in parts {
        let (here, behind) = rest.split_at_mut(part.len());
        here.copy_from_slice(part);
        rest = behind;
    }
    key
}

/// A node and a number.
pub(super) fn with_key(with: &NodeId, number: u64) -> [u8; 40] {
    join(&[&with.0, &number.to_be_bytes()])
}

/// Key in [`IN_WITH`].
pub(super) fn in_with_key(with: &NodeId, read: bool, number: u64) -> [u8; 41] {
    join(&[&with.0, &[u8::from(read)], &number.to_be_bytes()])
}

/// Key in [`IN_NAMES`].
pub(super) fn name_key(from: &NodeId, id: &LetterId, number: u64) -> [u8; 56] {
    join(&[&from.0, &id.0, &number.to_be_bytes()])
}

/// A time and a number.
pub(super) fn time_key(ms: u64, number: u64) -> [u8; 16] {
    join(&[&ms.to_be_bytes(), &number.to_be_bytes()])
}

/// Key in [`KEPT`].
pub(super) fn kept_key(reader: &NodeId, expires_ms: u64, token: &[u8; 16]) -> [u8; 56] {
    join(&[&reader.0, &expires_ms.to_be_bytes(), token])
}

/// Key in [`KEPT_TOKENS`].
pub(super) fn token_key(reader: &NodeId, token: &[u8; 16]) -> [u8; 48] {
    join(&[&reader.0, token])
}

/// Key in [`KEPT_UNTIL`].
pub(super) fn until_key(expires_ms: u64, reader: &NodeId, token: &[u8; 16]) -> [u8; 56] {
    join(&[&expires_ms.to_be_bytes(), &reader.0, token])
}

/// So many bytes of a key or value of this table, from `at`.
pub(super) fn part<const N: usize>(bytes: &[u8], at: usize, table: Table) -> Did<[u8; N]> {
    let part = bytes.get(at..).and_then(|rest| rest.first_chunk());
    part.copied().ok_or_else(|| damaged(table))
}

/// The number (or time) in a key or value of this table, at `at`.
pub(super) fn number(bytes: &[u8], at: usize, table: Table) -> Did<u64> {
    Ok(u64::from_be_bytes(part(bytes, at, table)?))
}

/// Hands every row of a table that may not be there yet to `take`.
pub(super) fn each(
    read: &ReadTransaction,
    definition: Table,
    mut take: impl FnMut(&[u8], &[u8]) -> Did<()>,
) -> Result<(), Unreadable> {
    let table = match read.open_table(definition) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(()),
        opened => opened.map_err(Unreadable::said)?,
    };
    for row in table.iter().map_err(Unreadable::said)? {
        let (key, value) = row.map_err(Unreadable::said)?;
        take(key.value(), value.value()).map_err(Unreadable::said)?;
    }
    Ok(())
}
