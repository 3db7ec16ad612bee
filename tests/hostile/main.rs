//! What hostile strangers and hostile members do to a node, over real sockets. After each attack the node
//! runs, has not panicked, has given back what it took, and lets an honest node in.

mod client;
#[path = "../common/mod.rs"]
mod common;
mod files;
mod greeting;
mod linked;
mod packets;
mod strangers;
mod target;
