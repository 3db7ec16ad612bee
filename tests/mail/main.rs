//! Letters between real daemons on loopback: real keys, real disks, real crashes.

#[path = "../common/mod.rs"]
mod common;
mod journeys;
mod letters;
mod losing;
mod private;
