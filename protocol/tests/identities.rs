//! A server that lies about who is who, against the core alone: a page is told by hand what such a server would say.
#![allow(clippy::unwrap_used)]

#[path = "support/page.rs"]
mod page;

use std::rc::Rc;

use peerloom_protocol::action::{Action, ConnectionId, Event, Input};
use peerloom_protocol::bounded::List;
use peerloom_protocol::card::Card;
use peerloom_protocol::codec;
use peerloom_protocol::control::Control;
use peerloom_protocol::envelope::Envelope;
use peerloom_protocol::failure::RoomError;
use peerloom_protocol::hello::{Hello, SessionHello};
use peerloom_protocol::id::{PeerId, ResumeToken};
use peerloom_protocol::identity::Verdict;
use peerloom_protocol::limits;
use peerloom_protocol::node::{Config, Node};
use peerloom_protocol::sdp;
use peerloom_protocol::seal::{Seal, SecretKey};
use peerloom_protocol::signal::{
    ClientMessage, HelloBytes, LeaveReason, Member, Refusal, ServerMessage, Welcome,
};
use peerloom_protocol::sim::app::Bytes;
use peerloom_protocol::vault::{About, Vault};

use page::{OFFER, Other, Page, config};

/// The code that a page gives for a member that is described so; None when it begins to connect.
fn judged(member: Member) -> Option<&'static str> {
    let mut page = Page::new(None);
    page.welcome(vec![member]);
    let joined = page.events.iter().any(|event| matches!(event, Event::PeerJoined { .. }));
    assert!(joined, "everybody the server names is told");
    page.failures().first().map(|(_, code)| *code)
}

#[test]
fn whatever_bit_of_a_hello_is_changed_it_is_not_believed() {
    let other = Other::new(5);
    assert_eq!(judged(other.listed()), None);
    let hello = other.hello();
    for index in 0..hello.len() {
        for bit in [1, 0x80] {
            let mut changed = hello.clone();
            changed[index] ^= bit;
            let code = judged(other.with(changed));
            assert!(code.is_some(), "bit {bit} of byte {index}");
        }
    }
    // Cut short, and with more behind it.
    for len in 0..hello.len() {
        assert!(judged(other.with(hello[..len].to_vec())).is_some(), "{len} bytes of it");
    }
    assert!(judged(other.with([&hello[..], &[1, 99]].concat())).is_some());
}

#[test]
fn a_hello_for_another_room_or_of_another_id_is_not_believed() {
    let (other, another) = (Other::new(5), Other::new(6));
    let elsewhere = Hello { identity: Some(other.identity("elsewhere")), ..other.hello.clone() };
    assert_eq!(judged(other.with(elsewhere.encode())), Some("forged-identity"));
    assert_eq!(judged(other.with(another.hello())), Some("forged-identity"));
    // The key of one, with the other's hash of a secret.
    let mut mixed = other.identity("demo");
    mixed.secret_hash = another.secret.hash();
    let hello = Hello { identity: Some(mixed), ..other.hello.clone() };
    assert_eq!(judged(other.with(hello.encode())), Some("forged-identity"));
}

#[test]
fn of_a_peer_that_is_not_believed_nothing_is_taken_over() {
    let (mut page, other) = (Page::new(None), Other::new(5));
    let mut hello = other.hello();
    *hello.last_mut().unwrap() ^= 1;
    page.welcome(vec![other.with(hello)]);
    let before = page.connections;
    let metadata = page.events.iter().find_map(|event| match event {
        Event::PeerJoined { metadata, .. } => Some(metadata.clone()),
        _ => None,
    });
    assert_eq!(metadata.as_deref(), Some(""));
    assert_eq!(page.failures(), [(other.id(), "forged-identity")]);
    assert_eq!(page.connections, before, "and no connection is made for it");
    assert!(page.node.send(1_000, 0, vec![b"\"secret\"".to_vec().into()], Some(other.id()), None).is_err());
}

