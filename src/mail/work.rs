//! The jobs that cost a tenth of a millisecond or more each: sealing, wrapping, peeling, opening. The courier
//! describes them and others do them, off the main thread; what they need is in the job.

use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use super::keys::KeyRing;
use super::onion::{self, Hop, PeelError, ReplyKey, Size, To};
use super::rows::Shards;
use super::seal::{self, Inner, Kind, OpenError, PreKey};
use super::{LetterId, shards};
use crate::mesh::NodeId;
use crate::mesh::record::Crypto;
use crate::wire::bounded::Blob;

/// Bytes that leaving a letter at a mailbox adds to it, at most: what [`Parcel::Store`] holds beside it.
const STORE_BYTES: usize = 1 + 32 + 16 + 10 + 2 + onion::BLOCK_BYTES + 3;
/// Longest body that travels in one packet, whichever way, bytes. Longer ones go in fragments.
pub const WHOLE_BYTES_MAX: usize = Size::Large.room() - seal::OVERHEAD_MAX - STORE_BYTES;
/// A fragment fits as well.
const _: () = assert!(shards::PIECE_BYTES_MAX + shards::OVERHEAD_MAX <= WHOLE_BYTES_MAX);

/// What a packet holds for its last hop.
#[derive(Debug, Serialize, Deserialize)]
enum Parcel {
    /// A sealed letter for whoever this is.
    Letter(Blob<{ 16 * 1024 }>),
    /// A sealed letter to be kept for somebody else.
    Store {
        reader: NodeId,
        token: [u8; 16],
        expires_ms: u64,
        /// A reply block for saying that it is kept; empty if nobody wants to know.
        block: Blob<{ onion::BLOCK_BYTES }>,
        sealed: Blob<{ 16 * 1024 }>,
    },
}

/// What is to be sealed and wrapped.
#[derive(Clone, Debug)]
pub struct Wrap {
    /// What is said.
    pub what: What,
    /// By which ways.
    pub parts: Vec<Part>,
    /// New for each job, and secret: all keys in it are made of it.
    pub seed: [u8; 32],
}

/// What is said.
#[derive(Clone, Debug)]
pub enum What {
    /// A letter, or fragments of one.
    Letter {
        /// To whom.
        reader: NodeId,
        /// Sealed for this key of theirs.
        to: PreKey,
        /// Text or receipt.
        kind: Kind,
        /// Its name.
        id: LetterId,
        /// Unix milliseconds.
        created_ms: u64,
        /// Seconds it may be under way.
        ttl_s: u32,
        /// Its text.
        body: Arc<[u8]>,
        /// Cut it like this, by this seed.
        split: Option<(Shards, [u8; 32])>,
    },
    /// The answer to whoever left a letter here.
    Reply {
        /// The reply block.
        block: Vec<u8>,
        /// One word.
        word: Word,
    },
}

/// What a mailbox says of a letter that was left with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Word {
    /// It is safe here.
    Kept,
    /// There is no room for it.
    Full,
}

/// One packet to be made.
#[derive(Clone, Debug)]
pub struct Part {
    /// Which fragment; 0 of a letter that is not cut.
    pub index: u8,
    /// The relays and the last hop; 1 to 5.
    pub route: Vec<Hop>,
    /// The last hop is a mailbox.
    pub store: Option<Store>,
}

/// How a letter is left at a mailbox.
#[derive(Clone, Debug)]
pub struct Store {
    /// Names it there.
    pub token: [u8; 16],
    /// Unix milliseconds until which it is to be kept.
    pub expires_ms: u64,
    /// The way back to us, ourselves at its end, and the mark by which we know the answer.
    pub back: Option<(Vec<Hop>, [u8; 16])>,
}

/// One packet that was made.
#[derive(Clone, Debug)]
pub struct Wrapped {
    /// Whom to hand it.
    pub first: NodeId,
    /// The packet.
    pub packet: Vec<u8>,
    /// Reads the answer of the mailbox, if one was asked for.
    pub reply: Option<ReadReply>,
}

/// What is to be opened.
#[derive(Clone, Debug)]
pub struct Peel {
    /// With which of our keys.
    pub keys: Arc<KeyRing>,
    /// Unix milliseconds: which of them are still good.
    pub now_ms: u64,
    /// What.
    pub what: Layer,
}

/// What is to be opened.
#[derive(Clone, Debug)]
pub enum Layer {
    /// A packet as it came.
    Packet(Vec<u8>),
    /// A sealed letter, as a mailbox handed it out.
    Sealed(Vec<u8>),
}

