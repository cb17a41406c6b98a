//! Warm connections and their cards: those a joiner brings, and those a resident keeps deposited.

use super::trust::Pledge;
use super::{Fill, Notice, Room, close_all};
use crate::action::{Command, ConnectionId, Event, Start};
use crate::candidate::Candidate;
use crate::link::Link;
use crate::members::Member;
use crate::seal::{self, SecretKey};
use crate::session::Listing;
use crate::signal::{ClientMessage, Join, TokenText};
use crate::timing;

/// So many connections may fail before the first shows a certificate. Then we join with none, and without direct paths.
const BARREN_TRIES: u8 = 5;
/// How many warm connections a resident keeps: two newcomers at once are served without waiting. A joiner has as many, but
/// brings the card of the first alone, which is what the join waits for.
const WARM_CONNECTIONS: usize = 2;

impl Room {
    /// Makes a warm connection for the join, unless every peer we know is connected anyway.
    pub(super) fn warm_up(&mut self, now: u64) {
        let all_connected = !self.members.is_empty() && self.members.values().all(Member::is_in_touch);
        if !all_connected && self.joining.len() == 0 {
            self.warm_another();
        }
        self.server.starting(now);
        self.pledge = Pledge::None;
        if self.fingerprint.is_some() {
            self.sign();
        }
        self.warm_until = Some(now + timing::WARM_UP_MS);
        if self.config.gives_tokens {
            // While cards are made. Each join has a new one, so that none is too old.
            self.token = None;
            self.token_until = Some(now + timing::TOKEN_MS.min(self.config.join_timeout_ms));
            self.notices.push_back(Notice::Tell(Event::TokenWanted));
        }
        self.cards_changed(now);
    }

    /// The application gave the token it was asked for, or has none. One that nobody waits for is left aside: it was asked
    /// for by an attempt that was given up.
    pub(super) fn token_given(&mut self, now: u64, token: Option<String>) {
        if self.token_until.take().is_none() {
            return;
        }
        self.token = token.and_then(|text| TokenText::try_from(text).ok());
        if self.token.is_none() {
            self.warm_until = None;
            self.server.no_token(now);
        } else if self.warm_until.is_none() {
            self.join(now);
        }
    }

    /// Goes on with the join when its cards are ready, and deposits a resident's.
    pub(super) fn cards_changed(&mut self, now: u64) {
        if self.warm_until.is_some() && self.joining.is_ready() {
            self.join(now);
        }
        if self.server.is_up() {
            let cards = self.resident.give(false);
            let cards = self.veil_cards(cards);
            if !cards.is_empty() {
                let cards = cards.try_into().unwrap_or_default();
                self.server.send(&ClientMessage::Deposit { replace: false, cards });
            }
        }
    }

    pub(super) fn join(&mut self, now: u64) {
        self.warm_until = None;
        let Pledge::Signed(hello) = &self.pledge else {
            // Also while a token is awaited: it may be for the key that signs.
            return self.join_later(now);
        };
        if self.token_until.is_some() {
            return; // Cards are ready first.
        }
        let (hello, Some((key, _))) = (hello.clone(), self.identity) else { return };
        let cards = self.joining.give(true);
        let cards = self.veil_cards(cards);
        self.join_tags = cards.iter().map(|card| card.tag).collect();
        let cards: Vec<_> = cards.into_iter().map(|card| card.card).collect();
        let join = Join {
            room: self.public_name().try_into().unwrap_or_default(),
            hello: self.veil_hello(hello),
            key,
            secret: self.secrets.secret,
            returns: self.server.id().is_some(),
            cards: cards.try_into().unwrap_or_default(),
            token: self.token.take(),
        };
        self.server.join(now, join);
        self.ice.joining(now);
    }

    /// While the server is asked, and not before. None where the first was not wanted either.
    pub(super) fn warm_more(&mut self) {
        while self.joining.len() > 0 && self.joining.len() < WARM_CONNECTIONS {
            self.warm_another();
        }
    }

    /// The hello is not signed yet. [`Room::signed`] goes on with the join, unless there is nothing to sign yet: then the
    /// first description of a connection begins it, or that there will be none.
    fn join_later(&mut self, now: u64) {
        if let Pledge::None = self.pledge {
            if self.joining.len() == 0 {
                if self.barren >= BARREN_TRIES {
                    return self.sign();
                }
                self.barren += 1;
                self.warm_another();
            }
            self.warm_until = Some(now + timing::WARM_UP_MS);
        }
    }

