//! How one pair of peers gets connected: cards first, then plain offer/answer, as a state machine.
//!
//! A link begins when the server makes two peers known to each other. The newcomer is *polite*, ICE controlled and
//! DTLS client; the resident is *impolite* and DTLS server. In generation 0 both hold an offer of their own and write
//! the other's answer from its card. When that fails (no card in time, refused, no path) either side starts the next
//! generation with a plain trickled offer on a fresh connection; if both do, the polite one yields ("perfect
//! negotiation", W3C WebRTC §10.7). At most one connection per link is alive at any time. Everything ends: in
//! `Connected`, or after [`timing::CONNECT_MS`] in an error.

mod cards;
mod offers;
mod revival;

use std::collections::VecDeque;

use crate::action::{Command, ConnectionId, Start};
use crate::attempts::{Attempt, Attempts, Stage};
use crate::budget::Budget;
use crate::candidate::Candidate;
use crate::card::Card;
use crate::envelope::Envelope;
use crate::failure::LinkError;
use crate::pool::Warm;
use crate::sdp;
use crate::signal::CardBytes;
use crate::{limits, timing};

/// What a link asks of the room around it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Pass on to the driver.
    Do(Command),
    /// A new connection, whose id the room gives by [`Link::opened`] at once.
    Open(Start),
    /// Send to the peer through the server.
    Send(Envelope),
    /// The channels are open.
    Up(ConnectionId),
    /// The connection broke; a new attempt has begun.
    Down,
    /// An attempt came to nothing; the next follows.
    AttemptFailed,
    /// Given up for now.
    Failed(LinkError),
}

#[derive(Debug)]
enum Phase {
    Card {
        mine: Option<CardBytes>,
        theirs: Option<Card>,
        applied: bool,
    },
    Offering {
        sdp: Option<String>,
        answered: bool,
    },
    Answering {
        offer_ufrag: String,
        sdp: Option<String>,
    },
    Connected,
    /// Between attempts, until `deadline`.
    Waiting,
    Failed,
}

/// One pair's way to a connection.
#[derive(Debug)]
pub(crate) struct Link {
    polite: bool,
    /// The certificate that the other side signed: no connection is made to another.
    fingerprint: [u8; 32],
    generation: u32,
    phase: Phase,
    connection: Option<ConnectionId>,
    /// Own candidates of this generation, for sending again.
    sent: Vec<Candidate>,
    /// The other side's, kept until its description is applied.
    early: Vec<(u32, Candidate)>,
    /// Those that our connection was given, by the other side's card or one by one.
    given: Vec<Candidate>,
    /// The browser looks for no way any more, though the connection is open.
    failing: bool,
    revivals: u32,
    /// End of the present phase.
    deadline: Option<u64>,
    resend_at: Option<u64>,
    resends: u32,
    give_up_at: u64,
    /// The attempt by cards is made without a TURN server, and gives way then to one that has it.
    gives_way_at: Option<u64>,
    /// Attempts that failed since there was a connection.
    attempts: u32,
    /// How often in a row all attempts have failed.
    failures: u32,
    /// Offers that lead to a connection, and late answers.
    offers: Budget,
    tried: Attempts,
    outputs: VecDeque<Output>,
}

impl Link {
    /// Starts with a meeting: `warm` is our connection for it if one is ready, `theirs` the other's card if known.
    pub(crate) fn meet(
        now: u64,
        polite: bool,
        fingerprint: [u8; 32],
        warm: Option<Warm>,
        theirs: Option<Card>,
    ) -> Self {
        let (theirs, forged) = match theirs {
            Some(card) if card.fingerprint != fingerprint => (None, true),
            theirs => (theirs, false),
        };
        let mut link = Self {
            polite,
            fingerprint,
            generation: 0,
            phase: Phase::Card { mine: None, theirs, applied: false },
            connection: None,
            sent: Vec::new(),
            early: Vec::new(),
            given: Vec::new(),
            failing: false,
            revivals: 0,
            deadline: Some(now + timing::CARD_EXCHANGE_MS),
            resend_at: Some(now + timing::RESEND_MS),
            resends: 0,
            give_up_at: now + timing::CONNECT_MS,
            gives_way_at: None,
            attempts: 0,
            failures: 0,
            offers: Budget::new(now, limits::MAX_ANEW_AT_ONCE, timing::ANEW_MS),
            tried: Attempts::default(),
            outputs: VecDeque::new(),
        };
        link.tried.begin(now, 0);
        match warm {
            None => link.outputs.push_back(Output::Open(Start::Offer { role_hint: polite })),
            Some(warm) => {
                link.connection = Some(warm.connection);
                if let Some(card) = warm.card {
                    if !warm.delivered {
                        link.send(Envelope::Card { card: card.clone() });
                    }
                    link.tried.reach(now, Stage::Described);
                    link.tried
                        .local(&Card::decode(&card).map(|card| card.candidates.to_vec()).unwrap_or_default());
                    link.card_ready(now, card);
                }
                for candidate in warm.late {
                    link.send_candidate(candidate);
                }
            }
        }
        if forged {
            link.fail(now, LinkError::WrongCertificate);
        }
        link
    }

