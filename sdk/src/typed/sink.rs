//! What happens in a room, on its way to the application.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use futures::Stream;
use futures::channel::{mpsc, oneshot};
use js_sys::futures::spawn_local;
use js_sys::{Array, Uint8Array};
use peerloom_protocol::action::Event;
use peerloom_protocol::call::{CallFailure, CallId, Event as CallEvent, code};
use peerloom_protocol::failure::KickError;
use peerloom_protocol::hello::Delivery;
use peerloom_protocol::id::PeerId;
use peerloom_protocol::identity::{self, Verdict};
use peerloom_protocol::passphrase::Passphrase;
use peerloom_protocol::safety::SafetyCode;
use peerloom_protocol::stream::{Event as StreamEvent, StreamId};
use web_sys::RtcIceServer;

use super::mailbox::{self, Readers};
use super::rpc::Incoming;
use super::stream::{self, State};
use crate::driver::{Claimed, Driver, End, Path, Sink, Source};
use crate::error::Error;

/// Events kept for a reader that is not there.
const MAX_EVENTS: usize = 1_000;

/// Something happened in the room.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RoomEvent {
    /// A peer is in the room, with its metadata as JSON text (empty when it gave none).
    PeerJoined(PeerId, String),
    /// There is a path to a peer for the first time.
    PeerConnected(PeerId),
    /// This is how messages to a peer go from now on; `None` while there is no path.
    PeerPath(PeerId, Option<Path>),
    /// Nothing was heard from a peer for a while; what is sent to it waits.
    PeerSuspended(PeerId),
    /// It speaks again; nothing was lost.
    PeerResumed(PeerId),
    /// A peer is gone: why, as [`LeaveReason::code`](peerloom_protocol::signal::LeaveReason::code) names it, such as `left`, `lost` or `kicked`
    PeerLeft(PeerId, &'static str),
    /// No path to this peer was found so far, it is not who the server says, or its protocol does not fit.
    PeerFailed(PeerId, Error),
    /// A peer that left, or cannot be reached, did not acknowledge this many messages on the channel of this label.
    Undelivered(PeerId, String, usize),
    /// A peer broke the rules of a channel (`bad-frame`, `window-exceeded`, `reassembly-limit`); its connection is made
    /// anew.
    Violation(PeerId, &'static str),
    /// The link to the signaling server: `connecting`, `connected`, `reconnecting` or `closed`.
    Signaling(&'static str),
    /// The room is over.
    Closed(Option<Error>),
}

type Token = Pin<Box<dyn Future<Output = Option<String>>>>;

/// Gives admission tokens.
#[derive(Clone)]
pub(super) enum TokenSource {
    /// For anybody.
    Any(Rc<dyn Fn() -> Token>),
    /// For the owner of our public key, as base64url.
    Key(Rc<dyn Fn(String) -> Token>),
}

impl TokenSource {
    /// Asks for a token; None as long as the key that it is to be for is not known.
    fn ask(&self, key: Option<&[u8; 32]>) -> Option<Token> {
        match self {
            Self::Any(give) => Some(give()),
            Self::Key(give) => key.map(|key| give(identity::key_text(key))),
        }
    }
}

impl std::fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenSource")
    }
}

type IceServers = Pin<Box<dyn Future<Output = Option<Vec<RtcIceServer>>>>>;

/// Gives STUN and TURN servers.
#[derive(Clone)]
pub(super) struct IceServerSource(pub(super) Rc<dyn Fn() -> IceServers>);

impl IceServerSource {
    /// As the browser wants them.
    pub(super) async fn ask(&self) -> Option<Array> {
        Some((self.0)().await?.iter().collect())
    }
}

impl std::fmt::Debug for IceServerSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IceServerSource")
    }
}

/// Says who is accepted.
#[derive(Clone)]
pub(super) struct Accepted(pub(super) Rc<dyn Fn(PeerId) -> bool>);

impl std::fmt::Debug for Accepted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Accepted")
    }
}

/// What became of a call.
type Answer = Result<Vec<u8>, CallFailure>;

