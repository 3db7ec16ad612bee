//! What is given to whom: which asks are taken, and which chunk is read next.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::Exchange;
use super::bucket::Bucket;
use super::places::Place;
use crate::mesh::{NodeId, Time};
use crate::pieces::event::{Effect, KnownFile, TransferId};
use crate::pieces::frame::{Nope, Part, PieceFrame};
use crate::pieces::holding::Signed;
use crate::pieces::{Bitmap, FileId, MANIFEST_BYTES_MAX, PIECE_BYTES_MAX, PIECES_MAX};

/// Most bytes of one read.
const CHUNK_BYTES: u32 = 256 * 1024;
/// Chunks of one peer that are being read or wait in its lane.
pub(super) const CHUNKS_MAX: u32 = 4;
/// Asks of one peer that wait.
const QUEUE_MAX: usize = 32;

/// A file that is known here, whole or in part.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) piece_bytes: u32,
    pub(super) manifest_bytes: u32,
    pub(super) held: Bitmap,
    /// The download that fills it, while it runs.
    pub(super) fetch: Option<TransferId>,
    /// It is given to whoever asks.
    pub(super) served: bool,
    pub(super) given: u64,
    /// Pieces that interested peers were not told of yet.
    pub(super) fresh: Vec<u32>,
    /// Who keeps its index, best first.
    pub(super) places: Vec<Place>,
    /// Which of them know that we hold it, since when, and how long after that they are told again.
    pub(super) told: BTreeMap<NodeId, (Time, Duration)>,
    /// When it is announced again.
    pub(super) due: Option<Time>,
    /// Our word for it; when it was given follows from when it is over.
    pub(super) word: Option<Signed>,
}

impl Local {
    pub(super) fn new(file: KnownFile, fetch: Option<TransferId>) -> Local {
        Local {
            name: file.name,
            bytes: file.bytes,
            piece_bytes: file.piece_bytes,
            manifest_bytes: file.manifest_bytes,
            held: file.held,
            fetch,
            served: true,
            given: 0,
            fresh: Vec::new(),
            places: Vec::new(),
            told: BTreeMap::new(),
            due: None,
            word: None,
        }
    }

    /// Whether there is anything to give: a piece, or all of no pieces.
    pub(super) fn has_some(&self) -> bool {
        !self.held.is_empty() || self.held.is_full()
    }

    /// Bytes of a part; none if there is no such part.
    fn part_bytes(&self, part: Part) -> Option<u32> {
        match part {
            Part::Manifest => Some(self.manifest_bytes),
            Part::Piece(piece) => piece_bytes(self.bytes, self.piece_bytes, piece),
        }
    }

    /// Why this is not given; none if it is.
    fn refusal(&self, part: Part, offset: u32, bytes: u32) -> Option<Nope> {
        let absent = match part {
            Part::Manifest => false,
            Part::Piece(piece) => piece < self.held.len() && !self.held.contains(piece),
        };
        let within = offset.checked_add(bytes).zip(self.part_bytes(part));
        if !self.served || absent {
            Some(Nope::Absent)
        } else if bytes == 0 || within.is_none_or(|(end, len)| end > len) {
            Some(Nope::OutOfRange)
        } else {
            None
        }
    }
}

/// Bytes of a piece; none if the file has no such piece.
pub(super) fn piece_bytes(bytes: u64, piece_bytes: u32, piece: u32) -> Option<u32> {
    let begin = u64::from(piece) * u64::from(piece_bytes);
    let left = bytes.checked_sub(begin).filter(|left| *left > 0)?;
    Some(u32::try_from(left).unwrap_or(u32::MAX).min(piece_bytes))
}

/// Whether such a file can be: what comes from our own disk is believed, but a slip there must not panic here.
pub(super) fn possible(file: &KnownFile) -> bool {
    let pieces = file.bytes.div_ceil(u64::from(file.piece_bytes.max(1)));
    (1..=PIECE_BYTES_MAX).contains(&file.piece_bytes)
        && pieces == u64::from(file.held.len())
        && file.held.len() <= PIECES_MAX
        && (1..=MANIFEST_BYTES_MAX).contains(&file.manifest_bytes)
}

/// One ask of a peer.
#[derive(Clone, Debug)]
pub(super) struct Job {
    request: u64,
    file: FileId,
    part: Part,
    offset: u32,
    bytes: u32,
    /// How much of it was read, or is being read.
    read: u32,
    sent: u32,
    pub(super) at: Time,
    chunks: u32,
}

impl Job {
    /// Some of it may be on its way.
    pub(super) fn begun(&self) -> bool {
        self.read > 0
    }

    #[cfg(test)]
    pub(super) fn request(&self) -> u64 {
        self.request
    }
}

