//! Rooms on a fake clock: what members are told when peers come, go, crash, and when the server is lost.

use peerloom_protocol::action::{Event, Input, PeerPath, SignalingState};
use peerloom_protocol::bounded::Text;
use peerloom_protocol::failure::{KickError, LinkError, RoomError};
use peerloom_protocol::id::PeerId;
use peerloom_protocol::signal::{LeaveReason, Refusal};
use peerloom_protocol::sim::{Faults, Tokens, World};

fn two() -> (World, usize, usize) {
    let mut world = World::new(1, Faults::default());
    let a = world.join("demo");
    world.run_for(1_000);
    let b = world.join("demo");
    world.run_for(2_000);
    assert!(world.connected(a, b));
    (world, a, b)
}

/// Time from `b`'s join to its first connection, in milliseconds.
fn time_to_connect(world: &World, peer: usize, joined_at: u64) -> u64 {
    let connected = world.events(peer).iter().find(|(_, event)| matches!(event, Event::PeerConnected(_)));
    connected.expect("connected").0 - joined_at
}

#[test]
fn a_newcomer_is_connected_by_deposited_cards() {
    let (world, a, b) = two();
    // 25 ms to the server and back, a few for the cards, five one-way trips for the model's ICE, DTLS and SCTP. Plain
    // offer/answer would need two more round trips through the server.
    assert!(time_to_connect(&world, b, 1_000) < 250, "{:?}", world.events(b));
    let id = world.id(b).unwrap();
    let about_b: Vec<_> = world.events(a).iter().map(|(_, event)| event.clone()).collect();
    assert!(
        matches!(&about_b[..], [
        Event::Signaling(SignalingState::Connecting),
        Event::Signaling(SignalingState::Connected),
        Event::Joined(_),
        Event::PeerJoined { id: joined, .. },
        Event::PeerPath(on, PeerPath::Direct(_)),
        Event::PeerConnected(connected),
    ] if *joined == id && *on == id && *connected == id),
        "{about_b:?}"
    );
}

#[test]
fn a_joiner_brings_one_card_and_has_another_connection_ready_when_it_is_let_in() {
    let (mut world, a, b) = two();
    let joined_at = world.now();
    let c = world.join("demo");
    // Long before the 250 ms after which connections for newcomers are made.
    world.run_for(60);
    assert!(world.id(c).is_some(), "let in");
    assert_eq!(world.live_connections(c), 2, "one for each of those here, and none more");
    world.run_for(2_000);
    assert!(world.connected(c, a) && world.connected(c, b));
    // The second card goes one way through the server more, and nobody waits for its connection to be made.
    let directly = |other: usize| {
        let id = world.id(other).unwrap();
        let at = world
            .events(c)
            .iter()
            .find(|(_, event)| matches!(event, Event::PeerPath(on, PeerPath::Direct(_)) if *on == id));
        at.expect("a direct path").0 - joined_at
    };
    let mut times = [directly(a), directly(b)];
    times.sort_unstable();
    assert!(times[0] < 250 && times[1] < 300, "{times:?}");
}

#[test]
fn eight_peers_that_come_at_once_form_a_full_mesh() {
    let mut world = World::new(2, Faults::default());
    let peers: Vec<_> = (0..8).map(|_| world.join("demo")).collect();
    world.run_for(5_000);
    for a in 0..8 {
        for b in 0..a {
            assert!(world.connected(peers[a], peers[b]), "{a} and {b}");
        }
        // Seven links and two warm connections for the next newcomers; nothing else is left over.
        assert_eq!(world.live_connections(peers[a]), 9);
    }
}

#[test]
fn while_others_keep_coming_no_connections_are_made_for_those_yet_to_come() {
    let (mut world, _, b) = two();
    for here in 2..7 {
        assert!(world.live_connections(b) <= here + 1, "one each, and two for the next newcomers at first");
        world.join("demo");
        world.run_for(200);
        // The two deposited cards serve two of those that come; more would be made after 250 ms.
        assert_eq!(world.live_connections(b), here.max(3), "{here} others");
    }
    world.run_for(1_000);
    assert_eq!(world.live_connections(b), 8, "one each, and two for the next newcomers");
}

