//! Serving and the index beside peers that take as much as the rules let them.

use std::time::Duration;

use super::alone::{Alone, ask, have, nopes};
use super::*;

use crate::pieces::event::{Effect, Event};
use crate::pieces::frame::{Held, Nope, PieceFrame};
use crate::pieces::holding::{HOLDING_MS, Signed};
use crate::wire::bounded::{Blob, List};

const CHUNK: u32 = 256 * 1024;
const TICK: Duration = Duration::from_millis(100);

fn graph(count: usize) -> Event {
    Event::Graph(Arc::new(view(0..count)))
}

fn reads(out: &[Effect], of: usize) -> Vec<(u64, u32)> {
    let read = |effect: &Effect| match effect {
        Effect::Read { peer, request, bytes, .. } if *peer == id(of) => Some((*request, *bytes)),
        _ => None,
    };
    out.iter().filter_map(read).collect()
}

fn needs(out: &[Effect], of: usize) -> usize {
    out.iter().filter(|e| matches!(e, Effect::NeedLink { peer, .. } if *peer == id(of))).count()
}

fn closes(out: &[Effect]) -> usize {
    out.iter().filter(|e| matches!(e, Effect::Close { .. })).count()
}

/// Words announced to a keeper.
fn told(out: &[Effect], to: usize) -> usize {
    let words = out.iter().map(|effect| match effect {
        Effect::Send { peer, frame: PieceFrame::Announce(words) } if *peer == id(to) => words.len(),
        _ => 0,
    });
    words.sum()
}

/// An honest peer: takes what it is given at once, and asks again after it was told that we are busy.
struct Honest {
    n: usize,
    request: u64,
    got: u64,
}

impl Honest {
    fn asks(&mut self, alone: &mut Alone) {
        self.request += 1;
        let out = alone.hear(self.n, ask(self.request, Part::Piece(0), 1 << 20));
        self.takes(alone, out);
    }

    fn takes(&mut self, alone: &mut Alone, out: Vec<Effect>) {
        // Each chunk brings the next, for at most 8 MiB in one go.
        let mut left = reads(&out, self.n);
        for _ in 0..32 {
            let Some((request, bytes)) = left.pop() else { break };
            self.got += u64::from(bytes);
            let out = alone.tell(Event::Sent { peer: id(self.n), request, bytes });
            left.extend(reads(&out, self.n));
        }
        assert!(left.is_empty());
    }

    fn is_done(&self, alone: &Alone) -> bool {
        alone.core.links[&id(self.n)].queue.jobs.is_empty()
    }
}

/// Others hold all slots from the beginning, each with its own habit; how much the honest one gets in a minute.
fn honest_beside(mut alone: Alone, others: usize, mut habit: impl FnMut(&mut Alone, u32)) -> u64 {
    let mut honest = Honest { n: others + 1, request: 0, got: 0 };
    let mut again = 0;
    for tick in 0..600 {
        habit(&mut alone, tick);
        if honest.is_done(&alone) && tick >= again {
            honest.asks(&mut alone);
        }
        let out = alone.wait(TICK);
        if out.iter().any(
            |e| matches!(e, Effect::Send { peer, frame: PieceFrame::Nope { .. } } if *peer == id(honest.n)),
        ) {
            again = tick + 15;
        }
        honest.takes(&mut alone, out);
    }
    honest.got
}

#[test]
fn who_takes_one_chunk_in_half_a_minute_keeps_nobody_out() {
    for others in [5, 12] {
        let mut alone = Alone::new(others + 1);
        alone.tell(Event::Serve(file(1, 2, Bitmap::all(2))));
        for n in 1..=others {
            (1..=8).for_each(|r| _ = alone.hear(n, ask(r, Part::Piece(0), 1 << 20)));
        }
        let mut request = 8;
        let got = honest_beside(alone, others, |alone, tick| {
            // They always have something asked for, and take one chunk in time.
            request += 1;
            for n in 1..=others {
                let jobs = &alone.core.links[&id(n)].queue.jobs;
                if jobs.len() < 4 {
                    alone.hear(n, ask(request, Part::Piece(0), 1 << 20));
                }
                let jobs = &alone.core.links[&id(n)].queue.jobs;
                let moves = tick % 290 == 280 && jobs.front().is_some_and(|job| job.begun());
                if moves {
                    let front = jobs.front().map(|job| job.request());
                    let request = front.expect("it has one");
                    alone.tell(Event::Sent { peer: id(n), request, bytes: CHUNK });
                }
            }
        });
        assert!(got >= 100 * MIB, "beside {others}: {got}");
    }
}

