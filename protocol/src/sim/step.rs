//! What happens in the world: actions carried out, messages carried over.

use super::app::Bytes;
use super::{ConnectionKey, Happening, Peer, Tokens, World, browser, hub};
use crate::action::{Action, Command, Event, Input};
use crate::identity::{self, Verdict};
use crate::signal::LeaveReason;

impl World {
    pub(super) fn act(&mut self, peer: usize, action: Action<Bytes>) {
        match action {
            Action::Do(command) => self.command(peer, command),
            Action::Notify(event) => {
                let now = self.now;
                if self.trace {
                    println!("{now:>7} peer {peer}: {event:?}");
                }
                let app = &mut self.peers[peer].app;
                app.event(&event);
                if app.wants_to_act(&event) {
                    self.after(1, Happening::Act(peer));
                }
                if let Event::Closed(_) = event {
                    self.peers[peer].socket = None;
                    self.peers[peer].ended = true;
                }
                if event == Event::TokenWanted
                    && let Some(Tokens { after_ms: Some(wait_ms), len }) = self.tokens
                {
                    // Each begins with the time it was asked for, so no two are alike.
                    let token = len.map(|len| format!("{now}{}", "t".repeat(len)));
                    self.after(wait_ms, Happening::Input(peer, Input::Token(token)));
                }
                self.peers[peer].events.push((now, event));
            }
            Action::Deliver { from, channel, buffer, ranges } => {
                let now = self.now;
                let Peer { app, node, .. } = &mut self.peers[peer];
                app.deliver(now, from, channel, &buffer, &ranges);
                let Some(node) = node else { return };
                if let Some(wait_ms) = app.consume(now, node) {
                    self.after(wait_ms, Happening::Act(peer));
                }
            }
            Action::Stream(from, event, bytes) => {
                self.peers[peer].app.stream(from, &event, bytes.as_ref());
                if let crate::stream::Event::Opened { .. } = event {
                    self.after(1, Happening::Act(peer));
                }
            }
            Action::Call(from, event, bytes) => {
                let now = self.clock(peer);
                self.peers[peer].app.call(now, from, &event, bytes.as_ref());
                if let crate::call::Event::Request { .. } = event {
                    self.after(1, Happening::Act(peer));
                }
            }
            Action::Queued(ticket, result) => self.peers[peer].app.queued(ticket, result.is_ok()),
            Action::Confirmed(ticket, outcomes) => self.peers[peer].app.confirmed(ticket, &outcomes),
        }
    }

    fn command(&mut self, peer: usize, command: Command) {
        match command {
            Command::OpenSocket { subprotocols } => {
                self.close_socket(peer, LeaveReason::Silent);
                self.sockets += 1;
                self.peers[peer].socket = Some(self.sockets);
                let delay = self.delay();
                self.after(delay, Happening::SocketRequest(peer, self.sockets, subprotocols));
            }
            Command::SendSocket(bytes) => {
                self.send_socket(peer, bytes);
            }
            Command::CloseSocket { will_return } => {
                self.close_socket(peer, if will_return { LeaveReason::Silent } else { LeaveReason::Left });
            }
            Command::SetIceServers(_) => {}
            Command::Sign { number, seed, message } => {
                let signed = Some(identity::sign(&seed, &message));
                self.after(1, Happening::Input(peer, Input::Signed(number, signed)));
            }
            Command::Check { number, signed, message, share, .. } => {
                let agreed = self.peers[peer].passphrase.as_ref().zip(share);
                let agreed = agreed.and_then(|(ours, theirs)| ours.agree(&theirs));
                let verdict = match (Verdict::of(&signed, &message), agreed) {
                    (Verdict::Valid, Some(agreed)) => Verdict::Agreed(agreed),
                    (verdict, _) => verdict,
                };
                self.after(1, Happening::Input(peer, Input::Checked(number, verdict)));
            }
            Command::OpenConnection(id, start) => {
                if self.chance(self.faults.throw_percent) {
                    return self.after(1, Happening::Input(peer, Input::ConnectionLost(id)));
                }
                let (sdp, candidates) = self.browser.open((peer, id), start);
                self.after(2, Happening::Input(peer, Input::LocalDescription(id, sdp)));
                let mut at = 4;
                for candidate in candidates {
                    self.after(at, Happening::Input(peer, Input::LocalCandidate(id, candidate)));
                    at += 40;
                }
                self.after(at, Happening::Input(peer, Input::GatheringComplete(id)));
                self.try_connect((peer, id));
            }
            Command::SetAnswer(id, sdp) => {
                if self.chance(self.faults.throw_percent) {
                    self.close_connection((peer, id));
                    return self.after(1, Happening::Input(peer, Input::ConnectionLost(id)));
                }
                self.browser.set_remote((peer, id), &sdp);
                self.try_connect((peer, id));
            }
            Command::AddCandidate(id, line) => {
                if self.browser.add_candidate(self.now, (peer, id), line)
                    && let Some((other, _)) = self.browser.other_end((peer, id))
                {
                    self.after(self.faults.delay_ms.0, Happening::Look(peer, other));
                    self.after(browser::PATIENCE_MS, Happening::Look(peer, other));
                }
                self.try_connect((peer, id));
            }
            Command::CloseConnection(id) => {
                if let Some((other, other_id)) = self.close_connection((peer, id)) {
                    let lost = Happening::Input(other, Input::ConnectionLost(other_id));
                    self.after(self.faults.delay_ms.0 + 7, lost);
                }
            }
            Command::AskServer => {
                let answers = self.hub.is_some();
                if !self.peers[peer].socket_dead {
                    let answer = Happening::Input(peer, Input::ServerAnswers(answers));
                    self.after(2 * self.faults.delay_ms.1, answer);
                }
            }
            Command::KeepToken(token) => self.peers[peer].kept_token = Some(token),
        }
    }

