//! What must hold of every decoder: whatever arrives, it does not panic and takes no memory on a stranger's word; and
//! whatever is sent arrives as it was.
// The helpers of tests may unwrap too; clippy.toml lets only functions marked as tests.
#![allow(clippy::unwrap_used)]

use std::fmt::Debug;
use std::rc::Rc;

use peerloom_protocol::bounded::{List, Text};
use peerloom_protocol::call::Calls;
use peerloom_protocol::candidate::Candidate;
use peerloom_protocol::card::{Card, IceText, SctpInit};
use peerloom_protocol::codec::{self, CodecError, Message};
use peerloom_protocol::control::Control;
use peerloom_protocol::envelope::Envelope;
use peerloom_protocol::hello::{Delivery, Hello, SessionHello};
use peerloom_protocol::ice::IceServer;
use peerloom_protocol::id::{PeerId, ReturnSecret};
use peerloom_protocol::limits;
use peerloom_protocol::safety::Step;
use peerloom_protocol::signal::{
    self, CardBytes, ClientMessage, EnvelopeBytes, HelloBytes, Join, LeaveReason, Member, PacketBytes,
    Refusal, ServerMessage, TaggedCard, Welcome,
};
use peerloom_protocol::stream::Streams;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

fn text<const MAX: usize>(most: usize) -> impl Strategy<Value = Text<MAX>> {
    vec(any::<char>(), 0..=most / 4).prop_map(|chars| Text::cut(&chars.into_iter().collect::<String>()))
}

fn bytes<T: TryFrom<Vec<u8>, Error: Debug> + Debug>(most: usize) -> impl Strategy<Value = T> {
    vec(any::<u8>(), 0..=most).prop_map(|bytes| T::try_from(bytes).expect("within the limit"))
}

fn id() -> impl Strategy<Value = PeerId> {
    any::<[u8; 16]>().prop_map(PeerId)
}

fn join() -> impl Strategy<Value = Join> {
    let who = (any::<[u8; 32]>(), any::<[u8; 32]>().prop_map(ReturnSecret), any::<bool>());
    let cards =
        vec(bytes::<CardBytes>(200), 0..=limits::MAX_CARDS).prop_map(|cards| List::try_from(cards).unwrap());
    (text(128), bytes::<HelloBytes>(500), who, cards, option::of(text(200))).prop_map(
        |(room, hello, (key, secret, returns), cards, token)| Join {
            room,
            hello,
            key,
            secret,
            returns,
            cards,
            token,
        },
    )
}

fn client_message() -> impl Strategy<Value = ClientMessage> {
    let tagged = (any::<u32>(), bytes::<CardBytes>(200)).prop_map(|(tag, card)| TaggedCard { tag, card });
    let cards = vec(tagged, 0..=limits::MAX_CARDS).prop_map(|cards| List::try_from(cards).unwrap());
    prop_oneof![
        join().prop_map(ClientMessage::Join),
        Just(ClientMessage::Leave),
        (id(), any::<u32>(), bytes::<EnvelopeBytes>(500))
            .prop_map(|(to, epoch, envelope)| ClientMessage::Signal { to, epoch, envelope }),
        (any::<bool>(), cards).prop_map(|(replace, cards)| ClientMessage::Deposit { replace, cards }),
        any::<u32>().prop_map(|nonce| ClientMessage::Ping { nonce }),
        (id(), any::<u32>(), bytes::<PacketBytes>(500))
            .prop_map(|(to, epoch, packet)| ClientMessage::Relay { to, epoch, packet }),
        Just(ClientMessage::RenewIceServers),
        (id(), any::<u32>(), text(256)).prop_map(|(to, epoch, reason)| ClientMessage::Kick {
            to,
            epoch,
            reason
        }),
    ]
}

fn member() -> impl Strategy<Value = Member> {
    let card = option::of(bytes::<CardBytes>(200));
    (id(), any::<u32>(), bytes::<HelloBytes>(300), card, any::<Option<u32>>())
        .prop_map(|(id, epoch, hello, card, given)| Member { id, epoch, hello, card, given })
}

