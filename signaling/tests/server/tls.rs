//! Asking over TLS: the other end must be whom the address names, by the word of an authority that the system trusts.
//!
//! The certificates in `keys` were made for these tests, by an authority whose own key is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use peerloom_protocol::signal::Refusal;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::common::{Client, Server};
use crate::key_sources::{ed25519, refusal, token};
use crate::program::{program_trusting, start};
use crate::tokens::{bringing, key_file};

/// A set of keys by https, at a port of this machine, with this certificate; and how often it was given.
async fn keys_by_https(certificate: &str) -> (u16, Arc<AtomicUsize>) {
    let file = key_file(certificate);
    let chain = CertificateDer::pem_file_iter(&file).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(&file).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let given = Arc::new(AtomicUsize::new(0));
    let counter = given.clone();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let Ok(mut tls) = acceptor.accept(tcp).await else { continue };
            let mut request = [0; 1024];
            let read = tls.read(&mut request).await.unwrap_or(0);
            if request[..read].starts_with(b"GET /keys HTTP/1.1\r\n") {
                counter.fetch_add(1, Ordering::Relaxed);
                let body = json!({ "keys": [ed25519("a")] }).to_string();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                tls.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
                tls.shutdown().await.unwrap();
            }
        }
    });
    (port, given)
}

#[tokio::test]
async fn keys_come_by_https_from_whom_the_address_names_and_from_nobody_else() {
    for (certificate, authority, expected) in [
        ("tls-localhost.pem", "tls-authority.pem", true),
        // Signed by nobody who is trusted, and for another name.
        ("tls-localhost.pem", "tls-another.example.pem", false),
        ("tls-another.example.pem", "tls-authority.pem", false),
    ] {
        let (port, given) = keys_by_https(certificate).await;
        let url = format!("https://localhost:{port}/keys");
        let mut command = program_trusting(&key_file(authority));
        let (_running, address, _stdout) = start(command.args(["--port", "0", "--token-keys-url", &url]));
        let server = Server::elsewhere(address);
        if expected {
            Client::join(&server, bringing("r", &token("a"))).await;
        } else {
            assert_eq!(refusal(&server, &token("a")).await, Refusal::Unavailable, "{certificate}");
        }
        assert_eq!(given.load(Ordering::Relaxed), usize::from(expected), "{certificate}");
    }
}
