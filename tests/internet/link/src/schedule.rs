//! Packets under way: whatever is due next comes out next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// An item with its time. The number keeps the order of items due at the same time.
#[derive(Debug)]
struct Entry<T> {
    due: Instant,
    number: u64,
    item: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.due, self.number) == (other.due, other.number)
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

#[derive(Debug)]
pub(crate) struct Schedule<T> {
    entries: BinaryHeap<Reverse<Entry<T>>>,
    next_number: u64,
    capacity: usize,
}

impl<T> Schedule<T> {
    /// Holds at most `capacity` items; more are dropped.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { entries: BinaryHeap::new(), next_number: 0, capacity }
    }

    pub(crate) fn put(&mut self, due: Instant, item: T) {
        if self.entries.len() >= self.capacity {
            return;
        }
        let number = self.next_number;
        self.next_number += 1;
        self.entries.push(Reverse(Entry { due, number, item }));
    }

    /// The next item, with its time, if that has come.
    pub(crate) fn take(&mut self, now: Instant) -> Option<(Instant, T)> {
        if self.next_due()? > now {
            return None;
        }
        self.entries.pop().map(|Reverse(Entry { due, item, .. })| (due, item))
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.entries.peek().map(|Reverse(entry)| entry.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn items_come_out_by_time_then_by_order() {
        let mut schedule = Schedule::new(8);
        let now = Instant::now();
        let later = now + Duration::from_millis(2);
        schedule.put(later, "late");
        schedule.put(now, "first");
        schedule.put(now, "second");
        assert_eq!(schedule.take(now), Some((now, "first")));
        assert_eq!(schedule.take(now), Some((now, "second")));
        assert_eq!(schedule.take(now), None);
        assert_eq!(schedule.next_due(), Some(later));
        assert_eq!(schedule.take(later), Some((later, "late")));
        assert_eq!(schedule.next_due(), None);
    }

    #[test]
    fn a_full_schedule_drops() {
        let mut schedule = Schedule::new(1);
        let now = Instant::now();
        schedule.put(now, 1);
        schedule.put(now, 2);
        assert_eq!(schedule.take(now), Some((now, 1)));
        schedule.put(now, 3);
        assert_eq!(schedule.take(now), Some((now, 3)));
    }
}