#[test]
fn somebody_who_cannot_be_connected_does_not_keep_cards_from_newcomers() {
    let (mut world, _, b) = two();
    world.set_faults(Faults { path: false, ..Faults::default() });
    world.join("demo");
    world.run_for(2_000);
    assert_eq!(world.live_connections(b), 3, "connected to one, at it with the other; one card is left");
    world.run_for(2_000);
    assert_eq!(world.live_connections(b), 4, "and the other card is made anew");
}

#[test]
fn rooms_do_not_mix() {
    let mut world = World::new(3, Faults::default());
    let (a, b) = (world.join("one"), world.join("two"));
    world.run_for(3_000);
    assert!(!world.connected(a, b));
    assert!(!world.events(a).iter().any(|(_, e)| matches!(e, Event::PeerJoined { .. })));
}

#[test]
fn goodbye_is_seen_at_once_and_only_once() {
    let (mut world, a, b) = two();
    let (id, left_at) = (world.id(b).unwrap(), world.now());
    world.leave(b);
    world.run_for(5_000);
    let left: Vec<_> = world.events(a).iter().filter(|(_, e)| matches!(e, Event::PeerLeft(..))).collect();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].1, Event::PeerLeft(id, LeaveReason::Left));
    assert!(left[0].0 - left_at < 100);
    assert_eq!(world.events(b).last().map(|(_, e)| e), Some(&Event::Closed(None)));
    assert_eq!(world.live_connections(b), 0);
}

#[test]
fn a_crash_is_told_when_the_connection_does_not_answer() {
    let (mut world, a, b) = two();
    let (id, at) = (world.id(b).unwrap(), world.now());
    world.crash(b);
    world.run_for(15_000);
    let about: Vec<_> = world.events(a).iter().filter(|(time, _)| *time >= at).collect();
    let [(suspended, Event::PeerSuspended(first)), (left, Event::PeerLeft(last, LeaveReason::Lost))] =
        about[..]
    else {
        panic!("{about:?}")
    };
    assert_eq!([*first, *last], [id, id]);
    assert!(suspended - at < 4_000 && left - at < 12_000, "{about:?}");
    assert_eq!(world.live_connections(a), 2);
}

#[test]
fn losing_the_server_disturbs_no_connection_and_ids_stay() {
    let (mut world, a, b) = two();
    let ids = [world.id(a), world.id(b)];
    world.kill_server();
    world.run_for(20_000);
    assert!(world.connected(a, b));
    world.start_server();
    world.run_for(10_000);
    assert!(world.connected(a, b));
    assert_eq!([world.id(a), world.id(b)], ids);
    for peer in [a, b] {
        let events: Vec<_> = world.events(peer).iter().map(|(_, e)| e).collect();
        assert!(
            !events.iter().any(|e| matches!(e, Event::PeerLeft(..) | Event::PeerSuspended(_))),
            "{events:?}"
        );
        assert_eq!(events.iter().filter(|e| matches!(e, Event::PeerJoined { .. })).count(), 1);
        assert_eq!(**events.last().unwrap(), Event::Signaling(SignalingState::Connected));
    }
    // The room is whole again: a newcomer meets both.
    let c = world.join("demo");
    world.run_for(3_000);
    assert!(world.connected(a, c) && world.connected(b, c));
}

#[test]
fn a_server_killed_while_joining_is_joined_after_its_restart() {
    for killed_at in (0..300).step_by(7) {
        let mut world = World::new(killed_at, Faults::default());
        let (a, b) = (world.join("demo"), world.join("demo"));
        world.run_for(killed_at);
        world.kill_server();
        world.run_for(1_000);
        world.start_server();
        world.run_for(30_000);
        assert!(world.connected(a, b), "killed at {killed_at} ms: {:?}", world.events(a));
    }
}

#[test]
fn a_server_that_never_comes_ends_the_join() {
    let mut world = World::new(4, Faults::default());
    world.kill_server();
    let a = world.join("demo");
    world.run_for(60_000);
    assert_eq!(
        world.events(a).last().map(|(_, e)| e),
        Some(&Event::Closed(Some(RoomError::Unreachable(10_000))))
    );
    assert_eq!(world.live_connections(a), 0);
}