/// What one peer asks of us.
#[derive(Debug)]
pub(super) struct Queue {
    /// In the order they were asked; given in the same.
    pub(super) jobs: VecDeque<Job>,
    /// Bytes read for it since its link is up.
    pub(super) given: u64,
    /// When it last took a chunk, or was given one to take.
    pub(super) moved_at: Time,
    pub(super) bucket: Bucket,
    /// The highest request number it has used on this link.
    asked_up_to: Option<u64>,
    /// Bytes it took since its pace was looked at last, and when that was (or when it was given its slot).
    pub(super) took: u64,
    pub(super) paced_at: Time,
    /// When its pace was looked at last, it took next to nothing.
    pub(super) slow: bool,
}

impl Queue {
    pub(super) fn new(bucket: Bucket) -> Queue {
        Queue {
            jobs: VecDeque::new(),
            given: 0,
            moved_at: Time(0),
            bucket,
            asked_up_to: None,
            took: 0,
            paced_at: Time(0),
            slow: false,
        }
    }

    /// Chunks being read or waiting in the lane.
    pub(super) fn chunks(&self) -> u32 {
        self.jobs.iter().map(|job| job.chunks).sum()
    }

    fn unread(&self) -> Option<usize> {
        self.jobs.iter().position(|job| job.read < job.bytes)
    }
}

impl Exchange {
    /// A peer asks for a part of a file.
    pub(super) fn asked(
        &mut self,
        now: Time,
        peer: NodeId,
        request: u64,
        (file, part): (FileId, Part),
        (offset, bytes): (u32, u32),
        out: &mut Vec<Effect>,
    ) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        // A chunk that is still being read is known by its number alone: one that is used again, even for an ask
        // that has ended, would take the old chunk for its own.
        if let Some(before) = link.queue.asked_up_to.filter(|before| request <= *before) {
            let why = format!(
                "it asked under the number {request} after {before}, and numbers of asks must grow"
            );
            out.push(Effect::Close { peer, why });
            return;
        }
        link.queue.asked_up_to = Some(request);
        let refusal = match self.files.get(&file) {
            Some(local) => local.refusal(part, offset, bytes),
            None => Some(Nope::Absent),
        };
        let full = link.queue.jobs.len() >= QUEUE_MAX;
        if let Some(why) = refusal.or(full.then_some(Nope::Busy)) {
            self.counts.asks_refused += 1;
            out.push(nope(peer, request, why));
            return;
        }
        let job = Job { request, file, part, offset, bytes, read: 0, sent: 0, at: now, chunks: 0 };
        let begins = link.queue.jobs.is_empty();
        if begins {
            link.queue.moved_at = now;
        }
        link.queue.jobs.push_back(job);
        if begins {
            self.join_in(peer);
        }
        self.slots.waiting.insert(peer);
        self.seat(now);
    }

    /// A peer does not need something any more.
    pub(super) fn cancelled(
        &mut self,
        now: Time,
        peer: NodeId,
        request: u64,
        out: &mut Vec<Effect>,
    ) {
        self.dismiss(peer, Nope::Cancelled, out, |job| job.request == request);
        self.seat(now);
    }

    /// Ends those asks of a peer that `which` says, with a nope for each.
    pub(super) fn dismiss(
        &mut self,
        peer: NodeId,
        why: Nope,
        out: &mut Vec<Effect>,
        which: impl Fn(&Job) -> bool,
    ) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        link.queue.jobs.retain(|job| {
            let ends = which(job);
            if ends {
                // Nothing of it may be written behind the nope.
                if job.begun() {
                    out.push(Effect::Unsend { peer, request: job.request });
                }
                out.push(nope(peer, job.request, why));
            }
            !ends
        });
    }

    /// Ends all asks for a file.
    pub(super) fn dismiss_file(&mut self, file: &FileId, why: Nope, out: &mut Vec<Effect>) {
        let peers: Vec<NodeId> = self.slots.waiting.iter().copied().collect();
        for peer in peers {
            self.dismiss(peer, why, out, |job| job.file == *file);
        }
    }

    /// A chunk was written to a peer's link.
    pub(super) fn sent(&mut self, now: Time, peer: NodeId, request: u64, bytes: u32) {
        self.counts.bytes_given += u64::from(bytes);
        let Some(link) = self.links.get_mut(&peer) else { return };
        let queue = &mut link.queue;
        let Some(at) = queue.jobs.iter().position(|job| job.request == request) else { return };
        let job = &mut queue.jobs[at];
        job.sent = job.sent.saturating_add(bytes);
        job.chunks = job.chunks.saturating_sub(1);
        queue.moved_at = now;
        queue.took = queue.took.saturating_add(u64::from(bytes));
        if let Some(local) = self.files.get_mut(&job.file) {
            local.given = local.given.saturating_add(u64::from(bytes));
        }
        if job.sent >= job.bytes {
            queue.jobs.remove(at);
            if queue.jobs.is_empty() {
                self.seat(now);
            }
        }
        self.stirred = true;
    }

    /// A chunk could not be read.
    pub(super) fn read_failed(
        &mut self,
        now: Time,
        peer: NodeId,
        request: u64,
        why: Nope,
        out: &mut Vec<Effect>,
    ) {
        let job = self.links.get(&peer).and_then(|link| {
            link.queue.jobs.iter().find(|job| job.request == request).map(|job| job.file)
        });
        self.dismiss(peer, why, out, |job| job.request == request);
        if let (Some(file), Nope::Changed) = (job, why) {
            let Some(local) = self.files.get_mut(&file) else { return };
            if std::mem::replace(&mut local.served, false) {
                // A download's own file is checked piece by piece already; only what was shared is hashed.
                if local.fetch.is_none() {
                    out.push(Effect::Rehash { file });
                }
                self.dismiss_file(&file, Nope::Changed, out);
                self.tell_interested(now, &file, out);
                out.push(Effect::Changed);
            }
        }
        self.seat(now);
    }

    /// Reads as many chunks as may be under way: always for whom the fewest bytes were read.
    pub(super) fn pump(&mut self, now: Time, out: &mut Vec<Effect>) {
        while let Some((peer, at)) = self.next_reader(now) {
            if !self.upload.ready(now) {
                return;
            }
            let portion = self.upload.portion(CHUNK_BYTES);
            let Some(link) = self.links.get_mut(&peer) else { return };
            let queue = &mut link.queue;
            if queue.chunks() == 0 {
                queue.moved_at = now;
            }
            let portion = queue.bucket.portion(portion);
            let job = &mut queue.jobs[at];
            let bytes = portion.min(job.bytes - job.read);
            let offset = job.offset + job.read;
            let (request, file, part) = (job.request, job.file, job.part);
            job.read += bytes;
            job.chunks += 1;
            queue.given = queue.given.saturating_add(u64::from(bytes));
            queue.bucket.take(now, u64::from(bytes));
            self.upload.take(now, u64::from(bytes));
            out.push(Effect::Read { peer, request, file, part, offset, bytes });
        }
    }

    /// Who is read for next, and which of its asks.
    pub(super) fn next_reader(&self, now: Time) -> Option<(NodeId, usize)> {
        let ready = self.slots.served().filter_map(|(peer, leaving)| {
            let queue = &self.links.get(&peer)?.queue;
            let at = queue.unread()?;
            // Who has lost its slot is given what was begun, and nothing more.
            let may = !leaving || queue.jobs[at].begun();
            let ready = may && queue.chunks() < CHUNKS_MAX && queue.bucket.ready(now);
            ready.then_some((queue.given, peer, at))
        });
        ready.min().map(|(_, peer, at)| (peer, at))
    }

    /// When a limit lets the next chunk pass.
    pub(super) fn pump_wake(&self) -> Option<Time> {
        let waiting = self.slots.served().filter_map(|(peer, leaving)| {
            let queue = &self.links.get(&peer)?.queue;
            let at = queue.unread()?;
            let may = (!leaving || queue.jobs[at].begun()) && queue.chunks() < CHUNKS_MAX;
            may.then(|| queue.bucket.next_at().max(self.upload.next_at()))
        });
        waiting.min().map(|at| at.max(self.now))
    }
}

