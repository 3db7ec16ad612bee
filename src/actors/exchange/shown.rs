//! What people are shown of files.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::{AsyncContext, Context};

use super::super::messages::{File, PiecesView, Transfer};
use super::{Exchange, SHOW_EVERY, Share};
use crate::mesh::Time;
use crate::pieces::FileId;
use crate::pieces::event::TransferId;
use crate::pieces::rows::{Bottleneck, FileRow, Phase, TransferRow};
use crate::pieces::ticket::Ticket;
use crate::store::pieces::FileInfo;
use crate::wire::bounded::List;

/// Known files, of which there may be thousands, are looked through no more often than this.
const FILES_EVERY: Duration = Duration::from_secs(1);
/// What runs is shown again after this though nothing happens: how long it has been waiting is to be seen, too.
const REFRESH_EVERY: Duration = Duration::from_secs(1);
/// So few are looked through at once when others are known: whoever shares a file sees it in the list.
const FEW: usize = 256;
/// Most ended shares that are still shown.
const ENDED_MAX: usize = 64;

/// When what there is to see is published.
#[derive(Default)]
pub(super) struct Showing {
    /// When it was; None: never.
    at: Option<Time>,
    /// It is planned, because something has changed.
    planned: bool,
    /// It is planned, because time passes.
    refreshing: bool,
}

/// The known files as they were shown last.
#[derive(Default)]
pub(super) struct Files {
    /// When that was; None: never.
    at: Option<Time>,
    /// Others are known since.
    stale: bool,
    /// They are shown once it is time.
    planned: bool,
    shown: Arc<Vec<File>>,
}

impl Exchange {
    /// Publishes what there is to see, soon.
    pub(super) fn show(&mut self, ctx: &mut Context<Self>) {
        if !std::mem::replace(&mut self.showing.planned, true) {
            let since = self.showing.at.map_or(SHOW_EVERY, |at| self.turn.now().since(at));
            ctx.run_later(SHOW_EVERY.saturating_sub(since), |exchange, ctx| {
                exchange.showing.planned = false;
                exchange.publish(ctx);
            });
        }
    }

    /// Publishes it at once: something has ended, and people wait for that.
    pub(super) fn show_end(&mut self, ctx: &mut Context<Self>) {
        self.files.stale = true;
        self.publish(ctx);
    }

    /// As [`Exchange::show`], when other files are known than before.
    pub(super) fn show_files(&mut self, ctx: &mut Context<Self>) {
        self.files.stale = true;
        self.show(ctx);
    }

    fn publish(&mut self, ctx: &mut Context<Self>) {
        let gets = self.turn.core.rows();
        for row in gets.iter().filter(|row| matches!(row.phase, Phase::Stopped | Phase::Failed)) {
            self.put_away(row.transfer, ctx);
        }
        let shown = |transfer: &TransferId| gets.iter().any(|row| row.transfer == *transfer);
        self.gets.retain(|transfer, _| shown(transfer));
        let ended = self.shares.iter().filter(|(_, share)| share.outcome.is_some());
        let ended: Vec<TransferId> = ended.map(|(id, _)| *id).collect();
        for id in &ended[..ended.len().saturating_sub(ENDED_MAX)] {
            self.shares.remove(id);
        }
        let mut transfers: Vec<Transfer> =
            gets.into_iter().map(|row| self.shown_get(row)).collect();
        let shares = self.shares.iter().map(|(id, share)| self.shown_share(*id, share));
        transfers.extend(shares);
        transfers.sort_by_key(|transfer| transfer.row.transfer);
        let now = self.turn.now();
        let few = self.files.shown.len() <= FEW;
        let old = self.files.at.is_none_or(|at| now >= at + FILES_EVERY);
        if old || self.files.stale && few {
            let (shown, planned) = (Arc::new(self.shown_files()), self.files.planned);
            self.files = Files { at: Some(now), stale: false, planned, shown };
        } else if self.files.stale && !std::mem::replace(&mut self.files.planned, true) {
            ctx.run_later(FILES_EVERY, |exchange, ctx| {
                exchange.files.planned = false;
                exchange.show(ctx);
            });
        }
        self.showing.at = Some(now);
        let runs = transfers.iter().any(|transfer| !transfer.row.phase.is_over());
        if runs && !std::mem::replace(&mut self.showing.refreshing, true) {
            ctx.run_later(REFRESH_EVERY, |exchange, ctx| {
                exchange.showing.refreshing = false;
                exchange.show(ctx);
            });
        }
        let files = Arc::clone(&self.files.shown);
        let counters = self.turn.core.counters();
        self.ports.view.send_replace(Arc::new(PiecesView { transfers, files, counters }));
    }

