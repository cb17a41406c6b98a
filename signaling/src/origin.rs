//! Who may open a WebSocket: the check of `Origin` and `Host` before the upgrade.
//!
//! Browsers let any page open a WebSocket to any server and only tell the server the page's origin, so it is the
//! server that must refuse pages of others. And a page can have its own name resolve to a loopback or LAN address
//! (DNS rebinding) to pass for same-origin, which shows in `Host`.

use std::fmt;
use std::str::FromStr;

use axum::http::HeaderMap;
use axum::http::header::{HOST, HeaderName, ORIGIN};

/// A web origin: scheme, host and port (RFC 6454 §4), in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    https: bool,
    host: String,
    port: u16,
}

/// The text is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an origin: expected scheme://host or scheme://host:port with http or https, or * for any"
)]
pub struct BadOrigin(String);

impl FromStr for Origin {
    type Err = BadOrigin;

    /// Reads an origin as a person writes it: capitals, a default port and one trailing slash are fine.
    fn from_str(text: &str) -> Result<Self, BadOrigin> {
        let lower = text.trim().to_ascii_lowercase();
        let lower = lower.strip_suffix('/').unwrap_or(&lower);
        let parsed = match lower.split_once("://") {
            Some(("http", authority)) => Self::new(false, authority),
            Some(("https", authority)) => Self::new(true, authority),
            _ => None,
        };
        parsed.ok_or_else(|| BadOrigin(text.to_owned()))
    }
}

impl Origin {
    fn new(https: bool, authority: &str) -> Option<Self> {
        let (host, port) = split_authority(authority)?;
        let port = match port {
            Some(port) => port,
            None if https => 443,
            None => 80,
        };
        Some(Self { https, host: host.to_owned(), port })
    }

    /// Reads an `Origin` header, which must be exactly as browsers write it.
    fn from_header(text: &str) -> Option<Self> {
        let origin: Self = text.parse().ok()?;
        (origin.to_string() == text).then_some(origin)
    }

    /// Whether a request with this `Host` header goes to this origin. The scheme cannot be compared: a proxy may
    /// have taken TLS off.
    fn has_host(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        Self::new(self.https, &host).is_some_and(|other| other == *self)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, default_port) = if self.https { ("https", 443) } else { ("http", 80) };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port == default_port { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// Splits `host` or `host:port`. `None` when it is neither.
fn split_authority(authority: &str) -> Option<(&str, Option<u16>)> {
    let host_len = match authority.starts_with('[') {
        true => authority.find(']')? + 1,
        false => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(host_len);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_ipv6 = |c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '.' | '[' | ']');
    let good = if host.starts_with('[') { host.chars().all(is_ipv6) } else { host.chars().all(is_name) };
    if host.is_empty() || !good {
        return None;
    }
    match port.strip_prefix(':') {
        None => port.is_empty().then_some((host, None)),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some((host, Some(digits.parse().ok()?)))
        }
        Some(_) => None,
    }
}

/// Which origins the operator allows besides the server's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// Every page and every program, also those without an origin.
    Any,
    /// Pages of these origins, and of the server's own.
    Listed(Vec<Origin>),
}

impl Default for AllowedOrigins {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

/// Why a request was refused, in words that say what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OriginError {
    #[error(
        "This request has no Origin header, so it is not from a web page. Start the server with --allow-origin '*' to admit programs."
    )]
    Missing,
    #[error(
        "Pages without an origin of their own (Origin: null) are refused. Serve the page over http or https, or start the server with --allow-origin '*'."
    )]
    Null,
    #[error("This is not an origin as browsers write it.")]
    Malformed,
    #[error("Pages of {0} are not allowed here. Start the server with --allow-origin {0} to allow them.")]
    NotAllowed(Origin),
    #[error("This request needs exactly one {0} header.")]
    NotOne(HeaderName),
    #[error(
        "The server listens on a loopback address only and does not go by this name (Host header). Start it with --allow-origin and the origin under which it is reached."
    )]
    ForeignHost,
}

impl AllowedOrigins {
    /// Whether the page that sent these headers may open a WebSocket here.
    pub(crate) fn check_origin(&self, headers: &HeaderMap) -> Result<(), OriginError> {
        let Self::Listed(listed) = self else { return Ok(()) };
        let text = match one(headers, ORIGIN)? {
            None => return Err(OriginError::Missing),
            Some("null") => return Err(OriginError::Null),
            Some(text) => text,
        };
        let origin = Origin::from_header(text).ok_or(OriginError::Malformed)?;
        let own = one(headers, HOST)?.ok_or(OriginError::NotOne(HOST))?;
        if origin.has_host(own) || listed.contains(&origin) {
            Ok(())
        } else {
            Err(OriginError::NotAllowed(origin))
        }
    }

    /// Whether a server bound to a loopback address goes by the name the client used.
    pub(crate) fn check_loopback_host(&self, headers: &HeaderMap) -> Result<(), OriginError> {
        let Self::Listed(listed) = self else { return Ok(()) };
        let host = one(headers, HOST)?.ok_or(OriginError::NotOne(HOST))?.to_ascii_lowercase();
        let (name, _port) = split_authority(&host).ok_or(OriginError::ForeignHost)?;
        let known = matches!(name, "localhost" | "127.0.0.1" | "[::1]");
        if known || listed.iter().any(|origin| origin.has_host(&host)) {
            Ok(())
        } else {
            Err(OriginError::ForeignHost)
        }
    }
}

/// The only value of a header, as text.
fn one(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, OriginError> {
    let mut values = headers.get_all(&name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| OriginError::Malformed),
        _ => Err(OriginError::NotOne(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_as_people_write_them() {
        for (text, expected) in [
            ("https://example.com", "https://example.com"),
            (" HTTPS://Example.COM:443/ ", "https://example.com"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://192.168.1.2:80", "http://192.168.1.2"),
        ] {
            assert_eq!(text.parse::<Origin>().map(|origin| origin.to_string()), Ok(expected.to_owned()));
        }
    }

    #[test]
    fn what_is_not_an_origin_is_refused() {
        for text in [
            "",
            "null",
            "example.com",
            "https://",
            "https://example.com/page",
            "https://user@example.com",
            "https://example.com:",
            "https://example.com:0x50",
            "https://example.com:65536",
            "https://exa mple.com",
            "https://[::1",
            "https://a[::1]",
            "ftp://example.com",
            "https://example.com?x",
            "https://*.example.com",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn headers_are_read_strictly() {
        assert!(Origin::from_header("https://example.com").is_some());
        for text in
            ["https://Example.com", "https://example.com:443", "https://example.com/", " https://example.com"]
        {
            assert!(Origin::from_header(text).is_none(), "{text}");
        }
    }
}
