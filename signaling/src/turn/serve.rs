//! The sockets of STUN and TURN: opening them, and carrying out what the machine says.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::credentials::TurnSecret;
use super::machine::{Action, Client, Counters, Machine, Now, Opening, RelayId, Start};
use super::stream::{Outbox, Streams, accept_streams};
use super::tls::TurnCertificate;
use super::wire::Family;
use super::{IceConfig, STUN_PORT, StunAddress, TURNS_PORT, TurnConfig, udp};
use crate::accept::listen;

/// Ports tried for one relay, one after the other from a random one on.
const PORTS_TRIED: u16 = 256;
/// Where any free port will do.
const FREE_PORTS_TRIED: u32 = 32;
/// How exactly allocations end.
const TICK: Duration = Duration::from_secs(1);

/// Why STUN or TURN cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IceError {
    /// The port is taken, or not this machine's.
    #[error("cannot serve {0} at {1}: {2}")]
    Bind(&'static str, SocketAddr, #[source] io::Error),
    /// It is not clear where to relay from.
    #[error(
        "listening on every network interface, TURN must be told an address to relay from: --turn-relay-address"
    )]
    NoRelayAddress,
    /// Nothing can be relayed from this address.
    #[error("cannot relay from {0}: {1}")]
    RelayAddress(IpAddr, #[source] io::Error),
    /// An outer address has no inner one.
    #[error("--turn-external-address {0} is of a family that no --turn-relay-address is of")]
    ExternalAddress(IpAddr),
    /// TURN is where STUN is.
    #[error("TURN is served where STUN is, which is off")]
    NoStun,
}

/// The open ports of STUN and TURN, and what is known about their clients.
#[derive(Debug)]
pub struct Ice {
    pub(crate) config: IceConfig,
    /// None when there is no secret, and so no credentials.
    pub(crate) secret: Option<TurnSecret>,
    pub(super) socket: Option<UdpSocket>,
    /// The port after STUN's, for STUN alone.
    pub(super) alternate: Option<UdpSocket>,
    tcp: Option<TcpListener>,
    tls: Option<(TcpListener, TurnCertificate)>,
    /// Where relays are: here, and as peers see it.
    homes: Vec<(IpAddr, IpAddr)>,
    core: Mutex<Core>,
    streams: Streams,
}

/// What is changed by packets.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) machine: Machine,
    pub(super) streams: HashMap<u64, Arc<Outbox>>,
    relays: HashMap<RelayId, Relay>,
    /// What is being read. Nothing is longer.
    pub(super) scratch: Vec<u8>,
}