#[test]
fn who_asks_for_single_bytes_keeps_nobody_out() {
    let others = 5;
    let mut alone = Alone::new(others + 1);
    alone.tell(Event::Serve(file(1, 2, Bitmap::all(2))));
    let mut asked = vec![0; others + 1];
    let got = honest_beside(alone, others, |alone, tick| {
        for (n, asked) in asked.iter_mut().enumerate().skip(1) {
            while alone.core.links[&id(n)].queue.jobs.len() < 30 {
                *asked += 1;
                alone.hear(n, ask(*asked, Part::Piece(0), 1));
            }
            // The oldest is written a little later, and never are there none.
            if tick % 5 == 4 {
                let request = alone.core.links[&id(n)].queue.jobs[0].request();
                alone.tell(Event::Sent { peer: id(n), request, bytes: 1 });
            }
        }
    });
    assert!(got >= 200 * MIB, "{got}");
}

#[test]
fn while_nobody_served_can_be_given_more_one_more_is_served() {
    let mut alone = Alone::new(20);
    alone.tell(Event::Serve(file(1, 2, Bitmap::all(2))));
    let (mut served, mut waits) = (0, 0);
    for n in 1..=20 {
        // One chunk each, which all are slow to take in: their lanes have room.
        let out = alone.hear(n, ask(1, Part::Piece(0), CHUNK));
        served += reads(&out, n).len();
    }
    assert_eq!(served, 5);
    for _ in 0..15 {
        let out = alone.wait(TICK);
        served += (1..=20).map(|n| reads(&out, n).len()).sum::<usize>();
        waits += nopes(&out).len();
    }
    assert_eq!((served, waits), (17, 0), "sixteen, and one by chance");
}

#[test]
fn with_full_lanes_five_are_served_however_many_were_let_in_before() {
    let mut alone = Alone::new(12);
    alone.tell(Event::Serve(file(1, 2, Bitmap::all(2))));
    (1..=12).for_each(|n| _ = alone.hear(n, ask(1, Part::Piece(0), CHUNK)));
    alone.wait(9 * TICK);
    let mut request = 1;
    let mut busy = 0;
    for tick in 0..200 {
        // All take well, and all have more to take than the line carries.
        for n in 1..=12 {
            while alone.core.links[&id(n)].queue.jobs.len() < 8 {
                request += 1;
                alone.hear(n, ask(request, Part::Piece(0), 1 << 20));
            }
            let jobs = &alone.core.links[&id(n)].queue.jobs;
            let front = jobs.front().filter(|job| job.begun()).map(|job| job.request());
            if let Some(request) = front.filter(|_| tick % 10 == n % 10) {
                alone.tell(Event::Sent { peer: id(n), request, bytes: CHUNK });
            }
        }
        busy += nopes(&alone.wait(TICK)).len();
    }
    let served = alone.core.slots.served().filter(|(_, leaving)| !leaving).count();
    assert!(served == 5 && busy > 0, "{served} served, {busy} told that we are busy");
}

