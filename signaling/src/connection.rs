//! One WebSocket, one task: reads what the client says, writes what its outbox holds, watches the clock.
//!
//! The task ends with an [`End`], which says what the others in the room are told and how the socket is closed.
//! Nothing a client does may end it any other way; should it panic after all, its [`Seat`] leaves the room by
//! being dropped, and no other connection notices.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use peerloom_protocol::bounded::Text;
use peerloom_protocol::codec::{self, CodecError};
use peerloom_protocol::limits;
use peerloom_protocol::signal::{ClientMessage, Join, LeaveReason, Refusal, ServerMessage, close};
use tokio::time::{sleep, timeout};

use crate::App;
use crate::admission::AddressPermit;
use crate::config::Limits;
use crate::hub::{Refused, Seat, encode};
use crate::outbox::Next;
use crate::rate::TokenBucket;
use crate::stream::Client;

/// How long a client may take to read its refusal and close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a connection ends.
#[derive(Debug)]
enum End {
    /// The client said `Leave`.
    Goodbye,
    /// The client closed the WebSocket; `goodbye` when with a code that means it.
    Closed { goodbye: bool },
    /// The connection broke, or nothing was heard from the client in time.
    Lost,
    /// The server ends it.
    Refused(Refused),
}

impl From<Refused> for End {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// One client's WebSocket.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: WebSocket,
    app: Arc<App>,
    client: Arc<Client>,
    /// Counts the client's own address when the connection comes from a proxy.
    _behind_proxy: Option<AddressPermit>,
    /// Set once the client has joined.
    seat: Option<Seat>,
    /// Messages the client may still send.
    bucket: TokenBucket,
}

impl Connection {
    pub(crate) fn new(
        socket: WebSocket,
        app: Arc<App>,
        client: Arc<Client>,
        behind_proxy: Option<AddressPermit>,
    ) -> Self {
        let bucket = TokenBucket::full(app.config.limits.messages, Instant::now());
        Self { socket, app, client, _behind_proxy: behind_proxy, seat: None, bucket }
    }

    /// Serves the client until it is gone. `early` is what came with the upgrade: a join, or why there can be none.
    ///
    /// Each byte of this future is paid for by every idle connection, which is why it is written so that nothing
    /// is in it twice: a plain function (an `async fn` keeps its arguments twice once they are moved), one place
    /// that writes, and handlers that are not async.
    pub(crate) fn run(self, early: Option<Result<Box<Join>, Refused>>) -> impl Future<Output = ()> + Send {
        let mut this = self;
        let joined = match early {
            Some(Ok(join)) => this.join(*join),
            Some(Err(refused)) => Err(refused.into()),
            None => Ok(()),
        };
        async move {
            let end = match joined {
                Ok(()) => this.serve().await,
                Err(end) => end,
            };
            // Boxed because it comes once and last.
            Box::pin(this.finish(end)).await;
        }
    }

    async fn serve(&mut self) -> End {
        match self.serve_until_end().await {
            Err(end) => end,
            Ok(never) => match never {},
        }
    }

    async fn serve_until_end(&mut self) -> Result<Infallible, End> {
        let Limits { join_timeout, ping_interval, pong_timeout, .. } = self.app.config.limits;
        let down = self.app.going_down();
        tokio::pin!(down);
        let mut joined = self.seat.is_some();
        let mut pinged = false;
        let mut last_heard = Instant::now();
        let timer = sleep(if joined { ping_interval } else { join_timeout });
        tokio::pin!(timer);
        // What goes out besides the outbox: replies and pings.
        let mut reply = None;
        loop {
            self.write(reply.take()).await?;
            let Self { socket, seat, .. } = self;
            tokio::select! {
                biased;
                () = wake(seat.as_ref(), down.as_mut()) => if seat.is_none() {
                    return Err((Refusal::GoingAway, "the server is going down").into());
                },
                message = socket.next() => {
                    reply = self.handle_message(message)?;
                    last_heard = Instant::now();
                    let joined_now = !joined && self.seat.is_some();
                    // Not moved at every message: that would cost more than looking again when it fires.
                    if joined_now || pinged {
                        timer.as_mut().reset((last_heard + ping_interval).into());
                    }
                    joined |= joined_now;
                    pinged = false;
                }
                () = timer.as_mut() => {
                    if !joined {
                        return Err((Refusal::JoinTimeout, "no join came in time").into());
                    }
                    if pinged {
                        return Err(End::Lost);
                    }
                    let now = Instant::now();
                    let quiet_until = last_heard + ping_interval;
                    if now < quiet_until {
                        timer.as_mut().reset(quiet_until.into());
                    } else {
                        reply = Some(Message::Ping(Bytes::new()));
                        pinged = true;
                        timer.as_mut().reset((now + pong_timeout).into());
                    }
                }
            }
        }
    }

