//! Bounds that were set: an alert compares them with what there is.

use super::Seen;
use super::sheet::{About, Sheet, bytes, plain, seconds};

/// Key of the setting, and what is told of it.
const LIMITS: [(&str, About); 12] = [
    ("network.graph.nodes_max", plain("nodes_max", "Most nodes known")),
    (
        "network.controller.incoming.max_conn_count",
        plain("links_in_max", "Most links accepted from others"),
    ),
    ("pieces.transfers_max", plain("transfers_max", "Most downloads at once")),
    ("pieces.files_max", plain("files_max", "Most files shared or being got")),
    ("mail.outbox_letters_max", plain("letters_under_way_max", "Most letters under way")),
    ("mail.inbox_letters_max", plain("inbox_letters_max", "Most letters kept that came")),
    ("mail.inbox_bytes_max", bytes("inbox_max", "Most bytes of letters kept that came")),
    ("mail.history_letters_max", plain("sent_letters_max", "Most sent letters remembered")),
    ("relay.kept_bytes_max", bytes("kept_max", "Most bytes of letters kept for others")),
    (
        "relay.packets_per_second",
        plain("packets_per_second_max", "Most packets taken in a second from all links together"),
    ),
    (
        "network.controller.peers.heartbeat_period",
        seconds("heartbeat_period", "Time between heartbeats on a link, unstretched"),
    ),
    (
        "network.controller.peers.heartbeat_timeout",
        seconds("heartbeat_timeout", "Silence after which a peer is given up"),
    ),
];

pub(super) fn tell(sheet: &mut Sheet, seen: &Seen) {
    let Some(settings) = &seen.settings else { return };
    for (key, about) in LIMITS {
        let row = settings.iter().find(|row| row.key == key);
        if let Some(value) = row.and_then(|row| row.value.as_f64()) {
            sheet.gauge(about, value);
        }
    }
}

/// The keys, for the test that all of them exist.
#[cfg(test)]
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    LIMITS.into_iter().map(|(key, _)| key)
}
