//! Coming, going and talking inside a room.

use crate::common::{Client, Server, assert_left, join, signal, within};
use peerloom_protocol::codec;
use peerloom_protocol::signal::{ClientMessage, LeaveReason, Refusal, ServerMessage, close};

#[tokio::test]
async fn two_members_see_each_other() {
    let server = Server::start().await;
    let (mut ann, ann_welcome) = Client::join(&server, join("r", "ann")).await;
    assert!(ann_welcome.members.is_empty());

    let (mut bob, bob_welcome) = Client::join(&server, join("r", "bob")).await;
    let [seen] = &bob_welcome.members[..] else { panic!("bob sees one member") };
    assert_eq!((seen.id, seen.epoch, &*seen.hello), (ann_welcome.id, ann_welcome.epoch, &b"ann"[..]));
    assert_eq!((&seen.card, seen.given), (&None, None));

    let told = ann.joined().await;
    assert_eq!((told.id, told.epoch, &*told.hello), (bob_welcome.id, bob_welcome.epoch, &b"bob"[..]));
    assert_ne!(ann_welcome.id, bob_welcome.id);
    assert_ne!(ann_welcome.epoch, bob_welcome.epoch);
    ann.assert_quiet().await;
    bob.assert_quiet().await;
}

#[tokio::test]
async fn a_join_may_come_as_the_first_message() {
    let server = Server::start().await;
    let mut ann = Client::connect(&server).await;
    ann.send(ClientMessage::Join(join("r", "ann"))).await;
    let welcome = ann.welcome().await;
    let (_bob, bob_welcome) = Client::join(&server, join("r", "bob")).await;
    assert_eq!(bob_welcome.members[0].id, welcome.id);
    assert_eq!(ann.joined().await.id, bob_welcome.id);
}

#[tokio::test]
async fn a_frame_may_hold_the_join_and_more() {
    let server = Server::start().await;
    let mut ann = Client::connect(&server).await;
    let mut frame = codec::frame();
    for message in [
        ClientMessage::Join(join("r", "ann")),
        ClientMessage::Ping { nonce: 1 },
        ClientMessage::Ping { nonce: 2 },
    ] {
        codec::push(&mut frame, &message);
    }
    ann.send_bytes(frame).await;
    ann.welcome().await;
    assert_eq!(ann.recv().await, ServerMessage::Pong { nonce: 1 });
    assert_eq!(ann.recv().await, ServerMessage::Pong { nonce: 2 });
}

#[tokio::test]
async fn the_newest_member_is_listed_first() {
    let server = Server::start().await;
    let mut open = Vec::new();
    for name in ["a", "b", "c"] {
        open.push(Client::join(&server, join("r", name)).await);
    }
    let (_late, welcome) = Client::join(&server, join("r", "late")).await;
    let hellos: Vec<_> = welcome.members.iter().map(|member| &*member.hello).collect();
    assert_eq!(hellos, [b"c", b"b", b"a"]);
}

#[tokio::test]
async fn a_signal_reaches_its_receiver_with_the_sender_stamped() {
    let server = Server::start().await;
    let (mut ann, ann_welcome) = Client::join(&server, join("r", "ann")).await;
    let (mut bob, bob_welcome) = Client::join(&server, join("r", "bob")).await;
    let (mut eve, _) = Client::join(&server, join("r", "eve")).await;
    bob.joined().await; // eve
    bob.send(signal(&ann_welcome, b"offer")).await;
    ann.joined().await; // bob
    ann.joined().await; // eve
    let expected = ServerMessage::Signal {
        from: bob_welcome.id,
        epoch: bob_welcome.epoch,
        envelope: b"offer".to_vec().try_into().unwrap(),
    };
    assert_eq!(ann.recv().await, expected);
    eve.assert_quiet().await;
}

#[tokio::test]
async fn a_signal_stays_in_its_room() {
    let server = Server::start().await;
    let (mut ann, ann_welcome) = Client::join(&server, join("one", "ann")).await;
    let (mut bob, _) = Client::join(&server, join("two", "bob")).await;
    bob.send(signal(&ann_welcome, b"psst")).await;
    assert_peer_gone(&mut bob).await;
    bob.assert_quiet().await;
    ann.assert_quiet().await;
}

