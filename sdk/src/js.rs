//! The exports behind the npm package. This file converts and forwards; the TypeScript in `sdk/ts` gives it types.
//!
//! App messages are encoded in TypeScript. Text crosses once, large arrays stay where they are, and incoming data goes
//! back as the very buffer the browser delivered, with the places of its messages.

use std::ops::Range;
use std::rc::Rc;

use js_sys::{Array, Function, JsString, Object, Reflect, Uint8Array, Uint32Array};
use peerloom_protocol::action::{Event, SignalingState};
use peerloom_protocol::hello::{Delivery, Hello, ProtocolError};
use peerloom_protocol::id::PeerId;
use peerloom_protocol::room::Config;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use web_sys::{RtcConfiguration, RtcPeerConnection};

use crate::driver::{self, ChannelIndex, Driver, Path, Payload, SendOutcome, Settings, Sink};
use crate::error::Error;

/// `{ code, message }`: the TypeScript face makes a `PeerloomError` of it.
fn error_object(code: &str, message: &str) -> JsValue {
    let object = Object::new();
    set(&object, "code", &code.into());
    set(&object, "message", &message.into());
    object.into()
}

impl From<Error> for JsValue {
    fn from(error: Error) -> Self {
        error_object(error.code(), &error.to_string())
    }
}

fn set(object: &Object, name: &str, value: &JsValue) {
    // Defining a field of a fresh plain object cannot fail.
    let _ = Reflect::set(object, &name.into(), value);
}

fn parse_id(id: &str) -> Result<PeerId, Error> {
    id.parse().map_err(|_| Error::PeerGone)
}

/// Hands events on to two functions of the TypeScript face.
struct JsSink {
    /// `(kind, peer id or "", detail or null, error object or null)`
    on_event: Function,
    /// `(peer id, channel, buffer, [start, end, …])`
    on_messages: Function,
}

impl JsSink {
    fn tell(&self, kind: &str, peer: Option<PeerId>, detail: JsValue, error: JsValue) {
        let peer = peer.map(|id| id.to_string()).unwrap_or_default();
        // The face's functions do not throw; if one did, the room must go on.
        let _ = self.on_event.apply(&JsValue::NULL, &Array::of4(&kind.into(), &peer.into(), &detail, &error));
    }
}

impl Sink for JsSink {
    fn event(&self, event: &Event) {
        let none = JsValue::NULL;
        match event {
            Event::Joined(id) => self.tell("self", Some(*id), none.clone(), none),
            Event::Signaling(state) => {
                self.tell("signaling", None, SignalingState::name(*state).into(), none)
            }
            Event::PeerJoined { id, metadata } => self.tell("joined", Some(*id), metadata.into(), none),
            Event::PeerConnected(id, _) => self.tell("connected", Some(*id), none.clone(), none),
            Event::PeerSuspended(id) => self.tell("suspended", Some(*id), none.clone(), none),
            Event::PeerLeft(id, reason) => self.tell("left", Some(*id), reason.code().into(), none),
            Event::PeerFailed(id, error) => {
                self.tell("failed", Some(*id), none, error_object(error.code(), &error.to_string()));
            }
            Event::Closed(error) => {
                let error = error.as_ref().map(|error| error_object(error.code(), &error.to_string()));
                self.tell("closed", None, none, error.unwrap_or(JsValue::NULL));
            }
            _ => {}
        }
    }

    fn path(&self, peer: PeerId, path: Path) {
        self.tell("path", Some(peer), path.name().into(), JsValue::NULL);
    }

    fn messages(&self, from: PeerId, channel: ChannelIndex, buffer: &Uint8Array, ranges: &[Range<usize>]) {
        // Offsets fit: a buffer holds at most one message of 16 MiB, or one frame.
        let places: Vec<u32> =
            ranges.iter().flat_map(|range| [range.start as u32, range.end as u32]).collect();
        let places = Uint32Array::from(&places[..]);
        let arguments = Array::of4(&from.to_string().into(), &(channel as u32).into(), buffer, &places);
        let _ = self.on_messages.apply(&JsValue::NULL, &arguments);
    }

    fn violation(&self, from: PeerId, channel: ChannelIndex, code: &'static str, detail: &str) {
        self.tell("violation", Some(from), (channel as u32).into(), error_object(code, detail));
    }
}

/// Reads `[label, delivery, codec]`, where delivery is a name or a lifetime in milliseconds.
fn read_channel(entry: &JsValue) -> Result<(String, Delivery, String), Error> {
    let at = |index| Reflect::get_u32(entry, index).unwrap_or_default();
    let text = |index| at(index).as_string().unwrap_or_default();
    let label = text(0);
    let lifetime = at(1).as_f64().filter(|ms| (1.0..=65_535.0).contains(ms));
    let delivery = match (at(1).as_string().as_deref(), lifetime) {
        (Some("ordered"), _) => Delivery::Ordered,
        (Some("unordered"), _) => Delivery::Unordered,
        (Some("latest"), _) => Delivery::Latest,
        (_, Some(ms)) => Delivery::Lifetime(ms as u16),
        _ => return Err(ProtocolError::BadDelivery(label).into()),
    };
    Ok((label, delivery, text(2)))
}

