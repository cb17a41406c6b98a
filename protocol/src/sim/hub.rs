//! A model of the signaling server: membership, single-use cards, forwarding. No limits; those are the real server's.

use std::collections::BTreeMap;

use super::Faults;
use crate::bounded::Text;
use crate::codec;
use crate::id::PeerId;
use crate::limits;
use crate::random::Random;
use crate::signal::{
    self, ClientMessage, Join, LeaveReason, Member, ReasonText, Refusal, ServerMessage, TaggedCard, Welcome,
    read_early_join,
};

/// A message for one socket.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) socket: u32,
    pub(super) bytes: Vec<u8>,
    pub(super) is_signal: bool,
}

#[derive(Debug)]
struct Resident {
    socket: u32,
    id: PeerId,
    epoch: u32,
    room: String,
    hello: signal::HelloBytes,
    cards: Vec<TaggedCard>,
}

#[derive(Debug)]
pub(super) struct Hub {
    residents: Vec<Resident>,
    /// What was told of those who left, by room, for as long as anybody is in it.
    departures: BTreeMap<String, Vec<ServerMessage>>,
    epochs: u32,
    /// Bytes per second that it says it passes on.
    relay_rate: u32,
    /// What it does with packets.
    pub(super) faults: Faults,
    /// Packets passed on so far.
    pub(super) relayed: u64,
    /// The number of the last packet from a stay to a member: one that came twice would betray what is sealed.
    counters: BTreeMap<(u32, PeerId), u64>,
    /// What joins brought.
    pub(super) tokens: Vec<Option<String>>,
}

fn notice(socket: u32, message: &ServerMessage) -> Outgoing {
    Outgoing { socket, bytes: codec::encode(message), is_signal: false }
}

impl Hub {
    /// Epochs count from a random number, so that a restarted server does not repeat them.
    pub(super) fn new(epochs: u32, faults: Faults) -> Self {
        Self {
            residents: Vec::new(),
            departures: BTreeMap::new(),
            epochs,
            relay_rate: faults.relay_rate,
            faults,
            relayed: 0,
            counters: BTreeMap::new(),
            tokens: Vec::new(),
        }
    }

    pub(super) fn upgrade(&mut self, socket: u32, subprotocols: &[String]) -> Vec<Outgoing> {
        match subprotocols.iter().find_map(|text| read_early_join(text)) {
            Some(Ok(join)) => self.join(socket, join),
            _ => Vec::new(),
        }
    }

    pub(super) fn message(&mut self, socket: u32, bytes: &[u8], random: &mut Random) -> Vec<Outgoing> {
        let mut out = Vec::new();
        let Ok(records) = codec::decode(bytes, limits::MAX_SOCKET_MESSAGE_BYTES) else { return out };
        for message in records.map_while(Result::ok) {
            match message {
                ClientMessage::Join(join) => out.extend(self.join(socket, join)),
                ClientMessage::Leave => out.extend(self.remove(socket, LeaveReason::Left)),
                ClientMessage::Ping { nonce } => out.push(notice(socket, &ServerMessage::Pong { nonce })),
                // It names none, so nobody has to ask.
                ClientMessage::RenewIceServers => {}
                ClientMessage::Deposit { replace, cards } => {
                    if let Some(resident) = self.residents.iter_mut().find(|r| r.socket == socket) {
                        if replace {
                            resident.cards.clear();
                        }
                        resident.cards.extend(cards);
                    }
                }
                ClientMessage::Signal { to, epoch, envelope } => {
                    let Some(sender) = self.residents.iter().find(|r| r.socket == socket) else { continue };
                    let (from, from_epoch, room) = (sender.id, sender.epoch, &sender.room);
                    let target =
                        self.residents.iter().find(|r| r.id == to && r.epoch == epoch && r.room == *room);
                    if let Some(target) = target {
                        let message = ServerMessage::Signal { from, epoch: from_epoch, envelope };
                        let bytes = codec::encode(&message);
                        out.push(Outgoing { socket: target.socket, bytes, is_signal: true });
                    }
                }
                ClientMessage::Kick { to, epoch, reason } => out.extend(self.kick(socket, to, epoch, reason)),
                ClientMessage::Relay { to, epoch, packet } => {
                    let mut chance = |percent| random.below(100) < percent;
                    let throttled = chance(self.faults.throttle_percent);
                    let lost = chance(self.faults.relay_loss_percent);
                    let again = chance(self.faults.relay_replay_percent);
                    let Some(sender) = self.residents.iter().find(|r| r.socket == socket) else { continue };
                    let (from, from_epoch, room) = (sender.id, sender.epoch, &sender.room);
                    let counter =
                        codec::read_varint(&mut &packet[..]).expect("a packet begins with its number");
                    let before = self.counters.insert((socket, to), counter);
                    assert!(before.is_none_or(|before| before < counter), "{counter} after {before:?}");
                    let target =
                        self.residents.iter().find(|r| r.id == to && r.epoch == epoch && r.room == *room);
                    if throttled {
                        out.push(notice(socket, &ServerMessage::Throttled { to, epoch, wait_ms: 500 }));
                    } else if let Some(target) = target.filter(|_| !lost) {
                        let message = ServerMessage::Relayed { from, epoch: from_epoch, packet };
                        self.relayed += 1;
                        out.push(notice(target.socket, &message));
                        out.extend(again.then(|| notice(target.socket, &message)));
                    }
                }
            }
        }
        out
    }