    /// Does what a message asks for; gives the answer, if it has one.
    fn handle_message(
        &mut self,
        message: Option<Result<Message, axum::Error>>,
    ) -> Result<Option<Message>, End> {
        match message {
            Some(Ok(Message::Binary(frame))) => self.handle_frame(&frame),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => self.count().map(|()| None),
            Some(Ok(Message::Text(_))) => {
                Err((Refusal::BadMessage, "text instead of a binary message").into())
            }
            Some(Ok(Message::Close(frame))) => {
                // No code at all is what `WebSocket.close()` sends.
                let code = frame.map_or(close::NORMAL, |frame| frame.code);
                Err(End::Closed { goodbye: matches!(code, close::NORMAL | close::GOING_AWAY) })
            }
            Some(Err(error)) => Err(self.read_error(error)),
            None => Err(End::Lost),
        }
    }

    fn handle_frame(&mut self, frame: &[u8]) -> Result<Option<Message>, End> {
        // All replies to one frame go in one: none needs more bytes than what asked for it, or than the rate allows.
        let mut replies = Vec::new();
        let mut counted = false;
        let records =
            codec::decode::<ClientMessage>(frame, limits::MAX_SOCKET_MESSAGE_BYTES).map_err(unreadable)?;
        for record in records {
            self.count()?;
            counted = true;
            if let Some(reply) = self.handle_record(record.map_err(unreadable)?)? {
                if replies.is_empty() {
                    replies = codec::frame();
                }
                codec::push(&mut replies, &reply);
            }
        }
        if !counted {
            self.count()?; // Kinds this version does not know are skipped, but not free.
        }
        Ok((!replies.is_empty()).then(|| Message::Binary(replies.into())))
    }

    fn handle_record(&mut self, message: ClientMessage) -> Result<Option<ServerMessage>, End> {
        let Some(seat) = &self.seat else {
            return match message {
                ClientMessage::Join(join) => self.join(join).map(|()| None),
                _ => Err((Refusal::UnexpectedMessage, "the first message must be a join").into()),
            };
        };
        match message {
            ClientMessage::Join(_) => Err((Refusal::UnexpectedMessage, "joined already").into()),
            ClientMessage::Leave => Err(End::Goodbye),
            ClientMessage::Signal { to, epoch, envelope } => Ok(seat.signal(to, epoch, envelope).err()),
            ClientMessage::Deposit { replace, cards } => {
                seat.deposit(replace, cards.into_vec());
                Ok(None)
            }
            ClientMessage::Ping { nonce } => Ok(Some(ServerMessage::Pong { nonce })),
            // A kind that the protocol crate knows and this server does not serve yet.
            _ => Ok(None),
        }
    }

    fn join(&mut self, join: Join) -> Result<(), End> {
        self.seat = Some(self.app.hub.join(join)?);
        Ok(())
    }

    /// Counts one message.
    fn count(&mut self) -> Result<(), End> {
        if self.bucket.take(1, self.app.config.limits.messages, Instant::now()) {
            Ok(())
        } else {
            Err((Refusal::RateLimited, "more messages than allowed").into())
        }
    }

