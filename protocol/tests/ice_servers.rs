//! STUN and TURN servers that the signaling server names.
#![allow(clippy::unwrap_used)]

#[path = "support/page.rs"]
mod page;

use peerloom_protocol::action::{Event, Input};
use peerloom_protocol::codec;
use peerloom_protocol::envelope::Envelope;
use peerloom_protocol::ice::{IceServer, IceSource};
use peerloom_protocol::node::Config;
use peerloom_protocol::privacy::Privacy;
use peerloom_protocol::session::Options;
use peerloom_protocol::signal::{ClientMessage, ServerMessage};
use peerloom_protocol::timing;

use page::{Other, Page, config};

fn server(url: &str) -> IceServer {
    IceServer {
        url: url.try_into().unwrap(),
        username: "1:a".try_into().unwrap(),
        credential: "b".try_into().unwrap(),
    }
}

fn servers(urls: &[&str]) -> ServerMessage {
    let servers: Vec<_> = urls.iter().map(|url| server(url)).collect();
    ServerMessage::IceServers { lifetime_s: 600, servers: servers.try_into().unwrap() }
}

/// A page that has found another in its room.
fn joined() -> Page {
    let mut page = Page::new(None);
    page.welcome(vec![Other::new(5).listed()]);
    page
}

fn renewals(page: &Page) -> usize {
    page.said.iter().filter(|said| matches!(said, ClientMessage::RenewIceServers)).count()
}

/// Generations of the offers that it has sent.
fn offers(page: &Page) -> Vec<u32> {
    let envelopes = page.said.iter().filter_map(|said| match said {
        ClientMessage::Signal { envelope, .. } => Some(codec::decode(envelope, envelope.len()).unwrap()),
        _ => None,
    });
    let generation = |envelope| match envelope {
        Ok(Envelope::Offer { generation, .. }) => Some(generation),
        _ => None,
    };
    envelopes.flatten().filter_map(generation).collect()
}

#[test]
fn connections_get_those_that_a_browser_takes() {
    let mut page = joined();
    assert_eq!(page.ice_servers, None);
    page.hear(&servers(&["stun:a", "gopher:b", "turn:c"]));
    assert_eq!(page.ice_servers, Some(vec![server("stun:a"), server("turn:c")]));
    page.hear(&servers(&[]));
    assert_eq!(page.ice_servers, Some(vec![]));
}

#[test]
fn an_application_that_gives_its_own_is_not_overruled() {
    for ice in [IceSource::Application, IceSource::Asked] {
        let options = Options { ice, ..Options::default() };
        let mut page = Page::with(Config { options, ..config() });
        page.welcome(Vec::new());
        page.hear(&servers(&["turn:c"]));
        assert_eq!(page.ice_servers, None);
        page.wait(timing::CARD_AGE_MS + 1_000);
        assert_eq!(renewals(&page), 0);
    }
}

/// A page whose application gives servers when it is asked.
fn asked() -> Page {
    let options = Options { ice: IceSource::Asked, ..Options::default() };
    Page::with(Config { options, ..config() })
}

/// How often the application was asked.
fn questions(page: &Page) -> usize {
    page.events.iter().filter(|event| matches!(event, Event::IceServersWanted)).count()
}

/// The same in a room, long after it was asked before it joined; gives how many connections it has made.
fn long_joined() -> (Page, u32) {
    let mut page = asked();
    page.welcome(Vec::new());
    page.wait(3 * timing::SHORTEST_ICE_MS);
    assert_eq!(questions(&page), 0, "nothing is to be made");
    let made = page.connections;
    assert!(made > 0);
    (page, made)
}

#[test]
fn an_application_is_asked_before_connections_are_made() {
    let (mut page, made) = long_joined();
    page.hear(&ServerMessage::Joined(Other::new(5).listed()));
    page.wait(timing::ICE_WAIT_MS / 2);
    assert_eq!((questions(&page), page.connections), (1, made));
    page.feed(Input::IceServers);
    assert_eq!(page.connections, made + 1);
    // Who comes now is none to ask for, nor are cards.
    page.wait(timing::SHORTEST_ICE_MS / 2);
    page.hear(&ServerMessage::Joined(Other::new(6).listed()));
    page.wait(0);
    assert_eq!(questions(&page), 1);
    assert!(page.connections > made + 1);
    page.wait(timing::SHORTEST_ICE_MS);
    page.hear(&ServerMessage::Joined(Other::new(7).listed()));
    assert_eq!(questions(&page), 2);
}

