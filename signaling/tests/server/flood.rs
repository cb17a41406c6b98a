//! Thousands of connections that do as little as they may, or as much harm as they can, beside people who want to talk.
//!
//! The server is a process of its own here, so that its memory can be looked at.

use std::time::{Duration, Instant};

use peerloom_protocol::signal::Refusal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::{Client, Server, join};
use crate::program::{Running, program, start};

const ATTACKERS: usize = 5_000;
/// What so many may cost the server.
const MOST_MEMORY_KIB: usize = 20 * 1024;
/// Within this 99 of 100 others are let in meanwhile. Machines are shared: three times as long is a failure.
const JOINED_WITHIN: Duration = Duration::from_millis(500);
const OTHERS: usize = 200;

/// A server that has places for all of them, as the attackers of a test have one address.
fn generous() -> (Running, Server) {
    // Both this process and the server need a file for each.
    rlimit::increase_nofile_limit(4 * ATTACKERS as u64).unwrap();
    let places = (2 * ATTACKERS).to_string();
    let flags = ["--max-connections", &places, "--max-connections-per-address", &places];
    let (child, address, _) = start(program().args(["--port", "0", "--log-level", "warn"]).args(flags));
    (child, Server::elsewhere(address))
}

/// Memory that the process has in use.
fn memory_kib(child: &Running) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Others come meanwhile, one after the other, each into a room of its own: they are let in, and in time.
async fn expect_others_get_in(server: &Server, while_what: &str) {
    let mut took = Vec::new();
    for number in 0..OTHERS {
        let began = Instant::now();
        let (mut client, _) = Client::join(server, join(&format!("room {number}"), "x")).await;
        took.push(began.elapsed());
        client.assert_quiet().await;
    }
    took.sort();
    let p99 = took[took.len() * 99 / 100];
    println!("{while_what}: others get in within {:?}, 99 of 100 within {p99:?}", took[took.len() / 2]);
    assert!(p99 < 3 * JOINED_WITHIN, "{while_what}: {p99:?}");
}

/// Opens connections that say so much and then nothing.
async fn silent(server: &Server, count: usize, said: &str) -> Vec<TcpStream> {
    let mut opened = Vec::with_capacity(count);
    for _ in 0..count {
        let mut tcp = TcpStream::connect(server.address).await.unwrap();
        tcp.write_all(said.as_bytes()).await.unwrap();
        opened.push(tcp);
    }
    opened
}

/// The server ends each of them, and says so where it said anything before.
async fn expect_ended(connections: Vec<TcpStream>) {
    for mut tcp in connections {
        let mut rest = Vec::new();
        // A reset is an end as well.
        let read = tokio::time::timeout(Duration::from_secs(60), tcp.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "a connection that says nothing stays for ever");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn thousands_of_half_open_connections_cost_little_and_trouble_nobody() {
    let (child, server) = generous();
    // What the first clients need is there from then on.
    expect_others_get_in(&server, "alone").await;
    let before = memory_kib(&child);
    let upgrade = format!(
        "GET /ws HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: peerloom.v1\r\n\r\n",
        server.address
    );
    // Nothing; half a request; a WebSocket without a join.
    let mut opened = Vec::new();
    for said in ["", "GET /ws HTTP/1.1\r\nHost: a\r\nX-Slow: ", &upgrade] {
        opened.extend(silent(&server, ATTACKERS / 3, said).await);
    }
    expect_others_get_in(&server, "beside half-open connections").await;
    let grown = memory_kib(&child).saturating_sub(before);
    println!("{} half-open connections took {grown} KiB", opened.len());
    assert!(grown <= MOST_MEMORY_KIB, "{grown} KiB");
    expect_ended(opened).await;
    expect_others_get_in(&server, "after that").await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn members_that_send_too_much_and_read_nothing_trouble_nobody() {
    let (child, server) = generous();
    expect_others_get_in(&server, "alone").await;
    let before = memory_kib(&child);
    // Each sends as fast as it can what the server must answer, and reads none of it.
    let attackers = (0..20).map(|number| {
        let server = Server::elsewhere(server.address);
        tokio::spawn(async move {
            loop {
                let (mut client, welcome) =
                    Client::join(&server, join(&format!("flood {}", number % 4), "x")).await;
                let frame = peerloom_protocol::codec::encode(&crate::common::signal(&welcome, &[7; 16_000]));
                while client.try_send(&frame).await {}
            }
        })
    });
    let attackers: Vec<_> = attackers.collect();
    expect_others_get_in(&server, "beside floods").await;
    let grown = memory_kib(&child).saturating_sub(before);
    println!("floods took {grown} KiB");
    assert!(grown <= MOST_MEMORY_KIB, "{grown} KiB");
    attackers.iter().for_each(tokio::task::JoinHandle::abort);

    // And each of them is told why it must go.
    let (mut client, welcome) = Client::join(&server, join("flood", "x")).await;
    let frame = peerloom_protocol::codec::encode(&crate::common::signal(&welcome, &[7; 16_000]));
    while client.try_send(&frame).await {}
    let last = loop {
        match client.next().await {
            Ok(_) => {}
            Err(code) => break code,
        }
    };
    let expected = [Refusal::RateLimited.close_code(), Refusal::SlowConsumer.close_code()];
    assert!(last.is_none_or(|code| expected.contains(&code)), "{last:?}");
}
