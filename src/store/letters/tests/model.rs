//! The store against a simple model of it, over any changes and restarts.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::mail::keys::{KeyRing, Stored};
use crate::mail::rows::{Conversation, Memo};
use Outcome::{Done, Duplicate, Full};

/// Small enough to be reached.
const SMALL: Limits = Limits {
    inbox_bytes: 60,
    inbox_letters: 12,
    history_letters: 3,
    kept_bytes: 40,
    kept_letters: 4,
    kept_bytes_all: 70,
};

#[derive(Default)]
struct Model {
    /// In the order they were written.
    out: Vec<(OutLetter, Arc<[u8]>)>,
    /// In the order they were finished.
    over: Vec<LetterId>,
    came: Vec<InLetter>,
    /// Of the last that came.
    seq: u64,
    marks: BTreeMap<(NodeId, LetterId), u64>,
    kept: BTreeMap<(NodeId, [u8; 16]), KeptLetter>,
    keys: Option<Stored>,
    memo: Memo,
}

impl Model {
    fn commit(&mut self, changes: &[Change]) -> Vec<Outcome> {
        let outcomes = changes.iter().map(|change| self.make(change)).collect();
        while self.over.len() as u64 > SMALL.history_letters {
            let first = self.over.remove(0);
            self.out.retain(|(letter, _)| letter.id != first);
        }
        outcomes
    }

    fn make(&mut self, change: &Change) -> Outcome {
        let done_if = |yes| if yes { Done } else { Duplicate };
        match change {
            Change::Write { letter, body } => {
                let there = self.out.iter().any(|(other, _)| other.id == letter.id);
                if !there {
                    self.out.push((letter.clone(), body.clone()));
                    self.over.extend(letter.state.is_over().then_some(letter.id));
                }
                done_if(!there)
            }
            Change::Update(letter) => {
                let found = self.out.iter_mut().find(|(other, _)| other.id == letter.id);
                let Some((before, _)) = found else { return Duplicate };
                let may = match before.state {
                    State::Queued | State::Sent | State::Stored => letter.state >= before.state,
                    State::Delivered if letter.state == State::Read => true,
                    before => letter.state == before,
                };
                if before.reader != letter.reader || before == letter || !may {
                    return Duplicate;
                }
                if letter.state.is_over() && !before.state.is_over() {
                    self.over.push(letter.id);
                }
                *before = letter.clone();
                Done
            }
            Change::Shown { id, by, at_ms } => {
                let found = self.out.iter().find(|(l, _)| l.id == *id && l.reader == *by);
                let Some((mut letter, _)) = found.cloned() else { return Duplicate };
                (letter.state, letter.read_ms) = (State::Read, *at_ms);
                self.make(&Change::Update(letter))
            }
            Change::Receive(letter) => {
                let name = (letter.from, letter.id);
                let bytes: usize = self.came.iter().map(|letter| letter.body.len()).sum();
                if self.marks.contains_key(&name) {
                    return Duplicate;
                }
                let fits = |letters: usize, bytes: usize| {
                    (letters as u64) < SMALL.inbox_letters
                        && (bytes + letter.body.len()) as u64 <= SMALL.inbox_bytes
                };
                // The oldest that were read go, as few as it takes, or none at all.
                let (mut left, mut bytes) = (self.came.clone(), bytes);
                while !fits(left.len(), bytes) {
                    let Some(at) = left.iter().position(|old| old.read) else { return Full };
                    bytes -= left.remove(at).body.len();
                }
                self.came = left;
                self.marks.insert(name, letter.seen_until_ms);
                self.seq += 1;
                self.came.push(InLetter { seq: self.seq, ..letter.clone() });
                Done
            }
            Change::Read(names) => {
                let mut any = false;
                for letter in &mut self.came {
                    let named = names.contains(&(letter.from, letter.id));
                    any |= named && !letter.read;
                    letter.read |= named;
                }
                done_if(any)
            }
            Change::Keep { reader, letter } => {
                let bytes = |of: &dyn Fn(&NodeId) -> bool| {
                    let kept = self.kept.iter().filter(|((reader, _), _)| of(reader));
                    kept.map(|(_, letter)| letter.sealed.len() as u64).sum::<u64>()
                };
                let more = letter.sealed.len() as u64;
                if self.kept.contains_key(&(*reader, letter.token)) {
                    return Duplicate;
                }
                if self.kept.keys().filter(|(other, _)| other == reader).count() as u64
                    >= SMALL.kept_letters
                    || bytes(&|other| other == reader) + more > SMALL.kept_bytes
                    || bytes(&|_| true) + more > SMALL.kept_bytes_all
                {
                    return Full;
                }
                self.kept.insert((*reader, letter.token), letter.clone());
                Done
            }
            Change::Fetched { reader, tokens } => {
                let before = self.kept.len();
                self.kept.retain(|(other, token), _| other != reader || !tokens.contains(token));
                done_if(self.kept.len() < before)
            }
            Change::Keys(keys) => {
                self.keys = Some(keys.clone());
                Done
            }
            Change::Memo(memo) => {
                self.memo = memo.clone();
                Done
            }
            Change::Sweep { now_ms } => {
                self.marks.retain(|_, until_ms| *until_ms >= *now_ms);
                self.kept.retain(|_, letter| letter.expires_ms >= *now_ms);
                Done
            }
        }
    }

