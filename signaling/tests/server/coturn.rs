//! Beside coturn: its clients with this server, and the configuration of it in `docs/coturn.conf` with a client of ours.
//!
//! Without coturn these say so and do nothing, but in CI they fail.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use peerloom_protocol::id::PeerId;
use peerloom_signaling::{Ice, IceConfig, TurnSecret};
use tokio::net::UdpSocket;

use crate::common::{PATIENCE, within};
use crate::turn_client::refused::REFUSED;
use crate::turn_client::request::{ALLOCATE, BINDING, REQUESTED_ADDRESS_FAMILY, Request};
use crate::turn_client::{Peer, Relay, SECRET, TurnClient, credentials};
use crate::turn_streams::with_tls;

const CLIENTS: u32 = 4;
const MESSAGES: u32 = 25;

/// A program of coturn's, if it is installed.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "no {name}: install coturn");
        eprintln!("not tested: there is no {name}; install coturn");
    }
    found
}

/// Runs a program to its end; gives what it says.
async fn output_of(program: PathBuf, arguments: Vec<String>) -> String {
    let run = tokio::task::spawn_blocking(move || {
        let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    });
    tokio::time::timeout(2 * PATIENCE, run).await.expect("it ends").unwrap()
}

#[tokio::test]
async fn the_client_of_stun_gets_its_address() {
    let Some(program) = find("turnutils_stunclient") else { return };
    let relay = Relay::start().await;
    let text = output_of(program, vec!["-p".into(), relay.stun.port().to_string(), "127.0.0.1".into()]).await;
    assert!(text.contains("UDP reflexive addr: 127.0.0.1:"), "{text}");
}

/// Pairs of clients that send each other messages through two relays each.
async fn exchange(program: PathBuf, port: u16, flags: &[&str], (name, password): (String, String)) -> String {
    let numbers = [("-n", MESSAGES), ("-m", CLIENTS), ("-p", port.into())];
    let mut arguments: Vec<String> =
        ["-y", "-c"].iter().chain(flags).map(|flag| (*flag).to_owned()).collect();
    arguments.extend(numbers.iter().flat_map(|(flag, number)| [(*flag).to_owned(), number.to_string()]));
    arguments.extend(["-u".to_owned(), name, "-w".to_owned(), password, "127.0.0.1".to_owned()]);
    output_of(program, arguments).await
}

fn assert_all_relayed(text: &str, how: &str) {
    let all = 2 * CLIENTS * MESSAGES / 2;
    assert!(text.contains("Total lost packets 0 (0.000000%)"), "{how}: {text}");
    let counted = |what: &str| text.contains(&format!("{what}={all}"));
    assert!(counted("tot_send_msgs") && counted("tot_recv_msgs"), "{how}, {all}: {text}");
}

#[tokio::test]
async fn its_clients_get_everything_through_this_relay() {
    let Some(program) = find("turnutils_uclient") else { return };
    let relay = Relay::with(with_tls()).await;
    let (port, turns) = (relay.stun.port(), relay.turns.unwrap().port());
    let run = |port, flags: &'static [&str]| exchange(program.clone(), port, flags, relay.credentials());
    let (udp, udp_messages, tcp, tls) =
        tokio::join!(run(port, &[]), run(port, &["-s"]), run(port, &["-t"]), run(turns, &["-t", "-S"]),);
    for (text, how) in [(udp, "UDP"), (udp_messages, "UDP, by indications"), (tcp, "TCP"), (tls, "TLS")] {
        assert_all_relayed(&text, how);
    }
}

#[tokio::test]
async fn its_clients_get_nothing_without_good_credentials() {
    let Some(program) = find("turnutils_uclient") else { return };
    let relay = Relay::start().await;
    let (name, _) = relay.credentials();
    for credentials in [credentials(&relay.expired), (name, "wrong".to_owned())] {
        let text = exchange(program.clone(), relay.stun.port(), &[], credentials).await;
        assert!(
            text.contains("Cannot complete Allocation") && !text.contains("Total lost packets"),
            "{text}"
        );
    }
}

