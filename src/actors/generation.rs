//! One generation of actors: all that are dropped and built again together when one of them fails.

use std::path::PathBuf;
use std::sync::Arc;

use actix::{Actor, Addr, Arbiter, AsyncContext, Context, SyncArbiter};
use tokio::sync::watch;

use super::connection;
use super::courier::{self, Courier};
use super::disk::Disk;
use super::exchange::{self, Exchange};
use super::letterbox::Letterbox;
use super::lifeline::Lifeline;
use super::mesh::{Around, Mesh, MeshPlans};
use super::messages::{
    Arrived, Child, Close, Closed, ConfigWanted, Configure, Exited, Goodbye, MailView, Open,
    PiecesView, Reload, Shutdown, Sighted, Stop,
};
use super::policy;
use super::post::{deliver, to};
use super::registry::Registry;
use super::sealers::Sealers;
use super::services::Services;
use super::shelf::Shelf;
use super::topology::Topology;
use super::turn::Turn;
use super::voice::Voice;
use crate::mail::courier as mail;
use crate::mail::rows::Recalled;
use crate::mail::work::RealSealer;
use crate::mesh::book::Book;
use crate::mesh::peers::Home;
use crate::mesh::record::Crypto;
use crate::mesh::topology::Identity;
use crate::mesh::view::View;
use crate::net::session::Shared;
use crate::pieces::exchange as pieces;
use crate::settings::Settings;
use crate::store::book_db::BookDb;
use crate::store::letters::LetterStore;
use crate::store::pieces::PieceStore;

/// Threads that check and write pieces and read blocks: enough to keep two cores hashing.
const QUICK_SHELVES: usize = 2;
/// Threads that wait for disks: syncing, making ready, finishing.
const SYNC_SHELVES: usize = 2;
/// Threads for what takes hours: hashing what is shared, or what is there of a download.
const LONG_SHELVES: usize = 2;

/// Most threads for the cryptography of letters.
const SEALERS_MAX: usize = 8;

/// Everything a generation is built from.
pub struct Plans<'a> {
    /// Counts generations.
    pub generation: u64,
    /// The settings in force.
    pub settings: &'a Settings,
    /// What the last run (or generation) remembered.
    pub book: Book,
    /// Where it is kept.
    pub book_db: BookDb,
    /// Where we are.
    pub home: Home,
    /// Who we are.
    pub identity: Identity,
    /// Signs and checks records.
    pub crypto: Arc<dyn Crypto + Send + Sync>,
    /// What all connections share.
    pub shared: Arc<Shared>,
    /// Who shows the graph.
    pub view: watch::Sender<Arc<View>>,
    /// What is shared and fetched.
    pub store: PieceStore,
    /// Where downloads go when nobody says where to.
    pub downloads: Option<PathBuf>,
    /// Who shows files.
    pub pieces: watch::Sender<Arc<PiecesView>>,
    /// Where letters are kept.
    pub letters: LetterStore,
    /// What the last run (or generation) left of them.
    pub recalled: Recalled,
    /// Who shows letters.
    pub mail: watch::Sender<Arc<MailView>>,
    /// Standard output.
    pub voice: Voice,
    /// Seed of all chance that need not be secret.
    pub seed: u64,
    /// Seed of the chance that must be.
    pub secret: [u8; 32],
}

/// What the Supervisor itself answers.
pub struct Above {
    /// A child has ended.
    pub exited: actix::Recipient<Exited>,
    /// Start a connection.
    pub open: actix::Recipient<Open>,
    /// End a connection.
    pub close: actix::Recipient<Close>,
    /// Settings in force.
    pub config: actix::Recipient<ConfigWanted>,
    /// Read the settings again.
    pub reload: actix::Recipient<Reload>,
    /// Stop.
    pub shutdown: actix::Recipient<Shutdown>,
}

/// The actors of one generation. They live as long as their addresses here.
pub struct Generation {
    pub(super) mesh: Mesh,
    pub(super) disk: Addr<Disk>,
    pub(super) exchange: Addr<Exchange>,
    pub(super) courier: Addr<Courier>,
    #[cfg(test)]
    pub(super) shelf: Addr<Shelf>,
    #[cfg(test)]
    pub(super) letterbox: Addr<Letterbox>,
    #[cfg(test)]
    pub(super) sealers: Addr<Sealers>,
    /// What connections of this generation use.
    pub ports: Arc<connection::Ports>,
}

