//! The Rust API: rooms with typed channels.
//!
//! On the wire messages are as those of TypeScript pages are, JSON or [compact](Compact), so that both meet in one room.

mod bytes;
mod channel;
mod compact;
mod format;
mod json;
mod mailbox;
mod room;
mod rpc;
mod sink;
mod stream;

pub use bytes::{BytesReceiver, BytesSender};
pub use channel::{Channel, Received, Receiver, Sender, To};
pub use compact::Compact;
pub use room::{Builder, Room};
pub use rpc::{Request, Requests, Responder, Rpc};
pub use sink::{Events, RoomEvent};
pub use stream::{Stream, Streams};
