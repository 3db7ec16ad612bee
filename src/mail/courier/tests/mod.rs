//! Laws of the courier: alone against neighbours that keep no rule, and many of them in virtual time.

mod cut;
mod hostile;
mod keys;
mod letters;
mod mailboxes;
mod relay;
mod route;
mod world;

/// The files of `world` are the simulator's as well, for which this crate has a name.
pub mod kith {
    pub use crate::{mail, mesh};
}