#[test]
fn a_number_that_was_used_is_not_used_again_though_its_ask_has_ended() {
    let mut alone = Alone::new(2);
    alone.tell(Event::Serve(file(1, 2, Bitmap::all(2))));
    alone.hear(1, ask(1, Part::Piece(0), 1 << 20));
    let out = alone.hear(1, PieceFrame::Cancel { request: 1 });
    assert_eq!(nopes(&out), [(1, Nope::Cancelled)]);
    let out = alone.hear(1, ask(1, Part::Piece(0), 1 << 20));
    assert_eq!((closes(&out), reads(&out, 1).len()), (1, 0));
    assert!(alone.core.links[&id(1)].queue.jobs.is_empty());
    // Those of others, and those of the next link, are their own.
    assert_eq!(reads(&alone.hear(2, ask(1, Part::Piece(0), 10)), 2), [(1, 10)]);
    alone.tell(Event::LinkUp { peer: id(1), rtt_us: 100 });
    assert_eq!(reads(&alone.hear(1, ask(1, Part::Piece(0), 10)), 1), [(1, 10)]);
    assert_eq!(closes(&alone.hear(1, ask(u64::MAX, Part::Piece(0), 10))), 0);
    assert_eq!(closes(&alone.hear(1, ask(u64::MAX, Part::Piece(0), 10))), 1);
}

#[test]
fn what_is_said_of_unknown_files_is_not_remembered() {
    let mut alone = Alone::new(1);
    let whole = |alone: &Alone| alone.core.links[&id(1)].whole.len();
    (1..=100).for_each(|n| _ = alone.hear(1, have(n, Held::All)));
    assert_eq!(whole(&alone), 0);
    alone.tell(Event::Serve(file(1, 2, Bitmap::all(2))));
    alone.tell(Event::Get { transfer: 1, file: FileId([2; 32]), hints: Vec::new() });
    (1..=100).for_each(|n| _ = alone.hear(1, have(n, Held::All)));
    assert_eq!(whole(&alone), 2);
    alone.tell(Event::Stop { transfer: 1 });
    assert_eq!(whole(&alone), 1);
    alone.tell(Event::Forget { file: FileId([1; 32]) });
    assert_eq!(whole(&alone), 0);
}

#[test]
fn a_set_of_pieces_costs_what_counting_it_costs() {
    let (mut alone, _) = Alone::fetching(1, 65_536);
    let set = |byte| have(1, Held::Some(Blob::new(vec![byte; 8192]).expect("fits")));
    let holds = |alone: &Alone, piece| {
        let fetch = alone.core.fetches.values().next().expect("one");
        fetch.sources.get(&id(1)).is_some_and(|source| source.claim.holds(piece))
    };
    // Sets that differ, one after another: each is listened to or not.
    let mut heard = 0;
    for turn in 0..200 {
        let (byte, piece) = if turn % 2 == 0 { (0b0101, 0) } else { (0b1010, 1) };
        let before = holds(&alone, piece);
        alone.hear(1, set(byte));
        heard += usize::from(holds(&alone, piece) && !before);
    }
    assert!((1..=20).contains(&heard), "{heard}");
    // One that is replaced by a single word is counted out as well.
    alone.wait(Duration::from_secs(20));
    let mut heard = 0;
    for _ in 0..200 {
        alone.hear(1, set(0b0101));
        let before = holds(&alone, 1);
        alone.hear(1, have(1, Held::All));
        heard += usize::from(holds(&alone, 1) && !before);
    }
    assert!((1..=20).contains(&heard), "{heard}");
}

#[test]
fn a_link_that_goes_down_hurries_only_those_whose_source_it_was() {
    let (mut alone, _) = Alone::fetching(2, 20);
    alone.tell(Event::LinkUp { peer: id(3), rtt_us: 100 });
    alone.wait(Duration::from_secs(20));
    let seek_at = |alone: &Alone| alone.core.fetches[&1].seek_at.expect("it is looked for more");
    let before = seek_at(&alone);
    assert!(before.since(alone.now) > Duration::from_secs(2), "{before:?} at {:?}", alone.now);
    alone.tell(Event::LinkDown { peer: id(3) });
    assert_eq!(seek_at(&alone), before);
    alone.tell(Event::LinkDown { peer: id(2) });
    assert!(seek_at(&alone).since(alone.now) <= Duration::from_secs(1));
}

