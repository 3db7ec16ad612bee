//! The settings in force, and reading them again.

use std::sync::Arc;

use actix::{Context, Handler, MessageResult, ResponseFuture};

use super::super::messages::{ConfigWanted, Refused, Reload, Reloaded};
use super::super::policy;
use super::Supervisor;
use crate::logs;
use crate::settings::{Loaded, diff, in_force, load};

impl Supervisor {
    /// Puts in force what a running daemon can take of newly read settings.
    fn take_settings(&mut self, loaded: Loaded, ctx: &mut Context<Self>) -> Result<(), Refused> {
        let loaded = in_force(&self.boot.loaded, loaded);
        self.boot.loaded = loaded.map_err(|problems| Refused { why: problems.to_string() })?;
        let log = &self.boot.loaded.settings.log;
        logs::set(&log.levels, log.format.into());
        if let Some(actors) = &mut self.actors {
            actors.configure(&Arc::new(self.boot.loaded.settings.clone()));
        }
        self.settle_discovery(ctx);
        Ok(())
    }
}

impl Handler<ConfigWanted> for Supervisor {
    type Result = MessageResult<ConfigWanted>;

    fn handle(&mut self, _: ConfigWanted, _: &mut Context<Self>) -> Self::Result {
        MessageResult(policy::setting_rows(&self.boot.loaded))
    }
}

impl Handler<Reload> for Supervisor {
    type Result = ResponseFuture<Result<Reloaded, Refused>>;

    fn handle(&mut self, _: Reload, ctx: &mut Context<Self>) -> Self::Result {
        let result = match load(&self.boot.sources) {
            Err(problems) => Err(Refused { why: problems.to_string() }),
            Ok(loaded) => {
                let changes = diff(&self.boot.loaded, &loaded);
                let keys = |changes: &[crate::settings::Change]| {
                    changes.iter().map(|c| c.key.to_owned()).collect::<Vec<_>>()
                };
                let (applied, needs_restart) =
                    (keys(&changes.applied), keys(&changes.needs_restart));
                log::info!(
                    "settings reloaded: {} applied, {} need a restart {needs_restart:?}",
                    applied.len(),
                    needs_restart.len()
                );
                self.take_settings(loaded, ctx).map(|()| Reloaded { applied, needs_restart })
            }
        };
        Box::pin(async { result })
    }
}
