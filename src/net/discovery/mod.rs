//! Finding nodes of the same network on the local network, and being found: multicast DNS (RFC 6762, 6763).
//!
//! Whatever is heard may be a lie of anybody on that network. It is read in `instance`, and means no more than an
//! address to dial: TLS proves who answers there. The registry keeps 64 of them at most.

mod instance;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mdns_sd::{
    DaemonEvent, IfKind, Receiver, RecvTimeoutError, ServiceDaemon, ServiceEvent, ServiceInfo,
};
use socket2::{Domain, Socket, Type};

use crate::mesh::NodeId;
use crate::mesh::peers::Sighting;

/// What kith is called in DNS-SD.
const SERVICE: &str = "_kith._tcp.local.";
/// The port of multicast DNS.
const PORT: u16 = 5353;
/// Longest wait for something to be seen, before a look at how the library does.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// By then an announcement is out on every interface that takes one (probing lasts 0.75 s).
const ANNOUNCED_IN: Duration = Duration::from_secs(5);
/// The library tells a thing once, when it is new; so often it is asked for all it knows, and what was turned
/// away or lost is heard again.
const ANEW_EVERY: Duration = Duration::from_secs(120);
/// Longest wait for the library to take the word that it is to end, and between two tries.
const ENDED_IN: Duration = Duration::from_secs(10);
const END_EVERY: Duration = Duration::from_millis(20);
/// Most records the library may keep, and most timers for them (16 bytes each); it bounds neither itself. A
/// network of 64 nodes needs some hundreds.
const RECORDS_MAX: i64 = 8192;
const TIMERS_MAX: i64 = 262_144;

/// What is told of this node on the local network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Who we are.
    pub id: NodeId,
    /// The network's name; only a hash of it is told.
    pub network: String,
    /// The port to dial.
    pub port: u16,
    /// Where to be dialled.
    pub at: At,
}

/// At which addresses a node is to be dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// Those this machine has, as they come and go.
    Every,
    /// Those it has of IPv4.
    EveryV4,
    /// These, as far as this machine has them.
    These(Vec<IpAddr>),
}

/// Why there is nothing to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "mDNS is of no use: the mesh listens on {0} only, where no other machine can dial it; set \
     network.controller.listen.addr = \"::\", or network.discovery.mdns = false"
)]
pub struct OnlyHere(pub IpAddr);

/// Why nobody can be looked for. Nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// Another program has the port for itself.
    #[error(
        "another program keeps UDP port {PORT} for itself ({0}); stop it, or have it share the port"
    )]
    Taken(std::io::Error),
    /// The system does not let us.
    #[error("cannot use multicast: {0}")]
    System(String),
}

impl Told {
    /// What is told of a node that listens at `listen` and advertises these addresses, if any. Of addresses
    /// with several ports, those with the first one's are told: DNS-SD has one port for all.
    pub fn of(
        id: NodeId,
        network: &str,
        listen: SocketAddr,
        advertise: &[SocketAddr],
    ) -> Result<Told, OnlyHere> {
        let ip = listen.ip().to_canonical();
        if ip.is_loopback() {
            return Err(OnlyHere(ip));
        }
        let (port, at) = match advertise.first() {
            Some(first) => {
                let same = advertise.iter().filter(|addr| addr.port() == first.port());
                (first.port(), At::These(same.map(SocketAddr::ip).collect()))
            }
            None if !ip.is_unspecified() => (listen.port(), At::These(vec![ip])),
            None if listen.is_ipv4() => (listen.port(), At::EveryV4),
            None => (listen.port(), At::Every),
        };
        Ok(Told { id, network: network.into(), port, at })
    }
}

/// Announces this node and hears of others.
pub struct Discovery {
    library: ServiceDaemon,
    seen: Receiver<ServiceEvent>,
    /// Looking has begun anew: where it goes on once `seen` has said all.
    anew: Option<Receiver<ServiceEvent>>,
    news: Receiver<DaemonEvent>,
    me: NodeId,
    network: String,
    /// Wished to end, and the library did not take it.
    ending: Arc<AtomicBool>,
}

/// Keeps a [`Discovery`] going. When this is dropped, goodbye is said on the local network, and
/// [`Discovery::watch`] returns soon after; dropping never waits.
pub struct Running {
    library: ServiceDaemon,
    ending: Arc<AtomicBool>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its queue may be full: then the watch, which may wait, says it again.
        if !has_taken(&self.library.shutdown()) {
            self.ending.store(true, Ordering::Relaxed);
        }
    }
}

/// What happens on the local network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// For the registry.
    Sighted(Sighting),
    /// Our announcement is out.
    Announced,
    /// Nothing has taken our announcement so far.
    Unheard,
    /// Somebody else was there with our name, so we have another one.
    Renamed(String),
}

/// Why watching ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// As was wished.
    Stopped,
    /// More was said than is kept. What was heard is to be forgotten, and looking begun anew.
    Overrun,
    /// The library does not take the word that it is to end: it goes on announcing.
    Stuck,
}

/// Whether the library ends now; any error but a full queue means that it has ended already.
fn has_taken<T>(shutdown: &mdns_sd::Result<T>) -> bool {
    !matches!(shutdown, Err(mdns_sd::Error::Again))
}

