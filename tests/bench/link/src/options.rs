//! What the command line says.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

/// One host's end of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) device: String,
    pub(crate) address: Ipv4Addr,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) hosts: Vec<Host>,
    /// One way, for every packet.
    pub(crate) delay: Duration,
    pub(crate) log: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments after the program's name; the error is for people.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { hosts: Vec::new(), delay: Duration::from_millis(50), log: None };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--delay-ms" => {
                    let text = value()?;
                    let ms: f64 = text.parse().map_err(|_| format!("{text} is no number"))?;
                    options.delay = Duration::try_from_secs_f64(ms / 1000.0)
                        .map_err(|_| format!("{ms} ms cannot be waited"))?;
                }
                "--log" => options.log = Some(value()?.into()),
                _ => {
                    let (device, address) = argument
                        .split_once('=')
                        .ok_or_else(|| format!("{argument} is neither an option nor DEVICE=ADDRESS"))?;
                    let address = address.parse().map_err(|_| format!("{address} is no IPv4 address"))?;
                    options.hosts.push(Host { device: device.to_owned(), address });
                }
            }
        }
        if options.hosts.len() < 2 {
            return Err("give at least two hosts as DEVICE=ADDRESS".to_owned());
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn hosts_and_delay_are_read() {
        let options = parse("--delay-ms 12.5 a=10.0.0.1 b=10.0.0.2").unwrap();
        assert_eq!(options.delay, Duration::from_micros(12_500));
        assert_eq!(options.hosts[1], Host { device: "b".to_owned(), address: Ipv4Addr::new(10, 0, 0, 2) });
    }

    #[test]
    fn nonsense_is_refused() {
        for line in
            ["", "a=10.0.0.1", "a=10.0.0.1 b", "a=10.0.0.1 b=x", "--delay-ms -1 a=10.0.0.1 b=10.0.0.2"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