/// "You get nothing more of this." Owed to whoever asked ([`PieceFrame::is_owed`]): it is never said again.
pub(super) fn nope(peer: NodeId, request: u64, why: Nope) -> Effect {
    Effect::Send { peer, frame: PieceFrame::Nope { request, why } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_held_and_within_is_given() {
        let mut held = Bitmap::none(3);
        held.insert(0);
        held.insert(2);
        let file = KnownFile {
            file: FileId([1; 32]),
            name: "x".into(),
            bytes: 2 * 1024 + 10,
            piece_bytes: 1024,
            manifest_bytes: 200,
            held,
        };
        assert!(possible(&file));
        let mut local = Local::new(file, None);
        for (part, offset, bytes, wanted) in [
            (Part::Piece(0), 0, 1024, None),
            (Part::Piece(0), 1023, 1, None),
            (Part::Piece(0), 1023, 2, Some(Nope::OutOfRange)),
            (Part::Piece(0), 0, 0, Some(Nope::OutOfRange)),
            (Part::Piece(0), u32::MAX, 2, Some(Nope::OutOfRange)),
            (Part::Piece(1), 0, 1, Some(Nope::Absent)),
            (Part::Piece(2), 0, 10, None),
            (Part::Piece(2), 0, 11, Some(Nope::OutOfRange)),
            (Part::Piece(3), 0, 1, Some(Nope::OutOfRange)),
            (Part::Piece(u32::MAX), 0, 1, Some(Nope::OutOfRange)),
            (Part::Manifest, 0, 200, None),
            (Part::Manifest, 1, 200, Some(Nope::OutOfRange)),
        ] {
            assert_eq!(local.refusal(part, offset, bytes), wanted, "{part:?} {offset} {bytes}");
        }
        local.served = false;
        assert_eq!(local.refusal(Part::Piece(0), 0, 1), Some(Nope::Absent));
    }
}
