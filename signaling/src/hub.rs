//! All rooms of this server, who may not enter them, and the delivery of what members must be told.
//!
//! Locks are taken in one order: the table of rooms, then one room, then one outbox. Coming and going take the
//! first two, so a room is in the table exactly while somebody is in it; passing a signal or a packet on takes only
//! the room's. Every message to a room is queued under the room's lock, so all members see the same order and a
//! welcome comes before anything that happens after it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use peerloom_protocol::bounded::{List, Text};
use peerloom_protocol::codec;
use peerloom_protocol::id::PeerId;
use peerloom_protocol::limits::MAX_ROOM_MEMBERS;
use peerloom_protocol::signal::{
    EnvelopeBytes, Join, LeaveReason, Member, Refusal, ServerMessage, TaggedCard, Welcome,
};

use crate::bans::{Bans, Marks};
use crate::config::{Limits, RelayRates};
use crate::outbox::{Outbox, OutboxLimits};
use crate::rate::{Fanout, Rate, TokenBucket};
use crate::relay::{Relay, WAIT_FOR_OUTBOX, WAIT_WHEN_OFF, throttled};
use crate::room::{Departure, Kicked, Newcomer, Room, Told, is_room_name};
use crate::token::Grant;

/// A refusal and what to tell the person who reads it.
pub(crate) type Refused = (Refusal, Cow<'static, str>);

/// Every room, by name.
#[derive(Debug)]
pub(crate) struct Hub {
    table: Mutex<Table>,
    next_epoch: AtomicU32,
    members: AtomicUsize,
    /// Set once, when the server goes down.
    closed: AtomicBool,
    max_room_size: usize,
    outbox: OutboxLimits,
    /// `None` when nothing is relayed.
    relay: Option<RelayRates>,
}

/// The rooms, and who may not enter them. Bans outlive the rooms that they are for.
#[derive(Debug, Default)]
struct Table {
    rooms: HashMap<Arc<str>, Arc<SharedRoom>>,
    bans: Bans,
}

#[derive(Debug)]
struct SharedRoom {
    name: Arc<str>,
    inside: Mutex<Inside>,
}

/// What the lock of a room protects.
#[derive(Debug)]
struct Inside {
    room: Room<Arc<Outbox>>,
    /// What may still be relayed for all members together; without meaning when relaying is off.
    relayable: TokenBucket,
}

impl SharedRoom {
    fn new(name: Arc<str>, relayable: TokenBucket) -> Self {
        Self { name, inside: Mutex::new(Inside { room: Room::default(), relayable }) }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    /// # Panics
    /// When the operating system has no random numbers to give.
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            table: Mutex::default(),
            // A random start, so that epochs of an earlier run of the server do not come again soon.
            next_epoch: AtomicU32::new(u32::from_le_bytes(random())),
            members: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            max_room_size: limits.room_size(),
            outbox: limits.outbox,
            relay: limits.relay_rates(),
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a client that was found to have this grant into its room: queues its welcome, with what it may have relayed,
    /// and tells the others.
    ///
    /// # Errors
    /// The refusal to send before closing.
    pub(crate) fn join(self: &Arc<Self>, join: Join, grant: Grant) -> Result<Seat, Refused> {
        let Join { room: name, hello, key, secret, returns, cards, token: _ } = join;
        if !is_room_name(&name) {
            let why = "a room's name is 1 to 128 bytes without control characters";
            return Err((Refusal::BadRoom, why.into()));
        }
        // Peers check that the key has signed the hello. That it is the owner who comes back, the secret shows.
        let id = PeerId::of(&key, &secret.hash());
        let epoch = self.next_epoch.fetch_add(1, Ordering::Relaxed);
        let outbox = Arc::new(Outbox::new(self.outbox));
        let now = Instant::now();
        let full = |rate| TokenBucket::full(rate, now);
        let room = self.relay.map_or(NOTHING, |rates| rates.room);
        let own = self.relay.filter(|_| grant.may_relay).map_or(NOTHING, |rates| rates.member);
        let marks = Marks::of(&name, &key, grant.subject.as_deref());
        let newcomer = Newcomer { id, marks, epoch, hello: hello.clone(), cards, seat: outbox.clone() };

        let mut table = self.table();
        if self.closed.load(Ordering::Relaxed) {
            return Err((Refusal::GoingAway, "the server is going down".into()));
        }
        if table.bans.hold(&marks, now) {
            let why = "a member has sent you away from this room; come back later";
            return Err((Refusal::Kicked, why.into()));
        }
        let shared = match table.rooms.get(&*name) {
            Some(shared) => shared.clone(),
            None => {
                let name: Arc<str> = (*name).into();
                let shared = Arc::new(SharedRoom::new(name.clone(), full(room)));
                table.rooms.insert(name, shared.clone());
                shared
            }
        };
        let mut inside = shared.lock();
        let entered = inside
            .room
            .enter(newcomer, grant.room_cap.min(self.max_room_size))
            .map_err(|refusal| (refusal, "the room holds as many members as it may".into()))?;
        drop(table);

        match entered.replaced {
            Some(older) => older.close(Refusal::Replaced),
            None => {
                self.members.fetch_add(1, Ordering::Relaxed);
            }
        }
        // `enter` refuses above the room limit, which configuration keeps within that of the list.
        let members = List::try_from(entered.members).expect("rooms are no larger than a welcome");
        let welcome = ServerMessage::Welcome(Welcome { id, epoch, members });
        let mut first = codec::encode(&welcome);
        let policy = ServerMessage::RelayPolicy { bytes_per_second: own.per_second, burst: own.burst };
        codec::push(&mut first, &policy);
        outbox.push_welcome(first.into());
        if returns {
            // It knows members that may have left while nobody could tell it.
            let mut others = inside.room.departures().filter(|departure| departure.id != id).peekable();
            if others.peek().is_some() {
                let mut left = codec::frame();
                others.for_each(|departure| codec::push(&mut left, &departure.message()));
                outbox.push(left.into());
            }
        }
        let size = inside.room.len();
        announce(Member { id, epoch, hello, card: None, given: None }, entered.told);
        drop(inside);
        tracing::info!(member = epoch, room_size = size, "member joined");
        Ok(Seat {
            hub: self.clone(),
            room: shared,
            id,
            epoch,
            outbox,
            may_relay: grant.may_relay,
            may_kick: grant.may_kick,
            relayable: full(own),
            // In a larger room than there are, it would be no bound at all.
            fanout: grant
                .relay_fanout
                .filter(|most| *most < MAX_ROOM_MEMBERS)
                .map(|most| Box::new(Fanout::new(most))),
            left: false,
        })
    }

    /// Closes every connection with [`Refusal::GoingAway`] and lets nobody in any more.
    pub(crate) fn close(&self) {
        let table = self.table();
        self.closed.store(true, Ordering::Relaxed);
        for shared in table.rooms.values() {
            for outbox in shared.lock().room.seats() {
                outbox.close(Refusal::GoingAway);
            }
        }
    }

    pub(crate) fn member_count(&self) -> usize {
        self.members.load(Ordering::Relaxed)
    }

    pub(crate) fn room_count(&self) -> usize {
        self.table().rooms.len()
    }

    fn leave(&self, seat: &Seat, reason: LeaveReason) {
        let table = self.table();
        let mut inside = seat.room.lock();
        let departure = Departure { id: seat.id, epoch: seat.epoch, reason };
        if inside.room.exit(departure) {
            self.gone(&seat.room, table, inside, departure);
        }
        // Otherwise replaced by a newer connection, or sent away: the others know already.
    }

    /// Sends a member away from the room of one who may do so, and keeps it away.
    fn kick(
        &self,
        by: &Seat,
        to: PeerId,
        epoch: u32,
        reason: &str,
        now: Instant,
    ) -> Result<(), ServerMessage> {
        let room = &*by.room;
        let mut table = self.table();
        let mut inside = room.lock();
        if inside.room.seat(by.id, by.epoch).is_none() {
            return Err(forbidden()); // It was sent away itself, and does not know it yet.
        }
        let unknown = ServerMessage::Left { id: to, epoch, reason: LeaveReason::Lost };
        let Kicked { departure, marks, seat } = inside.room.kick(to).ok_or(unknown)?;
        table.bans.add(&marks, now);
        match seat {
            Some(outbox) => {
                let said = if reason.is_empty() { "a member has sent you away" } else { reason };
                outbox.close_saying(Refusal::Kicked, said);
                self.gone(room, table, inside, departure);
            }
            // It had left before, and may still be connected to others, who are to cut it off.
            None => tell(&inside.room, departure),
        }
        Ok(())
    }

    /// A member is out of its room: counts it, and tells the others.
    fn gone(
        &self,
        shared: &SharedRoom,
        mut table: MutexGuard<'_, Table>,
        inside: MutexGuard<'_, Inside>,
        departure: Departure,
    ) {
        self.members.fetch_sub(1, Ordering::Relaxed);
        let room = &inside.room;
        if room.is_empty() {
            table.rooms.remove(&shared.name);
        }
        // While the server goes down everybody is told so; telling each of every other would only delay that.
        let quiet = self.closed.load(Ordering::Relaxed);
        drop(table);
        if !quiet && !room.is_empty() {
            tell(room, departure);
        }
        let size = room.len();
        drop(inside);
        let Departure { epoch, reason, .. } = departure;
        tracing::info!(member = epoch, reason = reason.code(), room_size = size, "member left");
    }
}

impl Departure {
    fn message(self) -> ServerMessage {
        let Self { id, epoch, reason } = self;
        ServerMessage::Left { id, epoch, reason }
    }
}

/// Tells everybody in the room that a stay has ended.
fn tell(room: &Room<Arc<Outbox>>, departure: Departure) {
    let left = encode(&departure.message());
    room.seats().for_each(|outbox| outbox.push(left.clone()));
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
    may_relay: bool,
    may_kick: bool,
    /// What may still be relayed for this member; without meaning when relaying is off.
    relayable: TokenBucket,
    /// To how many others, if not to all.
    fanout: Option<Box<Fanout<PeerId>>>,
    left: bool,
}

impl Seat {
    /// What waits to be written to this member.
    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Whose it is.
    pub(crate) fn id(&self) -> PeerId {
        self.id
    }

    /// Whether this member may have packets relayed.
    pub(crate) fn may_relay(&self) -> bool {
        self.may_relay
    }

    /// Passes an envelope to one member of the same room.
    ///
    /// # Errors
    /// [`Refusal::PeerGone`] with a text for people, when that stay is not in the room; [`ServerMessage::Throttled`] when it has
    /// not been passed on, as this member says more at once than the other can take.
    pub(crate) fn signal(
        &self,
        to: PeerId,
        epoch: u32,
        envelope: EnvelopeBytes,
    ) -> Result<(), ServerMessage> {
        let message = encode(&ServerMessage::Signal { from: self.id, epoch: self.epoch, envelope });
        let inside = self.room.lock();
        let outbox = inside.room.seat(to, epoch).ok_or_else(|| peer_gone(to, epoch))?;
        if outbox.push_signal(message, self.epoch) {
            Ok(())
        } else {
            Err(throttled(to, epoch, WAIT_FOR_OUTBOX))
        }
    }

    /// Passes a packet to one member of the same room, within the limits of this member and of its room.
    ///
    /// # Errors
    /// [`ServerMessage::Throttled`] when the limits or the receiver's outbox have no room for it, and nothing is counted
    /// then. Otherwise [`Refusal::PeerGone`] as for signals; that counts for the member, or a flood of such packets and
    /// of answers to them would be free.
    pub(crate) fn relay(&mut self, relay: &Relay<'_>, now: Instant) -> Result<(), ServerMessage> {
        let Some(RelayRates { member, room }) = self.hub.relay.filter(|_| self.may_relay) else {
            return Err(relay.throttled(WAIT_WHEN_OFF));
        };
        let cost = relay.cost();
        let mut inside = self.room.lock();
        let own_wait = self.relayable.wait(cost, member, now);
        let fanout_wait = self.fanout.as_mut().map_or(Duration::ZERO, |fanout| fanout.wait(&relay.to, now));
        let wait = own_wait.max(inside.relayable.wait(cost, room, now)).max(fanout_wait);
        if !own_wait.is_zero() {
            return Err(relay.throttled(wait));
        }
        let Some(outbox) = inside.room.seat(relay.to, relay.epoch) else {
            self.relayable.take(cost, member, now);
            return Err(peer_gone(relay.to, relay.epoch));
        };
        if !wait.is_zero() {
            return Err(relay.throttled(wait));
        }
        if !outbox.try_push_relayed(relay.stamped(self.id, self.epoch)) {
            return Err(relay.throttled(WAIT_FOR_OUTBOX));
        }
        // Neither refuses: there was nothing to wait for.
        self.relayable.take(cost, member, now);
        inside.relayable.take(cost, room, now);
        if let Some(fanout) = &mut self.fanout {
            fanout.count(relay.to, now);
        }
        Ok(())
    }

    /// Sends a member of the same room away. All that it does is told to everybody in the room.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] when this member may not. [`LeaveReason::Lost`] when none of that id is known.
    pub(crate) fn kick(&self, to: PeerId, epoch: u32, reason: &str) -> Result<(), ServerMessage> {
        if !self.may_kick {
            return Err(forbidden());
        }
        self.hub.kick(self, to, epoch, reason, Instant::now())
    }

    /// Keeps cards for newcomers.
    pub(crate) fn deposit(&self, replace: bool, cards: Vec<TaggedCard>) {
        self.room.lock().room.deposit(self.id, self.epoch, replace, cards);
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

/// What may be relayed when nothing is.
const NOTHING: Rate = Rate { per_second: 0, burst: 0 };

fn forbidden() -> ServerMessage {
    let detail = Text::cut("your token does not permit to kick");
    ServerMessage::Refused { refusal: Refusal::Forbidden, detail }
}

fn peer_gone(to: PeerId, epoch: u32) -> ServerMessage {
    ServerMessage::Refused {
        refusal: Refusal::PeerGone,
        detail: Text::cut(&format!("{to} of epoch {epoch} is not in this room")),
    }
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
    use peerloom_protocol::id::ReturnSecret;
    use peerloom_protocol::signal::HelloBytes;

    use super::*;
    use crate::outbox::Next;

    /// Joins where nobody is asked for a token.
    fn enter(hub: &Arc<Hub>, room: &str, secret: Option<[u8; 32]>) -> Result<Seat, Refused> {
        hub.join(join(room, secret.unwrap_or_else(random)), Grant::everything())
    }

    fn hub() -> Arc<Hub> {
        Hub::new(&limits())
    }

    fn limits() -> Limits {
        let outbox = OutboxLimits { messages: 64, bytes: 64 * 1024 };
        Limits { max_room_size: 4, outbox, ..Limits::default() }
    }

    fn join(room: &str, secret: [u8; 32]) -> Join {
        Join {
            room: room.try_into().unwrap(),
            hello: HelloBytes::default(),
            key: [1; 32],
            secret: ReturnSecret(secret),
            returns: false,
            cards: List::default(),
            token: None,
        }
    }

    fn next(seat: &Seat) -> ServerMessage {
        match seat.outbox().next() {
            Next::Message(bytes) => codec::decode(&bytes, usize::MAX).unwrap().next().unwrap().unwrap(),
            other => panic!("expected a message, got {other:?}"),
        }
    }

    #[test]
    fn a_seat_lost_in_a_panic_leaves_the_room() {
        let hub = hub();
        let watcher = enter(&hub, "r", None).unwrap();
        let seat = enter(&hub, "r", None).unwrap();
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
    fn of_two_who_kick_each_other_the_first_is_left() {
        let hub = hub();
        let moderator = Grant { may_kick: true, ..Grant::everything() };
        let [one, two] = [1, 2].map(|key| {
            let join = Join { key: [key; 32], ..join("r", random()) };
            hub.join(join, moderator.clone()).unwrap()
        });
        assert_eq!(one.kick(two.id, two.epoch, "you first"), Ok(()));
        assert_eq!(two.outbox().next(), Next::Close(Refusal::Kicked));
        // Its connection has not noticed yet.
        assert!(matches!(
            two.kick(one.id, one.epoch, "no, you"),
            Err(ServerMessage::Refused { refusal: Refusal::Forbidden, .. })
        ));
        assert_eq!((hub.member_count(), hub.room_count()), (1, 1));
        drop(two);
        assert_eq!((hub.member_count(), hub.room_count()), (1, 1));
        // Whoever kicks itself is gone, and its room with it.
        assert_eq!(one.kick(one.id, one.epoch, ""), Ok(()));
        assert_eq!((hub.member_count(), hub.room_count()), (0, 0));
        drop(one);
        assert_eq!((hub.member_count(), hub.room_count()), (0, 0));
    }

    #[test]
    fn counts_follow_those_who_come_go_and_are_replaced() {
        let hub = hub();
        let one = enter(&hub, "r", Some([1; 32])).unwrap();
        let again = enter(&hub, "r", Some([1; 32])).unwrap();
        assert_eq!((hub.member_count(), hub.room_count()), (1, 1));
        drop(one);
        assert_eq!((hub.member_count(), hub.room_count()), (1, 1));
        again.leave(LeaveReason::Left);
        assert_eq!((hub.member_count(), hub.room_count()), (0, 0));
    }

    #[test]
    fn a_refused_join_leaves_nothing_behind() {
        let hub = hub();
        assert_eq!(enter(&hub, "", None).unwrap_err().0, Refusal::BadRoom);
        let seats: Vec<_> = (0..4).map(|_| enter(&hub, "r", None).unwrap()).collect();
        assert_eq!(enter(&hub, "r", None).unwrap_err().0, Refusal::RoomFull);
        assert_eq!((hub.member_count(), hub.room_count()), (4, 1));
        drop(seats);
        assert_eq!((hub.member_count(), hub.room_count()), (0, 0));
    }

    #[test]
    fn closing_reaches_everyone_and_nobody_gets_in_after() {
        let hub = hub();
        let seats = ["a", "a", "b"].map(|room| enter(&hub, room, None).unwrap());
        hub.close();
        for seat in &seats {
            assert_eq!(seat.outbox().next(), Next::Close(Refusal::GoingAway));
        }
        assert_eq!(enter(&hub, "c", None).unwrap_err().0, Refusal::GoingAway);
    }

    /// Limits of relaying that are easy to count with: four packets for a member, six for a room.
    fn relay_limits() -> Limits {
        Limits {
            relay: Rate { per_second: 50_000, burst: 40_000 },
            relay_room: Rate { per_second: 100_000, burst: 60_000 },
            outbox: OutboxLimits { messages: 1_000, bytes: 10_000_000 },
            ..Limits::default()
        }
    }

    const COST: usize = 10_000;

    /// Sends a packet that takes `cost` from the limits; gives the wait when it is throttled.
    fn relay(from: &mut Seat, to: (PeerId, u32), cost: usize, now: Instant) -> Option<u32> {
        let packet = vec![0; cost - peerloom_protocol::limits::RELAY_PACKET_COST];
        match from.relay(&Relay { to: to.0, epoch: to.1, packet: &packet }, now) {
            Ok(()) => None,
            Err(ServerMessage::Throttled { to: who, epoch, wait_ms }) => {
                assert_eq!((who, epoch), to);
                Some(wait_ms)
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    fn after(now: Instant, ms: u32) -> Instant {
        now + std::time::Duration::from_millis(ms.into())
    }

    #[test]
    fn a_member_may_have_its_burst_relayed_and_not_one_byte_more() {
        let hub = Hub::new(&relay_limits());
        let mut one = enter(&hub, "r", None).unwrap();
        let two = enter(&hub, "r", None).unwrap();
        let (two, now) = ((two.id, two.epoch), Instant::now());
        assert_eq!([(); 3].map(|()| relay(&mut one, two, COST, now)), [None; 3]);
        assert_eq!(relay(&mut one, two, COST + 1, now), Some(50), "the least wait there is");
        assert_eq!(relay(&mut one, two, COST, now), None, "what was throttled took nothing");
        // A fifth of a second brings one packet back.
        let wait_ms = relay(&mut one, two, COST, now).unwrap();
        assert_eq!(wait_ms, 201);
        assert!(relay(&mut one, two, COST, after(now, 199)).is_some());
        assert_eq!(relay(&mut one, two, COST, after(now, wait_ms)), None);
    }

    #[test]
    fn a_room_may_have_its_burst_relayed_and_not_one_byte_more() {
        let hub = Hub::new(&relay_limits());
        let mut seats = [(); 2].map(|()| enter(&hub, "r", None).unwrap());
        let mut others = [(); 2].map(|()| enter(&hub, "another", None).unwrap());
        let ids = seats.each_ref().map(|seat| (seat.id, seat.epoch));
        let other = (others[1].id, others[1].epoch);
        let now = Instant::now();
        for _ in 0..3 {
            assert_eq!(relay(&mut seats[0], ids[1], COST, now), None);
        }
        for _ in 0..2 {
            assert_eq!(relay(&mut seats[1], ids[0], COST, now), None);
        }
        assert_eq!(relay(&mut seats[1], ids[0], COST + 1, now), Some(50));
        assert_eq!(relay(&mut seats[1], ids[0], COST, now), None);
        let wait_ms = relay(&mut seats[1], ids[0], COST, now).unwrap();
        assert_eq!(wait_ms, 101);
        assert_eq!(relay(&mut others[0], other, COST, now), None, "another room has its own");
        // What the room refused took nothing from the member, which had one packet left.
        let later = after(now, wait_ms);
        assert_eq!(relay(&mut seats[1], ids[0], COST, later), None);
        // And what the member's own limit refuses takes nothing from the room.
        let even_later = after(later, 1_200);
        for _ in 0..4 {
            assert_eq!(relay(&mut seats[0], ids[1], COST, even_later), None);
        }
        assert!(relay(&mut seats[0], ids[1], COST, even_later).is_some());
        for _ in 0..2 {
            assert_eq!(relay(&mut seats[1], ids[0], COST, even_later), None);
        }
    }

    #[test]
    fn packets_for_nobody_are_counted_for_their_sender_alone() {
        let hub = Hub::new(&relay_limits());
        let mut seats = [(); 2].map(|()| enter(&hub, "r", None).unwrap());
        let ids = seats.each_ref().map(|seat| (seat.id, seat.epoch));
        let now = Instant::now();
        let packet = vec![0; COST - peerloom_protocol::limits::RELAY_PACKET_COST];
        let mut to_nobody = || {
            seats[0].relay(&Relay { to: ids[1].0, epoch: ids[1].1 + 1, packet: &packet }, now).unwrap_err()
        };
        for _ in 0..4 {
            assert!(matches!(to_nobody(), ServerMessage::Refused { refusal: Refusal::PeerGone, .. }));
        }
        assert!(matches!(to_nobody(), ServerMessage::Throttled { .. }));
        for _ in 0..4 {
            assert_eq!(relay(&mut seats[1], ids[0], COST, now), None);
        }
    }

    #[test]
    fn a_full_outbox_takes_nothing_from_the_limits() {
        let outbox = OutboxLimits { messages: 2, bytes: 10_000_000 };
        let hub = Hub::new(&Limits { outbox, ..relay_limits() });
        let mut one = enter(&hub, "r", None).unwrap();
        let two = enter(&hub, "r", None).unwrap();
        assert!(matches!(next(&two), ServerMessage::Welcome(_)));
        let (id, now) = ((two.id, two.epoch), Instant::now());
        assert_eq!([(); 2].map(|()| relay(&mut one, id, COST, now)), [None; 2]);
        for _ in 0..9 {
            assert_eq!(relay(&mut one, id, COST, now), Some(200));
        }
        while two.outbox().next() != Next::Nothing {}
        assert_eq!([(); 2].map(|()| relay(&mut one, id, COST, now)), [None; 2]);
    }

    #[test]
    fn members_without_a_card_in_the_deal_share_one_message() {
        let hub = hub();
        let seats = [(); 3].map(|()| enter(&hub, "r", None).unwrap());
        while seats.iter().any(|seat| seat.outbox().next() != Next::Nothing) {}
        let _newcomer = enter(&hub, "r", None).unwrap();
        let [a, b, c] = seats.each_ref().map(|seat| match seat.outbox().next() {
            Next::Message(bytes) => bytes.as_ptr(),
            other => panic!("{other:?}"),
        });
        assert!(a == b && b == c);
    }
}
