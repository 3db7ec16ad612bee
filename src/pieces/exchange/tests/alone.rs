//! One core and what is said to it, word by word.

use std::time::Duration;

use super::*;

use crate::mesh::{Core, NodeId, Time};
use crate::pieces::event::{Effect, Event, Stored, Trouble};
use crate::pieces::frame::{Held, Nope, PieceFrame};
use crate::pieces::holding::{HOLDING_MS, Signed};
use crate::pieces::rows::{Phase, TransferRow};
use crate::wire::bounded::List;

/// A core with some links, and its clock.
pub struct Alone {
    pub core: Exchange,
    pub now: Time,
}

impl Alone {
    pub fn new(links: usize) -> Alone {
        let mut alone = Alone { core: exchange(0, policy(), 1), now: Time::from_ms(1000) };
        (1..=links).for_each(|n| _ = alone.tell(Event::LinkUp { peer: id(n), rtt_us: 100 }));
        alone
    }

    pub fn tell(&mut self, event: Event) -> Vec<Effect> {
        let mut out = Vec::new();
        self.core.handle(self.now, event, &mut out);
        self.core.check();
        out
    }

    pub fn hear(&mut self, from: usize, frame: PieceFrame) -> Vec<Effect> {
        self.tell(Event::FromPeer { peer: id(from), frame })
    }

    pub fn wait(&mut self, time: Duration) -> Vec<Effect> {
        let (end, mut out) = (self.now + time, Vec::new());
        while let Some(at) = self.core.next_wake().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.core.wake(self.now, &mut out);
        }
        self.now = end;
        out
    }

    pub fn row(&self) -> TransferRow {
        self.core.rows().pop().expect("one transfer")
    }

    /// Gets file 1, of which peer 1 (and all up to `holders`) holds everything, up to where it is prepared.
    pub fn fetching(holders: usize, pieces: u32) -> (Alone, Vec<Effect>) {
        let mut alone = Alone::new(holders);
        alone.tell(Event::Get { transfer: 1, file: FileId([1; 32]), hints: Vec::new() });
        (1..=holders).for_each(|n| _ = alone.hear(n, have(1, Held::All)));
        let (peer, request) = alone.asked_manifest();
        alone.tell(Event::Received { peer, request });
        let known = file(1, pieces, Bitmap::none(pieces));
        let out = alone.tell(Event::Prepared { transfer: 1, file: known });
        (alone, out)
    }

    pub fn asked_manifest(&self) -> (NodeId, u64) {
        let asks = self.core.links.iter().flat_map(|(peer, link)| {
            link.asks.iter().map(|(request, asked)| (*peer, *request, asked.part))
        });
        let mut manifests = asks.filter(|(.., part)| *part == Part::Manifest);
        let (peer, request, _) = manifests.next().expect("it is asked for");
        assert!(manifests.next().is_none(), "of one only");
        (peer, request)
    }
}

pub fn have(n: u8, held: Held) -> PieceFrame {
    PieceFrame::Have { file: FileId([n; 32]), manifest_bytes: 400, held, wants: false }
}

pub fn ask(request: u64, part: Part, bytes: u32) -> PieceFrame {
    PieceFrame::Ask { request, file: FileId([1; 32]), part, offset: 0, bytes }
}

pub fn nopes(out: &[Effect]) -> Vec<(u64, Nope)> {
    let nope = |effect: &Effect| match effect {
        Effect::Send { frame: PieceFrame::Nope { request, why }, .. } => Some((*request, *why)),
        _ => None,
    };
    out.iter().filter_map(nope).collect()
}

pub fn asks(out: &[Effect]) -> Vec<(NodeId, u64, u32)> {
    let ask = |effect: &Effect| match effect {
        Effect::Ask { peer, request, part: Part::Piece(piece), .. } => {
            Some((*peer, *request, *piece))
        }
        _ => None,
    };
    out.iter().filter_map(ask).collect()
}

