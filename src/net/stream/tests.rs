//! The stream against tokio-rustls on the bare transport: told the same by a peer, both must tell the same.

use std::io::Write;
use std::sync::{LazyLock, Mutex, PoisonError};

use proptest::prelude::*;
use rustls::{AlertDescription, ClientConnection, Connection, Error, ServerConnection};

use super::*;
use crate::net::tls::{Tls, identity_mismatch};
use crate::store::identity::Identity;

static NODES: LazyLock<[(Identity, Tls); 2]> = LazyLock::new(|| {
    [(); 2].map(|()| {
        let identity = Identity::generate().unwrap();
        let tls = Tls::new(&identity).unwrap();
        (identity, tls)
    })
});

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// What a peer does behind its handshake, how its bytes arrive, and how they are read.
#[derive(Clone, Debug, Default)]
struct Plan {
    /// It answers our dial; otherwise it dials, and its data may come along with its Finished.
    answers: bool,
    /// Its records.
    records: Vec<Vec<u8>>,
    /// It says that it will say no more.
    notifies: bool,
    /// How many bytes behind the handshake arrive before the end, modulo all of them; all if none.
    cut: Option<usize>,
    /// A bit of those that is turned over, likewise.
    tampered: Option<(usize, u8)>,
    /// How many bytes come at once, in turn; nothing for now at 0.
    splits: Vec<usize>,
    /// How much is asked for at once.
    reads: usize,
}

/// A transport with the peer in it: what is written to it the peer hears at once, and its answer waits.
struct Peer {
    connection: Connection,
    plan: Plan,
    /// It has said all that it will say.
    said: bool,
    waiting: Vec<u8>,
    at: usize,
    /// Reads so far.
    reads: usize,
    noted: Arc<Mutex<Noted>>,
}

/// What a peer noted; there still when the stream has dropped it.
#[derive(Default)]
struct Noted {
    reads: usize,
    heard: Option<Error>,
}

impl Peer {
    fn new(plan: &Plan, noted: &Arc<Mutex<Noted>>) -> Peer {
        let noted = noted.clone();
        let tls = &NODES[1].1;
        let connection = match plan.answers {
            true => ServerConnection::new(tls.server()).unwrap().into(),
            false => ClientConnection::new(tls.client(None), server_name()).unwrap().into(),
        };
        let (plan, waiting) = (plan.clone(), Vec::new());
        let mut peer = Peer { connection, plan, said: false, waiting, at: 0, reads: 0, noted };
        peer.speak();
        peer
    }

    fn noted(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flush(&mut self) {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.waiting).unwrap();
        }
    }

    fn speak(&mut self) {
        self.flush();
        if self.connection.is_handshaking() || self.said {
            return;
        }
        self.said = true;
        let begin = self.waiting.len();
        for record in &self.plan.records {
            self.connection.writer().write_all(record).unwrap();
            while self.connection.wants_write() {
                self.connection.write_tls(&mut self.waiting).unwrap();
            }
        }
        if self.plan.notifies {
            self.connection.send_close_notify();
            self.flush();
        }
        let said = self.waiting.len() - begin;
        if let (Some((at, bit)), true) = (self.plan.tampered, said > 0) {
            self.waiting[begin + at % said] ^= 1 << bit;
        }
        if let (Some(cut), true) = (self.plan.cut, said > 0) {
            self.waiting.truncate(begin + cut % said);
        }
    }
}

