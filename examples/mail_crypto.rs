//! What the cryptography of one letter costs: microseconds of one core per operation, and how many letters a
//! second that leaves room for at best.
//!
//! `cargo run --release --example mail_crypto`; about 40 s.

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use kith::mail::LetterId;
use kith::mail::onion::{self, Hop, OnionSecret, Size, To};
use kith::mail::seal::{self, Inner, Kind, PreKey};
use kith::mesh::NodeId;
use kith::mesh::record::Crypto;

/// How long each row is measured.
const ROW: Duration = Duration::from_secs(2);

struct Signer(Ed25519KeyPair);

impl Crypto for Signer {
    fn key(&self) -> [u8; 32] {
        self.0.public_key().as_ref().try_into().expect("32 bytes")
    }
    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).as_ref().try_into().expect("64 bytes")
    }
    fn verify(&self, key: &[u8; 32], message: &[u8], sig: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, key).verify(message, sig).is_ok()
    }
}

/// Microseconds per call, the lower quartile of single calls: one interrupted by other work on the machine
/// does not count, and the two looks at the clock are far below a microsecond. Each call gets a seed of its own.
fn measure<T>(mut call: impl FnMut(&[u8; 32]) -> T) -> f64 {
    let mut seed = [0; 32];
    let begin = Instant::now();
    let mut calls = Vec::new();
    while begin.elapsed() < ROW {
        seed[..8].copy_from_slice(&calls.len().to_be_bytes());
        let one = Instant::now();
        black_box(call(&seed));
        calls.push(one.elapsed());
    }
    calls.sort_unstable();
    calls[calls.len() / 4].as_secs_f64() * 1e6
}

/// A letter that fills a packet of this size, and each step of its way.
fn rows(size: Size) -> Vec<(&'static str, f64)> {
    let signer = Signer(Ed25519KeyPair::from_seed_unchecked(&[1; 32]).expect("32 bytes"));
    let secrets: Vec<OnionSecret> = (1..=4).map(|n| OnionSecret::from_seed(&[n; 32])).collect();
    let hop = |(n, secret): (u8, &OnionSecret)| Hop { id: NodeId([n; 32]), key: secret.public() };
    let route: Vec<Hop> = (1..).zip(&secrets).map(hop).collect();
    let reader = route[3].id;
    // The keys of onions and letters are of one kind, so one serves for both here.
    let secret = [9; 32];
    let prekey = PreKey {
        id: 1,
        key: x25519_dalek::PublicKey::from(&x25519_dalek::StaticSecret::from(secret)).to_bytes(),
    };
    let inner = Inner {
        kind: Kind::Text,
        id: LetterId([1; 16]),
        created_ms: 1_780_000_000_000,
        ttl_s: 3_600,
        body: vec![7; size.room() - seal::OVERHEAD_MAX],
    };
    let sealed = seal::seal(&inner, &reader, &prekey, &signer, &[1; 32]).expect("fits");
    let direct = onion::wrap(&sealed, size, &route[3..], &[1; 32]).expect("fits");
    let packet = onion::wrap(&sealed, size, &route, &[1; 32]).expect("fits");
    let (block, key) = onion::reply_block(&route, [1; 16], &[1; 32]).expect("four hops");
    let (_, mut answer) = onion::reply(&block, &sealed, size).expect("fits");
    let answer = loop {
        let way = secrets.iter().find_map(|s| onion::peel(&answer, &[s]).ok());
        match way.expect("ours").to {
            To::Next { packet, .. } => answer = packet,
            To::Reply { sealed, .. } => break sealed,
            To::Us { .. } => unreachable!("it is a reply"),
        }
    };
    vec![
        ("seal", measure(|seed| seal::seal(&inner, &reader, &prekey, &signer, seed))),
        ("open", measure(|_| seal::open(&sealed, &reader, |_| Some(secret), &signer))),
        ("wrap, 1 hop", measure(|seed| onion::wrap(&sealed, size, &route[3..], seed))),
        ("wrap, 4 hops", measure(|seed| onion::wrap(&sealed, size, &route, seed))),
        ("peel as relay", measure(|_| onion::peel(&packet, &[&secrets[0]]))),
        ("peel as reader", measure(|_| onion::peel(&direct, &[&secrets[3]]))),
        ("peel, not for us", measure(|_| onion::peel(&direct, &[&secrets[0]]))),
        ("reply block, 4 hops", measure(|seed| onion::reply_block(&route, [1; 16], seed))),
        ("reply", measure(|_| onion::reply(&block, &sealed, size))),
        ("open the reply", measure(|_| key.open(&answer))),
    ]
}

fn main() {
    let (small, large) = (rows(Size::Small), rows(Size::Large));
    println!("{:<22}{:>12}{:>12}", "us of one core", "small", "large");
    for ((name, small), (_, large)) in small.iter().zip(&large) {
        println!("{name:<22}{small:>12.1}{large:>12.1}");
    }
    let of = |rows: &[(&str, f64)], name: &str| {
        rows.iter().find(|(row, _)| *row == name).map_or(f64::NAN, |(_, us)| *us)
    };
    let there = |rows: &[(&str, f64)]| {
        let ends = ["seal", "open", "wrap, 4 hops", "peel as reader"].map(|name| of(rows, name));
        ends.iter().sum::<f64>() + 3.0 * of(rows, "peel as relay")
    };
    // The receipt is a small letter that takes the same number of relays back.
    let sums = [there(&small), there(&large)].map(|letter| (letter, letter + there(&small)));
    let [(one, both), (one_large, both_large)] = sums;
    println!("{:<22}{one:>12.1}{one_large:>12.1}", "letter, 3 relays");
    println!("{:<22}{both:>12.1}{both_large:>12.1}", "and its receipt");
    println!("{:<22}{:>12.0}{:>12.0}", "letters/s, all nodes", 1e6 / both, 1e6 / both_large);
    println!("The last row is one core that does the work of sender, three relays and reader.");
}
