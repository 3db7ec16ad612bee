//! The layers a letter travels in: each hop takes one off and learns the next hop, nothing else.
//!
//! The format is Sphinx, from the library `sphinx-packet`; this file is all that knows the library. It adds
//! what the library leaves to its user: two sizes and no other, one version and no other, one form of each
//! packet, and errors instead of panics whatever the bytes.
//!
//! ```text
//! packet  = header 348 bytes ‖ payload 2,048 or 16,384 bytes
//! header  = X25519 point 32 ‖ MAC 16 ‖ five encrypted slots of 60 bytes
//! payload = 16 zero bytes ‖ text ‖ 1 ‖ zeros, encrypted once for each hop
//! ```
//!
//! The MAC covers the header only. A payload that was changed on the way still passes the relays behind the
//! change (each layer mixes all of it, so nobody can aim a change) and gives no text at the end.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sphinx_packet::constants::{IDENTIFIER_LENGTH, NODE_ADDRESS_LENGTH, PAYLOAD_KEY_SEED_SIZE};
use sphinx_packet::header::HEADER_SIZE;
use sphinx_packet::header::delays::Delay;
use sphinx_packet::payload::{PAYLOAD_OVERHEAD_SIZE, Payload};
use sphinx_packet::route::{Destination, DestinationAddressBytes, Node, NodeAddressBytes};
use sphinx_packet::surb::{SURB, SURBMaterial, SurbReplyRecovery};
use sphinx_packet::version::{SINGLE_SEED_SURB_VERSION, Version};
use sphinx_packet::{ProcessedPacketData, SphinxPacket, SphinxPacketBuilder};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::mesh::NodeId;

/// Most hops of a packet: four relays and the reader.
pub const HOPS_MAX: usize = sphinx_packet::constants::MAX_PATH_LENGTH;
/// Bytes of a reply block: a header, the id of its first hop and the key seed of its last.
pub const BLOCK_BYTES: usize = HEADER_SIZE + NODE_ADDRESS_LENGTH + PAYLOAD_KEY_SEED_SIZE;

/// The only version made or taken. The library would also take older ones, with which a sender could mark
/// its packets for a relay.
const VERSION: Version = SINGLE_SEED_SURB_VERSION;

/// How large a packet is: one of two, so that its length says next to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Size {
    /// 2 KiB of payload: words and receipts.
    Small,
    /// 16 KiB of payload: fragments.
    Large,
}

impl Size {
    /// Both, the smaller first.
    pub const ALL: [Size; 2] = [Size::Small, Size::Large];

    /// Bytes of the payload.
    pub const fn payload_bytes(self) -> usize {
        match self {
            Size::Small => 2 * 1024,
            Size::Large => 16 * 1024,
        }
    }

    /// Bytes on the wire: header and payload. The same before and behind every hop.
    pub const fn packet_bytes(self) -> usize {
        HEADER_SIZE + self.payload_bytes()
    }

    /// The longest text that fits, bytes.
    pub const fn room(self) -> usize {
        self.payload_bytes() - PAYLOAD_OVERHEAD_SIZE
    }

    /// The size of a packet of `len` bytes; none if no packet has that length.
    pub fn of_packet(len: usize) -> Option<Size> {
        Size::ALL.into_iter().find(|size| size.packet_bytes() == len)
    }

    /// The smallest size that takes a text of `len` bytes; none if it must go in parts.
    pub fn for_text(len: usize) -> Option<Size> {
        Size::ALL.into_iter().find(|size| len <= size.room())
    }
}

/// A node's secret onion key, X25519; wiped from memory when dropped.
#[derive(Clone)]
pub struct OnionSecret {
    secret: StaticSecret,
    public: [u8; 32],
}

impl OnionSecret {
    /// The key that belongs to `seed`; the seed must be as secret as the key.
    pub fn from_seed(seed: &[u8; 32]) -> OnionSecret {
        let secret = secret_of(seed);
        let public = PublicKey::from(&secret).to_bytes();
        OnionSecret { secret, public }
    }

    /// What others wrap packets for, 32 bytes.
    pub fn public(&self) -> [u8; 32] {
        self.public
    }
}

impl std::fmt::Debug for OnionSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnionSecret")
    }
}

/// A place on the way: a relay, or the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Which node; the hop before it learns this.
    pub id: NodeId,
    /// Its onion key, X25519, 32 bytes.
    pub key: [u8; 32],
}

/// Why no packet or reply block was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrapError {
    /// The route has no hop or more than [`HOPS_MAX`].
    #[error("a route has 1 to {HOPS_MAX} hops, this has {0}")]
    Hops(usize),
    /// The text does not fit the size.
    #[error("{len} bytes do not fit the {room} of the packet")]
    TooLong {
        /// Bytes of the text.
        len: usize,
        /// Bytes that fit.
        room: usize,
    },
    /// The mark of a reply block is zero, which is what packets without one have.
    #[error("the mark of a reply block must not be zero")]
    ZeroMark,
    /// The reply block is not one.
    #[error("this is no reply block")]
    Block,
    /// The library refused, which the checks above should have made impossible.
    #[error("the packet could not be built")]
    Library,
}

