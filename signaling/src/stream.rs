//! The TCP stream of one client, with a meter on what it sends and a gentle end.
//!
//! **Meter.** Bytes are counted here and not per WebSocket message, because a message may come in a million empty
//! fragments that the WebSocket layer puts together without ever returning one.
//!
//! **Gentle end.** Closing a TCP socket that holds unread bytes makes the kernel send a reset, and a reset can
//! destroy the refusal that is still on its way to the client. So a connection that was refused
//! ([`Client::linger`]) goes on reading for a moment after it has been closed for writing.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use crate::admission::Permit;
use crate::rate::{Rate, TokenBucket};

/// Bytes thrown away from a client that was refused and still sends.
const MAX_DISCARDED_BYTES: usize = 1024 * 1024;
/// How long that may go on.
const LINGER: Duration = Duration::from_secs(2);

/// What the parts of one connection know of it.
#[derive(Debug)]
pub(crate) struct Client {
    /// The other end of the TCP connection: the client, or a proxy in front of it.
    pub(crate) address: IpAddr,
    pub(crate) permit: Permit,
    linger: AtomicBool,
    over_rate: AtomicBool,
}

impl Client {
    pub(crate) fn new(address: IpAddr, permit: Permit) -> Arc<Self> {
        Arc::new(Self { address, permit, linger: AtomicBool::new(false), over_rate: AtomicBool::new(false) })
    }

    /// Lets the client finish sending after the connection is closed.
    pub(crate) fn linger(&self) {
        self.linger.store(true, Ordering::Relaxed);
    }

    /// Whether reading failed because more bytes came than allowed.
    pub(crate) fn is_over_rate(&self) -> bool {
        self.over_rate.load(Ordering::Relaxed)
    }
}

/// The stream.
#[derive(Debug)]
pub(crate) struct ClientStream {
    /// `None` only while being dropped.
    tcp: Option<TcpStream>,
    /// What was read and put back.
    unread: Vec<u8>,
    client: Arc<Client>,
    rate: Rate,
    bucket: TokenBucket,
}

impl ClientStream {
    pub(crate) fn new(tcp: TcpStream, client: Arc<Client>, rate: Rate) -> Self {
        Self {
            tcp: Some(tcp),
            unread: Vec::new(),
            client,
            rate,
            bucket: TokenBucket::full(rate, Instant::now()),
        }
    }

    /// Ready when there is something to [read](Self::try_read).
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.socket().readable().await
    }

    /// Reads what has come, past the meter: what is [put back](Self::put_back) is counted when it is read again.
    pub(crate) fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket().try_read(buf)
    }

    /// Has these bytes read first.
    pub(crate) fn put_back(&mut self, bytes: Vec<u8>) {
        self.unread = bytes;
    }

    fn socket(&self) -> &TcpStream {
        self.tcp.as_ref().expect("only Drop takes the stream")
    }

    fn tcp(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(self.tcp.as_mut().expect("only Drop takes the stream"))
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.unread.is_empty() {
            ready!(self.tcp().poll_read(cx, buf))?;
        } else {
            let some = self.unread.len().min(buf.remaining());
            buf.put_slice(&self.unread[..some]);
            // What is left, and at the end no memory.
            self.unread = self.unread.split_off(some);
        }
        let read = u32::try_from(buf.filled().len() - before).unwrap_or(u32::MAX);
        let rate = self.rate;
        if self.bucket.take(read, rate, Instant::now()) {
            return Poll::Ready(Ok(()));
        }
        self.client.over_rate.store(true, Ordering::Relaxed);
        Poll::Ready(Err(io::Error::other("more bytes than allowed")))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.tcp().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.tcp().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp().poll_shutdown(cx)
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        if !self.client.linger.load(Ordering::Relaxed) {
            return;
        }
        // Without a runtime (the server is being torn down) the socket just closes.
        if let (Some(tcp), Ok(runtime)) = (self.tcp.take(), tokio::runtime::Handle::try_current()) {
            // Holds on to the client: a lingering connection still counts.
            let client = self.client.clone();
            runtime.spawn(async move {
                let _ = tokio::time::timeout(LINGER, discard(tcp)).await;
                drop(client);
            });
        }
    }
}

/// Ends the writing side and reads what still comes, until the client closes or has sent too much.
async fn discard(mut tcp: TcpStream) -> io::Result<()> {
    tcp.shutdown().await?;
    let mut buf = vec![0; 16 * 1024];
    let mut discarded = 0;
    while discarded < MAX_DISCARDED_BYTES {
        match tcp.read(&mut buf).await? {
            0 => break,
            read => discarded += read,
        }
    }
    Ok(())
}
