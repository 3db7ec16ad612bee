//! Neighbours that keep no rule: nothing they say grows anything without a bound, or panics.

use super::letters::world;
use super::world::*;
use crate::mail::event::{Effect, Event};
use crate::mail::frame::{Kept, MailFrame};
use crate::mail::rows::KeptLetter;
use crate::mail::work::{Opened, Tag};
use crate::mesh::Core;
use crate::wire::bounded::List;

fn kept(n: u64) -> MailFrame {
    let mut token = [0; 16];
    token[..8].copy_from_slice(&n.to_be_bytes());
    let letter = KeptLetter { token, expires_ms: u64::MAX, sealed: vec![n as u8; 100] };
    MailFrame::Kept(Kept::of(&letter).expect("short"))
}

fn tokens(n: u64) -> List<[u8; 16], 1024> {
    List::first_of((0..1024_u64).map(|i| {
        let mut token = [0; 16];
        token[..8].copy_from_slice(&(n * 1024 + i).to_be_bytes());
        token
    }))
}

/// What a node does when a neighbour says this.
fn say(w: &mut World, n: usize, peer: usize, frame: MailFrame) -> Vec<Effect> {
    let (now, mut out) = (w.local(n), Vec::new());
    let core = w.nodes[n].core.as_mut().expect("up");
    core.handle(now, Event::FromPeer { peer: id(peer), frame }, &mut out);
    for (what, count, max) in core.rooms() {
        assert!(count <= max, "{count} {what}");
    }
    out
}

#[test]
fn letters_that_were_not_asked_for_are_not_opened() {
    let mut w = world(4, 1);
    for n in 0..2000 {
        assert!(say(&mut w, 0, 1, kept(n)).is_empty());
    }
    // It fetches when somebody says that there is something; then no more than it has room for is opened.
    assert_eq!(say(&mut w, 0, 1, MailFrame::Waiting).len(), 1);
    let opened: usize = (0..5000).map(|n| say(&mut w, 0, 1, kept(n)).len()).sum();
    assert_eq!(opened, 1024);
    assert!(say(&mut w, 0, 1, MailFrame::Waiting).is_empty(), "one fetch at a time");
    let again: usize = (0..5000).map(|n| say(&mut w, 0, 1, kept(n)).len()).sum();
    assert_eq!(again, 0);
}

#[test]
fn floods_of_questions_are_answered_in_bounds() {
    let mut w = world(4, 2);
    w.configure(0, |policy| policy.mailbox = true);
    let mut changes = 0;
    for _ in 0..5000 {
        for effect in say(&mut w, 0, 1, MailFrame::AskKeep) {
            changes += usize::from(matches!(effect, Effect::Keep { .. }));
        }
    }
    assert_eq!(changes, 1, "one promise is one change of the disk");
    let mut readings = 0;
    for n in 0..5000 {
        for effect in say(&mut w, 0, 1, MailFrame::Fetch { but: tokens(n) }) {
            readings += usize::from(matches!(effect, Effect::LoadKept { .. }));
        }
    }
    assert!(readings <= 1, "{readings} readings at once");
    for n in 0..20_000 {
        say(&mut w, 0, 1, MailFrame::Fetched { tokens: tokens(n) });
    }
    // With something kept for it, too.
    let tag = Tag { key: [1; 32], tag: [1; 16] };
    let (now, mut out) = (w.local(0), Vec::new());
    let core = w.nodes[0].core.as_mut().expect("up");
    core.handle(now, Event::Packet { peer: id(2), number: 1, packet: vec![0; 9] }, &mut out);
    let Some(Effect::Peel { job, .. }) = out.pop() else { panic!("not peeled") };
    let opened = Opened::Store {
        tag,
        reader: id(1),
        token: [5; 16],
        expires_ms: u64::MAX,
        block: Vec::new(),
        sealed: vec![1; 100],
    };
    core.handle(now, Event::Peeled { job, opened }, &mut out);
    let Some(Effect::Keep { note, .. }) = out.pop() else { panic!("not kept") };
    let done = Ok(crate::mail::rows::Outcome::Done);
    core.handle(now, Event::Kept(vec![(note, done)]), &mut out);
    for n in 0..20_000 {
        say(&mut w, 0, 1, MailFrame::Fetched { tokens: tokens(n) });
    }
}

#[test]
fn a_promise_nobody_asked_for_makes_no_mailbox() {
    let mut w = world(4, 3);
    for until_ms in [0, 1, u64::MAX] {
        assert!(say(&mut w, 0, 1, MailFrame::WillKeep { until_ms }).is_empty());
    }
    assert!(w.core(0).mailboxes().is_empty());
    for _ in 0..5000 {
        say(&mut w, 0, 1, MailFrame::NoMore { more: true });
        say(&mut w, 0, 2, MailFrame::Busy { number: 7 });
    }
}

#[test]
fn a_mailbox_that_always_has_more_is_asked_at_its_own_pace() {
    let mut w = world(4, 4);
    say(&mut w, 0, 1, MailFrame::Waiting);
    let mut fetches = 0;
    for _ in 0..1000 {
        fetches += say(&mut w, 0, 1, MailFrame::NoMore { more: true }).len();
    }
    // Each answer is asked for once: the flood costs the other side a frame for each of ours.
    assert!(fetches <= 1000);
    w.quiet().expect("nothing is held for it");
}

#[test]
fn events_of_things_unknown_do_nothing() {
    let mut w = world(4, 5);
    let letter = crate::mail::LetterId([9; 16]);
    let events = vec![
        Event::LinkDown { peer: id(77) },
        Event::LaneFull { peer: id(77), number: 3, packet: vec![0; 9], relayed: false },
        Event::LaneFull { peer: id(1), number: 3, packet: vec![0; 9], relayed: true },
        Event::Wrapped { job: 99_999, result: Err("no".into()) },
        Event::Peeled { job: 99_999, opened: Opened::Bad(crate::mail::work::Bad::Mac) },
        Event::Kept(vec![(99_999, Err("no".into()))]),
        Event::Body { letter, body: None },
        Event::Handed { reader: id(77), letters: Vec::new(), more: true },
        Event::Shown(vec![(id(77), letter)]),
        Event::WallClock(0),
        Event::WallClock(u64::MAX),
        Event::WallClock(START_MS),
    ];
    for event in events {
        w.give(0, event);
    }
    w.run_for(secs(10));
    w.letter(0, 1, b"hello");
    w.run_for(secs(10));
    w.all_delivered().expect("all is well");
}
