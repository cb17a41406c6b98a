//! Puts load on a server of STUN and TURN and prints what that costs, as one line of JSON.
//!
//! ```text
//! turn_load --address 127.0.0.1:3478 --pid PID stun --seconds 4
//! turn_load --address 127.0.0.1:3478 --pid PID relay --secret SECRET --seconds 4 --clients 20
//! ```
//!
//! `npm run bench` starts the servers, pins them to one core and this program to another, and compares. So many datagrams are
//! on their way at a time, and each that comes back sends the next: nothing gets lost in full buffers, and a server that is
//! slower gets less to do. All of it stays on this machine.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on should stop there")]

#[path = "server_load/process.rs"]
#[allow(dead_code, reason = "another program needs the rest")]
mod process;
#[path = "../src/turn/request.rs"]
#[allow(dead_code, reason = "tests need the rest")]
mod request;

use std::error::Error;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

use clap::Parser;
use peerloom_protocol::id::PeerId;
use peerloom_signaling::{Ice, IceConfig, TurnSecret};
use serde_json::json;
use stun_types::message::IntegrityAlgorithm;

use process::{Meter, Process};
use request::{ALLOCATE, BINDING, CHANNEL_BIND, Login, NONCE, REALM, Reply, Request, XOR_RELAYED_ADDRESS};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Puts load on a server of STUN and TURN.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where it listens.
    #[arg(long)]
    address: SocketAddr,
    /// The server's process.
    #[arg(long)]
    pid: u32,
    #[command(subcommand)]
    load: Load,
}

#[derive(Debug, clap::Subcommand)]
enum Load {
    /// Asks for addresses: answers per second, and processor time for each.
    Stun {
        /// How long.
        #[arg(long, value_parser = seconds)]
        seconds: Duration,
        /// Requests on their way.
        #[arg(long, default_value_t = 32)]
        window: usize,
    },
    /// Sends through relays to a peer that sends everything back: datagrams per second, processor time for each, and memory.
    Relay {
        /// What the server mints credentials with.
        #[arg(long)]
        secret: String,
        /// How long.
        #[arg(long, value_parser = seconds)]
        seconds: Duration,
        /// Clients, each with a relay.
        #[arg(long)]
        clients: usize,
        /// Of each datagram.
        #[arg(long, default_value_t = 1_200)]
        bytes: usize,
        /// Datagrams of each client on their way.
        #[arg(long, default_value_t = 4)]
        window: usize,
    },
}

fn seconds(text: &str) -> std::result::Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.05..=60.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("0.05 to 60".to_owned())
    }
}

fn main() -> Result<()> {
    let Arguments { address, pid, load } = Arguments::parse();
    let server = Process::new(pid);
    let line = match load {
        Load::Stun { seconds, window } => stun(address, &server, seconds, window)?,
        Load::Relay { secret, seconds, clients, bytes, window } => {
            relay(address, &server, &secret, seconds, clients, bytes, window)?
        }
    };
    println!("{line}");
    Ok(())
}

fn open(address: SocketAddr) -> Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(address)?;
    // A datagram that got lost is made up for: with a window that is all lost nothing would go on.
    socket.set_read_timeout(Some(Duration::from_millis(200)))?;
    Ok(socket)
}

