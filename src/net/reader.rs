//! Takes frames out of a stream: whole ones, and the bytes of blocks straight to where they belong.

use tokio::io::{AsyncRead, AsyncReadExt};

use super::session::FLUSH;
use crate::mesh::peers::Ended;
use crate::wire::{
    Frame, FrameError, GIVE_BYTES, Give, HEADER_BYTES, LENGTH_BYTES, decode, frame_len, is_block,
};

/// How much is read from TLS at once; grows only while a longer frame comes in.
const READ_BYTES: usize = 4 * 1024;

fn broken(error: FrameError) -> Ended {
    Ended::Broken(error.to_string())
}

/// What comes next in a stream.
pub(super) enum Head {
    /// A frame of this many bytes, kind and payload.
    Frame { len: usize },
    /// A block of this many bytes.
    Block { give: Give, bytes: usize },
}

/// Takes whole frames out of a stream, however the bytes come.
pub(super) struct FrameReader<R> {
    stream: R,
    buffer: Vec<u8>,
    /// Where what is not taken yet begins in the buffer.
    taken: usize,
    /// Where it ends.
    filled: usize,
    /// Longest frame (kind and payload) accepted now.
    pub(super) max: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(super) fn new(stream: R, max: usize) -> FrameReader<R> {
        FrameReader { stream, buffer: Vec::new(), taken: 0, filled: 0, max }
    }

    /// The next frame, blocks excluded.
    pub(super) async fn next(&mut self) -> Result<Frame, Ended> {
        match self.head().await? {
            Head::Frame { len } => self.frame(len).await,
            Head::Block { .. } => Err(Ended::Broken("it gave what nobody asked for".into())),
        }
    }

    /// Reads what tells how to read the rest of a frame. [`FrameReader::frame`], or all bytes of the block,
    /// must be read next.
    ///
    /// What is taken is taken after the last wait: whoever drops this loses nothing.
    pub(super) async fn head(&mut self) -> Result<Head, Ended> {
        self.fill(LENGTH_BYTES).await?;
        let mut length = [0; LENGTH_BYTES];
        length.copy_from_slice(&self.ahead()[..LENGTH_BYTES]);
        let len = frame_len(length, self.max).map_err(broken)?;
        self.fill(HEADER_BYTES).await?;
        if !is_block(self.ahead()[LENGTH_BYTES]) {
            return Ok(Head::Frame { len });
        }
        let end = HEADER_BYTES + GIVE_BYTES;
        self.fill(end).await?;
        let mut rest = [0; GIVE_BYTES];
        rest.copy_from_slice(&self.ahead()[HEADER_BYTES..end]);
        let (give, bytes) = Give::read(rest, len).map_err(broken)?;
        self.consume(end);
        Ok(Head::Block { give, bytes })
    }

    /// The frame of `len` bytes (kind and payload) whose head was read.
    pub(super) async fn frame(&mut self, len: usize) -> Result<Frame, Ended> {
        let end = LENGTH_BYTES + len;
        self.fill(end).await?;
        let frame = decode(&self.ahead()[LENGTH_BYTES..end]).map_err(broken);
        self.consume(end);
        frame
    }

    /// Puts some of what comes next into `room`: what was read ahead, or else straight from the stream. How
    /// many bytes; at least one.
    pub(super) async fn read_some(&mut self, room: &mut [u8]) -> Result<usize, Ended> {
        let ahead = room.len().min(self.ahead().len());
        if ahead > 0 {
            room[..ahead].copy_from_slice(&self.ahead()[..ahead]);
            self.consume(ahead);
            return Ok(ahead);
        }
        match self.stream.read(room).await {
            Ok(0) | Err(_) => Err(Ended::Lost),
            Ok(n) => Ok(n),
        }
    }

    /// Throws away some of what comes next, at most `bytes`. How many; at least one.
    pub(super) async fn skip_some(&mut self, bytes: usize) -> Result<usize, Ended> {
        self.fill(1).await?;
        let some = bytes.min(self.ahead().len());
        self.consume(some);
        Ok(some)
    }

    /// What was read and not taken.
    fn ahead(&self) -> &[u8] {
        &self.buffer[self.taken..self.filled]
    }

    /// Takes the next `n` bytes that were read. What is behind them stays where it is: many short frames may
    /// have been read at once, and moving the rest for each would cost more than reading them.
    fn consume(&mut self, n: usize) {
        self.taken += n;
        if self.taken == self.filled {
            (self.taken, self.filled) = (0, 0);
            if self.buffer.len() > READ_BYTES {
                // An idle link keeps no large buffer.
                self.buffer = Vec::new();
            }
        }
    }

