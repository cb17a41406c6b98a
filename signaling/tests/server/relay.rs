//! Packets on their way through the server: within the limits they arrive in order, above them nothing is lost unsaid.

use std::time::Duration;

use futures_util::SinkExt;
use peerloom_protocol::codec;
use peerloom_protocol::limits::{MAX_PACKET_BYTES, RELAY_PACKET_COST};
use peerloom_protocol::signal::{ClientMessage, LeaveReason, Refusal, ServerMessage, Welcome, early_join};
use peerloom_signaling::{Limits, OutboxLimits, Rate};
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::Message;

use crate::common::{Client, Server, join, relay, signal};

const PLENTY: Rate = Rate { per_second: u32::MAX, burst: u32::MAX };
/// So slow that a test sees nothing come back: the smallest packet costs minutes.
const PER_SECOND: u32 = 1;

/// A packet that takes exactly this from the limits.
fn packet(cost: usize) -> Vec<u8> {
    vec![7; cost - RELAY_PACKET_COST]
}

fn relayed(from: &Welcome, packet: &[u8]) -> ServerMessage {
    ServerMessage::Relayed { from: from.id, epoch: from.epoch, packet: packet.to_vec().try_into().unwrap() }
}

fn throttled(to: &Welcome, wait_ms: u32) -> ServerMessage {
    ServerMessage::Throttled { to: to.id, epoch: to.epoch, wait_ms }
}

/// Two members of a room who know of each other.
async fn pair(server: &Server, room: &str) -> [(Client, Welcome); 2] {
    let (mut ann, ann_welcome) = Client::join(server, join(room, "ann")).await;
    let bob = Client::join(server, join(room, "bob")).await;
    ann.joined().await;
    [(ann, ann_welcome), bob]
}

#[tokio::test]
async fn packets_arrive_in_order_with_the_sender_stamped() {
    let server = Server::start().await;
    let [(mut ann, ann_welcome), (mut bob, bob_welcome)] = pair(&server, "r").await;
    let mut frame = codec::frame();
    for number in 0..100u8 {
        let packet = vec![number; usize::from(number) * 10];
        // Alone in a frame, and several in one, mixed with signals: in order all the same.
        match number % 10 {
            0..5 => ann.send(relay(&bob_welcome, &packet)).await,
            5 => ann.send(signal(&bob_welcome, &packet)).await,
            _ => codec::push(&mut frame, &relay(&bob_welcome, &packet)),
        }
        if number % 10 == 9 {
            ann.send_bytes(std::mem::replace(&mut frame, codec::frame())).await;
        }
        // Read as it comes, so that the receiver's outbox is never what holds a packet back.
        if number % 10 == 9 {
            for number in number - 9..=number {
                let packet = vec![number; usize::from(number) * 10];
                let expected = match number % 10 {
                    5 => ServerMessage::Signal {
                        from: ann_welcome.id,
                        epoch: ann_welcome.epoch,
                        envelope: packet.try_into().unwrap(),
                    },
                    _ => relayed(&ann_welcome, &packet),
                };
                assert_eq!(bob.recv().await, expected);
            }
        }
    }
    let largest = vec![1; MAX_PACKET_BYTES];
    ann.send(relay(&bob_welcome, &largest)).await;
    assert_eq!(bob.recv().await, relayed(&ann_welcome, &largest));
    ann.assert_quiet().await;
}

#[tokio::test]
async fn the_welcome_tells_the_limits() {
    let server = Server::start().await;
    let (client, _) = Client::join(&server, join("r", "x")).await;
    let expected = ServerMessage::RelayPolicy { bytes_per_second: 131_072, burst: 262_144 };
    assert_eq!(client.policy, Some(expected));
}

#[tokio::test]
async fn a_member_has_its_burst_and_no_more() {
    let relay_rate = Rate { per_second: PER_SECOND, burst: 40_000 };
    let server = Server::with_limits(Limits { relay: relay_rate, ..Limits::default() }).await;
    let [(mut ann, ann_welcome), (mut bob, bob_welcome)] = pair(&server, "r").await;
    for _ in 0..4 {
        ann.send(relay(&bob_welcome, &packet(10_000))).await;
        assert_eq!(bob.recv().await, relayed(&ann_welcome, &packet(10_000)));
    }
    ann.send(relay(&bob_welcome, &[])).await;
    assert_eq!(ann.recv().await, throttled(&bob_welcome, 10_000));
    // The other one has limits of its own, and signals are not held back.
    bob.send(relay(&ann_welcome, &packet(10_000))).await;
    assert_eq!(ann.recv().await, relayed(&bob_welcome, &packet(10_000)));
    ann.send(signal(&bob_welcome, b"still here")).await;
    assert!(matches!(bob.recv().await, ServerMessage::Signal { .. }));
}

