//! A server with STUN and TURN on free ports of 127.0.0.1, and a small client of both.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use peerloom_protocol::id::PeerId;
use peerloom_signaling::{
    Config, Ice, IceConfig, IceServer, StunAddress, TurnConfig, TurnSecret, bind, serve_with,
};
use stun_types::message::IntegrityAlgorithm;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::common::within;

#[path = "../../src/turn/refused.rs"]
pub(crate) mod refused;
#[path = "../../src/turn/request.rs"]
#[allow(dead_code, reason = "each of its users needs another part")]
pub(crate) mod request;

use request::{
    ALLOCATE, BINDING, CHANNEL_BIND, CREATE_PERMISSION, DATA, Login, NONCE, REALM, Reply, Request, SEND,
    XOR_RELAYED_ADDRESS,
};

const ASK_AGAIN: Duration = Duration::from_secs(1);
pub(crate) const SECRET: &str = "only-these-tests-know-this-secret";

/// A server in this process.
pub(crate) struct Relay {
    pub(crate) http: SocketAddr,
    pub(crate) stun: SocketAddr,
    pub(crate) turns: Option<SocketAddr>,
    /// What a member was told when the server started.
    pub(crate) servers: Vec<IceServer>,
    /// The same, ten minutes and a second before.
    pub(crate) expired: Vec<IceServer>,
    _stop: oneshot::Sender<()>,
}

impl Relay {
    /// A relay whose peers may be on 127.0.0.1, where the tests are.
    pub(crate) async fn start() -> Self {
        Self::with(TurnConfig { allow_peers: vec!["127.0.0.1".parse().unwrap()], ..TurnConfig::default() })
            .await
    }

    pub(crate) async fn with(turn: TurnConfig) -> Self {
        Self::serving(IceConfig { turn: Some(turn), ..IceConfig::default() }).await
    }

    pub(crate) async fn serving(ice: IceConfig) -> Self {
        let secret = Some(TurnSecret::new(SECRET).unwrap());
        let stun = StunAddress::At("127.0.0.1:0".parse().unwrap());
        let config = Config { ice: IceConfig { stun, secret, ..ice }, ..Config::default() };
        let listener = bind("127.0.0.1", 0).await.unwrap();
        let http = listener.local_addr().unwrap();
        let ice = Ice::bind(&config.ice, http).unwrap();
        let (stun, turns) = (ice.stun_address().unwrap(), ice.turns_address());
        let (now, id) = (SystemTime::now(), PeerId::of(&[7; 32], &[8; 32]));
        let told = |at| ice.ice_servers("127.0.0.1", None, id, at);
        let (servers, expired) = (told(now), told(now - Duration::from_secs(601)));
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            serve_with(listener, ice, config, async { drop(stopped.await) }).await.unwrap();
        });
        Self { http, stun, turns, servers, expired, _stop: stop }
    }

    /// A user name with its password.
    pub(crate) fn credentials(&self) -> (String, String) {
        credentials(&self.servers)
    }
}

pub(crate) fn credentials(servers: &[IceServer]) -> (String, String) {
    let server = servers.iter().find(|server| server.username.is_some()).unwrap();
    (server.username.clone().unwrap(), server.credential.clone().unwrap())
}

/// What a connection by TCP or TLS can do.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

enum Way {
    Udp(UdpSocket),
    Stream(Box<dyn Stream>, Vec<u8>),
}

/// A client of STUN and TURN.
pub(crate) struct TurnClient {
    way: Way,
    login: Option<Login>,
    next: u128,
}

impl TurnClient {
    pub(crate) async fn udp(server: SocketAddr) -> Self {
        Self::udp_from("127.0.0.1:0", server).await
    }

    pub(crate) async fn udp_from(own: &str, server: SocketAddr) -> Self {
        let socket = UdpSocket::bind(own).await.unwrap();
        socket.connect(server).await.unwrap();
        Self { way: Way::Udp(socket), login: None, next: 0 }
    }

    pub(crate) async fn tcp(server: SocketAddr) -> Self {
        Self::over(TcpStream::connect(server).await.unwrap())
    }

    pub(crate) fn over(stream: impl Stream + 'static) -> Self {
        Self { way: Way::Stream(Box::new(stream), Vec::new()), login: None, next: 0 }
    }

    pub(crate) fn own_address(&self) -> SocketAddr {
        match &self.way {
            Way::Udp(socket) => socket.local_addr().unwrap(),
            Way::Stream(..) => panic!("not asked for"),
        }
    }

