//! What an announcement says, written and read: `v=1`, `id=<64 hex digits>`, `n=<32 hex digits>`.
//!
//! PURE: knows no socket. Everything that is read here may be made up.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use mdns_sd::{ResolvedService, ScopedIp, ServiceEvent};
use sha2::{Digest, Sha256};

use crate::mesh::NodeId;
use crate::mesh::peers::Sighting;
use crate::mesh::record::ADDRS_MAX;

/// The version of what is announced.
const VERSION: &str = "1";
/// Longest name of an announcement, bytes; DNS has none longer.
const NAME_BYTES_MAX: usize = 255;

/// The network's name so that only who knows it recognises it: SHA-256("kith mDNS 1" ‖ id ‖ name), the first
/// 16 bytes in hex. With the id in it, nobody else can tell which nodes belong together.
pub(super) fn tag(id: NodeId, network: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"kith mDNS 1");
    hash.update(id.0);
    hash.update(network.as_bytes());
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The TXT record of a node.
pub(super) fn txt(id: NodeId, network: &str) -> [(&'static str, String); 3] {
    [("v", VERSION.into()), ("id", id.to_string()), ("n", tag(id, network))]
}

/// What an event means for the registry of node `me`.
pub(super) fn heard(event: ServiceEvent, me: NodeId, network: &str) -> Option<Sighting> {
    let sighting = match event {
        ServiceEvent::ServiceResolved(service) => {
            let name = service.get_fullname().to_owned();
            match read(&service, network).filter(|(id, _)| *id != me) {
                Some((peer, addrs)) => Sighting::Here { name, peer, addrs },
                // It may have been one of us until now.
                None => Sighting::Away { name },
            }
        }
        ServiceEvent::ServiceRemoved(_, name) => Sighting::Away { name },
        _ => return None,
    };
    match &sighting {
        Sighting::Here { name, .. } | Sighting::Away { name } if name.len() > NAME_BYTES_MAX => {
            None
        }
        _ => Some(sighting),
    }
}

/// Who is announced and where to dial it, if it is of this network and all of it makes sense; addresses that
/// mean something without an interface first.
pub(super) fn read(service: &ResolvedService, network: &str) -> Option<(NodeId, Vec<SocketAddr>)> {
    let text = |key| service.get_property_val_str(key);
    if text("v") != Some(VERSION) || service.get_port() == 0 {
        return None;
    }
    let id: NodeId = text("id")?.parse().ok()?;
    if text("n") != Some(&tag(id, network)) {
        return None;
    }
    let mut addrs: Vec<SocketAddr> =
        service.get_addresses().iter().filter_map(|ip| addr(ip, service.get_port())).collect();
    addrs.sort_unstable_by_key(|addr| (is_link_local(addr), *addr));
    addrs.truncate(ADDRS_MAX);
    if addrs.is_empty() { None } else { Some((id, addrs)) }
}

fn addr(ip: &ScopedIp, port: u16) -> Option<SocketAddr> {
    let addr = match ip {
        ScopedIp::V6(v6) if v6.addr().is_unicast_link_local() => {
            SocketAddrV6::new(*v6.addr(), port, 0, v6.scope_id().index).into()
        }
        ip => SocketAddr::new(ip.to_ip_addr(), port),
    };
    let ip = addr.ip().to_canonical();
    let dialable = !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast();
    dialable.then_some(addr)
}

fn is_link_local(addr: &SocketAddr) -> bool {
    match addr.ip() {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}
