//! Answers as tables for people: own health and self first, then the others.
//!
//! PURE: shapes and the time in, text out. All text that peers wrote goes through [`escape`].

mod files;
mod letters;
mod way;

pub use files::{counted, eta, percent, pieces, progress, rate, standing, transfers};
pub use letters::{empty, inbox, letter, letters, plain_inbox, pushed, relays, turned};
pub use way::{path, ping};

use comfy_table::{Attribute, Cell, ContentArrangement};
use comfy_table::{CellAlignment, Color, Table, TableStyle};

use super::called::hint;
use super::look::Look;
use crate::api::shapes::{
    Graph, Health, HexId, Link, LinkState, LinkWord, NodeState, Peer, Peers, Status, Why,
};
use crate::mesh::record::Direction;
use crate::text::{escape, escape_to};

/// Most columns of a sentence in a cell.
const SENTENCE_COLUMNS_MAX: usize = 200;
/// Most addresses shown of one node.
const ADDRS_SHOWN_MAX: usize = 2;

/// What happens on any good day is counted for metrics and kept from who looks for what is wrong.
fn is_usual(counter: &str) -> bool {
    ["dials_", "links_up_", "links_down_"].iter().any(|usual| counter.starts_with(usual))
}

/// `node status`
pub fn status(status: &Status, look: Look) -> String {
    let mut table = plain(&[], look);
    let mut row = |key: &str, value: String| {
        table.add_row([Cell::new(key), Cell::new(value)]);
    };
    row("version", escape(&status.version));
    row("up", age(status.uptime_s * 1000));
    row("listens", join(status.listen.iter().map(ToString::to_string), "nowhere"));
    row("state", status.state_dir.as_deref().map_or("in memory only".into(), sentence));
    row("network", reach(status));
    for (name, count) in status.counters.iter().filter(|(name, n)| **n > 0 && !is_usual(name)) {
        row(&escape(name), count.to_string());
    }
    format!("{}{}", health(status, look), lines(&table))
}

/// `node peers`
pub fn peers(status: &Status, peers: &Peers, now_ms: u64, look: Look) -> String {
    let head =
        format!("{}{}, up {}\n", health(status, look), reach(status), age(status.uptime_s * 1000));
    if peers.peers.is_empty() {
        return format!(
            "{head}\n{}\n",
            hint("no other node is known; node connect IP:PORT joins one")
        );
    }
    let mut table =
        plain(&["LABEL", "ID", "STATE", "LINK", "DIR", "RTT ms", "ADDRESS", "SINCE", ""], look);
    for peer in &peers.peers {
        table.add_row([
            Cell::new(label(&peer.label)),
            Cell::new(peer.id.map_or("-".into(), |id| id.0.short())),
            state(peer.state, look),
            link_word(peer.link, look),
            Cell::new(peer.direction.map_or("-", |dir| match dir {
                Direction::Out => "out",
                Direction::In => "in",
            })),
            number(peer.rtt_us.map_or("-".into(), rtt)),
            Cell::new(peer.addr.map_or("-".into(), |addr| addr.to_string())),
            Cell::new(ago(peer.since_ms, now_ms)),
            Cell::new(notes(peer)),
        ]);
    }
    format!("{head}\n{}", lines(&table))
}

/// What else there is to say of a peer.
fn notes(peer: &Peer) -> String {
    let pinned = peer.pinned.then(|| "pinned".to_owned());
    let banned = peer.banned.then(|| "banned".to_owned());
    let problem =
        peer.problem.as_deref().map(|problem| sentence(&hint(problem))).filter(|p| p != "banned");
    join([pinned, banned, problem].into_iter().flatten(), "")
}

/// `node graph`
pub fn graph(graph: &Graph, now_ms: u64, look: Look) -> String {
    let mut nodes = plain(&["LABEL", "ID", "STATE", "ADDRESS", "SINCE", ""], look);
    for node in &graph.nodes {
        let more = node.addrs.len().saturating_sub(ADDRS_SHOWN_MAX);
        let addrs = node.addrs.iter().take(ADDRS_SHOWN_MAX).map(ToString::to_string);
        let more = (more > 0).then(|| format!("{more} more"));
        nodes.add_row([
            Cell::new(label(&node.label)),
            Cell::new(node.id.0.short()),
            state(node.state, look),
            Cell::new(join(addrs.chain(more), "-")),
            Cell::new(ago(node.since_ms, now_ms)),
            Cell::new(if node.id == graph.me { "self" } else { "" }),
        ]);
    }
    if graph.links.is_empty() {
        return format!("{}\nno links\n", lines(&nodes));
    }
    let mut links = plain(&["FROM", "TO", "RTT ms", "LINK"], look);
    for Link { from, to, rtt_us, state } in &graph.links {
        links.add_row([
            Cell::new(name(graph, *from)),
            Cell::new(name(graph, *to)),
            number(rtt(*rtt_us)),
            Cell::new(match state {
                LinkState::Confirmed => "confirmed",
                LinkState::HalfOpen => "half-open",
            }),
        ]);
    }
    format!("{}\n{}", lines(&nodes), lines(&links))
}

