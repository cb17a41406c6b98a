//! The server: what goes through it, and what it may do to that.

use peerloom_protocol::action::{Input, PeerPath};
use peerloom_protocol::codec;
use peerloom_protocol::limits;
use peerloom_protocol::session::{Options, RelayMode};
use peerloom_protocol::signal::ServerMessage;
use peerloom_protocol::sim::app::Talk;
use peerloom_protocol::sim::{Faults, World};

use crate::{CHANNELS, LOG, NO_PATH, TALK, all_arrived, has, met, nobody_left, options, two, until};

#[test]
fn a_server_replaced_twenty_times_costs_no_message() {
    for path in [true, false] {
        let mut world = World::new(3, Faults { path, ..NO_PATH });
        let talk = Talk { messages: 5_000, pause_ms: (2, 8), longest: 500, confirm_percent: 5 };
        let peers = [(); 2].map(|()| {
            let peer = world.enter("demo", &CHANNELS, Options::default());
            world.app(peer).talk(talk);
            // A packet for the old server waits for the new one.
            world.app(peer).accept_late();
            peer
        });
        for round in 0..20 {
            world.run_for(900);
            world.kill_server();
            world.run_for(100 + 20 * round);
            world.start_server();
        }
        world.run_for(600_000);
        all_arrived(&mut world, peers[0], peers[1]);
        nobody_left(&world, peers[0], peers[1]);
    }
}

#[test]
fn a_server_that_throttles_costs_no_message() {
    for path in [true, false] {
        let mut world = World::new(5, Faults { path, throttle_percent: 30, ..NO_PATH });
        let (a, b) = two(&mut world, RelayMode::First);
        [a, b].into_iter().for_each(|peer| world.app(peer).accept_late());
        world.run_for(1_200_000);
        all_arrived(&mut world, a, b);
        nobody_left(&world, a, b);
    }
}

#[test]
fn a_server_that_drops_and_repeats_packets_costs_no_message() {
    for path in [true, false] {
        let faults = Faults { path, relay_loss_percent: 10, relay_replay_percent: 10, ..NO_PATH };
        let mut world = World::new(6, faults);
        let peers = [(); 2].map(|()| {
            let peer = world.enter("demo", &CHANNELS, Options::default());
            world.app(peer).talk(Talk { messages: 300, longest: 5_000, ..TALK });
            world.app(peer).accept_late();
            peer
        });
        world.run_for(1_800_000);
        all_arrived(&mut world, peers[0], peers[1]);
        nobody_left(&world, peers[0], peers[1]);
    }
}

/// The simulator's server fails on a number that comes twice under one key.
#[test]
fn a_server_that_tells_its_policy_again_learns_nothing() {
    let (mut world, a, b) = met(NO_PATH, Options::default());
    for round in 0..20 {
        let policy = ServerMessage::RelayPolicy { bytes_per_second: 100_000, burst: 200_000 };
        [a, b].into_iter().for_each(|peer| world.feed(peer, Input::SocketMessage(codec::encode(&policy))));
        for peer in [a, b] {
            assert!(world.say(peer, LOG, 10 * round, None).is_some());
        }
        world.run_for(300);
    }
    world.run_for(10_000);
    all_arrived(&mut world, a, b);
}

#[test]
fn a_server_that_relays_nothing_is_not_asked_to() {
    let mut world = World::new(7, Faults { relay_rate: 0, ..Faults::default() });
    let (a, b) = two(&mut world, RelayMode::First);
    world.run_for(120_000);
    all_arrived(&mut world, a, b);
    assert_eq!(world.relayed(), 0);
}

#[test]
fn with_relaying_off_no_packet_goes_through_the_server() {
    // Either end may say so.
    for modes in [[RelayMode::Never, RelayMode::Never], [RelayMode::First, RelayMode::Never]] {
        let mut world = World::new(8, Faults::default());
        let [a, b] = modes.map(|mode| {
            let peer = world.enter("demo", &CHANNELS, options(mode));
            world.app(peer).talk(TALK);
            peer
        });
        world.run_for(5_000);
        world.set_silent(a, b, true);
        world.run_for(3_000);
        world.set_silent(a, b, false);
        world.run_for(3_000);
        world.cut(a, b);
        world.run_for(120_000);
        all_arrived(&mut world, a, b);
        nobody_left(&world, a, b);
        assert_eq!(world.relayed(), 0);
    }
}

#[test]
fn as_a_fallback_the_server_is_used_only_when_the_direct_path_fails() {
    let (mut world, a, b) = met(Faults::default(), options(RelayMode::Fallback));
    let number = world.say(a, LOG, 10, None).unwrap();
    world.run_for(10_000);
    assert!(has(&mut world, b, a, LOG, number));
    assert_eq!(world.relayed(), 0);
    world.set_silent(a, b, true);
    let number = world.say(a, LOG, 10, None).unwrap();
    let took = until(&mut world, 1_500, |world| has(world, b, a, LOG, number));
    assert!(took.is_some() && world.relayed() > 0);

    // The first try takes 4 s for the cards and 8 s for connecting, or as long as one of the two takes.
    let (mut world, a, b) = met(NO_PATH, options(RelayMode::Fallback));
    let number = world.say(a, LOG, 10, None).unwrap();
    assert_eq!((world.relayed(), world.path(a, world.id(b).unwrap())), (0, PeerPath::Connecting));
    let took = until(&mut world, 13_000, |world| has(world, b, a, LOG, number));
    assert!(took.is_some(), "{:?}", world.events(a));
    world.run_for(300_000);
    nobody_left(&world, a, b);
}

#[test]
fn a_server_with_the_smallest_allowance_passes_large_messages_on() {
    // A burst of twice this is what the largest packet costs.
    let rate = (limits::MAX_PACKET_BYTES + limits::RELAY_PACKET_COST) as u32 / 2;
    let options = Options { relay_bulk: true, ..Options::default() };
    let (mut world, a, b) = met(Faults { relay_rate: rate, ..NO_PATH }, options);
    let large = world.say(a, LOG, 200_000, None).unwrap();
    // At best 21 s.
    let took = until(&mut world, 26_000, |world| has(world, b, a, LOG, large));
    assert!(took.is_some());
}
