use std::convert::Infallible;

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use proptest::prelude::*;
use x25519_dalek::{PublicKey, StaticSecret};

use super::{Signer, hex, sha256, signer, unhex};
use crate::mail::LetterId;
use crate::mail::onion::Size;
use crate::mail::seal::*;
use crate::mesh::NodeId;
use crate::mesh::record::Crypto;

const HOUR_MS: u64 = 60 * 60 * 1000;
const READER: NodeId = NodeId([8; 32]);

fn letter(body: &[u8]) -> Inner {
    Inner {
        kind: Kind::Text,
        id: LetterId([3; 16]),
        created_ms: 1_780_000_000_000,
        ttl_s: 3_600,
        body: body.to_vec(),
    }
}

fn prekey(n: u8) -> PreKey {
    PreKey { id: n.into(), key: PublicKey::from(&StaticSecret::from([n; 32])).to_bytes() }
}

/// A node with the prekeys 1 and 2.
fn secret_of(id: u32) -> Option<[u8; 32]> {
    (1..=2).contains(&id).then(|| [u8::try_from(id).expect("1 or 2"); 32])
}

fn sealed(inner: &Inner) -> Vec<u8> {
    seal(inner, &READER, &prekey(1), &signer(5), &[6; 32]).expect("fits")
}

fn opened(sealed: &[u8]) -> Result<Opened, OpenError> {
    open(sealed, &READER, secret_of, &signer(9))
}

#[test]
fn a_letter_is_read_as_it_was_written() {
    for kind in [Kind::Text, Kind::Receipt, Kind::Fragment] {
        for len in [0, 1, 300, BODY_BYTES_MAX] {
            let inner = Inner { kind, ..letter(&vec![7; len]) };
            let Opened { sender, sender_key, inner: read } =
                opened(&sealed(&inner)).expect("unchanged");
            assert_eq!((sender, sender_key), (signer(5).id(), signer(5).key()));
            assert_eq!(read, inner);
        }
    }
}

#[test]
fn the_overhead_is_never_more_than_said_and_the_longest_body_fits_a_large_packet() {
    for (len, created_ms, ttl_s) in
        [(0, 0, 0), (BODY_BYTES_MAX, u64::MAX, TTL_S_MAX), (127, 1 << 41, 3_600)]
    {
        let inner = Inner { created_ms, ttl_s, ..letter(&vec![7; len]) };
        let bytes = sealed(&inner).len();
        assert!(bytes <= len + OVERHEAD_MAX && bytes <= Size::Large.room(), "{bytes} for {len}");
    }
    assert_eq!((OVERHEAD_MAX, BODY_BYTES_MAX), (183, 16_184));
    // What a letter of today really takes.
    assert_eq!(sealed(&letter(b"")).len(), 175);
}

#[test]
fn what_does_not_fit_is_not_sealed() {
    let seal = |inner: &Inner, to: &PreKey| seal(inner, &READER, to, &signer(5), &[6; 32]);
    let long = letter(&vec![0; BODY_BYTES_MAX + 1]);
    assert_eq!(seal(&long, &prekey(1)), Err(SealError::TooLong(BODY_BYTES_MAX + 1)));
    let old = Inner { ttl_s: TTL_S_MAX + 1, ..letter(b"") };
    assert_eq!(seal(&old, &prekey(1)), Err(SealError::Ttl(TTL_S_MAX + 1)));
    let weak = PreKey { id: 1, key: [0; 32] };
    assert_eq!(seal(&letter(b""), &weak), Err(SealError::Key));
}

#[test]
fn every_changed_bit_is_noticed() {
    let letter = sealed(&letter(b"text"));
    for at in 0..letter.len() {
        for bit in 0..8 {
            let mut changed = letter.clone();
            changed[at] ^= 1 << bit;
            let why = opened(&changed).expect_err("changed");
            let key = matches!(why, OpenError::UnknownKey(_)) && at < 4;
            assert!(key || why == OpenError::Sealed, "byte {at} bit {bit}: {why}");
        }
    }
}

