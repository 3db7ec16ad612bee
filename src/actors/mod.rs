//! The actors: thin shells that turn messages into events for one pure core each, and its effects into
//! messages. Actors never import one another, only [`messages`]; `supervisor` alone starts and wires them.

pub mod boot;
pub mod connection;
mod courier;
mod discovery;
mod disk;
mod exchange;
mod generation;
mod heartbeat;
mod letterbox;
mod lifeline;
pub mod listener;
pub mod mesh;
pub mod messages;
mod notices;
pub mod policy;
mod post;
mod registry;
mod sealers;
pub mod services;
mod shelf;
mod signals;
pub mod supervisor;
mod topology;
mod turn;
mod voice;

pub use lifeline::Lifeline;
pub use post::{deliver, lost, post, to};
pub use voice::Voice;
