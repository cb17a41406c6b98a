//! The page's monotonic clock, and one timer.

use gloo::timers::callback::Timeout;

use super::globals;

/// Milliseconds that never go back.
pub(crate) fn now_ms() -> u64 {
    globals::performance_now() as u64
}

/// One timer that is set again and again.
///
/// With every message it is set a little later. That is only noted: it wakes when it would have, and is set again then.
#[derive(Default)]
pub(crate) struct Timer {
    due: Option<u64>,
    wakes: Option<(u64, Timeout)>,
}

impl Timer {
    /// Runs `then` at `due` (as [`now_ms`]) or before, instead of whatever was set before.
    pub(crate) fn set(&mut self, due: Option<u64>, then: impl FnOnce() + 'static) {
        self.due = due;
        let Some(due) = due else {
            self.wakes = None;
            return;
        };
        if self.wakes.as_ref().is_none_or(|(at, _)| *at > due) {
            // Browsers keep delays in 31 bits; waking early is harmless.
            let delay = due.saturating_sub(now_ms()).min(1 << 30) as u32;
            self.wakes = Some((due, Timeout::new(delay, then)));
        }
    }

    /// The timer has run: whether it is due. If not, it is to be set again.
    pub(crate) fn ran(&mut self) -> bool {
        // The callback that calls this belongs to the timeout: forgetting a past timeout clears nothing.
        self.wakes = None;
        self.due.is_some_and(|due| due <= now_ms())
    }
}
