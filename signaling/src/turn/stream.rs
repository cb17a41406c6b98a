//! Clients over TCP and TLS: one task for each, with bounds on what it keeps and how long it waits.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::TurnLimits;
use super::machine::Client;
use super::serve::{Ice, now};
use super::wire::{self, Frame};
use crate::admission::Admission;

/// What may wait to be written to one client. Beyond it, what is relayed gets lost as it would on any slow link.
const MAX_WAITING_BYTES: usize = 128 * 1024;
/// How long a client may take nothing of what waits for it.
const STALLED: Duration = Duration::from_secs(30);
/// A message of somebody who has no relay yet.
const MAX_EARLY_BYTES: usize = 2 * 1024;
/// Read at once. What is kept for a client that says nothing.
const PIECE_BYTES: usize = 2 * 1024;
/// When no file descriptor is left, `accept` fails at once, again and again.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// What all connections share.
#[derive(Debug)]
pub(super) struct Streams {
    admission: Arc<Admission>,
    next: AtomicU64,
    silence: Duration,
}

impl Default for Streams {
    fn default() -> Self {
        Self::new(&TurnLimits::default())
    }
}

impl Streams {
    pub(super) fn new(limits: &TurnLimits) -> Self {
        Self {
            admission: Admission::new(limits.connections, limits.connections_per_address),
            next: AtomicU64::new(0),
            silence: limits.silence,
        }
    }
}

/// What waits to be written to one client.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    is_closed: bool,
}

impl Outbox {
    /// Queues a message, or drops it where there is no room.
    pub(super) fn push(&self, message: &[u8]) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.bytes.len() + message.len() <= MAX_WAITING_BYTES {
            waiting.bytes.extend_from_slice(message);
            self.changed.notify_one();
        }
    }

    /// Ends the connection once what waits is written.
    pub(super) fn close(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_closed = true;
        self.changed.notify_one();
    }

    /// All that waits, once there is something; none when it is closed.
    async fn take(&self) -> Option<Vec<u8>> {
        loop {
            {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if !waiting.bytes.is_empty() {
                    return Some(std::mem::take(&mut waiting.bytes));
                }
                if waiting.is_closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }
}

/// Accepts for ever.
pub(super) async fn accept_streams(ice: &Arc<Ice>, listener: &TcpListener, tls: Option<&TlsAcceptor>) {
    loop {
        match listener.accept().await {
            Ok((tcp, address)) => {
                let address = SocketAddr::new(address.ip().to_canonical(), address.port());
                tokio::spawn(serve(ice.clone(), tcp, address, tls.cloned()));
            }
            Err(error) => {
                tracing::debug!(%error, "cannot accept a connection of TURN");
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
}

async fn serve(ice: Arc<Ice>, tcp: TcpStream, address: SocketAddr, tls: Option<TlsAcceptor>) {
    let streams = ice.streams();
    let permit = streams.admission.admit(Some(address.ip())).filter(|permit| !permit.is_over_limit());
    let Some(_permit) = permit else { return };
    if tcp.set_nodelay(true).is_err() {
        return; // Closed already.
    }
    let first_by = Instant::now() + streams.silence;
    let connection = streams.next.fetch_add(1, Ordering::Relaxed);
    let client = Client { address, connection: Some(connection) };
    match tls {
        None => exchange(&ice, client, tcp, first_by, Writes::Together).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = timeout_at(first_by, acceptor.accept(tcp)).await {
                // Boxed, so that those without have no room for it.
                Box::pin(exchange(&ice, client, stream, first_by, Writes::OneByOne)).await;
            }
        }
    }
}

/// Takes what a client sends and writes what is for it, until either ends.
async fn exchange(
    ice: &Arc<Ice>,
    client: Client,
    stream: impl AsyncRead + AsyncWrite,
    first_by: Instant,
    writes: Writes,
) {
    let outbox = Arc::new(Outbox::default());
    if let Some(connection) = client.connection {
        ice.core().streams.insert(connection, outbox.clone());
    }
    let _leaves = Leaves { ice, client };
    let (reader, writer) = tokio::io::split(stream);
    tokio::pin!(reader, writer);
    tokio::select! {
        () = read(ice, client, reader, first_by) => {}
        () = write(&outbox, writer, writes) => {}
    }
}

/// Ends a client's relay with its connection, also by a panic of its task.
struct Leaves<'a> {
    ice: &'a Arc<Ice>,
    client: Client,
}

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.ice.gone(&self.client);
    }
}

/// How packets that wait together are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writes {
    Together,
    /// Each in a record of TLS, as there are clients that look for no second one in a record (coturn's).
    OneByOne,
}

async fn write(outbox: &Outbox, mut writer: impl AsyncWrite + Unpin, writes: Writes) {
    while let Some(bytes) = outbox.take().await {
        let written = async {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let len = match (writes, wire::frame(rest)) {
                    (Writes::OneByOne, Frame::Whole { until_next, .. }) => until_next,
                    _ => rest.len(),
                };
                let (packet, others) = rest.split_at(len);
                writer.write_all(packet).await?;
                rest = others;
            }
            writer.flush().await
        };
        if !matches!(timeout(STALLED, written).await, Ok(Ok(()))) {
            return;
        }
    }
    let _ = timeout(STALLED, writer.shutdown()).await;
}

async fn read(ice: &Arc<Ice>, client: Client, mut reader: impl AsyncRead + Unpin, first_by: Instant) {
    let mut bytes = BytesMut::new();
    // Who has a relay may be silent for as long as that lives.
    let mut until = Some(first_by);
    loop {
        bytes.reserve(PIECE_BYTES);
        let reading = reader.read_buf(&mut bytes);
        let came = match until {
            Some(until) => timeout_at(until, reading).await.ok(),
            None => Some(reading.await),
        };
        if !matches!(came, Some(Ok(1..))) || !take(ice, client, &mut bytes) {
            return;
        }
        let has_relay = ice.core().machine.has_allocation(&client);
        until = match (has_relay, until) {
            (true, _) => None,
            (false, Some(until)) => Some(until),
            (false, None) => Some(Instant::now() + ice.streams().silence),
        };
        if bytes.is_empty() && bytes.capacity() > 4 * PIECE_BYTES {
            bytes = BytesMut::new();
        }
    }
}

/// Handles the packets that have come whole. False when what comes is none, or longer than it may be.
fn take(ice: &Arc<Ice>, client: Client, bytes: &mut BytesMut) -> bool {
    let now = now();
    let mut core = ice.core();
    loop {
        match wire::frame(bytes) {
            Frame::Whole { len, until_next } => {
                let packet = &bytes[..len];
                let action = core.machine.client(client, packet, now);
                ice.carry_out(&mut core, client, packet, action, now);
                bytes.advance(until_next);
            }
            Frame::Part(None) => return true,
            Frame::Part(Some(needed)) => {
                return needed <= MAX_EARLY_BYTES || core.machine.has_allocation(&client);
            }
            Frame::Neither => return false,
        }
    }
}
