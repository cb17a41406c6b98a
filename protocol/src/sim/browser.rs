//! A model of RTCPeerConnection: descriptions with ufrags, and connections that open when both ends fit.

use std::collections::BTreeMap;

use super::ConnectionKey;
use crate::action::{ConnectionId, Input, Start};
use crate::sdp;

#[derive(Debug)]
struct Connection {
    ufrag: String,
    /// The other side's ufrag and DTLS role (`a=setup`), once its description is set.
    remote: Option<(String, String)>,
    /// Our own DTLS role, fixed when we answer.
    answers: bool,
    candidates: Vec<String>,
    other_end: Option<ConnectionKey>,
    ice: Ice,
}

/// Whether an open connection has a way to its other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Ice {
    /// It has, or has not noticed yet.
    #[default]
    Connected,
    /// It looks for one, until this time.
    Checking(u64),
    /// It does not look for one any more, until it is given a candidate that it does not know.
    Failed,
}

/// How long a browser looks for a way.
pub(super) const PATIENCE_MS: u64 = 15_000;

#[derive(Debug, Default)]
pub(super) struct Browser {
    connections: BTreeMap<ConnectionKey, Connection>,
    made: u64,
}

fn setup(text: &str) -> String {
    text.lines().find_map(|line| line.strip_prefix("a=setup:")).unwrap_or_default().trim().to_owned()
}

fn candidates_of(sdp: &str) -> Vec<String> {
    sdp.lines().filter(|line| line.starts_with("a=candidate")).map(str::to_owned).collect()
}

impl Browser {
    /// Makes a connection; gives its local description and the candidates it will find.
    pub(super) fn open(&mut self, key: ConnectionKey, start: Start) -> (String, Vec<String>) {
        self.made += 1;
        let made = self.made;
        let ufrag = format!("u{made:07}");
        let (remote, answers, candidates) = match &start {
            Start::Offer { .. } => (None, false, Vec::new()),
            Start::Answer { offer } => {
                (sdp::ufrag(offer).map(|u| (u.to_owned(), setup(offer))), true, candidates_of(offer))
            }
        };
        let role = if answers { "active" } else { "actpass" };
        let text = format!(
            "v=0\r\no=- {made} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=extmap-allow-mixed\r\n\
             a=msid-semantic: WMS\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
             a=ice-ufrag:{ufrag}\r\na=ice-pwd:{made:024}\r\na=ice-options:trickle\r\n\
             a=fingerprint:sha-256 {}\r\na=setup:{role}\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n",
            // Each peer has one certificate.
            vec![format!("{:02X}:{:02X}", key.0 >> 8 & 0xff, key.0 & 0xff); 16].join(":")
        );
        let (other_end, ice) = (None, Ice::default());
        self.connections.insert(key, Connection { ufrag, remote, answers, candidates, other_end, ice });
        let found =
            (0..2).map(|n| format!("candidate:{n} 1 udp 2113937151 192.0.2.{} 5{n}000 typ host", key.0 + 1));
        (text, found.collect())
    }

