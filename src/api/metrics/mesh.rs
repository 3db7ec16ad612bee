//! The network: nodes and links as the graph shows them, own links as the registry knows them.

use super::sheet::{Counted, Labels, Sheet, bytes, one, plain, seconds, several};
use super::{Context, Seen};
use crate::actors::messages::{LinkPhase, PeerRow};
use crate::mesh::record::Direction;
use crate::mesh::view::{State, View};
use crate::net::tally::{ByLane, Tally, TreeTally};
use crate::text::escape;
use crate::wire::Lane;

/// Most own links whose round trip is told one by one; the longest of all is always told.
pub(super) const LINKS_MAX: usize = 256;
/// Digits of a peer's id in a label: 8 as elsewhere could be forged, and two peers be mistaken for one.
const PEER_DIGITS: usize = 16;

const STATES: [State; 5] =
    [State::Alive, State::Suspect, State::Failed, State::Unreachable, State::Left];
const LANES: [(Lane, &str); 3] =
    [(Lane::Urgent, "urgent"), (Lane::Normal, "normal"), (Lane::Bulk, "bulk")];

/// What [`crate::mesh::peers`] counts.
const COUNTED: [Counted; 12] = [
    one(plain("dials", "Dials begun"), "dials_begun"),
    several(
        plain("dials_failed", "Dials that ended before the other end said who it is"),
        "reason",
        &[
            ("refused", "dials_failed_refused"),
            ("timeout", "dials_failed_timeout"),
            ("lost", "dials_failed_lost"),
            ("said_no", "dials_failed_said_no"),
            ("identity", "dials_failed_identity"),
            ("broken", "dials_failed_broken"),
        ],
    ),
    several(
        plain("links_up", "Links that came up, by who dialled"),
        "direction",
        &[("in", "links_up_in"), ("out", "links_up_out")],
    ),
    several(
        plain("links_down", "Links that went down"),
        "reason",
        &[
            ("left", "links_down_left"),
            ("gone", "links_down_gone"),
            ("lost", "links_down_lost"),
            ("silent", "links_down_silent"),
            ("closed", "links_down_closed"),
        ],
    ),
    one(
        plain(
            "links_broken",
            "Links that broke and were dialled again at once, whatever came of it",
        ),
        "links_broken",
    ),
    one(
        plain(
            "links_surplus",
            "Links given up because there were enough, in a network that is not full",
        ),
        "links_surplus",
    ),
    several(
        plain("links_refused", "Peers that were known and not let in"),
        "reason",
        &[("denied", "links_denied"), ("full", "links_refused_full")],
    ),
    several(
        plain("verdicts", "Peers of which nothing was heard: by nobody, or here alone"),
        "verdict",
        &[("silent", "verdicts_silent"), ("vouched", "verdicts_vouched")],
    ),
    one(
        plain(
            "handshakes_failed",
            "Connections of others that ended before they said who they are",
        ),
        "handshakes_failed",
    ),
    one(
        plain(
            "handshakes_evicted",
            "Handshakes of others that were ended to make room for newer ones",
        ),
        "handshakes_evicted",
    ),
    one(
        plain("connections_refused", "Connections from an address that has as many as it may"),
        "connections_refused",
    ),
    one(plain("sightings", "Nodes seen announced on the local network, each time"), "sighted"),
];

pub(super) fn tell(sheet: &mut Sheet, context: &Context, seen: &Seen) {
    graph(sheet, &seen.view);
    if let Some(rows) = &seen.peers {
        links(sheet, rows);
    }
    if let Some(status) = &seen.status {
        let about = "Handshakes under way, of both directions";
        sheet.gauge(plain("handshakes", about), status.handshakes as f64);
        sheet.counted(COUNTED, &status.counters);
    }
    traffic(sheet, &context.facts.tally);
}

fn graph(sheet: &mut Sheet, view: &View) {
    let nodes = |state| view.nodes.iter().filter(|node| node.state == state).count() as f64;
    sheet.gauges(
        plain("nodes", "Nodes known, this one included"),
        "state",
        STATES.map(|state| (state.as_str(), nodes(state))),
    );
    let links = |confirmed| view.links.iter().filter(|l| l.confirmed == confirmed).count() as f64;
    sheet.gauges(
        plain("graph_links", "Links of the whole network, by whether both ends list them"),
        "state",
        [("confirmed", links(true)), ("half-open", links(false))],
    );
    let about = "When who is there or linked to whom changed last, Unix time";
    sheet.gauge(seconds("graph_changed_timestamp", about), view.changed_ms as f64 / 1000.0);
}

