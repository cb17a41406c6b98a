//! What was tried to join, and to connect with a peer directly, for whoever wants to know why it did not work.

use crate::candidate::{Address, Candidate, CandidateKind};

/// Kinds of candidates, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(pub u8);

impl Kinds {
    /// An address of the machine itself.
    pub const HOST: u8 = 1;
    /// The same, hidden behind a name (draft-ietf-mmusic-mdns-ice-candidates).
    pub const HIDDEN: u8 = 2;
    /// The machine's address as a STUN server sees it.
    pub const SRFLX: u8 = 4;
    /// An address of a TURN server.
    pub const RELAY: u8 = 8;
    /// One of them is of IPv4.
    pub const V4: u8 = 16;
    /// One of them is of IPv6.
    pub const V6: u8 = 32;

    fn add(&mut self, candidate: &Candidate) {
        let kind = match (candidate.kind(), candidate.address()) {
            (CandidateKind::Host, Address::Mdns(_)) => Self::HIDDEN,
            (CandidateKind::Host, _) => Self::HOST,
            (CandidateKind::Srflx | CandidateKind::Prflx, _) => Self::SRFLX,
            (CandidateKind::Relay, _) => Self::RELAY,
        };
        let family = match candidate.address() {
            Address::V4(_) => Self::V4,
            Address::V6(_) => Self::V6,
            Address::Mdns(_) => 0,
        };
        self.0 |= kind | family;
    }
}

/// When the steps of the last attempt to join were reached, by the clock of the inputs in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Joining {
    /// A WebSocket was asked for.
    pub asked_at: Option<u64>,
    /// It was open.
    pub opened_at: Option<u64>,
    /// The server has let us in.
    pub welcomed_at: Option<u64>,
}

/// How far an attempt came. Each step is of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// A connection is to be made.
    Begun,
    /// The browser has described it.
    Described,
    /// It knows the other side's description.
    Answered,
    /// ICE has found a way to the other side.
    Found,
    /// Keys are agreed on: DTLS is done too.
    Works,
    /// The channels are open.
    Open,
    /// The other side has spoken.
    Heard,
}

impl Stage {
    /// How many there are.
    pub const COUNT: usize = 7;
}

/// One attempt. Times are those of the inputs, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// 0 by cards, above by offer and answer.
    pub generation: u32,
    /// When each [`Stage`] was reached.
    pub reached: [Option<u64>; Stage::COUNT],
    /// When it was given up, or its connection was lost.
    pub ended_at: Option<u64>,
    /// Candidates of this side.
    pub local: Kinds,
    /// Candidates of the other side.
    pub remote: Kinds,
}

/// The last attempts with one peer, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Vec<Attempt>);

/// More would tell nothing new.
const MOST: usize = 4;

impl Attempts {
    pub(crate) fn begin(&mut self, now: u64, generation: u32) {
        self.end(now);
        if self.0.len() == MOST {
            self.0.remove(0);
        }
        let mut reached = [None; Stage::COUNT];
        reached[Stage::Begun as usize] = Some(now);
        let (local, remote) = (Kinds::default(), Kinds::default());
        self.0.push(Attempt { generation, reached, ended_at: None, local, remote });
    }

    fn last(&mut self) -> Option<&mut Attempt> {
        self.0.last_mut().filter(|attempt| attempt.ended_at.is_none())
    }

    pub(crate) fn reach(&mut self, now: u64, stage: Stage) {
        let slot = self.last().and_then(|attempt| attempt.reached.get_mut(stage as usize));
        if let Some(slot) = slot {
            slot.get_or_insert(now);
        }
    }

    pub(crate) fn local(&mut self, candidates: &[Candidate]) {
        if let Some(attempt) = self.last() {
            candidates.iter().for_each(|candidate| attempt.local.add(candidate));
        }
    }

    pub(crate) fn remote(&mut self, candidates: &[Candidate]) {
        if let Some(attempt) = self.last() {
            candidates.iter().for_each(|candidate| attempt.remote.add(candidate));
        }
    }

    pub(crate) fn end(&mut self, now: u64) {
        if let Some(attempt) = self.last() {
            attempt.ended_at = Some(now);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Attempt> {
        self.0.iter()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn candidate(address: &str, kind: &str) -> Candidate {
        Candidate::parse(&format!("candidate:1 1 udp 1 {address} 9 typ {kind}")).unwrap()
    }

    #[test]
    fn the_last_attempts_are_known_with_their_steps_and_candidates() {
        let mut attempts = Attempts::default();
        attempts.reach(5, Stage::Described);
        assert_eq!(attempts.iter().count(), 0);
        for generation in 0..6 {
            attempts.begin(u64::from(generation) * 100, generation);
        }
        attempts.reach(510, Stage::Described);
        attempts.reach(520, Stage::Described);
        attempts.local(&[candidate("192.0.2.1", "host"), candidate("2001:db8::1", "srflx")]);
        attempts.remote(&[candidate("0a0a0a0a-0000-4000-8000-000000000000.local", "host")]);
        attempts.remote(&[candidate("192.0.2.2", "relay")]);
        attempts.end(600);
        attempts.end(700);
        attempts.reach(800, Stage::Open);
        let known: Vec<_> = attempts.iter().collect();
        assert_eq!(known.iter().map(|attempt| attempt.generation).collect::<Vec<_>>(), [2, 3, 4, 5]);
        assert_eq!(known[2].ended_at, Some(500), "each ends the one before");
        let last = known[3];
        assert_eq!(last.reached, [Some(500), Some(510), None, None, None, None, None]);
        assert_eq!(last.ended_at, Some(600));
        assert_eq!(last.local.0, Kinds::HOST | Kinds::V4 | Kinds::SRFLX | Kinds::V6);
        assert_eq!(last.remote.0, Kinds::HIDDEN | Kinds::RELAY | Kinds::V4);
    }
}
