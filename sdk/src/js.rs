//! The exports behind the npm package. This file converts and forwards; the TypeScript in `sdk/ts` gives it types.
//!
//! App messages are encoded in TypeScript. Text crosses once, large arrays stay where they are, and incoming data goes
//! back as the very buffer the browser delivered, with the places of its messages.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use js_sys::{Array, Function, JsString, Object, Reflect, Uint8Array, Uint32Array};
use peerloom_protocol::action::{Event, SignalingState};
use peerloom_protocol::call::{CallFailure, CallId, Event as CallEvent};
use peerloom_protocol::hello::{Delivery, Hello, ProtocolError};
use peerloom_protocol::ice::IceSource;
use peerloom_protocol::id::{PeerId, ResumeToken};
use peerloom_protocol::identity::{Signed, Verdict};
use peerloom_protocol::limits;
use peerloom_protocol::node::Sent;
use peerloom_protocol::privacy::Privacy;
use peerloom_protocol::session::{Options, RelayMode};
use peerloom_protocol::stream::{Event as StreamEvent, StreamId};
use wasm_bindgen::prelude::*;
use web_sys::{RtcConfiguration, RtcPeerConnection};

use crate::driver::{
    self, ChannelIndex, Claimed, Driver, End, Outcomes, Path, Payload, Settings, Sink, Source, Ticket,
};
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
    /// `(kind, peer id, stream or call, detail, detail)`
    on_more: Function,
    /// Whose messages came last, and that id as JavaScript's text: messages come in rows, and texts are dear.
    last_from: RefCell<Option<(PeerId, JsValue)>>,
}

impl JsSink {
    fn id_text(&self, id: PeerId) -> JsValue {
        let mut last = self.last_from.borrow_mut();
        match &*last {
            Some((known, text)) if *known == id => text.clone(),
            _ => last.insert((id, id.to_string().into())).1.clone(),
        }
    }

    fn tell(&self, kind: &str, peer: Option<PeerId>, detail: JsValue, error: JsValue) {
        let peer = peer.map(|id| id.to_string()).unwrap_or_default();
        // The face's functions do not throw; if one did, the room must go on.
        let _ = self.on_event.call4(&JsValue::NULL, &kind.into(), &peer.into(), &detail, &error);
    }

    /// Has something signed, where no peer is named, or checked.
    fn witness(&self, peer: &str, number: u32, bytes: &[u8], message: &[u8]) {
        let (bytes, message) = (Uint8Array::from(bytes), Uint8Array::from(message));
        let kind = "witness".into();
        let _ = self.on_more.call5(&JsValue::NULL, &kind, &peer.into(), &number.into(), &bytes, &message);
    }

    fn tell_more(&self, kind: &str, peer: PeerId, id: u64, detail: JsValue, more: JsValue) {
        // Ids count from 0, so they fit.
        let (peer, id) = (peer.to_string().into(), JsValue::from_f64(id as f64));
        let _ = self.on_more.call5(&JsValue::NULL, &kind.into(), &peer, &id, &detail, &more);
    }
}

