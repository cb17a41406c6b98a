//! STUN and TURN servers, as the browser wants them.

use js_sys::Array;
use peerloom_protocol::ice::{self, IceServer};
use web_sys::{RtcConfiguration, RtcIceServer};

fn server(url: &str) -> RtcIceServer {
    let server = RtcIceServer::new();
    server.set_urls(&url.into());
    server
}

/// Before the server has said anything: the one that it may run beside itself. That is known while the first card is made, and
/// an address translator's address with it.
pub(super) fn guess(configuration: &RtcConfiguration, url: &str) {
    // `wss://host/path`. By characters: searching for a text would bring 2 KB of code.
    let stun = url.split('/').nth(2).and_then(ice::beside);
    configuration.set_ice_servers(&stun.iter().map(|url| server(url)).collect::<Array>());
}

/// Those that the server named.
pub(super) fn set(configuration: &RtcConfiguration, servers: &[IceServer]) {
    let servers = servers.iter().map(|named| {
        let server = server(&named.url);
        if !named.username.is_empty() {
            server.set_username(&named.username);
            server.set_credential(&named.credential);
        }
        server
    });
    configuration.set_ice_servers(&servers.collect::<Array>());
}
