//! The page's monotonic clock, and one timer.

use gloo::timers::callback::Timeout;
use js_sys::{Date, Reflect};
use wasm_bindgen::{JsCast, JsValue};

/// Milliseconds that never go back. `performance.now()` where there is one, which is everywhere a page can connect.
pub(crate) fn now_ms() -> u64 {
    let performance = Reflect::get(&js_sys::global(), &JsValue::from_str("performance")).ok();
    let now = performance.and_then(|p| p.dyn_into::<web_sys::Performance>().ok()).map(|p| p.now());
    now.unwrap_or_else(Date::now).max(0.0) as u64
}

/// One timer that is set again and again.
#[derive(Default)]
pub(crate) struct Timer {
    due: Option<u64>,
    timeout: Option<Timeout>,
}

impl Timer {
    /// Runs `then` at `due` (as [`now_ms`]) instead of whatever was set before.
    pub(crate) fn set(&mut self, due: Option<u64>, then: impl FnOnce() + 'static) {
        if self.due == due {
            return;
        }
        self.due = due;
        self.timeout = due.map(|due| {
            // Browsers keep delays in 31 bits; waking early is harmless.
            let delay = due.saturating_sub(now_ms()).min(1 << 30) as u32;
            Timeout::new(delay, then)
        });
    }

    /// The timer has run.
    pub(crate) fn ran(&mut self) {
        self.due = None;
        // The callback that calls this belongs to the timeout: forgetting a past timeout clears nothing.
        self.timeout = None;
    }
}