impl Sink for JsSink {
    fn event(&self, event: &Event) {
        let none = JsValue::NULL;
        match event {
            Event::Joined(id) => self.tell("self", Some(*id), none.clone(), none),
            Event::IceServersWanted => self.tell("ice", None, none.clone(), none),
            Event::TokenWanted => self.tell("token", None, none.clone(), none),
            Event::Signaling(state) => {
                self.tell("signaling", None, SignalingState::name(*state).into(), none)
            }
            Event::PeerJoined { id, metadata } => self.tell("joined", Some(*id), metadata.into(), none),
            Event::PeerConnected(id) => self.tell("connected", Some(*id), none.clone(), none),
            Event::PeerSuspended(id) => self.tell("suspended", Some(*id), none.clone(), none),
            Event::PeerResumed(id) => self.tell("resumed", Some(*id), none.clone(), none),
            Event::Undelivered { id, channel, messages, bytes } => {
                let counts = [*channel, *messages, *bytes].map(|count| JsValue::from_f64(count as f64));
                self.tell("undelivered", Some(*id), counts.iter().collect::<Array>().into(), none);
            }
            Event::SafetyCode(id, Ok(code)) => {
                // The digits are the first six characters.
                let text = code.digits() + &code.emoji();
                self.tell("code", Some(*id), text.into(), none);
            }
            Event::SafetyCode(id, Err(error)) => {
                self.tell("code", Some(*id), none, error_object(error.code(), &error.to_string()));
            }
            Event::Violation { id, channel, error } => {
                let what = error_object(error.code(), &error.to_string());
                self.tell("violation", Some(*id), (*channel as u32).into(), what);
            }
            Event::PeerLeft(id, reason) => self.tell("left", Some(*id), reason.code().into(), none),
            Event::PeerFailed(id, error) => {
                self.tell("failed", Some(*id), none, error_object(error.code(), &error.to_string()));
            }
            Event::KickDone(id, result) => {
                let error = result.err().map(|error| error_object(error.code(), &error.to_string()));
                self.tell("kicked", Some(*id), none, error.unwrap_or(JsValue::NULL));
            }
            Event::Closed(error) => {
                let error = error.as_ref().map(|error| error_object(error.code(), &error.to_string()));
                self.tell("closed", None, none, error.unwrap_or(JsValue::NULL));
            }
            _ => {}
        }
    }

    fn path(&self, peer: PeerId, path: Option<Path>) {
        let name = path.map_or("connecting", Path::name);
        self.tell("path", Some(peer), name.into(), JsValue::NULL);
    }

    fn messages(&self, source: Source, buffer: &Uint8Array, ranges: &[Range<usize>]) {
        // Offsets fit: a buffer holds at most one message of 16 MiB, or one frame.
        let places: Vec<u32> =
            ranges.iter().flat_map(|range| [range.start as u32, range.end as u32]).collect();
        let places = Uint32Array::from(&places[..]);
        let (from, channel) = (self.id_text(source.from), (source.channel as u32).into());
        let _ = self.on_messages.call4(&JsValue::NULL, &from, &channel, buffer, &places);
    }

    fn queued(&self, ticket: Ticket, result: &Result<(), Error>) {
        let error = result.clone().err().map_or(JsValue::NULL, JsValue::from);
        self.tell("queued", None, ticket.into(), error);
    }

    fn confirmed(&self, ticket: Ticket, outcomes: &Outcomes) {
        let told = Array::of1(&ticket.into());
        for (id, outcome) in outcomes {
            told.push(&id.to_string().into());
            told.push(&outcome.name().into());
        }
        self.tell("confirmed", None, told.into(), JsValue::NULL);
    }

    fn sign(&self, number: u32, seed: &[u8; 32], message: &[u8]) {
        self.witness("", number, seed, message);
    }

    fn check(&self, number: u32, claimed: &Claimed<'_>) {
        let Claimed { id, signed, message, metadata, share } = claimed;
        let share = share.map_or(&[][..], |share| share);
        let bytes = [&signed.key[..], &signed.signature, share, metadata.as_bytes()].concat();
        self.witness(&id.to_string(), number, &bytes, message);
    }

    fn stream(&self, peer: PeerId, event: &StreamEvent, bytes: Option<&Uint8Array>) {
        let (kind, id, detail) = match event {
            StreamEvent::Opened { id, name } => ("opened", id, (**name).into()),
            StreamEvent::Data { id, .. } => ("data", id, bytes.into()),
            StreamEvent::Ended { id } => ("ended", id, JsValue::NULL),
            StreamEvent::Aborted { id, reason } => ("aborted", id, (**reason).into()),
            StreamEvent::Cancelled { id, reason } => ("cancelled", id, (**reason).into()),
            StreamEvent::Writable { id } => ("writable", id, JsValue::NULL),
            StreamEvent::Closed { id } => ("closed", id, JsValue::NULL),
            _ => return,
        };
        self.tell_more(kind, peer, id.0, detail, JsValue::NULL);
    }