/// What is shared between the driver's callbacks and the handles.
pub(super) struct Shared {
    /// Label and delivery of each channel.
    channels: Vec<(String, Delivery)>,
    pub(super) readers: Vec<Rc<RefCell<Readers>>>,
    events: Vec<mpsc::Sender<RoomEvent>>,
    joined: Option<oneshot::Sender<Result<PeerId, Error>>>,
    token: Option<TokenSource>,
    /// A token is wanted as soon as our key is known.
    token_wanted: bool,
    /// Ours, once something was signed with it.
    key: Option<[u8; 32]>,
    accepted: Option<Accepted>,
    pub(super) ice_servers: Option<IceServerSource>,
    pub(super) passphrase: Option<Passphrase>,
    /// The room is over: of what is asked for now nothing comes.
    pub(super) is_over: bool,
    /// Who waits for a peer to be sent away.
    pub(super) kicks: Vec<(PeerId, oneshot::Sender<Result<(), KickError>>)>,
    pub(super) peers: BTreeMap<PeerId, String>,
    /// Those of them to whom there has been a path.
    connected: BTreeSet<PeerId>,
    pub(super) driver: Weak<Driver>,
    pub(super) streams: BTreeMap<(PeerId, StreamId), Weak<RefCell<State>>>,
    /// Who takes the streams that peers open.
    pub(super) opened: Option<mpsc::UnboundedSender<stream::Stream>>,
    /// Who waits for a code to compare with a peer.
    pub(super) codes: BTreeMap<PeerId, Vec<oneshot::Sender<Result<SafetyCode, Error>>>>,
    /// Calls of ours that are not settled.
    pub(super) calls: BTreeMap<(PeerId, CallId), oneshot::Sender<Answer>>,
    /// Who answers each method.
    pub(super) handlers: Vec<Option<mpsc::UnboundedSender<Incoming>>>,
    /// Calls of the others that wait for an answer.
    pub(super) requests: BTreeMap<(PeerId, CallId), oneshot::Sender<()>>,
}

impl Shared {
    pub(super) fn new(
        channels: Vec<(String, Delivery)>,
        methods: usize,
        joined: oneshot::Sender<Result<PeerId, Error>>,
        token: Option<TokenSource>,
        accepted: Option<Accepted>,
    ) -> Self {
        let readers = channels.iter().map(|_| Rc::new(RefCell::new(Readers::new()))).collect();
        Self {
            channels,
            readers,
            events: Vec::new(),
            joined: Some(joined),
            token,
            token_wanted: false,
            key: None,
            accepted,
            ice_servers: None,
            passphrase: None,
            is_over: false,
            kicks: Vec::new(),
            peers: BTreeMap::new(),
            connected: BTreeSet::new(),
            driver: Weak::new(),
            streams: BTreeMap::new(),
            opened: None,
            codes: BTreeMap::new(),
            calls: BTreeMap::new(),
            handlers: (0..methods).map(|_| None).collect(),
            requests: BTreeMap::new(),
        }
    }

    fn requested(&mut self, from: PeerId, id: CallId, method: usize, body: Vec<u8>) -> Option<()> {
        let handler = self.handlers.get(method)?.as_ref()?;
        let (sender, waits) = oneshot::channel();
        handler.unbounded_send(Incoming { from, id, body, waits }).ok()?;
        self.requests.insert((from, id), sender);
        Some(())
    }

    /// What happens from now on, with everyone already here first.
    pub(super) fn events(&mut self) -> Events {
        let (mut sender, receiver) = mpsc::channel(MAX_EVENTS);
        for (id, metadata) in &self.peers {
            // The queue is longer than any room is large.
            let _ = sender.try_send(RoomEvent::PeerJoined(*id, metadata.clone()));
            if self.connected.contains(id) {
                let _ = sender.try_send(RoomEvent::PeerConnected(*id));
            }
        }
        self.events.push(sender);
        Events(receiver)
    }

    fn tell(&mut self, event: &RoomEvent) {
        // A reader that is a thousand events behind misses this one.
        self.events
            .retain_mut(|reader| !matches!(reader.try_send(event.clone()), Err(e) if e.is_disconnected()));
    }
}

/// The driver's way to [`Shared`], which lives as long as the room's handles.
pub(super) struct RoomSink(pub(super) Weak<RefCell<Shared>>);

impl RoomSink {
    fn driver(&self) -> Option<Rc<Driver>> {
        self.0.upgrade()?.borrow().driver.upgrade()
    }

    /// Asks the application for a token, now or when our key is known.
    fn ask_for_token(&self, shared: &mut Shared) {
        let token = match &shared.token {
            Some(source) => source.ask(shared.key.as_ref()),
            None => Some(Box::pin(async { None }) as Token),
        };
        shared.token_wanted = token.is_none();
        let (Some(token), room) = (token, self.0.clone()) else { return };
        // The core asks before there is a handle to answer by, so this comes later in any case.
        spawn_local(async move {
            let token = token.await;
            let driver = room.upgrade().and_then(|shared| shared.borrow().driver.upgrade());
            if let Some(driver) = driver {
                driver.give_token(token);
            }
        });
    }
}

