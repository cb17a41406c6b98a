//! One WebSocket, one task: reads what the client says, writes what its outbox holds, watches the clock.
//!
//! The task ends with an [`End`], which says what the others in the room are told and how the socket is closed.
//! Nothing a client does may end it any other way; should it panic after all, its [`Seat`] leaves the room by
//! being dropped, and no other connection notices.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
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
use crate::gate::{self, Decision, Later};
use crate::hub::{Refused, Seat, encode};
use crate::ice_servers::Told;
use crate::outbox::{Next, Outbox};
use crate::rate::TokenBucket;
use crate::relay::Relay;
use crate::stream::Client;
use crate::token::Grant;

/// How long a client may take to read its refusal and close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a connection ends.
#[derive(Debug)]
enum End {
    /// The client said `Leave`.
    Goodbye,
    /// The client closed the WebSocket, which means that it is gone for this reason.
    Closed(LeaveReason),
    /// The connection broke.
    Lost,
    /// Nothing was heard from the client in time.
    Silent,
    /// The server ends it.
    Refused(Refused),
}

impl From<Refused> for End {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<(Refusal, &'static str)> for End {
    fn from((refusal, detail): (Refusal, &'static str)) -> Self {
        Self::Refused((refusal, detail.into()))
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
    /// Set while it is not known whether the client may join.
    asking: Option<Box<Asking>>,
    /// Messages the client may still send.
    bucket: TokenBucket,
    unsent: Unsent,
    /// Who is told of STUN and TURN servers, where there are any.
    ice: Option<Box<Told>>,
    /// When there was last a sign of life, or when one was asked for.
    alive_at: Instant,
}

/// A join that an answer is awaited about.
struct Asking {
    join: Join,
    answer: Later,
    /// What came in one frame with it.
    then: Vec<ClientMessage>,
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asking")
    }
}

/// What goes out besides the outbox, and whether anything can.
#[derive(Debug, Default)]
struct Unsent {
    /// An answer, and how many messages of the outbox go first: those that were there before it, so that a welcome comes
    /// before what was asked together with the join. Not all that come, or who is always sent something would never get
    /// an answer.
    reply: Option<(Message, usize)>,
    ping: bool,
    /// The last attempt to write has not taken everything.
    blocked: bool,
}

impl Connection {
    pub(crate) fn new(
        socket: WebSocket,
        app: Arc<App>,
        client: Arc<Client>,
        behind_proxy: Option<AddressPermit>,
        ice: Option<Box<Told>>,
    ) -> Self {
        let now = Instant::now();
        let bucket = TokenBucket::full(app.config.limits.messages, now);
        let unsent = Unsent::default();
        Self {
            socket,
            app,
            client,
            _behind_proxy: behind_proxy,
            seat: None,
            asking: None,
            bucket,
            unsent,
            ice,
            alive_at: now,
        }
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
        let timer = sleep(if joined { ping_interval } else { join_timeout });
        tokio::pin!(timer);
        loop {
            let not_joined = self.seat.is_none();
            tokio::select! {
                biased;
                message = self.exchange() => {
                    let message = message?;
                    self.unsent.reply = self.handle_message(message)?.map(|reply| {
                        (reply, self.seat.as_ref().map_or(0, |seat| seat.outbox().len()))
                    });
                    self.alive_at = Instant::now();
                    let joined_now = !joined && self.seat.is_some();
                    // Not moved at every message: that would cost more than looking again when it fires.
                    if joined_now || pinged {
                        timer.as_mut().reset((self.alive_at + ping_interval).into());
                    }
                    joined |= joined_now;
                    pinged = false;
                }
                () = down.as_mut(), if not_joined => {
                    return Err((Refusal::GoingAway, "the server is going down").into());
                }
                () = timer.as_mut() => {
                    if self.seat.is_none() {
                        return Err((Refusal::JoinTimeout, "no join came in time").into());
                    }
                    joined = true;
                    let now = Instant::now();
                    let alive_until = self.alive_at + if pinged { pong_timeout } else { ping_interval };
                    if now < alive_until {
                        timer.as_mut().reset(alive_until.into());
                    } else if pinged {
                        return Err(End::Silent);
                    } else {
                        pinged = true;
                        self.unsent.ping = true;
                        self.alive_at = now;
                        timer.as_mut().reset((now + pong_timeout).into());
                    }
                }
            }
        }
    }

    /// Writes what waits to be written while waiting for the next message, and gives that. The two do not wait for each
    /// other: a member on a slow link may have something to take all the time, and must be heard all the same.
    ///
    /// # Cancel safety
    /// Nothing is lost when this is dropped.
    async fn exchange(&mut self) -> Result<Option<Result<Message, axum::Error>>, End> {
        if let Some(asking) = &mut self.asking {
            // Nothing is read meanwhile, and nobody else waits. The time for joining runs.
            let grant = asking.answer.as_mut().await?;
            self.admitted(grant)?;
        }
        let Self { socket, seat: Some(seat), unsent, alive_at, .. } = self else {
            return Ok(self.socket.next().await);
        };
        let outbox = seat.outbox();
        let changed = outbox.changed();
        tokio::pin!(changed);
        poll_fn(|cx| {
            loop {
                match unsent.poll_write(socket, outbox, alive_at, cx) {
                    // It may have said why before it went.
                    Poll::Ready(Err(End::Lost)) => {
                        return Poll::Ready(match socket.poll_next_unpin(cx) {
                            Poll::Ready(Some(Ok(message))) => Ok(Some(Ok(message))),
                            _ => Err(End::Lost),
                        });
                    }
                    Poll::Ready(Err(end)) => return Poll::Ready(Err(end)),
                    Poll::Ready(Ok(())) | Poll::Pending => {}
                }
                match changed.as_mut().poll(cx) {
                    Poll::Ready(()) => changed.set(outbox.changed()),
                    Poll::Pending => break,
                }
            }
            // Who does not take its answers gets no more of them.
            match unsent.reply {
                Some(_) => Poll::Pending,
                None => socket.poll_next_unpin(cx).map(Ok),
            }
        })
        .await
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
                Err(End::Closed(match frame.map_or(close::NORMAL, |frame| frame.code) {
                    close::NORMAL | close::GOING_AWAY => LeaveReason::Left,
                    close::WILL_RETURN => LeaveReason::Silent,
                    _ => LeaveReason::Lost,
                }))
            }
            Some(Err(error)) => Err(self.read_error(error)),
            None => Err(End::Lost),
        }
    }