    fn call(&self, peer: PeerId, event: &CallEvent, bytes: Option<&Uint8Array>) {
        let (kind, id, detail, more) = match event {
            CallEvent::Request { id, method, .. } => ("request", id, bytes.into(), (*method as u32).into()),
            CallEvent::Cancelled { id } => ("dropped", id, JsValue::NULL, JsValue::NULL),
            CallEvent::Response { id, .. } => ("response", id, bytes.into(), JsValue::NULL),
            CallEvent::Failed { id, failure: CallFailure::Remote { code, message } } => {
                ("failed", id, (**code).into(), (**message).into())
            }
            CallEvent::Failed { id, failure } => {
                ("lost", id, failure.code().into(), failure.to_string().into())
            }
            _ => return,
        };
        self.tell_more(kind, peer, id.0, detail, more);
    }
}

/// Reads the first three of `[label, delivery, codec, compress]`, where delivery is a name or a lifetime in milliseconds.
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

/// Text or bytes.
fn read_payload(data: &JsValue) -> Payload {
    match data.dyn_ref::<JsString>() {
        Some(text) => Payload::text(&String::from(text)),
        None => Payload::array(data.clone().unchecked_into::<Uint8Array>()),
    }
}

/// A room, as the TypeScript face sees it.
#[wasm_bindgen]
#[allow(missing_debug_implementations)] // Nobody prints it: it lives behind the TypeScript face.
pub struct NativeRoom(Rc<Driver>);

#[wasm_bindgen]
impl NativeRoom {
    /// Starts joining. With `gives_tokens`, the event `token` asks for one, to be given by [`NativeRoom::token`]. `channels` is an array of `[label, delivery, codec, compress]`, `metadata` JSON text, `relay` the number of a
    /// [`RelayMode`], `ice` that of an [`IceSource`].
    ///
    /// # Errors
    /// `{ code, message }` when an argument is not allowed.
    #[wasm_bindgen(constructor)]
    #[allow(clippy::too_many_arguments)] // Called from one place, where each has its name.
    pub fn new(
        url: &str,
        room: String,
        secret: Option<String>,
        share: Option<Box<[u8]>>,
        channels: &Array,
        metadata: &str,
        configuration: &JsValue,
        timeout_ms: f64,
        gives_tokens: bool,
        resume: bool,
        identity: Option<Box<[u8]>>,
        relay: u32,
        relay_bulk: bool,
        window_bytes: Option<f64>,
        peer_timeout_ms: Option<f64>,
        relay_only: bool,
        lan: bool,
        ice: u32,
        on_event: Function,
        on_messages: Function,
        on_more: Function,
    ) -> Result<NativeRoom, JsValue> {
        let declared = channels.iter().map(|entry| read_channel(&entry)).collect::<Result<Vec<_>, _>>()?;
        let hello = Hello::new(declared, metadata).map_err(Error::from)?;
        let compress = hello.numbers(|label| {
            let is_set = |entry: &JsValue| Reflect::get_u32(entry, 3).is_ok_and(|flag| flag.is_truthy());
            let has_label = |entry: &JsValue| Reflect::get_u32(entry, 0).is_ok_and(|known| known == *label);
            channels.iter().any(|entry| has_label(&entry) && is_set(&entry))
        });
        let configuration = configuration.unchecked_ref::<RtcConfiguration>().clone();
        let defaults = Options::default();
        // Not `clamp`: its panic would print the numbers, and bring 23 KB of code for that.
        let within =
            |value: Option<f64>, least: f64, most: f64| value.map(|value| value.max(least).min(most));
        let (least, most) = (f64::from(limits::MIN_WINDOW_BYTES), f64::from(limits::MAX_WINDOW_BYTES));
        let options = Options {
            relay: [RelayMode::First, RelayMode::Fallback, RelayMode::Never]
                .get(relay as usize)
                .copied()
                .unwrap_or_default(),
            relay_bulk,
            window: within(window_bytes, least, most).map_or(defaults.window, |bytes| bytes as u32),
            // A day: sums of times cannot overflow, and no peer is waited for longer.
            peer_timeout_ms: within(peer_timeout_ms, 5_000.0, 86_400_000.0)
                .map_or(defaults.peer_timeout_ms, |ms| ms as u64),
            privacy: Privacy { relay_only, lan },
            ice: [IceSource::Server, IceSource::Application, IceSource::Asked]
                .get(ice as usize)
                .copied()
                .unwrap_or_default(),
            compress,
        };
        let settings = Settings {
            url: driver::server_address(url)?,
            configuration,
            room,
            secret,
            share: share.and_then(|bytes| (*bytes).try_into().ok()),
            hello,
            join_timeout_ms: timeout_ms as u64,
            gives_tokens,
            options,
            resume,
            // 32 bytes, as the TypeScript face made or checked them.
            identity: identity.and_then(|bytes| (*bytes).try_into().ok()).map(ResumeToken),
        };
        Ok(Self(Driver::start(
            settings,
            Box::new(JsSink { on_event, on_messages, on_more, last_from: RefCell::default() }),
        )?))
    }