impl RoomSink {
    /// Asks the application for STUN and TURN servers. When it has none, the last ones stay.
    fn ask_for_ice_servers(&self, shared: &Shared) {
        let (Some(source), driver) = (shared.ice_servers.clone(), shared.driver.clone()) else { return };
        spawn_local(async move {
            if let (Some(servers), Some(driver)) = (source.ask().await, driver.upgrade()) {
                driver.set_ice_servers(&servers);
            }
        });
    }
}

impl Sink for RoomSink {
    fn sign(&self, number: u32, seed: &[u8; 32], message: &[u8]) {
        let signed = identity::sign(seed, message);
        if let Some(shared) = self.0.upgrade() {
            let shared = &mut *shared.borrow_mut();
            shared.key = Some(signed.key);
            if shared.token_wanted {
                self.ask_for_token(shared);
            }
        }
        if let Some(driver) = self.driver() {
            driver.signed(number, Some(signed));
        }
    }

    fn check(&self, number: u32, claimed: &Claimed<'_>) {
        let Some(driver) = self.driver() else { return };
        let Some(shared) = self.0.upgrade() else { return };
        let accepted = shared.borrow().accepted.clone();
        let agree = |share| shared.borrow().passphrase.as_ref()?.agree(share);
        let verdict = match (Verdict::of(claimed.signed, claimed.message), accepted) {
            (Verdict::Valid, Some(Accepted(accepts))) if !accepts(claimed.id) => Verdict::NotAccepted,
            (Verdict::Valid, _) => claimed.share.and_then(agree).map_or(Verdict::Valid, Verdict::Agreed),
            (verdict, _) => verdict,
        };
        driver.checked(number, verdict);
    }

    fn event(&self, event: &Event) {
        let Some(shared) = self.0.upgrade() else { return };
        let shared = &mut *shared.borrow_mut();
        let told = match event {
            Event::Joined(id) => {
                if let Some(joined) = shared.joined.take() {
                    let _ = joined.send(Ok(*id));
                }
                return;
            }
            Event::IceServersWanted => return self.ask_for_ice_servers(shared),
            Event::TokenWanted => return self.ask_for_token(shared),
            Event::PeerJoined { id, metadata } => {
                shared.peers.insert(*id, metadata.clone());
                RoomEvent::PeerJoined(*id, metadata.clone())
            }
            Event::PeerConnected(id) => {
                shared.connected.insert(*id);
                RoomEvent::PeerConnected(*id)
            }
            Event::PeerSuspended(id) => RoomEvent::PeerSuspended(*id),
            Event::PeerResumed(id) => RoomEvent::PeerResumed(*id),
            Event::Undelivered { id, channel, messages, .. } => {
                let label = shared.channels.get(*channel).map(|(label, _)| label.clone()).unwrap_or_default();
                RoomEvent::Undelivered(*id, label, *messages)
            }
            Event::Violation { id, error, .. } => RoomEvent::Violation(*id, error.code()),
            Event::SafetyCode(id, outcome) => {
                for waits in shared.codes.remove(id).unwrap_or_default() {
                    let _ = waits.send(outcome.map_err(Error::from));
                }
                return;
            }
            Event::PeerLeft(id, reason) => {
                shared.codes.remove(id);
                shared.peers.remove(id);
                shared.connected.remove(id);
                RoomEvent::PeerLeft(*id, reason.code())
            }
            Event::KickDone(id, result) => {
                for (_, kick) in shared.kicks.extract_if(.., |(peer, _)| peer == id) {
                    // Whoever dropped the receiver no longer wants to know.
                    let _ = kick.send(*result);
                }
                return;
            }
            Event::PeerFailed(id, error) => RoomEvent::PeerFailed(*id, error.clone().into()),
            Event::Signaling(state) => RoomEvent::Signaling(state.name()),
            Event::Closed(error) => {
                let error = error.clone().map(Error::from);
                if let Some(joined) = shared.joined.take() {
                    let _ = joined.send(Err(error.clone().unwrap_or(Error::Closed)));
                }
                shared.is_over = true;
                shared.kicks.clear();
                shared.peers.clear();
                shared.connected.clear();
                shared.opened = None;
                shared.handlers.iter_mut().for_each(|handler| *handler = None);
                shared
                    .readers
                    .iter()
                    .for_each(|readers| readers.borrow_mut().each(|mailbox| mailbox.close()));
                RoomEvent::Closed(error)
            }
            _ => return,
        };
        shared.tell(&told);
    }