/// Kills the program with the test.
struct Coturn(Child, SocketAddr);

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Coturn {
    /// Starts it with the configuration that the documentation shows, and what a test must have otherwise.
    async fn start(program: &Path, more: &[&str]) -> Self {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/coturn.conf");
        for _ in 0..10 {
            // A free port, unless somebody takes it before coturn does: then another.
            let port = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
            let mut command = Command::new(program);
            command.arg("-c").arg(&config).args(["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1"]);
            command.arg(format!("--listening-port={port}")).arg(format!("--static-auth-secret={SECRET}"));
            command.args(["--no-tls", "--no-dtls", "--pidfile=/dev/null", "--log-file=stdout"]).args(more);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut coturn = Self(command.spawn().unwrap(), ([127, 0, 0, 1], port).into());
            if within(coturn.answers()).await {
                return coturn;
            }
        }
        panic!("coturn does not start with {config:?}");
    }

    /// Waits until it serves. False when it has ended.
    async fn answers(&mut self) -> bool {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let binding = Request::new(BINDING, 1).bytes();
        while self.0.try_wait().unwrap().is_none() {
            socket.send_to(&binding, self.1).await.unwrap();
            let answer = tokio::time::timeout(Duration::from_millis(100), socket.recv(&mut [0; 200])).await;
            if matches!(answer, Ok(Ok(_))) {
                return true;
            }
            // Where nothing listens yet an error comes at once.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }
}

/// What this server mints for a relay that only shares its secret.
async fn minted(seconds_ago: u64) -> (String, String) {
    let config = IceConfig {
        secret: Some(TurnSecret::new(SECRET).unwrap()),
        servers: vec!["turn:relay.example:3478".parse().unwrap()],
        ..IceConfig::default()
    };
    let ice = Ice::bind(&config, "127.0.0.1:8080".parse().unwrap()).unwrap();
    let at = SystemTime::now() - Duration::from_secs(seconds_ago);
    let servers = ice.ice_servers("127.0.0.1", None, PeerId::of(&[7; 32], &[8; 32]), at);
    assert_eq!(servers.len(), 1);
    assert_eq!(servers[0].urls, ["turn:relay.example:3478"]);
    credentials(&servers)
}

#[tokio::test]
async fn coturn_as_documented_takes_what_this_server_mints_and_reaches_nothing_special() {
    let Some(program) = find("turnserver") else { return };
    let has_v6 = UdpSocket::bind("[::1]:0").await.is_ok();
    let mut flags = vec!["--allow-loopback-peers"];
    flags.extend(has_v6.then_some("--relay-ip=::1"));
    let coturn = Coturn::start(&program, &flags).await;
    for credentials in [minted(601).await, ("1:x".to_owned(), "x".to_owned())] {
        let mut client = TurnClient::udp(coturn.1).await;
        assert_eq!(client.allocate(credentials).await, Err(401));
    }
    for (family, public) in [(1, "8.8.8.8:53"), (2, "[2606:4700::1111]:53")] {
        if family == 2 && !has_v6 {
            continue;
        }
        let mut client = TurnClient::udp(coturn.1).await;
        client.log_in(minted(0).await).await;
        let request = client.request(ALLOCATE).udp().with(REQUESTED_ADDRESS_FAMILY, &[family, 0, 0, 0]);
        assert_eq!(client.ask(request).await.result(), Ok(()));
        for address in REFUSED {
            let target = SocketAddr::new(address.parse().unwrap(), 80);
            let refused = client.permit(target).await;
            // Of the other family than its relay's it may say just that.
            let is_own_family = target.is_ipv4() == (family == 1);
            let is_refused = refused == Err(403) || (refused == Err(443) && !is_own_family);
            assert!(is_refused, "{address} from family {family}: {refused:?}");
        }
        assert_eq!(client.permit(public.parse().unwrap()).await, Ok(()));
    }
}

#[tokio::test]
async fn coturn_as_documented_relays() {
    let Some(program) = find("turnserver") else { return };
    let coturn = Coturn::start(&program, &["--allow-loopback-peers", "--allowed-peer-ip=127.0.0.1"]).await;
    let mut client = TurnClient::udp(coturn.1).await;
    let relayed = client.allocate(minted(0).await).await.unwrap();
    let peer = Peer::new().await;
    client.bind(0x4000, peer.address()).await.unwrap();
    client.send_by_channel(0x4000, b"hello").await;
    assert_eq!(peer.receive().await, (b"hello".to_vec(), relayed));
    peer.send(b"hey", relayed).await;
    assert_eq!(client.receive().await[..7], *b"\x40\0\0\x03hey");
}