/// What was inside.
#[derive(Clone, Debug)]
pub enum Opened {
    /// A packet for somebody else.
    Forward {
        /// Finds replays.
        tag: Tag,
        /// Who is next.
        next: NodeId,
        /// What to hand it.
        packet: Vec<u8>,
    },
    /// A letter for us.
    Letter {
        /// Finds replays; none of a letter that came from a mailbox.
        tag: Option<Tag>,
        /// The letter.
        letter: Box<seal::Opened>,
    },
    /// A letter to be kept for somebody else.
    Store {
        /// Finds replays.
        tag: Tag,
        /// For whom.
        reader: NodeId,
        /// Names it.
        token: [u8; 16],
        /// Unix milliseconds.
        expires_ms: u64,
        /// For the answer; may be empty.
        block: Vec<u8>,
        /// The letter.
        sealed: Vec<u8>,
    },
    /// The answer of a mailbox.
    Reply {
        /// Finds replays.
        tag: Tag,
        /// Names the reply block it came by.
        mark: [u8; 16],
        /// For its [`ReadReply`].
        sealed: Vec<u8>,
    },
    /// Nothing that is of use, by the counter's name.
    Bad(Bad),
}

/// Why nothing came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bad {
    /// Not wrapped for one of our keys, or changed on the way.
    Mac,
    /// Made wrongly, or changed on the way.
    Malformed,
    /// Sealed for a key that is not there any more.
    Key,
    /// Not signed by who it says.
    Signature,
    /// Of a kind or version that is not known here.
    Kind,
}

/// Names a packet among those peeled with one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag {
    /// The public key it was peeled with: its table of replays lives as long as it does.
    pub key: [u8; 32],
    /// The same for each copy of the packet.
    pub tag: [u8; 16],
}

/// A function that reads an answer; none if it is none.
type Reads = dyn Fn(&[u8]) -> Option<Word> + Send + Sync;

/// Reads the answer to one reply block.
#[derive(Clone)]
pub struct ReadReply(pub Arc<Reads>);

impl std::fmt::Debug for ReadReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReadReply")
    }
}

/// Does the jobs; real in the daemon, something cheap in the simulator.
pub trait Sealer {
    /// Seals and wraps: one packet for each part, in their order. `Err` says why not, in one line.
    fn wrap(&self, wrap: &Wrap) -> Result<Vec<Wrapped>, String>;
    /// Takes off a layer, and opens what is for us.
    fn peel(&self, peel: Peel) -> Opened;
}

/// The real one.
pub struct RealSealer {
    me: NodeId,
    crypto: Arc<dyn Crypto + Send + Sync>,
}

impl RealSealer {
    /// Signs with and opens for the node of `crypto`.
    pub fn new(crypto: Arc<dyn Crypto + Send + Sync>) -> RealSealer {
        RealSealer { me: NodeId::of_key(&crypto.key()), crypto }
    }

    fn wrap_reply(&self, block: &[u8], word: Word) -> Result<Vec<Wrapped>, String> {
        let text = postcard::to_stdvec(&word).map_err(in_words)?;
        let (first, packet) = onion::reply(block, &text, Size::Small).map_err(in_words)?;
        Ok(vec![Wrapped { first, packet, reply: None }])
    }

    fn open(&self, peel: &Peel, tag: Option<Tag>, sealed: &[u8]) -> Opened {
        let secret_of = |id| peel.keys.secret_of(id, peel.now_ms);
        match seal::open(sealed, &self.me, secret_of, &*self.crypto) {
            Ok(letter) => Opened::Letter { tag, letter: Box::new(letter) },
            Err(error) => Opened::Bad(match error {
                OpenError::UnknownKey(_) => Bad::Key,
                OpenError::Sealed | OpenError::Malformed => Bad::Malformed,
                OpenError::Signature => Bad::Signature,
                OpenError::Version(_) | OpenError::Kind(_) => Bad::Kind,
            }),
        }
    }
}