    pub(super) fn send_socket(&mut self, peer: usize, bytes: Vec<u8>) {
        if let Some(socket) = self.peers[peer].socket {
            // As over one TCP connection: nothing overtakes.
            let arrival = (self.now + self.faults.delay_ms.1).max(self.peers[peer].requests_until);
            self.peers[peer].requests_until = arrival;
            self.after(arrival - self.now, Happening::ToServer(peer, socket, bytes));
        }
    }

    /// What is on its way in either direction is lost.
    fn close_connection(&mut self, key: ConnectionKey) -> Option<ConnectionKey> {
        let other = self.browser.close(key);
        self.close_wires(key);
        if let Some(other) = other {
            self.close_wires(other);
        }
        other
    }

    fn try_connect(&mut self, one: ConnectionKey) {
        if let Some(other) = self.browser.partner(one).filter(|_| self.faults.path) {
            self.after(self.faults.delay_ms.0 * 5, Happening::Connect(one, other));
        }
    }

    pub(super) fn drop_socket(&mut self, peer: usize, reason: LeaveReason) {
        if let (Some(socket), Some(hub)) = (self.peers[peer].socket.take(), &mut self.hub) {
            let out = hub.remove(socket, reason);
            self.deliver(out);
        }
    }

    /// The server hears of it behind everything that was sent before.
    fn close_socket(&mut self, peer: usize, reason: LeaveReason) {
        if let Some(socket) = self.peers[peer].socket.take() {
            let arrival = (self.now + self.faults.delay_ms.1).max(self.peers[peer].requests_until);
            self.after(arrival - self.now, Happening::SocketClosed(peer, socket, reason));
        }
    }

    pub(super) fn deliver(&mut self, out: Vec<hub::Outgoing>) {
        for outgoing in out {
            let Some(peer) = self.peers.iter().position(|p| p.socket == Some(outgoing.socket)) else {
                continue;
            };
            // Notices come in order, as over one TCP connection; only envelopes suffer.
            let delay = if outgoing.is_signal {
                self.delay()
            } else {
                let arrival = (self.now + self.faults.delay_ms.1).max(self.peers[peer].notices_until);
                self.peers[peer].notices_until = arrival;
                arrival - self.now
            };
            if outgoing.is_signal && self.chance(self.faults.loss_percent) {
                continue;
            }
            if outgoing.is_signal && self.chance(self.faults.duplicate_percent) {
                let delay = self.delay() * 3;
                self.after(delay, Happening::FromServer(peer, outgoing.socket, outgoing.bytes.clone()));
            }
            self.after(delay, Happening::FromServer(peer, outgoing.socket, outgoing.bytes));
        }
    }

    /// Whether this waits until the peer's socket, or its page, lives again.
    fn holds(&self, happening: &Happening) -> Option<usize> {
        let (peer, by_socket) = match happening {
            Happening::FromServer(peer, ..) | Happening::SocketOpened(peer, _) => (*peer, true),
            Happening::ToServer(peer, ..)
            | Happening::SocketRequest(peer, ..)
            | Happening::SocketClosed(peer, ..) => (*peer, true),
            Happening::Input(peer, _)
            | Happening::Act(peer)
            | Happening::Drained(peer)
            | Happening::SocketGone(peer, _) => (*peer, false),
            Happening::Frame((peer, _), ..) => (*peer, false),
            Happening::Connect(one, _) => (one.0, false),
            Happening::Look(..) | Happening::Stray(..) | Happening::Sent(..) => return None,
        };
        let Peer { frozen, socket_dead, .. } = &self.peers[peer];
        // What a frozen page has sent before still goes out.
        let is_incoming = !matches!(
            happening,
            Happening::ToServer(..) | Happening::SocketRequest(..) | Happening::SocketClosed(..)
        );
        (*frozen && is_incoming || *socket_dead && by_socket).then_some(peer)
    }

