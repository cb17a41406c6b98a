//! Runs a [`Node`] in a page: browser events become inputs, actions become browser calls.
//!
//! Nothing is decided here. Whoever embeds the driver gives it a [`Sink`] and calls its methods; both the Rust API and
//! the exports for npm are thin layers over it.

mod attempts;
mod buffer;
#[cfg(feature = "typed")]
mod certificate;
mod clock;
mod connection;
mod exchange;
mod globals;
mod ice;
mod listener;
mod page;
mod payload;
mod promise;
mod sends;
mod socket;
mod stats;
#[cfg(all(test, target_arch = "wasm32"))]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::{Rc, Weak};

use js_sys::Uint8Array;
use peerloom_protocol::action::{Action, Command, ConnectionId, Event, Input, PeerPath};
use peerloom_protocol::bounded::Text;
use peerloom_protocol::call::Event as CallEvent;
use peerloom_protocol::hello::Hello;
use peerloom_protocol::ice::IceSource;
use peerloom_protocol::id::{PeerId, ResumeToken};
use peerloom_protocol::identity::{Signed, Verdict};
use peerloom_protocol::node::{Config, Node};
use peerloom_protocol::session::{Options, Transport};
use peerloom_protocol::sorted_map::SortedMap;
use peerloom_protocol::stream::Event as StreamEvent;
#[cfg(feature = "typed")]
use peerloom_protocol::{failure::RoomError, passphrase::Passphrase, vault};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::RtcConfiguration;

use crate::error::Error;
#[cfg(feature = "typed")]
pub use attempts::{AttemptReport, JoiningReport};
use buffer::Buffer;
#[cfg(feature = "typed")]
pub(crate) use certificate::with_certificate;
use clock::{Timer, now_ms};
use connection::{Connection, ConnectionEvent, Report};
pub(crate) use exchange::End;
use listener::EventListener;
use page::Keepsake;
pub(crate) use payload::Payload;
#[cfg(feature = "typed")]
pub(crate) use sends::Sending;
#[cfg(feature = "typed")]
use sends::Tickets;
use sends::failure;
pub(crate) use sends::{Outcomes, Ticket};
use socket::{Socket, SocketEvent};
pub use stats::{ChannelStats, Path, PeerStats, Traffic};

/// Number of a declared channel: its place among the labels, sorted.
pub(crate) type ChannelIndex = usize;

/// Who wants to know what happens. Calls back into the driver are allowed from every method.
pub(crate) trait Sink {
    /// Something happened in the room.
    fn event(&self, event: &Event);
    /// How the peer is reached from now on; None while it is not. That a connection goes through a TURN server is found
    /// out a moment after it is in use, and told by the feature `typed` only.
    fn path(&self, peer: PeerId, path: Option<Path>);
    /// Whole messages, as ranges of one buffer, in order. [`Driver::consumed`] is to be told when they are taken.
    fn messages(&self, source: Source, buffer: &Uint8Array, ranges: &[Range<usize>]);
    /// A message that waited is queued, or will not be sent.
    fn queued(&self, _ticket: Ticket, _result: &Result<(), Error>) {}
    /// What became of a message, where that was asked for.
    fn confirmed(&self, _ticket: Ticket, _outcomes: &Outcomes) {}
    /// Something happened to a stream. The bytes are its data, as a view of a larger buffer;
    /// [`Driver::stream_consumed`] is to be told when they are taken.
    fn stream(&self, peer: PeerId, event: &StreamEvent, bytes: Option<&Uint8Array>);
    /// Sign a message with the key made of the seed, and tell [`Driver::signed`].
    fn sign(&self, number: u32, seed: &[u8; 32], message: &[u8]);
    /// Check what a peer is said to have signed, its metadata among it, ask the application about the peer, and tell
    /// [`Driver::checked`].
    fn check(&self, number: u32, claimed: &Claimed<'_>);
    /// Something happened to a call. The bytes are its request or response.
    fn call(&self, peer: PeerId, event: &CallEvent, bytes: Option<&Uint8Array>);
}

/// What a peer is said to have signed.
pub(crate) struct Claimed<'a> {
    pub(crate) id: PeerId,
    pub(crate) signed: &'a Signed,
    pub(crate) message: &'a [u8],
    /// Its metadata, as JSON text.
    #[cfg_attr(not(feature = "npm"), allow(dead_code))] // The Rust API asks about ids alone.
    pub(crate) metadata: &'a str,
    /// Its share of the passphrase, where we have one: to be answered by [`Verdict::Agreed`].
    pub(crate) share: Option<&'a [u8; 32]>,
}