#[test]
fn a_broken_connection_is_made_again() {
    let (mut world, a, b) = two();
    world.cut(a, b);
    assert!(!world.connected(a, b));
    world.run_for(5_000);
    assert!(world.connected(a, b));
    let id = world.id(b).unwrap();
    let about: Vec<_> = world.events(a).iter().map(|(_, e)| e).skip(3).collect();
    let [
        Event::PeerJoined { .. },
        Event::PeerPath(_, PeerPath::Direct(first)),
        Event::PeerConnected(_),
        Event::PeerPath(_, PeerPath::Connecting),
        Event::PeerPath(again, PeerPath::Direct(second)),
    ] = about[..]
    else {
        panic!("{about:?}")
    };
    assert!(*again == id && first != second);
}

#[test]
fn without_a_path_both_ends_get_the_error() {
    let mut world = World::new(5, Faults { path: false, ..Faults::default() });
    let (a, b) = (world.join("demo"), world.join("demo"));
    world.run_for(70_000);
    for (peer, other) in [(a, b), (b, a)] {
        let last = world.last_event(peer, world.id(other).unwrap());
        assert!(
            matches!(last, Some(Event::PeerFailed(_, LinkError::NoPath | LinkError::PeerGaveUp))),
            "{:?}",
            world.events(peer)
        );
        assert!(world.live_connections(peer) <= 2, "only the warm ones are left");
    }
}

#[test]
fn that_there_is_no_path_is_told_before_anything_is_given_up() {
    let mut world = World::new(8, Faults { path: false, ..Faults::default() });
    let (a, b) = (world.join("demo"), world.join("demo"));
    world.run_for(2_000);
    let number = world.say(a, 0, 5, None).unwrap();
    world.run_for(12_500);
    for (peer, other) in [(a, b), (b, a)] {
        let last = world.last_event(peer, world.id(other).unwrap());
        assert!(matches!(last, Some(Event::PeerFailed(_, LinkError::NoPath))), "{:?}", world.events(peer));
    }
    // It comes after all, in time: nothing is lost.
    world.set_faults(Faults::default());
    world.run_for(25_000);
    assert!(world.connected(a, b));
    let from = world.id(a).unwrap();
    assert!(world.app(b).has(from, 0, number));
    let lost = |(_, event): &&(u64, Event)| matches!(event, Event::Undelivered { .. });
    assert_eq!(world.events(a).iter().filter(lost).count(), 0);
}

#[test]
fn a_pair_without_a_path_is_tried_again_by_itself() {
    let mut world = World::new(5, Faults { path: false, ..Faults::default() });
    let (a, b) = (world.join("demo"), world.join("demo"));
    world.run_for(600_000);
    for (peer, other) in [(a, b), (b, a)] {
        let other = world.id(other).unwrap();
        let failed = |(_, event): &&(u64, Event)| matches!(event, Event::PeerFailed(id, _) if *id == other);
        assert_eq!(world.events(peer).iter().filter(failed).count(), 1, "told once, not at each try");
        assert!(world.live_connections(peer) <= 3);
    }
    // Nobody tells that there is a path now; the longest pause between tries is five minutes.
    world.set_faults(Faults::default());
    world.run_for(310_000);
    assert!(world.connected(a, b));
    for (peer, other) in [(a, b), (b, a)] {
        let last = world.last_event(peer, world.id(other).unwrap());
        assert!(matches!(last, Some(Event::PeerConnected(_))), "{:?}", world.events(peer));
    }
}

#[test]
fn another_protocol_is_refused_by_label() {
    let mut world = World::new(6, Faults::default());
    let (a, b) = (world.join_with("demo", "chat"), world.join_with("demo", "talk"));
    world.run_for(5_000);
    assert!(!world.connected(a, b));
    let Some(Event::PeerFailed(_, error)) = world.last_event(a, world.id(b).unwrap()) else {
        panic!("no error")
    };
    assert_eq!(error.code(), "protocol-mismatch");
    assert!(error.to_string().contains("\"chat\""), "{error}");
}

