//! A body in n parts of which any k are enough and fewer are nothing.
//!
//! The body is encrypted (ChaCha20-Poly1305) with a key made for it alone. The ciphertext is cut into k equal
//! pieces, to which Reed-Solomon adds n - k; the key is split by Shamir's scheme with threshold k. Each
//! fragment carries one piece and one share. Who holds fewer than k fragments knows nothing of the key.
//!
//! ```text
//! sealed body = ciphertext ‖ tag 16          k pieces of ceil(len / k) bytes, made even, padded with zeros
//! associated  = "kith1/shards" 0 ‖ k ‖ n ‖ context
//! ```

use std::collections::BTreeMap;

use blahaj::{Share, Sharks};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::wire::bounded::Blob;

/// Longest body, bytes.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Longest piece, bytes: with its header, the seal around it and what a mailbox needs, it fits a large packet.
pub const PIECE_BYTES_MAX: usize = 15 * 1024;
/// Most fragments of a body. The longest body makes 69 pieces; with a quarter more to recover from, 87.
pub const FRAGMENTS_MAX: u8 = 128;
/// Most bytes [`Fragment::encode`] adds to a piece: three numbers of one byte, one of three, a share of 32 and
/// a length of two.
pub const OVERHEAD_MAX: usize = 3 + 3 + 32 + 2;

const TAG_BYTES: usize = 16;
const KEY_BYTES: usize = 32;

/// One part of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Which of the n it is, from 0. The first k are pieces of the sealed body itself.
    pub index: u8,
    /// How many are needed; 1 to `n`.
    pub k: u8,
    /// How many there are; at most [`FRAGMENTS_MAX`].
    pub n: u8,
    /// Bytes of the sealed body: 16 more than the body.
    pub len: u32,
    /// Its share of the key, 32 bytes; the place of the share is `index` + 1.
    pub share: [u8; KEY_BYTES],
    /// The piece: as long as `len` and `k` say, at most [`PIECE_BYTES_MAX`] bytes.
    pub bytes: Vec<u8>,
}

/// Why a body was not split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// Not 1 <= k <= n <= [`FRAGMENTS_MAX`].
    #[error("{k} of {n} cannot be: at least 1, at most all, at most {FRAGMENTS_MAX}")]
    Numbers {
        /// How many were to be needed.
        k: u8,
        /// How many were to be made.
        n: u8,
    },
    /// The body is longer than [`BODY_BYTES_MAX`].
    #[error("a letter has at most {BODY_BYTES_MAX} bytes, not {0}")]
    TooLong(usize),
    /// The pieces would be longer than [`PIECE_BYTES_MAX`].
    #[error("a body of this length needs {0} fragments or more")]
    TooFew(u8),
}

/// Bytes that are no fragment, or whose numbers contradict one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no fragment")]
pub struct BadFragment;

/// Why fragments gave no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// More are needed.
    #[error("{have} fragments of the {need} needed")]
    TooFew {
        /// Different ones that are there.
        have: u8,
        /// How many it takes; 0 if nothing is there to say so.
        need: u8,
    },
    /// They are of different bodies, or two differ that should be one.
    #[error("the fragments do not belong together")]
    Mixed,
    /// One of them was changed, is of another body or of another letter.
    #[error("the fragments were changed or belong to another letter")]
    Altered,
}

/// The fewest fragments (k) that a body of `len` bytes can be cut into; none if it is too long for any.
pub fn fewest(len: usize) -> Option<u8> {
    let pieces = (len + TAG_BYTES).div_ceil(PIECE_BYTES_MAX);
    u8::try_from(pieces).ok().filter(|_| len <= BODY_BYTES_MAX)
}

/// Bytes of a piece. Reed-Solomon works on pairs of bytes.
fn piece_bytes(sealed_len: usize, k: u8) -> usize {
    sealed_len.div_ceil(usize::from(k)).next_multiple_of(2)
}

/// Splits `body` into `n` fragments of which any `k` give it back.
///
/// `context` is bound to it and must be the same at [`join`]: the letter's id and its sender. `seed` decides
/// the key and its shares: it must be secret and new each time.
pub fn split(
    body: &[u8],
    k: u8,
    n: u8,
    context: &[u8],
    seed: &[u8; 32],
) -> Result<Vec<Fragment>, SplitError> {
    if k == 0 || k > n || n > FRAGMENTS_MAX {
        return Err(SplitError::Numbers { k, n });
    }
    let fewest = fewest(body.len()).ok_or(SplitError::TooLong(body.len()))?;
    if k < fewest {
        return Err(SplitError::TooFew(fewest));
    }
    let mut rng = ChaCha20Rng::from_seed(*seed);
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    rng.fill_bytes(&mut *key);
    let payload = Payload { msg: body, aad: &associated(k, n, context) };
    let mut sealed =
        cipher(&key).encrypt(&nonce(), payload).expect("a MiB is far below what the cipher takes");
    let len = u32::try_from(sealed.len()).expect("a MiB and a tag");
    let piece = piece_bytes(sealed.len(), k);
    sealed.resize(piece * usize::from(k), 0);
    let recovery = match n - k {
        // The library knows no such thing as no recovery pieces.
        0 => Vec::new(),
        more => reed_solomon_simd::encode(k.into(), more.into(), sealed.chunks(piece))
            .expect("equal even pieces, at most 128"),
    };
    let pieces = sealed.chunks(piece).map(<[u8]>::to_vec).chain(recovery);
    let shares = Sharks(k).dealer_rng(&*key, &mut rng);
    let fragment = |((index, bytes), share): ((u8, Vec<u8>), Share)| {
        let share = Zeroizing::new(Vec::from(&share));
        let share = *share.last_chunk().expect("the place, and a byte for each of the key");
        Fragment { index, k, n, len, share, bytes }
    };
    Ok((0..n).zip(pieces).zip(shares).map(fragment).collect())
}

