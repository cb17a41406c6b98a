//! Who is here: what the server says of it, and the link to each.

use super::trust::Believed;
use super::{Notice, Room, close_all, close_member};
use crate::action::{Command, ConnectionId, Event, SignalingState};
use crate::attempts::Stage;
use crate::control::Control;
use crate::failure::{LinkError, RoomError};
use crate::hello::Hello;
use crate::id::PeerId;
use crate::link::{Link, Output};
use crate::members::Member;
use crate::session::Listing;
use crate::signal::{self, ClientMessage, LeaveReason, Refusal, ServerMessage};
use crate::vault::Vault;

impl Room {
    /// A message of the server, with the hello of each member that it introduces, or why that is not believed.
    pub(super) fn believe(&mut self, now: u64, message: ServerMessage, hellos: Vec<Believed>) {
        match message {
            ServerMessage::Welcome(welcome) => {
                if self.identity.is_none_or(|(_, id)| id != welcome.id) {
                    let detail = "the server calls us by an id that is not ours".to_owned();
                    return self.close(Some(RoomError::Refused(Refusal::BadMessage, detail)));
                }
                let first = self.server.welcomed(now, &welcome);
                self.notify(Event::Signaling(SignalingState::Connected));
                if first {
                    self.notices.push_back(Notice::Do(Command::KeepToken(self.root)));
                    self.notify(Event::Joined(welcome.id));
                }
                for (member, hello) in welcome.members.into_iter().zip(hellos) {
                    self.introduce(now, true, member, hello);
                }
                // Who is not listed may not have found back to the server yet: its session knows when it is gone.
                for (id, member) in self.members.iter_mut().filter(|(_, m)| m.listing != Listing::Listed) {
                    member.listing = Listing::Missing;
                    self.notices.push_back(Notice::Unlisted(id, Listing::Missing));
                }
                self.fill_cards_soon(now);
            }
            ServerMessage::Joined(member) => {
                if let Some(hello) = hellos.into_iter().next() {
                    self.introduce(now, false, member, hello);
                }
                self.fill_cards_soon(now);
            }
            ServerMessage::Left { id, epoch, reason } => {
                self.forget_stranger(id);
                self.kick_answered(id, epoch, reason);
                let Some(member) = self.members.get_mut(&id).filter(|member| member.epoch == epoch) else {
                    return;
                };
                match reason {
                    LeaveReason::Left | LeaveReason::Kicked => return self.remove(id, reason),
                    LeaveReason::Silent => member.listing = Listing::Missing,
                    LeaveReason::Lost | LeaveReason::Evicted => member.listing = Listing::Lost,
                }
                let listing = member.listing;
                self.notices.push_back(Notice::Unlisted(id, listing));
            }
            ServerMessage::Signal { from, epoch, envelope } => {
                self.prove(now, from, epoch, &envelope);
                let envelope = self.unveil_envelope(from, envelope);
                if let (Some(member), Some(envelope)) = (self.members.get_mut(&from), envelope) {
                    member.envelope(now, epoch, &envelope);
                }
            }
            ServerMessage::Relayed { from, epoch, packet } => {
                if self.members.get(&from).is_some_and(|member| member.epoch == epoch) {
                    self.notices.push_back(Notice::Relayed(from, packet));
                }
            }
            ServerMessage::Throttled { to, epoch, wait_ms } => {
                if self.members.get(&to).is_some_and(|member| member.epoch == epoch) {
                    self.notices.push_back(Notice::Throttled(to, u64::from(wait_ms)));
                }
            }
            ServerMessage::RelayPolicy { bytes_per_second, burst } => {
                self.notices.push_back(Notice::Policy(bytes_per_second, burst));
            }
            ServerMessage::IceServers { lifetime_s, servers } => {
                self.take_ice_servers(now, lifetime_s, servers)
            }
            // Pongs and refusals concern the server link alone.
            ServerMessage::Pong { .. } | ServerMessage::Refused { .. } => {}
        }
    }

