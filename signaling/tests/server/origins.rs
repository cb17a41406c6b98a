//! Which pages may open a WebSocket, and under which names a server on loopback answers.

use std::net::IpAddr;

use peerloom_protocol::signal::Refusal;
use peerloom_signaling::{AllowedOrigins, Config, Limits};

use crate::common::{Client, Server, join};

const PROTOCOL: &str = "Sec-WebSocket-Protocol: peerloom.v1\r\n";

async fn status(server: &Server, host: &str, origin: Option<&str>) -> u16 {
    let origin = origin.map(|origin| format!("Origin: {origin}\r\n")).unwrap_or_default();
    server.upgrade_status(&format!("Host: {host}\r\n{origin}{PROTOCOL}")).await
}

fn allowing(origins: &[&str]) -> Config {
    let listed = origins.iter().map(|origin| origin.parse().unwrap()).collect();
    Config { allow_origins: AllowedOrigins::Listed(listed), ..Config::default() }
}

#[tokio::test]
async fn by_default_only_the_servers_own_page() {
    let server = Server::start().await;
    let port = server.address.port();
    let host = format!("localhost:{port}");
    let cases = [
        (Some(format!("http://localhost:{port}")), 101),
        (Some(format!("https://localhost:{port}")), 101),
        (None, 403),
        (Some("null".into()), 403),
        (Some(String::new()), 403),
        (Some("*".into()), 403),
        (Some(format!("http://evil-localhost:{port}")), 403),
        (Some(format!("http://localhost.evil.example:{port}")), 403),
        (Some(format!("http://sub.localhost:{port}")), 403),
        (Some(format!("http://LOCALHOST:{port}")), 403),
        (Some(format!("HTTP://localhost:{port}")), 403),
        (Some(format!("http://localhost:{port}/")), 403),
        (Some(format!("http://localhost:{}", port ^ 1)), 403),
        (Some("http://localhost".into()), 403),
        (Some(format!("file://localhost:{port}")), 403),
        (Some(format!("ws://localhost:{port}")), 403),
        (Some(format!("http://user@localhost:{port}")), 403),
        (Some(format!("http://127.0.0.1:{port}")), 403),
    ];
    for (origin, expected) in cases {
        assert_eq!(status(&server, &host, origin.as_deref()).await, expected, "{origin:?}");
    }
}

#[tokio::test]
async fn listed_origins_too_and_exactly() {
    let server = Server::with(allowing(&["https://App.Example/", "http://dev.example:5173"])).await;
    let host = format!("127.0.0.1:{}", server.address.port());
    for (origin, expected) in [
        ("https://app.example", 101),
        ("http://dev.example:5173", 101),
        ("http://app.example", 403),
        ("https://app.example:8443", 403),
        ("https://app.example.evil.example", 403),
        ("https://evilapp.example", 403),
        ("https://x.app.example", 403),
        ("http://dev.example", 403),
    ] {
        assert_eq!(status(&server, &host, Some(origin)).await, expected, "{origin}");
    }
}

#[tokio::test]
async fn behind_a_proxy_the_default_port_is_understood() {
    let server = Server::with(allowing(&["https://rooms.example"])).await;
    assert_eq!(status(&server, "rooms.example", Some("https://rooms.example")).await, 101);
    assert_eq!(status(&server, "rooms.example:443", Some("https://rooms.example")).await, 101);
}

#[tokio::test]
async fn a_star_admits_everyone() {
    let server = Server::with(Config { allow_origins: AllowedOrigins::Any, ..Config::default() }).await;
    for origin in [None, Some("null"), Some("https://anything.example")] {
        assert_eq!(status(&server, "any.name", origin).await, 101, "{origin:?}");
    }
}

#[tokio::test]
async fn a_loopback_server_has_loopback_names_only() {
    let server = Server::start().await;
    let port = server.address.port();
    for (host, expected) in [
        (format!("localhost:{port}"), 101),
        (format!("LocalHost:{port}"), 101),
        (format!("127.0.0.1:{port}"), 101),
        (format!("[::1]:{port}"), 101),
        (format!("rebound.evil.example:{port}"), 403),
        (format!("localhost.evil.example:{port}"), 403),
        (format!("localhost@evil.example:{port}"), 403),
        ("[::1".into(), 403),
        (String::new(), 403),
    ] {
        // The page was loaded under that name, so its origin agrees with it.
        let origin = format!("http://{}", host.to_lowercase());
        assert_eq!(status(&server, &host, Some(&origin)).await, expected, "{host}");
        let page = server.get("/", &format!("Host: {host}\r\n")).await;
        assert_eq!(page.starts_with("HTTP/1.1 403"), expected == 403, "{host}: {page}");
    }
}

#[tokio::test]
async fn two_hosts_or_two_origins_are_refused() {
    let server = Server::start().await;
    let own = server.address;
    let twice = format!("Host: {own}\r\nOrigin: http://{own}\r\nOrigin: http://{own}\r\n{PROTOCOL}");
    assert_eq!(server.upgrade_status(&twice).await, 403);
    let hosts = format!("Host: {own}\r\nHost: {own}\r\nOrigin: http://{own}\r\n{PROTOCOL}");
    assert!([400, 403].contains(&server.upgrade_status(&hosts).await));
}

#[tokio::test]
async fn the_refusal_says_which_flag_helps() {
    let server = Server::start().await;
    let request = format!(
        "Origin: https://app.example\r\n{PROTOCOL}Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    let answer = server.get("/ws", &request).await;
    assert!(answer.contains("--allow-origin https://app.example"), "{answer}");
}

#[tokio::test]
async fn addresses_behind_a_trusted_proxy_are_counted_and_those_of_others_are_not_believed() {
    let limits = Limits { max_connections_per_address: 1, ..Limits::default() };
    let loopback: IpAddr = "127.0.0.1".parse().unwrap();
    for (trusted_proxies, is_refused) in
        [(vec![loopback], [false, false, true]), (vec![], [false, true, true])]
    {
        let config = Config { trusted_proxies, limits: limits.clone(), ..Config::default() };
        let server = Server::with(config).await;
        let mut open = Vec::new();
        // The first address is the client's claim, the second what our proxy saw.
        for (address, is_refused) in
            ["1.1.1.1, 10.0.0.1", "1.1.1.1, 10.0.0.2", "2.2.2.2, 10.0.0.1"].into_iter().zip(is_refused)
        {
            let mut client = Client::forwarded(&server, address).await;
            if is_refused {
                client.assert_refused(Refusal::ServerFull).await;
            } else {
                client.send(peerloom_protocol::signal::ClientMessage::Join(join("r", "x"))).await;
                client.welcome().await;
                open.push(client);
            }
        }
    }
}