    fn path(&self, peer: PeerId, path: Option<Path>) {
        if let Some(shared) = self.0.upgrade() {
            shared.borrow_mut().tell(&RoomEvent::PeerPath(peer, path));
        }
    }

    fn messages(&self, source: Source, buffer: &Uint8Array, ranges: &[Range<usize>]) {
        let Some(shared) = self.0.upgrade() else { return };
        let shared = shared.borrow();
        let Some(readers) = shared.readers.get(source.channel) else { return };
        let lossy = shared.channels.get(source.channel).is_some_and(|(_, delivery)| is_lossy(*delivery));
        for range in ranges {
            // A buffer holds at most one message of 16 MiB, or one frame: the places fit.
            let message = buffer.subarray(range.start as u32, range.end as u32);
            let message = mailbox::Incoming::new(source.clone(), message.to_vec());
            readers.borrow_mut().each(|mailbox| mailbox.push(message.clone(), lossy));
        }
    }

    fn stream(&self, peer: PeerId, event: &StreamEvent, bytes: Option<&Uint8Array>) {
        let Some(shared) = self.0.upgrade() else { return };
        let id = match event {
            StreamEvent::Opened { id, name } => return opened(&shared, peer, *id, name),
            StreamEvent::Data { id, .. }
            | StreamEvent::Ended { id }
            | StreamEvent::Aborted { id, .. }
            | StreamEvent::Cancelled { id, .. }
            | StreamEvent::Writable { id }
            | StreamEvent::Closed { id } => id,
            _ => return,
        };
        let state = shared.borrow().streams.get(&(peer, *id)).and_then(Weak::upgrade);
        if matches!(event, StreamEvent::Closed { .. }) {
            shared.borrow_mut().streams.remove(&(peer, *id));
        }
        if let Some(state) = state {
            state.borrow_mut().event(event, bytes.map(Uint8Array::to_vec));
        }
    }

    fn call(&self, peer: PeerId, event: &CallEvent, bytes: Option<&Uint8Array>) {
        let Some(shared) = self.0.upgrade() else { return };
        let mut shared = shared.borrow_mut();
        let body = bytes.map(Uint8Array::to_vec).unwrap_or_default();
        match event {
            CallEvent::Request { id, method, .. } => {
                if shared.requested(peer, *id, *method, body).is_none()
                    && let Some(driver) = shared.driver.upgrade()
                {
                    driver.answer(peer, *id, Err((code::NO_HANDLER, "nobody answers this method")));
                }
            }
            CallEvent::Cancelled { id } => {
                shared.requests.remove(&(peer, *id));
            }
            CallEvent::Response { id, .. } => {
                if let Some(call) = shared.calls.remove(&(peer, *id)) {
                    let _ = call.send(Ok(body));
                }
            }
            CallEvent::Failed { id, failure } => {
                if let Some(call) = shared.calls.remove(&(peer, *id)) {
                    let _ = call.send(Err(failure.clone()));
                }
            }
            _ => {}
        }
    }
}

/// A peer has opened a stream: somebody takes it, or it is refused.
fn opened(shared: &Rc<RefCell<Shared>>, peer: PeerId, id: StreamId, name: &str) {
    let (driver, opened) = (shared.borrow().driver.upgrade(), shared.borrow().opened.clone());
    let Some(driver) = driver else { return };
    match opened.filter(|opened| !opened.is_closed()) {
        Some(opened) => {
            let stream = stream::Stream::new(driver, shared, (peer, id), name.to_owned());
            // Refused at the last moment, it is dropped, which gives it up.
            let _ = opened.unbounded_send(stream);
        }
        None => {
            driver.end_stream(peer, id, End::Abort(code::NO_HANDLER));
            driver.end_stream(peer, id, End::Cancel(code::NO_HANDLER));
        }
    }
}

fn is_lossy(delivery: Delivery) -> bool {
    matches!(delivery, Delivery::Latest | Delivery::Lifetime(_))
}

/// The events of a room, a [`Stream`].
#[derive(Debug)]
pub struct Events(mpsc::Receiver<RoomEvent>);

impl Stream for Events {
    type Item = RoomEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<RoomEvent>> {
        Pin::new(&mut self.0).poll_next(context)
    }
}