    fn warm_another(&mut self) {
        let id = self.open(Start::Offer { role_hint: true });
        self.joining.add(id);
    }

    pub(super) fn open(&mut self, start: Start) -> ConnectionId {
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let start = self.config.options.privacy.start(start);
        self.notices.push_back(Notice::Do(Command::OpenConnection(id, start)));
        id
    }

    /// The key of the next stay. Each has its own: whoever learns of this one can read no other, and no counter starts
    /// again under one key.
    pub(super) fn next_key(&mut self) -> SecretKey {
        self.stays += 1;
        SecretKey::from_bytes(seal::derive(&self.config.entropy, "stay", self.stays))
    }

    /// Deposits cards when there is time, and closes what the join has no use for: making and closing connections holds a
    /// page up while those it met wait for its first words. While many join at once that is later still: whoever they
    /// would serve is here already.
    pub(super) fn fill_cards_soon(&mut self, now: u64) {
        if self.members.is_empty() {
            return self.fill_cards(now);
        }
        let latest = self.fill.map_or(now + timing::FILL_MS.1, |fill| fill.latest);
        self.fill = Some(Fill { at: latest.min(now + timing::FILL_MS.0), latest });
    }

    /// The time to deposit cards has come, unless others are being connected.
    pub(super) fn fill_cards_unless_busy(&mut self, now: u64) {
        match self.fill {
            Some(fill) if now < fill.latest && self.members.values().any(Member::is_connecting) => {
                self.fill_cards_soon(now);
            }
            _ => self.fill_cards(now),
        }
    }

    pub(super) fn fill_cards(&mut self, now: u64) {
        self.fill = None;
        close_all(&mut self.notices, self.joining.drain());
        if let Some(at) = self.wait_for_ice_servers(now) {
            self.fill = Some(Fill { at, latest: at });
            return;
        }
        while self.server.is_up() && self.resident.len() < WARM_CONNECTIONS {
            let id = self.open(Start::Offer { role_hint: false });
            self.resident.add(id);
            self.renew_cards_at.get_or_insert(now + timing::CARD_AGE_MS);
        }
    }

    pub(super) fn drop_cards(&mut self) {
        let old = self.joining.drain().chain(self.resident.drain());
        close_all(&mut self.notices, old);
        (self.fill, self.renew_cards_at) = (None, None);
    }

    pub(super) fn local_description(&mut self, now: u64, id: ConnectionId, sdp: String) {
        let sdp = &*self.config.options.privacy.own(sdp);
        let ours = self.certificate(sdp);
        let pool = [&mut self.joining, &mut self.resident].into_iter().find(|pool| pool.holds(id));
        match pool {
            Some(pool) => {
                if !ours || !pool.local_description(id, sdp) {
                    pool.remove(id);
                    self.notices.push_back(Notice::Do(Command::CloseConnection(id)));
                }
                self.cards_changed(now);
            }
            None if !ours => self.connection_lost(now, id),
            None => self.with_link(id, |link| link.local_description(now, sdp)),
        }
    }

    pub(super) fn local_candidate(&mut self, now: u64, id: ConnectionId, line: &str) {
        // What our own browser finds and we cannot carry (TCP or a name of another form) is left out.
        let Ok(candidate) = Candidate::parse(line) else { return };
        if !self.config.options.privacy.gives(&candidate) {
            return;
        }
        self.joining.candidate(id, candidate.clone());
        self.resident.candidate(id, candidate.clone());
        self.cards_changed(now);
        self.with_link(id, |link| link.local_candidate(candidate));
    }

    /// The browser has found no way for a while. If the other end can be told, both make a new connection. If not, this
    /// one is all there is.
    pub(super) fn connection_failed(&mut self, now: u64, id: ConnectionId) {
        let member = self.members.values().find(|member| member.connection() == Some(id));
        let can_tell = self.server.is_up() && member.is_some_and(|member| member.listing == Listing::Listed);
        if can_tell || !member.is_some_and(Member::is_connected) {
            return self.connection_lost(now, id);
        }
        self.with_link(id, Link::revive);
    }

    pub(super) fn connection_lost(&mut self, now: u64, id: ConnectionId) {
        self.joining.remove(id);
        self.resident.remove(id);
        self.notices.push_back(Notice::Do(Command::CloseConnection(id)));
        if let Some(owner) = self.owner(id) {
            // Nothing happens where it was not a lane's.
            self.notices.push_back(Notice::LaneDown(owner, id));
        }
        self.with_link(id, |link| link.connection_lost(now));
        self.cards_changed(now);
    }
}
