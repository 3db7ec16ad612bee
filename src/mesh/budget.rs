//! A token bucket: so many at once, so many a second.

use std::time::Duration;

use super::Time;

/// Allows `burst` at once and `per_second` sustained.
#[derive(Clone, Debug)]
pub struct Budget {
    burst: u32,
    per_second: u32,
    /// When the bucket will be (or was) full again. All the state there is.
    full_at: Time,
}

impl Budget {
    /// A full bucket. Rates below one a second count as one.
    pub fn new(burst: u32, per_second: u32) -> Budget {
        Budget { burst: burst.max(1), per_second: per_second.max(1), full_at: Time(0) }
    }

    fn cost(&self, n: u32) -> Duration {
        Duration::from_secs(u64::from(n)) / self.per_second
    }

    /// When `n` (at most the burst) could be taken.
    pub fn next_at(&self, n: u32) -> Time {
        let room = self.cost(self.burst.saturating_sub(n));
        Time(self.full_at.0.saturating_sub(u64::try_from(room.as_micros()).unwrap_or(u64::MAX)))
    }

    /// When all of it will be there again (or was).
    pub fn full_at(&self) -> Time {
        self.full_at
    }

    /// From now on it fills at this rate. What is missing is as much as before: at another rate it takes another time.
    pub fn set_rate(&mut self, now: Time, per_second: u32) {
        let (before, after) = (self.per_second, per_second.max(1));
        if before == after {
            return;
        }
        self.full_at = self.full_at.max(now);
        let missing = self.full_at.since(now) * before / after;
        (self.per_second, self.full_at) = (after, now + missing);
    }

    /// Takes `n` whether they are there or not; nothing more is there until they are made up for, or a whole
    /// burst is.
    pub fn charge(&mut self, now: Time, n: u32) {
        let most = now + self.cost(self.burst);
        self.full_at = (self.full_at.max(now) + self.cost(n)).min(most);
    }

    /// Puts `n` back that were taken and not used.
    pub fn give_back(&mut self, n: u32) {
        let cost = u64::try_from(self.cost(n).as_micros()).unwrap_or(u64::MAX);
        self.full_at = Time(self.full_at.0.saturating_sub(cost));
    }

    /// Takes `n` if they are there.
    pub fn take(&mut self, now: Time, n: u32) -> bool {
        if n > self.burst || now < self.next_at(n) {
            return false;
        }
        self.full_at = self.full_at.max(now) + self.cost(n);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_at_once_and_then_the_rate_holds() {
        let mut budget = Budget::new(3, 2);
        let now = Time::from_ms(1000);
        assert!((0..3).all(|_| budget.take(now, 1)));
        assert!(!budget.take(now, 1));
        assert_eq!(budget.next_at(1), Time::from_ms(1500));
        assert!(budget.take(Time::from_ms(1500), 1));
        assert!(!budget.take(Time::from_ms(1999), 1));
        assert!(!budget.take(Time::from_ms(9000), 4), "more than the burst never fits");
    }

    #[test]
    fn at_another_rate_as_much_is_missing_as_before() {
        let now = Time::from_ms(1000);
        let mut budget = Budget::new(100, 10);
        assert!(budget.take(now, 100));
        budget.set_rate(now, 1000);
        assert_eq!(budget.next_at(1), Time::from_ms(1001), "it is not paid off at the old rate");
        assert_eq!(budget.next_at(50), Time::from_ms(1050));
        budget.set_rate(Time::from_ms(1050), 5);
        assert!(budget.take(Time::from_ms(1050), 50), "what was made up for stays");
        assert_eq!(budget.next_at(1), Time::from_ms(1250));
        budget.set_rate(Time::from_ms(100_000), 50);
        assert!(budget.take(Time::from_ms(100_000), 100), "a full one is full");
    }
}
