//! Connections to one peer beside the first, for long transfers to peers that are far.
//!
//! After each loss, congestion control (RFC 9260 §7.2) leaves one connection little for many round trips, and the longer
//! they are the more it costs. Several connections share the losses. Each is made as the first was, by cards, but these
//! travel over the first connection, not through the server. Both ends make their card for a lane when either begins it, so
//! it does not matter who did, nor whether both did at once. A lane that comes to nothing is not tried in another way.

use crate::action::ConnectionId;
use crate::envelope::Envelope;
use crate::link::{Link, Output};
use crate::signal::EnvelopeBytes;
use crate::{limits, timing};

/// What all lanes to a member have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    /// Not so at the other end.
    pub(crate) polite: bool,
    /// The certificate of the member's connections.
    pub(crate) fingerprint: [u8; 32],
}

#[derive(Debug, Default)]
struct Lane {
    link: Option<Link>,
    /// It may be begun from then on.
    again_at: u64,
}

impl Lane {
    fn begin(&mut self, now: u64, end: End) {
        if now >= self.again_at {
            self.again_at = now + timing::LANE_AGAIN_MS;
            self.link = Some(Link::lane(now, end.polite, end.fingerprint));
        }
    }
}

/// All lanes of one member. On the wire the first is number 1.
#[derive(Debug, Default)]
pub(crate) struct Lanes([Lane; limits::MAX_LANES]);

impl Lanes {
    /// Begins those that are not there.
    pub(crate) fn begin(&mut self, now: u64, end: End) {
        for lane in self.0.iter_mut().filter(|lane| lane.link.is_none()) {
            lane.begin(now, end);
        }
    }

    fn number(&mut self, number: u8) -> Option<&mut Lane> {
        self.0.get_mut(usize::from(number).checked_sub(1)?)
    }

    /// What the other side says of a lane. Its card begins one that may be begun. A second card means that the other side
    /// has given it up and begins anew, as is done here once that is found out.
    pub(crate) fn envelope(&mut self, now: u64, end: End, number: u8, bytes: &EnvelopeBytes) {
        let Some(lane) = self.number(number) else { return };
        for envelope in Envelope::read(bytes) {
            match (&envelope, &lane.link) {
                (Envelope::Card { .. }, None) => lane.begin(now, end),
                (Envelope::Card { .. } | Envelope::Candidate { generation: 0, .. }, _) => {}
                // No other way is gone.
                _ => continue,
            }
            if let Some(link) = &mut lane.link {
                link.envelope(now, envelope);
            }
        }
    }

    pub(crate) fn links(&self) -> impl Iterator<Item = &Link> {
        self.0.iter().filter_map(|lane| lane.link.as_ref())
    }

