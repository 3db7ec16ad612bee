//! One node: the daemon's actors for the mesh, and in place of the Supervisor and all services one actor that
//! starts and ends connections, counts links, and takes no notice of anything else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actix::{Actor, Addr, ArbiterHandle, AsyncContext, Context, Handler};
use kith::actors::connection::{self, Connection};
use kith::actors::listener::Listener;
use kith::actors::mesh::{Around, Mesh, MeshPlans};
use kith::actors::messages::{
    Child, ChunkSent, Close, Exited, GraphChanged, Hangup, LinkChange, LinkChanged, MailFrom,
    Measured, Open, PacketFrom, PieceFrom, SaveBook, WholeFrom,
};
use kith::actors::{Lifeline, Voice, deliver, to};
use kith::mesh::book::Book;
use kith::mesh::peers::Home;
use kith::mesh::topology::Identity as Said;
use kith::mesh::view::View;
use kith::mesh::{ConnId, NodeId};
use kith::net::session::{Clock, Shared};
use kith::net::tally::Tally;
use kith::net::tls::Tls;
use kith::settings::Settings;
use kith::store::identity::Identity;
use kith::store::unix_ms;
use kith::wire::bounded::Text;
use socket2::{Domain, Socket, Type};
use tokio::sync::watch;

/// Connections that may wait to be accepted: as many as at the daemon.
const BACKLOG: i32 = 1024;

/// The links of a node as they really are, at every moment and not only when somebody looks.
#[derive(Default)]
pub struct Links {
    /// With whom.
    pub now: Mutex<BTreeSet<NodeId>>,
    /// The most there ever were.
    pub most: AtomicUsize,
    /// How many have gone.
    pub lost: AtomicU64,
    /// Actors that ended, other than by themselves.
    pub crashed: AtomicU64,
}

impl Links {
    /// With whom it is linked now.
    pub fn peers(&self) -> BTreeSet<NodeId> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn changed(&self, peer: NodeId, up: bool) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if up {
            now.insert(peer);
            self.most.fetch_max(now.len(), Ordering::Relaxed);
        } else if now.remove(&peer) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A node, from outside.
pub struct Node {
    /// Who it is.
    pub id: NodeId,
    /// Where it listens.
    pub addr: SocketAddr,
    /// The graph as it sees it.
    pub view: watch::Receiver<Arc<View>>,
    /// Its links as they are.
    pub links: Arc<Links>,
    /// What it sends and receives.
    pub tally: Arc<Tally>,
}

/// The threads a node runs on: as in the daemon, its links do not wait for its other actors.
#[derive(Clone)]
pub struct Threads {
    /// PeerRegistry, Heartbeat, Topology.
    pub mesh: ArbiterHandle,
    /// The links.
    pub net: Vec<ArbiterHandle>,
}

/// Starts a node.
pub fn start(
    label: &str,
    settings: &Arc<Settings>,
    seeds: &[SocketAddr],
    threads: Threads,
) -> Result<Node, String> {
    let cannot = |what: &str, why: &dyn std::fmt::Display| format!("{label}: cannot {what}: {why}");
    let identity = Identity::generate().map_err(|e| cannot("make an identity", &e))?;
    let id = identity.id();
    let (socket, addr) = listen().map_err(|e| cannot("listen", &e))?;
    let start_ms = unix_ms();
    let said = Said {
        network: Text::new(settings.network.name.clone()).unwrap_or_default(),
        label: Text::new(label.to_owned()).unwrap_or_default(),
        relay: settings.relay.volunteer,
        mailbox: settings.relay.mailbox,
        epoch: start_ms,
        start_ms,
    };
    let tally: Arc<Tally> = Arc::default();
    let shared = Arc::new(Shared {
        tls: Tls::new(&identity).map_err(|e| cannot("set up TLS", &e))?,
        network: said.network.clone(),
        secret: Vec::new(),
        clock: Clock::new(),
        root: AtomicU64::new(0),
        tally: tally.clone(),
    });
    let nobody = View { me: id, changed_ms: start_ms, ..View::nothing() };
    let (tx, view) = watch::channel(Arc::new(nobody));
    let home = Home {
        me: id,
        start_ms,
        listen: addr,
        advertise: Vec::new(),
        seeds: seeds.iter().copied().filter(|seed| *seed != addr).collect(),
    };
    let links: Arc<Links> = Arc::default();
    let (settings, counted, mesh) = (settings.clone(), links.clone(), threads.mesh.clone());
    let build = move |ctx: &mut Context<Host>| {
        let me = ctx.address();
        let plans = MeshPlans {
            generation: 0,
            settings: &settings,
            book: Book { epoch: start_ms, ..Book::default() },
            home,
            identity: said,
            crypto: Arc::new(identity),
            shared,
            view: tx,
            voice: Voice::silent(),
            seed: id.head() ^ start_ms,
        };
        let mesh = Mesh::build(plans, around(&me));
        let lifeline = Lifeline::new(to(&me), Child::Listener, 0);
        let arrivals = mesh.arrivals();
        let listener = Listener::start_in_arbiter(&threads.net[0], |_| {
            Listener::new(socket, arrivals, lifeline)
        });
        let ports = mesh.ports_of_links(&settings);
        let connections = BTreeMap::new();
        Host {
            _mesh: mesh,
            _listener: listener,
            ports,
            net: threads.net,
            connections,
            links: counted,
        }
    };
    Host::start_in_arbiter(&mesh, build);
    Ok(Node { id, addr, view, links, tally })
}

fn listen() -> std::io::Result<(TcpListener, SocketAddr)> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(BACKLOG)?;
    let socket = TcpListener::from(socket);
    let addr = socket.local_addr()?;
    Ok((socket, addr))
}

