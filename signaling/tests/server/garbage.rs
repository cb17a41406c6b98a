//! Bytes that mean nothing: whatever comes in, the server answers the next honest client.

use futures_util::SinkExt;
use peerloom_protocol::codec;
use peerloom_protocol::signal::{ClientMessage, Refusal};
use peerloom_signaling::{Limits, Rate};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::common::{Client, Server, card, deposit, join, within};

/// xorshift64*: the same bytes in every run.
struct Bytes(u64);

impl Bytes {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn take(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| (self.next() >> 56) as u8).collect()
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 32) as usize % end
    }
}

async fn generous_server() -> Server {
    let plenty = Rate { per_second: u32::MAX, burst: u32::MAX };
    Server::with_limits(Limits {
        messages: plenty,
        bytes: plenty,
        max_connections_per_address: 10_000,
        ..Limits::default()
    })
    .await
}

async fn assert_alive(server: &Server) {
    let (mut honest, _) = Client::join(server, join("honest", "x")).await;
    honest.assert_quiet().await;
}

#[tokio::test]
async fn as_tcp() {
    let server = generous_server().await;
    let mut bytes = Bytes(1);
    for len in (0..200).map(|index| index * 7) {
        let mut tcp = TcpStream::connect(server.address).await.unwrap();
        let _ = tcp.write_all(&bytes.take(len)).await;
        let _ = tcp.shutdown().await;
        let _ = within(tcp.read_to_end(&mut Vec::new())).await;
    }
    assert_alive(&server).await;
}

#[tokio::test]
async fn as_websocket_frames() {
    let server = generous_server().await;
    let mut bytes = Bytes(2);
    for _ in 0..200 {
        let mut client = Client::connect(&server).await;
        let len = 1 + bytes.below(300);
        let _ = client.socket.get_mut().write_all(&bytes.take(len)).await;
        let _ = client.socket.get_mut().shutdown().await;
        while client.next().await.is_ok() {}
    }
    // Not masked; a reserved bit; a control frame that is too long; a continuation of nothing.
    let mut long_ping = vec![0x89, 0xfe, 1, 0];
    long_ping.resize(8 + 256, 0);
    let frames = [vec![0x82, 1, 0], vec![0xc2, 0x80, 0, 0, 0, 0], long_ping, vec![0x80, 0x80, 0, 0, 0, 0]];
    for frame in frames {
        let (mut client, _) = Client::join(&server, join("r", "x")).await;
        client.socket.get_mut().write_all(&frame).await.unwrap();
        client.assert_refused(Refusal::BadMessage).await;
    }
    assert_alive(&server).await;
}

#[tokio::test]
async fn as_messages() {
    let server = generous_server().await;
    let mut bytes = Bytes(3);
    let mut honest_join = join("r", "x");
    honest_join.cards = vec![card("a"), card("b")].try_into().unwrap();
    let models = [
        codec::encode(&ClientMessage::Join(honest_join.clone())),
        codec::encode(&deposit(true, &[(1, "one"), (2, "two")])),
        codec::encode(&ClientMessage::Ping { nonce: 1 }),
    ];
    for round in 0..400 {
        let mut client = match round % 2 {
            0 => Client::connect(&server).await,
            _ => Client::join(&server, honest_join.clone()).await.0,
        };
        for _ in 0..5 {
            let frame = match bytes.below(2) {
                0 => {
                    let len = bytes.below(200);
                    let mut frame = bytes.take(len);
                    frame.insert(0, 1);
                    frame
                }
                _ => {
                    let mut frame = models[bytes.below(models.len())].clone();
                    let place = bytes.below(frame.len());
                    frame[place] ^= 1 << bytes.below(8);
                    frame
                }
            };
            if client.socket.send(Message::Binary(frame.into())).await.is_err() {
                break;
            }
        }
        let _ = client.socket.send(Message::Close(None)).await;
        while client.next().await.is_ok() {}
    }
    assert_alive(&server).await;
}

#[tokio::test]
async fn as_early_joins() {
    let server = generous_server().await;
    let mut bytes = Bytes(4);
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for _ in 0..200 {
        let len = bytes.below(400);
        let text: String = (0..len).map(|_| alphabet[bytes.below(alphabet.len())] as char).collect();
        let mut client = Client::offering(&server, &format!("peerloom.v1, join.{text}")).await.unwrap();
        while client.next().await.is_ok() {}
    }
    assert_alive(&server).await;
}