    pub(crate) async fn send(&mut self, packet: &[u8]) {
        match &mut self.way {
            Way::Udp(socket) => {
                socket.send(packet).await.unwrap();
            }
            Way::Stream(stream, _) => {
                stream.write_all(packet).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    }

    /// The next packet.
    pub(crate) async fn receive(&mut self) -> Vec<u8> {
        within(self.receive_when_it_comes()).await
    }

    async fn receive_when_it_comes(&mut self) -> Vec<u8> {
        match &mut self.way {
            Way::Udp(socket) => {
                let mut packet = vec![0; 65_535];
                let len = socket.recv(&mut packet).await.unwrap();
                packet.truncate(len);
                packet
            }
            Way::Stream(stream, waiting) => loop {
                if waiting.len() >= 4 {
                    let stated = usize::from(u16::from_be_bytes([waiting[2], waiting[3]]));
                    let is_channel = waiting[0] & 0xc0 != 0;
                    let len = if is_channel { 4 + stated } else { 20 + stated };
                    if waiting.len() >= len.next_multiple_of(4) {
                        let packet = waiting[..len].to_vec();
                        waiting.drain(..len.next_multiple_of(4));
                        return packet;
                    }
                }
                assert_ne!(stream.read_buf(waiting).await.unwrap(), 0, "the server has closed");
            },
        }
    }

    /// Whether nothing comes, by when an answer to something later has come.
    pub(crate) async fn assert_quiet(&mut self) {
        let number = self.next_number();
        self.send(&Request::new(BINDING, number).bytes()).await;
        let came = self.receive().await;
        let is_answer = came[0] & 0xc0 == 0 && Reply::new(&came).transaction() == number;
        assert!(is_answer, "{came:?}");
    }

    fn next_number(&mut self) -> u128 {
        self.next += 1;
        self.next
    }

    pub(crate) fn request(&mut self, method: u16) -> Request {
        let number = self.next_number();
        Request::new(method, number)
    }

    pub(crate) async fn ask(&mut self, request: Request) -> Reply {
        let packet = match &self.login {
            Some(login) => request.signed(login),
            None => request.bytes(),
        };
        let number = Reply::new(&packet).transaction();
        within(async {
            loop {
                self.send(&packet).await;
                // A datagram may get lost where others flood the server, so one asks again (RFC 8489 §6.2.1); who was only slow
                // answers twice then.
                while let Ok(came) = timeout(ASK_AGAIN, self.receive_when_it_comes()).await {
                    let is_message = came[0] & 0xc0 == 0;
                    if is_message && Reply::new(&came).transaction() == number {
                        return Reply::new(&came);
                    }
                }
            }
        })
        .await
    }

    /// Signs with these from now on. Asks for a realm and a nonce.
    pub(crate) async fn log_in(&mut self, (name, password): (String, String)) {
        let request = self.request(ALLOCATE).udp();
        let challenge = self.ask(request).await;
        assert_eq!(challenge.result(), Err(401));
        let (realm, nonce) = (challenge.text(REALM), challenge.text(NONCE));
        self.login = Some(Login { name, password, realm, nonce, algorithm: IntegrityAlgorithm::Sha1 });
    }

    /// Gets a relay; gives its address.
    pub(crate) async fn allocate(&mut self, credentials: (String, String)) -> Result<SocketAddr, u16> {
        self.log_in(credentials).await;
        let request = self.request(ALLOCATE).udp();
        let reply = self.ask(request).await;
        reply.result().map(|()| reply.address(XOR_RELAYED_ADDRESS).unwrap())
    }

    pub(crate) async fn permit(&mut self, peer: SocketAddr) -> Result<(), u16> {
        let request = self.request(CREATE_PERMISSION).peer(peer);
        self.ask(request).await.result()
    }

    pub(crate) async fn bind(&mut self, number: u16, peer: SocketAddr) -> Result<(), u16> {
        let request = self.request(CHANNEL_BIND).channel(number).peer(peer);
        self.ask(request).await.result()
    }

    pub(crate) async fn send_to(&mut self, peer: SocketAddr, data: &[u8]) {
        let packet = self.request(SEND).peer(peer).with(DATA, data).bytes();
        self.send(&packet).await;
    }

    pub(crate) async fn send_by_channel(&mut self, number: u16, data: &[u8]) {
        let mut packet = number.to_be_bytes().to_vec();
        packet.extend_from_slice(&(data.len() as u16).to_be_bytes());
        packet.extend_from_slice(data);
        packet.resize(packet.len().next_multiple_of(4), 0);
        self.send(&packet).await;
    }

    /// The stream itself, for who does what no client does.
    pub(crate) fn into_stream(self) -> Box<dyn Stream> {
        match self.way {
            Way::Stream(stream, _) => stream,
            Way::Udp(_) => panic!("not a stream"),
        }
    }
}

/// A peer on this machine.
pub(crate) struct Peer(UdpSocket);

impl Peer {
    pub(crate) async fn new() -> Self {
        Self(UdpSocket::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    pub(crate) async fn receive(&self) -> (Vec<u8>, SocketAddr) {
        let mut packet = vec![0; 65_535];
        let (len, from) = within(self.0.recv_from(&mut packet)).await.unwrap();
        packet.truncate(len);
        (packet, from)
    }

    pub(crate) async fn send(&self, data: &[u8], to: SocketAddr) {
        self.0.send_to(data, to).await.unwrap();
    }

    /// What has come until now, as nothing should have.
    pub(crate) fn assert_quiet(&self) {
        let mut packet = [0; 2048];
        let came = self.0.try_recv_from(&mut packet);
        assert!(came.is_err(), "{came:?}");
    }
}
