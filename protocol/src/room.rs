//! One member's view of a room: the link to the server, who is here, and a link to each of them.
//!
//! A room warms connections, joins with their cards, keeps cards deposited for newcomers, joins again by itself when the
//! server is lost, and ends in [`Event::Closed`] exactly once. What it finds out it tells the [node](crate::node) around
//! it, which holds the sessions.

mod ice;
mod joining;
mod kick;
mod openings;
mod presence;
mod proof;
mod trust;
mod veil;

use std::collections::VecDeque;

use crate::action::{Command, ConnectionId, Event, Input, SignalingState};
use crate::attempts::{self, Stage};
use crate::budget::Budget;
use crate::control::Control;
use crate::failure::{KickError, LinkError, RoomError};
use crate::hello::{Hello, SessionHello};
use crate::id::{PeerId, ResumeToken};
use crate::identity::Secrets;
use crate::lanes::End;
use crate::link::Link;
use crate::members::Member;
use crate::pool::Pool;
use crate::safety::Comparison;
use crate::seal::{self, Heard, Seal, SecretKey};
use crate::server_link::{ServerEvent, ServerLink};
use crate::session::{Listing, Options, RelayMode};
use crate::signal::{ClientMessage, EnvelopeBytes, LeaveReason, PacketBytes, Refusal, TokenText};
use crate::sorted_map::SortedMap;
use crate::vault::Vault;
use crate::{codec, limits, timing};
use ice::Ice;
use openings::Openings;
use proof::Stranger;
use trust::{Inbox, Pledge};

/// What a room is made of.
#[derive(Debug, Clone)]
pub struct Config {
    /// The room's name.
    pub room: String,
    /// Keeps the room to those who know it: see [`vault`](crate::vault).
    pub secret: Option<String>,
    /// Keeps it to those who know a passphrase, of which this is our [share](crate::passphrase::Passphrase::share).
    pub share: Option<[u8; 32]>,
    /// What we say of ourselves.
    pub hello: Hello,
    /// How long the first join may take, in milliseconds; [`timing::JOIN_MS`] is usual.
    pub join_timeout_ms: u64,
    /// What the page kept from its last visit by [`Command::KeepToken`], to come back under the same id; or what the
    /// application keeps for longer than a visit.
    pub resume: Option<ResumeToken>,
    /// Whether the application gives an admission token for each join: see [`Event::TokenWanted`].
    pub gives_tokens: bool,
    /// How sessions behave.
    pub options: Options,
    /// 256 random bits from a source fit for keys, drawn anew for every node.
    pub entropy: [u8; 32],
}

/// What a room tells the node.
#[derive(Debug)]
pub(crate) enum Notice {
    Do(Command),
    Tell(Event),
    /// A member is here that was not here before. Without a hello there will be no session with it.
    Arrived {
        id: PeerId,
        metadata: String,
        session: Option<SessionHello>,
    },
    /// The server lists the member from now on, in a new stay of it or of ours.
    Meet(PeerId),
    /// The server does not list the member any more.
    Unlisted(PeerId, Listing),
    /// The channels of the link's connection are open.
    LinkUp(PeerId, ConnectionId),
    /// They are not any more.
    LinkDown(PeerId),
    /// The channels of one more connection to a member are open.
    LaneUp(PeerId, ConnectionId),
    /// They are not any more.
    LaneDown(PeerId, ConnectionId),
    /// To be said to a member over its first connection.
    Say(PeerId, Control),
    /// An attempt to connect directly has failed, or, with an error, all have.
    LinkFailed(PeerId, Option<LinkError>),
    /// A member is gone.
    Left(PeerId, LeaveReason),
    /// A sealed packet from a member, of its present stay.
    Relayed(PeerId, PacketBytes),
    /// The server passes nothing on to this member for a while.
    Throttled(PeerId, u64),
    /// What the server passes on in all: bytes per second, and at once.
    Policy(u32, u32),
    /// The server is lost; nobody is listed for now.
    ServerLost,
}

/// When cards are to be deposited: now, if there is time, and at the latest then.
#[derive(Debug, Clone, Copy)]
struct Fill {
    at: u64,
    latest: u64,
}

#[derive(Default)]
struct HeardStays(SortedMap<[u8; 32], Heard>);

