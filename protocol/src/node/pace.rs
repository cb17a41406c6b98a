//! How fast packets go through the server: within what it allows, so that it never has to refuse one.

use crate::limits;

/// A token bucket as the server's.
#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_second: u64,
    burst: u64,
    /// In thousandths of bytes.
    tokens: u64,
    filled_at: u64,
}

/// Packets smaller than this are not worth cutting a message for.
const LEAST_BUDGET: u64 = 1024;

impl Pace {
    /// None when the server passes nothing on.
    pub(super) fn new(now: u64, bytes_per_second: u32, burst: u32) -> Option<Self> {
        if bytes_per_second == 0 {
            return None;
        }
        let burst = u64::from(burst);
        // A little less than allowed, as the two clocks and what is under way differ. But the largest packet must always
        // fit, or a fragment would wait for ever; every server lets that pass.
        let burst = (burst - burst / 8).max((limits::MAX_PACKET_BYTES + limits::RELAY_PACKET_COST) as u64);
        Some(Self {
            bytes_per_second: u64::from(bytes_per_second),
            burst,
            tokens: burst * 1000,
            filled_at: now,
        })
    }

    /// The largest packet that may be sent now; None when that would be a small one.
    pub(super) fn budget(&mut self, now: u64) -> Option<usize> {
        let gained = now.saturating_sub(self.filled_at).saturating_mul(self.bytes_per_second);
        self.tokens = self.tokens.saturating_add(gained).min(self.burst * 1000);
        self.filled_at = now;
        let bytes = (self.tokens / 1000).checked_sub(limits::RELAY_PACKET_COST as u64)?;
        (bytes >= LEAST_BUDGET).then_some(bytes as usize)
    }

    pub(super) fn spend(&mut self, packet: usize) {
        self.tokens = self.tokens.saturating_sub((packet + limits::RELAY_PACKET_COST) as u64 * 1000);
    }

    /// When the largest packet may be sent.
    pub(super) fn full_at(&self) -> u64 {
        self.affords_at(limits::MAX_PACKET_BYTES as u64)
    }

    /// When there will be a budget again.
    pub(super) fn ready_at(&self) -> u64 {
        self.affords_at(4 * LEAST_BUDGET)
    }

    fn affords_at(&self, packet: u64) -> u64 {
        let wanted = (packet + limits::RELAY_PACKET_COST as u64) * 1000;
        let missing = wanted.min(self.burst * 1000).saturating_sub(self.tokens);
        self.filled_at + missing.div_ceil(self.bytes_per_second).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_goes_out_than_the_server_allows() {
        let (rate, burst) = (50_000, 100_000);
        let mut pace = Pace::new(0, rate, burst).unwrap();
        let (mut now, mut sent) = (0, 0u64);
        while now < 60_000 {
            match pace.budget(now) {
                Some(budget) => {
                    let packet = budget.min(limits::MAX_PACKET_BYTES);
                    pace.spend(packet);
                    sent += (packet + limits::RELAY_PACKET_COST) as u64;
                    assert!(sent <= u64::from(burst) + now * u64::from(rate) / 1000);
                }
                None => now = pace.ready_at().max(now + 1),
            }
        }
        assert!(sent >= 58 * u64::from(rate), "{sent}");
    }

    #[test]
    fn the_largest_packet_fits_whatever_the_burst() {
        let largest = (limits::MAX_PACKET_BYTES + limits::RELAY_PACKET_COST) as u32;
        for burst in [0, largest, 2 * largest] {
            let mut pace = Pace::new(0, 1_000, burst).unwrap();
            assert!(pace.budget(0).unwrap() >= limits::MAX_PACKET_BYTES);
        }
    }

    #[test]
    fn a_rate_of_nothing_is_no_pace() {
        assert!(Pace::new(0, 0, 100_000).is_none());
    }
}
