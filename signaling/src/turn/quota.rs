//! How much is relayed for one user and for all, and how many relays they have.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use super::TurnLimits;
use crate::admission::network_of;
use crate::rate::TokenBucket;

/// Counts allocations and bytes.
#[derive(Debug)]
pub(crate) struct Quota {
    users: HashMap<String, User>,
    by_address: HashMap<IpAddr, usize>,
    allocations: usize,
    all: TokenBucket,
}

#[derive(Debug)]
struct User {
    allocations: usize,
    bytes: TokenBucket,
}

impl Quota {
    pub(crate) fn new(limits: &TurnLimits, now: Instant) -> Self {
        Self {
            users: HashMap::new(),
            by_address: HashMap::new(),
            allocations: 0,
            all: TokenBucket::full(limits.all, now),
        }
    }

    pub(crate) fn allocations(&self) -> usize {
        self.allocations
    }

    /// Counts one more allocation. False when there are as many as there may be.
    pub(crate) fn add(&mut self, user: &str, address: IpAddr, limits: &TurnLimits, now: Instant) -> bool {
        let address = network_of(address);
        let of_user = self.users.get(user).map_or(0, |user| user.allocations);
        let of_address = self.by_address.get(&address).copied().unwrap_or(0);
        if self.allocations >= limits.allocations
            || of_user >= limits.allocations_per_user
            || of_address >= limits.allocations_per_address
        {
            return false;
        }
        self.allocations += 1;
        *self.by_address.entry(address).or_default() += 1;
        let full = || User { allocations: 0, bytes: TokenBucket::full(limits.user, now) };
        self.users.entry(user.to_owned()).or_insert_with(full).allocations += 1;
        true
    }

    /// An allocation has ended.
    pub(crate) fn remove(&mut self, user: &str, address: IpAddr) {
        let address = network_of(address);
        self.allocations = self.allocations.saturating_sub(1);
        if let Some(user) = self.users.get_mut(user) {
            user.allocations = user.allocations.saturating_sub(1);
        }
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }

    /// Whether so many bytes may be relayed for this user.
    pub(crate) fn take(&mut self, user: &str, bytes: usize, limits: &TurnLimits, now: Instant) -> bool {
        let Some(user) = self.users.get_mut(user) else { return false };
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        user.bytes.take(bytes, limits.user, now) && self.all.take(bytes, limits.all, now)
    }

    /// Forgets users without allocations who have all of their bytes again: who comes back gets no more by having left.
    pub(crate) fn tidy(&mut self, limits: &TurnLimits, now: Instant) {
        self.users.retain(|_, user| {
            user.allocations > 0 || !user.bytes.wait(limits.user.burst, limits.user, now).is_zero()
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rate::Rate;

    fn limits() -> TurnLimits {
        TurnLimits {
            allocations: 5,
            allocations_per_user: 2,
            allocations_per_address: 3,
            user: Rate { per_second: 100, burst: 1000 },
            all: Rate { per_second: 100, burst: 1500 },
            ..TurnLimits::default()
        }
    }

    #[test]
    fn allocations_are_counted_by_user_by_address_and_in_all() {
        let (limits, now) = (limits(), Instant::now());
        let mut quota = Quota::new(&limits, now);
        let mut add = |user: &str, address: &str| quota.add(user, address.parse().unwrap(), &limits, now);
        assert!(add("a", "192.0.2.1") && add("a", "192.0.2.1"));
        assert!(!add("a", "192.0.2.2"), "the third of the user");
        assert!(add("b", "192.0.2.1"));
        assert!(!add("c", "192.0.2.1"), "the fourth from the address");
        assert!(add("c", "2001:db8::1") && add("c", "2001:db8::2"));
        assert!(!add("d", "192.0.2.9"), "the sixth in all");
        quota.remove("a", "192.0.2.1".parse().unwrap());
        assert!(quota.add("d", "192.0.2.9".parse().unwrap(), &limits, now));
        assert_eq!(quota.allocations(), 5);
    }

    #[test]
    fn bytes_are_counted_by_user_and_in_all() {
        let (limits, now) = (limits(), Instant::now());
        let mut quota = Quota::new(&limits, now);
        for user in ["a", "b"] {
            assert!(quota.add(user, "192.0.2.1".parse().unwrap(), &limits, now));
        }
        assert!(quota.take("a", 1000, &limits, now));
        assert!(!quota.take("a", 1, &limits, now));
        assert!(quota.take("b", 500, &limits, now));
        assert!(!quota.take("b", 1, &limits, now), "all have had theirs");
        assert!(!quota.take("nobody", 1, &limits, now + Duration::from_secs(1)));
    }

    #[test]
    fn who_leaves_and_comes_back_gets_no_more() {
        let (limits, now) = (limits(), Instant::now());
        let mut quota = Quota::new(&limits, now);
        let address = "192.0.2.1".parse().unwrap();
        quota.add("a", address, &limits, now);
        assert!(quota.take("a", 1000, &limits, now));
        quota.remove("a", address);
        quota.tidy(&limits, now);
        quota.add("a", address, &limits, now);
        assert!(!quota.take("a", 1000, &limits, now));
        quota.remove("a", address);
        quota.tidy(&limits, now + Duration::from_secs(11));
        assert!(quota.users.is_empty() && quota.by_address.is_empty());
    }
}
