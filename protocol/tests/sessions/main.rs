//! Sessions: whatever happens to the paths between peers, reliable messages arrive exactly once and in order, and the
//! application hears of nothing but silence. One test for each promise; random schedules are in `session_schedules.rs`.
//!
//! The application of the simulator itself fails on a message that comes twice, out of order or late.
#![allow(clippy::unwrap_used)]

mod delivery;
mod paths;
mod presence;
mod server;

use peerloom_protocol::action::{Event, PeerPath};
use peerloom_protocol::hello::Delivery;
use peerloom_protocol::session::{Options, RelayMode};
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
