//! Every setting there is: its key, what it may be, and whether a running daemon can take a change.

use super::check::Kind;

/// What a reload does with a changed setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnReload {
    /// The running daemon takes it.
    Applied,
    /// It waits for the next start.
    Restart,
}

/// One setting.
#[derive(Debug)]
pub(super) struct Row {
    /// Full dotted key.
    pub key: &'static str,
    /// Type and range.
    pub kind: Kind,
    /// What a reload does with it.
    pub on_reload: OnReload,
}

const fn row(key: &'static str, kind: Kind, on_reload: OnReload) -> Row {
    Row { key, kind, on_reload }
}

const fn count(most: i64) -> Kind {
    Kind::Whole { least: 1, most }
}

const fn seconds(least: f64, most: f64) -> Kind {
    Kind::Seconds { least, most }
}

/// Bytes per second; 0 is no limit.
const RATE: Kind = Kind::Whole { least: 0, most: 1_000_000_000_000 };
/// Room for at least a few dozen of the largest packets.
const KEPT_BYTES: Kind = Kind::Whole { least: 1_048_576, most: 1_099_511_627_776 };

use Kind::{Addresses, Choice, Flag, Ids, Ip, Loopback, Path, Targets, Text, Whole};
use OnReload::{Applied, Restart};

/// All settings, in the order of `config/network/default.toml`.
#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    row("label", Text { least: 0, most: 64 }, Restart),
    row("network.name", Text { least: 1, most: 64 }, Restart),
    row("network.secret", Kind::Secret { most: 256 }, Restart),
    row("network.period", Kind::Period { least: 0.05, most: 3600.0 }, Applied),
    row("network.trust", Choice(&["open", "pinned-only"]), Applied),
    row("network.allow", Ids { most: 4096 }, Applied),
    row("network.deny", Ids { most: 4096 }, Applied),
    row("network.key", Path, Restart),
    row("network.cert", Path, Restart),
    row("network.controller.d2", Flag, Restart),
    row("network.controller.peer_file_dump_interval", seconds(0.1, 3600.0), Applied),
    // A link state lists at most 1,024 links (mesh::record::LINKS_MAX).
    row("network.controller.incoming.max_conn_count", count(1024), Applied),
    row("network.controller.incoming.max_simultaneous_conn_attempts", count(4096), Applied),
    row("network.controller.incoming.max_conn_per_address", count(1024), Applied),
    row("network.controller.outgoing.max_simultaneous_conn_attempts", count(1024), Applied),
    row("network.controller.outgoing.conn_attempts_per_second", count(10_000), Applied),
    row("network.controller.peers.max_conn_attempt", count(1000), Applied),
    row("network.controller.peers.conn_attempt_delay", seconds(0.01, 3600.0), Applied),
    row("network.controller.peers.conn_attempt_delay_max", seconds(0.01, 86_400.0), Applied),
    row("network.controller.peers.max_idle_count", count(65_536), Applied),
    row("network.controller.peers.max_banned_count", count(65_536), Applied),
    row("network.controller.peers.heartbeat_timeout", seconds(0.1, 600.0), Applied),
    row("network.controller.peers.heartbeat_period", seconds(0.05, 60.0), Applied),
    row("network.controller.listen.addr", Ip, Restart),
    row("network.controller.listen.port", Whole { least: 0, most: 65_535 }, Restart),
    // A card holds at most 8 addresses (mesh::record::ADDRS_MAX).
    row("network.controller.listen.advertise", Addresses { most: 8 }, Restart),
    row("network.controller.target.path", Path, Restart),
    row("network.controller.target.connect", Targets { most: 256 }, Restart),
    row("network.discovery.mdns", Flag, Applied),
    row("network.topology.mode", Choice(&["auto", "full", "partial"]), Applied),
    row("network.topology.degree", Whole { least: 4, most: 64 }, Applied),
    row("network.topology.max_conns", Whole { least: 8, most: 128 }, Applied),
    row("network.graph.nodes_max", count(65_536), Applied),
    row("network.graph.records_per_second", count(100_000), Applied),
    row("network.graph.forget_after", seconds(1.0, 31_536_000.0), Applied),
    row("network.link.handshake_timeout", seconds(0.1, 300.0), Applied),
    // A lane must hold at least one frame; the bulk lane, what is read for one peer at once.
    row("network.link.normal_bytes_max", Whole { least: 65_600, most: 67_108_864 }, Applied),
    row("network.link.bulk_bytes_max", Whole { least: 1_048_576, most: 1_073_741_824 }, Applied),
    row("network.link.stalled_timeout", seconds(0.1, 300.0), Applied),
    row("pieces.dir", Path, Restart),
    // At least one of the shortest pieces; the longest are 16 MiB.
    row("pieces.buffer_bytes_max", Whole { least: 1_048_576, most: 1_073_741_824 }, Applied),
    row("pieces.upload_bytes_per_second", RATE, Applied),
    row("pieces.upload_bytes_per_second_per_peer", RATE, Applied),
    row("pieces.download_bytes_per_second", RATE, Applied),
    row("pieces.transfers_max", count(64), Applied),
    // Nodes keep at most 10,000 announcements of one holder.
    row("pieces.files_max", count(10_000), Applied),
    row("pieces.index_max", count(1_048_576), Applied),
    row("pieces.quota_bytes", Whole { least: 0, most: 1_125_899_906_842_624 }, Applied),
    row("control.listen", Loopback, Restart),
    row("log.format", Choice(&["text", "json"]), Applied),
    row("log.levels", Kind::Levels { most: 1024 }, Applied),
    row("state.dir", Path, Restart),
    row("relay.volunteer", Flag, Restart),
    row("relay.packets_per_second", count(1_000_000), Applied),
    row("relay.packets_per_second_per_link", count(1_000_000), Applied),
    row("relay.mailbox", Flag, Restart),
    row("relay.kept_bytes_max", KEPT_BYTES, Applied),
    row("relay.kept_bytes_max_per_reader", KEPT_BYTES, Applied),
    row("relay.kept_letters_max_per_reader", count(1_000_000), Applied),
    // A packet has at most five hops, and the last one is the reader.
    row("mail.hops", Whole { least: 0, most: 4 }, Applied),
    row("mail.direct_fallback", Choice(&["always", "ask", "never"]), Applied),
    row("mail.ttl", seconds(60.0, 604_800.0), Applied),
    row("mail.body_bytes_max", count(1_048_576), Applied),
    row("mail.outbox_letters_max", count(1_000_000), Applied),
    row("mail.history_letters_max", Whole { least: 0, most: 1_000_000 }, Applied),
    row("mail.inbox_letters_max", count(10_000_000), Applied),
    // Room for at least one largest letter.
    row("mail.inbox_bytes_max", Whole { least: 1_048_576, most: 1_099_511_627_776 }, Applied),
    // A card names at most three.
    row("mail.mailboxes", Whole { least: 0, most: 3 }, Applied),
    row("mail.read_receipts", Flag, Applied),
    row("mail.requests_per_day", Whole { least: 0, most: 1_000_000 }, Applied),
];

