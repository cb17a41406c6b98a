//! How many answers go to one address, whoever asks in its name.
//!
//! Over UDP anybody can ask in the name of anybody, and the answer goes to whom it is not for. So there is a bound on that
//! for each IPv4 address and each IPv6 /64. There are more of them than a server can remember: they share so many places, by a
//! hash that nobody can foresee, and nothing grows.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Instant;

use crate::admission::network_of;
use crate::rate::{Rate, TokenBucket};

/// Two addresses that ask for a lot at the same time hit the same place once in as many times.
const PLACES: usize = 8192;

#[derive(Debug)]
pub(crate) struct Sources {
    rate: Rate,
    hasher: RandomState,
    /// None until somebody asks: most servers never have as many clients.
    buckets: Vec<Option<TokenBucket>>,
}

impl Sources {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, hasher: RandomState::new(), buckets: Vec::new() }
    }

    /// Whether this address may be answered once more.
    pub(crate) fn take(&mut self, address: IpAddr, now: Instant) -> bool {
        if self.buckets.is_empty() {
            self.buckets.resize_with(PLACES, || None);
        }
        let place = self.hasher.hash_one(network_of(address)) as usize % PLACES;
        let bucket = self.buckets[place].get_or_insert_with(|| TokenBucket::full(self.rate, now));
        bucket.take(1, self.rate, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_share() {
        let now = Instant::now();
        let mut sources = Sources::new(Rate { per_second: 1, burst: 3 });
        let mut taken = |address: &str| sources.take(address.parse().unwrap(), now);
        assert_eq!([(); 4].map(|()| taken("192.0.2.1")), [true, true, true, false]);
        // One network of IPv6 counts as one; IPv4 in its clothes is IPv4.
        assert_eq!(
            ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4"].map(&mut taken),
            [true, true, true, false]
        );
        assert!(!taken("::ffff:192.0.2.1"));
    }

    #[test]
    fn nothing_grows_with_the_number_of_addresses() {
        let now = Instant::now();
        let mut sources = Sources::new(Rate { per_second: 1, burst: 3 });
        for number in 0..100_000_u32 {
            sources.take(IpAddr::V4(number.into()), now);
        }
        assert_eq!(sources.buckets.len(), PLACES);
    }
}