/// Why a packet was not peeled. Drop it, count it, answer nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeelError {
    /// Neither of the two sizes.
    #[error("no packet is {0} bytes long")]
    Size(usize),
    /// It was not made for any of the keys, or its header was changed.
    #[error("the MAC fits none of our keys")]
    Mac,
    /// Its sender made it wrongly, or its payload was changed on the way.
    #[error("the packet is malformed")]
    Malformed,
}

/// Why a reply was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reply was changed, or belongs to another reply block")]
pub struct ReplyError;

/// A packet with one layer taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peeled {
    /// The same for every copy of a packet at one hop, whatever was done to it on the way; for the table that
    /// finds replays. Half of the library's tag: 128 bits are plenty against accidents, and nobody gains from
    /// two packets of his own that look like one.
    pub tag: [u8; 16],
    /// Which of the secrets fitted, an index.
    pub key: usize,
    /// Where it goes.
    pub to: To,
}

/// Where a peeled packet goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// To another node.
    Next {
        /// Which.
        id: NodeId,
        /// What to hand it; as long as what came.
        packet: Vec<u8>,
    },
    /// It was for us.
    Us {
        /// At most [`Size::room`] bytes.
        text: Vec<u8>,
    },
    /// It is, or says it is, the answer to a reply block of ours.
    Reply {
        /// The mark of the block; anybody can make one up, so it may be unknown.
        mark: [u8; 16],
        /// For [`ReplyKey::open`].
        sealed: Vec<u8>,
    },
}

/// Makes a packet of exactly [`Size::packet_bytes`]; the last hop of `route` is the reader.
///
/// `seed` decides the keys of all layers: it must be secret and new for every packet. It does not decide every
/// byte: the library fills the unused slots of the header with chance of its own (zeros would tell the reader
/// how many relays there were), 8 to 248 bytes. Nobody acts on those bytes, so a run can still be replayed.
pub fn wrap(text: &[u8], size: Size, route: &[Hop], seed: &[u8; 32]) -> Result<Vec<u8>, WrapError> {
    let (nodes, delays) = nodes_of(route)?;
    fits(text, size)?;
    let nobody = DestinationAddressBytes::from_bytes([0; 32]);
    let packet = SphinxPacketBuilder::new()
        .with_version(VERSION)
        .with_payload_size(size.payload_bytes())
        .with_initial_secret(&secret_of(seed))
        .build_packet(text, &nodes, &Destination::new(nobody, [0; IDENTIFIER_LENGTH]), &delays)
        .map_err(|_| WrapError::Library)?;
    Ok(bytes_of(&packet))
}

/// Takes one layer off. Tries `secrets` in order; each one that does not fit costs one key agreement.
///
/// Any bytes are fine: what is not a packet for us is an error, never a panic.
pub fn peel(packet: &[u8], secrets: &[&OnionSecret]) -> Result<Peeled, PeelError> {
    let size = Size::of_packet(packet.len()).ok_or(PeelError::Size(packet.len()))?;
    // X25519 ignores the highest bit of a point, so a packet with it set would be a second form of the same
    // packet. No honest one has it.
    if packet[31] & 0x80 != 0 {
        return Err(PeelError::Malformed);
    }
    let packet = SphinxPacket::from_bytes(packet).map_err(|_| PeelError::Malformed)?;
    let fitting = secrets.iter().enumerate().find_map(|(key, secret)| {
        let expanded = packet.header.compute_expanded_shared_secret(&secret.secret);
        packet.header.ensure_header_integrity(&expanded).ok().map(|()| (key, expanded))
    });
    let (key, expanded) = fitting.ok_or(PeelError::Mac)?;
    let tag = *expanded.replay_tag().first_chunk().expect("16 of 32 bytes");
    // The MAC only says that the sender knew our public key; what stands behind it may be anything. The library
    // asserts in debug builds that the first byte of the version is zero, which a hostile sender need not
    // honour, and no relay may be felled by a packet. Nothing outlives the call that a panic could leave half
    // done: the packet is moved in, the keys are only read.
    let peeled = catch_unwind(AssertUnwindSafe(|| packet.process_with_expanded_secret(&expanded)));
    let peeled = peeled.map_err(|_| PeelError::Malformed)?.map_err(|_| PeelError::Malformed)?;
    if peeled.version != VERSION {
        return Err(PeelError::Malformed);
    }
    let to = match peeled.data {
        // The delay of a mix network is not honoured: a relay passes on at once.
        ProcessedPacketData::ForwardHop { next_hop_packet, next_hop_address, .. } => {
            To::Next { id: NodeId(next_hop_address.to_bytes()), packet: bytes_of(&next_hop_packet) }
        }
        ProcessedPacketData::FinalHop { identifier, payload, .. } if identifier != [0; 16] => {
            To::Reply { mark: identifier, sealed: payload.into_bytes() }
        }
        ProcessedPacketData::FinalHop { payload, .. } => {
            let text = payload.recover_plaintext().map_err(|_| PeelError::Malformed)?;
            debug_assert!(text.len() <= size.room());
            To::Us { text }
        }
    };
    Ok(Peeled { tag, key, to })
}

