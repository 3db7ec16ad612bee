//! A sealer that costs a microsecond and keeps what the courier can see of the real one: only the node whose key a
//! layer names takes it off, a node learns the next one alone, each packet has a tag for each key, a letter opens
//! with the key it was sealed for and tells who signed it, an answer is known by its mark.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::kith::mail::LetterId;
use super::kith::mail::keys::KeyRing;
use super::kith::mail::onion::{HOPS_MAX, Hop};
use super::kith::mail::seal::{self, Inner, Kind};
use super::kith::mail::shards;
use super::kith::mail::work::{
    Bad, Layer, Opened, Part, Peel, ReadReply, Sealer, Store, Tag, WHOLE_BYTES_MAX, What, Word,
    Wrap, Wrapped,
};
use super::kith::mesh::NodeId;

pub struct Toy {
    pub me: NodeId,
    pub key: [u8; 32],
}

/// What its last hop finds in a packet.
#[derive(Serialize, Deserialize)]
enum Load {
    Letter(Vec<u8>),
    Store { reader: NodeId, token: [u8; 16], expires_ms: u64, block: Vec<u8>, sealed: Vec<u8> },
    Reply { mark: [u8; 16], sealed: Vec<u8> },
}

/// A sealed letter.
#[derive(Serialize, Deserialize)]
struct Letter {
    reader: NodeId,
    to: u32,
    sender: [u8; 32],
    kind: u8,
    id: LetterId,
    created_ms: u64,
    ttl_s: u32,
    body: Vec<u8>,
}

/// A way back.
#[derive(Serialize, Deserialize)]
struct Block {
    route: Vec<(NodeId, [u8; 32])>,
    mark: [u8; 16],
    nonce: [u8; 8],
}

/// What stands in front of the hops: a number of its own, and how many layers are off.
const HEAD: usize = 8 + 1 + 1;
const HOP: usize = 64;

fn packet(nonce: [u8; 8], route: &[(NodeId, [u8; 32])], load: &Load) -> Result<Vec<u8>, String> {
    if route.is_empty() || route.len() > HOPS_MAX {
        return Err(format!("{} hops cannot be", route.len()));
    }
    let mut bytes = nonce.to_vec();
    bytes.extend([0, route.len() as u8]);
    for (id, key) in route {
        bytes.extend(id.0);
        bytes.extend(key);
    }
    Ok(postcard::to_extend(load, bytes).expect("encodes"))
}

fn hops(route: &[Hop]) -> Vec<(NodeId, [u8; 32])> {
    route.iter().map(|hop| (hop.id, hop.key)).collect()
}

/// The n-th number made of a seed.
fn nonce(seed: &[u8; 32], n: u64) -> [u8; 8] {
    let first = u64::from_le_bytes(*seed.first_chunk().expect("32 bytes"));
    first.wrapping_add(n.wrapping_mul(0x9E37_79B9_7F4A_7C15)).to_le_bytes()
}

impl Toy {
    fn open(&self, peel: &Peel, tag: Option<Tag>, sealed: &[u8]) -> Opened {
        let Ok((letter, [])) = postcard::take_from_bytes::<Letter>(sealed) else {
            return Opened::Bad(Bad::Malformed);
        };
        if letter.reader != self.me || peel.keys.secret_of(letter.to, peel.now_ms).is_none() {
            return Opened::Bad(Bad::Key);
        }
        let kind = match letter.kind {
            0 => Kind::Text,
            1 => Kind::Receipt,
            2 => Kind::Fragment,
            _ => return Opened::Bad(Bad::Kind),
        };
        let Letter { id, created_ms, ttl_s, body, sender, .. } = letter;
        let inner = Inner { kind, id, created_ms, ttl_s, body };
        let opened = seal::Opened { sender: NodeId::of_key(&sender), sender_key: sender, inner };
        Opened::Letter { tag, letter: Box::new(opened) }
    }

    fn seal(&self, what: &What, part: &Part) -> Result<(NodeId, Vec<u8>), String> {
        let What::Letter { reader, to, kind, id, created_ms, ttl_s, body, split } = what else {
            return Err("not a letter".into());
        };
        let (kind, body) = match (split, kind) {
            (Some((shards, seed)), _) => {
                let context = [id.0.as_slice(), &reader.0].concat();
                let all = shards::split(body, shards.k, shards.n, &context, seed)
                    .map_err(|e| e.to_string())?;
                let fragment = all.get(usize::from(part.index)).ok_or("no such fragment")?;
                (2, fragment.encode().map_err(|e| e.to_string())?)
            }
            (None, Kind::Receipt) => (1, body.to_vec()),
            (None, _) => (0, body.to_vec()),
        };
        if body.len() > WHOLE_BYTES_MAX {
            return Err("it does not fit a packet".into());
        }
        let (reader, to, sender) = (*reader, to.id, self.key);
        let (id, created_ms, ttl_s) = (*id, *created_ms, *ttl_s);
        let letter = Letter { reader, to, sender, kind, id, created_ms, ttl_s, body };
        Ok((reader, postcard::to_stdvec(&letter).expect("encodes")))
    }
}