impl Sealer for RealSealer {
    fn wrap(&self, wrap: &Wrap) -> Result<Vec<Wrapped>, String> {
        let (reader, to, inner, split) = match &wrap.what {
            What::Reply { block, word } => return self.wrap_reply(block, *word),
            What::Letter { reader, to, kind, id, created_ms, ttl_s, body, split } => {
                let (kind, body) = (*kind, body.to_vec());
                let inner = Inner { kind, id: *id, created_ms: *created_ms, ttl_s: *ttl_s, body };
                (reader, to, inner, split)
            }
        };
        // Each key is made of a seed of its own; none is used twice.
        let mut seeds = ChaCha20Rng::from_seed(wrap.seed);
        let mut seed = move || {
            let mut seed = [0; 32];
            seeds.fill_bytes(&mut seed);
            seed
        };
        let fragments = match split {
            Some((shards, seed)) => {
                let context = split_context(&inner.id, reader);
                shards::split(&inner.body, shards.k, shards.n, &context, seed).map_err(in_words)?
            }
            None => Vec::new(),
        };
        let mut out = Vec::with_capacity(wrap.parts.len());
        for part in &wrap.parts {
            let sealed = match split {
                None => seal::seal(&inner, reader, to, &*self.crypto, &seed()),
                Some(_) => {
                    let fragment = fragments.get(usize::from(part.index));
                    let fragment = fragment.ok_or("there is no such fragment")?;
                    let kind = Kind::Fragment;
                    let inner =
                        Inner { kind, body: fragment.encode().map_err(in_words)?, ..inner.clone() };
                    seal::seal(&inner, reader, to, &*self.crypto, &seed())
                }
            };
            out.push(wrap_part(part, *reader, sealed.map_err(in_words)?, &mut seed)?);
        }
        Ok(out)
    }

    fn peel(&self, peel: Peel) -> Opened {
        let packet = match &peel.what {
            Layer::Sealed(sealed) => return self.open(&peel, None, sealed),
            Layer::Packet(packet) => packet,
        };
        let secrets = peel.keys.onion_secrets(peel.now_ms);
        let peeled = match onion::peel(packet, &secrets) {
            Ok(peeled) => peeled,
            Err(PeelError::Mac) => return Opened::Bad(Bad::Mac),
            Err(_) => return Opened::Bad(Bad::Malformed),
        };
        let key = secrets.get(peeled.key).map(|secret| secret.public()).unwrap_or_default();
        let tag = Tag { key, tag: peeled.tag };
        match peeled.to {
            To::Next { id, packet } => Opened::Forward { tag, next: id, packet },
            To::Reply { mark, sealed } => Opened::Reply { tag, mark, sealed },
            To::Us { text } => match postcard::take_from_bytes(&text) {
                Ok((Parcel::Letter(sealed), [])) => self.open(&peel, Some(tag), &sealed),
                Ok((Parcel::Store { reader, token, expires_ms, block, sealed }, [])) => {
                    let (block, sealed) = (block.to_vec(), sealed.to_vec());
                    Opened::Store { tag, reader, token, expires_ms, block, sealed }
                }
                _ => Opened::Bad(Bad::Malformed),
            },
        }
    }
}

/// What fragments are bound to: those of another letter, or of one to somebody else, do not fit.
pub(super) fn split_context(id: &LetterId, reader: &NodeId) -> Vec<u8> {
    [id.0.as_slice(), &reader.0].concat()
}

/// Puts a sealed letter into a packet.
fn wrap_part(
    part: &Part,
    reader: NodeId,
    sealed: Vec<u8>,
    seed: &mut impl FnMut() -> [u8; 32],
) -> Result<Wrapped, String> {
    let sealed = Blob::new(sealed).map_err(in_words)?;
    let (parcel, reply) = match &part.store {
        None => (Parcel::Letter(sealed), None),
        Some(Store { token, expires_ms, back }) => {
            let (block, reply) = match back {
                None => (Vec::new(), None),
                Some((route, mark)) => {
                    let (block, key) =
                        onion::reply_block(route, *mark, &seed()).map_err(in_words)?;
                    (block, Some(read_reply(key)))
                }
            };
            let block = Blob::new(block).map_err(in_words)?;
            let (token, expires_ms) = (*token, *expires_ms);
            (Parcel::Store { reader, token, expires_ms, block, sealed }, reply)
        }
    };
    let text = postcard::to_stdvec(&parcel).map_err(in_words)?;
    let size = Size::for_text(text.len()).ok_or("it does not fit a packet")?;
    let packet = onion::wrap(&text, size, &part.route, &seed()).map_err(in_words)?;
    let first = part.route.first().map(|hop| hop.id).ok_or("there is no way")?;
    Ok(Wrapped { first, packet, reply })
}

fn read_reply(key: ReplyKey) -> ReadReply {
    ReadReply(Arc::new(move |sealed| {
        let text = key.open(sealed).ok()?;
        match postcard::take_from_bytes(&text) {
            Ok((word, [])) => Some(word),
            _ => None,
        }
    }))
}

fn in_words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
