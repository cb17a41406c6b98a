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
use peerloom_protocol::hello::{Delivery, Hello, SessionHello};
use peerloom_protocol::ice::IceServer;
use peerloom_protocol::id::{PeerId, ReturnSecret};
use peerloom_protocol::identity::{self, Identity, Signed};
use peerloom_protocol::passphrase::Passphrase;
use peerloom_protocol::safety::Step;
use peerloom_protocol::sdp::{self, DtlsRole};
use peerloom_protocol::signal::{
    self, ClientMessage, EnvelopeBytes, Join, LeaveReason, Member, Refusal, ServerMessage, TaggedCard,
    Welcome,
};

use peerloom_protocol::vault::{About, Vault};

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

/// Stands for a sealed packet in messages that only carry one.
fn packet() -> signal::PacketBytes {
    vec![0x5e, 0xa1, 0xed].try_into().unwrap()
}

fn join() -> Join {
    Join {
        room: "demo".try_into().unwrap(),
        hello: Hello::default().encode().try_into().unwrap(),
        key: [6; 32],
        secret: ReturnSecret([7; 32]),
        returns: false,
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

    let returning = Join { returns: true, token: Some("pass".try_into().unwrap()), ..join() };
    let deposit = vec![TaggedCard { tag: 5, card: some_card(2) }].try_into().unwrap();
    golden.message("client-join", &ClientMessage::Join(join()));
    golden.message("client-join-again", &ClientMessage::Join(returning));
    golden.message("client-leave", &ClientMessage::Leave);
    golden
        .message("client-signal", &ClientMessage::Signal { to: id(0x22), epoch: 300, envelope: envelope() });
    golden.message("client-deposit", &ClientMessage::Deposit { replace: false, cards: deposit });
    golden.message("client-ping", &ClientMessage::Ping { nonce: 1000 });
    golden.message("client-relay", &ClientMessage::Relay { to: id(0x22), epoch: 300, packet: packet() });
    let reason = "spam".try_into().unwrap();
    golden.message("client-kick", &ClientMessage::Kick { to: id(0x22), epoch: 300, reason });
    golden.message("client-renew-ice-servers", &ClientMessage::RenewIceServers);

    let members = vec![member()].try_into().unwrap();
    let welcome = Welcome { id: id(0x11), epoch: 301, members };
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
    golden
        .message("server-relayed", &ServerMessage::Relayed { from: id(0x11), epoch: 301, packet: packet() });
    golden.message(
        "server-relay-policy",
        &ServerMessage::RelayPolicy { bytes_per_second: 131_072, burst: 262_144 },
    );
    golden.message("server-throttled", &ServerMessage::Throttled { to: id(0x22), epoch: 300, wait_ms: 1500 });
    let turn = IceServer {
        url: "turn:a?transport=udp".try_into().unwrap(),
        username: "60:b".try_into().unwrap(),
        credential: "cd".try_into().unwrap(),
    };
    let servers = vec![turn].try_into().unwrap();
    golden.message("server-ice-servers", &ServerMessage::IceServers { lifetime_s: 600, servers });

    let sdp = || "v=0".try_into().unwrap();
    golden.message("envelope-card", &Envelope::Card { card: some_card(3) });
    golden.message("envelope-candidate", &Envelope::Candidate { generation: 0, candidate: candidate() });
    golden.message("envelope-offer", &Envelope::Offer { generation: 1, sdp: sdp() });
    golden.message("envelope-answer", &Envelope::Answer { generation: 1, sdp: sdp() });
    golden.message("envelope-gave-up", &Envelope::GaveUp);
    golden.message("envelope-proof", &Envelope::Proof);

    golden.message("control-ping", &Control::Ping { nonce: 300 });
    golden.message("control-pong", &Control::Pong { nonce: 300 });
    golden.message("control-bye", &Control::Bye);
    golden.message("control-begin", &Control::Begin { mine: 300, yours: 0 });
    let envelope = Envelope::Card { card: some_card(3) }.encode().unwrap();
    golden.message("control-lane", &Control::Lane { lane: 2, envelope });
    golden.message("control-compare-ask", &Control::Compare(Step::Ask));
    golden.message("control-compare-commitment", &Control::Compare(Step::Commitment([0xcc; 32])));
    golden.message("control-compare-number", &Control::Compare(Step::Number([0xdd; 32])));
    golden.bytes("control-begin-answer", &Control::Begin { mine: 1000, yours: 300 }.encode());

    let hello = [("cursor", Delivery::Latest, "json"), ("chat", Delivery::Ordered, "json")];
    let hello = hello.map(|(label, delivery, codec)| (label.to_owned(), delivery, codec.to_owned()));
    let hello = Hello::new(hello, r#"{"name":"Ada"}"#).unwrap();
    golden.bytes("hello", &hello.encode());
    assert_eq!(Hello::decode(&hello.encode()), Ok(hello.clone()));
    let session = SessionHello { page: [0xaa; 8], key: [0xbb; 32], window: 1 << 20, relay: true };
    let hello = Hello { session: Some(session), ..Hello::default() };
    golden.bytes("hello-session", &hello.encode());
    assert_eq!(Hello::decode(&hello.encode()), Ok(hello));
    golden.bytes("hello-empty", &Hello::default().encode());
    let (fingerprint, secret_hash) = ([0xcc; 32], ReturnSecret([7; 32]).hash());
    let statement = identity::statement("demo", &fingerprint, &secret_hash, &Hello::default().encode());
    golden.bytes("hello-statement", &statement);
    let Signed { key, signature } = identity::sign(&[0xdd; 32], &statement);
    let identity = Identity { fingerprint, key, secret_hash, signature };
    assert_eq!(identity.id().to_string(), blocks("text").remove("id").expect("a block").concat());
    let hello = Hello { identity: Some(identity), ..Hello::default() };
    golden.bytes("hello-identity", &hello.encode());
    assert_eq!(Hello::decode_signed(&hello.encode()), Ok((hello, &Hello::default().encode()[..])));

    let vault = Vault::new("AAECAwQFBgcICQoLDA0ODw", "demo").unwrap();
    assert_eq!(vault.name(), blocks("text").remove("secret-name").expect("a block").concat());
    let (from, to) = ((id(0x11), [0xaa; 32]), (id(0x22), [0xbb; 32]));
    let mut veiled = |name, about, plain: &[u8]| golden.bytes(name, &vault.seal([9; 12], about, plain));
    veiled("secret-hello", About::Hello(from.0), &Hello::default().encode());
    veiled("secret-card", About::Card(from.0, from.1), &some_card(0));
    veiled("secret-envelope", About::Envelope([from, to]), &Envelope::GaveUp.encode().unwrap());

    let pages = [1, 2].map(|number| Passphrase::new("correct horse", "demo", &[number; 64]).unwrap());
    let shares = [&pages[0], &pages[1]].map(Passphrase::share);
    golden.bytes("passphrase-shares", &shares.concat());
    let agreed = pages[0].agree(&shares[1]).unwrap();
    golden.bytes("passphrase-agreed", &agreed);
    let vault = Vault::of_pair(&agreed, "demo", [(to.0, shares[1]), (from.0, shares[0])]);
    let proof = Envelope::Proof.encode().unwrap();
    golden.bytes("passphrase-proof", &vault.seal([9; 12], About::Envelope([from, to]), &proof));
    let hello = Hello { share: Some([0xee; 32]), ..Hello::default() };
    golden.bytes("hello-share", &hello.encode());
    assert_eq!(Hello::decode(&hello.encode()), Ok(hello));

    golden.bytes("card", &card().encode());
    assert_eq!(Card::decode(&card().encode()), Ok(card()));
    let far = "candidate:a+1 1 tcp 1019216383 2001:db8::7 9 typ host tcptype active";
    golden.bytes("candidate-tcp", &postcard::to_extend(&Candidate::parse(far).unwrap(), Vec::new()).unwrap());

    let made = streams::messages().into_iter().chain(calls::messages());
    made.for_each(|(name, message)| golden.bytes(name, &message));

    let elsewhere = |name: &str| ["frame-", "packet-", "sealed-"].iter().any(|kind| name.starts_with(kind));
    let untested: Vec<_> = golden.0.keys().filter(|name| !elsewhere(name)).collect();
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

    use peerloom_protocol::channel::{Ack, Body, Frame, Inbox, Outbox, Via, parse, unpack};
    use peerloom_protocol::limits;

    use super::*;

    #[test]
    fn batches_and_fragments_are_those_of_the_document() {
        let vectors = vectors();
        let mut outbox: Outbox<Rc<[u8]>> =
            Outbox::new(Delivery::Ordered, limits::WINDOW_BYTES, limits::WINDOW_BYTES);
        // The vectors begin at message 7 and at message 300.
        let mut send = |texts: &[&[u8]]| -> Vec<Vec<u8>> {
            texts.iter().for_each(|text| assert!(outbox.push(0, Rc::from(*text)).is_ok()));
            let next = || {
                let mut frame = Vec::new();
                outbox.write(0, Via::Direct, true, limits::MAX_FRAME_BYTES, &mut frame).map(|_| frame)
            };
            std::iter::from_fn(next).collect()
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
        header(0, "frame-fragment-first", 16_384);
        header(1, "frame-fragment-second", 16_384);
        header(2, "frame-fragment-last", 7_232);
        assert_eq!(hex(&sent[3]), hex(&vectors["frame-after"]));
        assert_eq!(sent.len(), 4);
    }

    #[test]
    fn a_packed_body_is_read_as_the_document_says() {
        let vector = &vectors()["frame-packed"];
        let frame = parse(vector, vector.len()).unwrap();
        let (bytes, body) = unpack(&frame.packed.expect("a packed body"), vector).unwrap();
        assert_eq!(body, Body::Batch { first_seq: 7, ranges: vec![4..104; 1] });
        assert_eq!(bytes[4..], [b'a'; 100]);
    }

    /// The receiver has messages 0 to 9 of those above, and the first two fragments of message 10, of 40,000 bytes.
    #[test]
    fn acknowledgements_are_those_of_the_document() {
        let vectors = vectors();
        let read = |name: &str| parse(&vectors[name], vectors[name].len()).unwrap();
        let ack = Ack { seq: 10, offset: 32_768, granted: limits::WINDOW_BYTES.into() };
        assert_eq!(read("frame-ack"), Frame { ack: Some(ack), asks: false, body: None, packed: None });
        let batch = &vectors["frame-ack-batch"];
        let Frame { ack: Some(same), asks: true, body: Some(Body::Batch { first_seq: 7, ranges }), .. } =
            read("frame-ack-batch")
        else {
            panic!("an acknowledgement, and a batch that asks for one")
        };
        let texts: Vec<_> = ranges.into_iter().map(|range| &batch[range]).collect();
        assert_eq!((same, texts), (ack, vec![&b"hi"[..], b"", b"you"]));

        let mut outbox: Outbox<Rc<[u8]>> =
            Outbox::new(Delivery::Ordered, limits::WINDOW_BYTES, limits::WINDOW_BYTES);
        let mut inbox: Inbox<usize> = Inbox::new(Delivery::Ordered, limits::WINDOW_BYTES);
        (0..10).for_each(|_| assert!(outbox.push(0, Rc::from(*b"x")).is_ok()));
        outbox.push(0, vec![0; 40_000].into()).unwrap();
        for _ in 0..3 {
            let mut frame = Vec::new();
            outbox.write(0, Via::Direct, true, limits::MAX_FRAME_BYTES, &mut frame).unwrap();
            let body = parse(&frame, frame.len()).unwrap().body.unwrap();
            let _ = inbox.accept(body, false, |range| range.len()).unwrap();
        }
        assert_eq!(inbox.take_ack(), ack);
    }
}

/// Plain packets, as they are before they are sealed: made and read as the document says.
mod packets {
    use peerloom_protocol::channel::parse;

    use super::*;

    fn varint(rest: &mut &[u8]) -> u64 {
        codec::read_varint(rest).expect("a number")
    }

    #[test]
    fn the_packet_of_the_document_holds_a_begin_and_a_batch() {
        let vectors = vectors();
        let mut rest = &vectors["packet-plain"][..];
        assert_eq!(varint(&mut rest), 70_000);
        let mut records = Vec::new();
        while !rest.is_empty() {
            let (channel, len) = (varint(&mut rest), varint(&mut rest) as usize);
            let (frame, behind) = rest.split_at(len);
            records.push((channel, frame));
            rest = behind;
        }
        let begin = Control::Begin { mine: 300, yours: 0 }.encode();
        assert_eq!(records, [(0, &begin[..]), (1, &vectors["frame-batch"][..])]);
        assert!(parse(records[1].1, records[1].1.len()).is_ok());
    }
}

/// Messages of streams, made at both ends and read at the other.
mod streams {
    use std::rc::Rc;

    use peerloom_protocol::limits;
    use peerloom_protocol::stream::Streams;

    use super::*;

    type TestStreams = Streams<Rc<[u8]>>;

    /// The one message that `from` has to send; `to` takes it.
    fn next(from: &mut TestStreams, to: &mut TestStreams) -> Vec<u8> {
        let mut message = Vec::new();
        assert!(from.next_message(&mut message));
        to.handle(&message, message.len()).unwrap();
        message
    }

    pub(crate) fn messages() -> Vec<(&'static str, Vec<u8>)> {
        let mut made = Vec::new();
        let (mut a, mut b) = (TestStreams::new(id(1), id(2)), TestStreams::new(id(2), id(1)));
        let stream = a.open("notes").unwrap();
        made.push(("stream-open", next(&mut a, &mut b)));
        a.write(stream, Rc::from(*b"hi")).unwrap();
        made.push(("stream-data", next(&mut a, &mut b)));
        b.write(stream, vec![0; limits::STREAM_WINDOW_BYTES].into()).unwrap();
        b.abort(stream, "never mind");
        made.push(("stream-reset", next(&mut b, &mut a)));
        a.write(stream, Rc::from(*b"!")).unwrap();
        a.finish(stream);
        made.push(("stream-end", next(&mut a, &mut b)));
        b.consumed(stream, 3);
        made.push(("stream-done", next(&mut b, &mut a)));
        assert!(a.is_empty() && b.is_empty());

        let (mut a, mut b) = (TestStreams::new(id(1), id(2)), TestStreams::new(id(2), id(1)));
        assert_eq!(a.open("notes"), Ok(stream));
        next(&mut a, &mut b);
        a.write(stream, vec![0; limits::STREAM_WINDOW_BYTES].into()).unwrap();
        (0..10).for_each(|_| drop(next(&mut a, &mut b)));
        b.consumed(stream, limits::STREAM_WINDOW_BYTES / 2);
        made.push(("stream-grant", next(&mut b, &mut a)));
        b.cancel(stream, "enough");
        made.push(("stream-stop", next(&mut b, &mut a)));
        made
    }
}

/// Messages of calls, made at both ends and read at the other.
mod calls {
    use std::rc::Rc;

    use peerloom_protocol::call::Calls;
    use peerloom_protocol::channel::Payload;

    type TestCalls = Calls<Rc<[u8]>>;

    fn next(from: &mut TestCalls, to: &mut TestCalls) -> Vec<u8> {
        let message = from.next_message().unwrap();
        let mut bytes = Vec::new();
        message.append_range(0..message.len(), &mut bytes);
        to.handle(&bytes, bytes.len()).unwrap();
        bytes
    }

    pub(crate) fn messages() -> Vec<(&'static str, Vec<u8>)> {
        let mut made = Vec::new();
        let (mut a, mut b) = (TestCalls::new(2), TestCalls::new(2));
        let ids = [(); 3].map(|()| a.call(1, Rc::from(*b"ping"), None).unwrap());
        made.push(("call-request", next(&mut a, &mut b)));
        (0..2).for_each(|_| drop(next(&mut a, &mut b)));
        b.respond(ids[0], Rc::from(*b"pong")).unwrap();
        made.push(("call-response", next(&mut b, &mut a)));
        b.refuse(ids[1], "not-now", "busy");
        made.push(("call-failure", next(&mut b, &mut a)));
        a.cancel(ids[2]);
        made.push(("call-cancel", next(&mut a, &mut b)));
        assert_eq!((a.open(), b.open()), ((0, 0), (0, 0)));
        made
    }
}

/// Sealed packets, made by the code and, step by step, as the document says.
mod sealed {
    use chacha20poly1305::aead::{Aead, Payload};
    use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
    use hkdf::Hkdf;
    use peerloom_protocol::seal::{Seal, SecretKey};
    use sha2::Sha256;

    use super::*;

    fn pair() -> (Seal, Seal) {
        let (first, second) = (SecretKey::from_bytes([0xaa; 32]), SecretKey::from_bytes([0xbb; 32]));
        (
            Seal::new(&first, id(0x11), &second.public(), id(0x22), "demo", None).unwrap(),
            Seal::new(&second, id(0x22), &first.public(), id(0x11), "demo", None).unwrap(),
        )
    }

    #[test]
    fn packets_are_those_of_the_document() {
        let mut golden = Golden(vectors());
        let (mut first, mut second) = pair();
        (0..300).for_each(|_| drop(first.seal(b"x")));
        let packet = first.seal(b"hi");
        golden.bytes("sealed-packet", &packet);
        assert_eq!(second.open(&packet), Ok(b"hi".to_vec()));
        let back = second.seal(b"");
        golden.bytes("sealed-packet-back", &back);
        assert_eq!(first.open(&back), Ok(Vec::new()));
    }

    #[test]
    fn the_steps_of_the_document_give_its_packets() {
        let vectors = vectors();
        let (aa, bb) = ([0xaa; 32], [0xbb; 32]);
        let public = |secret| x25519_dalek::x25519(secret, x25519_dalek::X25519_BASEPOINT_BYTES);
        assert_eq!(hex(&x25519_dalek::x25519(aa, public(bb))), hex(&vectors["sealed-shared"]));
        let info = [&b"\x04demo"[..], &[0x11; 16], &public(aa), &[0x22; 16], &public(bb)].concat();
        assert_eq!(hex(&info), hex(&vectors["sealed-info"]));
        let mut keys = [0; 64];
        Hkdf::<Sha256>::new(Some(b"peerloom relay 1"), &vectors["sealed-shared"])
            .expand(&info, &mut keys)
            .unwrap();
        assert_eq!(hex(&keys), hex(&vectors["sealed-keys"]));

        let packet = |key: &[u8], counter: &[u8], number: u64, msg: &[u8]| {
            let nonce: [u8; 12] = [&[0; 4][..], &number.to_be_bytes()].concat().try_into().unwrap();
            let cipher = ChaCha20Poly1305::new_from_slice(key).unwrap();
            let sealed = cipher.encrypt(&nonce.into(), Payload { msg, aad: counter }).unwrap();
            hex(&[counter, &sealed].concat())
        };
        assert_eq!(packet(&keys[..32], &[0xac, 2], 300, b"hi"), hex(&vectors["sealed-packet"]));
        assert_eq!(packet(&keys[32..], &[0], 0, b""), hex(&vectors["sealed-packet-back"]));
    }
}
