//! How a download begins, goes through its phases, and ends.

use std::net::SocketAddr;
use std::time::Duration;

use super::fetch::{Fetch, Step};
use super::link::Meter;
use super::serve::{Local, possible};
use super::stored::RETRY;
use super::{ENDED_MAX, Exchange};
use crate::mesh::{NodeId, Time};
use crate::pieces::FileId;
use crate::pieces::event::{Effect, KnownFile, TransferId, Trouble};
use crate::pieces::frame::Nope;
use crate::pieces::rows::Phase;

/// Downloads that run or wait.
const FETCHES_MAX: usize = 1024;
/// Hints of one download.
const HINTS_MAX: usize = 16;
/// How long a download that finds nobody keeps its turn while others wait for one.
const HOPE: Duration = Duration::from_secs(60);

impl Exchange {
    /// Whether the file is wanted now: peers are asked to tell us what they hold.
    pub(super) fn wants(&self, file: &FileId) -> bool {
        let fetch = self.by_file.get(file).and_then(|t| self.fetches.get(t));
        fetch.is_some_and(|f| !matches!(f.phase, Phase::Waiting | Phase::Finishing))
    }

    /// A person wants a file.
    pub(super) fn get(
        &mut self,
        now: Time,
        transfer: TransferId,
        file: FileId,
        mut hints: Vec<(NodeId, SocketAddr)>,
        out: &mut Vec<Effect>,
    ) {
        hints.truncate(HINTS_MAX);
        hints.retain(|(peer, _)| *peer != self.home.me);
        self.begin(now, transfer, Fetch::new(file, hints, now), out);
    }

    /// An earlier run began to get a file: what it is and what of it is here will be said by the disk, so
    /// nobody is asked for its manifest.
    pub(super) fn resume(
        &mut self,
        now: Time,
        transfer: TransferId,
        file: FileId,
        out: &mut Vec<Effect>,
    ) {
        let fetch = Fetch { step: Step::Again, ..Fetch::new(file, Vec::new(), now) };
        self.begin(now, transfer, fetch, out);
    }

    fn begin(&mut self, now: Time, transfer: TransferId, mut fetch: Fetch, out: &mut Vec<Effect>) {
        if self.fetches.contains_key(&transfer) {
            return;
        }
        let file = fetch.file;
        let refusal = match self.by_file.get(&file) {
            Some(other) => Some(format!("transfer {other} gets this file already")),
            None => (self.fetches.len() >= FETCHES_MAX)
                .then(|| format!("{FETCHES_MAX} downloads run or wait already")),
        };
        out.push(Effect::Changed);
        if let Some(refusal) = refusal {
            fetch.problem = refusal;
            fetch.phase = Phase::Failed;
            let row = self.row_of(now, transfer, &fetch);
            self.note_ended(row);
            return;
        }
        self.fetches.insert(transfer, fetch);
        self.by_file.insert(file, transfer);
        self.start_waiting(now, out);
    }

    /// Gives free turns to those who wait longest.
    pub(super) fn start_waiting(&mut self, now: Time, out: &mut Vec<Effect>) {
        loop {
            // Those that wait for room on a disk keep nobody from getting something to another.
            let waits = |f: &&Fetch| matches!(f.phase, Phase::Waiting | Phase::Full);
            let runs = self.fetches.values().filter(|f| !waits(f)).count();
            if runs >= self.policy.transfers_max.max(1) {
                return;
            }
            let waiting = self.fetches.iter().filter(|(_, f)| f.phase == Phase::Waiting);
            let next = waiting.min_by_key(|(t, f)| (f.hope_at, **t)).map(|(t, _)| *t);
            let Some((transfer, fetch)) =
                next.and_then(|t| self.fetches.get_mut(&t).map(|f| (t, f)))
            else {
                return;
            };
            fetch.hope_at = now;
            fetch.phase = if fetch.known.is_some() { Phase::Fetching } else { Phase::Seeking };
            fetch.seeks = 0;
            self.seek(now, transfer, out);
            self.commit_or_finish(now, transfer, out);
            out.push(Effect::Changed);
        }
    }