fn server_message() -> impl Strategy<Value = ServerMessage> {
    let members = vec(member(), 0..20).prop_map(|members| List::try_from(members).unwrap());
    let reason = prop_oneof![
        Just(LeaveReason::Left),
        Just(LeaveReason::Lost),
        Just(LeaveReason::Evicted),
        Just(LeaveReason::Silent),
        Just(LeaveReason::Kicked),
    ];
    let refusal = prop_oneof![Just(Refusal::BadMessage), Just(Refusal::PeerGone), Just(Refusal::Forbidden)];
    let server = (text(256), text(508), text(508)).prop_map(|(url, username, credential)| IceServer {
        url,
        username,
        credential,
    });
    let servers =
        vec(server, 0..=limits::MAX_ICE_SERVERS).prop_map(|servers| List::try_from(servers).unwrap());
    prop_oneof![
        (any::<u32>(), servers)
            .prop_map(|(lifetime_s, servers)| ServerMessage::IceServers { lifetime_s, servers }),
        (id(), any::<u32>(), members)
            .prop_map(|(id, epoch, members)| { ServerMessage::Welcome(Welcome { id, epoch, members }) }),
        member().prop_map(ServerMessage::Joined),
        (id(), any::<u32>(), reason).prop_map(|(id, epoch, reason)| ServerMessage::Left {
            id,
            epoch,
            reason
        }),
        (id(), any::<u32>(), bytes::<EnvelopeBytes>(500))
            .prop_map(|(from, epoch, envelope)| ServerMessage::Signal { from, epoch, envelope }),
        (refusal, text(256)).prop_map(|(refusal, detail)| ServerMessage::Refused { refusal, detail }),
        any::<u32>().prop_map(|nonce| ServerMessage::Pong { nonce }),
        (id(), any::<u32>(), bytes::<PacketBytes>(500))
            .prop_map(|(from, epoch, packet)| ServerMessage::Relayed { from, epoch, packet }),
        (any::<u32>(), any::<u32>())
            .prop_map(|(bytes_per_second, burst)| ServerMessage::RelayPolicy { bytes_per_second, burst }),
        (id(), any::<u32>(), any::<u32>()).prop_map(|(to, epoch, wait_ms)| ServerMessage::Throttled {
            to,
            epoch,
            wait_ms
        }),
    ]
}

fn candidate() -> impl Strategy<Value = Candidate> {
    let address = prop_oneof![
        "[1-9][0-9]\\.[1-9][0-9]?\\.[0-9]\\.[1-9]",
        "2001:db8:[0-9a-f]{4}::[1-9]",
        "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\\.local",
    ];
    ("[0-9a-zA-Z+/]{1,32}", 1..=0x7fff_ffffu32, address, 1..=u16::MAX).prop_map(
        |(foundation, priority, address, port)| {
            Candidate::parse(&format!("candidate:{foundation} 1 udp {priority} {address} {port} typ host"))
                .unwrap()
        },
    )
}

fn envelope() -> impl Strategy<Value = Envelope> {
    prop_oneof![
        bytes::<CardBytes>(limits::MAX_CARD_BYTES).prop_map(|card| Envelope::Card { card }),
        (any::<u32>(), candidate())
            .prop_map(|(generation, candidate)| Envelope::Candidate { generation, candidate }),
        (any::<u32>(), text(2_000)).prop_map(|(generation, sdp)| Envelope::Offer { generation, sdp }),
        (any::<u32>(), text(2_000)).prop_map(|(generation, sdp)| Envelope::Answer { generation, sdp }),
        Just(Envelope::GaveUp),
        Just(Envelope::Proof),
    ]
}