    fn handle_frame(&mut self, frame: &[u8]) -> Result<Option<Message>, End> {
        // All replies to one frame go in one: none needs more bytes than what asked for it, or than the rate allows.
        let mut replies = Vec::new();
        if self.seat.is_some()
            && let Some(relay) = Relay::read_alone(frame)
        {
            let reply = self.relay(&relay)?;
            return Ok(reply.map(|reply| Message::Binary(encode(&reply))));
        }
        let mut counted = false;
        let records =
            codec::decode::<ClientMessage>(frame, limits::MAX_SOCKET_MESSAGE_BYTES).map_err(unreadable)?;
        for record in records {
            let is_relay = matches!(record, Ok(ClientMessage::Relay { .. }));
            if !is_relay || self.seat.is_none() {
                self.count()?; // Packets have limits of their own.
            }
            counted = true;
            self.reply_to(record.map_err(unreadable)?, &mut replies)?;
        }
        if !counted {
            self.count()?; // Kinds this version does not know are skipped, but not free.
        }
        Ok((!replies.is_empty()).then(|| Message::Binary(replies.into())))
    }

    fn handle_record(&mut self, message: ClientMessage) -> Result<Option<ServerMessage>, End> {
        if let Some(asking) = &mut self.asking {
            // No more than one frame has room for: nothing is read until the answer has come.
            asking.then.push(message);
            return Ok(None);
        }
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
            ClientMessage::Relay { to, epoch, packet } => self.relay(&Relay { to, epoch, packet: &packet }),
            ClientMessage::Kick { to, epoch, reason } => Ok(seat.kick(to, epoch, &reason).err()),
            ClientMessage::RenewIceServers => {
                let (id, may_relay) = (seat.id(), seat.may_relay());
                Ok(self.ice.as_mut().and_then(|ice| ice.tell(&self.app.ice, id, may_relay)))
            }
            // A kind that the protocol crate knows and this server does not serve yet.
            _ => Ok(None),
        }
    }

    /// Passes a packet on. One over the limits counts as a message: a client that slows down as it is told has few of
    /// those, and one that does not is sent away.
    fn relay(&mut self, relay: &Relay<'_>) -> Result<Option<ServerMessage>, End> {
        let Some(seat) = &mut self.seat else { return Ok(None) };
        let reply = seat.relay(relay, Instant::now()).err();
        if matches!(reply, Some(ServerMessage::Throttled { .. })) {
            self.count()?;
        }
        Ok(reply)
    }

    fn join(&mut self, join: Join) -> Result<(), End> {
        match gate::decide(&self.app.config, &join) {
            Decision::Now(grant) => self.enter(join, grant?),
            Decision::Later(answer) => {
                self.asking = Some(Box::new(Asking { join, answer, then: Vec::new() }));
                Ok(())
            }
        }
    }

    /// Goes into the room, as it was permitted.
    fn enter(&mut self, join: Join, grant: Grant) -> Result<(), End> {
        let may_relay = grant.may_relay;
        let seat = self.seat.insert(self.app.hub.join(join, grant)?);
        if let Some(told) = self.ice.as_mut().and_then(|ice| ice.tell(&self.app.ice, seat.id(), may_relay)) {
            seat.outbox().push(encode(&told));
        }
        Ok(())
    }

    /// The answer about a join has come: goes in, and does what else was said with the join.
    fn admitted(&mut self, grant: Grant) -> Result<(), End> {
        let Some(asking) = self.asking.take() else { return Ok(()) };
        let Asking { join, then, .. } = *asking;
        self.enter(join, grant)?;
        self.alive_at = Instant::now();
        let mut replies = Vec::new();
        for message in then {
            self.reply_to(message, &mut replies)?;
        }
        let waiting = self.seat.as_ref().map_or(0, |seat| seat.outbox().len());
        self.unsent.reply = (!replies.is_empty()).then(|| (Message::Binary(replies.into()), waiting));
        Ok(())
    }

    /// Does what a message says, and adds the answer to those before it.
    fn reply_to(&mut self, message: ClientMessage, replies: &mut Vec<u8>) -> Result<(), End> {
        if let Some(reply) = self.handle_record(message)? {
            if replies.is_empty() {
                *replies = codec::frame();
            }
            codec::push(replies, &reply);
        }
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

    /// Leaves the room, tells the client why it must go, and closes.
    async fn finish(&mut self, end: End) {
        let reason = match end {
            End::Goodbye => LeaveReason::Left,
            End::Closed(reason) => reason,
            End::Lost => LeaveReason::Lost,
            End::Silent => LeaveReason::Silent,
            End::Refused(_) => LeaveReason::Evicted,
        };
        // First of all, so that the others hear of it at once.
        let joined = self.seat.take().map(|seat| seat.leave(reason)).is_some();
        let farewell = match end {
            End::Lost | End::Silent => return,
            End::Closed(_) => None,
            End::Refused((refusal, detail)) => {
                tracing::debug!(refusal = refusal.code(), joined, "connection refused");
                self.client.linger();
                Some((Some((refusal, detail)), refusal.close_code()))
            }
            End::Goodbye => Some((None, close::NORMAL)),
        };
        // A client that does not take part in the closing handshake is cut off.
        let _ = timeout(CLOSE_TIMEOUT, say_farewell(&mut self.socket, farewell)).await;
    }
}

