//! What each change does, one by one.

use std::collections::BTreeSet;

use super::*;
use crate::mail::keys::KeyRing;
use crate::mail::rows::Memo;
use Outcome::{Done, Duplicate, Full};

#[test]
fn a_letter_comes_once_also_over_restarts_and_again_only_after_its_mark_is_gone() {
    let tmp = tempfile::tempdir().unwrap();
    let store = opened(tmp.path(), LIMITS);
    assert_eq!(store.commit(&[receive(1, 1), receive(1, 1)]).unwrap(), [Done, Duplicate]);
    assert_eq!(store.commit(&[receive(1, 1), receive(1, 2)]).unwrap(), [Duplicate, Done]);
    drop(store);
    let store = opened(tmp.path(), LIMITS);
    assert_eq!(store.commit(&[receive(1, 1)]).unwrap(), [Duplicate]);
    // A copy may come until 101, this millisecond included.
    let sweep = |now_ms| Change::Sweep { now_ms };
    assert_eq!(store.commit(&[sweep(101), receive(1, 1)]).unwrap(), [Done, Duplicate]);
    assert_eq!(store.commit(&[sweep(102), receive(1, 1)]).unwrap(), [Done, Done]);
    assert_eq!(store.commit(&[receive(1, 1)]).unwrap(), [Duplicate]);
    assert_eq!(all_came(&store), [(1, id(1)), (2, id(1)), (3, id(1))]);
    assert_eq!(store.mark_read(&[(node(1), id(1))]).unwrap(), [(node(1), id(1))]);
    assert_eq!(store.unread(), 1, "both letters of that name are read, that of another is not");
    counts_are_right(&store);
}

#[test]
fn numbers_of_letters_grow_and_are_not_given_twice() {
    let tmp = tempfile::tempdir().unwrap();
    for n in 0..4 {
        let store = opened(tmp.path(), LIMITS);
        store.commit(&[receive(n, 1), receive(n, 1)]).unwrap();
        store.commit(&[receive(100 + n, 1)]).unwrap();
    }
    let store = opened(tmp.path(), LIMITS);
    let numbers: Vec<u64> = all_came(&store).into_iter().map(|(seq, _)| seq).collect();
    assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
    // A file that is lost while the daemon runs takes the letters with it, but not the numbers.
    store.0.database.write().unwrap().database = None;
    std::fs::write(tmp.path().join(LETTERS_FILE), "no database").unwrap();
    assert_eq!(all_came(&store), []);
    store.commit(&[receive(1, 1)]).unwrap();
    assert_eq!(all_came(&store), [(9, id(1))]);
    drop(store);
    assert_eq!(all_came(&opened(tmp.path(), LIMITS)), [(9, id(1))]);
}

#[test]
fn an_inbox_that_is_full_takes_no_more() {
    let store = memory(Limits { inbox_letters: 2, ..LIMITS });
    let batch = [receive(1, 1), receive(2, 1), receive(3, 1), receive(1, 1)];
    assert_eq!(store.commit(&batch).unwrap(), [Done, Done, Full, Duplicate]);
    store.set_limits(Limits { inbox_bytes: 3 * 6 + 5, ..LIMITS });
    assert_eq!(store.commit(&[receive(3, 1), receive(4, 1)]).unwrap(), [Done, Full]);
    store.set_limits(LIMITS);
    assert_eq!(store.commit(&[receive(4, 1)]).unwrap(), [Done], "it was not marked as seen");
    counts_are_right(&store);
}

