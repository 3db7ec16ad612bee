//! The two ways to send without waiting. `do_send` ignores a mailbox's bound; it is banned elsewhere.

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message, Recipient};

/// Sends if there is room; a message without room is logged and lost. Its documentation says what that
/// costs.
pub fn post<M>(to: &Recipient<M>, message: M)
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    if let Err(error) = to.try_send(message) {
        log::warn!("{} was lost: {error}", std::any::type_name::<M>());
    }
}

/// Sends past the mailbox's bound: for messages about the life of links and actors, which must never be
/// lost and whose number is bounded by the number of those.
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