    pub(crate) fn links_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.0.iter_mut().filter_map(|lane| lane.link.as_mut())
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        self.links().filter_map(Link::deadline).min()
    }

    /// What the next of them wants, with its number.
    pub(crate) fn poll(&mut self) -> Option<(u8, Output)> {
        (1..).zip(&mut self.0).find_map(|(number, lane)| Some((number, lane.link.as_mut()?.poll()?)))
    }

    /// The next thing that one of them wants is a connection.
    pub(crate) fn wants_connection(&self) -> bool {
        self.links().find(|link| link.wants_anything()).is_some_and(Link::wants_connection)
    }

    /// The id for the connection that a lane asked for.
    pub(crate) fn opened(&mut self, number: u8, connection: ConnectionId) {
        if let Some(link) = self.number(number).and_then(|lane| lane.link.as_mut()) {
            link.opened(connection);
        }
    }

    /// Gives a lane up. Its connection is closed, or was never made.
    pub(crate) fn end(&mut self, number: u8) {
        if let Some(lane) = self.number(number) {
            lane.link = None;
        }
    }

    /// Gives all up; their connections are still to be closed. New ones may be begun at once: the first connection, over
    /// which they were made, is another then.
    pub(crate) fn end_all(&mut self) -> impl Iterator<Item = ConnectionId> {
        std::mem::take(self).0.into_iter().filter_map(|lane| lane.link?.connection())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::action::{Command, Start};
    use crate::sdp;
    use crate::signal::CardBytes;

    const END: End = End { polite: false, fingerprint: [0xab; 32] };

    fn envelope(envelope: Envelope) -> EnvelopeBytes {
        envelope.encode().unwrap()
    }

    /// What a peer would send as its card, each with a name of its own.
    fn card(name: &str) -> EnvelopeBytes {
        let offer = format!(
            "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
             m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:{name}\r\n\
             a=ice-pwd:{:024}\r\na=fingerprint:sha-256 {}\r\na=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\n",
            1,
            ["AB"; 32].join(":")
        );
        let card: CardBytes = sdp::parse_local(&offer).unwrap().encode().try_into().unwrap();
        envelope(Envelope::Card { card })
    }

    /// Carries out what the lanes want; gives how many connections were made, and how many there are.
    fn carry_out(lanes: &mut Lanes, made: &mut u32) -> usize {
        while let Some((number, output)) = lanes.poll() {
            match output {
                Output::Open(Start::Offer { .. }) => {
                    *made += 1;
                    lanes.opened(number, ConnectionId(*made));
                }
                Output::AttemptFailed => lanes.end(number),
                Output::Do(Command::CloseConnection(_)) | Output::Send(_) => {}
                other => panic!("{other:?}"),
            }
        }
        lanes.links().count()
    }

    #[test]
    fn a_peer_that_sends_card_after_card_gets_three_connections() {
        let (mut lanes, mut made) = (Lanes::default(), 0);
        for round in 0..1_000_u32 {
            for number in 0..=u8::MAX {
                lanes.envelope(u64::from(round), END, number, &card(&format!("u{round:04}")));
            }
            carry_out(&mut lanes, &mut made);
        }
        assert_eq!(made as usize, limits::MAX_LANES);
        lanes.envelope(timing::LANE_AGAIN_MS, END, 1, &card("again"));
        carry_out(&mut lanes, &mut made);
        assert_eq!(made as usize, limits::MAX_LANES + 1, "after a while it may try again");
    }

    #[test]
    fn nothing_but_cards_and_their_candidates_is_taken() {
        let (mut lanes, mut made) = (Lanes::default(), 0);
        let sdp = || "v=0".try_into().unwrap();
        let others = [
            envelope(Envelope::Offer { generation: 1, sdp: sdp() }),
            envelope(Envelope::Answer { generation: 1, sdp: sdp() }),
            envelope(Envelope::GaveUp),
            EnvelopeBytes::try_from(vec![1, 2, 3]).unwrap(),
        ];
        for other in &others {
            lanes.envelope(0, END, 1, other);
        }
        assert_eq!(carry_out(&mut lanes, &mut made), 0);
        lanes.envelope(0, END, 1, &card("u0001"));
        assert_eq!(carry_out(&mut lanes, &mut made), 1);
        for other in &others {
            lanes.envelope(0, END, 1, other);
        }
        assert_eq!(carry_out(&mut lanes, &mut made), 1, "and none of it ends a lane");
    }

    #[test]
    fn a_lane_without_an_answer_ends() {
        let (mut lanes, mut made) = (Lanes::default(), 0);
        lanes.begin(0, END);
        assert_eq!(carry_out(&mut lanes, &mut made), limits::MAX_LANES);
        assert_eq!(lanes.deadline(), Some(timing::CARD_EXCHANGE_MS));
        lanes.links_mut().for_each(|link| link.timed_out(timing::CARD_EXCHANGE_MS));
        assert_eq!(carry_out(&mut lanes, &mut made), 0);
        lanes.begin(timing::LANE_AGAIN_MS - 1, END);
        assert_eq!(carry_out(&mut lanes, &mut made), 0, "not before its time");
    }
}