#[test]
fn a_card_or_description_with_another_certificate_is_not_used() {
    let card = sdp::parse_local(OFFER).unwrap();
    let mut other = Other::new(5);
    for (fingerprint, code, answered) in
        [(card.fingerprint, None, 1), (other.fingerprint, Some("wrong-certificate"), 0)]
    {
        other.fingerprint = fingerprint;
        let offer = Envelope::Offer { generation: 1, sdp: OFFER.try_into().unwrap() };
        let late = Envelope::Card { card: card.encode().try_into().unwrap() };
        let first = Member { card: Some(card.encode().try_into().unwrap()), ..other.listed() };
        for (listed, envelope) in [(first, None), (other.listed(), Some(late)), (other.listed(), Some(offer))]
        {
            let mut page = Page::new(None);
            page.welcome(vec![listed]);
            let (opened, signals) = (page.connections, page.signals);
            let is_offer = matches!(envelope, Some(Envelope::Offer { .. }));
            if let Some(envelope) = envelope {
                let envelope = envelope.encode().unwrap();
                page.hear(&ServerMessage::Signal { from: other.id(), epoch: 2, envelope });
            }
            assert_eq!(page.failures().first().map(|(_, code)| *code), code);
            if is_offer {
                assert_eq!(page.connections - opened, answered, "a connection that answers");
                assert_eq!(page.signals - signals, answered, "and its answer goes out at once");
            } else {
                assert_eq!(page.answered, answered);
            }
        }
    }
}

#[test]
fn what_the_server_says_waits_until_what_came_before_is_checked() {
    let (mut page, first, second) = (Page::new(None), Other::new(5), Other::new(6));
    page.answers = false;
    page.welcome(vec![first.listed(), second.listed()]);
    let left = ServerMessage::Left { id: first.id(), epoch: 2, reason: LeaveReason::Left };
    page.hear(&left);
    assert_eq!(page.checks.len(), 2);
    assert!(!page.events.iter().any(|event| matches!(event, Event::Joined(_))));
    // The second is answered first, and the first only once.
    let checks: Vec<_> = page.checks.drain(..).collect();
    for (number, signed, message) in checks.iter().rev() {
        page.feed(Input::Checked(*number, Verdict::of(signed, message)));
        page.feed(Input::Checked(*number, Verdict::Forged));
    }
    page.feed(Input::Checked(99, Verdict::Valid));
    assert_eq!(page.failures(), []);
    let told: Vec<_> = page
        .events
        .iter()
        .filter_map(|event| match event {
            Event::PeerJoined { id, .. } => Some((*id, "joined")),
            Event::PeerLeft(id, _) => Some((*id, "left")),
            _ => None,
        })
        .collect();
    assert_eq!(told, [(first.id(), "joined"), (second.id(), "joined"), (first.id(), "left")]);
}

