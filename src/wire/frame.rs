//! Frames: a big-endian u32 length, one byte of kind, and a payload.
//!
//! The length counts kind and payload. It is checked before anything is allocated: at most 4 KiB until the
//! peer is authenticated, at most 64 KiB and a few bytes after.
//!
//! Blocks of files are frames of kind 7 whose payload is no postcard: a request (8 bytes, big-endian), an offset
//! (4 bytes, big-endian) and the bytes as they are on the disk, so that nothing copies them on their way. Packets
//! of the mail are frames of kind 8: a number (4 bytes, big-endian) and an onion of one of two lengths.

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::mail::frame::MailFrame;
use crate::mail::onion::Size;
use crate::mesh::gossip::{Beat, Gossip};
use crate::mesh::peers::Bye;
use crate::mesh::record::Signed;
use crate::pieces::BLOCK_BYTES;
use crate::pieces::frame::PieceFrame;
use crate::wire::bounded::{List, Text};

/// Version of the protocol spoken here; the other end must speak the same.
pub const VERSION: u16 = 1;
/// Bytes of the length in front of a frame.
pub const LENGTH_BYTES: usize = 4;
/// Bytes of length and kind.
pub const HEADER_BYTES: usize = LENGTH_BYTES + 1;
/// Longest payload.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024;
/// Bytes between the kind of a block's frame and the block: request and offset.
pub const GIVE_BYTES: usize = 12;
/// Shortest block that does not end what it answers. Blocks of a byte would cost the asker a thousand times
/// what their bytes do.
pub const BLOCK_BYTES_MIN: usize = 4 * 1024;
/// Longest frame (kind and payload) once the peer is authenticated.
pub const LINK_BYTES_MAX: usize = 1 + GIVE_BYTES + BLOCK_BYTES;
/// Longest frame (kind and payload) before the peer is authenticated.
pub const UNTRUSTED_BYTES_MAX: usize = 4 * 1024;

/// The first thing either end says inside TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u16,
    /// Name of the network.
    pub network: Text<64>,
    /// HMAC over the TLS exporter, when the network has a secret.
    pub proof: Option<[u8; 32]>,
    /// Round trip the dialler measured while connecting, microseconds; 0 from the acceptor.
    pub rtt_us: u32,
    /// The sender's card; its author must be who TLS says.
    pub card: Signed,
}

/// The last thing either end says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByeFrame {
    /// Why.
    pub why: Bye,
    /// Cards of others, when there is no room here.
    pub cards: List<Signed, 32>,
}

/// Everything that crosses a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Who I am.
    Hello(Box<Hello>),
    /// The dialler wants this link. Nothing but [`Frame::Bye`] may come before it from the dialler.
    Ready,
    /// I close this link.
    Bye(ByeFrame),
    /// Heartbeats.
    Beat(Beat),
    /// Records, digests, pings.
    Gossip(Gossip),
    /// Who holds what, and who wants it. Blocks are no `Frame`: see [`Give`].
    Pieces(PieceFrame),
    /// A packet of the mail: exactly as long as one of both sizes.
    Packet(Packet),
    /// Letters that are kept, and packets that were not taken.
    Mail(MailFrame),
}

/// An onion and the number it has between two neighbours, with which a busy one gives it back.
#[derive(Clone, PartialEq, Eq)]
pub struct Packet {
    /// Chosen by who sends it.
    pub number: u32,
    /// The onion.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Packet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "packet {} of {} bytes", self.number, self.bytes.len())
    }
}

/// What stands in front of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Give {
    /// The request it answers.
    pub request: u64,
    /// Its first byte's place among the bytes asked for.
    pub offset: u32,
}

impl Give {
    /// Length, kind, request and offset in front of `bytes` (at most [`BLOCK_BYTES`]) bytes.
    pub fn head(self, bytes: usize) -> [u8; HEADER_BYTES + GIVE_BYTES] {
        let mut head = [0; HEADER_BYTES + GIVE_BYTES];
        let len = u32::try_from(1 + GIVE_BYTES + bytes).unwrap_or(u32::MAX);
        head[..4].copy_from_slice(&len.to_be_bytes());
        head[4] = GIVE;
        head[5..13].copy_from_slice(&self.request.to_be_bytes());
        head[13..].copy_from_slice(&self.offset.to_be_bytes());
        head
    }

