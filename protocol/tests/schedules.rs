//! Random schedules: whatever happens to signals, both ends connect or both get an error, and nothing hangs.
//!
//! `World::run_for` itself fails when two peers share two connections or hoard them. Proptest prints the failing input
//! with its seed.

use peerloom_protocol::action::{Event, PeerPath};
use peerloom_protocol::sim::{Faults, World};
use proptest::prelude::*;

/// Both connected, or both told why not.
fn settled(world: &World, a: usize, b: usize) -> Result<(), String> {
    let (Some(id_a), Some(id_b)) = (world.id(a), world.id(b)) else { return Err("not in the room".into()) };
    let last = [world.last_event(a, id_b), world.last_event(b, id_a)];
    // The second is what a connection made anew shows.
    let told = |event: &Option<&Event>| match event {
        Some(Event::PeerConnected(_) | Event::PeerResumed(_)) => Some(true),
        Some(Event::PeerPath(_, PeerPath::Direct(_))) => Some(true),
        Some(Event::PeerFailed(..)) => Some(false),
        _ => None,
    };
    let connected = world.connected(a, b);
    if last.iter().all(|event| told(event) == Some(connected)) {
        return Ok(());
    }
    Err(format!("connected: {connected}, last events {last:?}"))
}

fn faults() -> impl Strategy<Value = Faults> {
    (0..400u64, 0..800u64, 0..50u64, 0..50u64, prop::bool::weighted(0.9), 0..10u64).prop_map(
        |(least, spread, loss, duplicate, path, throw)| Faults {
            delay_ms: (least, least + spread),
            loss_percent: loss,
            duplicate_percent: duplicate,
            path,
            throw_percent: throw,
            ..Faults::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Signals are late, lost, doubled and overtaken; steps of the set-up throw.
    #[test]
    fn a_pair_connects_or_both_ends_know(seed in any::<u64>(), faults in faults(), apart_ms in 0..3_000u64) {
        let mut world = World::new(seed, faults);
        let a = world.join("demo");
        world.run_for(apart_ms);
        let b = world.join("demo");
        world.run_for(200_000);
        prop_assert_eq!(settled(&world, a, b), Ok(()), "{:?}\n{:?}", world.events(a), world.events(b));
    }

    /// Connections break and the server restarts at random moments, then all is well for a while.
    #[test]
    fn a_pair_recovers(
        seed in any::<u64>(),
        faults in faults(),
        blows in prop::collection::vec((0..8_000u64, 0..3u8), 0..6),
    ) {
        let mut world = World::new(seed, Faults { path: true, ..faults });
        let (a, b) = (world.join("demo"), world.join("demo"));
        world.run_for(100);
        for (after_ms, blow) in blows {
            world.run_for(after_ms);
            match blow {
                0 => world.cut(a, b),
                1 => {
                    world.kill_server();
                    world.run_for(after_ms / 2);
                    world.start_server();
                }
                _ => {
                    world.kill_server();
                    world.start_server();
                }
            }
        }
        world.set_faults(Faults::default());
        world.run_for(300_000);
        // A join that was refused for ten seconds has ended, as it says.
        let ended = [a, b].iter().any(|p| matches!(world.events(*p).last(), Some((_, Event::Closed(_)))));
        if !ended {
            prop_assert_eq!(settled(&world, a, b), Ok(()), "{:?}\n{:?}", world.events(a), world.events(b));
        }
    }
}

proptest! {
    // Fewer, as a dozen peers that all ask each other for signs of life every second take a while.
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Peers come, leave and crash; those that stay end up in one full mesh and know of nobody else.
    #[test]
    fn a_room_agrees(seed in any::<u64>(), moves in prop::collection::vec((0..2_000u64, 0..10u8), 1..14)) {
        let mut world = World::new(seed, Faults { delay_ms: (5, 60), ..Faults::default() });
        let mut here = vec![world.join("demo")];
        for (after_ms, what) in moves {
            world.run_for(after_ms);
            match (what, here.is_empty()) {
                (0..=6, _) | (_, true) => here.push(world.join("demo")),
                (7..=8, _) => world.leave(here.remove(0)),
                _ => world.crash(here.remove(0)),
            }
        }
        world.run_for(60_000);
        for &a in &here {
            for &b in here.iter().filter(|b| **b != a) {
                prop_assert!(world.connected(a, b), "{a} and {b}: {:?}", world.events(a));
            }
            prop_assert_eq!(world.live_connections(a), here.len() - 1 + 2);
        }
    }
}
