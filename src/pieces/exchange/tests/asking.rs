//! Peers that promise and do not give hold nothing up for long.

use std::time::Duration;

use super::alone::{Alone, asks, have};
use super::world::World;
use super::*;
use crate::mesh::Time;
use crate::pieces::event::{Effect, Event, Stored};
use crate::pieces::frame::{Held, Nope, PieceFrame};
use crate::pieces::rows::Phase;

const SECOND: Duration = Duration::from_secs(1);
/// An honest peer gives a piece in this time.
const STEP: Duration = Duration::from_millis(100);

impl Alone {
    /// The disk does what it is asked to.
    fn obey(&mut self, mut out: Vec<Effect>) {
        while let Some(effect) = out.pop() {
            let event = match effect {
                Effect::Store { transfer, piece, .. } => {
                    Event::Stored { transfer, piece, outcome: Stored::Good }
                }
                Effect::Commit { transfer } => Event::Committed { transfer },
                Effect::Finish { transfer } => Event::Finished { transfer },
                _ => continue,
            };
            out.extend(self.tell(event));
        }
    }

    /// What this peer was asked for first, and how much of it came.
    fn first(&self, n: usize) -> Option<(u64, u32)> {
        let (request, asked) = self.core.links[&id(n)].asks.first_key_value()?;
        Some((*request, asked.got))
    }

    /// Time passes, in which honest peers give a piece each step, and the others a byte every four seconds. True
    /// once the download is done.
    fn go_on(&mut self, honest: &[usize], others: &[usize], time: Duration) -> bool {
        let end = self.now + time;
        let mut steps = 0;
        while self.now < end {
            steps += 1;
            let out = self.wait(STEP);
            self.obey(out);
            for n in honest {
                let Some((request, _)) = self.first(*n) else { continue };
                let out = self.tell(Event::Received { peer: id(*n), request });
                self.obey(out);
            }
            for n in others.iter().filter(|_| steps % 40 == 0) {
                let Some((request, got)) = self.first(*n) else { continue };
                let event = Event::Progress { peer: id(*n), request, bytes: got + 1 };
                let out = self.tell(event);
                self.obey(out);
            }
            if self.row().phase == Phase::Done {
                return true;
            }
        }
        false
    }
}

#[test]
fn two_that_give_a_byte_now_and_then_do_not_keep_the_last_pieces() {
    for honest in 1..=3 {
        let others: Vec<usize> = (1..=3).filter(|n| *n != honest).collect();
        let (mut alone, _) = Alone::fetching(3, 20);
        assert!(alone.go_on(&[honest], &others, 20 * SECOND), "only {honest} gives");
        assert_eq!(alone.row().pieces_done, 20);
    }
}

#[test]
fn many_that_do_not_give_keep_nobody_from_being_asked() {
    for silent in [false, true] {
        let others: Vec<usize> = (2..=25).collect();
        let (mut alone, _) = Alone::fetching(25, 300);
        let begun = alone.now;
        let others = if silent { &[] } else { &others[..] };
        assert!(alone.go_on(&[1], others, 90 * SECOND));
        let took = alone.now.since(begun);
        // 300 pieces of a tenth of a second each, and the time it takes to see who gives.
        assert!(took < 45 * SECOND, "{took:?}, silent {silent}");
    }
}

#[test]
fn who_does_not_give_is_asked_less_and_less_until_it_does() {
    let (mut alone, _) = Alone::fetching(2, 3000);
    let mut asked = Vec::new();
    for _ in 0..3 {
        let mut count = 0;
        for _ in 0..40 {
            let before = alone.first(2).map(|(request, _)| request);
            alone.go_on(&[1], &[], SECOND);
            let after = alone.first(2).map(|(request, _)| request);
            count += usize::from(after.is_some() && before != after);
        }
        asked.push(count);
    }
    assert!(asked.iter().all(|count| (1..=3).contains(count)), "{asked:?}");
    let link = &alone.core.links[&id(2)];
    assert!(link.strikes >= 2 && link.window(1 << 20) == 1);
    // It gives again: all is forgiven.
    while alone.first(2).is_none() {
        alone.go_on(&[1], &[], SECOND);
    }
    alone.go_on(&[1, 2], &[], SECOND);
    let link = &alone.core.links[&id(2)];
    assert!(link.strikes == 0 && link.window(1 << 20) > 1);
}

#[test]
fn a_manifest_that_does_not_come_is_asked_of_another() {
    let mut alone = Alone::new(2);
    alone.tell(Event::Get { transfer: 1, file: FileId([1; 32]), hints: Vec::new() });
    let huge = PieceFrame::Have {
        file: FileId([1; 32]),
        manifest_bytes: 8 << 20,
        held: Held::All,
        wants: false,
    };
    alone.hear(1, huge);
    alone.hear(2, have(1, Held::All));
    assert_eq!(alone.asked_manifest().0, id(1));
    alone.go_on(&[], &[1], 11 * SECOND);
    assert_eq!(alone.asked_manifest().0, id(2));
}