/// Where messages come from.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) from: PeerId,
    pub(crate) channel: ChannelIndex,
    #[cfg_attr(not(feature = "typed"), allow(dead_code))] // JavaScript has the room itself.
    pub(crate) driver: Weak<Driver>,
}

/// Where and how to join.
pub(crate) struct Settings {
    /// The server's WebSocket address, from [`server_address`].
    pub(crate) url: String,
    /// Handed to every RTCPeerConnection; with the one certificate of all. Its STUN and TURN servers are set here, unless the
    /// application gives them.
    pub(crate) configuration: RtcConfiguration,
    /// The room's name.
    pub(crate) room: String,
    /// Keeps it to those who know it.
    pub(crate) secret: Option<String>,
    /// Our share of the passphrase that keeps it to those who know that.
    pub(crate) share: Option<[u8; 32]>,
    /// What we say of ourselves.
    pub(crate) hello: Hello,
    pub(crate) join_timeout_ms: u64,
    /// Whether the sink is asked for admission tokens, and [told](Driver::give_token) ones.
    pub(crate) gives_tokens: bool,
    pub(crate) options: Options,
    /// Whether a page that is reloaded comes back under the same id.
    pub(crate) resume: bool,
    /// What the identity is made of, where the application keeps that: the tab then keeps nothing.
    pub(crate) identity: Option<ResumeToken>,
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

thread_local! {
    /// Rooms with something to flush at the end of this task.
    static UNFLUSHED: RefCell<Vec<Weak<Driver>>> = const { RefCell::new(Vec::new()) };
    /// Made once: a callback of its own for every flush costs more than most flushes.
    static FLUSH: Closure<dyn FnMut()> = Closure::new(|| {
        for driver in UNFLUSHED.take() {
            if let Some(driver) = driver.upgrade() {
                driver.flush();
            }
        }
    });
}

/// A room that runs by itself. Dropping the last handle leaves it.
pub(crate) struct Driver {
    url: String,
    configuration: RtcConfiguration,
    hello: Hello,
    sink: Box<dyn Sink>,
    node: RefCell<Node<Payload, Buffer>>,
    socket: RefCell<Option<Socket>>,
    connections: RefCell<SortedMap<ConnectionId, Connection>>,
    #[cfg(feature = "typed")]
    queued: RefCell<Tickets<Result<(), Error>>>,
    #[cfg(feature = "typed")]
    confirmed: RefCell<Tickets<Outcomes>>,
    traffic: RefCell<Traffic>,
    timer: RefCell<Timer>,
    keepsake: RefCell<Option<Keepsake>>,
    inputs: RefCell<VecDeque<Input>>,
    busy: Cell<bool>,
    flush_scheduled: Cell<bool>,
    page_listeners: RefCell<Vec<EventListener>>,
    me: Weak<Self>,
}

/// 256 bits fit for keys.
fn entropy() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    globals::random_values(&mut bytes).map_err(|error| Error::thrown(&error))?;
    Ok(bytes)
}

/// Our half of what a passphrase comes to in a room.
///
/// # Errors
/// `bad-passphrase`; or the browser has no random numbers to give.
#[cfg(feature = "typed")]
pub(crate) fn passphrase(passphrase: &str, room: &str) -> Result<Passphrase, Error> {
    let mut number = [0; 64];
    globals::random_values(&mut number).map_err(|error| Error::thrown(&error))?;
    Passphrase::new(passphrase, room, &number).ok_or(Error::Room(RoomError::BadPassphrase))
}

/// A new secret for a room, for [`Builder::secret`](crate::Builder::secret): 256 random bits as base64url. Give it to those who
/// may enter, and to nobody else.
///
/// # Errors
/// The browser has no random numbers to give.
#[cfg(feature = "typed")]
pub fn create_room_secret() -> Result<String, Error> {
    Ok(vault::secret(&entropy()?))
}

