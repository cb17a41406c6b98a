//! Sessions: whatever happens to the paths between peers, reliable messages arrive exactly once and in order, and the
//! application hears of nothing but silence. One test for each promise; random schedules are in `session_schedules.rs`.
//!
//! The application of the simulator itself fails on a message that comes twice, out of order or late.
#![allow(clippy::unwrap_used)]

use peerloom_protocol::action::{Event, Input, Outcome, PeerPath};
use peerloom_protocol::channel::message_cost;
use peerloom_protocol::codec;
use peerloom_protocol::hello::Delivery;
use peerloom_protocol::limits;
use peerloom_protocol::session::{Options, RelayMode};
use peerloom_protocol::signal::{LeaveReason, ServerMessage};
use peerloom_protocol::sim::app::Talk;
use peerloom_protocol::sim::{Faults, World};

const CHANNELS: [(&str, Delivery); 4] = [
    ("any", Delivery::Unordered),
    ("latest", Delivery::Latest),
    ("life", Delivery::Lifetime(300)),
    ("log", Delivery::Ordered),
];
const ANY: usize = 0;
const LATEST: usize = 1;
const LOG: usize = 3;
const TALK: Talk = Talk { messages: 2_000, pause_ms: (2, 20), longest: 40_000, confirm_percent: 5 };

const NO_PATH: Faults = Faults { path: false, ..Faults::NONE };

fn options(relay: RelayMode) -> Options {
    Options { relay, ..Options::default() }
}

/// Two peers that talk all the time, both ways.
fn two(world: &mut World, relay: RelayMode) -> (usize, usize) {
    let peers = [(); 2].map(|()| {
        let peer = world.enter("demo", &CHANNELS, options(relay));
        world.app(peer).talk(TALK);
        peer
    });
    (peers[0], peers[1])
}

/// Two peers that know each other and have nothing to say yet.
fn met(faults: Faults, options: Options) -> (World, usize, usize) {
    let mut world = World::new(1, faults);
    let a = world.enter("demo", &CHANNELS, options);
    world.run_for(500);
    let b = world.enter("demo", &CHANNELS, options);
    world.run_for(3_000);
    let id = world.id(b).unwrap();
    assert_eq!(matches!(world.path(a, id), PeerPath::Direct(_)), faults.path, "{:?}", world.events(a));
    (world, a, b)
}

fn all_arrived(world: &mut World, a: usize, b: usize) {
    for (from, to) in [(a, b), (b, a)] {
        assert_eq!(world.has_all(from, to), Ok(()), "from {from} to {to}: {:?}", world.events(to));
        assert!(world.app(from).is_done(), "{from} is not done: {:?}", world.app(from));
    }
}

fn has(world: &mut World, to: usize, from: usize, channel: usize, number: u64) -> bool {
    let id = world.id(from).unwrap();
    world.app(to).has(id, channel, number)
}

/// What a peer was told about another from a time on, without changes of path.
fn told(world: &World, peer: usize, other: usize, since: u64) -> Vec<(u64, Event)> {
    let id = world.id(other).unwrap();
    let about = |event: &Event| match event {
        Event::PeerJoined { id: about, .. } => *about == id,
        Event::PeerConnected(about) | Event::PeerSuspended(about) | Event::PeerResumed(about) => *about == id,
        Event::PeerLeft(about, _) | Event::PeerFailed(about, _) => *about == id,
        _ => false,
    };
    world.events(peer).iter().filter(|(at, event)| *at >= since && about(event)).cloned().collect()
}

fn nobody_left(world: &World, a: usize, b: usize) {
    for (peer, other) in [(a, b), (b, a)] {
        let left = told(world, peer, other, 0).iter().any(|(_, e)| matches!(e, Event::PeerLeft(..)));
        assert!(!left, "{:?}", world.events(peer));
    }
}

