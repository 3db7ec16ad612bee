//! Puts a daemon together from settings and runs it. Knows every room; nothing knows it but `main`.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use socket2::{Domain, Socket, Type};
use tokio::sync::watch;

use crate::actors::Voice;
use crate::actors::boot::Boot;
use crate::actors::messages::SettingRow;
use crate::actors::policy::{self, setting_rows};
use crate::actors::supervisor::run as run_actors;
use crate::api::control::{Plan, starter};
use crate::api::{Facts, Token};
use crate::cli::{Exit, Flags, Trouble, called};
use crate::logs;
use crate::mail::rows::Recalled;
use crate::mesh::book::Book;
use crate::mesh::peers::Home;
use crate::mesh::record::{Crypto, EPOCH_MAX};
use crate::mesh::topology::Identity as Said;
use crate::mesh::view::View;
use crate::net::session::{Clock, Shared};
use crate::net::tally::Tally;
use crate::net::tls::Tls;
use crate::settings::{Loaded, Problems, Settings, load};
use crate::store::book_db::BookDb;
use crate::store::database::DbError;
use crate::store::identity::Identity;
use crate::store::letters::LetterStore;
use crate::store::pieces::PieceStore;
use crate::store::runtime;
use crate::store::state_dir::StateDir;
use crate::store::{secret, unix_ms};
use crate::wire::bounded::Text;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// The settings a command line leads to, or all that is wrong with them.
pub fn effective(flags: &Flags) -> Result<Vec<SettingRow>, Problems> {
    load(&flags.sources()).map(|loaded| setting_rows(&loaded))
}

/// Runs the daemon in the foreground until it is told to stop.
pub fn run(flags: &Flags) -> Exit {
    let ended = boot(flags).map(run_actors);
    runtime::clean_up();
    logs::finish();
    match ended {
        Ok(Ok(0)) => Exit::Done,
        // 130 has no variant of its own: it leaves as it is.
        Ok(Ok(code)) => std::process::exit(code),
        Ok(Err(error)) => failed("the daemon cannot run", &error, "").report(),
        Err(trouble) => trouble.report(),
    }
}

fn failed(what: &str, why: &dyn std::fmt::Display, remedy: &str) -> Trouble {
    Trouble::new(Exit::Failed, what, why.to_string(), remedy)
}

/// An error and everything that caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// Everything that can go wrong before the daemon runs goes wrong here.
pub(crate) fn boot(flags: &Flags) -> Result<Boot, Trouble> {
    let sources = flags.sources();
    let loaded = load(&sources).map_err(|problems| Trouble::settings(&problems))?;
    let settings = &loaded.settings;
    logs::set(&settings.log.levels, settings.log.format.into());
    let state = open_state(&loaded)?;
    let identity = identity(settings, state.as_deref())?;
    let (book_db, mut book) = open_book(state.as_deref())?;
    let start_ms = unix_ms();
    book.epoch = start_ms.max(book.epoch.saturating_add(1)).min(EPOCH_MAX);
    let (socket, listen) = listen(settings)?;
    let id = identity.id();
    let said = Said {
        network: bounded(&settings.network.name),
        label: if settings.label.is_empty() {
            bounded(&id.short())
        } else {
            bounded(&settings.label)
        },
        relay: settings.relay.volunteer,
        mailbox: settings.relay.mailbox,
        epoch: book.epoch,
        start_ms,
    };
    let tls = Tls::new(&identity).map_err(|e| failed("TLS cannot be set up", &chain(&e), ""))?;
    let shared = Arc::new(Shared {
        tls,
        network: said.network.clone(),
        secret: settings.network.secret.expose().as_bytes().to_vec(),
        clock: Clock::new(),
        root: AtomicU64::new(0),
        tally: Arc::default(),
    });
    let crypto: Arc<dyn Crypto + Send + Sync> = Arc::new(identity);
    let nobody = View { me: id, changed_ms: start_ms, ..View::nothing() };
    let (view, _) = watch::channel(Arc::new(nobody));
    let (pieces, _) = watch::channel(Arc::default());
    let (mail, _) = watch::channel(Arc::default());
    let (letters, recalled) = open_letters(settings, state.as_deref())?;
    let secret = secret().map_err(|e| failed("the system gives no chance", &e, ""))?;
    let store = open_pieces(settings, state.as_deref())?;
    let downloads = downloads(settings, state.as_deref())?;
    let voice = Voice::new().map_err(|e| failed("cannot start a thread", &e, ""))?;
    let control = control(&loaded, state.clone(), &said, id, listen, shared.tally.clone())?;
    log::info!("node {} ({}) listens on {listen}", crate::text::escape(&said.label), id.short());
    let home = Home {
        me: id,
        start_ms,
        listen,
        advertise: settings.network.controller.listen.advertise.clone(),
        seeds: seeds(&loaded.targets),
    };
    let seed = u64::from_le_bytes(id.0[..8].try_into().unwrap_or_default()) ^ start_ms;
    Ok(Boot {
        sources,
        crypto,
        shared,
        state,
        book,
        book_db,
        home,
        identity: said,
        socket,
        voice,
        view,
        store,
        downloads,
        pieces,
        letters,
        recalled,
        mail,
        secret,
        control: starter(control),
        seed,
        loaded,
    })
}

