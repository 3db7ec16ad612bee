//! One connection from its first byte to its last: TCP, TLS, hello, frames.
//!
//! Everything is bounded: the handshake in time, every frame in bytes, what waits to be written in its
//! lane. Pongs are answered here, so that a busy actor cannot make a live node look dead.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::{AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;

use super::buffers::Buffer;
use super::counted::Counted;
use super::goodbye::{said, say_bye};
use super::lanes::{Item, Lanes, Link};
use super::proof::{Role, proof, proof_fits};
use super::reader::{FrameReader, Head};
use super::stream::Stream;
use super::tally::Tally;
use super::tls::{Tls, identity_mismatch};
use super::wanted::{Landing, Unasked};
use crate::mesh::gossip::Beat;
use crate::mesh::peers::{Bye, Ended};
use crate::mesh::record::{Crypto, Record};
use crate::mesh::{NodeId, Time};
use crate::pieces::frame::PieceFrame;
use crate::wire::bounded::Text;
use crate::wire::{
    ByeFrame, Frame, Hello, LINK_BYTES_MAX, Lane, UNTRUSTED_BYTES_MAX, VERSION, encode,
};

/// Bytes the kernel may hold unsent: a heartbeat waits behind no more than this.
const NOTSENT_LOWAT: u32 = 64 * 1024;
/// How long a closing link may still write what waits.
pub(super) const FLUSH: Duration = Duration::from_secs(2);
/// How often blocks that come in are told as a sign of life, at most.
const SIGN_EVERY: Duration = Duration::from_millis(250);

