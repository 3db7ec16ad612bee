//! No order of events, and nothing a peer says, brings the core out of step.

use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

use crate::mesh::{Core, Time};
use crate::pieces::event::{Effect, Event, Stored, Trouble};
use crate::pieces::frame::{Held, Nope, PieceFrame};
use crate::pieces::holding::Signed;
use crate::wire::bounded::{Blob, List};

const PIECES: u32 = 12;

fn known(n: u8, bits: u16) -> KnownFile {
    let mut held = Bitmap::none(PIECES);
    (0..PIECES).filter(|p| bits >> p & 1 == 1).for_each(|p| _ = held.insert(p));
    file(n, PIECES, held)
}

fn nope() -> impl Strategy<Value = Nope> {
    prop_oneof![
        Just(Nope::Absent),
        Just(Nope::OutOfRange),
        Just(Nope::Busy),
        Just(Nope::Changed),
        Just(Nope::Disk),
        Just(Nope::Cancelled)
    ]
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        Just(Part::Manifest),
        (0..PIECES + 2).prop_map(Part::Piece),
        any::<u32>().prop_map(Part::Piece)
    ]
}

fn held() -> impl Strategy<Value = Held> {
    prop_oneof![
        Just(Held::Nothing),
        Just(Held::All),
        any::<[u8; 2]>().prop_map(|b| Held::Some(Blob::new(b.to_vec()).unwrap())),
        (0u16..4096).prop_map(|b| Held::Some(Blob::new(b.to_le_bytes().to_vec()).unwrap())),
        Just(Held::Some(Blob::new(vec![255; 8192]).unwrap())),
    ]
}

fn small_or_any(max: u32) -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0..max, 1 => any::<u32>()]
}

fn frame() -> impl Strategy<Value = PieceFrame> {
    let id = (0u8..4).prop_map(|n| FileId([n; 32]));
    let manifest = prop_oneof![Just(0u32), Just(484u32), any::<u32>()];
    let words = proptest::collection::vec((0u8..4, 0usize..4, any::<u32>()), 0..4);
    let words = words.prop_map(|words| {
        let word = |(n, from, until): (u8, usize, u32)| Signed {
            until_ms: START_MS + u64::from(until % 8_000_000),
            ..Signed::sign(FileId([n; 32]), START_MS, &Plain(key(from)))
        };
        words.into_iter().map(word).collect::<Vec<_>>()
    });
    let more = proptest::collection::vec(small_or_any(PIECES), 0..5);
    prop_oneof![
        4 => (id.clone(), manifest, held(), any::<bool>()).prop_map(
            |(file, manifest_bytes, held, wants)| PieceFrame::Have { file, manifest_bytes, held, wants }
        ),
        1 => (id.clone(), more).prop_map(|(file, pieces)| PieceFrame::More {
            file,
            pieces: List::first_of(pieces)
        }),
        3 => (0u64..40, id.clone(), part(), small_or_any(9), small_or_any(1 << 20)).prop_map(
            |(request, file, part, offset, bytes)| PieceFrame::Ask { request, file, part, offset, bytes }
        ),
        1 => (0u64..40, nope()).prop_map(|(request, why)| PieceFrame::Nope { request, why }),
        1 => (0u64..40).prop_map(|request| PieceFrame::Cancel { request }),
        1 => id.clone().prop_map(|file| PieceFrame::Seek { file }),
        1 => words.clone().prop_map(|words| PieceFrame::Announce(List::first_of(words))),
        1 => (id, words).prop_map(|(file, words)| PieceFrame::Peer {
            file,
            holdings: List::first_of(words)
        }),
    ]
}

