//! Peers that enter one room one after the other, each of which knows something that others may not.

use peerloom_protocol::hello::Delivery;
use peerloom_protocol::session::{Options, RelayMode};
use peerloom_protocol::sim::{Faults, World};

pub(crate) fn relay(mode: RelayMode) -> Options {
    Options { relay: mode, ..Options::default() }
}

/// A peer for each that is `known`; `give` has whoever enters next know it.
pub(crate) fn entered(
    faults: Faults,
    options: Options,
    known: &[Option<&str>],
    give: impl Fn(&mut World, Option<String>),
) -> (World, Vec<usize>) {
    let mut world = World::new(7, faults);
    let peers = known.iter().map(|known| {
        give(&mut world, known.map(str::to_owned));
        let peer = world.enter("demo", &[("chat", Delivery::Ordered)], options);
        world.run_for(1_000);
        peer
    });
    let peers = peers.collect();
    (world, peers)
}