#[tokio::test]
async fn a_signal_for_an_earlier_stay_is_dropped() {
    let server = Server::start().await;
    let (mut ann, ann_welcome) = Client::join(&server, join("r", "ann")).await;
    let (mut bob, _) = Client::join(&server, join("r", "bob")).await;
    ann.joined().await;
    let mut stale = ann_welcome.clone();
    stale.epoch = stale.epoch.wrapping_sub(1);
    bob.send(signal(&stale, b"late")).await;
    assert_peer_gone(&mut bob).await;
    ann.assert_quiet().await;
}

async fn assert_peer_gone(client: &mut Client) {
    let message = client.recv().await;
    assert!(
        matches!(message, ServerMessage::Refused { refusal: Refusal::PeerGone, .. }),
        "expected peer-gone, got {message:?}"
    );
}

#[tokio::test]
async fn leaving_is_told_with_its_reason() {
    let server = Server::start().await;
    let (mut watcher, _) = Client::join(&server, join("r", "watcher")).await;

    let (mut leaves, welcome) = Client::join(&server, join("r", "says goodbye")).await;
    watcher.joined().await;
    leaves.send(ClientMessage::Leave).await;
    assert_left(&mut watcher, &welcome, LeaveReason::Left).await;
    assert_eq!(leaves.next().await, Err(Some(close::NORMAL)));

    for (code, reason) in [
        (1000, LeaveReason::Left),
        (1001, LeaveReason::Left),
        (4999, LeaveReason::Lost),
        (3000, LeaveReason::Lost),
        (close::WILL_RETURN, LeaveReason::Silent),
    ] {
        let (mut closes, welcome) = Client::join(&server, join("r", "closes")).await;
        watcher.joined().await;
        closes.close(Some(code)).await;
        assert_left(&mut watcher, &welcome, reason).await;
    }

    let (mut closes, welcome) = Client::join(&server, join("r", "closes without a code")).await;
    watcher.joined().await;
    closes.close(None).await;
    assert_left(&mut watcher, &welcome, LeaveReason::Left).await;

    let (vanishes, welcome) = Client::join(&server, join("r", "vanishes")).await;
    watcher.joined().await;
    drop(vanishes);
    assert_left(&mut watcher, &welcome, LeaveReason::Lost).await;

    let (mut misbehaves, welcome) = Client::join(&server, join("r", "misbehaves")).await;
    watcher.joined().await;
    misbehaves.send(ClientMessage::Join(join("r", "again"))).await;
    assert_left(&mut watcher, &welcome, LeaveReason::Evicted).await;
    misbehaves.assert_refused(Refusal::UnexpectedMessage).await;
}

/// Comes and goes in one of three rooms, and signals to everyone found there.
async fn restless(server: &Server, number: usize) {
    let mut secret = None;
    for stay in 0..10 {
        let mut join = join(["a", "b", "c"][(number + stay) % 3], "x");
        join.secret = *secret.get_or_insert(join.secret);
        let (mut client, welcome) = Client::join(server, join).await;
        for member in welcome.members.iter() {
            let envelope = vec![1; 100].try_into().unwrap();
            client.send(ClientMessage::Signal { to: member.id, epoch: member.epoch, envelope }).await;
        }
        match (number + stay) % 4 {
            0 => client.send(ClientMessage::Leave).await,
            1 => client.close(Some(1001)).await,
            // Comes back, by the next turn, while this one may still be there.
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_come_and_go_at_once_on_several_threads() {
    let server = std::sync::Arc::new(Server::start().await);
    let clients: Vec<_> = (0..40)
        .map(|number| {
            let server = server.clone();
            tokio::spawn(async move { restless(&server, number).await })
        })
        .collect();
    for client in clients {
        within(client).await.unwrap();
    }
    within(async { while !server.get("/healthz", "").await.contains("\"connections\":0,\"rooms\":0") {} })
        .await;
}
