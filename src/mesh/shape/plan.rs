//! The settings for who links with whom, and what follows from them alone.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Live nodes up to which, in mode auto, everyone links with everyone again.
pub(super) const FULL_UP_TO: usize = 24;
/// For so long it must have been as small.
pub(super) const SMALL_FOR: Duration = Duration::from_secs(10);
/// Nodes above which, in mode auto, nobody does any more. In between all stays as it is.
pub(super) const PARTIAL_ABOVE: usize = 32;
/// Most links of a node then: with all others of so large a network.
const FULL_CONNS_MAX: u16 = 32;
/// Links with nodes of one /24 or /48 that are enough.
pub const SAME_PREFIX: usize = 2;
/// Who links with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Full in a small network, partial in a large one.
    Auto,
    /// Everyone with everyone.
    Full,
    /// Each with some.
    Partial,
}

/// The settings for it.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Who links with whom.
    pub mode: Mode,
    /// Links a node of a partial mesh aims for.
    pub degree: u16,
    /// Most links of a node of a partial mesh.
    pub conns_max: u16,
}

impl Plan {
    /// Links to aim for.
    pub fn wanted(&self) -> usize {
        usize::from(self.degree)
    }

    /// Links that we dial ourselves, at least: who only waited for others could be surrounded by them. Well
    /// below half of them, or who gives up a surplus one would always hit somebody who must dial anew.
    pub fn outgoing_min(&self) -> usize {
        usize::from(self.degree * 3).div_ceil(8)
    }

    /// Most links where everyone links with everyone, if there is a limit: in mode auto such a network is small.
    pub fn full_max(&self) -> Option<u16> {
        (self.mode == Mode::Auto).then_some(self.conns_max.max(FULL_CONNS_MAX))
    }

    /// Links above which some are given up.
    pub fn most(&self) -> usize {
        usize::from(self.degree + self.degree / 2).min(usize::from(self.conns_max))
    }
}

/// The network an address is of, /24 or /48; none if it is no matter how many links lead there: this machine,
/// or a private network.
pub fn prefix(addr: &SocketAddr) -> Option<[u8; 6]> {
    match addr.ip().to_canonical() {
        IpAddr::V4(ip) if ip.is_loopback() || ip.is_private() || ip.is_link_local() => None,
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            Some([0, 0, 0, a, b, c])
        }
        IpAddr::V6(ip)
            if ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local() =>
        {
            None
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, ..] = ip.octets();
            Some([a, b, c, d, e, f])
        }
    }
}
