//! The daemon: whether it answers, what it is, and what it says of itself and of others.

use super::super::super::trouble::Exit;
use super::super::Check;
use super::super::facts::{Answers, Daemon, Facts};
use super::{failed, few, ok, warning};
use crate::api::shapes::Peer;

pub(super) fn checks(facts: &Facts, out: &mut Vec<Check>) {
    match &facts.daemon {
        Daemon::Silent { exit, why, remedy } => silent(facts, *exit, why, remedy, out),
        Daemon::Answers(answers) => {
            let status = &answers.status;
            let pid = answers.pid.map_or(String::new(), |pid| format!(", pid {pid}"));
            let label = if status.label.is_empty() { "it" } else { &status.label };
            out.push(ok(
                "daemon",
                format!("{label} ({}) answers on {}{pid}", status.id.0.short(), answers.addr),
            ));
            version(&facts.program, &status.version, out);
            health(answers, out);
            peers(answers, out);
        }
    }
}

fn silent(facts: &Facts, exit: Exit, why: &str, remedy: &str, out: &mut Vec<Check>) {
    let state = facts.state.as_ref();
    if let Some(pid) = state.and_then(|state| state.held_by) {
        let what = format!("process {pid} has the state directory, and cannot be asked: {why}");
        out.push(failed(
            "daemon",
            what,
            format!("look at its log; kill {pid} ends it, then start it again"),
        ));
        return;
    }
    out.push(match (exit, state.and_then(|state| state.addr.as_ref())) {
        (Exit::NoDaemon, Some(addr)) => warning(
            "daemon",
            format!("none runs: nobody answers on {addr}, where the last one did"),
            remedy,
        ),
        (Exit::NoDaemon, None) => warning("daemon", format!("none runs: {why}"), remedy),
        (Exit::Usage, _) => warning("daemon", why, remedy),
        _ => failed("daemon", why, remedy),
    });
}

fn version(program: &str, daemon: &str, out: &mut Vec<Check>) {
    out.push(match program == daemon {
        true => ok("version", format!("kith {program}")),
        false => warning(
            "version",
            format!("the daemon is kith {daemon}, this program is {program}"),
            "restart the daemon: node stop, then start it",
        ),
    });
}

fn health(answers: &Answers, out: &mut Vec<Check>) {
    let problems = &answers.status.problems;
    if problems.is_empty() {
        out.push(ok("health", "the daemon sees no problem"));
    }
    few(
        problems,
        |problem| warning("health", problem, ""),
        |more| warning("health", format!("{more} more problems"), "node status tells all"),
        out,
    );
}

fn peers(answers: &Answers, out: &mut Vec<Check>) {
    let status = &answers.status;
    let said = |peer: &&Peer| {
        let problem = peer.problem.as_ref();
        // What the health said already is not said again.
        problem.is_some_and(|problem| !status.problems.contains(problem))
    };
    let troubled: Vec<&Peer> = answers.peers.peers.iter().filter(said).collect();
    // A link that has just come up is not in the graph yet.
    let there = match status.nodes_alive.saturating_sub(1).max(status.links) {
        0 => None,
        1 => Some("1 other is there".to_owned()),
        others => Some(format!("{others} others are there")),
    };
    out.push(match (there, status.links) {
        (None, 0) => ok("peers", "no other node is there yet"),
        (Some(there), 0) => {
            warning("peers", format!("{there}, and no link leads there"), "node peers says why")
        }
        (there, links) => {
            ok("peers", format!("{}, {links} linked directly", there.unwrap_or_default()))
        }
    });
    few(
        &troubled,
        |peer| {
            let who = match peer.id {
                Some(id) if peer.label.is_empty() => id.0.short(),
                Some(id) => format!("{} ({})", peer.label, id.0.short()),
                None => peer.addr.map_or("one".into(), |addr| addr.to_string()),
            };
            let problem = peer.problem.as_deref().unwrap_or_default();
            let remedy = peer.id.map_or(String::new(), |id| format!("node why {}", id.0.short()));
            warning("peers", format!("{who}: {problem}"), remedy)
        },
        |more| warning("peers", format!("{more} more with problems"), "node peers tells all"),
        out,
    );
}