    fn conversations(&self) -> BTreeMap<NodeId, Conversation> {
        let mut all = BTreeMap::new();
        let empty = |with: &NodeId| Conversation {
            with: *with,
            received: 0,
            unread: 0,
            sent: 0,
            waiting: 0,
            last_ms: 0,
        };
        let mut last = BTreeMap::<_, (u64, u64)>::new();
        for letter in &self.came {
            let talk = all.entry(letter.from).or_insert_with_key(empty);
            talk.received += 1;
            talk.unread += u64::from(!letter.read);
            last.entry(letter.from).or_default().0 = letter.received_ms;
        }
        for (letter, _) in &self.out {
            let talk = all.entry(letter.reader).or_insert_with_key(empty);
            talk.sent += 1;
            talk.waiting += u64::from(!letter.state.is_over());
            last.entry(letter.reader).or_default().1 = letter.created_ms;
        }
        all.values_mut().for_each(|talk| talk.last_ms = last[&talk.with].0.max(last[&talk.with].1));
        all
    }

    /// Everything that can be asked of the store is as the model says.
    fn agrees(&self, store: &LetterStore) {
        let newest = |with: Option<&NodeId>| -> Vec<OutLetter> {
            let of = |letter: &&OutLetter| with.is_none_or(|with| letter.reader == *with);
            self.out.iter().rev().map(|(letter, _)| letter).filter(of).cloned().collect()
        };
        for with in [None, Some(node(0)), Some(node(1)), Some(node(2))] {
            assert_eq!(store.sent(with.as_ref(), 99).unwrap(), newest(with.as_ref()));
            for unread in [false, true] {
                let of = |letter: &&InLetter| {
                    with.is_none_or(|with| letter.from == with) && !(unread && letter.read)
                };
                let expected: Vec<_> = self.came.iter().filter(of).cloned().collect();
                assert_eq!(store.inbox(with.as_ref(), unread, 0, 99, 999).unwrap(), expected);
            }
        }
        for n in 0..8 {
            let found = self.out.iter().find(|(letter, _)| letter.id == id(n));
            assert_eq!(store.letter(&id(n)).unwrap(), found.map(|(letter, _)| letter.clone()));
            assert_eq!(store.body(&id(n)).unwrap(), found.map(|(_, body)| body.clone()));
        }
        let mut talks = store.conversations(99);
        assert!(talks.is_sorted_by(|a, b| a.last_ms >= b.last_ms));
        talks.sort_by_key(|talk| talk.with);
        assert_eq!(talks, self.conversations().into_values().collect::<Vec<_>>());
        assert_eq!(store.unread(), self.came.iter().filter(|letter| !letter.read).count() as u64);
        let mut counts = BTreeMap::new();
        self.kept.keys().for_each(|(reader, _)| *counts.entry(*reader).or_insert(0) += 1);
        let counts: Vec<_> = counts.into_iter().collect();
        assert_eq!(store.kept_counts(), counts);
        for reader in [0, 1, 2].map(node) {
            let of = self.kept.iter().filter(|((other, _), _)| *other == reader);
            let mut expected: Vec<_> = of.map(|(_, letter)| letter.clone()).collect();
            expected.retain(|letter| letter.expires_ms >= 4 && letter.token != [1; 16]);
            expected.sort_by_key(|letter| (letter.expires_ms, letter.token));
            let but = BTreeSet::from([[1; 16]]);
            assert_eq!(store.kept(&reader, &but, 99, 999, 4).unwrap(), expected);
        }
        let recalled = store.recall().unwrap();
        let open = self.out.iter().map(|(letter, _)| letter);
        let open: Vec<_> = open.filter(|letter| !letter.state.is_over()).cloned().collect();
        assert_eq!((recalled.outbox, recalled.keys), (open, self.keys.clone()));
        assert_eq!((recalled.memo, recalled.kept), (self.memo.clone(), counts));
        counts_are_right(store);
    }
}

