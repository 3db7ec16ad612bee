//! A letter as only its reader can open it, signed by its sender.
//!
//! ```text
//! sealed    = key id 4 (big-endian) ‖ encapsulated key 32 ‖ ciphertext (HPKE)
//! plaintext = version 1 ‖ postcard(kind, id, sender key, created, ttl, body) ‖ Ed25519 signature 64
//! signed    = "kith1/letter" 0 ‖ version ‖ postcard ‖ reader id 32 ‖ encapsulated key 32
//! ```
//!
//! HPKE (RFC 9180) in base mode: X25519, HKDF-SHA256, ChaCha20-Poly1305; `info` binds the reader and the key
//! id. The signature covers the reader and the encapsulated key: a reader cannot seal what was written to him
//! for somebody else, nor anew for himself.

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable, setup_receiver, setup_sender_with_rng,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::onion::Size;
use super::{CLOCK_TOLERANCE_MS, LetterId};
use crate::mesh::NodeId;
use crate::mesh::record::{Crypto, domain_separated};
use crate::wire::bounded::Blob;

/// Most bytes that sealing adds to a body: key id 4, encapsulated key 32, tag 16, version 1, kind 1, letter id
/// 16, sender key 32, created 10, ttl 5, length of the body 2, signature 64.
pub const OVERHEAD_MAX: usize = 4 + 32 + 16 + 1 + 1 + 16 + 32 + 10 + 5 + 2 + 64;
/// Longest body, bytes: what is left of the large packet. Longer letters go in fragments.
pub const BODY_BYTES_MAX: usize = Size::Large.room() - OVERHEAD_MAX;
/// Longest time a letter may be under way, seconds: seven days.
pub const TTL_S_MAX: u32 = 7 * 24 * 60 * 60;

const VERSION: u8 = 1;
const ENC_BYTES: usize = 32;
const HEAD_BYTES: usize = 4 + ENC_BYTES;
const SIG_BYTES: usize = 64;

/// What a letter is. The set is closed: anything else is dropped and counted.
///
/// There is no kind for "I could not open this": who cannot open a letter does not know whom to tell, since
/// the sender stands inside. A sender whose letter stays without receipt seals it anew for the newest keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A whole letter, for people.
    Text,
    /// "This letter is safe with me."
    Receipt,
    /// A part of a letter ([`super::shards`]).
    Fragment,
}

impl Kind {
    /// Its number on the wire.
    const fn number(self) -> u8 {
        match self {
            Kind::Text => 0,
            Kind::Receipt => 1,
            Kind::Fragment => 2,
        }
    }

    fn of_number(number: u8) -> Option<Kind> {
        [Kind::Text, Kind::Receipt, Kind::Fragment].into_iter().find(|k| k.number() == number)
    }
}

/// What is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inner {
    /// What it is.
    pub kind: Kind,
    /// The letter it is, is the receipt of, or is a part of.
    pub id: LetterId,
    /// When the sender made it, unix milliseconds by the sender's clock.
    pub created_ms: u64,
    /// How long it may be under way, seconds; at most [`TTL_S_MAX`].
    pub ttl_s: u32,
    /// At most [`BODY_BYTES_MAX`] bytes.
    pub body: Vec<u8>,
}

/// A key that letters are sealed for, as its owner publishes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreKey {
    /// Names it among the keys of its owner; never 0.
    pub id: u32,
    /// X25519 public key, 32 bytes.
    pub key: [u8; 32],
}

/// An opened letter whose signature was right. Whether it is in time and new is still to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Who signed it.
    pub sender: NodeId,
    /// Ed25519 public key of the sender, 32 bytes.
    pub sender_key: [u8; 32],
    /// What was written.
    pub inner: Inner,
}

/// Why nothing was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The body is longer than [`BODY_BYTES_MAX`].
    #[error("a body of {0} bytes does not fit a packet; it must go in fragments")]
    TooLong(usize),
    /// The letter would live longer than [`TTL_S_MAX`].
    #[error("a letter may be under way for {TTL_S_MAX} s, not {0}")]
    Ttl(u32),
    /// No secret can be agreed on with the reader's key: it is one of the few that give the same to everybody.
    #[error("the reader's key is no good")]
    Key,
}

/// Why a letter was not opened. Drop it, count it; there is nobody to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is sealed for a key that we do not have (any more).
    #[error("it is sealed for key {0:08x}, which is not there")]
    UnknownKey(u32),
    /// It was changed, or sealed for another reader.
    #[error("it was changed or is for somebody else")]
    Sealed,
    /// It is of another version of the format.
    #[error("version {0} of the format is not known")]
    Version(u8),
    /// It cannot be read, or there are bytes left over.
    #[error("it is malformed")]
    Malformed,
    /// The signature is not the sender's, or not of this letter to this reader.
    #[error("the signature is wrong")]
    Signature,
    /// It is rightly signed but none of the closed set of kinds.
    #[error("kind {0} is not known")]
    Kind(u8),
}

/// As it is encoded. The kind is a number, so that an unknown one is told from rubbish.
#[derive(Serialize, Deserialize)]
struct Plain {
    kind: u8,
    id: LetterId,
    sender_key: [u8; 32],
    created_ms: u64,
    ttl_s: u32,
    body: Blob<BODY_BYTES_MAX>,
}