    /// Sends bytes, or with `are_many` messages of bytes that are each behind their length as a varint, or texts that are each
    /// ended by a line feed (JSON has none); to all, or to one peer. With `at_once` they leave before this returns, as far as
    /// there is room, and not at the end of the task.
    ///
    /// Undefined when queued at once and nothing more is to be told, otherwise `[ticket, waits]`. When they wait for room,
    /// the event `queued` tells of the ticket once there is some, and the ticket takes the messages back until then. With
    /// `confirm_ms`, the event `confirmed` tells what became of the last.
    ///
    /// # Errors
    /// `{ code, message }`; nothing was sent then.
    pub fn send(
        &self,
        channel: u32,
        data: &JsValue,
        to: Option<String>,
        confirm_ms: Option<f64>,
        are_many: bool,
        at_once: bool,
    ) -> Result<JsValue, JsValue> {
        let payloads = match data.dyn_ref::<JsString>() {
            Some(texts) => Payload::lines(String::from(texts)),
            None if are_many => Payload::parts(data.unchecked_ref::<Uint8Array>().to_vec()),
            None => vec![read_payload(data)],
        };
        let to = to.map(|id| parse_id(&id)).transpose()?;
        let confirm_ms = confirm_ms.map(|ms| ms.clamp(0.0, 86_400_000.0) as u64);
        let Sent { ticket, waits, .. } =
            self.0.send(channel as ChannelIndex, payloads, to, confirm_ms, at_once)?;
        if !waits && confirm_ms.is_none() {
            return Ok(JsValue::UNDEFINED);
        }
        Ok(Array::of2(&ticket.into(), &waits.into()).into())
    }

    /// The application has taken this many messages, of this many bytes in all, from a peer.
    pub fn consumed(&self, peer: &str, channel: u32, messages: u32, bytes: f64) {
        if let Ok(id) = parse_id(peer) {
            self.0.consumed(id, channel as ChannelIndex, u64::from(messages), bytes as u64);
        }
    }

    /// Does something with a stream or a call, or answers one: the way back of `on_more`, and one function for all of it
    /// because each export is half a kilobyte. What `id`, `detail` and `more` are depends on `what`; a new stream or call
    /// gives its number, a write whether the next need not wait for the event `writable`.
    ///
    /// # Errors
    /// `{ code, message }`; nothing was sent then.
    pub fn exchange(
        &self,
        what: &str,
        peer: &str,
        id: f64,
        detail: &JsValue,
        more: &JsValue,
    ) -> Result<JsValue, JsValue> {
        let (driver, peer, text) = (&self.0, parse_id(peer)?, || detail.as_string().unwrap_or_default());
        let (stream, call) = (StreamId(id as u64), CallId(id as u64));
        match what {
            "open" => return Ok((driver.open_stream(peer, &text())?.0 as f64).into()),
            "write" => return Ok(driver.write_stream(peer, stream, read_payload(detail))?.into()),
            "finish" => driver.end_stream(peer, stream, End::Finish),
            "abort" => driver.end_stream(peer, stream, End::Abort(&text())),
            "cancel" => driver.end_stream(peer, stream, End::Cancel(&text())),
            "consumed" => {
                driver.stream_consumed(peer, stream, detail.as_f64().unwrap_or_default() as usize);
            }
            // Here `id` is the method, and `more` the time in milliseconds; of infinity comes one that does not pass.
            "call" => {
                let timeout_ms = more.as_f64().map(|ms| ms as u64).filter(|ms| *ms < u64::MAX);
                let call = driver.call(peer, id as usize, read_payload(detail), timeout_ms)?;
                return Ok((call.0 as f64).into());
            }
            "drop" => driver.cancel_call(peer, call),
            // The event `code` tells what comes of it.
            "compare" => driver.compare(peer)?,
            "kick" => driver.kick(peer, &text()),
            // An answer, or with a code in `more` a failure. A call that was cancelled must not be answered.
            _ => match more.as_string() {
                Some(code) => driver.answer(peer, call, Err((&code, &text()))),
                None => driver.answer(peer, call, Ok(read_payload(detail))),
            },
        }
        Ok(JsValue::UNDEFINED)
    }

