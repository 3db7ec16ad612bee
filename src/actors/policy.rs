//! From settings to the policies the cores follow, and to what is shown of them.

use std::time::Duration;

use super::messages::SettingRow;
use crate::mail;
use crate::mesh::graph;
use crate::mesh::shape::{Mode, Plan};
use crate::mesh::trust::Rules;
use crate::mesh::{peers, pulse, topology};
use crate::net::lanes::LaneLimits;
use crate::pieces;
use crate::settings::{self, DirectFallback, Loaded, Settings, Trust};
use crate::store::pieces::Limits;

fn size(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// For the registry.
pub fn peers(settings: &Settings) -> peers::Policy {
    let network = &settings.network;
    let (incoming, outgoing) = (&network.controller.incoming, &network.controller.outgoing);
    let peers = &network.controller.peers;
    peers::Policy {
        rules: Rules {
            pinned_only: network.trust == Trust::PinnedOnly,
            allow: network.allow.iter().copied().collect(),
            deny: network.deny.iter().copied().collect(),
        },
        incoming_max: size(incoming.max_conn_count),
        pending_max: size(incoming.max_simultaneous_conn_attempts),
        per_address_max: size(incoming.max_conn_per_address),
        dialing_max: size(outgoing.max_simultaneous_conn_attempts),
        dials_per_second: outgoing.conn_attempts_per_second,
        attempts_max: peers.max_conn_attempt,
        delay: (peers.conn_attempt_delay.duration(), peers.conn_attempt_delay_max.duration()),
        book_max: size(peers.max_idle_count),
        banned_max: size(peers.max_banned_count),
        plan: plan(settings),
    }
}

/// Who links with whom.
fn plan(settings: &Settings) -> Plan {
    let topology = &settings.network.topology;
    let small = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
    Plan {
        mode: match topology.mode {
            settings::Mode::Auto => Mode::Auto,
            settings::Mode::Full => Mode::Full,
            settings::Mode::Partial => Mode::Partial,
        },
        degree: small(topology.degree),
        conns_max: small(topology.max_conns),
    }
}

/// For the heartbeat.
pub fn pulse(settings: &Settings) -> pulse::Policy {
    let peers = &settings.network.controller.peers;
    pulse::Policy {
        period: peers.heartbeat_period.duration(),
        timeout: peers.heartbeat_timeout.duration(),
    }
}

/// For the topology.
pub fn topology(settings: &Settings) -> topology::Policy {
    let (network, graph) = (&settings.network, &settings.network.graph);
    let degree = network.controller.incoming.max_conn_count;
    topology::Policy {
        period: network.period.fixed(),
        limits: graph::Limits {
            nodes_max: size(graph.nodes_max),
            forget_after: graph.forget_after.duration(),
        },
        records_per_second: graph.records_per_second,
        degree_max: u16::try_from(degree).unwrap_or(u16::MAX),
        plan: plan(settings),
    }
}

/// For the lanes of each link.
pub fn lanes(settings: &Settings) -> LaneLimits {
    let link = &settings.network.link;
    LaneLimits { normal: size(link.normal_bytes_max), bulk: size(link.bulk_bytes_max) }
}

/// For the exchange of files.
pub fn pieces(settings: &Settings) -> pieces::event::Policy {
    let files = &settings.pieces;
    pieces::event::Policy {
        buffer_bytes_max: files.buffer_bytes_max,
        upload_bytes_per_second: files.upload_bytes_per_second,
        upload_bytes_per_second_per_peer: files.upload_bytes_per_second_per_peer,
        download_bytes_per_second: files.download_bytes_per_second,
        transfers_max: size(files.transfers_max),
        files_max: size(files.files_max),
        index_max: size(files.index_max),
    }
}

/// For the courier.
pub fn mail(settings: &Settings) -> mail::event::Policy {
    let (relay, letters) = (&settings.relay, &settings.mail);
    mail::event::Policy {
        volunteer: relay.volunteer,
        mailbox: relay.mailbox,
        packets_per_second: relay.packets_per_second,
        packets_per_second_per_link: relay.packets_per_second_per_link,
        hops: letters.hops,
        fallback: match letters.direct_fallback {
            DirectFallback::Always => mail::event::Fallback::Always,
            DirectFallback::Ask => mail::event::Fallback::Ask,
            DirectFallback::Never => mail::event::Fallback::Never,
        },
        ttl: letters.ttl.duration(),
        body_bytes_max: size(letters.body_bytes_max),
        outbox_max: size(letters.outbox_letters_max),
        mailboxes: letters.mailboxes.into(),
        read_receipts: letters.read_receipts,
        requests_per_day: letters.requests_per_day,
    }
}

/// For the letters on disk.
pub fn letters(settings: &Settings) -> mail::rows::Limits {
    let (relay, letters) = (&settings.relay, &settings.mail);
    mail::rows::Limits {
        inbox_bytes: letters.inbox_bytes_max,
        inbox_letters: letters.inbox_letters_max.into(),
        history_letters: letters.history_letters_max.into(),
        kept_bytes: relay.kept_bytes_max_per_reader,
        kept_letters: relay.kept_letters_max_per_reader.into(),
        kept_bytes_all: relay.kept_bytes_max,
    }
}

/// For the files on disk.
pub fn files(settings: &Settings) -> Limits {
    let (files_max, quota_bytes) = (size(settings.pieces.files_max), settings.pieces.quota_bytes);
    Limits { files_max, quota_bytes, ..Limits::default() }
}

/// Time between two saves of the address book.
pub fn save_every(settings: &Settings) -> Duration {
    settings.network.controller.peer_file_dump_interval.duration()
}

/// The effective settings as shown.
pub fn setting_rows(loaded: &Loaded) -> Vec<SettingRow> {
    let row = |line: crate::settings::Line| SettingRow {
        key: line.key.to_owned(),
        value: serde_json::to_value(&line.value).unwrap_or_default(),
        origin: line.origin.unwrap_or_default(),
    };
    loaded.describe(true).into_iter().map(row).collect()
}
