//! One room: who is in it, and whose cards go to whom. No I/O: it returns what others must be told.
//!
//! `Seat` is the server's handle to a member's connection; tests use a number.

use std::collections::VecDeque;

use peerloom_protocol::bounded::List;
use peerloom_protocol::id::PeerId;
use peerloom_protocol::limits;
use peerloom_protocol::signal::{CardBytes, HelloBytes, LeaveReason, Member, Refusal, TaggedCard};

use crate::bans::Marks;

/// How many of those who left a room remembers.
pub(crate) const MAX_DEPARTURES: usize = 64;

/// Someone who asks to be let in.
#[derive(Debug)]
pub(crate) struct Newcomer<Seat> {
    pub(crate) id: PeerId,
    pub(crate) marks: Marks,
    pub(crate) epoch: u32,
    pub(crate) hello: HelloBytes,
    pub(crate) cards: List<CardBytes, { limits::MAX_CARDS }>,
    pub(crate) seat: Seat,
}

/// What follows from letting someone in.
#[derive(Debug)]
pub(crate) struct Entered<Seat> {
    /// Everyone else, newest first, as the newcomer is to see them.
    pub(crate) members: Vec<Member>,
    /// What each of them is to be told, in the same order.
    pub(crate) told: Vec<Told<Seat>>,
    /// An older connection under the same id, now out of the room.
    pub(crate) replaced: Option<Seat>,
}

/// What one resident learns of a newcomer besides its hello.
#[derive(Debug)]
pub(crate) struct Told<Seat> {
    pub(crate) seat: Seat,
    /// The newcomer's card for this resident.
    pub(crate) card: Option<CardBytes>,
    /// The tag of this resident's card that the newcomer was given.
    pub(crate) given: Option<u32>,
}

#[derive(Debug)]
struct Resident<Seat> {
    id: PeerId,
    marks: Marks,
    epoch: u32,
    hello: HelloBytes,
    /// Deposited cards, oldest first.
    cards: Vec<TaggedCard>,
    seat: Seat,
}

/// A stay that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Departure {
    pub(crate) id: PeerId,
    pub(crate) epoch: u32,
    pub(crate) reason: LeaveReason,
}

/// A stay that has ended, and by what its member is known.
#[derive(Debug, Clone, Copy)]
struct Past {
    departure: Departure,
    marks: Marks,
}

/// What sending a member away comes to.
#[derive(Debug)]
pub(crate) struct Kicked<Seat> {
    /// What all are to be told.
    pub(crate) departure: Departure,
    /// What is to be kept away.
    pub(crate) marks: Marks,
    /// The member's, if it was in the room and not gone already.
    pub(crate) seat: Option<Seat>,
}

/// The members of a room in the order they came. Rooms are small, so a list serves better than a map.
#[derive(Debug)]
pub(crate) struct Room<Seat> {
    residents: Vec<Resident<Seat>>,
    /// Who left last, oldest first: a member that was away meanwhile is told when it is back.
    departures: VecDeque<Past>,
}

impl<Seat> Default for Room<Seat> {
    fn default() -> Self {
        Self { residents: Vec::new(), departures: VecDeque::new() }
    }
}

impl<Seat: Clone> Room<Seat> {
    /// Lets a newcomer in and deals out cards.
    ///
    /// Members are taken newest first. The newcomer's cards go one each to the first of them; each of them that
    /// has a card deposited gives its oldest to the newcomer, and that card is used up. The two are independent:
    /// a pair may end up with both cards, with one or with none, and then sends what is missing by signal.
    ///
    /// # Errors
    /// [`Refusal::RoomFull`] when `max_members` are already there, an older stay under the same id not counted.
    pub(crate) fn enter(
        &mut self,
        newcomer: Newcomer<Seat>,
        max_members: usize,
    ) -> Result<Entered<Seat>, Refusal> {
        let Newcomer { id, marks, epoch, hello, cards, seat } = newcomer;
        let older = self.residents.iter().position(|resident| resident.id == id);
        if self.residents.len() - usize::from(older.is_some()) >= max_members {
            return Err(Refusal::RoomFull);
        }
        let replaced = older.map(|index| self.residents.remove(index).seat);

        let mut members = Vec::with_capacity(self.residents.len());
        let mut told = Vec::with_capacity(self.residents.len());
        let mut cards = (0u32..).zip(cards);
        for resident in self.residents.iter_mut().rev() {
            let (index, card) = cards.next().unzip();
            let theirs = (!resident.cards.is_empty()).then(|| resident.cards.remove(0));
            let (tag, their_card) = theirs.map(|theirs| (theirs.tag, theirs.card)).unzip();
            members.push(Member {
                id: resident.id,
                epoch: resident.epoch,
                hello: resident.hello.clone(),
                card: their_card,
                given: index,
            });
            told.push(Told { seat: resident.seat.clone(), card, given: tag });
        }
        self.residents.push(Resident { id, marks, epoch, hello, cards: Vec::new(), seat });
        Ok(Entered { members, told, replaced })
    }

