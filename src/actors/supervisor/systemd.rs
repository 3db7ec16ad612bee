//! What systemd is told: that the daemon is ready, how it is, that it lives, that it stops.
//!
//! It lives as long as the main thread takes its turns: when that one hangs, the mesh stands still, and systemd is to
//! start the daemon again. What is told goes through a thread of its own, for a service manager that does not read
//! must not hold up the mesh either. The variables of systemd stay set, because to unset them is not safe beside other
//! threads; the daemon starts no other programs that could read them.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use actix::{AsyncContext, Context, Handler};
use sd_notify::NotifyState;

use super::Supervisor;
use crate::actors::messages::Answers;
use crate::mesh::view::View;

/// How often is told how we are; the watchdog may want to hear of us more often, but not all the time.
const PERIOD: Duration = Duration::from_secs(5);
const PERIOD_MIN: Duration = Duration::from_millis(50);
/// Words that may wait to be sent.
const WAITING_MAX: usize = 8;

/// The service manager that started this process.
pub(super) struct Systemd {
    words: SyncSender<String>,
    watched: bool,
    period: Duration,
    /// How we were when it was told last.
    status: String,
}

impl Systemd {
    /// The one that started this process, if one did and wants to be told.
    pub(super) fn there() -> Option<Systemd> {
        std::env::var_os("NOTIFY_SOCKET")?;
        let (words, waiting) = sync_channel::<String>(WAITING_MAX);
        let send = move || {
            for words in waiting {
                if let Err(error) = sd_notify::notify(&[NotifyState::Custom(&words)]) {
                    log::warn!("systemd cannot be told {words:?}: {error}");
                }
            }
        };
        if let Err(error) = std::thread::Builder::new().name("systemd".into()).spawn(send) {
            log::warn!("systemd is told nothing: {error}");
            return None;
        }
        let watchdog = sd_notify::watchdog_enabled();
        let period = watchdog.map_or(PERIOD, |within| (within / 2).clamp(PERIOD_MIN, PERIOD));
        Some(Systemd { words, watched: watchdog.is_some(), period, status: String::new() })
    }

    fn tell(&self, states: &[NotifyState]) {
        let lines: Vec<String> = states.iter().map(ToString::to_string).collect();
        if self.words.try_send(lines.join("\n")).is_err() {
            log::debug!("systemd does not listen: {lines:?} was lost");
        }
    }

    /// Tells that we live, and how we are if that is news.
    fn tell_life(&mut self, status: String) {
        let alive = self.watched.then_some(NotifyState::Watchdog);
        let news = (self.status != status).then_some(NotifyState::Status(&status));
        let states: Vec<NotifyState> = alive.into_iter().chain(news).collect();
        if !states.is_empty() {
            self.tell(&states);
        }
        self.status = status;
    }
}

/// One line for `systemctl status`; numbers only, so nothing in it is a peer's.
fn status(view: &View) -> String {
    let alive = view.alive().count();
    let links = view.links.iter().filter(|link| [link.from, link.to].contains(&view.me));
    format!("nodes alive: {alive}, links: {}", links.filter(|link| link.confirmed).count())
}

impl Supervisor {
    /// Tells it now and then again and again.
    pub(super) fn tell_life(&mut self, ctx: &mut Context<Self>) {
        let Some(systemd) = &mut self.systemd else { return };
        if !self.stopping {
            systemd.tell_life(status(&self.boot.view.borrow()));
        }
        ctx.run_later(systemd.period, Supervisor::tell_life);
    }

    /// Tells that this is the end, and why.
    pub(super) fn tell_stopping(&self, why: &str) {
        if let Some(systemd) = &self.systemd {
            let status = format!("stopping: {why}");
            systemd.tell(&[NotifyState::Stopping, NotifyState::Status(&status)]);
        }
    }
}

/// The mesh listens since before the first actor, so this is all there is to be ready for.
impl Handler<Answers> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Answers, _: &mut Context<Self>) {
        if let Some(systemd) = &self.systemd
            && !self.stopping
        {
            systemd.tell(&[NotifyState::Ready]);
        }
    }
}
