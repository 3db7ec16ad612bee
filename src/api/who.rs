//! Finding the node a person means. Never guesses: what fits two nodes is answered with both.

use std::net::SocketAddr;

use crate::actors::messages::PeerRow;
use crate::mesh::NodeId;
use crate::mesh::view::{State, View};

/// Fewest hex digits taken as the beginning of an id.
pub const PREFIX_DIGITS_MIN: usize = 8;
/// Most candidates listed in an error.
const CANDIDATES_MAX: usize = 8;

/// A node that can be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: NodeId,
    /// Its label, hostile text until escaped.
    pub label: String,
    /// Whether it is there now.
    pub alive: bool,
    /// Where it says it can be dialled.
    pub addrs: Vec<SocketAddr>,
}

/// Why a text does not name one node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhoError {
    /// Nothing fits.
    #[error("no node is known by that id, label or address")]
    Nobody,
    /// More than one fits.
    #[error("{} nodes fit", .0.len())]
    Ambiguous(Vec<Known>),
}

impl WhoError {
    /// The nodes that fit, one in a word, for an error message: `bob (3f2a91bc…)`. Labels are still raw.
    pub fn candidates(&self) -> Vec<(String, NodeId)> {
        match self {
            WhoError::Nobody => Vec::new(),
            WhoError::Ambiguous(fits) => {
                fits.iter().take(CANDIDATES_MAX).map(|k| (k.label.clone(), k.id)).collect()
            }
        }
    }
}

/// The nodes of a view, and those that only the registry knows (banned, pinned, never met again).
pub fn known(view: &View, rows: &[PeerRow]) -> Vec<Known> {
    let of_view = view.nodes.iter().map(|node| Known {
        id: node.id,
        label: node.label.clone(),
        alive: matches!(node.state, State::Alive | State::Suspect),
        addrs: node.addrs.clone(),
    });
    let of_rows = rows.iter().filter_map(|row| {
        let id = row.id.filter(|id| view.node(id).is_none())?;
        let addrs = row.addr.into_iter().collect();
        Some(Known { id, label: row.label.clone(), alive: false, addrs })
    });
    of_view.chain(of_rows).collect()
}

/// The one node that `who` names: a full id, else the only id that begins so (8 or more hex digits),
/// else the only label, else the only card that lists this `IP:port`. Among labels and addresses those
/// that are there now go before those that are gone. A full id is taken as it is, known or not.
pub fn resolve(who: &str, known: &[Known]) -> Result<NodeId, WhoError> {
    if let Ok(id) = who.parse() {
        return Ok(id);
    }
    let prefix = who.to_ascii_lowercase();
    let is_prefix =
        prefix.len() >= PREFIX_DIGITS_MIN && prefix.bytes().all(|b| b.is_ascii_hexdigit());
    let by_prefix = |k: &Known| is_prefix && k.id.to_string().starts_with(&prefix);
    if let Some(found) = only(known, by_prefix) {
        return found;
    }
    let addr: Option<SocketAddr> = who.parse().ok();
    // Anyone may call itself like an address: what is one is never read as a label.
    let by_label = |k: &Known| addr.is_none() && !who.is_empty() && k.label == who;
    let by_addr = |k: &Known| addr.is_some_and(|a| k.addrs.contains(&a));
    only(known, |k| k.alive && by_label(k))
        .or_else(|| only(known, by_label))
        .or_else(|| only(known, |k| k.alive && by_addr(k)))
        .or_else(|| only(known, by_addr))
        .unwrap_or(Err(WhoError::Nobody))
}

/// The only node that fits; an error if several do; nothing if none does.
fn only(known: &[Known], fits: impl Fn(&Known) -> bool) -> Option<Result<NodeId, WhoError>> {
    let found: Vec<&Known> = known.iter().filter(|k| fits(k)).collect();
    match found.as_slice() {
        [] => None,
        [one] => Some(Ok(one.id)),
        many => Some(Err(WhoError::Ambiguous(many.iter().copied().cloned().collect()))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{id, view};
    use super::*;

    fn find(who: &str) -> Result<NodeId, WhoError> {
        resolve(who, &known(&view(), &[]))
    }

    fn ambiguous(who: &str) -> Vec<NodeId> {
        match find(who) {
            Err(error) => error.candidates().into_iter().map(|(_, id)| id).collect(),
            Ok(_) => Vec::new(),
        }
    }

    #[test]
    fn a_full_id_is_taken_as_it_is() {
        assert_eq!(find(&id(2).to_string()), Ok(id(2)));
        assert_eq!(find(&id(99).to_string()), Ok(id(99)));
        assert_eq!(find(&id(2).to_string().to_uppercase()), Ok(id(2)));
    }

    #[test]
    fn a_prefix_must_be_long_and_fit_one() {
        assert_eq!(find(&id(2).short()), Ok(id(2)));
        assert_eq!(find(&id(2).short()[..7]), Err(WhoError::Nobody));
        let mut twin = id(2);
        twin.0[31] ^= 1;
        let mut all = known(&view(), &[]);
        all.push(Known { id: twin, label: String::new(), alive: true, addrs: vec![] });
        let Err(WhoError::Ambiguous(fits)) = resolve(&id(2).short(), &all) else { panic!() };
        assert_eq!(fits.len(), 2);
    }

    #[test]
    fn an_id_goes_before_a_label_that_imitates_it() {
        let mut all = known(&view(), &[]);
        all[2].label = all[1].id.short();
        assert_eq!(resolve(&id(2).short(), &all), Ok(all[1].id));
    }

    #[test]
    fn an_address_goes_before_a_label_that_imitates_it() {
        let mut all = known(&view(), &[]);
        all[2].label = "127.0.0.1:9002".into();
        assert_eq!(resolve("127.0.0.1:9002", &all), Ok(id(2)));
    }

    #[test]
    fn a_label_is_found_among_those_alive_first() {
        assert_eq!(find("bob"), Ok(id(2)));
        assert_eq!(find("dave"), Ok(id(4)), "gone, and still the only one");
        assert_eq!(ambiguous("twin"), [id(5), id(6)]);
        assert_eq!(find("nobody"), Err(WhoError::Nobody));
        assert_eq!(find(""), Err(WhoError::Nobody));
    }

    #[test]
    fn an_address_on_a_card_names_its_node() {
        assert_eq!(find("127.0.0.1:9002"), Ok(id(2)));
        assert_eq!(find("127.0.0.1:1"), Err(WhoError::Nobody));
    }
}