    /// A download that has got nothing for long goes to the end of the queue, if there is one, whatever its
    /// peers say they hold.
    pub(super) fn give_up_turn(&mut self, now: Time, transfer: TransferId, out: &mut Vec<Effect>) {
        let others_wait = self.fetches.values().any(|f| f.phase == Phase::Waiting);
        let coming = self.coming(transfer) > 0;
        let Some(fetch) = self.fetches.get(&transfer) else { return };
        let seeks = matches!(fetch.phase, Phase::Seeking | Phase::Fetching);
        let storing =
            fetch.committing || fetch.known.as_ref().is_some_and(|k| !k.landed.is_empty());
        let quiet = now.since(fetch.hope_at.max(fetch.heard_at));
        if !others_wait || !seeks || coming || storing || quiet < HOPE {
            return;
        }
        self.let_go(transfer, None, out);
        let Some(fetch) = self.fetches.get_mut(&transfer) else { return };
        fetch.phase = Phase::Waiting;
        fetch.hope_at = now;
        fetch.seek_at = None;
        self.start_waiting(now, out);
    }

    /// The target is ready; or an earlier download goes on.
    pub(super) fn prepared(
        &mut self,
        now: Time,
        transfer: TransferId,
        file: KnownFile,
        out: &mut Vec<Effect>,
    ) {
        let Some(fetch) = self.fetches.get_mut(&transfer) else { return };
        if file.file != fetch.file || !possible(&file) {
            self.fail(now, transfer, "the manifest does not fit the file".into(), out);
            return;
        }
        if self.files.len() >= self.policy.files_max && !self.files.contains_key(&file.file) {
            let known = self.files.len();
            let why =
                format!("{known} files are known already; forget some, or raise pieces.files_max");
            self.fail(now, transfer, why, out);
            return;
        }
        // What it was about before is void: the disk says what is there.
        self.let_go(transfer, None, out);
        self.forget_stores(transfer);
        let Some(fetch) = self.fetches.get_mut(&transfer) else { return };
        fetch.step = Step::Wanted;
        fetch.problem.clear();
        fetch.retry_at = None;
        fetch.uncommitted = 0;
        fetch.commit_at = None;
        fetch.committing = false;
        if fetch.phase != Phase::Waiting {
            fetch.phase = Phase::Fetching;
        }
        fetch.know(file.clone(), &mut self.dice);
        // The manifest was small, and what came before it is no rate.
        fetch.meter = Meter::default();
        fetch.meter.begin(now);
        let id = file.file;
        let served = self.files.get(&id).filter(|local| local.fetch != Some(transfer));
        if served.is_none_or(|local| !local.held.is_full()) {
            let given = self.files.get(&id).map_or(0, |local| local.given);
            let mut local = Local::new(file, Some(transfer));
            local.given = given;
            self.keep(now, id, local);
            self.tell_interested(now, &id, out);
        }
        self.commit_or_finish(now, transfer, out);
        out.push(Effect::Changed);
    }

    /// The manifest was not what the file id says.
    pub(super) fn forged(&mut self, transfer: TransferId, out: &mut Vec<Effect>) {
        let Some(fetch) = self.fetches.get_mut(&transfer) else { return };
        let Step::Checking(peer) = fetch.step else { return };
        fetch.step = Step::Wanted;
        let what = format!("the manifest of file {}", fetch.file.short());
        // One wrong piece may be a bad disk; a manifest that does not fit its own name is a lie at once, and
        // would be asked for again first.
        if let Some(tally) = fetch.tally(peer) {
            tally.refused = true;
        }
        self.blame(transfer, peer, &what, out);
    }

    /// The download cannot be begun or go on.
    pub(super) fn refused(
        &mut self,
        now: Time,
        transfer: TransferId,
        trouble: Trouble,
        out: &mut Vec<Effect>,
    ) {
        let Some(fetch) = self.fetches.get_mut(&transfer) else { return };
        let text = if trouble.remedy.is_empty() {
            trouble.why
        } else {
            format!("{}; {}", trouble.why, trouble.remedy)
        };
        if !trouble.full {
            self.fail(now, transfer, text, out);
            return;
        }
        fetch.step = Step::Again;
        fetch.committing = false;
        self.full(now, transfer, text, out);
    }

    /// It is time to try again whether there is room.
    pub(super) fn retry(&mut self, now: Time, transfer: TransferId, out: &mut Vec<Effect>) {
        let Some(fetch) = self.fetches.get_mut(&transfer) else { return };
        if fetch.retry_at.is_none_or(|at| at > now) {
            return;
        }
        fetch.retry_at = Some(now + RETRY);
        if fetch.step == Step::Again {
            // Answered by `Prepared` or `Refused`; asked again only then.
            fetch.retry_at = None;
            out.push(Effect::PrepareAgain { transfer });
        } else {
            fetch.trial = true;
        }
    }

