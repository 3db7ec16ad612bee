//! Downloads that wait: for a turn, for room, for the disk to say what is left.

use std::time::Duration;

use super::alone::{Alone, asks, have};
use super::*;
use crate::pieces::event::{Effect, Event, Stored, Trouble};
use crate::pieces::frame::{Held, Nope, PieceFrame};
use crate::pieces::rows::{Bottleneck, Phase};

fn get(alone: &mut Alone, transfer: u64) {
    let file = FileId([u8::try_from(transfer).expect("few"); 32]);
    alone.tell(Event::Get { transfer, file, hints: Vec::new() });
}

fn phase(alone: &Alone, transfer: u64) -> Phase {
    let rows = alone.core.rows();
    rows.iter().find(|row| row.transfer == transfer).expect("it is shown").phase
}

#[test]
fn after_a_failed_sync_nothing_is_asked_or_finished_until_the_disk_says_what_is_left() {
    let (mut alone, out) = Alone::fetching(1, 4);
    for (peer, request, _) in asks(&out) {
        alone.tell(Event::Received { peer, request });
    }
    for piece in 0..3 {
        alone.tell(Event::Stored { transfer: 1, piece, outcome: Stored::Good });
    }
    let trouble = Trouble { why: "no room".into(), remedy: String::new(), full: true };
    alone.tell(Event::Refused { transfer: 1, trouble });
    // The last piece was with the disk already: what it says of it does not make the others safe.
    let out = alone.tell(Event::Stored { transfer: 1, piece: 3, outcome: Stored::Good });
    assert!(!out.iter().any(|effect| matches!(effect, Effect::Finish { .. })));
    assert_eq!((phase(&alone, 1), &alone.row().problem[..]), (Phase::Full, "no room"));
    let out = alone.wait(Duration::from_millis(3_100));
    assert!(out.contains(&Effect::PrepareAgain { transfer: 1 }));
    let out = alone.tell(Event::Prepared { transfer: 1, file: file(1, 4, Bitmap::none(4)) });
    assert_eq!(asks(&out).len(), 4);
}

#[test]
fn whoever_promises_and_does_not_give_keeps_no_turn_from_others() {
    let mut alone = Alone::new(1);
    let mut policy = policy();
    policy.transfers_max = 1;
    alone.tell(Event::Configure(policy));
    get(&mut alone, 1);
    get(&mut alone, 2);
    for _ in 0..90 {
        alone.hear(1, have(1, Held::All));
        for effect in alone.wait(Duration::from_secs(1)) {
            if let Effect::Ask { request, .. } = effect {
                alone.hear(1, PieceFrame::Nope { request, why: Nope::Busy });
            }
        }
    }
    assert_eq!((phase(&alone, 1), phase(&alone, 2)), (Phase::Waiting, Phase::Seeking));
}

#[test]
fn a_full_disk_keeps_no_turn_from_what_goes_to_another() {
    let (mut alone, _) = Alone::fetching(1, 4);
    let mut policy = policy();
    policy.transfers_max = 1;
    alone.tell(Event::Configure(policy));
    get(&mut alone, 2);
    assert_eq!(phase(&alone, 2), Phase::Waiting);
    let trouble = Trouble { why: "no room".into(), remedy: String::new(), full: true };
    alone.tell(Event::Refused { transfer: 1, trouble });
    assert_eq!((phase(&alone, 1), phase(&alone, 2)), (Phase::Full, Phase::Seeking));
}

#[test]
fn that_nobody_holds_it_is_said_after_a_while_and_that_it_was_changed_at_once() {
    let (mut alone, out) = Alone::fetching(1, 4);
    for (_, request, _) in asks(&out) {
        alone.hear(1, PieceFrame::Nope { request, why: Nope::Changed });
    }
    let row = alone.row();
    assert!(row.problem.contains("changed the file"), "{}", row.problem);
    assert_eq!((row.bottleneck, row.bytes_per_second), (Bottleneck::Holders, 0));
    get(&mut alone, 2);
    assert_eq!(alone.row().bottleneck, Bottleneck::None);
    alone.wait(Duration::from_secs(4));
    assert_eq!(alone.row().bottleneck, Bottleneck::Holders);
}

#[test]
fn what_is_whole_is_finished_though_it_is_stopped_but_not_if_it_is_forgotten() {
    for forget in [false, true] {
        let (mut alone, out) = Alone::fetching(1, 1);
        let (peer, request, piece) = asks(&out)[0];
        alone.tell(Event::Received { peer, request });
        alone.tell(Event::Stored { transfer: 1, piece, outcome: Stored::Good });
        assert_eq!(phase(&alone, 1), Phase::Finishing);
        alone.tell(Event::Stop { transfer: 1 });
        assert_eq!(phase(&alone, 1), Phase::Finishing);
        if forget {
            alone.tell(Event::Forget { file: FileId([1; 32]) });
        }
        alone.tell(Event::Finished { transfer: 1 });
        let wanted = if forget { Phase::Stopped } else { Phase::Done };
        assert_eq!((phase(&alone, 1), alone.core.files.is_empty()), (wanted, forget));
    }
}

#[test]
fn what_an_earlier_run_began_asks_nobody_for_its_manifest() {
    let mut alone = Alone::new(1);
    alone.tell(Event::Resume { transfer: 1, file: FileId([1; 32]) });
    let out = alone.hear(1, have(1, Held::All));
    assert!(asks(&out).is_empty() && asks(&alone.wait(Duration::from_secs(40))).is_empty());
    let mut held = Bitmap::none(3);
    held.insert(1);
    let out = alone.tell(Event::Prepared { transfer: 1, file: file(1, 3, held) });
    let pieces: std::collections::BTreeSet<u32> = asks(&out).iter().map(|ask| ask.2).collect();
    assert_eq!(pieces, [0, 2].into());
}
