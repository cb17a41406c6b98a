//! What a promise comes to.
//!
//! By callbacks, not futures: what waits in the driver is a step or two long, and the machinery of tasks and wakers is
//! larger than all of it. Only the Rust API brings that.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::{Array, Function, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};

pub(super) type Settled = Result<JsValue, JsValue>;

/// Calls `then` once the promise is settled, in a task of its own. The promises of a connection that is closed meanwhile
/// never are: `then` belongs to the promise, and is freed when that is collected. It must not hold the connection, which
/// would keep both.
pub(super) fn when_settled(promise: &Promise, then: impl FnOnce(Settled) + 'static) {
    start(promise, Box::new(then));
}

// Apart, so that it is compiled once.
fn start(promise: &Promise, then: Box<dyn FnOnce(Settled)>) {
    let then = Rc::new(Cell::new(Some(then)));
    let tell = |wrap: fn(JsValue) -> Settled| {
        let then = then.clone();
        let told = Closure::<dyn FnMut(JsValue)>::new(move |value| {
            if let Some(then) = then.take() {
                then(wrap(value));
            }
        });
        told.into_js_value()
    };
    // A promise has this method, and calling it throws nothing.
    if let Ok(method) = Reflect::get(promise, &JsValue::from_str("then")) {
        let _ = method.unchecked_into::<Function>().apply(promise, &Array::of2(&tell(Ok), &tell(Err)));
    }
}

/// The same for whoever waits in Rust.
#[cfg(feature = "typed")]
pub(super) async fn settled(promise: &Promise) -> Settled {
    let (sender, receiver) = futures::channel::oneshot::channel();
    when_settled(promise, move |settled| {
        // Whoever waited may be gone.
        let _ = sender.send(settled);
    });
    receiver.await.unwrap_or(Err(JsValue::UNDEFINED))
}