    /// The server makes a member known: on our own join (`polite`) or on its.
    pub(super) fn meet(
        &mut self,
        now: u64,
        polite: bool,
        mut listed: signal::Member,
        hello: Result<Hello, LinkError>,
        vault: Option<Vault>,
    ) {
        let warm = match (polite, listed.given) {
            (true, Some(index)) => {
                let tag = self.join_tags.get(index as usize).copied();
                tag.and_then(|tag| self.joining.take_given(tag))
            }
            (false, Some(tag)) => self.resident.take_given(tag),
            (_, None) => None,
        };
        let id = listed.id;
        let known = self.members.get(&id);
        if !polite
            && known.is_some_and(|member| member.epoch == listed.epoch && member.listing == Listing::Listed)
        {
            // Told twice.
            return close_all(&mut self.notices, warm.map(|warm| warm.connection));
        }
        let (mut member, error) = Member::read(listed.epoch, hello, &self.config.hello);
        member.vault = vault;
        let page = |member: &Member| member.session.map(|session| session.page);
        if known.is_some_and(|known| page(known) != page(&member)) {
            // The same id in another page, which knows nothing of the session.
            self.remove(id, LeaveReason::Lost);
        }
        if self.members.get(&id).is_some_and(Member::is_failing) {
            // It can be told now.
            self.give_up_connection(now, id);
        }
        if let Some(known) = self.members.get_mut(&id).filter(|known| known.is_connected()) {
            // Both ends came back to the server while their connection lived.
            close_all(&mut self.notices, warm.map(|warm| warm.connection));
            (known.epoch, known.session, known.listing) = (listed.epoch, member.session, Listing::Listed);
            (known.fingerprint, known.vault) = (member.fingerprint, member.vault);
            if let Some(link) = &mut known.link {
                link.met_again(polite, member.fingerprint);
            }
            return self.notices.push_back(Notice::Meet(id));
        }
        let old = self.members.remove(&id);
        if old.is_none() {
            let metadata = member.metadata.clone();
            self.notices.push_back(Notice::Arrived { id, metadata, session: member.session });
        }
        if let Some(old) = old {
            close_member(&mut self.notices, &old);
        }
        match error {
            None => {
                let pool = if polite { &mut self.joining } else { &mut self.resident };
                let warm = warm.or_else(|| pool.take_unused());
                member.connect(now, polite, listed.card.take(), warm);
                self.notices.push_back(Notice::Meet(id));
            }
            Some(error) => {
                close_all(&mut self.notices, warm.map(|warm| warm.connection));
                self.notices.push_back(Notice::LinkFailed(id, Some(error)));
            }
        }
        self.members.insert(id, member);
    }

    pub(super) fn remove(&mut self, id: PeerId, reason: LeaveReason) {
        if let Some(member) = self.members.remove(&id) {
            close_member(&mut self.notices, &member);
            self.notices.push_back(Notice::Left(id, reason));
        }
    }

    pub(super) fn owner(&self, connection: ConnectionId) -> Option<PeerId> {
        self.members.iter().find(|(_, member)| member.owns(connection)).map(|(id, _)| id)
    }

    fn link_of(&mut self, connection: ConnectionId) -> Option<&mut Link> {
        self.members.values_mut().find_map(|member| member.link_of(connection))
    }

    pub(super) fn with_link(&mut self, connection: ConnectionId, act: impl FnOnce(&mut Link)) {
        if let Some(link) = self.link_of(connection) {
            act(link);
        }
    }

    /// The other side has spoken on a new connection.
    pub(crate) fn heard(&mut self, now: u64, connection: ConnectionId) {
        self.with_link(connection, |link| link.reached(now, Stage::Heard));
    }

    pub(super) fn for_each_link(&mut self, act: impl Fn(&mut Link)) {
        for member in self.members.values_mut() {
            member.link.iter_mut().for_each(&act);
            member.lanes.links_mut().for_each(&act);
        }
    }

    pub(super) fn lane_output(&mut self, id: PeerId, lane: u8, output: Output) {
        let said = match output {
            Output::Do(command) => self.config.options.privacy.command(command).map(Notice::Do),
            Output::Open(start) => {
                let connection = self.open(start);
                if let Some(member) = self.members.get_mut(&id) {
                    member.lanes.opened(lane, connection);
                }
                None
            }
            Output::Send(envelope) => {
                envelope.encode().map(|envelope| Notice::Say(id, Control::Lane { lane, envelope }))
            }
            Output::Up(connection) => Some(Notice::LaneUp(id, connection)),
            Output::AttemptFailed | Output::Failed(_) => {
                if let Some(member) = self.members.get_mut(&id) {
                    member.lanes.end(lane);
                }
                None
            }
            Output::Down => None,
        };
        self.notices.extend(said);
    }

    pub(super) fn link_output(&mut self, id: PeerId, output: Output) {
        match output {
            Output::Do(command) => {
                let command = self.config.options.privacy.command(command);
                self.notices.extend(command.map(Notice::Do));
            }
            Output::Open(start) => {
                let connection = self.open(start);
                if let Some(link) = self.members.get_mut(&id).and_then(|m| m.link.as_mut()) {
                    link.opened(connection);
                }
            }
            Output::Send(envelope) => {
                let epoch = self.members.get(&id).map(|member| member.epoch);
                let envelope = envelope.encode().and_then(|envelope| self.veil_envelope(id, envelope));
                if let (Some(epoch), Some(envelope)) = (epoch, envelope) {
                    self.server.send(&ClientMessage::Signal { to: id, epoch, envelope });
                }
            }
            Output::Up(connection) => self.notices.push_back(Notice::LinkUp(id, connection)),
            Output::Down => {
                let lanes = self.members.get_mut(&id).map(|member| member.lanes.end_all());
                close_all(&mut self.notices, lanes.into_iter().flatten());
                self.notices.push_back(Notice::LinkDown(id));
            }
            Output::AttemptFailed => self.notices.push_back(Notice::LinkFailed(id, None)),
            Output::Failed(error) => self.notices.push_back(Notice::LinkFailed(id, Some(error))),
        }
    }
}