impl std::fmt::Debug for HeardStays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HeardStays({})", self.0.len())
    }
}

/// One member's room. See the [module](self).
#[derive(Debug)]
pub(crate) struct Room {
    config: Config,
    /// Names this page to others; see [`SessionHello::page`].
    page: [u8; 8],
    /// Joins so far, each with a key of its own.
    stays: u32,
    /// That of this stay.
    key: Option<SecretKey>,
    /// Seals given out so far.
    seals: u64,
    /// How far each stay of a peer was heard during this one of ours, by its key: also of those that have left, or a server
    /// could have them back and repeat what they said.
    heard: HeardStays,
    server: ServerLink,
    /// A warm-up before the first or a later join ends at this time.
    warm_until: Option<u64>,
    /// What our identity is made of, also after a reload; and once something was signed, its key and the id that follows from it.
    root: ResumeToken,
    secrets: Secrets,
    identity: Option<([u8; 32], PeerId)>,
    /// The certificate of our connections, once one of them has shown it.
    fingerprint: Option<[u8; 32]>,
    /// Connections that failed before one has.
    barren: u8,
    pledge: Pledge,
    inbox: Inbox,
    /// Of a room with a secret.
    vault: Option<Vault>,
    /// Nonces drawn so far.
    nonces: u32,
    /// Codes begun so far.
    comparisons: u32,
    /// The application is asked for a token until then.
    token_until: Option<u64>,
    /// What it gave for the next join.
    token: Option<TokenText>,
    joining: Pool,
    /// The cards that went out with the join, by index.
    join_tags: Vec<u32>,
    resident: Pool,
    /// When cards are deposited in place of those that are given out.
    fill: Option<Fill>,
    renew_cards_at: Option<u64>,
    members: SortedMap<PeerId, Member>,
    /// Of a room with a passphrase: who has not shown yet to know it.
    strangers: Vec<Stranger>,
    guesses: Budget,
    /// Members that the server was asked to send away, and until when it may answer.
    kicks: Vec<(PeerId, u64)>,
    openings: Openings,
    ice: Ice,
    next_connection: u32,
    notices: VecDeque<Notice>,
    /// Goodbyes are on their way until then.
    leaving_until: Option<u64>,
    closed: bool,
}

impl Room {
    /// A room that does nothing until [`Input::Start`].
    ///
    /// # Errors
    /// `bad-room` when the name is empty, over 128 bytes, or holds control characters.
    pub(crate) fn new(config: Config) -> Result<Self, RoomError> {
        let name = &config.room;
        if name.is_empty() || name.len() > limits::MAX_ROOM_NAME_BYTES || name.chars().any(char::is_control) {
            let detail = "a room's name has 1 to 128 bytes and no control characters".to_owned();
            return Err(RoomError::Refused(Refusal::BadRoom, detail));
        }
        let [jitter, page] =
            ["jitter", "page"].map(|label| first_bytes(&seal::derive(&config.entropy, label, 0)));
        let root = config.resume.unwrap_or_else(|| ResumeToken(seal::derive(&config.entropy, "identity", 0)));
        if config.secret.is_some() && config.share.is_some() {
            return Err(RoomError::BadPassphrase);
        }
        let vault = match &config.secret {
            Some(secret) => Some(Vault::new(secret, &config.room).ok_or(RoomError::BadSecret)?),
            None => None,
        };
        Ok(Self {
            vault,
            nonces: 0,
            comparisons: 0,
            server: ServerLink::new(config.join_timeout_ms, u64::from_le_bytes(jitter)),
            root,
            secrets: root.secrets(),
            identity: None,
            fingerprint: None,
            barren: 0,
            pledge: Pledge::None,
            inbox: Inbox::default(),
            page,
            stays: 0,
            key: None,
            seals: 0,
            heard: HeardStays::default(),
            config,
            warm_until: None,
            token_until: None,
            token: None,
            joining: Pool::default(),
            join_tags: Vec::new(),
            resident: Pool::default(),
            fill: None,
            renew_cards_at: None,
            members: SortedMap::default(),
            strangers: Vec::new(),
            guesses: proof::guesses(),
            kicks: Vec::new(),
            openings: Openings::new(),
            ice: Ice::default(),
            next_connection: 1,
            notices: VecDeque::new(),
            leaving_until: None,
            closed: false,
        })
    }

