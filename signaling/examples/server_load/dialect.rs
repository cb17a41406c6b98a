//! What each server speaks: how a client joins a room, learns its own name there, and sends to another member.

use peerloom_protocol::bounded::List;
use peerloom_protocol::codec;
use peerloom_protocol::id::{PeerId, ReturnSecret};
use peerloom_protocol::signal::{
    CardBytes, ClientMessage, Join, ServerMessage, TaggedCard, Welcome, early_join,
};
use serde_json::json;

use crate::Result;
use crate::socket::{self, Framing, Opcode};

/// About what a page says of itself.
const HELLO_BYTES: usize = 200;
/// About what a card has with four candidates.
const CARD_BYTES: usize = 300;

/// A server's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Dialect {
    /// This repository's server.
    Peerloom,
    /// The example `raw_relay`: frames over TCP.
    Raw,
    /// `matchbox_server`.
    Matchbox,
    /// PeerServer, the server of PeerJS. It has no rooms.
    Peerjs,
}

/// By what others address a member.
#[derive(Clone, Debug)]
pub(crate) enum Name {
    Stay(PeerId, u32),
    Number(u32),
    Text(String),
}

/// What is sent from one member to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// What introduces two peers.
    Signal,
    /// Sealed packets between two that have no direct path. Other servers know only one kind.
    Relay,
}

impl Dialect {
    pub(crate) fn framing(self) -> Framing {
        match self {
            Self::Raw => Framing::Length,
            _ => Framing::WebSocket,
        }
    }

    /// The first bytes of a connection. `number` is another for every connection.
    pub(crate) fn opening(self, host: &str, room: usize, number: usize) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Raw => socket::length_frame(&(room as u32).to_be_bytes()),
            Self::Peerloom => {
                let join = Join {
                    room: format!("room-{room}").as_str().try_into()?,
                    hello: vec![b'h'; HELLO_BYTES].try_into()?,
                    key: [0; 32],
                    secret: secret(number),
                    returns: false,
                    cards: List::default(),
                    token: None,
                };
                let early = early_join(&join).ok_or("the join is too long")?;
                let headers =
                    format!("Origin: http://{host}\r\nSec-WebSocket-Protocol: peerloom.v1, {early}\r\n");
                socket::upgrade_request(host, "/ws", &headers)
            }
            Self::Matchbox => socket::upgrade_request(host, &format!("/room-{room}"), ""),
            Self::Peerjs => {
                let path = format!("/peerjs?key=peerjs&id=peer-{number}&token=t{number}&version=1.5.5");
                socket::upgrade_request(host, &path, "")
            }
        })
    }

    /// Reads the first message from the server, which says that the client is in.
    pub(crate) fn welcome(self, message: &[u8], number: usize) -> Result<Name> {
        match self {
            Self::Raw => Ok(Name::Number(u32::from_be_bytes(message.try_into()?))),
            Self::Peerloom => match codec::decode(message, usize::MAX)?.next() {
                Some(Ok(ServerMessage::Welcome(Welcome { id, epoch, .. }))) => Ok(Name::Stay(id, epoch)),
                other => Err(format!("{other:?} instead of a welcome").into()),
            },
            Self::Matchbox => {
                let message: serde_json::Value = serde_json::from_slice(message)?;
                let id = message["IdAssigned"].as_str().ok_or("no IdAssigned")?;
                Ok(Name::Text(id.to_owned()))
            }
            Self::Peerjs => {
                let message: serde_json::Value = serde_json::from_slice(message)?;
                match message["type"].as_str() {
                    Some("OPEN") => Ok(Name::Text(format!("peer-{number}"))),
                    _ => Err(format!("{message} instead of OPEN").into()),
                }
            }
        }
    }

    /// A message with `len` bytes for another member, as it goes over the wire.
    pub(crate) fn message(self, to: &Name, kind: Kind, len: usize) -> Result<Vec<u8>> {
        let payload = vec![b'p'; len];
        let text = || String::from_utf8_lossy(&payload).into_owned();
        Ok(match (self, to) {
            (Self::Raw, &Name::Number(to)) => {
                socket::length_frame(&[&to.to_be_bytes()[..], &payload].concat())
            }
            (Self::Peerloom, &Name::Stay(to, epoch)) => {
                let message = match kind {
                    Kind::Signal => ClientMessage::Signal { to, epoch, envelope: payload.try_into()? },
                    Kind::Relay => ClientMessage::Relay { to, epoch, packet: payload.try_into()? },
                };
                socket::client_frame(Opcode::Binary, &codec::encode(&message))
            }
            (Self::Matchbox, Name::Text(to)) => {
                let message = json!({ "Signal": { "receiver": to, "data": { "Offer": text() } } });
                socket::client_frame(Opcode::Text, message.to_string().as_bytes())
            }
            (Self::Peerjs, Name::Text(to)) => {
                let message = json!({ "type": "OFFER", "dst": to, "payload": { "sdp": text() } });
                socket::client_frame(Opcode::Text, message.to_string().as_bytes())
            }
            _ => return Err("a name of another server".into()),
        })
    }

    /// Leaves so many cards for newcomers.
    pub(crate) fn deposit(self, cards: usize) -> Result<Vec<u8>> {
        if self != Self::Peerloom {
            return Err("only Peerloom's server keeps cards".into());
        }
        let card: CardBytes = vec![b'c'; CARD_BYTES].try_into()?;
        let cards: Vec<_> = (0..cards as u32).map(|tag| TaggedCard { tag, card: card.clone() }).collect();
        let deposit = ClientMessage::Deposit { replace: true, cards: cards.try_into()? };
        Ok(socket::client_frame(Opcode::Binary, &codec::encode(&deposit)))
    }
}

/// Another for each number, so that each connection is another member.
fn secret(number: usize) -> ReturnSecret {
    let mut secret = [0; 32];
    secret[..8].copy_from_slice(&(number as u64).to_be_bytes());
    ReturnSecret(secret)
}
