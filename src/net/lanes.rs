//! A link's outgoing queues, bounded in bytes.
//!
//! Bytes wait here and nowhere else. The writer takes one frame at a time from the highest lane that has
//! one, so a heartbeat never waits behind more than one frame of a file.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::mesh::gossip::Beat;
use crate::mesh::peers::Bye;
use crate::mesh::{ConnId, NodeId};
use crate::wire::{ByeFrame, Frame, Lane, encode};

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
}

impl Item {
    fn len(&self) -> usize {
        match self {
            Item::Bytes(bytes) => bytes.len(),
            Item::Ping { .. } => PING_BYTES,
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
}

impl Lanes {
    /// Empty lanes.
    pub fn new(limits: LaneLimits) -> Lanes {
        Lanes {
            limits: [URGENT_BYTES_MAX, limits.normal, limits.bulk],
            queues: Mutex::new(Queues {
                lanes: Default::default(),
                bytes: [0; 3],
                closing: None,
                stuck: None,
            }),
            changed: Notify::new(),
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
        if queues.bytes[i] + item.len() > self.limits[i] {
            queues.stuck.get_or_insert_with(Instant::now);
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

    /// Says goodbye behind what waits in the urgent and normal lanes, and takes nothing more.
    pub fn close(&self, bye: ByeFrame) {
        let goodbye = encode(&Frame::Bye(bye)).map(Item::Bytes);
        let mut queues = self.queues();
        if queues.closing.is_none() {
            queues.closing = Some(Instant::now());
            queues.lanes[Lane::Bulk as usize].clear();
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
        for i in 0..queues.lanes.len() {
            if let Some(item) = queues.lanes[i].pop_front() {
                queues.bytes[i] = queues.bytes[i].saturating_sub(item.len());
                queues.stuck = None;
                return Some(Some(item));
            }
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
    use crate::mesh::gossip::Gossip;
    use crate::wire::bounded::List;

    fn lanes(normal: usize) -> Lanes {
        Lanes::new(LaneLimits { normal, bulk: 1 << 20 })
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
        assert!(lanes.queues().stuck.is_some());
        assert_eq!(lanes.send(&ASK), Ok(()));
        assert!(matches!(lanes.pop(), Some(Some(_))));
        assert!(lanes.queues().stuck.is_none(), "the writer moves again");
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
