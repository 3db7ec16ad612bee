//! What was asked for on a link, and the buffers that wait for it. A block that nobody asked for has none: the
//! link that brings it is closed.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::buffers::Buffer;
use crate::wire::{BLOCK_BYTES_MIN, Give};

/// Most requests open at once, those given up and not yet answered included. Far above what is asked of one
/// peer; a peer that never answers a cancel reaches it.
const OPEN_MAX: usize = 1024;

/// Why what came in is not taken. The link is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unasked {
    /// No such request is open.
    #[error("it gave what nobody asked for")]
    Request,
    /// It is not what comes next, or more than was asked for.
    #[error("it gave other bytes than were asked for")]
    Range,
    /// It is short, and more must follow.
    #[error("it gave less than {BLOCK_BYTES_MIN} bytes at once")]
    Crumbs,
}

/// Too many requests are open: the peer leaves them unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it leaves {OPEN_MAX} requests unanswered")]
pub struct TooMany;

#[derive(Debug)]
struct Slot {
    /// None: given up, or just being filled.
    buffer: Option<Buffer>,
    given_up: bool,
    filled: usize,
    len: usize,
}

/// The open requests of one link.
#[derive(Debug, Default)]
pub struct Wanted {
    slots: Mutex<BTreeMap<u64, Slot>>,
}

/// A block that is being read: where its bytes go.
#[derive(Debug)]
pub(super) struct Landing {
    request: u64,
    /// Where the next of its bytes belongs.
    at: usize,
    end: usize,
    /// None: nobody wants them any more.
    buffer: Option<Buffer>,
}

impl Landing {
    /// The room for the bytes that are still to come; none if they are to be thrown away.
    pub(super) fn room(&mut self) -> Option<&mut [u8]> {
        let (at, end) = (self.at, self.end);
        self.buffer.as_mut().map(|buffer| &mut buffer[at..end])
    }

    /// How many bytes are still to come.
    pub(super) fn rest(&self) -> usize {
        self.end - self.at
    }

    /// So many have come.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }
}

impl Wanted {
    fn slots(&self) -> MutexGuard<'_, BTreeMap<u64, Slot>> {
        // Every change of the slots is complete before anything could panic.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes of `request` will come, as many as the buffer is long.
    pub fn expect(&self, request: u64, buffer: Buffer) -> Result<(), TooMany> {
        let mut slots = self.slots();
        if slots.len() >= OPEN_MAX {
            return Err(TooMany);
        }
        let len = buffer.len();
        slots.insert(request, Slot { buffer: Some(buffer), given_up: false, filled: 0, len });
        Ok(())
    }

    /// Nobody wants the bytes of `request` any more: those that still come are thrown away.
    pub fn give_up(&self, request: u64) {
        if let Some(slot) = self.slots().get_mut(&request) {
            slot.buffer = None;
            slot.given_up = true;
        }
    }

    /// Nothing (more) will come for `request`.
    pub fn end(&self, request: u64) {
        self.slots().remove(&request);
    }

    /// How many bytes of each request have come.
    pub fn progress(&self) -> Vec<(u64, u32)> {
        let bytes = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let slots = self.slots();
        let wanted = slots.iter().filter(|(_, slot)| !slot.given_up);
        wanted.map(|(request, slot)| (*request, bytes(slot.filled))).collect()
    }

    /// A block of `bytes` bytes begins.
    pub(super) fn begin(&self, give: Give, bytes: usize) -> Result<Landing, Unasked> {
        let mut slots = self.slots();
        let slot = slots.get_mut(&give.request).ok_or(Unasked::Request)?;
        let start = usize::try_from(give.offset).unwrap_or(usize::MAX);
        if start != slot.filled || bytes > slot.len - slot.filled {
            return Err(Unasked::Range);
        }
        if bytes < BLOCK_BYTES_MIN && start + bytes != slot.len {
            return Err(Unasked::Crumbs);
        }
        let buffer = slot.buffer.take();
        Ok(Landing { request: give.request, at: start, end: start + bytes, buffer })
    }

