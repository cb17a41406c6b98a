//! One event listener, removed when dropped.
//!
//! The one of `gloo` is compiled anew for every callback, and passes options that nothing here needs: half a kilobyte.

use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Event, EventTarget};

/// See the [module](self).
pub(super) struct EventListener {
    target: EventTarget,
    name: &'static str,
    callback: Closure<dyn FnMut(&Event)>,
}

impl EventListener {
    pub(super) fn new(
        target: &EventTarget,
        name: &'static str,
        callback: impl FnMut(&Event) + 'static,
    ) -> Self {
        Self::start(target.clone(), name, Closure::new(callback))
    }

    // Apart from `new`, so that it is compiled once.
    fn start(target: EventTarget, name: &'static str, callback: Closure<dyn FnMut(&Event)>) -> Self {
        // Throws only when the callback is neither an object nor null.
        let _ = target.add_event_listener_with_callback(name, callback.as_ref().unchecked_ref());
        Self { target, name, callback }
    }
}

impl Drop for EventListener {
    fn drop(&mut self) {
        let callback = self.callback.as_ref().unchecked_ref();
        let _ = self.target.remove_event_listener_with_callback(self.name, callback);
    }
}