/// Stands for the Supervisor and for all services.
struct Host {
    /// Lives as long as its addresses.
    _mesh: Mesh,
    _listener: Addr<Listener>,
    ports: Arc<connection::Ports>,
    net: Vec<ArbiterHandle>,
    connections: BTreeMap<ConnId, Addr<Connection>>,
    links: Arc<Links>,
}

impl Actor for Host {
    type Context = Context<Self>;
}

/// All go to the host.
fn around(host: &Addr<Host>) -> Around {
    Around {
        open: to(host),
        close: to(host),
        exited: to(host),
        save: to(host),
        graph: [to(host), to(host)],
        // Told twice, counted once: it is a set.
        links: [to(host), to(host)],
        measured: to(host),
        packets: to(host),
        mail: to(host),
        pieces: to(host),
        wholes: to(host),
        sent: to(host),
    }
}

impl Handler<Open> for Host {
    type Result = ();

    fn handle(&mut self, Open { conn, origin, card }: Open, ctx: &mut Context<Self>) {
        let lifeline = Lifeline::new(to(&ctx.address()), Child::Connection(conn), 0);
        let ports = self.ports.clone();
        let turn = usize::try_from(conn).unwrap_or(0) % self.net.len();
        let start =
            move |_: &mut Context<Connection>| Connection::new(conn, origin, card, ports, lifeline);
        self.connections.insert(conn, Connection::start_in_arbiter(&self.net[turn], start));
    }
}

impl Handler<Close> for Host {
    type Result = ();

    fn handle(&mut self, Close { conn, bye }: Close, _: &mut Context<Self>) {
        if let Some(connection) = self.connections.get(&conn) {
            deliver(&to(connection), Hangup { bye });
        }
    }
}

impl Handler<Exited> for Host {
    type Result = ();

    fn handle(&mut self, Exited { child, crashed, .. }: Exited, _: &mut Context<Self>) {
        self.links.crashed.fetch_add(u64::from(crashed), Ordering::Relaxed);
        if let Child::Connection(conn) = child {
            self.connections.remove(&conn);
        }
    }
}

impl Handler<LinkChanged> for Host {
    type Result = ();

    fn handle(&mut self, LinkChanged { peer, change }: LinkChanged, _: &mut Context<Self>) {
        self.links.changed(peer, matches!(change, LinkChange::Up { .. }));
    }
}

/// There is no disk: what is remembered is remembered in memory only, and that is no failure.
impl Handler<SaveBook> for Host {
    type Result = bool;

    fn handle(&mut self, _: SaveBook, _: &mut Context<Self>) -> bool {
        true
    }
}

macro_rules! takes_no_notice {
    ($($message:ty),*) => {$(
        impl Handler<$message> for Host {
            type Result = ();

            fn handle(&mut self, _: $message, _: &mut Context<Self>) {}
        }
    )*};
}
takes_no_notice!(GraphChanged, Measured, PacketFrom, MailFrom, PieceFrom, WholeFrom, ChunkSent);
