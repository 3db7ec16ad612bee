//! The port, who can reach it and who may, the addresses to dial first, and finding others on the local network.

use std::net::{IpAddr, SocketAddr};

use super::super::Check;
use super::super::facts::{Daemon, Dialled, Facts, Holder, Listener, Seed};
use super::{TOLD_MAX, failed, ok, warning};

pub(super) fn checks(facts: &Facts, out: &mut Vec<Check>) {
    port(facts, out);
    reach(facts, out);
    trust(facts, out);
    seeds(facts, out);
    ipv6(facts, out);
    mdns(facts, out);
}

/// The settings listen on the loopback only.
fn only_here(facts: &Facts) -> bool {
    facts.values.listen.ip().to_canonical().is_loopback()
}

fn port(facts: &Facts, out: &mut Vec<Check>) {
    let wanted = facts.values.listen;
    if let Daemon::Answers(answers) = &facts.daemon {
        let listens = &answers.status.listen;
        let there = |addr: &SocketAddr| {
            facts.listeners.as_ref().is_none_or(|all| all.iter().any(|l| l.addr == *addr))
        };
        let places: Vec<String> = listens.iter().map(ToString::to_string).collect();
        let places = places.join(", ");
        out.push(match listens.iter().all(there) && !listens.is_empty() {
            true => ok("port", format!("the daemon listens on {places}")),
            false => failed(
                "port",
                format!("the daemon says that it listens on {places}, and nothing does"),
                "look at its log; restart it",
            ),
        });
        return;
    }
    if wanted.port() == 0 {
        out.push(ok("port", "any free one is taken at the start"));
        return;
    }
    let Some(listeners) = &facts.listeners else { return };
    let held_by = facts.state.as_ref().and_then(|state| state.held_by);
    let taken = listeners.iter().find(|listener| is_in_the_way(listener.addr, wanted));
    out.push(match taken {
        None => ok("port", format!("{wanted} is free")),
        Some(Listener { holder: Some(holder), .. }) if Some(holder.pid) == held_by => {
            ok("port", format!("process {} listens on {wanted}", holder.pid))
        }
        Some(listener) => {
            let other = wanted.port().checked_add(1).unwrap_or(1024);
            failed(
                "port",
                format!("{wanted} is taken by {}", called(listener.holder.as_ref())),
                format!("stop that, or -s network.controller.listen.port={other}"),
            )
        }
    });
}

fn called(holder: Option<&Holder>) -> String {
    match holder {
        Some(Holder { pid, name }) => format!("{name} (pid {pid})"),
        None => "a program of another user".into(),
    }
}

/// Whether a socket that listens keeps another one from listening.
fn is_in_the_way(there: SocketAddr, wanted: SocketAddr) -> bool {
    let (a, b) = (there.ip().to_canonical(), wanted.ip().to_canonical());
    // The unspecified address of IPv6 takes those of IPv4 too.
    let covers =
        |all: IpAddr, one: IpAddr| all.is_unspecified() && (all.is_ipv6() || one.is_ipv4());
    there.port() == wanted.port() && (a == b || covers(a, b) || covers(b, a))
}

fn reach(facts: &Facts, out: &mut Vec<Check>) {
    let values = &facts.values;
    if only_here(facts) && values.advertise.is_empty() {
        out.push(warning(
            "reach",
            format!("{} is the loopback: no other machine can dial this node", values.listen.ip()),
            "-s network.controller.listen.addr=::, unless all nodes are on this machine",
        ));
        return;
    }
    let useless = |addr: &&SocketAddr| addr.ip().is_loopback() || addr.ip().is_unspecified();
    if let Some(addr) = values.advertise.iter().find(useless) {
        let what = format!("{addr} is told to others, and is no address they can dial");
        out.push(failed("reach", what, "correct network.controller.listen.advertise"));
        return;
    }
    out.push(match values.advertise.as_slice() {
        [] if values.listen.ip().is_unspecified() => {
            ok("reach", "at every address of this machine that a firewall lets through")
        }
        [] => ok("reach", format!("at {} only", values.listen.ip())),
        told => {
            let told: Vec<String> = told.iter().map(ToString::to_string).collect();
            ok("reach", format!("others are told to dial {}", told.join(", ")))
        }
    });
}

