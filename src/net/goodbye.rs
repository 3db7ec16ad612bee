//! The last word on a link: saying it, and what it means when it comes.

use std::sync::Arc;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::mesh::peers::{Bye, Ended};
use crate::mesh::record::{Crypto, Record, Signed};
use crate::wire::{ByeFrame, Frame, encode};

/// Cards of a goodbye that are looked at, at most: twice as many as are dialled at once.
const CARDS_READ: usize = 8;

/// Says why, and ends the stream.
pub(super) async fn say_bye<W: AsyncWrite + Unpin>(writer: &mut W, why: Bye) {
    if let Ok(bytes) = encode(&Frame::Bye(ByeFrame { why, cards: Default::default() })) {
        // The connection ends either way.
        let _ = writer.write_all(&bytes).await;
        let _ = writer.shutdown().await;
    }
}

/// What a goodbye means here. A few of its cards are read, since each costs a signature to check: from `turn` on,
/// so that not all who are turned away at the same time read the same ones. Those that do not verify are left out.
pub(super) fn said(bye: ByeFrame, crypto: &(dyn Crypto + Send + Sync), turn: u64) -> Ended {
    let mut cards = bye.cards.into_vec();
    if let Some(turn) = turn.checked_rem(cards.len() as u64) {
        cards.rotate_left(usize::try_from(turn).unwrap_or(0));
    }
    cards.truncate(CARDS_READ);
    let open =
        |signed: Signed| Arc::new(signed).open(crypto).ok().filter(|r: &Record| r.card().is_some());
    Ended::Said(bye.why, cards.into_iter().filter_map(open).collect())
}