#[test]
fn reads_are_few_in_order_and_end_with_the_piece() {
    let mut alone = Alone::new(1);
    alone.tell(Event::Serve(file(1, 4, Bitmap::all(4))));
    let mut reads = alone.hear(1, ask(1, Part::Piece(2), 1 << 20));
    reads.extend(alone.hear(1, ask(2, Part::Piece(0), 1 << 20)));
    let read = |request, offset| Effect::Read {
        peer: id(1),
        request,
        file: FileId([1; 32]),
        part: Part::Piece(if request == 1 { 2 } else { 0 }),
        offset,
        bytes: 256 * 1024,
    };
    let chunk = 256 * 1024;
    assert_eq!(reads, (0..4).map(|i| read(1, i * chunk)).collect::<Vec<_>>());
    for i in 0..4 {
        let out = alone.tell(Event::Sent { peer: id(1), request: 1, bytes: chunk });
        assert!(out.contains(&read(2, i * chunk)), "{out:?}");
    }
    let out = alone.hear(1, PieceFrame::Cancel { request: 2 });
    assert_eq!(out[0], Effect::Unsend { peer: id(1), request: 2 });
    assert_eq!(nopes(&out), [(2, Nope::Cancelled)]);
    assert!(alone.hear(1, PieceFrame::Cancel { request: 1 }).is_empty(), "all of it was given");
}

#[test]
fn asks_are_bounded_and_numbers_are_new() {
    let mut alone = Alone::new(1);
    alone.tell(Event::Serve(file(1, 1, Bitmap::all(1))));
    for request in 0..32 {
        assert!(nopes(&alone.hear(1, ask(request, Part::Piece(0), 10))).is_empty());
    }
    assert_eq!(nopes(&alone.hear(1, ask(32, Part::Piece(0), 10))), [(32, Nope::Busy)]);
    let out = alone.hear(1, ask(31, Part::Piece(0), 10));
    assert!(matches!(&out[..], [Effect::Close { .. }]), "{out:?}");
}

#[test]
fn five_are_served_and_who_waits_is_told_that_we_are_busy() {
    let mut alone = Alone::new(7);
    alone.tell(Event::Serve(file(1, 2, Bitmap::all(2))));
    let served: Vec<usize> =
        (1..=7).filter(|n| !alone.hear(*n, ask(1, Part::Piece(0), 1 << 20)).is_empty()).collect();
    assert_eq!(served, [1, 2, 3, 4, 5]);
    assert!(nopes(&alone.wait(Duration::from_millis(3_900))).is_empty());
    assert_eq!(nopes(&alone.wait(Duration::from_millis(300))), [(1, Nope::Busy); 2]);
    // They do not read what was read for them: the slots are free again after a while.
    let out = alone.wait(Duration::from_secs(30));
    assert_eq!(nopes(&out), [(1, Nope::Busy); 5]);
}

#[test]
fn a_changed_file_is_hashed_again_and_those_who_want_it_are_told() {
    let mut alone = Alone::new(2);
    alone.tell(Event::Serve(file(1, 2, Bitmap::all(2))));
    let wants = PieceFrame::Have {
        file: FileId([1; 32]),
        manifest_bytes: 0,
        held: Held::Nothing,
        wants: true,
    };
    let out = alone.hear(2, wants);
    let tells = |out: &[Effect], wanted: &Held| {
        out.iter().any(|e| {
            matches!(e, Effect::Send { peer, frame: PieceFrame::Have { held, .. } }
                if held == wanted && *peer == id(2))
        })
    };
    assert!(tells(&out, &Held::All));
    alone.hear(1, ask(1, Part::Piece(0), 100));
    alone.hear(1, ask(2, Part::Piece(1), 100));
    let out = alone.tell(Event::ReadFailed { peer: id(1), request: 1, why: Nope::Changed });
    assert!(out.contains(&Effect::Rehash { file: FileId([1; 32]) }));
    assert_eq!(nopes(&out), [(1, Nope::Changed), (2, Nope::Changed)]);
    assert!(tells(&out, &Held::Nothing));
    assert_eq!(nopes(&alone.hear(1, ask(3, Part::Piece(0), 1))), [(3, Nope::Absent)]);
    assert!(tells(&alone.tell(Event::Serve(file(1, 2, Bitmap::all(2)))), &Held::All));
}

