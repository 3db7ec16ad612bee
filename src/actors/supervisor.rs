//! The Supervisor: starts, wires, restarts and stops all other actors.
//!
//! Leaves (Listener, Discovery, Connection, Control) end one by one; when any other actor fails, its whole
//! generation is dropped and built again from disk by the function that built the first one. Three failed
//! generations within a minute end the process with 70, for systemd to start it again.

mod lan;
mod settings;
mod systemd;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorFutureExt, Addr, Arbiter, AsyncContext, Context, Handler, Message, System,
    WrapFuture,
};

use super::boot::{Boot, ControlHandle, ControlParts};
use super::connection::Connection;
use super::discovery::Discovery;
use super::generation::{Above, Generation, Plans};
use super::lifeline::Lifeline;
use super::listener::Listener;
use super::messages::{Child, Close, Closed, Exited, Hangup, Open, Shutdown, Stop};
use super::post::{deliver, to};
use super::signals::signals;
use crate::mesh::ConnId;
use crate::mesh::peers::{Bye, Ended};
use crate::mesh::record::EPOCH_MAX;
use crate::store::book_db::BookDb;
use crate::wire::ByeFrame;
use systemd::Systemd;

/// How long links may take to say their last words.
const FLUSH: Duration = Duration::from_secs(2);
/// How long stopping may take in all.
const STOP: Duration = Duration::from_secs(5);
/// How long the API may take to send its last answers.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// Wait before a leaf is started again; doubles up to [`LEAF_WAIT_MAX`].
const LEAF_WAIT: Duration = Duration::from_millis(200);
const LEAF_WAIT_MAX: Duration = Duration::from_secs(10);
/// A leaf that ends after having run this long is started again as soon as the first one was.
const LEAF_STABLE: Duration = Duration::from_secs(60);
/// This many failed generations within [`FAILURE_WINDOW`] end the process.
const FAILURES_MAX: usize = 3;
const FAILURE_WINDOW: Duration = Duration::from_secs(60);
/// Exit code when the daemon cannot go on.
pub const EXIT_INTERNAL: i32 = 70;
/// Exit code after a second signal.
pub const EXIT_INTERRUPTED: i32 = 130;

/// The threads beside the main one.
struct Threads {
    net: Vec<Arbiter>,
    web: Arbiter,
    disk: Arbiter,
}

impl Threads {
    fn start() -> Threads {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let net = cores.saturating_sub(1).clamp(1, 4);
        Threads {
            net: (0..net).map(|_| Arbiter::new()).collect(),
            web: Arbiter::new(),
            disk: Arbiter::new(),
        }
    }
}

/// The actor.
pub struct Supervisor {
    boot: Boot,
    threads: Threads,
    generation: u64,
    actors: Option<Generation>,
    listener: Option<Addr<Listener>>,
    discovery: Option<Addr<Discovery>>,
    control: Option<ControlHandle>,
    connections: BTreeMap<ConnId, Addr<Connection>>,
    failures: Vec<Instant>,
    /// The next wait before a leaf is started again, and when one was last waited for.
    leaf_wait: Duration,
    leaf_ended: Option<Instant>,
    stopping: bool,
    /// Whom to tell how we are, if systemd started us.
    systemd: Option<Systemd>,
}

/// Ourselves: all connections have said their last words.
#[derive(Message)]
#[rtype(result = "()")]
struct Flushed;

/// Runs the daemon until it is told to stop; the exit code.
pub fn run(boot: Boot) -> std::io::Result<i32> {
    let system = System::new();
    system.block_on(async { Supervisor::new(boot).start() });
    system.run_with_code()
}

/// The Supervisor ends with the daemon. If it ends before, nobody is left to restart anything.
impl Drop for Supervisor {
    fn drop(&mut self) {
        if let Some(system) = System::try_current() {
            // Without effect once the system stops already.
            system.stop_with_code(EXIT_INTERNAL);
        }
    }
}

impl Supervisor {
    /// A supervisor that builds everything when it starts.
    pub fn new(boot: Boot) -> Supervisor {
        Supervisor {
            boot,
            threads: Threads::start(),
            generation: 0,
            actors: None,
            listener: None,
            discovery: None,
            control: None,
            connections: BTreeMap::new(),
            failures: Vec::new(),
            leaf_wait: LEAF_WAIT,
            leaf_ended: None,
            stopping: false,
            systemd: Systemd::there(),
        }
    }

    fn above(ctx: &Context<Self>) -> Above {
        let me = ctx.address();
        Above {
            exited: to(&me),
            open: to(&me),
            close: to(&me),
            config: to(&me),
            reload: to(&me),
            shutdown: to(&me),
        }
    }

