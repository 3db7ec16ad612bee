//! A link's outgoing queues, bounded in bytes.
//!
//! The writer takes one frame at a time from the highest lane that has one, so a heartbeat waits behind no
//! more of a file than has left its lane: the rest of one block, 80 KiB that TLS may hold encrypted, and 64 KiB
//! that the kernel may hold unsent. On a slow path that is seconds; the blocks themselves are the sign of life
//! there.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;

use super::tally::Tally;
use super::wanted::Wanted;
use crate::mesh::gossip::Beat;
use crate::mesh::peers::Bye;
use crate::mesh::{ConnId, NodeId};
use crate::pieces::BLOCK_BYTES;
use crate::wire::{BLOCK_BYTES_MIN, ByeFrame, Frame, Give, Lane, encode};

/// Most bytes in the urgent lane: heartbeats and a goodbye are small.
const URGENT_BYTES_MAX: usize = 64 * 1024;
/// How many bytes a ping counts for while it waits.
const PING_BYTES: usize = 32;

/// Bounds of the lanes of one link, bytes.
#[derive(Clone, Copy, Debug)]
pub struct LaneLimits {
    /// Of the normal lane.
    pub normal: usize,
    /// Of the bulk lane.
    pub bulk: usize,
}

/// Why a frame was not taken. The frame is dropped; the link is as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Its lane has no room now.
    #[error("the lane is full")]
    Full,
    /// The link is closing.
    #[error("the link is closing")]
    Closed,
    /// It is larger than any frame may be.
    #[error("the frame is too large")]
    TooLarge,
}

/// What the writer takes out.
#[derive(Debug)]
pub(super) enum Item {
    /// Encoded already.
    Bytes(Bytes),
    /// A ping; the clock is read when it is written, not when it began to wait.
    Ping { rtt_us: u32 },
    /// Bytes of a file. The writer takes them out a block at a time.
    Chunk(Chunk),
}

/// Some bytes that answer a request, or the rest of them.
#[derive(Debug)]
pub(super) struct Chunk {
    /// The request, and where the bytes belong.
    pub give: Give,
    /// What is not written yet.
    pub bytes: Bytes,
    /// With the last block: how many bytes the chunk had.
    pub ends: Option<u32>,
}

impl Item {
    fn len(&self) -> usize {
        match self {
            Item::Bytes(bytes) => bytes.len(),
            Item::Ping { .. } => PING_BYTES,
            Item::Chunk(chunk) => chunk.bytes.len(),
        }
    }
}

#[derive(Debug)]
struct Queues {
    lanes: [VecDeque<Item>; 3],
    bytes: [usize; 3],
    /// No frame is taken any more; what waits is still written, bulk apart.
    /// Since when.
    closing: Option<Instant>,
    /// Since when a lane has been refusing frames without the writer moving.
    stuck: Option<Instant>,
}

/// The lanes of one link, shared by those who send and the one writer.
#[derive(Debug)]
pub struct Lanes {
    limits: [usize; 3],
    queues: Mutex<Queues>,
    changed: Notify,
    tally: Arc<Tally>,
}

impl Lanes {
    /// Empty lanes. What leaves them, and what finds no room, is counted.
    pub fn new(limits: LaneLimits, tally: Arc<Tally>) -> Lanes {
        Lanes {
            limits: [URGENT_BYTES_MAX, limits.normal, limits.bulk],
            queues: Mutex::new(Queues {
                lanes: Default::default(),
                bytes: [0; 3],
                closing: None,
                stuck: None,
            }),
            changed: Notify::new(),
            tally,
        }
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        // Every change of the queues is complete before anything could panic.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, lane: Lane, item: Item) -> Result<(), SendError> {
        let i = lane as usize;
        let mut queues = self.queues();
        if queues.closing.is_some() {
            return Err(SendError::Closed);
        }
        // Files fill the bulk lane whenever they can: frames have some room beyond that.
        let beyond = match (lane, &item) {
            (Lane::Bulk, Item::Bytes(_)) => self.limits[Lane::Normal as usize],
            _ => 0,
        };
        if queues.bytes[i] + item.len() > self.limits[i] + beyond {
            queues.stuck.get_or_insert_with(Instant::now);
            self.tally.frames_refused.of(lane).add(1);
            return Err(SendError::Full);
        }
        queues.bytes[i] += item.len();
        queues.lanes[i].push_back(item);
        drop(queues);
        self.changed.notify_one();
        Ok(())
    }