#[test]
fn old_cards_are_renewed() {
    let mut world = World::new(7, Faults::default());
    let a = world.join("demo");
    world.run_for(900_000);
    assert_eq!(world.live_connections(a), 2);
    let b = world.join("demo");
    world.run_for(2_000);
    assert!(world.connected(a, b));
}

#[test]
fn a_join_that_is_tried_again_brings_fresh_cards() {
    let mut by_cards = 0;
    for seed in 0..20 {
        let mut world = World::new(seed, Faults::default());
        world.kill_server();
        let b = world.join("demo");
        world.run_for(300);
        world.start_server();
        let a = world.join("demo");
        world.run_for(5_000);
        assert!(world.connected(a, b));
        // Whoever came second was connected by cards, in the time of one round trip and the model's handshakes; but both
        // may come at once, when no card is deposited yet.
        let times = [a, b].map(|peer| {
            let at = |wanted: fn(&Event) -> bool| {
                world.events(peer).iter().find(|(_, event)| wanted(event)).unwrap().0
            };
            at(|event| matches!(event, Event::PeerConnected(_)))
                - at(|event| matches!(event, Event::PeerJoined { .. }))
        });
        by_cards += u32::from(times.iter().all(|ms| *ms < 150));
        assert!(times.iter().all(|ms| *ms < 200), "{times:?}");
        // Nothing is left of the join that failed: one link, and two warm connections for newcomers.
        assert_eq!([world.live_connections(a), world.live_connections(b)], [3, 3]);
    }
    assert!(by_cards >= 10, "{by_cards} of 20");
}

fn giving(after_ms: Option<u64>, len: Option<usize>) -> World {
    let mut world = World::new(1, Faults::default());
    world.tokens = Some(Tokens { after_ms, len });
    world
}

#[test]
fn a_token_is_asked_for_while_cards_are_made_and_goes_out_with_the_join() {
    let joined_at = |world: &mut World| {
        let a = world.join("demo");
        world.run_for(1_000);
        world.events(a).iter().find(|(_, event)| matches!(event, Event::Joined(_))).unwrap().0
    };
    let without = joined_at(&mut World::new(1, Faults::default()));
    let mut world = giving(Some(1), Some(5));
    assert_eq!(joined_at(&mut world), without, "it costs no time");
    assert_eq!(world.tokens_brought(), [Some("0ttttt".to_owned())]);
    let mut slow = giving(Some(500), Some(5));
    let late = joined_at(&mut slow);
    assert!(late > 500 && late < 600, "{late}");
}

#[test]
fn each_join_has_a_new_token() {
    let mut world = giving(Some(20), Some(5));
    let a = world.join("demo");
    let b = world.join("demo");
    world.run_for(2_000);
    assert!(world.connected(a, b));
    world.kill_server();
    world.run_for(2_000);
    world.start_server();
    world.run_for(15_000);
    let tokens = world.tokens_brought();
    assert_eq!(tokens.len(), 2, "both came back");
    for token in tokens {
        let asked_at: u64 = token.unwrap().trim_end_matches('t').parse().unwrap();
        assert!(asked_at > 2_000, "asked for anew");
    }
}

#[test]
fn a_first_join_without_a_token_fails_at_once_or_when_the_time_is_up() {
    let mut none = giving(Some(20), None);
    let a = none.join("demo");
    none.run_for(100);
    assert_eq!(none.events(a).last().unwrap().1, Event::Closed(Some(RoomError::NoToken)));
    assert_eq!(none.live_connections(a), 0);
    let mut long = giving(Some(20), Some(4_096));
    let b = long.join("demo");
    long.run_for(100);
    assert_eq!(long.events(b).last().unwrap().1, Event::Closed(Some(RoomError::NoToken)));
    let mut never = giving(None, None);
    let c = never.join("demo");
    never.run_for(9_900);
    assert!(!never.events(c).iter().any(|(_, event)| matches!(event, Event::Closed(_))));
    never.run_for(200);
    assert_eq!(never.events(c).last().unwrap().1, Event::Closed(Some(RoomError::NoToken)));
    for world in [none, long, never] {
        assert!(world.tokens_brought().is_empty(), "nothing was asked of the server");
    }
}