    fn read_error(&self, error: axum::Error) -> End {
        use tungstenite::Error;
        use tungstenite::error::ProtocolError;
        if self.client.is_over_rate() {
            return (Refusal::RateLimited, "more bytes than allowed").into();
        }
        // The same tungstenite as axum's, or every error would count as lost: a test sends too long a message.
        match error.into_inner().downcast_ref::<Error>() {
            Some(Error::Capacity(_)) => (Refusal::TooLong, "a message may have 64 KiB").into(),
            Some(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => End::Lost,
            Some(Error::Protocol(_) | Error::Utf8(_)) => {
                (Refusal::BadMessage, "not a WebSocket frame as RFC 6455 has it").into()
            }
            _ => End::Lost,
        }
    }

    /// Writes all that waits in the outbox, then `reply`: a welcome comes before what was asked together with the
    /// join.
    async fn write(&mut self, mut reply: Option<Message>) -> Result<(), End> {
        let Some(seat) = &self.seat else { return Ok(()) };
        let outbox = seat.outbox();
        let limits = &self.app.config.limits;
        let socket = &mut self.socket;
        let write = async {
            loop {
                // One at a time: what is taken out no longer counts, so taking all would double the bound.
                let message = match outbox.next() {
                    Next::Close(refusal) => return Err(closed(refusal)),
                    Next::Message(message) => Message::Binary(message),
                    Next::Nothing => match reply.take() {
                        Some(reply) => reply,
                        None => return socket.flush().await.map_err(|_| End::Lost),
                    },
                };
                socket.feed(message).await.map_err(|_| End::Lost)?;
            }
        };
        tokio::select! {
            biased;
            written = write => written,
            refusal = outbox.closed() => Err(closed(refusal)),
            // Taking nothing is no better than saying nothing.
            () = sleep(limits.ping_interval + limits.pong_timeout) => Err(closed(Refusal::SlowConsumer)),
        }
    }

    /// Leaves the room, tells the client why it must go, and closes.
    async fn finish(&mut self, end: End) {
        let (reason, refused) = match end {
            End::Goodbye | End::Closed { goodbye: true } => (LeaveReason::Left, None),
            End::Lost | End::Closed { goodbye: false } => (LeaveReason::Lost, None),
            End::Refused(refused) => (LeaveReason::Evicted, Some(refused)),
        };
        // First of all, so that the others hear of it at once.
        let joined = self.seat.take().map(|seat| seat.leave(reason)).is_some();
        if let Some((refusal, _)) = refused {
            tracing::debug!(refusal = refusal.code(), joined, "connection refused");
        }
        let farewell = match (&end, refused) {
            (End::Lost, _) => return,
            (End::Closed { .. }, _) => None,
            (_, Some((refusal, detail))) => {
                self.client.linger();
                Some((Some((refusal, detail)), refusal.close_code()))
            }
            (_, None) => Some((None, close::NORMAL)),
        };
        // A client that does not take part in the closing handshake is cut off.
        let _ = timeout(CLOSE_TIMEOUT, say_farewell(&mut self.socket, farewell)).await;
    }
}

type Farewell = (Option<Refused>, u16);

async fn say_farewell(socket: &mut WebSocket, farewell: Option<Farewell>) -> Result<(), axum::Error> {
    if let Some((refused, code)) = farewell {
        let mut word = "";
        if let Some((refusal, detail)) = refused {
            word = refusal.code();
            let message = ServerMessage::Refused { refusal, detail: Text::cut(detail) };
            socket.feed(Message::Binary(encode(&message))).await?;
        }
        socket.send(Message::Close(Some(CloseFrame { code, reason: word.into() }))).await?;
    }
    // Reading on answers the client's close, or waits for it, and ends with it.
    while socket.next().await.transpose()?.is_some() {}
    Ok(())
}

/// Waits until there is something to do besides reading: a full outbox, or, before the join, the server's end.
async fn wake(seat: Option<&Seat>, down: Pin<&mut impl Future<Output = ()>>) {
    match seat {
        Some(seat) => seat.outbox().ready().await,
        None => down.await,
    }
}

/// The end of a connection whose outbox was closed.
fn closed(refusal: Refusal) -> End {
    let detail = match refusal {
        Refusal::SlowConsumer => "messages were not read fast enough",
        Refusal::Replaced => "a newer connection holds this id",
        Refusal::GoingAway => "the server is going down",
        _ => "",
    };
    End::Refused((refusal, detail))
}

/// What a client is told of a frame that cannot be read.
pub(crate) fn unreadable(error: CodecError) -> Refused {
    match error {
        CodecError::Version(_) => (Refusal::Version, "this server speaks version 1"),
        CodecError::TooLong { .. } => (Refusal::TooLong, "a message may have 64 KiB, an early join 6 KiB"),
        _ => (Refusal::BadMessage, "not a frame as docs/wire.md has it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What every idle connection pays for; see [`Connection::run`].
    #[test]
    fn the_future_of_a_connection_stays_small() {
        fn size_of_run<F>(_: impl FnOnce(Connection, Option<Result<Box<Join>, Refused>>) -> F) -> usize {
            size_of::<F>()
        }
        let size = size_of_run(Connection::run);
        println!("{size} of which {} connection", size_of::<Connection>());
        assert!(size <= 1600, "{size} bytes");
    }
}