/// A relay's socket, and who reads from it.
#[derive(Debug)]
struct Relay {
    socket: Arc<UdpSocket>,
    reader: AbortHandle,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Ice {
    /// Opens the ports, for a server that listens at this address.
    ///
    /// # Errors
    /// When a port that was asked for cannot be had. Where STUN's usual port is taken and nobody has asked for it, there is none.
    ///
    /// # Panics
    /// When the operating system has no random numbers to give.
    pub fn bind(config: &IceConfig, server: SocketAddr) -> Result<Self, IceError> {
        let Sockets { udp: socket, alternate, tcp } = sockets(config, server)?;
        let secret = match (&config.secret, &config.turn) {
            (None, Some(_)) => Some(TurnSecret::random()),
            (secret, _) => secret.clone(),
        };
        let mut ice = Self {
            config: config.clone(),
            secret,
            socket,
            alternate,
            tcp,
            tls: None,
            homes: Vec::new(),
            core: Mutex::new(Core {
                machine: Machine::new(config.answers),
                streams: HashMap::new(),
                relays: HashMap::new(),
                scratch: vec![0; usize::from(u16::MAX)],
            }),
            streams: Streams::default(),
        };
        if let Some(turn) = &config.turn {
            ice.bind_turn(turn)?;
        }
        if let Some(address) = ice.stun_address() {
            let turns = ice.turns_address().map(|address| address.port());
            let alternate = ice.alternate_address().map(|address| address.port());
            tracing::info!(port = address.port(), alternate, turn = ice.has_relay(), turns, "serving STUN");
        }
        Ok(ice)
    }

    fn bind_turn(&mut self, turn: &TurnConfig) -> Result<(), IceError> {
        let Some(at) = self.stun_address() else { return Err(IceError::NoStun) };
        self.homes = homes(turn, at.ip())?;
        if let Some(tls) = &turn.tls {
            let at = tls.address.unwrap_or(SocketAddr::new(at.ip(), TURNS_PORT));
            let listener = listen(at).map_err(|error| IceError::Bind("TURN over TLS", at, error))?;
            self.tls = Some((listener, tls.certificate.clone()));
        }
        self.streams = Streams::new(&turn.limits);
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the operating system gives random numbers");
        let start = Start {
            secret: self.secret.clone().expect("a relay has a secret"),
            key,
            homes: self.homes.iter().map(|(_, external)| *external).collect(),
            is_own: own_addresses(),
        };
        self.core().machine = Machine::relaying(self.config.answers, turn, start, now());
        Ok(())
    }

    /// Where STUN, and TURN over UDP and TCP, are served.
    pub fn stun_address(&self) -> Option<SocketAddr> {
        self.socket.as_ref()?.local_addr().ok()
    }

    /// Where STUN alone is answered too: at the next port, if that could be had.
    pub fn alternate_address(&self) -> Option<SocketAddr> {
        self.alternate.as_ref()?.local_addr().ok()
    }

    /// Where TURN over TLS is served.
    pub fn turns_address(&self) -> Option<SocketAddr> {
        self.tls.as_ref()?.0.local_addr().ok()
    }

    pub(super) fn streams(&self) -> &Streams {
        &self.streams
    }

    /// Whether there is anything to tell clients of.
    pub(crate) fn has_any(&self) -> bool {
        self.stun_address().is_some() || self.secret.is_some()
    }

    /// Whether relays are made here.
    pub(crate) fn has_relay(&self) -> bool {
        self.tcp.is_some()
    }

    /// What has happened, in numbers, for whoever runs the server.
    pub(crate) fn report(&self) -> Option<Value> {
        let core = self.core();
        let Counters {
            bindings,
            unanswered,
            unauthenticated,
            forbidden,
            over_quota,
            relayed_bytes,
            dropped_bytes,
        } = core.machine.counters();
        self.socket.as_ref()?;
        let mut report = json!({ "bindings": bindings, "unanswered": unanswered });
        if self.has_relay() {
            report["allocations"] = core.machine.allocations().into();
            report["unauthenticated"] = unauthenticated.into();
            report["forbidden"] = forbidden.into();
            report["over_quota"] = over_quota.into();
            report["relayed_bytes"] = relayed_bytes.into();
            report["dropped_bytes"] = dropped_bytes.into();
        }
        Some(report)
    }

    pub(super) fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves for ever.
    ///
    /// # Cancel safety
    /// Dropping the future stops serving; connections by TCP end with their relays.
    pub(crate) async fn serve(self: Arc<Self>) {
        let tcp = async {
            match &self.tcp {
                Some(listener) => accept_streams(&self, listener, None).await,
                None => std::future::pending().await,
            }
        };
        let tls = async {
            match &self.tls {
                Some((listener, certificate)) => {
                    let acceptor = TlsAcceptor::from(certificate.0.clone());
                    accept_streams(&self, listener, Some(&acceptor)).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::join!(udp::serve(&self), udp::serve_alternate(&self), tcp, tls, self.tick());
    }

    async fn tick(&self) {
        if !self.has_relay() {
            return;
        }
        loop {
            tokio::time::sleep(TICK).await;
            let mut core = self.core();
            for (client, relay) in core.machine.tick(now()) {
                core.relays.remove(&relay);
                if let Some(outbox) =
                    client.connection.and_then(|connection| core.streams.remove(&connection))
                {
                    outbox.close();
                }
            }
        }
    }

    /// Ends all relays and their connections.
    pub(crate) fn close(&self) {
        let mut core = self.core();
        core.relays.clear();
        core.streams.drain().for_each(|(_, outbox)| outbox.close());
    }

    /// Carries out what the machine says about a client's packet.
    pub(super) fn carry_out(
        self: &Arc<Self>,
        core: &mut Core,
        client: Client,
        packet: &[u8],
        action: Action,
        now: Now,
    ) {
        match action {
            Action::Nothing => {}
            Action::Answer(answer) => self.send(core, client, answer),
            Action::Deliver(other, message) => self.send(core, other, message),
            Action::Send { relay, peer, data } => {
                if let Some(relay) = core.relays.get(&relay) {
                    // A datagram that cannot be sent now is a datagram that got lost.
                    let _ = relay.socket.try_send_to(&packet[data], peer);
                }
            }
            Action::Open(opening) => {
                let relayed = self.open(core, client, &opening);
                let answer = core.machine.opened(*opening, relayed, now);
                self.send(core, client, answer);
            }
            Action::Close(relay, answer) => {
                core.relays.remove(&relay);
                self.send(core, client, answer);
            }
        }
    }

    pub(super) fn send(&self, core: &Core, client: Client, message: Vec<u8>) {
        match (client.connection, &self.socket) {
            (Some(connection), _) => {
                if let Some(outbox) = core.streams.get(&connection) {
                    outbox.push(&message);
                }
            }
            (None, Some(socket)) => {
                let _ = socket.try_send_to(&message, udp::as_sent_from(socket, client.address));
            }
            (None, None) => {}
        }
    }

    pub(super) fn gone(&self, client: &Client) {
        let mut core = self.core();
        if let Some(relay) = core.machine.gone(client) {
            core.relays.remove(&relay);
        }
        if let Some(connection) = client.connection {
            core.streams.remove(&connection);
        }
    }

    /// Opens a relay's socket. Gives its address as peers see it.
    fn open(self: &Arc<Self>, core: &mut Core, client: Client, opening: &Opening) -> Option<SocketAddr> {
        let turn = self.config.turn.as_ref()?;
        let (own, external) = *self.homes.iter().find(|(own, _)| Family::of(*own) == opening.family)?;
        let (first, last) = (*turn.ports.start(), *turn.ports.end());
        let count = u32::from(last.checked_sub(first)?) + 1;
        let mut random = [0; 4];
        getrandom::fill(&mut random).ok()?;
        let offset = u32::from_le_bytes(random) % count;
        let tried = (0..count.min(PORTS_TRIED.into())).map(|step| first + ((offset + step) % count) as u16);
        let tried = tried.filter(|port| !opening.even_port || port.is_multiple_of(2));
        let (socket, port) =
            tried.filter_map(|port| Some((bind_udp(SocketAddr::new(own, port)).ok()?, port))).next()?;
        let socket = Arc::new(socket);
        let reader = udp::relay(self.clone(), socket.clone(), opening.relay, client);
        core.relays.insert(opening.relay, Relay { socket, reader: tokio::spawn(reader).abort_handle() });
        Some(SocketAddr::new(external, port))
    }
}

pub(super) fn now() -> Now {
    let unix_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Now { at: Instant::now(), unix_s }
}

fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// What is open, where there is STUN.
#[derive(Default)]
struct Sockets {
    udp: Option<UdpSocket>,
    /// At the port after that.
    alternate: Option<UdpSocket>,
    /// At the same port as `udp`, where there is TURN.
    tcp: Option<TcpListener>,
}

fn sockets(config: &IceConfig, server: SocketAddr) -> Result<Sockets, IceError> {
    let (address, is_asked_for) = match config.stun {
        StunAddress::Off => return Ok(Sockets::default()),
        // A relay is asked for by name, and with it the port.
        StunAddress::Usual => (SocketAddr::new(server.ip(), STUN_PORT), config.turn.is_some()),
        StunAddress::At(address) => (address, true),
    };
    let in_use = |error| IceError::Bind("STUN", address, error);
    let mut tries = 0;
    loop {
        let udp = match bind_udp(address) {
            Err(error) if !is_asked_for => {
                tracing::warn!(port = STUN_PORT, %error, "no STUN: its port cannot be had; --stun chooses another, or off");
                return Ok(Sockets::default());
            }
            bound => bound.map_err(in_use)?,
        };
        let at = udp.local_addr().map_err(in_use)?;
        tries += 1;
        // Where any port will do there is another to try, until there have been many.
        let may_try_another = address.port() == 0 && tries < FREE_PORTS_TRIED;
        // Clients find it by adding one.
        let next = at.port().checked_add(1).map(|port| SocketAddr::new(at.ip(), port));
        let alternate = match next.map(bind_udp) {
            None | Some(Err(_)) if may_try_another => continue,
            Some(Err(error)) if address.port() != 0 => {
                tracing::warn!(port = at.port() + 1, %error, "no STUN at the next port, which would tell kinds of routers: it cannot be had");
                None
            }
            bound => bound.and_then(Result::ok),
        };
        if config.turn.is_none() {
            return Ok(Sockets { udp: Some(udp), alternate, tcp: None });
        }
        match listen(at) {
            Ok(tcp) => return Ok(Sockets { udp: Some(udp), alternate, tcp: Some(tcp) }),
            // A port that is free for the one may be taken for the other.
            Err(_) if may_try_another => {}
            Err(error) => return Err(IceError::Bind("TURN over TCP", at, error)),
        }
    }
}

/// Where relays are: here, and as peers see it.
fn homes(turn: &TurnConfig, listening: IpAddr) -> Result<Vec<(IpAddr, IpAddr)>, IceError> {
    let own = match &turn.relay_addresses[..] {
        [] if listening.is_unspecified() => return Err(IceError::NoRelayAddress),
        [] => vec![listening],
        named => named.to_vec(),
    };
    for address in &own {
        bind_udp(SocketAddr::new(*address, 0)).map_err(|error| IceError::RelayAddress(*address, error))?;
    }
    for external in &turn.external_addresses {
        if !own.iter().any(|own| Family::of(*own) == Family::of(*external)) {
            return Err(IceError::ExternalAddress(*external));
        }
    }
    let outer = |own: IpAddr| {
        let external =
            turn.external_addresses.iter().find(|external| Family::of(**external) == Family::of(own));
        external.copied().unwrap_or(own)
    };
    Ok(own.into_iter().map(|own| (own, outer(own))).collect())
}

/// How to tell whether an address is one of this machine: it can be bound to then.
fn own_addresses() -> fn(IpAddr) -> bool {
    const NOBODYS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    fn can_bind(address: IpAddr) -> bool {
        !matches!(std::net::UdpSocket::bind((address, 0)),
            Err(error) if matches!(error.kind(), ErrorKind::AddrNotAvailable | ErrorKind::Unsupported))
    }
    if can_bind(NOBODYS) {
        tracing::warn!(
            "this system lets programs bind to addresses that are not its own: TURN cannot tell them from others"
        );
        return |_| false;
    }
    can_bind
}