    /// Reads what follows the kind. A block has at least one byte: `len` is that of kind and payload.
    pub fn read(bytes: [u8; GIVE_BYTES], len: usize) -> Result<(Give, usize), FrameError> {
        let (request, offset) = bytes.split_at(8);
        let request = u64::from_be_bytes(request.try_into().expect("8 of 12 bytes"));
        let offset = u32::from_be_bytes(offset.try_into().expect("4 of 12 bytes"));
        match len.checked_sub(1 + GIVE_BYTES) {
            None | Some(0) => Err(FrameError::Malformed(GIVE)),
            Some(bytes) => Ok((Give { request, offset }, bytes)),
        }
    }
}

/// Whether a frame of this kind is a block.
pub fn is_block(kind: u8) -> bool {
    kind == GIVE
}

/// Which of a link's outgoing queues a frame waits in. The highest that has one goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Heartbeats and control.
    Urgent,
    /// Gossip and packets.
    Normal,
    /// Blocks of files, and what neighbours compare.
    Bulk,
}

/// Why bytes are not a frame. The link that sent them is closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length is zero: not even a kind.
    #[error("a frame of length 0")]
    Empty,
    /// The length is over its bound.
    #[error("a frame of {len} bytes, {max} are the most")]
    TooLong {
        /// What was announced.
        len: usize,
        /// What is allowed.
        max: usize,
    },
    /// No frame has this kind.
    #[error("an unknown kind of frame: {0}")]
    UnknownKind(u8),
    /// The payload cannot be read.
    #[error("a frame of kind {0} that cannot be read")]
    Malformed(u8),
}

const HELLO: u8 = 1;
const READY: u8 = 2;
const BYE: u8 = 3;
const BEAT: u8 = 4;
const GOSSIP: u8 = 5;
const PIECES: u8 = 6;
const GIVE: u8 = 7;
const PACKET: u8 = 8;
const MAIL: u8 = 9;

/// Bytes of the number in front of a packet, big-endian.
const NUMBER_BYTES: usize = 4;

impl Frame {
    /// The lane it travels in.
    pub fn lane(&self) -> Lane {
        match self {
            Frame::Hello(_) | Frame::Ready | Frame::Bye(_) | Frame::Beat(_) => Lane::Urgent,
            // What a newcomer is given lets pass what happens meanwhile. Nobody announces more than two records;
            // and what comes behind the records of a comparison must not overtake them.
            Frame::Gossip(Gossip::Records(records)) if records.len() > 2 => Lane::Bulk,
            Frame::Gossip(Gossip::Versions { .. } | Gossip::Want(_) | Gossip::Evened(_)) => {
                Lane::Bulk
            }
            Frame::Gossip(_) | Frame::Pieces(_) | Frame::Packet(_) | Frame::Mail(_) => Lane::Normal,
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Frame::Hello(_) => HELLO,
            Frame::Ready => READY,
            Frame::Bye(_) => BYE,
            Frame::Beat(_) => BEAT,
            Frame::Gossip(_) => GOSSIP,
            Frame::Pieces(_) => PIECES,
            Frame::Packet(_) => PACKET,
            Frame::Mail(_) => MAIL,
        }
    }
}

