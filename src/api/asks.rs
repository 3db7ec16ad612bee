//! The smaller shapes: what is asked with a POST, and what is answered to it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::shapes::{HexFile, HexId, HexLetter};
use crate::actors::messages;
use crate::settings;

/// Asks for something about one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskWho {
    /// Id, prefix of an id, label or `IP:port`.
    pub who: String,
}

/// `POST connect`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskConnect {
    /// `IP:port` or `host:port`.
    #[schema(max_length = 260, pattern = "^[^ ]+:[0-9]{1,5}$", example = "127.0.0.1:9002")]
    pub addr: String,
}

/// `POST shout`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskShout {
    /// At most 16 KiB.
    #[schema(min_length = 1, max_length = 16384)]
    pub text: String,
}

/// `POST letters`: exactly one of `text` and `body_base64`, and something in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskPush {
    /// Id, local name, prefix of an id, label, IP or `IP:port`.
    pub to: String,
    /// What to say: 1 byte to 1 MiB, or what the settings allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The same, for bytes that are no UTF-8: RFC 4648, with padding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    /// Relays to pass, 0 to 4; the setting's if there is none.
    #[schema(maximum = 4)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hops: Option<u8>,
    /// In how many fragments, and how many of them are needed: `3/5`.
    #[schema(pattern = "^[0-9]+/[0-9]+$", example = "3/5")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<String>,
    /// Seconds until it is given up, 1 to 604800; the setting's if there is none.
    #[schema(minimum = 1, maximum = 604800)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_s: Option<u32>,
    /// The writer's own name for it, 1 to 128 bytes: the same again is the same letter.
    #[schema(min_length = 1, max_length = 128)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// `POST inbox/ack`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskAcknowledge {
    /// The letters that somebody has been shown.
    pub letters: Vec<Came>,
}

/// Names a letter that came: its id is unique for one sender only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Came {
    /// Which.
    pub id: HexLetter,
    /// Who signed it.
    pub from: HexId,
}

/// Answer to `inbox/ack`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Acknowledged {
    /// How many of them were unread until now.
    pub acknowledged: usize,
}

/// Answer to `ping`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ping {
    /// Who answered.
    pub id: HexId,
    /// After how many microseconds.
    pub rtt_us: u32,
    /// Over how many links.
    #[serde(default)]
    pub hops: usize,
}

/// Answer to `connect`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Connected {
    /// Who is there.
    pub id: HexId,
    /// The address that was dialled.
    #[schema(value_type = String, example = "127.0.0.1:9001")]
    pub addr: SocketAddr,
}

/// Answer to `disconnect`, `pin`, `unpin`, `ban` and `unban`: it was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Steered {
    /// To whom; none when only a label was unpinned, with no node behind it.
    pub id: Option<HexId>,
}

/// Answer to `shout`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Shouted {
    /// How many links it went out on.
    pub links: usize,
}

/// Answer to `stop` and `leave`: the daemon has begun to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stopping {
    /// Always true.
    pub stopping: bool,
}

/// Answer to `reload`: keys of settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reload {
    /// In force now.
    pub applied: Vec<String>,
    /// In force after a restart.
    pub needs_restart: Vec<String>,
}

impl From<messages::Reloaded> for Reload {
    fn from(done: messages::Reloaded) -> Reload {
        Reload { applied: done.applied, needs_restart: done.needs_restart }
    }
}

/// Answer to `config`: the settings in force, in the order of `default.toml`, secrets redacted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Config {
    /// The settings.
    pub settings: Vec<Setting>,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Setting {
    /// Its key, dotted.
    pub key: String,
    /// Its value.
    pub value: serde_json::Value,
    /// The layer it came from, when asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

impl Config {
    /// The shape of `rows`, with or without where each came from.
    pub fn of(rows: Vec<messages::SettingRow>, with_origin: bool) -> Config {
        let setting = |row: messages::SettingRow| Setting {
            key: row.key,
            value: row.value,
            origin: with_origin.then_some(row.origin),
        };
        Config { settings: rows.into_iter().map(setting).collect() }
    }
}

/// What `node check` tells; no daemon is asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Nothing is wrong.
    pub good: bool,
    /// How many settings there are, if nothing is wrong.
    pub settings: Option<usize>,
    /// All that is wrong, in the order of the layers.
    pub problems: Vec<Wrong>,
}

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrong {
    /// Which setting, dotted; none when it is about a whole file or argument.
    pub key: Option<String>,
    /// What was written there, as in TOML and shortened, or `(secret)`.
    pub value: Option<String>,
    /// What it may be.
    pub range: Option<String>,
    /// Where it was written: a file with its line, a variable of the environment, or a flag.
    pub layer: Option<String>,
    /// All of it as a sentence.
    pub text: String,
}

impl From<&settings::Problem> for Wrong {
    fn from(problem: &settings::Problem) -> Wrong {
        let settings::Parts { key, value, range, layer } = problem.parts();
        Wrong { key, value, range, layer, text: problem.to_string() }
    }
}

/// `POST share`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskShare {
    /// An absolute path.
    pub path: String,
}

/// `POST get`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskGet {
    /// A ticket or a file id.
    pub ticket: String,
    /// An absolute path: an existing directory to put it into, or what it is to be called. None: the directory
    /// of the settings.
    #[serde(default)]
    pub out: Option<String>,
    /// Overwrite what is there.
    #[serde(default)]
    pub force: bool,
}

/// `POST forget`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskFile {
    /// File id, its first 8 or more digits, a ticket, or the exact name.
    pub file: String,
}

/// Answer to `share` and `get`: it has begun. Also to `stop` of a transfer: it has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Begun {
    /// The transfer that tells the rest.
    pub transfer: u64,
}

/// Answer to `forget`: it was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Forgotten {
    /// Which.
    pub file_id: HexFile,
    /// Its name, hostile text until escaped; empty if it was not known.
    pub name: String,
}

/// Answer to `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    /// Whether it can be used.
    pub ready: bool,
}

/// `POST session/link`: a link that lets a browser in, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Link {
    /// To be opened in a browser on this machine.
    pub url: String,
    /// Seconds for which it works.
    pub expires_s: u64,
}

/// `POST session`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskSession {
    /// What stands behind the `#` of the link.
    pub key: String,
}

/// What `POST session` answers, beside a cookie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// To be sent in the header `X-Kith-Page`, beside the cookie.
    pub page_key: String,
    /// Whose page it is.
    pub id: HexId,
    /// Its label.
    pub label: String,
}
