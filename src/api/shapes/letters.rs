//! Letters: what was sent and what came, with whom, and through whom.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::HexId;
use crate::actors::messages;
use crate::mail::rows::{self, InLetter, OutLetter, State};
use crate::mail::{LetterId, ParseLetterIdError};
use crate::mesh::NodeId;

/// The id of a letter written as 32 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[0-9a-f]{32}$")]
pub struct HexLetter(pub LetterId);

impl TryFrom<String> for HexLetter {
    type Error = ParseLetterIdError;
    fn try_from(text: String) -> Result<HexLetter, ParseLetterIdError> {
        text.parse().map(HexLetter)
    }
}

impl From<HexLetter> for String {
    fn from(letter: HexLetter) -> String {
        letter.0.to_string()
    }
}

/// What has become of a letter; see [`State`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LetterState {
    /// Safe here; nothing has left yet.
    Queued,
    /// On its way.
    Sent,
    /// A mailbox keeps it for the reader.
    Stored,
    /// Safe at the reader's, who has signed for it.
    Delivered,
    /// Somebody was shown it there.
    Read,
    /// Its time ran out.
    Expired,
    /// It will not be tried again.
    Failed,
}

impl LetterState {
    /// The word used in tables and JSON.
    pub fn as_str(self) -> &'static str {
        State::from(self).as_str()
    }

    /// Nothing more is done for it.
    pub fn is_over(self) -> bool {
        State::from(self).is_over()
    }
}

impl From<State> for LetterState {
    fn from(state: State) -> LetterState {
        match state {
            State::Queued => LetterState::Queued,
            State::Sent => LetterState::Sent,
            State::Stored => LetterState::Stored,
            State::Delivered => LetterState::Delivered,
            State::Read => LetterState::Read,
            State::Expired => LetterState::Expired,
            State::Failed => LetterState::Failed,
        }
    }
}

impl From<LetterState> for State {
    fn from(state: LetterState) -> State {
        match state {
            LetterState::Queued => State::Queued,
            LetterState::Sent => State::Sent,
            LetterState::Stored => State::Stored,
            LetterState::Delivered => State::Delivered,
            LetterState::Read => State::Read,
            LetterState::Expired => State::Expired,
            LetterState::Failed => State::Failed,
        }
    }
}

/// `GET letters/{id}`, and one of [`Letters`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Letter {
    /// Which.
    pub id: HexLetter,
    /// To whom.
    pub to: HexId,
    /// Its label, hostile text until escaped; empty when unknown.
    pub label: String,
    /// What has become of it.
    pub state: LetterState,
    /// Why it failed or waits; empty if there is nothing to say. Hostile text until escaped.
    pub why: String,
    /// Bytes of its text.
    pub bytes: u32,
    /// How often it has left.
    pub tries: u32,
    /// The relays of the last path taken, first one first; the reader is not among them.
    pub hops: Vec<HexId>,
    /// The same for each fragment, if there are several.
    pub paths: Vec<Vec<HexId>>,
    /// How many relays its writer wants; none: the setting's.
    pub wanted_hops: Option<u8>,
    /// In how many fragments, and how many are needed (`3/5`); none: as many as it needs.
    pub shards: Option<String>,
    /// Unix milliseconds when it was written.
    pub created_ms: u64,
    /// Unix milliseconds when it first left; none: not yet.
    pub sent_ms: Option<u64>,
    /// Unix milliseconds when a mailbox took it.
    pub stored_ms: Option<u64>,
    /// Unix milliseconds when the reader signed for it.
    pub delivered_ms: Option<u64>,
    /// Unix milliseconds when somebody was shown it.
    pub read_ms: Option<u64>,
    /// Unix milliseconds after which it is given up.
    pub expires_ms: u64,
}

impl Letter {
    /// The shape of a letter to a node with this label.
    pub fn of(letter: &OutLetter, label: String) -> Letter {
        let at = |ms: u64| (ms != 0).then_some(ms);
        let path = |path: &Vec<NodeId>| path.iter().copied().map(HexId).collect::<Vec<_>>();
        Letter {
            id: HexLetter(letter.id),
            to: HexId(letter.reader),
            label,
            state: letter.state.into(),
            why: letter.why.clone(),
            bytes: letter.bytes,
            tries: letter.tries,
            hops: letter.paths.last().map(path).unwrap_or_default(),
            paths: letter.paths.iter().map(path).collect(),
            wanted_hops: letter.hops,
            shards: letter.shards.map(|shards| format!("{}/{}", shards.k, shards.n)),
            created_ms: letter.created_ms,
            sent_ms: at(letter.sent_ms),
            stored_ms: at(letter.stored_ms),
            delivered_ms: at(letter.delivered_ms),
            read_ms: at(letter.read_ms),
            expires_ms: letter.expires_ms,
        }
    }
}

/// Answer to `POST letters`: the letter, safe on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pushed {
    /// The letter.
    #[serde(flatten)]
    pub letter: Letter,
    /// What its writer should know, above all how sure it is who reads it. May hold hostile text.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// `GET letters`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Letters {
    /// Sent from here, newest first.
    pub letters: Vec<Letter>,
    /// By correspondent, newest first.
    pub conversations: Vec<Conversation>,
}