/// Runs until something is so, but not longer than so many milliseconds. Gives the time that took.
fn until(world: &mut World, most_ms: u64, mut is_so: impl FnMut(&mut World) -> bool) -> Option<u64> {
    let from = world.now();
    while world.now() < from + most_ms {
        if is_so(world) {
            return Some(world.now() - from);
        }
        world.run_for(10);
    }
    is_so(world).then_some(most_ms)
}

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
fn a_crash_is_seen_as_silence_and_then_as_leaving() {
    for faults in [Faults::default(), NO_PATH] {
        let (mut world, a, b) = met(faults, Options::default());
        let at = world.now();
        world.crash(b);
        world.run_for(20_000);
        let told = told(&world, a, b, at);
        let [(suspended, Event::PeerSuspended(_)), (left, Event::PeerLeft(_, LeaveReason::Lost))] = told[..]
        else {
            panic!("{told:?}")
        };
        assert!(suspended - at < 4_000 && left - at < 12_000, "at {at}: {told:?}");
        assert_eq!(world.live_connections(a), 2, "those for newcomers");
    }
}

#[test]
fn a_crash_while_the_server_is_lost_is_told_when_it_is_back() {
    for faults in [Faults::default(), NO_PATH] {
        let (mut world, a, b) = met(faults, Options::default());
        let c = world.enter("demo", &CHANNELS, Options::default());
        world.run_for(10_000);
        let at = world.now();
        world.set_socket_dead(a, true);
        world.crash(b);
        // The server keeps the room, and the connection is lost for `a` alone.
        world.feed(a, Input::SocketClosed);
        world.set_socket_dead(a, false);
        world.run_for(20_000);
        for peer in [a, c] {
            let told = told(&world, peer, b, at);
            let Some((left, Event::PeerLeft(_, LeaveReason::Lost))) = told.last() else { panic!("{told:?}") };
            assert!(left - at < 12_000, "at {at}: {told:?}");
        }
        nobody_left(&world, a, c);
    }
}

#[test]
fn a_page_frozen_for_twenty_seconds_goes_on_where_it_was() {
    for faults in [Faults::default(), NO_PATH] {
        let (mut world, a, b) = met(faults, Options::default());
        world.app(a).talk(Talk { messages: 100, pause_ms: (200, 300), longest: 500, confirm_percent: 0 });
        world.start_talking(a);
        let at = world.now();
        world.set_frozen(b, true);
        world.run_for(20_000);
        let thawed = world.now();
        world.set_frozen(b, false);
        world.run_for(40_000);
        let told_a = told(&world, a, b, at);
        let [(suspended, Event::PeerSuspended(_)), (resumed, Event::PeerResumed(_))] = told_a[..] else {
            panic!("{told_a:?}")
        };
        assert!(suspended - at < 4_000 && resumed - thawed < 1_000, "thawed at {thawed}, {told_a:?}");
        assert_eq!(told(&world, b, a, at), [], "the others were there all the time");
        all_arrived(&mut world, a, b);
    }
}

/// Others saw that a peer left and came back, and messages go both ways again.
fn came_back(world: &mut World, stayed: usize, gone: usize, back: usize, since: u64) -> Vec<(u64, Event)> {
    let told = told(world, stayed, back, since);
    let kinds: Vec<_> =
        told.iter().filter(|(_, event)| !matches!(event, Event::PeerSuspended(_))).map(|(_, e)| e).collect();
    assert!(
        matches!(kinds[..], [Event::PeerLeft(..), Event::PeerJoined { .. }, Event::PeerConnected(_)]),
        "{told:?}"
    );
    assert_eq!(world.id(gone), world.id(back));
    for (from, to) in [(stayed, back), (back, stayed)] {
        let number = world.say(from, LOG, 10, None).unwrap();
        let took = until(world, 1_500, |world| has(world, to, from, LOG, number));
        assert!(took.is_some(), "from {from} to {to}: {:?}", world.events(to));
    }
    told
}