fn state() -> impl Strategy<Value = State> {
    use State::*;
    proptest::sample::select(vec![Queued, Sent, Stored, Delivered, Read, Expired, Failed])
}

fn letter() -> impl Strategy<Value = OutLetter> {
    (0..8_u64, state(), 0..2_u32).prop_map(|(n, state, tries)| {
        // A letter has one reader, but now and then an update comes with another.
        let reader = if n == 7 { tries as u8 } else { (n % 3) as u8 };
        let paths = vec![vec![node(9); tries as usize]; 2];
        OutLetter { tries, paths, ..out(n, reader, state) }
    })
}

fn change() -> impl Strategy<Value = Change> {
    let name = || (0..3_u8, 0..6_u64).prop_map(|(from, n)| (node(from), id(n)));
    let received = (name(), 0..9_u64, vec(any::<u8>(), 0..12), prop::bool::weighted(0.1));
    let tokens = || (0..3_u8, 0..6_u8);
    prop_oneof![
        3 => letter().prop_map(|letter| {
            let body = text(u64::from(letter.tries));
            Change::Write { letter, body }
        }),
        4 => letter().prop_map(Change::Update),
        4 => received.prop_map(|((from, id), ms, body, read)| {
            let letter = came(ms, 0);
            Change::Receive(InLetter { from, id, seen_until_ms: ms, body, read, ..letter })
        }),
        2 => vec(name(), 0..4).prop_map(Change::Read),
        4 => (tokens(), 0..9_u64, vec(any::<u8>(), 0..20)).prop_map(|((reader, n), ms, sealed)| {
            let letter = KeptLetter { token: [n; 16], expires_ms: ms, sealed };
            Change::Keep { reader: node(reader), letter }
        }),
        1 => (0..3_u8, vec(0..6_u8, 0..3)).prop_map(|(reader, tokens)| Change::Fetched {
            reader: node(reader),
            tokens: tokens.into_iter().map(|n| [n; 16]).collect(),
        }),
        1 => any::<[u8; 32]>().prop_map(|seed| Change::Keys(KeyRing::new(1, &seed).stored())),
        1 => (name(), any::<u64>()).prop_map(|((by, id), at_ms)| Change::Shown { id, by, at_ms }),
        1 => any::<u64>().prop_map(|ms| {
            Change::Memo(Memo { mailboxes: vec![(node(1), ms)], ..Memo::default() })
        }),
        2 => (0..9_u64).prop_map(|now_ms| Change::Sweep { now_ms }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_store_does_what_the_model_says(
        batches in vec((vec(change(), 0..8), prop::bool::weighted(0.2)), 1..16),
    ) {
        let tmp = tempfile::tempdir().unwrap();
        let mut store = opened(tmp.path(), SMALL);
        let mut model = Model::default();
        for (batch, restart) in batches {
            assert_eq!(store.commit(&batch).unwrap(), model.commit(&batch), "{batch:?}");
            if restart {
                drop(store);
                store = opened(tmp.path(), SMALL);
            }
            model.agrees(&store);
        }
    }
}