    /// Those sent away are not kept away, which is the real server's to do.
    fn kick(&mut self, socket: u32, to: PeerId, epoch: u32, detail: ReasonText) -> Vec<Outgoing> {
        let Some(sender) = self.residents.iter().find(|r| r.socket == socket) else { return Vec::new() };
        if !self.faults.kicks {
            let refused = ServerMessage::Refused { refusal: Refusal::Forbidden, detail: Text::default() };
            return vec![notice(socket, &refused)];
        }
        let Some(target) = self.residents.iter().find(|r| r.id == to && r.room == sender.room) else {
            let left = ServerMessage::Left { id: to, epoch, reason: LeaveReason::Lost };
            return vec![notice(socket, &left)];
        };
        let target = target.socket;
        let refused = ServerMessage::Refused { refusal: Refusal::Kicked, detail };
        let mut out = self.remove(target, LeaveReason::Kicked);
        out.push(notice(target, &refused));
        out
    }

    /// The member's socket is no more.
    pub(super) fn remove(&mut self, socket: u32, reason: LeaveReason) -> Vec<Outgoing> {
        let Some(index) = self.residents.iter().position(|r| r.socket == socket) else { return Vec::new() };
        let gone = self.residents.remove(index);
        let message = ServerMessage::Left { id: gone.id, epoch: gone.epoch, reason };
        let others: Vec<_> = self.residents.iter().filter(|r| r.room == gone.room).collect();
        let told = others.iter().map(|r| notice(r.socket, &message)).collect();
        if others.is_empty() {
            self.departures.remove(&gone.room);
        } else {
            self.departures.entry(gone.room).or_default().push(message);
        }
        told
    }

    fn join(&mut self, socket: u32, join: Join) -> Vec<Outgoing> {
        self.tokens.push(join.token.map(|token| token.into_string()));
        let id = PeerId::of(&join.key, &join.secret.hash());
        let room = join.room.to_string();
        let mut out = Vec::new();
        // An older connection under the same id gives way.
        self.residents.retain(|r| {
            let replaced = r.id == id && r.room == room;
            if replaced {
                let refused = ServerMessage::Refused { refusal: Refusal::Replaced, detail: Text::default() };
                out.push(notice(r.socket, &refused));
            }
            !replaced
        });
        self.epochs = self.epochs.wrapping_add(1);
        let epoch = self.epochs;
        let mut members = Vec::new();
        let mut cards = join.cards.into_vec().into_iter().enumerate();
        for resident in self.residents.iter_mut().filter(|r| r.room == room) {
            let theirs = if resident.cards.is_empty() { None } else { Some(resident.cards.remove(0)) };
            let ours = cards.next();
            let listed = |id, epoch, hello: &signal::HelloBytes, card, given| Member {
                id,
                epoch,
                hello: hello.clone(),
                card,
                given,
            };
            let (given, card) = ours.map_or((None, None), |(index, card)| (Some(index as u32), Some(card)));
            let (tag, their_card) = theirs.map_or((None, None), |card| (Some(card.tag), Some(card.card)));
            members.push(listed(resident.id, resident.epoch, &resident.hello, their_card, given));
            let newcomer = listed(id, epoch, &join.hello, card, tag);
            out.push(notice(resident.socket, &ServerMessage::Joined(newcomer)));
        }
        let members = members.try_into().unwrap_or_default();
        let mut welcome = codec::encode(&ServerMessage::Welcome(Welcome { id, epoch, members }));
        let rate = self.relay_rate;
        codec::push(
            &mut welcome,
            &ServerMessage::RelayPolicy { bytes_per_second: rate, burst: rate.saturating_mul(2) },
        );
        out.push(Outgoing { socket, bytes: welcome, is_signal: false });
        let left = self.departures.get(&room).filter(|_| join.returns).into_iter().flatten();
        out.extend(left.map(|message| notice(socket, message)));
        self.residents.push(Resident { socket, id, epoch, room, hello: join.hello, cards: Vec::new() });
        out
    }
}
