//! What the command line says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::impairments::milliseconds;

/// One host's end of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    /// What commands call it.
    pub(crate) name: String,
    pub(crate) device: String,
    /// It has one of them at least.
    pub(crate) v4: Option<Ipv4Addr>,
    pub(crate) v6: Option<Ipv6Addr>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) hosts: Vec<Host>,
    /// Of every host's pipe up.
    pub(crate) delay: Duration,
    /// For all that happens by chance.
    pub(crate) seed: u64,
    pub(crate) log: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments after the program's name; the error is for people.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { hosts: Vec::new(), delay: Duration::ZERO, seed: fresh_seed(), log: None };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--delay-ms" => {
                    let text = value()?;
                    options.delay = milliseconds(text.parse().map_err(|_| format!("{text} is no number"))?)?;
                }
                "--seed" => {
                    let text = value()?;
                    options.seed = text.parse().map_err(|_| format!("{text} is no number"))?;
                }
                "--log" => options.log = Some(value()?.into()),
                _ => options.hosts.push(host(&argument)?),
            }
        }
        if options.hosts.len() < 2 {
            return Err("give at least two hosts as NAME=DEVICE@ADDRESS[,ADDRESS]".to_owned());
        }
        Ok(options)
    }
}

fn host(argument: &str) -> Result<Host, String> {
    let parts = argument
        .split_once('=')
        .and_then(|(name, place)| place.split_once('@').map(|(device, address)| (name, device, address)));
    let (name, device, addresses) =
        parts.ok_or_else(|| format!("{argument} is neither an option nor NAME=DEVICE@ADDRESS[,ADDRESS]"))?;
    let mut host = Host { name: name.to_owned(), device: device.to_owned(), v4: None, v6: None };
    for address in addresses.split(',') {
        match address.parse().map_err(|_| format!("{address} is no IP address"))? {
            IpAddr::V4(address) if host.v4.is_none() => host.v4 = Some(address),
            IpAddr::V6(address) if host.v6.is_none() => host.v6 = Some(address),
            address => return Err(format!("{name} has one address of a family, and {address} is another")),
        }
    }
    Ok(host)
}

/// Another one for every run, short enough to be typed again.
fn fresh_seed() -> u64 {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    u64::from(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn hosts_delay_and_seed_are_read() {
        let line =
            "--delay-ms 12.5 --seed 7 a=tun0@10.0.0.1 b=tun1@10.0.0.2 c=tun2@10.0.0.3,fd00::3 d=tun3@fd00::4";
        let options = parse(line).unwrap();
        assert_eq!(options.delay, Duration::from_micros(12_500));
        assert_eq!(options.seed, 7);
        let expected = Host {
            name: "b".to_owned(),
            device: "tun1".to_owned(),
            v4: Some(Ipv4Addr::new(10, 0, 0, 2)),
            v6: None,
        };
        assert_eq!(options.hosts[1], expected);
        let families = options.hosts.iter().map(|host| (host.v4.is_some(), host.v6.is_some()));
        assert_eq!(families.collect::<Vec<_>>(), [(true, false), (true, false), (true, true), (false, true)]);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "",
            "a=tun0@10.0.0.1",
            "a=tun0@10.0.0.1 b",
            "a=tun0@10.0.0.1 b=tun1",
            "a=tun0@10.0.0.1 b=tun1@x",
            "a=tun0@10.0.0.1 b=tun1@10.0.0.2,10.0.0.3",
            "--delay-ms -1 a=tun0@10.0.0.1 b=tun1@10.0.0.2",
            "--seed",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
