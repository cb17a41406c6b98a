//! The Rust API: rooms with typed channels.
//!
//! Messages are JSON on the wire, as those of TypeScript pages are, so that both meet in one room.

mod channel;
mod json;
mod room;

pub use channel::{Channel, Received, Receiver, Sender, To};
pub use room::{Builder, Events, Room, RoomEvent};
