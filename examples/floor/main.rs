//! What a transfer cannot be cheaper than: read a file, encrypt, loopback TCP, decrypt, hash, write.
//!
//! The same steps as sending a file to a peer, with the daemon's own TLS settings and socket options and
//! nothing else: no frames, no actors, no lanes. Two processes, so that each end's CPU time is its own: this
//! one receives and prints a table, the other one is itself again and sends.
//!
//! ```text
//! cargo run --release --example floor -- --mib 1024 --rounds 3 --variant stock,stream,unbuffered
//! cargo run --release --example floor -- --variant stream --send whole,copy,two,vectored
//! cargo run --release --example floor -- --variant stream --idle 1000
//! ```

mod disk;
mod idle;
mod unbuffered;

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use bytes::Buf;
use clap::{Parser, ValueEnum};
use kith::net::stream::Stream;
use kith::net::tls::{Tls, server_name};
use kith::store::identity::Identity;
use rustix::time::{ClockId, clock_gettime};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use disk::Disk;
use unbuffered::Unbuffered;

const MIB: usize = 1 << 20;
/// A block on the wire, and the header before it.
const BLOCK: usize = 64 * 1024;
const HEADER: usize = 17;
/// Where the room for file bytes begins. The allocator begins a large one 16 bytes into a page, and there some
/// processors copy out of the kernel several times slower: 0.5 CPU seconds for a GiB.
const ALIGN: usize = 64;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What takes the bytes from the socket.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Variant {
    /// tokio-rustls on the bare socket.
    Stock,
    /// The daemon's own stream.
    Stream,
    /// `rustls::unbuffered`, which offers no exporter and so cannot carry a link.
    Unbuffered,
}

/// How the bytes are handed to TLS.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Send {
    /// A MiB at a time, no headers.
    Whole,
    /// Header and block copied into one buffer.
    Copy,
    /// The header written, then the block.
    Two,
    /// Both in one vectored write.
    Vectored,
}

/// Measures the floor of a transfer.
#[derive(Parser)]
struct Args {
    /// How much is sent in a round.
    #[arg(long, default_value_t = 1024)]
    mib: usize,
    /// How often everything is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Receiving ends, measured in turn.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "stock,stream,unbuffered")]
    variant: Vec<Variant>,
    /// Ways to send, measured in turn.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "whole")]
    send: Vec<Send>,
    /// The sending end: stock or stream.
    #[arg(long, value_enum, default_value = "stream")]
    from: Variant,
    /// Write to a file without pages in memory, each round; otherwise over the one of the round before.
    #[arg(long)]
    fresh: bool,
    /// Hash and write on a thread of its own, as the daemon does, so that both processors have work.
    #[arg(long)]
    apart: bool,
    /// Measure the memory of this many idle links instead.
    #[arg(long, default_value_t = 0)]
    idle: usize,
    /// Be the sending end: the address of the receiver.
    #[arg(long, hide = true)]
    to: Option<SocketAddr>,
    /// The file to send.
    #[arg(long, hide = true, default_value = "source")]
    file: PathBuf,
}

fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default()
}

/// CPU seconds of this process, user and kernel.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let args = Args::parse();
    if let Some(to) = args.to {
        return if args.idle > 0 {
            idle::idle_peer(&args, to).await
        } else {
            send(&args, to).await
        };
    }
    if args.idle > 0 {
        return idle::idle(&args).await;
    }
    let dir = tempfile::tempdir()?;
    let (source, target) = (dir.path().join("source"), dir.path().join("target"));
    let mut file = File::create(&source)?;
    let bytes: Vec<u8> = (0..MIB).map(|i| (i.wrapping_mul(2_654_435_761) >> 7) as u8).collect();
    for _ in 0..args.mib {
        file.write_all(&bytes)?;
    }
    if !args.fresh {
        std::fs::copy(&source, &target)?;
    }
    println!("receive     send      MiB/s  CPU-s/GiB receiving  sending");
    for _ in 0..args.rounds {
        for &variant in &args.variant {
            for &how in &args.send {
                let (rate, receiving, sending) =
                    round(&args, variant, how, &source, &target).await?;
                let (variant, how) = (name(variant), name(how));
                println!("{variant:11} {how:8} {rate:6.0} {receiving:20.3} {sending:8.3}");
            }
        }
    }
    Ok(())
}

/// A finished handshake, whichever library code is under it.
trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Duplex for S {}

async fn accept(variant: Variant, tls: &Tls, tcp: TcpStream) -> Outcome<Box<dyn Duplex>> {
    prepare(&tcp)?;
    Ok(match variant {
        Variant::Stock => Box::new(TlsAcceptor::from(tls.server()).accept(tcp).await?),
        _ => Box::new(Stream::accept(tls.server(), tcp).await?),
    })
}

