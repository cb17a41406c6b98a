//! Joining a room from Rust.

use std::any::TypeId;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::rc::Rc;

use futures::channel::{mpsc, oneshot};
use js_sys::Reflect;
use peerloom_protocol::hello::{self, Delivery, Hello};
use peerloom_protocol::ice::IceSource;
use peerloom_protocol::id::{PeerId, ResumeToken};
use peerloom_protocol::passphrase::Passphrase;
use peerloom_protocol::safety::SafetyCode;
use peerloom_protocol::session::{Options, RelayMode};
use peerloom_protocol::{limits, timing};
use serde::Serialize;
use web_sys::{RtcConfiguration, RtcIceServer, RtcIceTransportPolicy, RtcPeerConnection};

use super::bytes::{self, BytesReceiver, BytesSender};
use super::channel::{Channel, RawChannel};
use super::compact::{self, Compact};
use super::format::Format;
use super::json;
use super::rpc::Rpc;
use super::sink::{Accepted, Events, IceServerSource, RoomSink, Shared, TokenSource};
use super::stream::{Stream, Streams};
use crate::driver::{self, AttemptReport, Driver, JoiningReport, PeerStats, Settings, Traffic};
use crate::error::Error;

/// Marks a channel of bytes among the typed ones.
struct Bytes;

/// A channel as it was declared.
#[derive(Debug, Clone)]
struct Declared {
    label: String,
    delivery: Delivery,
    codec: String,
    /// What its messages are, and how they are written.
    message: (TypeId, Format),
}

/// How to join a room. Made by [`Room::builder`].
#[derive(Debug, Clone)]
pub struct Builder {
    url: String,
    room: String,
    secret: Option<String>,
    passphrase: Option<String>,
    channels: Vec<Declared>,
    methods: Vec<(String, TypeId)>,
    compressed: Vec<String>,
    metadata: Result<String, Error>,
    configuration: RtcConfiguration,
    join_timeout_ms: u64,
    token: Option<TokenSource>,
    ice_servers: Option<IceServerSource>,
    accepted: Option<Accepted>,
    options: Options,
    resume: bool,
    identity: Option<ResumeToken>,
}

impl Builder {
    /// The room's name, 1 to 128 bytes without control characters.
    pub fn room(mut self, name: &str) -> Self {
        self.room = name.to_owned();
        self
    }

    /// Keeps the room to those who know this secret, as [`create_room_secret`](crate::create_room_secret) makes it: the server
    /// learns neither the room's name nor what its members say of themselves, and nobody who does not know the secret can be
    /// taken for a member.
    pub fn secret(mut self, secret: &str) -> Self {
        self.secret = Some(secret.to_owned());
        self
    }

    /// Keeps the room to those who were given the same passphrase: 6 to 128 bytes. Neither the server nor whoever listens can try
    /// passphrases at home. Where people type it, bring it to Unicode's form C first, as TypeScript pages do. Not with
    /// [`secret`](Self::secret).
    pub fn passphrase(mut self, passphrase: &str) -> Self {
        self.passphrase = Some(passphrase.to_owned());
        self
    }

