//! The relay over TCP and TLS: whole and in pieces, and those who only hold a connection.

use std::sync::Arc;
use std::time::Duration;

use peerloom_signaling::{TurnCertificate, TurnConfig, TurnLimits, TurnTls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::common::within;
use crate::tokens::key_file;
use crate::turn_client::request::{BINDING, DATA, Reply, Request};
use crate::turn_client::{Peer, Relay, TurnClient};

/// With TLS as `localhost`, and peers on this machine.
pub(crate) fn with_tls() -> TurnConfig {
    let file = key_file("tls-localhost.pem");
    let certificate = TurnCertificate::read(&file, &file).unwrap();
    let address = Some("127.0.0.1:0".parse().unwrap());
    TurnConfig {
        allow_peers: vec!["127.0.0.1".parse().unwrap()],
        tls: Some(TurnTls { address, certificate }),
        ..TurnConfig::default()
    }
}

fn with_limits(limits: TurnLimits) -> TurnConfig {
    TurnConfig { limits, ..with_tls() }
}

async fn over_tls(relay: &Relay) -> TurnClient {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(key_file("tls-authority.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(relay.turns.unwrap()).await.unwrap();
    let name = "localhost".try_into().unwrap();
    TurnClient::over(TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap())
}

#[tokio::test]
async fn clients_talk_with_peers_over_tcp_and_tls() {
    let relay = Relay::with(with_tls()).await;
    for mut client in [TurnClient::tcp(relay.stun).await, over_tls(&relay).await] {
        let relayed = client.allocate(relay.credentials()).await.unwrap();
        let peer = Peer::new().await;
        client.bind(0x4000, peer.address()).await.unwrap();
        for len in [0, 1, 2, 3, 4, 1_201, 40_003] {
            let data = vec![9; len];
            client.send_by_channel(0x4000, &data).await;
            assert_eq!(peer.receive().await, (data.clone(), relayed));
            peer.send(&data, relayed).await;
            assert_eq!(client.receive().await[4..], data);
        }
        let other = Peer::new().await;
        client.send_to(other.address(), b"by a message").await;
        assert_eq!(other.receive().await.0, b"by a message");
        other.send(b"and back", relayed).await;
        assert_eq!(Reply::new(&client.receive().await).value(DATA), Some(b"and back".to_vec()));
    }
}

#[tokio::test]
async fn one_byte_at_a_time_will_do() {
    let relay = Relay::with(with_tls()).await;
    for client in [TurnClient::tcp(relay.stun).await, over_tls(&relay).await] {
        let mut stream = client.into_stream();
        for byte in [Request::new(BINDING, 1).bytes(), Request::new(BINDING, 2).with_fingerprint()].concat() {
            stream.write_all(&[byte]).await.unwrap();
            stream.flush().await.unwrap();
        }
        let mut client = TurnClient::over(stream);
        for number in [1, 2] {
            assert_eq!(Reply::new(&client.receive().await).transaction(), number);
        }
        client.allocate(relay.credentials()).await.unwrap();
    }
}

#[tokio::test]
async fn who_does_not_get_a_relay_does_not_keep_the_connection() {
    let silence = Duration::from_millis(300);
    let relay = Relay::with(with_limits(TurnLimits { silence, ..TurnLimits::default() })).await;
    let silent = TcpStream::connect(relay.stun).await.unwrap();
    let silent_in_tls = TcpStream::connect(relay.turns.unwrap()).await.unwrap();
    let mut half = TcpStream::connect(relay.stun).await.unwrap();
    half.write_all(&[0, 1, 0]).await.unwrap();
    let mut busy = TurnClient::tcp(relay.stun).await;
    busy.assert_quiet().await;
    let mut owner = TurnClient::tcp(relay.stun).await;
    owner.allocate(relay.credentials()).await.unwrap();
    for mut stream in [silent, silent_in_tls, half] {
        let mut rest = Vec::new();
        let _ = within(stream.read_to_end(&mut rest)).await;
        assert!(rest.is_empty());
    }
    let mut stream = busy.into_stream();
    let _ = within(stream.read_to_end(&mut Vec::new())).await;
    // By now it would have been closed too.
    owner.assert_quiet().await;
}

#[tokio::test]
async fn what_is_no_packet_ends_the_connection() {
    let relay = Relay::with(with_tls()).await;
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        &[0xff; 8],
        &[0, 1, 0, 3],
        &[0, 1, 0xff, 0xfc],
        &[0x40, 0, 0xff, 0xff],
    ] {
        let mut stream = TcpStream::connect(relay.stun).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        let _ = within(stream.read_to_end(&mut rest)).await;
        assert!(rest.is_empty(), "{bytes:?}");
    }
}

#[tokio::test]
async fn connections_are_bounded() {
    let limits = TurnLimits { connections: 3, ..TurnLimits::default() };
    let relay = Relay::with(with_limits(limits)).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut client = TurnClient::tcp(relay.stun).await;
        client.assert_quiet().await;
        open.push(client);
    }
    let mut fourth = TcpStream::connect(relay.stun).await.unwrap();
    let _ = within(fourth.read_to_end(&mut Vec::new())).await;
    drop(open);
    // The places are free once the server has seen that the others went.
    within(async {
        loop {
            let mut stream = TcpStream::connect(relay.stun).await.unwrap();
            let asked = stream.write_all(&Request::new(BINDING, 1).bytes()).await;
            let mut answer = [0; 20];
            if asked.is_ok() && stream.read_exact(&mut answer).await.is_ok() {
                return;
            }
        }
    })
    .await;
}

/// A client that reads nothing costs what may wait for it, and keeps nobody else from being served.
#[tokio::test]
async fn who_does_not_read_loses_what_is_for_it() {
    let relay = Relay::with(with_tls()).await;
    let mut deaf = TurnClient::tcp(relay.stun).await;
    let relayed = deaf.allocate(relay.credentials()).await.unwrap();
    let peer = Peer::new().await;
    deaf.permit(peer.address()).await.unwrap();
    for _ in 0..2_000 {
        peer.send(&[0; 1_000], relayed).await;
        tokio::task::yield_now().await;
    }
    let mut other = TurnClient::udp(relay.stun).await;
    let other_at = other.allocate(relay.credentials()).await.unwrap();
    other.permit(peer.address()).await.unwrap();
    peer.send(b"x", other_at).await;
    assert_eq!(Reply::new(&other.receive().await).value(DATA), Some(b"x".to_vec()));
    // What it reads when it does is whole.
    assert_eq!(Reply::new(&deaf.receive().await).value(DATA), Some(vec![0; 1_000]));
}
