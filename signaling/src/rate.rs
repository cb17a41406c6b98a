//! A token bucket: how fast one connection may talk.

use std::time::Instant;

/// A steady rate, and how much may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens that come back each second.
    pub per_second: u32,
    /// Tokens that can be saved up.
    pub burst: u32,
}

/// The tokens one connection has left. Starts full.
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
        let gained = now.saturating_duration_since(self.filled_at).as_secs_f64() * f64::from(rate.per_second);
        self.tokens = (self.tokens + gained).min(f64::from(rate.burst));
        self.filled_at = now;
        let enough = self.tokens >= f64::from(amount);
        if enough {
            self.tokens -= f64::from(amount);
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RATE: Rate = Rate { per_second: 10, burst: 3 };

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
}
