//! A member that does not read: sent away without harm to anyone else.

use futures_util::SinkExt;
use peerloom_protocol::codec;
use peerloom_protocol::signal::{LeaveReason, Refusal, ServerMessage, early_join};
use peerloom_signaling::{Limits, Rate};
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::Message;

use crate::common::{Client, Server, join, signal};

#[tokio::test]
async fn it_is_evicted_and_the_others_do_not_notice() {
    let plenty = Rate { per_second: u32::MAX, burst: u32::MAX };
    let server = Server::with_limits(Limits { messages: plenty, bytes: plenty, ..Limits::default() }).await;
    let (mut sender, sender_welcome) = Client::join(&server, join("r", "sender")).await;
    let (mut other, other_welcome) = Client::join(&server, join("r", "other")).await;
    sender.joined().await;

    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let tcp = socket.connect(server.address).await.unwrap();
    let early = early_join(&join("r", "slow")).unwrap();
    let mut slow = Client::over(tcp, &server, &format!("peerloom.v1, {early}")).await.unwrap();
    let slow_welcome = slow.welcome().await;
    sender.joined().await;
    other.joined().await;

    // 64 messages or 256 KiB wait in the outbox, some more in the kernel: far less than these 60 MB.
    let mut evicted = false;
    for round in 0..3_000 {
        let message = codec::encode(&signal(&slow_welcome, &[7; 20_000]));
        sender.socket.send(Message::Binary(message.into())).await.unwrap();
        // Those who read are served all the while.
        sender.send(signal(&other_welcome, b"still there?")).await;
        match other.recv().await {
            ServerMessage::Signal { from, .. } => assert_eq!(from, sender_welcome.id),
            ServerMessage::Left { id, reason, .. } => {
                assert_eq!((id, reason), (slow_welcome.id, LeaveReason::Evicted));
                evicted = true;
                println!("evicted after {round} messages");
                break;
            }
            unexpected => panic!("{unexpected:?}"),
        }
    }
    assert!(evicted, "a client that never reads is sent away");

    // If it wakes up in time it finds what was on its way, and then the reason.
    loop {
        match slow.next().await {
            Ok(ServerMessage::Signal { .. }) => {}
            Ok(ServerMessage::Refused { refusal, .. }) => assert_eq!(refusal, Refusal::SlowConsumer),
            Ok(unexpected) => panic!("{unexpected:?}"),
            Err(code) => {
                assert!([None, Some(Refusal::SlowConsumer.close_code())].contains(&code), "{code:?}");
                break;
            }
        }
    }
}

/// Whoever reads stays, however much another member says to it in one moment.
#[tokio::test]
async fn one_that_reads_is_not_evicted_by_a_burst() {
    let server = Server::start().await;
    let (mut hostile, _) = Client::join(&server, join("r", "hostile")).await;
    let (mut victim, welcome) = Client::join(&server, join("r", "victim")).await;
    hostile.joined().await;
    // As many records in one message as the limits allow at once.
    let record = codec::encode(&signal(&welcome, b"x"));
    let mut frame = codec::frame();
    for _ in 0..400 {
        frame.extend_from_slice(&record[1..]);
    }
    hostile.socket.send(Message::Binary(frame.into())).await.unwrap();
    let mut throttled = 0;
    // Half of what may wait but for who comes and goes; the rest is for others.
    const SHARE: usize = 24;
    while throttled < 400 - SHARE {
        match hostile.recv().await {
            ServerMessage::Throttled { to, epoch, .. } => {
                assert_eq!((to, epoch), (welcome.id, welcome.epoch));
                throttled += 1;
            }
            unexpected => panic!("{unexpected:?}"),
        }
    }
    for _ in 0..SHARE {
        assert!(matches!(victim.recv().await, ServerMessage::Signal { .. }));
    }
    hostile.send(signal(&welcome, b"later")).await;
    assert!(matches!(victim.recv().await, ServerMessage::Signal { .. }));
}
