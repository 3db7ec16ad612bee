//! Fifty couriers in virtual time under a seeded network that loses, delays and cuts, with crashes of everybody and
//! clocks that differ. What must hold at each step is in `world/laws.rs`, which the courier's own tests share.
//!
//! `KITH_SIM_SEEDS` sets how many seeds each law runs (default 200), `KITH_SIM_SEED` replays one,
//! `KITH_SIM_TRACE=1` prints every event.

mod storm;
#[path = "../../src/mail/courier/tests/world/mod.rs"]
#[allow(dead_code, reason = "the courier's own tests use the rest")]
mod world;

/// The files of `world` know the crate by this name.
pub mod kith {
    pub use ::kith::{mail, mesh};
}

/// Seeds for one law; laws that take long ask for a `share` of them.
pub fn seeds(share: u64) -> Vec<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("KITH_SIM_SEED") {
        return vec![seed];
    }
    (1..=(number("KITH_SIM_SEEDS").unwrap_or(200) / share).max(1)).collect()
}
