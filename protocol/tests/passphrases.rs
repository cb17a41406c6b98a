//! Rooms with a passphrase: who was given the same one meets, and whoever was not is told of to both, within a second.
#![allow(clippy::unwrap_used)]

#[path = "support/rooms.rs"]
mod rooms;

use peerloom_protocol::action::Event;
use peerloom_protocol::failure::{LinkError, RoomError};
use peerloom_protocol::hello::{Delivery, Hello};
use peerloom_protocol::node::{Config, Node};
use peerloom_protocol::session::{Options, RelayMode};
use peerloom_protocol::sim::app::Bytes;
use peerloom_protocol::sim::{Faults, World};
use peerloom_protocol::timing;
use rooms::relay;

const WORDS: &str = "correct horse battery staple";

/// Peers that enter one room with these passphrases, one after the other.
fn entered(faults: Faults, options: Options, passphrases: &[Option<&str>]) -> (World, Vec<usize>) {
    rooms::entered(faults, options, passphrases, |world, passphrase| world.passphrase = passphrase)
}

/// What a peer was told of another, paths left out.
fn told(world: &World, peer: usize, other: usize) -> Vec<Event> {
    let id = world.id(other).unwrap();
    let about = |event: &Event| match event {
        Event::PeerJoined { id: about, .. } => *about == id,
        Event::PeerConnected(about) | Event::PeerLeft(about, _) | Event::PeerFailed(about, _) => *about == id,
        _ => false,
    };
    world.events(peer).iter().map(|(_, event)| event).filter(|event| about(event)).cloned().collect()
}

fn says_all(world: &mut World, peers: &[usize]) {
    for &a in peers {
        world.say(a, 0, 100, None).unwrap();
    }
    world.run_for(1_000);
    for &a in peers {
        for &b in peers.iter().filter(|b| **b != a) {
            assert_eq!(world.has_all(a, b), Ok(()), "from {a} to {b}");
        }
    }
}

#[test]
fn those_who_know_it_meet_and_talk() {
    for options in [relay(RelayMode::First), relay(RelayMode::Never)] {
        let (mut world, peers) = entered(Faults::default(), options, &[Some(WORDS); 3]);
        world.run_for(3_000);
        says_all(&mut world, &peers);
        assert!(world.connected(peers[0], peers[1]) && world.connected(peers[1], peers[2]));
    }
}

#[test]
fn they_talk_through_the_server_too_and_over_plain_offers() {
    let faults = Faults { path: false, ..Faults::default() };
    let (mut world, peers) = entered(faults, relay(RelayMode::First), &[Some(WORDS); 2]);
    says_all(&mut world, &peers);
    assert!(world.relayed() > 0);
    world.set_faults(Faults::default());
    world.run_for(60_000);
    assert!(world.connected(peers[0], peers[1]));
}

#[test]
fn whoever_has_another_or_none_is_told_of_at_both_ends_and_gets_nothing() {
    let given = [Some(WORDS), Some("correct house battery staple"), None, Some(WORDS)];
    let (mut world, peers) = entered(Faults::default(), relay(RelayMode::First), &given);
    for &peer in &peers {
        world.say(peer, 0, 100, None).unwrap();
    }
    world.run_for(5_000);
    for (a, one) in given.iter().enumerate() {
        for (b, other) in given.iter().enumerate().filter(|(b, _)| *b != a) {
            let told = told(&world, peers[a], peers[b]);
            if one == other {
                assert!(matches!(told[..], [Event::PeerJoined { .. }, Event::PeerConnected(_)]), "{told:?}");
                assert_eq!(world.has_all(peers[a], peers[b]), Ok(()));
            } else {
                let wrong = [LinkError::WrongPassphrase];
                let failed = told.iter().filter_map(|event| match event {
                    Event::PeerFailed(_, error) => Some(error.clone()),
                    _ => None,
                });
                assert_eq!(failed.collect::<Vec<_>>(), wrong, "{a} of {b}: {told:?}");
                assert!(!world.connected(peers[a], peers[b]));
                let stats = world.stats(peers[b], world.id(peers[a]).unwrap());
                assert_eq!(stats.sum(|channel| channel.received_messages), 0);
            }
        }
    }
}

#[test]
fn it_is_told_within_a_second() {
    let mut world = World::new(3, Faults::default());
    let enter = |world: &mut World, words: &str| {
        world.passphrase = Some(words.to_owned());
        world.enter("demo", &[], Options::default())
    };
    let a = enter(&mut world, WORDS);
    world.run_for(5_000);
    let b = enter(&mut world, "something else");
    world.run_for(1_000);
    for (one, other) in [(a, b), (b, a)] {
        let told = told(&world, one, other);
        assert!(matches!(told[..], [_, Event::PeerFailed(_, LinkError::WrongPassphrase)]), "{told:?}");
    }
}

#[test]
fn the_room_outlives_the_server_and_a_lost_proof() {
    for seed in 0..30 {
        let mut world = World::new(seed, Faults::default());
        world.passphrase = Some(WORDS.to_owned());
        let peers = [(); 2].map(|()| world.enter("demo", &[("chat", Delivery::Ordered)], Options::default()));
        // Between join and proof, and later.
        world.run_for(40 + 15 * seed);
        world.kill_server();
        world.run_for(2_000);
        world.start_server();
        world.run_for(20_000);
        world.cut(peers[0], peers[1]);
        says_all(&mut world, &peers);
        world.run_for(20_000);
        assert!(world.connected(peers[0], peers[1]), "seed {seed}");
    }
}

#[test]
fn whoever_leaves_before_it_has_shown_anything_was_never_there() {
    let mut world = World::new(5, Faults::default());
    world.passphrase = Some(WORDS.to_owned());
    let a = world.enter("demo", &[], Options::default());
    world.run_for(1_000);
    let b = world.enter("demo", &[], Options::default());
    // It is in the room, and has heard nothing yet.
    world.run_for(60);
    world.crash(b);
    world.run_for(1_000);
    assert_eq!(told(&world, a, b).len() % 2, 0, "joined and left, or neither");
}

#[test]
fn a_secret_and_a_passphrase_do_not_go_together() {
    let config = Config {
        room: "demo".to_owned(),
        secret: Some("AAECAwQFBgcICQoLDA0ODw".to_owned()),
        share: Some([1; 32]),
        hello: Hello::default(),
        join_timeout_ms: timing::JOIN_MS,
        resume: None,
        gives_tokens: false,
        options: Options::default(),
        entropy: [3; 32],
    };
    let refused = Node::<std::rc::Rc<[u8]>, Bytes>::new(config).err();
    assert_eq!(refused, Some(RoomError::BadPassphrase));
}