/// The whole frame, length included. An error means the frame is larger than any frame may be; nothing
/// that the mesh says is.
pub fn encode(frame: &Frame) -> Result<Bytes, FrameError> {
    let mut buffer = BytesMut::with_capacity(128);
    buffer.put_u32(0);
    buffer.put_u8(frame.kind());
    let writer = Extend(buffer);
    let written = match frame {
        Frame::Hello(hello) => postcard::serialize_with_flavor(hello, writer),
        Frame::Ready => Ok(writer.0),
        Frame::Bye(bye) => postcard::serialize_with_flavor(bye, writer),
        Frame::Beat(beat) => postcard::serialize_with_flavor(beat, writer),
        Frame::Gossip(gossip) => postcard::serialize_with_flavor(gossip, writer),
        Frame::Pieces(pieces) => postcard::serialize_with_flavor(pieces, writer),
        Frame::Mail(mail) => postcard::serialize_with_flavor(mail, writer),
        Frame::Packet(packet) => {
            let mut buffer = writer.0;
            buffer.put_u32(packet.number);
            buffer.put_slice(&packet.bytes);
            Ok(buffer)
        }
    };
    let mut buffer = written.map_err(|_| FrameError::Malformed(frame.kind()))?;
    let len = buffer.len() - LENGTH_BYTES;
    let max = PAYLOAD_BYTES_MAX + 1;
    match u32::try_from(len) {
        Ok(short) if len <= max => buffer[..LENGTH_BYTES].copy_from_slice(&short.to_be_bytes()),
        _ => return Err(FrameError::TooLong { len, max }),
    }
    Ok(buffer.freeze())
}

/// Checks an announced length (of kind and payload) before room is made for it.
pub fn frame_len(header: [u8; LENGTH_BYTES], max: usize) -> Result<usize, FrameError> {
    let len = usize::try_from(u32::from_be_bytes(header)).unwrap_or(usize::MAX);
    match len {
        0 => Err(FrameError::Empty),
        len if len > max => Err(FrameError::TooLong { len, max }),
        len => Ok(len),
    }
}

/// Reads kind and payload. Never panics, and allocates no more than the payload could fill.
pub fn decode(frame: &[u8]) -> Result<Frame, FrameError> {
    let (kind, payload) = frame.split_first().ok_or(FrameError::Empty)?;
    match *kind {
        HELLO => read(*kind, payload).map(|hello| Frame::Hello(Box::new(hello))),
        READY if payload.is_empty() => Ok(Frame::Ready),
        READY => Err(FrameError::Malformed(READY)),
        BYE => read(*kind, payload).map(Frame::Bye),
        BEAT => read(*kind, payload).map(Frame::Beat),
        GOSSIP => read(*kind, payload).map(Frame::Gossip),
        PIECES => read(*kind, payload).map(Frame::Pieces),
        PACKET => packet(payload).map(Frame::Packet),
        MAIL => read(*kind, payload).map(Frame::Mail),
        other => Err(FrameError::UnknownKind(other)),
    }
}

/// A packet has one of two lengths: any other is no packet, and ends the link.
fn packet(payload: &[u8]) -> Result<Packet, FrameError> {
    let malformed = FrameError::Malformed(PACKET);
    let (number, bytes) = payload.split_first_chunk::<NUMBER_BYTES>().ok_or(malformed.clone())?;
    Size::of_packet(bytes.len()).ok_or(malformed)?;
    Ok(Packet { number: u32::from_be_bytes(*number), bytes: bytes.to_vec() })
}

fn read<T: serde::de::DeserializeOwned>(kind: u8, payload: &[u8]) -> Result<T, FrameError> {
    match postcard::take_from_bytes(payload) {
        Ok((value, [])) => Ok(value),
        _ => Err(FrameError::Malformed(kind)),
    }
}

/// Lets postcard write behind the header that is there already.
struct Extend(BytesMut);

