//! Several real daemons on loopback: they meet, lose and find each other, and do what they are told.

#[path = "../common/mod.rs"]
mod common;
mod doctor;
mod failing;
mod joining;
mod lan;
mod programs;
mod restarting;
mod routing;
mod steering;
mod trusting;