/// The daemon's clock: microseconds since it began.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// A clock that begins now.
    #[expect(clippy::new_without_default, reason = "a default that reads the clock would surprise")]
    pub fn new() -> Clock {
        Clock(Instant::now())
    }

    /// The time now.
    pub fn now(&self) -> Time {
        Time(u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

/// What every connection of a daemon shares. Not to be printed: the secret is in it.
pub struct Shared {
    /// Our TLS settings.
    pub tls: Tls,
    /// Our name of the network.
    pub network: Text<64>,
    /// The network's secret; empty means none.
    pub secret: Vec<u8>,
    /// The clock.
    pub clock: Clock,
    /// The digest of all we know; heartbeats carry it.
    pub root: AtomicU64,
    /// What is counted on all links.
    pub tally: Arc<Tally>,
}

/// Where a connection comes from.
#[derive(Debug)]
pub enum Origin {
    /// We dial.
    Dial {
        /// Where.
        addr: SocketAddr,
        /// Who must answer; anyone if none.
        expect: Option<NodeId>,
    },
    /// Somebody dialled us.
    Accepted(std::net::TcpStream),
}

/// TLS over TCP, whose bytes are counted.
type Encrypted = Stream<Counted<TcpStream>>;

/// A connection whose peer is known.
pub struct Session {
    /// Who it is.
    pub peer: NodeId,
    /// Its card as it said it.
    pub card: Record,
    /// First measure of the round trip, microseconds; 0 if there is none.
    pub rtt_us: u32,
    /// Our own end's address.
    pub local: SocketAddr,
    reader: FrameReader<ReadHalf<Encrypted>>,
    writer: WriteHalf<Encrypted>,
}

/// What comes in on a link.
#[derive(Debug)]
pub enum Incoming {
    /// A heartbeat, answered already if need be.
    Heard {
        /// When it was read.
        at: Time,
        /// The round trip it tells of, microseconds.
        rtt_us: Option<u32>,
        /// Its root digest is not ours.
        differs: bool,
    },
    /// Bytes of a block come in: the peer lives, however long its heartbeats wait behind them.
    Alive {
        /// When they were read.
        at: Time,
    },
    /// All bytes of a request are here.
    Whole {
        /// Which request.
        request: u64,
        /// Its bytes.
        buffer: Buffer,
    },
    /// Anything else.
    Frame(Frame),
}

/// Goes through TCP, TLS and hello. Bounded in time by the caller.
pub async fn establish(
    shared: &Shared,
    origin: Origin,
    card: &Record,
    crypto: &(dyn Crypto + Send + Sync),
) -> Result<Session, Ended> {
    let (stream, role, local, rtt_us) = match origin {
        Origin::Dial { addr, expect } => {
            let begun = Instant::now();
            let tcp = TcpStream::connect(addr).await.map_err(|e| dial_error(&e))?;
            let rtt_us = u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX).max(1);
            let local = prepare(&tcp)?;
            let tcp = Counted::new(tcp, shared.tally.clone());
            let tls = Stream::dial(shared.tls.client(expect), tcp).await;
            (tls.map_err(|e| tls_error(&e))?, Role::Dialler, local, rtt_us)
        }
        Origin::Accepted(socket) => {
            let tcp = TcpStream::from_std(socket).map_err(|e| Ended::Broken(e.to_string()))?;
            let local = prepare(&tcp)?;
            let tcp = Counted::new(tcp, shared.tally.clone());
            let tls = Stream::accept(shared.tls.server(), tcp).await;
            (tls.map_err(|e| tls_error(&e))?, Role::Acceptor, local, 0)
        }
    };
    greet(shared, stream, role, local, rtt_us, card, crypto).await
}

/// Exchanges hellos over a finished TLS handshake.
async fn greet(
    shared: &Shared,
    stream: Encrypted,
    role: Role,
    local: SocketAddr,
    rtt_us: u32,
    card: &Record,
    crypto: &(dyn Crypto + Send + Sync),
) -> Result<Session, Ended> {
    let broken = |e: &dyn std::fmt::Display| Ended::Broken(e.to_string());
    let (peer, key) = stream.peer_id().map_err(|e| broken(&e))?;
    let bound = stream.exporter().map_err(|e| broken(&e))?;
    let secret = (!shared.secret.is_empty()).then_some(&shared.secret);
    let hello = Hello {
        version: VERSION,
        network: shared.network.clone(),
        proof: secret.map(|s| proof(s, &bound, role, card.id(), peer)),
        rtt_us,
        card: (**card.signed()).clone(),
    };
    let hello = encode(&Frame::Hello(Box::new(hello))).map_err(|e| broken(&e))?;
    let (reader, mut writer) = tokio::io::split(stream);
    writer.write_all(&hello).await.map_err(|_| Ended::Lost)?;
    writer.flush().await.map_err(|_| Ended::Lost)?;
    let mut reader = FrameReader::new(reader, UNTRUSTED_BYTES_MAX);
    let theirs = match reader.next().await? {
        Frame::Hello(hello) => hello,
        // Before its hello it may be of another network: its cards are not looked at.
        Frame::Bye(bye) => return Err(Ended::Said(bye.why, Vec::new())),
        _ => return Err(Ended::Broken("it did not begin with a hello".into())),
    };
    let fits = |proof: &[u8; 32]| {
        secret.is_some_and(|s| proof_fits(proof, s, &bound, role, card.id(), peer))
    };
    let known = secret.is_none() || theirs.proof.as_ref().is_some_and(fits);
    if theirs.version != VERSION {
        let text = format!("it speaks version {} of the protocol, not {VERSION}", theirs.version);
        return Err(Ended::Broken(text));
    }
    if theirs.network != shared.network || !known {
        say_bye(&mut writer, Bye::WrongNetwork).await;
        reader.drain().await;
        return Err(Ended::WrongNetwork);
    }
    let card = Arc::new(theirs.card).open(crypto).map_err(|e| broken(&e))?;
    if card.id() != peer || card.card().is_none_or(|c| c.key != key) {
        return Err(Ended::Broken("its card is somebody else's".into()));
    }
    let rtt_us = if role == Role::Dialler { rtt_us } else { theirs.rtt_us };
    Ok(Session { peer, card, rtt_us, local, reader, writer })
}

impl Session {
    /// The dialler says that it wants the link.
    pub async fn say_ready(&mut self) -> Result<(), Ended> {
        let ready = encode(&Frame::Ready).map_err(|e| Ended::Broken(e.to_string()))?;
        self.writer.write_all(&ready).await.map_err(|_| Ended::Lost)?;
        self.writer.flush().await.map_err(|_| Ended::Lost)
    }

    /// The acceptor waits until the dialler wants the link.
    pub async fn await_ready(&mut self, crypto: &(dyn Crypto + Send + Sync)) -> Result<(), Ended> {
        match self.reader.next().await? {
            Frame::Ready => Ok(()),
            Frame::Bye(bye) => Err(said(bye, crypto, self.local.port().into())),
            _ => Err(Ended::Broken("it spoke before it was ready".into())),
        }
    }

    /// Closes before the link began.
    pub async fn decline(mut self, bye: ByeFrame) {
        if let Ok(bytes) = encode(&Frame::Bye(bye)) {
            let farewell = async {
                self.writer.write_all(&bytes).await?;
                self.writer.shutdown().await
            };
            // The link is refused whether or not the other end hears why.
            let _ = tokio::time::timeout(FLUSH, farewell).await;
            self.reader.drain().await;
        }
    }

    /// Splits into the two halves that run side by side.
    pub fn split(self) -> (LinkReader, LinkWriter) {
        let mut reader = self.reader;
        reader.max = LINK_BYTES_MAX;
        let reader = LinkReader { reader, rtt_us: 0, landing: None, told: Time(0) };
        (reader, LinkWriter { writer: self.writer })
    }
}

/// The reading half of a link.
pub struct LinkReader {
    reader: FrameReader<ReadHalf<Encrypted>>,
    rtt_us: u32,
    /// The block that is being read.
    landing: Option<Landing>,
    /// When a block was told as a sign of life.
    told: Time,
}

impl LinkReader {
    /// The next thing that comes in. Pings are answered, and blocks put where they are waited for, before
    /// this returns. To be asked until it fails: what a block has brought so far is known here alone.
    pub async fn next(
        &mut self,
        shared: &Shared,
        link: &Link,
        crypto: &(dyn Crypto + Send + Sync),
    ) -> Result<Incoming, Ended> {
        let frame = loop {
            if let Some(landing) = &mut self.landing {
                let read = match landing.room() {
                    Some(room) => self.reader.read_some(room).await?,
                    None => self.reader.skip_some(landing.rest()).await?,
                };
                landing.advance(read);
                if landing.rest() == 0
                    && let Some(landing) = self.landing.take()
                    && let Some((request, buffer)) = link.wanted.land(landing)
                {
                    return Ok(Incoming::Whole { request, buffer });
                }
                let at = shared.clock.now();
                if at.since(self.told) >= SIGN_EVERY {
                    self.told = at;
                    return Ok(Incoming::Alive { at });
                }
                continue;
            }
            match self.reader.head().await? {
                Head::Block { give, bytes } => {
                    shared.tally.frames_in.of(Lane::Bulk).add(1);
                    let unasked = |e: Unasked| Ended::Broken(e.to_string());
                    self.landing = Some(link.wanted.begin(give, bytes).map_err(unasked)?);
                }
                Head::Frame { len } => break self.reader.frame(len).await?,
            }
        };
        shared.tally.frames_in.of(frame.lane()).add(1);
        let at = shared.clock.now();
        let ours = shared.root.load(Ordering::Relaxed);
        match frame {
            Frame::Beat(Beat::Ping { sent_us, rtt_us, root }) => {
                // A full urgent lane means that the peer does not read: the pong would not reach it.
                let _ = link.try_send(&Frame::Beat(Beat::Pong { sent_us, root: ours }));
                let news = rtt_us != 0 && rtt_us != self.rtt_us;
                self.rtt_us = rtt_us;
                Ok(Incoming::Heard { at, rtt_us: news.then_some(rtt_us), differs: root != ours })
            }
            Frame::Beat(Beat::Pong { sent_us, root }) => {
                let rtt = at.0.checked_sub(sent_us).and_then(|us| u32::try_from(us).ok());
                Ok(Incoming::Heard { at, rtt_us: rtt, differs: root != ours })
            }
            Frame::Bye(bye) => Err(said(bye, crypto, at.0)),
            Frame::Hello(_) | Frame::Ready => Err(Ended::Broken("it greeted twice".into())),
            Frame::Pieces(PieceFrame::Nope { request, .. }) => {
                link.wanted.end(request);
                Ok(Incoming::Frame(frame))
            }
            frame => Ok(Incoming::Frame(frame)),
        }
    }
}

/// The writing half of a link.
pub struct LinkWriter {
    writer: WriteHalf<Encrypted>,
}

impl LinkWriter {
    /// Writes what the lanes hold until they are closed and empty, or the stream fails. A stream that
    /// takes nothing for `stalled` while frames are refused is given up, and so is one that does not take
    /// its last words within `FLUSH`: a peer that reads nothing must not keep a closed link. `sent` is told
    /// the request and bytes of each chunk of a file that is written.
    pub async fn run(
        mut self,
        shared: &Shared,
        lanes: &Lanes,
        stalled: Duration,
        sent: impl Fn(u64, u32),
    ) -> Ended {
        while let Some(item) = lanes.next().await {
            let mut chunk_ends = None;
            let (head, bytes) = match item {
                Item::Bytes(bytes) => (None, bytes),
                Item::Chunk(chunk) => {
                    chunk_ends = chunk.ends.map(|bytes| (chunk.give.request, bytes));
                    (Some(chunk.give.head(chunk.bytes.len())), chunk.bytes)
                }
                Item::Ping { rtt_us } => {
                    let root = shared.root.load(Ordering::Relaxed);
                    let sent_us = shared.clock.now().0;
                    match encode(&Frame::Beat(Beat::Ping { sent_us, rtt_us, root })) {
                        Ok(bytes) => (None, bytes),
                        Err(e) => return Ended::Broken(e.to_string()),
                    }
                }
            };
            let write = async {
                match &head {
                    Some(head) => write_both(&mut self.writer, head, &bytes).await?,
                    None => self.writer.write_all(&bytes).await?,
                }
                if lanes.is_empty() { self.writer.flush().await } else { Ok(()) }
            };
            tokio::pin!(write);
            loop {
                match tokio::time::timeout(stalled.min(FLUSH / 4), &mut write).await {
                    Ok(Ok(())) => break,
                    Ok(Err(_)) => return Ended::Lost,
                    Err(_) if lanes.closing_for() >= FLUSH => return Ended::Ours,
                    Err(_) if lanes.stuck_for() >= stalled => return Ended::Stalled,
                    Err(_) => {}
                }
            }
            if let Some((request, bytes)) = chunk_ends {
                sent(request, bytes);
            }
        }
        // Everything is said; whether close_notify still arrives changes nothing.
        let _ = tokio::time::timeout(FLUSH, self.writer.shutdown()).await;
        Ended::Ours
    }
}

/// Writes both, as one where the stream takes it: two writes are two records and two calls into the kernel.
async fn write_both<W: AsyncWrite + Unpin>(
    writer: &mut W,
    head: &[u8],
    bytes: &[u8],
) -> io::Result<()> {
    let mut written = 0;
    while written < head.len() {
        let slices = [IoSlice::new(&head[written..]), IoSlice::new(bytes)];
        match writer.write_vectored(&slices).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n => written += n,
        }
    }
    writer.write_all(&bytes[written - head.len()..]).await
}

