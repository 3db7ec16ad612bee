//! What a person should know, in the log: a few at once, then one a second, so that whoever provokes them
//! cannot flood it.

use crate::mesh::Time;
use crate::mesh::budget::Budget;

/// Notices told at once.
const BURST: u32 = 8;

/// Tells notices within a budget.
pub struct Notices {
    budget: Budget,
    untold: u64,
}

impl Default for Notices {
    fn default() -> Notices {
        Notices { budget: Budget::new(BURST, 1), untold: 0 }
    }
}

impl Notices {
    /// Logs one, or counts it.
    pub fn tell(&mut self, now: Time, text: &str) {
        if let Some(line) = self.line(now, text) {
            log::warn!("{line}");
        }
    }

    fn line(&mut self, now: Time, text: &str) -> Option<String> {
        if !self.budget.take(now, 1) {
            self.untold += 1;
            return None;
        }
        match std::mem::take(&mut self.untold) {
            0 => Some(text.to_owned()),
            untold => Some(format!("{text} ({untold} other warnings were not shown)")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_notices_is_counted_and_not_printed() {
        let mut notices = Notices::default();
        let now = Time::from_ms(1000);
        assert_eq!((0..100).filter_map(|_| notices.line(now, "x")).count(), 8);
        let later = notices.line(Time::from_ms(2000), "y").expect("one a second");
        assert_eq!(later, "y (92 other warnings were not shown)");
    }
}
