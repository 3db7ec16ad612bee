//! Placeholder shape until the keys are here.
use serde::{Deserialize, Serialize};
/// What of our keys is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored(pub Vec<u8>);