/// `node why`
pub fn why(why: &Why, now_ms: u64, look: Look) -> String {
    let head = format!("{} ({}) is {}\n", label(&why.label), why.id.0.short(), why.state.as_str());
    if why.evidence.is_empty() {
        return format!("{head}nothing was seen of it here\n");
    }
    let mut table = plain(&["SEEN", "WHAT"], look);
    for seen in &why.evidence {
        let at = format!("{} ago", ago(seen.at_ms, now_ms));
        table.add_row([Cell::new(at), Cell::new(sentence(&seen.text))]);
    }
    format!("{head}\n{}", lines(&table))
}

/// The node itself and how it is, with every problem on a line of its own.
fn health(status: &Status, look: Look) -> String {
    let word = match status.health {
        Health::Ok => painted("ok", "32", look),
        Health::Degraded => painted("degraded", "31", look),
    };
    let mut text = format!("{} ({}) is {word}\n", label(&status.label), status.id.0.short());
    for problem in &status.problems {
        text += &format!("  ! {}\n", sentence(&hint(problem)));
    }
    text
}

/// A word in a colour, outside of tables.
pub fn painted(word: &str, colour: &str, look: Look) -> String {
    if look.colour { format!("\x1b[{colour}m{word}\x1b[0m") } else { word.into() }
}

/// How much of the network is in reach.
pub fn reach(status: &Status) -> String {
    let count = |n: usize, one: &str| match n {
        1 => format!("1 {one}"),
        n => format!("{n} {one}s"),
    };
    format!("{} alive, {}", count(status.nodes_alive, "node"), count(status.links, "link"))
}

/// An empty table without borders, in this look.
pub fn plain(header: &[&str], look: Look) -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new()).set_content_arrangement(ContentArrangement::Disabled);
    table.force_no_tty();
    if look.colour {
        table.enforce_styling();
    }
    if !header.is_empty() {
        let bold = |text: &&str| Cell::new(text).add_attribute(Attribute::Bold);
        table.set_header(header.iter().map(bold).collect::<Vec<_>>());
    }
    table
}

/// The lines of a table, with no blanks before and behind.
pub fn lines(table: &Table) -> String {
    let line = |line: String| {
        let line = line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned();
        line + "\n"
    };
    table.lines().map(line).collect()
}

fn number(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn state(state: NodeState, look: Look) -> Cell {
    let colour = match state {
        NodeState::Alive => Color::Green,
        NodeState::Suspect => Color::Yellow,
        NodeState::Failed | NodeState::Unreachable => Color::Red,
        NodeState::Left | NodeState::Unknown => Color::DarkGrey,
    };
    coloured(state.as_str(), colour, look)
}

fn link_word(link: LinkWord, look: Look) -> Cell {
    let colour = match link {
        LinkWord::Up => Color::Green,
        LinkWord::Connecting => Color::Yellow,
        LinkWord::Down => Color::DarkGrey,
    };
    coloured(link.as_str(), colour, look)
}

fn coloured(text: &str, colour: Color, look: Look) -> Cell {
    let cell = Cell::new(text);
    if look.colour { cell.fg(colour) } else { cell }
}

fn label(label: &str) -> String {
    if label.is_empty() { "-".into() } else { escape(label) }
}

/// A node in a sentence: `bob (3f2a91bc)`; two nodes may share a label, so the id is always there.
fn name(graph: &Graph, id: HexId) -> String {
    let node = graph.nodes.iter().find(|node| node.id == id);
    match node.map(|node| node.label.as_str()) {
        None | Some("") => id.0.short(),
        Some(label) => format!("{} ({})", escape(label), id.0.short()),
    }
}

fn sentence(text: &str) -> String {
    escape_to(text, SENTENCE_COLUMNS_MAX)
}

fn join(parts: impl Iterator<Item = String>, nothing: &str) -> String {
    let text = parts.collect::<Vec<_>>().join(", ");
    if text.is_empty() { nothing.into() } else { text }
}

/// Milliseconds of a link; `-` while not measured.
pub fn rtt(rtt_us: u32) -> String {
    if rtt_us == 0 { "-".into() } else { milliseconds(rtt_us.into()) }
}

fn milliseconds(us: u64) -> String {
    format!("{}.{:02}", us / 1000, us % 1000 / 10)
}

/// How long ago a time was: `-` if never.
pub fn ago(then_ms: u64, now_ms: u64) -> String {
    if then_ms == 0 { "-".into() } else { age(now_ms.saturating_sub(then_ms)) }
}

/// A length of time in its largest unit.
pub fn age(ms: u64) -> String {
    match ms / 1000 {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7_200 => format!("{} min", s / 60),
        s @ 7_200..172_800 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}

#[cfg(test)]
mod tests;
