//! The settings that checks look at, taken from the rows that the daemon or the files give.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use serde::de::DeserializeOwned;

use super::facts::Values;
use crate::api::asks::Setting;

impl Values {
    /// Those in `rows`; what is missing there is as it would be by default.
    pub fn of(rows: &[Setting]) -> Values {
        let path = |key: &str| {
            let path: PathBuf = read(rows, key).unwrap_or_default();
            (!path.as_os_str().is_empty()).then_some(path)
        };
        let listen = "network.controller.listen";
        let addr: IpAddr =
            read(rows, &format!("{listen}.addr")).unwrap_or(Ipv6Addr::UNSPECIFIED.into());
        let number = |key: &str, usual: u64| read(rows, key).unwrap_or(usual);
        let incoming = "network.controller.incoming";
        let outgoing = "network.controller.outgoing";
        let attempts = "max_simultaneous_conn_attempts";
        Values {
            listen: SocketAddr::new(addr, read(rows, &format!("{listen}.port")).unwrap_or(8100)),
            advertise: read(rows, &format!("{listen}.advertise")).unwrap_or_default(),
            open: read::<String>(rows, "network.trust").is_none_or(|trust| trust == "open"),
            secret: read::<String>(rows, "network.secret").is_some_and(|secret| !secret.is_empty()),
            allowed: read::<Vec<String>>(rows, "network.allow").map_or(0, |ids| ids.len()),
            mdns: read(rows, "network.discovery.mdns").unwrap_or(false),
            links_max: number(&format!("{incoming}.max_conn_count"), 128),
            handshakes_max: number(&format!("{incoming}.{attempts}"), 64)
                + number(&format!("{outgoing}.{attempts}"), 16),
            transfers_max: number("pieces.transfers_max", 8),
            buffer_bytes: number("pieces.buffer_bytes_max", 24 << 20),
            key: path("network.key"),
            downloads: path("pieces.dir"),
        }
    }
}

/// The value of one setting, if it is there and of the kind that is asked for.
pub fn read<T: DeserializeOwned>(rows: &[Setting], key: &str) -> Option<T> {
    let row = rows.iter().find(|row| row.key == key)?;
    serde_json::from_value(row.value.clone()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::settings::{Sources, load};

    fn rows(sets: &[&str]) -> Vec<Setting> {
        let sets = sets.iter().map(ToString::to_string).collect();
        let loaded = load(&Sources { sets, ..Sources::default() }).expect("good settings");
        super::super::gather::rows_of(&loaded)
    }

    #[test]
    fn every_setting_is_found_under_its_key() {
        let usual = Values::of(&rows(&[]));
        assert_eq!(usual, Values::of(&[]), "what is missing is as it is by default");
        let changed = rows(&[
            "network.controller.listen.addr=127.0.0.1",
            "network.controller.listen.port=9",
            "network.controller.listen.advertise=[\"192.0.2.1:9\"]",
            "network.trust=pinned-only",
            "network.secret=hunter2",
            "network.discovery.mdns=true",
            "network.controller.incoming.max_conn_count=1",
            "network.controller.incoming.max_simultaneous_conn_attempts=2",
            "network.controller.outgoing.max_simultaneous_conn_attempts=3",
            "pieces.transfers_max=4",
            "pieces.buffer_bytes_max=1048576",
            "network.key=k.pem",
            "pieces.dir=d",
            "network.allow=[\"abababababababababababababababababababababababababababababababab\"]",
        ]);
        assert!(
            !json!(changed.iter().map(|r| &r.value).collect::<Vec<_>>())
                .to_string()
                .contains("hunter2")
        );
        let expected = Values {
            listen: "127.0.0.1:9".parse().expect("an address"),
            advertise: vec!["192.0.2.1:9".parse().expect("an address")],
            open: false,
            secret: true,
            allowed: 1,
            mdns: true,
            links_max: 1,
            handshakes_max: 5,
            transfers_max: 4,
            buffer_bytes: 1 << 20,
            key: Some("k.pem".into()),
            downloads: Some("d".into()),
        };
        assert_eq!(Values::of(&changed), expected);
    }
}
