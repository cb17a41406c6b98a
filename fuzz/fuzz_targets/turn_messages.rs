//! STUN and TURN: datagrams, pieces of streams and data of peers, and requests that are well signed, as the fuzzer cannot guess a
//! signature. No relay is made for who has not signed, none sends to an address that is not public, and nobody is sent much who
//! has not asked.
#![no_main]

use std::net::SocketAddr;

use libfuzzer_sys::fuzz_target;
use peerloom_fuzz::Steps;
use peerloom_signaling::TurnFuzz;

fuzz_target!(|data: &[u8]| {
    let mut steps = Steps::new(data);
    let mut server = TurnFuzz::default();
    while !steps.is_over() {
        let kind = steps.byte();
        let which = steps.byte();
        match kind % 5 {
            0 => server.packet(which, steps.piece()),
            1 => server.stream(which, steps.piece()),
            2 => {
                let method = steps.byte();
                server.signed(which, method, steps.piece());
            }
            3 => {
                let address = [steps.byte(), steps.byte(), steps.byte(), steps.byte()];
                server.from_peer(which, SocketAddr::from((address, 53)), steps.piece());
            }
            _ => server.wait(which),
        }
    }
});
