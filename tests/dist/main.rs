//! What is delivered beside the program: how it gets on with systemd, its manual, and the files in `dist/`.

#[path = "../common/mod.rs"]
mod common;
mod manual;
mod notifying;
mod packaging;
