//! Waiting for the browser's promises.

use std::cell::Cell;
use std::rc::Rc;

use futures::channel::oneshot;
use js_sys::{Array, Function, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};

/// As `JsFuture`. That one is a circle until its promise is settled, and the promises of a connection that is closed
/// meanwhile never are. Here both functions belong to the promise, and are freed when it is collected.
pub(super) async fn settled(promise: Promise) -> Result<JsValue, JsValue> {
    let (sender, receiver) = oneshot::channel();
    let sender = Rc::new(Cell::new(Some(sender)));
    let tell = |wrap: fn(JsValue) -> Result<JsValue, JsValue>| {
        let sender = sender.clone();
        let told = Closure::<dyn FnMut(JsValue)>::new(move |value| {
            if let Some(sender) = sender.take() {
                // Whoever dropped the receiver no longer wants to know.
                let _ = sender.send(wrap(value));
            }
        });
        told.into_js_value()
    };
    let then = Reflect::get(&promise, &JsValue::from_str("then"))?.unchecked_into::<Function>();
    then.apply(&promise, &Array::of2(&tell(Ok), &tell(Err)))?;
    drop((sender, promise));
    receiver.await.unwrap_or(Err(JsValue::UNDEFINED))
}
