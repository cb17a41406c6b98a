//! What waits to be written to one client: bounded by count and by bytes, and empty of allocations while idle.
//!
//! Anyone may [`push`](Outbox::push); only the connection's own task takes out. A client that does not read fast
//! enough fills its outbox; then the outbox gives up what it holds and marks itself
//! [`SlowConsumer`](Refusal::SlowConsumer), so that nobody ever waits for a slow receiver and none costs more
//! memory than the bounds. tokio's own channel keeps 1.3 KiB per connection even when empty (measured), which is
//! why this is a mutex, a deque and a [`Notify`].

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use peerloom_protocol::signal::Refusal;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Who has taken something within this time reads fast enough: it is the sender who says too much at once.
const MOVING: Duration = Duration::from_millis(100);

/// How much one outbox may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Messages.
    pub messages: usize,
    /// Bytes of messages.
    pub bytes: usize,
}

/// What the connection's task should do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Write this message.
    Message(Bytes),
    /// Say this and close.
    Close(Refusal),
    /// Nothing for now.
    Nothing,
}

#[derive(Debug)]
pub(crate) struct Outbox {
    limits: OutboxLimits,
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Waiting>,
    bytes: usize,
    closing: Option<Refusal>,
    /// More about it, where that is not always the same.
    detail: Option<Box<str>>,
    /// When something was taken out last, or began to wait.
    moved_at: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    message: Bytes,
    /// The stay of the member that said it, if it is a signal.
    from: Option<u32>,
}

