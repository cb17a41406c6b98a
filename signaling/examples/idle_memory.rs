//! What one idle connection costs: opens many to a server of its own and looks at the growth of its memory.
//!
//! ```text
//! cargo build --release -p peerloom-signaling
//! ulimit -n 20000
//! cargo run --release -p peerloom-signaling --example idle_memory -- [CONNECTIONS] [CARDS]
//! ```
//!
//! Members come in rooms of four, with a hello of 200 bytes, and deposit `CARDS` cards of 300 bytes each (none by
//! default). It prints the growth of the server's resident memory per connection; what the kernel keeps for
//! sockets does not show there. Linux only: it reads `/proc`.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use peerloom_protocol::bounded::List;
use peerloom_protocol::codec;
use peerloom_protocol::signal::{CardBytes, ClientMessage, Join, TaggedCard, early_join};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const ROOM_SIZE: usize = 4;
const HELLO_BYTES: usize = 200;
const CARD_BYTES: usize = 300;

/// The server; killed when this goes.
struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts the program that stands beside this one.
    fn start() -> Result<Self> {
        let mut path = std::env::current_exe()?;
        path.pop();
        path.pop();
        path.push("peerloom-signaling");
        let mut child = Command::new(&path)
            .args(["--port", "0", "--log-level", "warn"])
            .args(["--max-connections", "100000", "--max-connections-per-address", "100000"])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", path.display()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on http://").ok_or("unexpected output")?.to_owned();
        Ok(Self { child, address })
    }

    /// Resident memory in bytes.
    fn resident_bytes(&self) -> Result<usize> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<usize>()? * 1024)
    }
}

async fn connect(address: &str, room: usize, cards: usize) -> Result<WebSocketStream<TcpStream>> {
    let join = Join {
        room: format!("room-{room}").as_str().try_into()?,
        hello: vec![b'h'; HELLO_BYTES].try_into()?,
        resume: None,
        cards: List::default(),
        token: None,
    };
    let early = early_join(&join).ok_or("the join is too long")?;
    let mut request = format!("ws://{address}/ws").into_client_request()?;
    request.headers_mut().insert("origin", format!("http://{address}").parse()?);
    request.headers_mut().insert("sec-websocket-protocol", format!("peerloom.v1, {early}").parse()?);
    let config = WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0);
    let tcp = TcpStream::connect(address).await?;
    let (mut socket, _) = client_async_with_config(request, tcp, Some(config)).await?;
    socket.next().await.ok_or("closed instead of a welcome")??;
    if cards > 0 {
        let card: CardBytes = vec![b'c'; CARD_BYTES].try_into()?;
        let cards: Vec<_> = (0..cards as u32).map(|tag| TaggedCard { tag, card: card.clone() }).collect();
        let deposit = ClientMessage::Deposit { replace: true, cards: cards.try_into()? };
        socket.send(Message::binary(codec::encode(&deposit))).await?;
    }
    Ok(socket)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let connections: usize = arguments.next().map_or(Ok(10_000), |text| text.parse())?;
    let cards: usize = arguments.next().map_or(Ok(0), |text| text.parse())?;
    rlimit::increase_nofile_limit(connections as u64 + 100)?;

    let server = Server::start()?;
    // One visitor first, so that what is set up once does not count.
    drop(connect(&server.address, usize::MAX, 0).await?);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = server.resident_bytes()?;

    let started = Instant::now();
    for number in 0..connections {
        let mut socket = connect(&server.address, number / ROOM_SIZE, cards).await?;
        // Reading answers pings.
        tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
    }
    let joining = started.elapsed();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = server.resident_bytes()?;

    let grown = after.saturating_sub(before) as f64 / 1024.0;
    println!(
        "{connections} connections in rooms of {ROOM_SIZE}, {cards} cards each, joined in {joining:.1?}\n\
         server memory {:.1} MiB, was {:.1} MiB: {:.2} KiB per connection",
        after as f64 / 1024.0 / 1024.0,
        before as f64 / 1024.0 / 1024.0,
        grown / connections as f64,
    );
    Ok(())
}