/// Seals for `reader`, who published `to`; at most [`OVERHEAD_MAX`] bytes longer than the body.
///
/// `crypto` signs as the sender. `seed` decides the encapsulated key: it must be secret and new each time.
pub fn seal(
    inner: &Inner,
    reader: &NodeId,
    to: &PreKey,
    crypto: &dyn Crypto,
    seed: &[u8; 32],
) -> Result<Vec<u8>, SealError> {
    if inner.ttl_s > TTL_S_MAX {
        return Err(SealError::Ttl(inner.ttl_s));
    }
    let body = Blob::new(inner.body.clone()).map_err(|e| SealError::TooLong(e.len))?;
    let plain = Plain {
        kind: inner.kind.number(),
        id: inner.id,
        sender_key: crypto.key(),
        created_ms: inner.created_ms,
        ttl_s: inner.ttl_s,
        body,
    };
    seal_plain(&plain, reader, to, crypto, seed)
}

fn seal_plain(
    plain: &Plain,
    reader: &NodeId,
    to: &PreKey,
    crypto: &dyn Crypto,
    seed: &[u8; 32],
) -> Result<Vec<u8>, SealError> {
    let text = postcard::to_extend(plain, vec![VERSION]).expect("bounded values always encode");
    encrypt(reader, to, seed, |enc| {
        let sig = crypto.sign(&signed(&text, reader, enc));
        [text.as_slice(), &sig].concat()
    })
}

/// The HPKE part: `text` is asked for once the encapsulated key is known.
pub(super) fn encrypt(
    reader: &NodeId,
    to: &PreKey,
    seed: &[u8; 32],
    text: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Result<Vec<u8>, SealError> {
    let key =
        <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&to.key).map_err(|_| SealError::Key)?;
    let (enc, mut context) =
        setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &key,
            &info(reader, to.id),
            &mut ChaCha20Rng::from_seed(*seed),
        )
        .map_err(|_| SealError::Key)?;
    let enc = enc.to_bytes();
    let text = Zeroizing::new(text(&enc));
    let ciphertext = context.seal(&text, &[]).expect("the first message of a context of a few KiB");
    Ok([to.id.to_be_bytes().as_slice(), &enc, &ciphertext].concat())
}

/// Opens what was sealed for `reader`; `secret_of` gives our X25519 secret of a key id, 32 bytes.
///
/// Any bytes are fine: what is no letter for us is an error, never a panic.
pub fn open(
    sealed: &[u8],
    reader: &NodeId,
    secret_of: impl Fn(u32) -> Option<[u8; 32]>,
    crypto: &dyn Crypto,
) -> Result<Opened, OpenError> {
    let (text, enc) = decrypt(sealed, reader, secret_of)?;
    let (text, sig) = text.split_last_chunk::<SIG_BYTES>().ok_or(OpenError::Malformed)?;
    let (&version, rest) = text.split_first().ok_or(OpenError::Malformed)?;
    if version != VERSION {
        return Err(OpenError::Version(version));
    }
    let Ok((plain, [])) = postcard::take_from_bytes::<Plain>(rest) else {
        return Err(OpenError::Malformed);
    };
    if !crypto.verify(&plain.sender_key, &signed(text, reader, &enc), sig) {
        return Err(OpenError::Signature);
    }
    let kind = Kind::of_number(plain.kind).ok_or(OpenError::Kind(plain.kind))?;
    let Plain { id, sender_key, created_ms, ttl_s, body, .. } = plain;
    let inner = Inner { kind, id, created_ms, ttl_s, body: body.to_vec() };
    Ok(Opened { sender: NodeId::of_key(&sender_key), sender_key, inner })
}

/// The HPKE part: the plaintext with its signature, and the encapsulated key.
pub(super) fn decrypt(
    sealed: &[u8],
    reader: &NodeId,
    secret_of: impl Fn(u32) -> Option<[u8; 32]>,
) -> Result<(Zeroizing<Vec<u8>>, [u8; ENC_BYTES]), OpenError> {
    let (head, ciphertext) =
        sealed.split_first_chunk::<HEAD_BYTES>().ok_or(OpenError::Malformed)?;
    let (id, enc) = head.split_first_chunk::<4>().ok_or(OpenError::Malformed)?;
    let id = u32::from_be_bytes(*id);
    let enc: [u8; ENC_BYTES] = enc.try_into().map_err(|_| OpenError::Malformed)?;
    // X25519 ignores the highest bit of a point. HPKE mixes in the bytes as sent, so a point with it set does
    // not open either; nothing is to be checked here.
    let secret = Zeroizing::new(secret_of(id).ok_or(OpenError::UnknownKey(id))?);
    let secret = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(&*secret)
        .map_err(|_| OpenError::Sealed)?;
    let point =
        <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(&enc).map_err(|_| OpenError::Sealed)?;
    let text = setup_receiver::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret,
        &point,
        &info(reader, id),
    )
    .and_then(|mut context| context.open(ciphertext, &[]))
    .map_err(|_| OpenError::Sealed)?;
    Ok((Zeroizing::new(text), enc))
}

/// Whether a letter is to be taken at `now_ms`: not made later than clocks disagree, not older than its time
/// to live, and that not longer than letters may live.
pub fn in_time(inner: &Inner, now_ms: u64) -> bool {
    let end_ms = inner.created_ms.saturating_add(u64::from(inner.ttl_s) * 1000);
    inner.ttl_s <= TTL_S_MAX
        && inner.created_ms <= now_ms.saturating_add(CLOCK_TOLERANCE_MS)
        && now_ms <= end_ms
}

/// What HPKE binds to the keys it derives.
fn info(reader: &NodeId, key_id: u32) -> Vec<u8> {
    [b"kith1/sealed-letter\0".as_slice(), &reader.0, &key_id.to_be_bytes()].concat()
}

/// What the sender signs. The two at the end have a fixed length, so the parts cannot be shifted.
pub(super) fn signed(text: &[u8], reader: &NodeId, enc: &[u8]) -> Vec<u8> {
    domain_separated("letter", &[text, &reader.0, enc].concat())
}
