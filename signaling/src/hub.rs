//! All rooms of this server, and the delivery of what members must be told.
//!
//! Locks are taken in one order: the table of rooms, then one room, then one outbox. Coming and going take the
//! first two, so a room is in the table exactly while somebody is in it; passing a signal on takes only the
//! room's. Every message to a room is queued under the room's lock, so all members see the same order and a
//! welcome comes before anything that happens after it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use peerloom_protocol::bounded::{List, Text};
use peerloom_protocol::codec;
use peerloom_protocol::id::{PeerId, ResumeToken};
use peerloom_protocol::signal::{
    EnvelopeBytes, Join, LeaveReason, Member, Refusal, ServerMessage, TaggedCard, Welcome,
};
use sha2::{Digest, Sha256};

use crate::outbox::{Outbox, OutboxLimits};
use crate::room::{Newcomer, Room, Told, is_room_name};

/// A refusal and what to tell the person who reads it.
pub(crate) type Refused = (Refusal, &'static str);

/// Every room, by name.
#[derive(Debug)]
pub(crate) struct Hub {
    rooms: Mutex<HashMap<Arc<str>, Arc<SharedRoom>>>,
    next_epoch: AtomicU32,
    members: AtomicUsize,
    /// Set once, when the server goes down.
    closed: AtomicBool,
    max_room_size: usize,
    outbox: OutboxLimits,
}

#[derive(Debug)]
struct SharedRoom {
    name: Arc<str>,
    room: Mutex<Room<Arc<Outbox>>>,
}

impl SharedRoom {
    fn lock(&self) -> MutexGuard<'_, Room<Arc<Outbox>>> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    /// # Panics
    /// When the operating system has no random numbers to give.
    pub(crate) fn new(max_room_size: usize, outbox: OutboxLimits) -> Arc<Self> {
        Arc::new(Self {
            rooms: Mutex::default(),
            // A random start, so that epochs of an earlier run of the server do not come again soon.
            next_epoch: AtomicU32::new(u32::from_le_bytes(random())),
            members: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            max_room_size,
            outbox,
        })
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<SharedRoom>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a client into its room: queues its welcome and tells the others.
    ///
    /// # Errors
    /// The refusal to send before closing.
    pub(crate) fn join(self: &Arc<Self>, join: Join) -> Result<Seat, Refused> {
        let Join { room: name, hello, resume, cards, token: _ } = join;
        if !is_room_name(&name) {
            return Err((Refusal::BadRoom, "a room's name is 1 to 128 bytes without control characters"));
        }
        let resume = resume.unwrap_or_else(|| ResumeToken(random()));
        let id = peer_id(&resume);
        let epoch = self.next_epoch.fetch_add(1, Ordering::Relaxed);
        let outbox = Arc::new(Outbox::new(self.outbox));
        let newcomer = Newcomer { id, epoch, hello: hello.clone(), cards, seat: outbox.clone() };

        let mut rooms = self.rooms();
        if self.closed.load(Ordering::Relaxed) {
            return Err((Refusal::GoingAway, "the server is going down"));
        }
        let shared = match rooms.get(&*name) {
            Some(shared) => shared.clone(),
            None => {
                let name: Arc<str> = (*name).into();
                let shared = Arc::new(SharedRoom { name: name.clone(), room: Mutex::default() });
                rooms.insert(name, shared.clone());
                shared
            }
        };
        let mut room = shared.lock();
        let entered = room
            .enter(newcomer, self.max_room_size)
            .map_err(|refusal| (refusal, "the room holds as many members as it may"))?;
        drop(rooms);

        match entered.replaced {
            Some(older) => older.close(Refusal::Replaced),
            None => {
                self.members.fetch_add(1, Ordering::Relaxed);
            }
        }
        // `enter` refuses above the room limit, which configuration keeps within that of the list.
        let members = List::try_from(entered.members).expect("rooms are no larger than a welcome");
        let welcome = ServerMessage::Welcome(Welcome { id, epoch, resume, members });
        outbox.push_welcome(encode(&welcome));
        let size = room.len();
        announce(Member { id, epoch, hello, card: None, given: None }, entered.told);
        drop(room);
        tracing::info!(member = epoch, room_size = size, "member joined");
        Ok(Seat { hub: self.clone(), room: shared, id, epoch, outbox, left: false })
    }

    /// Closes every connection with [`Refusal::GoingAway`] and lets nobody in any more.
    pub(crate) fn close(&self) {
        let rooms = self.rooms();
        self.closed.store(true, Ordering::Relaxed);
        for shared in rooms.values() {
            for outbox in shared.lock().seats() {
                outbox.close(Refusal::GoingAway);
            }
        }
    }

    pub(crate) fn member_count(&self) -> usize {
        self.members.load(Ordering::Relaxed)
    }

    pub(crate) fn room_count(&self) -> usize {
        self.rooms().len()
    }

    fn leave(&self, seat: &Seat, reason: LeaveReason) {
        let mut rooms = self.rooms();
        let mut room = seat.room.lock();
        if !room.exit(seat.id, seat.epoch) {
            return; // Replaced by a newer connection: the others know already.
        }
        self.members.fetch_sub(1, Ordering::Relaxed);
        if room.is_empty() {
            rooms.remove(&seat.room.name);
        }
        // While the server goes down everybody is told so; telling each of every other would only delay that.
        let quiet = self.closed.load(Ordering::Relaxed);
        drop(rooms);
        if !quiet && !room.is_empty() {
            let left = encode(&ServerMessage::Left { id: seat.id, epoch: seat.epoch, reason });
            room.seats().for_each(|outbox| outbox.push(left.clone()));
        }
        let size = room.len();
        drop(room);
        tracing::info!(member = seat.epoch, reason = reason.code(), room_size = size, "member left");
    }
}

/// Tells the residents of a newcomer. Those without a card in the deal share one encoded message.
fn announce(mut member: Member, told: Vec<Told<Arc<Outbox>>>) {
    let mut plain: Option<Bytes> = None;
    for Told { seat, card, given } in told {
        let message = if card.is_none() && given.is_none() {
            plain
                .get_or_insert_with(|| {
                    (member.card, member.given) = (None, None);
                    encode_joined(&mut member)
                })
                .clone()
        } else {
            (member.card, member.given) = (card, given);
            encode_joined(&mut member)
        };
        seat.push(message);
    }
}

fn encode_joined(member: &mut Member) -> Bytes {
    // The hello may be kilobytes and goes to everyone: it is lent to each message, not copied.
    let hello = std::mem::take(&mut member.hello);
    let card = member.card.take();
    let mut message = ServerMessage::Joined(Member {
        id: member.id,
        epoch: member.epoch,
        hello,
        card,
        given: member.given,
    });
    let bytes = encode(&message);
    if let ServerMessage::Joined(lent) = &mut message {
        member.hello = std::mem::take(&mut lent.hello);
    }
    bytes
}

/// One member's place in a room. Dropping it, also by a panic of its task, leaves the room.
#[derive(Debug)]
pub(crate) struct Seat {
    hub: Arc<Hub>,
    room: Arc<SharedRoom>,
    id: PeerId,
    epoch: u32,
    outbox: Arc<Outbox>,
    left: bool,
}

impl Seat {
    /// What waits to be written to this member.
    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Passes an envelope to one member of the same room.
    ///
    /// # Errors
    /// [`Refusal::PeerGone`] with a text for people, when that stay is not in the room.
    pub(crate) fn signal(
        &self,
        to: PeerId,
        epoch: u32,
        envelope: EnvelopeBytes,
    ) -> Result<(), ServerMessage> {
        let message = encode(&ServerMessage::Signal { from: self.id, epoch: self.epoch, envelope });
        let room = self.room.lock();
        match room.seat(to, epoch) {
            Some(outbox) => {
                outbox.push(message);
                Ok(())
            }
            None => Err(ServerMessage::Refused {
                refusal: Refusal::PeerGone,
                detail: Text::cut(&format!("{to} of epoch {epoch} is not in this room")),
            }),
        }
    }

    /// Keeps cards for newcomers.
    pub(crate) fn deposit(&self, replace: bool, cards: Vec<TaggedCard>) {
        self.room.lock().deposit(self.id, self.epoch, replace, cards);
    }

    /// Leaves the room and tells the others why.
    pub(crate) fn leave(mut self, reason: LeaveReason) {
        self.left = true;
        self.hub.leave(&self, reason);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.left {
            self.hub.leave(self, LeaveReason::Lost);
        }
    }
}

/// The id that belongs to a token: only who holds the token can have it, on any server.
fn peer_id(token: &ResumeToken) -> PeerId {
    let digest = Sha256::new().chain_update(b"peerloom id 1").chain_update(token.0).finalize();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    PeerId(id)
}

/// A message as it goes over the wire, ready to be shared by many outboxes.
pub(crate) fn encode(message: &ServerMessage) -> Bytes {
    Bytes::from(codec::encode(message))
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without randomness ids could be guessed and taken over: no server is better than such a server.
    getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
    bytes
}

#[cfg(test)]
mod tests {
    use peerloom_protocol::signal::HelloBytes;

    use super::*;
    use crate::outbox::Next;

    fn hub() -> Arc<Hub> {
        Hub::new(4, OutboxLimits { messages: 64, bytes: 64 * 1024 })
    }

    fn join(room: &str, resume: Option<ResumeToken>) -> Join {
        let room = room.try_into().unwrap();
        Join { room, hello: HelloBytes::default(), resume, cards: List::default(), token: None }
    }

    fn next(seat: &Seat) -> ServerMessage {
        match seat.outbox().next() {
            Next::Message(bytes) => codec::decode(&bytes, usize::MAX).unwrap().next().unwrap().unwrap(),
            other => panic!("expected a message, got {other:?}"),
        }
    }

    #[test]
    fn ids_are_those_of_the_first_version() {
        // Were this to change, nobody could come back under the same id after an update of the server.
        let expected = "ZLKBYot9FISAnaZ9YUH_9w";
        assert_eq!(peer_id(&ResumeToken([7; 32])).to_string(), expected);
    }

    #[test]
    fn a_seat_lost_in_a_panic_leaves_the_room() {
        let hub = hub();
        let watcher = hub.join(join("r", None)).unwrap();
        let seat = hub.join(join("r", None)).unwrap();
        let (id, epoch) = (seat.id, seat.epoch);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _seat = seat;
            std::panic::resume_unwind(Box::new("a bug"));
        }));
        assert!(panicked.is_err());
        assert!(matches!(next(&watcher), ServerMessage::Welcome(_)));
        assert!(matches!(next(&watcher), ServerMessage::Joined(_)));
        assert_eq!(next(&watcher), ServerMessage::Left { id, epoch, reason: LeaveReason::Lost });
        assert_eq!((hub.member_count(), hub.room_count()), (1, 1));
    }

    #[test]
    fn counts_follow_those_who_come_go_and_are_replaced() {
        let hub = hub();
        let one = hub.join(join("r", Some(ResumeToken([1; 32])))).unwrap();
        let again = hub.join(join("r", Some(ResumeToken([1; 32])))).unwrap();
        assert_eq!((hub.member_count(), hub.room_count()), (1, 1));
        drop(one);
        assert_eq!((hub.member_count(), hub.room_count()), (1, 1));
        again.leave(LeaveReason::Left);
        assert_eq!((hub.member_count(), hub.room_count()), (0, 0));
    }

    #[test]
    fn a_refused_join_leaves_nothing_behind() {
        let hub = hub();
        assert_eq!(hub.join(join("", None)).unwrap_err().0, Refusal::BadRoom);
        let seats: Vec<_> = (0..4).map(|_| hub.join(join("r", None)).unwrap()).collect();
        assert_eq!(hub.join(join("r", None)).unwrap_err().0, Refusal::RoomFull);
        assert_eq!((hub.member_count(), hub.room_count()), (4, 1));
        drop(seats);
        assert_eq!((hub.member_count(), hub.room_count()), (0, 0));
    }

    #[test]
    fn closing_reaches_everyone_and_nobody_gets_in_after() {
        let hub = hub();
        let seats = ["a", "a", "b"].map(|room| hub.join(join(room, None)).unwrap());
        hub.close();
        for seat in &seats {
            assert_eq!(seat.outbox().next(), Next::Close(Refusal::GoingAway));
        }
        assert_eq!(hub.join(join("c", None)).unwrap_err().0, Refusal::GoingAway);
    }

    #[test]
    fn members_without_a_card_in_the_deal_share_one_message() {
        let hub = hub();
        let seats = [(); 3].map(|()| hub.join(join("r", None)).unwrap());
        while seats.iter().any(|seat| seat.outbox().next() != Next::Nothing) {}
        let _newcomer = hub.join(join("r", None)).unwrap();
        let [a, b, c] = seats.each_ref().map(|seat| match seat.outbox().next() {
            Next::Message(bytes) => bytes.as_ptr(),
            other => panic!("{other:?}"),
        });
        assert!(a == b && b == c);
    }
}
