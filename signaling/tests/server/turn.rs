//! The relay as clients, peers and attackers meet it, over UDP on 127.0.0.1.

use std::net::SocketAddr;
use std::time::Duration;

use peerloom_signaling::{Rate, TurnConfig, TurnLimits};

use crate::common::Server;
use crate::program::{program, start};
use crate::turn_client::refused::REFUSED;
use crate::turn_client::request::{
    ALLOCATE, BINDING, DATA, DATA_INDICATION, LIFETIME, REFRESH, REQUESTED_ADDRESS_FAMILY, Reply,
    XOR_PEER_ADDRESS, XOR_RELAYED_ADDRESS,
};
use crate::turn_client::{Peer, Relay, TurnClient, credentials};

#[tokio::test]
async fn a_client_and_a_peer_talk_through_the_relay() {
    let relay = Relay::start().await;
    let mut client = TurnClient::udp(relay.stun).await;
    let relayed = client.allocate(relay.credentials()).await.unwrap();
    assert!(relayed.port() >= 49_152);
    let peer = Peer::new().await;
    client.permit(peer.address()).await.unwrap();
    client.send_to(peer.address(), b"hello").await;
    assert_eq!(peer.receive().await, (b"hello".to_vec(), relayed));
    peer.send(b"hey", relayed).await;
    let got = Reply::new(&client.receive().await);
    assert_eq!((got.method(), got.address(XOR_PEER_ADDRESS)), (DATA_INDICATION, Some(peer.address())));
    assert_eq!(got.value(DATA), Some(b"hey".to_vec()));

    client.bind(0x4000, peer.address()).await.unwrap();
    for len in [0, 1, 1_200, 20_000] {
        let data = vec![7; len];
        client.send_by_channel(0x4000, &data).await;
        assert_eq!(peer.receive().await.0, data);
        peer.send(&data, relayed).await;
        let got = client.receive().await;
        assert_eq!((&got[..2], &got[4..]), (&[0x40, 0][..], &data[..]));
    }
    let request = client.request(REFRESH).with(LIFETIME, &[0; 4]);
    client.ask(request).await.result().unwrap();
    client.send_by_channel(0x4000, b"x").await;
    client.assert_quiet().await;
    peer.assert_quiet();
    let health = Server::elsewhere(relay.http).get("/healthz", "").await;
    assert!(health.contains("\"allocations\":0") && health.contains("\"relayed_bytes\":"), "{health}");
}

#[tokio::test]
async fn only_good_credentials_get_a_relay() {
    let relay = Relay::start().await;
    let (name, password) = relay.credentials();
    let (_, tail) = name.split_once(':').unwrap();
    for (what, credentials) in [
        ("expired", credentials(&relay.expired)),
        ("a wrong password", (name.clone(), "wrong".to_owned())),
        ("another's name", (name.replace(tail, "AAAAAAAAAAAAAAAAAAAAAA"), password.clone())),
        ("a later end", (format!("9{name}"), password.clone())),
        ("no name", (String::new(), password.clone())),
    ] {
        let mut client = TurnClient::udp(relay.stun).await;
        assert_eq!(client.allocate(credentials).await, Err(401), "{what}");
    }
    let mut client = TurnClient::udp(relay.stun).await;
    client.allocate((name, password)).await.unwrap();
}

/// Addresses that the relay's own machine, network or cloud have. None is ever permitted, and of what is sent nothing comes out.
#[tokio::test]
async fn nobody_gets_into_the_network_behind_the_relay() {
    // IPv6 loopback may be missing where the tests run: then that half is not there, and the machine's own tests have it.
    let has_v6 = std::net::UdpSocket::bind("[::1]:0").is_ok();
    let mut relay_addresses: Vec<std::net::IpAddr> = vec!["127.0.0.1".parse().unwrap()];
    if has_v6 {
        relay_addresses.push("::1".parse().unwrap());
    }
    let (own_v4, own_v6) = ("127.0.0.1", "::1");
    let relay = Relay::with(TurnConfig { relay_addresses, ..TurnConfig::default() }).await;
    let service = Peer::new().await;
    let mut v4 = TurnClient::udp(relay.stun).await;
    v4.allocate(relay.credentials()).await.unwrap();
    let mut clients = vec![v4];
    if has_v6 {
        let mut v6 = TurnClient::udp(relay.stun).await;
        v6.log_in(relay.credentials()).await;
        let request = v6.request(ALLOCATE).udp().with(REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0]);
        let reply = v6.ask(request).await;
        assert!(reply.address(XOR_RELAYED_ADDRESS).unwrap().is_ipv6());
        clients.push(v6);
    }
    let is_home = |address: &str| address == own_v4 || (has_v6 && address == own_v6);
    for client in &mut clients {
        for address in
            REFUSED.into_iter().chain(["127.0.0.1", "127.0.0.2"]).filter(|address| !is_home(address))
        {
            let target = SocketAddr::new(address.parse().unwrap(), service.address().port());
            assert_eq!(client.permit(target).await, Err(403), "{address}");
            assert_eq!(client.bind(0x4000, target).await, Err(403), "{address}");
            client.send_to(target, b"x").await;
            client.send_by_channel(0x4000, b"x").await;
        }
        client.assert_quiet().await;
    }
    // At the relays' own address nothing is reached but relays.
    assert_eq!(clients[0].bind(0x4000, service.address()).await, Err(403));
    clients[0].permit(service.address()).await.unwrap();
    clients[0].send_to(service.address(), b"x").await;
    clients[0].send_to(relay.stun, b"x").await;
    clients[0].assert_quiet().await;
    service.assert_quiet();
}