impl Unsent {
    /// Writes all there is. Pending when the client has to take some of it first.
    fn poll_write(
        &mut self,
        socket: &mut WebSocket,
        outbox: &Outbox,
        alive_at: &mut Instant,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), End>> {
        loop {
            if self.blocked {
                if let Some(refusal) = outbox.closing() {
                    return Poll::Ready(Err(closed(refusal, outbox)));
                }
                ready!(socket.poll_flush_unpin(cx)).map_err(|_| End::Lost)?;
                self.blocked = false;
                // Its kernel has taken something: a client on a slow link is not silent while it is sent much.
                *alive_at = Instant::now();
            }
            // One at a time: what is taken out no longer counts, so taking all would double the outbox's bound.
            let message = self.next(outbox)?;
            let is_last = message.is_none();
            let taken = match message {
                Some(message) => {
                    socket.start_send_unpin(message).map_err(|_| End::Lost)?;
                    socket.poll_ready_unpin(cx)
                }
                None => socket.poll_flush_unpin(cx),
            };
            self.blocked = taken.is_pending();
            ready!(taken).map_err(|_| End::Lost)?;
            if is_last {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// What is to be written next.
    fn next(&mut self, outbox: &Outbox) -> Result<Option<Message>, End> {
        if std::mem::take(&mut self.ping) {
            return Ok(Some(Message::Ping(Bytes::new())));
        }
        if let Some((_, before)) = &mut self.reply {
            if *before == 0 {
                return Ok(self.reply.take().map(|(reply, _)| reply));
            }
            *before -= 1;
        }
        match outbox.next() {
            Next::Message(message) => Ok(Some(Message::Binary(message))),
            Next::Close(refusal) => Err(closed(refusal, outbox)),
            Next::Nothing => Ok(self.reply.take().map(|(reply, _)| reply)),
        }
    }
}

type Farewell = (Option<Refused>, u16);

async fn say_farewell(socket: &mut WebSocket, farewell: Option<Farewell>) -> Result<(), axum::Error> {
    if let Some((refused, code)) = farewell {
        let mut word = "";
        if let Some((refusal, detail)) = refused {
            word = refusal.code();
            let message = ServerMessage::Refused { refusal, detail: Text::cut(&detail) };
            socket.feed(Message::Binary(encode(&message))).await?;
        }
        socket.send(Message::Close(Some(CloseFrame { code, reason: word.into() }))).await?;
    }
    // Reading on answers the client's close, or waits for it, and ends with it.
    while socket.next().await.transpose()?.is_some() {}
    Ok(())
}

/// The end of a connection whose outbox was closed.
fn closed(refusal: Refusal, outbox: &Outbox) -> End {
    let detail = match refusal {
        Refusal::SlowConsumer => "messages were not read fast enough",
        Refusal::Replaced => "a newer connection holds this id",
        Refusal::GoingAway => "the server is going down",
        _ => "",
    };
    let said = outbox.take_detail().map(|said| Cow::Owned(said.into_string()));
    End::Refused((refusal, said.unwrap_or(detail.into())))
}

/// What a client is told of a frame that cannot be read.
pub(crate) fn unreadable(error: CodecError) -> Refused {
    let (refusal, detail) = match error {
        CodecError::Version(_) => (Refusal::Version, "this server speaks version 1"),
        CodecError::TooLong { .. } => (Refusal::TooLong, "a message may have 64 KiB, an early join 6 KiB"),
        _ => (Refusal::BadMessage, "not a frame as docs/wire.md has it"),
    };
    (refusal, detail.into())
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