#[test]
fn what_is_cut_grown_or_for_another_is_not_opened() {
    let letter = sealed(&letter(b"text"));
    for len in 0..letter.len() {
        assert!(opened(&letter[..len]).is_err());
    }
    assert_eq!(opened(&[letter.as_slice(), &[0]].concat()), Err(OpenError::Sealed));
    let by = |reader: NodeId| open(&letter, &reader, secret_of, &signer(9));
    assert_eq!(by(NodeId([7; 32])), Err(OpenError::Sealed));
    assert_eq!(
        open(&letter, &READER, |_| None, &signer(9)),
        Err(OpenError::UnknownKey(1)),
        "a key that is gone"
    );
    assert_eq!(open(&letter, &READER, |_| Some([4; 32]), &signer(9)), Err(OpenError::Sealed));
}

/// Seals a plaintext as it is, for anybody: what a reader can do with a letter opened.
fn seal_bytes(text: &[u8], reader: &NodeId, to: &PreKey, seed: u8) -> Vec<u8> {
    encrypt(reader, to, &[seed; 32], |_| text.to_vec()).expect("a good key")
}

#[test]
fn a_letter_cannot_be_passed_on_as_if_it_had_been_written_to_another() {
    let letter = sealed(&letter(b"text"));
    let (text, _) = decrypt(&letter, &READER, secret_of).expect("ours");
    let other = NodeId([9; 32]);
    let again = seal_bytes(&text, &other, &prekey(2), 7);
    assert_eq!(open(&again, &other, secret_of, &signer(9)), Err(OpenError::Signature));
    // Nor anew to the same reader.
    assert_eq!(opened(&seal_bytes(&text, &READER, &prekey(1), 7)), Err(OpenError::Signature));
    // With the seed of the sender it is the same letter.
    assert_eq!(seal_bytes(&text, &READER, &prekey(1), 6), letter);
}

/// A plaintext with any version and kind, and `extra` behind the body, rightly signed.
fn signed_plain(version: u8, kind: u8, extra: &[u8], by: &Signer) -> Vec<u8> {
    let plain =
        (kind, LetterId([3; 16]), by.key(), 1_780_000_000_000_u64, 60_u32, "body".to_owned());
    let mut text = postcard::to_extend(&plain, vec![version]).expect("encodes");
    text.extend_from_slice(extra);
    encrypt(&READER, &prekey(1), &[6; 32], |enc| {
        let sig = by.sign(&signed(&text, &READER, enc));
        [text.as_slice(), &sig].concat()
    })
    .expect("a good key")
}

#[test]
fn what_is_not_of_the_closed_set_is_dropped_each_with_its_reason() {
    let plain =
        |version, kind, extra: &[u8]| opened(&signed_plain(version, kind, extra, &signer(5)));
    assert!(plain(1, 0, &[]).is_ok() && plain(1, 2, &[]).is_ok());
    assert_eq!(plain(1, 3, &[]), Err(OpenError::Kind(3)));
    assert_eq!(plain(1, 255, &[]), Err(OpenError::Kind(255)));
    assert_eq!(plain(2, 0, &[]), Err(OpenError::Version(2)));
    assert_eq!(plain(1, 0, &[0]), Err(OpenError::Malformed));
    let bytes = |text: &[u8]| opened(&seal_bytes(text, &READER, &prekey(1), 6));
    assert_eq!(bytes(&[]), Err(OpenError::Malformed));
    assert_eq!(bytes(&[1; 64]), Err(OpenError::Malformed));
    assert_eq!(bytes(&[1; 65]), Err(OpenError::Malformed));
}

#[test]
fn a_forged_sender_is_noticed() {
    /// Says it is somebody else.
    struct Forger(Signer, [u8; 32]);
    impl Crypto for Forger {
        fn key(&self) -> [u8; 32] {
            self.1
        }
        fn sign(&self, message: &[u8]) -> [u8; 64] {
            self.0.sign(message)
        }
        fn verify(&self, _: &[u8; 32], _: &[u8], _: &[u8]) -> bool {
            unreachable!("it only writes")
        }
    }
    let forger = Forger(signer(5), signer(6).key());
    let letter = seal(&letter(b"text"), &READER, &prekey(1), &forger, &[6; 32]).expect("fits");
    assert_eq!(opened(&letter), Err(OpenError::Signature));
}