#[test]
fn a_mailbox_that_is_full_takes_no_more_until_letters_are_fetched() {
    let limits = Limits { kept_letters: 2, kept_bytes: 100, kept_bytes_all: 150, ..LIMITS };
    let store = memory(limits);
    let batch = [keep(1, 1, 10), keep(1, 1, 10), keep(1, 2, 91), keep(1, 2, 90), keep(1, 3, 0)];
    assert_eq!(store.commit(&batch).unwrap(), [Done, Duplicate, Full, Done, Full]);
    let batch = [keep(2, 1, 51), keep(2, 1, 50), keep(3, 1, 1), keep(3, 2, 0)];
    assert_eq!(store.commit(&batch).unwrap(), [Full, Done, Full, Done]);
    assert_eq!(store.kept_counts(), [(node(1), 2), (node(2), 1), (node(3), 1)]);
    let fetched =
        |reader, token| Change::Fetched { reader: node(reader), tokens: vec![[token; 16]] };
    let batch = [fetched(2, 2), fetched(1, 1), fetched(1, 1), keep(1, 4, 1), fetched(3, 2)];
    assert_eq!(store.commit(&batch).unwrap(), [Duplicate, Done, Duplicate, Done, Done]);
    assert_eq!(store.kept_counts(), [(node(1), 2), (node(2), 1)]);
    counts_are_right(&store);
}

#[test]
fn states_go_forward_only() {
    use State::*;
    const ALL: [State; 7] = [Queued, Sent, Stored, Delivered, Read, Expired, Failed];
    let store = memory(LIMITS);
    for (n, (before, after)) in
        (0..).zip(ALL.iter().flat_map(|before| ALL.map(|after| (*before, after))))
    {
        let first = Change::Write { letter: out(n, 1, before), body: text(n) };
        let mut second = out(n, 1, after);
        second.tries = 3;
        let outcomes = store.commit(&[first, Change::Update(second)]).unwrap();
        let taken = match before {
            Queued | Sent | Stored => after >= before,
            Delivered => after == Delivered || after == Read,
            Read | Expired | Failed => after == before,
        };
        assert_eq!(outcomes, [Done, if taken { Done } else { Duplicate }], "{before:?} {after:?}");
        let found = store.letter(&id(n)).unwrap().unwrap();
        assert_eq!((found.state, found.tries), if taken { (after, 3) } else { (before, 0) });
    }
    let recalled = store.recall().unwrap().outbox;
    assert!(recalled.iter().all(|letter| !letter.state.is_over()));
    assert_eq!(recalled.len(), 3 * 3);
    counts_are_right(&store);
}

#[test]
fn a_letter_is_written_once_and_only_what_was_written_is_updated() {
    let store = memory(LIMITS);
    let batch = [write(1, 1), write(1, 2), update(2, 1, State::Sent), update(1, 1, State::Sent)];
    assert_eq!(store.commit(&batch).unwrap(), [Done, Duplicate, Duplicate, Done]);
    // Neither another reader nor what is there already is an update.
    let batch = [update(1, 2, State::Stored), update(1, 1, State::Sent)];
    assert_eq!(store.commit(&batch).unwrap(), [Duplicate, Duplicate]);
    let batch = [update(1, 1, State::Delivered), write(1, 1)];
    assert_eq!(store.commit(&batch).unwrap(), [Done, Duplicate], "also when it is finished");
    assert_eq!(store.letter(&id(1)).unwrap(), Some(out(1, 1, State::Delivered)));
    assert_eq!(store.body(&id(1)).unwrap(), Some(text(1)), "a conversation can be read");
    assert_eq!(store.letter(&id(2)).unwrap(), None);
    assert_eq!(store.body(&id(2)).unwrap(), None);
    counts_are_right(&store);
}

