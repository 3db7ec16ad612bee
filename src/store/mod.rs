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
pub mod letters;
pub mod pieces;
pub mod runtime;
pub mod state_dir;

use std::time::{SystemTime, UNIX_EPOCH};

/// The time of day: Unix milliseconds, 0 before 1970.
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// 32 bytes of the system's chance, for what must not be guessed.
pub fn secret() -> std::io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    let filled = aws_lc_rs::rand::fill(&mut bytes);
    filled.map_err(|_| std::io::Error::other("no randomness to be had"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
