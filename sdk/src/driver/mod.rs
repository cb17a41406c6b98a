//! Runs a [`Room`] in a page: browser events become inputs, actions become browser calls.
//!
//! Nothing is decided here. Whoever embeds the driver gives it a [`Sink`] and calls its methods; both the Rust API and
//! the exports for npm are thin layers over it.

mod clock;
mod connection;
mod payload;
mod peers;
mod sends;
mod socket;
mod stats;
#[cfg(all(test, target_arch = "wasm32"))]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::{Rc, Weak};

use gloo::events::EventListener;
use js_sys::Uint8Array;
use peerloom_protocol::action::{Action, ConnectionId, Event, Input};
use peerloom_protocol::id::PeerId;
use peerloom_protocol::room::{Config, Room};
use peerloom_protocol::sorted_map::SortedMap;
use wasm_bindgen_futures::spawn_local;
use web_sys::RtcConfiguration;

use crate::error::Error;
use clock::{Timer, now_ms};
use connection::{Connection, ConnectionEvent, Report};
pub(crate) use payload::Payload;
use peers::Peers;
pub(crate) use sends::SendOutcome;
use sends::Sends;
use socket::{Socket, SocketEvent};
pub use stats::{Path, PeerStats, Traffic};

/// Number of a declared channel: its place among the labels, sorted.
pub(crate) type ChannelIndex = usize;

/// Who wants to know what happens. Calls back into the driver are allowed from every method.
pub(crate) trait Sink {
    /// Something happened in the room.
    fn event(&self, event: &Event);
    /// How the peer is reached, known a moment after `PeerConnected`.
    fn path(&self, peer: PeerId, path: Path);
    /// Whole messages, as ranges of one buffer, in order.
    fn messages(&self, from: PeerId, channel: ChannelIndex, buffer: &Uint8Array, ranges: &[Range<usize>]);
    /// A peer broke the rules on this channel; its connection is made anew.
    fn violation(&self, from: PeerId, channel: ChannelIndex, code: &'static str, detail: &str);
}

/// Where and how to join.
pub(crate) struct Settings {
    /// The server's WebSocket address, from [`server_address`].
    pub(crate) url: String,
    /// Handed to every RTCPeerConnection.
    pub(crate) configuration: RtcConfiguration,
    pub(crate) config: Config,
}

/// Turns the address of a server (http, https, ws or wss, with or without a path) into that of its WebSocket.
///
/// # Errors
/// [`Error::BadUrl`].
pub(crate) fn server_address(url: &str) -> Result<String, Error> {
    let bad = || Error::BadUrl(url.to_owned());
    // By characters: searching for a text would bring 2 KB of code.
    let (scheme, rest) = url.split_once(':').ok_or_else(bad)?;
    let rest = rest.strip_prefix("//").ok_or_else(bad)?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => "ws",
        "https" | "wss" => "wss",
        _ => return Err(bad()),
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    if rest.is_empty() {
        return Err(bad());
    }
    let path = if rest.ends_with("/ws") { "" } else { "/ws" };
    Ok(format!("{scheme}://{rest}{path}"))
}

/// A room that runs by itself. Dropping the last handle leaves it.
pub(crate) struct Driver {
    settings: Settings,
    sink: Box<dyn Sink>,
    room: RefCell<Room>,
    socket: RefCell<Option<Socket>>,
    connections: RefCell<SortedMap<ConnectionId, Connection>>,
    peers: RefCell<Peers>,
    sends: RefCell<Sends>,
    traffic: RefCell<Traffic>,
    timer: RefCell<Timer>,
    inputs: RefCell<VecDeque<Input>>,
    busy: Cell<bool>,
    flush_scheduled: Cell<bool>,
    page_listeners: RefCell<Vec<EventListener>>,
    me: Weak<Self>,
}

impl Driver {
    /// Joins. What follows comes to `sink`, beginning with `Joined` or `Closed`.
    ///
    /// # Errors
    /// A name or a setting that is not allowed.
    pub(crate) fn start(settings: Settings, sink: Box<dyn Sink>) -> Result<Rc<Self>, Error> {
        let seed = (js_sys::Math::random() * 9e15) as u64;
        let room = Room::new(settings.config.clone(), seed)?;
        let peers = Peers::new(&settings.config.hello);
        let sends = Sends::new(settings.config.hello.channels.len());
        let driver = Rc::new_cyclic(|me| Self {
            settings,
            sink,
            room: RefCell::new(room),
            socket: RefCell::default(),
            connections: RefCell::default(),
            peers: RefCell::new(peers),
            sends: RefCell::new(sends),
            traffic: RefCell::default(),
            timer: RefCell::default(),
            inputs: RefCell::default(),
            busy: Cell::new(false),
            flush_scheduled: Cell::new(false),
            page_listeners: RefCell::default(),
            me: me.clone(),
        });
        driver.listen_to_page();
        driver.feed(Input::Start);
        Ok(driver)
    }

