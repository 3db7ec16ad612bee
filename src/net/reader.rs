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
    filled: usize,
    /// Longest frame (kind and payload) accepted now.
    pub(super) max: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(super) fn new(stream: R, max: usize) -> FrameReader<R> {
        FrameReader { stream, buffer: Vec::new(), filled: 0, max }
    }

    /// The next frame, blocks excluded. Safe to drop between frames only; a link is read by one loop.
    pub(super) async fn next(&mut self) -> Result<Frame, Ended> {
        match self.head().await? {
            Head::Frame { len } => self.frame(len).await,
            Head::Block { .. } => Err(Ended::Broken("it gave what nobody asked for".into())),
        }
    }

    /// Reads what tells how to read the rest of a frame. [`FrameReader::frame`], or all bytes of the block,
    /// must be read next.
    pub(super) async fn head(&mut self) -> Result<Head, Ended> {
        self.fill(LENGTH_BYTES).await?;
        let mut length = [0; LENGTH_BYTES];
        length.copy_from_slice(&self.buffer[..LENGTH_BYTES]);
        let len = frame_len(length, self.max).map_err(broken)?;
        self.fill(HEADER_BYTES).await?;
        if !is_block(self.buffer[LENGTH_BYTES]) {
            return Ok(Head::Frame { len });
        }
        let end = HEADER_BYTES + GIVE_BYTES;
        self.fill(end).await?;
        let mut rest = [0; GIVE_BYTES];
        rest.copy_from_slice(&self.buffer[HEADER_BYTES..end]);
        let (give, bytes) = Give::read(rest, len).map_err(broken)?;
        self.consume(end);
        Ok(Head::Block { give, bytes })
    }

    /// The frame of `len` bytes (kind and payload) whose head was read.
    pub(super) async fn frame(&mut self, len: usize) -> Result<Frame, Ended> {
        let end = LENGTH_BYTES + len;
        self.fill(end).await?;
        let frame = decode(&self.buffer[LENGTH_BYTES..end]).map_err(broken);
        self.consume(end);
        frame
    }

    /// Fills `room` with what comes next: first from what was read ahead, then straight from the stream.
    pub(super) async fn read_into(&mut self, room: &mut [u8]) -> Result<(), Ended> {
        let ahead = room.len().min(self.filled);
        room[..ahead].copy_from_slice(&self.buffer[..ahead]);
        self.consume(ahead);
        match self.stream.read_exact(&mut room[ahead..]).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Ended::Lost),
        }
    }

    /// Reads `bytes` bytes and throws them away.
    pub(super) async fn skip(&mut self, mut bytes: usize) -> Result<(), Ended> {
        while bytes > 0 {
            self.fill(1).await?;
            let some = bytes.min(self.filled);
            self.consume(some);
            bytes -= some;
        }
        Ok(())
    }

    /// Forgets the first `n` bytes that were read.
    fn consume(&mut self, n: usize) {
        self.buffer.copy_within(n..self.filled, 0);
        self.filled -= n;
        if self.filled == 0 && self.buffer.len() > READ_BYTES {
            // An idle link keeps no large buffer.
            self.buffer = Vec::new();
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
    async fn a_frame_over_its_bound_ends_the_stream_before_it_is_read() {
        let (mut tx, rx) = tokio::io::duplex(64);
        let mut reader = FrameReader::new(rx, UNTRUSTED_BYTES_MAX);
        tx.write_all(&[0xff, 0xff, 0xff, 0xff]).await.expect("written");
        assert!(matches!(reader.next().await, Err(Ended::Broken(_))));
        assert!(reader.buffer.len() <= 2 * READ_BYTES);
    }
}
