//! Paths between peers that break, fall silent and heal.

use peerloom_protocol::action::{Event, PeerPath};
use peerloom_protocol::session::{Options, RelayMode};
use peerloom_protocol::sim::{Faults, World};

use crate::{ANY, LATEST, LOG, NO_PATH, all_arrived, has, met, nobody_left, options, told, two, until};

#[test]
fn messages_go_by_relay_first_and_directly_then() {
    let mut world = World::new(1, Faults::default());
    let (a, b) = two(&mut world, RelayMode::First);
    world.run_for(120_000);
    all_arrived(&mut world, a, b);
    nobody_left(&world, a, b);
    let (id_a, id_b) = (world.id(a).unwrap(), world.id(b).unwrap());
    for (peer, other) in [(a, id_b), (b, id_a)] {
        let paths: Vec<_> = world
            .events(peer)
            .iter()
            .filter_map(|(_, event)| match event {
                Event::PeerPath(id, path) if *id == other => Some(*path),
                _ => None,
            })
            .collect();
        assert!(matches!(paths[..], [PeerPath::Relay, PeerPath::Direct(_)]), "{paths:?}");
    }
    assert_eq!(world.app(a).suspended() + world.app(b).suspended(), 0);
}

#[test]
fn without_a_direct_path_messages_go_by_relay_for_ever() {
    let mut world = World::new(2, NO_PATH);
    let (a, b) = two(&mut world, RelayMode::First);
    world.run_for(900_000);
    all_arrived(&mut world, a, b);
    for (peer, other) in [(a, b), (b, a)] {
        let told: Vec<_> = told(&world, peer, other, 0).into_iter().map(|(_, event)| event).collect();
        assert!(matches!(told[..], [Event::PeerJoined { .. }, Event::PeerConnected(_)]), "{told:?}");
        assert_eq!(world.path(peer, world.id(other).unwrap()), PeerPath::Relay);
    }
}

#[test]
fn large_messages_wait_for_the_direct_path_until_it_is_given_up() {
    let (mut world, a, b) = met(NO_PATH, Options::default());
    let large = world.say(a, LOG, 300_000, None).unwrap();
    let behind = world.say(a, LOG, 5, None).unwrap();
    let beside = world.say(a, ANY, 5, None).unwrap();
    world.run_for(20_000);
    assert!(has(&mut world, b, a, ANY, beside), "other channels go on");
    assert!(!has(&mut world, b, a, LOG, large) && !has(&mut world, b, a, LOG, behind));
    // 45 s after meeting there is no hope any more; 300 KB then take a few seconds.
    world.run_for(35_000);
    assert!(has(&mut world, b, a, LOG, large) && has(&mut world, b, a, LOG, behind));

    let (mut world, a, b) = met(NO_PATH, Options { relay_bulk: true, ..Options::default() });
    let large = world.say(a, LOG, 300_000, None).unwrap();
    world.run_for(6_000);
    assert!(has(&mut world, b, a, LOG, large), "the application has said that it may");

    // Where there is no order, what has come of a message is not acknowledged before all of it has: it must not wait for that.
    for channel in [ANY, LATEST] {
        let (mut world, a, b) = met(NO_PATH, Options { relay_bulk: true, ..Options::default() });
        let large = world.say(a, channel, 300_000, None).unwrap();
        world.run_for(6_000);
        assert!(has(&mut world, b, a, channel, large), "on channel {channel} too");
    }
}

