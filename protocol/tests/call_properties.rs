//! What must hold of calls whatever two applications do, and of one end whatever its peer sends. Proptest prints the
//! failing input with its seed.
// The helpers of tests may unwrap too; clippy.toml lets only functions marked as tests.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use peerloom_protocol::call::{CallError, CallFailure, CallId, Calls, Event, HEAD_BYTES, code};
use peerloom_protocol::channel::Payload;
use peerloom_protocol::codec::push_varint;
use peerloom_protocol::limits;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

const METHODS: usize = 3;

/// How a call of ours ended.
#[derive(Debug, Clone, PartialEq)]
enum Settled {
    Answered,
    Failed(CallFailure),
    Cancelled,
}

struct End {
    calls: Calls<Rc<[u8]>>,
    /// Ours: method, body, and how it was settled.
    made: BTreeMap<CallId, (usize, Vec<u8>, Option<Settled>)>,
    /// The peer's, for which a handler runs.
    running: BTreeMap<CallId, Vec<u8>>,
    arriving: VecDeque<Vec<u8>>,
    now_ms: u64,
}

#[derive(Debug, Clone)]
enum Step {
    Call(usize, Vec<u8>, Option<u64>),
    Cancel(Index),
    Respond(Index),
    Refuse(Index),
    Wait(u64),
    Send(usize),
    Receive(usize),
}

fn step() -> impl Strategy<Value = (usize, Step)> {
    let call = (0..METHODS + 1, vec(any::<u8>(), 0..30), prop::option::of(0..5_000_u64));
    let step = prop_oneof![
        6 => call.prop_map(|(method, body, within)| Step::Call(method, body, within)),
        1 => any::<Index>().prop_map(Step::Cancel),
        3 => any::<Index>().prop_map(Step::Respond),
        1 => any::<Index>().prop_map(Step::Refuse),
        1 => (0..500_u64).prop_map(Step::Wait),
        4 => (1..10_usize).prop_map(Step::Send),
        4 => (1..10_usize).prop_map(Step::Receive),
    ];
    (0..2_usize, step)
}

/// What a handler makes of a body.
fn answer(body: &[u8]) -> Vec<u8> {
    body.iter().rev().map(|byte| byte ^ 0x55).collect()
}

fn pick<V>(of: &BTreeMap<CallId, V>, index: Index) -> Option<CallId> {
    of.keys().nth(index.index(of.len().max(1))).copied()
}

struct Pair([End; 2]);

impl Pair {
    fn new() -> Self {
        Self([(); 2].map(|()| End {
            calls: Calls::new(METHODS),
            made: BTreeMap::new(),
            running: BTreeMap::new(),
            arriving: VecDeque::new(),
            now_ms: 0,
        }))
    }

    fn run(&mut self, at: usize, step: Step) {
        let end = &mut self.0[at];
        match step {
            Step::Call(method, body, within_ms) => {
                let deadline = within_ms.map(|ms| end.now_ms + ms);
                match end.calls.call(method, Rc::from(&body[..]), deadline) {
                    Ok(id) => assert!(end.made.insert(id, (method, body, None)).is_none()),
                    Err(error) => {
                        assert_eq!((error, end.calls.open().0), (CallError::TooManyCalls, limits::MAX_CALLS));
                    }
                }
            }
            Step::Cancel(index) => {
                let Some(id) = pick(&end.made, index) else { return };
                end.calls.cancel(id);
                let settled = &mut end.made.get_mut(&id).unwrap().2;
                *settled = settled.take().or(Some(Settled::Cancelled));
            }
            Step::Respond(index) => {
                let Some(id) = pick(&end.running, index) else { return };
                let body = end.running.remove(&id).unwrap();
                end.calls.respond(id, answer(&body).into()).unwrap();
            }
            Step::Refuse(index) => {
                let Some(id) = pick(&end.running, index) else { return };
                end.running.remove(&id);
                end.calls.refuse(id, "no", "not today");
            }
            Step::Wait(ms) => {
                end.now_ms += ms;
                if end.calls.deadline().is_some_and(|at| at <= end.now_ms) {
                    end.calls.timed_out(end.now_ms);
                }
                assert!(end.calls.deadline().is_none_or(|at| at > end.now_ms));
            }
            Step::Send(most) => {
                for _ in 0..most {
                    let Some(message) = self.0[at].calls.next_message() else { break };
                    let mut bytes = Vec::new();
                    message.append_range(0..message.len(), &mut bytes);
                    self.0[1 - at].arriving.push_back(bytes);
                }
            }
            Step::Receive(most) => {
                for _ in 0..most {
                    let Some(message) = self.0[at].arriving.pop_front() else { break };
                    let head = &message[..message.len().min(HEAD_BYTES)];
                    self.0[at].calls.handle(head, message.len()).unwrap();
                    self.drain(at, &message);
                }
            }
        }
        self.drain(at, &[]);
        let end = &self.0[at];
        let open = end.made.values().filter(|(.., settled)| settled.is_none()).count();
        assert_eq!(end.calls.open(), (open, end.running.len()));
        assert!(open <= limits::MAX_CALLS && end.running.len() <= limits::MAX_CALLS);
    }

