//! Lists: their order and their bounds.

use std::collections::BTreeSet;

use super::*;

fn numbers(letters: Vec<InLetter>) -> Vec<u64> {
    letters.into_iter().map(|letter| letter.seq).collect()
}

#[test]
fn an_inbox_is_listed_from_the_oldest_on_within_its_bounds() {
    let store = memory(LIMITS);
    let senders = [1, 2, 1, 1, 2, 1];
    let batch: Vec<_> = (1..).zip(senders).map(|(n, from)| receive(n, from)).collect();
    store.commit(&batch).unwrap();
    store.mark_read(&[(node(1), id(3)), (node(2), id(2))]).unwrap();
    let list = |with: Option<u8>, unread, after, limit, bytes| {
        let with = with.map(node);
        numbers(store.inbox(with.as_ref(), unread, after, limit, bytes).unwrap())
    };
    const MAX: usize = usize::MAX;
    assert_eq!(list(None, false, 0, MAX, MAX), [1, 2, 3, 4, 5, 6]);
    assert_eq!(list(None, true, 0, MAX, MAX), [1, 4, 5, 6]);
    assert_eq!(list(Some(1), false, 0, MAX, MAX), [1, 3, 4, 6]);
    assert_eq!(list(Some(1), true, 0, MAX, MAX), [1, 4, 6]);
    assert!(list(Some(3), false, 0, MAX, MAX).is_empty());
    assert_eq!(list(Some(1), false, 3, MAX, MAX), [4, 6]);
    assert_eq!(list(None, true, 4, MAX, MAX), [5, 6]);
    assert!(list(None, false, u64::MAX, MAX, MAX).is_empty());
    assert_eq!(list(Some(1), false, 0, 2, MAX), [1, 3]);
    assert!(list(None, false, 0, 0, MAX).is_empty());
    // Each text has six bytes.
    assert_eq!(list(None, false, 0, MAX, 18), [1, 2, 3]);
    assert_eq!(list(None, false, 0, MAX, 17), [1, 2]);
    assert_eq!(list(None, false, 2, MAX, 0), [3], "one is given, or the reader never goes on");
    let first = store.inbox(None, false, 2, 1, MAX).unwrap().remove(0);
    assert_eq!(first, InLetter { seq: 3, read: true, ..came(3, 1) });
}

#[test]
fn sent_letters_are_listed_from_the_newest_on() {
    let store = memory(LIMITS);
    store.commit(&[write(3, 1), write(1, 2), write(2, 1), write(4, 2)]).unwrap();
    store.commit(&[update(2, 1, State::Delivered)]).unwrap();
    let list = |with: Option<u8>, limit| {
        let letters = store.sent(with.map(node).as_ref(), limit).unwrap();
        letters.into_iter().map(|letter| letter.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, 9), [4, 2, 1, 3].map(id), "in the order they were written");
    assert_eq!(list(None, 2), [4, 2].map(id));
    assert_eq!(list(Some(1), 9), [2, 3].map(id));
    assert_eq!(list(Some(1), 1), [2].map(id));
    assert_eq!(list(Some(3), 9), []);
    assert_eq!(list(None, 0), []);
}

#[test]
fn kept_letters_are_given_to_their_reader_as_far_as_they_are_wanted() {
    let store = memory(LIMITS);
    let batch: Vec<_> = [5, 3, 4, 1, 2].map(|n| keep(1, n, 10)).into();
    store.commit(&batch).unwrap();
    store.commit(&[keep(2, 1, 10)]).unwrap();
    let list = |but: &[u8], limit, bytes, now_ms| {
        let but: BTreeSet<_> = but.iter().map(|n| [*n; 16]).collect();
        let letters = store.kept(&node(1), &but, limit, bytes, now_ms).unwrap();
        letters.into_iter().map(|letter| letter.token[0]).collect::<Vec<_>>()
    };
    assert_eq!(list(&[], 9, 99, 0), [1, 2, 3, 4, 5]);
    assert_eq!(list(&[], 9, 99, 103), [3, 4, 5], "up to its last millisecond");
    assert_eq!(list(&[1, 4], 9, 99, 0), [2, 3, 5]);
    assert_eq!(list(&[1], 2, 99, 0), [2, 3]);
    assert_eq!(list(&[], 9, 29, 0), [1, 2]);
    assert_eq!(list(&[1], 9, 3, 0), [2]);
    assert!(list(&[], 0, 99, 0).is_empty());
    let one = store.kept(&node(2), &BTreeSet::new(), 9, 99, 0).unwrap();
    assert_eq!(one, [sealed(1, 10)]);
}

#[test]
fn conversations_are_counted_by_correspondent() {
    let store = memory(LIMITS);
    store.commit(&[receive(1, 1), receive(2, 1), write(3, 1), write(4, 1), write(9, 2)]).unwrap();
    store.commit(&[receive(5_000, 3), update(3, 1, State::Failed)]).unwrap();
    store.mark_read(&[(node(1), id(1))]).unwrap();
    let found = store.conversations(9);
    let with: Vec<_> = found.iter().map(|talk| (talk.with, talk.last_ms)).collect();
    assert_eq!(with, [(node(3), 5_020), (node(2), 1_009), (node(1), 1_004)]);
    let talk = &found[2];
    let counts = (talk.received, talk.unread, talk.sent, talk.waiting);
    assert_eq!(counts, (2, 1, 2, 1));
    assert_eq!(store.conversations(1), found[..1]);
    counts_are_right(&store);
}
