//! Streams and calls of a simulated peer: what it opens and calls, and how it reads and answers. Bytes tell their place,
//! so that one that is missing, double or out of order is found at once.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::app::Bytes;
use crate::action::Event;
use crate::call::{self, CallFailure, CallId};
use crate::id::PeerId;
use crate::node::Node;
use crate::random::Random;
use crate::session::Buffer;
use crate::stream::{self, StreamId};

/// What a peer does.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Streams to open in all.
    pub streams: u64,
    /// Bytes of the longest in each direction.
    pub longest: u64,
    /// Calls to make in all.
    pub calls: u64,
}

#[derive(Debug)]
struct Stream {
    seed: u64,
    len: u64,
    opener: bool,
    written: u64,
    finished: bool,
    read: u64,
    unread: u64,
    ended: bool,
}

impl Stream {
    fn new(seed: u64, len: u64, opener: bool) -> Self {
        Self { seed, len, opener, written: 0, finished: false, read: 0, unread: 0, ended: false }
    }

    fn byte(&self, at: u64, by_opener: bool) -> u8 {
        (at ^ at >> 8 ^ at >> 16 ^ self.seed ^ u64::from(by_opener)) as u8
    }
}

/// See the [module](self).
#[derive(Debug)]
pub struct Exchange {
    plan: Plan,
    random: Random,
    peers: Vec<PeerId>,
    streams: BTreeMap<(PeerId, StreamId), Stream>,
    calls: BTreeMap<(PeerId, CallId), u64>,
    /// Calls of the others, with when to answer them.
    requests: BTreeMap<(PeerId, CallId), (u64, u64)>,
    next_at: u64,
    /// Streams that came to their end in both directions, and such that broke off.
    pub whole: u64,
    /// See `whole`.
    pub broken: u64,
    /// Calls by how they were settled: answered, refused, timed out, cancelled by us, without the peer.
    pub settled: [u64; 5],
}

type SimNode = Node<Rc<[u8]>, Bytes>;