    /// Says goodbye and ends the room; `Closed` follows.
    pub(crate) fn leave(&self) {
        self.flush();
        self.feed(Input::Leave);
    }

    fn listen_to_page(&self) {
        let Some(window) = web_sys::window() else { return };
        let on = |name: &'static str, input: fn() -> Input| {
            let me = self.me.clone();
            EventListener::new(&window, name, move |_| {
                if let Some(driver) = me.upgrade() {
                    driver.feed(input());
                }
            })
        };
        *self.page_listeners.borrow_mut() =
            vec![on("pagehide", || Input::Leave), on("online", || Input::Online)];
    }

    /// Feeds one input and carries out what follows. Inputs fed meanwhile (by callbacks) wait their turn.
    fn feed(&self, input: Input) {
        self.inputs.borrow_mut().push_back(input);
        if self.busy.replace(true) {
            return;
        }
        loop {
            let Some(input) = self.inputs.borrow_mut().pop_front() else { break };
            self.room.borrow_mut().handle(now_ms(), input);
            loop {
                let Some(action) = self.room.borrow_mut().poll_action() else { break };
                self.carry_out(action);
            }
        }
        self.busy.set(false);
        let (due, me) = (self.room.borrow().deadline(), self.me.clone());
        self.timer.borrow_mut().set(due, move || {
            if let Some(driver) = me.upgrade() {
                driver.timer.borrow_mut().ran();
                driver.feed(Input::TimedOut);
            }
        });
    }

    fn carry_out(&self, action: Action) {
        match action {
            Action::OpenSocket { subprotocols } => self.open_socket(&subprotocols),
            Action::SendSocket(bytes) => {
                if let Some(socket) = &*self.socket.borrow() {
                    socket.send(&bytes);
                }
            }
            Action::CloseSocket => self.drop_socket(),
            Action::OpenConnection(id, start) => {
                let me = self.me.clone();
                let report: Report = Rc::new(move |id, event| {
                    if let Some(driver) = me.upgrade() {
                        driver.connection_event(id, event);
                    }
                });
                let (configuration, hello) = (&self.settings.configuration, &self.settings.config.hello);
                match Connection::open(id, start, configuration, hello, report) {
                    Ok(connection) => {
                        self.connections.borrow_mut().insert(id, connection);
                    }
                    Err(_) => self.inputs.borrow_mut().push_back(Input::ConnectionLost(id)),
                }
            }
            Action::SetAnswer(id, sdp) => self.with_connection(id, |c| c.set_answer(sdp)),
            Action::AddCandidate(id, line) => self.with_connection(id, |c| c.add_candidate(line)),
            Action::SendControl(id, bytes) => self.with_connection(id, |c| {
                c.send(peerloom_protocol::control::CHANNEL_ID, &bytes);
            }),
            Action::CloseConnection(id) => {
                let connection = self.connections.borrow_mut().remove(&id);
                if let Some(connection) = connection {
                    self.traffic.borrow_mut().closed(connection.sent_bytes.get());
                    self.peers.borrow_mut().connection_closed(id);
                }
            }
            Action::Notify(event) => self.notify(&event),
            // A newer core may know actions that this driver does not: they are then ours to add.
            _ => {}
        }
    }

    fn notify(&self, event: &Event) {
        match event {
            Event::PeerJoined { id, .. } => self.peers.borrow_mut().joined(*id),
            Event::PeerConnected(id, connection) => {
                self.peers.borrow_mut().connected(*id, *connection);
                self.find_path(*id, *connection);
            }
            Event::PeerFailed(id, _) => self.peers.borrow_mut().failed(*id),
            Event::PeerLeft(id, _) => self.peers.borrow_mut().left(*id),
            Event::Closed(_) => {
                self.page_listeners.borrow_mut().clear();
                self.peers.borrow_mut().closed();
            }
            _ => {}
        }
        self.wake_senders();
        self.sink.event(event);
        if let Event::PeerConnected(id, _) = event {
            let early = self.peers.borrow_mut().take_early(*id);
            for (channel, data) in early {
                self.data(*id, channel, &data);
            }
        }
        self.schedule_flush();
    }

