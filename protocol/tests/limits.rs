//! Every limit on a field that comes from outside: at it the message is taken, one past it it is refused. The messages are
//! written by hand, since our own types cannot hold too much.

use std::fmt::Debug;

use peerloom_protocol::codec::{self, Message};
use peerloom_protocol::envelope::Envelope;
use peerloom_protocol::hello::Hello;
use peerloom_protocol::limits;
use peerloom_protocol::signal::{ClientMessage, ServerMessage};

/// Bytes on the wire, put behind each other.
#[derive(Clone, Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn of(kind: u8) -> Self {
        Self(vec![kind])
    }

    fn zeros(mut self, count: usize) -> Self {
        self.0.resize(self.0.len() + count, 0);
        self
    }

    fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    fn count(mut self, count: usize) -> Self {
        codec::push_varint(&mut self.0, count as u64);
        self
    }

    /// A text or bytes of this length.
    fn long(mut self, len: usize) -> Self {
        self = self.count(len);
        self.0.resize(self.0.len() + len, b'x');
        self
    }

    /// So many of the same.
    fn list(mut self, count: usize, each: &Fields) -> Self {
        self = self.count(count);
        (0..count).for_each(|_| self.0.extend_from_slice(&each.0));
        self
    }

    fn frame(&self) -> Vec<u8> {
        let mut frame = codec::frame();
        codec::push_varint(&mut frame, self.0.len() as u64);
        frame.extend_from_slice(&self.0);
        frame
    }

    fn reads_as<M: Message + Debug>(&self) -> bool {
        let frame = self.frame();
        let mut records = codec::decode::<M>(&frame, frame.len()).expect("a frame of this version");
        records.next().expect("one record").is_ok()
    }
}

/// `reads` takes `most`, and not one more.
fn edge(what: &str, most: usize, reads: impl Fn(usize) -> bool) {
    assert!(reads(most), "{what} of {most}");
    assert!(!reads(most + 1), "{what} of {}", most + 1);
}

#[test]
fn what_clients_say() {
    let reads = |fields: Fields| fields.reads_as::<ClientMessage>();
    // Key, secret, and whether it returns.
    let who = 32 + 32 + 1;
    edge("room", limits::MAX_ROOM_NAME_BYTES, |len| {
        reads(Fields::of(0).long(len).long(0).zeros(who).count(0).byte(0))
    });
    edge("hello", limits::MAX_HELLO_BYTES, |len| {
        reads(Fields::of(0).long(1).long(len).zeros(who).count(0).byte(0))
    });
    edge("cards", limits::MAX_CARDS, |count| {
        reads(Fields::of(0).long(1).long(0).zeros(who).list(count, &Fields::default().long(9)).byte(0))
    });
    edge("card", limits::MAX_CARD_BYTES, |len| {
        reads(Fields::of(0).long(1).long(0).zeros(who).list(1, &Fields::default().long(len)).byte(0))
    });
    edge("token", limits::MAX_TOKEN_BYTES, |len| {
        reads(Fields::of(0).long(1).long(0).zeros(who).count(0).byte(1).long(len))
    });
    edge("envelope", limits::MAX_SIGNAL_BYTES, |len| reads(Fields::of(2).zeros(16).count(1).long(len)));
    edge("packet", limits::MAX_PACKET_BYTES, |len| reads(Fields::of(5).zeros(16).count(1).long(len)));
    edge("reason", limits::MAX_ERROR_TEXT_BYTES, |len| reads(Fields::of(6).zeros(16).count(1).long(len)));
    let tagged = |len| Fields::default().count(7).long(len);
    edge("deposited cards", limits::MAX_CARDS, |count| reads(Fields::of(3).byte(0).list(count, &tagged(9))));
    edge("deposited card", limits::MAX_CARD_BYTES, |len| reads(Fields::of(3).byte(0).list(1, &tagged(len))));
}

