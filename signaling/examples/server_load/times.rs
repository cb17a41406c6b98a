//! How long many things took.

use std::time::Duration;

/// The times of many things of one kind.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Half of them, all but a hundredth, and all took no longer than this many milliseconds.
    pub(crate) fn summary(mut self) -> serde_json::Value {
        self.0.sort_unstable();
        let at = |share: f64| {
            let index = (self.0.len() as f64 * share) as usize;
            self.0.get(index.min(self.0.len().saturating_sub(1))).map(|time| time.as_secs_f64() * 1e3)
        };
        serde_json::json!({ "p50": at(0.5), "p99": at(0.99), "max": at(1.0) })
    }
}
