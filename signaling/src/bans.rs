//! Who was sent away from which room, and is kept away for a while.
//!
//! A member is known by its key and, where its token names somebody, by that name: a page that makes itself another key is still
//! the same user. Kept are hashes of these, so that a ban takes as little memory whatever they are, and a dump of it says
//! nothing of rooms and users.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// Longer than any token lives that was given out before, with how far clocks may be off: after that the service that gives
/// tokens has decided anew.
pub(crate) const BAN: Duration = Duration::from_secs(630);
/// Of this server, all rooms together; beyond, the oldest end early. About 2 MiB.
const MAX_MARKS: usize = 32_768;

/// One that is banned already is banned anew when this much of its time is over.
const RENEW: Duration = Duration::from_secs(30);

/// What a member is known by in one room: by its key, and by its name.
type Mark = [u8; 16];

/// The marks of one member of one room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    key: Mark,
    subject: Option<Mark>,
}

impl Marks {
    /// Of the bearer of a key, whose token may name a subject.
    pub(crate) fn of(room: &str, key: &[u8; 32], subject: Option<&str>) -> Self {
        let mark = |kind: u8, who: &[u8]| {
            let mut hash = Sha256::new();
            hash.update([kind]);
            hash.update((room.len() as u64).to_be_bytes());
            hash.update(room);
            hash.update(who);
            let mut mark = Mark::default();
            mark.copy_from_slice(&hash.finalize()[..16]);
            mark
        };
        Self { key: mark(0, key), subject: subject.map(|subject| mark(1, subject.as_bytes())) }
    }

    fn each(&self) -> impl Iterator<Item = Mark> {
        [Some(self.key), self.subject].into_iter().flatten()
    }
}

/// Those kept away.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    until: HashMap<Mark, Instant>,
    /// The same, oldest first. One whose time is another by now was banned again.
    order: VecDeque<(Instant, Mark)>,
}

impl Bans {
    /// Keeps a member away from now on.
    pub(crate) fn add(&mut self, marks: &Marks, now: Instant) {
        self.forget(now);
        for mark in marks.each() {
            let until = now + BAN;
            // Not for every kick of the same member, or one who is kicked again and again would push others out.
            if self.until.get(&mark).is_some_and(|known| *known + RENEW > until) {
                continue;
            }
            self.until.insert(mark, until);
            self.order.push_back((until, mark));
            if self.order.len() > MAX_MARKS {
                self.forget_first();
            }
        }
    }

    /// Whether one who wants in is kept away.
    pub(crate) fn hold(&mut self, marks: &Marks, now: Instant) -> bool {
        self.forget(now);
        marks.each().any(|mark| self.until.contains_key(&mark))
    }

    fn forget(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(until, _)| *until <= now) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        let Some((until, mark)) = self.order.pop_front() else { return };
        if self.until.get(&mark) == Some(&until) {
            self.until.remove(&mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_is_of_one_room_and_of_a_key_and_a_name() {
        let (mut bans, now) = (Bans::default(), Instant::now());
        bans.add(&Marks::of("r", &[1; 32], Some("ada")), now);
        bans.add(&Marks::of("r", &[2; 32], None), now);
        for (room, key, subject, expected) in [
            ("r", 1, Some("ada"), true),
            ("r", 1, None, true),
            ("r", 1, Some("bob"), true),
            ("r", 3, Some("ada"), true),
            ("r", 2, Some("bob"), true),
            ("r", 3, Some("bob"), false),
            ("r", 3, None, false),
            ("q", 1, Some("ada"), false),
        ] {
            assert_eq!(bans.hold(&Marks::of(room, &[key; 32], subject), now), expected, "{room} {key}");
        }
        // No name is another's key, or reaches into the name of a room.
        let named_as_a_key = String::from_utf8(vec![3; 32]).unwrap();
        bans.add(&Marks::of("r", &[9; 32], Some(&named_as_a_key)), now);
        assert!(!bans.hold(&Marks::of("r", &[3; 32], None), now));
        assert_ne!(
            Marks::of("ab", &[1; 32], Some("c")).subject,
            Marks::of("a", &[1; 32], Some("bc")).subject
        );
    }

    #[test]
    fn it_ends_and_leaves_nothing() {
        let (mut bans, now) = (Bans::default(), Instant::now());
        let marks = Marks::of("r", &[1; 32], Some("ada"));
        bans.add(&marks, now);
        let later = now + BAN / 2;
        assert!(bans.hold(&marks, later));
        bans.add(&marks, later);
        let first_would_end = now + BAN;
        assert!(bans.hold(&marks, first_would_end), "sent away again");
        assert!(bans.hold(&marks, later + BAN - Duration::from_millis(1)));
        assert!(!bans.hold(&marks, later + BAN));
        assert!(bans.until.is_empty() && bans.order.is_empty());
    }

    #[test]
    fn there_are_no_more_than_so_many_and_the_oldest_go() {
        let (mut bans, now) = (Bans::default(), Instant::now());
        let marks = |number: usize| Marks::of(&number.to_string(), &[1; 32], None);
        for number in 0..=MAX_MARKS {
            bans.add(&marks(number), now);
        }
        assert_eq!((bans.until.len(), bans.order.len()), (MAX_MARKS, MAX_MARKS));
        assert!(!bans.hold(&marks(0), now));
        assert!(bans.hold(&marks(1), now) && bans.hold(&marks(MAX_MARKS), now));
        // One that is sent away again and again takes no more room.
        for ms in 0..1_000 {
            bans.add(&marks(MAX_MARKS), now + Duration::from_millis(ms));
        }
        assert!(bans.hold(&marks(1), now));
    }
}