#[test]
fn a_page_frozen_for_five_minutes_comes_back_as_a_new_stay() {
    for faults in [Faults::default(), NO_PATH] {
        let (mut world, a, b) = met(faults, Options::default());
        let at = world.now();
        world.say(a, LOG, 10, None).unwrap();
        world.set_frozen(b, true);
        world.run_for(300_000);
        world.set_frozen(b, false);
        world.run_for(5_000);
        let told = came_back(&mut world, a, b, b, at);
        let left = told.iter().find(|(_, event)| matches!(event, Event::PeerLeft(..))).unwrap().0;
        assert!(left - at < 70_000, "given up after a minute: {told:?}");
        came_back(&mut world, b, a, a, at);
    }
}

#[test]
fn a_clock_that_leaps_eight_hours_brings_a_new_stay() {
    let (mut world, a, b) = met(Faults::default(), Options::default());
    let at = world.now();
    world.jump_clock(b, 8 * 3_600_000);
    world.run_for(5_000);
    came_back(&mut world, a, b, b, at);
    came_back(&mut world, b, a, a, at);
}

#[test]
fn a_clock_that_leaps_while_all_sleep_brings_all_back() {
    let (mut world, a, b) = met(Faults::default(), Options::default());
    let at = world.now();
    [a, b].into_iter().for_each(|peer| world.jump_clock(peer, 8 * 3_600_000));
    world.run_for(10_000);
    came_back(&mut world, a, b, b, at);
    came_back(&mut world, b, a, a, at);
}

#[test]
fn a_reloaded_page_keeps_its_id() {
    for says_bye in [true, false] {
        for faults in [Faults::default(), NO_PATH] {
            let (mut world, a, b) = met(faults, Options::default());
            let at = world.now();
            world.say(b, LOG, 10, None).unwrap();
            world.run_for(500);
            let token = world.token(b);
            assert!(token.is_some());
            if says_bye {
                world.feed(b, Input::Unload);
            } else {
                world.crash(b);
            }
            world.run_for(300);
            let again = world.enter_again("demo", &CHANNELS, Options::default(), token);
            world.app(again).count_from(1_000);
            world.run_for(3_000);
            let told = came_back(&mut world, a, b, again, at);
            let reason = told.iter().find_map(|(_, event)| match event {
                Event::PeerLeft(_, reason) => Some(*reason),
                _ => None,
            });
            assert_eq!(reason, Some(if says_bye { LeaveReason::Left } else { LeaveReason::Lost }));
        }
    }
}

#[test]
fn a_page_put_aside_leaves_and_comes_back() {
    for faults in [Faults::default(), NO_PATH] {
        let (mut world, a, b) = met(faults, Options::default());
        let at = world.now();
        world.feed(b, Input::Suspend);
        world.run_for(60_000);
        let left = told(&world, a, b, at);
        assert!(matches!(left[..], [(_, Event::PeerLeft(_, LeaveReason::Left))]), "{left:?}");
        assert!(left[0].0 - at < 200, "{left:?}");
        assert_eq!(world.live_connections(b), 0);
        let back = world.now();
        world.feed(b, Input::Resume);
        world.run_for(2_000);
        let told = came_back(&mut world, a, b, b, at);
        assert!(told.last().unwrap().0 - back < 2_000, "{told:?}");
        came_back(&mut world, b, a, a, at);
    }
}

