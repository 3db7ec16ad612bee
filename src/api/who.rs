//! Finding the node a person means. Never guesses: what fits two nodes is answered with both.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use crate::actors::messages::{PeerRow, Pins};
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
    /// Trusted by hand.
    pub pinned: bool,
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
    let pinned = rows.iter().filter(|row| row.pinned).filter_map(|row| row.id);
    let pinned: BTreeSet<NodeId> = pinned.collect();
    let of_view = view.nodes.iter().map(|node| Known {
        id: node.id,
        label: node.label.clone(),
        alive: matches!(node.state, State::Alive | State::Suspect),
        addrs: node.addrs.clone(),
        pinned: pinned.contains(&node.id),
    });
    let of_rows = rows.iter().filter_map(|row| {
        let id = row.id.filter(|id| view.node(id).is_none())?;
        let addrs = row.addr.into_iter().collect();
        Some(Known { id, label: row.label.clone(), alive: false, addrs, pinned: row.pinned })
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
    if let Some(found) = by_prefix(who, known) {
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

/// The only node whose id begins so, if this can be the beginning of one.
fn by_prefix(who: &str, known: &[Known]) -> Option<Result<NodeId, WhoError>> {
    let prefix = who.to_ascii_lowercase();
    let long = prefix.len() >= PREFIX_DIGITS_MIN && prefix.bytes().all(|b| b.is_ascii_hexdigit());
    long.then(|| only(known, |k| k.id.to_string().starts_with(&prefix))).flatten()
}

/// For whom a letter is, and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Its id was given, or a person or an earlier meeting has tied the name to it.
    Sure(NodeId),
    /// The only one that calls itself so; nobody was met under that name.
    CallsItselfSo(NodeId),
    /// The only one that says it can be dialled there; nobody was dialled there.
    SaysItIsThere(NodeId),
    /// Nobody is known there: who answers a dial is meant.
    Dial(SocketAddr),
}

/// Where a letter goes that is addressed to `who`: a full id, else the only node pinned by hand that has this
/// name, else the only id that begins so, else who was seen first behind the label, else at the address or IP.
/// A letter may wait for its reader, so that who is there now does not go before who is not.
pub fn reader(who: &str, known: &[Known], pins: &Pins) -> Result<Reader, WhoError> {
    if let Ok(id) = who.parse() {
        return Ok(Reader::Sure(id));
    }
    let addr: Option<SocketAddr> = who.parse().ok();
    let ip: Option<IpAddr> = who.parse().ok();
    if addr.is_some() || ip.is_some() {
        return place(addr, ip, known, pins);
    }
    if who.is_empty() {
        return Err(WhoError::Nobody);
    }
    let named = |k: &Known| k.pinned && (k.label == who || pins.label == Some(k.id));
    if let Some(found) = only(known, named).or_else(|| by_prefix(who, known)) {
        return found.map(Reader::Sure);
    }
    if let Some(first) = pins.label {
        return Ok(Reader::Sure(first));
    }
    let labelled = only(known, |k| k.label == who).unwrap_or(Err(WhoError::Nobody));
    labelled.map(Reader::CallsItselfSo)
}

/// Who is meant by an address, or by an IP: behind one there may be many nodes.
fn place(
    addr: Option<SocketAddr>,
    ip: Option<IpAddr>,
    known: &[Known],
    pins: &Pins,
) -> Result<Reader, WhoError> {
    if let (Some(_), [first]) = (addr, pins.places.as_slice()) {
        return Ok(Reader::Sure(*first));
    }
    let there = |k: &Known| {
        let says = |at: &SocketAddr| addr == Some(*at) || ip == Some(at.ip());
        pins.places.contains(&k.id) || k.addrs.iter().any(says)
    };
    match only(known, there) {
        Some(Ok(id)) if pins.places.contains(&id) => Ok(Reader::Sure(id)),
        Some(found) => found.map(Reader::SaysItIsThere),
        None => match (pins.places.as_slice(), addr) {
            ([first], _) => Ok(Reader::Sure(*first)),
            (_, Some(addr)) => Ok(Reader::Dial(addr)),
            _ => Err(WhoError::Nobody),
        },
    }
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
        all.push(Known {
            id: twin,
            label: String::new(),
            alive: true,
            addrs: vec![],
            pinned: false,
        });
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

    /// The sample network; bob was seen first behind his label and address, and some are trusted by hand.
    fn met(trusted: &[u8]) -> (Vec<Known>, Pins) {
        let mut all = known(&view(), &[]);
        all.iter_mut().for_each(|k| k.pinned = trusted.iter().any(|seed| id(*seed) == k.id));
        (all, Pins { label: Some(id(2)), places: vec![id(2)] })
    }

    #[test]
    fn a_letter_goes_to_whom_the_name_was_tied_to() {
        let (mut all, bob) = met(&[]);
        let nobody = Pins::default();
        assert_eq!(reader("bob", &all, &bob), Ok(Reader::Sure(id(2))));
        assert_eq!(reader("bob", &all, &nobody), Ok(Reader::CallsItselfSo(id(2))));
        assert_eq!(reader("dave", &all, &nobody), Ok(Reader::CallsItselfSo(id(4))), "away");
        assert_eq!(reader(&id(99).to_string(), &all, &nobody), Ok(Reader::Sure(id(99))));
        assert_eq!(reader(&id(2).short(), &all, &nobody), Ok(Reader::Sure(id(2))));
        for who in ["", "nobody", &id(2).short()[..7]] {
            assert_eq!(reader(who, &all, &nobody), Err(WhoError::Nobody), "{who}");
        }
        // Somebody else who is here now calls itself bob, and bob is away.
        all[2].label = "bob".into();
        all[1].alive = false;
        assert_eq!(reader("bob", &all, &bob), Ok(Reader::Sure(id(2))));
        assert!(
            matches!(reader("bob", &all, &nobody), Err(WhoError::Ambiguous(fits)) if fits.len() == 2)
        );
        assert!(matches!(reader("twin", &all, &nobody), Err(WhoError::Ambiguous(_))));
    }

    #[test]
    fn what_a_person_pinned_goes_before_everything_but_a_full_id() {
        let (mut all, mut pins) = met(&[6]);
        assert_eq!(reader("twin", &all, &Pins::default()), Ok(Reader::Sure(id(6))));
        pins.label = Some(id(5));
        assert_eq!(
            reader("twin", &all, &pins),
            Ok(Reader::Sure(id(6))),
            "seen first, and not pinned"
        );
        all[5].label = id(2).short();
        assert_eq!(reader(&id(2).short(), &all, &Pins::default()), Ok(Reader::Sure(id(6))));
        assert_eq!(reader(&id(2).to_string(), &all, &pins), Ok(Reader::Sure(id(2))));
        let (all, pins) = met(&[5, 6]);
        assert!(matches!(reader("twin", &all, &pins), Err(WhoError::Ambiguous(_))));
    }

    #[test]
    fn an_address_is_who_was_met_there_then_who_says_so_then_a_dial() {
        let (mut all, bob) = met(&[]);
        let nobody = Pins::default();
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(reader("127.0.0.1:9009", &all, &bob), Ok(Reader::Sure(id(2))));
        assert_eq!(reader("127.0.0.1:9003", &all, &nobody), Ok(Reader::SaysItIsThere(id(3))));
        assert_eq!(reader("127.0.0.1:9999", &all, &nobody), Ok(Reader::Dial(at(9999))));
        assert!(matches!(reader("127.0.0.1", &all, &bob), Err(WhoError::Ambiguous(_))));
        assert_eq!(reader("10.0.0.1", &all, &nobody), Err(WhoError::Nobody));
        assert_eq!(
            reader("10.0.0.1", &all, &bob),
            Ok(Reader::Sure(id(2))),
            "only one was met there"
        );
        all[2].addrs = vec!["10.0.0.1:7".parse().unwrap()];
        assert_eq!(reader("10.0.0.1", &all, &nobody), Ok(Reader::SaysItIsThere(id(3))));
        assert!(matches!(reader("10.0.0.1", &all, &bob), Err(WhoError::Ambiguous(_))));
        all[4].label = "10.0.0.9".into();
        assert_eq!(
            reader("10.0.0.9", &all, &nobody),
            Err(WhoError::Nobody),
            "never read as a label"
        );
    }
}