fn control() -> impl Strategy<Value = Control> {
    prop_oneof![
        any::<u32>().prop_map(|nonce| Control::Ping { nonce }),
        any::<u32>().prop_map(|nonce| Control::Pong { nonce }),
        Just(Control::Bye),
        any::<(u32, u32)>().prop_map(|(mine, yours)| Control::Begin { mine, yours }),
        (any::<u8>(), bytes(limits::MAX_CARD_BYTES))
            .prop_map(|(lane, envelope)| Control::Lane { lane, envelope }),
        Just(Control::Compare(Step::Ask)),
        any::<[u8; 32]>().prop_map(|hash| Control::Compare(Step::Commitment(hash))),
        any::<[u8; 32]>().prop_map(|number| Control::Compare(Step::Number(number))),
    ]
}

fn hello() -> impl Strategy<Value = Hello> {
    let delivery = prop_oneof![
        Just(Delivery::Ordered),
        Just(Delivery::Unordered),
        Just(Delivery::Latest),
        any::<u16>().prop_map(Delivery::Lifetime),
    ];
    let channels =
        prop::collection::btree_map("[a-zé]{1,20}", (delivery, "json|bytes"), 0..=limits::MAX_CHANNELS);
    let session = (any::<[u8; 8]>(), any::<[u8; 32]>(), any::<u32>(), any::<bool>())
        .prop_map(|(page, key, window, relay)| SessionHello { page, key, window, relay });
    let share = option::of(any::<[u8; 32]>());
    (channels, "[ -~]{0,200}", option::of(session), share).prop_map(|(channels, metadata, session, share)| {
        let channels = channels.into_iter().map(|(label, (delivery, codec))| (label, delivery, codec));
        Hello { session, share, ..Hello::new(channels, &metadata).unwrap() }
    })
}

fn card() -> impl Strategy<Value = Card> {
    let init = option::of(vec(any::<u8>(), 1..100).prop_map(|chunk| SctpInit::try_from(chunk).unwrap()));
    let candidates = vec(candidate(), 0..=8);
    let texts = ("[0-9a-zA-Z+/]{4,20}", "[0-9a-zA-Z+/]{22,40}");
    (texts, any::<[u8; 32]>(), candidates, 1024..=0x7fff_ffffu32, init).prop_map(
        |((ufrag, pwd), fingerprint, candidates, max_message_size, sctp_init)| Card {
            version: Card::VERSION,
            ufrag: IceText::new(&ufrag).unwrap(),
            pwd: IceText::new(&pwd).unwrap(),
            fingerprint,
            candidates,
            max_message_size,
            sctp_init,
        },
    )
}

/// Reads `frame` by every decoder there is; none may panic.
fn decode_by_all(frame: &[u8]) {
    fn drain<M: Message>(frame: &[u8]) {
        if let Ok(records) = codec::decode::<M>(frame, limits::MAX_SERVER_MESSAGE_BYTES) {
            // Every record takes at least a byte, and an error ends the frame.
            assert!(records.count() <= frame.len());
        }
    }
    drain::<ClientMessage>(frame);
    drain::<ServerMessage>(frame);
    drain::<Envelope>(frame);
    drain::<Control>(frame);
    let _ = Control::decode(frame).map(Iterator::count);
    let mut streams = Streams::<Rc<[u8]>>::new(PeerId([1; 16]), PeerId([2; 16]));
    let mut calls = Calls::<Rc<[u8]>>::new(1);
    let _ = (streams.handle(frame, frame.len()), calls.handle(frame, frame.len()));
    let _ = Hello::decode(frame);
    let _ = Card::decode(frame);
    if let Ok(envelope) = EnvelopeBytes::try_from(frame.to_vec()) {
        let _ = Envelope::decode(&envelope).map(Iterator::count);
    }
}

/// One message among bytes that were changed, cut or put in.
fn damage(mut frame: Vec<u8>, changes: &[(Index, u8, u8)]) -> Vec<u8> {
    for (at, what, byte) in changes {
        let at = at.index(frame.len() + 1);
        match (what % 4, frame.get_mut(at)) {
            (0, Some(old)) => *old = *byte,
            (1, Some(old)) => *old ^= 1 << (byte % 8),
            (2, _) => frame.insert(at, *byte),
            _ => frame.truncate(at),
        }
    }
    frame
}

