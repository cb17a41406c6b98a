//! Datagrams: between clients and the machine, and between peers and relays.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::UdpSocket;

use super::machine::{Client, RelayId};
use super::serve::{Ice, now};

/// Datagrams read from one socket before the others get their turn.
const AT_ONCE: usize = 64;

/// Serves clients over UDP, for ever.
pub(super) async fn serve(ice: &Arc<Ice>) {
    let Some(socket) = &ice.socket else { return };
    loop {
        if socket.readable().await.is_err() {
            return; // Only when the runtime ends.
        }
        read_from_clients(ice, socket);
        tokio::task::yield_now().await;
    }
}

fn read_from_clients(ice: &Arc<Ice>, socket: &UdpSocket) {
    let now = now();
    let mut core = ice.core();
    // Taken, so that what was read and what is changed by it are not one.
    let mut packet = std::mem::take(&mut core.scratch);
    for _ in 0..AT_ONCE {
        // An error may also be that of an answer which could not be delivered.
        let Ok((len, address)) = socket.try_recv_from(&mut packet) else { break };
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let client = Client { address, connection: None };
        let action = core.machine.client(client, &packet[..len], now);
        ice.carry_out(&mut core, client, &packet[..len], action, now);
    }
    core.scratch = packet;
}

/// Answers STUN at the alternate port, for ever.
pub(super) async fn serve_alternate(ice: &Ice) {
    let Some(socket) = &ice.alternate else { return };
    while socket.readable().await.is_ok() {
        answer_bindings(ice, socket);
        tokio::task::yield_now().await;
    }
}

fn answer_bindings(ice: &Ice, socket: &UdpSocket) {
    let now = now();
    let mut core = ice.core();
    let mut packet = std::mem::take(&mut core.scratch);
    for _ in 0..AT_ONCE {
        let Ok((len, address)) = socket.try_recv_from(&mut packet) else { break };
        let client = SocketAddr::new(address.ip().to_canonical(), address.port());
        if let Some(answer) = core.machine.binding(client, &packet[..len], now) {
            let _ = socket.try_send_to(&answer, address);
        }
    }
    core.scratch = packet;
}

/// Reads what peers send to a relay, until it is closed.
pub(super) async fn relay(ice: Arc<Ice>, socket: Arc<UdpSocket>, relay: RelayId, client: Client) {
    while socket.readable().await.is_ok() {
        read_from_peers(&ice, &socket, relay, client);
        tokio::task::yield_now().await;
    }
}

fn read_from_peers(ice: &Ice, socket: &UdpSocket, relay: RelayId, client: Client) {
    let now = now();
    let mut core = ice.core();
    let mut packet = std::mem::take(&mut core.scratch);
    for _ in 0..AT_ONCE {
        let Ok((len, peer)) = socket.try_recv_from(&mut packet) else { break };
        if let Some(message) = core.machine.peer(relay, client, peer, &packet[..len], now) {
            ice.send(&core, client, message);
        }
    }
    core.scratch = packet;
}

/// An address as a socket wants it that serves both families.
pub(super) fn as_sent_from(socket: &UdpSocket, address: SocketAddr) -> SocketAddr {
    match (socket.local_addr(), address) {
        (Ok(SocketAddr::V6(_)), SocketAddr::V4(v4)) => {
            SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port())
        }
        _ => address,
    }
}