#[test]
fn a_slow_manifest_is_waited_for_when_nobody_else_has_it() {
    let mut alone = Alone::new(2);
    alone.tell(Event::Get { transfer: 1, file: FileId([1; 32]), hints: Vec::new() });
    alone.hear(1, have(1, Held::All));
    let before = alone.asked_manifest();
    alone.go_on(&[], &[1], 60 * SECOND);
    assert_eq!(alone.asked_manifest(), before);
}

#[test]
fn what_a_busy_peer_passes_over_is_asked_of_another() {
    let (mut alone, _) = Alone::fetching(2, 2000);
    alone.tell(Event::LinkDown { peer: id(2) });
    alone.go_on(&[1], &[], SECOND);
    alone.tell(Event::Get { transfer: 2, file: FileId([2; 32]), hints: Vec::new() });
    alone.hear(1, have(2, Held::All));
    let manifest = alone.asked_manifest();
    assert_eq!(manifest.0, id(1));
    alone.tell(Event::LinkUp { peer: id(2), rtt_us: 100 });
    alone.hear(2, have(2, Held::All));
    // It goes on giving pieces of the first file.
    for _ in 0..70 {
        let asks = &alone.core.links[&id(1)].asks;
        let piece = asks.iter().find(|(_, asked)| asked.part != Part::Manifest);
        let piece = piece.map(|(request, _)| *request);
        let mut out = alone.wait(STEP);
        if let Some(request) = piece {
            out.extend(alone.tell(Event::Received { peer: id(1), request }));
        }
        alone.obey(out);
    }
    assert_eq!(alone.asked_manifest().0, id(2));
}

#[test]
fn who_holds_everything_and_denies_it_is_no_source_until_it_speaks_again() {
    let (mut alone, out) = Alone::fetching(1, 20);
    let asked = asks(&out);
    assert!(asked.len() > 1);
    let (peer, request, _) = asked[0];
    let fetch = |alone: &Alone| alone.core.fetches[&1].sources.len();
    alone.hear(1, PieceFrame::Nope { request, why: Nope::Absent });
    assert_eq!(fetch(&alone), 0);
    alone.tell(Event::Received { peer, request: asked[1].1 });
    assert!(alone.hear(1, have(1, Held::All)).iter().all(|e| !matches!(e, Effect::Ask { .. })));
    assert_eq!(fetch(&alone), 1);
    assert!(!asks(&alone.wait(3 * SECOND)).is_empty(), "after a rest it is asked again");
}

#[test]
fn a_disk_that_cannot_read_one_piece_costs_this_piece_only() {
    let (mut alone, out) = Alone::fetching(1, 20);
    let (_, request, piece) = asks(&out)[0];
    alone.hear(1, PieceFrame::Nope { request, why: Nope::Disk });
    let claim = &alone.core.fetches[&1].sources[&id(1)].claim;
    assert!((0..20).all(|p| claim.holds(p) == (p != piece)));
    assert!(!alone.go_on(&[1], &[], 10 * SECOND));
    assert_eq!(alone.row().pieces_done, 19);
}

#[test]
fn a_block_every_eight_seconds_is_a_slow_line_and_not_a_dead_one() {
    let (mut alone, _) = Alone::fetching(1, 4);
    let (mut came, mut blocks) = (0, 0);
    while alone.row().phase != Phase::Done {
        alone.go_on(&[], &[], 8 * SECOND);
        let (request, got) = alone.first(1).expect("it is not taken back");
        let whole = alone.core.links[&id(1)].asks[&request].bytes;
        let bytes = (got + 64 * 1024).min(whole);
        (came, blocks) = (came + bytes - got, blocks + 1);
        let event = match bytes == whole {
            true => Event::Received { peer: id(1), request },
            false => Event::Progress { peer: id(1), request, bytes },
        };
        let out = alone.tell(event);
        alone.obey(out);
    }
    assert_eq!((came, blocks), (4 * (1 << 20) - 1000, 64));
}

#[test]
fn slow_lines_bring_a_file_and_nothing_twice() {
    for holders in 1..=2 {
        let mut world = World::new(holders + 1, 5, policy());
        let known = file(1, 6, Bitmap::all(6));
        for n in 0..holders {
            world.share(n, known.clone());
            world.nodes[n].rate.0 = 9 * 1024;
        }
        world.start();
        world.get(holders, 1, known.file, 0);
        let took = world.run_until_done(&[(holders, 1)], 1000 * SECOND);
        assert!(took < 850 * SECOND / holders as u32, "{took:?} from {holders}");
        let ratio = world.overhead(holders..holders + 1, known.bytes);
        // Of two, one may be asked beside the other for what comes last.
        let most = if holders == 1 { 1.05 } else { 1.1 };
        assert!(ratio <= most, "{ratio} from {holders}");
    }
}

#[test]
fn a_link_that_dies_without_a_word_is_left_in_time() {
    let (mut alone, _) = Alone::fetching(1, 20);
    assert!(!alone.go_on(&[1], &[], SECOND / 2));
    let at: Time = alone.now;
    let before = alone.first(1).expect("it is asked").0;
    while alone.first(1).is_some_and(|(request, _)| request == before) {
        alone.go_on(&[], &[], SECOND);
    }
    assert!(alone.now.since(at) <= 21 * SECOND, "what was lost on the way is asked for again");
}
