//! Starts the HTTP server: one worker, bounded in every direction, on a loopback address.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::BoxBody;
use actix_web::dev::{Server, ServerHandle, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{App, Error, HttpServer, web};
use tokio::sync::watch;

use super::events::Places;
use super::guard::{Drain, Hosts, REQUEST_TIMEOUT, Token, guard};
use super::metrics::requests::{Requests, count};
use super::session::Sessions;
use super::{page, read, routes};
use crate::actors::messages::{MailView, PiecesView};
use crate::actors::services::Services;
use crate::mesh::NodeId;
use crate::mesh::view::View;
use crate::net::tally::Tally;

/// Most connections at once.
pub const CONNECTIONS_MAX: usize = 128;
/// Most connections that wait to be accepted.
const BACKLOG: u32 = 64;
/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What does not change while the daemon runs.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Own id.
    pub id: NodeId,
    /// Own label.
    pub label: String,
    /// Where the mesh listens.
    pub listen: Vec<SocketAddr>,
    /// Where state is kept; none when only in memory.
    pub state_dir: Option<PathBuf>,
    /// When the daemon started.
    pub started: Instant,
    /// The secret of the API.
    pub token: Token,
    /// What is counted on links and in turns.
    pub tally: Arc<Tally>,
}

/// What every request is answered from.
pub struct Context {
    pub(super) services: Services,
    pub(super) facts: Facts,
    pub(super) view: watch::Receiver<Arc<View>>,
    pub(super) pieces: watch::Receiver<Arc<PiecesView>>,
    pub(super) mail: watch::Receiver<Arc<MailView>>,
    pub(super) places: Places,
    pub(super) hosts: Hosts,
    /// Where we listen.
    pub(super) addr: SocketAddr,
    pub(super) sessions: Sessions,
    pub(super) drain: Drain,
    pub(super) requests: Requests,
}

impl Context {
    /// The graph as it is now.
    pub(super) fn view(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    /// The files and transfers as they are now.
    pub(super) fn pieces(&self) -> Arc<PiecesView> {
        self.pieces.borrow().clone()
    }
}

/// Why the API could not be started. Nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The address is not this machine's own: the API has no TLS, so it must not be reachable from others.
    #[error("the control API listens on loopback addresses only, not on {0}")]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen for the control API on {addr}")]
    Listen {
        /// Which address.
        addr: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// A started API.
pub struct Serving {
    /// The address it really has.
    pub addr: SocketAddr,
    /// Stops it.
    pub handle: ServerHandle,
    /// Ends when the API has stopped; must be polled (spawned) for it to run.
    pub server: Server,
}

/// Starts the API on `listen` (port 0: any free one); it refuses once `drain` has begun. Call it inside an
/// actix system.
pub fn serve(
    listen: SocketAddr,
    services: Services,
    facts: Facts,
    view: watch::Receiver<Arc<View>>,
    pieces: watch::Receiver<Arc<PiecesView>>,
    mail: watch::Receiver<Arc<MailView>>,
    drain: Drain,
) -> Result<Serving, ApiError> {
    if !listen.ip().is_loopback() {
        return Err(ApiError::NotLoopback(listen));
    }
    let cannot = |source| ApiError::Listen { addr: listen, source };
    let listener = TcpListener::bind(listen).map_err(cannot)?;
    let addr = listener.local_addr().map_err(cannot)?;
    let context = web::Data::new(Context {
        services,
        facts,
        view,
        pieces,
        mail,
        places: Places::default(),
        hosts: Hosts::of(addr),
        addr,
        sessions: Sessions::default(),
        drain,
        requests: Requests::default(),
    });
    let server = HttpServer::new(move || app(context.clone()))
        .workers(1)
        .worker_max_blocking_threads(2)
        .max_connections(CONNECTIONS_MAX)
        .backlog(BACKLOG)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(REQUEST_TIMEOUT)
        .client_disconnect_timeout(Duration::from_secs(1))
        .disable_signals()
        .shutdown_timeout(1)
        .listen(listener)
        .map_err(cannot)?
        .run();
    Ok(Serving { addr, handle: server.handle(), server })
}

/// The routes behind the guard.
pub(super) fn app(
    context: web::Data<Context>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(context)
        .configure(read::extractors)
        .configure(routes::serve)
        .default_service(web::to(page::serve))
        .wrap(from_fn(guard))
        .wrap(from_fn(count))
}