#[test]
fn with_many_links_the_one_that_holds_the_file_is_asked_soon() {
    for holder in [1, 37, 100] {
        let mut alone = Alone::new(100);
        let asked = |out: &[Effect]| {
            let asks = |e: &Effect| {
                matches!(e, Effect::Send { peer, frame: PieceFrame::Have { wants: true, .. } }
                    if *peer == id(holder))
            };
            out.iter().any(asks)
        };
        let get = Event::Get { transfer: 1, file: FileId([9; 32]), hints: Vec::new() };
        let mut out = alone.tell(get);
        out.extend(alone.wait(Duration::from_secs(5)));
        assert!(asked(&out), "{holder} of 100");
    }
}

#[test]
fn holders_that_cannot_be_linked_are_forgotten_and_no_keeper_fills_the_list() {
    let mut alone = Alone::new(1);
    alone.tell(graph(150));
    let wanted = FileId([1; 32]);
    // Known as a keeper only if it is one: take a file of which it is.
    let is_keeper = |alone: &Alone, file: &FileId| {
        alone.core.places.of(file).iter().any(|(_, keeper)| *keeper == id(1))
    };
    let mut files = (0..=255).map(|n| FileId([n; 32]));
    let wanted = if is_keeper(&alone, &wanted) {
        wanted
    } else {
        files.find(|file| is_keeper(&alone, file)).expect("one of 256 among 150 nodes")
    };
    alone.tell(Event::Get { transfer: 1, file: wanted, hints: Vec::new() });
    let tell = |alone: &mut Alone, whom: std::ops::Range<usize>| {
        for n in whom {
            let unix_ms = START_MS + alone.now.as_ms();
            let words = vec![Signed::sign(wanted, unix_ms, &Plain(key(n)))];
            let holdings = List::first_of(words);
            alone.hear(1, PieceFrame::Peer { file: wanted, holdings });
        }
        alone.wait(Duration::from_millis(10));
    };
    let holders = |alone: &Alone| alone.core.fetches[&1].holders.len();
    tell(&mut alone, 1_000..1_100);
    assert_eq!((holders(&alone), alone.core.index.incoming.len()), (0, 0), "strangers");
    tell(&mut alone, 2..150);
    assert_eq!(holders(&alone), 64);
    let out = alone.wait(Duration::from_secs(600));
    assert_eq!(holders(&alone), 0, "none of them could be linked");
    let keeps = alone.core.places.of(&wanted);
    let mut strange = (2..150).filter(|n| keeps.iter().all(|(_, keeper)| *keeper != id(*n)));
    assert!(strange.all(|n| needs(&out, n) <= 4), "those who keep the index are needed anyway");
    tell(&mut alone, 100..101);
    assert_eq!(holders(&alone), 1, "it may be named again");
}

#[test]
fn strangers_words_are_not_even_checked() {
    let mut alone = Alone::new(1);
    alone.tell(graph(3));
    let wanted = FileId([1; 32]);
    alone.tell(Event::Get { transfer: 1, file: wanted, hints: Vec::new() });
    let mut out = Vec::new();
    let word = |n| Signed::sign(wanted, START_MS + 1000, &Plain(key(n)));
    let peer = |holdings| PieceFrame::Peer { file: wanted, holdings };
    let hear = |alone: &mut Alone, n, out: &mut Vec<Effect>| {
        let frame = peer(List::first_of(vec![word(n)]));
        crate::mesh::Core::handle(
            &mut alone.core,
            alone.now,
            Event::FromPeer { peer: id(1), frame },
            out,
        );
        alone.core.index.incoming.len()
    };
    assert_eq!(hear(&mut alone, 500, &mut out), 0);
    assert_eq!(hear(&mut alone, 2, &mut out), 1);
}

/// Shares some files in a network of three, so that the two others keep the index of all of them.
fn sharing(files: u8) -> (Alone, Vec<Effect>) {
    let mut alone = Alone::new(1);
    alone.tell(graph(3));
    (0..files).for_each(|n| _ = alone.tell(Event::Serve(file(n, 1, Bitmap::all(1)))));
    let out = alone.wait(Duration::from_secs(60));
    (alone, out)
}