    /// A block is in its place; the whole buffer if it was the last of its request and still wanted.
    pub(super) fn land(&self, landing: Landing) -> Option<(u64, Buffer)> {
        let mut slots = self.slots();
        let slot = slots.get_mut(&landing.request)?;
        slot.filled = landing.end;
        let whole = slot.filled == slot.len;
        let buffer = if slot.given_up { None } else { landing.buffer };
        if whole {
            slots.remove(&landing.request);
            return buffer.map(|buffer| (landing.request, buffer));
        }
        slot.buffer = buffer;
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::buffers::Buffers;
    use super::*;

    fn give(request: u64, offset: u32) -> Give {
        Give { request, offset }
    }

    fn wanted(request: u64, len: usize) -> Wanted {
        let wanted = Wanted::default();
        wanted.expect(request, Arc::new(Buffers::default()).take(len)).expect("few");
        wanted
    }

    #[test]
    fn blocks_land_in_order_and_the_last_one_frees_the_whole() {
        let wanted = wanted(5, 2 * BLOCK_BYTES_MIN + 2);
        for (offset, byte) in [(0, 1u8), (BLOCK_BYTES_MIN, 2)] {
            let give = give(5, offset as u32);
            let mut landing = wanted.begin(give, BLOCK_BYTES_MIN).expect("asked for");
            landing.room().expect("wanted")[..1000].fill(byte);
            landing.advance(1000);
            assert_eq!(landing.rest(), BLOCK_BYTES_MIN - 1000);
            landing.room().expect("wanted").fill(byte);
            assert!(wanted.land(landing).is_none());
        }
        let most = 2 * BLOCK_BYTES_MIN as u32;
        assert_eq!(wanted.progress(), [(5, most)]);
        let mut landing = wanted.begin(give(5, most), 2).expect("asked for");
        landing.room().expect("wanted").fill(3);
        let (request, buffer) = wanted.land(landing).expect("whole");
        let bytes = [&[1; BLOCK_BYTES_MIN][..], &[2; BLOCK_BYTES_MIN], &[3, 3]].concat();
        assert_eq!((request, &buffer[..]), (5, &bytes[..]));
        assert_eq!(wanted.begin(give(5, 0), 1).err(), Some(Unasked::Request));
    }

    #[test]
    fn what_comes_in_crumbs_is_not_taken_but_for_the_last() {
        let wanted = wanted(5, BLOCK_BYTES_MIN + 1);
        assert_eq!(wanted.begin(give(5, 0), 1).err(), Some(Unasked::Crumbs));
        assert_eq!(wanted.begin(give(5, 0), BLOCK_BYTES_MIN - 1).err(), Some(Unasked::Crumbs));
        let landing = wanted.begin(give(5, 0), BLOCK_BYTES_MIN).expect("long enough");
        assert!(wanted.land(landing).is_none());
        let landing = wanted.begin(give(5, BLOCK_BYTES_MIN as u32), 1).expect("the end");
        assert!(wanted.land(landing).is_some());
    }

    #[test]
    fn what_nobody_asked_for_is_not_taken() {
        let wanted = wanted(5, 10);
        assert_eq!(wanted.begin(give(6, 0), 1).err(), Some(Unasked::Request));
        assert_eq!(wanted.begin(give(5, 1), 1).err(), Some(Unasked::Range));
        assert_eq!(wanted.begin(give(5, 0), 11).err(), Some(Unasked::Range));
        wanted.end(5);
        assert_eq!(wanted.begin(give(5, 0), 1).err(), Some(Unasked::Request));
    }

    #[test]
    fn a_request_given_up_is_read_to_its_end_and_thrown_away() {
        let wanted = wanted(5, BLOCK_BYTES_MIN + 2);
        let mut landing = wanted.begin(give(5, 0), BLOCK_BYTES_MIN).expect("asked for");
        assert!(landing.room().is_some());
        wanted.give_up(5);
        assert!(wanted.land(landing).is_none());
        assert!(wanted.progress().is_empty());
        let mut rest = wanted.begin(give(5, BLOCK_BYTES_MIN as u32), 2).expect("still open");
        assert!(rest.room().is_none());
        assert!(wanted.land(rest).is_none());
        assert_eq!(wanted.begin(give(5, 4), 1).err(), Some(Unasked::Request));
    }

    #[test]
    fn open_requests_are_bounded() {
        let (wanted, buffers) = (Wanted::default(), Arc::new(Buffers::default()));
        for request in 0..OPEN_MAX as u64 {
            wanted.expect(request, buffers.take(1)).expect("room");
        }
        assert_eq!(wanted.expect(u64::MAX, buffers.take(1)), Err(TooMany));
    }
}
