//! Whether the tree has a hole here, or news is only late. In a storm some always is, and a link made eager for it
//! brings everything twice until it is pruned.

use std::time::Duration;

use crate::mesh::Time;

/// What was long ago counts half after each of these.
const HALF_LIFE: Duration = Duration::from_secs(1);

/// News that came, and news that had to be asked for, lately.
#[derive(Debug, Default)]
pub(super) struct Holes {
    came: u32,
    asked: u32,
    halved_at: Time,
}

impl Holes {
    fn fade(&mut self, now: Time) {
        let halves = now.since(self.halved_at).as_micros() / HALF_LIFE.as_micros();
        if halves > 0 {
            let halves = u32::try_from(halves).unwrap_or(u32::MAX);
            self.came = self.came.checked_shr(halves).unwrap_or(0);
            self.asked = self.asked.checked_shr(halves).unwrap_or(0);
            self.halved_at = now;
        }
    }

    /// Something was pushed.
    pub(super) fn came(&mut self, now: Time) {
        self.fade(now);
        self.came = self.came.saturating_add(1);
    }

    /// Something had to be asked for. Whether that is so for more than a quarter of all.
    pub(super) fn asked(&mut self, now: Time) -> bool {
        self.fade(now);
        self.asked = self.asked.saturating_add(1);
        self.asked.saturating_mul(4) > self.came
    }
}