    fn drain(&mut self, at: usize, message: &[u8]) {
        while let Some(event) = self.0[at].calls.poll() {
            let (id, settled) = match event {
                Event::Request { id, method, body } => {
                    let (declared, sent, _) = &self.0[1 - at].made[&id];
                    assert!(method == *declared && message[body] == sent[..] && method < METHODS);
                    assert!(self.0[at].running.insert(id, sent.clone()).is_none());
                    continue;
                }
                Event::Cancelled { id } => {
                    assert!(self.0[at].running.remove(&id).is_some());
                    continue;
                }
                Event::Response { id, body } => {
                    assert_eq!(message[body], answer(&self.0[at].made[&id].1));
                    (id, Settled::Answered)
                }
                Event::Failed { id, failure } => {
                    // Nobody is refused for having made too many.
                    let declared = self.0[at].made[&id].0 < METHODS;
                    match failure.code() {
                        "call-timeout" | "peer-gone" => {}
                        code::NO_HANDLER => assert!(!declared),
                        other => assert!(declared && other == "no", "{other}"),
                    }
                    (id, Settled::Failed(failure))
                }
                _ => unreachable!("no other events"),
            };
            let before = self.0[at].made.get_mut(&id).unwrap().2.replace(settled);
            assert_eq!(before, None, "settled twice");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every call is settled exactly once, nobody who keeps to the limits is refused, and both sides forget.
    #[test]
    fn every_call_is_settled_once(steps in vec(step(), 1..400), burst in 0..400_usize) {
        let mut pair = Pair::new();
        for (at, step) in steps {
            pair.run(at, step);
        }
        for _ in 0..burst {
            pair.run(0, Step::Call(0, vec![], None));
        }
        for _ in 0..20 {
            for at in 0..2 {
                pair.run(at, Step::Send(usize::MAX));
                pair.run(1 - at, Step::Receive(usize::MAX));
                let running: Vec<_> = std::mem::take(&mut pair.0[1 - at].running).into_iter().collect();
                for (id, body) in running {
                    pair.0[1 - at].calls.respond(id, answer(&body).into()).unwrap();
                }
            }
        }
        for end in &pair.0 {
            prop_assert_eq!(end.calls.open(), (0, 0));
            prop_assert!(end.made.values().all(|(.., settled)| settled.is_some()) && end.arriving.is_empty());
            prop_assert_eq!(end.calls.deadline(), None);
        }
    }

    /// The peer is gone at any moment: what is open is settled then.
    #[test]
    fn a_peer_that_goes_settles_everything(steps in vec(step(), 1..100), at in 0..2_usize) {
        let mut pair = Pair::new();
        for (at, step) in steps {
            pair.run(at, step);
        }
        pair.0[at].calls.fail();
        pair.drain(at, &[]);
        let end = &mut pair.0[at];
        prop_assert!(end.running.is_empty() && end.made.values().all(|(.., settled)| settled.is_some()));
        prop_assert!(end.calls.next_message().is_none());
    }

    /// Nothing that a peer sends makes an end panic or hold more than allowed, even if its errors are not heeded.
    #[test]
    fn no_message_of_a_peer_breaks_an_end(
        messages in vec((0x0f..0x15_u8, any::<bool>(), 0..600_u64, vec(any::<u8>(), 0..40), 0..20_000_000_usize), 1..900),
        answers in 0..3_usize,
    ) {
        let mut calls = Calls::<Rc<[u8]>>::new(METHODS);
        let mut next = 0;
        let mut running = BTreeMap::<CallId, usize>::new();
        for (kind, fitting, number, rest, more) in messages {
            let mut message = vec![kind];
            push_varint(&mut message, if fitting { next } else { number });
            message.extend(rest);
            next += u64::from(fitting);
            let _ = calls.call(0, Rc::from([1]), Some(number));
            let len = message.len() + if kind < 0x12 { more } else { 0 };
            let _ = calls.handle(&message, len);
            while let Some(event) = calls.poll() {
                match event {
                    Event::Request { id, method, body } => {
                        prop_assert!(method < METHODS && body.end == len);
                        running.insert(id, body.len());
                    }
                    Event::Cancelled { id } => drop(running.remove(&id)),
                    _ => {}
                }
            }
            prop_assert!(running.len() <= limits::MAX_CALLS);
            prop_assert!(running.values().sum::<usize>() <= limits::MAX_CALL_BYTES);
            for id in running.keys().copied().take(answers).collect::<Vec<_>>() {
                running.remove(&id);
                calls.respond(id, Rc::from([2])).unwrap();
            }
        }
        // Requests, cancels and answers.
        let waiting = std::iter::from_fn(|| calls.next_message()).count();
        prop_assert!(waiting <= 4 * limits::MAX_CALLS, "{} messages", waiting);
    }
}