    /// Builds all actors, at the start and after a failure.
    fn build(&mut self, ctx: &mut Context<Self>) {
        let above = Self::above(ctx);
        let boot = &mut self.boot;
        let plans = Plans {
            generation: self.generation,
            settings: &boot.loaded.settings,
            book: std::mem::take(&mut boot.book),
            book_db: std::mem::replace(&mut boot.book_db, BookDb::memory()),
            home: boot.home.clone(),
            identity: boot.identity.clone(),
            crypto: boot.crypto.clone(),
            shared: boot.shared.clone(),
            view: boot.view.clone(),
            store: boot.store.clone(),
            downloads: boot.downloads.clone(),
            pieces: boot.pieces.clone(),
            letters: boot.letters.clone(),
            recalled: std::mem::take(&mut boot.recalled),
            mail: boot.mail.clone(),
            voice: boot.voice.clone(),
            secret: boot.secret_of(self.generation),
            seed: boot.seed.wrapping_add(self.generation),
        };
        self.actors = Some(Generation::build(plans, &above, &self.threads.disk));
        self.start_listener(ctx);
        self.start_control(ctx);
        self.settle_discovery(ctx);
    }

    fn start_listener(&mut self, ctx: &mut Context<Self>) {
        let Some(actors) = &self.actors else { return };
        let (arrived, exited) = (actors.arrivals(), to(&ctx.address()));
        let lifeline = Lifeline::new(exited, Child::Listener, self.generation);
        match self.boot.socket.try_clone() {
            Ok(socket) => {
                let arbiter = &self.threads.net[0];
                let start = |_: &mut Context<Listener>| Listener::new(socket, arrived, lifeline);
                self.listener = Some(Listener::start_in_arbiter(&arbiter.handle(), start));
            }
            // The lifeline reports the end of what never began; it is tried again.
            Err(error) => log::error!("cannot start listening: {error}"),
        }
    }

    fn start_control(&mut self, ctx: &mut Context<Self>) {
        let Some(actors) = &self.actors else { return };
        let exited = to(&ctx.address());
        let parts = ControlParts {
            services: actors.services(&Self::above(ctx)),
            view: self.boot.view.subscribe(),
            pieces: self.boot.pieces.subscribe(),
            mail: self.boot.mail.subscribe(),
            answers: to(&ctx.address()),
            lifeline: Lifeline::new(exited, Child::Control, self.generation),
        };
        self.control = Some((self.boot.control)(parts, &self.threads.web));
    }

    /// A leaf has ended: start it again after a wait that doubles each time.
    fn restart_leaf(&mut self, child: Child, ctx: &mut Context<Self>) {
        if self.leaf_ended.replace(Instant::now()).is_some_and(|at| at.elapsed() >= LEAF_STABLE) {
            self.leaf_wait = LEAF_WAIT;
        }
        let (wait, generation) = (self.leaf_wait, self.generation);
        self.leaf_wait = (self.leaf_wait * 2).min(LEAF_WAIT_MAX);
        log::warn!("{child:?} ended; starting it again in {} ms", wait.as_millis());
        ctx.run_later(wait, move |supervisor, ctx| {
            if supervisor.stopping || supervisor.generation != generation {
                return;
            }
            match child {
                Child::Listener => supervisor.start_listener(ctx),
                Child::Discovery => supervisor.settle_discovery(ctx),
                _ => supervisor.start_control(ctx),
            }
        });
    }

    /// An actor that others build on has failed: drop its generation and build the next from disk.
    fn next_generation(&mut self, failed: Child, ctx: &mut Context<Self>) {
        let now = Instant::now();
        self.failures.retain(|at| now.duration_since(*at) < FAILURE_WINDOW);
        self.failures.push(now);
        if self.failures.len() >= FAILURES_MAX {
            log::error!("{failed:?} failed, the third failure within a minute: giving up");
            return exit(EXIT_INTERNAL);
        }
        log::error!("{failed:?} failed; building all actors again");
        self.generation += 1;
        self.boot.shared.tally.rebuilds.add(1);
        self.boot.store.halt();
        self.hang_up(Bye::Protocol);
        self.connections.clear();
        if let Some(old) = self.actors.take() {
            old.stop();
        }
        if let Some(listener) = self.listener.take() {
            deliver(&to(&listener), Stop);
        }
        if let Some(control) = self.control.take() {
            deliver(&control.stop, Stop);
        }
        self.stop_discovery();
        // The old actors must let go of the database first.
        ctx.run_later(LEAF_WAIT, |supervisor, ctx| {
            if let Err(error) = supervisor.read_book() {
                log::error!("{error}");
                return exit(EXIT_INTERNAL);
            }
            supervisor.build(ctx);
        });
    }

    /// What the last generation saved; the next one is a boot of its own.
    fn read_book(&mut self) -> Result<(), crate::store::database::DbError> {
        if let Some(state) = &self.boot.state {
            let (book_db, book, aside) = BookDb::open(state)?;
            if let Some(aside) = aside {
                log::warn!("{aside}");
            }
            self.boot.book = book;
            self.boot.book_db = book_db;
        }
        self.boot.recalled = self.boot.letters.recall()?;
        let unix_ms = self.boot.identity.start_ms + self.boot.shared.clock.now().as_ms();
        let epoch = unix_ms.max(self.boot.identity.epoch + 1).min(EPOCH_MAX);
        self.boot.identity.epoch = epoch;
        self.boot.book.epoch = epoch;
        Ok(())
    }

