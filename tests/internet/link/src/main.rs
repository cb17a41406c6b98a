//! A network on one machine: joins hosts through TUN devices and does to their packets what networks do.
//!
//! ```text
//! test-link [--delay-ms MS] [--seed NUMBER] [--log FILE] NAME=DEVICE@ADDRESS[,ADDRESS] NAME=DEVICE@ADDRESS ...
//! ```
//!
//! It makes the devices, prints `ready seed=NUMBER`, and forwards IPv4 and IPv6 packets between them by destination address until
//! its input ends; then the devices are gone. The caller moves each device into a network namespace of its own, gives
//! it the address and a default route: the namespaces are then hosts that reach each other through this process alone.
//! Linux with `/dev/net/tun` and root's rights only; a kernel's own `netem` is not needed.
//!
//! Each host has a pipe up (from the host into the network) and one down, each with impairments of its own; a packet
//! goes through its sender's pipe up and its receiver's pipe down. `--delay-ms` is the delay of every pipe up.
//!
//! Commands come as lines, and each is answered with one line, `ok ...` or `error ...`:
//!
//! ```text
//! set TARGET KEY=VALUE ...    delay, jitter (ms); loss, duplicate, reorder (%); rate (Mbit/s, 0 for none); queue (KiB)
//! reset TARGET                no impairments any more
//! down HOST / up HOST         cuts a host off / joins it again; packets under way to it are lost
//! drop-udp HOST on|off        drops UDP from and to the host, as some company networks do
//! only HOST PORT|ADDRESS|off  nothing passes but TCP to this port of others, or what is from and to this address (a proxy)
//! hole HOST BYTES|off [clamp] longer packets from and to the host vanish, and nobody is told. With `clamp`, a router sees to it
//!                             that TCP connections send none, as most do before a narrow line
//! firewall HOST on|off        only answers reach the host: from an address and port that it wrote to
//! address HOST ADDRESS        the host is found under another address of that family from now on
//! nat HOST off|KIND [PUBLIC-ADDRESS]      the host is behind a router of its own, which is called as the host
//! router NAME KIND PUBLIC-ADDRESS [behind=ROUTER] [hairpin] [isolated]
//!                             a router for several hosts, perhaps behind another one. Those inside reach each other at its
//!                             public address only with `hairpin`, and not at their own with `isolated`
//! behind HOST ROUTER|off      puts a host behind such a router
//! forget ROUTER               a router forgets its mappings, as after a restart
//! nat64 KIND PUBLIC-ADDRESS|off           a translator for 64:ff9b::/96 on the internet
//! stats                       what every pipe has passed and lost so far
//! ```
//!
//! TARGET is a host (both directions), `HOST.up`, `HOST.down`, or `all`. KIND says whom a router lets in: `full` cone (everybody),
//! `address` (restricted cone), `cone` (port restricted: who was written to), `symmetric` (likewise, and another public port for
//! every destination). IPv6 is not translated by routers: a host with both families is found under its own address of IPv6.

// Elsewhere the program only says that it cannot run.
#![cfg_attr(not(target_os = "linux"), allow(dead_code))]

mod chance;
mod command;
mod filter;
mod impairments;
mod nat;
mod net;
mod options;
mod packet;
mod packet_log;
mod pipe;
#[cfg(target_os = "linux")]
mod router;
mod routes;
mod schedule;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let outcome = options::Options::parse(std::env::args().skip(1)).and_then(|options| {
        router::run(&options).map_err(|error| format!("cannot join the devices: {error}"))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("test-link: {message}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("test-link: TUN devices and network namespaces are Linux's alone");
    ExitCode::FAILURE
}
