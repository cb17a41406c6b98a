//! The WebSocket to the signaling server.

use std::cell::Cell;

use js_sys::{Array, ArrayBuffer, Uint8Array};
use peerloom_protocol::signal::close;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BinaryType, MessageEvent, RequestInit, RequestMode, Response, WebSocket};

use super::globals;
use super::listener::EventListener;
use super::promise::when_settled;
use crate::error::Error;

/// What a socket reports.
pub(crate) enum SocketEvent {
    Opened,
    Message(Vec<u8>),
    Closed,
}

/// An open or opening WebSocket. Dropping it closes it and reports nothing more.
pub(crate) struct Socket {
    // Declared before the socket: fields drop in order, so no listener outlives it.
    _listeners: [EventListener; 3],
    socket: WebSocket,
    pub(crate) sent_bytes: Cell<u64>,
}

impl Socket {
    pub(crate) fn open(
        url: &str,
        subprotocols: &[String],
        report: impl Fn(SocketEvent) + Clone + 'static,
    ) -> Result<Self, Error> {
        let offered: Array = subprotocols.iter().map(|text| JsValue::from_str(text)).collect();
        let socket =
            WebSocket::new_with_str_sequence(url, &offered).map_err(|error| Error::thrown(&error))?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let (opened, message, closed) = (report.clone(), report.clone(), report);
        let listeners = [
            EventListener::new(&socket, "open", move |_| opened(SocketEvent::Opened)),
            EventListener::new(&socket, "message", move |event| {
                let data = event.dyn_ref::<MessageEvent>().map(MessageEvent::data);
                // The server sends binary messages only; anything else is left to the core to refuse.
                let buffer = data.and_then(|data| data.dyn_into::<ArrayBuffer>().ok());
                message(SocketEvent::Message(
                    buffer.map(|b| Uint8Array::new(&b).to_vec()).unwrap_or_default(),
                ));
            }),
            EventListener::new(&socket, "close", move |_| closed(SocketEvent::Closed)),
        ];
        Ok(Self { _listeners: listeners, socket, sent_bytes: Cell::new(0) })
    }

    /// Bytes handed over and not yet sent.
    pub(crate) fn buffered(&self) -> usize {
        self.socket.buffered_amount() as usize
    }

    /// Closes the socket. What was sent before still goes out.
    pub(crate) fn close(&self, will_return: bool) {
        // The page never sees what this throws: the code is in the range left to applications.
        let _ =
            if will_return { self.socket.close_with_code(close::WILL_RETURN) } else { self.socket.close() };
    }

    /// Sends, or does nothing when the socket is not open: its `close` event is on the way then.
    pub(crate) fn send(&self, bytes: &[u8]) {
        if self.socket.ready_state() == WebSocket::OPEN && self.socket.send_with_u8_array(bytes).is_ok() {
            self.sent_bytes.set(self.sent_bytes.get() + bytes.len() as u64);
        }
    }
}

/// Tells whether a server answers at the address of a WebSocket. Servers before it answer with 500 and up when it is down; the
/// status of another origin's answer cannot be read, and counts as a good one.
pub(crate) fn ask(url: &str, then: impl FnOnce(bool) + 'static) {
    // "ws" in front becomes "http", and so "wss" "https".
    let url = format!("http{}", url.get(2..).unwrap_or_default());
    let request = RequestInit::new();
    request.set_mode(RequestMode::NoCors);
    when_settled(&globals::fetch(&url, &request), move |response| {
        then(response.is_ok_and(|response| response.unchecked_ref::<Response>().status() < 500));
    });
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.close(true);
    }
}