    /// What came of a `witness`: a key and its signature in 96 bytes, what passphrases come to in 32, or the number of a [`Verdict`];
    /// undefined when nothing could be signed.
    pub fn witnessed(&self, number: u32, answer: &JsValue) {
        if let Some(verdict) = answer.as_f64() {
            let verdict = match verdict as u32 {
                0 => Verdict::Valid,
                2 => Verdict::NotAccepted,
                _ => Verdict::Forged,
            };
            return self.0.checked(number, verdict);
        }
        let bytes = answer.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec).unwrap_or_default();
        if let Ok(agreed) = <[u8; 32]>::try_from(&bytes[..]) {
            return self.0.checked(number, Verdict::Agreed(agreed));
        }
        let signed = bytes
            .split_first_chunk::<32>()
            .and_then(|(key, signature)| Some(Signed { key: *key, signature: signature.try_into().ok()? }));
        self.0.signed(number, signed);
    }

    /// Gives the admission token that was asked for; undefined when there is none.
    pub fn token(&self, token: Option<String>) {
        self.0.give_token(token);
    }

    /// STUN and TURN servers of the application's, an array of `RTCIceServer`, for connections from now on.
    pub fn ice_servers(&self, servers: &JsValue) {
        self.0.set_ice_servers(servers);
    }

    /// Takes a waiting message back.
    pub fn cancel(&self, channel: u32, ticket: u32) {
        self.0.cancel(channel as ChannelIndex, ticket);
    }

    /// Says goodbye once what was sent has arrived; the `closed` event follows.
    pub fn leave(&self) {
        self.0.leave();
    }

    /// Of a peer `[bytesSent, bytesReceived, bufferedBytes, rttMs, jitterMs]`, -1 for what is not measured, and for each channel, of
    /// which the last is that of streams and calls, `[messagesSent, messagesReceived, messagesResent, bytesSent, bytesReceived,
    /// queuedBytes, unacknowledgedBytes, windowBytes, earlyBytes]`; without one `[serverSent, serverReceived, directSent,
    /// directReceived]` in bytes.
    pub fn counts(&self, peer: Option<String>) -> Vec<f64> {
        match peer {
            Some(peer) => parse_id(&peer).map_or(Vec::new(), |peer| self.0.peer_counts(peer)),
            None => {
                let traffic = self.0.traffic();
                [traffic.server_sent, traffic.server_received, traffic.direct_sent, traffic.direct_received]
                    .map(|count| count as f64)
                    .to_vec()
            }
        }
    }

    /// What was tried to reach a peer directly, eleven numbers for each attempt, oldest first: its generation; when each
    /// [`Stage`](peerloom_protocol::attempts::Stage) was reached, and when it ended, in milliseconds ago, -1 for what has not
    /// happened; the kinds of candidates of this side and of the other ([`Kinds`](peerloom_protocol::attempts::Kinds)). Without a
    /// peer how far [joining](peerloom_protocol::attempts::Joining) came, in milliseconds ago.
    pub fn attempts(&self, peer: Option<String>) -> Vec<f64> {
        match peer {
            Some(peer) => parse_id(&peer).map_or(Vec::new(), |peer| self.0.attempt_numbers(peer)),
            None => self.0.joining_numbers(),
        }
    }

    /// The servers that connections are made with, an array of `RTCIceServer`.
    pub fn known_ice_servers(&self) -> JsValue {
        self.0.ice_servers()
    }

    /// The RTCPeerConnection in use to a peer.
    pub fn connection(&self, peer: &str) -> Option<RtcPeerConnection> {
        self.0.connection(parse_id(peer).ok()?)
    }
}
