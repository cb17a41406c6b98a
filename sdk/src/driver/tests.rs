//! In a real browser: the driver's pieces against real connections, without a server.
#![allow(clippy::unwrap_used)] // A failed step is a failed test.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo::timers::future::TimeoutFuture;
use js_sys::Uint8Array;
use peerloom_protocol::action::{ConnectionId, Start};
use peerloom_protocol::channel::Payload as _;
use peerloom_protocol::hello::{Delivery, Hello};
use peerloom_protocol::sdp::{self, DtlsRole, SdpKind};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web_sys::{Event, EventTarget, RtcConfiguration};

use super::connection::{Connection, ConnectionEvent, Report};
use super::listener::EventListener;
use super::{Payload, server_address};

wasm_bindgen_test_configure!(run_in_browser);

/// A connection and what it reported.
struct End {
    hello: Hello,
    connection: Connection,
    events: Rc<RefCell<Vec<ConnectionEvent>>>,
}

impl End {
    fn open(start: Start) -> Self {
        let hello = Hello::new([("chat".to_owned(), Delivery::Ordered, "json".to_owned())], "").unwrap();
        let events: Rc<RefCell<Vec<ConnectionEvent>>> = Rc::default();
        let seen = events.clone();
        let report: Report = Rc::new(move |_, event| seen.borrow_mut().push(event));
        let configuration = RtcConfiguration::new();
        let connection = Connection::open(ConnectionId(1), start, &configuration, report);
        Self { hello, connection: connection.unwrap(), events }
    }

    /// The first event that `pick` takes, waited for up to ten seconds.
    async fn wait<T>(&self, pick: impl Fn(&ConnectionEvent) -> Option<T>) -> T {
        for _ in 0..1000 {
            if let Some(found) = self.events.borrow().iter().find_map(&pick) {
                return found;
            }
            TimeoutFuture::new(10).await;
        }
        panic!("the event did not come");
    }

    /// Completes the connection when it comes, as the driver does.
    async fn local_description(&mut self) -> String {
        let sdp =
            self.wait(|event| {
                if let ConnectionEvent::LocalDescription(sdp) = event { Some(sdp.clone()) } else { None }
            })
            .await;
        self.connection.complete(&self.hello);
        sdp
    }

    async fn first_candidate(&self) -> String {
        self.wait(
            |event| if let ConnectionEvent::LocalCandidate(line) = event { Some(line.clone()) } else { None },
        )
        .await
    }

    async fn channels_open(&self) {
        self.wait(|event| matches!(event, ConnectionEvent::ChannelsOpen).then_some(())).await;
    }

    async fn message(&self) -> (u16, Vec<u8>) {
        self.wait(|event| {
            if let ConnectionEvent::Message(id, data) = event { Some((*id, data.to_vec())) } else { None }
        })
        .await
    }
}

/// Hands each end the other's first candidate, and waits until both are open and have heard the other.
async fn talk(a: &End, b: &End) {
    a.connection.add_candidate(b.first_candidate().await);
    b.connection.add_candidate(a.first_candidate().await);
    a.channels_open().await;
    b.channels_open().await;
    assert!(a.connection.send(1, b"from a") && b.connection.send(1, b"from b"));
    assert_eq!(a.message().await, (1, b"from b".to_vec()));
    assert_eq!(b.message().await, (1, b"from a".to_vec()));
    assert_eq!(a.connection.buffered(9), None);
}

#[wasm_bindgen_test]
async fn two_ends_connect_by_cards() {
    let mut resident = End::open(Start::Offer { role_hint: false });
    let mut joiner = End::open(Start::Offer { role_hint: true });
    let cards = [
        sdp::parse_local(&resident.local_description().await).unwrap(),
        sdp::parse_local(&joiner.local_description().await).unwrap(),
    ];
    resident.connection.set_answer(sdp::write_answer(&cards[1], DtlsRole::Client));
    joiner.connection.set_answer(sdp::write_answer(&cards[0], DtlsRole::Server));
    talk(&resident, &joiner).await;
}

#[wasm_bindgen_test]
async fn two_ends_connect_by_offer_and_answer() {
    let mut offerer = End::open(Start::Offer { role_hint: false });
    let offer = sdp::sanitize(SdpKind::Offer, &offerer.local_description().await).unwrap();
    let mut answerer = End::open(Start::Answer { offer });
    let answer = sdp::sanitize(SdpKind::Answer, &answerer.local_description().await).unwrap();
    offerer.connection.set_answer(answer);
    talk(&offerer, &answerer).await;
}

#[wasm_bindgen_test]
async fn a_refused_description_is_reported_as_a_lost_connection() {
    let mut end = End::open(Start::Offer { role_hint: false });
    end.local_description().await;
    end.connection.set_answer("v=0".to_owned());
    end.wait(|event| matches!(event, ConnectionEvent::Lost).then_some(())).await;
}

#[wasm_bindgen_test]
fn large_payloads_stay_outside_and_are_read_in_pieces() {
    let bytes: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
    let array = Uint8Array::from(&bytes[..]);
    let payload = Payload::array(array.clone());
    assert!(matches!(payload, Payload::There(_)));
    // Its owner may use the array again at once.
    array.fill(0xff, 0, array.length());
    let mut out = b"head".to_vec();
    payload.append_range(1_000..1_010, &mut out);
    assert_eq!(out, [b"head", &bytes[1_000..1_010]].concat());
    assert_eq!(payload.len(), 100_000);
    assert!(matches!(Payload::array(Uint8Array::new_with_length(10)), Payload::Here(..)));
}

#[wasm_bindgen_test]
fn server_addresses_become_socket_addresses() {
    let cases = [
        ("http://localhost:8080", "ws://localhost:8080/ws"),
        ("https://example.org/", "wss://example.org/ws"),
        ("wss://example.org/ws", "wss://example.org/ws"),
        ("https://example.org/chat/?x=1#room", "wss://example.org/chat/ws"),
    ];
    for (given, expected) in cases {
        assert_eq!(server_address(given).as_deref(), Ok(expected));
    }
    for bad in ["example.org", "ftp://example.org", "http://", "http:///"] {
        assert_eq!(server_address(bad).unwrap_err().code(), "bad-url");
    }
}

#[wasm_bindgen_test]
fn a_dropped_listener_hears_nothing() {
    let target = EventTarget::new().unwrap();
    let heard = Rc::new(Cell::new(0));
    let count = heard.clone();
    let listener = EventListener::new(&target, "tick", move |_| count.set(count.get() + 1));
    let dispatch = |name| target.dispatch_event(&Event::new(name).unwrap()).unwrap();
    dispatch("tick");
    dispatch("tock");
    assert_eq!(heard.get(), 1);
    drop(listener);
    dispatch("tick");
    assert_eq!(heard.get(), 1);
    assert_eq!(Rc::strong_count(&heard), 1, "the callback is freed with its listener");
}
