//! The worked example of docs/protocol.md: what stands there is what the code makes.

use x25519_dalek::{PublicKey, StaticSecret};

use super::{hex, hop, sha256, signer, way};
use crate::mail::LetterId;
use crate::mail::onion::{Size, To, peel, wrap};
use crate::mail::seal::{Inner, Kind, PreKey, open, seal};
use crate::mail::work::WHOLE_BYTES_MAX;
use crate::mesh::record::Crypto;
use crate::wire::{Frame, Packet, encode};

/// Bytes of a header; where its slots begin; how much of the first slot does not depend on the library's chance.
const HEADER: usize = 348;
const SLOTS: usize = 48;
const SLOT: usize = 44;

/// The page, read when the test runs: what is written there makes nothing to be compiled anew.
fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/protocol.md");
    std::fs::read_to_string(path).expect("our own page")
}

/// A name and hex digits, 32 bytes a line.
fn line(lines: &mut String, name: &str, digits: &str) {
    for (at, part) in digits.as_bytes().chunks(64).enumerate() {
        let (name, part) = (if at == 0 { name } else { "" }, String::from_utf8_lossy(part));
        *lines += &format!("{name:<24}{part}\n");
    }
}

fn letter(body: &[u8]) -> Inner {
    Inner {
        kind: Kind::Text,
        id: LetterId([4; 16]),
        created_ms: 1_780_000_000_000,
        ttl_s: 604_800,
        body: body.to_vec(),
    }
}

/// The reader's.
fn prekey() -> PreKey {
    PreKey { id: 7, key: PublicKey::from(&StaticSecret::from([7; 32])).to_bytes() }
}

/// The example as it stands on the page.
fn example() -> String {
    let mut lines = String::new();
    let (route, secrets) = way(3);
    let reader = route[2].id;
    let to = prekey();
    line(&mut lines, "onion key of relay 1", &hex(&route[0].key));
    line(&mut lines, "onion key of relay 2", &hex(&route[1].key));
    line(&mut lines, "onion key of the reader", &hex(&route[2].key));
    line(&mut lines, "prekey of the reader", &hex(&to.key));
    line(&mut lines, "key of the sender", &hex(&signer(5).key()));

    let inner = letter(b"lunch at twelve?");
    let sealed = seal(&inner, &reader, &to, &signer(5), &[6; 32]).expect("fits");
    let opened = open(&sealed, &reader, |id| (id == 7).then_some([7; 32]), &signer(9));
    assert_eq!(opened.expect("unchanged").inner, inner);
    line(&mut lines, "sealed letter", &hex(&sealed));

    // What stands before the sealed letter in the parcel: that it is a letter, and its length.
    let before = [0, 0x40 | 0x80, 0x01];
    assert_eq!(sealed.len(), 0x40 + (0x01 << 7));
    line(&mut lines, "parcel begins", &hex(&before));
    let parcel = [before.as_slice(), &sealed].concat();
    let mut packet = wrap(&parcel, Size::Small, &route, &[9; 32]).expect("fits");
    let frame = encode(&Frame::Packet(Packet { number: 1, bytes: packet.clone() })).expect("fits");
    line(&mut lines, "frame begins", &hex(&frame[..9]));
    for (secret, at) in secrets.iter().zip(1..) {
        let whom = if at == 3 { "the reader".to_owned() } else { format!("relay {at}") };
        line(&mut lines, &format!("to {whom}: point"), &hex(&packet[..32]));
        line(&mut lines, "  slot begins", &hex(&packet[SLOTS..SLOTS + SLOT]));
        line(&mut lines, "  payload begins", &hex(&packet[HEADER..HEADER + 32]));
        line(&mut lines, "  SHA-256 of payload", &sha256(&packet[HEADER..]));
        let peeled = peel(&packet, &[secret]).expect("ours");
        line(&mut lines, "  tag", &hex(&peeled.tag));
        match peeled.to {
            To::Next { id, packet: next } => {
                assert_eq!(id, hop(at + 1).0.id);
                packet = next;
            }
            To::Us { text } => assert_eq!(text, parcel),
            To::Reply { .. } => panic!("a letter"),
        }
    }
    lines
}

#[test]
fn the_example_of_the_page_is_what_the_code_makes() {
    let example = example();
    assert!(page().contains(&example), "docs/protocol.md should say:\n\n```text\n{example}```\n");
}

/// What the page says of lengths.
#[test]
fn the_lengths_on_the_page_are_those_of_the_code() {
    let says =
        |text: String| assert!(page().contains(&text), "docs/protocol.md should say: {text}");
    for size in Size::ALL {
        let bytes = vec![0; size.packet_bytes()];
        let frame = encode(&Frame::Packet(Packet { number: 1, bytes })).expect("fits");
        says(format!("{} bytes of frame", grouped(frame.len())));
    }
    let longest = |room: usize| {
        let fits = |len: &usize| {
            let sealed =
                seal(&letter(&vec![0; *len]), &hop(3).0.id, &prekey(), &signer(5), &[6; 32]);
            sealed.expect("fits").len() + 3 <= room
        };
        (0..room).take_while(fits).last().expect("at least an empty one")
    };
    says(format!("{} bytes of text", grouped(longest(Size::Small.room()))));
    says(format!("{} go whole", grouped(WHOLE_BYTES_MAX)));
}

/// `12,345`
fn grouped(n: usize) -> String {
    if n < 1000 { n.to_string() } else { format!("{},{:03}", n / 1000, n % 1000) }
}
