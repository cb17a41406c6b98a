//! Typed peer-to-peer data channels for the browser.
//!
//! ```no_run
//! # #[cfg(feature = "typed")] mod example {
//! use futures::StreamExt;
//! use peerloom::{Delivery, Room, To};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Chat { text: String }
//!
//! async fn hello() -> Result<(), peerloom::Error> {
//!     let room = Room::builder("wss://example.org").room("demo").channel::<Chat>("chat", Delivery::Ordered).join().await?;
//!     let (tx, mut rx) = room.channel::<Chat>("chat")?.split();
//!     tx.send(To::All, &Chat { text: "hi".into() }).await?;
//!     while let Some(message) = rx.next().await {
//!         let _ = (message.from, message.data.text);
//!     }
//!     Ok(())
//! }
//! # }
//! ```
//!
//! Everything is decided in [`peerloom_protocol`]; this crate drives the browser ([`RTCPeerConnection`], WebSocket,
//! timers) and gives the API. It builds for `wasm32-unknown-unknown`. The same room is open to pages that use the npm
//! package `peerloom`: same names, same wire.
//!
//! [`RTCPeerConnection`]: https://developer.mozilla.org/docs/Web/API/RTCPeerConnection

mod driver;
mod error;
#[cfg(feature = "npm")]
mod js;
#[cfg(feature = "typed")]
mod typed;

#[cfg(feature = "typed")]
pub use driver::create_room_secret;
#[cfg(feature = "typed")]
pub use driver::{AttemptReport, JoiningReport};
pub use driver::{ChannelStats, Path, PeerStats, Traffic};
pub use error::Error;
pub use peerloom_protocol::action::Outcome;
pub use peerloom_protocol::attempts::Kinds;
pub use peerloom_protocol::call::CallFailure;
pub use peerloom_protocol::hello::Delivery;
pub use peerloom_protocol::id::PeerId;
pub use peerloom_protocol::safety::SafetyCode;
pub use peerloom_protocol::session::RelayMode;
#[cfg(feature = "typed")]
pub use typed::{
    Builder, BytesReceiver, BytesSender, Channel, Compact, Events, Received, Receiver, Request, Requests,
    Responder, Room, RoomEvent, Rpc, Sender, Stream, Streams, To,
};

// Not for the Rust API: there the page's own code chooses.
#[cfg(all(feature = "npm", target_family = "wasm"))]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

/// The example of the README must compile.
#[cfg(all(doctest, feature = "typed"))]
#[doc = include_str!("../../README.md")]
struct Readme;