impl Generation {
    /// Builds and starts them: at the start of the daemon and after a failure alike. The disk runs on
    /// `disk`, the others on this thread.
    pub fn build(plans: Plans<'_>, above: &Above, disk: &Arbiter) -> Generation {
        let Plans { generation, settings, shared, crypto, .. } = plans;
        let lifeline = |child| Lifeline::new(above.exited.clone(), child, generation);
        let exchange_ctx = Context::<Exchange>::new();
        let courier_ctx = Context::<Courier>::new();
        let (exchange, courier) = (exchange_ctx.address(), courier_ctx.address());
        let (me, start_ms) = (plans.home.me, plans.home.start_ms);
        let disk = {
            let (book_db, lifeline) = (plans.book_db, lifeline(Child::Disk));
            Disk::start_in_arbiter(&disk.handle(), |_| Disk::new(book_db, lifeline))
        };
        let mut recalled = plans.recalled;
        recalled.acquaintances.extend(plans.book.entries.keys());

        let mesh = MeshPlans {
            generation,
            settings,
            book: plans.book,
            home: plans.home,
            identity: plans.identity,
            crypto: crypto.clone(),
            shared: shared.clone(),
            view: plans.view,
            voice: plans.voice,
            seed: plans.seed,
        };
        let around = Around {
            open: above.open.clone(),
            close: above.close.clone(),
            exited: above.exited.clone(),
            save: to(&disk),
            graph: [to(&exchange), to(&courier)],
            links: [to(&exchange), to(&courier)],
            measured: to(&exchange),
            packets: to(&courier),
            mail: to(&courier),
            pieces: to(&exchange),
            wholes: to(&exchange),
            sent: to(&exchange),
        };
        let mesh = Mesh::build(mesh, around);

        let shelves = |threads| {
            let (store, exited) = (plans.store.clone(), above.exited.clone());
            let lifeline = move || Lifeline::new(exited.clone(), Child::Shelf, generation);
            SyncArbiter::start(threads, move || Shelf::new(store.clone(), lifeline()))
        };
        let (quick, long) = (shelves(QUICK_SHELVES), shelves(LONG_SHELVES));
        let sync = shelves(SYNC_SHELVES);
        let home = pieces::Home { me, start_ms };
        let core =
            pieces::Exchange::new(home, policy::pieces(settings), plans.seed ^ 2, crypto.clone());
        let ports = exchange::Ports {
            shelves: wire_shelves(&quick, &sync, &long),
            need_link: to(&mesh.registry),
            note: to(&mesh.registry),
            view: plans.pieces,
        };
        let place =
            exchange::Place { store: plans.store.clone(), dir: plans.downloads, start_ms, me };
        exchange_ctx.run(Exchange::new(
            Turn::new(core, &shared),
            ports,
            place,
            lifeline(Child::Exchange),
        ));

        let letterboxes = || {
            let (store, exited) = (plans.letters.clone(), above.exited.clone());
            let lifeline = move || Lifeline::new(exited.clone(), Child::Letterbox, generation);
            SyncArbiter::start(1, move || Letterbox::new(store.clone(), lifeline()))
        };
        let (writer, reader) = (letterboxes(), letterboxes());
        let sealers = {
            let (sealer, exited) =
                (Arc::new(RealSealer::new(crypto.clone())), above.exited.clone());
            let lifeline = move || Lifeline::new(exited.clone(), Child::Sealers, generation);
            SyncArbiter::start(sealer_threads(), move || Sealers::new(sealer.clone(), lifeline()))
        };
        let home = mail::Home { me, start_ms, seed: plans.secret };
        let core = mail::Courier::new(home, policy::mail(settings), recalled);
        let ports = courier::Ports {
            letterbox: wire_letterboxes(&writer, &reader),
            wrap: to(&sealers),
            peel: to(&sealers),
            need_link: to(&mesh.registry),
            keys: to(&mesh.topology),
            view: plans.mail,
        };
        courier_ctx.run(Courier::new(
            Turn::new(core, &shared),
            ports,
            plans.letters,
            settings,
            lifeline(Child::Courier),
        ));

        let ports = mesh.ports_of_links(settings);
        Generation {
            mesh,
            disk,
            exchange,
            courier,
            #[cfg(test)]
            shelf: quick,
            #[cfg(test)]
            letterbox: writer,
            #[cfg(test)]
            sealers,
            ports,
        }
    }

