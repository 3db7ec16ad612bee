//! Who is there and how we are linked: identities, signed records, the graph made of them, who we hold
//! links with, and the evidence by which a node is called alive or failed.
//!
//! PURE: nothing here opens a socket, reads a clock, touches a disk or draws randomness of its own. Every
//! core takes an event and the time and pushes effects; the actors and the simulator drive the same code.

pub mod book;
pub mod budget;
mod call;
mod cast;
pub mod dice;
pub mod gossip;
pub mod graph;
mod id;
pub mod peers;
pub mod pulse;
pub mod record;
pub mod route;
pub mod shape;
mod sync;
#[cfg(test)]
mod tests;
pub mod topology;
pub mod tree;
pub mod trust;
pub mod view;
pub mod ways;

pub use id::{ConnId, NodeId, ParseIdError, Time, Ver};

/// A pure state machine: events in, effects out.
pub trait Core {
    /// What can happen to it.
    type Event;
    /// What it asks its driver to do.
    type Effect;
    /// Takes one event at `now`; pushes what must be done. Never blocks, never reads a clock.
    fn handle(&mut self, now: Time, event: Self::Event, out: &mut Vec<Self::Effect>);
    /// When to call [`Core::wake`] if nothing happens first.
    fn next_wake(&self) -> Option<Time>;
    /// The time asked for by [`Core::next_wake`] has come (or passed, on a busy machine).
    fn wake(&mut self, now: Time, out: &mut Vec<Self::Effect>);
}
