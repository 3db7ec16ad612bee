//! Files shared and fetched by several real daemons on loopback, real files, real crashes.

#[path = "../common/mod.rs"]
mod common;
mod changing;
mod crashing;
mod files;
mod fetching;
mod full;