fn round_trips<M: Message + PartialEq + Debug>(messages: &[M]) -> Result<(), TestCaseError> {
    let mut frame = codec::frame();
    messages.iter().for_each(|message| codec::push(&mut frame, message));
    let read: Result<Vec<M>, _> = codec::decode(&frame, frame.len()).unwrap().collect();
    prop_assert_eq!(read.as_deref(), Ok(messages));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages_of_clients_and_servers_arrive_as_sent(
        client in vec(client_message(), 0..4),
        server in vec(server_message(), 0..4),
    ) {
        round_trips(&client)?;
        round_trips(&server)?;
    }

    #[test]
    fn messages_of_peers_arrive_as_sent(
        envelope in envelope(), control in vec(control(), 0..8), hello in hello(), card in card(),
    ) {
        round_trips(&control)?;
        round_trips(std::slice::from_ref(&envelope))?;
        let sent = envelope.encode().expect("within the limit");
        prop_assert_eq!(Envelope::decode(&sent).unwrap().collect::<Vec<_>>(), [Ok(envelope)]);
        prop_assert_eq!(Hello::decode(&hello.encode()), Ok(hello));
        prop_assert_eq!(Card::decode(&card.encode()), Ok(card));
    }

    #[test]
    fn early_joins_arrive_as_sent(join in join()) {
        let early = signal::early_join(&join).expect("short enough");
        // What RFC 6455 allows in a subprotocol: no separators, no space.
        prop_assert!(early.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)));
        prop_assert_eq!(signal::read_early_join(&early), Some(Ok(join)));
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(mut frame in vec(any::<u8>(), 0..400), looks_right in any::<bool>()) {
        if let (true, Some(version)) = (looks_right, frame.first_mut()) {
            *version = codec::VERSION;
        }
        decode_by_all(&frame);
    }

    #[test]
    fn no_damage_makes_a_decoder_panic(
        client in client_message(), server in server_message(), envelope in envelope(), hello in hello(), card in card(),
        changes in vec(any::<(Index, u8, u8)>(), 1..6),
    ) {
        let frames = [codec::encode(&client), codec::encode(&server), codec::encode(&envelope), hello.encode(), card.encode()];
        for frame in frames {
            decode_by_all(&damage(frame, &changes));
        }
    }

    #[test]
    fn no_text_makes_the_early_join_panic(text in "(join\\.)?[!-~]{0,300}", join in join(), at: Index, with in "[A-Za-z0-9_=-]") {
        let _ = signal::read_early_join(&text);
        let mut early = signal::early_join(&join).unwrap();
        let at = at.index(early.len());
        early.replace_range(at..=at, &with);
        let _ = signal::read_early_join(&early);
    }
}