#[test]
fn whoever_leaves_right_after_sending_loses_nothing() {
    for (faults, len) in [(Faults::default(), 10), (NO_PATH, 10), (Faults::default(), 5_000_000)] {
        let (mut world, a, b) = met(faults, Options::default());
        let at = world.now();
        let numbers: Vec<_> = [LOG, ANY, LOG]
            .iter()
            .map(|channel| (*channel, world.say(a, *channel, 10, None).unwrap()))
            .collect();
        let last = world.say(a, LOG, len, None).unwrap();
        let id = world.id(a).unwrap();
        world.leave(a);
        world.run_for(10_000);
        for (channel, number) in numbers.into_iter().chain([(LOG, last)]) {
            assert!(world.app(b).has(id, channel, number), "{number} on {channel}: {:?}", world.events(a));
        }
        let told = told(&world, b, a, at);
        assert!(matches!(told[..], [(_, Event::PeerLeft(_, LeaveReason::Left))]), "{told:?}");
        if len == 10 {
            assert!(told[0].0 - at < 500, "it waits no longer than it must: {told:?}");
        }
        assert_eq!(world.app(a).undelivered(), 0);
        assert_eq!(world.events(a).last().map(|(_, event)| event), Some(&Event::Closed(None)));
        assert_eq!(world.live_connections(a), 0);
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
fn a_connection_is_repaired_as_soon_the_tenth_time_as_the_first() {
    let (mut world, a, b) = met(Faults::default(), Options::default());
    for time in 0..10 {
        world.cut(a, b);
        let took = until(&mut world, 1_500, |world| world.connections_between(a, b) == 1);
        assert!(took.is_some(), "{time}: {:?}", world.events(a));
        world.run_for(500);
    }
}

#[test]
fn a_page_that_is_put_aside_reports_once_what_was_not_delivered() {
    let (mut world, a, b) = met(Faults::default(), Options::default());
    world.set_silent(a, b, true);
    [a, b].into_iter().for_each(|peer| world.set_socket_dead(peer, true));
    world.say(a, LOG, 10, None).unwrap();
    world.feed(a, Input::Suspend);
    world.run_for(1_000);
    assert_eq!(world.app(a).undelivered(), 1);
}

#[test]
fn leaving_waits_for_nobody_longer_than_five_seconds() {
    let (mut world, a, b) = met(Faults::default(), Options::default());
    world.set_silent(a, b, true);
    world.set_socket_dead(b, true);
    world.say(a, LOG, 10, None).unwrap();
    let at = world.now();
    world.leave(a);
    world.run_for(10_000);
    let (closed, event) = world.events(a).last().unwrap();
    assert_eq!(*event, Event::Closed(None));
    assert!(closed - at <= 5_200, "{:?}", world.events(a));
    assert_eq!(world.app(a).undelivered(), 1);
}

#[test]
fn a_sender_can_learn_what_became_of_a_message() {
    for faults in [Faults::default(), NO_PATH] {
        let (mut world, a, b) = met(faults, Options::default());
        let id = world.id(b).unwrap();
        for (count, channel) in [LOG, ANY, LATEST].into_iter().enumerate() {
            world.say(a, channel, 10, Some(30_000)).unwrap();
            let told = until(&mut world, 400, |world| world.app(a).outcomes().len() == count + 1);
            assert!(told.is_some(), "{:?}", world.app(a));
        }
        assert_eq!(world.app(a).outcomes(), [(id, Outcome::Delivered); 3]);

        world.set_silent(a, b, true);
        [a, b].into_iter().for_each(|peer| world.set_socket_dead(peer, true));
        world.say(a, LOG, 10, Some(2_000)).unwrap();
        world.run_for(2_100);
        assert_eq!(world.app(a).outcomes()[3..], [(id, Outcome::Timeout)]);
        world.say(a, LOG, 10, Some(300_000)).unwrap();
        world.set_socket_dead(a, false);
        world.crash(b);
        world.run_for(70_000);
        assert_eq!(world.app(a).outcomes()[4..], [(id, Outcome::Gone)]);
        assert!(world.app(a).is_done());
    }
}

#[test]
fn a_slow_reader_slows_the_sender_and_costs_bounded_memory() {
    for window in [limits::MIN_WINDOW_BYTES, limits::WINDOW_BYTES] {
        let mut world = World::new(4, Faults::default());
        let channels = [("log", Delivery::Ordered)];
        let options = Options { window, ..Options::default() };
        let a = world.enter("demo", &channels, options);
        let b = world.enter("demo", &channels, options);
        world.run_for(2_000);
        let longest = 50_000;
        let talk = Talk { messages: 2_000, pause_ms: (0, 1), longest, confirm_percent: 0 };
        world.app(a).talk(talk);
        world.app(b).read_slowly(Some(100));
        let (id_a, id_b) = (world.id(a).unwrap(), world.id(b).unwrap());
        let most = u64::from(window) + message_cost(longest + 16);
        world.start_talking(a);
        let mut waited = false;
        let done = until(&mut world, 3_600_000, |world| {
            let kept = [world.stats(a, id_b).kept_bytes as u64, world.stats(b, id_a).kept_bytes as u64];
            assert!(kept[0] <= most, "the sender keeps {kept:?} of {most}");
            let unread = world.app(b).unread();
            assert!(unread + kept[1] <= most, "{unread} and {kept:?} of {most} wait at the receiver");
            waited |= world.app(a).waiting() > 0;
            world.app(a).is_done() && world.app(b).is_done() && world.stats(a, id_b).kept_bytes == 0
        });
        assert!(done.is_some() && waited);
        assert_eq!(world.app(b).received(id_a, 0), 2_000);
    }
}

#[test]
fn what_a_peer_that_leaves_had_not_acknowledged_is_reported() {
    let (mut world, a, b) = met(Faults::default(), Options::default());
    world.say(a, LOG, 10, None).unwrap();
    world.run_for(1_000);
    world.set_silent(a, b, true);
    [a, b].into_iter().for_each(|peer| world.set_socket_dead(peer, true));
    (0..3).for_each(|_| assert!(world.say(a, LOG, 84, None).is_some()));
    world.say(a, ANY, 0, None).unwrap();
    world.say(a, LATEST, 0, None).unwrap();
    world.crash(b);
    world.set_socket_dead(a, false);
    world.run_for(70_000);
    let id = world.id(b).unwrap();
    let events: Vec<_> = world.events(a).iter().rev().take(3).rev().map(|(_, event)| event.clone()).collect();
    assert_eq!(
        events,
        [
            Event::Undelivered { id, channel: ANY, messages: 1, bytes: 16 },
            Event::Undelivered { id, channel: LOG, messages: 3, bytes: 300 },
            Event::PeerLeft(id, LeaveReason::Lost),
        ]
    );
}

#[test]
fn who_comes_late_gets_the_latest_value() {
    for faults in [Faults::default(), NO_PATH] {
        let (mut world, a, b) = met(faults, Options::default());
        let mut last = 0;
        (0..10).for_each(|_| last = world.say(a, LATEST, 10, None).unwrap());
        world.say(a, LOG, 10, None).unwrap();
        world.run_for(5_000);
        let c = world.enter("demo", &CHANNELS, Options::default());
        world.run_for(2_000);
        let id = world.id(a).unwrap();
        for peer in [b, c] {
            assert!(world.app(peer).has(id, LATEST, last));
        }
        assert_eq!((world.app(c).received(id, LATEST), world.app(c).received(id, LOG)), (1, 0));
    }
}

#[test]
fn a_latest_value_arrives_though_packets_are_lost() {
    let (mut world, a, b) = met(Faults { frame_loss_percent: 30, ..Faults::default() }, Options::default());
    for _ in 0..30 {
        let number = world.say(a, LATEST, 10, None).unwrap();
        let took = until(&mut world, 16_000, |world| has(world, b, a, LATEST, number));
        assert!(took.is_some(), "{number}");
    }
}

#[test]
fn the_newest_value_of_each_latest_channel_arrives_though_packets_are_lost() {
    let channels = [("cursor", Delivery::Latest), ("state", Delivery::Latest)];
    for seed in 0..20 {
        let mut world = World::new(seed, Faults { frame_loss_percent: 30, ..Faults::default() });
        let options = options(RelayMode::Never);
        let (a, b) = (world.enter("demo", &channels, options), world.enter("demo", &channels, options));
        world.run_for(3_000);
        for _ in 0..10 {
            // The second is behind one that leaves in several frames.
            world.say(a, 0, 100, None).unwrap();
            world.say(a, 1, 200_000, None).unwrap();
            let newest = [world.say(a, 0, 10, None).unwrap(), world.say(a, 1, 10, None).unwrap()];
            let took = until(&mut world, 30_000, |world| (0..2).all(|n| has(world, b, a, n, newest[n])));
            assert!(took.is_some(), "seed {seed}: {newest:?}");
        }
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
fn a_thousand_joins_and_leaves_leave_nothing_behind() {
    let mut world = World::new(9, Faults::default());
    let a = world.enter("demo", &CHANNELS, Options::default());
    let (mut size, mut abrupt) = (0, vec![]);
    for round in 0..1_000 {
        let b = world.enter("demo", &CHANNELS, Options::default());
        world.run_for(400);
        world.say(a, LOG, 100, None).unwrap();
        world.say(b, LOG, 100, None).unwrap();
        match round % 10 {
            9 => {
                abrupt.push(world.id(b).unwrap());
                world.crash(b);
            }
            8 => {
                abrupt.push(world.id(b).unwrap());
                world.feed(b, Input::Unload);
            }
            _ => world.leave(b),
        }
        world.run_for(300);
        if round == 99 {
            world.run_for(15_000);
            size = world.describe(a).len();
        }
    }
    world.run_for(15_000);
    assert_eq!(world.live_connections(a), 2, "those for newcomers");
    let after = world.describe(a).len();
    assert!(after < size + size / 10, "{size} bytes of description became {after}");
    let joined = world.events(a).iter().filter(|(_, e)| matches!(e, Event::PeerJoined { .. })).count();
    let left = world.events(a).iter().filter(|(_, e)| matches!(e, Event::PeerLeft(..))).count();
    assert_eq!((joined, left), (1_000, 1_000));
    // Only who went without waiting for anything may owe an acknowledgement.
    for (_, event) in world.events(a) {
        if let Event::Undelivered { id, .. } = event {
            assert!(abrupt.contains(id), "{event:?}");
        }
    }
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

#[test]
fn most_frames_of_a_long_transfer_need_no_flush() {
    // Of a far peer more acknowledgements are asked for.
    let near = Faults { delay_ms: (1, 3), ..Faults::default() };
    let (mut world, a, b) = met(near, options(RelayMode::First));
    let before = world.quiet_frames();
    world.say(a, LOG, 4 * 1024 * 1024, None).unwrap();
    world.run_for(20_000);
    assert_eq!(world.has_all(a, b), Ok(()));
    // 257 frames; the rest is answered by acknowledgements.
    assert!(world.quiet_frames() - before > 200, "{}", world.quiet_frames() - before);
}

#[test]
fn no_more_is_on_its_way_to_a_far_peer_than_round_trips_have_shown_to_do_no_harm() {
    for (delay_ms, is_far) in [(50, true), (2, false)] {
        for channel in [LOG, ANY] {
            let faults = Faults { delay_ms: (delay_ms, delay_ms), ..Faults::default() };
            let (mut world, a, b) = met(faults, options(RelayMode::First));
            world.run_for(3_000);
            let id = world.id(a).unwrap();
            let before = world.stats(b, id).received_bytes;
            for _ in 0..9 {
                world.say(a, channel, 100_000, None).unwrap();
            }
            // The first of it is here, and word of that is not there yet.
            world.run_for(2 * delay_ms - 1);
            let came = world.stats(b, id).received_bytes - before;
            let most = limits::FIRST_IN_FLIGHT_BYTES + 100_000;
            assert!(came > 100_000 && (came < most || !is_far), "{came} over {delay_ms} ms on {channel}");
            // In all it takes as many round trips as doubling does.
            world.run_for(4 * delay_ms + 100);
            assert_eq!(world.has_all(a, b), Ok(()), "over {delay_ms} ms on {channel}");
        }
    }
}

#[test]
fn behind_a_full_data_channel_sends_need_no_flush() {
    let (mut world, a, b) = met(Faults::default(), options(RelayMode::First));
    let before = world.quiet_acts();
    // The first fills the data channel, which takes 64 KiB.
    for _ in 0..40 {
        world.say(a, LOG, 20_000, None).unwrap();
    }
    assert!(world.quiet_acts() - before > 30, "{}", world.quiet_acts() - before);
    // Beside it there is room.
    let quiet = world.quiet_acts();
    world.say(a, ANY, 10, None).unwrap();
    assert_eq!(world.quiet_acts(), quiet);
    world.run_for(20_000);
    assert_eq!(world.has_all(a, b), Ok(()));
}
