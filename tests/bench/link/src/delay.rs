//! The same delay for every packet, in every direction.
//!
//! What else a network does to packets (loss, jitter, a rate) belongs in modules beside this one, each a function from
//! a packet and the time it came to the time it goes on, if it does, with chance drawn from a seed.

use std::time::{Duration, Instant};

/// When a packet that came now goes on.
pub(crate) fn due(now: Instant, delay: Duration) -> Instant {
    now + delay
}
