//! Which TURN servers a member is told of: those of its region first, and never many.

use std::str::FromStr;

use peerloom_protocol::ice::IceServer;

/// A browser opens a relay at each URL of each server that it is told of, for each connection: the best one, and one for when that
/// is down.
pub const MAX_TOLD_SERVERS: usize = 2;
/// UDP, TCP and TLS, and one of these at another port.
const MAX_URLS: usize = 4;
/// There are fewer countries.
const MAX_REGIONS: usize = 256;
const MAX_REGION_BYTES: usize = 32;

/// A part of the world, by a name that is the operator's own or of whoever sets a header: `eu`, `de`, `us-east-1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region(Box<str>);

/// It is no name of a region.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a region has a name of 1 to {MAX_REGION_BYTES} letters, digits, - and _")]
pub struct BadRegion;

impl FromStr for Region {
    type Err = BadRegion;

    /// Capitals count as small letters.
    fn from_str(text: &str) -> Result<Self, BadRegion> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        match (1..=MAX_REGION_BYTES).contains(&text.len()) && text.bytes().all(is_plain) {
            true => Ok(Self(text.to_ascii_lowercase().into())),
            false => Err(BadRegion),
        }
    }
}

/// A TURN server beside this one, that knows the same secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnServer {
    /// The ways to it, as `turn:relay.example:3478`.
    pub urls: Vec<String>,
    /// Whom it is near to.
    pub regions: Vec<Region>,
    /// Of two that are as near, the one with the lower number comes first.
    pub priority: u16,
}

/// What is written of a TURN server makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadTurnServer {
    /// It cannot be reached.
    #[error("no URL")]
    NoUrl,
    /// Too many.
    #[error("more than {MAX_URLS} URLs of one server")]
    ManyUrls,
    /// Neither a URL nor anything that is said of one.
    #[error(
        "{0:?} is neither a URL like turn:relay.example:3478 or turns:relay.example:5349?transport=tcp, nor region=NAME or priority=NUMBER"
    )]
    Word(String),
    /// Not a name.
    #[error("region={0:?}: {1}")]
    Region(String, BadRegion),
    /// Too many.
    #[error("more than {MAX_REGIONS} regions")]
    ManyRegions,
    /// Not a number, or the second one.
    #[error("priority={0:?}: there is one, a number from 0 to 65535")]
    Priority(String),
}

impl FromStr for TurnServer {
    type Err = BadTurnServer;

    /// Words with space between: URLs, any number of `region=NAME`, and perhaps `priority=NUMBER`, which is 1 otherwise.
    fn from_str(text: &str) -> Result<Self, BadTurnServer> {
        let (mut urls, mut regions, mut priority) = (Vec::new(), Vec::new(), None);
        for word in text.split_ascii_whitespace() {
            if let Some(name) = word.strip_prefix("region=") {
                regions.push(name.parse().map_err(|error| BadTurnServer::Region(name.to_owned(), error))?);
            } else if let Some(number) = word.strip_prefix("priority=") {
                let is_plain = priority.is_none() && number.bytes().all(|byte| byte.is_ascii_digit());
                let parsed = number.parse().ok().filter(|_| is_plain);
                priority = Some(parsed.ok_or_else(|| BadTurnServer::Priority(number.to_owned()))?);
            } else if is_turn_url(word) {
                urls.push(word.to_owned());
            } else {
                return Err(BadTurnServer::Word(word.to_owned()));
            }
        }
        match () {
            () if urls.is_empty() => Err(BadTurnServer::NoUrl),
            () if urls.len() > MAX_URLS => Err(BadTurnServer::ManyUrls),
            () if regions.len() > MAX_REGIONS => Err(BadTurnServer::ManyRegions),
            () => Ok(Self { urls, regions, priority: priority.unwrap_or(1) }),
        }
    }
}

/// Whether clients take it, as a browser would.
fn is_turn_url(url: &str) -> bool {
    let (Ok(url), Ok(username), Ok(credential)) = (url.try_into(), "x".try_into(), "x".try_into()) else {
        return false;
    };
    let server = IceServer { url, username, credential };
    server.is_turn() && server.is_usable()
}

/// URLs of one host that the same is said of are one server, though they were named one by one.
pub(crate) fn together(servers: Vec<TurnServer>) -> Result<Vec<TurnServer>, BadTurnServer> {
    let mut all: Vec<TurnServer> = Vec::new();
    for server in servers {
        let host = host_of(&server);
        let same = all.iter_mut().find(|other| {
            host_of(other) == host && other.regions == server.regions && other.priority == server.priority
        });
        match same {
            Some(other) if other.urls.len() + server.urls.len() > MAX_URLS => {
                return Err(BadTurnServer::ManyUrls);
            }
            Some(other) => other.urls.extend(server.urls),
            None => all.push(server),
        }
    }
    Ok(all)
}

/// The name or address in its first URL.
fn host_of(server: &TurnServer) -> String {
    let url = server.urls.first().map_or("", |url| url.as_str());
    let address = url.split_once(':').map_or("", |(_, rest)| rest);
    let end = match address.starts_with('[') {
        true => address.find(']'),
        false => address.find([':', '?']),
    };
    address[..end.unwrap_or(address.len())].to_ascii_lowercase()
}