    /// The file is whole and in its place.
    pub(super) fn finished(&mut self, now: Time, transfer: TransferId, out: &mut Vec<Effect>) {
        let Some(file) = self.fetches.get(&transfer).map(|f| f.file) else { return };
        if self.fetches.get(&transfer).is_none_or(|f| f.phase != Phase::Finishing) {
            return;
        }
        let sources = self.end(now, transfer, Phase::Done, String::new(), out);
        if let Some(local) = self.files.get_mut(&file) {
            local.fetch = None;
            local.fresh.clear();
            self.fresh.remove(&file);
        }
        // Those who told us what they hold need not any more, and those who want it may ask for all.
        for peer in sources {
            self.tell(now, peer, &file, out);
        }
    }

    /// A person does not want it any more. What is whole already is put into its place all the same.
    pub(super) fn stop(&mut self, now: Time, transfer: TransferId, out: &mut Vec<Effect>) {
        if self.fetches.get(&transfer).is_some_and(|fetch| fetch.phase != Phase::Finishing) {
            self.abandon(now, transfer, Phase::Stopped, String::new(), out);
        }
    }

    /// It cannot go on.
    pub(super) fn fail(
        &mut self,
        now: Time,
        transfer: TransferId,
        why: String,
        out: &mut Vec<Effect>,
    ) {
        self.abandon(now, transfer, Phase::Failed, why, out);
    }

    fn abandon(
        &mut self,
        now: Time,
        transfer: TransferId,
        phase: Phase,
        why: String,
        out: &mut Vec<Effect>,
    ) {
        let Some(fetch) = self.fetches.get_mut(&transfer) else { return };
        let file = fetch.file;
        if fetch.uncommitted > 0 && !fetch.committing {
            fetch.commit(transfer, out);
        }
        let sources = self.end(now, transfer, phase, why, out);
        if self.files.get(&file).is_some_and(|local| local.fetch == Some(transfer)) {
            self.unkeep(now, &file, Nope::Absent, out);
        }
        for peer in sources {
            self.tell(now, peer, &file, out);
        }
    }

    /// Ends a download: nothing of it is under way any more. Those it was told about are returned.
    fn end(
        &mut self,
        now: Time,
        transfer: TransferId,
        phase: Phase,
        why: String,
        out: &mut Vec<Effect>,
    ) -> Vec<NodeId> {
        self.let_go(transfer, None, out);
        self.forget_stores(transfer);
        let Some(mut fetch) = self.fetches.remove(&transfer) else { return Vec::new() };
        self.by_file.remove(&fetch.file);
        self.forget_whole(&fetch.file);
        fetch.phase = phase;
        fetch.problem = why;
        let row = self.row_of(now, transfer, &fetch);
        self.note_ended(row);
        self.start_waiting(now, out);
        out.push(Effect::Changed);
        let told = self.links.iter().filter(|(_, link)| {
            link.interests.get(&fetch.file).is_some_and(|i| i.told_at.is_some())
        });
        told.map(|(peer, _)| *peer).collect()
    }

    fn note_ended(&mut self, row: crate::pieces::rows::TransferRow) {
        if self.ended.len() >= ENDED_MAX {
            self.ended.pop_front();
        }
        self.counts.ended(&row);
        self.ended.push_back(row);
    }

    /// What the disk still has of a download counts no more; its answer is not waited for.
    fn forget_stores(&mut self, transfer: TransferId) {
        let pieces: Vec<(TransferId, u32)> =
            self.storing.range((transfer, 0)..=(transfer, u32::MAX)).map(|(k, _)| *k).collect();
        for key in pieces {
            if let Some(landed) = self.storing.remove(&key) {
                self.buffered -= u64::from(landed.bytes);
            }
        }
    }

    /// A person wants this file forgotten.
    pub(super) fn forget(&mut self, now: Time, file: &FileId, out: &mut Vec<Effect>) {
        if let Some(transfer) = self.by_file.get(file).copied() {
            self.abandon(now, transfer, Phase::Stopped, String::new(), out);
        }
        self.unkeep(now, file, Nope::Absent, out);
    }
}
