//! Who is who: our hello is signed before we join, and what the server says of others is believed once it is checked.
//!
//! Signatures take the browser a moment. Messages of the server are read in their order, so those behind one that
//! introduces members wait until the signatures in it are checked: a millisecond or two.

use std::collections::VecDeque;

use super::{Notice, Room};
use crate::action::Command;
use crate::failure::{LinkError, RoomError};
use crate::hello::{Hello, SessionHello};
use crate::identity::{self, Identity, Signed, Verdict};
use crate::limits;
use crate::members::Claim;
use crate::sdp;
use crate::session::RelayMode;
use crate::signal::{HelloBytes, Member, ServerMessage};

/// Our hello on its way to a join.
#[derive(Debug)]
pub(super) enum Pledge {
    /// Nothing asked for yet: the certificate is not known.
    None,
    /// The signature with this number is being made, of a hello with this fingerprint.
    Asked(u32, [u8; 32]),
    Signed(HelloBytes),
}

/// The hello of a member with what its passphrase and ours come to, or why it is not believed.
pub(super) type Believed = Result<(Hello, Option<[u8; 32]>), LinkError>;

/// The members that the first waiting message introduces, in its order.
#[derive(Debug)]
struct Checks {
    /// The number of the first; the others follow.
    first: u32,
    /// Whether the signature is still being checked; and the hello, or why it is not believed.
    hellos: Vec<(bool, Believed)>,
}

/// Messages of the server, not read yet.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    messages: VecDeque<ServerMessage>,
    checks: Option<Checks>,
    next_check: u32,
}

impl Inbox {
    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.checks = None;
    }

    /// Takes the first message when all that it says of members is checked, with their hellos.
    fn take(&mut self) -> Option<(ServerMessage, Vec<Believed>)> {
        let checks = self.checks.take_if(|checks| !checks.hellos.iter().any(|(waits, _)| *waits))?;
        Some((self.messages.pop_front()?, checks.hellos.into_iter().map(|(_, hello)| hello).collect()))
    }
}

impl Room {
    /// The certificate of our connections, as the first description of one shows it. False for a description with another
    /// one, which nobody would believe.
    pub(super) fn certificate(&mut self, sdp: &str) -> bool {
        let Some(found) = sdp::fingerprint(sdp) else { return false };
        let known = *self.fingerprint.get_or_insert(found);
        if let (Pledge::None, Some(_)) = (&self.pledge, self.warm_until) {
            self.sign();
        }
        known == found
    }

    /// Has our next hello signed. Without a certificate there are no connections, and only the server's way is left.
    pub(super) fn sign(&mut self) {
        let fingerprint = self.fingerprint.unwrap_or_default();
        let key = self.next_key();
        let hello = &mut self.config.hello;
        hello.share = self.config.share;
        hello.session = Some(SessionHello {
            page: self.page,
            key: key.public(),
            window: self.config.options.window,
            relay: self.config.options.relay != RelayMode::Never,
        });
        self.key = Some(key);
        // Whatever was said to another key cannot be opened any more.
        self.heard.0.clear();
        let secret_hash = self.secrets.secret.hash();
        let message =
            identity::statement(&self.config.room, &fingerprint, &secret_hash, &hello.encode_unsigned());
        self.pledge = Pledge::Asked(self.stays, fingerprint);
        let command = Command::Sign { number: self.stays, seed: self.secrets.seed, message };
        self.notices.push_back(Notice::Do(command));
    }

    pub(super) fn signed(&mut self, now: u64, number: u32, signed: Option<Signed>) {
        let Pledge::Asked(asked, fingerprint) = self.pledge else { return };
        if asked != number {
            return;
        }
        let Some(Signed { key, signature }) = signed else {
            return self.close(Some(RoomError::NoSignature));
        };
        let secret_hash = self.secrets.secret.hash();
        let identity = Identity { fingerprint, key, secret_hash, signature };
        self.identity = Some((identity.key, identity.id()));
        self.config.hello.identity = Some(identity);
        // Hello's own limits keep it below this one.
        self.pledge = Pledge::Signed(self.config.hello.encode().try_into().unwrap_or_default());
        if self.warm_until.is_none() {
            self.join(now);
        }
    }

    /// A message came from the server.
    pub(super) fn server_message(&mut self, now: u64, message: ServerMessage) {
        let too_many = self.heard.0.len() >= limits::MAX_STAYS_HEARD;
        if too_many || self.inbox.messages.len() >= limits::MAX_WAITING_MESSAGES {
            // No server has so much to say in a moment; and with another key there is nothing to remember.
            return self.server.restart(now);
        }
        let message = self.unveil(message);
        self.inbox.messages.push_back(message);
        self.read_inbox(now);
    }

    pub(super) fn checked(&mut self, now: u64, number: u32, verdict: Verdict) {
        let Some(checks) = &mut self.inbox.checks else { return };
        let checked = checks.hellos.get_mut(number.wrapping_sub(checks.first) as usize);
        if let Some((waits @ true, hello)) = checked {
            *waits = false;
            match (verdict, hello.as_mut()) {
                (Verdict::Valid, Ok((Hello { share: None, .. }, _))) => {}
                (Verdict::Agreed(key), Ok((Hello { share: Some(_), .. }, agreed))) => *agreed = Some(key),
                (Verdict::Valid, _) => *hello = Err(LinkError::WrongPassphrase),
                (Verdict::NotAccepted, _) => *hello = Err(LinkError::NotAccepted),
                (Verdict::Agreed(_) | Verdict::Forged, _) => *hello = Err(LinkError::Forged),
            }
            self.read_inbox(now);
        }
    }

    fn read_inbox(&mut self, now: u64) {
        loop {
            if self.inbox.checks.is_none() {
                let Some(message) = self.inbox.messages.front() else { return };
                let members: &[Member] = match message {
                    ServerMessage::Welcome(welcome) => &welcome.members,
                    ServerMessage::Joined(member) => std::slice::from_ref(member),
                    _ => &[],
                };
                let claims: Vec<_> = members.iter().map(|listed| Claim::read(listed, &self.config)).collect();
                let first = self.inbox.next_check;
                self.inbox.next_check = first.wrapping_add(claims.len() as u32);
                let hellos = (first..).zip(claims).map(|(number, claim)| match claim {
                    Ok(Claim { id, hello, signed, message }) => {
                        let (metadata, share) = (hello.metadata.to_string(), hello.share);
                        let check = Command::Check { number, id, signed, message, metadata, share };
                        self.notices.push_back(Notice::Do(check));
                        (true, Ok((hello, None)))
                    }
                    Err(error) => (false, Err(error)),
                });
                self.inbox.checks = Some(Checks { first, hellos: hellos.collect() });
            }
            let Some((message, hellos)) = self.inbox.take() else { return };
            self.believe(now, message, hellos);
        }
    }
}