    /// What the store knows, by name; and of each what the core does with it.
    fn shown_files(&self) -> Vec<File> {
        let rows = self.turn.core.file_rows().into_iter().map(|row| (row.file, row));
        let mut served: BTreeMap<FileId, FileRow> = rows.collect();
        let shown = |info: FileInfo| {
            let FileInfo { file, name, bytes, pieces, path, problem, .. } = info;
            let idle = FileRow {
                file,
                name,
                bytes,
                pieces,
                pieces_held: 0,
                served: false,
                bytes_given: 0,
                holders: Vec::new(),
            };
            let row = served.remove(&file).unwrap_or(idle);
            File { row, path, ticket: self.ticket(file, bytes), problem }
        };
        let mut files: Vec<File> = self.place.store.rows().into_iter().map(shown).collect();
        files.sort_by(|a, b| (&a.row.name, a.row.file).cmp(&(&b.row.name, b.row.file)));
        files
    }

    fn shown_get(&self, mut row: TransferRow) -> Transfer {
        let get = self.gets.get(&row.transfer);
        let ticket = row.file.map(|file| self.ticket(file, row.bytes));
        if let Some(get) = get.filter(|get| get.is_checked()) {
            // The core knows nothing of it yet.
            row.phase = Phase::Hashing;
            row.bytes_done = get.progress.done.load(Ordering::Relaxed);
            row.bytes = get.progress.total.load(Ordering::Relaxed);
            row.bytes_per_second = row.bytes_done.saturating_mul(1000) / row.elapsed_ms.max(1);
            row.bottleneck = Bottleneck::Disk;
            if row.name.is_empty() {
                let name = get.path.file_name();
                row.name = name.map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            }
        }
        Transfer {
            path: get.map(|get| get.path.clone()).unwrap_or_default(),
            since_ms: get.map(|get| get.since_ms).unwrap_or_default(),
            ticket,
            left_out: Vec::new(),
            row,
        }
    }

    fn shown_share(&self, transfer: TransferId, share: &Share) -> Transfer {
        let (phase, problem) = match &share.outcome {
            None => (Phase::Hashing, String::new()),
            Some(Ok(_)) => (Phase::Done, String::new()),
            Some(Err(why)) => (Phase::Failed, why.clone()),
        };
        let known = share.outcome.as_ref().and_then(|outcome| outcome.as_ref().ok());
        let pieces = known.map_or(0, |known| known.held.len());
        let done = share.progress.done.load(Ordering::Relaxed);
        let end_ms =
            if known.is_some() || phase == Phase::Failed { share.ended_ms } else { self.now_ms() };
        let elapsed_ms = end_ms.saturating_sub(share.since_ms);
        let name = share.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let row = TransferRow {
            transfer,
            share: true,
            file: known.map(|known| known.file),
            name: known.map(|known| known.name.clone()).or(name).unwrap_or_default(),
            phase,
            bytes: known.map_or(share.progress.total.load(Ordering::Relaxed), |known| known.bytes),
            bytes_done: known.map_or(done, |known| known.bytes),
            bytes_received: 0,
            pieces,
            pieces_done: pieces,
            bytes_per_second: done.saturating_mul(1000) / elapsed_ms.max(1),
            bottleneck: if phase == Phase::Hashing { Bottleneck::Disk } else { Bottleneck::None },
            sources: Vec::new(),
            problem,
            elapsed_ms,
        };
        Transfer {
            ticket: known.map(|known| self.ticket(known.file, known.bytes)),
            path: share.path.clone(),
            since_ms: share.since_ms,
            left_out: share.left_out.clone(),
            row,
        }
    }

    /// Names us as a holder, at the addresses we are known by.
    fn ticket(&self, file: FileId, bytes: u64) -> Ticket {
        let me = self.place.me;
        let own = self.graph.as_ref().and_then(|graph| graph.node(&me));
        let addrs = own.map(|node| node.addrs.clone()).unwrap_or_default();
        // Two are enough, and keep the ticket short; the id finds whoever has moved.
        let hints = List::first_of(addrs.into_iter().take(2).map(|addr| (me, addr)));
        Ticket { file, bytes, hints }
    }
}