/// Says so until it is taken, for this long at most; whether it was.
fn end<T>(patience: Duration, mut shutdown: impl FnMut() -> mdns_sd::Result<T>) -> bool {
    let begun = Instant::now();
    while !has_taken(&shutdown()) {
        if begun.elapsed() >= patience {
            return false;
        }
        std::thread::park_timeout(END_EVERY);
    }
    true
}

impl Discovery {
    /// Begins to announce and to look.
    pub fn begin(told: &Told) -> Result<(Discovery, Running), DiscoveryError> {
        try_port(PORT)?;
        let failed = |error: mdns_sd::Error| DiscoveryError::System(error.to_string());
        let library = ServiceDaemon::new().map_err(failed)?;
        let ending = Arc::new(AtomicBool::new(false));
        let running = Running { library: library.clone(), ending: ending.clone() };
        // Nothing that is only on this machine is dialled.
        let loopback = vec![IfKind::LoopbackV4, IfKind::LoopbackV6];
        library.disable_interface(loopback).map_err(failed)?;
        let news = library.monitor().map_err(failed)?;
        library.register(announcement(told).map_err(failed)?).map_err(failed)?;
        let seen = library.browse(SERVICE).map_err(failed)?;
        let (me, network) = (told.id, told.network.clone());
        Ok((Discovery { library, seen, anew: None, news, me, network, ending }, running))
    }

    /// Tells what happens until it is over, and sees to it that the library ends. Blocks.
    pub fn watch(mut self, tell: impl FnMut(Seen)) -> Over {
        let over = self.watch_on(tell);
        if end(ENDED_IN, || self.library.shutdown()) { over } else { Over::Stuck }
    }

    fn watch_on(&mut self, mut tell: impl FnMut(Seen)) -> Over {
        let (begun, mut looked, mut asked) = (Instant::now(), Instant::now(), Instant::now());
        let (mut announced, mut unheard) = (false, false);
        loop {
            match self.seen.recv_timeout(LOOK_EVERY) {
                Ok(ServiceEvent::SearchStopped(_)) => return Over::Stopped,
                Ok(event) => {
                    if let Some(sighting) = instance::heard(event, self.me, &self.network) {
                        tell(Seen::Sighted(sighting));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                // The library closes a channel that another one takes the place of, and one that is full.
                Err(RecvTimeoutError::Disconnected) => match self.anew.take() {
                    Some(anew) => self.seen = anew,
                    None => return Over::Overrun,
                },
            }
            if self.ending.load(Ordering::Relaxed) {
                return Over::Stopped;
            }
            while let Ok(news) = self.news.try_recv() {
                match news {
                    DaemonEvent::Announce(..) if !std::mem::replace(&mut announced, true) => {
                        tell(Seen::Announced);
                    }
                    DaemonEvent::NameChange(change) => tell(Seen::Renamed(change.new_name)),
                    _ => {}
                }
            }
            if !announced && !unheard && begun.elapsed() >= ANNOUNCED_IN {
                unheard = true;
                tell(Seen::Unheard);
            }
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                if self.is_overrun() {
                    return Over::Overrun;
                }
                if asked.elapsed() >= ANEW_EVERY && self.anew.is_none() {
                    asked = Instant::now();
                    self.look_anew();
                }
            }
        }
    }

    /// Has the library tell all it knows once more. It does not when its queue is full: the next time, then.
    fn look_anew(&mut self) {
        self.anew = self.library.browse(SERVICE).ok();
    }

    /// Whether the library keeps more than it should.
    fn is_overrun(&self) -> bool {
        let counted = self.library.get_metrics().ok().and_then(|m| m.recv_timeout(LOOK_EVERY).ok());
        let counted = counted.unwrap_or_default();
        let records = counted.iter().filter(|(name, _)| name.starts_with("cached-"));
        records.map(|(_, count)| count).sum::<i64>() > RECORDS_MAX
            || counted.get("timer").is_some_and(|count| *count > TIMERS_MAX)
    }
}

/// The library says nothing when it cannot have the port, so it is asked for here, in the same way, first.
fn try_port(port: u16) -> Result<(), DiscoveryError> {
    let bind = |domain: Domain, addr: SocketAddr| {
        let socket = Socket::new(domain, Type::DGRAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        if domain == Domain::IPV6 {
            socket.set_only_v6(true)?;
        }
        socket.bind(&addr.into())
    };
    let v4 = bind(Domain::IPV4, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into());
    let v6 = bind(Domain::IPV6, SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0).into());
    match (v4, v6) {
        (Err(error), Err(_)) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Err(DiscoveryError::Taken(error))
        }
        (Err(error), Err(_)) => Err(DiscoveryError::System(error.to_string())),
        _ => Ok(()),
    }
}

/// Our records. The name is the short id, not the label, and the host is none of this machine's names.
fn announcement(told: &Told) -> mdns_sd::Result<ServiceInfo> {
    let short = told.id.short();
    let host = format!("kith-{short}.local.");
    let txt = instance::txt(told.id, &told.network);
    let info = ServiceInfo::new(SERVICE, &short, &host, (), told.port, &txt[..])?;
    // Also those given by hand: only then are they announced anew when an interface comes back.
    let mut info = info.enable_addr_auto();
    info.set_interfaces(match &told.at {
        At::Every => vec![IfKind::All],
        At::EveryV4 => vec![IfKind::IPv4],
        At::These(ips) => ips.iter().copied().map(IfKind::Addr).collect(),
    });
    Ok(info)
}

#[cfg(test)]
mod tests;