fn trust(facts: &Facts, out: &mut Vec<Check>) {
    let values = &facts.values;
    out.push(match (values.secret, values.open, values.allowed) {
        (_, false, _) => ok("trust", "only ids pinned by hand may link"),
        (_, true, allowed @ 1..) => ok("trust", format!("only {allowed} listed ids may link")),
        (true, ..) => ok("trust", "whoever knows the network's secret may link"),
        _ if only_here(facts) => ok("trust", "anyone on this machine may link"),
        _ => warning(
            "trust",
            "anyone who can reach the port and knows the network's name may link",
            "give all nodes the same network.secret, or set network.trust = \"pinned-only\"",
        ),
    });
}

fn seeds(facts: &Facts, out: &mut Vec<Check>) {
    let tried: Vec<&Seed> = facts.seeds.iter().filter(|s| s.end != Dialled::Myself).collect();
    if tried.is_empty() {
        let waits = if facts.values.mdns { ", and looks on the local network" } else { "" };
        out.push(ok(
            "seeds",
            format!("no address to dial first; this node waits to be dialled{waits}"),
        ));
        return;
    }
    let answered = tried.iter().filter(|seed| seed.end == Dialled::Answered).count();
    let untried = match facts.seeds_untried {
        0 => String::new(),
        n => format!(" ({n} more were not tried)"),
    };
    let linked = matches!(&facts.daemon, Daemon::Answers(a) if a.status.links > 0);
    let remedy = "see that it runs, that the address is right, and that no firewall is between";
    let (all, one) = (tried.len(), tried.len() == 1);
    if answered == 0 && !linked {
        let what = match one {
            true => "the address to dial first does not answer".into(),
            false => format!("none of {all} addresses to dial first answers{untried}"),
        };
        out.push(failed("seeds", what, remedy));
    } else if one && answered == 1 {
        out.push(ok("seeds", "the address to dial first answers"));
    } else {
        out.push(ok(
            "seeds",
            format!("{answered} of {all} addresses to dial first answer{untried}"),
        ));
    }
    let silent = tried.iter().filter_map(|seed| match &seed.end {
        Dialled::Unknown(why) => Some(format!("{} cannot be looked up: {why}", seed.target)),
        Dialled::Failed(why) => Some(format!("{}: {why}", seed.target)),
        Dialled::Answered | Dialled::Myself => None,
    });
    out.extend(silent.take(TOLD_MAX).map(|what| warning("seeds", what, "")));
}

fn ipv6(facts: &Facts, out: &mut Vec<Check>) {
    let ip = facts.values.listen.ip();
    let needs = ip.is_ipv6() && !ip.is_unspecified() && !ip.is_loopback();
    out.push(match facts.machine.ipv6 {
        Some(true) => ok("IPv6", "this machine has addresses of IPv6 and IPv4"),
        Some(false) if needs => failed(
            "IPv6",
            format!("this machine has no IPv6, and {ip} is to be listened on"),
            "-s network.controller.listen.addr=:: takes what there is",
        ),
        Some(false) => ok("IPv6", "this machine has none: nodes with IPv6 only are out of reach"),
        None => return,
    });
}

fn mdns(facts: &Facts, out: &mut Vec<Check>) {
    if !facts.values.mdns {
        out.push(ok("mDNS", "off: nodes are found by their addresses (network.discovery.mdns)"));
        return;
    }
    if only_here(facts) {
        out.push(warning(
            "mDNS",
            "on and of no use: the mesh listens on the loopback only",
            "-s network.controller.listen.addr=::, or network.discovery.mdns = false",
        ));
        return;
    }
    let Daemon::Answers(answers) = &facts.daemon else {
        out.push(ok("mDNS", "on from the next start"));
        return;
    };
    let known: Vec<u32> = facts.mdns.iter().flatten().map(|holder| holder.pid).collect();
    let unknown = facts.mdns.iter().any(Option::is_none) || answers.pid.is_none();
    out.push(match answers.pid.is_some_and(|pid| known.contains(&pid)) {
        true => ok("mDNS", "on: others on the local network are looked for"),
        false if unknown => {
            ok("mDNS", "on; whether the daemon has UDP port 5353 is not to be seen from here")
        }
        false => warning(
            "mDNS",
            "on, and the daemon does not listen on UDP port 5353",
            "its log says why; another program may keep that port for itself",
        ),
    });
}
