//! Asking another server over HTTP: for keys, or whether somebody may join.
//!
//! One request on one connection, HTTP/1.1, with TLS unless the other server is on this machine. Redirects are not followed: what is
//! asked is what the operator named, and nothing that an answer names. Answers are bounded; how long one may take is the
//! caller's to say.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use axum::http::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST};
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Of an answer's status line and headers.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The text is not an address that may be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an address to ask: it must be https://…, or http://… on this machine (localhost, 127.0.0.1, [::1])"
)]
pub struct BadUrl(String);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("no connection: {0}")]
    Connect(#[from] io::Error),
    #[error("not HTTP as expected: {0}")]
    Http(#[from] hyper::Error),
    #[error("an answer that is too long, or broke off")]
    Body,
    #[error("no answer in time")]
    Timeout,
}

/// Where to ask.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// The name that the other's certificate must be for; None for plain HTTP.
    secure: Option<ServerName<'static>>,
    host: String,
    port: u16,
    authority: HeaderValue,
    path: Uri,
}

impl Endpoint {
    /// Reads an `https` address, or an `http` one of this machine.
    pub(crate) fn parse(url: &str) -> Result<Self, BadUrl> {
        Self::read(url).ok_or_else(|| BadUrl(url.to_owned()))
    }

    fn read(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let secure = match uri.scheme_str()? {
            "https" => Some(ServerName::try_from(host.clone()).ok()?),
            "http" if is_this_machine(&host) => None,
            _ => return None,
        };
        let port = match (authority.port_u16(), &secure) {
            (Some(port), _) => port,
            (None, Some(_)) => 443,
            (None, None) => 80,
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).parse().ok()?;
        Some(Self { secure, host, port, authority: HeaderValue::from_str(authority.as_str()).ok()?, path })
    }

    /// Asks by GET.
    pub(crate) async fn get(&self, most: usize) -> Result<(StatusCode, Bytes), FetchError> {
        self.request(Method::GET, &[], Bytes::new(), most).await
    }

    /// Asks by POST, with JSON.
    pub(crate) async fn post(
        &self,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
        most: usize,
    ) -> Result<(StatusCode, Bytes), FetchError> {
        self.request(Method::POST, headers, body, most).await
    }

    async fn request(
        &self,
        method: Method,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
        most: usize,
    ) -> Result<(StatusCode, Bytes), FetchError> {
        let json = HeaderValue::from_static("application/json");
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.path.clone();
        let own = [
            (HOST, self.authority.clone()),
            (ACCEPT, json.clone()),
            (CONTENT_TYPE, json),
            (CONNECTION, HeaderValue::from_static("close")),
        ];
        request.headers_mut().extend(own.into_iter().chain(headers.iter().cloned()));
        let tcp = self.connect().await?;
        match &self.secure {
            None => exchange(tcp, request, most).await,
            Some(name) => {
                let tls = TlsConnector::from(client_config()?).connect(name.clone(), tcp).await?;
                exchange(tls, request, most).await
            }
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "no address of that name");
        for address in lookup_host((self.host.as_str(), self.port)).await? {
            // Whatever a name is made to stand for, nothing goes over a network in the clear.
            if self.secure.is_none() && !address.ip().to_canonical().is_loopback() {
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(tcp) => return Ok(tcp),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Trusts whom the system trusts. Read once, as that takes some milliseconds.
fn client_config() -> io::Result<Arc<ClientConfig>> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(config.clone());
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let why = "this system has no certificates of authorities (on Debian: the package ca-certificates)";
        return Err(io::Error::new(io::ErrorKind::NotFound, why));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(CONFIG.get_or_init(|| Arc::new(config)).clone())
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
    most: usize,
) -> Result<(StatusCode, Bytes), FetchError> {
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(MAX_HEAD_BYTES).handshake(TokioIo::new(stream)).await?;
    let asked = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), most).collect().await.map_err(|_| FetchError::Body)?;
        Ok((status, body.to_bytes()))
    };
    tokio::pin!(asked, connection);
    tokio::select! {
        answer = asked.as_mut() => answer,
        // What came before the connection ended can still be read.
        _ = connection.as_mut() => asked.await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_asked_in_the_clear() {
        for (url, port, secure) in [
            ("https://keys.example/.well-known/jwks.json", 443, true),
            ("https://keys.example:8443/?a=b", 8443, true),
            ("https://[2001:db8::1]/", 443, true),
            ("http://localhost:3000/keys", 3000, false),
            ("http://LOCALHOST/keys", 80, false),
            ("http://127.0.0.1/", 80, false),
            ("http://127.9.9.9/", 80, false),
            ("http://[::1]:81", 81, false),
        ] {
            let endpoint = Endpoint::parse(url).unwrap();
            assert_eq!((endpoint.port, endpoint.secure.is_some()), (port, secure), "{url}");
        }
        for url in [
            "",
            "keys.example",
            "/keys",
            "ftp://localhost/",
            "file:///etc/passwd",
            "http://keys.example/",
            "http://localhost.example/",
            "http://127.0.0.1.example/",
            "http://10.0.0.1/",
            "http://169.254.169.254/latest",
            "http://0.0.0.0/",
            "http://[::]/",
            "http://2130706433/",
            "http://localhost@keys.example/",
            "https://user:password@keys.example/",
            "https://",
        ] {
            assert!(Endpoint::parse(url).is_err(), "{url}");
        }
        assert_eq!(Endpoint::parse("https://a.example/b?c=d").unwrap().path.to_string(), "/b?c=d");
    }
}
