//! Which sockets listen on this machine, and whose they are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::super::facts::{Holder, Listener};
use super::process::{content, holders};

/// The state of a TCP socket that listens, in `/proc/net/tcp`.
const LISTENS: &str = "0A";

/// A line of `/proc/net/tcp` and its like.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    addr: SocketAddr,
    state: String,
    inode: u64,
}

/// Everything that listens for TCP; none if the system does not tell.
pub fn tcp() -> Option<Vec<Listener>> {
    let rows = rows(&["/proc/net/tcp", "/proc/net/tcp6"])?;
    let listening: Vec<Row> = rows.into_iter().filter(|row| row.state == LISTENS).collect();
    let inodes: Vec<u64> = listening.iter().map(|row| row.inode).collect();
    let mut holders = holders(&inodes);
    let listener = |row: Row| Listener { addr: row.addr, holder: holders.remove(&row.inode) };
    Some(listening.into_iter().map(listener).collect())
}

/// Who has this UDP port; a holder that is not told is none.
pub fn udp(port: u16) -> Vec<Option<Holder>> {
    let mut rows = rows(&["/proc/net/udp", "/proc/net/udp6"]).unwrap_or_default();
    rows.retain(|row| row.addr.port() == port);
    let inodes: Vec<u64> = rows.iter().map(|row| row.inode).collect();
    let mut holders = holders(&inodes);
    inodes.iter().map(|inode| holders.remove(inode)).collect()
}

fn rows(files: &[&str]) -> Option<Vec<Row>> {
    let texts: Vec<String> = files.iter().filter_map(content).collect();
    let row = |line: &str| row(line);
    (!texts.is_empty())
        .then(|| texts.iter().flat_map(|text| text.lines().filter_map(row)).collect())
}

/// `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …`
fn row(line: &str) -> Option<Row> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (addr, state, inode) = (words.get(1)?, words.get(3)?, words.get(9)?);
    let (ip, port) = addr.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(Row {
        addr: SocketAddr::new(ip_of(ip)?, port),
        state: (*state).into(),
        inode: inode.parse().ok()?,
    })
}

/// An address as the kernel writes it: words of 32 bits in hex, each in the order of this machine.
fn ip_of(hex: &str) -> Option<IpAddr> {
    if !hex.is_ascii() {
        return None;
    }
    let word = |at: usize| Some(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for (n, four) in bytes.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(n * 8)?);
            }
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_of_the_kernel_are_read() {
        let line = "   1: 0100007F:2256 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 871376 1 0 100 0";
        let addr = "127.0.0.1:8790".parse().expect("an address");
        assert_eq!(row(line), Some(Row { addr, state: LISTENS.into(), inode: 871_376 }));
        let line = "0: B80D01200000000000000000010000FF:1FA4 0:0 0A 0:0 0:0 0 0 0 9 1";
        let addr = "[2001:db8::ff00:1]:8100".parse().expect("an address");
        assert_eq!(row(line).map(|row| row.addr), Some(addr));
    }

    #[test]
    fn what_is_no_line_is_none() {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
        for line in [head, "", "0: é:1 x 0A", "0: 0100007F 0 0A 0 0 0 0 0 9"] {
            assert_eq!(row(line), None, "{line}");
        }
    }

    #[test]
    fn a_port_that_is_listened_on_is_found_with_its_process() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = socket.local_addr().expect("bound");
        let listeners = tcp().expect("there is /proc");
        let ours = listeners.iter().find(|listener| listener.addr == addr).expect("it listens");
        assert_eq!(ours.holder.as_ref().map(|holder| holder.pid), Some(std::process::id()));
    }
}