impl Outbox {
    pub(crate) fn new(limits: OutboxLimits) -> Self {
        Self { limits, queue: Mutex::default(), changed: Notify::new() }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing below panics while holding the lock, and every state of the queue is a valid one.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message. When it does not fit, the outbox closes with [`Refusal::SlowConsumer`] instead.
    pub(crate) fn push(&self, message: Bytes) {
        let mut queue = self.queue();
        self.push_or_close(&mut queue, Waiting { message, from: None });
        drop(queue);
        self.changed.notify_one();
    }

    fn push_or_close(&self, queue: &mut Queue, waiting: Waiting) {
        if self.fits(queue, &waiting.message) {
            queue.push(waiting);
        } else {
            queue.close(Refusal::SlowConsumer);
        }
    }

    /// Queues a signal of the member whose stay is `from`. While the client takes what it is sent, one that is over its
    /// sender's share is left out, and the answer is `false`: or any member could have any other sent away, or keep others from
    /// reaching it, by saying a hundred things at once. Otherwise as [`push`](Self::push).
    pub(crate) fn push_signal(&self, message: Bytes, from: u32) -> bool {
        let mut queue = self.queue();
        let moves = queue.moved_at.is_some_and(|at| at.elapsed() < MOVING);
        let left_out = moves && queue.closing.is_none() && !self.is_within_share(&queue, &message, from);
        if !left_out {
            self.push_or_close(&mut queue, Waiting { message, from: Some(from) });
            drop(queue);
            self.changed.notify_one();
        }
        !left_out
    }

    /// A sender may have as much waiting as is still free of the first three quarters (A. K. Choudhury and E. L. Hahne, "Dynamic
    /// queue length thresholds", 1998): so however many of them say as much as they can, there is room for one more. The last
    /// quarter is kept for who comes and goes, which nobody says again.
    fn is_within_share(&self, queue: &Queue, message: &Bytes, from: u32) -> bool {
        let free_messages = (self.limits.messages / 4 * 3).saturating_sub(queue.messages.len());
        let free_bytes = (self.limits.bytes / 4 * 3).saturating_sub(queue.bytes);
        let theirs = queue.messages.iter().filter(|waiting| waiting.from == Some(from));
        let (messages, bytes) =
            theirs.fold((0, 0), |(count, bytes), waiting| (count + 1, bytes + waiting.message.len()));
        messages < free_messages && bytes + message.len() <= free_bytes
    }

    /// Queues a relayed packet, unless the outbox is more than half full or the packet does not fit: then it returns
    /// `false` and nothing has changed. The other half is kept for what cannot be sent again later: who is there, and
    /// signals.
    pub(crate) fn try_push_relayed(&self, message: Bytes) -> bool {
        let mut queue = self.queue();
        let has_room = queue.messages.len() <= self.limits.messages / 2
            && queue.bytes <= self.limits.bytes / 2
            && self.fits(&queue, &message);
        if has_room {
            queue.push(Waiting { message, from: None });
            drop(queue);
            self.changed.notify_one();
        }
        has_room
    }

    fn fits(&self, queue: &Queue, message: &Bytes) -> bool {
        queue.messages.len() < self.limits.messages && queue.bytes + message.len() <= self.limits.bytes
    }

    /// Queues the first message, whatever its size: a welcome to a large room is more than a normal queue holds.
    pub(crate) fn push_welcome(&self, message: Bytes) {
        self.queue().push(Waiting { message, from: None });
        self.changed.notify_one();
    }

    /// Drops what is queued and has the connection closed. The first reason given stays.
    pub(crate) fn close(&self, refusal: Refusal) {
        self.queue().close(refusal);
        self.changed.notify_one();
    }

    /// The same, with something to say about it.
    pub(crate) fn close_saying(&self, refusal: Refusal, detail: &str) {
        let mut queue = self.queue();
        if queue.closing.is_none() {
            queue.detail = Some(detail.into());
        }
        queue.close(refusal);
        drop(queue);
        self.changed.notify_one();
    }

    /// What was said about the reason, once.
    pub(crate) fn take_detail(&self) -> Option<Box<str>> {
        self.queue().detail.take()
    }

    /// Takes the next thing to do.
    pub(crate) fn next(&self) -> Next {
        let mut queue = self.queue();
        if let Some(refusal) = queue.closing {
            return Next::Close(refusal);
        }
        match queue.messages.pop_front() {
            Some(Waiting { message, .. }) => {
                queue.bytes -= message.len();
                queue.moved_at = Some(Instant::now());
                if queue.messages.is_empty() {
                    queue.messages = VecDeque::new();
                }
                Next::Message(message)
            }
            None => Next::Nothing,
        }
    }

    /// Why the connection must be closed, if it must.
    pub(crate) fn closing(&self) -> Option<Refusal> {
        self.queue().closing
    }

    /// How many messages wait.
    pub(crate) fn len(&self) -> usize {
        self.queue().messages.len()
    }

    /// Resolves once something was pushed, or the outbox was closed, since it last did.
    ///
    /// # Cancel safety
    /// Nothing is lost when this is dropped. Only one task may wait at a time.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }
}

impl Queue {
    fn push(&mut self, waiting: Waiting) {
        if self.closing.is_none() {
            if self.messages.is_empty() {
                self.moved_at = Some(Instant::now());
            }
            self.bytes += waiting.message.len();
            self.messages.push_back(waiting);
        }
    }

