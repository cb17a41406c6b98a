//! Listening, and serving each connection.
//!
//! Not `axum::serve`: that has no limit on how long a request's headers may take, does not set `TCP_NODELAY`, and
//! leaves no place to count connections before they cost anything.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tower::ServiceExt;

use crate::App;
use crate::head;
use crate::stream::{Client, ClientStream};

/// Connections that wait to be accepted; the operating system may allow fewer.
const BACKLOG: u32 = 4096;
/// Kernel memory for what one client does not read, and for what the server has not read yet. Left to itself, Linux
/// lets each grow to several megabytes.
const SOCKET_BUFFER_BYTES: u32 = 128 * 1024;
/// When no file descriptor is left, `accept` fails at once, again and again.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);
/// How long a connection may live that is not a WebSocket. A page takes seconds; who takes it byte by byte does not
/// get to keep the connection.
const HTTP_LIFETIME: Duration = Duration::from_secs(120);
/// A request's line and headers. An early join takes 6 KiB of it.
const MAX_REQUEST_BYTES: usize = 16 * 1024;

/// Opens the port the server is to listen on.
///
/// # Errors
/// When `host` cannot be resolved, or none of its addresses can be listened on.
pub async fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut last_error = None;
    for address in lookup_host((host, port)).await? {
        match listen(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last_error = Some(error),
        }
    }
    Err(last_error.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no address of that name")))
}

pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restarted server gets its port back at once. On Windows the option means something else.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit these.
    socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts until the server goes down.
pub(crate) async fn accept(listener: &TcpListener, app: &Arc<App>, router: &Router) {
    let down = app.going_down();
    tokio::pin!(down);
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = down.as_mut() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, address)) => {
                failing = false;
                start(tcp, address, app, router);
            }
            Err(error) if is_one_connections(&error) => {}
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "cannot accept connections");
                }
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
}

/// Whether the error is about the connection that was to be accepted, and the next one may be fine.
fn is_one_connections(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn start(tcp: TcpStream, address: SocketAddr, app: &Arc<App>, router: &Router) {
    let address = address.ip().to_canonical();
    let is_proxy = app.config.trusted_proxies.contains(&address);
    let Some(permit) = app.admission.admit((!is_proxy).then_some(address)) else {
        tracing::debug!("connection dropped: too many");
        return;
    };
    // Without it, small messages wait up to 40 ms for the acknowledgement of earlier ones.
    if tcp.set_nodelay(true).is_err() {
        return; // Closed already.
    }
    let client = Client::new(address, permit);
    let stream = ClientStream::new(tcp, client.clone(), app.config.limits.bytes);
    tokio::spawn(serve(stream, client, app.clone(), router.clone()));
}

/// Serves a connection once its first request has come, in time.
async fn serve(mut stream: ClientStream, client: Arc<Client>, app: Arc<App>, router: Router) {
    let head = head::wait_for(&mut stream, MAX_REQUEST_BYTES);
    let came = tokio::select! {
        came = tokio::time::timeout(app.config.limits.header_timeout, head) => came.unwrap_or(false),
        () = app.going_down() => return,
    };
    if came {
        // Boxed, so that those who wait do not have room for it.
        Box::pin(serve_http(stream, client, app, router)).await;
    }
}

/// Answers the requests of one connection, until it ends or becomes a WebSocket, which has a task of its own.
async fn serve_http(stream: ClientStream, client: Arc<Client>, app: Arc<App>, router: Router) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(client.clone());
        router.clone().oneshot(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(app.config.limits.header_timeout)
        .max_header_size(MAX_REQUEST_BYTES)
        .max_buf_size(MAX_REQUEST_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = app.going_down() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = tokio::time::sleep(HTTP_LIFETIME) => return,
    };
    if let Err(error) = served {
        tracing::debug!(%error, "HTTP connection ended");
    }
}
