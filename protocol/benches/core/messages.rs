//! Messages between client and server, written and read.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use peerloom_protocol::codec::{self, Message};
use peerloom_protocol::hello::{Delivery, Hello, SessionHello};
use peerloom_protocol::id::PeerId;
use peerloom_protocol::limits;
use peerloom_protocol::signal::{ClientMessage, Member, ServerMessage, Welcome};

fn welcome() -> ServerMessage {
    let channels = ["chat", "cursor", "file", "state"];
    let specs = channels.map(|label| (label.to_owned(), Delivery::Ordered, "json".to_owned()));
    let mut hello = Hello::new(specs, r#"{"name":"Ada"}"#).expect("four good labels");
    hello.session = Some(SessionHello { page: [1; 8], key: [2; 32], window: 1 << 20, relay: true });
    let member = |number: u8| Member {
        id: PeerId([number; 16]),
        epoch: 300,
        hello: hello.encode().try_into().expect("a short hello"),
        card: Some(vec![7; 110].try_into().expect("the length of a usual card")),
        given: Some(0),
    };
    ServerMessage::Welcome(Welcome {
        id: PeerId([0; 16]),
        epoch: 300,
        members: (1..=8).map(member).collect::<Vec<_>>().try_into().expect("eight members"),
    })
}

fn relay(len: usize) -> ClientMessage {
    let packet = vec![5; len].try_into().expect("no longer than a packet may be");
    ClientMessage::Relay { to: PeerId([2; 16]), epoch: 300, packet }
}

/// Both ways, in bytes on the wire.
fn both<M: Message>(criterion: &mut Criterion, name: &str, message: &M) {
    let bytes = codec::encode(message);
    let mut group = criterion.benchmark_group("messages");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function(format!("{name} written"), |bencher| {
        bencher.iter(|| codec::encode(black_box(message)));
    });
    group.bench_function(format!("{name} read"), |bencher| {
        bencher.iter(|| {
            let mut records = codec::decode::<M>(black_box(&bytes), limits::MAX_SERVER_MESSAGE_BYTES)
                .expect("a frame of this version");
            records.next().expect("one record").expect("a good one")
        });
    });
}

pub(crate) fn bench(criterion: &mut Criterion) {
    both(criterion, "welcome with 8 members", &welcome());
    both(criterion, "packet of 200 B", &relay(200));
    both(criterion, "packet of 16 KiB", &relay(16 * 1024));
}
