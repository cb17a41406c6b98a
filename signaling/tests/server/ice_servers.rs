//! What members are told of STUN and TURN.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use peerloom_protocol::ice::IceServer;
use peerloom_protocol::signal::{ClientMessage, ServerMessage};
use peerloom_signaling::{Config, IceConfig, StunAddress, TurnConfig, TurnSecret, TurnServer};

use serde_json::json;

use crate::common::{Client, Server, join};
use crate::tokens::{SECRET, bringing, claims, keys, read, signed, symmetric, with};
use crate::turn_client::TurnClient;

fn config(turn: bool) -> Config {
    let ice = IceConfig {
        stun: StunAddress::At(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
        turn: turn.then(TurnConfig::default),
        servers: if turn {
            vec!["turns:relay.example:443?transport=tcp".parse().unwrap()]
        } else {
            Vec::new()
        },
        ..IceConfig::default()
    };
    Config { ice, ..Config::default() }
}

/// What a member is told behind its welcome.
async fn told(client: &mut Client) -> (u32, Vec<IceServer>) {
    match client.recv().await {
        ServerMessage::IceServers { lifetime_s, servers } => (lifetime_s, servers.into_iter().collect()),
        other => panic!("{other:?}"),
    }
}

/// The port in an address without a host in brackets.
fn port(url: &str) -> u16 {
    url.split([':', '?']).nth(2).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_member_is_told_with_credentials_that_work() {
    let server = Server::with(config(true)).await;
    let (mut client, welcome) = Client::join(&server, join("r", "hello")).await;
    let (lifetime_s, servers) = told(&mut client).await;
    assert_eq!(lifetime_s, 600);
    let port = port(&servers[0].url);
    let urls: Vec<_> = servers.iter().map(|server| &*server.url).collect();
    let host = "127.0.0.1"; // As the client calls the server.
    assert_eq!(
        urls,
        [
            &*format!("stun:{host}:{port}"),
            &*format!("turn:{host}:{port}?transport=udp"),
            &*format!("turn:{host}:{port}?transport=tcp"),
            "turns:relay.example:443?transport=tcp",
        ]
    );
    assert!(servers.iter().all(IceServer::is_usable));
    assert!(servers[0].username.is_empty() && servers[0].credential.is_empty());
    let turn = &servers[1];
    assert!(turn.username.ends_with(&format!(":{}", welcome.id)), "they are for the member");
    let mut relay = TurnClient::udp(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await;
    relay.allocate((turn.username.to_string(), turn.credential.to_string())).await.unwrap();
}

#[tokio::test]
async fn nobody_is_told_where_there_is_nothing() {
    let server = Server::start().await;
    let (mut client, _) = Client::join(&server, join("r", "hello")).await;
    client.send(ClientMessage::RenewIceServers).await;
    client.assert_quiet().await;
}

#[tokio::test]
async fn without_a_relay_there_is_stun_alone() {
    let server = Server::with(config(false)).await;
    let (mut client, _) = Client::join(&server, join("r", "hello")).await;
    let (_, servers) = told(&mut client).await;
    assert_eq!(servers.len(), 1);
    assert!(!servers[0].is_turn());
}

#[tokio::test]
async fn a_member_that_may_not_relay_is_told_of_no_relay() {
    let (_folder, file) = keys(&symmetric(&SECRET));
    let server = Server::with(Config { token_keys: Some(read(&file)), ..config(true) }).await;
    for (permitted, turns) in [(json!(["join"]), 0), (json!(["join", "relay"]), 3)] {
        let token = signed(&with(claims("r"), "perm", permitted));
        let (mut client, _) = Client::join(&server, bringing("r", &token)).await;
        let (_, servers) = told(&mut client).await;
        assert_eq!(servers.iter().filter(|server| server.is_turn()).count(), turns);
    }
}

#[tokio::test]
async fn a_member_is_told_of_the_relays_of_the_region_that_a_trusted_proxy_says() {
    let server = |text: &str| text.parse::<TurnServer>().unwrap();
    let ice = IceConfig {
        servers: vec![
            server("turn:us.example region=us region=ca"),
            server("turn:eu2.example turns:eu2.example region=eu priority=2"),
            server("turn:eu1.example region=eu"),
            server("turn:ap.example region=ap priority=3"),
        ],
        region: Some("ap".parse().unwrap()),
        region_header: Some("x-region".parse().unwrap()),
        secret: Some(TurnSecret::new(&"x".repeat(40)).unwrap()),
        ..IceConfig::default()
    };
    const EU: [&str; 3] = ["turn:eu1.example", "turn:eu2.example", "turns:eu2.example"];
    const CA: [&str; 2] = ["turn:us.example", "turn:eu1.example"];
    // Where the server itself is.
    const AP: [&str; 2] = ["turn:ap.example", "turn:us.example"];
    let long = "eu".repeat(17);
    let said: [(&[&str], &[&str]); 8] = [
        (&["EU"], &EU),
        (&["ca"], &CA),
        (&["sa"], &AP),
        (&[], &AP),
        (&["eu", "eu"], &AP),
        (&["eu, us"], &AP),
        (&[""], &AP),
        (&[&long], &AP),
    ];
    for is_trusted in [true, false] {
        let trusted_proxies = if is_trusted { vec![Ipv4Addr::LOCALHOST.into()] } else { Vec::new() };
        let server = Server::with(Config { ice: ice.clone(), trusted_proxies, ..Config::default() }).await;
        for (values, expected) in said {
            let headers: Vec<_> = values.iter().map(|value| ("x-region", *value)).collect();
            let mut client = Client::join_with(&server, join("r", "hello"), &headers).await;
            let (_, servers) = told(&mut client).await;
            let urls: Vec<_> = servers.iter().map(|server| &*server.url).collect();
            assert_eq!(urls, if is_trusted { expected } else { &AP[..] }, "{values:?}");
        }
    }
}

#[tokio::test]
async fn the_own_relay_is_one_of_them() {
    let further = || {
        let texts = ["turn:us.example region=us", "turn:us2.example region=us priority=2"];
        texts.map(|text| text.parse().unwrap()).to_vec()
    };
    for (own, expected) in [(None, ["127.0.0.1", "us.example"]), (Some("eu"), ["us.example", "us2.example"])]
    {
        let mut config = config(true);
        config.ice.servers = further();
        config.ice.region = own.map(|name: &str| name.parse().unwrap());
        config.ice.region_header = Some("x-region".parse().unwrap());
        config.trusted_proxies = vec![Ipv4Addr::LOCALHOST.into()];
        let server = Server::with(config).await;
        let headers = [("x-region", "us")];
        // Nothing is known of the member in the first one, where the header is not sent.
        let headers = if own.is_some() { &headers[..] } else { &[] };
        let mut client = Client::join_with(&server, join("r", "hello"), headers).await;
        let (_, servers) = told(&mut client).await;
        let mut hosts: Vec<_> = servers
            .iter()
            .filter(|server| server.is_turn())
            .filter_map(|server| server.url.split(':').nth(1))
            .collect();
        hosts.dedup();
        assert_eq!(hosts, expected);
    }
}

#[tokio::test]
async fn asking_again_at_once_gets_no_answer_and_nobody_asks_before_the_join() {
    let server = Server::with(config(true)).await;
    let (mut client, _) = Client::join(&server, join("r", "hello")).await;
    told(&mut client).await;
    for _ in 0..20 {
        client.send(ClientMessage::RenewIceServers).await;
    }
    client.assert_quiet().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    client.send(ClientMessage::RenewIceServers).await;
    assert_eq!(told(&mut client).await.1.len(), 4);
    let mut stranger = Client::connect(&server).await;
    stranger.send(ClientMessage::RenewIceServers).await;
    stranger.assert_refused(peerloom_protocol::signal::Refusal::UnexpectedMessage).await;
}