    pub(super) fn set_remote(&mut self, key: ConnectionKey, text: &str) {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.remote = sdp::ufrag(text).map(|ufrag| (ufrag.to_owned(), setup(text)));
            connection.candidates.extend(candidates_of(text));
        }
    }

    /// True when that makes a connection that found no way look for one again.
    pub(super) fn add_candidate(&mut self, now: u64, key: ConnectionKey, line: String) -> bool {
        let Some(connection) = self.connections.get_mut(&key) else { return false };
        assert!(connection.remote.is_some(), "a candidate before the remote description throws");
        if connection.candidates.contains(&line) {
            return false;
        }
        connection.candidates.push(line);
        let looks = connection.ice == Ice::Failed;
        if looks {
            connection.ice = Ice::Checking(now + PATIENCE_MS);
        }
        looks
    }

    /// Looks at every connection between two peers, `silent` since then if at all; gives the ends that have found out
    /// that there is a way again, or none.
    pub(super) fn look(
        &mut self,
        now: u64,
        (a, b): (usize, usize),
        silent_since: Option<u64>,
    ) -> Vec<(ConnectionKey, bool)> {
        let ends: Vec<_> =
            self.connections.iter().filter_map(|(key, c)| Some((*key, c.other_end?))).collect();
        let ends = ends.into_iter().filter(|(one, other)| (one.0, other.0) == (a, b));
        let mut news = Vec::new();
        for (one, other) in ends {
            let ice = [one, other].map(|key| self.connections[&key].ice);
            let next = match silent_since {
                // One end that looks is enough.
                None if ice.iter().any(|ice| *ice != Ice::Failed) => [Ice::Connected; 2],
                None => ice,
                Some(since) => ice.map(|ice| match ice {
                    Ice::Connected if now >= since + PATIENCE_MS => Ice::Failed,
                    Ice::Checking(until) if now >= until => Ice::Failed,
                    same => same,
                }),
            };
            for ((key, before), after) in [one, other].into_iter().zip(ice).zip(next) {
                if let Some(connection) = self.connections.get_mut(&key) {
                    connection.ice = after;
                }
                match (before, after) {
                    (Ice::Failed | Ice::Checking(_), Ice::Connected) => news.push((key, true)),
                    (Ice::Connected | Ice::Checking(_), Ice::Failed) => news.push((key, false)),
                    _ => {}
                }
            }
        }
        news
    }

    /// Whether the browsers of two peers have found a way, where they have a connection.
    pub(super) fn have_way(&self, a: usize, b: usize) -> bool {
        let mut between =
            self.connections.iter().filter(|(key, c)| key.0 == a && c.other_end.is_some_and(|o| o.0 == b));
        between.all(|(_, connection)| connection.ice == Ice::Connected)
    }

    /// The connection that fits this one, if both know each other and one has an address to try.
    pub(super) fn partner(&self, key: ConnectionKey) -> Option<ConnectionKey> {
        let one = self.connections.get(&key).filter(|c| c.other_end.is_none())?;
        let (wanted, role) = one.remote.as_ref()?;
        let fits = |(other_key, other): &(&ConnectionKey, &Connection)| {
            let Some((theirs, their_role)) = &other.remote else { return false };
            // What I was told of them must fit what they were told of me: one DTLS client, one server.
            let roles = one.answers || other.answers || role != their_role;
            other_key.0 != key.0
                && other.ufrag == *wanted
                && *theirs == one.ufrag
                && other.other_end.is_none()
                && one.candidates.len() + other.candidates.len() > 0
                && roles
        };
        self.connections.iter().find(fits).map(|(key, _)| *key)
    }

    pub(super) fn connect(&mut self, one: ConnectionKey, other: ConnectionKey) -> bool {
        for (from, to) in [(one, other), (other, one)] {
            if let Some(connection) = self.connections.get_mut(&from) {
                connection.other_end = Some(to);
            }
        }
        true
    }

    pub(super) fn holds(&self, key: ConnectionKey) -> bool {
        self.connections.contains_key(&key)
    }

    pub(super) fn other_end(&self, key: ConnectionKey) -> Option<ConnectionKey> {
        self.connections.get(&key)?.other_end
    }

    /// Closes one end; gives the other if it was open.
    pub(super) fn close(&mut self, key: ConnectionKey) -> Option<ConnectionKey> {
        let other = self.connections.remove(&key)?.other_end?;
        self.connections.get_mut(&other)?.other_end = None;
        Some(other)
    }

    /// Both ends of each open connection between two peers, in the order they were made.
    pub(super) fn ends_between(&self, a: usize, b: usize) -> Vec<[ConnectionKey; 2]> {
        let ends = self.connections.iter().filter_map(|(key, c)| Some([*key, c.other_end?]));
        ends.filter(|[one, other]| (one.0, other.0) == (a, b)).collect()
    }

    /// Parts these ends from each other.
    pub(super) fn part(&mut self, ends: &[ConnectionKey]) {
        for key in ends {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.other_end = None;
                connection.remote = None;
            }
        }
    }

    /// A dead browser: its ends never answer again, and the others do not notice by themselves.
    pub(super) fn crash(&mut self, peer: usize) {
        self.connections.retain(|key, _| key.0 != peer);
        for connection in self.connections.values_mut() {
            if connection.other_end.is_some_and(|other| other.0 == peer) {
                connection.other_end = None;
                connection.remote = None;
            }
        }
    }

    pub(super) fn open_between(&self, a: usize, b: usize) -> usize {
        self.ends_between(a, b).len()
    }

    pub(super) fn live(&self, peer: usize) -> usize {
        self.connections.keys().filter(|key| key.0 == peer).count()
    }

    /// Whether an input about a connection is still due: closed ones report nothing.
    pub(super) fn wants(&self, peer: usize, input: &Input) -> bool {
        let about = |id: &ConnectionId| self.connections.contains_key(&(peer, *id));
        match input {
            Input::LocalDescription(id, _) | Input::LocalCandidate(id, _) | Input::GatheringComplete(id) => {
                about(id)
            }
            Input::ChannelsOpen(id) | Input::ConnectionFailed(id) | Input::ConnectionWorks(id) => {
                self.other_end((peer, *id)).is_some()
            }
            _ => true,
        }
    }
}
