//! Connections warmed before their peer is known, and their cards.

use crate::action::ConnectionId;
use crate::candidate::Candidate;
use crate::card::Card;
use crate::limits;
use crate::sdp;
use crate::signal::{CardBytes, TaggedCard};

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

/// A warm connection that waits for a peer.
#[derive(Debug)]
struct Entry {
    connection: ConnectionId,
    /// What is known of the card so far; candidates join it until it is given away.
    card: Option<Card>,
    gathered: bool,
    /// The card as given to the server. Candidates found later are trickled.
    given: Option<CardBytes>,
    late: Vec<Candidate>,
}

/// Warm connections of one kind: a joiner's (with role hint) or a resident's.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    entries: Vec<Entry>,
}

impl Pool {
    pub(crate) fn add(&mut self, connection: ConnectionId) {
        let entry = Entry { connection, card: None, gathered: false, given: None, late: Vec::new() };
        self.entries.push(entry);
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn find(&mut self, connection: ConnectionId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.connection == connection)
    }

    pub(crate) fn holds(&self, connection: ConnectionId) -> bool {
        self.entries.iter().any(|entry| entry.connection == connection)
    }

    pub(crate) fn remove(&mut self, connection: ConnectionId) {
        self.entries.retain(|entry| entry.connection != connection);
    }

    /// False when no card can be made of the description: the connection is of no use here.
    pub(crate) fn local_description(&mut self, connection: ConnectionId, sdp: &str) -> bool {
        let card = sdp::parse_local(sdp).ok();
        let fits = card.is_some();
        if let Some(entry) = self.find(connection) {
            entry.card = card;
        }
        fits
    }

    pub(crate) fn candidate(&mut self, connection: ConnectionId, candidate: Candidate) {
        let Some(entry) = self.find(connection) else { return };
        match (&mut entry.card, &entry.given) {
            (Some(card), None) if card.candidates.len() < limits::MAX_CARD_CANDIDATES => {
                card.candidates.push(candidate);
            }
            _ if entry.late.len() < limits::MAX_CANDIDATES => entry.late.push(candidate),
            _ => {}
        }
    }

    pub(crate) fn gathered(&mut self, connection: ConnectionId) {
        if let Some(entry) = self.find(connection) {
            entry.gathered = true;
        }
    }

    /// Every card has at least one candidate, or will have none.
    pub(crate) fn is_ready(&self) -> bool {
        self.entries.iter().all(|entry| {
            entry.card.as_ref().is_some_and(|card| entry.gathered || !card.candidates.is_empty())
        })
    }

    /// Encodes the cards that exist and were not given yet, ready ones only unless `all`. The tag is the
    /// connection's id.
    pub(crate) fn give(&mut self, all: bool) -> Vec<TaggedCard> {
        let mut cards = Vec::new();
        for entry in self.entries.iter_mut().filter(|entry| entry.given.is_none()) {
            let Some(card) = &entry.card else { continue };
            if !all && !entry.gathered && card.candidates.is_empty() {
                continue;
            }
            if let Ok(bytes) = CardBytes::try_from(card.encode()) {
                entry.given = Some(bytes.clone());
                cards.push(TaggedCard { tag: entry.connection.0, card: bytes });
            }
        }
        cards
    }

    /// The connection whose card the server handed out.
    pub(crate) fn take_given(&mut self, tag: u32) -> Option<Warm> {
        let index = self.entries.iter().position(|e| e.connection.0 == tag && e.given.is_some())?;
        Some(Self::warm(self.entries.remove(index), true))
    }

    /// A connection whose card nobody has.
    pub(crate) fn take_unused(&mut self) -> Option<Warm> {
        let index = self.entries.iter().position(|e| e.given.is_none() && e.card.is_some())?;
        Some(Self::warm(self.entries.remove(index), false))
    }

    fn warm(entry: Entry, delivered: bool) -> Warm {
        let card = entry.given.or_else(|| CardBytes::try_from(entry.card?.encode()).ok());
        Warm { connection: entry.connection, card, late: entry.late, delivered }
    }

    /// All connections, given up.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = ConnectionId> {
        std::mem::take(&mut self.entries).into_iter().map(|entry| entry.connection)
    }
}