#[test]
fn what_the_server_says() {
    let reads = |fields: Fields| fields.reads_as::<ServerMessage>();
    let member = |hello, card| Fields::default().zeros(16).count(1).long(hello).byte(1).long(card).byte(0);
    let welcome = |count, member: &Fields| Fields::of(0).zeros(16).count(1).list(count, member);
    edge("members", limits::MAX_ROOM_MEMBERS, |count| reads(welcome(count, &member(9, 9))));
    edge("hello", limits::MAX_HELLO_BYTES, |len| reads(welcome(1, &member(len, 9))));
    edge("card", limits::MAX_CARD_BYTES, |len| reads(welcome(1, &member(9, len))));
    edge("envelope", limits::MAX_SIGNAL_BYTES, |len| reads(Fields::of(3).zeros(16).count(1).long(len)));
    edge("detail", limits::MAX_ERROR_TEXT_BYTES, |len| reads(Fields::of(4).byte(0).long(len)));
    edge("packet", limits::MAX_PACKET_BYTES, |len| reads(Fields::of(6).zeros(16).count(1).long(len)));
    let server = |url, name, password| Fields::default().long(url).long(name).long(password);
    let servers = |count, server: &Fields| reads(Fields::of(9).count(60).list(count, server));
    edge("ICE servers", limits::MAX_ICE_SERVERS, |count| servers(count, &server(6, 0, 0)));
    edge("URI", limits::MAX_ICE_URL_BYTES, |len| servers(1, &server(len, 0, 0)));
    edge("user name", limits::MAX_ICE_CREDENTIAL_BYTES, |len| servers(1, &server(6, len, 0)));
    edge("password", limits::MAX_ICE_CREDENTIAL_BYTES, |len| servers(1, &server(6, 0, len)));
}

#[test]
fn what_members_say_of_themselves() {
    let channel = |label, codec| Fields::default().long(label).byte(0).long(codec);
    let reads = |channels: usize, channel: &Fields, metadata| {
        Hello::decode(&Fields::of(0).list(channels, channel).long(metadata).frame()).is_ok()
    };
    edge("channels", limits::MAX_CHANNELS, |count| reads(count, &channel(1, 4), 0));
    edge("label", limits::MAX_LABEL_BYTES, |len| reads(1, &channel(len, 4), 0));
    edge("codec", limits::MAX_CODEC_BYTES, |len| reads(1, &channel(1, len), 0));
    edge("metadata", limits::MAX_METADATA_BYTES, |len| reads(1, &channel(1, 4), len));
    // All of it at once is still a hello that a member may have, with its session and its identity, and sealed.
    let session = Fields::of(1).zeros(8 + 32).count(limits::MAX_WINDOW_BYTES as usize).byte(1);
    let identity = Fields::of(2).zeros(32 + 32 + 32 + 64);
    let mut largest = Fields::of(0)
        .list(limits::MAX_CHANNELS, &channel(limits::MAX_LABEL_BYTES, limits::MAX_CODEC_BYTES))
        .long(limits::MAX_METADATA_BYTES)
        .frame();
    for record in [session, identity] {
        largest.extend_from_slice(&record.frame()[1..]);
    }
    assert!(Hello::decode(&largest).is_ok());
    let sealed = largest.len() + 12 + 16;
    assert!(sealed <= limits::MAX_HELLO_BYTES, "{sealed} bytes");
    edge("hello", limits::MAX_HELLO_BYTES, |len| {
        // Filled with a record of a kind that is skipped.
        let mut hello = largest.clone();
        let rest = len - hello.len();
        hello.extend_from_slice(&Fields(vec![99; rest - 2]).frame()[1..]);
        assert_eq!(hello.len(), len);
        Hello::decode(&hello).is_ok()
    });
}

#[test]
fn what_peers_say_while_they_connect() {
    let reads = |fields: Fields| fields.reads_as::<Envelope>();
    edge("card", limits::MAX_CARD_BYTES, |len| reads(Fields::of(0).long(len)));
    for kind in [2, 3] {
        edge("description", limits::MAX_SDP_BYTES, |len| reads(Fields::of(kind).count(1).long(len)));
    }
}