/// Gives the body back from any `k` different fragments of it, in any order; more do no harm.
pub fn join(fragments: &[Fragment], context: &[u8]) -> Result<Vec<u8>, JoinError> {
    let Some(first) = fragments.first() else {
        return Err(JoinError::TooFew { have: 0, need: 0 });
    };
    let (k, n, len) = (first.k, first.n, first.len);
    let mut parts: BTreeMap<u8, &Fragment> = BTreeMap::new();
    for part in fragments {
        let same = (part.k, part.n, part.len) == (k, n, len);
        let twice = parts.insert(part.index, part).is_some_and(|other| other != part);
        if !same || twice || part.check().is_err() {
            return Err(JoinError::Mixed);
        }
    }
    let need = usize::from(k);
    if parts.len() < need {
        let have = u8::try_from(parts.len()).expect("fewer than k");
        return Err(JoinError::TooFew { have, need: k });
    }
    // In order of their index, so that as few pieces as possible have to be computed.
    let parts: Vec<&Fragment> = parts.into_values().take(need).collect();
    let key = key_of(&parts, k)?;
    let sealed = sealed_of(&parts, k, n, len)?;
    let payload = Payload { msg: &sealed, aad: &associated(k, n, context) };
    cipher(&key).decrypt(&nonce(), payload).map_err(|_| JoinError::Altered)
}

/// The key from `k` shares.
fn key_of(parts: &[&Fragment], k: u8) -> Result<Zeroizing<[u8; KEY_BYTES]>, JoinError> {
    let share = |part: &&Fragment| {
        let bytes = [&[part.index + 1], part.share.as_slice()].concat();
        Share::try_from(bytes.as_slice()).map_err(|_| JoinError::Altered)
    };
    let shares = parts.iter().map(share).collect::<Result<Vec<_>, _>>()?;
    let key = Zeroizing::new(Sharks(k).recover(&shares).map_err(|_| JoinError::Altered)?);
    let key = key.as_slice().try_into().map_err(|_| JoinError::Altered)?;
    Ok(Zeroizing::new(key))
}

/// The sealed body from `k` pieces.
fn sealed_of(parts: &[&Fragment], k: u8, n: u8, len: u32) -> Result<Vec<u8>, JoinError> {
    let len = usize::try_from(len).map_err(|_| JoinError::Mixed)?;
    let (cut, added): (Vec<&Fragment>, Vec<&Fragment>) = parts.iter().partition(|p| p.index < k);
    let mut pieces: BTreeMap<usize, Vec<u8>> = match added.is_empty() {
        true => BTreeMap::new(),
        false => reed_solomon_simd::decode(
            k.into(),
            (n - k).into(),
            cut.iter().map(|p| (usize::from(p.index), &p.bytes)),
            added.iter().map(|p| (usize::from(p.index - k), &p.bytes)),
        )
        .map_err(|_| JoinError::Mixed)?,
    };
    pieces.extend(cut.iter().map(|p| (usize::from(p.index), p.bytes.clone())));
    let mut sealed = pieces.into_values().collect::<Vec<_>>().concat();
    sealed.truncate(len);
    Ok(sealed)
}

/// A fragment as it is encoded.
#[derive(Serialize, Deserialize)]
struct Encoded {
    index: u8,
    k: u8,
    n: u8,
    len: u32,
    share: [u8; KEY_BYTES],
    bytes: Blob<PIECE_BYTES_MAX>,
}

impl Fragment {
    /// As it stands in the body of a sealed letter: at most [`OVERHEAD_MAX`] bytes longer than the piece.
    /// [`BadFragment`] if it is not as [`split`] makes them.
    pub fn encode(&self) -> Result<Vec<u8>, BadFragment> {
        self.check()?;
        let bytes = Blob::new(self.bytes.clone()).map_err(|_| BadFragment)?;
        let Fragment { index, k, n, len, share, .. } = *self;
        postcard::to_stdvec(&Encoded { index, k, n, len, share, bytes }).map_err(|_| BadFragment)
    }

    /// Reads what [`Fragment::encode`] wrote; refuses bytes left over and numbers that contradict one another.
    pub fn decode(bytes: &[u8]) -> Result<Fragment, BadFragment> {
        let Ok((encoded, [])) = postcard::take_from_bytes::<Encoded>(bytes) else {
            return Err(BadFragment);
        };
        let Encoded { index, k, n, len, share, bytes } = encoded;
        let fragment = Fragment { index, k, n, len, share, bytes: bytes.to_vec() };
        fragment.check().map(|()| fragment)
    }

    fn check(&self) -> Result<(), BadFragment> {
        let numbers = 1 <= self.k && self.k <= self.n && self.n <= FRAGMENTS_MAX;
        let len = usize::try_from(self.len).map_err(|_| BadFragment)?;
        let length = (TAG_BYTES..=BODY_BYTES_MAX + TAG_BYTES).contains(&len);
        if !numbers || !length || self.index >= self.n {
            return Err(BadFragment);
        }
        let piece = piece_bytes(len, self.k);
        let fits = piece <= PIECE_BYTES_MAX && self.bytes.len() == piece;
        fits.then_some(()).ok_or(BadFragment)
    }
}

fn cipher(key: &[u8; KEY_BYTES]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(key.into())
}

/// Each key encrypts one body only, so the nonce may be the same.
fn nonce() -> Nonce {
    Nonce::default()
}

fn associated(k: u8, n: u8, context: &[u8]) -> Vec<u8> {
    [b"kith1/shards\0".as_slice(), &[k, n], context].concat()
}
