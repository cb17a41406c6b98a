//! How one pair of peers gets connected: cards first, then plain offer/answer, as a state machine.
//!
//! A link begins when the server makes two peers known to each other. The newcomer is *polite*, ICE controlled and
//! DTLS client; the resident is *impolite* and DTLS server. In generation 0 both hold an offer of their own and write
//! the other's answer from its card. When that fails (no card in time, refused, no path) either side starts the next
//! generation with a plain trickled offer on a fresh connection; if both do, the polite one yields ("perfect
//! negotiation", W3C WebRTC §10.7). At most one connection per link is alive at any time. Everything ends: in
//! `Connected`, or after [`timing::CONNECT_MS`] in an error.

use std::collections::VecDeque;

use crate::action::{Action, ConnectionId, Start};
use crate::candidate::Candidate;
use crate::card::Card;
use crate::envelope::Envelope;
use crate::sdp::{self, DtlsRole, SdpKind};
use crate::signal::CardBytes;
use crate::{limits, timing};

/// Why there is no connection to a peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// No attempt led to an open connection in time.
    #[error("no connection to the peer within {seconds} s: no network path, or it is unreachable", seconds = timing::CONNECT_MS / 1000)]
    NoPath,
    /// The other side stopped trying.
    #[error("the peer found no way to connect and stopped trying")]
    PeerGaveUp,
    /// The other side's protocol does not fit ours.
    #[error(transparent)]
    Protocol(#[from] crate::hello::ProtocolError),
}

impl LinkError {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoPath => "no-path",
            Self::PeerGaveUp => "peer-gave-up",
            Self::Protocol(error) => error.code(),
        }
    }
}

/// What a link asks of the room around it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Pass on to the driver.
    Do(Action),
    /// A new connection, whose id the room gives by [`Link::opened`] at once.
    Open(Start),
    /// Send to the peer through the server.
    Send(Envelope),
    /// The channels are open.
    Up(ConnectionId),
    /// The connection broke; a new attempt has begun.
    Down,
    /// Given up.
    Failed(LinkError),
}

/// A connection with its local card, ready before its peer was known.
#[derive(Debug)]
pub(crate) struct Warm {
    pub(crate) connection: ConnectionId,
    /// The encoded card once the local description is set.
    pub(crate) card: Option<CardBytes>,
    /// Candidates found after the card was made.
    pub(crate) late: Vec<Candidate>,
    /// The server handed the card to this peer already.
    pub(crate) delivered: bool,
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
    generation: u32,
    phase: Phase,
    connection: Option<ConnectionId>,
    /// Own candidates of this generation, for sending again.
    sent: Vec<Candidate>,
    /// The other side's, kept until its description is applied.
    early: Vec<(u32, Candidate)>,
    taken: usize,
    /// End of the present phase.
    deadline: Option<u64>,
    resend_at: Option<u64>,
    resends: u32,
    give_up_at: u64,
    outputs: VecDeque<Output>,
}

impl Link {
    /// Starts with a meeting: `warm` is our connection for it if one is ready, `theirs` the other's card if known.
    pub(crate) fn meet(now: u64, polite: bool, warm: Option<Warm>, theirs: Option<Card>) -> Self {
        let mut link = Self {
            polite,
            generation: 0,
            phase: Phase::Card { mine: None, theirs, applied: false },
            connection: None,
            sent: Vec::new(),
            early: Vec::new(),
            taken: 0,
            deadline: Some(now + timing::CARD_EXCHANGE_MS),
            resend_at: Some(now + timing::RESEND_MS),
            resends: 0,
            give_up_at: now + timing::CONNECT_MS,
            outputs: VecDeque::new(),
        };
        match warm {
            None => link.outputs.push_back(Output::Open(Start::Offer { role_hint: polite })),
            Some(warm) => {
                link.connection = Some(warm.connection);
                if let Some(card) = warm.card {
                    if !warm.delivered {
                        link.send(Envelope::Card { card: card.clone() });
                    }
                    link.card_ready(now, card);
                }
                for candidate in warm.late {
                    link.send_candidate(candidate);
                }
            }
        }
        link
    }

