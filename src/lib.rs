//! kith: one daemon that joins a person's or team's machines into a private, encrypted, self-healing
//! network with no server in it.
//!
//! Reading list, from what knows least to what knows most:
//! [`mesh`] (who is there), [`pieces`] (files by hash), [`mail`] (letters), [`wire`] (bytes on a link), [`settings`], [`store`] (the disk), [`net`]
//! (sockets), [`actors`] (who does what), [`api`] (what can be asked of a daemon), [`cli`] (the verbs).
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod actors;
pub mod api;
pub mod cli;
pub mod daemon;
pub mod logs;
pub mod mail;
pub mod mesh;
pub mod net;
pub mod pieces;
pub mod settings;
pub mod store;
#[cfg(test)]
mod tests;
pub mod text;
pub mod wire;