/// Those for a member in this region, the best first: the region's own, then others, each by priority and as they were named.
pub(crate) fn choose(servers: Vec<TurnServer>, region: Option<&Region>) -> Vec<TurnServer> {
    let mut servers = servers;
    servers.sort_by_key(|server| {
        let is_near = region.is_some_and(|region| server.regions.contains(region));
        (!is_near, server.priority)
    });
    servers.truncate(MAX_TOLD_SERVERS);
    servers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(texts: &[&str]) -> Vec<TurnServer> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// The hosts of those that a member there is told of.
    fn told(texts: &[&str], region: Option<&str>) -> Vec<String> {
        let region: Option<Region> = region.map(|name| name.parse().unwrap());
        choose(servers(texts), region.as_ref()).iter().map(host_of).collect()
    }

    #[test]
    fn a_server_is_what_its_words_say() {
        let server: TurnServer =
            " turn:eu.example:3478  turns:eu.example:443?transport=tcp region=EU region=uk priority=7 "
                .parse()
                .unwrap();
        assert_eq!(server.urls, ["turn:eu.example:3478", "turns:eu.example:443?transport=tcp"]);
        assert_eq!(server.regions, ["eu".parse().unwrap(), "uk".parse().unwrap()]);
        assert_eq!(server.priority, 7);
        let plain: TurnServer = "turn:a".parse().unwrap();
        assert_eq!(plain, TurnServer { urls: vec!["turn:a".to_owned()], regions: vec![], priority: 1 });
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        let long = format!("turn:a region={}", "x".repeat(33));
        let many = format!("turn:a {}", "region=x ".repeat(257));
        for (text, expected) in [
            ("", "no URL"),
            ("region=eu", "no URL"),
            ("turn:a turn:b turn:c turn:d turn:e", "more than 4 URLs"),
            ("stun:a", r#""stun:a" is neither a URL"#),
            ("turn://a", "neither a URL"),
            ("turn:a?transport=x", "neither a URL"),
            ("turn:u@a", "neither a URL"),
            ("turn:a;region=eu", "neither a URL"),
            ("turn:a weight=3", r#""weight=3" is neither a URL"#),
            ("turn:a Region=eu", "neither a URL"),
            ("turn:a region=", "region=\"\""),
            ("turn:a region=e.u", "letters, digits"),
            (&long, "1 to 32"),
            (&many, "more than 256 regions"),
            ("turn:a priority=", "priority="),
            ("turn:a priority=-1", "priority="),
            ("turn:a priority=+1", "priority="),
            ("turn:a priority=65536", "0 to 65535"),
            ("turn:a priority=1 priority=2", r#"priority="2""#),
        ] {
            let error = text.parse::<TurnServer>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn the_own_region_comes_first_by_priority_then_the_best_elsewhere() {
        let all = [
            "turn:us1 region=us priority=1",
            "turn:eu2 region=eu priority=2",
            "turn:ap1 region=ap priority=0",
            "turn:eu1 region=eu region=uk priority=1",
        ];
        assert_eq!(told(&all, Some("eu")), ["eu1", "eu2"]);
        assert_eq!(told(&all, Some("us")), ["us1", "ap1"]);
        assert_eq!(told(&all, Some("uk")), ["eu1", "ap1"]);
        // Where nobody knows, and where there is none.
        assert_eq!(told(&all, None), ["ap1", "us1"]);
        assert_eq!(told(&all, Some("sa")), ["ap1", "us1"]);
    }

    #[test]
    fn the_example_of_the_documentation_is_right() {
        let all = [
            "turn:eu1.example:3478 turns:eu1.example:443?transport=tcp region=eu priority=1",
            "turn:eu2.example:3478 turns:eu2.example:443?transport=tcp region=eu priority=2",
            "turn:us1.example:3478 turns:us1.example:443?transport=tcp region=us",
            "turn:ap1.example:3478 turns:ap1.example:443?transport=tcp region=ap priority=3",
        ];
        assert_eq!(told(&all, Some("eu")), ["eu1.example", "eu2.example"]);
        assert_eq!(told(&all, Some("us")), ["us1.example", "eu1.example"]);
        assert_eq!(told(&all, Some("ap")), ["ap1.example", "eu1.example"]);
        assert_eq!(told(&all, None), ["eu1.example", "us1.example"]);
    }

    #[test]
    fn of_equals_the_first_named_comes_first() {
        let all = ["turn:c", "turn:a", "turn:b region=eu", "turn:d region=eu"];
        assert_eq!(told(&all, None), ["c", "a"]);
        assert_eq!(told(&all, Some("eu")), ["b", "d"]);
        assert_eq!(told(&all[..1], Some("eu")), ["c"]);
        assert!(told(&[], Some("eu")).is_empty());
    }

    #[test]
    fn urls_of_one_host_are_one_server() {
        let named = servers(&[
            "turn:a:3478?transport=udp",
            "turn:b",
            "turn:A:3478?transport=tcp",
            "turns:a?transport=tcp",
            "turn:[2001:db8::1]:1",
            "turn:[2001:db8::1]:2",
            "turn:[2001:db8::2]:1",
            // Something else is said of these.
            "turn:a priority=2",
            "turn:b region=eu",
        ]);
        let all = together(named).unwrap();
        let counts: Vec<_> = all.iter().map(|server| (host_of(server), server.urls.len())).collect();
        let expected = [("a", 3), ("b", 1), ("[2001:db8::1", 2), ("[2001:db8::2", 1), ("a", 1), ("b", 1)];
        assert_eq!(counts, expected.map(|(host, count)| (host.to_owned(), count)));
        let many = servers(&["turn:a:1 turn:a:2 turn:a:3", "turn:a:4 turn:a:5"]);
        assert_eq!(together(many), Err(BadTurnServer::ManyUrls));
    }
}