    /// Starts one more connection beside the first. What it sends does not get lost, so it says nothing twice.
    pub(crate) fn lane(now: u64, polite: bool, fingerprint: [u8; 32]) -> Self {
        Self { resend_at: None, ..Self::meet(now, polite, fingerprint, None, None) }
    }

    /// Both ends came back to the server while their connection lived: generations start again.
    pub(crate) fn met_again(&mut self, polite: bool, fingerprint: [u8; 32]) {
        (self.polite, self.fingerprint) = (polite, fingerprint);
        self.generation = 0;
        self.early.clear();
    }

    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn wants_anything(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// What comes next is a connection to be made. It may wait: if it does so for too long, the attempt fails.
    pub(crate) fn wants_connection(&self) -> bool {
        matches!(self.outputs.front(), Some(Output::Open(_)))
    }

    /// A connection is there that is not open yet.
    pub(crate) fn is_pending(&self) -> bool {
        self.connection.is_some() && !self.is_connected()
    }

    /// The id for the connection asked for by [`Output::Open`].
    pub(crate) fn opened(&mut self, connection: ConnectionId) {
        self.connection = Some(connection);
        if self.remote_is_applied() {
            self.flush_early();
        }
    }

    pub(crate) fn connection(&self) -> Option<ConnectionId> {
        self.connection
    }

    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected)
    }

    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.phase, Phase::Failed)
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        let resend = self.resend_at.filter(|_| self.resends < timing::RESENDS);
        timing::earliest(&[self.deadline, resend, self.gives_way_at])
    }

    /// What was tried.
    pub(crate) fn attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.tried.iter()
    }

    /// The local description of our connection is set.
    pub(crate) fn local_description(&mut self, now: u64, sdp: &str) {
        self.tried.reach(now, Stage::Described);
        match &mut self.phase {
            Phase::Card { mine: None, .. } => {
                let card = sdp::parse_local(sdp).ok().and_then(|card| card.encode().try_into().ok());
                match card {
                    Some(card) => {
                        let card: CardBytes = card;
                        self.send(Envelope::Card { card: card.clone() });
                        self.card_ready(now, card);
                    }
                    // A description this version cannot put in a card: the plain way carries it whole.
                    None => self.attempt_failed(now),
                }
            }
            Phase::Offering { sdp: slot, .. } | Phase::Answering { sdp: slot, .. } => {
                *slot = Some(sdp.to_owned());
                self.send_description();
            }
            _ => {}
        }
    }

    /// Our connection found a candidate.
    pub(crate) fn local_candidate(&mut self, candidate: Candidate) {
        if !matches!(self.phase, Phase::Connected | Phase::Failed | Phase::Waiting) {
            self.send_candidate(candidate);
        }
    }

    /// An attempt came so far. What follows from some stages has functions of its own.
    pub(crate) fn reached(&mut self, now: u64, stage: Stage) {
        self.tried.reach(now, stage);
    }

    /// The channels of our connection are open.
    pub(crate) fn channels_open(&mut self, now: u64) {
        self.tried.reach(now, Stage::Open);
        if let (Some(connection), false) = (self.connection, self.is_connected()) {
            self.phase = Phase::Connected;
            self.attempts = 0;
            self.failures = 0;
            (self.deadline, self.gives_way_at) = (None, None);
            self.resend_at = None;
            self.sent.clear();
            self.early.clear();
            self.outputs.push_back(Output::Up(connection));
        }
    }

    /// Our connection failed, or an action on it did.
    pub(crate) fn connection_lost(&mut self, now: u64) {
        self.connection = None;
        self.tried.end(now);
        if self.is_connected() {
            self.give_up_at = now + timing::CONNECT_MS;
            self.outputs.push_back(Output::Down);
        }
        self.attempt_failed(now);
    }

    /// An envelope of the present stay of both peers.
    pub(crate) fn envelope(&mut self, now: u64, envelope: Envelope) {
        match envelope {
            Envelope::Card { card } => self.card(now, &card),
            Envelope::Candidate { generation, candidate } => self.candidate(generation, candidate),
            Envelope::Offer { generation, sdp } => self.offer(now, generation, &sdp),
            Envelope::Answer { generation, sdp } => self.answer(now, generation, &sdp),
            // The room has looked at it already.
            Envelope::Proof => {}
            Envelope::GaveUp => {
                if !self.is_connected() {
                    self.fail(now, LinkError::PeerGaveUp);
                }
            }
        }
    }

    pub(crate) fn timed_out(&mut self, now: u64) {
        if self.resend_at.is_some_and(|at| at <= now) && self.resends < timing::RESENDS {
            self.resends += 1;
            self.resend_at = Some(now + (timing::RESEND_MS << self.resends));
            self.resend();
        }
        if self.gives_way_at.is_some_and(|at| at <= now) {
            // At once, as the other side has had one all the time and does not begin.
            return self.start_offer(now);
        }
        if self.deadline.is_some_and(|at| at <= now) {
            match self.phase {
                Phase::Connected => self.deadline = None,
                Phase::Failed => self.retry(now),
                Phase::Waiting => self.start_offer(now),
                _ => self.attempt_failed(now),
            }
        }
    }

    /// There is a TURN server now, of which the connection for the attempt by cards does not know: it has until then.
    pub(crate) fn give_way(&mut self, at: u64) {
        if self.polite && matches!(self.phase, Phase::Card { .. }) {
            self.gives_way_at = Some(at);
        }
    }

    /// Try at once instead of waiting, for a network that came back.
    pub(crate) fn retry(&mut self, now: u64) {
        if self.failing {
            return self.revive();
        }
        if matches!(self.phase, Phase::Failed | Phase::Waiting) {
            self.give_up_at = now + timing::CONNECT_MS;
            self.start_offer(now);
        }
    }

    /// Whether a card or description is for a connection to somebody else. Nothing is made of it; where there is a
    /// connection already, that goes on.
    fn is_forged(&mut self, now: u64, fingerprint: Option<[u8; 32]>) -> bool {
        let forged = fingerprint != Some(self.fingerprint);
        if forged && !self.is_connected() {
            self.fail(now, LinkError::WrongCertificate);
        }
        forged
    }

    fn send(&mut self, envelope: Envelope) {
        self.outputs.push_back(Output::Send(envelope));
    }

    fn send_candidate(&mut self, candidate: Candidate) {
        if self.sent.len() < limits::MAX_CANDIDATES {
            self.tried.local(std::slice::from_ref(&candidate));
            self.sent.push(candidate.clone());
            self.send(Envelope::Candidate { generation: self.generation, candidate });
        }
    }

    fn send_description(&mut self) {
        let generation = self.generation;
        let envelope = match &self.phase {
            Phase::Card { mine: Some(card), .. } => Some(Envelope::Card { card: card.clone() }),
            Phase::Offering { sdp: Some(sdp), answered: false } => {
                sdp.as_str().try_into().ok().map(|sdp| Envelope::Offer { generation, sdp })
            }
            Phase::Answering { sdp: Some(sdp), .. } => {
                sdp.as_str().try_into().ok().map(|sdp| Envelope::Answer { generation, sdp })
            }
            _ => None,
        };
        if let Some(envelope) = envelope {
            self.send(envelope);
        }
    }

    fn resend(&mut self) {
        self.send_description();
        for candidate in self.sent.clone() {
            self.send(Envelope::Candidate { generation: self.generation, candidate });
        }
    }

    fn remote_is_applied(&self) -> bool {
        match &self.phase {
            Phase::Card { applied, .. } => *applied,
            Phase::Offering { answered, .. } => *answered,
            Phase::Answering { .. } => true,
            _ => false,
        }
    }

    fn candidate(&mut self, generation: u32, candidate: Candidate) {
        if generation < self.generation || self.early.len() >= limits::MAX_CANDIDATES {
            return;
        }
        if self.is_connected() && generation == self.generation {
            return;
        }
        self.early.push((generation, candidate));
        if self.remote_is_applied() {
            self.flush_early();
        }
    }

    fn flush_early(&mut self) {
        let Some(connection) = self.connection else { return };
        let generation = self.generation;
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.early).into_iter().partition(|(g, _)| *g == generation);
        self.early = later;
        for (_, candidate) in due {
            if self.given.len() < limits::MAX_CANDIDATES {
                self.tried.remote(std::slice::from_ref(&candidate));
                self.outputs.push_back(Output::Do(Command::AddCandidate(connection, candidate.to_line())));
                self.given.push(candidate);
            }
        }
    }
}