#[test]
fn a_forged_manifest_is_blamed_and_asked_of_another() {
    let mut alone = Alone::new(2);
    alone.tell(Event::Get { transfer: 1, file: FileId([1; 32]), hints: Vec::new() });
    alone.hear(1, have(1, Held::All));
    alone.hear(2, have(1, Held::All));
    let (liar, request) = alone.asked_manifest();
    let out = alone.tell(Event::Received { peer: liar, request });
    assert_eq!(out[0], Effect::Prepare { transfer: 1, peer: liar, request });
    let out = alone.tell(Event::Forged { transfer: 1 });
    assert!(
        out.iter().any(|e| matches!(e, Effect::Notice(text) if text.contains(&liar.to_string())))
    );
    let (other, _) = alone.asked_manifest();
    assert_ne!(other, liar);
    assert_eq!(alone.row().sources.iter().find(|s| s.peer == liar).map(|s| s.lies), Some(1));
}

#[test]
fn what_is_stored_is_made_safe_after_two_seconds_or_64_pieces() {
    let (mut alone, mut out) = Alone::fetching(1, 200);
    let commit = Effect::Commit { transfer: 1 };
    let (mut stored, mut committed) = (0, Vec::new());
    while stored < 150 {
        let (peer, request, piece) = asks(&out)[0];
        let mut more = asks(&out).len() > 1;
        let rest =
            out.split_off(1 + out.iter().position(|e| matches!(e, Effect::Ask { .. })).unwrap());
        let mut new = alone.tell(Event::Received { peer, request });
        assert!(new.contains(&Effect::Store { transfer: 1, piece, peer, request }));
        new.extend(alone.tell(Event::Stored { transfer: 1, piece, outcome: Stored::Good }));
        stored += 1;
        if new.contains(&commit) {
            committed.push(stored);
            alone.tell(Event::Committed { transfer: 1 });
        }
        more |= new.iter().any(|e| matches!(e, Effect::Ask { .. }));
        assert!(more);
        out = rest;
        out.append(&mut new);
        alone.now = alone.now + Duration::from_millis(5);
    }
    assert_eq!(committed, [64, 128]);
    assert!(alone.wait(Duration::from_secs(3)).contains(&commit));
    let stop = alone.tell(Event::Stop { transfer: 1 });
    assert!(stop.iter().any(|e| matches!(e, Effect::Drop { .. })));
    assert_eq!((alone.row().phase, alone.core.buffered), (Phase::Stopped, 0));
}

#[test]
fn a_disk_that_fails_three_times_ends_it_and_two_gets_of_one_file_are_one() {
    let (mut alone, out) = Alone::fetching(1, 20);
    let second = alone.tell(Event::Get { transfer: 2, file: FileId([1; 32]), hints: Vec::new() });
    assert!(asks(&second).is_empty());
    assert_eq!(alone.row().phase, Phase::Failed);
    for (peer, request, piece) in asks(&out).into_iter().take(3) {
        assert_eq!(alone.core.rows()[0].phase, Phase::Fetching);
        alone.tell(Event::Received { peer, request });
        let outcome = Stored::Failed { why: "input/output error".into(), full: false };
        alone.tell(Event::Stored { transfer: 1, piece, outcome });
    }
    let row = &alone.core.rows()[0];
    assert_eq!((row.phase, &row.problem[..]), (Phase::Failed, "input/output error"));
}

#[test]
fn without_room_for_the_target_it_is_tried_again_every_three_seconds() {
    let mut alone = Alone::new(1);
    alone.tell(Event::Get { transfer: 1, file: FileId([1; 32]), hints: Vec::new() });
    alone.hear(1, have(1, Held::All));
    let (peer, request) = alone.asked_manifest();
    alone.tell(Event::Received { peer, request });
    for _ in 0..3 {
        let trouble = Trouble { why: "no room".into(), remedy: "free 3 GiB".into(), full: true };
        alone.tell(Event::Refused { transfer: 1, trouble });
        assert_eq!(
            (alone.row().phase, &alone.row().problem[..]),
            (Phase::Full, "no room; free 3 GiB")
        );
        let out = alone.wait(Duration::from_millis(3_100));
        let again = out.iter().filter(|e| **e == Effect::PrepareAgain { transfer: 1 }).count();
        assert_eq!(again, 1);
    }
    let out = alone.tell(Event::Prepared { transfer: 1, file: file(1, 5, Bitmap::none(5)) });
    assert!(!asks(&out).is_empty() && alone.row().problem.is_empty());
}

