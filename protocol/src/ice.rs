//! STUN and TURN servers (RFC 8489, RFC 8656): which ones connections are made with.

use serde::{Deserialize, Serialize};

use crate::bounded::Text;
use crate::candidate::read_v6;
use crate::limits;

/// Where they come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum IceSource {
    /// The signaling server names them, with credentials that are good for some minutes.
    #[default]
    Server,
    /// The application gave them, for good.
    Application,
    /// The application gave them, and [is asked](crate::action::Event::IceServersWanted) for new ones before connections are made.
    Asked,
}

/// One server, as in the dictionary `RTCIceServer` of WebRTC, with one of its URIs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServer {
    /// As in RFC 7064 and RFC 7065.
    pub url: Text<{ limits::MAX_ICE_URL_BYTES }>,
    /// For a TURN server; empty otherwise.
    pub username: Text<{ limits::MAX_ICE_CREDENTIAL_BYTES }>,
    /// The password; empty where there is none.
    pub credential: Text<{ limits::MAX_ICE_CREDENTIAL_BYTES }>,
}

impl IceServer {
    /// Whether a browser takes it. It makes no connection at all when one of the servers it is given is not right.
    pub fn is_usable(&self) -> bool {
        let has_credential = !self.username.is_empty() && !self.credential.is_empty();
        match kind(&self.url) {
            Some(Kind::Stun) => true,
            Some(Kind::Turn) => has_credential,
            None => false,
        }
    }

    /// Whether packets can be relayed by it.
    pub fn is_turn(&self) -> bool {
        matches!(kind(&self.url), Some(Kind::Turn))
    }
}

enum Kind {
    Stun,
    Turn,
}

/// What a URI stands for; None where it is none of those.
fn kind(url: &str) -> Option<Kind> {
    let (scheme, rest) = url.split_once(':')?;
    let (kind, address) = match scheme {
        "stun" | "stuns" => (Kind::Stun, rest),
        "turn" | "turns" => {
            let address = rest.strip_suffix("?transport=udp").or_else(|| rest.strip_suffix("?transport=tcp"));
            (Kind::Turn, address.unwrap_or(rest))
        }
        _ => return None,
    };
    // By characters, and never by an index: the message of its panic is 4 KB of WebAssembly.
    let port = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            read_v6(host)?;
            if port.is_empty() { None } else { Some(port.strip_prefix(':')?) }
        }
        None => {
            let (host, port) = match address.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (address, None),
            };
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
            if host.is_empty() || !host.bytes().all(plain) {
                return None;
            }
            port
        }
    };
    let is_port = |digits: &str| {
        digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse().is_ok_and(|port: u16| port > 0)
    };
    port.is_none_or(is_port).then_some(kind)
}

/// The STUN server that a signaling server of ours runs beside itself on the usual port, by the host in its address (`name`,
/// `name:port` or `[address]:port`). None on this machine, where nothing is to be found out.
pub fn beside(host: &str) -> Option<String> {
    let end = match host.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => host.find(':').unwrap_or(host.len()),
    };
    let name = host.get(..end)?;
    let here =
        name == "localhost" || name.ends_with(".localhost") || name.starts_with("127.") || name == "[::1]";
    let url = ["stun:", name].concat();
    (!here && kind(&url).is_some()).then_some(url)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn server(url: &str, username: &str) -> IceServer {
        IceServer {
            url: url.try_into().unwrap(),
            username: username.try_into().unwrap(),
            credential: username.try_into().unwrap(),
        }
    }

    #[test]
    fn what_browsers_take_is_usable() {
        for url in ["stun:a", "stun:rooms.example:3478", "stuns:[2001:db8::1]:5349", "stun:192.0.2.1"] {
            assert!(server(url, "").is_usable(), "{url}");
            assert!(!server(url, "").is_turn(), "{url}");
        }
        for url in
            ["turn:a", "turn:a:1?transport=udp", "turns:[::1]:443?transport=tcp", "turn:a?transport=tcp"]
        {
            assert!(server(url, "name").is_usable(), "{url}");
            assert!(server(url, "name").is_turn(), "{url}");
            assert!(!server(url, "").is_usable(), "{url} without a name");
        }
    }

    #[test]
    fn nothing_else_is() {
        let wrong = [
            "",
            ":",
            "stun",
            "stun:",
            "http:a",
            "stun:a:",
            "stun:a:0",
            "stun:a:65536",
            "stun:a:+1",
            "stun:a b",
            "stun:a/b",
            "stun:u@a",
            "stun:a?transport=udp",
            "turn:a?transport=sctp",
            "turn:a?transport=udp?transport=udp",
            "turn://a",
            "STUN:a",
            "stun:[::1",
            "stun:[::g]",
            "stun:[::1]x",
            "stun:[]",
            "stun:::1",
            "stun:ä",
            "turn:?transport=udp",
        ];
        for url in wrong {
            assert!(!server(url, "name").is_usable(), "{url}");
        }
    }

    #[test]
    fn the_server_beside_has_the_same_host() {
        let cases = [
            ("rooms.example", Some("stun:rooms.example")),
            ("rooms.example:8443", Some("stun:rooms.example")),
            ("192.0.2.1:80", Some("stun:192.0.2.1")),
            ("[2001:db8::1]:80", Some("stun:[2001:db8::1]")),
            ("[2001:db8::1]", Some("stun:[2001:db8::1]")),
            ("localhost:8080", None),
            ("a.localhost", None),
            ("127.0.0.1:80", None),
            ("[::1]:80", None),
            ("[::1", None),
            ("", None),
            ("user@host", None),
        ];
        for (host, expected) in cases {
            assert_eq!(beside(host).as_deref(), expected, "{host}");
        }
    }
}