impl AsyncRead for Peer {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let split = self.plan.splits[self.reads % self.plan.splits.len()];
        self.reads += 1;
        self.noted().reads = self.reads;
        if split == 0
            || (self.at == self.waiting.len() && !self.said && self.noted().heard.is_none())
        {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let n = split.min(into.remaining()).min(self.waiting.len() - self.at);
        into.put_slice(&self.waiting[self.at..self.at + n]);
        self.at += n;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut from: &[u8],
    ) -> Poll<io::Result<usize>> {
        let len = from.len();
        while !from.is_empty() && self.connection.read_tls(&mut from)? > 0 {
            if let Err(error) = self.connection.process_new_packets() {
                self.noted().heard = Some(error);
            }
        }
        self.speak();
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What was read, how it ended, and what the peer heard of that.
#[derive(Debug)]
struct Told {
    plaintext: Vec<u8>,
    end: Result<(), (io::ErrorKind, Option<Error>)>,
    heard: Option<Error>,
    /// How often the transport was read.
    reads: usize,
}

/// Reads to the end. A handshake that fails is an end too: data may have come with its last word.
async fn told<S: AsyncRead + Unpin>(
    stream: impl Future<Output = io::Result<S>>,
    plan: &Plan,
    noted: &Mutex<Noted>,
) -> Told {
    let mut plaintext = Vec::new();
    let read = async {
        let (mut stream, mut room) = (stream.await?, vec![0; plan.reads]);
        loop {
            match stream.read(&mut room).await? {
                0 => return Ok(()),
                n => plaintext.extend_from_slice(&room[..n]),
            }
        }
    };
    let end = read.await.map_err(|error: io::Error| {
        let inner = error.get_ref().and_then(|e| e.downcast_ref::<Error>()).cloned();
        (error.kind(), inner)
    });
    let noted = noted.lock().unwrap();
    Told { plaintext, end, heard: noted.heard.clone(), reads: noted.reads }
}

/// Through tokio-rustls alone.
async fn stock(plan: &Plan) -> Told {
    let noted = Arc::default();
    let (tls, peer) = (&NODES[0].1, Peer::new(plan, &noted));
    let stream = async {
        Ok(match plan.answers {
            true => {
                let connector = TlsConnector::from(tls.client(None));
                TlsStream::from(connector.connect(server_name(), peer).await?)
            }
            false => TlsAcceptor::from(tls.server()).accept(peer).await?.into(),
        })
    };
    told(stream, plan, &noted).await
}

/// Through ours.
async fn ours(plan: &Plan) -> Told {
    let noted = Arc::default();
    let (tls, peer) = (&NODES[0].1, Peer::new(plan, &noted));
    let stream = async {
        match plan.answers {
            true => Stream::dial(tls.client(None), peer).await,
            false => Stream::accept(tls.server(), peer).await,
        }
    };
    told(stream, plan, &noted).await
}

fn both(plan: &Plan) -> (Told, Told) {
    run(async { (stock(plan).await, ours(plan).await) })
}

fn records() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let len = prop_oneof![0..3usize, 0..300usize, 4000..4200usize, 16_300..16_400usize];
    let record = (len, any::<u8>()).prop_map(|(len, seed)| {
        (0..len).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed)).collect()
    });
    prop::collection::vec(record, 0..40)
}