    /// Takes a stay out of the room. `false` when it was not there any more: replaced, or left before.
    pub(crate) fn exit(&mut self, departure: Departure) -> bool {
        self.take_out(departure).is_some()
    }

    fn take_out(&mut self, departure: Departure) -> Option<Resident<Seat>> {
        let stay = (departure.id, departure.epoch);
        let index = self.residents.iter().position(|resident| (resident.id, resident.epoch) == stay)?;
        let resident = self.residents.remove(index);
        if self.departures.len() == MAX_DEPARTURES {
            self.departures.pop_front();
        }
        self.departures.push_back(Past { departure, marks: resident.marks });
        Some(resident)
    }

    /// Sends a member away, also one that has just left: whoever goes when it sees what is coming is kept away all the same.
    /// `None` when nobody of that id is known.
    pub(crate) fn kick(&mut self, id: PeerId) -> Option<Kicked<Seat>> {
        let reason = LeaveReason::Kicked;
        if let Some(epoch) = self.residents.iter().find(|r| r.id == id).map(|resident| resident.epoch) {
            let departure = Departure { id, epoch, reason };
            let Resident { marks, seat, .. } = self.take_out(departure)?;
            return Some(Kicked { departure, marks, seat: Some(seat) });
        }
        let past = self.departures.iter_mut().rev().find(|past| past.departure.id == id)?;
        past.departure.reason = reason;
        Some(Kicked { departure: past.departure, marks: past.marks, seat: None })
    }

    /// Who left last, oldest first.
    pub(crate) fn departures(&self) -> impl Iterator<Item = &Departure> {
        self.departures.iter().map(|past| &past.departure)
    }

    /// Keeps cards for newcomers. Over [`limits::MAX_CARDS`], the oldest go.
    pub(crate) fn deposit(&mut self, id: PeerId, epoch: u32, replace: bool, cards: Vec<TaggedCard>) {
        let Some(resident) = self.residents.iter_mut().find(|r| (r.id, r.epoch) == (id, epoch)) else {
            return;
        };
        if replace {
            resident.cards.clear();
        }
        resident.cards.extend(cards);
        let surplus = resident.cards.len().saturating_sub(limits::MAX_CARDS);
        resident.cards.drain(..surplus);
    }

    /// The seat of one stay.
    pub(crate) fn seat(&self, id: PeerId, epoch: u32) -> Option<&Seat> {
        self.residents.iter().find(|r| (r.id, r.epoch) == (id, epoch)).map(|resident| &resident.seat)
    }

    /// Everyone's seat.
    pub(crate) fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.residents.iter().map(|resident| &resident.seat)
    }

    pub(crate) fn len(&self) -> usize {
        self.residents.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.residents.is_empty()
    }
}

