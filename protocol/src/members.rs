//! One other member of the room, as this side sees it.

use crate::action::{Action, ConnectionId, Event};
use crate::card::Card;
use crate::control::Control;
use crate::envelope::Envelope;
use crate::failure::LinkError;
use crate::hello::Hello;
use crate::link::Link;
use crate::pool::Warm;
use crate::signal::{self, EnvelopeBytes};
use crate::timing;

/// Whether the server still lists the member.
#[derive(Debug, PartialEq, Eq)]
enum Listing {
    Listed,
    /// Not any more; its connection must answer a ping until then.
    Probing(u64),
    /// Not any more, but its connection answered.
    Unlisted,
}

/// One other member.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) epoch: u32,
    pub(crate) metadata: String,
    /// None when its protocol does not fit ours.
    pub(crate) link: Option<Link>,
    listing: Listing,
}

impl Member {
    /// A member the server made known. The action, if any, tells the application why no connection will be made.
    pub(crate) fn meet(
        now: u64,
        polite: bool,
        listed: signal::Member,
        warm: Option<Warm>,
        ours: &Hello,
    ) -> (Self, Vec<Action>) {
        let hello = Hello::decode(&listed.hello);
        let metadata = hello.as_ref().map(|theirs| theirs.metadata.to_string()).unwrap_or_default();
        let mut member = Self { epoch: listed.epoch, metadata, link: None, listing: Listing::Listed };
        match hello.and_then(|theirs| ours.check_against(&theirs)) {
            Ok(()) => {
                // A card that cannot be read is as good as none: the plain way follows.
                let theirs = listed.card.and_then(|card| Card::decode(&card).ok());
                member.link = Some(Link::meet(now, polite, warm, theirs));
                (member, Vec::new())
            }
            Err(error) => {
                let mut actions =
                    vec![Action::Notify(Event::PeerFailed(listed.id, LinkError::Protocol(error)))];
                actions.extend(warm.map(|warm| Action::CloseConnection(warm.connection)));
                (member, actions)
            }
        }
    }

    /// The same member under a new epoch while its connection lived.
    pub(crate) fn met_again(&mut self, epoch: u32, polite: bool) {
        self.epoch = epoch;
        self.listing = Listing::Listed;
        if let Some(link) = &mut self.link {
            link.met_again(polite);
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.link.as_ref().is_some_and(Link::is_connected)
    }

    pub(crate) fn is_unlisted(&self) -> bool {
        self.listing != Listing::Listed
    }

    pub(crate) fn connection(&self) -> Option<ConnectionId> {
        self.link.as_ref()?.connection()
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        let probe = if let Listing::Probing(until) = self.listing { Some(until) } else { None };
        [probe, self.link.as_ref().and_then(Link::deadline)].into_iter().flatten().min()
    }

    pub(crate) fn envelope(&mut self, now: u64, epoch: u32, bytes: &EnvelopeBytes) {
        let (true, Some(link)) = (epoch == self.epoch, &mut self.link) else { return };
        let Ok(envelopes) = Envelope::decode(bytes) else { return };
        for envelope in envelopes.map_while(Result::ok) {
            link.envelope(now, envelope);
        }
    }

    /// The server lost it: asks its connection for a sign of life. None when there is no connection to ask.
    pub(crate) fn probe(&mut self, now: u64) -> Option<Action> {
        let connection = self.connection().filter(|_| self.is_connected())?;
        self.listing = Listing::Probing(now + timing::PROBE_MS);
        Some(Action::SendControl(connection, Control::Ping { nonce: self.epoch }.encode()))
    }

    pub(crate) fn pong(&mut self, nonce: u32) {
        if matches!(self.listing, Listing::Probing(_)) && nonce == self.epoch {
            self.listing = Listing::Unlisted;
        }
    }

    pub(crate) fn probe_failed(&self, now: u64) -> bool {
        matches!(self.listing, Listing::Probing(until) if until <= now)
    }
}
