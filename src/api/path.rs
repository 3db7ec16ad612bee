//! The cheapest way to a node, as it is shown: over the confirmed links, by round-trip time.

use std::collections::BTreeMap;

use super::shapes::{HexId, Path};
use crate::mesh::view::View;
use crate::mesh::{NodeId, ways};

/// The cheapest way from the viewer to `to`; none if no confirmed way leads there.
pub fn cheapest(view: &View, to: NodeId) -> Option<Path> {
    let mut links: BTreeMap<NodeId, Vec<(NodeId, u32)>> = BTreeMap::new();
    for link in view.links.iter().filter(|l| l.confirmed) {
        links.entry(link.from).or_default().push((link.to, link.rtt_us));
        links.entry(link.to).or_default().push((link.from, link.rtt_us));
    }
    let of = |id: NodeId| links.get(&id).into_iter().flatten().copied();
    let way = ways::cheapest(view.me, to, of)?;
    let step = |sum: u64, rtt_us: u32| (rtt_us != 0).then(|| sum + u64::from(rtt_us));
    let rtt_us = way.iter().try_fold(0, |sum, (_, rtt_us)| step(sum, *rtt_us));
    let hops = way.iter().map(|(id, _)| HexId(*id)).collect();
    Some(Path { to: HexId(to), hops, rtt_us, walk: None })
}

#[cfg(test)]
mod tests {
    use super::super::samples::{id, link, view};
    use super::*;

    fn way(view: &View, to: u8) -> Option<(Vec<HexId>, Option<u64>)> {
        cheapest(view, id(to)).map(|p| (p.hops, p.rtt_us))
    }

    #[test]
    fn the_cheapest_way_is_not_the_shortest() {
        let mut view = view();
        view.links = vec![link(1, 3, 90_000), link(1, 2, 100), link(3, 2, 200)];
        assert_eq!(way(&view, 3), Some((vec![HexId(id(2)), HexId(id(3))], Some(300))));
        assert_eq!(way(&view, 1), Some((vec![], Some(0))));
    }

    #[test]
    fn a_direct_link_is_not_hidden_by_a_hair() {
        let mut view = view();
        view.links = vec![link(1, 3, 300), link(1, 2, 100), link(3, 2, 190)];
        assert_eq!(way(&view, 3), Some((vec![HexId(id(3))], Some(300))));
    }

    #[test]
    fn half_open_links_lead_nowhere() {
        let mut view = view();
        view.links = vec![link(1, 2, 100)];
        view.links[0].confirmed = false;
        assert_eq!(way(&view, 2), None);
        assert_eq!(way(&view, 77), None);
    }

    #[test]
    fn a_way_that_was_not_measured_has_no_figure() {
        let mut view = view();
        view.links = vec![link(1, 2, 0)];
        assert_eq!(way(&view, 2), Some((vec![HexId(id(2))], None)));
        view.links.extend([link(1, 3, 10), link(3, 2, 10)]);
        assert_eq!(way(&view, 2), Some((vec![HexId(id(3)), HexId(id(2))], Some(20))));
    }
}
