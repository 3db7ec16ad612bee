//! A transport whose bytes are counted.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::tally::{Count, Tally};

/// Counts what is really read from and written to a transport.
pub struct Counted<S> {
    transport: S,
    tally: Arc<Tally>,
}

impl<S> Counted<S> {
    /// Counts in `tally`.
    pub fn new(transport: S, tally: Arc<Tally>) -> Counted<S> {
        Counted { transport, tally }
    }
}

fn counted(count: &Count, done: io::Result<usize>) -> Poll<io::Result<usize>> {
    if let Ok(bytes) = done {
        count.add(bytes as u64);
    }
    Poll::Ready(done)
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = ready!(Pin::new(&mut self.transport).poll_read(cx, into));
        self.tally.bytes_in.add((into.filled().len() - before) as u64);
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = ready!(Pin::new(&mut self.transport).poll_write(cx, from));
        counted(&self.tally.bytes_out, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = ready!(Pin::new(&mut self.transport).poll_write_vectored(cx, from));
        counted(&self.tally.bytes_out, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_passes_is_counted_once_each_way_and_nothing_else_is() {
        let (near, mut far) = tokio::io::duplex(16);
        let tally = Arc::new(Tally::default());
        let mut near = Counted::new(near, tally.clone());
        assert!(near.write(&[1; 100]).await.expect("some") <= 16, "the rest waits");
        assert_eq!(tally.bytes_out.now(), 16);
        assert_eq!(far.read(&mut [0; 64]).await.expect("read"), 16);
        let slices = [IoSlice::new(&[2; 3]), IoSlice::new(&[3; 4])];
        let written = near.write_vectored(&slices).await.expect("written") as u64;
        assert_eq!((tally.bytes_out.now(), tally.bytes_in.now()), (16 + written, 0));
        far.write_all(&[4; 10]).await.expect("written");
        drop(far);
        let mut got = Vec::new();
        near.read_to_end(&mut got).await.expect("read");
        assert_eq!((got.len(), tally.bytes_in.now()), (10, 10));
    }
}
