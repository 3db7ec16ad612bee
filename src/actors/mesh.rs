//! The part of a generation that is the mesh: PeerRegistry, Heartbeat and Topology, wired to one another, and to
//! whatever is built on them. A daemon has the services and the Supervisor there; `examples/lab` has next to nothing.

use std::sync::Arc;

use actix::{Addr, AsyncContext, Context, Recipient};
use tokio::sync::watch;

use super::connection;
use super::heartbeat::{self, Heartbeat};
use super::lifeline::Lifeline;
use super::messages::{
    Arrived, Child, ChunkSent, Close, Configure, Exited, GraphChanged, LinkChanged, MailFrom,
    Measured, Open, PacketFrom, PieceFrom, SaveBook, Stop, WholeFrom,
};
use super::policy;
use super::post::{deliver, to};
use super::registry::{self, Registry};
use super::topology::{self, Topology};
use super::turn::Turn;
use super::voice::Voice;
use crate::mesh::book::Book;
use crate::mesh::peers::{Home, Peers};
use crate::mesh::pulse::Pulse;
use crate::mesh::record::Crypto;
use crate::mesh::topology::{Identity, Topology as TopologyCore};
use crate::mesh::view::View;
use crate::net::session::Shared;
use crate::settings::Settings;

/// What a mesh is built from.
pub struct MeshPlans<'a> {
    /// Counts generations.
    pub generation: u64,
    /// The settings in force.
    pub settings: &'a Settings,
    /// What the last run (or generation) remembered.
    pub book: Book,
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
    /// Standard output.
    pub voice: Voice,
    /// Seed of all chance that need not be secret.
    pub seed: u64,
}

/// Whom the mesh tells, beside itself.
#[derive(Clone)]
pub struct Around {
    /// Who starts connections: the Supervisor.
    pub open: Recipient<Open>,
    /// Who ends them: the Supervisor.
    pub close: Recipient<Close>,
    /// Who hears that an actor has ended: the Supervisor.
    pub exited: Recipient<Exited>,
    /// Who keeps the address book: the Disk.
    pub save: Recipient<SaveBook>,
    /// Who wants to know the graph beside the Heartbeat: Exchange and Courier.
    pub graph: [Recipient<GraphChanged>; 2],
    /// Who wants to know of links beside Heartbeat and Topology: Exchange and Courier.
    pub links: [Recipient<LinkChanged>; 2],
    /// Who wants to know round trips beside PeerRegistry and Topology: the Exchange.
    pub measured: Recipient<Measured>,
    /// Who takes packets: the Courier.
    pub packets: Recipient<PacketFrom>,
    /// Who takes what is said about letters: the Courier.
    pub mail: Recipient<MailFrom>,
    /// Who takes what is said about files: the Exchange.
    pub pieces: Recipient<PieceFrom>,
    /// Who takes whole pieces: the Exchange.
    pub wholes: Recipient<WholeFrom>,
    /// Who is told of blocks that were written: the Exchange.
    pub sent: Recipient<ChunkSent>,
}

/// The three actors. They live as long as their addresses here.
pub struct Mesh {
    pub(super) registry: Addr<Registry>,
    pub(super) heartbeat: Addr<Heartbeat>,
    pub(super) topology: Addr<Topology>,
    shared: Arc<Shared>,
    crypto: Arc<dyn Crypto + Send + Sync>,
    around: Around,
}

impl Mesh {
    /// Builds them and starts them on this thread.
    pub fn build(plans: MeshPlans<'_>, around: Around) -> Mesh {
        let MeshPlans { generation, settings, shared, crypto, .. } = plans;
        let lifeline = |child| Lifeline::new(around.exited.clone(), child, generation);
        let registry_ctx = Context::<Registry>::new();
        let heartbeat_ctx = Context::<Heartbeat>::new();
        let topology_ctx = Context::<Topology>::new();
        let (registry, heartbeat, topology) =
            (registry_ctx.address(), heartbeat_ctx.address(), topology_ctx.address());
        let [graph_a, graph_b] = around.graph.clone();
        let [links_a, links_b] = around.links.clone();

        let core = TopologyCore::new(plans.identity, policy::topology(settings), crypto.clone());
        let card = core.card();
        let ports = topology::Ports {
            graph: [to(&heartbeat), graph_a, graph_b],
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
            measured: [to(&registry), to(&topology), around.measured.clone()],
        };
        heartbeat_ctx.run(Heartbeat::new(
            Turn::new(core, &shared),
            ports,
            lifeline(Child::Heartbeat),
        ));

        let core = Peers::new(plans.home, policy::peers(settings), plans.book, plans.seed);
        let ports = registry::Ports {
            open: around.open.clone(),
            close: around.close.clone(),
            links: [to(&heartbeat), to(&topology), links_a, links_b],
            reachable: to(&topology),
            learned: to(&topology),
            call_back: to(&topology),
            who_is: to(&topology),
            save: around.save.clone(),
        };
        registry_ctx.run(Registry::new(
            Turn::new(core, &shared),
            ports,
            card,
            policy::save_every(settings),
            lifeline(Child::Registry),
        ));
        Mesh { registry, heartbeat, topology, shared, crypto, around }
    }

    /// What connections use, with the bounds that these settings say.
    pub fn ports_of_links(&self, settings: &Settings) -> Arc<connection::Ports> {
        let around = &self.around;
        Arc::new(connection::Ports {
            shared: self.shared.clone(),
            crypto: self.crypto.clone(),
            handshaken: to(&self.registry),
            confirmed: to(&self.registry),
            closed: to(&self.registry),
            heard: to(&self.heartbeat),
            beats: to(&self.heartbeat),
            gossip: to(&self.topology),
            roots: to(&self.topology),
            packets: around.packets.clone(),
            mail: around.mail.clone(),
            pieces: around.pieces.clone(),
            wholes: around.wholes.clone(),
            sent: around.sent.clone(),
            handshake: settings.network.link.handshake_timeout.duration(),
            stalled: settings.network.link.stalled_timeout.duration(),
            lanes: policy::lanes(settings),
        })
    }

    /// Where arriving connections go.
    pub fn arrivals(&self) -> Recipient<Arrived> {
        to(&self.registry)
    }

    /// Puts new settings in force.
    pub fn configure(&self, settings: &Arc<Settings>) {
        deliver(&to(&self.registry), Configure(settings.clone()));
        deliver(&to(&self.heartbeat), Configure(settings.clone()));
        deliver(&to(&self.topology), Configure(settings.clone()));
    }

    /// Ends them.
    pub fn stop(&self) {
        deliver(&to(&self.registry), Stop);
        deliver(&to(&self.heartbeat), Stop);
        deliver(&to(&self.topology), Stop);
    }
}
