//! Rooms with a secret: who knows it meets, and the server learns nothing of them and cannot join in.
#![allow(clippy::unwrap_used)]

#[path = "support/rooms.rs"]
mod rooms;

use peerloom_protocol::action::Event;
use peerloom_protocol::failure::RoomError;
use peerloom_protocol::hello::Hello;
use peerloom_protocol::node::{Config, Node};
use peerloom_protocol::session::{Options, RelayMode};
use peerloom_protocol::sim::app::Bytes;
use peerloom_protocol::sim::{Faults, World};
use peerloom_protocol::timing;
use rooms::relay;

const SECRET: &str = "AAECAwQFBgcICQoLDA0ODw";
const OTHER: &str = "_______________________w";

/// Peers that enter a room of this name with these secrets, one after the other.
fn entered(faults: Faults, options: Options, secrets: &[Option<&str>]) -> (World, Vec<usize>) {
    rooms::entered(faults, options, secrets, |world, secret| world.secret = secret)
}

#[test]
fn those_who_know_the_secret_meet_and_talk() {
    for options in [relay(RelayMode::First), relay(RelayMode::Never)] {
        let (mut world, peers) = entered(Faults::default(), options, &[Some(SECRET); 3]);
        world.run_for(3_000);
        for &a in &peers {
            world.say(a, 0, 100, None).unwrap();
        }
        world.run_for(1_000);
        for &a in &peers {
            for &b in peers.iter().filter(|b| **b != a) {
                assert!(world.connected(a, b));
                assert_eq!(world.has_all(a, b), Ok(()));
            }
        }
    }
}

#[test]
fn they_talk_through_the_server_too_and_over_plain_offers() {
    let faults = Faults { path: false, ..Faults::default() };
    let (mut world, peers) = entered(faults, relay(RelayMode::First), &[Some(SECRET); 2]);
    world.say(peers[0], 0, 100, None).unwrap();
    world.run_for(1_000);
    assert_eq!(world.has_all(peers[0], peers[1]), Ok(()));
    assert!(world.relayed() > 0);
    // The network is back: cards are used up, and offers and answers follow.
    world.set_faults(Faults::default());
    world.run_for(60_000);
    assert!(world.connected(peers[0], peers[1]));
}

#[test]
fn others_are_in_another_room() {
    let (world, peers) =
        entered(Faults::default(), Options::default(), &[Some(SECRET), Some(OTHER), None, Some(SECRET)]);
    let met = |peer: usize| {
        let events = world.events(peer).iter();
        events.filter(|(_, event)| matches!(event, Event::PeerJoined { .. })).count()
    };
    assert_eq!(peers.iter().map(|peer| met(*peer)).collect::<Vec<_>>(), [1, 0, 0, 1]);
}

#[test]
fn the_room_outlives_the_server() {
    let (mut world, peers) = entered(Faults::default(), Options::default(), &[Some(SECRET); 2]);
    world.kill_server();
    world.run_for(2_000);
    world.start_server();
    world.run_for(20_000);
    world.cut(peers[0], peers[1]);
    world.say(peers[0], 0, 100, None).unwrap();
    world.run_for(20_000);
    assert_eq!(world.has_all(peers[0], peers[1]), Ok(()));
    assert!(world.connected(peers[0], peers[1]));
}

#[test]
fn what_is_no_secret_is_refused() {
    for secret in ["", "short", "AAECAwQFBgcICQoLDA0O", "this is no base64url!!"] {
        let config = Config {
            share: None,
            room: "demo".to_owned(),
            secret: Some(secret.to_owned()),
            hello: Hello::default(),
            join_timeout_ms: timing::JOIN_MS,
            resume: None,
            gives_tokens: false,
            options: Options::default(),
            entropy: [3; 32],
        };
        let refused = Node::<std::rc::Rc<[u8]>, Bytes>::new(config).err();
        assert_eq!(refused, Some(RoomError::BadSecret), "{secret:?}");
    }
}