#[test]
fn when_the_direct_path_falls_silent_messages_flow_again_by_relay_and_go_back_when_it_heals() {
    for talking in [false, true] {
        let (mut world, a, b) = met(Faults::default(), Options::default());
        let ids = [a, b].map(|peer| world.id(peer).unwrap());
        let before = [world.path(a, ids[1]), world.path(b, ids[0])];
        if talking {
            world.run_for(1_500);
            [a, b].into_iter().for_each(|peer| assert!(world.say(peer, LOG, 10, None).is_some()));
        }
        let at = world.now();
        world.set_silent(a, b, true);
        for (from, to) in [(a, b), (b, a)] {
            let number = world.say(from, LOG, 10, None).unwrap();
            let took = until(&mut world, 1_500, |world| has(world, to, from, LOG, number));
            assert!(took.is_some(), "from {from} to {to}: {:?}", world.events(from));
        }
        assert_eq!([world.path(a, ids[1]), world.path(b, ids[0])], [PeerPath::Relay; 2]);
        world.set_silent(a, b, false);
        world.run_for(2_000);
        assert_eq!([world.path(a, ids[1]), world.path(b, ids[0])], before, "the same connection");
        assert_eq!([told(&world, a, b, at), told(&world, b, a, at)], [vec![], vec![]]);
        all_arrived(&mut world, a, b);
    }
}

#[test]
fn a_direct_path_that_stays_silent_holds_nothing_up() {
    let (mut world, a, b) = met(Faults::default(), Options::default());
    let at = world.now();
    world.set_silent(a, b, true);
    for _ in 0..60 {
        for (from, to) in [(a, b), (b, a)] {
            let number = world.say(from, LOG, 10, None).unwrap();
            let took = until(&mut world, 1_500, |world| has(world, to, from, LOG, number));
            assert!(took.is_some(), "at {} from {from}: {:?}", world.now(), world.events(from));
        }
        world.run_for(400);
    }
    assert_eq!([told(&world, a, b, at), told(&world, b, a, at)], [vec![], vec![]]);
}

#[test]
fn after_fifty_seconds_without_any_path_it_goes_on_within_three() {
    for cut in [false, true] {
        let (mut world, a, b) = met(Faults::default(), Options::default());
        let at = world.now();
        world.set_silent(a, b, true);
        [a, b].into_iter().for_each(|peer| world.set_socket_dead(peer, true));
        if cut {
            world.run_for(15_000);
            world.cut(a, b);
        }
        world.run_for(5_000);
        for peer in [a, b] {
            (0..20).for_each(|_| assert!(world.say(peer, LOG, 1_000, None).is_some()));
            (0..20).for_each(|_| assert!(world.say(peer, ANY, 1_000, None).is_some()));
            world.say(peer, LATEST, 1_000, None).unwrap();
        }
        world.run_for(at + 50_000 - world.now());
        let healed = world.now();
        world.set_silent(a, b, false);
        [a, b].into_iter().for_each(|peer| world.set_socket_dead(peer, false));
        world.run_for(10_000);
        all_arrived(&mut world, a, b);
        for (peer, other) in [(a, b), (b, a)] {
            let told = told(&world, peer, other, at);
            let [(suspended, Event::PeerSuspended(_)), (resumed, Event::PeerResumed(_))] = told[..] else {
                panic!("{told:?}")
            };
            assert!(suspended - at < 4_000 && resumed - healed < 3_000, "healed at {healed}, {told:?}");
        }
    }
}

#[test]
fn a_direct_path_that_comes_back_alone_is_enough() {
    for relay in [RelayMode::First, RelayMode::Fallback, RelayMode::Never] {
        let (mut world, a, b) = met(Faults::default(), options(relay));
        let (id_a, id) = (world.id(a).unwrap(), world.id(b).unwrap());
        let path = world.path(a, id);
        assert!(matches!(path, PeerPath::Direct(_)), "{path:?}");
        world.kill_server();
        world.set_silent(a, b, true);
        world.run_for(10_000);
        world.say(a, LOG, 10, None).unwrap();
        world.run_for(40_000);
        assert!(!world.app(b).has(id_a, LOG, 0));
        let healed = world.now();
        world.set_silent(a, b, false);
        world.run_for(3_000);
        assert!(world.app(b).has(id_a, LOG, 0), "{:?}", world.events(a));
        for (one, other) in [(a, b), (b, a)] {
            let told = told(&world, one, other, 0);
            let [.., (_, Event::PeerSuspended(_)), (at, Event::PeerResumed(_))] = told[..] else {
                panic!("{told:?}");
            };
            assert!((healed..=healed + 3_000).contains(&at), "{told:?}");
        }
        assert_eq!(world.path(a, id), path, "by the same connection");
        assert_eq!(world.connections_between(a, b), 1);
    }
}

