//! Memory for blocks on their way between links and the disk: taken, filled, and used again.
//!
//! A fresh buffer for every piece would cost a page fault for every 4 KiB of it; a buffer kept by every link
//! would cost memory on thousands of idle ones. So one daemon keeps a few, and none while nothing is moved.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// Where a buffer begins in memory: at a multiple of this. The kernel copies file pages to such places up to a
/// third faster than to where the allocator happens to begin.
const ALIGN: usize = 64;
/// Most bytes kept for the next use.
const KEPT_BYTES_MAX: usize = 8 << 20;

/// Buffers that are not used now. How many are in use is bounded by those who ask: what is requested of peers
/// and what waits in lanes.
#[derive(Debug, Default)]
pub struct Buffers {
    free: Mutex<Vec<Vec<u8>>>,
}

/// Some bytes of memory; they go back to where they came from when dropped. What is in them at first is
/// whatever was in them last.
#[derive(Debug)]
pub struct Buffer {
    memory: Vec<u8>,
    start: usize,
    len: usize,
    home: Arc<Buffers>,
}

impl Buffers {
    /// A buffer of `len` bytes.
    pub fn take(self: &Arc<Self>, len: usize) -> Buffer {
        let fits = |memory: &Vec<u8>| (len + ALIGN..=2 * len + ALIGN).contains(&memory.len());
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let found = free.iter().position(fits).map(|at| free.swap_remove(at));
        drop(free);
        let memory = found.unwrap_or_else(|| vec![0; len + ALIGN]);
        let start = memory.as_ptr().align_offset(ALIGN).min(ALIGN);
        Buffer { memory, start, len, home: self.clone() }
    }

    /// Gives back to the system what is kept.
    pub fn trim(&self) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn put(&self, memory: Vec<u8>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: usize = free.iter().map(Vec::len).sum();
        if kept + memory.len() <= KEPT_BYTES_MAX {
            free.push(memory);
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.put(std::mem::take(&mut self.memory));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_and_bounded() {
        let buffers = Arc::new(Buffers::default());
        let mut first = buffers.take(1000);
        first[999] = 7;
        let at = first.as_ptr();
        drop(first);
        let again = buffers.take(600);
        assert_eq!((again.as_ptr(), again.len()), (at, 600));
        assert_eq!(at.align_offset(ALIGN), 0);
        drop(again);
        assert_ne!(buffers.take(100).as_ptr(), at, "too large to be lent for so little");
        let many: Vec<Buffer> = (0..20).map(|_| buffers.take(1 << 20)).collect();
        drop(many);
        let kept = |b: &Buffers| b.free.lock().unwrap().iter().map(Vec::len).sum::<usize>();
        assert!(kept(&buffers) <= KEPT_BYTES_MAX);
        buffers.trim();
        assert_eq!(kept(&buffers), 0);
    }
}
