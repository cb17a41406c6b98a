//! A model of the signaling server: membership, single-use cards, forwarding. No limits; those are the real server's.

use crate::codec;
use crate::id::{PeerId, ResumeToken};
use crate::limits;
use crate::random::Random;
use crate::signal::{
    self, ClientMessage, Join, LeaveReason, Member, ServerMessage, TaggedCard, Welcome, read_early_join,
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
    epochs: u32,
}

fn notice(socket: u32, message: &ServerMessage) -> Outgoing {
    Outgoing { socket, bytes: codec::encode(message), is_signal: false }
}

impl Hub {
    /// Epochs count from a random number, so that a restarted server does not repeat them.
    pub(super) fn new(epochs: u32) -> Self {
        Self { residents: Vec::new(), epochs }
    }

    pub(super) fn upgrade(
        &mut self,
        socket: u32,
        subprotocols: &[String],
        random: &mut Random,
    ) -> Vec<Outgoing> {
        match subprotocols.iter().find_map(|text| read_early_join(text)) {
            Some(Ok(join)) => self.join(socket, join, random),
            _ => Vec::new(),
        }
    }

    pub(super) fn message(&mut self, socket: u32, bytes: &[u8], random: &mut Random) -> Vec<Outgoing> {
        let mut out = Vec::new();
        let Ok(records) = codec::decode(bytes, limits::MAX_SOCKET_MESSAGE_BYTES) else { return out };
        for message in records.map_while(Result::ok) {
            match message {
                ClientMessage::Join(join) => out.extend(self.join(socket, join, random)),
                ClientMessage::Leave => out.extend(self.remove(socket, LeaveReason::Left)),
                ClientMessage::Ping { nonce } => out.push(notice(socket, &ServerMessage::Pong { nonce })),
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
            }
        }
        out
    }

    /// The socket closed without a goodbye.
    pub(super) fn gone(&mut self, socket: u32) -> Vec<Outgoing> {
        self.remove(socket, LeaveReason::Lost)
    }

    fn remove(&mut self, socket: u32, reason: LeaveReason) -> Vec<Outgoing> {
        let Some(index) = self.residents.iter().position(|r| r.socket == socket) else { return Vec::new() };
        let gone = self.residents.remove(index);
        let message = ServerMessage::Left { id: gone.id, epoch: gone.epoch, reason };
        let others = self.residents.iter().filter(|r| r.room == gone.room);
        others.map(|r| notice(r.socket, &message)).collect()
    }

    fn join(&mut self, socket: u32, join: Join, random: &mut Random) -> Vec<Outgoing> {
        let resume = join.resume.unwrap_or_else(|| {
            let mut token = [0; 32];
            token.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&random.next_u64().to_le_bytes()));
            ResumeToken(token)
        });
        let mut id = PeerId([0; 16]);
        id.0.copy_from_slice(&resume.0[..16]);
        let room = join.room.to_string();
        // A half-open older connection under the same id goes without a notice.
        self.residents.retain(|r| r.id != id || r.room != room);
        self.epochs = self.epochs.wrapping_add(1);
        let epoch = self.epochs;
        let (mut members, mut out) = (Vec::new(), Vec::new());
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
        out.push(notice(socket, &ServerMessage::Welcome(Welcome { id, epoch, resume, members })));
        self.residents.push(Resident { socket, id, epoch, room, hello: join.hello, cards: Vec::new() });
        out
    }
}
