//! What a person can set, with every value in its range.
//!
//! Layers, later wins: embedded defaults, `<config>/network/default.toml`,
//! `<config>/network/<profile>.toml`, environment `KITH__…`, flags, `-s key=value`.
//! Reads files and nothing else of the world; the caller hands in the environment. Knows no actor
//! and no socket; the rest of the daemon reads the values of [`Settings`] and nothing else.
//!
//! Reading list: [`Settings`] (the typed shape), `table` (every key with its range), `check`,
//! `layer` and `files` (where values come from), `merge` (which one wins), [`load()`] (all of it
//! together), [`diff`] (reload).

mod check;
mod files;
mod layer;
mod load;
mod merge;
mod place;
mod problem;
mod reload;
mod shape;
mod table;
mod targets;
mod values;

#[cfg(test)]
mod tests;

pub use load::{Line, Loaded, Sources, load, process_environment};
pub use place::{data_dir, state_dir};
pub use problem::{Parts, Problem, Problems};
pub use reload::{Change, Reloaded, diff, in_force};
pub use shape::*;
pub use values::{Period, Seconds, Secret};