    /// Our id, once let in.
    pub(crate) fn id(&self) -> Option<PeerId> {
        self.server.id()
    }

    /// The name and the options it was made with.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn poll(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// What seals the packets to and from a listed member, in its present stay and ours. None when either does without,
    /// or the member's key is none.
    ///
    /// A server that tells of one stay twice, or of its policy again, has this asked for again. No two seals may then
    /// count alike under the same keys, so each has numbers of its own.
    pub(crate) fn seal(&mut self, id: PeerId) -> Option<Seal> {
        let member = self.members.get(&id).filter(|member| member.listing == Listing::Listed)?;
        let theirs = member.session.filter(|theirs| theirs.relay)?;
        if !self.server.is_up() || self.config.options.relay == RelayMode::Never {
            return None;
        }
        let secret = self.vault_with(member).map(Vault::packets);
        let seal = Seal::new(self.key.as_ref()?, self.id()?, &theirs.key, id, &self.config.room, secret)?;
        let first = self.seals << 32;
        self.seals += 1;
        let heard = self.heard.0.get_or_insert_with(theirs.key, Heard::default);
        Some(seal.counting_from(first).hearing(heard.clone()))
    }

    /// What a code for people to compare is made of, between a member and us. Each has a number of its own.
    pub(crate) fn comparison(&mut self, id: PeerId) -> Comparison {
        self.comparisons += 1;
        let number = seal::derive(&self.config.entropy, "safety code", self.comparisons);
        let theirs = self.members.get(&id).map(|member| member.fingerprint).unwrap_or_default();
        let ours = (self.our_id(), self.fingerprint.unwrap_or_default());
        Comparison::new(ours, (id, theirs), number)
    }

    /// How far the last attempt to join came.
    pub(crate) fn steps(&self) -> attempts::Joining {
        self.server.steps()
    }

    /// What connects with a member.
    pub(crate) fn link(&self, id: PeerId) -> Option<&Link> {
        self.members.get(&id)?.link.as_ref()
    }

    /// Whether a connection is a member's.
    pub(crate) fn is_in_use(&self, connection: ConnectionId) -> bool {
        self.owner(connection).is_some()
    }

    /// The message that has the server pass a sealed packet on to a member.
    pub(crate) fn relay_message(&self, to: PeerId, packet: Vec<u8>) -> Option<Vec<u8>> {
        let epoch = self.members.get(&to)?.epoch;
        let packet = packet.try_into().ok()?;
        self.server.is_up().then(|| codec::encode(&ClientMessage::Relay { to, epoch, packet }))
    }

    /// The connection of a member's link failed, or is of no use.
    pub(crate) fn give_up_connection(&mut self, now: u64, id: PeerId) {
        if let Some(connection) = self.members.get(&id).and_then(Member::connection) {
            self.connection_lost(now, connection);
            self.pump(now);
        }
    }

    /// A lane is of no use any more.
    pub(crate) fn give_up_lane(&mut self, now: u64, connection: ConnectionId) {
        self.connection_lost(now, connection);
        self.pump(now);
    }

    /// A member could be sent more if there were more connections to it.
    pub(crate) fn begin_lanes(&mut self, now: u64, id: PeerId) {
        if let Some((member, end)) = self.laned(id) {
            member.lanes.begin(now, end);
            self.pump(now);
        }
    }

    /// What a member said of a lane.
    pub(crate) fn lane_said(&mut self, now: u64, id: PeerId, lane: u8, envelope: &EnvelopeBytes) {
        if let Some((member, end)) = self.laned(id) {
            member.lanes.envelope(now, end, lane, envelope);
            self.pump(now);
        }
    }

    /// A connected member, and our end of its lanes. Both ends find alike who is polite.
    fn laned(&mut self, id: PeerId) -> Option<(&mut Member, End)> {
        let polite = self.id()? < id;
        let member = self.members.get_mut(&id).filter(|member| member.is_connected())?;
        let fingerprint = member.fingerprint;
        Some((member, End { polite, fingerprint }))
    }

