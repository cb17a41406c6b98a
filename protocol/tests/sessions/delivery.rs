//! What is sent: what became of it, how much of it waits, and the latest of it.

use peerloom_protocol::action::{Event, Input, Outcome};
use peerloom_protocol::channel::message_cost;
use peerloom_protocol::hello::Delivery;
use peerloom_protocol::limits;
use peerloom_protocol::session::{Options, RelayMode};
use peerloom_protocol::signal::LeaveReason;
use peerloom_protocol::sim::app::Talk;
use peerloom_protocol::sim::{Faults, World};

use crate::{ANY, CHANNELS, LATEST, LOG, NO_PATH, has, met, options, until};

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
            let kept = [world.stats(a, id_b).kept_bytes(), world.stats(b, id_a).kept_bytes()];
            assert!(kept[0] <= most, "the sender keeps {kept:?} of {most}");
            let unread = world.app(b).unread();
            assert!(unread + kept[1] <= most, "{unread} and {kept:?} of {most} wait at the receiver");
            waited |= world.app(a).waiting() > 0;
            world.app(a).is_done() && world.app(b).is_done() && world.stats(a, id_b).kept_bytes() == 0
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
