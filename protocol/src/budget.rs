//! How often a peer may have something of this page that costs it much: a connection, a session, an answer to a guess.

/// So many at once, and then one each time that some milliseconds have passed. Starts full.
#[derive(Debug)]
pub(crate) struct Budget {
    most: u32,
    every_ms: u64,
    left: u32,
    /// When it was last full, or one came back.
    since: u64,
}

impl Budget {
    pub(crate) fn new(now: u64, most: u32, every_ms: u64) -> Self {
        Self { most, every_ms, left: most, since: now }
    }

    /// Whether one is left.
    pub(crate) fn has(&mut self, now: u64) -> bool {
        let back = now.saturating_sub(self.since) / self.every_ms;
        if back >= u64::from(self.most - self.left) {
            (self.left, self.since) = (self.most, now);
        } else {
            self.left += back as u32;
            self.since += back * self.every_ms;
        }
        self.left > 0
    }

    /// Takes one, or gives false when none is left.
    pub(crate) fn take(&mut self, now: u64) -> bool {
        let has = self.has(now);
        self.left -= u32::from(has);
        has
    }

    /// When the next comes back, where none is left.
    pub(crate) fn back_at(&self) -> Option<u64> {
        (self.left == 0).then(|| self.since + self.every_ms)
    }

    /// One that was taken has cost nothing.
    pub(crate) fn give_back(&mut self) {
        self.left = self.most.min(self.left + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{limits, timing};

    #[test]
    fn there_are_some_at_once_and_then_one_at_a_time() {
        let mut budget = Budget::new(1_000, limits::MAX_ANEW_AT_ONCE, timing::ANEW_MS);
        let taken = |budget: &mut Budget, now| (0..100).filter(|_| budget.take(now)).count();
        assert_eq!(taken(&mut budget, 1_000), limits::MAX_ANEW_AT_ONCE as usize);
        assert_eq!(taken(&mut budget, 999), 0, "a clock that goes back gives nothing");
        assert_eq!(budget.back_at(), Some(1_000 + timing::ANEW_MS));
        assert_eq!(taken(&mut budget, 1_000 + timing::ANEW_MS - 1), 0);
        assert_eq!(taken(&mut budget, 1_000 + timing::ANEW_MS), 1);
        assert!(budget.has(1_000 + 2 * timing::ANEW_MS));
        assert_eq!(budget.back_at(), None, "there is one");
        assert_eq!(taken(&mut budget, 1_000 + 4 * timing::ANEW_MS), 3);
        assert_eq!(taken(&mut budget, u64::MAX), limits::MAX_ANEW_AT_ONCE as usize);
    }
}
