//! A real server on a free port and a small WebSocket client for the tests.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use peerloom_protocol::bounded::List;
use peerloom_protocol::codec;
use peerloom_protocol::id::ReturnSecret;
use peerloom_protocol::signal::{
    CardBytes, ClientMessage, Join, LeaveReason, Member, Refusal, ServerMessage, TaggedCard, Welcome,
    early_join,
};
use peerloom_signaling::{Config, Limits, bind, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Far longer than anything here takes: it turns a hang into a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A server in this process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with_limits(limits: Limits) -> Self {
        Self::with(Config { limits, ..Config::default() }).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self::on(config, 0).await
    }

    pub(crate) async fn on(config: Config, port: u16) -> Self {
        let listener = bind("127.0.0.1", port).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            serve(listener, config, stopped).await.unwrap();
        });
        Self { address, stop: Some(stop), task }
    }

    /// A server in another process.
    pub(crate) fn elsewhere(address: SocketAddr) -> Self {
        Self { address, stop: None, task: tokio::spawn(async {}) }
    }

    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        within(self.task).await.unwrap();
    }

    /// Sends a request as written and gives all that comes back until the server closes.
    pub(crate) async fn raw(&self, request: &str) -> String {
        let mut tcp = TcpStream::connect(self.address).await.unwrap();
        tcp.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A reset after the answer is as good as an end.
        let _ = within(tcp.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// `GET` with some headers.
    pub(crate) async fn get(&self, path: &str, headers: &str) -> String {
        let host =
            if headers.contains("Host:") { String::new() } else { format!("Host: {}\r\n", self.address) };
        self.raw(&format!("GET {path} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n")).await
    }

    /// The status of an upgrade request with these headers besides the WebSocket's own.
    pub(crate) async fn upgrade_status(&self, headers: &str) -> u16 {
        let request = format!(
            "GET /ws HTTP/1.1\r\n{headers}Connection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let mut tcp = TcpStream::connect(self.address).await.unwrap();
        tcp.write_all(request.as_bytes()).await.unwrap();
        let mut line = [0; 12];
        within(tcp.read_exact(&mut line)).await.unwrap();
        std::str::from_utf8(&line[9..]).unwrap().parse().unwrap()
    }
}

/// One WebSocket to a server.
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
    unread: VecDeque<ServerMessage>,
    /// What the welcome came with.
    pub(crate) policy: Option<ServerMessage>,
}

impl Client {
    /// Connects without joining.
    pub(crate) async fn connect(server: &Server) -> Self {
        Self::offering(server, "peerloom.v1").await.unwrap()
    }

    /// Connects with an early join and gives the welcome.
    pub(crate) async fn join(server: &Server, join: Join) -> (Self, Welcome) {
        let mut client = Self::join_unanswered(server, join).await;
        let welcome = client.welcome().await;
        (client, welcome)
    }

    /// Connects with an early join.
    pub(crate) async fn join_unanswered(server: &Server, join: Join) -> Self {
        let early = early_join(&join).unwrap();
        Self::offering(server, &format!("peerloom.v1, {early}")).await.unwrap()
    }

    /// Connects with these subprotocols.
    pub(crate) async fn offering(server: &Server, protocols: &str) -> Result<Self, Error> {
        let tcp = TcpStream::connect(server.address).await.unwrap();
        Self::over(tcp, server, protocols).await
    }

    /// Connects as a proxy does for others.
    pub(crate) async fn forwarded(server: &Server, forwarded_for: &str) -> Self {
        let tcp = TcpStream::connect(server.address).await.unwrap();
        let headers = [("x-forwarded-for", forwarded_for)];
        Self::with_headers(tcp, server, "peerloom.v1", &headers).await.unwrap()
    }

    /// Joins as a proxy does for others, with headers of its own.
    pub(crate) async fn join_with(server: &Server, join: Join, headers: &[(&'static str, &str)]) -> Self {
        let tcp = TcpStream::connect(server.address).await.unwrap();
        let protocols = format!("peerloom.v1, {}", early_join(&join).unwrap());
        let mut client = Self::with_headers(tcp, server, &protocols, headers).await.unwrap();
        client.welcome().await;
        client
    }

    /// Connects over this TCP connection.
    pub(crate) async fn over(tcp: TcpStream, server: &Server, protocols: &str) -> Result<Self, Error> {
        Self::with_headers(tcp, server, protocols, &[]).await
    }

    async fn with_headers(
        tcp: TcpStream,
        server: &Server,
        protocols: &str,
        besides: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let mut request = format!("ws://{}/ws", server.address).into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("origin", format!("http://{}", server.address).parse().unwrap());
        headers.insert("sec-websocket-protocol", protocols.parse().unwrap());
        for (name, value) in besides {
            headers.append(*name, value.parse().unwrap());
        }
        let config = WebSocketConfig::default().read_buffer_size(4096);
        let (socket, _) = within(client_async_with_config(request, tcp, Some(config))).await?;
        Ok(Self { socket, unread: VecDeque::new(), policy: None })
    }

    pub(crate) async fn send(&mut self, message: ClientMessage) {
        self.send_bytes(codec::encode(&message)).await;
    }

    pub(crate) async fn send_bytes(&mut self, frame: Vec<u8>) {
        within(self.socket.send(Message::Binary(frame.into()))).await.unwrap();
    }

    /// Sends, unless the server has closed or takes nothing more for a while.
    pub(crate) async fn try_send(&mut self, frame: &[u8]) -> bool {
        let sent = self.socket.send(Message::Binary(frame.to_vec().into()));
        matches!(tokio::time::timeout(Duration::from_secs(2), sent).await, Ok(Ok(())))
    }

    /// The next message. Panics when the server closes instead.
    pub(crate) async fn recv(&mut self) -> ServerMessage {
        match self.next().await {
            Ok(message) => message,
            Err(code) => panic!("closed with {code:?} instead of a message"),
        }
    }

    /// The next message, or the code that the server closed with (`None` for a broken connection).
    pub(crate) async fn next(&mut self) -> Result<ServerMessage, Option<u16>> {
        loop {
            if let Some(message) = self.unread.pop_front() {
                return Ok(message);
            }
            match within(self.socket.next()).await {
                Some(Ok(Message::Binary(frame))) => {
                    self.unread.extend(codec::decode(&frame, usize::MAX).unwrap().map(Result::unwrap));
                }
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    pub(crate) async fn welcome(&mut self) -> Welcome {
        match self.recv().await {
            ServerMessage::Welcome(welcome) => {
                self.policy = self.unread.pop_front();
                assert!(
                    matches!(self.policy, Some(ServerMessage::RelayPolicy { .. })),
                    "the frame of a welcome says what is relayed, got {:?}",
                    self.policy
                );
                welcome
            }
            other => panic!("expected a welcome, got {other:?}"),
        }
    }

    pub(crate) async fn joined(&mut self) -> Member {
        match self.recv().await {
            ServerMessage::Joined(member) => member,
            other => panic!("expected a newcomer, got {other:?}"),
        }
    }

    /// Closes the WebSocket from this side.
    pub(crate) async fn close(&mut self, code: Option<u16>) {
        let frame = code.map(|code| CloseFrame { code: code.into(), reason: "".into() });
        within(self.socket.close(frame)).await.unwrap();
    }

    /// Asserts that the server says why and closes with the code that belongs to it.
    pub(crate) async fn assert_refused(&mut self, expected: Refusal) -> String {
        let words = match self.recv().await {
            ServerMessage::Refused { refusal, detail } => {
                assert_eq!(refusal, expected, "{}", &*detail);
                assert!(!detail.is_empty(), "a refusal comes with words");
                detail.into_string()
            }
            other => panic!("expected {expected:?}, got {other:?}"),
        };
        assert_eq!(self.next().await, Err(Some(expected.close_code())));
        words
    }

    /// Asserts that everything sent so far was taken and nothing but `Pong` comes of it.
    pub(crate) async fn assert_quiet(&mut self) {
        self.send(ClientMessage::Ping { nonce: 77 }).await;
        assert_eq!(self.recv().await, ServerMessage::Pong { nonce: 77 });
    }
}

/// Another for each join, so that each has an id of its own.
fn fresh_secret() -> ReturnSecret {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut secret = [0; 32];
    secret[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    ReturnSecret(secret)
}

/// A join without extras, by somebody new.
pub(crate) fn join(room: &str, hello: &str) -> Join {
    Join {
        room: room.try_into().unwrap(),
        hello: hello.as_bytes().to_vec().try_into().unwrap(),
        key: [1; 32],
        secret: fresh_secret(),
        returns: false,
        cards: List::default(),
        token: None,
    }
}

pub(crate) fn card(text: &str) -> CardBytes {
    text.as_bytes().to_vec().try_into().unwrap()
}

pub(crate) fn cards<const MAX: usize>(texts: &[&str]) -> List<CardBytes, MAX> {
    texts.iter().map(|text| card(text)).collect::<Vec<_>>().try_into().unwrap()
}

/// Deposits cards under the given tags.
pub(crate) fn deposit(replace: bool, cards: &[(u32, &str)]) -> ClientMessage {
    let cards: Vec<_> = cards.iter().map(|&(tag, text)| TaggedCard { tag, card: card(text) }).collect();
    ClientMessage::Deposit { replace, cards: cards.try_into().unwrap() }
}

/// The next thing that `watcher` hears is that a stay ended, and why.
pub(crate) async fn assert_left(watcher: &mut Client, gone: &Welcome, reason: LeaveReason) {
    let left = ServerMessage::Left { id: gone.id, epoch: gone.epoch, reason };
    assert_eq!(watcher.recv().await, left);
}

pub(crate) fn signal(to: &Welcome, envelope: &[u8]) -> ClientMessage {
    ClientMessage::Signal { to: to.id, epoch: to.epoch, envelope: envelope.to_vec().try_into().unwrap() }
}

pub(crate) fn relay(to: &Welcome, packet: &[u8]) -> ClientMessage {
    ClientMessage::Relay { to: to.id, epoch: to.epoch, packet: packet.to_vec().try_into().unwrap() }
}

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it came within the time that a test waits")
}