#[test]
fn a_keeper_that_is_linked_anew_is_told_again() {
    let (mut alone, out) = sharing(100);
    assert_eq!(told(&out, 1), 100);
    alone.tell(Event::LinkDown { peer: id(1) });
    alone.wait(Duration::from_secs(2));
    alone.tell(Event::LinkUp { peer: id(1), rtt_us: 100 });
    assert_eq!(told(&alone.wait(Duration::from_secs(2)), 1), 100, "it may have begun again");
    // One whose link comes and goes all the time is not told all the time.
    let mut out = Vec::new();
    for _ in 0..60 {
        alone.tell(Event::LinkUp { peer: id(1), rtt_us: 100 });
        out.extend(alone.wait(Duration::from_secs(1)));
    }
    assert!((100..=200).contains(&told(&out, 1)), "{}", told(&out, 1));
}

#[test]
fn a_keeper_that_cannot_be_linked_is_needed_for_all_files_at_once_and_ever_more_seldom() {
    let (mut alone, mut out) = sharing(200);
    assert_eq!(told(&out, 2), 0);
    out.extend(alone.wait(Duration::from_secs(3600)));
    let count = needs(&out, 2);
    assert!((5..=9).contains(&count), "30 s, 1 min, 2 min … and half an hour: {count}");
    alone.tell(Event::LinkUp { peer: id(2), rtt_us: 100 });
    let out = alone.wait(Duration::from_secs(2));
    assert_eq!((told(&out, 2), told(&out, 1)), (200, 0), "what it has missed, and nobody else");
}

#[test]
fn after_a_sleep_words_are_as_new_as_the_wall_clock_says() {
    let (mut alone, _) = sharing(1);
    let seek = PieceFrame::Seek { file: FileId([0; 32]) };
    let until = |out: Vec<Effect>| match &out[..] {
        [Effect::Send { frame: PieceFrame::Peer { holdings, .. }, .. }] => {
            holdings.iter().map(|word| word.until_ms).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    // A minute that is as long as it should be changes nothing.
    let unix_ms = START_MS + alone.now.as_ms();
    alone.tell(Event::WallClock(unix_ms + 300));
    assert_eq!(told(&alone.wait(Duration::from_secs(60)), 1), 0);
    // Asleep for two hours: all words we gave and were given are over.
    alone.hear(
        1,
        PieceFrame::Announce(List::first_of(vec![Signed::sign(
            FileId([0; 32]),
            unix_ms,
            &Plain(key(1)),
        )])),
    );
    alone.wait(Duration::from_millis(10));
    assert_eq!(alone.core.index.len(), 1);
    let woken = unix_ms + 2 * HOLDING_MS;
    alone.tell(Event::WallClock(woken));
    let out = alone.wait(Duration::from_secs(1));
    assert_eq!((told(&out, 1), alone.core.index.len()), (1, 0));
    let words = until(alone.hear(1, seek));
    assert!(words.len() == 1 && words[0].abs_diff(woken + HOLDING_MS) <= 2_000, "{words:?}");
    // Others' new words are believed, and end when they should.
    alone.hear(
        1,
        PieceFrame::Announce(List::first_of(vec![Signed::sign(
            FileId([0; 32]),
            woken,
            &Plain(key(1)),
        )])),
    );
    alone.wait(Duration::from_secs(60));
    assert_eq!(alone.core.index.len(), 1);
    alone.wait(Duration::from_millis(HOLDING_MS));
    assert_eq!(alone.core.index.len(), 0);
    // A clock that is set back: what was announced with the old one is not believed by those whose is right.
    alone.tell(Event::WallClock(START_MS));
    assert_eq!(told(&alone.wait(Duration::from_secs(1)), 1), 1);
}

#[test]
fn only_the_end_of_a_request_is_owed() {
    assert!(PieceFrame::Nope { request: 1, why: Nope::Busy }.is_owed());
    assert!(!PieceFrame::Cancel { request: 1 }.is_owed() && !have(1, Held::All).is_owed());
}
