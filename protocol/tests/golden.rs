//! The test vectors of `docs/wire.md` are the messages, byte for byte, in both directions.
//!
//! The document is where the bytes stand; nothing is repeated here. A vector is a code block marked `hex NAME`: each
//! line has bytes, then, behind two spaces, what they mean. A change of the wire format shows as a failure here, and
//! a message without a vector, or a vector without a message, as well.
// The helpers of tests may unwrap too; clippy.toml lets only functions marked as tests.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use peerloom_protocol::candidate::Candidate;
use peerloom_protocol::card::{Card, IceText};
use peerloom_protocol::codec::{self, Message};
use peerloom_protocol::control::Control;
use peerloom_protocol::envelope::Envelope;
use peerloom_protocol::hello::{Delivery, Hello};
use peerloom_protocol::id::{PeerId, ResumeToken};
use peerloom_protocol::sdp::{self, DtlsRole};
use peerloom_protocol::signal::{
    self, ClientMessage, EnvelopeBytes, Join, LeaveReason, Member, Refusal, ServerMessage, TaggedCard,
    Welcome,
};

const WIRE: &str = include_str!("../../docs/wire.md");

/// The code blocks of the document whose first line is `kind NAME`, by name.
fn blocks(kind: &str) -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut found = BTreeMap::new();
    let mut lines = WIRE.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```").filter(|info| !info.is_empty()) else { continue };
        let body: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        if let Some((_, name)) = info.split_once(' ').filter(|(first, _)| *first == kind) {
            assert!(found.insert(name, body).is_none(), "two blocks are named {name}");
        }
    }
    found
}

fn vectors() -> BTreeMap<&'static str, Vec<u8>> {
    let read = |line: &str| -> Vec<u8> {
        let bytes = line.split("  ").next().unwrap_or_default().split_whitespace();
        bytes
            .map(|byte| u8::from_str_radix(byte, 16).unwrap_or_else(|_| panic!("{byte:?} in {line:?}")))
            .collect()
    };
    blocks("hex")
        .into_iter()
        .map(|(name, lines)| (name, lines.into_iter().flat_map(read).collect()))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x} ")).collect()
}

/// What is checked against the document.
struct Golden(BTreeMap<&'static str, Vec<u8>>);

impl Golden {
    /// The bytes as they are made now must be those of the document.
    fn bytes(&mut self, name: &str, made: &[u8]) {
        let documented = self.0.remove(name).unwrap_or_default();
        assert_eq!(hex(made), hex(&documented), "{name}: made now (left), in docs/wire.md (right)");
    }

    /// A frame with this one message: its bytes are those of the document, and read back they are the message.
    fn message<M: Message + PartialEq + std::fmt::Debug>(&mut self, name: &str, message: &M) {
        let made = codec::encode(message);
        self.bytes(name, &made);
        let read: Vec<_> = codec::decode::<M>(&made, made.len()).unwrap().map(Result::unwrap).collect();
        assert_eq!(read, [codec::decode(&made, made.len()).unwrap().next().unwrap().unwrap()], "{name}");
        assert_eq!(&read[0], message, "{name}");
    }
}

fn id(byte: u8) -> PeerId {
    PeerId([byte; 16])
}

fn envelope() -> EnvelopeBytes {
    Envelope::GaveUp.encode().unwrap()
}

/// Stands for a card in messages that only carry one.
fn some_card(number: u8) -> signal::CardBytes {
    vec![0xca, number].try_into().unwrap()
}

fn join() -> Join {
    Join {
        room: "demo".try_into().unwrap(),
        hello: Hello::default().encode().try_into().unwrap(),
        resume: None,
        cards: vec![some_card(0)].try_into().unwrap(),
        token: None,
    }
}

fn member() -> Member {
    Member {
        id: id(0x22),
        epoch: 300,
        hello: Hello::default().encode().try_into().unwrap(),
        card: Some(some_card(1)),
        given: Some(0),
    }
}

fn candidate() -> Candidate {
    Candidate::parse("candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 0.0.0.0 rport 0")
        .unwrap()
}

fn card() -> Card {
    let host =
        "candidate:541374085 1 udp 2113937151 11111111-2222-4333-8444-555555555555.local 32910 typ host";
    Card {
        version: Card::VERSION,
        ufrag: IceText::new("Tr2d").unwrap(),
        pwd: IceText::new("5B+ACwxbHZDhdvAVXOFWp0C+").unwrap(),
        fingerprint: std::array::from_fn(|index| index as u8),
        candidates: vec![Candidate::parse(host).unwrap(), candidate()],
        max_message_size: 262_144,
        sctp_init: None,
    }
}

#[test]
fn every_vector_of_the_document_is_what_is_sent() {
    let mut golden = Golden(vectors());

    let resumed =
        Join { resume: Some(ResumeToken([7; 32])), token: Some("pass".try_into().unwrap()), ..join() };
    let deposit = vec![TaggedCard { tag: 5, card: some_card(2) }].try_into().unwrap();
    golden.message("client-join", &ClientMessage::Join(join()));
    golden.message("client-join-again", &ClientMessage::Join(resumed));
    golden.message("client-leave", &ClientMessage::Leave);
    golden
        .message("client-signal", &ClientMessage::Signal { to: id(0x22), epoch: 300, envelope: envelope() });
    golden.message("client-deposit", &ClientMessage::Deposit { replace: false, cards: deposit });
    golden.message("client-ping", &ClientMessage::Ping { nonce: 1000 });

    let members = vec![member()].try_into().unwrap();
    let welcome = Welcome { id: id(0x11), epoch: 301, resume: ResumeToken([7; 32]), members };
    let newcomer = Member { id: id(0x11), epoch: 301, card: None, given: Some(5), ..member() };
    let refused = ServerMessage::Refused { refusal: Refusal::RoomFull, detail: "full".try_into().unwrap() };
    golden.message("server-welcome", &ServerMessage::Welcome(welcome));
    golden.message("server-joined", &ServerMessage::Joined(newcomer));
    golden
        .message("server-left", &ServerMessage::Left { id: id(0x22), epoch: 300, reason: LeaveReason::Lost });
    golden.message(
        "server-signal",
        &ServerMessage::Signal { from: id(0x11), epoch: 301, envelope: envelope() },
    );
    golden.message("server-refused", &refused);
    golden.message("server-pong", &ServerMessage::Pong { nonce: 1000 });

    let sdp = || "v=0".try_into().unwrap();
    golden.message("envelope-card", &Envelope::Card { card: some_card(3) });
    golden.message("envelope-candidate", &Envelope::Candidate { generation: 0, candidate: candidate() });
    golden.message("envelope-offer", &Envelope::Offer { generation: 1, sdp: sdp() });
    golden.message("envelope-answer", &Envelope::Answer { generation: 1, sdp: sdp() });
    golden.message("envelope-gave-up", &Envelope::GaveUp);

    golden.message("control-ping", &Control::Ping { nonce: 300 });
    golden.message("control-pong", &Control::Pong { nonce: 300 });
    golden.message("control-bye", &Control::Bye);

    let hello = [("cursor", Delivery::Latest, "json"), ("chat", Delivery::Ordered, "json")];
    let hello = hello.map(|(label, delivery, codec)| (label.to_owned(), delivery, codec.to_owned()));
    let hello = Hello::new(hello, r#"{"name":"Ada"}"#).unwrap();
    golden.bytes("hello", &hello.encode());
    assert_eq!(Hello::decode(&hello.encode()), Ok(hello));
    golden.bytes("hello-empty", &Hello::default().encode());

    golden.bytes("card", &card().encode());
    assert_eq!(Card::decode(&card().encode()), Ok(card()));
    let far = "candidate:a+1 1 tcp 1019216383 2001:db8::7 9 typ host tcptype active";
    golden.bytes("candidate-tcp", &postcard::to_extend(&Candidate::parse(far).unwrap(), Vec::new()).unwrap());

    let untested: Vec<_> = golden.0.keys().filter(|name| !name.starts_with("frame-")).collect();
    assert!(untested.is_empty(), "vectors of no message: {untested:?}");
}

#[test]
fn the_early_join_is_that_of_the_document() {
    let text = blocks("text").remove("early-join").expect("a block").concat();
    assert_eq!(signal::early_join(&join()), Some(text.clone()));
    assert_eq!(signal::read_early_join(&text), Some(Ok(join())));
    assert_eq!(signal::read_early_join("peerloom.v1"), None);
}

#[test]
fn the_answer_written_from_the_card_is_that_of_the_document() {
    let documented = blocks("sdp").remove("answer").expect("a block").join("\r\n") + "\r\n";
    assert_eq!(sdp::write_answer(&card(), DtlsRole::Client), documented);
    let hint = blocks("sdp").remove("role-hint").expect("a block").join("\r\n") + "\r\n";
    assert_eq!(sdp::ROLE_HINT_OFFER, hint);
}

/// Frames of application messages, made by the outbox and read by the inbox.
mod frames {
    use std::rc::Rc;

    use peerloom_protocol::channel::{Outbox, parse};

    use super::*;

    #[test]
    fn batches_and_fragments_are_those_of_the_document() {
        let vectors = vectors();
        let mut outbox: Outbox<Rc<[u8]>> = Outbox::new(Delivery::Ordered);
        let mut frame = Vec::new();
        // The vectors begin at message 7 and at message 300.
        let mut send = |texts: &[&[u8]]| -> Vec<Vec<u8>> {
            texts.iter().for_each(|text| outbox.push(0, Rc::from(*text)).unwrap());
            std::iter::from_fn(|| outbox.next_frame(0, 0, &mut frame).then(|| frame.clone())).collect()
        };
        send(&[&b"x"[..]; 7]);
        let batch = send(&[b"hi", b"", b"you"]);
        assert_eq!(batch.iter().map(|f| hex(f)).collect::<Vec<_>>(), [hex(&vectors["frame-batch"])]);
        send(&[&b"x"[..]; 290]);
        let long = vec![1; 40_000];
        let sent = send(&[&long, &[3, 3, 3]]);
        let header = |index: usize, name: &str, body: usize| {
            let head = &vectors[name];
            assert_eq!(hex(&sent[index][..head.len()]), hex(head), "{name}");
            assert_eq!(sent[index].len(), head.len() + body, "{name}");
            parse(head, sent[index].len()).unwrap();
        };
        header(0, "frame-fragment-first", 16_360);
        header(1, "frame-fragment-second", 16_360);
        header(2, "frame-fragment-last", 7_280);
        assert_eq!(hex(&sent[3]), hex(&vectors["frame-after"]));
        assert_eq!(sent.len(), 4);
    }
}