fn plans() -> impl Strategy<Value = Plan> {
    let split =
        prop_oneof![Just(0), 1..40usize, 4000..5000usize, 16_000..17_000usize, Just(1 << 20)];
    let splits = prop::collection::vec(split, 1..12).prop_map(|mut splits| {
        // Something comes, some time.
        splits.push(3000);
        splits
    });
    let reads = prop_oneof![1..20usize, 4096..4097usize, 60_000..70_000usize];
    let cut = prop::option::weighted(0.3, any::<usize>());
    let tampered = prop::option::weighted(0.3, (any::<usize>(), 0..8u8));
    (any::<bool>(), records(), any::<bool>(), cut, tampered, splits, reads).prop_map(
        |(answers, records, notifies, cut, tampered, splits, reads)| Plan {
            answers,
            records,
            notifies,
            cut,
            tampered,
            splits,
            reads,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn both_streams_tell_the_same(plan in plans()) {
        let (stock, ours) = both(&plan);
        prop_assert_eq!(&ours.end, &stock.end);
        prop_assert_eq!(&ours.heard, &stock.heard);
        let sent = plan.records.concat();
        prop_assert!(sent.starts_with(&ours.plaintext), "never what was not sent");
        // At a forged record the library withholds good ones that came in with it: how many differs
        // with how the bytes came, and with both streams.
        if !matches!(stock.end, Err((io::ErrorKind::InvalidData, _))) {
            prop_assert_eq!(ours.plaintext.len(), stock.plaintext.len());
        }
        if plan.cut.is_none() && plan.tampered.is_none() {
            prop_assert_eq!(ours.plaintext.len(), sent.len());
            let end = if plan.notifies { Ok(()) } else { Err((io::ErrorKind::UnexpectedEof, None)) };
            prop_assert_eq!(ours.end, end);
        }
    }
}

/// All at once, read to the end.
fn plain() -> Plan {
    let records = vec![vec![9; 16_384]; 64];
    Plan { records, notifies: true, splits: vec![1 << 20], reads: 64 * 1024, ..Plan::default() }
}

#[test]
fn data_behind_the_last_word_of_the_handshake_is_kept() {
    for answers in [true, false] {
        let (stock, ours) = both(&Plan { answers, ..plain() });
        assert_eq!(ours.plaintext, vec![9; 1 << 20]);
        assert_eq!(ours.plaintext, stock.plaintext);
        assert_eq!((ours.end, stock.end), (Ok(()), Ok(())));
        assert!(stock.reads >= 64, "a call for each record");
        assert!(ours.reads <= 30, "{} calls for 1 MiB", ours.reads);
    }
}

#[test]
fn a_forged_byte_and_a_cut_stream_are_told_apart() {
    // The record that comes last is one of 5 + 2 + 1 + 16 bytes: its last byte is of the tag.
    for answers in [true, false] {
        let records = vec![vec![1; 100], vec![2; 2]];
        let forged = Plan { answers, records: records.clone(), notifies: false, ..plain() };
        let all = 5 + 100 + 17 + 5 + 2 + 17;
        let (stock, ours) = both(&Plan { tampered: Some((all - 1, 0)), ..forged.clone() });
        let forged_end = Err((io::ErrorKind::InvalidData, Some(Error::DecryptError)));
        assert_eq!((&ours.end, &stock.end), (&forged_end, &forged_end));
        let alert = Some(Error::AlertReceived(AlertDescription::BadRecordMac));
        assert_eq!((&ours.heard, &stock.heard), (&alert, &alert));
        let (stock, ours) = both(&Plan { cut: Some(all - 1), ..forged });
        let cut_end = Err((io::ErrorKind::UnexpectedEof, None));
        assert_eq!((&ours.end, &stock.end), (&cut_end, &cut_end));
        assert_eq!((ours.plaintext.len(), stock.plaintext.len()), (100, 100));
    }
}

#[test]
fn a_silent_link_keeps_no_buffer() {
    run(async {
        let (transport, mut far) = tokio::io::duplex(1 << 20);
        let mut near = Buffered::new(transport);
        tokio::io::AsyncWriteExt::write_all(&mut far, &[1; 1 << 20]).await.unwrap();
        let mut room = vec![0; 4096];
        for _ in 0..256 {
            near.read_exact(&mut room).await.unwrap();
        }
        assert_eq!((near.room, near.bytes.capacity()), (ROOM_MAX, ROOM_MAX));
        for _ in 0..8 {
            let silence = std::future::poll_fn(|cx| {
                let mut room = ReadBuf::new(&mut room);
                Poll::Ready(Pin::new(&mut near).poll_read(cx, &mut room).is_pending())
            });
            assert!(silence.await);
            assert_eq!(near.bytes.capacity(), 0);
        }
        assert_eq!(near.room, ROOM_MIN);
    });
}

#[test]
fn both_ends_share_an_exporter_and_a_wrong_peer_is_named() {
    let [(alice, a), (bob, b)] = &*NODES;
    let meet = |expect| {
        let (near, far) = tokio::io::duplex(64 * 1024);
        run(async {
            tokio::join!(
                Stream::dial(a.client(Some(expect)), near),
                Stream::accept(b.server(), far)
            )
        })
    };
    let (dial, accept) = meet(bob.id());
    let (dial, accept) = (dial.unwrap(), accept.unwrap());
    assert_eq!(dial.peer_id().unwrap().0, bob.id());
    assert_eq!(accept.peer_id().unwrap().0, alice.id());
    assert_eq!(dial.exporter().unwrap(), accept.exporter().unwrap());
    let (dial, accept) = meet(alice.id());
    let error = dial.err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(identity_mismatch(&error), Some((alice.id(), bob.id())));
    assert!(accept.is_err());
}
