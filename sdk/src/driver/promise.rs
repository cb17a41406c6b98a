//! Waiting for the browser's promises.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use js_sys::{Array, Function, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};

type Settled = Result<JsValue, JsValue>;

/// What a promise has come to, and who waits for that.
#[derive(Default)]
struct Slot {
    settled: Option<Settled>,
    waiting: Option<Waker>,
}

/// As `JsFuture`. That one is a circle until its promise is settled, and the promises of a connection that is closed
/// meanwhile never are. Here both functions belong to the promise, and are freed when it is collected.
pub(super) async fn settled(promise: Promise) -> Settled {
    let slot = Rc::new(RefCell::new(Slot::default()));
    let tell = |wrap: fn(JsValue) -> Settled| {
        let slot = slot.clone();
        let told = Closure::<dyn FnMut(JsValue)>::new(move |value| {
            let mut slot = slot.borrow_mut();
            slot.settled = Some(wrap(value));
            if let Some(waker) = slot.waiting.take() {
                waker.wake();
            }
        });
        told.into_js_value()
    };
    let then = Reflect::get(&promise, &JsValue::from_str("then"))?.unchecked_into::<Function>();
    then.apply(&promise, &Array::of2(&tell(Ok), &tell(Err)))?;
    drop(promise);
    poll_fn(move |context| {
        let mut slot = slot.borrow_mut();
        slot.waiting = Some(context.waker().clone());
        slot.settled.take().map_or(Poll::Pending, Poll::Ready)
    })
    .await
}
