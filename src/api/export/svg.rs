//! The graph as a picture: nodes on a circle, in order of their ids, so that nothing jumps.

use std::f64::consts::TAU;
use std::fmt::Write;

use super::{is_there, name, port};
use crate::mesh::NodeId;
use crate::mesh::view::{LinkView, NodeView, State, View};

/// Radius of a node, pixels.
const NODE_RADIUS: f64 = 22.0;
/// Room for labels around the circle, pixels.
const MARGIN: f64 = 110.0;

/// The whole graph as SVG 1.1: no script, no outside font or file, with a title and a description.
pub fn svg(view: &View) -> String {
    // Far enough apart that two neighbours on the circle never touch.
    let radius = (view.nodes.len() as f64 * NODE_RADIUS * 3.0 / TAU).max(140.0);
    let size = 2.0 * (radius + MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size:.0} {size:.0}\" \
         width=\"{size:.0}\" height=\"{size:.0}\" role=\"img\" aria-labelledby=\"title desc\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" text-anchor=\"middle\">\n"
    );
    let _ = writeln!(
        out,
        "<title id=\"title\">Network seen by {}</title>\n<desc id=\"desc\">{}</desc>\n\
         <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" \
         markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0 8 4 0 8z\" fill=\"#555\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>",
        xml(&crate::text::escape(&view.name(&view.me))),
        description(view)
    );
    let place = |id: &NodeId| {
        let i = view.nodes.binary_search_by(|n| n.id.cmp(id)).ok()?;
        let angle = TAU * i as f64 / view.nodes.len() as f64 - TAU / 4.0;
        Some((size / 2.0 + radius * angle.cos(), size / 2.0 + radius * angle.sin()))
    };
    for link in &view.links {
        if let (Some(from), Some(to)) = (place(&link.from), place(&link.to)) {
            edge(&mut out, link, from, to);
        }
    }
    for node in &view.nodes {
        if let Some(at) = place(&node.id) {
            circle(&mut out, node, at, node.id == view.me);
        }
    }
    out.push_str("</svg>\n");
    out
}

/// One sentence for those who do not see the picture.
fn description(view: &View) -> String {
    let there = view.alive().count();
    let gone = view.nodes.len() - there;
    format!(
        "{there} nodes there, {gone} gone, {} links. An arrow leads from the node that dialled; its \
         number is the round-trip time in milliseconds.",
        view.links.len()
    )
}

/// One link: an arrow that ends at the rim of the node it leads to, and its round-trip time.
fn edge(out: &mut String, link: &LinkView, from: (f64, f64), to: (f64, f64)) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy).max(1.0);
    let inset = NODE_RADIUS / length;
    let (x1, y1) = (from.0 + dx * inset, from.1 + dy * inset);
    let (x2, y2) = (to.0 - dx * inset, to.1 - dy * inset);
    let dash = if link.confirmed { "" } else { " stroke-dasharray=\"4 4\"" };
    // The figure stands nearer to its end, where fewer links cross than in the middle.
    let (tx, ty) = (from.0 + dx * 0.62, from.1 + dy * 0.62 - 3.0);
    let _ = writeln!(
        out,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{}\" \
         stroke-width=\"2\"{dash} marker-end=\"url(#arrow)\"/><text x=\"{tx:.1}\" y=\"{ty:.1}\" \
         fill=\"#333\">{}</text>",
        colour(link.rtt_us),
        milliseconds(link.rtt_us)
    );
}

/// One node: a circle with its name and port, and its id and state as a tooltip.
fn circle(out: &mut String, node: &NodeView, (x, y): (f64, f64), is_me: bool) {
    let fill = match node.state {
        State::Alive => "#d7f0dc",
        State::Suspect => "#fdf0c4",
        State::Failed | State::Unreachable => "#f6d5d5",
        State::Left => "#e6e6e6",
    };
    let width = if is_me { 3 } else { 1 };
    let dash = if is_there(node) { "" } else { " stroke-dasharray=\"4 4\"" };
    let _ = writeln!(
        out,
        "<g><title>{} {}</title><circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{NODE_RADIUS}\" \
         fill=\"{fill}\" stroke=\"#333\" stroke-width=\"{width}\"{dash}/><text x=\"{x:.1}\" \
         y=\"{y:.1}\" fill=\"#000\">{}</text><text x=\"{x:.1}\" y=\"{:.1}\" fill=\"#444\" \
         font-size=\"10\">({})</text></g>",
        node.id,
        node.state.as_str(),
        xml(&name(node)),
        y + 13.0,
        port(node)
    );
}

/// Green below 5 ms, amber below 50, red above, grey while not measured. Dark enough on white.
fn colour(rtt_us: u32) -> &'static str {
    match rtt_us {
        0 => "#777777",
        1..5_000 => "#1b7f3b",
        5_000..50_000 => "#a86500",
        _ => "#b3261e",
    }
}

/// `0.32`, or `?` while not measured.
fn milliseconds(rtt_us: u32) -> String {
    if rtt_us == 0 { "?".into() } else { format!("{:.2}", f64::from(rtt_us) / 1000.0) }
}

/// Text between tags or in an attribute. Characters that XML forbids altogether, `escape` has taken out.
fn xml(text: &str) -> String {
    let mut quoted = String::new();
    for c in text.chars() {
        match c {
            '&' => quoted.push_str("&amp;"),
            '<' => quoted.push_str("&lt;"),
            '>' => quoted.push_str("&gt;"),
            '"' => quoted.push_str("&quot;"),
            '\'' => quoted.push_str("&#39;"),
            c => quoted.push(c),
        }
    }
    quoted
}
