//! What was shouted, and who has heard it when.

use std::collections::BTreeMap;
use std::time::Duration;

use kith::mesh::Time;
use kith::mesh::topology::Said;

/// One shout.
pub struct Shout {
    said_at: Time,
    /// How long after it each of those who heard it did, in the order in which they did.
    pub heard: Vec<Duration>,
    /// Over how many links it came to the one farthest away.
    pub hops_max: u8,
}

/// All shouts, by what was said.
#[derive(Default)]
pub struct Shouts(BTreeMap<String, Shout>);

impl Shouts {
    /// Somebody shouts.
    pub fn said(&mut self, now: Time, text: &str) {
        self.0.insert(text.into(), Shout { said_at: now, heard: Vec::new(), hops_max: 0 });
    }

    /// Somebody has heard it.
    pub fn heard(&mut self, now: Time, said: &Said) {
        if let Some(shout) = self.0.get_mut(&said.text) {
            shout.heard.push(now.since(shout.said_at));
            shout.hops_max = shout.hops_max.max(said.hops);
        }
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Shout)> {
        self.0.iter().map(|(text, shout)| (text.as_str(), shout))
    }
}
