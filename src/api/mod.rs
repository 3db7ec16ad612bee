//! The control API: one daemon's state and verbs over HTTP on a loopback address.
//!
//! Knows the messages the actors answer and the current [`View`](crate::mesh::view::View); turns requests
//! into the one and JSON into the other. Must not know any actor, any socket of the mesh, or the disk.
//! [`shapes`], [`asks`] and [`failure`] are what travels; [`who`], [`path`] and [`export`] are pure.

pub mod asks;
pub mod control;
pub mod export;
pub mod failure;
mod guard;
pub mod path;
mod read;
#[cfg(test)]
pub(crate) mod samples;
mod server;
pub mod shapes;
mod steer;
#[cfg(test)]
pub(crate) mod tests;
pub mod who;

pub use crate::actors::services::Services;
pub use guard::{Drain, Token};
pub use server::{ApiError, Facts, Serving, serve};
pub use steer::SHOUT_BYTES_MAX;