    /// Both ends came back to the server while their connection lived: generations start again.
    pub(crate) fn met_again(&mut self, polite: bool) {
        self.polite = polite;
        self.generation = 0;
        self.early.clear();
    }

    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
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
        [self.deadline, resend].into_iter().flatten().min()
    }

    /// The local description of our connection is set.
    pub(crate) fn local_description(&mut self, now: u64, sdp: &str) {
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
            Phase::Offering { sdp: slot, .. } => {
                *slot = Some(sdp.to_owned());
                self.send_description();
            }
            Phase::Answering { sdp: slot, .. } => {
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

    /// The channels of our connection are open.
    pub(crate) fn channels_open(&mut self) {
        if let (Some(connection), false) = (self.connection, self.is_connected()) {
            self.phase = Phase::Connected;
            self.deadline = None;
            self.resend_at = None;
            self.sent.clear();
            self.early.clear();
            self.outputs.push_back(Output::Up(connection));
        }
    }

    /// Our connection failed, or an action on it did.
    pub(crate) fn connection_lost(&mut self, now: u64) {
        self.connection = None;
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
            Envelope::Answer { generation, sdp } => self.answer(generation, &sdp),
            Envelope::GaveUp => {
                if !self.is_connected() {
                    self.fail(LinkError::PeerGaveUp);
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
        if self.deadline.is_some_and(|at| at <= now) {
            match self.phase {
                Phase::Connected | Phase::Failed => self.deadline = None,
                Phase::Waiting => self.start_offer(now),
                _ => self.attempt_failed(now),
            }
        }
    }

    /// Try at once instead of waiting, for a network that came back.
    pub(crate) fn retry(&mut self, now: u64) {
        if matches!(self.phase, Phase::Failed | Phase::Waiting) {
            self.give_up_at = now + timing::CONNECT_MS;
            self.start_offer(now);
        }
    }

    fn send(&mut self, envelope: Envelope) {
        self.outputs.push_back(Output::Send(envelope));
    }

    fn send_candidate(&mut self, candidate: Candidate) {
        if self.sent.len() < limits::MAX_CANDIDATES {
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

    fn card_ready(&mut self, now: u64, card: CardBytes) {
        if let Phase::Card { mine, .. } = &mut self.phase {
            *mine = Some(card);
        }
        self.apply_card(now);
    }

    fn card(&mut self, now: u64, bytes: &[u8]) {
        let Ok(card) = Card::decode(bytes) else {
            if matches!(self.phase, Phase::Card { .. }) {
                self.attempt_failed(now);
            }
            return;
        };
        match &mut self.phase {
            Phase::Card { theirs: slot @ None, .. } => {
                *slot = Some(card);
                self.apply_card(now);
            }
            // Not the card we were handed by the server: the other side dropped that one meanwhile.
            Phase::Card { theirs: Some(known), .. } if known.ufrag != card.ufrag => self.attempt_failed(now),
            // The same card again, or one that came too late: generations above 0 go by offers.
            _ => {}
        }
    }

    /// Both cards known: each side writes the other's answer itself.
    fn apply_card(&mut self, now: u64) {
        let Phase::Card { mine: Some(_), theirs: Some(theirs), applied } = &mut self.phase else { return };
        let (Some(connection), false) = (self.connection, *applied) else { return };
        *applied = true;
        let remote_role = if self.polite { DtlsRole::Server } else { DtlsRole::Client };
        let answer = sdp::write_answer(theirs, remote_role);
        self.deadline = Some(now + timing::CARD_CONNECT_MS);
        self.outputs.push_back(Output::Do(Action::SetAnswer(connection, answer)));
        self.flush_early();
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
        let (now_due, later) =
            std::mem::take(&mut self.early).into_iter().partition(|(g, _)| *g == generation);
        self.early = later;
        for (_, candidate) in Vec::from_iter::<Vec<(u32, Candidate)>>(now_due) {
            if self.taken < limits::MAX_CANDIDATES {
                self.taken += 1;
                self.outputs.push_back(Output::Do(Action::AddCandidate(connection, candidate.to_line())));
            }
        }
    }

    fn offer(&mut self, now: u64, generation: u32, sdp: &str) {
        let Ok(clean) = sdp::sanitize(SdpKind::Offer, sdp) else { return };
        let ufrag = sdp::ufrag(&clean).unwrap_or_default().to_owned();
        // A stranger's generation is a number like any other; far ahead of ours it can only be an attack on the counter.
        if generation == 0 || generation < self.generation || generation - self.generation > 1_000 {
            return;
        }
        if generation == self.generation {
            match &self.phase {
                Phase::Answering { offer_ufrag, .. } if *offer_ufrag == ufrag => {
                    return self.send_description();
                }
                Phase::Offering { answered: false, .. } if self.polite => {}
                Phase::Waiting | Phase::Failed => {}
                _ => return,
            }
        }
        if self.is_connected() {
            self.outputs.push_back(Output::Down);
        }
        if matches!(self.phase, Phase::Connected | Phase::Failed) {
            self.give_up_at = now + timing::CONNECT_MS;
        }
        self.begin(now, generation, Phase::Answering { offer_ufrag: ufrag, sdp: None }, timing::OFFER_MS);
        self.outputs.push_back(Output::Open(Start::Answer { offer: clean }));
    }

    fn answer(&mut self, generation: u32, sdp: &str) {
        let Phase::Offering { answered: answered @ false, .. } = &mut self.phase else { return };
        let Some(connection) = self.connection else { return };
        if generation != self.generation {
            return;
        }
        let Ok(clean) = sdp::sanitize(SdpKind::Answer, sdp) else { return };
        *answered = true;
        self.outputs.push_back(Output::Do(Action::SetAnswer(connection, clean)));
        self.flush_early();
    }

    /// Closes what there was and enters a new generation.
    fn begin(&mut self, now: u64, generation: u32, phase: Phase, lasts_ms: u64) {
        self.close();
        self.generation = generation;
        self.phase = phase;
        self.sent.clear();
        self.early.retain(|(g, _)| *g >= generation);
        self.taken = 0;
        self.deadline = Some((now + lasts_ms).min(self.give_up_at));
        self.resends = 0;
        self.resend_at = Some(now + timing::RESEND_MS);
    }

    fn start_offer(&mut self, now: u64) {
        if now >= self.give_up_at {
            self.send(Envelope::GaveUp);
            return self.fail(LinkError::NoPath);
        }
        let generation = self.generation.saturating_add(1);
        self.begin(now, generation, Phase::Offering { sdp: None, answered: false }, timing::OFFER_MS);
        self.outputs.push_back(Output::Open(Start::Offer { role_hint: false }));
    }

    /// This attempt is over; the next begins after a pause that grows, longer for the polite side so that both rarely
    /// offer at once.
    fn attempt_failed(&mut self, now: u64) {
        if matches!(self.phase, Phase::Failed) {
            return;
        }
        self.close();
        self.phase = Phase::Waiting;
        let pause = if self.polite { timing::POLITE_WAIT_MS } else { timing::RETRY_MS };
        self.deadline = Some(now + (pause << self.generation.min(4)));
        self.resend_at = None;
    }

    fn fail(&mut self, error: LinkError) {
        if !self.has_failed() {
            self.close();
            self.phase = Phase::Failed;
            self.deadline = None;
            self.resend_at = None;
            self.outputs.push_back(Output::Failed(error));
        }
    }

    fn close(&mut self) {
        // A connection not opened yet needs no closing: drop the request instead.
        self.outputs.retain(|output| !matches!(output, Output::Open(_)));
        if let Some(connection) = self.connection.take() {
            self.outputs.push_back(Output::Do(Action::CloseConnection(connection)));
        }
    }
}