/// Sets the socket up for short waits; our own end's address.
fn prepare(tcp: &TcpStream) -> Result<SocketAddr, Ended> {
    let set = || {
        tcp.set_nodelay(true)?;
        SockRef::from(tcp).set_tcp_notsent_lowat(NOTSENT_LOWAT)?;
        tcp.local_addr()
    };
    set().map_err(|e: io::Error| Ended::Broken(e.to_string()))
}

fn dial_error(error: &io::Error) -> Ended {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Ended::Refused,
        io::ErrorKind::TimedOut => Ended::TimedOut,
        io::ErrorKind::ConnectionReset => Ended::Lost,
        _ => Ended::Broken(format!("cannot connect: {error}")),
    }
}

fn tls_error(error: &io::Error) -> Ended {
    if let Some((_, found)) = identity_mismatch(error) {
        return Ended::WrongIdentity { found };
    }
    match error.kind() {
        io::ErrorKind::InvalidData => Ended::Broken(format!("TLS failed: {error}")),
        _ => Ended::Lost,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn a_head_and_its_block_arrive_as_one_however_they_are_taken() {
        for room in [1, 3, 17, 18, 64, 1000] {
            let (mut tx, mut rx) = tokio::io::duplex(room);
            let (head, block) = ([1; 17], [2; 100]);
            let write = async {
                write_both(&mut tx, &head, &block).await.expect("written");
                drop(tx);
            };
            let mut got = Vec::new();
            let (_, read) = tokio::join!(write, rx.read_to_end(&mut got));
            assert_eq!(read.expect("read"), 117);
            assert_eq!(got, [&head[..], &block[..]].concat());
        }
    }
}
