//! Packets and messages about letters that keep no rule.

use std::time::{Duration, Instant};

use kith::mail::LetterId;
use kith::mail::frame::{Kept, MailFrame};
use kith::mail::keys::MailKeys;
use kith::mail::onion::{Hop, Size, wrap};
use kith::mail::rows::KeptLetter;
use kith::mail::seal::{Inner, Kind, seal};
use kith::mesh::NodeId;
use kith::wire::bounded::List;
use kith::wire::{Frame, Packet, encode};

use crate::client::{Hostile, Key};
use crate::common::{Node, text, wait_or_say, wait_until};
use crate::target::Target;

/// Hostile packets in all; the whole million of the design takes minutes: KITH_HOSTILE_PACKETS=1000000.
fn packets_in_all() -> u64 {
    let set = std::env::var("KITH_HOSTILE_PACKETS").ok();
    set.map_or(60_000, |count| count.parse().expect("a number"))
}

/// The keys on a node's card, as a member sees them.
async fn keys_of(target: &Target) -> MailKeys {
    let mut hostile = Hostile::tls(target.node.addr).await;
    let card = hostile.greet_and_see().await;
    MailKeys::decode(&card.keys).expect("it takes letters")
}

fn seed(n: u64) -> [u8; 32] {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&n.to_be_bytes());
    seed
}

/// One letter to the target that is as it should be, but for who signed it or for the key it is sealed for.
fn sealed(target: NodeId, keys: &MailKeys, n: u64) -> Vec<u8> {
    let inner = Inner {
        kind: Kind::Text,
        id: LetterId([1; 16]),
        created_ms: 1_000_000_000_000,
        ttl_s: 60,
        body: b"never to be read".to_vec(),
    };
    let mut to = keys.short;
    if n.is_multiple_of(2) {
        to.id ^= 1;
    }
    seal(&inner, &target, &to, &Key::new(), &seed(n)).expect("sealed")
}

/// Makes hostile packets, each kind of them in turn.
struct Forge {
    /// Packets that were made rightly, for somebody, with something wrong in them.
    made: Vec<Vec<u8>>,
}

impl Forge {
    fn new(target: &Target, keys: &MailKeys) -> Forge {
        let id: NodeId = target.node.id.parse().expect("an id");
        let friend: NodeId = target.friend.id.parse().expect("an id");
        let hop = Hop { id, key: keys.onion };
        let wrong = Hop { id, key: [9; 32] };
        let nobody = Hop { id: NodeId([3; 32]), key: [9; 32] };
        let somebody = Hop { id: friend, key: [9; 32] };
        let made = (0..64).flat_map(|n| {
            let letter = [&[0][..], &postcard_blob(&sealed(id, keys, n))].concat();
            let junk = vec![n as u8; 500];
            [
                wrap(&junk, Size::Small, &[wrong], &seed(n)),
                wrap(&junk, Size::Small, &[hop], &seed(100 + n)),
                wrap(&letter, Size::Small, &[hop], &seed(200 + n)),
                wrap(&junk, Size::Small, &[hop, nobody], &seed(300 + n)),
                wrap(&junk, Size::Large, &[hop, somebody], &seed(400 + n)),
            ]
        });
        Forge { made: made.map(|packet| packet.expect("wrapped")).collect() }
    }

    /// The next one: as it was made (again and again: a replay), with a bit flipped somewhere, or noise.
    fn packet(&self, n: u64) -> Frame {
        let at = usize::try_from(n).expect("fits");
        let mut bytes = self.made[at % self.made.len()].clone();
        match n % 4 {
            0 => {}
            1 => {
                let len = bytes.len();
                bytes[at.wrapping_mul(31) % 348] ^= 1 << (n % 8);
                bytes[at.wrapping_mul(17) % len] ^= 1 << (n % 7);
            }
            2 => bytes[348 + at.wrapping_mul(13) % 2000] ^= 1,
            _ => bytes.iter_mut().enumerate().for_each(|(i, b)| *b = (at * 7 + i * 13) as u8),
        }
        Frame::Packet(Packet { number: n as u32, bytes })
    }
}