impl postcard::ser_flavors::Flavor for Extend {
    type Output = BytesMut;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.put_u8(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.put_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<BytesMut> {
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mail::frame::Kept;
    use crate::mail::rows::KeptLetter;
    use crate::mesh::gossip::{BUCKETS, BucketSet, Name, Pushed, Versions};
    use std::sync::Arc;

    use crate::mesh::record::{Kind, SignedCard};
    use crate::mesh::route::{Hop, Routed, Word};
    use crate::mesh::{NodeId, Ver};
    use crate::pieces::frame::{Held, Nope, Part};
    use crate::pieces::{FileId, holding};
    use crate::wire::bounded::Blob;

    fn signed(kind: Kind) -> Signed {
        let body = Blob::new(vec![1, 2, 3]).expect("fits");
        Signed { kind, key: [9; 32], body, sig: Blob::new(vec![7; 64]).expect("fits") }
    }

    fn samples() -> Vec<Frame> {
        let (id, ver) = (NodeId([3; 32]), Ver { epoch: 1_800_000_000_000, seq: 9 });
        let network = Text::new("kith").expect("fits");
        let card = signed(Kind::Card);
        let hello = Hello { version: VERSION, network, proof: Some([1; 32]), rtt_us: 60, card };
        let versions = Versions { id, card: ver, links: ver };
        let beats = [
            Beat::Ping { sent_us: 1, rtt_us: 2, root: 3 },
            Beat::Pong { sent_us: 1, root: 3 },
            Beat::Ask { target: id },
            Beat::Answer { target: id, age_ms: Some(5) },
        ];
        let Signed { key, sig, .. } = signed(Kind::Card);
        let body = Blob::new(vec![1, 2, 3]).expect("fits");
        let lone_card = SignedCard { key, body, sig };
        let way = List::first_of([Hop { node: id, us: 7 }; 3]);
        let gossip = [
            Gossip::Records(List::first_of([Arc::new(signed(Kind::Links))])),
            Gossip::Digest(List::first_of([u64::MAX; BUCKETS])),
            Gossip::Versions { buckets: BucketSet::default(), have: List::first_of([versions]) },
            Gossip::Want(List::first_of([(id, Kind::Card)])),
            Gossip::Cast(Arc::new(signed(Kind::Cast))),
            Gossip::Push(List::first_of([Pushed { hops: 3, signed: signed(Kind::Cast).into() }])),
            Gossip::IHave(List::first_of([Name { id: [4; 8], kind: Kind::Links, ver }])),
            Gossip::Graft(List::first_of([Name { id: [4; 8], kind: Kind::Cast, ver }])),
            Gossip::Prune,
            Gossip::Evened(BucketSet::default()),
            Gossip::Route(Routed::Out { to: id, way: way.clone(), word: Word::CallMe(lone_card) }),
            Gossip::Route(Routed::Out {
                to: id,
                way: way.clone(),
                word: Word::Probe { number: 5 },
            }),
            Gossip::Route(Routed::Back { number: 5, way, arrived: true }),
        ];
        let mut all = vec![Frame::Hello(Box::new(hello)), Frame::Ready];
        all.push(Frame::Bye(ByeFrame {
            why: Bye::Full,
            cards: List::first_of([signed(Kind::Card)]),
        }));
        all.extend(beats.map(Frame::Beat));
        all.extend(gossip.map(Frame::Gossip));
        let (file, request) = (FileId([4; 32]), 1 << 40);
        let sig = Blob::new(vec![7; 64]).expect("fits");
        let holding = holding::Signed { file, key: [9; 32], until_ms: 1_800_000_000_000, sig };
        let bits = Blob::new(vec![0b101]).expect("fits");
        let pieces = [
            PieceFrame::Have { file, manifest_bytes: 70, held: Held::Some(bits), wants: true },
            PieceFrame::More { file, pieces: List::first_of([0, 65_535]) },
            PieceFrame::Ask { request, file, part: Part::Piece(7), offset: 0, bytes: 1 << 20 },
            PieceFrame::Nope { request, why: Nope::Busy },
            PieceFrame::Cancel { request },
            PieceFrame::Announce(List::first_of([holding.clone()])),
            PieceFrame::Seek { file },
            PieceFrame::Peer { file, holdings: List::first_of([holding]) },
        ];
        all.extend(pieces.map(Frame::Pieces));
        let bytes = vec![3; Size::Small.packet_bytes()];
        all.push(Frame::Packet(Packet { number: u32::MAX - 1, bytes }));
        let letter = KeptLetter { token: [1; 16], expires_ms: 2, sealed: vec![3; 1000] };
        let mail = [
            MailFrame::Busy { number: 9 },
            MailFrame::AskKeep,
            MailFrame::WillKeep { until_ms: 1_800_000_000_000 },
            MailFrame::Waiting,
            MailFrame::Fetch { but: List::first_of([[1; 16]]) },
            MailFrame::Kept(Kept::of(&letter).expect("fits")),
            MailFrame::NoMore { more: true },
            MailFrame::Fetched { tokens: List::first_of([[1; 16], [2; 16]]) },
        ];
        all.extend(mail.map(Frame::Mail));
        all
    }

    #[test]
    fn the_largest_messages_about_files_fit_a_frame() {
        let sig = Blob::new(vec![7; 64]).expect("fits");
        let file = FileId([4; 32]);
        let holding = holding::Signed { file, key: [9; 32], until_ms: u64::MAX, sig };
        let bits = Blob::new(vec![255; 8192]).expect("fits");
        for largest in [
            PieceFrame::Announce(List::first_of(vec![holding; 256])),
            PieceFrame::More { file, pieces: List::first_of(0..4096 + 61_440) },
            PieceFrame::Have { file, manifest_bytes: 1, held: Held::Some(bits), wants: true },
        ] {
            assert!(encode(&Frame::Pieces(largest)).is_ok());
        }
    }

    #[test]
    fn a_block_says_what_it_answers() {
        let give = Give { request: u64::MAX - 1, offset: 65_536 };
        let head = give.head(BLOCK_BYTES);
        let len = frame_len(head[..4].try_into().expect("4 bytes"), LINK_BYTES_MAX);
        assert_eq!(len, Ok(LINK_BYTES_MAX));
        assert!(is_block(head[4]));
        let rest = head[5..].try_into().expect("12 bytes");
        assert_eq!(Give::read(rest, LINK_BYTES_MAX), Ok((give, BLOCK_BYTES)));
        assert_eq!(Give::read(rest, 1 + GIVE_BYTES), Err(FrameError::Malformed(GIVE)));
        assert_eq!(Give::read(rest, 3), Err(FrameError::Malformed(GIVE)));
    }

    #[test]
    fn every_frame_survives_the_wire() {
        for frame in samples() {
            let bytes = encode(&frame).expect("encodes");
            let header = bytes[..LENGTH_BYTES].try_into().expect("4 bytes");
            assert_eq!(frame_len(header, PAYLOAD_BYTES_MAX + 1), Ok(bytes.len() - LENGTH_BYTES));
            assert_eq!(decode(&bytes[LENGTH_BYTES..]), Ok(frame));
        }
    }

    #[test]
    fn a_frame_cut_or_followed_by_anything_is_refused() {
        for frame in samples() {
            let bytes = encode(&frame).expect("encodes");
            let body = &bytes[LENGTH_BYTES..];
            for end in 0..body.len() {
                assert!(decode(&body[..end]).is_err(), "{frame:?} cut at {end}");
            }
            assert!(decode(&[body, &[0]].concat()).is_err(), "{frame:?} with a byte more");
        }
    }

    #[test]
    fn lengths_are_checked_before_room_is_made() {
        let max = UNTRUSTED_BYTES_MAX;
        assert_eq!(frame_len([0; 4], max), Err(FrameError::Empty));
        assert_eq!(frame_len([0, 0, 0x10, 0], max), Ok(4096));
        assert_eq!(frame_len([0, 0, 0x10, 1], max), Err(FrameError::TooLong { len: 4097, max }));
        let len = 0xffff_ffff;
        assert_eq!(frame_len([0xff; 4], max), Err(FrameError::TooLong { len, max }));
        assert_eq!(decode(&[0, 1]), Err(FrameError::UnknownKind(0)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_bytes_make_decode_panic(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn no_flipped_bit_makes_decode_panic(which in 0..26usize, at in any::<prop::sample::Index>(), bit in 0..8u8) {
            let samples = samples();
            let mut bytes = encode(&samples[which % samples.len()]).expect("encodes").to_vec();
            let at = at.index(bytes.len() - LENGTH_BYTES) + LENGTH_BYTES;
            bytes[at] ^= 1 << bit;
            if let Ok(frame) = decode(&bytes[LENGTH_BYTES..]) {
                // What can be read can be written again.
                prop_assert!(encode(&frame).is_ok());
            }
        }
    }
}
