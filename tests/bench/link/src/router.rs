//! The devices, and the threads that carry packets from one to another.

use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tappers::{Interface, Tun};

use crate::options::Options;
use crate::packet_log::PacketLog;
use crate::queue::Queue;
use crate::{delay, packet};

/// About 100 MB of full packets: a bound that no measurement should reach.
const MAX_QUEUED_PACKETS: usize = 65_536;
/// More than any device's MTU.
const MAX_PACKET_BYTES: usize = 65_536;

struct Queued {
    came: Instant,
    from: Ipv4Addr,
    to: Ipv4Addr,
    packet: Vec<u8>,
}

struct Port {
    address: Ipv4Addr,
    device: Arc<Tun>,
}

/// Forwards until standard input ends: the network goes when whoever wanted it goes.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let log = options.log.as_deref().map(PacketLog::create).transpose()?;
    let mut ports = Vec::new();
    for host in &options.hosts {
        let device = Arc::new(Tun::new_named(Interface::new(&host.device)?)?);
        ports.push(Port { address: host.address, device });
    }
    let queue = Arc::new(Queue::new(MAX_QUEUED_PACKETS));
    for port in &ports {
        let (device, queue, wait) = (Arc::clone(&port.device), Arc::clone(&queue), options.delay);
        thread::spawn(move || {
            let mut buffer = vec![0; MAX_PACKET_BYTES];
            loop {
                // Reading fails while the device is moved to its namespace and is down.
                let Ok(length) = device.recv(&mut buffer) else {
                    thread::sleep(Duration::from_millis(1));
                    continue;
                };
                let came = Instant::now();
                let packet = &buffer[..length];
                if let Some((from, to)) = packet::addresses(packet) {
                    let queued = Queued { came, from, to, packet: packet.to_vec() };
                    queue.put(delay::due(came, wait), queued);
                }
            }
        });
    }
    thread::spawn(move || deliver(&queue, &ports, log));

    println!("ready");
    io::stdout().flush()?;
    let mut input = io::stdin().lock();
    let mut ignored = [0; 64];
    while input.read(&mut ignored)? > 0 {}
    Ok(())
}

fn deliver(queue: &Queue<Queued>, ports: &[Port], mut log: Option<PacketLog>) {
    loop {
        let Queued { came, from, to, packet } = queue.take();
        // Multicast and the like have no port here, as on the internet.
        let Some(port) = ports.iter().find(|port| port.address == to) else { continue };
        if let Some(log) = &mut log {
            // A full disk must not stop the network.
            let _ = log.note(came, from, to, &packet);
        }
        // A host that is down loses its packets.
        let _ = port.device.send(&packet);
    }
}
