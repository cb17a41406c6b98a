//! STUN over UDP: what clients are told, and what comes of those who do not ask as they should.

use std::net::{SocketAddr, UdpSocket as StdUdpSocket};
use std::time::Instant;

use peerloom_signaling::{Config, Ice, IceConfig, Rate, STUN_PORT, StunAddress, bind, serve_with};

use crate::common::{Client, Server, join};
use crate::program::{program, start};
use crate::turn_client::request::{ALLOCATE, BINDING, Reply, Request, SEND, XOR_MAPPED_ADDRESS};
use crate::turn_client::{Peer, Relay, TurnClient};

#[tokio::test]
async fn clients_learn_the_address_that_they_are_seen_at() {
    let relay = Relay::serving(IceConfig::default()).await;
    let mut client = TurnClient::udp(relay.stun).await;
    let request = client.request(BINDING);
    let reply = client.ask(request).await;
    assert_eq!(reply.address(XOR_MAPPED_ADDRESS), Some(client.own_address()));
    assert_eq!(relay.servers[0].urls, [format!("stun:127.0.0.1:{}", relay.stun.port())]);
    // Without a relay nobody is told of one, and nobody gets one.
    assert_eq!(relay.servers.len(), 1);
    let packet = client.request(ALLOCATE).udp().bytes();
    client.send(&packet).await;
    client.assert_quiet().await;
}

/// The port after STUN's.
fn next(stun: SocketAddr) -> SocketAddr {
    SocketAddr::new(stun.ip(), stun.port() + 1)
}

#[tokio::test]
async fn the_next_port_tells_one_socket_the_same_address() {
    let relay = Relay::serving(IceConfig::default()).await;
    let client = Peer::new().await;
    for (number, server) in [relay.stun, next(relay.stun), relay.stun].into_iter().enumerate() {
        client.send(&Request::new(BINDING, number as u128).bytes(), server).await;
        let (packet, from) = client.receive().await;
        let reply = Reply::new(&packet);
        assert_eq!((from, reply.transaction()), (server, number as u128));
        assert_eq!(reply.address(XOR_MAPPED_ADDRESS), Some(client.address()));
        assert_eq!(packet.len(), 32, "nothing besides");
    }
}

#[tokio::test]
async fn the_next_port_answers_stun_alone() {
    let relay = Relay::start().await;
    let mut client = TurnClient::udp(next(relay.stun)).await;
    let packets = [
        client.request(ALLOCATE).udp().bytes(),
        client.request(SEND).peer(relay.stun).bytes(),
        b"\x40\0\0\x01x\0\0\0".to_vec(),
        b"neither fish nor flesh".to_vec(),
    ];
    for packet in packets {
        client.send(&packet).await;
        client.assert_quiet().await;
    }
    // Nor has anything come of it where relays are made.
    let mut client = TurnClient::udp(relay.stun).await;
    client.allocate(relay.credentials()).await.unwrap();
}

#[tokio::test]
async fn both_ports_have_one_bound_on_answers() {
    const BURST: u32 = 50;
    let answers = Rate { per_second: 1, burst: BURST };
    let relay = Relay::serving(IceConfig { answers, ..IceConfig::default() }).await;
    let flood = StdUdpSocket::bind("127.0.0.4:0").unwrap();
    flood.set_nonblocking(true).unwrap();
    let started = Instant::now();
    let mut client = TurnClient::udp(next(relay.stun)).await;
    let binding = client.request(BINDING).bytes();
    for _ in 0..BURST {
        flood.send_to(&binding, relay.stun).unwrap();
        flood.send_to(&binding, next(relay.stun)).unwrap();
        tokio::task::yield_now().await;
    }
    // Both have read all of it when they answer somebody else.
    for server in [relay.stun, next(relay.stun)] {
        let mut client = TurnClient::udp(server).await;
        let request = client.request(BINDING);
        assert_eq!(client.ask(request).await.result(), Ok(()), "another address");
    }
    let (mut answered, mut packet) = (0, [0; 100]);
    while flood.recv(&mut packet).is_ok() {
        answered += 1;
    }
    let most = BURST + started.elapsed().as_secs() as u32 + 1;
    assert!((1..=most).contains(&answered), "{answered} answers, of {most}");
}

#[tokio::test]
async fn a_next_port_that_cannot_be_had_is_done_without() {
    // An address that no other test takes ports of.
    let taken = StdUdpSocket::bind("127.0.0.5:0").unwrap();
    let port = taken.local_addr().unwrap().port() - 1;
    let stun = SocketAddr::from(([127, 0, 0, 5], port));
    let mut command = program();
    let (child, _address, _stdout) = start(command.args(["--port", "0", "--stun", &stun.to_string()]));
    let mut client = TurnClient::udp_from("127.0.0.5:0", stun).await;
    let request = client.request(BINDING);
    assert_eq!(client.ask(request).await.address(XOR_MAPPED_ADDRESS), Some(client.own_address()));
    let log = child.end();
    assert!(log.contains("no STUN at the next port"), "{log}");
}

