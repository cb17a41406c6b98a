//! How often a peer may have something made anew that costs this page much: a connection, or a session.

use crate::{limits, timing};

/// What is left of it. Starts full.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u32,
    filled_at: u64,
}

impl Budget {
    pub(crate) fn full(now: u64) -> Self {
        Self { left: limits::MAX_ANEW_AT_ONCE, filled_at: now }
    }

    /// Takes one, or gives false when none is left.
    pub(crate) fn take(&mut self, now: u64) -> bool {
        let gained = now.saturating_sub(self.filled_at) / timing::ANEW_MS;
        self.filled_at += gained * timing::ANEW_MS;
        self.left =
            limits::MAX_ANEW_AT_ONCE.min(u32::try_from(gained).unwrap_or(u32::MAX).saturating_add(self.left));
        let enough = self.left > 0;
        self.left = self.left.saturating_sub(1);
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_some_at_once_and_then_one_at_a_time() {
        let mut budget = Budget::full(1_000);
        let taken = |budget: &mut Budget, now| (0..100).filter(|_| budget.take(now)).count();
        assert_eq!(taken(&mut budget, 1_000), limits::MAX_ANEW_AT_ONCE as usize);
        assert_eq!(taken(&mut budget, 999), 0, "a clock that goes back gives nothing");
        assert_eq!(taken(&mut budget, 1_000 + timing::ANEW_MS - 1), 0);
        assert_eq!(taken(&mut budget, 1_000 + timing::ANEW_MS), 1);
        assert_eq!(taken(&mut budget, 1_000 + 4 * timing::ANEW_MS), 3);
        assert_eq!(taken(&mut budget, u64::MAX), limits::MAX_ANEW_AT_ONCE as usize);
    }
}