#[test]
fn an_application_that_does_not_answer_is_not_waited_for_long() {
    let (mut page, made) = long_joined();
    page.hear(&ServerMessage::Joined(Other::new(5).listed()));
    page.wait(timing::ICE_WAIT_MS - 1);
    assert_eq!((questions(&page), page.connections), (1, made));
    page.wait(1);
    assert_eq!(page.connections, made + 1, "with the last that it gave");
    // Nor again at each connection, and what comes late is as good.
    page.hear(&ServerMessage::Joined(Other::new(6).listed()));
    page.wait(0);
    assert_eq!((questions(&page), page.connections), (1, made + 2));
    page.wait(timing::ICE_AGAIN_MS / 2);
    page.feed(Input::IceServers);
    page.wait(timing::SHORTEST_ICE_MS / 2);
    page.hear(&ServerMessage::Joined(Other::new(7).listed()));
    page.wait(0);
    assert_eq!(questions(&page), 1);
}

#[test]
fn cards_are_made_with_what_the_application_gives_for_them() {
    let (mut page, made) = long_joined();
    // Their time is up.
    page.wait(timing::CARD_AGE_MS - 3 * timing::SHORTEST_ICE_MS);
    assert_eq!((questions(&page), page.connections), (1, made));
    page.feed(Input::IceServers);
    page.wait(timing::ICE_WAIT_MS);
    assert_eq!((questions(&page), page.connections), (1, made + 2));
}

#[test]
fn credentials_are_renewed_before_they_expire() {
    let mut page = joined();
    page.hear(&servers(&["turn:c"]));
    page.wait(449_999);
    assert_eq!(renewals(&page), 0);
    page.wait(1);
    assert_eq!(renewals(&page), 1);
    // No answer: asked again, until there is one.
    page.wait(2 * timing::ICE_AGAIN_MS);
    assert_eq!(renewals(&page), 3);
    page.hear(&servers(&["turn:c"]));
    page.wait(449_999);
    assert_eq!(renewals(&page), 3);
    // Where there are none any more, there is nothing to renew.
    page.hear(&servers(&["stun:c"]));
    page.wait(1_000_000);
    assert_eq!(renewals(&page), 3);
}

#[test]
fn a_server_that_says_they_expire_at_once_is_not_asked_without_end() {
    let mut page = joined();
    for _ in 0..1_000 {
        let servers = vec![server("turn:c")].try_into().unwrap();
        page.hear(&ServerMessage::IceServers { lifetime_s: 0, servers });
        page.wait(10);
    }
    assert_eq!(renewals(&page), 0, "it is told again before it asks");
    page.wait(timing::SHORTEST_ICE_MS);
    assert!(renewals(&page) <= 2);
}

#[test]
fn where_addresses_are_hidden_nothing_else_is_waited_for() {
    let privacy = Privacy { relay_only: true, ..Privacy::default() };
    let mut page = Page::with(Config { options: Options { privacy, ..Options::default() }, ..config() });
    page.welcome(vec![Other::new(5).listed()]);
    page.hear(&servers(&["turn:a"]));
    page.wait(0);
    assert_eq!(offers(&page), [1]);
}

#[test]
fn without_a_turn_server_the_first_attempt_has_all_its_time() {
    let mut page = joined();
    page.hear(&servers(&["stun:a"]));
    page.wait(timing::CARD_EXCHANGE_MS - 1);
    assert_eq!(offers(&page), [0; 0]);
}

#[test]
fn an_attempt_that_knew_of_no_turn_server_gives_way_to_one_that_does() {
    let mut page = joined();
    page.hear(&servers(&["turn:a"]));
    page.wait(timing::WITHOUT_TURN_MS - 1);
    assert_eq!(offers(&page), [0; 0], "the direct path may still open");
    page.wait(1);
    assert_eq!(offers(&page), [1]);
    // That attempt has all the time it needs, also when the server names its servers again.
    page.hear(&servers(&["turn:a"]));
    page.wait(timing::WITHOUT_TURN_MS + 1);
    assert!(offers(&page).iter().all(|generation| *generation == 1), "said again, but not begun anew");
}
