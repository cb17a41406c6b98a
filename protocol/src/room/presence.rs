//! Who is here: what the server and the peers themselves say of it, and the link to each.

use super::{Room, close_all};
use crate::action::{Action, ConnectionId, Event, SignalingState};
use crate::control::Control;
use crate::id::PeerId;
use crate::link::{Link, Output};
use crate::members::Member;
use crate::signal::{self, ClientMessage, LeaveReason, ServerMessage};

impl Room {
    pub(super) fn server_message(&mut self, now: u64, message: ServerMessage) {
        match message {
            ServerMessage::Welcome(welcome) => {
                let first = self.server.welcomed(now, &welcome);
                self.notify(Event::Signaling(SignalingState::Connected));
                if first {
                    self.notify(Event::Joined(welcome.id));
                }
                let absent: Vec<_> = self.members.keys().collect();
                let absent = absent.into_iter().filter(|id| !welcome.members.iter().any(|m| m.id == *id));
                for id in absent.collect::<Vec<_>>() {
                    self.unlisted(now, id, LeaveReason::Lost);
                }
                for member in welcome.members {
                    self.meet(now, true, member);
                }
                close_all(&mut self.actions, self.joining.drain());
                self.fill_cards(now);
            }
            ServerMessage::Joined(member) => {
                self.meet(now, false, member);
                self.fill_cards(now);
            }
            ServerMessage::Left { id, epoch, reason } => {
                if self.members.get(&id).is_some_and(|member| member.epoch == epoch) {
                    self.unlisted(now, id, reason);
                }
            }
            ServerMessage::Signal { from, epoch, envelope } => {
                if let Some(member) = self.members.get_mut(&from) {
                    member.envelope(now, epoch, &envelope);
                }
            }
            // Pongs and refusals concern the server link alone.
            ServerMessage::Pong { .. } | ServerMessage::Refused { .. } => {}
        }
    }

    /// The server makes a member known: on our own join (`polite`) or on its.
    fn meet(&mut self, now: u64, polite: bool, listed: signal::Member) {
        let warm = match (polite, listed.given) {
            (true, Some(index)) => {
                let tag = self.join_tags.get(index as usize).copied();
                tag.and_then(|tag| self.joining.take_given(tag))
            }
            (false, Some(tag)) => self.resident.take_given(tag),
            (_, None) => None,
        };
        let known = self.members.get(&listed.id);
        if !polite && known.is_some_and(|member| member.epoch == listed.epoch && !member.is_unlisted()) {
            // Told twice.
            return close_all(&mut self.actions, warm.map(|warm| warm.connection));
        }
        if known.is_some_and(Member::is_connected) {
            // Both ends came back to the server while their connection lived.
            close_all(&mut self.actions, warm.map(|warm| warm.connection));
            if let Some(member) = self.members.get_mut(&listed.id) {
                member.met_again(listed.epoch, polite);
            }
            return;
        }
        let warm = warm.or_else(|| if polite { None } else { self.resident.take_unused() });
        let old = self.members.remove(&listed.id);
        let first = old.is_none();
        close_all(&mut self.actions, old.and_then(|member| member.connection()));
        let id = listed.id;
        let (member, event) = Member::meet(now, polite, listed, warm, &self.config.hello);
        if first {
            self.notify(Event::PeerJoined { id, metadata: member.metadata.clone() });
        }
        self.members.insert(id, member);
        self.actions.extend(event);
    }

    /// The server no longer lists a member; a living connection outlasts that if it answers.
    fn unlisted(&mut self, now: u64, id: PeerId, reason: LeaveReason) {
        let Some(member) = self.members.get_mut(&id) else { return };
        match member.probe(now) {
            Some(probe) if reason == LeaveReason::Lost => self.actions.push_back(probe),
            _ => self.remove(id, reason),
        }
    }

    pub(super) fn remove(&mut self, id: PeerId, reason: LeaveReason) {
        if let Some(member) = self.members.remove(&id) {
            close_all(&mut self.actions, member.connection());
            self.notify(Event::PeerLeft(id, reason));
        }
    }

    pub(super) fn owner(&self, connection: ConnectionId) -> Option<PeerId> {
        self.members.iter().find(|(_, m)| m.connection() == Some(connection)).map(|(id, _)| id)
    }

    pub(super) fn with_link(&mut self, connection: ConnectionId, act: impl FnOnce(&mut Link)) {
        let id = self.owner(connection);
        if let Some(link) = id.and_then(|id| self.members.get_mut(&id)).and_then(|m| m.link.as_mut()) {
            act(link);
        }
    }

    pub(super) fn for_each_link(&mut self, act: impl Fn(&mut Link)) {
        self.members.values_mut().filter_map(|m| m.link.as_mut()).for_each(act);
    }

    pub(super) fn pump_links(&mut self) {
        let ids: Vec<_> = self.members.keys().collect();
        for id in ids {
            while let Some(output) = self.members.get_mut(&id).and_then(|m| m.link.as_mut()?.poll()) {
                self.link_output(id, output);
            }
        }
    }

    fn link_output(&mut self, id: PeerId, output: Output) {
        match output {
            Output::Do(action) => self.actions.push_back(action),
            Output::Open(start) => {
                let connection = self.open(start);
                if let Some(link) = self.members.get_mut(&id).and_then(|m| m.link.as_mut()) {
                    link.opened(connection);
                }
            }
            Output::Send(envelope) => {
                let epoch = self.members.get(&id).map(|member| member.epoch);
                if let (Some(epoch), Some(envelope)) = (epoch, envelope.encode()) {
                    self.server.send(&ClientMessage::Signal { to: id, epoch, envelope });
                }
            }
            Output::Up(connection) => self.notify(Event::PeerConnected(id, connection)),
            Output::Down => {
                // Without the server's word that it is here, the connection was all that spoke for the peer.
                if self.members.get(&id).is_some_and(Member::is_unlisted) {
                    self.remove(id, LeaveReason::Lost);
                } else {
                    self.notify(Event::PeerSuspended(id));
                }
            }
            Output::Failed(error) => self.notify(Event::PeerFailed(id, error)),
        }
    }

    pub(super) fn control(&mut self, connection: ConnectionId, bytes: &[u8]) {
        let Some(id) = self.owner(connection) else { return };
        let Ok(records) = Control::decode(bytes) else { return };
        for message in records.map_while(Result::ok) {
            match message {
                Control::Ping { nonce } => {
                    self.actions.push_back(Action::SendControl(connection, Control::Pong { nonce }.encode()));
                }
                Control::Pong { nonce } => {
                    if let Some(member) = self.members.get_mut(&id) {
                        member.pong(nonce);
                    }
                }
                Control::Bye => return self.remove(id, LeaveReason::Left),
            }
        }
    }
}