fn open_state(loaded: &Loaded) -> Result<Option<Arc<StateDir>>, Trouble> {
    let Some(dir) = &loaded.state_dir else { return Ok(None) };
    StateDir::open(dir).map(|dir| Some(Arc::new(dir))).map_err(|error| {
        let remedy = "stop that daemon, or choose another directory: -s state.dir=DIR";
        failed("cannot use the state directory", &chain(&error), remedy)
    })
}

fn open_pieces(settings: &Settings, state: Option<&StateDir>) -> Result<PieceStore, Trouble> {
    let opened = PieceStore::open(state.map(StateDir::path), policy::files(settings));
    let (store, aside) = opened.map_err(|error| {
        let remedy = "see that the state directory can be written to";
        failed("cannot read what was shared and fetched", &chain(&error), remedy)
    })?;
    if let Some(aside) = aside {
        log::warn!("{aside}");
    }
    Ok(store)
}

fn open_letters(
    settings: &Settings,
    state: Option<&StateDir>,
) -> Result<(LetterStore, Recalled), Trouble> {
    let unreadable = |error: DbError| {
        let remedy = "see that the state directory can be written to";
        failed("cannot read the letters", &chain(&error), remedy)
    };
    let opened = LetterStore::open(state.map(StateDir::path), policy::letters(settings));
    let (store, aside) = opened.map_err(unreadable)?;
    if let Some(aside) = aside {
        log::warn!("{aside}");
    }
    let recalled = store.recall().map_err(unreadable)?;
    Ok((store, recalled))
}

/// Where downloads go when nobody says where to; nowhere without a setting or a state directory.
fn downloads(settings: &Settings, state: Option<&StateDir>) -> Result<Option<PathBuf>, Trouble> {
    let set = &settings.pieces.dir;
    let dir = match state {
        _ if !set.as_os_str().is_empty() => set.clone(),
        Some(state) => state.path().join("received"),
        None => return Ok(None),
    };
    // Both may be relative to where the daemon was started; a transfer is remembered beyond that.
    let absolute = std::path::absolute(dir);
    absolute
        .map(Some)
        .map_err(|e| failed("pieces.dir cannot be used", &e, "write an absolute path"))
}

fn identity(settings: &Settings, state: Option<&StateDir>) -> Result<Identity, Trouble> {
    let network = &settings.network;
    let cert = (!network.cert.as_os_str().is_empty()).then_some(network.cert.as_path());
    let made = if !network.key.as_os_str().is_empty() {
        Identity::from_pem(&network.key, cert)
    } else if let Some(state) = state {
        Identity::load_or_create(state)
    } else {
        Identity::generate()
    };
    made.map_err(|error| Trouble::new(Exit::Usage, "no identity", chain(&error), ""))
}