impl Sealer for Toy {
    fn wrap(&self, wrap: &Wrap) -> Result<Vec<Wrapped>, String> {
        if let What::Reply { block, word } = &wrap.what {
            let block: Block = postcard::from_bytes(block).map_err(|e| e.to_string())?;
            let sealed = vec![u8::from(*word == Word::Kept), block.nonce[0]];
            let load = Load::Reply { mark: block.mark, sealed };
            let packet = packet(block.nonce, &block.route, &load)?;
            return Ok(vec![Wrapped { first: block.route[0].0, packet, reply: None }]);
        }
        let mut out = Vec::new();
        for (n, part) in wrap.parts.iter().enumerate() {
            let (reader, sealed) = self.seal(&wrap.what, part)?;
            let (load, reply) = match &part.store {
                None => (Load::Letter(sealed), None),
                Some(Store { token, expires_ms, back }) => {
                    let mut reply = None;
                    let block = back.as_ref().map_or(Vec::new(), |(route, mark)| {
                        let nonce = nonce(&wrap.seed, 1000 + n as u64);
                        reply = Some(ReadReply(Arc::new(move |sealed| match sealed {
                            [1, first] if *first == nonce[0] => Some(Word::Kept),
                            [0, first] if *first == nonce[0] => Some(Word::Full),
                            _ => None,
                        })));
                        let block = Block { route: hops(route), mark: *mark, nonce };
                        postcard::to_stdvec(&block).expect("encodes")
                    });
                    let (token, expires_ms) = (*token, *expires_ms);
                    (Load::Store { reader, token, expires_ms, block, sealed }, reply)
                }
            };
            let packet = packet(nonce(&wrap.seed, n as u64), &hops(&part.route), &load)?;
            out.push(Wrapped { first: part.route[0].id, packet, reply });
        }
        Ok(out)
    }

    fn peel(&self, peel: Peel) -> Opened {
        let mut bytes = match &peel.what {
            Layer::Sealed(sealed) => return self.open(&peel, None, sealed),
            Layer::Packet(packet) => packet.clone(),
        };
        let Some((at, key, next)) = layer(&bytes) else { return Opened::Bad(Bad::Malformed) };
        if !opens(&peel.keys, peel.now_ms, &key) {
            return Opened::Bad(Bad::Mac);
        }
        let mut tag = [at; 16];
        tag[..8].copy_from_slice(&bytes[..8]);
        let tag = Tag { key, tag };
        if let Some(next) = next {
            bytes[8] += 1;
            return Opened::Forward { tag, next, packet: bytes };
        }
        let load = &bytes[HEAD + HOP * usize::from(bytes[9])..];
        match postcard::take_from_bytes(load) {
            Ok((Load::Letter(sealed), [])) => self.open(&peel, Some(tag), &sealed),
            Ok((Load::Store { reader, token, expires_ms, block, sealed }, [])) => {
                Opened::Store { tag, reader, token, expires_ms, block, sealed }
            }
            Ok((Load::Reply { mark, sealed }, [])) => Opened::Reply { tag, mark, sealed },
            _ => Opened::Bad(Bad::Malformed),
        }
    }
}

/// How many layers are off, whose the next one is, and who comes after.
fn layer(packet: &[u8]) -> Option<(u8, [u8; 32], Option<NodeId>)> {
    let (at, count) = (*packet.get(8)?, *packet.get(9)?);
    let hop = |n: u8| packet.get(HEAD + HOP * usize::from(n)..)?.first_chunk::<HOP>();
    let key = (at < count).then(|| hop(at))??[32..].try_into().ok()?;
    let next = (at + 1 < count).then(|| hop(at + 1)).flatten();
    let next = next.map(|hop| NodeId(hop[..32].try_into().expect("32 bytes")));
    (packet.len() >= HEAD + HOP * usize::from(count)).then_some((at, key, next))
}

fn opens(keys: &KeyRing, now_ms: u64, key: &[u8; 32]) -> bool {
    keys.onion_secrets(now_ms).iter().any(|secret| secret.public() == *key)
}
