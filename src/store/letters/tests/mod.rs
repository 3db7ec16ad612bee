use std::sync::Arc;

use super::*;
use crate::mail::rows::{InLetter, KeptLetter, OutLetter, State};

mod failing;
mod lists;
mod model;
mod rules;

const LIMITS: Limits = Limits {
    inbox_bytes: 1 << 30,
    inbox_letters: 1_000_000,
    history_letters: 10_000,
    kept_bytes: 64 << 20,
    kept_letters: 10_000,
    kept_bytes_all: 1 << 30,
};

fn node(n: u8) -> NodeId {
    NodeId([n; 32])
}

fn id(n: u64) -> LetterId {
    LetterId(super::tables::join(&[&n.to_le_bytes(), &[7; 8]]))
}

fn out(n: u64, to: u8, state: State) -> OutLetter {
    OutLetter {
        id: id(n),
        reader: node(to),
        created_ms: 1_000 + n,
        expires_ms: 9_000 + n,
        bytes: 5,
        hops: Some(3),
        shards: None,
        split_seed: [9; 32],
        state,
        why: String::new(),
        tries: 0,
        sent_ms: 0,
        stored_ms: 0,
        delivered_ms: 0,
        read_ms: 0,
        paths: vec![vec![node(40), node(41)]],
    }
}

fn text(n: u64) -> Arc<[u8]> {
    format!("text {n}").into_bytes().into()
}

fn write(n: u64, to: u8) -> Change {
    Change::Write { letter: out(n, to, State::Queued), body: text(n) }
}

fn update(n: u64, to: u8, state: State) -> Change {
    Change::Update(out(n, to, state))
}

/// As it comes: without a number, unread. A copy may come until 100 + n.
fn came(n: u64, from: u8) -> InLetter {
    InLetter {
        seq: 0,
        id: id(n),
        from: node(from),
        created_ms: 10 + n,
        received_ms: 20 + n,
        seen_until_ms: 100 + n,
        read: false,
        request: n.is_multiple_of(2),
        body: text(n).to_vec(),
    }
}

fn receive(n: u64, from: u8) -> Change {
    Change::Receive(came(n, from))
}

/// Kept until 100 + n.
fn sealed(n: u8, bytes: usize) -> KeptLetter {
    KeptLetter { token: [n; 16], expires_ms: 100 + u64::from(n), sealed: vec![n; bytes] }
}

fn keep(reader: u8, n: u8, bytes: usize) -> Change {
    Change::Keep { reader: node(reader), letter: sealed(n, bytes) }
}

fn memory(limits: Limits) -> LetterStore {
    LetterStore::open(None, limits).unwrap().0
}

/// One whose file was sound.
fn opened(dir: &Path, limits: Limits) -> LetterStore {
    let (store, aside) = LetterStore::open(Some(dir), limits).unwrap();
    assert_eq!(aside, None);
    store
}

/// The numbers and ids of all letters that came.
fn all_came(store: &LetterStore) -> Vec<(u64, LetterId)> {
    let letters = store.inbox(None, false, 0, usize::MAX, usize::MAX).unwrap();
    letters.into_iter().map(|letter| (letter.seq, letter.id)).collect()
}

/// The ids of all letters that were written here.
fn all_sent(store: &LetterStore) -> Vec<LetterId> {
    store.sent(None, usize::MAX).unwrap().into_iter().map(|letter| letter.id).collect()
}

/// What is counted in memory is what is on the disk.
fn counts_are_right(store: &LetterStore) {
    let found = store.look(|read| Ok(Tally::load(read).unwrap())).unwrap();
    assert_eq!(*store.tally(), found);
}