#[test]
fn those_finished_first_are_forgotten_first() {
    let store = memory(Limits { history_letters: 2, ..LIMITS });
    store.commit(&[write(1, 1), write(2, 1), write(3, 1), write(4, 2), write(5, 1)]).unwrap();
    let over = |n, to| update(n, to, State::Delivered);
    store.commit(&[over(3, 1), over(1, 1)]).unwrap();
    assert_eq!(all_sent(&store), [5, 4, 3, 2, 1].map(id));
    // One that is read later keeps its place.
    store.commit(&[over(4, 2), update(3, 1, State::Read)]).unwrap();
    assert_eq!(all_sent(&store), [5, 4, 2, 1].map(id));
    assert_eq!(store.body(&id(3)).unwrap(), None);
    counts_are_right(&store);
    store.commit(&[over(5, 1), over(2, 1)]).unwrap();
    assert_eq!(all_sent(&store), [5, 2].map(id));
    assert_eq!(store.conversations(9).len(), 1, "nothing is left of the other");
    counts_are_right(&store);
    assert_eq!(store.commit(&[update(3, 1, State::Failed), write(3, 1)]).unwrap()[0], Duplicate);
    store.set_limits(Limits { history_letters: 0, ..LIMITS });
    store.commit(&[]).unwrap();
    assert_eq!(all_sent(&store), [3].map(id), "what is under way stays");
    counts_are_right(&store);
}

#[test]
fn a_smaller_history_is_reached_in_steps() {
    let store = memory(LIMITS);
    let finished = |n| Change::Write { letter: out(n, 1, State::Failed), body: text(n) };
    store.commit(&(0..3_000).map(finished).collect::<Vec<_>>()).unwrap();
    store.set_limits(Limits { history_letters: 10, ..LIMITS });
    store.commit(&[finished(3_000)]).unwrap();
    assert_eq!(store.tally().sums.history, 3_001 - 1_025);
    (0..2).for_each(|_| drop(store.commit(&[]).unwrap()));
    assert_eq!(store.tally().sums.history, 10);
    assert_eq!(all_sent(&store), (2_991..=3_000).rev().map(id).collect::<Vec<_>>());
    counts_are_right(&store);
}

#[test]
fn a_sweep_removes_what_has_expired_and_no_more_than_it_may() {
    let store = memory(LIMITS);
    let batch: Vec<_> = (1..=50).map(|n| keep(1, n, 10)).collect();
    store.commit(&batch).unwrap();
    store.commit(&[Change::Sweep { now_ms: 0 }, Change::Sweep { now_ms: 120 }]).unwrap();
    assert_eq!(store.kept_counts(), [(node(1), 31)], "one that expires now is still there");
    counts_are_right(&store);
    let batch: Vec<_> = (0..5_000).map(|n| receive(n, 1)).collect();
    store.commit(&batch).unwrap();
    store.commit(&[Change::Sweep { now_ms: u64::MAX }]).unwrap();
    assert_eq!(store.kept_counts(), []);
    let again: Vec<_> = [4_095, 4_096].map(|n| receive(n, 1)).into();
    assert_eq!(store.commit(&again).unwrap(), [Done, Duplicate]);
    store.commit(&[Change::Sweep { now_ms: u64::MAX }]).unwrap();
    assert_eq!(store.commit(&again).unwrap(), [Done, Done]);
    counts_are_right(&store);
}

#[test]
fn only_those_that_were_unread_are_told_when_letters_are_read() {
    let tmp = tempfile::tempdir().unwrap();
    let store = opened(tmp.path(), LIMITS);
    store.commit(&[receive(1, 1), receive(2, 1), receive(1, 2)]).unwrap();
    let name = |n, from| (node(from), id(n));
    let some = [name(1, 1), name(9, 1), name(1, 1), name(1, 2)];
    assert_eq!(store.mark_read(&some).unwrap(), [name(1, 1), name(1, 2)]);
    assert_eq!(store.mark_read(&some).unwrap(), []);
    let read = |name| Change::Read(vec![name]);
    assert_eq!(store.commit(&[read(name(1, 1)), read(name(2, 1))]).unwrap(), [Duplicate, Done]);
    assert_eq!(store.unread(), 0);
    counts_are_right(&store);
    drop(store);
    let store = opened(tmp.path(), LIMITS);
    assert!(store.inbox(None, false, 0, 9, 99).unwrap().iter().all(|letter| letter.read));
}

