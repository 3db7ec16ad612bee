//! What the Letterbox and the Sealers are asked. Each answers when it is done; a lost question is asked again
//! by whatever wanted it.

use std::collections::BTreeSet;
use std::sync::Arc;

use actix::Message;

use crate::mail::LetterId;
use crate::mail::rows::{Change, Conversation, InLetter, KeptLetter, OutLetter, Outcome};
use crate::mail::work::{Opened, Peel, Wrap, Wrapped};
use crate::mesh::NodeId;
use crate::store::database::DbError;

/// Letterbox: make these changes, all together. Answers once they are safe on the disk.
#[derive(Message)]
#[rtype(result = "Result<Vec<Outcome>, DbError>")]
pub struct CommitLetters(pub Vec<Change>);

/// Letterbox: somebody has been shown these; which of them were unread before.
#[derive(Message)]
#[rtype(result = "Result<Vec<(NodeId, LetterId)>, DbError>")]
pub struct MarkRead(pub Vec<(NodeId, LetterId)>);

/// Letterbox: the text of a letter sent from here.
#[derive(Message)]
#[rtype(result = "Result<Option<Arc<[u8]>>, DbError>")]
pub struct BodyOf(pub LetterId);

/// Letterbox: letters kept for a node, and whether there are more.
#[derive(Message)]
#[rtype(result = "Result<(Vec<KeptLetter>, bool), DbError>")]
pub struct KeptFor {
    /// For whom.
    pub reader: NodeId,
    /// Not these.
    pub but: BTreeSet<[u8; 16]>,
    /// At most so many bytes, of which the first letter may be more.
    pub bytes: usize,
    /// Unix milliseconds: what has expired by then is not given.
    pub now_ms: u64,
}

/// Letterbox: letters sent from here, newest first, and conversations.
#[derive(Message)]
#[rtype(result = "Result<(Vec<OutLetter>, Vec<Conversation>), DbError>")]
pub struct Written {
    /// Only those to this node.
    pub with: Option<NodeId>,
    /// At most so many letters.
    pub limit: usize,
}

/// Letterbox: one letter sent from here.
#[derive(Message)]
#[rtype(result = "Result<Option<OutLetter>, DbError>")]
pub struct WrittenOne(pub LetterId);

/// Letterbox: letters that came, oldest first.
#[derive(Message)]
#[rtype(result = "Result<Vec<InLetter>, DbError>")]
pub struct Received {
    /// Only those from this node.
    pub with: Option<NodeId>,
    /// Only those that nobody has been shown.
    pub unread: bool,
    /// Only those whose number is above this.
    pub after: u64,
    /// At most so many.
    pub limit: usize,
}

/// Letterbox: how many letters nobody has been shown.
#[derive(Message)]
#[rtype(result = "u64")]
pub struct UnreadWanted;

/// Sealers: seal and wrap.
#[derive(Message)]
#[rtype(result = "Result<Vec<Wrapped>, String>")]
pub struct WrapIt(pub Box<Wrap>);

/// Sealers: take off a layer, and open what is for us.
#[derive(Message)]
#[rtype(result = "Box<Opened>")]
pub struct PeelIt(pub Peel);
