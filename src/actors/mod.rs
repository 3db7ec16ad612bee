//! The actors: thin shells that turn messages into events for one pure core each, and its effects into
//! messages. Actors never import one another, only [`messages`]; `supervisor` alone starts and wires them.

pub mod messages;