#[test]
fn two_letters_of_one_text_share_only_the_key_id() {
    let seal = |seed| seal(&letter(b"text"), &READER, &prekey(1), &signer(5), &[seed; 32]);
    let (one, two) = (seal(1).expect("fits"), seal(2).expect("fits"));
    assert_eq!(one[..4], two[..4]);
    assert!(one[4..].windows(4).zip(two[4..].windows(4)).all(|(a, b)| a != b));
}

#[test]
fn a_letter_counts_while_it_may_be_under_way() {
    let made = 1_780_000_000_000;
    let inner = letter(b"");
    let at = |now_ms| in_time(&inner, now_ms);
    assert!(at(made) && at(made + HOUR_MS) && !at(made + HOUR_MS + 1));
    assert!(at(made - HOUR_MS / 6) && !at(made - HOUR_MS / 6 - 1));
    let week = Inner { ttl_s: TTL_S_MAX, ..letter(b"") };
    assert!(
        in_time(&week, made + 7 * 24 * HOUR_MS) && !in_time(&week, made + 7 * 24 * HOUR_MS + 1)
    );
    assert!(!in_time(&Inner { ttl_s: TTL_S_MAX + 1, ..letter(b"") }, made));
    for created_ms in [0, u64::MAX] {
        let edge = Inner { created_ms, ..letter(b"") };
        assert!(in_time(&edge, created_ms) && !in_time(&edge, made));
    }
}

/// Chance that is the given bytes.
struct Fixed(Vec<u8>);

impl TryRng for Fixed {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("only bytes are asked for")
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("only bytes are asked for")
    }
    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        to.copy_from_slice(&self.0);
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

/// RFC 9180, A.2.1: base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305, first message.
#[test]
fn hpke_is_that_of_the_rfc() {
    type Key = <X25519HkdfSha256 as Kem>::PrivateKey;
    let info = unhex("4f6465206f6e2061204772656369616e2055726e");
    let ephemeral = unhex("909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b");
    let enc = unhex("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a");
    let reader = unhex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb");
    let public = unhex("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a");
    let (text, aad) = (b"Beauty is truth, truth beauty", b"Count-0");
    let sealed = unhex(
        "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28",
    );

    let secret = Key::from_bytes(&reader).expect("32 bytes");
    let key = X25519HkdfSha256::sk_to_pk(&secret);
    assert_eq!(key.to_bytes().as_slice(), public);
    let (made, mut context) = hpke::setup_sender_with_rng::<
        ChaCha20Poly1305,
        HkdfSha256,
        X25519HkdfSha256,
    >(&OpModeS::Base, &key, &info, &mut Fixed(ephemeral))
    .expect("a good key");
    assert_eq!(made.to_bytes().as_slice(), enc);
    assert_eq!(context.seal(text, aad).expect("the first"), sealed);
    let mut context = hpke::setup_receiver::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret,
        &made,
        &info,
    )
    .expect("a good key");
    assert_eq!(context.open(&sealed, aad).expect("the first"), text);
}

/// What was sealed by one release must be opened by the next; an upgrade that changes a byte fails here.
#[test]
fn a_sealed_letter_is_the_same_as_ever() {
    let letter = sealed(&letter(b"a letter of long ago"));
    assert_eq!(
        hex(&letter[..36]),
        "00000001715f5e7a2b96492cd62b20f16e12853a03545d5f27c22a7198d3b35b84787507"
    );
    assert_eq!(sha256(&letter), "26685219bbda15ae41faa545631b9c177f1ff58ff293be465080dbb6147c50c0");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), text in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(opened(&bytes).is_err());
        prop_assert!(opened(&[&[0, 0, 0, 1], bytes.as_slice()].concat()).is_err());
        // Behind a right seal, with and without the version.
        prop_assert!(opened(&seal_bytes(&text, &READER, &prekey(1), 6)).is_err());
        prop_assert!(opened(&seal_bytes(&[&[1], text.as_slice()].concat(), &READER, &prekey(1), 6)).is_err());
    }

    #[test]
    fn any_body_is_read_as_written(body in prop::collection::vec(any::<u8>(), 0..3_000), created_ms: u64, ttl_s in 0..=TTL_S_MAX) {
        let inner = Inner { created_ms, ttl_s, ..letter(&body) };
        let bytes = sealed(&inner);
        prop_assert!(bytes.len() <= body.len() + OVERHEAD_MAX);
        prop_assert_eq!(opened(&bytes).expect("unchanged").inner, inner);
    }
}