    fn close(&mut self, refusal: Refusal) {
        self.closing.get_or_insert(refusal);
        self.messages = VecDeque::new();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox() -> Outbox {
        Outbox::new(OutboxLimits { messages: 3, bytes: 10 })
    }

    fn message(len: usize) -> Bytes {
        Bytes::from(vec![0; len])
    }

    #[test]
    fn messages_come_out_in_order_and_leave_no_allocation() {
        let outbox = outbox();
        for len in 1..=3 {
            outbox.push(message(len));
        }
        for len in 1..=3 {
            assert_eq!(outbox.next(), Next::Message(message(len)));
        }
        assert_eq!(outbox.next(), Next::Nothing);
        assert_eq!(outbox.queue().messages.capacity(), 0);
        assert_eq!(outbox.queue().bytes, 0);
    }

    #[test]
    fn one_message_too_many_closes() {
        let outbox = outbox();
        for _ in 0..4 {
            outbox.push(message(1));
        }
        assert_eq!(outbox.next(), Next::Close(Refusal::SlowConsumer));
        assert_eq!(outbox.queue().messages.capacity(), 0);
    }

    #[test]
    fn a_signal_too_many_closes_only_who_takes_nothing() {
        let outbox = Outbox::new(OutboxLimits { messages: 4, bytes: 100 });
        let said: Vec<_> = (0..5).map(|_| outbox.push_signal(message(1), 1)).collect();
        assert_eq!(said, [true, true, false, false, false]);
        outbox.queue().moved_at = Instant::now().checked_sub(MOVING);
        let said: Vec<_> = (0..3).map(|_| outbox.push_signal(message(1), 1)).collect();
        assert_eq!(said, [true; 3]);
        assert_eq!(outbox.next(), Next::Close(Refusal::SlowConsumer));
    }

    #[test]
    fn whoever_says_much_leaves_room_for_others() {
        // Three quarters of each: 48 messages, or 192 bytes.
        for (limits, len) in [
            (OutboxLimits { messages: 64, bytes: 100_000 }, 1),
            (OutboxLimits { messages: 1_000, bytes: 256 }, 4),
        ] {
            let outbox = Outbox::new(limits);
            let say_all = |from| (0..100).filter(|_| outbox.push_signal(message(len), from)).count();
            let taken: Vec<_> = (1..=6).map(say_all).collect();
            assert_eq!(taken, [24, 12, 6, 3, 2, 1], "half of what is left, each");
            assert_eq!(outbox.len(), 48);
            // What has been taken out counts for nobody.
            for _ in 0..24 {
                assert_eq!(outbox.next(), Next::Message(message(len)));
            }
            assert_eq!(say_all(7), 12);
            assert_eq!(say_all(2), 0);
            // There is still room for who comes and goes.
            (0..16).for_each(|_| outbox.push(message(len)));
            assert_eq!(outbox.closing(), None);
        }
    }

    #[test]
    fn one_byte_too_many_closes() {
        let full = outbox();
        full.push(message(10));
        assert_eq!(full.next(), Next::Message(message(10)));
        full.push(message(11));
        assert_eq!(full.next(), Next::Close(Refusal::SlowConsumer));
    }

    #[test]
    fn a_relayed_packet_needs_half_of_the_outbox_free() {
        let outbox = Outbox::new(OutboxLimits { messages: 4, bytes: 100 });
        // By messages: two of four are half and not more.
        for expected in [true, true, true, false] {
            assert_eq!(outbox.try_push_relayed(message(1)), expected);
        }
        // There is still room for the rest.
        outbox.push(message(1));
        for _ in 0..4 {
            assert_eq!(outbox.next(), Next::Message(message(1)));
        }
        // By bytes.
        for (len, expected) in [(50, true), (1, true), (1, false)] {
            assert_eq!(outbox.try_push_relayed(message(len)), expected);
        }
        assert_eq!(
            [(); 3].map(|()| outbox.next()),
            [50, 1, 0].map(|len| match len {
                0 => Next::Nothing,
                len => Next::Message(message(len)),
            })
        );
        // One that can never fit closes nothing.
        assert!(!outbox.try_push_relayed(message(101)));
        assert_eq!(outbox.next(), Next::Nothing);
        assert!(outbox.try_push_relayed(message(100)));
    }

    #[test]
    fn a_welcome_may_be_larger() {
        let outbox = outbox();
        outbox.push_welcome(message(1_000));
        assert_eq!(outbox.next(), Next::Message(message(1_000)));
    }

    #[test]
    fn nothing_is_queued_after_closing_and_the_first_reason_stays() {
        let outbox = outbox();
        outbox.close(Refusal::Replaced);
        outbox.push(message(1));
        outbox.close(Refusal::GoingAway);
        outbox.close_saying(Refusal::Kicked, "late");
        assert_eq!(outbox.next(), Next::Close(Refusal::Replaced));
        assert!(outbox.queue().messages.is_empty());
        assert_eq!(outbox.take_detail(), None);
    }

    #[tokio::test]
    async fn waiting_sees_what_came_before_and_after() {
        let outbox = outbox();
        outbox.push(message(1));
        outbox.changed().await;
        assert_eq!((outbox.len(), outbox.closing()), (1, None));
        assert_eq!(outbox.next(), Next::Message(message(1)));
        tokio::join!(outbox.changed(), async { outbox.push(message(1)) });
        tokio::join!(outbox.changed(), async { outbox.close(Refusal::GoingAway) });
        assert_eq!((outbox.len(), outbox.closing()), (0, Some(Refusal::GoingAway)));
    }
}
