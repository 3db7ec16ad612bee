//! What is shared and fetched as rows: transfers, then files.

use std::sync::Arc;

use super::super::shapes::{self, Gone, HexFile};
use super::part::Rows;
use super::{CHUNK_BYTES, event};
use crate::actors::messages::{File, PiecesView, Transfer};
use crate::pieces::FileId;
use crate::pieces::event::TransferId;

impl Rows for PiecesView {
    fn say(&self, told: &PiecesView, from: usize, text: &mut String) -> Option<usize> {
        if from == 0 {
            say_gone(told, self, text);
        }
        for (at, row) in self.transfers.iter().enumerate().skip(from) {
            if numbered(&told.transfers, row.row.transfer) != Some(row) {
                event("transfer", shapes::Transfer::from(row), text);
            }
            if text.len() >= CHUNK_BYTES {
                return Some(at + 1);
            }
        }
        if Arc::ptr_eq(&told.files, &self.files) {
            return None;
        }
        let files = from.saturating_sub(self.transfers.len());
        let mut before = Finder::new(&told.files);
        for (at, row) in self.files.iter().enumerate().skip(files) {
            if before.find(row.row.file) != Some(row) {
                event("piece", shapes::File::from(row), text);
            }
            if text.len() >= CHUNK_BYTES {
                return Some(self.transfers.len() + at + 1);
            }
        }
        None
    }
}

fn say_gone(told: &PiecesView, now: &PiecesView, text: &mut String) {
    for Transfer { row, .. } in &told.transfers {
        if numbered(&now.transfers, row.transfer).is_none() {
            event("gone", Gone { transfer: Some(row.transfer), ..Gone::default() }, text);
        }
    }
    if Arc::ptr_eq(&told.files, &now.files) {
        return;
    }
    let mut after = Finder::new(&now.files);
    for File { row, .. } in told.files.iter() {
        if after.find(row.file).is_none() {
            event("gone", Gone { file_id: Some(HexFile(row.file)), ..Gone::default() }, text);
        }
    }
}

/// The transfer with this number, of some that are in the order of theirs.
fn numbered(transfers: &[Transfer], number: TransferId) -> Option<&Transfer> {
    let at = transfers.binary_search_by_key(&number, |t| t.row.transfer).ok()?;
    transfers.get(at)
}

/// Finds rows of a list that is asked about in nearly its own order: two views of ten thousand files differ
/// in few, and all of them are compared once a second.
struct Finder<'a> {
    files: &'a [File],
    next: usize,
}

impl Finder<'_> {
    fn new(files: &[File]) -> Finder<'_> {
        Finder { files, next: 0 }
    }
}

impl<'a> Finder<'a> {
    fn find(&mut self, file: FileId) -> Option<&'a File> {
        let is = |at: &usize| self.files.get(*at).is_some_and(|f| f.row.file == file);
        let at = Some(self.next).filter(is).or_else(|| (0..self.files.len()).find(is))?;
        self.next = at + 1;
        self.files.get(at)
    }
}
