//! One other member of the room, as the server and its own hello describe it, and the link to it.

use crate::action::ConnectionId;
use crate::card::Card;
use crate::envelope::Envelope;
use crate::failure::LinkError;
use crate::hello::{Hello, ProtocolError, SessionHello};
use crate::id::PeerId;
use crate::identity::{self, Identity, Signed};
use crate::lanes::Lanes;
use crate::link::Link;
use crate::pool::Warm;
use crate::room::Config;
use crate::session::Listing;
use crate::signal::{self, EnvelopeBytes};
use crate::timing;
use crate::vault::Vault;

/// What the server says that a member says of itself, to be checked.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) id: PeerId,
    pub(crate) hello: Hello,
    pub(crate) signed: Signed,
    /// What the signature must sign.
    pub(crate) message: Vec<u8>,
}

impl Claim {
    /// # Errors
    /// A hello that cannot be read, is of an older version, or is not of this id whatever its signature.
    pub(crate) fn read(listed: &signal::Member, config: &Config) -> Result<Self, LinkError> {
        if listed.hello.is_empty() {
            return Err(LinkError::Forged); // It was not sealed with the room's secret.
        }
        let (hello, said) = Hello::decode_signed(&listed.hello)?;
        let identity = hello.identity.ok_or(ProtocolError::Version)?;
        if identity.id() != listed.id {
            return Err(LinkError::Forged);
        }
        if hello.share.is_some() != config.share.is_some() {
            return Err(LinkError::WrongPassphrase);
        }
        let Identity { fingerprint, key, secret_hash, signature } = identity;
        let message = identity::statement(&config.room, &fingerprint, &secret_hash, said);
        Ok(Self { id: listed.id, hello, signed: Signed { key, signature }, message })
    }
}

/// One other member.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) epoch: u32,
    pub(crate) metadata: String,
    /// None when it is not believed, or its protocol does not fit ours, as is `link`.
    pub(crate) session: Option<SessionHello>,
    /// The certificate of its connections.
    pub(crate) fingerprint: [u8; 32],
    pub(crate) link: Option<Link>,
    pub(crate) lanes: Lanes,
    /// Of a room with a passphrase: what is between the two of us alone.
    pub(crate) vault: Option<Vault>,
    pub(crate) listing: Listing,
}

impl Member {
    /// A member the server made known, without a link yet; and why there will be none, if so. Of one that is not believed
    /// nothing is taken over.
    pub(crate) fn read(
        epoch: u32,
        hello: Result<Hello, LinkError>,
        ours: &Hello,
    ) -> (Self, Option<LinkError>) {
        let known = hello.as_ref().ok();
        let metadata = known.map(|theirs| theirs.metadata.to_string()).unwrap_or_default();
        let fingerprint = known.and_then(|theirs| theirs.identity).map(|identity| identity.fingerprint);
        let fits = hello.and_then(|theirs| {
            ours.check_against(&theirs)?;
            Ok(theirs.session.ok_or(ProtocolError::Version)?)
        });
        let member = Self {
            epoch,
            metadata,
            session: fits.as_ref().ok().copied(),
            fingerprint: fingerprint.unwrap_or_default(),
            link: None,
            lanes: Lanes::default(),
            vault: None,
            listing: Listing::Listed,
        };
        (member, fits.err())
    }

    /// Begins to connect.
    pub(crate) fn connect(
        &mut self,
        now: u64,
        polite: bool,
        card: Option<signal::CardBytes>,
        warm: Option<Warm>,
    ) {
        // A card that cannot be read is as good as none: the plain way follows.
        let theirs = card.and_then(|card| Card::decode(&card).ok());
        self.link = Some(Link::meet(now, polite, self.fingerprint, warm, theirs));
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.link.as_ref().is_some_and(Link::is_connected)
    }

    /// A connection is being made, by an attempt or after one.
    pub(crate) fn is_connecting(&self) -> bool {
        self.link.as_ref().is_some_and(|link| !link.is_connected() && !link.has_failed())
    }

    /// Connected, and as far as the browser knows by a way that works.
    pub(crate) fn is_in_touch(&self) -> bool {
        self.is_connected() && !self.is_failing()
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.link.as_ref().is_some_and(Link::is_failing)
    }

    /// The first connection, which the link makes.
    pub(crate) fn connection(&self) -> Option<ConnectionId> {
        self.link.as_ref()?.connection()
    }

    /// The link or lane whose connection this is.
    pub(crate) fn link_of(&mut self, connection: ConnectionId) -> Option<&mut Link> {
        let is_its = |link: &&mut Link| link.connection() == Some(connection);
        self.link.as_mut().filter(is_its).or_else(|| self.lanes.links_mut().find(is_its))
    }

    pub(crate) fn owns(&self, connection: ConnectionId) -> bool {
        let is_its = |link: &Link| link.connection() == Some(connection);
        self.link.as_ref().is_some_and(is_its) || self.lanes.links().any(is_its)
    }

    /// Connections that are being made.
    pub(crate) fn pending(&self) -> usize {
        self.link.iter().chain(self.lanes.links()).filter(|link| link.is_pending()).count()
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        timing::earliest(&[self.link.as_ref().and_then(Link::deadline), self.lanes.deadline()])
    }

    pub(crate) fn envelope(&mut self, now: u64, epoch: u32, bytes: &EnvelopeBytes) {
        let (true, Some(link)) = (epoch == self.epoch, &mut self.link) else { return };
        for envelope in Envelope::read(bytes) {
            link.envelope(now, envelope);
        }
    }
}