#[test]
fn keys_memo_and_what_is_under_way_come_back() {
    let tmp = tempfile::tempdir().unwrap();
    let store = opened(tmp.path(), LIMITS);
    let empty = store.recall().unwrap();
    assert_eq!((empty.keys, empty.memo), (None, Memo::default()));
    let memo = Memo { guards: vec![(node(3), 7)], ..Memo::default() };
    let keys = KeyRing::new(1, &[1; 32]).stored();
    store
        .commit(&[Change::Keys(KeyRing::new(1, &[9; 32]).stored()), Change::Memo(Memo::default())])
        .unwrap();
    store.commit(&[Change::Keys(keys.clone()), Change::Memo(memo.clone())]).unwrap();
    store.commit(&[write(5, 1), write(4, 1), write(6, 2), keep(1, 1, 1), keep(2, 1, 1)]).unwrap();
    store.commit(&[update(4, 1, State::Expired), update(5, 1, State::Stored)]).unwrap();
    drop(store);
    let store = opened(tmp.path(), LIMITS);
    let recalled = store.recall().unwrap();
    assert_eq!(recalled.outbox, [out(5, 1, State::Stored), out(6, 2, State::Queued)]);
    assert_eq!((recalled.keys, recalled.memo), (Some(keys), memo));
    assert_eq!(recalled.kept, [(node(1), 1), (node(2), 1)]);
    counts_are_right(&store);
}

/// A mailbox that is searched tells for whom letters were waiting, not when they came or from where.
#[test]
fn of_a_kept_letter_nothing_is_stored_but_reader_token_expiry_and_sealed_bytes() {
    let store = memory(LIMITS);
    let before = store.look(dump).unwrap();
    let letter = KeptLetter { sealed: vec![5; 40], ..sealed(2, 0) };
    store.commit(&[Change::Keep { reader: node(1), letter }]).unwrap();
    let now = store.look(dump).unwrap();
    let (expires, length) = (102_u64.to_be_bytes(), 40_u64.to_be_bytes());
    let parts = [&[1; 32][..], &[2; 16], &[5; 40], &expires, &length];
    for (key, value) in now.difference(&before) {
        let mut rest = [key.as_slice(), value.as_slice()].concat();
        for part in parts {
            if let Some(at) = rest.windows(part.len()).position(|window| window == part) {
                rest.drain(at..at + part.len());
            }
        }
        assert!(rest.is_empty(), "{rest:?}");
    }
    assert_eq!(now.difference(&before).count(), 3);
}

/// All rows of all tables.
fn dump(read: &ReadTransaction) -> Did<BTreeSet<(Vec<u8>, Vec<u8>)>> {
    let mut rows = BTreeSet::new();
    for table in TABLES {
        super::super::tables::each(read, table, |key, value| {
            rows.insert((key.to_vec(), value.to_vec()));
            Ok(())
        })
        .unwrap();
    }
    Ok(rows)
}

#[test]
fn letters_that_were_seen_make_room_and_others_never_do() {
    let store = memory(Limits { inbox_letters: 3, ..LIMITS });
    let seqs = |store: &LetterStore| {
        let letters = store.inbox(None, false, 0, 9, 9999).unwrap();
        letters.into_iter().map(|letter| letter.seq).collect::<Vec<_>>()
    };
    store.commit(&[receive(1, 1), receive(2, 1), receive(3, 2)]).unwrap();
    assert_eq!(store.commit(&[receive(4, 1)]).unwrap(), [Full], "nobody has seen any");
    store.mark_read(&[(node(1), id(2))]).unwrap();
    assert_eq!(store.commit(&[receive(4, 1), receive(5, 1)]).unwrap(), [Done, Full]);
    assert_eq!(seqs(&store), [1, 3, 4]);
    assert_eq!(store.commit(&[receive(2, 1)]).unwrap(), [Duplicate], "it has come before");
    // Once no copy of it can come, nothing is left of it.
    store.commit(&[Change::Sweep { now_ms: 9_999 }]).unwrap();
    counts_are_right(&store);
    assert_eq!(store.commit(&[receive(2, 1)]).unwrap(), [Full], "now it would be a new letter");
}
