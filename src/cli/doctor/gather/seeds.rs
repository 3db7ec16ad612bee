//! Dials the addresses to dial first, all at once.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::super::facts::{Dialled, Seed};
use super::within;

/// Most addresses tried.
const TRIED_MAX: usize = 16;
/// Longest wait for somebody to answer a dial.
const DIAL: Duration = Duration::from_secs(2);
/// Longest wait for looking a name up and dialling all that it leads to.
const ALL: Duration = Duration::from_secs(6);

/// What comes of dialling these, in their order, and how many were not tried. `listens` is where this node
/// itself listens.
pub fn dial(mut targets: Vec<String>, listens: &[SocketAddr]) -> (Vec<Seed>, usize) {
    let untried = targets.len().saturating_sub(TRIED_MAX);
    targets.truncate(TRIED_MAX);
    let dials: Vec<_> = targets
        .into_iter()
        .map(|target| {
            let (name, listens) = (target.clone(), listens.to_vec());
            let dial = std::thread::Builder::new().spawn(move || {
                within(ALL, move || one(&name, &listens))
                    .unwrap_or_else(|| Dialled::Failed("no answer in time".into()))
            });
            (target, dial)
        })
        .collect();
    let end = |dial: std::io::Result<std::thread::JoinHandle<Dialled>>| match dial.map(|d| d.join())
    {
        Ok(Ok(end)) => end,
        _ => Dialled::Failed("it could not be tried".into()),
    };
    (dials.into_iter().map(|(target, dial)| Seed { target, end: end(dial) }).collect(), untried)
}

fn one(target: &str, listens: &[SocketAddr]) -> Dialled {
    let addrs: Vec<SocketAddr> = match target.to_socket_addrs() {
        Ok(addrs) => addrs.take(4).collect(),
        Err(error) => return Dialled::Unknown(error.to_string()),
    };
    let is_mine = |addr: &SocketAddr| {
        let here = |listen: &SocketAddr| {
            listen == addr || listen.ip().is_unspecified() && addr.ip().to_canonical().is_loopback()
        };
        listens.iter().any(|listen| listen.port() == addr.port() && here(listen))
    };
    if addrs.iter().any(is_mine) {
        return Dialled::Myself;
    }
    let mut why = "the name leads to no address".to_owned();
    for addr in addrs {
        match TcpStream::connect_timeout(&addr, DIAL) {
            Ok(_) => return Dialled::Answered,
            Err(error) => why = in_words(&error),
        }
    }
    Dialled::Failed(why)
}

fn in_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "nobody listens there".into(),
        std::io::ErrorKind::TimedOut => "no answer within 2 s".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_dialled_and_none_of_them_is_this_node() {
        let there = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let there = there.local_addr().map(|addr| (there, addr)).expect("bound");
        let gone = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
        let gone = gone.expect("it was free");
        let mine = "[::]:8100".parse().expect("an address");
        let targets = [
            there.1.to_string(),
            gone.to_string(),
            "no.such.name.invalid:1".into(),
            "127.0.0.1:8100".into(),
        ];
        let many = std::iter::repeat_n("127.0.0.1:8100".to_owned(), 20);
        let (seeds, untried) = dial(targets.into_iter().chain(many).collect(), &[mine]);
        assert_eq!((seeds.len(), untried), (16, 8));
        assert_eq!(seeds[0].end, Dialled::Answered);
        assert_eq!(seeds[1].end, Dialled::Failed("nobody listens there".into()));
        assert!(matches!(seeds[2].end, Dialled::Unknown(_)), "{:?}", seeds[2]);
        assert_eq!(seeds[3].end, Dialled::Myself);
    }
}
