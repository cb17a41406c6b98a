//! Who is there: peers that crash, freeze, come back, and leave.

use peerloom_protocol::action::{Event, Input};
use peerloom_protocol::session::Options;
use peerloom_protocol::signal::LeaveReason;
use peerloom_protocol::sim::app::Talk;
use peerloom_protocol::sim::{Faults, World};

use crate::{ANY, CHANNELS, LOG, NO_PATH, all_arrived, has, met, nobody_left, told, until};

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
