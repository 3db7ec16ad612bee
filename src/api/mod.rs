//! The control API: one daemon's state and verbs over HTTP on a loopback address.
//!
//! Knows the messages the actors answer and the current [`View`](crate::mesh::view::View); turns requests
//! into the one and JSON into the other. Must not know any actor, any socket of the mesh, or the disk.
//! [`shapes`] and [`asks`] are what travels, [`who`], [`path`] and [`export`] are pure.

pub mod asks;
pub mod export;
pub mod path;
#[cfg(test)]
pub(crate) mod samples;
pub mod shapes;
pub mod who;