#[test]
fn a_word_is_kept_when_it_is_the_speakers_own_and_handed_on_while_it_counts() {
    let mut alone = Alone::new(3);
    let word = |n, who| Signed::sign(FileId([n; 32]), START_MS + 1000, &Plain(key(who)));
    let mut forged = word(2, 1);
    forged.until_ms += 1;
    let words = vec![word(1, 1), word(1, 2), forged];
    alone.hear(1, PieceFrame::Announce(List::first_of(words)));
    alone.wait(Duration::from_millis(10));
    assert_eq!(alone.core.index.len(), 1);
    let peers = |out: Vec<Effect>| match &out[..] {
        [Effect::Send { frame: PieceFrame::Peer { holdings, .. }, .. }] => holdings.to_vec(),
        other => panic!("{other:?}"),
    };
    let seek = PieceFrame::Seek { file: FileId([1; 32]) };
    assert_eq!(peers(alone.hear(3, seek.clone())), [word(1, 1)]);
    assert!(peers(alone.hear(1, seek.clone())).is_empty(), "it knows of itself");
    alone.wait(Duration::from_millis(HOLDING_MS));
    assert!(peers(alone.hear(3, seek)).is_empty());
    assert_eq!(alone.core.index.len(), 0);
}

#[test]
fn what_is_held_is_announced_to_the_keepers_and_again_in_half_the_time() {
    let mut alone = Alone::new(9);
    let view = view(0..10);
    alone.tell(Event::Graph(Arc::new(view)));
    for n in 0..100 {
        alone.tell(Event::Serve(file(n, 1, Bitmap::all(1))));
    }
    let told = |out: &[Effect]| -> usize {
        let words = out.iter().map(|effect| match effect {
            Effect::Send { frame: PieceFrame::Announce(words), .. } => words.len(),
            _ => 0,
        });
        words.sum()
    };
    let first = told(&alone.wait(Duration::from_secs(1)));
    assert!((250..=300).contains(&first), "three keepers, ourselves among them at times: {first}");
    assert_eq!(told(&alone.wait(Duration::from_millis(HOLDING_MS / 2 - 2_000))), 0);
    assert_eq!(told(&alone.wait(Duration::from_secs(3))), first);
}

#[test]
fn new_pieces_are_told_in_one_word_to_those_who_want_them() {
    let (mut alone, out) = Alone::fetching(1, 20);
    alone.tell(Event::LinkUp { peer: id(2), rtt_us: 100 });
    let wants = PieceFrame::Have {
        file: FileId([1; 32]),
        manifest_bytes: 0,
        held: Held::Nothing,
        wants: true,
    };
    alone.hear(2, wants);
    let mut given = Vec::new();
    for (peer, request, piece) in asks(&out).into_iter().take(3) {
        alone.tell(Event::Received { peer, request });
        alone.tell(Event::Stored { transfer: 1, piece, outcome: Stored::Good });
        given.push(piece);
    }
    let out = alone.wait(Duration::from_millis(110));
    let more: Vec<&Effect> = (out.iter())
        .filter(|e| matches!(e, Effect::Send { frame: PieceFrame::More { .. }, .. }))
        .collect();
    let frame = PieceFrame::More { file: FileId([1; 32]), pieces: List::first_of(given.clone()) };
    assert_eq!(more, [&Effect::Send { peer: id(2), frame }]);
    let out = alone.hear(2, ask(1, Part::Piece(given[0]), 10));
    assert!(out.iter().any(|e| matches!(e, Effect::Read { .. })), "given on at once");
}
