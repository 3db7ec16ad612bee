//! Whether others are looked for on the local network.

use actix::{Actor, AsyncContext, Context};

use super::super::discovery::Discovery;
use super::super::lifeline::Lifeline;
use super::super::messages::{Child, Stop};
use super::super::post::{deliver, to};
use super::Supervisor;
use crate::net::discovery::Told;

impl Supervisor {
    /// Starts Discovery or stops it, as the settings in force say.
    pub(super) fn settle_discovery(&mut self, ctx: &mut Context<Self>) {
        let settings = &self.boot.loaded.settings.network;
        if !settings.discovery.mdns || self.stopping {
            return self.stop_discovery();
        }
        // One that has ended is no more connected.
        if self.discovery.as_ref().is_some_and(actix::Addr::connected) {
            return;
        }
        let Some(actors) = &self.actors else { return };
        let home = &self.boot.home;
        match Told::of(home.me, &settings.name, home.listen, &home.advertise) {
            Err(useless) => log::warn!("{useless}"),
            Ok(told) => {
                let exited = to(&ctx.address());
                let lifeline = Lifeline::new(exited, Child::Discovery, self.generation);
                let sighted = actors.sightings();
                let arbiter = &self.threads.net[0];
                let start = |_: &mut Context<Discovery>| Discovery::new(told, sighted, lifeline);
                self.discovery = Some(Discovery::start_in_arbiter(&arbiter.handle(), start));
            }
        }
    }

    /// Nobody is looked for any more, and nobody told that we are here.
    pub(super) fn stop_discovery(&mut self) {
        if let Some(discovery) = self.discovery.take() {
            deliver(&to(&discovery), Stop);
        }
    }
}