    /// Reads on behind our last words: closing with unread bytes resets the stream and would destroy them.
    pub(super) async fn drain(&mut self) {
        let rest = async { while self.next().await.is_ok() {} };
        // Whoever goes on talking is cut off.
        let _ = tokio::time::timeout(FLUSH, rest).await;
    }

    /// Reads until at least `want` bytes are there.
    async fn fill(&mut self, want: usize) -> Result<(), Ended> {
        if self.ahead().len() >= want {
            return Ok(());
        }
        self.buffer.copy_within(self.taken..self.filled, 0);
        self.filled -= self.taken;
        self.taken = 0;
        while self.filled < want {
            let room = want.max(self.filled + READ_BYTES);
            if self.buffer.len() < room {
                self.buffer.resize(room, 0);
            }
            match self.stream.read(&mut self.buffer[self.filled..]).await {
                Ok(0) | Err(_) => return Err(Ended::Lost),
                Ok(n) => self.filled += n,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::mesh::NodeId;
    use crate::mesh::gossip::Beat;
    use crate::wire::{UNTRUSTED_BYTES_MAX, encode};

    fn ready_and_ask() -> Vec<u8> {
        let ask = Frame::Beat(Beat::Ask { target: NodeId([5; 32]) });
        [encode(&Frame::Ready).expect("encodes"), encode(&ask).expect("encodes")].concat()
    }

    #[tokio::test]
    async fn frames_come_out_whole_however_the_bytes_come() {
        for step in [1, 2, 3, 7, 1000] {
            let (mut tx, rx) = tokio::io::duplex(64);
            let mut reader = FrameReader::new(rx, UNTRUSTED_BYTES_MAX);
            let send = async {
                for chunk in ready_and_ask().chunks(step) {
                    tx.write_all(chunk).await.expect("written");
                }
            };
            let (first, ()) = tokio::join!(reader.next(), send);
            assert_eq!(first, Ok(Frame::Ready));
            assert!(matches!(reader.next().await, Ok(Frame::Beat(Beat::Ask { .. }))));
        }
    }

    #[tokio::test]
    async fn short_frames_that_were_read_at_once_are_not_moved_for_each_other() {
        let (mut tx, rx) = tokio::io::duplex(READ_BYTES);
        let mut reader = FrameReader::new(rx, UNTRUSTED_BYTES_MAX);
        let ready = encode(&Frame::Ready).expect("encodes");
        let many = READ_BYTES / ready.len();
        tx.write_all(&ready.repeat(many)).await.expect("written");
        for i in 1..many {
            assert_eq!(reader.next().await, Ok(Frame::Ready));
            assert_eq!(reader.taken, i * ready.len(), "the rest stays where it is");
        }
        assert_eq!(reader.next().await, Ok(Frame::Ready));
        assert!(reader.ahead().is_empty());
        // And what is cut in two comes out whole.
        tx.write_all(&[&ready[..], &ready[..2]].concat()).await.expect("written");
        assert_eq!(reader.next().await, Ok(Frame::Ready));
        tx.write_all(&ready[2..]).await.expect("written");
        assert_eq!(reader.next().await, Ok(Frame::Ready));
    }

    #[tokio::test]
    async fn a_head_that_nobody_waits_for_any_more_is_read_again_from_its_beginning() {
        let (mut tx, rx) = tokio::io::duplex(64);
        let mut reader = FrameReader::new(rx, UNTRUSTED_BYTES_MAX);
        let head = Give { request: 7, offset: 9 }.head(5);
        for byte in head {
            let early = tokio::time::timeout(std::time::Duration::ZERO, reader.head()).await;
            assert!(early.is_err());
            tx.write_all(&[byte]).await.expect("written");
        }
        let Ok(Head::Block { give, bytes }) = reader.head().await else { panic!("a block") };
        assert_eq!((give, bytes), (Give { request: 7, offset: 9 }, 5));
    }

    #[tokio::test]
    async fn a_frame_over_its_bound_ends_the_stream_before_it_is_read() {
        let (mut tx, rx) = tokio::io::duplex(64);
        let mut reader = FrameReader::new(rx, UNTRUSTED_BYTES_MAX);
        tx.write_all(&[0xff, 0xff, 0xff, 0xff]).await.expect("written");
        assert!(matches!(reader.next().await, Err(Ended::Broken(_))));
        assert!(reader.buffer.len() <= 2 * READ_BYTES);
    }
}