#[test]
fn a_connection_that_failed_gives_way_to_a_new_one_when_the_server_is_back() {
    for relay in [RelayMode::First, RelayMode::Never] {
        let (mut world, a, b) = met(Faults::default(), options(relay));
        let (id_a, id) = (world.id(a).unwrap(), world.id(b).unwrap());
        let path = world.path(a, id);
        world.kill_server();
        world.set_silent(a, b, true);
        world.run_for(20_000);
        world.say(a, LOG, 10, None).unwrap();
        world.start_server();
        world.run_for(10_000);
        // The model's network is silent for new connections as well.
        assert_eq!(world.app(b).has(id_a, LOG, 0), relay == RelayMode::First);
        world.set_silent(a, b, false);
        world.run_for(10_000);
        assert!(world.app(b).has(id_a, LOG, 0), "{:?}", world.events(a));
        assert!(matches!(world.path(a, id), PeerPath::Direct(_)) && world.path(a, id) != path);
        assert_eq!(world.connections_between(a, b), 1);
        assert!(!world.app(a).saw_leave(id));
    }
}

#[test]
fn a_connection_that_carries_nothing_any_more_gives_way_to_a_new_one_before_browsers_say_so() {
    for relay in [RelayMode::First, RelayMode::Fallback, RelayMode::Never] {
        let (mut world, a, b) = met(Faults::default(), options(relay));
        // Since the two have met, for a while.
        world.run_for(5_000);
        let id = world.id(b).unwrap();
        let path = world.path(a, id);
        assert!(matches!(path, PeerPath::Direct(_)), "{path:?}");
        world.mute_last(a, b);
        [a, b].into_iter().for_each(|peer| assert!(world.say(peer, LOG, 10, None).is_some()));
        let is_new =
            |world: &mut World| matches!(world.path(a, id), PeerPath::Direct(_)) && world.path(a, id) != path;
        let took = until(&mut world, 8_000, is_new);
        assert!(took.is_some(), "{relay:?}: {:?}", world.events(a));
        world.run_for(1_000);
        all_arrived(&mut world, a, b);
        assert_eq!(world.connections_between(a, b), 1);
    }
}

/// Nothing tells it from a dead path there.
#[test]
fn a_page_that_stops_for_a_while_goes_on_where_nothing_goes_by_the_server() {
    for frozen_ms in [6_000, 20_000, 44_000, 50_000] {
        let (mut world, a, b) = met(Faults::default(), options(RelayMode::Never));
        world.run_for(5_000);
        let id = world.id(b).unwrap();
        world.set_frozen(b, true);
        assert!(world.say(a, LOG, 10, None).is_some());
        world.run_for(frozen_ms);
        world.set_frozen(b, false);
        let number = world.say(b, LOG, 10, None).unwrap();
        let took = until(&mut world, 3_000, |world| has(world, a, b, LOG, number));
        assert!(took.is_some(), "after {frozen_ms}: {:?}", world.events(a));
        world.run_for(1_000);
        all_arrived(&mut world, a, b);
        assert!(!world.app(a).saw_leave(id));
        assert_eq!(world.connections_between(a, b), 1);
    }
}

#[test]
fn a_connection_is_repaired_as_soon_the_tenth_time_as_the_first() {
    let (mut world, a, b) = met(Faults::default(), Options::default());
    for time in 0..10 {
        world.cut(a, b);
        let took = until(&mut world, 1_500, |world| world.connections_between(a, b) == 1);
        assert!(took.is_some(), "{time}: {:?}", world.events(a));
        world.run_for(500);
    }
}
