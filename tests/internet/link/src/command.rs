//! Commands that change the network while it runs, one a line.

use std::net::Ipv4Addr;

use crate::nat::Kind;

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
    Set { target: Target, settings: Vec<(String, String)> },
    Reset { target: Target },
    Cut { host: String, cut: bool },
    DropUdp { host: String, drop: bool },
    Address { host: String, address: Ipv4Addr },
    Nat { host: String, nat: Option<(Kind, Ipv4Addr)> },
    Forget { host: String },
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
            ["nat", host, "off"] => Ok(Self::Nat { host: owned(host), nat: None }),
            ["nat", host, kind @ ("cone" | "symmetric"), public] => {
                let kind = if *kind == "cone" { Kind::Cone } else { Kind::Symmetric };
                Ok(Self::Nat { host: owned(host), nat: Some((kind, parse_address(public)?)) })
            }
            ["forget", host] => Ok(Self::Forget { host: owned(host) }),
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

fn parse_address(text: &str) -> Result<Ipv4Addr, String> {
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
            "address a b",
        ] {
            assert!(Command::parse(line).is_err(), "{line}");
        }
    }
}