    fn with_connection(&self, id: ConnectionId, act: impl FnOnce(&Connection)) {
        if let Some(connection) = self.connections.borrow().get(&id) {
            act(connection);
        }
    }

    fn open_socket(&self, subprotocols: &[String]) {
        self.drop_socket();
        let me = self.me.clone();
        let opened = Socket::open(&self.settings.url, subprotocols, move |event| {
            let Some(driver) = me.upgrade() else { return };
            match event {
                SocketEvent::Opened => driver.feed(Input::SocketOpened),
                SocketEvent::Message(bytes) => {
                    driver.traffic.borrow_mut().server_received += bytes.len() as u64;
                    driver.feed(Input::SocketMessage(bytes));
                }
                SocketEvent::Closed => driver.feed(Input::SocketClosed),
            }
        });
        match opened {
            Ok(socket) => *self.socket.borrow_mut() = Some(socket),
            Err(_) => self.inputs.borrow_mut().push_back(Input::SocketClosed),
        }
    }

    fn drop_socket(&self) {
        let socket = self.socket.borrow_mut().take();
        if let Some(socket) = socket {
            self.traffic.borrow_mut().server_sent += socket.sent_bytes.get();
        }
    }

    fn connection_event(&self, id: ConnectionId, event: ConnectionEvent) {
        match event {
            ConnectionEvent::LocalDescription(sdp) => self.feed(Input::LocalDescription(id, sdp)),
            ConnectionEvent::LocalCandidate(line) => self.feed(Input::LocalCandidate(id, line)),
            ConnectionEvent::GatheringComplete => self.feed(Input::GatheringComplete(id)),
            ConnectionEvent::ChannelsOpen => self.feed(Input::ChannelsOpen(id)),
            ConnectionEvent::Lost => self.feed(Input::ConnectionLost(id)),
            ConnectionEvent::BufferLow => self.flush(),
            ConnectionEvent::Message(0, data) => {
                self.traffic.borrow_mut().direct_received += u64::from(data.length());
                self.feed(Input::ControlMessage(id, data.to_vec()));
            }
            ConnectionEvent::Message(channel, data) => {
                self.traffic.borrow_mut().direct_received += u64::from(data.length());
                let index = usize::from(channel) - 1;
                let from = self.peers.borrow_mut().receive(id, index, &data, self.room.borrow().peer_of(id));
                if let Some(from) = from {
                    self.data(from, index, &data);
                }
            }
        }
    }

    /// Reads one data-channel message of a connected peer.
    fn data(&self, from: PeerId, channel: ChannelIndex, data: &Uint8Array) {
        let delivered = self.peers.borrow_mut().accept(from, channel, data);
        match delivered {
            Ok(None) => {}
            Ok(Some((buffer, ranges))) => self.sink.messages(from, channel, &buffer, &ranges),
            Err(error) => {
                self.sink.violation(from, channel, error.code(), &error.to_string());
                let connection = self.peers.borrow().connection_of(from);
                if let Some(connection) = connection {
                    self.feed(Input::ConnectionLost(connection));
                }
            }
        }
    }

    /// Lets everything sent in this task leave together at its end.
    fn schedule_flush(&self) {
        if !self.flush_scheduled.replace(true) {
            let me = self.me.clone();
            spawn_local(async move {
                if let Some(driver) = me.upgrade() {
                    driver.flush();
                }
            });
        }
    }

    /// Hands over what the channels take, and wakes senders that wait for room.
    fn flush(&self) {
        self.flush_scheduled.set(false);
        let lost = self.peers.borrow_mut().pump(now_ms(), &self.connections.borrow());
        self.wake_senders();
        for id in lost {
            self.feed(Input::ConnectionLost(id));
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Nobody holds the room any more: say goodbye as far as that goes without waiting.
        self.room.get_mut().handle(now_ms(), Input::Leave);
        while let Some(action) = self.room.get_mut().poll_action() {
            if matches!(action, Action::SendSocket(_) | Action::SendControl(..)) {
                self.carry_out(action);
            }
        }
    }
}
