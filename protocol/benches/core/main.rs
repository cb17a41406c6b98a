//! What the core costs: `cargo bench -p peerloom-protocol`, with `-- NAME` for a part of it.
//!
//! Everything here goes by the public API. `npm run bench -- --only core` runs it too and prints the medians.

mod channel;
mod descriptions;
mod messages;
mod node;
mod pair;
mod seal;

use criterion::Criterion;

// What criterion's macros would make of this are functions without documentation.
fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    messages::bench(&mut criterion);
    channel::bench(&mut criterion);
    node::bench(&mut criterion);
    descriptions::bench(&mut criterion);
    seal::bench(&mut criterion);
    criterion.final_summary();
}