/// Older spellings and the keys they mean now.
const OLDER: &[(&str, &str)] =
    &[("network.controller.target.file", "network.controller.target.path")];

/// The setting of that key, in today's or an older spelling.
pub(super) fn find(key: &str) -> Option<&'static Row> {
    let key = OLDER.iter().find(|(older, _)| *older == key).map_or(key, |(_, today)| today);
    ROWS.iter().find(|row| row.key == key)
}

/// The names directly below a section, each once; empty if there is no such section.
pub(super) fn section(key: &str) -> Vec<&'static str> {
    let below = |row: &Row| row.key.strip_prefix(key)?.strip_prefix('.')?.split('.').next();
    let mut names: Vec<_> = ROWS.iter().filter_map(below).collect();
    names.dedup();
    names
}

/// The setting whose key is most like `key`, if any is alike.
///
/// A short form (`listen.prt`, `port`) is compared with the ends of the full keys.
pub(super) fn nearest(key: &str) -> Option<&'static str> {
    let ends = ROWS.iter().flat_map(|row| {
        let starts = row.key.match_indices('.').map(|(at, _)| at + 1);
        std::iter::once(0).chain(starts).map(|at| (row.key, &row.key[at..]))
    });
    nearest_of(key, ends)
}

/// The first of the pairs whose second text is most like `text`, if any is alike.
pub(super) fn nearest_of<'a>(
    text: &str,
    names: impl Iterator<Item = (&'a str, &'a str)>,
) -> Option<&'a str> {
    // Comparing costs length times length, and no name is that long.
    if text.len() > 200 {
        return None;
    }
    let alike = |name: &str| strsim::normalized_damerau_levenshtein(text, name);
    names
        .map(|(whole, name)| (whole, alike(name)))
        .filter(|(_, alike)| *alike >= 0.6)
        .reduce(|best, next| if next.1 > best.1 { next } else { best })
        .map(|(whole, _)| whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_keys_are_found() {
        for (wrong, right) in [
            ("network.controller.listen.prt", "network.controller.listen.port"),
            ("listen.prt", "network.controller.listen.port"),
            ("port", "network.controller.listen.port"),
            ("network.listen.port", "network.controller.listen.port"),
            ("lable", "label"),
            ("network.controller.target.files", "network.controller.target.path"),
            ("hearbeat_period", "network.controller.peers.heartbeat_period"),
            ("logs.format", "log.format"),
        ] {
            assert_eq!(nearest(wrong), Some(right), "{wrong}");
        }
        assert_eq!(nearest("colour"), None);
        assert_eq!(nearest(&"x".repeat(100_000)), None);
    }

    #[test]
    fn a_section_names_what_is_in_it() {
        assert_eq!(section("network.controller.listen"), ["addr", "port", "advertise"]);
        assert_eq!(section("log"), ["format", "levels"]);
        assert!(section("label").is_empty());
        assert!(section("net").is_empty());
    }

    #[test]
    fn the_older_spelling_of_the_target_is_known() {
        let row = find("network.controller.target.file").unwrap();
        assert_eq!(row.key, "network.controller.target.path");
    }
}
