//! The Rust API: rooms with typed channels.
//!
//! Messages are JSON on the wire, as those of TypeScript pages are, so that both meet in one room.

mod bytes;
mod channel;
mod json;
mod mailbox;
mod room;
mod rpc;
mod sink;
mod stream;

pub use bytes::{BytesReceiver, BytesSender};
pub use channel::{Channel, Received, Receiver, Sender, To};
pub use room::{Builder, Room};
pub use rpc::{Request, Requests, Responder, Rpc};
pub use sink::{Events, RoomEvent};
pub use stream::{Stream, Streams};
