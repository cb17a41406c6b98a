//! How many connections may be open, in total and from one address.
//!
//! A connection over a limit is still accepted, so that its WebSocket can be told why
//! ([`ServerFull`](peerloom_protocol::signal::Refusal::ServerFull)) instead of failing without a reason, which is
//! all a browser shows for a refused connection. There is a bound on those too: [`Admission::admit`] gives nothing
//! far above the limits, and the connection is dropped unread.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Connections told "full" at the same time, besides a quarter of the limit.
const REFUSED_AT_ONCE: usize = 64;

#[derive(Debug)]
pub(crate) struct Admission {
    max_total: usize,
    max_per_address: usize,
    counts: Mutex<Counts>,
    /// Woken when the last connection has gone.
    empty: Notify,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One open connection. Counts until dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
    over_limit: bool,
    /// Counts for this address too, unless that is a trusted proxy's.
    _address: Option<AddressPermit>,
}

/// One connection from an address. Counts until dropped.
#[derive(Debug)]
pub(crate) struct AddressPermit {
    admission: Arc<Admission>,
    address: IpAddr,
    over_limit: bool,
}

impl Admission {
    pub(crate) fn new(max_total: usize, max_per_address: usize) -> Arc<Self> {
        Arc::new(Self { max_total, max_per_address, counts: Mutex::default(), empty: Notify::new() })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a connection, and its address unless that says nothing (a trusted proxy's). `None` when so many
    /// are over the limits that this one should be dropped.
    pub(crate) fn admit(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Permit> {
        let address = match address {
            Some(address) => Some(self.admit_address(address)?),
            None => None,
        };
        let mut counts = self.counts();
        if counts.total >= self.max_total + self.max_total / 4 + REFUSED_AT_ONCE {
            drop(counts); // Before the address permit goes, which takes the lock again.
            return None;
        }
        counts.total += 1;
        let over_limit = counts.total > self.max_total || address.as_ref().is_some_and(|a| a.over_limit);
        drop(counts);
        Some(Permit { admission: self.clone(), over_limit, _address: address })
    }

    /// Counts a connection from an address. `None` far above the limit.
    pub(crate) fn admit_address(self: &Arc<Self>, address: IpAddr) -> Option<AddressPermit> {
        let address = network_of(address);
        let mut counts = self.counts();
        let count = counts.by_address.entry(address).or_default();
        if *count >= self.max_per_address + self.max_per_address / 4 + REFUSED_AT_ONCE {
            return None;
        }
        *count += 1;
        let over_limit = *count > self.max_per_address;
        drop(counts);
        Some(AddressPermit { admission: self.clone(), address, over_limit })
    }

    /// Resolves once no connection is open.
    pub(crate) async fn emptied(&self) {
        loop {
            let notified = self.empty.notified();
            if self.counts().total == 0 {
                return;
            }
            notified.await;
        }
    }
}

impl Permit {
    /// Whether this connection is one too many.
    pub(crate) fn is_over_limit(&self) -> bool {
        self.over_limit
    }
}

impl AddressPermit {
    /// Whether this connection is one too many from its address.
    pub(crate) fn is_over_limit(&self) -> bool {
        self.over_limit
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        counts.total -= 1;
        if counts.total == 0 {
            self.admission.empty.notify_waiters();
        }
    }
}

impl Drop for AddressPermit {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        if let Some(count) = counts.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

/// What counts as one address: an IPv6 /64, since that is what one subscriber gets, or an IPv4 address.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn the_limits_count_what_is_open() {
        let admission = Admission::new(3, 2);
        let first = admission.admit(address("10.0.0.1")).unwrap();
        let second = admission.admit(address("10.0.0.1")).unwrap();
        let third = admission.admit(address("10.0.0.1")).unwrap();
        assert_eq!(
            [&first, &second, &third].map(Permit::is_over_limit),
            [false, false, true],
            "two from one address"
        );
        assert!(admission.admit(address("10.0.0.2")).unwrap().is_over_limit(), "the fourth in all");
        drop((first, third));
        assert!(!admission.admit(address("10.0.0.1")).unwrap().is_over_limit());
        drop(second);
        assert!(admission.counts().by_address.is_empty());
        assert_eq!(admission.counts().total, 0);
    }

    #[test]
    fn far_above_the_limit_nothing_is_admitted() {
        let admission = Admission::new(4, 1_000);
        let open: Vec<_> = std::iter::from_fn(|| admission.admit(address("10.0.0.1"))).take(1_000).collect();
        assert_eq!(open.len(), 4 + 1 + REFUSED_AT_ONCE);
        assert_eq!(admission.counts().by_address.values().sum::<usize>(), open.len());
    }

    #[test]
    fn a_trusted_proxy_has_no_address_of_its_own() {
        let admission = Admission::new(10, 1);
        let _open: Vec<_> = (0..5).map(|_| admission.admit(None).unwrap()).collect();
        assert!(admission.counts().by_address.is_empty());
    }

    #[test]
    fn one_ipv6_network_is_one_address() {
        let one = network_of("2001:db8:1:2::3".parse().unwrap());
        assert_eq!(one, network_of("2001:db8:1:2:ffff::9".parse().unwrap()));
        assert_ne!(one, network_of("2001:db8:1:3::3".parse().unwrap()));
        assert_eq!(network_of("::ffff:10.0.0.1".parse().unwrap()), network_of("10.0.0.1".parse().unwrap()));
    }

    #[tokio::test]
    async fn emptied_waits_for_the_last() {
        let admission = Admission::new(10, 10);
        admission.emptied().await;
        let permit = admission.admit(None).unwrap();
        tokio::join!(admission.emptied(), async {
            tokio::task::yield_now().await;
            drop(permit);
        });
    }
}
