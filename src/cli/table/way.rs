//! How a node is reached, and how fast.

use comfy_table::Cell;

use super::{lines, milliseconds, name, number, plain, rtt};
use crate::api::asks::Ping;
use crate::api::shapes::{Graph, HexId, Link, LinkState, Path, Step};
use crate::cli::look::Look;
use crate::text::{escape, escape_to};

/// Most letters shown of a reason.
const REASON_MAX: usize = 200;

/// `node path`: the way a probe took, if it came back, beside what the graph says.
pub fn path(path: &Path, graph: &Graph, look: Look) -> String {
    let expected = match path.rtt_us {
        Some(us) => format!("{} ms", milliseconds(us)),
        None => "not measured yet".into(),
    };
    if path.hops.is_empty() {
        return format!("{}\nthat is this node itself\n", name(graph, graph.me));
    }
    let Some(walk) = &path.walk else {
        return format!("{}\n{}, {expected}\n", chain(graph, &path.hops), hops(path.hops.len()));
    };
    let walked: Vec<HexId> = walk.hops.iter().map(|step| step.id).collect();
    let (steps, mut head) = match (walk.rtt_us, &walk.problem) {
        (Some(us), None) => {
            let took = format!("{} ms measured", milliseconds(us));
            let (way, hops) = (chain(graph, &walked), hops(walked.len()));
            let same = format!("{way}\n{hops}, {took}, {expected} by the graph\n");
            let other = || {
                let best = chain(graph, &path.hops);
                format!("{way}\n{hops}, {took}\nby the graph: {best}, {expected}\n")
            };
            let head = if walked == path.hops { same } else { other() };
            (walk.hops.clone(), head)
        }
        (_, problem) => {
            let why = escape_to(problem.as_deref().unwrap_or("nobody answered"), REASON_MAX);
            let (way, hops) = (chain(graph, &path.hops), hops(path.hops.len()));
            let head = format!(
                "{way}\n{hops}, {expected} by the graph; no message got there and back: {why}\n"
            );
            (path.hops.iter().map(|id| Step { id: *id, rtt_us: 0 }).collect(), head)
        }
    };
    let mut table = plain(&["TO", "RTT ms", "GRAPH ms"], look);
    let mut from = graph.me;
    for Step { id, rtt_us } in steps {
        table.add_row([
            Cell::new(name(graph, id)),
            number(rtt(rtt_us)),
            number(told(graph, from, id).map_or("-".into(), rtt)),
        ]);
        from = id;
    }
    head += "\n";
    head + &lines(&table)
}

/// `node ping`; `who` as it was typed.
pub fn ping(who: &str, ping: &Ping) -> String {
    let took = milliseconds(ping.rtt_us.into());
    let over = match ping.hops {
        0 | 1 => String::new(),
        n => format!(" over {}", hops(n)),
    };
    format!("{} ({}) answered in {took} ms{over}\n", escape(who), ping.id.0.short())
}

/// The names on a way, our own first.
fn chain(graph: &Graph, hops: &[HexId]) -> String {
    let way = std::iter::once(graph.me).chain(hops.iter().copied());
    way.map(|id| name(graph, id)).collect::<Vec<_>>().join(" -> ")
}

fn hops(n: usize) -> String {
    if n == 1 { "1 hop".into() } else { format!("{n} hops") }
}

/// What the graph says of the link between two nodes.
fn told(graph: &Graph, a: HexId, b: HexId) -> Option<u32> {
    let between = |l: &&Link| (l.from, l.to) == (a, b) || (l.from, l.to) == (b, a);
    let mut links = graph.links.iter().filter(|l| l.state == LinkState::Confirmed);
    links.find(between).map(|l| l.rtt_us)
}