    fn hang_up(&self, why: Bye) {
        for connection in self.connections.values() {
            let bye = ByeFrame { why, cards: Default::default() };
            deliver(&to(connection), Hangup { bye });
        }
    }

    /// Each step is logged; nothing here is needed for correctness, for starting is recovering.
    fn begin_stop(&mut self, why: &str, forget: bool, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.stopping, true) {
            return;
        }
        log::info!("stopping: {why}");
        self.tell_stopping(why);
        self.boot.store.halt();
        ctx.run_later(STOP, |_, _| {
            log::warn!("stopping took too long; ending now");
            exit(0);
        });
        if let Some(listener) = self.listener.take() {
            deliver(&to(&listener), Stop);
        }
        self.stop_discovery();
        if let Some(control) = &self.control {
            (control.drain)();
        }
        let Some((registry, topology)) = self.actors.as_ref().map(Generation::speakers) else {
            return exit(0);
        };
        log::info!("stopping: saying goodbye on {} connections", self.connections.len());
        let goodbye = Generation::say_goodbye(registry, topology, forget).into_actor(self);
        ctx.spawn(goodbye.map(|(), supervisor, ctx| {
            supervisor.hang_up(Bye::Leaving);
            let me = ctx.address();
            if supervisor.connections.is_empty() {
                deliver(&to(&me), Flushed);
            } else {
                ctx.run_later(FLUSH, move |_, _| deliver(&to(&me), Flushed));
            }
        }));
    }
}

/// Ends the process with `code` once the current turn is over.
fn exit(code: i32) {
    System::current().stop_with_code(code);
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.build(ctx);
        self.tell_life(ctx);
        let me = ctx.address();
        let interrupted = || exit(EXIT_INTERRUPTED);
        ctx.spawn(signals(to(&me), to(&me), interrupted).into_actor(self));
    }
}

impl Handler<Exited> for Supervisor {
    type Result = ();

    fn handle(&mut self, message: Exited, ctx: &mut Context<Self>) {
        let Exited { child, generation, crashed } = message;
        if generation != self.generation {
            return;
        }
        if let Child::Connection(conn) = child {
            self.connections.remove(&conn);
            if crashed && let Some(actors) = &self.actors {
                log::error!(conn; "connection {conn} crashed");
                let how = Ended::Broken("its connection crashed".into());
                actors.connection_crashed(Closed { conn, how });
            }
            if self.stopping && self.connections.is_empty() {
                deliver(&to(&ctx.address()), Flushed);
            }
            return;
        }
        match child {
            // It was the last.
            Child::Control if self.stopping && self.actors.is_none() => exit(0),
            _ if self.stopping => {}
            // It was told to.
            Child::Discovery if self.discovery.is_none() => {}
            Child::Listener | Child::Control | Child::Discovery => self.restart_leaf(child, ctx),
            _ => self.next_generation(child, ctx),
        }
    }
}

impl Handler<Flushed> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Flushed, ctx: &mut Context<Self>) {
        let Some(actors) = self.actors.take() else { return };
        log::info!("stopping: links closed, {} left", self.connections.len());
        let disk = actors.disk();
        let stopped = async move {
            // Queues behind the last save, so the book is on disk when this is answered.
            let _ = disk.send(Stop).await;
        };
        let control = self.control.take();
        ctx.spawn(stopped.into_actor(self).map(move |(), _, ctx| {
            log::info!("stopped");
            let Some(control) = control else { return exit(0) };
            // Whoever asked us to stop still waits for the answer.
            deliver(&control.stop, Stop);
            ctx.run_later(LAST_ANSWERS, |_, _| exit(0));
        }));
    }
}

impl Handler<Open> for Supervisor {
    type Result = ();

    fn handle(&mut self, Open { conn, origin, card }: Open, ctx: &mut Context<Self>) {
        let Some(actors) = &self.actors else { return };
        let exited = to(&ctx.address());
        let lifeline = Lifeline::new(exited, Child::Connection(conn), self.generation);
        let ports = actors.ports.clone();
        let lanes = self.threads.net.len() as u64;
        let turn = usize::try_from(conn % lanes).unwrap_or(0);
        let arbiter = self.threads.net[turn].handle();
        let start =
            move |_: &mut Context<Connection>| Connection::new(conn, origin, card, ports, lifeline);
        self.connections.insert(conn, Connection::start_in_arbiter(&arbiter, start));
    }
}

impl Handler<Close> for Supervisor {
    type Result = ();

    fn handle(&mut self, Close { conn, bye }: Close, _: &mut Context<Self>) {
        if let Some(connection) = self.connections.get(&conn) {
            deliver(&to(connection), Hangup { bye });
        }
    }
}

impl Handler<Shutdown> for Supervisor {
    type Result = ();

    fn handle(&mut self, Shutdown { why, leave }: Shutdown, ctx: &mut Context<Self>) {
        self.begin_stop(why, leave, ctx);
    }
}

#[cfg(test)]
mod tests;
