//! Random schedules for whole sessions: paths that are slow, lossy, silent and broken, servers that stop, pages that
//! freeze. In every run reliable messages arrive exactly once and in order, memory stays bounded, no connection leaks,
//! and in the end all is quiet.
//!
//! `SESSION_SCHEDULES` says how many runs; `SESSION_SEED` repeats one and tells what happened in it. The simulator itself
//! fails on what must never be.
#![allow(clippy::unwrap_used)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use peerloom_protocol::action::{Event, PeerPath};
use peerloom_protocol::hello::Delivery;
use peerloom_protocol::random::Random;
use peerloom_protocol::session::{Options, RelayMode};
use peerloom_protocol::sim::app::Talk;
use peerloom_protocol::sim::{Faults, World};
use peerloom_protocol::timing;

const CHANNELS: [(&str, Delivery); 4] = [
    ("any", Delivery::Unordered),
    ("latest", Delivery::Latest),
    ("life", Delivery::Lifetime(300)),
    ("log", Delivery::Ordered),
];

/// What one run is made of, all of it from its seed.
fn run(seed: u64, trace: bool) -> Result<(), String> {
    let mut random = Random::new(seed);
    let mut below = |bound: u64| random.below(bound);
    let least = below(150);
    let faults = Faults {
        delay_ms: (least, least + below(100)),
        loss_percent: below(20),
        duplicate_percent: below(20),
        path: below(10) > 0,
        throw_percent: below(5),
        frame_loss_percent: below(10),
        relay_rate: [0, 20_000, 128 * 1024][usize::from(below(10) > 0) + usize::from(below(3) > 0)],
        throttle_percent: below(10),
        relay_loss_percent: [0, 0, 0, 5][below(4) as usize],
        relay_replay_percent: [0, 0, 0, 10][below(4) as usize],
        ..Faults::NONE
    };
    let relay =
        [RelayMode::First, RelayMode::First, RelayMode::Fallback, RelayMode::Never][below(4) as usize];
    let window = (64 * 1024) << below(5);
    // Nothing lasts so long that a peer would be given up. What is compressed differs from channel to channel.
    let relay_bulk = below(2) == 0;
    let compress = below(16);
    let options =
        Options { relay, window, relay_bulk, peer_timeout_ms: 600_000, compress, ..Options::default() };
    let mut world = World::new(seed, faults);
    world.set_faults(faults);
    world.trace = trace;
    if trace {
        println!("{faults:?}\n{options:?}");
    }
    let count = 2 + usize::from(below(4) == 0);
    let mut peers = Vec::new();
    for _ in 0..count {
        let peer = world.enter("demo", &CHANNELS, options);
        // Rarely long enough for the limits on what is under way: such runs take a hundred times as long.
        let longest = if below(100) == 0 { 300_000 } else { [0, 100, 3_000, 60_000][below(4) as usize] };
        let messages = 10 + below(50);
        let pause_ms = (below(10), 10 + below(300));
        world.app(peer).talk(Talk { messages, pause_ms, longest, confirm_percent: below(20) });
        world.app(peer).read_slowly((below(4) == 0).then_some(1 + below(200)));
        peers.push(peer);
        world.run_for(below(500));
    }
    for _ in 0..below(6) {
        world.run_for(below(6_000));
        let (a, b) = (peers[below(count as u64) as usize], peers[below(count as u64) as usize]);
        let (ms, what) = (below(8_000), below(10));
        if trace {
            let names = [
                "cut",
                "server down",
                "direct silent",
                "socket dead",
                "frozen",
                "all silent",
                "nothing at all",
                "online",
                "cut one",
                "one silent",
            ];
            println!("{:>7} {} for {ms} ms: {a}, {b}", world.now(), names[what as usize]);
        }
        match what {
            0 => world.cut(a, b),
            1 => {
                world.kill_server();
                world.run_for(ms);
                world.start_server();
            }
            2 => {
                world.set_silent(a, b, true);
                world.run_for(ms);
                world.set_silent(a, b, false);
            }
            3 => {
                peers.iter().for_each(|peer| world.app(*peer).accept_late());
                world.set_socket_dead(a, true);
                world.run_for(ms);
                world.set_socket_dead(a, false);
            }
            4 => {
                world.set_frozen(a, true);
                world.run_for(ms);
                world.set_frozen(a, false);
            }
            5 => {
                peers.iter().for_each(|peer| world.app(*peer).accept_late());
                world.set_silent(a, b, true);
                world.set_socket_dead(a, true);
                world.run_for(ms);
                world.set_silent(a, b, false);
                world.set_socket_dead(a, false);
            }
            6 => {
                // Long enough for browsers to stop looking for a way; then one of the two comes back first.
                peers.iter().for_each(|peer| world.app(*peer).accept_late());
                world.kill_server();
                world.set_silent(a, b, true);
                world.run_for(8_000 + 4 * ms);
                if ms % 2 == 0 {
                    world.set_silent(a, b, false);
                    world.run_for(ms);
                    world.start_server();
                } else {
                    world.start_server();
                    world.run_for(ms);
                    world.set_silent(a, b, false);
                }
            }
            7 => world.feed(a, peerloom_protocol::action::Input::Online),
            8 => world.cut_last(a, b),
            // A browser would find out that its only connection is dead.
            _ if world.connections_between(a, b) > 1 => world.mute_last(a, b),
            _ => {}
        }
    }
    world.set_faults(Faults { relay_rate: faults.relay_rate, path: faults.path, ..Faults::default() });
    let mut done = false;
    // Without any path there is nothing to wait for but the verdict.
    let hopeless = !faults.path && (relay == RelayMode::Never || faults.relay_rate == 0);
    for _ in 0..if hopeless { 24 } else { 120 } {
        world.run_for(5_000);
        done = peers.iter().all(|&a| {
            let all = peers.iter().all(|&b| a == b || world.has_all(a, b).is_ok());
            all && world.app(a).is_done()
        });
        if done {
            break;
        }
    }
    world.run_for(timing::LANE_IDLE_MS + 1_000);
    if trace && !done {
        peers.iter().for_each(|peer| println!("peer {peer}: {}", world.describe(*peer)));
    }
    for &a in &peers {
        if matches!(world.events(a).last(), Some((_, Event::Closed(_)))) {
            return Ok(()); // It could not join for ten seconds, and said so.
        }
    }
    for &a in &peers {
        for &b in peers.iter().filter(|b| **b != a) {
            let id = world.id(b).ok_or("not in the room")?;
            let unreachable = world.path(a, id) == PeerPath::Connecting
                && (relay == RelayMode::Never || faults.relay_rate == 0)
                && !faults.path;
            if unreachable {
                continue;
            }
            world.has_all(a, b).map_err(|missing| format!("from {a} to {b}: {missing}"))?;
            if world.app(a).saw_leave(id) {
                return Err(format!("{a} was told that {b} left"));
            }
        }
        if !world.app(a).is_done() && faults.path {
            return Err(format!("{a} is not quiet: {:?}", world.app(a)));
        }
        // A link to each of the others and two warm ones, of which one may have thrown. Some may be waited for that will
        // not come back: the server let them in and was gone before it could tell them.
        if world.live_connections(a) > world.app(a).known() + 2 {
            return Err(format!("{a} holds {} connections", world.live_connections(a)));
        }
    }
    Ok(())
}

