//! Joining a room from Rust, its peers and its events.

use std::any::TypeId;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::Range;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use futures::Stream;
use futures::channel::{mpsc, oneshot};
use js_sys::Uint8Array;
use peerloom_protocol::action::Event;
use peerloom_protocol::hello::{Delivery, Hello};
use peerloom_protocol::id::PeerId;
use peerloom_protocol::room::Config;
use peerloom_protocol::timing;
use serde::Serialize;
use web_sys::RtcConfiguration;

use super::channel::{Channel, Readers};
use super::json;
use crate::driver::{self, ChannelIndex, Driver, Path, Settings, Sink};
use crate::error::Error;

/// Events kept for a reader that is not there.
const MAX_EVENTS: usize = 1_000;

/// Something happened in the room.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RoomEvent {
    /// A peer is in the room, with its metadata as JSON text (empty when it gave none).
    PeerJoined(PeerId, String),
    /// The channels to a peer are open, for the first time or again.
    PeerConnected(PeerId),
    /// The connection to a peer broke; another is being made.
    PeerSuspended(PeerId),
    /// A peer is gone: `left`, `lost` or `evicted`.
    PeerLeft(PeerId, &'static str),
    /// No connection to this peer could be made.
    PeerFailed(PeerId, Error),
    /// The link to the signaling server: `connecting`, `connected`, `reconnecting` or `closed`.
    Signaling(&'static str),
    /// The room is over.
    Closed(Option<Error>),
}

/// What is shared between the driver's callbacks and the handles.
struct Shared {
    readers: Vec<Rc<RefCell<Readers>>>,
    events: Vec<mpsc::Sender<RoomEvent>>,
    joined: Option<oneshot::Sender<Result<PeerId, Error>>>,
    peers: BTreeMap<PeerId, String>,
}

struct RoomSink(Weak<RefCell<Shared>>);

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
            Event::PeerConnected(id, _) => RoomEvent::PeerConnected(*id),
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
                shared.readers.iter().for_each(|readers| readers.borrow_mut().each(|mailbox| mailbox.close()));
                RoomEvent::Closed(error)
            }
            _ => return,
        };
        // A reader that is a thousand events behind misses this one.
        shared.events.retain_mut(|reader| !matches!(reader.try_send(told.clone()), Err(e) if e.is_disconnected()));
    }

    fn path(&self, _: PeerId, _: Path) {}

    fn messages(&self, from: PeerId, channel: ChannelIndex, buffer: &Uint8Array, ranges: &[Range<usize>]) {
        let Some(shared) = self.0.upgrade() else { return };
        let shared = shared.borrow();
        let Some(readers) = shared.readers.get(channel) else { return };
        let bytes = buffer.to_vec();
        for range in ranges {
            // Text that is not UTF-8 cannot be JSON.
            if let Ok(text) = std::str::from_utf8(&bytes[range.clone()]) {
                readers.borrow_mut().each(|mailbox| mailbox.push(from, text.to_owned()));
            }
        }
    }

    fn violation(&self, _: PeerId, _: ChannelIndex, _: &'static str, _: &str) {}
}

/// How to join a room. Made by [`Room::builder`].
#[derive(Debug, Clone)]
pub struct Builder {
    url: String,
    room: String,
    channels: Vec<(String, Delivery, TypeId)>,
    metadata: Result<String, Error>,
}

impl Builder {
    /// The room's name, 1 to 128 bytes without control characters.
    pub fn room(mut self, name: &str) -> Self {
        self.room = name.to_owned();
        self
    }

    /// Declares a channel of messages of type `T`. Everyone in the room declares the same labels and deliveries.
    pub fn channel<T: 'static>(mut self, label: &str, delivery: Delivery) -> Self {
        self.channels.push((label.to_owned(), delivery, TypeId::of::<T>()));
        self
    }

    /// A small value the others see, at most 2 KiB as JSON.
    pub fn metadata<T: Serialize>(mut self, metadata: &T) -> Self {
        self.metadata = json::encode(metadata);
        self
    }

    /// Joins. Ready once the server has let us in; connections to the peers follow by themselves.
    ///
    /// # Errors
    /// As `docs/errors.md` lists for joining, such as `signaling-unreachable` or `room-full`.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing is joined.
    pub async fn join(self) -> Result<Room, Error> {
        let declared = self.channels.iter().map(|(label, delivery, _)| (label.clone(), *delivery, "json".to_owned()));
        let hello = Hello::new(declared, &self.metadata?)?;
        let types: BTreeMap<_, _> = self.channels.into_iter().map(|(label, _, id)| (label, id)).collect();
        let labels: Vec<String> = hello.channels.iter().map(|spec| spec.label.to_string()).collect();
        let readers: Vec<_> = labels.iter().map(|_| Rc::new(RefCell::new(Readers::new()))).collect();
        let (joined_tx, joined) = oneshot::channel();
        let shared =
            Shared { readers, events: Vec::new(), joined: Some(joined_tx), peers: BTreeMap::new() };
        let shared = Rc::new(RefCell::new(shared));
        let config = Config { room: self.room, hello, join_timeout_ms: timing::JOIN_MS };
        let url = driver::server_address(&self.url)?;
        let settings = Settings { url, configuration: RtcConfiguration::new(), config };
        let driver = Driver::start(settings, Box::new(RoomSink(Rc::downgrade(&shared))))?;
        let id = joined.await.unwrap_or(Err(Error::Closed))?;
        Ok(Room { driver, shared, id, labels, types })
    }
}

/// A joined room. Dropping it, and every sender and receiver of its channels, leaves.
pub struct Room {
    driver: Rc<Driver>,
    shared: Rc<RefCell<Shared>>,
    id: PeerId,
    labels: Vec<String>,
    types: BTreeMap<String, TypeId>,
}

impl Room {
    /// Starts describing how to join, with the http, https, ws or wss address of the server.
    pub fn builder(url: &str) -> Builder {
        let (url, room) = (url.to_owned(), String::new());
        Builder { url, room, channels: Vec::new(), metadata: Ok(String::new()) }
    }

    /// Our own id. It stays the same when signaling reconnects.
    pub fn id(&self) -> PeerId {
        self.id
    }

    /// Everyone else in the room, with their metadata as JSON text.
    pub fn peers(&self) -> BTreeMap<PeerId, String> {
        self.shared.borrow().peers.clone()
    }

    /// The channel declared under this label, with the type it was declared with.
    ///
    /// # Errors
    /// [`Error::NoChannel`].
    pub fn channel<T: 'static>(&self, label: &str) -> Result<Channel<T>, Error> {
        let index = self.labels.iter().position(|known| known == label);
        let index = index.filter(|_| self.types.get(label) == Some(&TypeId::of::<T>()));
        let index = index.ok_or_else(|| Error::NoChannel(label.to_owned()))?;
        let readers = self.shared.borrow().readers[index].clone();
        Ok(Channel { driver: self.driver.clone(), index, readers, message: PhantomData })
    }

    /// What happens from now on, with everyone already here told as `PeerJoined` first.
    pub fn events(&self) -> Events {
        let (mut sender, receiver) = mpsc::channel(MAX_EVENTS);
        let shared = &mut *self.shared.borrow_mut();
        for (id, metadata) in &shared.peers {
            // The channel is as long as any room is large.
            let _ = sender.try_send(RoomEvent::PeerJoined(*id, metadata.clone()));
        }
        shared.events.push(sender);
        Events(receiver)
    }

    /// Says goodbye, so that the others see it at once, and closes every connection.
    pub fn leave(self) {
        self.driver.leave();
    }
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room").field("id", &self.id).field("channels", &self.labels).finish()
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