async fn dial(variant: Variant, to: SocketAddr) -> Outcome<Box<dyn Duplex>> {
    let (tls, tcp) = (Tls::new(&Identity::generate()?)?, TcpStream::connect(to).await?);
    prepare(&tcp)?;
    let connector = TlsConnector::from(tls.client(None));
    Ok(match variant {
        Variant::Stock => Box::new(connector.connect(server_name(), tcp).await?),
        _ => Box::new(Stream::dial(tls.client(None), tcp).await?),
    })
}

/// One transfer: MiB/s, and CPU seconds per GiB of the receiving and the sending end.
async fn round(
    args: &Args,
    variant: Variant,
    how: Send,
    source: &Path,
    target: &Path,
) -> Outcome<(f64, f64, f64)> {
    if args.fresh && target.exists() {
        std::fs::remove_file(target)?;
    }
    let out = File::options().create(true).truncate(false).write(true).open(target)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut child = again(args, &listener, Some(how), source)?;
    let (tcp, _) = listener.accept().await?;
    let tls = Tls::new(&Identity::generate()?)?;
    let end = length(args.mib, how);
    let mut sink =
        Sink { disk: Disk::new(out, args.apart), piece: vec![0; MIB], filled: 0, handed: 0, end };
    let (begun, before) = (Instant::now(), cpu());
    if variant == Variant::Unbuffered {
        prepare(&tcp)?;
        Unbuffered::accept(tls.server(), tcp).await?.receive(&mut sink).await?;
    } else {
        let mut stream = accept(variant, &tls, tcp).await?;
        while !sink.done() {
            let n = stream.read(sink.room()).await?;
            sink.took(n)?;
        }
    }
    sink.disk.finish()?;
    let (took, receiving) = (begun.elapsed().as_secs_f64(), cpu() - before);
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    child.wait()?;
    let gib = args.mib as f64 / 1024.0;
    Ok((args.mib as f64 / took, receiving / gib, line.trim().parse::<f64>()? / gib))
}

/// This program once more, as the other end.
fn again(args: &Args, listener: &TcpListener, how: Option<Send>, file: &Path) -> Outcome<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--to", &listener.local_addr()?.to_string(), "--from", &name(args.from)]);
    command.args(["--mib", &args.mib.to_string(), "--idle", &args.idle.to_string()]);
    command.args(how.map(|how| format!("--send={}", name(how)))).arg("--file").arg(file);
    Ok(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?)
}

/// The socket options of a link.
fn prepare(tcp: &TcpStream) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    SockRef::from(tcp).set_tcp_notsent_lowat(64 * 1024)
}

/// Bytes in a round, headers and all.
fn length(mib: usize, how: Send) -> usize {
    let headers = if how == Send::Whole { 0 } else { mib * MIB / BLOCK };
    mib * MIB + headers * HEADER
}

/// Where plaintext goes: a MiB at a time.
struct Sink {
    disk: Disk,
    piece: Vec<u8>,
    filled: usize,
    handed: usize,
    end: usize,
}

impl Sink {
    fn done(&self) -> bool {
        self.handed == self.end
    }

    /// Where the next bytes belong.
    fn room(&mut self) -> &mut [u8] {
        let end = MIB.min(self.end - self.handed);
        &mut self.piece[self.filled..end]
    }

    /// So many bytes are there now.
    fn took(&mut self, n: usize) -> Outcome<()> {
        if n == 0 {
            return Err("the sender is gone".into());
        }
        self.filled += n;
        if self.room().is_empty() {
            self.piece = self.disk.take(std::mem::take(&mut self.piece), self.filled)?;
            self.handed += self.filled;
            self.filled = 0;
        }
        Ok(())
    }
}

/// The sending end: prints its CPU seconds.
async fn send(args: &Args, to: SocketAddr) -> Outcome<()> {
    let before = cpu();
    let mut stream = dial(args.from, to).await?;
    let file = File::open(&args.file)?;
    let how = *args.send.first().ok_or("no way to send")?;
    let (mut room, mut frame) = (vec![0; MIB + ALIGN], Vec::with_capacity(HEADER + BLOCK));
    let at = room.as_ptr().align_offset(ALIGN);
    let piece = &mut room[at..at + MIB];
    let header = [7; HEADER];
    for i in 0..args.mib {
        file.read_exact_at(piece, (i * MIB) as u64)?;
        if how == Send::Whole {
            stream.write_all(piece).await?;
            continue;
        }
        for block in piece.chunks(BLOCK) {
            match how {
                Send::Whole => {}
                Send::Copy => {
                    frame.clear();
                    frame.extend_from_slice(&header);
                    frame.extend_from_slice(block);
                    stream.write_all(&frame).await?;
                }
                Send::Two => {
                    stream.write_all(&header).await?;
                    stream.write_all(block).await?;
                }
                Send::Vectored => stream.write_all_buf(&mut Buf::chain(&header[..], block)).await?,
            }
        }
    }
    stream.shutdown().await?;
    println!("{}", cpu() - before);
    Ok(())
}
