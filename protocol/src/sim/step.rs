//! What happens in the world: actions carried out, messages carried over.

use super::{ConnectionKey, Happening, World, hub};
use crate::action::{Action, Input};

impl World {
    pub(super) fn act(&mut self, peer: usize, action: Action) {
        match action {
            Action::OpenSocket { subprotocols } => {
                self.drop_socket(peer);
                self.sockets += 1;
                self.peers[peer].socket = Some(self.sockets);
                let delay = self.delay();
                self.after(delay, Happening::SocketRequest(peer, self.sockets, subprotocols));
            }
            Action::SendSocket(bytes) => {
                if let Some(socket) = self.peers[peer].socket {
                    let delay = self.delay();
                    self.after(delay, Happening::ToServer(peer, socket, bytes));
                }
            }
            Action::CloseSocket => self.drop_socket(peer),
            Action::OpenConnection(id, start) => {
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
            Action::SetAnswer(id, sdp) => {
                if self.chance(self.faults.throw_percent) {
                    self.browser.close((peer, id));
                    return self.after(1, Happening::Input(peer, Input::ConnectionLost(id)));
                }
                self.browser.set_remote((peer, id), &sdp);
                self.try_connect((peer, id));
            }
            Action::AddCandidate(id, _) => {
                self.browser.add_candidate((peer, id));
                self.try_connect((peer, id));
            }
            Action::SendControl(id, bytes) => {
                if let Some((other, other_id)) = self.browser.other_end((peer, id)) {
                    self.after(self.faults.delay_ms.0, Happening::Control(other, other_id, bytes));
                }
            }
            Action::CloseConnection(id) => {
                if let Some((other, other_id)) = self.browser.close((peer, id)) {
                    let lost = Happening::Input(other, Input::ConnectionLost(other_id));
                    self.after(self.faults.delay_ms.0 + 7, lost);
                }
            }
            Action::Notify(event) => {
                let now = self.now;
                self.peers[peer].events.push((now, event));
            }
        }
    }

    fn try_connect(&mut self, one: ConnectionKey) {
        if let Some(other) = self.browser.partner(one).filter(|_| self.faults.path) {
            self.after(self.faults.delay_ms.0 * 5, Happening::Connect(one, other));
        }
    }

    pub(super) fn drop_socket(&mut self, peer: usize) {
        if let (Some(socket), Some(hub)) = (self.peers[peer].socket.take(), &mut self.hub) {
            let out = hub.gone(socket);
            self.deliver(out);
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

    pub(super) fn happen(&mut self, happening: Happening) {
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
                    return;
                }
                let delay = self.faults.delay_ms.1;
                match &mut self.hub {
                    None => self.after(delay, Happening::SocketGone(peer, socket)),
                    Some(hub) => {
                        let out = hub.upgrade(socket, &subprotocols, &mut self.random);
                        self.after(delay, Happening::SocketOpened(peer, socket));
                        self.deliver(out);
                    }
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
            Happening::Connect(one, other) => {
                if self.browser.partner(one) == Some(other)
                    && self.faults.path
                    && self.browser.connect(one, other)
                {
                    self.input(one.0, Input::ChannelsOpen(one.1));
                    self.after(1, Happening::Input(other.0, Input::ChannelsOpen(other.1)));
                }
            }
            Happening::Control(peer, id, bytes) => {
                if self.browser.wants(peer, &Input::GatheringComplete(id)) {
                    self.input(peer, Input::ControlMessage(id, bytes));
                }
            }
        }
    }
}