    /// Puts a frame into its lane.
    pub fn send(&self, frame: &Frame) -> Result<(), SendError> {
        match frame {
            Frame::Beat(Beat::Ping { rtt_us, .. }) => {
                self.push(Lane::Urgent, Item::Ping { rtt_us: *rtt_us })
            }
            frame => {
                let bytes = encode(frame).map_err(|_| SendError::TooLarge)?;
                self.push(frame.lane(), Item::Bytes(bytes))
            }
        }
    }

    /// Puts bytes that answer a request into the bulk lane, at `give.offset` of what was asked for.
    pub fn give(&self, give: Give, bytes: Bytes) -> Result<(), SendError> {
        let ends = Some(u32::try_from(bytes.len()).map_err(|_| SendError::TooLarge)?);
        self.push(Lane::Bulk, Item::Chunk(Chunk { give, bytes, ends }))
    }

    /// Takes what waits of a request out of the bulk lane: no block of it is written after this.
    pub fn unsend(&self, request: u64) {
        let bulk = Lane::Bulk as usize;
        let mut queues = self.queues();
        let of_it = |item: &Item| matches!(item, Item::Chunk(c) if c.give.request == request);
        queues.lanes[bulk].retain(|item| !of_it(item));
        queues.bytes[bulk] = queues.lanes[bulk].iter().map(Item::len).sum();
    }

    /// Says goodbye behind what waits in the urgent and normal lanes, and takes nothing more.
    pub fn close(&self, bye: ByeFrame) {
        let goodbye = encode(&Frame::Bye(bye)).map(Item::Bytes);
        let mut queues = self.queues();
        if queues.closing.is_none() {
            queues.closing = Some(Instant::now());
            queues.lanes[Lane::Bulk as usize].clear();
            queues.bytes[Lane::Bulk as usize] = 0;
            queues.lanes[Lane::Normal as usize].extend(goodbye);
        }
        drop(queues);
        self.changed.notify_one();
    }

    /// Whether the link is closing: what still comes in on it does not count any more.
    pub fn is_closing(&self) -> bool {
        self.queues().closing.is_some()
    }

