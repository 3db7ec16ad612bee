//! Chunks that are read for others. Several threads read, so answers come in any order; a request is answered
//! from its beginning to its end.

use std::collections::{BTreeMap, VecDeque};

use actix::Context;
use bytes::Bytes;

use super::super::messages::ReadChunk;
use super::super::turn::Driver;
use super::Exchange;
use crate::mesh::NodeId;
use crate::net::buffers::Buffer;
use crate::pieces::FileId;
use crate::pieces::event::Event;
use crate::pieces::frame::{Nope, Part};
use crate::wire::Give;

/// Most chunks of one peer with the Shelf: twice what the core has under way for it, so that one that
/// cancels now and then is not refused.
const READS_MAX: u32 = 8;

/// What came of reading a chunk.
type Answer = Result<Buffer, Nope>;

/// A request, and whose.
type Key = (NodeId, u64);

/// For each request that is still open, its chunks that are not in a lane yet: where each begins, and what
/// came of it. Bounded by what the core has under way.
#[derive(Debug)]
pub(super) struct Waiting<A> {
    chunks: BTreeMap<Key, VecDeque<(u32, Option<A>)>>,
    /// Chunks of each peer that are with the Shelf, those nobody wants any more included: whoever asks and
    /// cancels in turn must not fill the Shelf with reads.
    reads: BTreeMap<NodeId, u32>,
}

/// The chunks of the Exchange.
pub(super) type Reading = Waiting<Answer>;

impl<A> Default for Waiting<A> {
    fn default() -> Self {
        Waiting { chunks: BTreeMap::new(), reads: BTreeMap::new() }
    }
}

impl<A> Waiting<A> {
    /// Nothing is being read.
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Nobody wants the answers of this request any more.
    pub(super) fn cancel(&mut self, peer: NodeId, request: u64) {
        self.chunks.remove(&(peer, request));
    }

    /// Nobody wants the answers of this peer's requests any more.
    pub(super) fn forget(&mut self, peer: NodeId) {
        self.chunks.retain(|(reader, _), _| *reader != peer);
    }

    /// A chunk is to be read; false if too many of this peer are being read.
    fn begin(&mut self, key: Key, offset: u32) -> bool {
        let reads = self.reads.entry(key.0).or_default();
        if *reads >= READS_MAX {
            return false;
        }
        *reads += 1;
        self.chunks.entry(key).or_default().push_back((offset, None));
        true
    }

    /// Takes in an answer; all that can be handed on now, in order.
    fn end(&mut self, key: Key, offset: u32, answer: A) -> Vec<(u32, A)> {
        if let Some(reads) = self.reads.get_mut(&key.0) {
            *reads -= 1;
            if *reads == 0 {
                self.reads.remove(&key.0);
            }
        }
        let Some(chunks) = self.chunks.get_mut(&key) else { return Vec::new() };
        if let Some(chunk) = chunks.iter_mut().find(|(at, _)| *at == offset) {
            chunk.1 = Some(answer);
        }
        let mut ready = Vec::new();
        while let Some((at, answer)) = chunks.front_mut()
            && let Some(answer) = answer.take()
        {
            ready.push((*at, answer));
            chunks.pop_front();
        }
        if chunks.is_empty() {
            self.chunks.remove(&key);
        }
        ready
    }
}

impl Exchange {
    /// Reads `bytes` of a part and puts them into the peer's lane, unless the request is cancelled meanwhile.
    pub(super) fn read(
        &mut self,
        (peer, request): Key,
        (file, part): (FileId, Part),
        (offset, bytes): (u32, u32),
        ctx: &mut Context<Self>,
    ) {
        let key = (peer, request);
        let Some(conn) = self.links.get(&peer).map(|link| link.conn) else { return };
        if !self.reading.begin(key, offset) {
            let why = Nope::Busy;
            return self.later("a read too many", Event::ReadFailed { peer, request, why }, ctx);
        }
        self.tick(ctx);
        let into = self.buffers.take(usize::try_from(bytes).expect("32 bits fit"));
        let to = self.ports.shelves.read.clone();
        self.ask(&to, ReadChunk { file, part, offset, into }, ctx, move |exchange, answer, ctx| {
            let ready = exchange.reading.end(key, offset, answer);
            if exchange.is_current(&peer, conn) {
                for (offset, answer) in ready {
                    if !exchange.give(peer, Give { request, offset }, answer, ctx) {
                        return;
                    }
                }
            }
        });
    }

    /// Puts an answer into its lane; false if that is not possible, and nothing may follow.
    fn give(&mut self, peer: NodeId, give: Give, answer: Answer, ctx: &mut Context<Self>) -> bool {
        let request = give.request;
        let Some(link) = self.links.get(&peer) else { return false };
        let why = match answer.map(|buffer| link.lanes.give(give, Bytes::from_owner(buffer))) {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => {
                log::debug!(peer:%; "a chunk for {} not sent: {error}", peer.short());
                Nope::Busy
            }
            Err(why) => why,
        };
        self.reading.cancel(peer, request);
        self.handle_event("ReadFailed", Event::ReadFailed { peer, request, why }, ctx);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_handed_on_in_the_order_of_the_questions() {
        let key = (NodeId([1; 32]), 7);
        let mut waiting = Waiting::default();
        for offset in [0, 10, 20] {
            assert!(waiting.begin(key, offset));
        }
        assert_eq!(waiting.end(key, 20, 'c'), []);
        assert_eq!(waiting.end(key, 0, 'a'), [(0, 'a')]);
        assert_eq!(waiting.end(key, 10, 'b'), [(10, 'b'), (20, 'c')]);
        assert!(waiting.is_empty());
    }

    #[test]
    fn what_nobody_wants_any_more_is_not_handed_on() {
        let (one, other) = (NodeId([1; 32]), NodeId([2; 32]));
        let mut waiting = Waiting::default();
        for key in [(one, 7), (one, 8), (other, 7)] {
            assert!(waiting.begin(key, 0));
        }
        waiting.cancel(one, 7);
        assert_eq!(waiting.end((one, 7), 0, 'a'), []);
        waiting.forget(one);
        assert_eq!(waiting.end((one, 8), 0, 'b'), []);
        assert_eq!(waiting.end((other, 7), 0, 'c'), [(0, 'c')]);
    }

    #[test]
    fn whoever_asks_and_cancels_in_turn_has_no_more_read_than_others() {
        let (one, other) = (NodeId([1; 32]), NodeId([2; 32]));
        let mut waiting = Waiting::default();
        for request in 0..u64::from(READS_MAX) {
            assert!(waiting.begin((one, request), 0));
            waiting.cancel(one, request);
        }
        assert!(!waiting.begin((one, 100), 0));
        waiting.forget(one);
        assert!(!waiting.begin((one, 100), 0), "a new link buys nothing");
        assert!(waiting.begin((other, 0), 0));
        assert_eq!(waiting.end((one, 0), 0, 'a'), []);
        assert!(waiting.begin((one, 100), 0));
    }
}
