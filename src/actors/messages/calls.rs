//! A node that cannot be dialled is asked, through a neighbour, to dial us.

use actix::Message;

use crate::mesh::NodeId;
use crate::mesh::record::Record;

/// Topology: this node is needed and cannot be dialled. Losing it delays a link until it is needed again.
#[derive(Message)]
#[rtype(result = "()")]
pub struct CallBack(pub NodeId);

/// PeerRegistry: the author of this card cannot dial us and asks to be dialled. Losing it delays a link
/// until the other end asks again.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Called(pub Record);