/// Whether a name may be a room's: not empty, no control characters.
pub(crate) fn is_room_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn id(number: u8) -> PeerId {
        PeerId([number; 16])
    }

    fn lost(who: u8, epoch: u32) -> Departure {
        Departure { id: id(who), epoch, reason: LeaveReason::Lost }
    }

    fn card(number: u32) -> CardBytes {
        number.to_be_bytes().to_vec().try_into().unwrap()
    }

    fn newcomer(id: PeerId, epoch: u32, cards: impl IntoIterator<Item = u32>) -> Newcomer<u32> {
        let cards: Vec<_> = cards.into_iter().map(card).collect();
        let hello = HelloBytes::default();
        let marks = Marks::of("r", &[1; 32], None);
        Newcomer { id, marks, epoch, hello, cards: cards.try_into().unwrap(), seat: epoch }
    }

    #[test]
    fn room_names() {
        assert!(is_room_name("a") && is_room_name("Küche 2") && is_room_name("🎲"));
        assert!(!is_room_name("") && !is_room_name("a\tb") && !is_room_name("\u{85}"));
    }

    #[test]
    fn a_full_room_still_takes_back_its_own() {
        let mut room = Room::default();
        room.enter(newcomer(id(1), 1, []), 2).unwrap();
        room.enter(newcomer(id(2), 2, []), 2).unwrap();
        assert_eq!(room.enter(newcomer(id(3), 3, []), 2).unwrap_err(), Refusal::RoomFull);
        let entered = room.enter(newcomer(id(1), 4, []), 2).unwrap();
        assert_eq!(entered.replaced, Some(1));
        assert_eq!(room.len(), 2);
    }

    #[test]
    fn an_older_stay_can_change_nothing() {
        let mut room = Room::default();
        room.enter(newcomer(id(1), 1, []), 9).unwrap();
        room.enter(newcomer(id(1), 2, []), 9).unwrap();
        room.deposit(id(1), 1, true, vec![TaggedCard { tag: 1, card: card(1) }]);
        assert!(!room.exit(lost(1, 1)));
        assert!(room.enter(newcomer(id(2), 3, []), 9).unwrap().members[0].card.is_none());
        assert_eq!((room.seat(id(1), 1), room.seat(id(1), 2)), (None, Some(&2)));
    }

    #[test]
    fn whoever_is_kicked_is_out_whatever_stay_it_is_and_even_if_it_just_went() {
        let mut room = Room::default();
        assert!(room.kick(id(1)).is_none());
        room.enter(newcomer(id(1), 1, []), 9).unwrap();
        room.enter(newcomer(id(1), 2, []), 9).unwrap();
        let kicked = room.kick(id(1)).unwrap();
        let departure = Departure { id: id(1), epoch: 2, reason: LeaveReason::Kicked };
        assert_eq!((kicked.departure, kicked.seat), (departure, Some(2)));
        assert!(room.is_empty());
        assert!(!room.exit(lost(1, 2)), "it is out already");
        let again = room.kick(id(1)).unwrap();
        assert_eq!((again.departure, again.seat), (departure, None));
        room.enter(newcomer(id(2), 3, []), 9).unwrap();
        room.exit(lost(2, 3));
        assert_eq!(room.kick(id(2)).unwrap().departure.epoch, 3);
        let reasons: Vec<_> = room.departures().map(|departure| departure.reason).collect();
        assert_eq!(reasons, [LeaveReason::Kicked; 2], "so is told who comes back later");
    }

    #[test]
    fn those_who_left_last_are_remembered() {
        let mut room = Room::default();
        assert!(!room.exit(lost(1, 1)));
        assert_eq!(room.departures().count(), 0, "it never was there");
        for epoch in 0..MAX_DEPARTURES as u32 + 2 {
            room.enter(newcomer(id(1), epoch, []), 9).unwrap();
            assert!(room.exit(lost(1, epoch)));
        }
        let epochs: Vec<_> = room.departures().map(|departure| departure.epoch).collect();
        assert_eq!(epochs, (2..MAX_DEPARTURES as u32 + 2).collect::<Vec<_>>());
    }

    #[derive(Debug, Clone)]
    enum Step {
        Enter { id: u8, cards: usize },
        Exit { id: u8 },
        Deposit { id: u8, replace: bool, cards: usize },
    }

    fn step() -> impl Strategy<Value = Step> {
        let ids = 0..6u8;
        prop_oneof![
            (ids.clone(), 0..=limits::MAX_CARDS).prop_map(|(id, cards)| Step::Enter { id, cards }),
            ids.clone().prop_map(|id| Step::Exit { id }),
            (ids, any::<bool>(), 0..=limits::MAX_CARDS).prop_map(|(id, replace, cards)| Step::Deposit {
                id,
                replace,
                cards
            }),
        ]
    }

    proptest! {
        /// Whoever comes and goes: nobody is listed twice, no room is over its size, each card goes to one
        /// receiver, and both ends of a deal are told the same.
        #[test]
        fn cards_are_dealt_once(steps in proptest::collection::vec(step(), 1..80)) {
            const MAX_MEMBERS: usize = 4;
            let mut room: Room<u32> = Room::default();
            let mut epochs = [0u32; 6];
            let mut next = 0;
            let mut dealt = HashSet::new();
            for step in steps {
                match step {
                    Step::Enter { id: who, cards } => {
                        next += 1;
                        let epoch = next;
                        let first = next + 1;
                        next += cards as u32;
                        let asks = newcomer(id(who), epoch, first..first + cards as u32);
                        let before = room.len();
                        match room.enter(asks, MAX_MEMBERS) {
                            Ok(entered) => {
                                epochs[usize::from(who)] = epoch;
                                let others = before - usize::from(entered.replaced.is_some());
                                prop_assert_eq!(entered.members.len(), others);
                                prop_assert_eq!(entered.told.len(), others);
                                for (member, told) in entered.members.iter().zip(&entered.told) {
                                    prop_assert_ne!(member.id, id(who));
                                    prop_assert_eq!(member.epoch, told.seat);
                                    prop_assert_eq!(told.card.clone(), member.given.map(|i| card(first + i)));
                                    prop_assert_eq!(member.card.clone(), told.given.map(card));
                                    for one in member.card.iter().chain(&told.card) {
                                        prop_assert!(dealt.insert(one.to_vec()), "dealt twice");
                                    }
                                }
                            }
                            Err(refusal) => {
                                prop_assert_eq!(refusal, Refusal::RoomFull);
                                prop_assert_eq!(before, MAX_MEMBERS);
                            }
                        }
                    }
                    Step::Exit { id: who } => {
                        let was_there = room.seat(id(who), epochs[usize::from(who)]).is_some();
                        prop_assert_eq!(room.exit(lost(who, epochs[usize::from(who)])), was_there);
                    }
                    Step::Deposit { id: who, replace, cards } => {
                        let first = next + 1;
                        next += cards as u32;
                        let cards = (first..=next).map(|tag| TaggedCard { tag, card: card(tag) }).collect();
                        room.deposit(id(who), epochs[usize::from(who)], replace, cards);
                    }
                }
                prop_assert!(room.len() <= MAX_MEMBERS);
                prop_assert!(room.residents.iter().all(|resident| resident.cards.len() <= limits::MAX_CARDS));
                let ids: HashSet<_> = room.residents.iter().map(|resident| resident.id).collect();
                prop_assert_eq!(ids.len(), room.len());
            }
        }
    }
}