fn links(sheet: &mut Sheet, rows: &[PeerRow]) {
    let count = |such: &dyn Fn(&&PeerRow) -> bool| rows.iter().filter(such).count() as f64;
    let up = |dir| move |r: &&PeerRow| r.link == LinkPhase::Up && r.direction == Some(dir);
    sheet.gauges(
        plain("links", "Own links that are up, by who dialled"),
        "direction",
        [("in", count(&up(Direction::In))), ("out", count(&up(Direction::Out)))],
    );
    let about = "Peers that are being dialled or greeted";
    sheet.gauge(plain("peers_connecting", about), count(&|r| r.link == LinkPhase::Connecting));
    sheet.gauge(plain("peers_pinned", "Nodes trusted by hand"), count(&|r| r.pinned));
    sheet.gauge(plain("peers_banned", "Nodes that are banned"), count(&|r| r.banned));
    let about = "Peers and addresses with something in the way of a link; node peers says what";
    sheet.gauge(plain("peers_with_problem", about), count(&|r| r.problem.is_some()));
    let measured = || {
        let up = rows.iter().filter(|row| row.link == LinkPhase::Up);
        up.filter_map(|row| Some((row, f64::from(row.rtt_us?) / 1e6)))
    };
    let one = |(row, rtt): (&PeerRow, f64)| {
        let id = row.id.map(|id| id.to_string()).unwrap_or_default();
        let peer = id.chars().take(PEER_DIGITS).collect();
        let labels: Labels = vec![("peer", peer), ("label", escape(&row.label))];
        (labels, rtt)
    };
    let about = "Smoothed round trip of an own link";
    sheet.gauges_of(seconds("link_rtt", about), measured().take(LINKS_MAX).map(one));
    let longest = measured().map(|(_, rtt)| rtt).fold(0.0, f64::max);
    sheet.gauge(seconds("link_rtt_max", "Longest smoothed round trip of all own links"), longest);
}

fn traffic(sheet: &mut Sheet, tally: &Tally) {
    let direction = |word: &str| vec![("direction", word.to_owned())];
    let about = "Bytes on connections to other nodes as the network carries them: encrypted, handshakes included";
    let both = [(direction("in"), tally.bytes_in.now()), (direction("out"), tally.bytes_out.now())];
    sheet.counters_of(bytes("link", about), both);
    let lanes = |of: &ByLane, word: &str| {
        let lane = |(lane, name): (Lane, &str)| {
            let mut labels = direction(word);
            labels.push(("lane", name.to_owned()));
            (labels, of.of(lane).now())
        };
        LANES.map(lane)
    };
    let about = "Frames on links, by the lane that such frames wait in";
    let both = [lanes(&tally.frames_in, "in"), lanes(&tally.frames_out, "out")];
    sheet.counters_of(plain("link_frames", about), both.into_iter().flatten());
    let about = "Frames that were not sent because their lane was full";
    let refused = |(lane, name): (Lane, &str)| {
        (vec![("lane", name.to_owned())], tally.frames_refused.of(lane).now())
    };
    sheet.counters_of(plain("link_frames_refused", about), LANES.map(refused));
    let about =
        "Records of other nodes not taken: conflicting, over a peer's budget, or without room";
    sheet.counter(plain("records_dropped", about), tally.records_dropped.now());
    tree(sheet, &tally.tree);
}

/// In a network so large that news goes over a tree.
fn tree(sheet: &mut Sheet, tree: &TreeTally) {
    let arrival = |word: &str| vec![("arrival", word.to_owned())];
    let about = "News that neighbours pushed, by whether it was here already";
    let both =
        [(arrival("first"), tree.firsts.now()), (arrival("duplicate"), tree.duplicates.now())];
    sheet.counters_of(plain("news_pushed", about), both);
    let about = "Links over which news came that was not here yet, added up";
    sheet.counter(plain("news_hops", about), tree.hops.now());
    let about = "The most links over which one piece of news came";
    sheet.gauge(plain("news_hops_max", about), tree.hops_max.now() as f64);
    let about = "Names of news told to neighbours that should have it from others";
    sheet.counter(plain("news_named", about), tree.names.now());
    let about = "News asked for because it did not come after its name";
    sheet.counter(plain("news_grafted", about), tree.grafts.now());
    let about = "Links taken out of the tree because they brought what was here";
    sheet.counter(plain("news_links_pruned", about), tree.prunes.now());
    let about = "News and names without room or share, left to the comparison of digests";
    sheet.counter(plain("news_crowded", about), tree.crowded.now());
}
