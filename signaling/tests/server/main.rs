//! The server as clients meet it: over TCP on a free port of 127.0.0.1. One program, so that it links once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

mod cards;
mod common;
mod coturn;
mod drain;
mod endpoint;
mod flood;
mod garbage;
mod ice_servers;
mod key_sources;
mod kick;
mod origins;
mod pages;
mod program;
mod refusals;
mod relay;
mod resume;
mod rooms;
mod silence;
mod slow_consumer;
mod stun;
mod tls;
mod tokens;
mod turn;
mod turn_client;
mod turn_streams;
mod webhook;