    /// A member is gone, as its session found out or as it said itself.
    pub(crate) fn forget(&mut self, id: PeerId, reason: LeaveReason) {
        self.remove(id, reason);
    }

    /// Asks the server for a sign of life, to be given soon: paths have fallen silent.
    pub(crate) fn check_server(&mut self, now: u64) {
        self.server.check(now);
        self.pump_server_commands();
    }

    /// Everybody we knew has given us up meanwhile: comes back as a new page under the same id.
    pub(crate) fn start_over(&mut self, now: u64) {
        self.stays += 1;
        self.page = first_bytes(&seal::derive(&self.config.entropy, "page", self.stays));
        let ids: Vec<_> = self.members.keys().collect();
        for id in ids {
            self.remove(id, LeaveReason::Lost);
        }
        self.server.restart(now);
        self.pump(now);
    }

    /// Says goodbye to the server and closes everything, to [start over](Self::start_over) later.
    pub(crate) fn park(&mut self) {
        self.server.send(&ClientMessage::Leave);
        self.pump_server_commands();
        self.drop_cards();
        let ids: Vec<_> = self.members.keys().collect();
        for id in ids {
            self.remove(id, LeaveReason::Left);
        }
        self.server.park();
        self.pump_server_commands();
        (self.warm_until, self.token_until) = (None, None);
    }

    fn pump_server_commands(&mut self) {
        while let Some(event) = self.server.poll() {
            if let ServerEvent::Do(command) = event {
                self.server_command(command);
            }
        }
    }

    fn server_command(&mut self, command: Command) {
        if let Command::CloseSocket { .. } = command {
            // What came from it and is not read yet is not to be believed any more.
            self.inbox.clear();
            self.strangers.clear();
        }
        let asks = matches!(command, Command::OpenSocket { .. });
        self.notices.push_back(Notice::Do(command));
        if asks {
            self.warm_more();
        }
    }

    /// When to feed [`Input::TimedOut`], in the same clock as `now`.
    pub(crate) fn deadline(&self) -> Option<u64> {
        if self.closed || self.leaving_until.is_some() {
            return self.leaving_until.filter(|_| !self.closed);
        }
        let members = self.members.values().filter_map(Member::deadline).min();
        timing::earliest(&[
            self.server.deadline(),
            self.warm_until,
            self.token_until,
            self.fill.map(|fill| fill.at),
            self.renew_cards_at,
            self.kicks.iter().map(|(_, until)| *until).min(),
            self.openings.deadline(),
            self.ice.deadline(),
            members,
        ])
    }

    /// Feeds one input. `now` is in milliseconds on any clock that never goes back.
    pub(crate) fn handle(&mut self, now: u64, input: Input) {
        if self.closed {
            return;
        }
        if let Some(until) = self.leaving_until {
            if now >= until {
                self.close(None);
            }
            return;
        }
        match input {
            Input::Start => self.warm_up(now),
            Input::SocketOpened => self.server.opened(now),
            Input::SocketMessage(bytes) => self.server.message(now, &bytes),
            Input::SocketClosed => {
                self.inbox.clear();
                self.strangers.clear();
                self.server.closed(now);
            }
            Input::ServerAnswers(answers) => self.server.answers(now, answers),
            Input::Token(token) => self.token_given(now, token),
            Input::IceServers => self.ice.given(now),
            Input::Signed(number, signed) => self.signed(now, number, signed),
            Input::Checked(number, verdict) => self.checked(now, number, verdict),
            Input::LocalDescription(id, sdp) => self.local_description(now, id, sdp),
            Input::LocalCandidate(id, line) => self.local_candidate(now, id, &line),
            Input::GatheringComplete(id) => {
                self.joining.gathered(id);
                self.resident.gathered(id);
                self.cards_changed(now);
            }
            Input::ChannelsOpen(id) => self.with_link(id, |link| link.channels_open(now)),
            Input::ConnectionFailed(id) => self.connection_failed(now, id),
            Input::ConnectionWorks(id) => self.with_link(id, |link| link.works(now)),
            Input::IceConnected(id) => self.with_link(id, |link| link.reached(now, Stage::Found)),
            Input::ConnectionLost(id) => self.connection_lost(now, id),
            Input::TimedOut => self.timed_out(now),
            Input::Online => {
                self.server.online(now);
                self.for_each_link(|link| link.retry(now));
            }
            Input::Kick(id, reason) => self.kick(now, id, reason),
            Input::Leave | Input::Unload => self.leave(now),
            // The node sees to these.
            Input::Suspend | Input::Resume => {}
        }
        self.pump(now);
    }

