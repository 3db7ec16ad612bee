//! The control API: one daemon's state and verbs over HTTP on a loopback address.
//!
//! Knows the messages the actors answer, the current [`View`](crate::mesh::view::View),
//! [`PiecesView`](crate::actors::messages::PiecesView) and [`MailView`](crate::actors::messages::MailView); turns requests into the ones and JSON into the others. Must not know any actor, any socket of the mesh, or the disk.
//! [`shapes`], [`asks`] and [`failure`] are what travels; [`who`], [`which`], [`path`] and [`export`] are pure.

pub mod asks;
pub mod control;
mod correspondents;
mod events;
pub mod export;
pub mod failure;
mod guard;
pub mod letters;
mod metrics;
mod openapi;
mod page;
pub mod path;
pub mod pieces;
mod read;
mod routes;
#[cfg(test)]
pub(crate) mod samples;
mod server;
mod session;
pub mod shapes;
mod steer;
#[cfg(test)]
pub(crate) mod tests;
pub mod which;
pub mod who;

pub use crate::actors::services::Services;
pub use guard::{Drain, Token};
pub use server::{ApiError, Facts, Serving, serve};
pub use steer::SHOUT_BYTES_MAX;
