//! The graph as text for other programs: d2, dot, mermaid, SVG.
//!
//! PURE. Labels are hostile: each format gets them through [`escape`] and then through quoting of its own,
//! so that the result always parses and a label stays a label.

mod svg;

use std::fmt::Write;

pub use svg::svg;

use crate::mesh::NodeId;
use crate::mesh::view::{NodeView, State, View};
use crate::text::escape;

/// Text formats of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// <https://d2lang.com>
    D2,
    /// Graphviz.
    Dot,
    /// <https://mermaid.js.org>
    Mermaid,
    /// A picture.
    Svg,
}

impl Format {
    /// The graph in this format.
    pub fn render(self, view: &View) -> String {
        match self {
            Format::D2 => d2(view),
            Format::Dot => dot(view),
            Format::Mermaid => mermaid(view),
            Format::Svg => svg(view),
        }
    }

    /// Its media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Svg => "image/svg+xml",
            _ => "text/plain; charset=utf-8",
        }
    }
}

/// The name to show for a node, safe to print: its label, or its short id.
fn name(node: &NodeView) -> String {
    if node.label.is_empty() { node.id.short() } else { escape(&node.label) }
}

/// The first port a node can be dialled at, as text; `-` when it lists none.
fn port(node: &NodeView) -> String {
    node.addrs.first().map_or_else(|| "-".into(), |addr| addr.port().to_string())
}

/// Whether a node is there now.
fn is_there(node: &NodeView) -> bool {
    matches!(node.state, State::Alive | State::Suspect)
}

/// The nodes that are there and their links, as area-net drew them: `id: label \n (port)` and
/// `a -> b: RTT` (microseconds). d2 shows no states here, so nodes that are gone are left out.
pub fn d2(view: &View) -> String {
    let mut out = String::new();
    for node in view.alive() {
        let label = format!("{} \\n ({})", d2_text(&name(node)), port(node));
        let plain = d2_is_plain(&name(node));
        let quote = if plain { "" } else { "\"" };
        let _ = writeln!(out, "{}: {quote}{label}{quote}", node.id);
    }
    for link in &view.links {
        let _ = writeln!(out, "{} -> {}: {}", link.from, link.to, link.rtt_us);
    }
    out
}

/// Whether d2 reads this as itself without quotes.
fn d2_is_plain(text: &str) -> bool {
    text.starts_with(char::is_alphanumeric)
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '_' | '.'))
}

/// What goes between double quotes in d2; plain text is left as it is.
fn d2_text(text: &str) -> String {
    let mut quoted = String::new();
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '$') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}

/// The whole graph for Graphviz; nodes that are gone are grey, half-open links dashed.
pub fn dot(view: &View) -> String {
    let mut out = String::from("digraph kith {\n");
    for node in &view.nodes {
        let quoted = name(node).replace('\\', "\\\\").replace('"', "\\\"");
        let style = if is_there(node) { "" } else { ", style=dashed, color=gray" };
        let state = node.state.as_str();
        let port = port(node);
        let _ = writeln!(
            out,
            "  \"{}\" [label=\"{quoted}\\n({port})\", tooltip=\"{state}\"{style}];",
            node.id
        );
    }
    for link in &view.links {
        let style = if link.confirmed { "" } else { ", style=dashed" };
        let _ = writeln!(
            out,
            "  \"{}\" -> \"{}\" [label=\"{}\"{style}];",
            link.from, link.to, link.rtt_us
        );
    }
    out.push_str("}\n");
    out
}

/// The whole graph for Mermaid; nodes that are gone are dashed, half-open links dotted.
pub fn mermaid(view: &View) -> String {
    let mut out = String::from("graph LR\n");
    let place = |id: &NodeId| view.nodes.binary_search_by(|n| n.id.cmp(id)).ok();
    for (i, node) in view.nodes.iter().enumerate() {
        let _ = writeln!(out, "  n{i}[\"{}<br/>({})\"]", mermaid_text(&name(node)), port(node));
    }
    for link in &view.links {
        let (Some(from), Some(to)) = (place(&link.from), place(&link.to)) else { continue };
        let arrow = if link.confirmed { "-->" } else { "-.->" };
        let _ = writeln!(out, "  n{from} {arrow}|{}| n{to}", link.rtt_us);
    }
    out.push_str("  classDef gone stroke-dasharray: 4,color:#666\n");
    for (i, _) in view.nodes.iter().enumerate().filter(|(_, n)| !is_there(n)) {
        let _ = writeln!(out, "  class n{i} gone");
    }
    out
}

/// Mermaid has no escape but numbered entities; all that is not a letter, digit or blank becomes one.
fn mermaid_text(text: &str) -> String {
    let mut quoted = String::new();
    for c in text.chars() {
        if c.is_alphanumeric() || c == ' ' {
            quoted.push(c);
        } else {
            let _ = write!(quoted, "#{};", u32::from(c));
        }
    }
    quoted
}

#[cfg(test)]
mod tests;
