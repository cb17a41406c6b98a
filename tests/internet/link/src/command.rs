//! Commands that change the network while it runs, one a line.

use std::net::{IpAddr, Ipv4Addr};

use crate::filter::Only;
use crate::nat::Kind;
use crate::routes::Ways;

/// Which pipes of which host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// None for every host.
    pub(crate) host: Option<String>,
    pub(crate) up: bool,
    pub(crate) down: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Set {
        target: Target,
        settings: Vec<(String, String)>,
    },
    Reset {
        target: Target,
    },
    Cut {
        host: String,
        cut: bool,
    },
    DropUdp {
        host: String,
        drop: bool,
    },
    Only {
        host: String,
        only: Option<Only>,
    },
    Hole {
        host: String,
        bytes: Option<usize>,
        clamp: bool,
    },
    Firewall {
        host: String,
        on: bool,
    },
    Address {
        host: String,
        address: IpAddr,
    },
    /// A router for one host, with the host's name.
    Nat {
        host: String,
        nat: Option<(Kind, Ipv4Addr)>,
    },
    Router {
        name: String,
        ways: Ways,
        outside: Option<String>,
    },
    Behind {
        host: String,
        router: Option<String>,
    },
    Forget {
        router: String,
    },
    Nat64 {
        nat: Option<(Kind, Ipv4Addr)>,
    },
    Stats,
}

impl Command {
    /// Reads one line; the error is for people.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let owned = |text: &str| text.to_owned();
        match words.as_slice() {
            ["set", target, settings @ ..] if !settings.is_empty() => {
                let pair = |setting: &&str| {
                    let (key, value) =
                        setting.split_once('=').ok_or_else(|| format!("{setting} is not KEY=VALUE"))?;
                    Ok((owned(key), owned(value)))
                };
                let settings = settings.iter().map(pair).collect::<Result<_, String>>()?;
                Ok(Self::Set { target: parse_target(target)?, settings })
            }
            ["reset", target] => Ok(Self::Reset { target: parse_target(target)? }),
            ["down", host] => Ok(Self::Cut { host: owned(host), cut: true }),
            ["up", host] => Ok(Self::Cut { host: owned(host), cut: false }),
            ["drop-udp", host, "on"] => Ok(Self::DropUdp { host: owned(host), drop: true }),
            ["drop-udp", host, "off"] => Ok(Self::DropUdp { host: owned(host), drop: false }),
            ["address", host, address] => {
                Ok(Self::Address { host: owned(host), address: parse_address(address)? })
            }
            ["only", host, "off"] => Ok(Self::Only { host: owned(host), only: None }),
            ["only", host, what] => {
                let port = what.parse().map(Only::TcpPort);
                let only = port.or_else(|_| parse_address(what).map(Only::Address))?;
                Ok(Self::Only { host: owned(host), only: Some(only) })
            }
            ["hole", host, "off"] => Ok(Self::Hole { host: owned(host), bytes: None, clamp: false }),
            ["hole", host, bytes, clamp @ ..] if matches!(clamp, [] | ["clamp"]) => {
                let bytes = bytes.parse().map_err(|_| format!("{bytes} are no bytes"))?;
                Ok(Self::Hole { host: owned(host), bytes: Some(bytes), clamp: !clamp.is_empty() })
            }
            ["firewall", host, "on"] => Ok(Self::Firewall { host: owned(host), on: true }),
            ["firewall", host, "off"] => Ok(Self::Firewall { host: owned(host), on: false }),
            ["nat", host, "off"] => Ok(Self::Nat { host: owned(host), nat: None }),
            ["nat", host, kind, public] => {
                let nat = (Kind::parse(kind)?, parse_v4(public)?);
                Ok(Self::Nat { host: owned(host), nat: Some(nat) })
            }
            ["router", name, kind, public, more @ ..] => {
                let (kind, public) = (Kind::parse(kind)?, parse_v4(public)?);
                let mut ways = Ways { kind, public, hairpin: false, isolated: false };
                let mut outside = None;
                for word in more {
                    match (*word, word.split_once('=')) {
                        ("hairpin", _) => ways.hairpin = true,
                        ("isolated", _) => ways.isolated = true,
                        (_, Some(("behind", router))) => outside = Some(owned(router)),
                        _ => return Err(format!("no router is {word}")),
                    }
                }
                Ok(Self::Router { name: owned(name), ways, outside })
            }
            ["behind", host, "off"] => Ok(Self::Behind { host: owned(host), router: None }),
            ["behind", host, router] => Ok(Self::Behind { host: owned(host), router: Some(owned(router)) }),
            ["forget", router] => Ok(Self::Forget { router: owned(router) }),
            ["nat64", "off"] => Ok(Self::Nat64 { nat: None }),
            ["nat64", kind, public] => Ok(Self::Nat64 { nat: Some((Kind::parse(kind)?, parse_v4(public)?)) }),
            ["stats"] => Ok(Self::Stats),
            _ => Err(format!("what is \"{line}\"?")),
        }
    }
}

