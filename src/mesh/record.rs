//! Signed, versioned facts: a node's card and its link state.
//!
//! A record travels as the exact bytes its author signed, so that any node can pass it on and any
//! other can check it. [`Signed::open`] is the only way from bytes to a [`Record`]: what the rest of the
//! mesh handles has been verified.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{NodeId, Ver};
use crate::wire::bounded::{Blob, List, Text};

/// Longest label, bytes of UTF-8.
pub const LABEL_BYTES_MAX: usize = 64;
/// Most addresses on a card.
pub const ADDRS_MAX: usize = 8;
/// Most bytes of keys on a card.
pub const CARD_KEYS_BYTES_MAX: usize = 512;
/// Longest text of a ping or shout, bytes of UTF-8.
pub const CAST_BYTES_MAX: usize = 16 * 1024;
/// Most links in one link state.
pub const LINKS_MAX: usize = 1024;
/// Most lost links that one link state tells of.
pub const LOST_MAX: usize = 64;
/// Most bytes of one record's body (1,024 links of at most 48 bytes, 64 lost ones of 32, and room).
pub const RECORD_BYTES_MAX: usize = 56 * 1024;
/// Most bytes of a card's body where a card is all that may come: every field at its longest, and room.
pub const CARD_BYTES_MAX: usize = 2 * 1024;
/// Highest epoch accepted. Above it the author's own next boot could not be newer any more.
pub const EPOCH_MAX: u64 = 1 << 53;

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Ed25519 public key, 32 bytes; the id is derived from it, never sent beside it.
    pub key: [u8; 32],
    /// Name of the network it belongs to.
    pub network: Text<64>,
    /// Version; newer replaces older.
    pub ver: Ver,
    /// Name for people; never proof of identity.
    pub label: Text<LABEL_BYTES_MAX>,
    /// Where it can be dialled, best first.
    pub addrs: List<SocketAddr, ADDRS_MAX>,
    /// Whether it volunteers to pass packets on.
    pub relay: bool,
    /// Whether it keeps letters for nodes that are away.
    pub mailbox: bool,
    /// Onion and mail keys, opaque to the mesh.
    pub keys: Blob<CARD_KEYS_BYTES_MAX>,
    /// Free key=value words the owner set.
    pub tags: Text<1024>,
    /// Unix milliseconds of its goodbye, if it said one.
    pub leaving_ms: Option<u64>,
}

impl Card {
    /// The id this card speaks for.
    pub fn id(&self) -> NodeId {
        NodeId::of_key(&self.key)
    }
}

/// Who dialled a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The node that lists it dialled.
    Out,
    /// The peer dialled.
    In,
}

/// One link as one of its ends reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkEntry {
    /// The other end.
    pub peer: NodeId,
    /// Who dialled, seen from the reporter.
    pub dir: Direction,
    /// Smoothed round-trip time, microseconds; 0 means not measured yet.
    pub rtt_us: u32,
    /// Seconds since the reporter's epoch at which the link came up.
    pub since_s: u32,
}

/// A node's list of its own links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkState {
    /// Whose links these are.
    pub id: NodeId,
    /// Version; newer replaces older.
    pub ver: Ver,
    /// How many more links it would take.
    pub slots_free: u16,
    /// The most links it takes.
    pub degree_max: u16,
    /// Its links, ordered by peer id, each peer once.
    pub links: List<LinkEntry, LINKS_MAX>,
    /// With whom it lost its link lately without either end wanting that: it broke, or nothing was heard.
    pub lost: List<NodeId, LOST_MAX>,
}

impl LinkState {
    /// What it says of the link with this peer.
    pub fn lists(&self, peer: &NodeId) -> Option<&LinkEntry> {
        self.links.get(usize::from(self.place_of(peer)?))
    }

    /// At which place of its list that link stands.
    pub fn place_of(&self, peer: &NodeId) -> Option<u16> {
        let at = self.links.binary_search_by(|l| l.peer.cmp(peer)).ok()?;
        u16::try_from(at).ok()
    }
}

/// A text said to every node of the network: a ping or a shout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cast {
    /// Who says it.
    pub id: NodeId,
    /// Rises with every cast of one node.
    pub ver: Ver,
    /// A person's shout, not a periodic ping.
    pub shout: bool,
    /// What is said.
    pub text: Text<CAST_BYTES_MAX>,
}

/// What a signed body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A [`Card`].
    Card,
    /// A [`LinkState`].
    Links,
    /// A [`Cast`]: not kept, only passed on.
    Cast,
}