/// Lengths and counts that are lies, in every field that has one. A decoder that made room for any of these would end
/// the program: the larger ones are more than a machine has.
#[test]
fn a_forged_length_is_refused_and_costs_nothing() {
    let lies = [100_000, u64::from(u32::MAX), 1 << 40, 1 << 62, u64::MAX];
    let record = |kind: u8, before: &[u8], lie: u64| {
        let mut body = vec![kind];
        body.extend_from_slice(before);
        codec::push_varint(&mut body, lie);
        let mut frame = codec::frame();
        codec::push_varint(&mut frame, body.len() as u64);
        frame.extend(body);
        frame
    };
    fn refused<M: Message + Debug>(frame: &[u8], kind: u32) {
        let read = codec::decode::<M>(frame, frame.len()).unwrap().next().expect("a record");
        assert!(matches!(read, Err(CodecError::Malformed(bad)) if bad == kind), "{read:?}");
    }
    for lie in lies {
        // A record as long as that.
        let mut frame = codec::frame();
        codec::push_varint(&mut frame, lie);
        let read = codec::decode::<ClientMessage>(&frame, frame.len()).unwrap().next();
        assert_eq!(read, Some(Err(CodecError::Truncated)));

        refused::<ClientMessage>(&record(0, &[], lie), 0); // room
        refused::<ClientMessage>(&record(0, &[1, b'r'], lie), 0); // hello
        // Behind the hello the key, the secret, and whether it returns.
        let joining = |more: &[u8]| [&[1, b'r', 0], &[0; 65][..], more].concat();
        refused::<ClientMessage>(&record(0, &joining(&[]), lie), 0); // number of cards
        refused::<ClientMessage>(&record(0, &joining(&[1]), lie), 0); // a card
        refused::<ClientMessage>(&record(0, &joining(&[0, 1]), lie), 0); // token
        refused::<ClientMessage>(&record(2, &[0; 17], lie), 2); // envelope
        refused::<ClientMessage>(&record(3, &[0], lie), 3); // number of deposited cards
        refused::<ClientMessage>(&record(5, &[0; 17], lie), 5); // packet
        refused::<ServerMessage>(&record(0, &[0; 16 + 1], lie), 0); // number of members
        refused::<ServerMessage>(&record(1, &[0; 17], lie), 1); // hello
        refused::<ServerMessage>(&record(4, &[0], lie), 4); // detail
        refused::<ServerMessage>(&record(6, &[0; 17], lie), 6); // packet
        refused::<Envelope>(&record(0, &[], lie), 0); // card
        refused::<Envelope>(&record(2, &[1], lie), 2); // offer
        assert!(Hello::decode(&record(0, &[], lie)).is_err()); // number of channels
        assert!(Hello::decode(&record(0, &[1], lie)).is_err()); // label
        assert!(Hello::decode(&record(0, &[0], lie)).is_err()); // metadata
    }
}

/// A count within the limit, of things that are not there.
#[test]
fn a_list_grows_with_what_arrives() {
    let mut body = vec![0; 1 + 16 + 1];
    codec::push_varint(&mut body, limits::MAX_ROOM_MEMBERS as u64);
    let mut frame = codec::frame();
    codec::push_varint(&mut frame, body.len() as u64);
    frame.extend(&body);
    let read = codec::decode::<ServerMessage>(&frame, frame.len()).unwrap().next();
    assert_eq!(read, Some(Err(CodecError::Malformed(0))));
}

/// Every limit holds at its edge.
#[test]
fn a_field_may_be_as_long_as_its_limit_and_no_longer() {
    assert!(HelloBytes::try_from(vec![0; limits::MAX_HELLO_BYTES]).is_ok());
    assert!(HelloBytes::try_from(vec![0; limits::MAX_HELLO_BYTES + 1]).is_err());
    let room = |len: usize| {
        let mut body = vec![0];
        codec::push_varint(&mut body, len as u64);
        body.extend(vec![b'r'; len]);
        // No hello, key, secret, whether it returns, no cards, no token.
        body.extend([0; 1 + 32 + 32 + 1 + 1 + 1]);
        let mut frame = codec::frame();
        codec::push_varint(&mut frame, body.len() as u64);
        frame.extend(&body);
        codec::decode::<ClientMessage>(&frame, frame.len()).unwrap().next().unwrap().is_ok()
    };
    assert!(room(limits::MAX_ROOM_NAME_BYTES) && !room(limits::MAX_ROOM_NAME_BYTES + 1));
    // The largest welcome fits what a client takes: every member with the largest hello and card.
    let member = Member {
        id: PeerId([9; 16]),
        epoch: u32::MAX,
        hello: vec![0; limits::MAX_HELLO_BYTES].try_into().unwrap(),
        card: Some(vec![0; limits::MAX_CARD_BYTES].try_into().unwrap()),
        given: Some(3),
    };
    let members = vec![member; limits::MAX_ROOM_MEMBERS].try_into().unwrap();
    let welcome = Welcome { id: PeerId([1; 16]), epoch: 1, members };
    let frame = codec::encode(&ServerMessage::Welcome(welcome));
    assert!(frame.len() <= limits::MAX_SERVER_MESSAGE_BYTES, "{} bytes", frame.len());
}