#[test]
fn a_room_waits_for_the_service_that_makes_tokens() {
    let mut world = giving(Some(20), Some(5));
    let a = world.join("demo");
    world.run_for(1_000);
    world.tokens = Some(Tokens { after_ms: Some(20), len: None });
    world.kill_server();
    world.start_server();
    world.run_for(60_000);
    assert!(world.tokens_brought().is_empty());
    assert!(
        !world.events(a).iter().any(|(_, event)| matches!(event, Event::Closed(_))),
        "it does not give up"
    );
    world.tokens = Some(Tokens { after_ms: None, len: None });
    world.run_for(30_000);
    world.tokens = Some(Tokens { after_ms: Some(20), len: Some(5) });
    world.run_for(25_000);
    assert_eq!(world.tokens_brought().len(), 1, "and is back when there are tokens again");
}

#[test]
fn who_leaves_while_a_token_is_made_does_not_join() {
    let mut world = giving(Some(500), Some(5));
    let a = world.join("demo");
    world.run_for(300);
    world.leave(a);
    world.run_for(2_000);
    assert!(world.tokens_brought().is_empty());
    assert_eq!(world.events(a).last().unwrap().1, Event::Closed(None));
}

fn kick_done(world: &World, peer: usize) -> Vec<Result<(), KickError>> {
    let done = |(_, event): &(u64, Event)| match event {
        Event::KickDone(_, result) => Some(*result),
        _ => None,
    };
    world.events(peer).iter().filter_map(done).collect()
}

fn kick(world: &mut World, by: usize, id: PeerId) {
    world.feed(by, Input::Kick(id, Text::cut("spam")));
}

#[test]
fn a_member_that_is_kicked_is_gone_for_everybody_and_does_not_come_back_by_itself() {
    let (mut world, a, b) = two();
    let c = world.join("demo");
    world.run_for(3_000);
    let id = world.id(b).unwrap();
    kick(&mut world, a, id);
    kick(&mut world, a, id);
    world.run_for(20_000);
    assert_eq!(kick_done(&world, a), [Ok(())], "told once, however often it was asked for");
    for other in [a, c] {
        assert_eq!(world.last_event(other, id), Some(&Event::PeerLeft(id, LeaveReason::Kicked)));
        assert!(!world.connected(other, b));
    }
    let reason = Some(RoomError::Refused(Refusal::Kicked, "spam".to_owned()));
    assert_eq!(world.events(b).last().map(|(_, event)| event), Some(&Event::Closed(reason)));
    assert_eq!(world.live_connections(b), 0);
    assert!(world.connected(a, c));
}

#[test]
fn who_may_not_kick_is_told_so_and_nothing_else_happens() {
    let mut world = World::new(1, Faults { kicks: false, ..Faults::default() });
    let (a, b) = (world.join("demo"), world.join("demo"));
    world.run_for(3_000);
    let id = world.id(b).unwrap();
    kick(&mut world, a, id);
    world.run_for(20_000);
    assert_eq!(kick_done(&world, a), [Err(KickError::Forbidden)]);
    assert!(world.connected(a, b));
    assert!(!world.events(a).iter().any(|(_, event)| matches!(event, Event::Closed(_))));
}

#[test]
fn a_kick_that_cannot_be_answered_is_told() {
    let (mut world, a, b) = two();
    let id = world.id(b).unwrap();
    kick(&mut world, a, PeerId([9; 16]));
    world.run_for(100);
    assert_eq!(kick_done(&world, a), [Err(KickError::PeerGone)], "a stranger");
    // The server goes with the question.
    kick(&mut world, a, id);
    world.kill_server();
    world.run_for(1_000);
    assert_eq!(kick_done(&world, a)[1..], [Err(KickError::NoServer)]);
    kick(&mut world, a, id);
    world.run_for(100);
    assert_eq!(kick_done(&world, a)[2..], [Err(KickError::NoServer)], "there is none to ask");
    assert!(world.connected(a, b));
    // It is back, and the other is not: connected, but nobody that the server knows.
    world.set_socket_dead(b, true);
    world.start_server();
    world.run_for(3_000);
    kick(&mut world, a, id);
    world.run_for(12_000);
    assert_eq!(kick_done(&world, a)[3..], [Err(KickError::PeerGone)]);
}