impl Exchange {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            plan: Plan { streams: 0, longest: 0, calls: 0 },
            random: Random::new(seed),
            peers: Vec::new(),
            streams: BTreeMap::new(),
            calls: BTreeMap::new(),
            requests: BTreeMap::new(),
            next_at: 0,
            whole: 0,
            broken: 0,
            settled: [0; 5],
        }
    }

    pub(super) fn start(&mut self, plan: Plan) {
        self.plan = plan;
    }

    /// Whether everything has been sent, read, answered and settled.
    pub fn is_done(&self) -> bool {
        self.plan.streams == 0 && self.plan.calls == 0 && self.streams.is_empty() && self.calls.is_empty()
    }

    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::PeerJoined { id, .. } => self.peers.push(*id),
            Event::PeerLeft(id, _) => {
                self.peers.retain(|peer| peer != id);
                let left = |(peer, _): &(PeerId, StreamId)| peer == id;
                assert!(!self.streams.keys().any(left), "streams end before their peer has left");
                assert!(!self.calls.keys().any(|(peer, _)| peer == id), "calls fail before that");
            }
            Event::Closed(_) => {
                assert!(self.streams.is_empty() && self.calls.is_empty(), "everything ends with the room");
                self.plan = Plan { streams: 0, longest: 0, calls: 0 };
            }
            _ => {}
        }
    }

    pub(super) fn stream(&mut self, from: PeerId, event: &stream::Event, bytes: Option<&Bytes>) {
        use stream::Event::{Aborted, Cancelled, Closed, Data, Ended, Opened};
        match event {
            Opened { id, name } => {
                let (seed, len) = name.split_once(' ').expect("a name of ours");
                let number = |text: &str| text.parse().expect("a number");
                let opened = Stream::new(number(seed), number(len), false);
                assert!(self.streams.insert((from, *id), opened).is_none(), "{id:?} is new");
            }
            Data { id, range } => {
                let stream = self.streams.get_mut(&(from, *id)).expect("a stream that is open");
                let bytes = bytes.expect("the bytes");
                assert_eq!(bytes.len(), range.len());
                let mut read = Vec::new();
                bytes.read_head(bytes.len(), &mut read);
                for byte in read {
                    assert_eq!(byte, stream.byte(stream.read, !stream.opener), "byte {}", stream.read);
                    stream.read += 1;
                }
                stream.unread += range.len() as u64;
                assert!(stream.unread <= crate::limits::STREAM_WINDOW_BYTES as u64, "the window is kept");
            }
            Ended { id } => {
                let stream = self.streams.get_mut(&(from, *id)).expect("a stream that is open");
                assert_eq!(stream.read, stream.len, "every byte came before the end");
                stream.ended = true;
            }
            Aborted { id, reason } | Cancelled { id, reason } => {
                assert_eq!(&**reason, "peer-gone", "nobody here gives up a stream");
                assert!(self.streams.contains_key(&(from, *id)));
            }
            Closed { id } => {
                let stream = self.streams.remove(&(from, *id)).expect("closed once");
                let whole = stream.ended && stream.unread == 0 && stream.finished;
                *(if whole { &mut self.whole } else { &mut self.broken }) += 1;
            }
            _ => {}
        }
    }

    pub(super) fn call(&mut self, now: u64, from: PeerId, event: &call::Event, bytes: Option<&Bytes>) {
        let number = || {
            let mut head = Vec::new();
            bytes.expect("a body").read_head(8, &mut head);
            u64::from_le_bytes(head[..].try_into().expect("eight bytes"))
        };
        match event {
            call::Event::Request { id, method, .. } => {
                assert_eq!(*method, 0);
                let answer_at = now + self.random.below(2_000);
                let request = (number(), answer_at);
                assert!(self.requests.insert((from, *id), request).is_none(), "{id:?} is new");
            }
            call::Event::Cancelled { id } => {
                self.requests.remove(&(from, *id)).expect("a request that waits");
            }
            call::Event::Response { id, .. } => {
                let asked = self.calls.remove(&(from, *id)).expect("settled once");
                assert_eq!(number(), asked + 1, "the answer to this call");
                self.settled[0] += 1;
            }
            call::Event::Failed { id, failure } => {
                self.calls.remove(&(from, *id)).expect("settled once");
                self.settled[match failure {
                    CallFailure::Remote { code, .. } => {
                        assert_eq!(&**code, "refused");
                        1
                    }
                    CallFailure::TimedOut => 2,
                    CallFailure::PeerGone => 4,
                }] += 1;
            }
        }
    }

    /// Does what there is to do; gives the pause before the next time.
    pub(super) fn act(&mut self, now: u64, node: &mut SimNode) -> Option<u64> {
        if now < self.next_at {
            return None;
        }
        self.begin(now, node);
        for ((peer, id), stream) in &mut self.streams {
            while stream.written < stream.len {
                let len = (1 + self.random.below(60_000)).min(stream.len - stream.written);
                let bytes: Vec<_> =
                    (0..len).map(|at| stream.byte(stream.written + at, stream.opener)).collect();
                match node.write_stream(*peer, *id, bytes.into()) {
                    Ok(writable) => {
                        stream.written += len;
                        if !writable {
                            break;
                        }
                    }
                    Err(_) => break,
                }
            }
            if stream.written == stream.len && !stream.finished {
                node.finish_stream(*peer, *id);
                stream.finished = true;
            }
            let taken = self.random.below(stream.unread + 1).max(stream.unread.min(1_000));
            node.stream_consumed(*peer, *id, taken as usize);
            stream.unread -= taken;
        }
        let due: Vec<_> = self
            .requests
            .iter()
            .filter(|(_, (_, at))| *at <= now)
            .map(|(key, (number, _))| (*key, *number))
            .collect();
        for ((peer, id), number) in due {
            match number % 8 {
                0 => continue, // Never: the caller's time runs out.
                1 => node.refuse_call(peer, id, "refused", "as planned"),
                _ => {
                    let len = 8 + if number % 8 == 2 { 100_000 } else { 0 };
                    node.respond(peer, id, body(number + 1, len)).expect("a short answer");
                }
            }
            self.requests.remove(&(peer, id));
        }
        let wait_ms = 5 + self.random.below(30);
        self.next_at = now + wait_ms;
        Some(wait_ms)
    }

    fn begin(&mut self, now: u64, node: &mut SimNode) {
        let Some(&peer) = self.peers.get(self.random.below(self.peers.len().max(1) as u64) as usize) else {
            return;
        };
        if self.plan.streams > 0 && self.random.below(10) == 0 {
            let (seed, len) = (self.random.below(1_000), self.random.below(self.plan.longest));
            if let Ok(id) = node.open_stream(peer, &format!("{seed} {len}")) {
                self.plan.streams -= 1;
                self.streams.insert((peer, id), Stream::new(seed, len, true));
            }
        }
        if self.plan.calls > 0 && self.random.below(3) == 0 {
            let (number, timeout_ms) = (self.random.below(1 << 40), 1_000 + self.random.below(30_000));
            let len = if self.random.below(10) == 0 { 50_000 } else { 8 };
            if let Ok(id) = node.call(peer, 0, body(number, len), Some(now + timeout_ms)) {
                self.plan.calls -= 1;
                self.calls.insert((peer, id), number);
            }
        }
        if self.random.below(50) == 0
            && let Some(((peer, id), _)) = self.calls.pop_first()
        {
            node.cancel_call(peer, id);
            self.settled[3] += 1;
        }
    }
}

fn body(number: u64, len: usize) -> Rc<[u8]> {
    let mut bytes = vec![0; len];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes.into()
}
