//! A slow network on one machine: joins hosts through TUN devices and holds every packet back for a while.
//!
//! ```text
//! bench-link [--delay-ms 50] [--log FILE] DEVICE=ADDRESS DEVICE=ADDRESS ...
//! ```
//!
//! It makes the devices, prints `ready`, and forwards IPv4 packets between them by destination address until its input
//! ends; then the devices are gone. The caller moves each device into a network namespace of its own, gives it the
//! address and a default route: the namespaces are then hosts that reach each other through this process alone. Linux
//! with `/dev/net/tun` and root's rights only; a kernel's own `netem` is not needed.

// Elsewhere the program only says that it cannot run.
#![cfg_attr(not(target_os = "linux"), allow(dead_code))]

mod delay;
mod options;
mod packet;
mod packet_log;
mod queue;
#[cfg(target_os = "linux")]
mod router;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let outcome = options::Options::parse(std::env::args().skip(1)).and_then(|options| {
        router::run(&options).map_err(|error| format!("cannot join the devices: {error}"))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("bench-link: {message}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("bench-link: TUN devices and network namespaces are Linux's alone");
    ExitCode::FAILURE
}
