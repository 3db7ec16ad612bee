//! The cheapest way to a node: Dijkstra over the confirmed links, by round-trip time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::shapes::{HexId, Path};
use crate::mesh::NodeId;
use crate::mesh::view::View;

/// What a link that nobody has measured yet counts as, microseconds: dear enough that measured ways go
/// first, cheap enough that one such link beats a long detour.
const UNMEASURED_US: u64 = 200_000;
/// What passing a node costs beside the round trip, microseconds: ways that differ by less than a
/// measurement does should not hide the direct link.
const HOP_US: u64 = 500;

/// The cheapest way from the viewer to `to`; none if no confirmed way leads there.
pub fn cheapest(view: &View, to: NodeId) -> Option<Path> {
    let mut links: BTreeMap<NodeId, Vec<(NodeId, u32)>> = BTreeMap::new();
    for link in view.links.iter().filter(|l| l.confirmed) {
        links.entry(link.from).or_default().push((link.to, link.rtt_us));
        links.entry(link.to).or_default().push((link.from, link.rtt_us));
    }
    // The cost so far, whom it was reached from, and over a link of what round-trip time.
    let mut best: BTreeMap<NodeId, (u64, NodeId, u32)> =
        BTreeMap::from([(view.me, (0, view.me, 0))]);
    let mut front = BinaryHeap::from([Reverse((0u64, view.me))]);
    while let Some(Reverse((cost, at))) = front.pop() {
        if at == to {
            break;
        }
        if best.get(&at).is_some_and(|(cheaper, ..)| *cheaper < cost) {
            continue;
        }
        for &(next, rtt_us) in links.get(&at).into_iter().flatten() {
            let step = HOP_US + if rtt_us == 0 { UNMEASURED_US } else { u64::from(rtt_us) };
            let cost = cost + step;
            if best.get(&next).is_none_or(|(other, ..)| cost < *other) {
                best.insert(next, (cost, at, rtt_us));
                front.push(Reverse((cost, next)));
            }
        }
    }
    let mut hops = Vec::new();
    let mut rtt_us = Some(0);
    let mut at = to;
    while at != view.me {
        let (_, from, step) = *best.get(&at)?;
        hops.push(HexId(at));
        rtt_us = rtt_us.filter(|_| step != 0).map(|sum| sum + u64::from(step));
        at = from;
    }
    hops.reverse();
    Some(Path { to: HexId(to), hops, rtt_us })
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