#[tokio::test]
async fn a_room_has_its_burst_and_no_more() {
    let limits = Limits {
        relay: Rate { per_second: PER_SECOND, burst: 40_000 },
        relay_room: Rate { per_second: PER_SECOND, burst: 60_000 },
        ..Limits::default()
    };
    let server = Server::with_limits(limits).await;
    let [(mut ann, ann_welcome), (mut bob, bob_welcome)] = pair(&server, "r").await;
    let [(mut cay, cay_welcome), (mut dan, dan_welcome)] = pair(&server, "elsewhere").await;
    for _ in 0..4 {
        ann.send(relay(&bob_welcome, &packet(10_000))).await;
        assert_eq!(bob.recv().await, relayed(&ann_welcome, &packet(10_000)));
    }
    for _ in 0..2 {
        bob.send(relay(&ann_welcome, &packet(10_000))).await;
        assert_eq!(ann.recv().await, relayed(&bob_welcome, &packet(10_000)));
    }
    bob.send(relay(&ann_welcome, &[])).await;
    assert_eq!(bob.recv().await, throttled(&ann_welcome, 10_000));
    // Another room does not notice.
    for _ in 0..4 {
        cay.send(relay(&dan_welcome, &packet(10_000))).await;
        assert_eq!(dan.recv().await, relayed(&cay_welcome, &packet(10_000)));
    }
}

#[tokio::test]
async fn a_server_may_relay_nothing() {
    for limits in [
        Limits { relay: Rate { per_second: 0, burst: 40_000 }, ..Limits::default() },
        Limits { relay_room: Rate { per_second: 0, burst: 40_000 }, ..Limits::default() },
    ] {
        let server = Server::with_limits(limits).await;
        let [(mut ann, _), (mut bob, bob_welcome)] = pair(&server, "r").await;
        assert_eq!(ann.policy, Some(ServerMessage::RelayPolicy { bytes_per_second: 0, burst: 0 }));
        ann.send(relay(&bob_welcome, b"x")).await;
        assert_eq!(ann.recv().await, throttled(&bob_welcome, 10_000));
        bob.assert_quiet().await;
    }
}

