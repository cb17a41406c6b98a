//! Coming back under the same id, and nobody else doing so.

use peerloom_protocol::id::PeerId;
use peerloom_protocol::signal::{ClientMessage, Join, LeaveReason, Refusal, ServerMessage, Welcome};
use peerloom_signaling::Config;

use crate::common::{Client, Server, assert_left, join, signal};

/// Comes back as who joined so.
async fn resume(server: &Server, room: &str, joined: &Join) -> (Client, Welcome) {
    let room = room.try_into().unwrap();
    Client::join(server, Join { room, returns: true, ..joined.clone() }).await
}

#[tokio::test]
async fn the_id_survives_a_restart_of_the_server() {
    let server = Server::start().await;
    let port = server.address.port();
    let ann = join("r", "ann");
    let (_client, before) = Client::join(&server, ann.clone()).await;
    assert_eq!(before.id, PeerId::of(&ann.key, &ann.secret.hash()));
    server.stop().await;

    let server = Server::on(Config::default(), port).await;
    let (_client, after) = resume(&server, "r", &ann).await;
    assert_eq!(after.id, before.id);
}

#[tokio::test]
async fn a_newer_connection_takes_over_and_the_others_see_no_gap() {
    let server = Server::start().await;
    let (mut watcher, watcher_welcome) = Client::join(&server, join("r", "watcher")).await;
    let ann = join("r", "ann");
    let (mut old, before) = Client::join(&server, ann.clone()).await;
    watcher.joined().await;

    let (mut new, after) = resume(&server, "r", &ann).await;
    assert_eq!(after.id, before.id);
    assert_ne!(after.epoch, before.epoch);
    let listed: Vec<_> = after.members.iter().map(|member| member.id).collect();
    assert_eq!(listed, [watcher_welcome.id], "the older stay is not listed");

    let told = watcher.joined().await;
    assert_eq!((told.id, told.epoch), (after.id, after.epoch));
    old.assert_refused(Refusal::Replaced).await;
    drop(old);

    // The end of the old connection is not the end of the stay, and signals go to the new one.
    watcher.send(signal(&after, b"hello")).await;
    assert!(matches!(new.recv().await, ServerMessage::Signal { .. }));
    watcher.send(signal(&before, b"hello")).await;
    assert!(matches!(watcher.recv().await, ServerMessage::Refused { refusal: Refusal::PeerGone, .. }));
    new.send(ClientMessage::Leave).await;
    assert_left(&mut watcher, &after, LeaveReason::Left).await;
}

#[tokio::test]
async fn who_comes_back_is_told_who_left_meanwhile() {
    let server = Server::start().await;
    let (mut watcher, _) = Client::join(&server, join("r", "watcher")).await;
    let ann = join("r", "ann");
    let (away, before) = Client::join(&server, ann.clone()).await;
    let (mut polite, goodbye) = Client::join(&server, join("r", "bob")).await;
    let (broken, lost) = Client::join(&server, join("r", "cem")).await;
    for _ in 0..3 {
        watcher.joined().await;
    }
    drop(away);
    assert_left(&mut watcher, &before, LeaveReason::Lost).await;
    polite.send(ClientMessage::Leave).await;
    assert_left(&mut watcher, &goodbye, LeaveReason::Left).await;
    drop(broken);
    assert_left(&mut watcher, &lost, LeaveReason::Lost).await;

    let (mut back, _) = resume(&server, "r", &ann).await;
    assert_left(&mut back, &goodbye, LeaveReason::Left).await;
    assert_left(&mut back, &lost, LeaveReason::Lost).await;

    // Who never was there knows none of them.
    let (mut newcomer, _) = Client::join(&server, join("r", "dan")).await;
    newcomer.send(ClientMessage::Ping { nonce: 7 }).await;
    assert_eq!(newcomer.recv().await, ServerMessage::Pong { nonce: 7 });
}

#[tokio::test]
async fn one_id_may_be_in_two_rooms() {
    let server = Server::start().await;
    let ann = join("one", "ann");
    let (mut one, before) = Client::join(&server, ann.clone()).await;
    let (mut two, after) = resume(&server, "two", &ann).await;
    assert_eq!(before.id, after.id);
    one.assert_quiet().await;
    two.assert_quiet().await;
}

#[tokio::test]
async fn without_the_secret_or_the_key_one_is_somebody_else() {
    let server = Server::start().await;
    let ann = join("r", "ann");
    let (mut client, welcome) = Client::join(&server, ann.clone()).await;
    // What a member of the room knows of it: the hello and the key, and the hash of the secret.
    let mut guess = ann.clone();
    guess.secret.0 = ann.secret.hash();
    let (_eve, eve) = resume(&server, "r", &guess).await;
    assert_ne!(eve.id, welcome.id);
    assert_eq!(client.joined().await.id, eve.id);
    // And with the secret, but another key, which peers would check.
    let (_eve, eve) = resume(&server, "r", &Join { key: [2; 32], ..ann.clone() }).await;
    assert_ne!(eve.id, welcome.id);
    assert_eq!(client.joined().await.id, eve.id);
    client.assert_quiet().await;
}