fn parse_target(text: &str) -> Result<Target, String> {
    let (host, up, down) = match text.split_once('.') {
        None => (text, true, true),
        Some((host, "up")) => (host, true, false),
        Some((host, "down")) => (host, false, true),
        Some((_, direction)) => return Err(format!("{direction} is neither up nor down")),
    };
    Ok(Target { host: (host != "all").then(|| host.to_owned()), up, down })
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("{text} is no IP address"))
}

fn parse_v4(text: &str) -> Result<Ipv4Addr, String> {
    text.parse().map_err(|_| format!("{text} is no IPv4 address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        let both = Target { host: Some("a".to_owned()), up: true, down: true };
        let settings = vec![("loss".to_owned(), "20".to_owned()), ("delay".to_owned(), "150".to_owned())];
        assert_eq!(
            Command::parse("set a loss=20 delay=150"),
            Ok(Command::Set { target: both.clone(), settings })
        );
        assert_eq!(
            Command::parse("reset all.down"),
            Ok(Command::Reset { target: Target { host: None, up: false, down: true } })
        );
        assert_eq!(Command::parse("down a"), Ok(Command::Cut { host: "a".to_owned(), cut: true }));
        assert_eq!(
            Command::parse("drop-udp a on"),
            Ok(Command::DropUdp { host: "a".to_owned(), drop: true })
        );
        let nat = Some((Kind::Symmetric, Ipv4Addr::new(10, 0, 0, 9)));
        assert_eq!(
            Command::parse("nat a symmetric 10.0.0.9"),
            Ok(Command::Nat { host: "a".to_owned(), nat })
        );
        let ways = |hairpin, isolated| Ways {
            kind: Kind::Full,
            public: Ipv4Addr::new(10, 0, 0, 9),
            hairpin,
            isolated,
        };
        assert_eq!(
            Command::parse("router home full 10.0.0.9 hairpin isolated behind=provider"),
            Ok(Command::Router {
                name: "home".to_owned(),
                ways: ways(true, true),
                outside: Some("provider".to_owned())
            })
        );
        assert_eq!(
            Command::parse("router home full 10.0.0.9"),
            Ok(Command::Router { name: "home".to_owned(), ways: ways(false, false), outside: None })
        );
        assert_eq!(
            Command::parse("behind a home"),
            Ok(Command::Behind { host: "a".to_owned(), router: Some("home".to_owned()) })
        );
        for (text, only) in [
            ("443", Some(Only::TcpPort(443))),
            ("10.0.0.9", Some(Only::Address(Ipv4Addr::new(10, 0, 0, 9).into()))),
            ("off", None),
        ] {
            let expected = Ok(Command::Only { host: "a".to_owned(), only });
            assert_eq!(Command::parse(&format!("only a {text}")), expected);
        }
        assert_eq!(
            Command::parse("hole a 1280"),
            Ok(Command::Hole { host: "a".to_owned(), bytes: Some(1280), clamp: false })
        );
        assert_eq!(
            Command::parse("hole a 1280 clamp"),
            Ok(Command::Hole { host: "a".to_owned(), bytes: Some(1280), clamp: true })
        );
        assert_eq!(
            Command::parse("nat64 cone 10.0.0.9"),
            Ok(Command::Nat64 { nat: Some((Kind::Cone, Ipv4Addr::new(10, 0, 0, 9))) })
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "",
            "set a",
            "set a loss",
            "set a.side loss=1",
            "down",
            "drop-udp a",
            "nat a cone",
            "nat a round 10.0.0.9",
            "address a b",
            "router home",
            "router home cone 10.0.0.9 green",
            "behind a",
            "only a",
            "only a 70000",
            "hole a wide",
            "hole a 1280 square",
            "firewall a",
            "nat64 cone ::1",
        ] {
            assert!(Command::parse(line).is_err(), "{line}");
        }
    }
}
