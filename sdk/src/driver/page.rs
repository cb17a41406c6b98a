//! The page around a room: its coming and going, its network, and what outlives a reload.

use js_sys::Reflect;
use peerloom_protocol::action::Input;
use peerloom_protocol::id::ResumeToken;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{EventTarget, Storage};

use super::Driver;
use super::globals::WINDOW;
use super::listener::EventListener;

/// Where this tab keeps the token of a room from one page to the next.
pub(super) struct Keepsake {
    key: String,
    token: Option<ResumeToken>,
}

fn storage() -> Option<Storage> {
    // Denied in sandboxed frames.
    WINDOW.with(|window| window.as_ref()?.session_storage().ok()?)
}

impl Keepsake {
    /// Takes the token that the page before this one left, if any. It is not in the storage while a page uses it:
    /// storage is copied when a tab is duplicated, and two pages must not hold one id.
    pub(super) fn take(url: &str, room: &str) -> Self {
        let key = ["peerloom", url, room].join(" ");
        let kept = storage().and_then(|storage| {
            let kept = storage.get_item(&key).ok()?;
            let _ = storage.remove_item(&key);
            kept
        });
        Self { key, token: kept.and_then(|text| text.parse().ok()) }
    }

    pub(super) fn token(&self) -> Option<ResumeToken> {
        self.token
    }

    pub(super) fn renew(&mut self, token: ResumeToken) {
        self.token = Some(token);
    }

    /// Leaves the token to the next page.
    pub(super) fn leave(&self) {
        if let (Some(token), Some(storage)) = (self.token, storage()) {
            // A full or forbidden storage means another id after a reload, and nothing worse.
            let _ = storage.set_item(&self.key, &token.to_text());
        }
    }
}

fn persisted(event: &web_sys::Event) -> bool {
    Reflect::get(event, &JsValue::from_str("persisted")).is_ok_and(|value| value.is_truthy())
}

impl Driver {
    pub(super) fn listen_to_page(&self) {
        let Some(window) = WINDOW.with(Clone::clone) else { return };
        let on = |target: &EventTarget, name: &'static str, act: fn(&Driver, &web_sys::Event)| {
            let me = self.me.clone();
            EventListener::new(target, name, move |event| {
                if let Some(driver) = me.upgrade() {
                    act(&driver, event);
                }
            })
        };
        let mut listeners = vec![
            on(&window, "pagehide", |driver, event| {
                if let Some(keepsake) = &*driver.keepsake.borrow() {
                    keepsake.leave();
                }
                driver.feed(if persisted(event) { Input::Suspend } else { Input::Unload });
                // Nothing runs after this event.
                driver.flush();
            }),
            on(&window, "pageshow", |driver, event| {
                if persisted(event) {
                    driver.feed(Input::Resume);
                }
            }),
            on(&window, "online", |driver, _| driver.feed(Input::Online)),
        ];
        if let Some(document) = window.document() {
            // Timers of hidden pages are throttled: look at the clock as soon as the page is seen again.
            listeners.push(on(&document, "visibilitychange", |driver, _| driver.feed(Input::TimedOut)));
        }
        // Not in every browser, and not yet in web-sys.
        let navigator = window.navigator();
        let connection = Reflect::get(&navigator, &JsValue::from_str("connection")).ok();
        if let Some(connection) = connection.and_then(|value| value.dyn_into::<EventTarget>().ok()) {
            listeners.push(on(&connection, "change", |driver, _| driver.feed(Input::Online)));
        }
        *self.page_listeners.borrow_mut() = listeners;
    }
}
