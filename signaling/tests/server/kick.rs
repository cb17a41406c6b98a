//! Sending members away: who may, whom it reaches, and every way back in that must not work.

use peerloom_protocol::signal::{ClientMessage, Join, LeaveReason, Refusal, ServerMessage, Welcome};
use serde_json::{Value, json};

use crate::common::{Client, Server, assert_left, join, within};
use crate::tokens::{bringing, claims, signed, usual, with};

fn kick(who: &Welcome, reason: &str) -> ClientMessage {
    ClientMessage::Kick { to: who.id, epoch: who.epoch, reason: reason.try_into().unwrap() }
}

/// A token that permits this, for whom it names.
fn token(room: &str, perm: &Value, sub: Option<&str>) -> String {
    let claims = with(claims(room), "perm", perm.clone());
    signed(&match sub {
        Some(sub) => with(claims, "sub", json!(sub)),
        None => claims,
    })
}

/// A join of the owner of a key, of whom the token says who it is.
fn by(key: u8, room: &str, sub: Option<&str>) -> Join {
    Join { key: [key; 32], ..bringing(room, &token(room, &json!(["join"]), sub)) }
}

/// Somebody who may kick, in the room.
async fn moderator(server: &Server, room: &str) -> (Client, Welcome) {
    let token = token(room, &json!(["join", "kick"]), Some("moderator"));
    Client::join(server, Join { key: [200; 32], ..bringing(room, &token) }).await
}

async fn assert_kept_out(server: &Server, join: Join) {
    let mut client = Client::join_unanswered(server, join).await;
    client.assert_refused(Refusal::Kicked).await;
}

#[tokio::test]
async fn a_member_that_is_kicked_goes_and_everybody_hears_why() {
    let server = usual().await;
    let (mut moderator, _) = moderator(&server, "r").await;
    let (mut victim, gone) = Client::join(&server, by(1, "r", None)).await;
    let (mut other, _) = Client::join(&server, by(2, "r", None)).await;
    moderator.joined().await;
    moderator.joined().await;
    victim.joined().await;
    moderator.send(kick(&gone, "spam")).await;
    assert_left(&mut moderator, &gone, LeaveReason::Kicked).await;
    assert_left(&mut other, &gone, LeaveReason::Kicked).await;
    assert_eq!(victim.assert_refused(Refusal::Kicked).await, "spam");
    for client in [&mut moderator, &mut other] {
        client.assert_quiet().await;
    }
    // Nobody is told twice when the connection ends after that, and the counts are right.
    let health = server.get("/healthz", "").await;
    assert!(health.contains("\"connections\":2,\"rooms\":1"), "{health}");
    // Without a word about it, the member is told something all the same.
    let (mut victim, gone) = Client::join(&server, by(3, "r", None)).await;
    moderator.send(kick(&gone, "")).await;
    assert_eq!(victim.assert_refused(Refusal::Kicked).await, "a member has sent you away");
}

#[tokio::test]
async fn neither_another_key_nor_another_name_leads_back_in() {
    let server = usual().await;
    let (mut moderator, _) = moderator(&server, "r").await;
    let (mut victim, gone) = Client::join(&server, by(1, "r", Some("eve"))).await;
    moderator.joined().await;
    moderator.send(kick(&gone, "spam")).await;
    victim.assert_refused(Refusal::Kicked).await;
    assert_kept_out(&server, by(1, "r", Some("eve"))).await;
    assert_kept_out(&server, by(2, "r", Some("eve"))).await;
    assert_kept_out(&server, by(1, "r", Some("mallory"))).await;
    assert_kept_out(&server, by(1, "r", None)).await;
    // The early join is no way around, nor is the late one.
    let mut late = Client::connect(&server).await;
    late.send(ClientMessage::Join(by(1, "r", Some("eve")))).await;
    late.assert_refused(Refusal::Kicked).await;
    // Others are not meant, and nor is another room.
    Client::join(&server, by(2, "r", Some("bob"))).await;
    Client::join(&server, by(1, "q", Some("eve"))).await;
    // Nor does it help when the room empties meanwhile.
    drop(moderator);
    let emptied = async {
        while !server.get("/healthz", "").await.contains("\"rooms\":0") {
            tokio::task::yield_now().await;
        }
    };
    within(emptied).await;
    assert_kept_out(&server, by(1, "r", None)).await;
}

