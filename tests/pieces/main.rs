//! Files shared and fetched by several real daemons on loopback, real files, real crashes.

mod changing;
#[path = "../common/mod.rs"]
mod common;
mod crashing;
mod fetching;
mod files;
mod full;
