//! Asking the daemon, on two threads: one reads its stream of events, the other asks once a second for what the
//! stream does not tell, and at once when the stream says that something changed.
//!
//! When the daemon goes away it is looked for again: after a restart it answers at another address.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

use super::news::{Heard, News, heard};
use crate::api::shapes::{Letters, Peers, Shaped, Status};
use crate::cli::client::Client;
use crate::cli::daemon::Daemon;
use crate::cli::trouble::{Exit, Trouble};

/// Time between two questions.
const PERIOD: Duration = Duration::from_secs(1);
/// Shortest time between them, however much changes.
const PERIOD_MIN: Duration = Duration::from_millis(200);
/// Time until a daemon that went away is looked for again; twice as long each time, up to the longest.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// What waits for the thread that asks; more of it says nothing new.
const WAKES_MAX: usize = 4;

/// What the thread that asks is told.
enum Wake {
    /// Ask this one from now on, or nobody.
    Ask(Option<Daemon>),
    /// Something changed.
    Changed,
}

/// What takes the news; not when nobody wants them any more.
pub type Tell<T> = fn(News) -> T;

/// The work of two threads, the one that asks and the one that listens. `find` says which daemon is meant now; all
/// news go to `to`, as `tell` wraps them. Both end when nobody listens any more.
pub fn parts<T: Send + 'static>(
    find: impl FnMut() -> Result<Daemon, Trouble> + Send + 'static,
    to: &SyncSender<T>,
    tell: Tell<T>,
) -> (impl FnOnce() + Send + 'static, impl FnOnce() + Send + 'static) {
    let (wake, wakes) = mpsc::sync_channel(WAKES_MAX);
    let asking = Told { to: to.clone(), tell };
    let listening = Told { to: to.clone(), tell };
    (move || ask(&wakes, &asking), move || listen(find, &wake, &listening))
}

/// Where news go.
struct Told<T> {
    to: SyncSender<T>,
    tell: Tell<T>,
}

/// Nobody listens any more.
struct Done;

impl<T> Told<T> {
    /// Waits while nobody has taken what was told before: so the daemon is read more slowly, and tells less.
    fn tell(&self, news: News) -> Result<(), Done> {
        self.to.send((self.tell)(news)).map_err(|_| Done)
    }
}

fn listen<T>(
    mut find: impl FnMut() -> Result<Daemon, Trouble>,
    wake: &SyncSender<Wake>,
    to: &Told<T>,
) {
    let (mut pause, mut refused) = (PAUSE, String::new());
    loop {
        let heard = find().and_then(|daemon| {
            let client = Client::to(daemon.clone());
            let asked = wake.send(Wake::Ask(Some(daemon.clone()))).map_err(|_| Done);
            Ok((asked, daemon.addr, client.events()?))
        });
        let told = match heard {
            Ok((asked, addr, events)) => {
                (pause, refused) = (PAUSE, String::new());
                asked
                    .and_then(|()| to.tell(News::Found(addr)))
                    .and_then(|()| hear_all(events, wake, to))
                    .and_then(|why| lose(why, wake, to))
            }
            // It is there and does not want to tell; asking it goes on.
            Err(trouble) if trouble.exit() == Exit::Failed => {
                let why = trouble.in_short();
                match why == refused {
                    true => Ok(()),
                    false => {
                        refused.clone_from(&why);
                        to.tell(News::Odd(why))
                    }
                }
            }
            Err(trouble) => lose(trouble.in_short(), wake, to),
        };
        if told.is_err() {
            return;
        }
        // Nobody wakes this thread; if something does, it only looks a little earlier.
        thread::park_timeout(pause);
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

fn lose<T>(why: String, wake: &SyncSender<Wake>, to: &Told<T>) -> Result<(), Done> {
    wake.send(Wake::Ask(None)).map_err(|_| Done)?;
    to.tell(News::Lost(why))
}

/// Tells what is heard until the stream ends: why it did.
fn hear_all<T>(
    events: impl Iterator<Item = std::io::Result<super::super::client::Event>>,
    wake: &SyncSender<Wake>,
    to: &Told<T>,
) -> Result<String, Done> {
    for event in events {
        match event.as_ref().map(heard) {
            Ok(Heard::News(news)) => to.tell(news)?,
            Ok(Heard::Changed) => match wake.try_send(Wake::Changed) {
                // It has been told already and will ask.
                Ok(()) | Err(TrySendError::Full(_)) => {}
                Err(TrySendError::Disconnected(_)) => return Err(Done),
            },
            Ok(Heard::Nothing) => {}
            Err(error) => return Ok(error.to_string()),
        }
    }
    Ok("the daemon told that it ends, or was ended".into())
}

/// When to ask next.
struct Pace {
    asked: Instant,
    due: Instant,
}

impl Pace {
    /// It is asked now.
    fn ask(&mut self, now: Instant) {
        (self.asked, self.due) = (now, now + PERIOD);
    }

    /// Something changed.
    fn hurry(&mut self) {
        self.due = self.due.min(self.asked + PERIOD_MIN);
    }
}

fn ask<T>(wakes: &Receiver<Wake>, to: &Told<T>) {
    let mut client: Option<Client> = None;
    let begun = Instant::now();
    let mut pace = Pace { asked: begun, due: begun };
    loop {
        match wakes.recv_timeout(pace.due.saturating_duration_since(Instant::now())) {
            Ok(Wake::Ask(daemon)) => {
                client = daemon.map(Client::to);
                pace.due = Instant::now();
            }
            Ok(Wake::Changed) => pace.hurry(),
            Err(RecvTimeoutError::Timeout) => {
                pace.ask(Instant::now());
                let told = match client.as_ref().map(|client| ask_all(client, to)) {
                    None => Ok(()),
                    Some(Ok(told)) => told,
                    Some(Err(trouble)) => to.tell(News::Lost(trouble.in_short())),
                };
                if told.is_err() {
                    return;
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn ask_all<T>(client: &Client, to: &Told<T>) -> Result<Result<(), Done>, Trouble> {
    let Shaped { body: status, .. } = client.get::<Shaped<Status>>("status")?;
    let Shaped { body: peers, .. } = client.get::<Shaped<Peers>>("peers")?;
    let Shaped { body: letters, .. } = client.get::<Shaped<Letters>>("letters?limit=100")?;
    let all = [News::Status(Box::new(status)), News::Peers(peers), News::Letters(letters)];
    Ok(all.into_iter().try_for_each(|news| to.tell(news)))
}

#[cfg(test)]
mod tests;