fn open_book(state: Option<&StateDir>) -> Result<(BookDb, Book), Trouble> {
    let Some(state) = state else { return Ok((BookDb::memory(), Book::default())) };
    let (db, book, aside) = BookDb::open(state).map_err(|error| {
        failed("cannot open the address book", &chain(&error), "free space on the disk, or move it")
    })?;
    if let Some(aside) = aside {
        log::warn!("{aside}");
    }
    Ok((db, book))
}

/// Listens for the mesh. A free port taken by somebody else is fatal: who knows this node dials it there.
fn listen(settings: &Settings) -> Result<(TcpListener, SocketAddr), Trouble> {
    let listen = &settings.network.controller.listen;
    let wanted = SocketAddr::new(listen.addr, listen.port);
    let bind = |addr: SocketAddr| -> std::io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        if addr.is_ipv6() && addr.ip().is_unspecified() {
            socket.set_only_v6(false)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    let everywhere = SocketAddr::from(([0, 0, 0, 0], listen.port));
    let bound = bind(wanted).or_else(|error| {
        // A machine without IPv6 can still listen everywhere.
        let no_v6 = wanted.is_ipv6() && wanted.ip().is_unspecified();
        if no_v6 && error.kind() != std::io::ErrorKind::AddrInUse {
            bind(everywhere)
        } else {
            Err(error)
        }
    });
    let socket = bound.map_err(|error| {
        let other = listen.port.checked_add(1).unwrap_or(1024);
        let remedy = match error.kind() {
            std::io::ErrorKind::AddrInUse => format!("-s network.controller.listen.port={other}"),
            _ => "-s network.controller.listen.addr=ADDRESS with an address of this machine".into(),
        };
        failed(&format!("cannot listen on {wanted}"), &error, &remedy)
    })?;
    let addr = socket.local_addr().map_err(|e| failed("cannot listen", &e, ""))?;
    Ok((socket, addr))
}

fn control(
    loaded: &Loaded,
    state: Option<Arc<StateDir>>,
    said: &Said,
    id: crate::mesh::NodeId,
    listen: SocketAddr,
    tally: Arc<Tally>,
) -> Result<Plan, Trouble> {
    let memory_only = state.is_none();
    // Even a daemon that keeps nothing must be found by the verbs.
    let dir = match state {
        Some(dir) => dir,
        None if runtime::is_ours() => Arc::new(StateDir::open(runtime::dir()).map_err(|e| {
            failed("cannot make a directory for the control API", &chain(&e), "set XDG_RUNTIME_DIR")
        })?),
        None => {
            let why = format!("{} belongs to somebody else", runtime::root().display());
            return Err(failed("no place for the control token", &why, "set XDG_RUNTIME_DIR"));
        }
    };
    let token =
        dir.token().map_err(|e| failed("cannot write the control token", &chain(&e), ""))?;
    Ok(Plan {
        listen: loaded.settings.control.listen,
        facts: Facts {
            id,
            label: said.label.to_string(),
            listen: vec![listen],
            state_dir: loaded.state_dir.clone(),
            started: Instant::now(),
            token: Token::new(&token),
            tally,
        },
        dir: Some(dir),
        graph_files: loaded.settings.network.controller.d2 && !memory_only,
    })
}

/// Addresses to dial first; names are looked up once, at the start.
fn seeds(targets: &[String]) -> Vec<SocketAddr> {
    let mut seeds: Vec<SocketAddr> = Vec::new();
    for target in targets {
        match target.to_socket_addrs() {
            Ok(addrs) => seeds.extend(addrs),
            Err(error) => log::warn!(
                "{} cannot be looked up: {error}; when it can: {} connect",
                crate::text::escape(target),
                called()
            ),
        }
    }
    seeds.sort_unstable();
    seeds.dedup();
    seeds
}

/// The settings check both against the same bound.
fn bounded<const MAX: usize>(text: &str) -> Text<MAX> {
    Text::new(text).unwrap_or_default()
}
