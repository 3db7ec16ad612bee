//! Whether one value is of the kind and in the range its setting asks for.

use std::net::{IpAddr, SocketAddr};

use toml::Value;

use super::problem::shown;
use super::table::nearest_of;
use crate::logs;
use crate::mesh::NodeId;

/// What a setting may be. Bounds are inclusive.
#[derive(Debug)]
pub(super) enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Whole { least: i64, most: i64 },
    /// A length of time in seconds, whole or not.
    Seconds { least: f64, most: f64 },
    /// `"auto"`, or a length of time in seconds.
    Period { least: f64, most: f64 },
    /// A text, bounds in bytes.
    Text { least: usize, most: usize },
    /// A text that is never shown, bound in bytes.
    Secret { most: usize },
    /// Levels of the log, for all and for single modules, bound in bytes.
    Levels { most: usize },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A path; empty where the setting says what that means.
    Path,
    /// An IP address.
    Ip,
    /// An IP address and port on this machine only.
    Loopback,
    /// A list of IP addresses with ports that others can dial.
    Addresses { most: usize },
    /// A list of addresses to dial: `IP:port` or `host:port`.
    Targets { most: usize },
    /// A list of node ids.
    Ids { most: usize },
}

/// Longest path, bytes: Linux's PATH_MAX.
const PATH_BYTES_MAX: usize = 4096;

impl Kind {
    /// Whether a value given as plain text (environment, `-s`) is that text itself.
    pub fn is_text(&self) -> bool {
        matches!(
            self,
            Kind::Text { .. }
                | Kind::Secret { .. }
                | Kind::Levels { .. }
                | Kind::Path
                | Kind::Choice(_)
        )
    }

    /// Whether the value must not be shown.
    pub fn is_secret(&self) -> bool {
        matches!(self, Kind::Secret { .. })
    }

    /// What is allowed, to be read after "expected".
    pub fn expected(&self) -> String {
        match self {
            Kind::Flag => "true or false".into(),
            Kind::Whole { least, most } => format!("a whole number from {least} to {most}"),
            Kind::Seconds { least, most } => format!("seconds from {least} to {most}"),
            Kind::Period { least, most } => {
                format!("\"auto\" or seconds from {least} to {most}")
            }
            Kind::Text { least, most } => {
                format!("a text of {least} to {most} bytes without control characters")
            }
            Kind::Secret { most } => {
                format!("a text of 0 to {most} bytes without control characters")
            }
            Kind::Levels { most } => format!(
                "levels such as \"info\" or \"warn,kith::net=debug\" (off, error, warn, info, debug, \
                 trace), at most {most} bytes"
            ),
            Kind::Choice(words) => {
                let words: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
                words.join(" or ")
            }
            Kind::Path => "a path as text, without control characters".into(),
            Kind::Ip => "an IP address such as \"::\" or \"127.0.0.1\"".into(),
            Kind::Loopback => "a loopback address and port such as \"127.0.0.1:0\"".into(),
            Kind::Addresses { most } => {
                format!("a list of at most {most} addresses such as [\"192.0.2.1:8100\"]")
            }
            Kind::Targets { most } => {
                format!("a list of at most {most} addresses such as [\"127.0.0.1:8100\"]")
            }
            Kind::Ids { most } => format!("a list of at most {most} node ids of 64 hex digits"),
        }
    }

