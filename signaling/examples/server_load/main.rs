//! Puts load on a signaling server and prints what that costs, as one line of JSON.
//!
//! ```text
//! server_load --dialect peerloom --address 127.0.0.1:8080 --pid PID open --at 2000 --at 10000
//! server_load … churn | forward --kind relay [--rate 10000] | newcomer
//! ```
//!
//! `npm run bench` starts the servers, pins them to one core and this program to another, and compares. The clients are
//! written by hand on `mio` and send frames made beforehand: a library for WebSockets would take more processor time
//! than the server, and then it is the library that is measured. The server's processor time and memory are read from
//! Linux's `/proc`; what the kernel keeps for sockets shows in neither.

mod churn;
mod crowd;
mod dialect;
mod forward;
mod newcomer;
mod open;
mod process;
mod socket;
mod times;

use std::error::Error;
use std::net::SocketAddr;

use clap::Parser;

use crate::crowd::Crowd;
use crate::dialect::Dialect;
use crate::process::Process;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Puts load on a signaling server and prints what that costs, as one line of JSON.
#[derive(Debug, Parser)]
struct Arguments {
    /// What the server speaks.
    #[arg(long)]
    dialect: Dialect,
    /// Where it listens.
    #[arg(long)]
    address: SocketAddr,
    /// The server's process.
    #[arg(long)]
    pid: u32,
    #[command(subcommand)]
    load: Load,
}

#[derive(Debug, clap::Subcommand)]
enum Load {
    /// Opens connections that then do nothing: memory for each, and processor time for each join.
    Open(open::Open),
    /// Connects, joins and closes, many times at once: joins per second.
    Churn(churn::Churn),
    /// Pairs of members send to each other: messages per second, processor time for each, and how long they take.
    Forward(forward::Forward),
    /// Joins a large room: how long until everybody there knows.
    Newcomer(newcomer::Newcomer),
}

fn main() -> Result<()> {
    let Arguments { dialect, address, pid, load } = Arguments::parse();
    // The default is often 1024.
    rlimit::increase_nofile_limit(u64::MAX)?;
    let server = Process::new(pid);
    let mut crowd = Crowd::new(dialect, address)?;
    let figures = match load {
        Load::Open(open) => open.run(&mut crowd, &server),
        Load::Churn(churn) => churn.run(&mut crowd, &server),
        Load::Forward(forward) => forward.run(&mut crowd, &server),
        Load::Newcomer(newcomer) => newcomer.run(&mut crowd),
    }?;
    println!("{figures}");
    Ok(())
}
