//! The settings of STUN and TURN, from what [`Options`] says of them.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use axum::http::HeaderName;

use crate::options::{Options, SettingsError, count, positive, within};
use crate::rate::Rate;
use crate::regions::{BadRegion, BadTurnServer, Region, TurnServer, together};
use crate::turn::{
    BadNetwork, BadTurnSecret, IceConfig, StunAddress, TurnCertificate, TurnCertificateError, TurnConfig,
    TurnLimits, TurnSecret, TurnTls,
};

/// The largest datagram must get through.
const LEAST_BURST: u32 = 65_535;

/// Why the settings of STUN and TURN cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IceSettingsError {
    /// It is not an address with a port.
    #[error("--stun: {0:?} is not an address with a port like 192.0.2.1:3478 or [::]:3478, or off")]
    Stun(String),
    /// There is nothing for TURN to be served beside.
    #[error("--turn needs STUN: it is served at the same address")]
    NoStun,
    /// A setting of a relay that is not there.
    #[error("--{0} is of use with --turn alone")]
    NoTurn(&'static str),
    /// It is not a range of ports.
    #[error("--turn-ports: {0:?} is not a range like 49152-65535, of ports from 1024 on")]
    Ports(String),
    /// Two addresses of one family.
    #[error("--{0} may name one IPv4 address and one IPv6 address")]
    Addresses(&'static str),
    /// An address that stands for others.
    #[error("--{0}: {1} is not the address of one machine")]
    NoOnes(&'static str, IpAddr),
    /// Not a range of addresses.
    #[error("--turn-allow-peers: {0}")]
    AllowPeers(#[from] BadNetwork),
    /// The file with the secret cannot be read.
    #[error("--turn-secret-file: {0:?}: {1}")]
    SecretFile(PathBuf, #[source] io::Error),
    /// The secret can be guessed.
    #[error("--turn-secret-file: {0}")]
    Secret(#[from] BadTurnSecret),
    /// Other relays must know the secret too.
    #[error("--turn-servers needs --turn-secret-file, with the secret that the relays know too")]
    NoSecret,
    /// Not the address of a relay.
    #[error("--turn-servers: {0}")]
    Server(#[from] BadTurnServer),
    /// Members are told apart, and there is nothing else to tell them.
    #[error("--{0} is of use with --turn-servers alone")]
    NoServers(&'static str),
    /// Not the name of a region.
    #[error("--region: {0}")]
    Region(#[from] BadRegion),
    /// No header has this name.
    #[error("--region-header: {0:?} is not the name of a header")]
    RegionHeader(String),
    /// Anybody could say anything.
    #[error("--region-header needs --trusted-proxy: what others send is not believed")]
    NoProxy,
    /// The certificate cannot be used.
    #[error("--turn-tls-certificate and --turn-tls-key: {0}")]
    Certificate(#[from] TurnCertificateError),
    /// One is of no use without the other.
    #[error("TURN over TLS needs both --turn-tls-certificate and --turn-tls-key")]
    HalfCertificate,
}

impl Options {
    /// Puts together what is said about STUN and TURN.
    pub(crate) fn ice(&self) -> Result<IceConfig, SettingsError> {
        let default = IceConfig::default();
        let stun = match self.stun.as_deref() {
            None => StunAddress::Usual,
            Some("off") => StunAddress::Off,
            Some(text) => StunAddress::At(text.parse().map_err(|_| IceSettingsError::Stun(text.to_owned()))?),
        };
        let answers = Rate {
            per_second: positive("stun-rate", self.stun_rate, default.answers.per_second)?,
            burst: positive("stun-burst", self.stun_burst, default.answers.burst)?,
        };
        if self.turn && stun == StunAddress::Off {
            return Err(IceSettingsError::NoStun.into());
        }
        let secret = match &self.turn_secret_file {
            None => None,
            Some(path) => {
                let text = fs::read_to_string(path)
                    .map_err(|error| IceSettingsError::SecretFile(path.clone(), error))?;
                Some(TurnSecret::new(&text).map_err(IceSettingsError::from)?)
            }
        };
        let servers: Result<Vec<TurnServer>, BadTurnServer> =
            self.turn_servers.iter().filter(|text| !text.is_empty()).map(|text| text.parse()).collect();
        let servers = servers.and_then(together).map_err(IceSettingsError::from)?;
        if !servers.is_empty() && secret.is_none() {
            return Err(IceSettingsError::NoSecret.into());
        }
        let turn = if self.turn { Some(self.relay()?) } else { self.check_no_relay().map(|()| None)? };
        let (region, region_header) = self.regions(!servers.is_empty())?;
        let host = self.turn_host.clone();
        Ok(IceConfig { stun, answers, turn, host, servers, region, region_header, secret })
    }

    /// How the region of a member is known.
    fn regions(&self, has_servers: bool) -> Result<(Option<Region>, Option<HeaderName>), IceSettingsError> {
        let region = self.region.as_deref().map(str::parse).transpose()?;
        let header = self
            .region_header
            .as_deref()
            .map(|name| name.parse().map_err(|_| IceSettingsError::RegionHeader(name.to_owned())));
        let header = header.transpose()?;
        if header.is_some() && self.trusted_proxy.is_empty() {
            return Err(IceSettingsError::NoProxy);
        }
        match (has_servers, &region, &header) {
            (false, Some(_), _) => Err(IceSettingsError::NoServers("region")),
            (false, _, Some(_)) => Err(IceSettingsError::NoServers("region-header")),
            _ => Ok((region, header)),
        }
    }

    fn relay(&self) -> Result<TurnConfig, SettingsError> {
        let default = TurnConfig::default();
        let tls = match (&self.turn_tls_certificate, &self.turn_tls_key) {
            (Some(certificate), Some(key)) => Some(TurnTls {
                address: self.turn_tls,
                certificate: TurnCertificate::read(certificate, key).map_err(IceSettingsError::from)?,
            }),
            (None, None) if self.turn_tls.is_none() => None,
            _ => return Err(IceSettingsError::HalfCertificate.into()),
        };
        let allow_peers: Result<Vec<_>, BadNetwork> =
            self.turn_allow_peers.iter().filter(|text| !text.is_empty()).map(|text| text.parse()).collect();
        Ok(TurnConfig {
            relay_addresses: one_of_each("turn-relay-address", &self.turn_relay_address)?,
            external_addresses: one_of_each("turn-external-address", &self.turn_external_address)?,
            ports: self.turn_ports.as_deref().map_or(Ok(default.ports), ports)?,
            allow_peers: allow_peers.map_err(IceSettingsError::from)?,
            tls,
            limits: self.turn_limits()?,
        })
    }

    fn turn_limits(&self) -> Result<TurnLimits, SettingsError> {
        let default = TurnLimits::default();
        let burst =
            |name, value: Option<u32>, default| within(name, value.unwrap_or(default), LEAST_BURST, u32::MAX);
        Ok(TurnLimits {
            allocations: count("turn-allocations", self.turn_allocations, default.allocations)?,
            allocations_per_user: count(
                "turn-allocations-per-user",
                self.turn_allocations_per_user,
                default.allocations_per_user,
            )?,
            allocations_per_address: count(
                "turn-allocations-per-address",
                self.turn_allocations_per_address,
                default.allocations_per_address,
            )?,
            user: Rate {
                per_second: positive("turn-rate", self.turn_rate, default.user.per_second)?,
                burst: burst("turn-burst", self.turn_burst, default.user.burst)?,
            },
            all: Rate {
                per_second: positive("turn-total-rate", self.turn_total_rate, default.all.per_second)?,
                burst: burst("turn-total-burst", self.turn_total_burst, default.all.burst)?,
            },
            connections: count("turn-connections", self.turn_connections, default.connections)?,
            connections_per_address: count(
                "turn-connections-per-address",
                self.turn_connections_per_address,
                default.connections_per_address,
            )?,
            silence: default.silence,
        })
    }

    /// What is said about a relay that is not there was meant to be of use.
    fn check_no_relay(&self) -> Result<(), IceSettingsError> {
        let said = [
            ("turn-relay-address", !self.turn_relay_address.is_empty()),
            ("turn-external-address", !self.turn_external_address.is_empty()),
            ("turn-ports", self.turn_ports.is_some()),
            ("turn-allow-peers", !self.turn_allow_peers.is_empty()),
            ("turn-tls", self.turn_tls.is_some()),
            ("turn-tls-certificate", self.turn_tls_certificate.is_some()),
        ];
        match said.iter().find(|(_, is_said)| *is_said) {
            Some((name, _)) => Err(IceSettingsError::NoTurn(name)),
            None => Ok(()),
        }
    }
}

fn one_of_each(name: &'static str, addresses: &[IpAddr]) -> Result<Vec<IpAddr>, IceSettingsError> {
    if let Some(bad) = addresses.iter().find(|address| address.is_unspecified() || address.is_multicast()) {
        return Err(IceSettingsError::NoOnes(name, *bad));
    }
    let is_too_many = |of: fn(&IpAddr) -> bool| addresses.iter().filter(|address| of(address)).count() > 1;
    match is_too_many(IpAddr::is_ipv4) || is_too_many(IpAddr::is_ipv6) {
        true => Err(IceSettingsError::Addresses(name)),
        false => Ok(addresses.to_vec()),
    }
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, IceSettingsError> {
    let range = text.split_once('-').and_then(|(first, last)| {
        let range = first.trim().parse::<u16>().ok()?..=last.trim().parse::<u16>().ok()?;
        (*range.start() >= 1024 && !range.is_empty()).then_some(range)
    });
    range.ok_or_else(|| IceSettingsError::Ports(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn ice(arguments: &[&str]) -> Result<IceConfig, String> {
        let options = Options::try_parse_from([&["peerloom-signaling"], arguments].concat()).unwrap();
        options.ice().map_err(|error| error.to_string())
    }

    #[test]
    fn stun_is_on_and_turn_is_off() {
        let config = ice(&[]).unwrap();
        assert_eq!(config.stun, StunAddress::Usual);
        assert!(config.turn.is_none() && config.secret.is_none());
        assert_eq!(ice(&["--stun", "off"]).unwrap().stun, StunAddress::Off);
        let address = "[::]:3479".parse().unwrap();
        assert_eq!(ice(&["--stun", "[::]:3479"]).unwrap().stun, StunAddress::At(address));
        let turn = ice(&["--turn"]).unwrap().turn.unwrap();
        assert_eq!(format!("{turn:?}"), format!("{:?}", TurnConfig::default()));
    }

    #[test]
    fn everything_about_the_relay_can_be_said() {
        let config = ice(&[
            "--turn",
            "--turn-relay-address=10.0.0.1,fd00::1",
            "--turn-external-address=192.0.2.1",
            "--turn-ports=2000-2999",
            "--turn-allow-peers=10.0.0.0/8",
            "--turn-allow-peers=fd00::/8",
            "--turn-host=relay.example",
            "--turn-allocations=7",
            "--turn-rate=8",
            "--turn-total-burst=70000",
        ]);
        let config = config.unwrap();
        let turn = config.turn.unwrap();
        assert_eq!((turn.relay_addresses.len(), turn.external_addresses.len()), (2, 1));
        assert_eq!((turn.ports, turn.allow_peers.len()), (2000..=2999, 2));
        assert_eq!(config.host.as_deref(), Some("relay.example"));
        assert_eq!(
            (turn.limits.allocations, turn.limits.user.per_second, turn.limits.all.burst),
            (7, 8, 70_000)
        );
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let short = dir.path().join("short");
        fs::write(&short, "short").unwrap();
        let short = short.to_str().unwrap();
        for (arguments, expected) in [
            (vec!["--stun", "3478"], "--stun"),
            (vec!["--stun", "localhost:3478"], "--stun"),
            (vec!["--stun-rate", "0"], "--stun-rate"),
            (vec!["--stun", "off", "--turn"], "--turn needs STUN"),
            (vec!["--turn-ports", "2000-3000"], "--turn-ports is of use with --turn"),
            (vec!["--turn", "--turn-ports", "3000-2000"], "--turn-ports"),
            (vec!["--turn", "--turn-ports", "80-90"], "--turn-ports"),
            (vec!["--turn", "--turn-ports", "a-b"], "--turn-ports"),
            (vec!["--turn", "--turn-relay-address", "10.0.0.1,10.0.0.2"], "--turn-relay-address"),
            (vec!["--turn", "--turn-relay-address", "0.0.0.0"], "--turn-relay-address: 0.0.0.0"),
            (vec!["--turn", "--turn-allow-peers", "10.0.0.0/99"], "--turn-allow-peers"),
            (vec!["--turn", "--turn-tls", "127.0.0.1:5349"], "TURN over TLS needs both"),
            (vec!["--turn", "--turn-tls-key", "/no/such"], "TURN over TLS needs both"),
            (
                vec!["--turn", "--turn-tls-key", "/no/such", "--turn-tls-certificate", "/no/such"],
                "--turn-tls-certificate",
            ),
            (vec!["--turn-secret-file", "/no/such"], "--turn-secret-file"),
            (vec!["--turn-secret-file", short], "at least 32 bytes"),
            (vec!["--turn-servers", "turn:a.example"], "--turn-servers needs --turn-secret-file"),
            (vec!["--turn-servers", "https://a.example"], "--turn-servers"),
            (vec!["--turn", "--turn-burst", "1000"], "--turn-burst"),
            (vec!["--turn", "--turn-allocations", "0"], "--turn-allocations"),
        ] {
            let error = ice(&arguments).unwrap_err();
            assert!(error.contains(expected), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn relays_have_regions_and_so_have_members() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        fs::write(&file, "x".repeat(40)).unwrap();
        let secret = ["--turn-secret-file", file.to_str().unwrap()];
        let servers =
            ["--turn-servers", "turn:a:1,turn:a:2", "--turn-servers", "turn:b region=eu priority=3"];
        let header = ["--region=US", "--region-header=CF-IPCountry", "--trusted-proxy=10.0.0.1"];
        let config = ice(&[&secret[..], &servers, &header].concat()).unwrap();
        assert_eq!(config.servers.iter().map(|server| server.urls.len()).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(
            (config.servers[1].priority, &config.servers[1].regions),
            (3, &vec!["eu".parse().unwrap()])
        );
        assert_eq!(config.region, Some("us".parse().unwrap()));
        assert_eq!(config.region_header.unwrap().as_str(), "cf-ipcountry");
        for (arguments, expected) in [
            (&["--region=e u"][..], "--region: a region has a name"),
            (&["--region-header=a b", "--trusted-proxy=10.0.0.1"], "--region-header"),
            (&["--region-header=x-region"], "--region-header needs --trusted-proxy"),
        ] {
            let error = ice(&[&secret[..], &servers, arguments].concat()).unwrap_err();
            assert!(error.contains(expected), "{arguments:?}: {error}");
        }
        for alone in [&["--region=eu"][..], &["--region-header=x", "--trusted-proxy=10.0.0.1"]] {
            let error = ice(&[&["--turn"], alone].concat()).unwrap_err();
            assert!(error.contains("of use with --turn-servers alone"), "{alone:?}: {error}");
        }
    }
}