/// What opens the replies to one reply block; wiped from memory when dropped.
#[derive(Clone)]
pub struct ReplyKey(SurbReplyRecovery);

impl std::fmt::Debug for ReplyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReplyKey")
    }
}

impl ReplyKey {
    /// The mark a reply comes with, by which this key is found.
    pub fn mark(&self) -> [u8; 16] {
        *self.0.identifier()
    }

    /// The text of a reply ([`To::Reply`]), at most [`Size::room`] bytes.
    ///
    /// It says nothing of who wrote it: whoever holds the block could have. Of a block whose only hop is its
    /// maker, peeling has opened the reply already; then any key opens it, and the mark alone tells whose it is.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, ReplyError> {
        if !Size::ALL.iter().any(|size| size.payload_bytes() == sealed.len()) {
            return Err(ReplyError);
        }
        let payload = Payload::from_bytes(sealed).map_err(|_| ReplyError)?;
        self.0.recover_plaintext(payload).map_err(|_| ReplyError)
    }
}

/// Makes a reply block of [`BLOCK_BYTES`]: who holds it can send one text back along `route`, which ends with
/// the maker of the block, and learns of that route the first hop only.
///
/// `mark` must not be zero and should be chance: the maker finds the [`ReplyKey`] by it. `seed` must be secret
/// and new for every block. A block is for one use: a second packet made with it has the tags of the first, so
/// the relays drop it as a replay.
pub fn reply_block(
    route: &[Hop],
    mark: [u8; 16],
    seed: &[u8; 32],
) -> Result<(Vec<u8>, ReplyKey), WrapError> {
    let (nodes, delays) = nodes_of(route)?;
    if mark == [0; 16] {
        return Err(WrapError::ZeroMark);
    }
    let destination = Destination::new(DestinationAddressBytes::from_bytes([0; 32]), mark);
    let material = SURBMaterial::new(nodes, delays, destination, VERSION);
    let (block, key) =
        SURB::new_recoverable(secret_of(seed), material).map_err(|_| WrapError::Library)?;
    Ok((block.to_bytes(), ReplyKey(key)))
}

/// Uses a reply block: the first hop, and the packet to hand it.
///
/// A block of bad bytes gives [`WrapError::Block`] or a packet that the first hop drops.
pub fn reply(block: &[u8], text: &[u8], size: Size) -> Result<(NodeId, Vec<u8>), WrapError> {
    fits(text, size)?;
    // The library also takes blocks with more seeds than one, made for an older version.
    if block.len() != BLOCK_BYTES {
        return Err(WrapError::Block);
    }
    let block = SURB::from_bytes(block).map_err(|_| WrapError::Block)?;
    let (packet, first) =
        block.use_surb(text, size.payload_bytes()).map_err(|_| WrapError::Library)?;
    Ok((NodeId(first.to_bytes()), bytes_of(&packet)))
}

fn fits(text: &[u8], size: Size) -> Result<(), WrapError> {
    let (len, room) = (text.len(), size.room());
    if len > room { Err(WrapError::TooLong { len, room }) } else { Ok(()) }
}

/// The secret that belongs to a seed.
fn secret_of(seed: &[u8; 32]) -> StaticSecret {
    let mut bytes = Zeroizing::new([0; 32]);
    ChaCha20Rng::from_seed(*seed).fill_bytes(&mut *bytes);
    StaticSecret::from(*bytes)
}

/// A route as the library takes it, with no delay at any hop.
fn nodes_of(route: &[Hop]) -> Result<(Vec<Node>, Vec<Delay>), WrapError> {
    if !(1..=HOPS_MAX).contains(&route.len()) {
        return Err(WrapError::Hops(route.len()));
    }
    let node =
        |hop: &Hop| Node::new(NodeAddressBytes::from_bytes(hop.id.0), PublicKey::from(hop.key));
    Ok((route.iter().map(node).collect(), vec![Delay::new_from_nanos(0); route.len()]))
}

/// The library's own way takes the bytes one at a time.
fn bytes_of(packet: &SphinxPacket) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(packet.len());
    bytes.extend_from_slice(&packet.header.to_bytes());
    bytes.extend_from_slice(packet.payload.as_bytes());
    bytes
}
