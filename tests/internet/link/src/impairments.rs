//! What is wrong with one direction of a host's access to the network.

use std::time::Duration;

/// A router's buffer, where nothing else is said.
const QUEUE_BYTES: f64 = 128.0 * 1024.0;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Impairments {
    /// Every packet takes this long.
    pub(crate) delay: Duration,
    /// And up to this more, as behind queues of changing length: the order is kept.
    pub(crate) jitter: Duration,
    /// Per cent of the packets, each by itself.
    pub(crate) loss: f64,
    pub(crate) duplicate: f64,
    /// These fall behind others.
    pub(crate) reorder: f64,
    /// Bits a second; None for no limit.
    pub(crate) rate: Option<f64>,
    /// What may wait for the rate. More is dropped (drop tail).
    pub(crate) queue_bytes: f64,
}

impl Impairments {
    pub(crate) fn none() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            rate: None,
            queue_bytes: QUEUE_BYTES,
        }
    }

    /// Changes one of them; the error is for people.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let number: f64 = value.parse().map_err(|_| format!("{value} is no number"))?;
        match key {
            "delay" => self.delay = milliseconds(number)?,
            "jitter" => self.jitter = milliseconds(number)?,
            "loss" => self.loss = percent(number)?,
            "duplicate" => self.duplicate = percent(number)?,
            "reorder" => self.reorder = percent(number)?,
            "rate" => {
                let mbits = within(number, 1e6, "Mbit/s")?;
                self.rate = (mbits > 0.0).then_some(mbits * 1e6);
            }
            "queue" => self.queue_bytes = within(number, 1e6, "KiB")? * 1024.0,
            _ => return Err(format!("there is no {key}")),
        }
        Ok(())
    }
}

fn within(number: f64, most: f64, unit: &str) -> Result<f64, String> {
    // Not a number is not within either.
    if (0.0..=most).contains(&number) { Ok(number) } else { Err(format!("{number} {unit} cannot be")) }
}

fn percent(number: f64) -> Result<f64, String> {
    within(number, 100.0, "%")
}

/// A time of at most an hour.
pub(crate) fn milliseconds(number: f64) -> Result<Duration, String> {
    within(number, 3.6e6, "ms").map(|ms| Duration::from_secs_f64(ms / 1000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read() {
        let mut impairments = Impairments::none();
        for (key, value) in [
            ("delay", "12.5"),
            ("jitter", "3"),
            ("loss", "20"),
            ("duplicate", "1"),
            ("reorder", "2"),
            ("rate", "8"),
            ("queue", "64"),
        ] {
            impairments.set(key, value).unwrap();
        }
        let expected = Impairments {
            delay: Duration::from_micros(12_500),
            jitter: Duration::from_millis(3),
            loss: 20.0,
            duplicate: 1.0,
            reorder: 2.0,
            rate: Some(8e6),
            queue_bytes: 65_536.0,
        };
        assert_eq!(impairments, expected);
        impairments.set("rate", "0").unwrap();
        assert_eq!(impairments.rate, None);
    }

    #[test]
    fn nonsense_changes_nothing() {
        let mut impairments = Impairments::none();
        for (key, value) in [
            ("loss", "101"),
            ("loss", "-1"),
            ("loss", "NaN"),
            ("delay", "x"),
            ("delay", "1e9"),
            ("colour", "1"),
        ] {
            assert!(impairments.set(key, value).is_err(), "{key}={value}");
        }
        assert_eq!(impairments, Impairments::none());
    }
}