/// All letters with one correspondent, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Conversation {
    /// With whom.
    pub with: HexId,
    /// Its label, hostile text until escaped; empty when unknown.
    pub label: String,
    /// Letters kept that came from there.
    pub received: u64,
    /// How many of them nobody has been shown.
    pub unread: u64,
    /// Letters kept that went there.
    pub sent: u64,
    /// How many of them are under way.
    pub waiting: u64,
    /// Unix milliseconds of the newest one, either way.
    pub last_ms: u64,
}

impl Conversation {
    /// The shape of one with a node that has this label.
    pub fn of(row: &rows::Conversation, label: String) -> Conversation {
        Conversation {
            with: HexId(row.with),
            label,
            received: row.received,
            unread: row.unread,
            sent: row.sent,
            waiting: row.waiting,
            last_ms: row.last_ms,
        }
    }
}

/// `GET inbox`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Inbox {
    /// Letters that came, oldest first.
    pub letters: Vec<Received>,
    /// How many came that nobody has said to have seen, these and those lent to others included.
    #[serde(default)]
    pub unread: u64,
}

/// One letter that came: either `text` or `body_base64`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Received {
    /// Which; unique for one sender.
    pub id: HexLetter,
    /// Who signed it.
    pub from: HexId,
    /// Its label, hostile text until escaped; empty when unknown.
    pub label: String,
    /// What it says, hostile text until escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What it says, when that is no UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    /// Unix milliseconds when its sender says it was written.
    pub created_ms: u64,
    /// Unix milliseconds when it came.
    pub received_ms: u64,
    /// Its place among all that came.
    pub seq: u64,
    /// Somebody has been shown it before.
    pub read: bool,
    /// Its sender is nobody this node knows.
    pub request: bool,
}

impl Received {
    /// The shape of a letter from a node with this label.
    pub fn of(letter: InLetter, label: String) -> Received {
        let (text, body_base64) = match String::from_utf8(letter.body) {
            Ok(text) => (Some(text), None),
            Err(odd) => (None, Some(data_encoding::BASE64.encode(odd.as_bytes()))),
        };
        Received {
            id: HexLetter(letter.id),
            from: HexId(letter.from),
            label,
            text,
            body_base64,
            created_ms: letter.created_ms,
            received_ms: letter.received_ms,
            seq: letter.seq,
            read: letter.read,
            request: letter.request,
        }
    }
}

/// `GET relays`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Relays {
    /// This node passes packets on for others.
    pub volunteer: bool,
    /// This node keeps letters for others that are away.
    pub mailbox: bool,
    /// Every other node that is alive, by id.
    pub nodes: Vec<Relay>,
    /// Nodes that agreed to keep letters for us.
    pub mailboxes: Vec<Mailbox>,
    /// What this node keeps for others.
    pub kept: Kept,
    /// Counters by name.
    #[serde(default)]
    pub counters: BTreeMap<String, u64>,
}

/// One node as a relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Relay {
    /// Which.
    pub id: HexId,
    /// Its label, hostile text until escaped; empty when unknown.
    pub label: String,
    /// It volunteers to pass packets on.
    pub volunteer: bool,
    /// It volunteers to keep letters.
    pub mailbox: bool,
    /// Whether letters go through it now; if not, why.
    pub state: String,
    /// One of the first hops that are kept for long.
    pub guard: bool,
    /// Letters that went through it and were signed for.
    pub delivered: u64,
    /// Paths through it of which no word came back in time.
    pub silent: u64,
}

/// A node that keeps letters for us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Mailbox {
    /// Which.
    pub id: HexId,
    /// Its label, hostile text until escaped; empty when unknown.
    pub label: String,
}

/// What is kept for others that are away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Kept {
    /// For how many.
    pub readers: u64,
    /// How many letters.
    pub letters: u64,
}

impl Relays {
    /// The shape of `relays`; `label` tells the label of a node.
    pub fn of(relays: messages::Relays, label: impl Fn(&NodeId) -> String) -> Relays {
        let relay = |row: &messages::RelayRow| Relay {
            id: HexId(row.id),
            label: label(&row.id),
            volunteer: row.volunteer,
            mailbox: row.mailbox,
            state: row.state.into(),
            guard: row.guard,
            delivered: row.delivered,
            silent: row.silent,
        };
        let mailbox = |id: &NodeId| Mailbox { id: HexId(*id), label: label(id) };
        Relays {
            volunteer: relays.volunteer,
            mailbox: relays.mailbox,
            nodes: relays.nodes.iter().map(relay).collect(),
            mailboxes: relays.mailboxes.iter().map(mailbox).collect(),
            kept: Kept { readers: relays.kept.0, letters: relays.kept.1 },
            counters: relays.counters.into_iter().map(|(name, n)| (name.into(), n)).collect(),
        }
    }
}

/// The event `letter`: one came and is safe on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CameEvent {
    /// Which.
    pub id: HexLetter,
    /// From whom.
    pub from: HexId,
    /// Unix milliseconds.
    pub at_ms: u64,
}

/// The event `outbox`: one that was sent from here is in another state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutboxEvent {
    /// Which.
    pub id: HexLetter,
    /// To whom.
    pub to: HexId,
    /// What has become of it.
    pub state: LetterState,
    /// Why, if there is something to say; hostile text until escaped.
    pub why: String,
    /// Unix milliseconds.
    pub at_ms: u64,
}

/// The event `missed`: this stream was read too slowly for some news of letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Missed {
    /// How many.
    pub count: u64,
}
