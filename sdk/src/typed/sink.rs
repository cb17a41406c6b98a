//! What happens in a room, on its way to the application.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use futures::Stream;
use futures::channel::{mpsc, oneshot};
use js_sys::Uint8Array;
use peerloom_protocol::action::Event;
use peerloom_protocol::id::PeerId;

use super::mailbox::Readers;
use crate::driver::{ChannelIndex, Path, Sink};
use crate::error::Error;

/// Events kept for a reader that is not there.
const MAX_EVENTS: usize = 1_000;

/// Something happened in the room.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RoomEvent {
    /// A peer is in the room, with its metadata as JSON text (empty when it gave none).
    PeerJoined(PeerId, String),
    /// The channels to a peer are open, for the first time or again, and this is how it is reached.
    PeerConnected(PeerId, Path),
    /// The connection to a peer broke; another is being made.
    PeerSuspended(PeerId),
    /// A peer is gone: `left`, `lost` or `evicted`.
    PeerLeft(PeerId, &'static str),
    /// No connection to this peer could be made.
    PeerFailed(PeerId, Error),
    /// A peer broke the rules of a channel (`bad-frame`, `out-of-order`, `reassembly-limit`); its connection is made anew.
    Violation(PeerId, &'static str),
    /// The link to the signaling server: `connecting`, `connected`, `reconnecting` or `closed`.
    Signaling(&'static str),
    /// The room is over.
    Closed(Option<Error>),
}

/// What is shared between the driver's callbacks and the handles.
pub(super) struct Shared {
    pub(super) readers: Vec<Rc<RefCell<Readers>>>,
    events: Vec<mpsc::Sender<RoomEvent>>,
    joined: Option<oneshot::Sender<Result<PeerId, Error>>>,
    pub(super) peers: BTreeMap<PeerId, String>,
}

impl Shared {
    pub(super) fn new(channels: usize, joined: oneshot::Sender<Result<PeerId, Error>>) -> Self {
        let readers = (0..channels).map(|_| Rc::new(RefCell::new(Readers::new()))).collect();
        Self { readers, events: Vec::new(), joined: Some(joined), peers: BTreeMap::new() }
    }

    /// What happens from now on, with everyone already here first.
    pub(super) fn events(&mut self) -> Events {
        let (mut sender, receiver) = mpsc::channel(MAX_EVENTS);
        for (id, metadata) in &self.peers {
            // The queue is longer than any room is large.
            let _ = sender.try_send(RoomEvent::PeerJoined(*id, metadata.clone()));
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

impl Sink for RoomSink {
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
            Event::PeerJoined { id, metadata } => {
                shared.peers.insert(*id, metadata.clone());
                RoomEvent::PeerJoined(*id, metadata.clone())
            }
            Event::PeerSuspended(id) => RoomEvent::PeerSuspended(*id),
            Event::PeerLeft(id, reason) => {
                shared.peers.remove(id);
                RoomEvent::PeerLeft(*id, reason.code())
            }
            Event::PeerFailed(id, error) => RoomEvent::PeerFailed(*id, error.clone().into()),
            Event::Signaling(state) => RoomEvent::Signaling(state.name()),
            Event::Closed(error) => {
                let error = error.clone().map(Error::from);
                if let Some(joined) = shared.joined.take() {
                    let _ = joined.send(Err(error.clone().unwrap_or(Error::Closed)));
                }
                shared.peers.clear();
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

    fn path(&self, peer: PeerId, path: Path) {
        if let Some(shared) = self.0.upgrade() {
            shared.borrow_mut().tell(&RoomEvent::PeerConnected(peer, path));
        }
    }

    fn messages(&self, from: PeerId, channel: ChannelIndex, buffer: &Uint8Array, ranges: &[Range<usize>]) {
        let Some(shared) = self.0.upgrade() else { return };
        let shared = shared.borrow();
        let Some(readers) = shared.readers.get(channel) else { return };
        for range in ranges {
            // A buffer holds at most one message of 16 MiB, or one frame: the places fit.
            let message = buffer.subarray(range.start as u32, range.end as u32);
            readers.borrow_mut().each(|mailbox| mailbox.push(from, message.to_vec()));
        }
    }

    fn violation(&self, from: PeerId, _: ChannelIndex, code: &'static str, _: &str) {
        if let Some(shared) = self.0.upgrade() {
            shared.borrow_mut().tell(&RoomEvent::Violation(from, code));
        }
    }
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
