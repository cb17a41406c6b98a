//! What every page has under a fixed name, called by that name: each look through `globalThis` is code and a text.

use js_sys::{Function, Object, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::{RequestInit, Window};

#[wasm_bindgen]
extern "C" {
    /// None outside of pages.
    #[wasm_bindgen(thread_local_v2, js_name = window)]
    pub(super) static WINDOW: Option<Window>;

    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    pub(super) fn performance_now() -> f64;

    #[wasm_bindgen(catch, js_namespace = crypto, js_name = getRandomValues)]
    pub(super) fn random_values(bytes: &mut [u8]) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = queueMicrotask)]
    pub(super) fn queue_microtask(callback: &Function);

    pub(super) fn fetch(url: &str, request: &RequestInit) -> Promise;

    /// As that of `js_sys`, but where there is no room for it, that is an error.
    #[wasm_bindgen(extends = Object, typescript_type = "ArrayBuffer")]
    pub(super) type ArrayBuffer;

    #[wasm_bindgen(catch, constructor)]
    pub(super) fn new(bytes: f64) -> Result<ArrayBuffer, JsValue>;
}