    /// Until neither the server link nor any link wants more: what a link says goes out by the server link, at once.
    fn pump(&mut self, now: u64) {
        loop {
            self.pump_server(now);
            self.pump_links(now);
            if self.closed || self.server.is_quiet() {
                return;
            }
        }
    }

    fn pump_server(&mut self, now: u64) {
        // What ends the room may have more behind it.
        while !self.closed
            && let Some(event) = self.server.poll()
        {
            match event {
                ServerEvent::Do(command) => self.server_command(command),
                ServerEvent::Message(message) => self.server_message(now, message),
                ServerEvent::State(state) => {
                    if state == SignalingState::Reconnecting {
                        self.drop_cards();
                        self.members.values_mut().for_each(|member| member.listing = Listing::Away);
                        self.notices.push_back(Notice::ServerLost);
                        self.ice.server_lost();
                        self.settle_kicks(Err(KickError::NoServer), None, u64::MAX);
                    }
                    self.notify(Event::Signaling(state));
                }
                ServerEvent::Rejoin => {
                    // Cards of a join that came to nothing may be in others' hands: new ones for the next.
                    self.drop_cards();
                    self.want_ice_servers(now);
                    self.warm_up(now);
                }
                ServerEvent::Forbidden => self.settle_kicks(Err(KickError::Forbidden), None, u64::MAX),
                ServerEvent::Failed(error) => return self.close(Some(error)),
            }
        }
    }

    fn timed_out(&mut self, now: u64) {
        // Before the server, whose time may be up at once: what is missing is a token.
        if self.token_until.is_some_and(|at| at <= now) {
            self.token_given(now, None);
        }
        self.server.timed_out(now);
        if self.warm_until.is_some_and(|at| at <= now) {
            self.join(now);
        }
        self.renew_ice_servers(now);
        if self.renew_cards_at.is_some_and(|at| at <= now) {
            close_all(&mut self.notices, self.resident.drain());
            self.renew_cards_at = None;
            self.server.send(&ClientMessage::Deposit { replace: true, cards: Default::default() });
            self.fill_cards(now);
        }
        if self.fill.is_some_and(|fill| fill.at <= now) {
            self.fill_cards_unless_busy(now);
        }
        self.settle_kicks(Err(KickError::NoServer), None, now);
        self.for_each_link(|link| link.timed_out(now));
    }

    /// Says goodbye to the server, and closes when that, and the goodbyes on the connections, had time to go out.
    fn leave(&mut self, now: u64) {
        let linger_ms = if self.members.values().any(Member::is_connected) { timing::GOODBYE_MS } else { 0 };
        self.server.send(&ClientMessage::Leave);
        self.pump_server_commands();
        self.leaving_until = Some(now + linger_ms);
        if linger_ms == 0 {
            self.close(None);
        }
    }

    fn close(&mut self, error: Option<RoomError>) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.drop_cards();
        self.members.values().for_each(|member| close_member(&mut self.notices, member));
        self.members.clear();
        self.notices.push_back(Notice::Do(Command::CloseSocket { will_return: false }));
        self.notify(Event::Signaling(SignalingState::Closed));
        self.notify(Event::Closed(error));
    }

    fn notify(&mut self, event: Event) {
        self.notices.push_back(Notice::Tell(event));
    }
}

fn close_all(notices: &mut VecDeque<Notice>, connections: impl IntoIterator<Item = ConnectionId>) {
    notices.extend(connections.into_iter().map(|id| Notice::Do(Command::CloseConnection(id))));
}

/// The first connection of a member, and those of its lanes.
fn close_member(notices: &mut VecDeque<Notice>, member: &Member) {
    close_all(notices, member.connection());
    for lane in member.lanes.links() {
        close_all(notices, lane.connection());
    }
}

fn first_bytes(secret: &[u8; 32]) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&secret[..8]);
    bytes
}
