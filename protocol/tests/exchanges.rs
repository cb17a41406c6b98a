//! Streams and calls between peers whose paths come and go: every byte arrives once and in order, every call is settled
//! once. The simulator's application checks both as things happen.
//!
//! `EXCHANGE_SEED` repeats one run and tells what happened in it.
#![allow(clippy::unwrap_used)]

use peerloom_protocol::action::{Event, Input};
use peerloom_protocol::hello::Delivery;
use peerloom_protocol::random::Random;
use peerloom_protocol::session::{Options, RelayMode};
use peerloom_protocol::sim::exchange::Plan;
use peerloom_protocol::sim::{Faults, World};

const RUNS: u64 = 60;

fn run(seed: u64, trace: bool) {
    let mut random = Random::new(seed);
    let mut below = |bound: u64| random.below(bound);
    let least = below(60);
    let faults = Faults {
        delay_ms: (least, least + below(50)),
        frame_loss_percent: below(5),
        throttle_percent: below(10),
        path: below(10) > 0,
        ..Faults::default()
    };
    let relay = if below(2) == 0 { RelayMode::First } else { RelayMode::Fallback };
    let options = Options { relay, window: (64 * 1024) << below(5), ..Options::default() };
    let mut world = World::new(seed, faults);
    world.trace = trace;
    let plan = Plan { streams: 4 + below(12), longest: 400_000, calls: 30 + below(60) };
    let peers: Vec<_> = (0..2 + below(2))
        .map(|_| {
            let peer = world.enter("demo", &[("log", Delivery::Ordered)], options);
            world.app(peer).plan(plan);
            peer
        })
        .collect();
    world.run_for(below(2_000));
    for _ in 0..12 {
        let (a, b) = (peers[below(peers.len() as u64) as usize], peers[below(peers.len() as u64) as usize]);
        match below(6) {
            0 | 1 => world.cut(a, b),
            2 | 3 => {
                world.set_silent(a, b, true);
                world.run_for(below(9_000));
                world.set_silent(a, b, false);
            }
            4 => {
                world.kill_server();
                world.run_for(below(4_000));
                world.start_server();
            }
            _ => world.feed(a, Input::Online),
        }
        world.run_for(below(3_000));
    }
    let calm = Faults { path: faults.path, ..Faults::default() };
    world.set_faults(calm);
    let done = |world: &mut World| peers.iter().all(|peer| world.app(*peer).exchange().is_done());
    for _ in 0..40 {
        world.run_for(10_000);
        if done(&mut world) {
            break;
        }
    }
    for &peer in &peers {
        let left =
            world.events(peer).iter().filter(|(_, event)| matches!(event, Event::PeerLeft(..))).count();
        let exchange = world.app(peer).exchange();
        assert!(exchange.is_done(), "not everything is settled: {exchange:?}");
        assert!(left > 0 || exchange.broken == 0 && exchange.settled[4] == 0, "nobody left: {exchange:?}");
        let settled: u64 = exchange.settled.iter().sum();
        assert_eq!(settled, plan.calls, "each call once");
    }
}

#[test]
fn bytes_arrive_once_and_in_order_and_every_call_is_settled_once_whatever_happens_to_paths() {
    if let Ok(seed) = std::env::var("EXCHANGE_SEED") {
        return run(seed.parse().unwrap(), true);
    }
    for seed in 0..RUNS {
        println!("EXCHANGE_SEED={seed} cargo test -p peerloom-protocol --test exchanges");
        run(seed, false);
    }
}

#[test]
fn a_peer_that_leaves_sends_what_was_written_and_what_is_open_fails_as_peer_gone() {
    let mut world = World::new(5, Faults::default());
    let plan = Plan { streams: 20, longest: 100_000, calls: 40 };
    let [a, b] = [0; 2].map(|_| {
        let peer = world.enter("demo", &[("log", Delivery::Ordered)], Options::default());
        world.app(peer).plan(plan);
        peer
    });
    world.run_for(3_000);
    world.leave(a);
    world.run_for(10_000);
    assert!(matches!(world.events(a).last(), Some((_, Event::Closed(None)))));
    let left = world.events(b).iter().any(|(_, event)| matches!(event, Event::PeerLeft(..)));
    assert!(left && world.app(b).exchange().whole > 0);
}
