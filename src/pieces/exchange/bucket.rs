//! A rate in bytes a second: something may pass as soon as what passed before it is paid for.

use std::time::Duration;

use crate::mesh::Time;

/// How much may pass at once after a rest, as time at the rate.
const BURST: Duration = Duration::from_millis(100);

/// A rate limit. What passes may be larger than a second's worth: the next then waits for it.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    /// 0: no limit.
    per_second: u64,
    /// From when on the next may pass. All the state there is.
    next: Time,
}

impl Bucket {
    pub(super) fn new(per_second: u64) -> Bucket {
        Bucket { per_second, next: Time(0) }
    }

    /// Another rate from now on; what was taken stays taken at the old one.
    pub(super) fn configure(&mut self, now: Time, per_second: u64) {
        if self.per_second != per_second {
            *self = Bucket { per_second, next: self.next.min(now + Duration::from_secs(1)) };
        }
    }

    /// Whether something may pass now.
    pub(super) fn ready(&self, now: Time) -> bool {
        self.per_second == 0 || now >= self.next
    }

    /// When something may pass.
    pub(super) fn next_at(&self) -> Time {
        self.next
    }

    /// Lets `bytes` pass.
    pub(super) fn take(&mut self, now: Time, bytes: u64) {
        if self.per_second == 0 {
            return;
        }
        let us = u128::from(bytes) * 1_000_000 / u128::from(self.per_second);
        let burst = u64::try_from(BURST.as_micros()).expect("100 ms");
        let from = self.next.0.max(now.0.saturating_sub(burst));
        self.next = Time(from.saturating_add(u64::try_from(us).unwrap_or(u64::MAX)));
    }

    /// How much to let pass at once so that it flows evenly: a quarter of a second's worth, at most `most`.
    pub(super) fn portion(&self, most: u32) -> u32 {
        const LEAST: u64 = 16 * 1024;
        if self.per_second == 0 {
            return most;
        }
        u32::try_from((self.per_second / 4).max(LEAST)).unwrap_or(most).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_holds_over_seconds() {
        for rate in [1_000u64, 50_000, 10_000_000] {
            let mut bucket = Bucket::new(rate);
            let (mut passed, mut now) = (0u64, Time::from_ms(500));
            while now < Time::from_ms(20_500) {
                if bucket.ready(now) {
                    bucket.take(now, 2_000);
                    passed += 2_000;
                }
                now = now + Duration::from_micros(100);
            }
            let wanted = rate * 20;
            assert!(passed >= wanted && passed <= wanted + rate / 5 + 4_000, "{rate}: {passed}");
        }
        assert!(Bucket::new(0).ready(Time(0)));
    }

    #[test]
    fn portions_are_small_where_little_may_pass() {
        assert_eq!(Bucket::new(0).portion(256 * 1024), 256 * 1024);
        assert_eq!(Bucket::new(1_000).portion(256 * 1024), 16 * 1024);
        assert_eq!(Bucket::new(400_000).portion(256 * 1024), 100_000);
    }
}
