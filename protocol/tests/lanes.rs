//! Long transfers to peers that are far get more connections, and whatever happens to these costs no message.
//!
//! The application of the simulator itself fails on a message that comes twice or out of order, and the simulator on more
//! connections than there may be.
#![allow(clippy::unwrap_used)]

use peerloom_protocol::action::PeerPath;
use peerloom_protocol::hello::Delivery;
use peerloom_protocol::session::{Options, RelayMode};
use peerloom_protocol::sim::{Faults, World};
use peerloom_protocol::{limits, timing};

const ANY: usize = 0;
const LOG: usize = 1;
/// Long enough to last for seconds over [`FAR`].
const MESSAGES: usize = 120;
const MESSAGE_BYTES: usize = 200_000;
const FAR: Faults = delayed(50);
/// From asking for lanes until they are open: cards, and the connections.
const LANES_OPEN_MS: u64 = timing::LANES_MS + 1_000;

const fn delayed(ms: u64) -> Faults {
    Faults { delay_ms: (ms, ms), ..Faults::NONE }
}

/// Two peers that are connected directly.
fn met(faults: Faults, relay: RelayMode) -> (World, usize, usize) {
    let channels = [("any", Delivery::Unordered), ("log", Delivery::Ordered)];
    let mut world = World::new(1, faults);
    let [a, b] = [(); 2].map(|()| {
        let peer = world.enter("demo", &channels, Options { relay, ..Options::default() });
        world.run_for(2_000);
        peer
    });
    let id = world.id(b).unwrap();
    assert!(matches!(world.path(a, id), PeerPath::Direct(_)));
    (world, a, b)
}

fn send(world: &mut World, from: usize, channel: usize) {
    for _ in 0..MESSAGES {
        world.say(from, channel, MESSAGE_BYTES, None).unwrap();
    }
}

/// Everything arrives, and what was made for it is closed when it was idle for long enough.
fn ends_well(mut world: World, a: usize, b: usize) {
    world.run_for(60_000);
    for (from, to) in [(a, b), (b, a)] {
        assert_eq!(world.has_all(from, to), Ok(()), "from {from} to {to}");
        let id = world.id(to).unwrap();
        assert!(!world.app(from).saw_leave(id));
    }
    world.run_for(timing::LANE_IDLE_MS);
    assert_eq!(world.connections_between(a, b), 1);
    for peer in [a, b] {
        // The one between them, and two for newcomers.
        assert_eq!(world.live_connections(peer), 3);
    }
}

/// In the middle of a transfer with all lanes open.
fn under_way(relay: RelayMode, channel: usize) -> (World, usize, usize) {
    let (mut world, a, b) = met(FAR, relay);
    send(&mut world, a, channel);
    world.run_for(LANES_OPEN_MS);
    assert_eq!(world.connections_between(a, b), 1 + limits::MAX_LANES);
    assert!(world.has_all(a, b).is_err(), "nothing is left to be sent");
    (world, a, b)
}

#[test]
fn a_long_transfer_to_a_far_peer_gets_more_connections() {
    for channel in [LOG, ANY] {
        let (mut world, a, b) = met(FAR, RelayMode::First);
        send(&mut world, a, channel);
        world.run_for(timing::LANES_MS / 2);
        assert_eq!(world.connections_between(a, b), 1, "a short one would be over by now");
        world.run_for(LANES_OPEN_MS);
        assert_eq!(world.connections_between(a, b), 1 + limits::MAX_LANES);
        ends_well(world, a, b);
    }
}

#[test]
fn both_may_ask_for_them_at_once() {
    let (mut world, a, b) = met(FAR, RelayMode::First);
    send(&mut world, a, LOG);
    send(&mut world, b, LOG);
    world.run_for(LANES_OPEN_MS);
    assert_eq!(world.connections_between(a, b), 1 + limits::MAX_LANES);
    ends_well(world, a, b);
}

#[test]
fn near_peers_need_none() {
    let (mut world, a, b) = met(delayed(2), RelayMode::First);
    for _ in 0..20 {
        send(&mut world, a, LOG);
    }
    for _ in 0..20 {
        world.run_for(200);
        assert_eq!(world.connections_between(a, b), 1);
    }
    ends_well(world, a, b);
}

#[test]
fn losing_one_costs_no_message() {
    for relay in [RelayMode::First, RelayMode::Never] {
        for channel in [LOG, ANY] {
            let (mut world, a, b) = under_way(relay, channel);
            world.cut_last(a, b);
            assert_eq!(world.connections_between(a, b), limits::MAX_LANES);
            world.run_for(100);
            world.cut_last(b, a);
            ends_well(world, a, b);
        }
    }
}

#[test]
fn one_that_falls_silent_is_given_up() {
    let (mut world, a, b) = under_way(RelayMode::Never, LOG);
    world.mute_last(a, b);
    let patience = timing::IN_FLIGHT_PING_MS + timing::QUIET_MS.0 + 4 * timing::ASSUMED_RTT_MS;
    world.run_for(patience);
    assert_eq!(world.connections_between(a, b), limits::MAX_LANES);
    ends_well(world, a, b);
}

#[test]
fn they_end_with_the_first_connection() {
    let (mut world, a, b) = under_way(RelayMode::First, LOG);
    world.cut_first(a, b);
    world.run_for(50);
    assert_eq!(world.connections_between(a, b), 0);
    ends_well(world, a, b);
}

#[test]
fn they_end_when_the_peer_leaves() {
    let (mut world, a, b) = under_way(RelayMode::First, LOG);
    world.leave(b);
    world.run_for(2_000);
    assert_eq!(world.live_connections(b), 0);
    assert_eq!(world.live_connections(a), 2);
}

#[test]
fn where_none_can_be_made_the_transfer_goes_on_without() {
    let (mut world, a, b) = met(FAR, RelayMode::First);
    world.set_faults(Faults { path: false, ..FAR });
    send(&mut world, a, LOG);
    world.run_for(LANES_OPEN_MS + timing::CARD_CONNECT_MS);
    assert_eq!(world.connections_between(a, b), 1);
    ends_well(world, a, b);
}
