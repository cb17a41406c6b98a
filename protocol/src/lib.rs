//! The pure core of Peerloom: everything two peers and a signaling server agree on, and every decision they make.
//!
//! Nothing here reads a clock, opens a socket, draws a random number or calls a browser: time, randomness, session
//! descriptions and bytes come in as arguments, and what should happen goes out as values. So the same code runs in
//! the browser, in the server and, on a fake clock, in tests.
//!
//! - How messages are written, and how large they may be: [`codec`], [`bounded`], [`limits`], [`id`].
//! - What is said: [`signal`] (client and server), [`envelope`] (peer to peer through the server), [`control`] (peer to
//!   peer), [`safety`] (what people compare), [`hello`] (what a member says of itself), [`channel`] (the application's messages), [`stream`] (bytes without
//!   end) and [`call`] (questions with answers).
//! - What the driver runs: a [`node`], one page in one room. What it feeds and carries out is in [`action`], what can go
//!   wrong in [`failure`]. Inside are the room with its members and a link to each, made with [`card`]s and [`sdp`], and
//!   a [`session`] with each, whose packets through the server are [sealed](seal).
//! - [`sim`] runs whole rooms on a fake clock.

pub mod action;
pub mod attempts;
mod base64;
pub mod bounded;
mod budget;
pub mod call;
pub mod candidate;
pub mod card;
pub mod channel;
pub mod codec;
pub mod control;
pub mod envelope;
pub mod failure;
mod fields;
pub mod hello;
pub mod ice;
pub mod id;
pub mod identity;
mod lanes;
pub mod limits;
mod link;
mod members;
pub mod node;
mod octets;
pub mod passphrase;
mod pool;
pub mod privacy;
pub mod random;
mod room;
pub mod safety;
pub mod sdp;
pub mod seal;
mod server_link;
pub mod session;
pub mod signal;
pub mod sim;
pub mod sorted_map;
pub mod stream;
pub mod timing;
pub mod vault;
