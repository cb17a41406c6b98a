//! Which addresses a page tells its peers, and to which of theirs it sends anything.
//!
//! A candidate tells a peer an address of this machine. A peer's candidate makes this browser send packets to an address of
//! the peer's choice, also one in the network that the browser is in, where nobody outside could send them (RFC 8826 §4.2.4).
//! All descriptions and candidates pass through here, own ones before anything is made of them, a peer's on their last
//! step to the browser.

use crate::action::{Command, Start};
use crate::candidate::{Candidate, CandidateKind};

/// What an application allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privacy {
    /// Peers are told addresses of TURN servers alone. The browser is to be told the same (`iceTransportPolicy`), or it would
    /// answer checks by other ways.
    pub relay_only: bool,
    /// Peers are reached in private networks too, this machine's and those it is in.
    pub lan: bool,
}

impl Default for Privacy {
    fn default() -> Self {
        Self { relay_only: false, lan: true }
    }
}

impl Privacy {
    /// Whether peers may be told this candidate of ours.
    pub(crate) fn gives(self, candidate: &Candidate) -> bool {
        !self.relay_only || candidate.kind() == CandidateKind::Relay
    }

    fn takes(self, candidate: &Candidate) -> bool {
        self.lan || !candidate.address().is_private()
    }

    /// A local description without candidates that peers may not be told.
    pub(crate) fn own(self, sdp: String) -> String {
        if self.relay_only { keep(&sdp, |candidate| self.gives(candidate)) } else { sdp }
    }

    fn theirs(self, sdp: String) -> String {
        if self.lan { sdp } else { keep(&sdp, |candidate| self.takes(candidate)) }
    }

    /// A connection's beginning, without a peer's candidates that are not to be tried.
    pub(crate) fn start(self, start: Start) -> Start {
        match start {
            Start::Answer { offer } => Start::Answer { offer: self.theirs(offer) },
            offer @ Start::Offer { .. } => offer,
        }
    }

    /// A command without a peer's candidates that are not to be tried; None when nothing is left of it.
    pub(crate) fn command(self, command: Command) -> Option<Command> {
        match command {
            Command::SetAnswer(id, sdp) => Some(Command::SetAnswer(id, self.theirs(sdp))),
            Command::AddCandidate(_, ref line) if !self.lan => {
                Candidate::parse(line).is_ok_and(|candidate| self.takes(&candidate)).then_some(command)
            }
            other => Some(other),
        }
    }
}

/// The description with those of its candidates alone that are wanted.
fn keep(sdp: &str, is_wanted: impl Fn(&Candidate) -> bool) -> String {
    let stays = |line: &&str| {
        let candidate = line.starts_with("a=candidate:").then(|| Candidate::parse(line.trim_end()));
        candidate.is_none_or(|candidate| candidate.is_ok_and(|candidate| is_wanted(&candidate)))
    };
    sdp.split_inclusive('\n').filter(stays).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::ConnectionId;

    const HOST: &str = "candidate:1 1 udp 2122260223 192.168.1.7 50000 typ host";
    const NAMED: &str =
        "candidate:1 1 udp 2122260223 8f2a1c3e-0000-4000-8000-0123456789ab.local 50000 typ host";
    const SEEN: &str =
        "candidate:2 1 udp 1686052607 203.0.113.7 50000 typ srflx raddr 192.168.1.7 rport 50000";
    const RELAY: &str =
        "candidate:3 1 udp 41885439 198.51.100.9 60000 typ relay raddr 203.0.113.7 rport 50000";

    fn description(candidates: &[&str]) -> String {
        let lines: String = candidates.iter().map(|line| format!("a={line}\r\n")).collect();
        format!("v=0\r\na=mid:0\r\n{lines}a=end-of-candidates\r\n")
    }

    #[test]
    fn by_default_nothing_is_left_out() {
        let (all, privacy) = (description(&[HOST, NAMED, SEEN, RELAY]), Privacy::default());
        assert_eq!(privacy.own(all.clone()), all);
        assert_eq!(privacy.theirs(all.clone()), all);
        let add = Command::AddCandidate(ConnectionId(1), HOST.to_owned());
        assert_eq!(privacy.command(add.clone()), Some(add));
    }

    #[test]
    fn relay_only_tells_no_own_address() {
        let privacy = Privacy { relay_only: true, lan: true };
        assert_eq!(privacy.own(description(&[HOST, NAMED, SEEN, RELAY])), description(&[RELAY]));
        let given = [HOST, NAMED, SEEN, RELAY].map(|line| privacy.gives(&Candidate::parse(line).unwrap()));
        assert_eq!(given, [false, false, false, true]);
        // What cannot be read is not told either.
        assert_eq!(privacy.own(description(&["candidate:x"])), description(&[]));
    }

    #[test]
    fn without_lan_no_private_address_is_tried() {
        let privacy = Privacy { relay_only: false, lan: false };
        let (all, public) = (description(&[HOST, NAMED, SEEN, RELAY]), description(&[SEEN, RELAY]));
        assert_eq!(privacy.own(all.clone()), all, "ours are another matter");
        let answer = |sdp| Command::SetAnswer(ConnectionId(1), sdp);
        assert_eq!(privacy.command(answer(all.clone())), Some(answer(public.clone())));
        assert_eq!(privacy.start(Start::Answer { offer: all }), Start::Answer { offer: public });
        for (line, passes) in
            [(HOST, false), (NAMED, false), ("candidate:x", false), (SEEN, true), (RELAY, true)]
        {
            let add = Command::AddCandidate(ConnectionId(1), line.to_owned());
            assert_eq!(privacy.command(add).is_some(), passes, "{line}");
        }
        let close = Command::CloseConnection(ConnectionId(1));
        assert_eq!(privacy.command(close.clone()), Some(close));
    }

    #[test]
    fn private_addresses_are_known_by_every_disguise() {
        let privacy = Privacy { relay_only: false, lan: false };
        let is_taken = |address: &str| {
            let line = format!("candidate:1 1 udp 1 {address} 50000 typ host");
            privacy.takes(&Candidate::parse(&line).unwrap())
        };
        for private in [
            "10.0.0.1",
            "10.255.255.255",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.8",
            "198.18.0.1",
            "198.19.255.255",
            "240.0.0.1",
            "::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "fc00::1",
            "fdff::1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:a00:1::1",
            "2002:c0a8:101::",
            "::10.0.0.1",
            "::7f00:1",
        ] {
            assert!(!is_taken(private), "{private}");
        }
        for public in [
            "9.255.255.255",
            "11.0.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "192.167.255.255",
            "192.169.0.1",
            "126.0.0.1",
            "128.0.0.1",
            "169.253.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "8.8.8.8",
            "2001:db8::1",
            "2606:4700::1",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ] {
            assert!(is_taken(public), "{public}");
        }
    }
}
