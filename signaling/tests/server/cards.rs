//! Cards: dealt to newcomers, each once, with the numbers their owners know them by.

use peerloom_protocol::limits::MAX_CARDS;
use peerloom_protocol::signal::{ClientMessage, Member};

use crate::common::{Client, Server, card, cards, deposit, join};

/// Room, and a member with these cards deposited.
async fn resident(server: &Server, deposits: &[ClientMessage]) -> Client {
    let (mut resident, _) = Client::join(server, join("r", "resident")).await;
    for message in deposits {
        resident.send(message.clone()).await;
    }
    resident.assert_quiet().await;
    resident
}

/// Joins with cards and gives what the welcome says of each member.
async fn newcomer(server: &Server, own: &[&str]) -> (Client, Vec<(Option<String>, Option<u32>)>) {
    let mut join = join("r", "newcomer");
    join.cards = cards(own);
    let (client, welcome) = Client::join(server, join).await;
    let dealt = welcome.members.iter().map(dealt).collect();
    (client, dealt)
}

fn dealt(member: &Member) -> (Option<String>, Option<u32>) {
    let card = member.card.as_ref().map(|card| String::from_utf8(card.to_vec()).unwrap());
    (card, member.given)
}

#[tokio::test]
async fn both_sides_get_a_card_of_the_other_and_its_number() {
    let server = Server::start().await;
    let mut resident = resident(&server, &[deposit(false, &[(41, "old"), (42, "new")])]).await;

    let (_first, seen) = newcomer(&server, &["mine 0", "mine 1"]).await;
    assert_eq!(seen, [(Some("old".into()), Some(0))]);
    assert_eq!(dealt(&resident.joined().await), (Some("mine 0".into()), Some(41)));
}

#[tokio::test]
async fn a_deposited_card_is_given_out_once() {
    let server = Server::start().await;
    let mut resident = resident(&server, &[deposit(false, &[(1, "one"), (2, "two")])]).await;
    for (expected, tag) in [(Some("one"), Some(1)), (Some("two"), Some(2)), (None, None)] {
        let (mut newcomer, seen) = newcomer(&server, &[]).await;
        assert_eq!(seen, [(expected.map(str::to_owned), None)]);
        assert_eq!(dealt(&resident.joined().await), (None, tag));
        newcomer.send(ClientMessage::Leave).await;
        resident.recv().await;
    }
}

#[tokio::test]
async fn the_newcomers_cards_go_to_the_newest_members() {
    let server = Server::start().await;
    let mut members = Vec::new();
    for _ in 0..4 {
        members.push(Client::join(&server, join("r", "member")).await);
    }
    let (_newcomer, seen) = newcomer(&server, &["a", "b"]).await;
    assert_eq!(seen, [(None, Some(0)), (None, Some(1)), (None, None), (None, None)]);
    for (joins_after, (member, _)) in members.iter_mut().rev().enumerate() {
        for _ in 0..joins_after {
            member.joined().await;
        }
        let expected = ["a", "b"].get(joins_after).map(|&text| card(text));
        assert_eq!(member.joined().await.card, expected);
    }
}

#[tokio::test]
async fn no_more_than_the_limit_is_kept_and_the_oldest_go_first() {
    let server = Server::start().await;
    let full = [(1, "1"), (2, "2"), (3, "3"), (4, "4")];
    assert_eq!(full.len(), MAX_CARDS);
    let mut resident = resident(&server, &[deposit(false, &full), deposit(false, &[(5, "5")])]).await;
    for tag in [Some(2), Some(3), Some(4), Some(5), None] {
        let (mut newcomer, _) = newcomer(&server, &[]).await;
        assert_eq!(resident.joined().await.given, tag);
        newcomer.send(ClientMessage::Leave).await;
        resident.recv().await;
    }
}

#[tokio::test]
async fn a_deposit_may_replace_what_was_there() {
    let server = Server::start().await;
    let replaced = [deposit(false, &[(1, "1"), (2, "2")]), deposit(true, &[(3, "3")])];
    let mut resident = resident(&server, &replaced).await;
    let (_a, seen) = newcomer(&server, &[]).await;
    assert_eq!(seen, [(Some("3".into()), None)]);
    let (_b, seen) = newcomer(&server, &[]).await;
    assert_eq!(seen[1], (None, None));
    assert_eq!(resident.joined().await.given, Some(3));
}

#[tokio::test]
async fn cards_of_one_room_stay_there() {
    let server = Server::start().await;
    let _resident = resident(&server, &[deposit(false, &[(1, "1")])]).await;
    let (_other, welcome) = Client::join(&server, join("another", "x")).await;
    assert!(welcome.members.is_empty());
    let (_newcomer, seen) = newcomer(&server, &[]).await;
    assert_eq!(seen, [(Some("1".into()), None)]);
}
