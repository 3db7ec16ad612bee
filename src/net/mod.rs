//! Sockets and what protects them: how a TCP stream becomes a link to somebody whose id is certain.
//!
//! Knows TLS and bytes on streams, and takes its identity from [`crate::store`]. Knows no actor, no
//! graph and no settings: who may link is decided elsewhere, from the id this room proves.

pub mod buffers;
mod counted;
pub mod discovery;
mod goodbye;
pub mod lanes;
pub mod proof;
mod reader;
pub mod session;
pub mod stream;
pub mod tally;
pub mod tls;
pub mod wanted;