impl Kind {
    /// What is mixed into the signature, so that one kind never passes for another.
    fn purpose(self) -> &'static str {
        match self {
            Kind::Card => "card",
            Kind::Links => "links",
            Kind::Cast => "cast",
        }
    }
}

/// A record as it travels: its body and the author's signature over it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// Which kind of record the body is.
    pub kind: Kind,
    /// Public key of the author, 32 bytes.
    pub key: [u8; 32],
    /// Postcard encoding of the [`Card`] or [`LinkState`].
    pub body: Blob<RECORD_BYTES_MAX>,
    /// Ed25519 signature, 64 bytes.
    pub sig: Blob<64>,
}

/// A [`Signed`] that can be nothing but a card, and no longer than one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedCard {
    /// Public key of the author, 32 bytes.
    pub key: [u8; 32],
    /// Postcard encoding of the [`Card`].
    pub body: Blob<CARD_BYTES_MAX>,
    /// Ed25519 signature, 64 bytes.
    pub sig: Blob<64>,
}

impl SignedCard {
    /// The card of a record; none if it is no card or longer than cards are.
    pub fn of(record: &Record) -> Option<SignedCard> {
        let signed = record.signed();
        let body = Blob::new(signed.body.to_vec()).ok().filter(|_| signed.kind == Kind::Card)?;
        Some(SignedCard { key: signed.key, body, sig: signed.sig.clone() })
    }

    /// As any record travels; still to be opened.
    pub fn into_signed(self) -> Signed {
        let body = Blob::new(self.body.to_vec()).expect("a card's bound is below any record's");
        Signed { kind: Kind::Card, key: self.key, body, sig: self.sig }
    }
}

/// The content of a verified record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A node's description of itself.
    Card(Card),
    /// A node's links.
    Links(LinkState),
    /// Something said to everyone.
    Cast(Cast),
}

impl Body {
    fn id_and_ver(&self) -> (NodeId, Ver) {
        match self {
            Body::Card(card) => (card.id(), card.ver),
            Body::Links(links) => (links.id, links.ver),
            Body::Cast(cast) => (cast.id, cast.ver),
        }
    }
}

/// A record whose signature, author and form were checked. All who hold it share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record(Arc<Opened>);

#[derive(Debug, PartialEq, Eq)]
struct Opened {
    id: NodeId,
    ver: Ver,
    body: Body,
    signed: Arc<Signed>,
    hash: u64,
}

/// Why a record was not accepted. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// The signature does not fit the key and the body.
    #[error("the signature is wrong")]
    Signature,
    /// The body cannot be read.
    #[error("the body cannot be read")]
    Body,
    /// The body speaks for another node than the one that signed.
    #[error("it speaks for another node than its signer")]
    Author,
    /// The epoch is beyond [`EPOCH_MAX`].
    #[error("its epoch is absurdly far in the future")]
    Epoch,
    /// Links are not in order, appear twice, or lead to the node itself.
    #[error("its links are out of order, doubled or lead to itself")]
    Links,
}

/// Signs and checks; Ed25519 in the daemon, something cheap in the simulator.
pub trait Crypto {
    /// The public key signatures by [`Crypto::sign`] check against, 32 bytes.
    fn key(&self) -> [u8; 32];
    /// Signs `message` with the node's own key; 64 bytes.
    fn sign(&self, message: &[u8]) -> [u8; 64];
    /// Whether `sig` is a signature of `message` by the holder of `key`.
    fn verify(&self, key: &[u8; 32], message: &[u8], sig: &[u8]) -> bool;
    /// Checks what came. Who simulates many nodes remembers here what one of them has checked.
    fn open(&self, signed: &Arc<Signed>) -> Result<Record, BadRecord> {
        signed.open(self)
    }
}

/// What is signed: `"kith1/" ‖ purpose ‖ 0x00 ‖ bytes`.
pub fn domain_separated(purpose: &str, bytes: &[u8]) -> Vec<u8> {
    [b"kith1/", purpose.as_bytes(), &[0], bytes].concat()
}

/// Bytes of a record on the wire that are not its body.
const AROUND_BODY: usize = 128;

impl Signed {
    /// About how many bytes it takes on the wire.
    pub fn size(&self) -> usize {
        self.body.len() + AROUND_BODY
    }

    /// What it costs of a budget: a long link state takes more to check, to keep and to derive from than a short
    /// one.
    pub fn cost(&self) -> u32 {
        1 + u32::try_from(self.body.len() / 4096).unwrap_or(u32::MAX - 1)
    }