    /// The value in its one form (lengths of time as floats), or a hint why it is refused.
    pub fn accept(&self, value: &Value) -> Result<Value, Option<String>> {
        let fits = match (self, value) {
            (Kind::Flag, Value::Boolean(_)) => true,
            (Kind::Whole { least, most }, Value::Integer(n)) => (least..=most).contains(&n),
            (Kind::Period { .. }, Value::String(word)) => word == "auto",
            (Kind::Seconds { least, most } | Kind::Period { least, most }, _) => {
                let seconds = match value {
                    Value::Integer(n) => *n as f64,
                    Value::Float(n) => *n,
                    _ => return Err(None),
                };
                let fits = (*least..=*most).contains(&seconds);
                return if fits { Ok(Value::Float(seconds)) } else { Err(None) };
            }
            (Kind::Text { least, most }, Value::String(text)) => plain(text, *least, *most),
            (Kind::Secret { most }, Value::String(text)) => plain(text, 0, *most),
            (Kind::Path, Value::String(text)) => plain(text, 0, PATH_BYTES_MAX),
            (Kind::Levels { most }, Value::String(text)) => {
                if !plain(text, 0, *most) {
                    return Err(None);
                }
                return logs::check(text).map(|()| value.clone()).map_err(Some);
            }
            (Kind::Choice(words), Value::String(text)) => {
                return if words.contains(&text.as_str()) {
                    Ok(value.clone())
                } else {
                    let near = nearest_of(text, words.iter().map(|word| (*word, *word)));
                    Err(near.map(|word| format!("did you mean \"{word}\"?")))
                };
            }
            (Kind::Ip, Value::String(text)) => text.parse::<IpAddr>().is_ok(),
            (Kind::Loopback, Value::String(text)) => {
                text.parse::<SocketAddr>().is_ok_and(|addr| addr.ip().is_loopback())
            }
            (Kind::Addresses { most }, _) => return each(value, *most, is_dialable),
            (Kind::Targets { most }, _) => return each(value, *most, is_target),
            (Kind::Ids { most }, _) => return each(value, *most, |t| t.parse::<NodeId>().is_ok()),
            _ => false,
        };
        if fits { Ok(value.clone()) } else { Err(None) }
    }
}

fn plain(text: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Accepts a list of texts that all pass `good`; names the first that does not.
fn each(value: &Value, most: usize, good: fn(&str) -> bool) -> Result<Value, Option<String>> {
    let Value::Array(items) = value else { return Err(None) };
    if items.len() > most {
        return Err(Some(format!("there are {}", items.len())));
    }
    match items.iter().find(|item| !item.as_str().is_some_and(good)) {
        Some(bad) => Err(Some(format!("{} is none", shown(bad)))),
        None => Ok(value.clone()),
    }
}

/// An address others can be told: a definite IP and a port.
fn is_dialable(text: &str) -> bool {
    text.parse::<SocketAddr>().is_ok_and(|addr| addr.port() != 0 && !addr.ip().is_unspecified())
}

/// An address to dial, `IP:port` or `host:port` (RFC 1123 names, and `_` as some networks use it).
pub(super) fn is_target(text: &str) -> bool {
    if let Ok(addr) = text.parse::<SocketAddr>() {
        return addr.port() != 0;
    }
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    // A name of digits and dots only is a mistyped IP address.
    host.len() <= 253
        && host.split('.').all(label)
        && host.bytes().any(|b| b.is_ascii_alphabetic())
        && port.bytes().all(|b| b.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_addresses_or_names_with_a_port() {
        for good in ["127.0.0.1:8080", "[::1]:8090", "localhost:1", "a-b.example.org:65535"] {
            assert!(is_target(good), "{good}");
        }
        for bad in [
            "",
            "::1",
            "127.0.0.1",
            "localhost",
            "localhost:0",
            "[::1]:0",
            "a:65536",
            "a:+1",
            ":80",
            "a b:80",
            "256.1.1.1:80",
            "a..b:80",
            "-a:80",
            "a:80:90",
            "http://a:80",
        ] {
            assert!(!is_target(bad), "{bad}");
        }
    }

    #[test]
    fn bounds_are_inclusive() {
        let whole = Kind::Whole { least: 1, most: 3 };
        let fits = |kind: &Kind, value: Value| kind.accept(&value).is_ok();
        assert!(fits(&whole, 1.into()) && fits(&whole, 3.into()));
        assert!(!fits(&whole, 0.into()) && !fits(&whole, 4.into()));
        assert!(!fits(&whole, 2.0.into()) && !fits(&whole, "2".into()));
        let seconds = Kind::Seconds { least: 0.05, most: 60.0 };
        assert_eq!(seconds.accept(&5.into()), Ok(Value::Float(5.0)));
        for bad in [0.049, 60.1, f64::NAN, f64::INFINITY, -1.0] {
            assert!(!fits(&seconds, bad.into()), "{bad}");
        }
    }

    #[test]
    fn a_list_names_what_is_wrong_in_it() {
        let kind = Kind::Targets { most: 2 };
        let list = |items: &[&str]| Value::from(items.to_vec());
        assert_eq!(kind.accept(&list(&["a:1", "a"])), Err(Some("\"a\" is none".into())));
        assert_eq!(kind.accept(&list(&["a:1", "a:2", "a:3"])), Err(Some("there are 3".into())));
        assert!(kind.accept(&list(&[])).is_ok());
    }
}
