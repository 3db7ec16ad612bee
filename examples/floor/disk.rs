//! Hashing and writing what was received.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{JoinHandle, spawn};

use sha2::{Digest, Sha256};

use super::{MIB, Outcome};

/// Pieces that may wait for the other thread.
const WAITING: usize = 4;

/// Where pieces go, one after the other.
pub enum Disk {
    /// At once, on the thread that receives.
    Here { out: File, offset: u64 },
    /// On a thread of its own, with pieces going round between the two.
    Apart {
        full: SyncSender<(Vec<u8>, usize)>,
        empty: Receiver<Vec<u8>>,
        thread: JoinHandle<io::Result<()>>,
    },
}

impl Disk {
    pub fn new(out: File, apart: bool) -> Disk {
        if !apart {
            return Disk::Here { out, offset: 0 };
        }
        let (full, pieces) = sync_channel::<(Vec<u8>, usize)>(WAITING);
        let (back, empty) = sync_channel(WAITING + 2);
        for _ in 0..WAITING {
            back.send(vec![0; MIB]).expect("there is room");
        }
        let thread = spawn(move || {
            let mut offset = 0;
            for (piece, len) in pieces {
                offset += store(&out, &piece[..len], offset)?;
                // At the end nobody wants it any more.
                let _ = back.send(piece);
            }
            Ok(())
        });
        Disk::Apart { full, empty, thread }
    }

    /// Takes the first `len` bytes of a piece; room for the next one.
    pub fn take(&mut self, piece: Vec<u8>, len: usize) -> Outcome<Vec<u8>> {
        match self {
            Disk::Here { out, offset } => {
                *offset += store(out, &piece[..len], *offset)?;
                Ok(piece)
            }
            Disk::Apart { full, empty, .. } => {
                full.send((piece, len))?;
                Ok(empty.recv()?)
            }
        }
    }

    /// Waits until all is written.
    pub fn finish(self) -> Outcome<()> {
        if let Disk::Apart { full, thread, .. } = self {
            drop(full);
            thread.join().map_err(|_| "the writing thread panicked")??;
        }
        Ok(())
    }
}

fn store(out: &File, piece: &[u8], offset: u64) -> io::Result<u64> {
    std::hint::black_box(Sha256::digest(piece));
    out.write_all_at(piece, offset)?;
    Ok(piece.len() as u64)
}
