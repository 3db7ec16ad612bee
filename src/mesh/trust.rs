//! Who may link with us: the network's rules, bans, and what was pinned at first sight.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::NodeId;
use super::book::Book;

/// Most labels and most addresses that are pinned by themselves; beyond it new ones are let in unpinned.
pub const PINS_MAX: usize = 4096;

/// Who may link, from the settings.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Only nodes pinned by hand.
    pub pinned_only: bool,
    /// If not empty, only these.
    pub allow: BTreeSet<NodeId>,
    /// Never these.
    pub deny: BTreeSet<NodeId>,
}

/// Why a node was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It is banned or on the deny list.
    #[error("it is banned here")]
    Banned,
    /// It is not on the allow list, or not pinned while `network.trust` is `pinned-only`.
    #[error("only nodes named by this node's owner may link")]
    NotNamed,
    /// Another id was seen first behind its label.
    #[error("its label belongs to {0:?}, which was seen first")]
    LabelTaken(NodeId),
}

/// Whether a node with this label may link.
pub fn admit(rules: &Rules, book: &Book, id: &NodeId, label: &str) -> Result<(), Denied> {
    if book.banned.contains_key(id) || rules.deny.contains(id) {
        return Err(Denied::Banned);
    }
    let named = book.trusted.contains(id) || rules.allow.contains(id);
    if (rules.pinned_only || !rules.allow.is_empty()) && !named {
        return Err(Denied::NotNamed);
    }
    match book.label_pins.get(label) {
        Some(first) if first != id => Err(Denied::LabelTaken(*first)),
        _ => Ok(()),
    }
}

/// Remembers the label (if it has one) and the dialled address of a node seen for the first time.
/// Answers whether the book changed.
pub fn pin(book: &mut Book, id: NodeId, label: &str, dialled: Option<SocketAddr>) -> bool {
    let mut changed = false;
    if !label.is_empty() && book.label_pins.len() < PINS_MAX && !book.label_pins.contains_key(label)
    {
        book.label_pins.insert(label.to_owned(), id);
        changed = true;
    }
    if let Some(addr) = dialled
        && book.addr_pins.len() < PINS_MAX
        && !book.addr_pins.contains_key(&addr)
    {
        book.addr_pins.insert(addr, id);
        changed = true;
    }
    changed
}

/// Forgets every pin of a node.
pub fn unpin(book: &mut Book, id: &NodeId) {
    book.label_pins.retain(|_, pinned| pinned != id);
    book.addr_pins.retain(|_, pinned| pinned != id);
    book.trusted.remove(id);
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: NodeId = NodeId([1; 32]);
    const EVE: NodeId = NodeId([2; 32]);

    #[test]
    fn a_label_belongs_to_whom_it_was_seen_with_first_until_unpinned() {
        let (rules, mut book) = (Rules::default(), Book::default());
        assert!(pin(&mut book, BOB, "bob", None));
        assert!(!pin(&mut book, EVE, "bob", None));
        assert_eq!(admit(&rules, &book, &BOB, "bob"), Ok(()));
        assert_eq!(admit(&rules, &book, &EVE, "bob"), Err(Denied::LabelTaken(BOB)));
        unpin(&mut book, &BOB);
        assert_eq!(admit(&rules, &book, &EVE, "bob"), Ok(()));
    }

    #[test]
    fn nodes_without_a_label_are_never_confused() {
        let mut book = Book::default();
        pin(&mut book, BOB, "", None);
        assert_eq!(admit(&Rules::default(), &book, &EVE, ""), Ok(()));
    }

    #[test]
    fn bans_and_lists_are_kept() {
        let mut book = Book::default();
        book.banned.insert(EVE, 0);
        assert_eq!(admit(&Rules::default(), &book, &EVE, ""), Err(Denied::Banned));
        let mut rules = Rules { pinned_only: true, ..Rules::default() };
        assert_eq!(admit(&rules, &book, &BOB, ""), Err(Denied::NotNamed));
        rules.allow.insert(BOB);
        assert_eq!(admit(&rules, &book, &BOB, ""), Ok(()));
        rules.deny.insert(BOB);
        assert_eq!(admit(&rules, &book, &BOB, ""), Err(Denied::Banned));
    }
}
