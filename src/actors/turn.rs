//! Drives any pure core from an actor: hand it an event, perform its effects, keep one timer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Message, Recipient, SpawnHandle, WrapFuture,
};

use crate::mesh::{Core, Time};
use crate::net::session::{Clock, Shared};
use crate::net::tally::Tally;

/// A turn longer than this keeps everyone else on the main thread waiting.
const LONG: Duration = Duration::from_millis(5);

/// A core, the clock it is told, and its one timer.
pub struct Turn<C> {
    /// The core.
    pub core: C,
    clock: Clock,
    tally: Arc<Tally>,
    timer: Option<(Time, SpawnHandle)>,
}

impl<C: Core> Turn<C> {
    /// A core that has not been woken yet.
    pub fn new(core: C, shared: &Shared) -> Turn<C> {
        Turn { core, clock: shared.clock, tally: shared.tally.clone(), timer: None }
    }

    /// The time now.
    pub fn now(&self) -> Time {
        self.clock.now()
    }
}

/// An actor around one core.
pub trait Driver: Actor<Context = Context<Self>> {
    /// The core.
    type Core: Core;
    /// Where it is.
    fn turn(&mut self) -> &mut Turn<Self::Core>;
    /// Does what the core asks for.
    fn perform(&mut self, effect: <Self::Core as Core>::Effect, ctx: &mut Context<Self>);

    /// Hands the core an event. `name` is for the log, if it takes long.
    fn handle_event(
        &mut self,
        name: &'static str,
        event: <Self::Core as Core>::Event,
        ctx: &mut Context<Self>,
    ) {
        let begun = Instant::now();
        let mut out = Vec::new();
        let turn = self.turn();
        let now = turn.clock.now();
        turn.core.handle(now, event, &mut out);
        settle(self, name, begun, out, ctx);
    }

    /// Hands the core an event after the turn that is under way.
    fn later(&self, name: &'static str, event: <Self::Core as Core>::Event, ctx: &mut Context<Self>)
    where
        <Self::Core as Core>::Event: 'static,
    {
        let nothing = std::future::ready(()).into_actor(self);
        ctx.spawn(nothing.map(move |(), actor, ctx| actor.handle_event(name, event, ctx)));
    }

    /// Sends to another actor and comes back with the answer. One that is gone takes us with it soon.
    fn ask<M, F>(&self, to: &Recipient<M>, message: M, ctx: &mut Context<Self>, then: F)
    where
        M: Message + Send + 'static,
        M::Result: Send,
        F: FnOnce(&mut Self, M::Result, &mut Context<Self>) + 'static,
    {
        let asked = to.send(message).into_actor(self);
        ctx.spawn(asked.map(|answer, actor, ctx| {
            if let Ok(answer) = answer {
                then(actor, answer, ctx);
            }
        }));
    }
}

fn settle<A: Driver>(
    actor: &mut A,
    name: &'static str,
    begun: Instant,
    out: Vec<<A::Core as Core>::Effect>,
    ctx: &mut Context<A>,
) {
    for effect in out {
        actor.perform(effect, ctx);
    }
    arm(actor, ctx);
    let took = begun.elapsed();
    actor.turn().tally.turn(took, took > LONG);
    if took > LONG {
        log::debug!("a turn of {name} took {:.1} ms", took.as_secs_f64() * 1000.0);
    }
}

/// Makes sure the core is woken when it wants to be. A timer that is too early is left: waking a core
/// before its time does nothing.
pub fn arm<A: Driver>(actor: &mut A, ctx: &mut Context<A>) {
    let turn = actor.turn();
    let Some(next) = turn.core.next_wake() else { return };
    if let Some((armed, handle)) = turn.timer {
        if armed <= next {
            return;
        }
        ctx.cancel_future(handle);
    }
    let wait = next.since(turn.clock.now());
    let handle = ctx.run_later(wait, |actor: &mut A, ctx| {
        let begun = Instant::now();
        let mut out = Vec::new();
        let turn = actor.turn();
        turn.timer = None;
        let now = turn.clock.now();
        turn.core.wake(now, &mut out);
        settle(actor, "a timer", begun, out, ctx);
    });
    actor.turn().timer = Some((next, handle));
}
