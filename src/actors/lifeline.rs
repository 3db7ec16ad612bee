//! Tells the Supervisor that an actor has ended, however it ended.

use actix::Recipient;

use super::messages::{Child, Exited};
use super::post::deliver;

/// A field of every child. Fields are dropped after a panic, too; only an actor that stops in order calls
/// [`Lifeline::release`] first.
pub struct Lifeline {
    supervisor: Recipient<Exited>,
    child: Child,
    generation: u64,
    crashed: bool,
}

impl Lifeline {
    /// Ties a child to its Supervisor.
    pub fn new(supervisor: Recipient<Exited>, child: Child, generation: u64) -> Lifeline {
        Lifeline { supervisor, child, generation, crashed: true }
    }

    /// The actor has stopped in order.
    pub fn release(&mut self) {
        self.crashed = false;
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        let Lifeline { child, generation, crashed, .. } = *self;
        deliver(&self.supervisor, Exited { child, generation, crashed });
    }
}