fn is_late(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn stun(
    address: SocketAddr,
    server: &Process,
    seconds: Duration,
    window: usize,
) -> Result<serde_json::Value> {
    let socket = open(address)?;
    let request = Request::new(BINDING, 1).bytes();
    let mut answer = [0; 200];
    let send_window = || (0..window).try_for_each(|_| socket.send(&request).map(|_| ()));
    send_window()?;
    let (mut answers, meter, until) = (0_usize, Meter::start(server)?, Instant::now() + seconds);
    while Instant::now() < until {
        for _ in 0..64 {
            match socket.recv(&mut answer) {
                Ok(_) => {
                    answers += 1;
                    socket.send(&request)?;
                }
                Err(error) if is_late(&error) => send_window()?,
                Err(error) => return Err(error.into()),
            }
        }
    }
    let spent = meter.stop()?;
    Ok(json!({
        "perSecond": spent.per_second(answers),
        "cpuUsEach": spent.server_us_each(answers),
        "shares": spent.shares(),
    }))
}

/// Requests until a server counts as one that does not answer.
const TRIES: usize = 50;

/// A client with a relay, and a channel to the peer.
struct Client(UdpSocket);

impl Client {
    fn new(address: SocketAddr, (name, password): &(String, String), peer: SocketAddr) -> Result<Self> {
        let socket = open(address)?;
        let ask = |packet: &[u8]| -> Result<Reply> {
            let mut answer = [0; 2_000];
            for _ in 0..TRIES {
                socket.send(packet)?;
                match socket.recv(&mut answer) {
                    // Not a second answer to what was asked before.
                    Ok(len) if answer[..len].get(4..20) != packet.get(4..20) => {}
                    Ok(len) => return Ok(Reply::new(&answer[..len])),
                    Err(error) if is_late(&error) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err("no answer".into())
        };
        let challenge = ask(&Request::new(ALLOCATE, 1).udp().bytes())?;
        let login = Login {
            name: name.clone(),
            password: password.clone(),
            realm: challenge.text(REALM),
            nonce: challenge.text(NONCE),
            algorithm: IntegrityAlgorithm::Sha1,
        };
        let made = ask(&Request::new(ALLOCATE, 2).udp().signed(&login))?;
        made.result().map_err(|code| format!("no relay: {code}"))?;
        made.address(XOR_RELAYED_ADDRESS).ok_or("no address")?;
        let bound = ask(&Request::new(CHANNEL_BIND, 3).channel(0x4000).peer(peer).signed(&login))?;
        bound.result().map_err(|code| format!("no channel: {code}"))?;
        socket.set_nonblocking(true)?;
        Ok(Self(socket))
    }
}

fn credentials(secret: &str) -> Result<(String, String)> {
    let config = IceConfig {
        secret: Some(TurnSecret::new(secret)?),
        servers: vec!["turn:127.0.0.1".parse().expect("a server")],
        ..IceConfig::default()
    };
    // It opens no port: with neither STUN nor TURN it only mints.
    let ice = Ice::bind(&config, "127.0.0.1:1".parse()?)?;
    let servers = ice.ice_servers("127.0.0.1", None, PeerId::of(&[7; 32], &[8; 32]), SystemTime::now());
    let [server] = &servers[..] else { return Err("one server".into()) };
    Ok((server.username.clone().ok_or("no name")?, server.credential.clone().ok_or("no password")?))
}

fn relay(
    address: SocketAddr,
    server: &Process,
    secret: &str,
    seconds: Duration,
    clients: usize,
    bytes: usize,
    window: usize,
) -> Result<serde_json::Value> {
    let idle_kib = server.resident_kib()?;
    let peer = UdpSocket::bind("127.0.0.1:0")?;
    peer.set_nonblocking(true)?;
    let credentials = credentials(secret)?;
    let peer_address = peer.local_addr()?;
    let clients: Vec<Client> =
        (0..clients).map(|_| Client::new(address, &credentials, peer_address)).collect::<Result<_>>()?;
    let mut packet = vec![0; 4 + bytes];
    packet[..2].copy_from_slice(&0x4000_u16.to_be_bytes());
    packet[2..4].copy_from_slice(&u16::try_from(bytes)?.to_be_bytes());
    let send_windows = || {
        for client in &clients {
            for _ in 0..window {
                let _ = client.0.send(&packet);
            }
        }
    };
    send_windows();
    let mut buffer = vec![0; 65_535];
    let (mut relayed, mut moved_at) = (0_usize, Instant::now());
    let (meter, until) = (Meter::start(server)?, Instant::now() + seconds);
    while Instant::now() < until {
        let before = relayed;
        // The peer: everything goes back to where it came from.
        while let Ok((len, from)) = peer.recv_from(&mut buffer) {
            relayed += 1;
            let _ = peer.send_to(&buffer[..len], from);
        }
        for client in &clients {
            while client.0.recv(&mut buffer).is_ok() {
                relayed += 1;
                let _ = client.0.send(&packet);
            }
        }
        if relayed > before {
            moved_at = Instant::now();
        } else if moved_at.elapsed() > Duration::from_millis(100) {
            // All that was on its way got lost.
            send_windows();
            moved_at = Instant::now();
        }
    }
    let spent = meter.stop()?;
    Ok(json!({
        "perSecond": spent.per_second(relayed),
        "cpuUsEach": spent.server_us_each(relayed),
        "shares": spent.shares(),
        "idleKib": idle_kib,
        "residentKib": server.resident_kib()?,
    }))
}
