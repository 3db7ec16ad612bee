//! A client that can speak the protocol, and does not have to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use kith::mesh::gossip::{Beat, Gossip};
use kith::mesh::record::{Body, Card, Crypto, Record};
use kith::mesh::{NodeId, Ver};
use kith::net::tls::{Tls, server_name};
use kith::store::identity::Identity;
use kith::wire::bounded::{List, Text};
use kith::wire::{Frame, Hello, VERSION, decode, encode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::common::LONG;

/// A TLS connection to a node, under an identity of its own.
pub struct Hostile {
    pub identity: Identity,
    pub stream: TlsStream<TcpStream>,
}

/// A card of `crypto`'s key that says this.
pub fn card(crypto: &dyn Crypto, label: &str, ver: Ver) -> Card {
    Card {
        key: crypto.key(),
        network: Text::new("kith").expect("short"),
        ver,
        label: Text::new(label).expect("short"),
        addrs: List::default(),
        relay: false,
        mailbox: false,
        keys: Default::default(),
        tags: Default::default(),
        leaving_ms: None,
    }
}

pub const VER: Ver = Ver { epoch: 1_700_000_000_000, seq: 1 };

impl Hostile {
    /// As far as TLS.
    pub async fn tls(addr: SocketAddr) -> Hostile {
        Hostile::over(TcpStream::connect(addr).await.expect("it listens")).await
    }

    pub async fn over(tcp: TcpStream) -> Hostile {
        Hostile::of(Identity::generate().expect("a key"), tcp).await
    }

    pub async fn of(identity: Identity, tcp: TcpStream) -> Hostile {
        let connector = TlsConnector::from(Tls::new(&identity).expect("TLS").client(None));
        let stream = connector.connect(server_name(), tcp).await.expect("a TLS handshake");
        Hostile { identity, stream }
    }

    /// A member like any other, so far.
    pub async fn linked(addr: SocketAddr) -> Hostile {
        let mut hostile = Hostile::tls(addr).await;
        hostile.greet().await;
        hostile
    }

    pub async fn greet(&mut self) {
        self.greet_and_see().await;
    }

    /// Greets; the node's card.
    pub async fn greet_and_see(&mut self) -> Card {
        let hello = self.hello();
        self.send(&Frame::Hello(Box::new(hello))).await.expect("taken");
        let Some(Frame::Hello(theirs)) = self.receive().await else { panic!("it greets") };
        self.send(&Frame::Ready).await.expect("taken");
        let record = Arc::new(theirs.card).open(&self.identity).expect("its own card");
        record.card().expect("a card").clone()
    }

    /// Sends so many of what `next` makes and then waits until they have been read; how many were taken.
    pub async fn send_many(&mut self, count: u64, next: impl Fn(u64) -> Frame) -> u64 {
        let (mut reader, mut writer) = tokio::io::split(&mut self.stream);
        let write = async {
            for n in 0..count {
                let mut bytes = encode(&next(n)).expect("encodes").to_vec();
                if n.is_multiple_of(256) {
                    // A sign of life, or the link is given up.
                    let ping = Frame::Beat(Beat::Ping { sent_us: n, rtt_us: 0, root: 0 });
                    bytes.extend(encode(&ping).expect("encodes"));
                }
                if writer.write_all(&bytes).await.is_err() {
                    return n;
                }
            }
            // What is written and not read when we go would be lost.
            tokio::time::sleep(Duration::from_secs(2)).await;
            count
        };
        let read = async {
            let mut sink = vec![0; 64 * 1024];
            while reader.read(&mut sink).await.is_ok_and(|n| n > 0) {}
        };
        tokio::select! {
            sent = write => sent,
            () = read => 0,
        }
    }

    pub fn id(&self) -> String {
        self.identity.id().to_string()
    }

    /// A hello as it should be.
    pub fn hello(&self) -> Hello {
        let record = Record::sign(Body::Card(card(&self.identity, "", VER)), &self.identity);
        Hello {
            version: VERSION,
            network: Text::new("kith").expect("short"),
            proof: None,
            rtt_us: 0,
            card: (**record.signed()).clone(),
        }
    }

    pub async fn send(&mut self, frame: &Frame) -> std::io::Result<()> {
        self.raw(&encode(frame).expect("encodes")).await
    }

    pub async fn raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    pub async fn gossip(&mut self, gossip: Gossip) -> std::io::Result<()> {
        self.send(&Frame::Gossip(gossip)).await
    }

    /// The next frame; none when the node has closed.
    pub async fn receive(&mut self) -> Option<Frame> {
        let next = async {
            let len = self.stream.read_u32().await.ok()?;
            let mut frame = vec![0; usize::try_from(len).expect("short")];
            self.stream.read_exact(&mut frame).await.ok()?;
            Some(decode(&frame).expect("the node speaks well"))
        };
        timeout(LONG, next).await.expect("a frame or the end")
    }

    /// Reads until the node closes; panics if it does not.
    pub async fn closed(&mut self) {
        while self.receive().await.is_some() {}
    }

    /// Sends what `next` makes, as fast as it is taken, for so long or until the node closes; how many.
    pub async fn flood(&mut self, last: Duration, mut next: impl FnMut(u64) -> Frame) -> u64 {
        let (mut reader, mut writer) = tokio::io::split(&mut self.stream);
        let mut sent = 0;
        let write = async {
            loop {
                let bytes = encode(&next(sent)).expect("encodes");
                if writer.write_all(&bytes).await.is_err() {
                    return;
                }
                sent += 1;
            }
        };
        let read = async {
            let mut sink = vec![0; 64 * 1024];
            while reader.read(&mut sink).await.is_ok_and(|n| n > 0) {}
        };
        // Whichever ends first: the time, or the link.
        let _ = timeout(last, async { tokio::join!(write, read) }).await;
        sent
    }
}

/// A member on a thread of its own that says something false, and then answers pings like an honest one.
pub struct Liar {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Liar {
    pub fn start(addr: SocketAddr, identity: Identity, says: Vec<Gossip>) -> Liar {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let life = async move {
            let tcp = TcpStream::connect(addr).await.expect("it listens");
            let mut liar = Hostile::of(identity, tcp).await;
            liar.greet().await;
            for gossip in says {
                liar.gossip(gossip).await.expect("taken");
            }
            while !stopped.load(Ordering::Relaxed) {
                let Some(frame) = liar.receive().await else { return };
                if let Frame::Beat(Beat::Ping { sent_us, root, .. }) = frame {
                    // The node may be closing.
                    let _ = liar.send(&Frame::Beat(Beat::Pong { sent_us, root })).await;
                }
            }
        };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(life);
        });
        Liar { stop, thread: Some(thread) }
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the liar failed");
        }
    }
}

/// A key that is cheap to make: without a certificate.
pub struct Key(Ed25519KeyPair);

impl Key {
    pub fn new() -> Key {
        Key(Ed25519KeyPair::generate().expect("a key"))
    }

    pub fn id(&self) -> NodeId {
        NodeId::of_key(&self.key())
    }
}

impl Crypto for Key {
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