/// Bytes behind their length, as postcard writes them.
fn postcard_blob(bytes: &[u8]) -> Vec<u8> {
    let mut len = bytes.len();
    let mut out = Vec::new();
    while len >= 0x80 {
        out.push((len & 0x7f) as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    [out, bytes.to_vec()].concat()
}

fn counter(node: &Node, name: &str) -> u64 {
    node.json("relays")["counters"][name].as_u64().expect("a counter")
}

/// Sends honest letters, one after the other has arrived, for so long; how many.
fn honest(target: &Target, tag: &str, last: Duration) -> usize {
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < last {
        let msg = format!("{tag} {count}");
        let id = text(
            &json(&target.friend, &["push", "--to", &target.node.id, "--msg", &msg, "--json"])["id"],
        );
        wait_or_say(
            "an honest letter",
            || {
                let state =
                    text(&json(&target.friend, &["letters", "show", &id, "--json"])["state"]);
                ["delivered", "read"].contains(&state.as_str())
            },
            || target.node.tell(&["relays"]),
        );
        count += 1;
    }
    count
}

fn json(node: &Node, args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&node.tell(args)).expect("JSON")
}

/// Runs to its end, on this thread.
fn alone<T>(life: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(life)
}

#[test]
fn hostile_packets_are_dropped_and_honest_letters_arrive() {
    flooded(&[], packets_in_all());
}

#[test]
fn hostile_packets_that_are_all_opened_are_dropped_as_well() {
    let budgets = ["relay.packets_per_second=1000000", "relay.packets_per_second_per_link=1000000"];
    flooded(&budgets, packets_in_all() / 3);
}

fn flooded(settings: &[&str], count: u64) {
    const LINKS: u64 = 4;
    let target = Target::start(settings);
    let keys = alone(keys_of(&target));
    let forge = std::sync::Arc::new(Forge::new(&target, &keys));
    let before_kib = target.node.memory_kib();
    let quiet = honest(&target, "quiet", Duration::from_secs(2));
    let (addr, share) = (target.node.addr, count / LINKS);
    let mut floods = Vec::new();
    for link in 0..LINKS {
        let forge = forge.clone();
        floods.push(std::thread::spawn(move || {
            alone(async {
                let mut hostile = Hostile::linked(addr).await;
                hostile.send_many(share, |n| forge.packet(link * share + n)).await
            })
        }));
    }
    let during = honest(&target, "during", Duration::from_secs(2));
    for flood in floods {
        assert_eq!(
            flood.join().expect("no panic"),
            share,
            "packets of the right sizes cost no link"
        );
    }
    // The last of them are still being read.
    let names = ["busy", "replay", "mac", "malformed", "not_volunteer"]
        .map(|n| format!("packets_dropped_{n}"));
    let dropped = || names.iter().map(|name| counter(&target.node, name)).sum::<u64>();
    let letters = || {
        ["key", "signature", "untimely"]
            .iter()
            .map(|n| counter(&target.node, &format!("letters_dropped_{n}")))
            .sum::<u64>()
    };
    let mut last = (0, 0);
    wait_until("all were looked at", || {
        std::thread::sleep(Duration::from_millis(500));
        let now = (dropped(), letters());
        std::mem::replace(&mut last, now) == now
    });
    let inbox = json(&target.node, &["pull", "--peek", "--json", "--limit", "10000"]);
    let letters_in = inbox["letters"].as_array().expect("letters").len();
    assert_eq!(letters_in, quiet + during, "only what the friend wrote came in");
    assert_eq!(
        json(&target.friend, &["pull", "--peek", "--json"])["letters"].as_array().map(Vec::len),
        Some(0)
    );
    let grown = target.node.memory_kib().saturating_sub(before_kib);
    println!(
        "{} hostile packets: {} dropped ({} busy), {} letters dropped, 0 accepted; {grown} KiB more; honest letters in \
         2 s: {quiet} before, {during} meanwhile",
        share * LINKS,
        last.0,
        counter(&target.node, "packets_dropped_busy"),
        last.1
    );
    target.assert_unharmed();
}

#[tokio::test]
async fn a_packet_of_any_other_length_ends_the_link() {
    let target = Target::start(&[]);
    let lengths =
        [0, 1, 4, 1000, Size::Small.packet_bytes() + 3, Size::Small.packet_bytes() + 5, 40_000];
    for len in lengths {
        let mut hostile = Hostile::linked(target.node.addr).await;
        let head = u32::try_from(1 + len).expect("short").to_be_bytes();
        // The node may close while we still write.
        let _ = hostile.raw(&[&head[..], &[8], &vec![1; len]].concat()).await;
        hostile.closed().await;
    }
    target.assert_unharmed();
}

#[tokio::test]
async fn messages_about_letters_that_nobody_asked_for_change_nothing() {
    let target = Target::start(&[]);
    let mut hostile = Hostile::linked(target.node.addr).await;
    let letter = KeptLetter { token: [1; 16], expires_ms: u64::MAX, sealed: vec![5; 16_000] };
    let kept = Kept::of(&letter).expect("fits");
    let tokens = || {
        List::first_of((0..1024_u32).map(|n| {
            let mut token = [0; 16];
            token[..4].copy_from_slice(&n.to_be_bytes());
            token
        }))
    };
    let sent = hostile
        .flood(Duration::from_secs(3), |n| {
            Frame::Mail(match n % 8 {
                0 => MailFrame::Kept(kept.clone()),
                1 => MailFrame::WillKeep { until_ms: u64::MAX },
                2 => MailFrame::Fetched { tokens: tokens() },
                3 => MailFrame::Fetch { but: tokens() },
                4 => MailFrame::AskKeep,
                5 => MailFrame::Busy { number: n as u32 },
                6 => MailFrame::NoMore { more: true },
                _ => MailFrame::Waiting,
            })
        })
        .await;
    assert!(sent > 100, "it was read: {sent}");
    assert!(
        target.node.json("relays")["mailboxes"]
            .as_array()
            .expect("a list")
            .iter()
            .all(|m| { m["id"].as_str() != Some(&hostile.id()) })
    );
    assert!(encode(&Frame::Mail(MailFrame::Kept(kept))).is_ok());
    drop(hostile);
    target.assert_unharmed();
}
