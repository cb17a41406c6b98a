//! The devices, the threads that carry packets from one to another, and the commands.

use std::io::{self, BufRead, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tappers::{Interface, Tun};

use crate::command::Command;
use crate::net::{Delivery, Net};
use crate::options::Options;
use crate::packet;
use crate::packet_log::PacketLog;

/// More than any device's MTU.
const MAX_PACKET_BYTES: usize = 65_536;
/// Packets delivered at a time, so that those who bring new ones need not wait long.
const BATCH: usize = 64;

struct Shared {
    net: Mutex<Net>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Net> {
        self.net.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forwards until standard input ends: the network goes when whoever wanted it goes.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let log = options.log.as_deref().map(PacketLog::create).transpose()?;
    let mut devices = Vec::new();
    for host in &options.hosts {
        devices.push(Arc::new(Tun::new_named(Interface::new(&host.device)?)?));
    }
    let shared = Arc::new(Shared { net: Mutex::new(Net::new(options)), changed: Condvar::new() });
    for (from, device) in devices.iter().enumerate() {
        let (shared, device) = (Arc::clone(&shared), Arc::clone(device));
        thread::spawn(move || receive(&shared, from, &device));
    }
    let delivering = Arc::clone(&shared);
    thread::spawn(move || deliver(&delivering, &devices, log));

    tell(&format!("ready seed={}", options.seed))?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let outcome = Command::parse(&line).and_then(|command| shared.lock().command(command));
        match outcome {
            Ok(more) => tell(format!("ok {line} {more}").trim_end())?,
            Err(error) => tell(&format!("error {error}"))?,
        }
    }
    Ok(())
}

fn tell(line: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}

fn receive(shared: &Shared, from: usize, device: &Tun) {
    let mut buffer = vec![0; MAX_PACKET_BYTES];
    loop {
        // Reading fails while the device is moved to its namespace and is down.
        let Ok(length) = device.recv(&mut buffer) else {
            thread::sleep(Duration::from_millis(1));
            continue;
        };
        let packet = &buffer[..length];
        if packet::addresses(packet).is_none() {
            continue;
        }
        let packet = packet.to_vec();
        let mut net = shared.lock();
        let before = net.next_due();
        net.enter(from, packet, Instant::now());
        let sooner = net.next_due() != before;
        drop(net);
        // Whoever delivers sleeps until what was due next.
        if sooner {
            shared.changed.notify_one();
        }
    }
}

fn deliver(shared: &Shared, devices: &[Arc<Tun>], mut log: Option<PacketLog>) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        wait_for_packets(shared, &mut batch);
        for Delivery { to, came, packet } in batch.drain(..) {
            if let Some(log) = &mut log {
                // A full disk must not stop the network.
                let _ = log.note(came, &packet);
            }
            // A host that is down loses its packets.
            let _ = devices[to].send(&packet);
        }
    }
}

/// Fills the batch with what is due, at least one packet.
fn wait_for_packets(shared: &Shared, batch: &mut Vec<Delivery>) {
    let mut net = shared.lock();
    loop {
        let now = Instant::now();
        while batch.len() < BATCH
            && let Some(delivery) = net.leave(now)
        {
            batch.push(delivery);
        }
        if !batch.is_empty() {
            return;
        }
        net = match net.next_due() {
            None => shared.changed.wait(net).unwrap_or_else(PoisonError::into_inner),
            Some(due) => {
                let wait = due.saturating_duration_since(now);
                shared.changed.wait_timeout(net, wait).unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}
