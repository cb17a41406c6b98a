//! The page's monotonic clock, and one timer.

use gloo::timers::callback::Timeout;
use js_sys::{Date, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Performance;

thread_local! {
    /// Looked up once: every message asks for the time, and each look copies a name to JavaScript.
    static PERFORMANCE: Option<Performance> =
        Reflect::get(&js_sys::global(), &JsValue::from_str("performance")).ok().and_then(|p| p.dyn_into().ok());
}

/// Milliseconds that never go back. `performance.now()` where there is one, which is everywhere a page can connect.
pub(crate) fn now_ms() -> u64 {
    let now = PERFORMANCE.with(|performance| performance.as_ref().map(Performance::now));
    now.unwrap_or_else(Date::now).max(0.0) as u64
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