    /// Where arriving connections go.
    pub fn arrivals(&self) -> actix::Recipient<Arrived> {
        self.mesh.arrivals()
    }

    /// Where what is seen on the local network goes.
    pub fn sightings(&self) -> actix::Recipient<Sighted> {
        to(&self.mesh.registry)
    }

    /// Who answers what a person asks.
    pub fn services(&self, above: &Above) -> Services {
        Services {
            peers: to(&self.mesh.registry),
            status: to(&self.mesh.registry),
            why: to(&self.mesh.registry),
            pins: to(&self.mesh.registry),
            connect: to(&self.mesh.registry),
            disconnect: to(&self.mesh.registry),
            pin: to(&self.mesh.registry),
            unpin_label: to(&self.mesh.registry),
            ban: to(&self.mesh.registry),
            probe: to(&self.mesh.heartbeat),
            trace: to(&self.mesh.topology),
            shout: to(&self.mesh.topology),
            share: to(&self.exchange),
            get_file: to(&self.exchange),
            stop_transfer: to(&self.exchange),
            forget: to(&self.exchange),
            push: to(&self.courier),
            letters: to(&self.courier),
            letter: to(&self.courier),
            pull: to(&self.courier),
            acknowledge: to(&self.courier),
            relays: to(&self.courier),
            figures: to(&self.courier),
            config: above.config.clone(),
            reload: above.reload.clone(),
            shutdown: above.shutdown.clone(),
        }
    }

    /// Puts new settings in force. Bounds of links count for new links.
    pub fn configure(&mut self, settings: &Arc<Settings>) {
        self.mesh.configure(settings);
        deliver(&to(&self.exchange), Configure(settings.clone()));
        deliver(&to(&self.courier), Configure(settings.clone()));
        self.ports = self.mesh.ports_of_links(settings);
    }

    /// Tells the registry that a connection ended without saying so itself.
    pub fn connection_crashed(&self, closed: Closed) {
        deliver(&self.ports.closed, closed);
    }

    /// Says goodbye on every link: the lanes hold it when this is done.
    pub async fn say_goodbye(registry: Addr<Registry>, topology: Addr<Topology>, forget: bool) {
        // An actor that is gone has nothing to say.
        let _ = registry.send(Goodbye { forget }).await;
        let _ = topology.send(Goodbye { forget }).await;
    }

    /// Who says goodbye.
    pub fn speakers(&self) -> (Addr<Registry>, Addr<Topology>) {
        (self.mesh.registry.clone(), self.mesh.topology.clone())
    }

    /// Where the book is kept; a message to it queues behind the last save.
    pub fn disk(&self) -> actix::Recipient<Stop> {
        to(&self.disk)
    }

    /// Ends them all.
    pub fn stop(&self) {
        self.mesh.stop();
        deliver(&to(&self.exchange), Stop);
        deliver(&to(&self.courier), Stop);
        deliver(&to(&self.disk), Stop);
    }
}

/// One thread for each processor, as far as that is of use to one daemon.
fn sealer_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(SEALERS_MAX)
}

/// Who does what on letters: nobody who reads waits for a sync.
fn wire_letterboxes(writer: &Addr<Letterbox>, reader: &Addr<Letterbox>) -> courier::Letterboxes {
    courier::Letterboxes {
        commit: to(writer),
        mark_read: to(writer),
        body: to(reader),
        kept: to(reader),
        written: to(reader),
        written_one: to(reader),
        received: to(reader),
        unread: to(reader),
    }
}

/// Who does what on the files: nothing waits behind what takes longer than itself.
fn wire_shelves(quick: &Addr<Shelf>, sync: &Addr<Shelf>, long: &Addr<Shelf>) -> exchange::Shelves {
    exchange::Shelves {
        store: to(quick),
        read: to(quick),
        look: to(quick),
        close: to(quick),
        recall: to(sync),
        prepare: to(sync),
        commit: to(sync),
        put_away: to(sync),
        set_aside: to(sync),
        finish: to(sync),
        forget: to(sync),
        resume: to(long),
        hash: to(long),
        rehash: to(long),
    }
}
