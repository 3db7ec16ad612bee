//! `node top`: the daemon on the whole screen, as it goes.
//!
//! Asks the control API like every verb, and changes nothing. Reading list: [`news`] (what can be heard), [`model`]
//! (what is known), [`screen`] (how it is looked at), [`view`] (drawing it), [`feed`] (asking); this file puts
//! them together.

mod feed;
mod model;
mod news;
mod screen;
mod view;

#[cfg(test)]
mod samples;

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use tokio::signal::unix::{SignalKind, signal};

use super::args::Flags;
use super::client::Client;
use super::daemon;
use super::look::Look;
use super::trouble::{Exit, Trouble};
use crate::api::shapes::{Shaped, Status};
use crate::store::unix_ms;
use model::Model;
use news::News;
use screen::Screen;
use view::Theme;

/// Shortest time between two drawings.
const DRAW_PAUSE: Duration = Duration::from_millis(100);
/// Ages go on also when nothing is heard, so that it is drawn at least so often. News come each second.
const TICK: Duration = Duration::from_millis(1250);
/// Input that waits to be looked at.
const INPUTS_MAX: usize = 1024;

/// What this view waits for.
enum Input {
    /// The daemon told something.
    News(News),
    /// A key was pressed.
    Key(KeyEvent),
    /// The terminal has another size, or has to be drawn again for another reason.
    Redraw,
    /// Somebody wants it to end.
    End,
    /// It cannot go on, and why.
    Broken(String),
}

/// Shows the daemon that the flags name until a key ends it.
pub fn run(flags: &Flags, look: Look) -> Result<(), Trouble> {
    if !look.terminal {
        return Err(Trouble::usage(
            "cannot draw the screen",
            "standard output is no terminal, or one that cannot be drawn on (TERM=dumb)",
            "node status --watch and node peers --watch print what changes, line by line",
        ));
    }
    // Without a daemon there is nothing to see: that is told like everywhere, not on a screen.
    let client = Client::to(daemon::find(flags)?);
    let Shaped { body: status, .. } = client.get::<Shaped<Status>>("status")?;
    let mut model = Model::default();
    model.hear(News::Status(Box::new(status)), unix_ms());

    let (to, inputs) = mpsc::sync_channel(INPUTS_MAX);
    let flags = flags.clone();
    let (ask, listen) = feed::parts(move || daemon::find(&flags), &to, Input::News);
    helper("ask", &to, ask)?;
    helper("listen", &to, listen)?;
    helper("signals", &to, telling(&to, signals))?;
    // From here on the terminal must be given back: also after a panic, which the hook set by this takes care of.
    let shown = match ratatui::try_init() {
        Ok(mut terminal) => helper("keys", &to, telling(&to, keys))
            .and_then(|()| show(&mut terminal, &inputs, model, Theme { colour: look.colour })),
        Err(error) => Err(broken(&error.to_string())),
    };
    drop(to);
    let restored = ratatui::try_restore().map_err(|error| {
        let why = error.to_string();
        Trouble::new(Exit::Failed, "cannot give the terminal back", why, "type: reset")
    });
    shown.and(restored)
}

fn broken(why: &str) -> Trouble {
    let remedy = "node status --watch shows the same without drawing";
    Trouble::new(Exit::Failed, "cannot draw the screen", why.into(), remedy)
}

/// Shows it until it is to end.
fn show(
    terminal: &mut DefaultTerminal,
    inputs: &Receiver<Input>,
    mut model: Model,
    theme: Theme,
) -> Result<(), Trouble> {
    let mut screen = Screen::default();
    // What was known when it was paused.
    let mut still: Option<Model> = None;
    loop {
        let seen = still.as_ref().unwrap_or(&model);
        let draw = |frame: &mut ratatui::Frame| {
            view::draw(frame, seen, &mut screen, theme, unix_ms());
        };
        terminal.draw(draw).map_err(|error| broken(&error.to_string()))?;
        let drawn = Instant::now();
        let mut input = wait(inputs, drawn, TICK)?;
        let mut taken = 0;
        while let Some(next) = input {
            match next {
                Input::News(news) => model.hear(news, unix_ms()),
                Input::Key(key) => {
                    if !screen.press(key) {
                        return Ok(());
                    }
                    if screen.paused != still.is_some() {
                        still = screen.paused.then(|| model.clone());
                    }
                }
                Input::Redraw => {}
                Input::End => return Ok(()),
                Input::Broken(why) => return Err(broken(&why)),
            }
            taken += 1;
            // Whoever tells without end does not keep it from being drawn.
            let due = taken >= INPUTS_MAX && drawn.elapsed() >= DRAW_PAUSE;
            input = if due { None } else { wait(inputs, drawn, DRAW_PAUSE)? };
        }
    }
}

/// The next input, if one is there or comes before `period` has passed since it was drawn.
fn wait(
    inputs: &Receiver<Input>,
    drawn: Instant,
    period: Duration,
) -> Result<Option<Input>, Trouble> {
    match inputs.recv_timeout(period.saturating_sub(drawn.elapsed())) {
        Ok(input) => Ok(Some(input)),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err(broken("all that it listens to has ended")),
    }
}

/// Tells when its thread crashes: the rest goes on and must not draw on a terminal that was given back.
struct Alarm(SyncSender<Input>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            // With nobody to tell it is over anyway.
            let _ = self.0.send(Input::Broken("a part of this program has crashed".into()));
        }
    }
}

/// Starts a thread.
fn helper(
    name: &str,
    to: &SyncSender<Input>,
    work: impl FnOnce() + Send + 'static,
) -> Result<(), Trouble> {
    let alarm = Alarm(to.clone());
    let work = move || {
        let _alarm = alarm;
        work();
    };
    let started = thread::Builder::new().name(name.into()).spawn(work);
    started.map(drop).map_err(|error| broken(&format!("no thread to {name}: {error}")))
}

/// Work that tells when it cannot go on.
fn telling(
    to: &SyncSender<Input>,
    work: fn(&SyncSender<Input>) -> std::io::Result<()>,
) -> impl FnOnce() + Send + 'static {
    let to = to.clone();
    move || {
        if let Err(error) = work(&to) {
            // With nobody to tell it is over anyway.
            let _ = to.send(Input::Broken(error.to_string()));
        }
    }
}

/// Reads keys, and notices changes of the size.
fn keys(to: &SyncSender<Input>) -> std::io::Result<()> {
    loop {
        let input = match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => Input::Key(key),
            Event::Resize(..) => Input::Redraw,
            _ => continue,
        };
        if to.send(input).is_err() {
            return Ok(());
        }
    }
}

/// Waits for a signal that ends it: the terminal must be given back first.
fn signals(to: &SyncSender<Input>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut end = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        tokio::select! {
            _ = end.recv() => {}
            _ = interrupt.recv() => {}
            _ = hang_up.recv() => {}
        }
        std::io::Result::Ok(())
    })?;
    // With nobody to tell it is over anyway.
    let _ = to.send(Input::End);
    Ok(())
}
