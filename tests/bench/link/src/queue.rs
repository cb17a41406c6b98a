//! Packets under way: whatever is due next comes out next, at its time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

/// An item with its time. The number keeps the order of items due at the same time.
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

struct State<T> {
    entries: BinaryHeap<Reverse<Entry<T>>>,
    next_number: u64,
}

/// Shared by those who put packets in and the one who takes them out.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    capacity: usize,
}

impl<T> Queue<T> {
    /// Holds at most `capacity` items; more are dropped, as a router's buffer would.
    pub(crate) fn new(capacity: usize) -> Self {
        let state = State { entries: BinaryHeap::new(), next_number: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new(), capacity }
    }

    pub(crate) fn put(&self, due: Instant, item: T) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.entries.len() >= self.capacity {
            return;
        }
        let number = state.next_number;
        state.next_number += 1;
        state.entries.push(Reverse(Entry { due, number, item }));
        self.changed.notify_one();
    }

    /// Waits for the next item's time.
    pub(crate) fn take(&self) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let wait = state
                .entries
                .peek()
                .map(|Reverse(entry)| entry.due.saturating_duration_since(Instant::now()));
            state = match wait {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(wait) if wait.is_zero() => match state.entries.pop() {
                    Some(Reverse(entry)) => return entry.item,
                    None => state,
                },
                Some(wait) => {
                    let (state, _) =
                        self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner);
                    state
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn items_come_out_by_time_then_by_order() {
        let queue = Queue::new(8);
        let now = Instant::now();
        queue.put(now + Duration::from_millis(2), "late");
        queue.put(now, "first");
        queue.put(now, "second");
        assert_eq!([queue.take(), queue.take(), queue.take()], ["first", "second", "late"]);
        assert!(now.elapsed() >= Duration::from_millis(2));
    }

    #[test]
    fn a_full_queue_drops() {
        let queue = Queue::new(1);
        let now = Instant::now();
        queue.put(now, 1);
        queue.put(now, 2);
        assert_eq!(queue.take(), 1);
        queue.put(now, 3);
        assert_eq!(queue.take(), 3);
    }
}