#[test]
fn whoever_checks_a_peer_knows_what_it_says_of_itself() {
    let (mut page, first, mut second) = (Page::new(None), Other::new(5), Other::new(6));
    second.hello = Hello { metadata: r#""Bea""#.try_into().unwrap(), ..second.hello };
    page.answers = false;
    page.welcome(vec![first.listed(), second.listed()]);
    assert_eq!(page.metadata, [r#""Ada""#, r#""Bea""#]);
    for (_, _, message) in &page.checks {
        let signs = |text: &str| message.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(signs(r#""Ada""#) != signs(r#""Bea""#), "it is what the peer has signed");
    }
    assert!(
        !page.events.iter().any(|event| matches!(event, Event::PeerJoined { .. })),
        "and before it is here"
    );
}

#[test]
fn an_id_is_the_same_in_every_room() {
    let resume = Some(ResumeToken([8; 32]));
    let elsewhere = Config { room: "another".to_owned(), resume, entropy: [4; 32], ..config() };
    assert_eq!(Page::with(elsewhere).id(), Page::new(resume).id());
    let hidden = Config { secret: Some(SECRET.to_owned()), resume, ..config() };
    assert_eq!(Page::with(hidden).id(), Page::new(resume).id());
}

#[test]
fn what_a_server_said_before_it_was_lost_is_not_believed_later() {
    let other = Other::new(5);
    for lost in [Input::SocketClosed, Input::Online] {
        let mut page = Page::new(None);
        page.answers = false;
        page.welcome(vec![other.listed()]);
        // A network that changes while it joins makes it begin again.
        page.feed(lost);
        let checks: Vec<_> = page.checks.drain(..).collect();
        assert_eq!(checks.len(), 1);
        for (number, signed, message) in checks {
            page.feed(Input::Checked(number, Verdict::of(&signed, &message)));
        }
        assert!(!page.events.iter().any(|event| matches!(event, Event::Joined(_))));
    }
}

#[test]
fn a_server_that_says_ever_more_meanwhile_is_left() {
    let (mut page, other) = (Page::new(None), Other::new(5));
    page.answers = false;
    page.welcome(vec![other.listed()]);
    let before = page.join.take().is_some();
    assert!(before);
    for nonce in 0..=limits::MAX_WAITING_MESSAGES as u32 {
        page.hear(&ServerMessage::Pong { nonce });
    }
    page.feed(Input::TimedOut);
    let checks: Vec<_> = page.checks.drain(..).collect();
    for (number, signed, message) in checks {
        page.feed(Input::Checked(number, Verdict::of(&signed, &message)));
    }
    assert!(!page.events.iter().any(|event| matches!(event, Event::Joined(_))), "it begins anew");
}

#[test]
fn after_very_many_others_a_page_takes_another_key_and_remembers_none() {
    let mut page = Page::new(None);
    page.welcome(Vec::new());
    page.hear(&ServerMessage::RelayPolicy { bytes_per_second: 1 << 20, burst: 1 << 20 });
    let key = |page: &Page| Hello::decode(&page.join.as_ref().unwrap().hello).unwrap().session.unwrap().key;
    let (first, mut other) = (key(&page), Other::new(5));
    for number in 0..=limits::MAX_STAYS_HEARD as u32 {
        assert_eq!(key(&page), first, "after {number}");
        let mut session = other.hello.session.unwrap();
        session.key[..4].copy_from_slice(&number.to_be_bytes());
        other.hello.session = Some(session);
        page.hear(&ServerMessage::Joined(other.listed()));
        page.hear(&ServerMessage::Left { id: other.id(), epoch: 2, reason: LeaveReason::Left });
    }
    page.feed(Input::TimedOut);
    assert!(page.came_back, "it joins again");
}

#[test]
fn a_page_ends_when_it_is_called_by_another_id() {
    let mut page = Page::new(None);
    page.welcome(Vec::new());
    let welcome = Welcome { id: PeerId([1; 16]), epoch: 1, members: List::default() };
    // What the server says behind that does not matter any more.
    let refused = ServerMessage::Refused { refusal: Refusal::GoingAway, detail: Default::default() };
    let mut frame = codec::frame();
    codec::push(&mut frame, &ServerMessage::Welcome(welcome));
    codec::push(&mut frame, &refused);
    page.feed(Input::SocketMessage(frame));
    let Some(Event::Closed(Some(RoomError::Refused(refusal, _)))) = page.events.last() else {
        panic!("{:?}", page.events)
    };
    assert_eq!(*refusal, Refusal::BadMessage);
}

#[test]
fn a_page_that_cannot_sign_says_so() {
    let mut page = Page::new(None);
    // The second stay, whose signature is not there.
    page.welcome(Vec::new());
    page.feed(Input::Signed(1, None));
    assert!(!page.events.iter().any(|event| matches!(event, Event::Closed(_))), "nobody waits for that one");
    let mut node: Node<Rc<[u8]>, Bytes> = Node::new(config()).unwrap();
    node.handle(0, Input::Start);
    node.handle(0, Input::LocalDescription(ConnectionId(1), OFFER.to_owned()));
    let mut codes = Vec::new();
    node.handle(0, Input::Signed(1, None));
    while let Some(action) = node.poll_action() {
        if let Action::Notify(Event::Closed(error)) = action {
            codes.push(error.map(|error| error.code()));
        }
    }
    assert_eq!(codes, [Some("no-signature")]);
}

#[test]
fn the_same_page_has_the_same_id_and_says_nothing_of_what_it_is_made_of() {
    let token = ResumeToken([8; 32]);
    let [one, again] = [Page::new(Some(token)), Page::new(Some(token))];
    assert_eq!(one.id(), again.id());
    assert_ne!(one.id(), Page::new(None).id());
    let join = one.join.unwrap();
    let hello = Hello::decode(&join.hello).unwrap();
    let identity = hello.identity.unwrap();
    assert_eq!((identity.id(), identity.key), (again.id(), join.key));
    // Members see the hello, and the server sees the secret as well; nobody sees the token.
    let seen = |haystack: &[u8], needle: &[u8]| haystack.windows(needle.len()).any(|found| found == needle);
    let hello: &HelloBytes = &join.hello;
    assert!(!seen(hello, &join.secret.0) && !seen(hello, &token.0));
    assert_ne!(join.secret.0, token.0);
}

const SECRET: &str = "AAECAwQFBgcICQoLDA0ODw";

fn in_secret() -> (Page, Vault) {
    let page = Page::with(Config { secret: Some(SECRET.to_owned()), ..config() });
    (page, Vault::new(SECRET, "demo").unwrap())
}

#[test]
fn in_a_room_with_a_secret_the_server_is_told_nothing_it_could_read() {
    let (page, vault) = in_secret();
    let join = page.join.unwrap();
    assert_eq!(&*join.room, vault.name());
    let id = PeerId::of(&join.key, &join.secret.hash());
    let hello = vault.open(About::Hello(id), &join.hello).unwrap();
    let hello = Hello::decode(&hello).unwrap();
    let session = hello.session.unwrap();
    assert_eq!((&*hello.metadata, hello.identity.unwrap().id()), (r#""Ada""#, id));
    let card = vault.open(About::Card(id, session.key), &join.cards[0]).unwrap();
    let card = Card::decode(&card).unwrap();
    let seen = |needle: &[u8]| {
        let join = codec::encode(&ClientMessage::Join(join.clone()));
        join.windows(needle.len()).any(|found| found == needle)
    };
    for hidden in
        [&b"demo"[..], b"chat", b"Ada", card.pwd.as_str().as_bytes(), &card.fingerprint, &session.key]
    {
        assert!(!seen(hidden));
    }
    assert!(seen(&join.key), "and this finds what is there");
}

#[test]
fn in_a_room_with_a_secret_nobody_without_it_is_believed() {
    let other = Other::new(5);
    let sealed = |vault: &Vault, about| vault.seal([9; 12], about, &other.hello());
    let code = |hello: Vec<u8>| {
        let (mut page, _) = in_secret();
        page.welcome(vec![other.with(hello)]);
        page.failures().first().map(|(_, code)| *code)
    };
    let (_, vault) = in_secret();
    let about = About::Hello(other.id());
    assert_eq!(code(sealed(&vault, about)), None);
    assert_eq!(code(other.hello()), Some("forged-identity"), "a true hello that is not sealed");
    let another = Vault::new("AQECAwQFBgcICQoLDA0ODw", "demo").unwrap();
    assert_eq!(code(sealed(&another, about)), Some("forged-identity"));
    assert_eq!(code(sealed(&vault, About::Hello(PeerId([1; 16])))), Some("forged-identity"));
    let mut changed = sealed(&vault, about);
    changed[20] ^= 1;
    assert_eq!(code(changed), Some("forged-identity"));
}

#[test]
fn in_a_room_with_a_secret_envelopes_are_those_of_both_stays() {
    let mut other = Other::new(5);
    other.fingerprint = sdp::parse_local(OFFER).unwrap().fingerprint;
    let theirs = (other.id(), other.hello.session.unwrap().key);
    let offer = Envelope::Offer { generation: 1, sdp: OFFER.try_into().unwrap() }.encode().unwrap();
    for (stay, answered) in [(0, 1), (1, 0), (2, 0)] {
        let (mut page, vault) = in_secret();
        let hello = vault.seal([9; 12], About::Hello(other.id()), &other.hello());
        page.welcome(vec![other.with(hello)]);
        let join = page.join.clone().unwrap();
        let ours = vault.open(About::Hello(page.id()), &join.hello).unwrap();
        let mut ours = (page.id(), Hello::decode(&ours).unwrap().session.unwrap().key);
        let mut from = theirs;
        match stay {
            1 => ours.1[0] ^= 1,
            2 => from.1[0] ^= 1,
            _ => {}
        }
        let envelope = vault.seal([8; 12], About::Envelope([from, ours]), &offer);
        let (opened, envelope) = (page.connections, envelope.try_into().unwrap());
        page.hear(&ServerMessage::Signal { from: other.id(), epoch: 2, envelope });
        assert_eq!(page.connections - opened, answered);
    }
}

#[test]
fn a_peer_that_begins_its_session_anew_without_end_is_heard_now_and_then() {
    let (mut page, mut other) = (Page::new(None), Other::new(5));
    let secret = SecretKey::from_bytes([8; 32]);
    other.hello.session =
        Some(SessionHello { page: [5; 8], key: secret.public(), window: 1 << 20, relay: true });
    page.welcome(vec![other.listed()]);
    page.hear(&ServerMessage::RelayPolicy { bytes_per_second: 1 << 17, burst: 1 << 18 });
    let before = page.connections;
    let ours = Hello::decode(&page.join.as_ref().unwrap().hello).unwrap().session.unwrap().key;
    let mut seal = Seal::new(&secret, other.id(), &ours, page.id(), "demo", None).unwrap();
    for mine in 1..=500 {
        let begin = Control::Begin { mine, yours: 0 }.encode();
        // Written at 0, on channel 0.
        let plain = [&[0, 0, begin.len() as u8], &begin[..]].concat();
        let packet = seal.seal(&plain).try_into().unwrap();
        page.hear(&ServerMessage::Relayed { from: other.id(), epoch: 2, packet });
    }
    let left = page.events.iter().filter(|event| matches!(event, Event::PeerLeft(..))).count();
    assert_eq!(left, limits::MAX_ANEW_AT_ONCE as usize);
    assert_eq!(page.connections, before, "and its next connection takes as long as ever");
}
