//! Chance that can be repeated: every draw follows from the seed (SplitMix64).

use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// At least 0, less than 1.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True for this many of a hundred calls. Draws nothing for what never happens.
    pub(crate) fn happens(&mut self, percent: f64) -> bool {
        percent > 0.0 && self.fraction() * 100.0 < percent
    }

    /// Evenly between nothing and this.
    pub(crate) fn up_to(&mut self, most: Duration) -> Duration {
        if most.is_zero() { most } else { most.mul_f64(self.fraction()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same() {
        let draw = |seed| {
            let mut chance = Chance::new(seed);
            [0; 8].map(|_| chance.next())
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn percentages_are_kept() {
        let mut chance = Chance::new(7);
        let happened = (0..100_000).filter(|_| chance.happens(20.0)).count();
        assert!((19_500..20_500).contains(&happened), "{happened}");
        assert!((0..1_000).all(|_| !chance.happens(0.0)));
        assert!((0..1_000).all(|_| chance.happens(100.0)));
    }

    #[test]
    fn durations_stay_below_the_most() {
        let mut chance = Chance::new(7);
        let most = Duration::from_millis(10);
        assert!((0..1_000).all(|_| chance.up_to(most) < most));
        assert_eq!(chance.up_to(Duration::ZERO), Duration::ZERO);
    }
}