/// A room, as the TypeScript face sees it.
#[wasm_bindgen]
#[allow(missing_debug_implementations)] // Nobody prints it: it lives behind the TypeScript face.
pub struct NativeRoom(Rc<Driver>);

#[wasm_bindgen]
impl NativeRoom {
    /// Starts joining. `channels` is an array of `[label, delivery, codec]`, `metadata` JSON text.
    ///
    /// # Errors
    /// `{ code, message }` when an argument is not allowed.
    #[wasm_bindgen(constructor)]
    #[allow(clippy::too_many_arguments)] // Called from one place, where each has its name.
    pub fn new(
        url: &str,
        room: String,
        channels: &Array,
        metadata: &str,
        configuration: &JsValue,
        join_timeout_ms: u32,
        on_event: Function,
        on_messages: Function,
    ) -> Result<NativeRoom, JsValue> {
        let channels = channels.iter().map(|entry| read_channel(&entry)).collect::<Result<Vec<_>, _>>()?;
        let hello = Hello::new(channels, metadata).map_err(Error::from)?;
        let configuration = configuration.unchecked_ref::<RtcConfiguration>().clone();
        let config = Config { room, hello, join_timeout_ms: u64::from(join_timeout_ms) };
        let settings = Settings { url: driver::server_address(url)?, configuration, config };
        Ok(Self(Driver::start(settings, Box::new(JsSink { on_event, on_messages }))?))
    }

    /// Sends text or bytes to all, or to one peer. Undefined when queued at once, otherwise `[ticket, promise]`: the
    /// promise settles when there was room, and the ticket takes the message back.
    ///
    /// # Errors
    /// `{ code, message }`; nothing was sent then.
    pub fn send(&self, channel: u32, data: &JsValue, to: Option<String>) -> Result<JsValue, JsValue> {
        let payload = match data.dyn_ref::<JsString>() {
            Some(text) => Payload::text(&String::from(text)),
            None => Payload::array(data.clone().unchecked_into::<Uint8Array>()),
        };
        let to = to.map(|id| parse_id(&id)).transpose()?;
        match self.0.send(channel as ChannelIndex, payload, to)? {
            SendOutcome::Queued => Ok(JsValue::UNDEFINED),
            SendOutcome::Waiting(ticket, queued) => {
                let queued = future_to_promise(async move {
                    match queued.await {
                        Ok(Ok(())) => Ok(JsValue::UNDEFINED),
                        Ok(Err(error)) => Err(error.into()),
                        Err(_) => Err(Error::Closed.into()),
                    }
                });
                Ok(Array::of2(&ticket.into(), &queued).into())
            }
        }
    }

    /// Takes a waiting message back.
    pub fn cancel(&self, channel: u32, ticket: u32) {
        self.0.cancel(channel as ChannelIndex, ticket);
    }

    /// Says goodbye; the `closed` event follows.
    pub fn leave(&self) {
        self.0.leave();
    }

    /// `[serverSent, serverReceived, directSent, directReceived]` in bytes.
    pub fn traffic(&self) -> Array {
        let traffic = self.0.traffic();
        let counts =
            [traffic.server_sent, traffic.server_received, traffic.direct_sent, traffic.direct_received];
        counts.iter().map(|count| JsValue::from_f64(*count as f64)).collect()
    }

    /// The RTCPeerConnection in use to a peer.
    pub fn connection(&self, peer: &str) -> Option<RtcPeerConnection> {
        self.0.connection(parse_id(peer).ok()?)
    }

    /// An object with the counts of a peer's connection.
    #[wasm_bindgen(js_name = peerStats)]
    pub fn peer_stats(&self, peer: &str) -> js_sys::Promise {
        let (driver, id) = (self.0.clone(), parse_id(peer));
        future_to_promise(async move {
            let stats = driver.peer_stats(id?).await;
            let object = Object::new();
            let optional = |name: &str, value: Option<JsValue>| value.map(|value| set(&object, name, &value));
            optional("rttMs", stats.rtt_ms.map(JsValue::from_f64));
            optional("localCandidateType", stats.local_candidate.map(Into::into));
            optional("remoteCandidateType", stats.remote_candidate.map(Into::into));
            set(&object, "bytesSent", &(stats.sent_bytes as f64).into());
            set(&object, "bytesReceived", &(stats.received_bytes as f64).into());
            set(&object, "messagesSent", &(stats.sent_messages as f64).into());
            set(&object, "messagesReceived", &(stats.received_messages as f64).into());
            Ok(object.into())
        })
    }
}