fn outcome() -> impl Strategy<Value = Stored> {
    prop_oneof![
        4 => Just(Stored::Good),
        1 => Just(Stored::Mismatch),
        1 => any::<bool>().prop_map(|full| Stored::Failed { why: "x".into(), full })
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let peer = || (1usize..4).prop_map(id);
    let request = || 0u64..60;
    let transfer = || 0u64..4;
    let file_id = || (0u8..4).prop_map(|n| FileId([n; 32]));
    let file = || (0u8..4, 0u16..4096).prop_map(|(n, bits)| known(n, bits));
    prop_oneof![
        2 => (1usize..4, any::<u32>()).prop_map(|(n, rtt_us)| Event::LinkUp { peer: id(n), rtt_us }),
        1 => peer().prop_map(|peer| Event::LinkDown { peer }),
        1 => (peer(), any::<u32>()).prop_map(|(peer, rtt_us)| Event::Measured { peer, rtt_us }),
        1 => any::<u8>().prop_map(|bits| Event::Graph(Arc::new(view((0..8).filter(|n| bits >> n & 1 == 1))))),
        12 => (peer(), frame()).prop_map(|(peer, frame)| Event::FromPeer { peer, frame }),
        8 => (peer(), request()).prop_map(|(peer, request)| Event::Received { peer, request }),
        2 => (peer(), request(), any::<u32>())
            .prop_map(|(peer, request, bytes)| Event::Progress { peer, request, bytes }),
        3 => (peer(), request(), small_or_any(1 << 18))
            .prop_map(|(peer, request, bytes)| Event::Sent { peer, request, bytes }),
        1 => (peer(), request(), nope())
            .prop_map(|(peer, request, why)| Event::ReadFailed { peer, request, why }),
        2 => file().prop_map(Event::Serve),
        1 => file_id().prop_map(|file| Event::Withdraw { file }),
        4 => (transfer(), file_id()).prop_map(|(transfer, file)| Event::Get {
            transfer,
            file,
            hints: vec![(id(1), SocketAddr::from(([10, 0, 0, 1], 1)))]
        }),
        1 => transfer().prop_map(|transfer| Event::Stop { transfer }),
        6 => (transfer(), file()).prop_map(|(transfer, file)| Event::Prepared { transfer, file }),
        1 => transfer().prop_map(|transfer| Event::Forged { transfer }),
        1 => (transfer(), any::<bool>()).prop_map(|(transfer, full)| Event::Refused {
            transfer,
            trouble: Trouble { why: "x".into(), remedy: String::new(), full }
        }),
        8 => (transfer(), 0..PIECES, outcome())
            .prop_map(|(transfer, piece, outcome)| Event::Stored { transfer, piece, outcome }),
        1 => transfer().prop_map(|transfer| Event::Committed { transfer }),
        1 => transfer().prop_map(|transfer| Event::Finished { transfer }),
        1 => file_id().prop_map(|file| Event::Forget { file }),
        1 => (0usize..4, 0u64..4).prop_map(|(transfers_max, mib)| Event::Configure(Policy {
            transfers_max,
            buffer_bytes_max: mib * MIB,
            upload_bytes_per_second: mib * 1000,
            download_bytes_per_second: mib * 5000,
            files_max: 3,
            ..policy()
        })),
    ]
}

/// Answers some of what the core asks for, so that it comes further than chance alone would bring it.
fn answer(effect: &Effect, luck: u8) -> Option<Event> {
    match effect {
        Effect::Ask { peer, request, .. } if luck < 180 => {
            Some(Event::Received { peer: *peer, request: *request })
        }
        Effect::Prepare { transfer, .. } | Effect::PrepareAgain { transfer } if luck < 200 => {
            Some(Event::Prepared { transfer: *transfer, file: known(luck % 4, 0) })
        }
        Effect::Store { transfer, piece, .. } if luck < 230 => Some(Event::Stored {
            transfer: *transfer,
            piece: *piece,
            outcome: if luck < 20 { Stored::Mismatch } else { Stored::Good },
        }),
        Effect::Read { peer, request, bytes, .. } if luck < 230 => {
            Some(Event::Sent { peer: *peer, request: *request, bytes: *bytes })
        }
        Effect::Commit { transfer } => Some(Event::Committed { transfer: *transfer }),
        Effect::Finish { transfer } if luck < 200 => Some(Event::Finished { transfer: *transfer }),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn no_order_of_events_brings_it_out_of_step(
        steps in proptest::collection::vec((event(), 0u64..3_000_000, any::<u8>()), 1..250),
        seed in 0u64..1000,
    ) {
        let mut core = exchange(0, policy(), seed);
        let mut now = Time(1);
        for n in 1..4 {
            core.handle(now, Event::LinkUp { peer: id(n), rtt_us: 100 }, &mut Vec::new());
        }
        for (event, pause, luck) in steps {
            let mut events = vec![event];
            let mut rounds = 0;
            while let Some(event) = events.pop() {
                let mut out = Vec::new();
                core.handle(now, event, &mut out);
                core.check();
                rounds += 1;
                if rounds < 30 {
                    let luck = |i: usize| luck.wrapping_mul(31).wrapping_add((i as u8).wrapping_mul(57));
                    events.extend(out.iter().enumerate().filter_map(|(i, e)| answer(e, luck(i))));
                }
            }
            core.rows();
            core.file_rows();
            now = now + Duration::from_micros(if pause > 2_500_000 { 20 * pause } else { pause / 20 });
            let mut wakes = 0;
            while core.next_wake().is_some_and(|at| at <= now) {
                let mut out = Vec::new();
                core.wake(now, &mut out);
                core.check();
                wakes += 1;
                prop_assert!(wakes < 50, "it wants to be woken for ever at {:?}", now);
            }
        }
    }
}
