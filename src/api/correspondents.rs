//! Whom letters are for, and what those are called who wrote them.

use std::net::IpAddr;
use std::sync::Arc;

use super::failure::Failure;
use super::read::ask;
use super::server::Context;
use super::who::{self, Reader, WhoError};
use crate::actors::messages::{Connect, PeerRow, PeersWanted, PinsWanted};
use crate::mesh::NodeId;
use crate::mesh::view::View;

/// Longest name of a node in a request, bytes: labels, addresses and ids are shorter.
const WHO_BYTES_MAX: usize = 256;

/// Whom `text` means; nobody is dialled. A full id costs no question.
async fn named(context: &Context, text: &str) -> Result<Reader, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(Reader::Sure(id));
    }
    if text.len() > WHO_BYTES_MAX {
        return Err(Failure::usage("that is no name of a node: too long", "name it by its id"));
    }
    let rows = ask("registry", &context.services.peers, PeersWanted).await?;
    let pins = ask("registry", &context.services.pins, PinsWanted(text.into())).await?;
    let mut known = who::known(&context.view(), &rows);
    if text.parse::<IpAddr>().is_ok() {
        // Nobody writes to itself: on a machine with two nodes its IP means the other one.
        known.retain(|known| known.id != context.facts.id);
    }
    who::reader(text, &known, &pins).map_err(|error| {
        let unknown_ip = error == WhoError::Nobody && text.parse::<IpAddr>().is_ok();
        let failure = Failure::who(text, error);
        if unknown_ip {
            failure.trying("give its port, too: an IP:port that nobody is known at is dialled")
        } else {
            failure
        }
    })
}

/// The one correspondent that `text` names, for looking at letters that are there.
pub(super) async fn with(context: &Context, text: &str) -> Result<NodeId, Failure> {
    match named(context, text).await? {
        Reader::Sure(id) | Reader::CallsItselfSo(id) | Reader::SaysItIsThere(id) => Ok(id),
        Reader::Dial(_) => Err(Failure::who(text, WhoError::Nobody)),
    }
}

/// The reader of a new letter, and what its writer should know of how it was found.
pub(super) async fn reader(
    context: &Context,
    text: &str,
) -> Result<(NodeId, Option<String>), Failure> {
    Ok(match named(context, text).await? {
        Reader::Sure(id) => (id, None),
        Reader::CallsItselfSo(id) => {
            let who = id.short();
            let why = format!(
                "nobody was met as {text} before: the only node that calls itself so, {who}, is taken"
            );
            (id, Some(why))
        }
        Reader::SaysItIsThere(id) => {
            let who = id.short();
            let why = format!(
                "nobody was dialled at {text} before: {who}, which says it is there, is taken"
            );
            (id, Some(why))
        }
        Reader::Dial(addr) => {
            let answered = ask("registry", &context.services.connect, Connect { addr }).await?;
            let id = answered.map_err(|refused| {
                Failure::refused(&format!("cannot tell who is at {addr}"), refused)
                    .trying("when it answers, or by its id, it can be written to")
            })?;
            let who = id.short();
            let why = format!(
                "nobody was known at {addr}: {who}, which answered there, is taken and pinned there; node unpin {who} forgets it"
            );
            (id, Some(why))
        }
    })
}

/// What nodes are called.
pub(super) struct Names {
    view: Arc<View>,
    rows: Vec<PeerRow>,
}

impl Names {
    /// For these nodes. The registry, which also knows those long gone, is asked only if the graph has not all.
    pub(super) async fn of(context: &Context, ids: impl Iterator<Item = NodeId>) -> Names {
        let view = context.view();
        let mut strangers = ids.filter(|id| view.node(id).is_none_or(|n| n.label.is_empty()));
        let rows = match strangers.next() {
            // Without an answer letters are shown all the same, with ids alone.
            Some(_) => ask("registry", &context.services.peers, PeersWanted).await.ok(),
            None => None,
        };
        Names { view, rows: rows.unwrap_or_default() }
    }

    /// The label of a node, hostile text until escaped; empty when unknown.
    pub(super) fn label(&self, id: &NodeId) -> String {
        let seen = self.view.node(id).map(|node| &node.label).filter(|label| !label.is_empty());
        let met = || self.rows.iter().find(|row| row.id == Some(*id)).map(|row| &row.label);
        seen.or_else(met).cloned().unwrap_or_default()
    }
}