    pub(super) fn happen(&mut self, happening: Happening) {
        if let Some(peer) = self.holds(&happening) {
            return self.peers[peer].held.push(happening);
        }
        match happening {
            Happening::Input(peer, input) => {
                if self.browser.wants(peer, &input) {
                    self.input(peer, input);
                }
            }
            Happening::FromServer(peer, socket, bytes) => {
                if self.peers[peer].socket == Some(socket) {
                    self.input(peer, Input::SocketMessage(bytes));
                }
            }
            Happening::SocketOpened(peer, socket) => {
                if self.peers[peer].socket == Some(socket) {
                    self.input(peer, Input::SocketOpened);
                }
            }
            Happening::SocketGone(peer, socket) => {
                if self.peers[peer].socket == Some(socket) {
                    self.peers[peer].socket = None;
                    self.input(peer, Input::SocketClosed);
                }
            }
            Happening::SocketRequest(peer, socket, subprotocols) => {
                if self.peers[peer].socket != Some(socket) {
                    // Some browsers go on with a WebSocket that was closed while it opened.
                    if self.chance(50) {
                        let wait_ms = self.random.below(10_000);
                        self.after(wait_ms, Happening::Stray(socket, subprotocols));
                    }
                    return;
                }
                let delay = self.faults.delay_ms.1;
                match &mut self.hub {
                    None => self.after(delay, Happening::SocketGone(peer, socket)),
                    Some(hub) => {
                        let out = hub.upgrade(socket, &subprotocols);
                        self.after(delay, Happening::SocketOpened(peer, socket));
                        self.deliver(out);
                    }
                }
            }
            Happening::Stray(socket, subprotocols) => {
                if let Some(hub) = &mut self.hub {
                    let mut out = hub.upgrade(socket, &subprotocols);
                    out.extend(hub.remove(socket, LeaveReason::Lost));
                    self.deliver(out);
                }
            }
            Happening::ToServer(peer, socket, bytes) => {
                // Bytes already sent arrive even when the sender closed its socket behind them.
                let _ = peer;
                if let Some(hub) = &mut self.hub {
                    let out = hub.message(socket, &bytes, &mut self.random);
                    self.deliver(out);
                }
            }
            Happening::SocketClosed(_, socket, reason) => {
                if let Some(hub) = &mut self.hub {
                    let out = hub.remove(socket, reason);
                    self.deliver(out);
                }
            }
            Happening::Connect(one, other) => {
                if self.browser.partner(one) == Some(other)
                    && self.faults.path
                    && self.browser.connect(one, other)
                {
                    self.input(one.0, Input::ChannelsOpen(one.1));
                    self.after(1, Happening::Input(other.0, Input::ChannelsOpen(other.1)));
                }
            }
            Happening::Look(a, b) => self.look(a, b),
            Happening::Frame(key, channel, serial) => {
                if let Some((data, drained)) = self.wires.arrive(key, channel, serial) {
                    let (peer, connection) = key;
                    if let Some((sender, _)) = self.browser.other_end(key).filter(|_| drained) {
                        self.after(1, Happening::Drained(sender));
                    }
                    if self.peers[peer].alive {
                        let now = self.clock(peer);
                        if self.node(peer).frame(now, connection, channel, &data) {
                            self.finish_task(peer);
                        } else {
                            self.quiet_frames += 1;
                            self.carry_out(peer);
                        }
                    }
                }
            }
            Happening::Sent(key, channel, serial) => {
                let drained = self.wires.sent(key, channel, serial);
                if let Some((sender, _)) = self.browser.other_end(key).filter(|_| drained) {
                    self.after(0, Happening::Drained(sender));
                }
            }
            Happening::Drained(peer) => {
                if self.peers[peer].alive {
                    self.finish_task(peer);
                }
            }
            Happening::Act(peer) => {
                let (now, clock) = (self.now, self.clock(peer));
                if !self.peers[peer].alive {
                    return;
                }
                let Peer { app, node: Some(node), .. } = &mut self.peers[peer] else { return };
                let consumed = app.consume(now, node);
                let acted = app.act(now, clock, node).into_iter().chain(app.act_more(clock, node));
                self.finish_act(peer);
                for wait_ms in consumed.into_iter().chain(acted) {
                    self.after(wait_ms, Happening::Act(peer));
                }
            }
        }
    }
}