#[tokio::test]
async fn who_may_not_kick_is_told_so_and_stays() {
    let server = usual().await;
    let nameless = bringing("r", &signed(&claims("r")));
    let tokens =
        [json!(["join", "relay"]), json!(["join", "KICK"]), json!(["join", "kick "]), json!(["join", ""])];
    let named = tokens.iter().map(|perm| bringing("r", &token("r", perm, None)));
    for intruder in named.chain([nameless]) {
        let (mut victim, here) = Client::join(&server, by(1, "r", None)).await;
        let (mut intruder, _) = Client::join(&server, intruder).await;
        victim.joined().await;
        for reason in ["one", "two"] {
            intruder.send(kick(&here, reason)).await;
            match intruder.recv().await {
                ServerMessage::Refused { refusal: Refusal::Forbidden, detail } => {
                    assert!(detail.contains("kick"), "{}", &*detail);
                }
                other => panic!("{other:?}"),
            }
        }
        intruder.assert_quiet().await;
        victim.assert_quiet().await;
    }
    // A name that looks like a list of permissions is none.
    let text = signed(&with(claims("r"), "perm", json!("join kick")));
    Client::join_unanswered(&server, bringing("r", &text)).await.assert_refused(Refusal::Unauthorized).await;
}

#[tokio::test]
async fn where_no_tokens_are_asked_for_nobody_may_kick() {
    let server = Server::start().await;
    let (mut victim, here) = Client::join(&server, join("r", "victim")).await;
    let token = token("r", &json!(["join", "kick"]), None);
    let (mut intruder, _) = Client::join(&server, bringing("r", &token)).await;
    victim.joined().await;
    intruder.send(kick(&here, "spam")).await;
    assert!(matches!(intruder.recv().await, ServerMessage::Refused { refusal: Refusal::Forbidden, .. }));
    victim.assert_quiet().await;
}

#[tokio::test]
async fn no_kick_reaches_into_another_room() {
    let server = usual().await;
    let (mut moderator, _) = moderator(&server, "r").await;
    let (mut elsewhere, there) = Client::join(&server, by(1, "q", None)).await;
    moderator.send(kick(&there, "spam")).await;
    assert_left(&mut moderator, &there, LeaveReason::Lost).await;
    elsewhere.assert_quiet().await;
    Client::join(&server, by(1, "r", None)).await;
    Client::join(&server, by(1, "q", None)).await;
}

#[tokio::test]
async fn who_goes_when_it_sees_what_is_coming_is_kept_out_all_the_same() {
    let server = usual().await;
    let (mut moderator, _) = moderator(&server, "r").await;
    let (mut victim, gone) = Client::join(&server, by(1, "r", Some("eve"))).await;
    let (mut other, _) = Client::join(&server, by(2, "r", None)).await;
    moderator.joined().await;
    moderator.joined().await;
    victim.joined().await;
    // Its direct connections may live on.
    victim.close(Some(4100)).await;
    for client in [&mut moderator, &mut other] {
        assert_left(client, &gone, LeaveReason::Silent).await;
    }
    moderator.send(kick(&gone, "spam")).await;
    for client in [&mut moderator, &mut other] {
        assert_left(client, &gone, LeaveReason::Kicked).await;
    }
    assert_kept_out(&server, by(3, "r", Some("eve"))).await;
    // And who was away meanwhile hears of it.
    let returning = Join { returns: true, ..by(4, "r", None) };
    let (mut returning, _) = Client::join(&server, returning).await;
    assert_left(&mut returning, &gone, LeaveReason::Kicked).await;
}

#[tokio::test]
async fn who_joins_again_and_again_does_not_dodge() {
    let server = usual().await;
    let (mut moderator, _) = moderator(&server, "r").await;
    let again = by(1, "r", None);
    let (_first, gone) = Client::join(&server, again.clone()).await;
    let (mut second, here) = Client::join(&server, again).await;
    assert_eq!(gone.id, here.id);
    moderator.joined().await;
    moderator.joined().await;
    moderator.send(kick(&gone, "spam")).await;
    assert_left(&mut moderator, &here, LeaveReason::Kicked).await;
    assert_eq!(second.assert_refused(Refusal::Kicked).await, "spam");
}
