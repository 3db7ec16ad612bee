//! One generation of actors: all that are dropped and built again together when one of them fails.

use std::path::PathBuf;
use std::sync::Arc;

use actix::{Actor, Addr, Arbiter, AsyncContext, Context, SyncArbiter};
use tokio::sync::watch;

use super::connection;
use super::courier::{self, Courier};
use super::disk::Disk;
use super::exchange::{self, Exchange};
use super::heartbeat::{self, Heartbeat};
use super::letterbox::Letterbox;
use super::lifeline::Lifeline;
use super::messages::{
    Arrived, Child, Close, Closed, ConfigWanted, Configure, Exited, Goodbye, MailView, Open,
    PiecesView, Reload, Shutdown, Sighted, Stop,
};
use super::policy;
use super::post::{deliver, to};
use super::registry::{self, Registry};
use super::sealers::Sealers;
use super::services::Services;
use super::shelf::Shelf;
use super::topology::{self, Topology};
use super::turn::Turn;
use super::voice::Voice;
use crate::mail::courier as mail;
use crate::mail::rows::Recalled;
use crate::mail::work::RealSealer;
use crate::mesh::book::Book;
use crate::mesh::peers::{Home, Peers};
use crate::mesh::pulse::Pulse;
use crate::mesh::record::Crypto;
use crate::mesh::topology::{Identity, Topology as TopologyCore};
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
    pub(super) registry: Addr<Registry>,
    pub(super) heartbeat: Addr<Heartbeat>,
    pub(super) topology: Addr<Topology>,
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
        let registry_ctx = Context::<Registry>::new();
        let heartbeat_ctx = Context::<Heartbeat>::new();
        let topology_ctx = Context::<Topology>::new();
        let exchange_ctx = Context::<Exchange>::new();
        let courier_ctx = Context::<Courier>::new();
        let (registry, heartbeat, topology) =
            (registry_ctx.address(), heartbeat_ctx.address(), topology_ctx.address());
        let (exchange, courier) = (exchange_ctx.address(), courier_ctx.address());
        let (me, start_ms) = (plans.home.me, plans.home.start_ms);
        let disk = {
            let (book_db, lifeline) = (plans.book_db, lifeline(Child::Disk));
            Disk::start_in_arbiter(&disk.handle(), |_| Disk::new(book_db, lifeline))
        };

        let core = TopologyCore::new(plans.identity, policy::topology(settings), crypto.clone());
        let card = core.card();
        let ports = topology::Ports {
            graph: [to(&heartbeat), to(&exchange), to(&courier)],
            nodes: to(&registry),
            shape: to(&registry),
            dropped: to(&heartbeat),
            card: to(&registry),
            epoch: to(&registry),
            called: to(&registry),
            view: plans.view,
            voice: plans.voice,
            shared: shared.clone(),
        };
        topology_ctx.run(Topology::new(Turn::new(core, &shared), ports, lifeline(Child::Topology)));

        let core = Pulse::new(policy::pulse(settings), plans.seed ^ 1);
        let ports = heartbeat::Ports {
            silent: to(&registry),
            note: to(&registry),
            health: to(&registry),
            measured: [to(&registry), to(&topology), to(&exchange)],
        };
        heartbeat_ctx.run(Heartbeat::new(
            Turn::new(core, &shared),
            ports,
            lifeline(Child::Heartbeat),
        ));

        let mut recalled = plans.recalled;
        recalled.acquaintances.extend(plans.book.entries.keys());
        let core = Peers::new(plans.home, policy::peers(settings), plans.book, plans.seed);
        let ports = registry::Ports {
            open: above.open.clone(),
            close: above.close.clone(),
            links: [to(&heartbeat), to(&topology), to(&exchange), to(&courier)],
            reachable: to(&topology),
            learned: to(&topology),
            call_back: to(&topology),
            save: to(&disk),
        };
        registry_ctx.run(Registry::new(
            Turn::new(core, &shared),
            ports,
            card,
            policy::save_every(settings),
            lifeline(Child::Registry),
        ));

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
            need_link: to(&registry),
            note: to(&registry),
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
            need_link: to(&registry),
            keys: to(&topology),
            view: plans.mail,
        };
        courier_ctx.run(Courier::new(
            Turn::new(core, &shared),
            ports,
            plans.letters,
            settings,
            lifeline(Child::Courier),
        ));

        let ports = ports_of_links(
            settings,
            shared,
            crypto,
            (&registry, &heartbeat, &topology),
            (&exchange, &courier),
        );
        Generation {
            registry,
            heartbeat,
            topology,
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
        to(&self.registry)
    }

    /// Where what is seen on the local network goes.
    pub fn sightings(&self) -> actix::Recipient<Sighted> {
        to(&self.registry)
    }

    /// Who answers what a person asks.
    pub fn services(&self, above: &Above) -> Services {
        Services {
            peers: to(&self.registry),
            status: to(&self.registry),
            why: to(&self.registry),
            pins: to(&self.registry),
            connect: to(&self.registry),
            disconnect: to(&self.registry),
            pin: to(&self.registry),
            unpin_label: to(&self.registry),
            ban: to(&self.registry),
            probe: to(&self.heartbeat),
            trace: to(&self.topology),
            shout: to(&self.topology),
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
        deliver(&to(&self.registry), Configure(settings.clone()));
        deliver(&to(&self.heartbeat), Configure(settings.clone()));
        deliver(&to(&self.topology), Configure(settings.clone()));
        deliver(&to(&self.exchange), Configure(settings.clone()));
        deliver(&to(&self.courier), Configure(settings.clone()));
        let (shared, crypto) = (self.ports.shared.clone(), self.ports.crypto.clone());
        let mesh = (&self.registry, &self.heartbeat, &self.topology);
        let services = (&self.exchange, &self.courier);
        self.ports = ports_of_links(settings, shared, crypto, mesh, services);
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
        (self.registry.clone(), self.topology.clone())
    }

    /// Where the book is kept; a message to it queues behind the last save.
    pub fn disk(&self) -> actix::Recipient<Stop> {
        to(&self.disk)
    }

    /// Ends them all.
    pub fn stop(&self) {
        deliver(&to(&self.registry), Stop);
        deliver(&to(&self.heartbeat), Stop);
        deliver(&to(&self.topology), Stop);
        deliver(&to(&self.exchange), Stop);
        deliver(&to(&self.courier), Stop);
        deliver(&to(&self.disk), Stop);
    }
}

/// What connections use, with the bounds that are in force now.
fn ports_of_links(
    settings: &Settings,
    shared: Arc<Shared>,
    crypto: Arc<dyn Crypto + Send + Sync>,
    (registry, heartbeat, topology): (&Addr<Registry>, &Addr<Heartbeat>, &Addr<Topology>),
    (exchange, courier): (&Addr<Exchange>, &Addr<Courier>),
) -> Arc<connection::Ports> {
    Arc::new(connection::Ports {
        shared,
        crypto,
        handshaken: to(registry),
        confirmed: to(registry),
        closed: to(registry),
        heard: to(heartbeat),
        beats: to(heartbeat),
        gossip: to(topology),
        roots: to(topology),
        packets: to(courier),
        mail: to(courier),
        pieces: to(exchange),
        wholes: to(exchange),
        sent: to(exchange),
        handshake: settings.network.link.handshake_timeout.duration(),
        stalled: settings.network.link.stalled_timeout.duration(),
        lanes: policy::lanes(settings),
    })
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
