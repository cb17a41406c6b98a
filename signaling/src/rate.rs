//! How fast one connection may talk, or all of a room together (a token bucket), and to how many at once.

use std::time::{Duration, Instant};

/// A steady rate, and how much may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens that come back each second.
    pub per_second: u32,
    /// Tokens that can be saved up.
    pub burst: u32,
}

/// The tokens that are left. Starts full.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    tokens: f64,
    filled_at: Instant,
}

impl TokenBucket {
    pub(crate) fn full(rate: Rate, now: Instant) -> Self {
        Self { tokens: f64::from(rate.burst), filled_at: now }
    }

    /// Takes `amount` tokens, or none and returns `false` when there are too few.
    pub(crate) fn take(&mut self, amount: u32, rate: Rate, now: Instant) -> bool {
        self.fill(rate, now);
        let enough = self.tokens >= f64::from(amount);
        if enough {
            self.tokens -= f64::from(amount);
        }
        enough
    }

    /// How long until [`take`](Self::take) gives `amount` tokens: zero when it does so now. With `amount` above the
    /// burst it never will, whatever this says.
    pub(crate) fn wait(&mut self, amount: u32, rate: Rate, now: Instant) -> Duration {
        self.fill(rate, now);
        let missing = f64::from(amount) - self.tokens;
        if missing <= 0.0 {
            return Duration::ZERO;
        }
        // A millisecond more than computed: after rounding, the last token must not be missing by a fraction.
        Duration::from_secs_f64(missing / f64::from(rate.per_second.max(1))) + Duration::from_millis(1)
    }

    fn fill(&mut self, rate: Rate, now: Instant) {
        let gained = now.saturating_duration_since(self.filled_at).as_secs_f64() * f64::from(rate.per_second);
        self.tokens = (self.tokens + gained).min(f64::from(rate.burst));
        self.filled_at = now;
    }
}

/// Whom one member has had packets passed on to within the last second, where there may not be more than so many.
#[derive(Debug)]
pub(crate) struct Fanout<T> {
    most: usize,
    recent: Vec<(T, Instant)>,
}

impl<T: PartialEq> Fanout<T> {
    /// After a packet, its receiver counts for so long.
    const PERIOD: Duration = Duration::from_secs(1);

    pub(crate) fn new(most: usize) -> Self {
        Self { most, recent: Vec::new() }
    }

    /// How long until this receiver may be sent something: zero when it counts already, or there is room for one more.
    pub(crate) fn wait(&mut self, receiver: &T, now: Instant) -> Duration {
        self.recent.retain(|(_, at)| now.saturating_duration_since(*at) < Self::PERIOD);
        if self.recent.len() < self.most || self.recent.iter().any(|(known, _)| known == receiver) {
            return Duration::ZERO;
        }
        let first = self.recent.iter().map(|(_, at)| *at).min();
        first.map_or(Self::PERIOD, |at| Self::PERIOD.saturating_sub(now.saturating_duration_since(at)))
    }

    /// Something was passed on to this receiver.
    pub(crate) fn count(&mut self, receiver: T, now: Instant) {
        self.recent.retain(|(known, _)| *known != receiver);
        self.recent.push((receiver, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 10, burst: 3 };

    #[test]
    fn no_more_receivers_than_so_many_within_a_second() {
        let now = Instant::now();
        let after = |ms| now + Duration::from_millis(ms);
        let mut fanout = Fanout::new(2);
        for (receiver, ms) in [(1, 0), (2, 300), (1, 500)] {
            assert_eq!(fanout.wait(&receiver, after(ms)), Duration::ZERO);
            fanout.count(receiver, after(ms));
        }
        // The third waits for the second, who was sent something before the first was again.
        assert_eq!(fanout.wait(&3, after(600)), Duration::from_millis(700));
        assert_eq!(fanout.wait(&2, after(600)), Duration::ZERO);
        assert_eq!(fanout.wait(&3, after(1_299)), Duration::from_millis(1));
        assert_eq!(fanout.wait(&3, after(1_300)), Duration::ZERO);
        fanout.count(3, after(1_300));
        assert_eq!(fanout.wait(&2, after(1_300)), Duration::from_millis(200));
        assert_eq!(fanout.recent.len(), 2);
        assert!(!Fanout::new(0).wait(&1, now).is_zero());
    }

    #[test]
    fn a_burst_passes_and_one_more_does_not() {
        let start = Instant::now();
        let mut bucket = TokenBucket::full(RATE, start);
        assert_eq!([(); 4].map(|()| bucket.take(1, RATE, start)), [true, true, true, false]);
    }

    #[test]
    fn tokens_come_back_with_time_up_to_the_burst() {
        let start = Instant::now();
        let mut bucket = TokenBucket::full(RATE, start);
        assert!(bucket.take(3, RATE, start));
        assert!(!bucket.take(1, RATE, start + Duration::from_millis(90)));
        assert!(bucket.take(1, RATE, start + Duration::from_millis(110)));
        assert!(!bucket.take(4, RATE, start + Duration::from_secs(60)));
        assert!(bucket.take(3, RATE, start + Duration::from_secs(60)));
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing() {
        let start = Instant::now() + Duration::from_secs(1);
        let mut bucket = TokenBucket::full(RATE, start);
        assert!(bucket.take(3, RATE, start));
        assert!(!bucket.take(1, RATE, start - Duration::from_secs(1)));
    }

    #[test]
    fn after_the_wait_the_tokens_are_there() {
        for per_second in [1, 3, 7, 10, 999, 1_000, 131_072] {
            for amount in 1..=100 {
                let rate = Rate { per_second, burst: 100 };
                let start = Instant::now();
                let mut bucket = TokenBucket::full(rate, start);
                assert_eq!(bucket.wait(amount, rate, start), Duration::ZERO);
                assert!(bucket.take(100, rate, start));
                let wait = bucket.wait(amount, rate, start);
                assert!(wait > Duration::ZERO);
                assert!(bucket.take(amount, rate, start + wait), "{amount} at {per_second} after {wait:?}");
            }
        }
    }
}
