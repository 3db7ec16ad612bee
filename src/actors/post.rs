//! The two ways to send without waiting. `do_send` ignores a mailbox's bound; it is banned elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message, Recipient};

/// Losses are told this often at most: whoever floods us must not flood the log, too.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Messages lost, of all daemons of this process.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many messages were lost in this process since it began, because a mailbox was full or its actor gone.
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Sends if there is room; a message without room is logged and lost. Its documentation says what that
/// costs.
pub fn post<M>(to: &Recipient<M>, message: M)
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    if let Err(error) = to.try_send(message) {
        LOST.fetch_add(1, Ordering::Relaxed);
        tell(std::any::type_name::<M>(), &error);
    }
}

fn tell(message: &str, error: &dyn std::fmt::Display) {
    /// When a loss was told last, and how many were not told since.
    static TOLD: Mutex<(Option<Instant>, u64)> = Mutex::new((None, 0));
    let mut lost = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if lost.0.is_some_and(|at| at.elapsed() < TELL_EVERY) {
        lost.1 += 1;
        return;
    }
    let untold = std::mem::replace(&mut *lost, (Some(Instant::now()), 0)).1;
    drop(lost);
    log::warn!("{message} was lost: {error} ({untold} more since the last such line)");
}

/// Sends past the mailbox's bound: for messages that must never be lost and whose number is bounded by
/// something else. Those about the life of links and actors are as many as there are of these; what is told
/// of a chunk that was written, no more than the Exchange lets wait in a lane.
#[expect(clippy::disallowed_methods, reason = "the one place where the bound may be passed")]
pub fn deliver<M>(to: &Recipient<M>, message: M)
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    to.do_send(message);
}

/// An actor's address as the recipient of one kind of message.
pub fn to<A, M>(addr: &Addr<A>) -> Recipient<M>
where
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    addr.clone().recipient()
}