#[tokio::test]
async fn who_waits_as_told_is_let_through() {
    let relay_rate = Rate { per_second: 20_000, burst: 20_000 };
    let server = Server::with_limits(Limits { relay: relay_rate, ..Limits::default() }).await;
    let [(mut ann, ann_welcome), (mut bob, bob_welcome)] = pair(&server, "r").await;
    // Three at once when two are allowed: on a machine that stalls in between, the third may pass, so again.
    let wait_ms = loop {
        let mut frame = codec::frame();
        (0..3).for_each(|_| codec::push(&mut frame, &relay(&bob_welcome, &packet(10_000))));
        ann.send_bytes(frame).await;
        ann.send(ClientMessage::Ping { nonce: 1 }).await;
        match ann.recv().await {
            ServerMessage::Throttled { wait_ms, .. } => break wait_ms,
            ServerMessage::Pong { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    assert!((50..=10_000).contains(&wait_ms), "{wait_ms}");
    while !matches!(ann.recv().await, ServerMessage::Pong { .. }) {}
    // Not for something to happen: this is what is tested.
    tokio::time::sleep(Duration::from_millis(wait_ms.into())).await;
    ann.send(relay(&bob_welcome, &packet(9_999))).await;
    while bob.recv().await != relayed(&ann_welcome, &packet(9_999)) {}
    ann.assert_quiet().await;
}

#[tokio::test]
async fn a_packet_for_nobody_is_refused() {
    let server = Server::start().await;
    let [(mut ann, ann_welcome), (mut bob, bob_welcome)] = pair(&server, "r").await;
    let [(mut cay, _), _dan] = pair(&server, "elsewhere").await;
    let gone = |message: &ServerMessage| {
        matches!(message, ServerMessage::Refused { refusal: Refusal::PeerGone, .. })
    };
    // Another stay of a member that is here.
    let stale = Welcome { epoch: bob_welcome.epoch.wrapping_sub(1), ..bob_welcome.clone() };
    ann.send(relay(&stale, b"late")).await;
    assert!(gone(&ann.recv().await));
    // A member of another room.
    cay.send(relay(&ann_welcome, b"psst")).await;
    assert!(gone(&cay.recv().await));
    bob.assert_quiet().await;
    // One that was here.
    bob.send(ClientMessage::Leave).await;
    assert!(matches!(ann.recv().await, ServerMessage::Left { reason: LeaveReason::Left, .. }));
    ann.send(relay(&bob_welcome, b"still there?")).await;
    assert!(gone(&ann.recv().await));
    ann.assert_quiet().await;
}

#[tokio::test]
async fn packets_are_not_messages() {
    let messages = Rate { per_second: 1, burst: 20 };
    let server = Server::with_limits(Limits { messages, ..Limits::default() }).await;
    let [(mut ann, ann_welcome), (mut bob, bob_welcome)] = pair(&server, "r").await;
    for number in 0..200u8 {
        ann.send(relay(&bob_welcome, &[number])).await;
        assert_eq!(bob.recv().await, relayed(&ann_welcome, &[number]));
    }
    ann.assert_quiet().await;
}

#[tokio::test]
async fn who_does_not_slow_down_is_sent_away() {
    let limits = Limits {
        messages: Rate { per_second: 1, burst: 20 },
        relay: Rate { per_second: 0, burst: 0 },
        ..Limits::default()
    };
    for in_one_frame in [false, true] {
        let server = Server::with_limits(limits.clone()).await;
        let [(mut ann, _), (mut bob, bob_welcome)] = pair(&server, "r").await;
        let mut frame = codec::frame();
        for _ in 0..100 {
            codec::push(&mut frame, &relay(&bob_welcome, b"x"));
        }
        let frames = match in_one_frame {
            true => vec![frame],
            false => vec![codec::encode(&relay(&bob_welcome, b"x")); 100],
        };
        for frame in frames {
            if ann.socket.send(Message::binary(frame)).await.is_err() {
                break;
            }
        }
        loop {
            match ann.recv().await {
                ServerMessage::Throttled { .. } => {}
                ServerMessage::Refused { refusal, .. } => {
                    assert_eq!(refusal, Refusal::RateLimited);
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(bob.recv().await, ServerMessage::Left { reason: LeaveReason::Evicted, .. }));
    }
}

/// Connects a client that takes little before it reads.
async fn join_slow(server: &Server, room: &str) -> (Client, Welcome) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let tcp = socket.connect(server.address).await.unwrap();
    let early = early_join(&join(room, "slow")).unwrap();
    let mut slow = Client::over(tcp, server, &format!("peerloom.v1, {early}")).await.unwrap();
    let welcome = slow.welcome().await;
    (slow, welcome)
}

/// Sends numbered packets of this length until one is held back; gives how many were passed on.
async fn fill(sender: &mut Client, slow: &Welcome, len: usize) -> u32 {
    for number in 0..10_000u32 {
        let mut packet = number.to_be_bytes().to_vec();
        packet.resize(len, 0);
        sender.send(relay(slow, &packet)).await;
        sender.send(ClientMessage::Ping { nonce: number }).await;
        match sender.recv().await {
            ServerMessage::Pong { .. } => {}
            message => {
                assert_eq!(message, throttled(slow, 200));
                assert_eq!(sender.recv().await, ServerMessage::Pong { nonce: number });
                return number;
            }
        }
    }
    panic!("a client that does not read is never full");
}

#[tokio::test]
async fn a_slow_receiver_slows_its_senders_and_loses_nothing() {
    for (len, outbox) in [
        (16_000, OutboxLimits { messages: 1_000, bytes: 256 * 1024 }),
        (16_000, OutboxLimits { messages: 10, bytes: usize::MAX / 2 }),
    ] {
        let limits = Limits {
            messages: PLENTY,
            bytes: PLENTY,
            relay: PLENTY,
            relay_room: PLENTY,
            outbox,
            ..Limits::default()
        };
        let server = Server::with_limits(limits).await;
        let (mut sender, sender_welcome) = Client::join(&server, join("r", "sender")).await;
        let (mut slow, slow_welcome) = join_slow(&server, "r").await;
        sender.joined().await;
        let passed = fill(&mut sender, &slow_welcome, len).await;
        // What must not be held back still has room.
        sender.send(signal(&slow_welcome, b"are you there?")).await;
        sender.assert_quiet().await;
        for number in 0..passed {
            match slow.recv().await {
                ServerMessage::Relayed { from, packet, .. } => {
                    assert_eq!((from, &packet[..4]), (sender_welcome.id, &number.to_be_bytes()[..]));
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(slow.recv().await, ServerMessage::Signal { .. }));
        sender.send(relay(&slow_welcome, b"again")).await;
        assert_eq!(slow.recv().await, relayed(&sender_welcome, b"again"));
        slow.assert_quiet().await;
    }
}

#[tokio::test]
async fn who_has_much_to_take_is_heard_meanwhile() {
    let limits =
        Limits { messages: PLENTY, bytes: PLENTY, relay: PLENTY, relay_room: PLENTY, ..Limits::default() };
    let server = Server::with_limits(limits).await;
    let (mut sender, sender_welcome) = Client::join(&server, join("r", "sender")).await;
    let (mut slow, slow_welcome) = join_slow(&server, "r").await;
    sender.joined().await;
    let passed = fill(&mut sender, &slow_welcome, 16_000).await;
    // It has taken nothing of all that, and still it can speak.
    slow.send(relay(&sender_welcome, b"slowly, please")).await;
    assert_eq!(sender.recv().await, relayed(&slow_welcome, b"slowly, please"));
    // An answer comes after what was there before it, and not after all that comes.
    slow.send(ClientMessage::Ping { nonce: 9 }).await;
    let mut taken = 0;
    loop {
        match slow.recv().await {
            ServerMessage::Relayed { .. } => taken += 1,
            ServerMessage::Pong { nonce } => break assert_eq!(nonce, 9),
            other => panic!("{other:?}"),
        }
        // For every packet taken comes another.
        sender.send(relay(&slow_welcome, &[0; 16_000])).await;
    }
    assert!(taken < passed + 64, "{taken} packets before the answer, {passed} were there");
}

#[tokio::test]
async fn who_takes_nothing_and_says_nothing_is_silent() {
    let limits = Limits {
        messages: PLENTY,
        bytes: PLENTY,
        relay: PLENTY,
        relay_room: PLENTY,
        ping_interval: Duration::from_millis(200),
        pong_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let server = Server::with_limits(limits).await;
    let (mut sender, _) = Client::join(&server, join("r", "sender")).await;
    let (_gone, gone_welcome) = join_slow(&server, "r").await;
    sender.joined().await;
    // Its network is away: packets pile up for it, and it is not sent away for that.
    loop {
        sender.send(relay(&gone_welcome, &[0; 16_000])).await;
        sender.send(ClientMessage::Ping { nonce: 1 }).await;
        match sender.recv().await {
            ServerMessage::Pong { .. } => {}
            ServerMessage::Throttled { .. } => {
                assert_eq!(sender.recv().await, ServerMessage::Pong { nonce: 1 })
            }
            ServerMessage::Left { id, reason, .. } => {
                assert_eq!((id, reason), (gone_welcome.id, LeaveReason::Silent));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The meter on bytes stands above the relay's limits: who keeps to the one does not break the other.
#[tokio::test]
async fn a_full_burst_passes_the_meter_on_bytes() {
    // Equal, which is the closest that settings allow; the smallest packets have the most around them.
    let burst = 131_072;
    let limits = Limits {
        bytes: Rate { per_second: PER_SECOND, burst },
        relay: Rate { per_second: PER_SECOND, burst },
        ..Limits::default()
    };
    for cost in [RELAY_PACKET_COST, 1_024, 16_384] {
        let server = Server::with_limits(limits.clone()).await;
        let [(mut ann, ann_welcome), (mut bob, bob_welcome)] = pair(&server, "r").await;
        // The first few packets pay for the request that opened the WebSocket.
        let count = burst as usize / cost - 4_096_usize.div_ceil(cost);
        for _ in 0..count {
            ann.send(relay(&bob_welcome, &packet(cost))).await;
            assert_eq!(bob.recv().await, relayed(&ann_welcome, &packet(cost)));
        }
        ann.assert_quiet().await;
    }
}
