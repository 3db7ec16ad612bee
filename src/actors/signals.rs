//! What the system tells the daemon.

use actix::Recipient;
use tokio::signal::unix::{SignalKind, signal};

use super::messages::{Reload, Shutdown};
use super::post::deliver;

/// Turns signals into messages: the first TERM or INT stops in order, a second one calls `interrupted`;
/// HUP reloads.
pub async fn signals(
    shutdown: Recipient<Shutdown>,
    reload: Recipient<Reload>,
    interrupted: impl Fn(),
) {
    let streams = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
        signal(SignalKind::hangup()),
    );
    let (Ok(mut term), Ok(mut int), Ok(mut hup)) = streams else {
        log::warn!("signals cannot be heard: stop this daemon by its control API");
        return;
    };
    let mut told = false;
    loop {
        let why = tokio::select! {
            _ = term.recv() => "SIGTERM",
            _ = int.recv() => "SIGINT",
            _ = hup.recv() => {
                if let Ok(Err(refused)) = reload.send(Reload).await {
                    log::error!("settings not reloaded: {refused}");
                }
                continue;
            }
        };
        if std::mem::replace(&mut told, true) {
            log::warn!("{why} again: ending at once");
            interrupted();
        }
        deliver(&shutdown, Shutdown { why, leave: false });
    }
}