impl Driver {
    /// Joins. What follows comes to `sink`, beginning with `Joined` or `Closed`.
    ///
    /// # Errors
    /// A name or a setting that is not allowed.
    pub(crate) fn start(settings: Settings, sink: Box<dyn Sink>) -> Result<Rc<Self>, Error> {
        let Settings {
            url,
            configuration,
            room,
            secret,
            share,
            hello,
            join_timeout_ms,
            gives_tokens,
            options,
            resume,
            identity,
        } = settings;
        if options.ice == IceSource::Server {
            ice::guess(&configuration, &url);
        }
        let keepsake = (resume && identity.is_none()).then(|| Keepsake::take(&url, &room));
        let node = Node::new(Config {
            room,
            secret,
            share,
            hello: hello.clone(),
            join_timeout_ms,
            gives_tokens,
            resume: identity.or_else(|| keepsake.as_ref()?.token()),
            options,
            entropy: entropy()?,
        })?;
        let driver = Rc::new_cyclic(|me| Self {
            url,
            configuration,
            hello,
            sink,
            node: RefCell::new(node),
            socket: RefCell::default(),
            connections: RefCell::default(),
            #[cfg(feature = "typed")]
            queued: RefCell::default(),
            #[cfg(feature = "typed")]
            confirmed: RefCell::default(),
            traffic: RefCell::default(),
            timer: RefCell::default(),
            keepsake: RefCell::new(keepsake),
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
        self.feed(Input::Leave);
    }

    /// Has the server send a peer away; [`Event::KickDone`] follows. Of the reason, 256 bytes are told.
    pub(crate) fn kick(&self, peer: PeerId, reason: &str) {
        self.feed(Input::Kick(peer, Text::cut(reason)));
    }

    /// The signature that [`Sink::sign`] was asked for.
    pub(crate) fn signed(&self, number: u32, signed: Option<Signed>) {
        self.feed(Input::Signed(number, signed));
    }

    /// What came of [`Sink::check`].
    pub(crate) fn checked(&self, number: u32, verdict: Verdict) {
        self.feed(Input::Checked(number, verdict));
    }

    /// Asks for a code to compare with a peer, which [`Event::SafetyCode`] tells.
    ///
    /// # Errors
    /// [`Error::PeerGone`].
    pub(crate) fn compare(&self, id: PeerId) -> Result<(), Error> {
        let known = self.node.borrow_mut().compare(now_ms(), id);
        self.schedule_flush();
        if known { Ok(()) } else { Err(Error::PeerGone) }
    }

    /// The token that [`Event::TokenWanted`] asked for; None when there is none to be had.
    pub(crate) fn give_token(&self, token: Option<String>) {
        self.feed(Input::Token(token));
    }

    /// STUN and TURN servers of the application's, for connections from now on.
    pub(crate) fn set_ice_servers(&self, servers: &JsValue) {
        self.configuration.set_ice_servers(servers);
        self.feed(Input::IceServers);
    }

    /// Those that connections are made with.
    #[cfg(feature = "npm")]
    pub(crate) fn ice_servers(&self) -> JsValue {
        js_sys::Reflect::get(&self.configuration, &"iceServers".into()).unwrap_or_default()
    }

    /// Feeds one input and carries out what follows. Inputs fed meanwhile (by callbacks) wait their turn.
    fn feed(&self, input: Input) {
        self.inputs.borrow_mut().push_back(input);
        self.schedule_flush();
        self.drain();
    }

    /// Carries out what the node wants done, then feeds the next input, until nothing is left.
    fn drain(&self) {
        if self.busy.replace(true) {
            return;
        }
        loop {
            let action = self.node.borrow_mut().poll_action();
            if let Some(action) = action {
                self.carry_out(action);
                continue;
            }
            let Some(input) = self.inputs.borrow_mut().pop_front() else { break };
            self.node.borrow_mut().handle(now_ms(), input);
        }
        self.busy.set(false);
        // A flush drains once more. Before that nothing is late, and what is to be sent need not wait for this.
        if !self.flush_scheduled.get() {
            self.set_timer();
        }
    }

    fn set_timer(&self) {
        let (due, me) = (self.node.borrow().deadline(now_ms()), self.me.clone());
        self.timer.borrow_mut().set(due, move || {
            let Some(driver) = me.upgrade() else { return };
            if driver.timer.borrow_mut().ran() {
                driver.feed(Input::TimedOut);
            } else {
                driver.set_timer();
            }
        });
    }

    fn carry_out(&self, action: Action<Buffer>) {
        match action {
            Action::Do(command) => self.command(command),
            Action::Notify(event) => self.notify(&event),
            Action::Deliver { from, channel, buffer, ranges } => {
                let source = Source { from, channel, driver: self.me.clone() };
                self.sink.messages(source, &buffer.0, &ranges);
            }
            Action::Stream(peer, event, bytes) => {
                self.sink.stream(peer, &event, bytes.as_ref().map(|bytes| &bytes.0));
            }
            Action::Call(peer, event, bytes) => {
                self.sink.call(peer, &event, bytes.as_ref().map(|bytes| &bytes.0));
            }
            Action::Queued(ticket, result) => {
                let result = result.map_err(|error| failure(error, 0));
                self.sink.queued(ticket, &result);
                #[cfg(feature = "typed")]
                self.queued.borrow_mut().settle(ticket, result);
            }
            Action::Confirmed(ticket, outcomes) => {
                self.sink.confirmed(ticket, &outcomes);
                #[cfg(feature = "typed")]
                self.confirmed.borrow_mut().settle(ticket, outcomes);
            }
            // A newer core may know actions that this driver does not: they are then ours to add.
            _ => {}
        }
    }

    fn command(&self, command: Command) {
        match command {
            Command::OpenSocket { subprotocols } => self.open_socket(&subprotocols),
            Command::SendSocket(bytes) => {
                if let Some(socket) = &*self.socket.borrow() {
                    socket.send(&bytes);
                }
            }
            Command::CloseSocket { will_return } => self.drop_socket(will_return),
            Command::AskServer => {
                let me = self.me.clone();
                socket::ask(&self.url, move |answers| {
                    if let Some(driver) = me.upgrade() {
                        driver.feed(Input::ServerAnswers(answers));
                    }
                });
            }
            Command::Sign { number, seed, message } => self.sink.sign(number, &seed, &message),
            Command::Check { number, id, signed, message, metadata, share } => {
                let (signed, share) = (&signed, share.as_ref());
                let claimed = Claimed { id, signed, message: &message, metadata: &metadata, share };
                self.sink.check(number, &claimed);
            }
            Command::OpenConnection(id, start) => {
                let me = self.me.clone();
                let report: Report = Rc::new(move |id, event| {
                    if let Some(driver) = me.upgrade() {
                        driver.connection_event(id, event);
                    }
                });
                match Connection::open(id, start, &self.configuration, report) {
                    Ok(connection) => {
                        self.connections.borrow_mut().insert(id, connection);
                    }
                    Err(_) => self.inputs.borrow_mut().push_back(Input::ConnectionLost(id)),
                }
            }
            Command::SetAnswer(id, sdp) => self.with_connection(id, |c| c.set_answer(sdp)),
            Command::AddCandidate(id, line) => self.with_connection(id, |c| c.add_candidate(line)),
            Command::CloseConnection(id) => {
                let connection = self.connections.borrow_mut().remove(&id);
                if let Some(connection) = connection {
                    self.traffic.borrow_mut().closed(connection.sent_bytes.get());
                }
            }
            Command::SetIceServers(servers) => ice::set(&self.configuration, &servers),
            Command::KeepToken(token) => {
                if let Some(keepsake) = &mut *self.keepsake.borrow_mut() {
                    keepsake.renew(token);
                }
            }
            _ => {}
        }
    }

    fn notify(&self, event: &Event) {
        match event {
            Event::PeerPath(id, path) => {
                let known = match path {
                    PeerPath::Connecting => None,
                    PeerPath::Relay => Some(Path::Relay),
                    PeerPath::Direct(_) => Some(Path::Direct),
                };
                self.sink.path(*id, known);
                // The TypeScript face finds it out by itself.
                #[cfg(feature = "typed")]
                if let PeerPath::Direct(connection) = path {
                    self.find_path(*id, *connection);
                }
            }
            Event::Closed(_) => {
                self.page_listeners.borrow_mut().clear();
                self.sink.event(event);
            }
            _ => self.sink.event(event),
        }
    }

    fn with_connection(&self, id: ConnectionId, act: impl FnOnce(&Connection)) {
        if let Some(connection) = self.connections.borrow().get(&id) {
            act(connection);
        }
    }

    fn open_socket(&self, subprotocols: &[String]) {
        self.drop_socket(true);
        let me = self.me.clone();
        let opened = Socket::open(&self.url, subprotocols, move |event| {
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

    fn drop_socket(&self, will_return: bool) {
        let socket = self.socket.borrow_mut().take();
        if let Some(socket) = socket {
            socket.close(will_return);
            self.traffic.borrow_mut().server_sent += socket.sent_bytes.get();
        }
    }

    fn connection_event(&self, id: ConnectionId, event: ConnectionEvent) {
        match event {
            ConnectionEvent::LocalDescription(sdp) => {
                self.feed(Input::LocalDescription(id, sdp));
                if let Some(connection) = self.connections.borrow_mut().get_mut(&id) {
                    connection.complete(&self.hello);
                }
            }
            ConnectionEvent::LocalCandidate(line) => self.feed(Input::LocalCandidate(id, line)),
            ConnectionEvent::GatheringComplete => self.feed(Input::GatheringComplete(id)),
            ConnectionEvent::ChannelsOpen => self.feed(Input::ChannelsOpen(id)),
            ConnectionEvent::Failed => self.feed(Input::ConnectionFailed(id)),
            ConnectionEvent::Found => self.feed(Input::IceConnected(id)),
            ConnectionEvent::Works => self.feed(Input::ConnectionWorks(id)),
            ConnectionEvent::Lost => self.feed(Input::ConnectionLost(id)),
            ConnectionEvent::BufferLow => self.flush(),
            ConnectionEvent::Message(channel, data) => {
                self.traffic.borrow_mut().direct_received += u64::from(data.length());
                let answers = self.node.borrow_mut().frame(now_ms(), id, channel, &Buffer(data));
                if answers {
                    self.schedule_flush();
                }
                self.drain();
            }
        }
    }

    /// Lets everything sent in this task leave together at its end.
    fn schedule_flush(&self) {
        if !self.flush_scheduled.replace(true) {
            UNFLUSHED.with_borrow_mut(|drivers| drivers.push(self.me.clone()));
            FLUSH.with(|flush| globals::queue_microtask(flush.as_ref().unchecked_ref()));
        }
    }

    /// Hands over what the paths take.
    pub(crate) fn flush(&self) {
        self.flush_scheduled.set(false);
        {
            let (connections, socket) = (self.connections.borrow(), self.socket.borrow());
            let mut wire = Wire { connections: &connections, socket: socket.as_ref() };
            self.node.borrow_mut().flush(now_ms(), &mut wire);
        }
        self.drain();
    }
}

/// What frames and packets go out over, for the length of a flush.
struct Wire<'a> {
    connections: &'a SortedMap<ConnectionId, Connection>,
    socket: Option<&'a Socket>,
}

impl Transport for Wire<'_> {
    fn buffered(&self, connection: ConnectionId, channel: u16) -> Option<usize> {
        self.connections.get(&connection)?.buffered(channel)
    }

    fn send(&mut self, connection: ConnectionId, channel: u16, frame: &[u8]) -> bool {
        self.connections.get(&connection).is_some_and(|connection| connection.send(channel, frame))
    }

    fn socket_buffered(&self) -> usize {
        self.socket.map_or(0, Socket::buffered)
    }

    fn send_socket(&mut self, message: &[u8]) {
        if let Some(socket) = self.socket {
            socket.send(message);
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Nobody holds the room any more: say goodbye as far as that goes without waiting.
        self.node.get_mut().handle(now_ms(), Input::Unload);
        self.busy.set(true); // Nobody is told what follows.
        self.flush();
        while let Some(action) = self.node.get_mut().poll_action() {
            if let Action::Do(command @ Command::SendSocket(_)) = action {
                self.command(command);
            }
        }
    }
}