#[tokio::test]
async fn without_a_permission_nothing_passes() {
    let relay = Relay::start().await;
    let (one, other) = (Peer::new().await, Peer::new().await);
    let mut client = TurnClient::udp(relay.stun).await;
    client.send_to(one.address(), b"x").await;
    let relayed = client.allocate(relay.credentials()).await.unwrap();
    client.send_to(one.address(), b"x").await;
    client.send_by_channel(0x4000, b"x").await;
    other.send(b"x", relayed).await;
    client.assert_quiet().await;
    one.assert_quiet();
}

#[tokio::test]
async fn two_clients_meet_at_their_relays() {
    let relay = Relay::with(TurnConfig::default()).await;
    let mut ada = TurnClient::udp(relay.stun).await;
    let mut bob = TurnClient::udp(relay.stun).await;
    let ada_at = ada.allocate(relay.credentials()).await.unwrap();
    let bob_at = bob.allocate(relay.credentials()).await.unwrap();
    ada.bind(0x4001, bob_at).await.unwrap();
    bob.bind(0x4002, ada_at).await.unwrap();
    for number in 0..50 {
        ada.send_by_channel(0x4001, &[number]).await;
        assert_eq!(bob.receive().await, [0x40, 2, 0, 1, number]);
        bob.send_by_channel(0x4002, &[number]).await;
        assert_eq!(ada.receive().await, [0x40, 1, 0, 1, number]);
    }
}

#[tokio::test]
async fn relays_and_what_goes_through_them_are_counted() {
    let limits = TurnLimits {
        allocations_per_user: 2,
        user: Rate { per_second: 1, burst: 2_500 },
        ..TurnLimits::default()
    };
    let allow_peers = vec!["127.0.0.1".parse().unwrap()];
    let relay = Relay::with(TurnConfig { limits, allow_peers, ..TurnConfig::default() }).await;
    let mut clients = Vec::new();
    for expected in [None, None, Some(486)] {
        let mut client = TurnClient::udp(relay.stun).await;
        assert_eq!(client.allocate(relay.credentials()).await.err(), expected);
        clients.push(client);
    }
    let peer = Peer::new().await;
    clients[0].bind(0x4000, peer.address()).await.unwrap();
    for _ in 0..10 {
        clients[0].send_by_channel(0x4000, &[0; 1_000]).await;
    }
    clients[0].assert_quiet().await;
    for _ in 0..2 {
        assert_eq!(peer.receive().await.0.len(), 1_000);
    }
    peer.assert_quiet();
    let health = Server::elsewhere(relay.http).get("/healthz", "").await;
    for expected in
        ["\"allocations\":2", "\"over_quota\":1", "\"relayed_bytes\":2000", "\"dropped_bytes\":8000"]
    {
        assert!(health.contains(expected), "{expected} in {health}");
    }
}

#[tokio::test]
async fn a_relay_without_ports_left_says_so() {
    // A range of one port, which somebody has.
    let taken = Peer::new().await;
    let port = taken.address().port();
    let relay = Relay::with(TurnConfig { ports: port..=port, ..TurnConfig::default() }).await;
    let mut client = TurnClient::udp(relay.stun).await;
    assert_eq!(client.allocate(relay.credentials()).await, Err(508));
    drop(taken);
    let request = client.request(ALLOCATE).udp();
    assert_eq!(client.ask(request).await.result(), Ok(()));
}

#[tokio::test]
async fn members_are_told_how_to_reach_all_of_it() {
    let relay = Relay::start().await;
    let port = relay.stun.port();
    let urls: Vec<_> = relay.servers.iter().flat_map(|server| server.urls.clone()).collect();
    let turn = |query: &str| format!("turn:127.0.0.1:{port}?transport={query}");
    assert_eq!(urls, [format!("stun:127.0.0.1:{port}"), turn("udp"), turn("tcp")]);
    let (name, _) = relay.credentials();
    let (expires, id) = name.split_once(':').unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let left = expires.parse::<u64>().unwrap() - now;
    assert!((500..=600).contains(&left), "{left}");
    assert_eq!(id.len(), 22);
    assert!(!format!("{:?}", relay.servers).contains(id));
}

#[tokio::test]
async fn the_log_has_no_addresses_and_nothing_that_is_relayed() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, crate::turn_client::SECRET).unwrap();
    let mut command = program();
    let flags =
        ["--port", "0", "--stun", "127.0.0.1:0", "--turn", "--turn-secret-file", secret.to_str().unwrap()];
    let (mut child, _address, _stdout) = start(command.args(flags));
    let log = child.line_of_log("serving STUN");
    let port: u16 = log.split("port=").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    let stun = SocketAddr::new("127.0.0.1".parse().unwrap(), port);
    let relay = Relay::start().await; // For credentials: its secret is the same.
    let mut client = TurnClient::udp(stun).await;
    let request = client.request(BINDING);
    client.ask(request).await.result().unwrap();
    client.allocate(relay.credentials()).await.unwrap();
    assert_eq!(client.permit("10.0.0.1:80".parse().unwrap()).await, Err(403));
    client.send(b"nothing that anybody would say").await;
    // Malformed in a way that the codec warns of.
    client.send(&[0, 1, 0, 4, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 99]).await;
    client.assert_quiet().await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let log = child.end();
    let (name, password) = relay.credentials();
    for secret in
        ["127.0.0.1", "10.0.0.1", &name, &password, crate::turn_client::SECRET, "WARN", "stun_types"]
    {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}