#[tokio::test]
async fn after_the_last_port_there_is_none() {
    let stun = StunAddress::At(SocketAddr::from(([127, 0, 0, 6], u16::MAX)));
    let ice =
        Ice::bind(&IceConfig { stun, ..IceConfig::default() }, "127.0.0.1:8080".parse().unwrap()).unwrap();
    assert!(ice.stun_address().is_some() && ice.alternate_address().is_none());
}

/// A socket for both families sees addresses of IPv4 in the clothes of IPv6.
#[tokio::test]
async fn a_server_on_all_interfaces_tells_clients_of_ipv4_their_own() {
    let Ok(any) = StdUdpSocket::bind("[::]:0") else { return };
    if any.send_to(b"x", "[::ffff:127.0.0.1]:9").is_err() {
        return; // This system keeps the two apart.
    }
    let config = IceConfig { stun: StunAddress::At("[::]:0".parse().unwrap()), ..IceConfig::default() };
    let config = Config { ice: config, ..Config::default() };
    let listener = bind("127.0.0.1", 0).await.unwrap();
    let ice = Ice::bind(&config.ice, listener.local_addr().unwrap()).unwrap();
    let port = ice.stun_address().unwrap().port();
    let server = tokio::spawn(serve_with(listener, ice, config, std::future::pending()));
    let mut client = TurnClient::udp(([127, 0, 0, 1], port).into()).await;
    let request = client.request(BINDING);
    assert_eq!(client.ask(request).await.address(XOR_MAPPED_ADDRESS), Some(client.own_address()));
    server.abort();
}

#[tokio::test]
async fn one_address_gets_so_many_answers_and_others_theirs() {
    const BURST: u32 = 50;
    const PER_SECOND: u32 = 10;
    let answers = Rate { per_second: PER_SECOND, burst: BURST };
    let relay = Relay::serving(IceConfig { answers, ..IceConfig::default() }).await;
    let flood = StdUdpSocket::bind("127.0.0.2:0").unwrap();
    flood.connect(relay.stun).unwrap();
    flood.set_nonblocking(true).unwrap();
    let started = Instant::now();
    let mut client = TurnClient::udp(relay.stun).await;
    let binding = client.request(BINDING).bytes();
    let (mut answered, mut packet) = (0_u32, [0; 100]);
    for _ in 0..100 {
        for _ in 0..50 {
            let _ = flood.send(&binding);
            let _ = flood.send(b"neither fish nor flesh");
        }
        tokio::task::yield_now().await;
        while flood.recv(&mut packet).is_ok() {
            answered += 1;
        }
    }
    let request = client.request(BINDING);
    assert_eq!(client.ask(request).await.result(), Ok(()), "another address");
    while flood.recv(&mut packet).is_ok() {
        answered += 1;
    }
    let most = BURST + started.elapsed().as_secs() as u32 * PER_SECOND + PER_SECOND;
    assert!((1..=most).contains(&answered), "{answered} answers, of {most}");
}

#[tokio::test]
async fn a_flood_of_datagrams_keeps_nobody_from_joining() {
    let relay = Relay::start().await;
    let flood = std::thread::spawn(move || {
        let socket = StdUdpSocket::bind("127.0.0.3:0").unwrap();
        // One in ten is a message of STUN's, as far as its header goes.
        for number in 0..50_000_u32 {
            let mut packet = [0; 60];
            packet[..4].copy_from_slice(&number.to_le_bytes());
            if number.is_multiple_of(10) {
                packet[..8].copy_from_slice(&[0, 3, 0, 40, 0x21, 0x12, 0xa4, 0x42]);
            }
            let _ = socket.send_to(&packet, relay.stun);
        }
    });
    let server = Server::elsewhere(relay.http);
    for number in 0..20 {
        let (_client, _) = Client::join(&server, join("r", &number.to_string())).await;
    }
    flood.join().unwrap();
    let mut client = TurnClient::udp(relay.stun).await;
    client.allocate(relay.credentials()).await.unwrap();
}

#[tokio::test]
async fn a_usual_port_that_is_taken_is_done_without() {
    // Where this fails another program has it, which does as well.
    let _taken = StdUdpSocket::bind(("127.0.0.1", STUN_PORT));
    let mut command = program();
    let (child, address, _stdout) = start(command.env_remove("PEERLOOM_STUN").args(["--port", "0"]));
    let (_client, _) = Client::join(&Server::elsewhere(address), join("r", "x")).await;
    let log = child.end();
    assert!(log.contains("no STUN: its port cannot be had"), "{log}");
}

#[test]
fn a_port_that_was_asked_for_must_be_had() {
    let taken = StdUdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let output = program().args(["--port", "0", "--stun", &format!("127.0.0.1:{port}")]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains(&format!("cannot serve STUN at 127.0.0.1:{port}")), "{text}");
    assert!(output.stdout.is_empty(), "it does not say that it listens");
}

#[test]
fn a_relay_must_be_told_where_it_is() {
    let flags = ["--port", "0", "--host", "0.0.0.0", "--stun", "0.0.0.0:0", "--turn"];
    let output = program().args(flags).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--turn-relay-address"));
}
