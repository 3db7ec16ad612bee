//! A small network to look at: alice is looked at, bob is linked, dave is dead.

use super::model::{Model, SAMPLES_MAX};
use super::news::News;
use crate::actors::messages::{LinkPhase, PeerRow};
use crate::api::samples::{self, fetching, id, linked, shared, view};
use crate::api::shapes::{Conversation, Letter, Letters, Level, LogLine, Peers, Status, Transfer};
use crate::mail::rows::State;
use crate::mesh::record::Direction;

/// When it is looked at.
pub const NOW_MS: u64 = 1_700_000_065_000;

/// How alice is.
pub fn status() -> Status {
    Status { links: 2, ..samples::status() }
}

/// Her peers: bob and a twin are linked, another one is dialled, the others are only seen.
pub fn peers() -> Peers {
    let bob = PeerRow { since_ms: NOW_MS - 3_000_000, ..linked() };
    let twin = PeerRow {
        id: Some(id(5)),
        label: "twin".into(),
        direction: Some(Direction::In),
        rtt_us: Some(48_210),
        addr: Some("[2001:db8::5]:9005".parse().expect("an address")),
        pinned: false,
        ..bob.clone()
    };
    let new = PeerRow {
        id: None,
        label: String::new(),
        link: LinkPhase::Connecting,
        direction: None,
        rtt_us: None,
        addr: Some("[::1]:8095".parse().expect("an address")),
        since_ms: NOW_MS - 2000,
        problem: Some("key changed behind label \"x\"".into()),
        ..twin.clone()
    };
    Peers::merge(&[bob, twin, new], &view())
}

/// A line of the log.
pub fn line(number: u64, level: Level, text: &str) -> LogLine {
    let at_ms = NOW_MS - 60_000 + number * 1000;
    LogLine { number, at_ms, level, target: "kith::net".into(), text: text.into() }
}

/// A letter to bob.
pub fn letter(seed: u8) -> Letter {
    Letter::of(&samples::letter(seed, State::Sent), "bob".into())
}

/// All of it, an hour after it began.
pub fn busy() -> Model {
    let mut model = Model::default();
    let mut hear = |news, ms| model.hear(news, ms);
    hear(News::Found(([127, 0, 0, 1], 4000).into()), NOW_MS - 100_000);
    hear(News::Status(Box::new(status())), NOW_MS - 100_000);
    for second in 0..SAMPLES_MAX as u64 {
        let mut peers = peers();
        for peer in &mut peers.peers {
            // A saw, with a gap where the link was down.
            let rtt = |rtt: u32| rtt / 4 + rtt / 8 * (second % 7) as u32;
            peer.rtt_us = peer.rtt_us.map(rtt).filter(|_| !(20..24).contains(&second));
        }
        hear(News::Peers(peers), NOW_MS - 60_000 + second * 1000);
    }
    hear(News::Peers(peers()), NOW_MS);
    for transfer in [shared(1), fetching(2)] {
        hear(News::Transfer(Box::new(Transfer::from(&transfer))), NOW_MS);
    }
    let failed = Letter::of(&samples::letter(4, State::Failed), String::new());
    let read = Letter::of(&samples::letter(5, State::Read), "bob".into());
    let letters = vec![letter(3), failed, read];
    let conversations = vec![Conversation::of(&samples::conversation(2), "bob".into())];
    hear(News::Letters(Letters { letters, conversations }), NOW_MS);
    for (number, level, text) in [
        (1, Level::Info, "linked with bob (22222222) at 127.0.0.1:9002"),
        (2, Level::Warn, "key changed behind label \"x\\u{1b}\": refused"),
        (3, Level::Debug, "turn of 6 ms"),
        (4, Level::Error, "dave (44444444) is gone: its socket was closed without a goodbye"),
    ] {
        hear(News::Log(line(number, level, text)), NOW_MS);
    }
    model
}
