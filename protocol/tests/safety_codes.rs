//! Codes that people compare: both ends have the same, whoever asks and whatever happens to the paths between them.
#![allow(clippy::unwrap_used)]

use peerloom_protocol::action::Event;
use peerloom_protocol::safety::SafetyCode;
use peerloom_protocol::session::{Options, RelayMode};
use peerloom_protocol::sim::{Faults, World};

fn two(seed: u64, faults: Faults, relay: RelayMode) -> (World, usize, usize) {
    let mut world = World::new(seed, faults);
    let options = Options { relay, ..Options::default() };
    let a = world.enter("demo", &[], options);
    let b = world.enter("demo", &[], options);
    world.run_for(3_000);
    (world, a, b)
}

/// What a peer was told of its codes with another.
fn codes(world: &World, peer: usize, other: usize) -> Vec<SafetyCode> {
    let id = world.id(other).unwrap();
    let code = |event: &Event| match event {
        Event::SafetyCode(about, code) if *about == id => Some(code.unwrap()),
        _ => None,
    };
    world.events(peer).iter().filter_map(|(_, event)| code(event)).collect()
}

fn compare(world: &mut World, a: usize, b: usize) {
    let id = world.id(b).unwrap();
    assert!(world.compare(a, id));
}

#[test]
fn whoever_asks_is_told_the_code_that_the_other_has() {
    for relay in [RelayMode::First, RelayMode::Never] {
        let (mut world, a, b) = two(1, Faults::NONE, relay);
        compare(&mut world, a, b);
        world.run_for(1_000);
        let told = codes(&world, a, b);
        assert_eq!(told.len(), 1);
        assert_eq!(codes(&world, b, a), [], "it has not asked");
        compare(&mut world, b, a);
        assert_eq!(codes(&world, b, a), told, "and needs not wait");
        compare(&mut world, a, b);
        assert_eq!(codes(&world, a, b), [told[0]; 2]);
    }
}

#[test]
fn asked_before_there_is_a_path_it_comes_with_one() {
    let faults = Faults { path: false, ..Faults::NONE };
    let (mut world, a, b) = two(2, faults, RelayMode::Never);
    compare(&mut world, a, b);
    world.run_for(1_000);
    assert_eq!(codes(&world, a, b), []);
    world.set_faults(Faults::NONE);
    world.run_for(60_000);
    assert!(world.connected(a, b));
    compare(&mut world, b, a);
    world.run_for(1_000);
    assert_eq!(codes(&world, a, b).len(), 1);
    assert_eq!(codes(&world, a, b), codes(&world, b, a));
}

#[test]
fn no_step_that_is_lost_holds_it_up() {
    for seed in 0..200 {
        let faults = Faults {
            path: false,
            relay_loss_percent: 30,
            throttle_percent: 20,
            relay_replay_percent: 20,
            ..Faults::NONE
        };
        let (mut world, a, b) = two(seed, faults, RelayMode::First);
        compare(&mut world, a, b);
        world.run_for(200);
        compare(&mut world, b, a);
        world.run_for(60_000);
        assert_eq!(codes(&world, a, b).len(), 1, "seed {seed}");
        assert_eq!(codes(&world, a, b), codes(&world, b, a), "seed {seed}");
    }
}

#[test]
fn a_path_that_breaks_in_between_holds_nothing_up() {
    for seed in 0..50 {
        let (mut world, a, b) = two(seed, Faults::NONE, RelayMode::Never);
        compare(&mut world, a, b);
        world.run_for(seed);
        world.cut(a, b);
        world.run_for(30_000);
        compare(&mut world, b, a);
        world.run_for(1_000);
        assert_eq!(codes(&world, a, b).len(), 1, "seed {seed}");
        assert_eq!(codes(&world, a, b), codes(&world, b, a), "seed {seed}");
    }
}

#[test]
fn each_pair_and_each_time_has_another() {
    let mut world = World::new(3, Faults::NONE);
    let peers = [(); 3].map(|()| world.enter("demo", &[], Options::default()));
    world.run_for(3_000);
    let mut all = Vec::new();
    for (a, b) in [(0, 1), (1, 2), (2, 0)] {
        compare(&mut world, peers[a], peers[b]);
        world.run_for(1_000);
        all.extend(codes(&world, peers[a], peers[b]));
    }
    assert_eq!(all.len(), 3);
    assert!(all[0] != all[1] && all[1] != all[2] && all[2] != all[0]);
    let (mut again, a, b) = two(4, Faults::NONE, RelayMode::First);
    compare(&mut again, a, b);
    again.run_for(1_000);
    assert_ne!(codes(&again, a, b)[0], all[0]);
}