    /// Declares a channel of messages of type `T`. Everyone in the room declares the same labels and deliveries.
    pub fn channel<T: 'static>(self, label: &str, delivery: Delivery) -> Self {
        self.declare::<T>(label, delivery, "json".to_owned(), Format::Json)
    }

    /// Declares a channel whose messages are written in few bytes, the `channel.of(compact(shape))` of TypeScript: see
    /// [`Compact`].
    pub fn compact<T: Compact + 'static>(self, label: &str, delivery: Delivery) -> Self {
        self.declare::<T>(label, delivery, compact::name::<T>(), Format::Compact)
    }

    fn declare<T: 'static>(mut self, label: &str, delivery: Delivery, codec: String, format: Format) -> Self {
        let message = (TypeId::of::<T>(), format);
        self.channels.push(Declared { label: label.to_owned(), delivery, codec, message });
        self
    }

    /// Declares a channel of plain bytes, the `channel.bytes()` of TypeScript.
    pub fn bytes(self, label: &str, delivery: Delivery) -> Self {
        // They are handed on as they are, whatever the format.
        self.declare::<Bytes>(label, delivery, "bytes".to_owned(), Format::Json)
    }

    /// Compresses what this page sends on the channel of this label, the `compress` of TypeScript: the others read it
    /// whether they do so or not. Not where somebody who sees the sizes may put text of theirs beside a secret.
    pub fn compress(mut self, label: &str) -> Self {
        self.compressed.push(label.to_owned());
        self
    }

    /// Declares a method that every peer may call at every other, the `rpc()` of TypeScript.
    pub fn rpc<Req: 'static, Res: 'static>(mut self, label: &str) -> Self {
        self.methods.push((label.to_owned(), TypeId::of::<(Req, Res)>()));
        self
    }

    /// What every RTCPeerConnection is made with. STUN and TURN servers in it are used instead of those that the signaling
    /// server names.
    pub fn configuration(mut self, configuration: RtcConfiguration) -> Self {
        self.configuration = configuration;
        self
    }

    /// Gives STUN and TURN servers, instead of those that the signaling server names. Called before joining, and again before
    /// connections are made when the last answer is older than ten seconds, so that credentials may be short-lived; let it keep
    /// those that are still good. Connections wait for it for two seconds. When there are none the first time, joining fails;
    /// later the last ones stay.
    pub fn ice_servers<F>(mut self, source: impl Fn() -> F + 'static) -> Self
    where
        F: Future<Output = Option<Vec<RtcIceServer>>> + 'static,
    {
        self.ice_servers = Some(IceServerSource(Rc::new(move || Box::pin(source()))));
        self
    }

    /// How long the first join may take, in milliseconds; 10,000 by default.
    pub fn timeout_ms(mut self, timeout_ms: u32) -> Self {
        self.join_timeout_ms = u64::from(timeout_ms);
        self
    }

    /// Gives an admission token, where the server asks for one, or why there is none. Called for each join, also when the
    /// server was lost and is joined again, and given 10 seconds: nothing is joined meanwhile.
    pub fn token<F>(mut self, source: impl Fn() -> F + 'static) -> Self
    where
        F: Future<Output = Option<String>> + 'static,
    {
        self.token = Some(TokenSource::Any(Rc::new(move || Box::pin(source()))));
        self
    }

    /// The same for tokens that are good with the key of this page alone, by their claim `cnf`: the source is given the Ed25519
    /// public key as base64url, the `x` of a JSON Web Key. It is called a moment later than the other, when the key is known.
    pub fn token_for_key<F>(mut self, source: impl Fn(String) -> F + 'static) -> Self
    where
        F: Future<Output = Option<String>> + 'static,
    {
        self.token = Some(TokenSource::Key(Rc::new(move |key| Box::pin(source(key)))));
        self
    }

    /// Says of an id whether it is one to be connected with, the `pinned` of TypeScript. Nothing is sent to anybody else,
    /// whatever the server says. Without it everybody in the room is accepted.
    pub fn accept(mut self, accepts: impl Fn(PeerId) -> bool + 'static) -> Self {
        self.accepted = Some(Accepted(Rc::new(accepts)));
        self
    }

    /// When messages go through the server, sealed: by default at once, until there is a direct path.
    pub fn relay(mut self, relay: RelayMode) -> Self {
        self.options.relay = relay;
        self
    }

    /// Whether messages over 16 KiB may go through the server while a direct path is still hoped for. They wait by
    /// default.
    pub fn relay_bulk(mut self, relay_bulk: bool) -> Self {
        self.options.relay_bulk = relay_bulk;
        self
    }

    /// Peers learn no address of this machine: connections go through TURN servers alone (give some in
    /// [`configuration`](Self::configuration)), and messages through the signaling server where there are none.
    pub fn relay_only(mut self) -> Self {
        self.options.privacy.relay_only = true;
        self
    }

    /// Whether peers are reached in private networks too; they are by default. Without it nothing is sent to such addresses.
    pub fn lan(mut self, lan: bool) -> Self {
        self.options.privacy.lan = lan;
        self
    }

    /// Bytes each channel takes from a peer ahead of the readers, and keeps for a peer before `send` waits: 64 KiB to
    /// 64 MiB, 1 MiB by default.
    pub fn window_bytes(mut self, bytes: u32) -> Self {
        self.options.window = bytes.clamp(limits::MIN_WINDOW_BYTES, limits::MAX_WINDOW_BYTES);
        self
    }

    /// How long a silent peer is waited for before it has left, in milliseconds; 65,000 by default.
    pub fn peer_timeout_ms(mut self, timeout_ms: u32) -> Self {
        self.options.peer_timeout_ms = u64::from(timeout_ms.max(5_000));
        self
    }

    /// Whether the page comes back under the same id when it is reloaded; it does by default.
    pub fn resume(mut self, resume: bool) -> Self {
        self.resume = resume;
        self
    }

    /// Makes the id of these 32 bytes, which the application keeps where nobody else reads them: it is the same in every room
    /// and at every server for as long as they are kept, and the tab keeps nothing of it (see [`resume`](Self::resume)). They
    /// must be random, from a source fit for keys: whoever has them, or guesses them, is this peer. One id can be in a room
    /// once, and ends in an older place as `replaced`.
    pub fn identity(mut self, secret: [u8; 32]) -> Self {
        self.identity = Some(ResumeToken(secret));
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
        let spec = |channel: &Declared| (channel.label.clone(), channel.delivery, channel.codec.clone());
        let declared = self.channels.iter().map(spec);
        let methods =
            self.methods.iter().map(|(label, _)| (label.clone(), Delivery::Ordered, hello::CALLS.to_owned()));
        let hello = Hello::new(declared.chain(methods), &self.metadata?)?;
        let compress = hello.numbers(|label| self.compressed.iter().any(|known| known == label));
        let methods = self.methods.into_iter().map(|(label, id)| (label, (id, Format::Json)));
        let types = self.channels.into_iter().map(|channel| (channel.label, channel.message)).chain(methods);
        let types: BTreeMap<_, _> = types.collect();
        let channels: Vec<_> =
            hello.data_channels().map(|spec| (spec.label.to_string(), spec.delivery)).collect();
        let methods: Vec<_> = hello.channels.iter().filter(|spec| &*spec.codec == hello::CALLS).collect();
        let methods: Vec<_> = methods.iter().map(|spec| spec.label.to_string()).collect();
        let labels = channels.iter().map(|(label, _)| label.clone()).collect();
        if self.options.privacy.relay_only {
            self.configuration.set_ice_transport_policy(RtcIceTransportPolicy::Relay);
        }
        let given = Reflect::get(&self.configuration, &"iceServers".into());
        let ice = match &self.ice_servers {
            Some(source) => {
                let servers = source.ask().await.ok_or(Error::NoIceServers)?;
                self.configuration.set_ice_servers(&servers);
                IceSource::Asked
            }
            None if given.is_ok_and(|servers| servers.is_truthy()) => IceSource::Application,
            None => IceSource::Server,
        };
        let configuration = driver::with_certificate(&self.configuration).await;
        let (joined_tx, joined) = oneshot::channel();
        let gives_tokens = self.token.is_some();
        let shared = Shared::new(channels, methods.len(), joined_tx, self.token, self.accepted);
        let shared = Rc::new(RefCell::new(shared));
        shared.borrow_mut().ice_servers = self.ice_servers;
        let passphrase = match &self.passphrase {
            Some(text) => Some(driver::passphrase(text, &self.room)?),
            None => None,
        };
        let share = passphrase.as_ref().map(Passphrase::share);
        shared.borrow_mut().passphrase = passphrase;
        let settings = Settings {
            url: driver::server_address(&self.url)?,
            configuration,
            room: self.room,
            secret: self.secret,
            share,
            hello,
            join_timeout_ms: self.join_timeout_ms,
            gives_tokens,
            options: Options { compress, ice, ..self.options },
            resume: self.resume,
            identity: self.identity,
        };
        let driver = Driver::start(settings, Box::new(RoomSink(Rc::downgrade(&shared))))?;
        shared.borrow_mut().driver = Rc::downgrade(&driver);
        let id = joined.await.unwrap_or(Err(Error::Closed))?;
        Ok(Room { driver, shared, id, labels, methods, types })
    }
}

/// A joined room. Dropping it, and every sender and receiver of its channels, leaves.
pub struct Room {
    driver: Rc<Driver>,
    shared: Rc<RefCell<Shared>>,
    id: PeerId,
    labels: Vec<String>,
    methods: Vec<String>,
    types: BTreeMap<String, (TypeId, Format)>,
}

impl Room {
    /// Starts describing how to join, with the http, https, ws or wss address of the server.
    pub fn builder(url: &str) -> Builder {
        Builder {
            url: url.to_owned(),
            room: String::new(),
            secret: None,
            passphrase: None,
            channels: Vec::new(),
            methods: Vec::new(),
            compressed: Vec::new(),
            metadata: Ok(String::new()),
            configuration: RtcConfiguration::new(),
            join_timeout_ms: timing::JOIN_MS,
            token: None,
            ice_servers: None,
            accepted: None,
            options: Options::default(),
            resume: true,
            identity: None,
        }
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
        Ok(Channel { raw: self.raw_channel::<T>(label)?, message: PhantomData })
    }

    /// A handle to send and a stream of what comes in on a channel declared with [`Builder::bytes`].
    ///
    /// # Errors
    /// [`Error::NoChannel`].
    pub fn bytes(&self, label: &str) -> Result<(BytesSender, BytesReceiver), Error> {
        Ok(bytes::split(self.raw_channel::<Bytes>(label)?))
    }

    /// The method declared under this label, with the types it was declared with.
    ///
    /// # Errors
    /// [`Error::NoChannel`].
    pub fn rpc<Req: 'static, Res: 'static>(&self, label: &str) -> Result<Rpc<Req, Res>, Error> {
        let method = self.methods.iter().position(|known| known == label);
        let method = method.filter(|_| self.format_of::<(Req, Res)>(label).is_some());
        let method = method.ok_or_else(|| Error::NoChannel(label.to_owned()))?;
        let (driver, shared) = (self.driver.clone(), self.shared.clone());
        Ok(Rpc { driver, shared, method, types: PhantomData })
    }

    /// Opens a stream of bytes to a peer, under a name of at most 256 bytes. It can be written to at once.
    ///
    /// # Errors
    /// `name-too-long`, `too-many-streams` or `peer-gone`.
    pub fn open_stream(&self, peer: PeerId, name: &str) -> Result<Stream, Error> {
        let id = self.driver.open_stream(peer, name)?;
        Ok(Stream::new(self.driver.clone(), &self.shared, (peer, id), name.to_owned()))
    }

    /// The streams that peers open from now on, instead of an earlier [`Streams`].
    pub fn streams(&self) -> Streams {
        let (sender, opened) = mpsc::unbounded();
        self.shared.borrow_mut().opened = Some(sender);
        Streams(opened)
    }

    /// Has the server send a peer away for a reason, which it and the server read, cut to 256 bytes; and keep it away for ten
    /// minutes and a half. Needs an admission token with the permission `kick`.
    ///
    /// # Errors
    /// `forbidden`, `peer-gone`, `signaling-unreachable` when the server is lost before it has answered, or `closed`.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the peer may or may not be sent away.
    pub async fn kick(&self, peer: PeerId, reason: &str) -> Result<(), Error> {
        if self.shared.borrow().is_over {
            return Err(Error::Closed);
        }
        let (kick, done) = oneshot::channel();
        self.shared.borrow_mut().kicks.push((peer, kick));
        self.driver.kick(peer, reason);
        done.await.map_err(|_| Error::Closed)?.map_err(Error::from)
    }

    fn raw_channel<T: 'static>(&self, label: &str) -> Result<RawChannel, Error> {
        let index = self.labels.iter().position(|known| known == label);
        let found = index.zip(self.format_of::<T>(label));
        let (index, format) = found.ok_or_else(|| Error::NoChannel(label.to_owned()))?;
        let readers = self.shared.borrow().readers[index].clone();
        Ok(RawChannel { driver: self.driver.clone(), index, readers, format })
    }

    /// How messages under this label are written, when they are of this type.
    fn format_of<T: 'static>(&self, label: &str) -> Option<Format> {
        let (id, format) = self.types.get(label)?;
        (*id == TypeId::of::<T>()).then_some(*format)
    }

    /// A code that this page and the peer's make together, once there is a path: the `peer.safetyCode()` of TypeScript. When
    /// the two people in front of them find theirs the same, nobody is between the pages. It is another one each time that
    /// the peer comes back.
    ///
    /// # Errors
    /// `peer-gone`, or `bad-commitment` when the peer tried to choose the code.
    pub async fn safety_code(&self, peer: PeerId) -> Result<SafetyCode, Error> {
        let (sender, told) = oneshot::channel();
        self.shared.borrow_mut().codes.entry(peer).or_default().push(sender);
        if let Err(error) = self.driver.compare(peer) {
            self.shared.borrow_mut().codes.remove(&peer);
            return Err(error);
        }
        told.await.unwrap_or(Err(Error::PeerGone))
    }

    /// What happens from now on, with everyone already here told as `PeerJoined`, and `PeerConnected`, first.
    pub fn events(&self) -> Events {
        self.shared.borrow_mut().events()
    }

    /// Bytes so far, by the way they went.
    pub fn traffic(&self) -> Traffic {
        self.driver.traffic()
    }

    /// Counts of a peer's connection, and what the browser tells of it; empty when it is not connected.
    pub async fn peer_stats(&self, peer: PeerId) -> PeerStats {
        self.driver.peer_stats(peer, &self.labels).await
    }

    /// How this page joined, the last time that it tried.
    pub fn joining(&self) -> Option<JoiningReport> {
        self.driver.joining()
    }

    /// What was tried to reach a peer directly, oldest first: the last few attempts.
    pub fn attempts(&self, peer: PeerId) -> Vec<AttemptReport> {
        self.driver.attempts(peer)
    }

    /// For experts: the connection in use to a peer. It is replaced when it breaks.
    pub fn connection(&self, peer: PeerId) -> Option<RtcPeerConnection> {
        self.driver.connection(peer)
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
