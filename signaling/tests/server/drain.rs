//! Going down with many clients: everybody hears of it, and nobody is waited for in vain.

use std::time::Duration;

use peerloom_protocol::signal::{Refusal, ServerMessage};
use peerloom_signaling::Limits;

use crate::common::{Client, Server, join, within};

#[tokio::test]
async fn a_thousand_clients_hear_of_it_and_the_server_ends_with_the_last() {
    const CLIENTS: usize = 1_000;
    // Both ends of every connection are in this process.
    let wanted = 2 * CLIENTS as u64 + 500;
    let allowed = rlimit::increase_nofile_limit(wanted).unwrap();
    assert!(
        allowed >= wanted,
        "this test needs {wanted} file descriptors, {allowed} are allowed (ulimit -n)"
    );
    let limits = Limits {
        max_connections_per_address: CLIENTS,
        // So that only the last connection can end the server, not the clock.
        drain_timeout: Duration::from_secs(3_600),
        ..Limits::default()
    };
    let server = Server::with_limits(limits).await;
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        clients.push(Client::join(&server, join(&format!("room {}", number / 8), "x")).await.0);
    }
    let stopping = std::time::Instant::now();
    let told: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            tokio::spawn(async move {
                loop {
                    match client.recv().await {
                        ServerMessage::Joined(_) => {}
                        ServerMessage::Refused { refusal, .. } => {
                            assert_eq!(refusal, Refusal::GoingAway);
                            break;
                        }
                        other => panic!("{other:?}"),
                    }
                }
                assert_eq!(client.next().await, Err(Some(Refusal::GoingAway.close_code())));
            })
        })
        .collect();
    server.stop().await;
    println!("down after {:?}", stopping.elapsed());
    for client in told {
        within(client).await.unwrap();
    }
}
