//! The disk: the state directory, the identity in it, what is remembered over restarts, and the
//! files that are shared and got.
//!
//! Knows files and their formats. Knows no socket, no actor and no clock beyond what the caller or a
//! file's name needs; whatever it reads may be damaged, and damage is an error with a way out, never a panic.

pub mod book_db;
pub mod certificate;
pub mod database;
pub mod identity;
mod key_file;
pub mod pieces;
pub mod runtime;
pub mod state_dir;

#[cfg(test)]
mod tests;