fn outcome(seed: u64) -> Result<(), String> {
    let panicked = |cause: Box<dyn std::any::Any + Send>| match cause.downcast::<String>() {
        Ok(text) => Err(*text),
        Err(cause) => Err(cause.downcast_ref::<&str>().unwrap_or(&"panicked").to_string()),
    };
    catch_unwind(AssertUnwindSafe(|| run(seed, false))).unwrap_or_else(panicked)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_happens_messages_arrive_exactly_once() {
    if let Some(seed) = number("SESSION_SEED") {
        return run(seed, true).unwrap();
    }
    let runs = number("SESSION_SCHEDULES").unwrap_or(5_000);
    // Other schedules each time, unless told otherwise: a failure prints its seed.
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let first = number("SESSION_FIRST_SEED").unwrap_or(time.as_nanos() as u64 >> 10);
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let failures: Vec<_> = std::thread::scope(|scope| {
        let work = || {
            let mut failures = Vec::new();
            while failures.is_empty() {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= runs {
                    break;
                }
                let seed = first.wrapping_add(index);
                failures.extend(outcome(seed).err().map(|error| (seed, error)));
            }
            failures
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    for (seed, error) in &failures {
        println!("SESSION_SEED={seed} cargo test -p peerloom-protocol --test session_schedules\n  {error}");
    }
    assert!(failures.is_empty(), "{} of {runs} runs failed", failures.len());
    println!("{runs} schedules from seed {first}");
}
