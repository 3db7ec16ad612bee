//! What links cost that say nothing.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use kith::net::tls::Tls;
use kith::store::identity::Identity;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::{Args, BLOCK, Outcome, accept, again, dial, name};

/// Bytes of memory this process has in use.
fn resident() -> Outcome<usize> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<usize>()? * 1024)
}

/// Memory of accepted links: after the handshake, and idle again after 256 KiB came in on each.
pub async fn idle(args: &Args) -> Outcome<()> {
    let variant = *args.variant.first().ok_or("no variant")?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut child = again(args, &listener, None, Path::new("none"))?;
    let tls = Tls::new(&Identity::generate()?)?;
    let (mut streams, mut room) = (Vec::new(), vec![1; BLOCK]);
    let before = resident()?;
    for _ in 0..args.idle {
        streams.push(accept(variant, &tls, listener.accept().await?.0).await?);
    }
    let fresh = (resident()? - before) / args.idle;
    child.stdin.take().ok_or("no input")?.write_all(b"\n")?;
    for stream in &mut streams {
        for _ in 0..4 {
            stream.read_exact(&mut room).await?;
        }
        // As a link's reader does: it always waits for more.
        assert!(timeout(Duration::from_millis(1), stream.read(&mut room)).await.is_err());
    }
    let used = (resident()? - before) / args.idle;
    println!("{}: {fresh} B/link after the handshake, {used} idle again", name(variant));
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// The other end: dials, and says something once it is told to.
pub async fn idle_peer(args: &Args, to: SocketAddr) -> Outcome<()> {
    let mut streams = Vec::new();
    for _ in 0..args.idle {
        streams.push(dial(args.from, to).await?);
    }
    std::io::stdin().lines().next();
    for stream in &mut streams {
        stream.write_all(&[1; 4 * BLOCK]).await?;
        stream.flush().await?;
    }
    std::future::pending().await
}