    /// The version it claims, unchecked; none if that cannot be read.
    pub fn claimed_ver(&self) -> Option<Ver> {
        let key_and_network = |body| postcard::take_from_bytes::<([u8; 32], Text<64>, Ver)>(body);
        let id = |body| postcard::take_from_bytes::<(NodeId, Ver)>(body);
        match self.kind {
            Kind::Card => key_and_network(&self.body).ok().map(|((.., ver), _)| ver),
            Kind::Links | Kind::Cast => id(&self.body).ok().map(|((_, ver), _)| ver),
        }
    }

    /// Checks author, signature and form. `Err` means: drop it, count it.
    pub fn open<C: Crypto + ?Sized>(self: &Arc<Self>, crypto: &C) -> Result<Record, BadRecord> {
        let message = domain_separated(self.kind.purpose(), &self.body);
        if !crypto.verify(&self.key, &message, &self.sig) {
            return Err(BadRecord::Signature);
        }
        let body = match self.kind {
            Kind::Card => Body::Card(parse(&self.body)?),
            Kind::Links => Body::Links(parse(&self.body)?),
            Kind::Cast => Body::Cast(parse(&self.body)?),
        };
        let (id, ver) = body.id_and_ver();
        if id != NodeId::of_key(&self.key) {
            return Err(BadRecord::Author);
        }
        if ver.epoch > EPOCH_MAX {
            return Err(BadRecord::Epoch);
        }
        if let Body::Links(state) = &body {
            let ordered = state.links.windows(2).all(|w| w[0].peer < w[1].peer);
            if !ordered || state.links.iter().any(|l| l.peer == id) {
                return Err(BadRecord::Links);
            }
        }
        Ok(Record::new(id, ver, body, self.clone()))
    }
}

/// Reads a body and refuses bytes left over behind it.
fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, BadRecord> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(BadRecord::Body),
    }
}

impl Record {
    /// Signs `body` with the node's own key.
    pub fn sign(body: Body, crypto: &dyn Crypto) -> Record {
        let (kind, bytes) = match &body {
            Body::Card(card) => (Kind::Card, postcard::to_stdvec(card)),
            Body::Links(links) => (Kind::Links, postcard::to_stdvec(links)),
            Body::Cast(cast) => (Kind::Cast, postcard::to_stdvec(cast)),
        };
        let (id, ver) = body.id_and_ver();
        let bytes = bytes.expect("a record of bounded lists always encodes");
        let sig = crypto.sign(&domain_separated(kind.purpose(), &bytes));
        let signed = Signed {
            kind,
            key: crypto.key(),
            body: Blob::new(bytes).expect("1,024 links of at most 48 bytes fit the bound"),
            sig: Blob::new(sig.to_vec()).expect("a signature is 64 bytes"),
        };
        Record::new(id, ver, body, Arc::new(signed))
    }

    fn new(id: NodeId, ver: Ver, body: Body, signed: Arc<Signed>) -> Record {
        let hash = hash(&id, signed.kind, ver);
        Record(Arc::new(Opened { id, ver, body, signed, hash }))
    }

    /// Whom it speaks for.
    pub fn id(&self) -> NodeId {
        self.0.id
    }

    /// Its version.
    pub fn ver(&self) -> Ver {
        self.0.ver
    }

    /// Which kind it is.
    pub fn kind(&self) -> Kind {
        self.0.signed.kind
    }

    /// What it says.
    pub fn body(&self) -> &Body {
        &self.0.body
    }

    /// The card, if it is one.
    pub fn card(&self) -> Option<&Card> {
        match &self.0.body {
            Body::Card(card) => Some(card),
            _ => None,
        }
    }

    /// The link state, if it is one.
    pub fn links(&self) -> Option<&LinkState> {
        match &self.0.body {
            Body::Links(links) => Some(links),
            _ => None,
        }
    }

    /// The bytes to pass on.
    pub fn signed(&self) -> &Arc<Signed> {
        &self.0.signed
    }

    /// What it adds to the digest of a graph.
    pub fn hash(&self) -> u64 {
        self.0.hash
    }
}

/// The first 8 bytes of SHA-256 over id, kind and version.
fn hash(id: &NodeId, kind: Kind, ver: Ver) -> u64 {
    let mut sha = Sha256::new();
    sha.update(id.0);
    sha.update(kind.purpose());
    sha.update(ver.epoch.to_le_bytes());
    sha.update(ver.seq.to_le_bytes());
    let digest = sha.finalize();
    u64::from_le_bytes(digest[..8].try_into().expect("SHA-256 gives 32 bytes"))
}
