//! One direction of a host's access: when does a packet that comes now go on, if it does, and how often?

use std::time::{Duration, Instant};

use crate::chance::Chance;
use crate::impairments::Impairments;

/// How far a packet out of order falls behind: at least this, so that others can pass, and at most twice this.
const BEHIND: Duration = Duration::from_millis(15);

/// What became of the packets so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) bytes: u64,
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    pub(crate) reordered: u64,
    /// Dropped because the queue before the rate was full.
    pub(crate) overflowed: u64,
}

#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) impairments: Impairments,
    pub(crate) counts: Counts,
    /// When the last bit of what waits for the rate will have gone out.
    free_at: Option<Instant>,
    /// When the last packet in order goes on: none after it may go earlier.
    last_due: Option<Instant>,
}

impl Pipe {
    pub(crate) fn new(impairments: Impairments) -> Self {
        Self { impairments, counts: Counts::default(), free_at: None, last_due: None }
    }

    /// When the packet goes on, and when its duplicate does.
    pub(crate) fn pass(&mut self, now: Instant, bytes: usize, chance: &mut Chance) -> [Option<Instant>; 2] {
        let Some(sent) = self.send(now, bytes) else {
            self.counts.overflowed += 1;
            return [None; 2];
        };
        if chance.happens(self.impairments.loss) {
            self.counts.lost += 1;
            return [None; 2];
        }
        let mut due = sent + self.impairments.delay + chance.up_to(self.impairments.jitter);
        if chance.happens(self.impairments.reorder) {
            self.counts.reordered += 1;
            due += BEHIND + chance.up_to(BEHIND);
        } else {
            due = self.last_due.map_or(due, |last| last.max(due));
            self.last_due = Some(due);
        }
        self.counts.passed += 1;
        self.counts.bytes += bytes as u64;
        let duplicate = chance.happens(self.impairments.duplicate).then(|| {
            self.counts.duplicated += 1;
            due + chance.up_to(BEHIND)
        });
        [Some(due), duplicate]
    }

    /// When the packet's last bit is on the wire; None when the queue before it is full.
    fn send(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let Some(rate) = self.impairments.rate else { return Some(now) };
        let free_at = self.free_at.map_or(now, |free_at| free_at.max(now));
        let waiting = (free_at - now).as_secs_f64() * rate / 8.0;
        if waiting > 0.0 && waiting + bytes as f64 > self.impairments.queue_bytes {
            return None;
        }
        let sent = free_at + Duration::from_secs_f64(bytes as f64 * 8.0 / rate);
        self.free_at = Some(sent);
        Some(sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKETS: u32 = 10_000;
    const EVERY: Duration = Duration::from_millis(1);

    fn pipe(settings: &str) -> Pipe {
        let mut impairments = Impairments::none();
        for setting in settings.split_whitespace() {
            let (key, value) = setting.split_once('=').unwrap();
            impairments.set(key, value).unwrap();
        }
        Pipe::new(impairments)
    }

    /// Sends packets of 1,000 bytes, one a millisecond; gives when each went on, since the first was sent.
    fn flow(pipe: &mut Pipe) -> Vec<[Option<Duration>; 2]> {
        let start = Instant::now();
        let mut chance = Chance::new(42);
        (0..PACKETS)
            .map(|number| {
                pipe.pass(start + EVERY * number, 1_000, &mut chance).map(|due| due.map(|due| due - start))
            })
            .collect()
    }

    #[test]
    fn without_impairments_packets_go_on_at_once() {
        let all = flow(&mut pipe(""));
        for (number, due) in (0..).zip(all) {
            assert_eq!(due, [Some(EVERY * number), None]);
        }
    }

    #[test]
    fn delay_is_exact_and_jitter_keeps_the_order() {
        let all = flow(&mut pipe("delay=50 jitter=20"));
        let due: Vec<_> = all.iter().filter_map(|[due, _]| *due).collect();
        assert!(due.is_sorted());
        for (number, due) in (0..).zip(due) {
            let took = due - EVERY * number;
            assert!((Duration::from_millis(50)..Duration::from_millis(70)).contains(&took), "{took:?}");
        }
    }

    #[test]
    fn loss_and_duplicates_are_as_often_as_said() {
        let mut pipe = pipe("loss=20 duplicate=10");
        let all = flow(&mut pipe);
        let lost = all.iter().filter(|[due, _]| due.is_none()).count();
        let duplicated = all.iter().filter(|[_, duplicate]| duplicate.is_some()).count();
        assert!((1_900..2_100).contains(&lost), "{lost}");
        assert!((720..880).contains(&duplicated), "{duplicated}");
        assert_eq!((pipe.counts.lost, pipe.counts.duplicated), (lost as u64, duplicated as u64));
        assert_eq!(pipe.counts.passed, 10_000 - pipe.counts.lost);
    }

    #[test]
    fn packets_out_of_order_are_as_often_as_said() {
        let mut pipe = pipe("delay=50 reorder=10");
        let all = flow(&mut pipe);
        let due: Vec<_> = all.iter().filter_map(|[due, _]| *due).collect();
        let overtaken = due.iter().zip(&due[1..]).filter(|(one, next)| one > next).count();
        assert!((850..1_100).contains(&overtaken), "{overtaken}");
        assert!((900..1_100).contains(&pipe.counts.reordered));
    }

    #[test]
    fn the_rate_is_kept_and_the_queue_is_bounded() {
        // 8 Mbit/s come, 4 go on.
        let mut pipe = pipe("rate=4 queue=100");
        let all = flow(&mut pipe);
        let due: Vec<_> = all.iter().filter_map(|[due, _]| *due).collect();
        assert!((5_000..5_200).contains(&due.len()), "{}", due.len());
        assert!(due.iter().zip(&due[1..]).all(|(one, next)| *next - *one >= Duration::from_millis(2)));
        let longest = (0..).zip(&all).filter_map(|(number, [due, _])| Some((*due)? - EVERY * number)).max();
        // 100 KiB at 4 Mbit/s.
        assert!(longest.unwrap() <= Duration::from_millis(205), "{longest:?}");
        assert_eq!(pipe.counts.overflowed + pipe.counts.passed, 10_000);
    }

    #[test]
    fn a_queue_smaller_than_a_packet_still_passes_one_at_a_time() {
        let mut pipe = pipe("rate=8 queue=0");
        assert!(flow(&mut pipe).iter().all(|[due, _]| due.is_some()));
    }
}