    /// How long the link has been closing.
    pub(super) fn closing_for(&self) -> Duration {
        self.queues().closing.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// How long frames have been refused without the writer moving.
    pub(super) fn stuck_for(&self) -> Duration {
        self.queues().stuck.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// The next item to write; none once everything is written and the lanes are closed.
    pub(super) async fn next(&self) -> Option<Item> {
        loop {
            let changed = self.changed.notified();
            if let Some(next) = self.pop() {
                return next;
            }
            changed.await;
        }
    }

    /// The next item if one waits; `Some(None)` when there will be none any more.
    fn pop(&self) -> Option<Option<Item>> {
        let mut queues = self.queues();
        for lane in [Lane::Urgent, Lane::Normal, Lane::Bulk] {
            let i = lane as usize;
            let item = match queues.lanes[i].front_mut() {
                None => continue,
                Some(Item::Chunk(rest)) if rest.bytes.len() > BLOCK_BYTES => {
                    // No crumb is left over: the asker takes none before the end of what it asked for.
                    let most = rest.bytes.len() - BLOCK_BYTES_MIN;
                    let bytes = rest.bytes.split_to(BLOCK_BYTES.min(most));
                    let give = rest.give;
                    rest.give.offset += bytes.len() as u32;
                    Some(Item::Chunk(Chunk { give, bytes, ends: None }))
                }
                Some(_) => queues.lanes[i].pop_front(),
            };
            let len = item.as_ref().map_or(0, Item::len);
            queues.bytes[i] = queues.bytes[i].saturating_sub(len);
            queues.stuck = None;
            self.tally.frames_out.of(lane).add(1);
            return Some(item);
        }
        queues.closing.map(|_| None)
    }

    /// Whether anything waits right now.
    pub(super) fn is_empty(&self) -> bool {
        self.queues().lanes.iter().all(VecDeque::is_empty)
    }
}

/// A live link: how anyone writes to a peer.
#[derive(Clone, Debug)]
pub struct Link {
    /// The peer.
    pub peer: NodeId,
    /// Its connection.
    pub conn: ConnId,
    /// Its outgoing lanes.
    pub lanes: Arc<Lanes>,
    /// What was asked for on it.
    pub wanted: Arc<Wanted>,
}

impl Link {
    /// Puts a frame into its lane; never blocks.
    pub fn try_send(&self, frame: &Frame) -> Result<(), SendError> {
        self.lanes.send(frame)
    }

    /// Says why and closes.
    pub fn close(&self, why: Bye) {
        self.lanes.close(ByeFrame { why, cards: Default::default() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::gossip::{BucketSet, Gossip};
    use crate::mesh::record::{Kind, Signed};
    use crate::net::tally::ByLane;
    use crate::wire::bounded::List;

    fn lanes(normal: usize) -> Lanes {
        Lanes::new(LaneLimits { normal, bulk: 1 << 20 }, Arc::default())
    }

    fn gossip() -> Frame {
        Frame::Gossip(Gossip::Digest(List::first_of([u64::MAX; 256])))
    }

    const ASK: Frame = Frame::Beat(Beat::Ask { target: NodeId([1; 32]) });

    #[test]
    fn urgent_frames_overtake_and_each_lane_keeps_its_order() {
        let lanes = lanes(1 << 18);
        lanes.send(&gossip()).expect("room");
        lanes.send(&ASK).expect("room");
        let ask = encode(&ASK).expect("encodes");
        match lanes.pop() {
            Some(Some(Item::Bytes(first))) => assert_eq!(first, ask),
            other => panic!("{other:?}"),
        }
        assert!(matches!(lanes.pop(), Some(Some(_))));
        assert!(lanes.pop().is_none());
    }

    #[test]
    fn a_full_lane_refuses_and_the_others_do_not() {
        let one = encode(&gossip()).expect("encodes").len();
        let lanes = lanes(2 * one);
        assert_eq!(lanes.send(&gossip()), Ok(()));
        assert_eq!(lanes.send(&gossip()), Ok(()));
        assert_eq!(lanes.stuck_for(), Duration::ZERO);
        assert_eq!(lanes.send(&gossip()), Err(SendError::Full));
        let counts = |of: &ByLane| [Lane::Urgent, Lane::Normal, Lane::Bulk].map(|l| of.of(l).now());
        assert_eq!(counts(&lanes.tally.frames_refused), [0, 1, 0]);
        assert!(lanes.queues().stuck.is_some());
        assert_eq!(lanes.send(&ASK), Ok(()));
        assert!(matches!(lanes.pop(), Some(Some(_))));
        assert!(lanes.queues().stuck.is_none(), "the writer moves again");
        assert_eq!(counts(&lanes.tally.frames_out), [1, 0, 0]);
    }

    #[test]
    fn what_neighbours_compare_goes_behind_everything_else_and_finds_room_behind_files() {
        let lanes = lanes(1 << 18);
        let one = || {
            Arc::new(Signed {
                kind: Kind::Links,
                key: [1; 32],
                body: Default::default(),
                sig: Default::default(),
            })
        };
        let records = |n| Frame::Gossip(Gossip::Records(List::first_of((0..n).map(|_| one()))));
        assert_eq!((records(2).lane(), records(3).lane()), (Lane::Normal, Lane::Bulk));
        lanes.give(Give { request: 3, offset: 0 }, Bytes::from(vec![1; 1 << 20])).expect("room");
        assert_eq!(lanes.send(&records(3)), Ok(()));
        assert_eq!(
            lanes.give(Give { request: 4, offset: 0 }, Bytes::from(vec![1; 9])),
            Err(SendError::Full)
        );
        let evened = Frame::Gossip(Gossip::Evened(BucketSet::default()));
        assert_eq!((evened.lane(), lanes.send(&evened)), (Lane::Bulk, Ok(())));
        lanes.send(&gossip()).expect("room");
        lanes.send(&records(2)).expect("room");
        let popped = || match lanes.pop() {
            Some(Some(Item::Bytes(bytes))) => bytes,
            Some(Some(Item::Chunk(_))) => Bytes::new(),
            other => panic!("{other:?}"),
        };
        let frame = |frame: &Frame| encode(frame).expect("encodes");
        assert_eq!((popped(), popped()), (frame(&gossip()), frame(&records(2))));
        let rest: Vec<Bytes> =
            std::iter::repeat_with(popped).skip_while(Bytes::is_empty).take(2).collect();
        assert_eq!(rest, [frame(&records(3)), frame(&evened)]);
    }

    #[test]
    fn a_heartbeat_overtakes_every_block_that_waits() {
        let lanes = lanes(1 << 18);
        let bytes = Bytes::from(vec![1; 3 * BLOCK_BYTES]);
        lanes.give(Give { request: 3, offset: 100 }, bytes).expect("room");
        let block = |lanes: &Lanes| match lanes.pop() {
            Some(Some(Item::Chunk(c))) => (c.give.offset, c.bytes.len(), c.ends),
            other => panic!("{other:?}"),
        };
        assert_eq!(block(&lanes), (100, BLOCK_BYTES, None));
        lanes.send(&ASK).expect("room");
        assert!(matches!(lanes.pop(), Some(Some(Item::Bytes(_)))));
        assert_eq!(block(&lanes), (100 + 65_536, BLOCK_BYTES, None));
        assert_eq!(block(&lanes), (100 + 131_072, BLOCK_BYTES, Some(3 * 65_536)));
        assert_eq!(lanes.queues().bytes, [0; 3]);
    }

    #[test]
    fn no_chunk_is_cut_so_that_a_crumb_is_left() {
        let lanes = lanes(1 << 18);
        for over in [1, BLOCK_BYTES_MIN - 1, BLOCK_BYTES_MIN, BLOCK_BYTES - 1, BLOCK_BYTES] {
            let bytes = Bytes::from(vec![1; BLOCK_BYTES + over]);
            lanes.give(Give { request: 3, offset: 0 }, bytes).expect("room");
            let mut at = 0;
            while let Some(Some(Item::Chunk(block))) = lanes.pop() {
                assert_eq!(block.give.offset as usize, at);
                assert!((BLOCK_BYTES_MIN..=BLOCK_BYTES).contains(&block.bytes.len()), "{over}");
                at += block.bytes.len();
            }
            assert_eq!((at, lanes.queues().bytes), (BLOCK_BYTES + over, [0; 3]));
        }
    }

    #[test]
    fn what_is_cancelled_is_not_written_any_more() {
        let lanes = lanes(1 << 18);
        for request in [1, 2, 1] {
            let bytes = Bytes::from(vec![0; 100_000]);
            lanes.give(Give { request, offset: 0 }, bytes).expect("room");
        }
        assert!(matches!(lanes.pop(), Some(Some(Item::Chunk(_)))));
        lanes.unsend(1);
        assert_eq!(lanes.queues().bytes, [0, 0, 100_000]);
        let large = Bytes::from(vec![0; 1 << 20]);
        assert_eq!(lanes.give(Give { request: 9, offset: 0 }, large), Err(SendError::Full));
    }

    #[test]
    fn a_closing_link_writes_what_waits_and_then_its_goodbye() {
        let lanes = lanes(1 << 18);
        lanes.send(&gossip()).expect("room");
        lanes.close(ByeFrame { why: Bye::Leaving, cards: List::default() });
        assert_eq!(lanes.send(&ASK), Err(SendError::Closed));
        assert!(matches!(lanes.pop(), Some(Some(_))));
        assert!(matches!(lanes.pop(), Some(Some(_))));
        assert!(matches!(lanes.pop(), Some(None)));
    }
}
