//! Several real daemons on loopback: they meet, lose and find each other, and do what they are told.

#[path = "../common/mod.rs"]
mod common;
mod failing;
mod joining;
mod programs;
mod restarting;
mod steering;
mod trusting;
