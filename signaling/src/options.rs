//! Settings of the program: flags, then `PEERLOOM_*` variables, then a TOML file, then defaults.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use peerloom_protocol::limits::MAX_ROOM_MEMBERS;
use serde::Deserialize;

use crate::config::{Config, LARGEST_RELAY_COST, Limits};
use crate::ice_options::IceSettingsError;
use crate::keys::{TokenKeys, TokenKeysError};
use crate::origin::{AllowedOrigins, BadOrigin};
use crate::rate::Rate;
use crate::webhook::{AdmissionHook, AdmissionHookError};

/// The signaling server of Peerloom: introduces peers to each other, then gets out of the way.
///
/// Every flag can also be set by the environment variable shown with it, and by a line of the same name in the
/// file given by --config. A flag wins over the environment, the environment over the file.
#[derive(Clone, Debug, Default, Parser, Deserialize)]
#[command(name = "peerloom-signaling", version)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Options {
    /// Address or name to listen on. 0.0.0.0 or :: listens on every network interface [default: 127.0.0.1]
    #[arg(long, env = "PEERLOOM_HOST")]
    pub host: Option<String>,
    /// Port to listen on; 0 picks a free one [default: 8080]
    #[arg(long, env = "PEERLOOM_PORT")]
    pub port: Option<u16>,
    /// Lets pages of this origin connect, for example `https://example.com`. Repeatable; `*` admits every page and
    /// also programs that send no origin. The server's own page is always allowed
    #[arg(long, value_name = "ORIGIN", env = "PEERLOOM_ALLOW_ORIGIN", value_delimiter = ',')]
    pub allow_origin: Vec<String>,
    /// Lets nobody join without a token signed by a key in this file: JSON Web Keys, or a public key in PEM
    #[arg(long, value_name = "FILE", env = "PEERLOOM_TOKEN_KEYS")]
    pub token_keys: Option<PathBuf>,
    /// The same with the keys at this address, a JSON Web Key Set: https, or http on this machine
    #[arg(long, value_name = "URL", env = "PEERLOOM_TOKEN_KEYS_URL")]
    pub token_keys_url: Option<String>,
    /// What tokens must name in `aud`. Without this they must have no `aud`
    #[arg(long, value_name = "NAME", env = "PEERLOOM_TOKEN_AUDIENCE")]
    pub token_audience: Option<String>,
    /// Asks the service at this address who may join: https, or http on this machine. PEERLOOM_ADMISSION_SECRET, in the
    /// environment, or admission-secret in the file, is what questions are signed with
    #[arg(long, value_name = "URL", env = "PEERLOOM_ADMISSION_URL")]
    pub admission_url: Option<String>,
    /// Not a flag: everybody on the machine can read those of others.
    #[arg(skip)]
    pub admission_secret: Option<Secret>,
    /// Serves this folder instead of the embedded demo page
    #[arg(long, value_name = "DIR", env = "PEERLOOM_WWW")]
    pub www: Option<PathBuf>,
    /// Reads settings from this TOML file
    #[arg(long, value_name = "FILE", env = "PEERLOOM_CONFIG")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Believes X-Forwarded-For from this proxy when counting connections by address, and the header of --region-header. Repeatable
    #[arg(long, value_name = "ADDRESS", env = "PEERLOOM_TRUSTED_PROXY", value_delimiter = ',')]
    pub trusted_proxy: Vec<IpAddr>,
    /// Connections at the same time [default: 20000]
    #[arg(long, value_name = "N", env = "PEERLOOM_MAX_CONNECTIONS")]
    pub max_connections: Option<u32>,
    /// Connections at the same time from one IPv4 address or one IPv6 /64 network [default: 256]
    #[arg(long, value_name = "N", env = "PEERLOOM_MAX_CONNECTIONS_PER_ADDRESS")]
    pub max_connections_per_address: Option<u32>,
    /// Members of one room, at most 256 [default: 64]
    #[arg(long, value_name = "N", env = "PEERLOOM_MAX_ROOM_SIZE")]
    pub max_room_size: Option<u32>,
    /// Messages a second that one connection may send for long [default: 50]
    #[arg(long, value_name = "N", env = "PEERLOOM_MESSAGE_RATE")]
    pub message_rate: Option<u32>,
    /// Messages that one connection may send at once [default: 500]
    #[arg(long, value_name = "N", env = "PEERLOOM_MESSAGE_BURST")]
    pub message_burst: Option<u32>,
    /// Bytes a second that one connection may send for long [default: 262144]
    #[arg(long, value_name = "BYTES", env = "PEERLOOM_BYTE_RATE")]
    pub byte_rate: Option<u32>,
    /// Bytes that one connection may send at once, at least 131072 [default: 524288]
    #[arg(long, value_name = "BYTES", env = "PEERLOOM_BYTE_BURST")]
    pub byte_burst: Option<u32>,
    /// Bytes a second that one member may have passed on to others for long; each packet counts 256 more than its
    /// length. 0 switches this off [default: 131072]
    #[arg(long, value_name = "BYTES", env = "PEERLOOM_RELAY_RATE")]
    pub relay_rate: Option<u32>,
    /// Bytes that one member may have passed on at once, at least 18688 [default: 262144]
    #[arg(long, value_name = "BYTES", env = "PEERLOOM_RELAY_BURST")]
    pub relay_burst: Option<u32>,
    /// Bytes a second that all members of one room together may have passed on for long. 0 switches this off
    /// [default: 1048576]
    #[arg(long, value_name = "BYTES", env = "PEERLOOM_RELAY_ROOM_RATE")]
    pub relay_room_rate: Option<u32>,
    /// Bytes that all members of one room together may have passed on at once, at least 18688 [default: 2097152]
    #[arg(long, value_name = "BYTES", env = "PEERLOOM_RELAY_ROOM_BURST")]
    pub relay_room_burst: Option<u32>,
    /// Answers STUN (RFC 8489) at this address and port, over UDP; off for nowhere. Without this at port 3478 of the address
    /// that the server listens on, if nobody else has it. The next port answers too, if it is free
    #[arg(long, value_name = "ADDRESS", env = "PEERLOOM_STUN")]
    pub stun: Option<String>,
    /// Answers a second that one IPv4 address or one IPv6 /64 gets for long [default: 100]
    #[arg(long, value_name = "N", env = "PEERLOOM_STUN_RATE")]
    pub stun_rate: Option<u32>,
    /// Answers that it gets at once [default: 500]
    #[arg(long, value_name = "N", env = "PEERLOOM_STUN_BURST")]
    pub stun_burst: Option<u32>,
    /// Relays for members that cannot reach each other (TURN, RFC 8656), at the address of STUN over UDP and TCP
    #[arg(long, env = "PEERLOOM_TURN", value_parser = clap::builder::BoolishValueParser::new())]
    pub turn: bool,
    /// The name by which clients reach STUN and TURN, where it is not the one of the server
    #[arg(long, value_name = "NAME", env = "PEERLOOM_TURN_HOST")]
    pub turn_host: Option<String>,
    /// Relays from this address of the machine, by default the one of STUN. One of each family at most
    #[arg(long, value_name = "ADDRESS", env = "PEERLOOM_TURN_RELAY_ADDRESS", value_delimiter = ',')]
    pub turn_relay_address: Vec<IpAddr>,
    /// What others see instead of that address, where it is translated on the way. One of each family at most
    #[arg(long, value_name = "ADDRESS", env = "PEERLOOM_TURN_EXTERNAL_ADDRESS", value_delimiter = ',')]
    pub turn_external_address: Vec<IpAddr>,
    /// Ports to relay from [default: 49152-65535]
    #[arg(long, value_name = "FIRST-LAST", env = "PEERLOOM_TURN_PORTS")]
    pub turn_ports: Option<String>,
    /// Lets relays reach peers in this range, besides the public internet. Repeatable
    #[arg(long, value_name = "NETWORK", env = "PEERLOOM_TURN_ALLOW_PEERS", value_delimiter = ',')]
    pub turn_allow_peers: Vec<String>,
    /// Makes credentials with the secret in this file, which other relays may know too (the static-auth-secret of coturn)
    #[arg(long, value_name = "FILE", env = "PEERLOOM_TURN_SECRET_FILE")]
    pub turn_secret_file: Option<PathBuf>,
    /// Tells members of a further relay that knows the secret: its URLs, and for whom it is, for example
    /// `turn:eu.example:3478 turns:eu.example:443?transport=tcp region=eu priority=1`. Repeatable; each member is told of the two best
    #[arg(long, value_name = "SERVER", env = "PEERLOOM_TURN_SERVERS", value_delimiter = ',')]
    pub turn_servers: Vec<String>,
    /// The region that this server, its relay and its members are in, as regions of --turn-servers are named
    #[arg(long, value_name = "NAME", env = "PEERLOOM_REGION")]
    pub region: Option<String>,
    /// A header in which a trusted proxy says the region of a member, where it is known better
    #[arg(long, value_name = "NAME", env = "PEERLOOM_REGION_HEADER")]
    pub region_header: Option<String>,
    /// Serves TURN over TLS at this address and port, by default at port 5349 of the address of STUN
    #[arg(long, value_name = "ADDRESS", env = "PEERLOOM_TURN_TLS")]
    pub turn_tls: Option<SocketAddr>,
    /// The certificate for that, in PEM, with those that lead to an authority
    #[arg(long, value_name = "FILE", env = "PEERLOOM_TURN_TLS_CERTIFICATE")]
    pub turn_tls_certificate: Option<PathBuf>,
    /// The key of that certificate, in PEM
    #[arg(long, value_name = "FILE", env = "PEERLOOM_TURN_TLS_KEY")]
    pub turn_tls_key: Option<PathBuf>,
    /// Relays at the same time [default: 1000]
    #[arg(long, value_name = "N", env = "PEERLOOM_TURN_ALLOCATIONS")]
    pub turn_allocations: Option<u32>,
    /// Relays of one member [default: 32]
    #[arg(long, value_name = "N", env = "PEERLOOM_TURN_ALLOCATIONS_PER_USER")]
    pub turn_allocations_per_user: Option<u32>,
    /// Relays for one IPv4 address or one IPv6 /64 [default: 128]
    #[arg(long, value_name = "N", env = "PEERLOOM_TURN_ALLOCATIONS_PER_ADDRESS")]
    pub turn_allocations_per_address: Option<u32>,
    /// TCP and TLS connections of TURN at the same time [default: 1000]
    #[arg(long, value_name = "N", env = "PEERLOOM_TURN_CONNECTIONS")]
    pub turn_connections: Option<u32>,
    /// The same from one IPv4 address or one IPv6 /64 [default: 128]
    #[arg(long, value_name = "N", env = "PEERLOOM_TURN_CONNECTIONS_PER_ADDRESS")]
    pub turn_connections_per_address: Option<u32>,
    /// Bytes a second that are relayed for one member for long, both ways together [default: 1048576]
    #[arg(long, value_name = "BYTES", env = "PEERLOOM_TURN_RATE")]
    pub turn_rate: Option<u32>,
    /// Bytes that are relayed for one member at once [default: 2097152]
    #[arg(long, value_name = "BYTES", env = "PEERLOOM_TURN_BURST")]
    pub turn_burst: Option<u32>,
    /// Bytes a second that are relayed for all members for long [default: 12582912]
    #[arg(long, value_name = "BYTES", env = "PEERLOOM_TURN_TOTAL_RATE")]
    pub turn_total_rate: Option<u32>,
    /// Bytes that are relayed for all members at once [default: 25165824]
    #[arg(long, value_name = "BYTES", env = "PEERLOOM_TURN_TOTAL_BURST")]
    pub turn_total_burst: Option<u32>,
    /// Time to receive the headers of a request [default: 5]
    #[arg(long, value_name = "SECONDS", env = "PEERLOOM_HEADER_TIMEOUT")]
    pub header_timeout: Option<u32>,
    /// Time from opening a WebSocket to joining a room [default: 10]
    #[arg(long, value_name = "SECONDS", env = "PEERLOOM_JOIN_TIMEOUT")]
    pub join_timeout: Option<u32>,
    /// Silence after which a client is asked for a sign of life [default: 25]
    #[arg(long, value_name = "SECONDS", env = "PEERLOOM_PING_INTERVAL")]
    pub ping_interval: Option<u32>,
    /// Time to give that sign of life [default: 10]
    #[arg(long, value_name = "SECONDS", env = "PEERLOOM_PONG_TIMEOUT")]
    pub pong_timeout: Option<u32>,
    /// Time to close all connections after SIGTERM or Ctrl-C [default: 2]
    #[arg(long, value_name = "SECONDS", env = "PEERLOOM_DRAIN_TIMEOUT")]
    pub drain_timeout: Option<u32>,
    /// Threads to serve with. One serves a hundred thousand messages a second and needs the least memory
    /// [default: 1]
    #[arg(long, value_name = "N", env = "PEERLOOM_THREADS")]
    pub threads: Option<u16>,
    /// How much to log, to standard error [default: info]
    #[arg(long, value_name = "LEVEL", env = "PEERLOOM_LOG_LEVEL")]
    pub log_level: Option<LogLevel>,
    /// How to write the log [default: text]
    #[arg(long, value_name = "FORMAT", env = "PEERLOOM_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// A text that is not to be shown.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// How much to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// Nothing at all.
    Off,
    /// What the server cannot do.
    Error,
    /// What the operator should look at.
    Warn,
    /// Also each member that comes or goes.
    Info,
    /// Also why connections were refused.
    Debug,
    /// Everything.
    Trace,
}

/// How to write the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// Everything the program needs, with all sources put together and checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address or name to listen on.
    pub host: String,
    /// Port to listen on.
    pub port: u16,
    /// Threads to serve with.
    pub threads: u16,
    /// How much to log.
    pub log_level: LogLevel,
    /// How to write the log.
    pub log_format: LogFormat,
    /// What to serve.
    pub config: Config,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file cannot be opened.
    #[error("cannot read the settings file {0:?}: {1}")]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// The file is not TOML, or has a line that is not a setting.
    #[error("in the settings file {0:?}: {1}")]
    Malformed(PathBuf, #[source] toml::de::Error),
    /// A number is out of range.
    #[error("--{0} must be between {1} and {2}")]
    OutOfRange(&'static str, u32, u32),
    /// With this burst the relay would let small packets through and never the largest.
    #[error(
        "--{0} is {1}, but the largest packet needs {LARGEST_RELAY_COST} (--relay-rate 0 switches relaying off)"
    )]
    RelayBurst(&'static str, u32),
    /// A member that keeps to the first would be sent away for breaking the second.
    #[error("--{0} is {1}, more than --{2} with {3}: members that use it would be sent away as rate-limited")]
    RelayOverBytes(&'static str, u32, &'static str, u32),
    /// The keys of tokens cannot be used.
    #[error("--token-keys: {0}")]
    TokenKeys(#[from] TokenKeysError),
    /// Nobody can be asked who may join.
    #[error("--admission-url with PEERLOOM_ADMISSION_SECRET: {0}")]
    Admission(#[from] AdmissionHookError),
    /// More than one way to decide who may join.
    #[error("only one of --token-keys, --token-keys-url and --admission-url can decide who may join")]
    ManyGates,
    /// What tokens must name is given, but not who may sign them.
    #[error("--token-audience is of use with --token-keys or --token-keys-url alone")]
    AudienceAlone,
    /// An allowed origin is none.
    #[error("--allow-origin: {0}")]
    Origin(#[from] BadOrigin),
    /// The folder to serve is not there.
    #[error("--www: {0:?} is not a folder")]
    NoFolder(PathBuf),
    /// STUN or TURN cannot be served so.
    #[error(transparent)]
    Ice(#[from] IceSettingsError),
}

impl Options {
    /// Puts flags and environment (as parsed) together with the settings file and the defaults.
    ///
    /// # Errors
    /// When the file cannot be read or a value makes no sense.
    pub fn resolve(mut self) -> Result<Settings, SettingsError> {
        let secret = std::env::var("PEERLOOM_ADMISSION_SECRET").ok().map(Secret);
        self.admission_secret = self.admission_secret.or(secret);
        let options = match self.config.clone() {
            Some(path) => self.or(Self::from_file(&path)?),
            None => self,
        };
        options.check()
    }

    fn from_file(path: &Path) -> Result<Self, SettingsError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| SettingsError::Unreadable(path.into(), error))?;
        toml::from_str(&text).map_err(|error| SettingsError::Malformed(path.into(), error))
    }

    /// Takes from `lower` what is not set here.
    fn or(self, lower: Self) -> Self {
        fn list<T>(upper: Vec<T>, lower: Vec<T>) -> Vec<T> {
            if upper.is_empty() { lower } else { upper }
        }
        Self {
            host: self.host.or(lower.host),
            port: self.port.or(lower.port),
            allow_origin: list(self.allow_origin, lower.allow_origin),
            token_keys: self.token_keys.or(lower.token_keys),
            token_keys_url: self.token_keys_url.or(lower.token_keys_url),
            token_audience: self.token_audience.or(lower.token_audience),
            admission_url: self.admission_url.or(lower.admission_url),
            admission_secret: self.admission_secret.or(lower.admission_secret),
            www: self.www.or(lower.www),
            config: self.config,
            trusted_proxy: list(self.trusted_proxy, lower.trusted_proxy),
            max_connections: self.max_connections.or(lower.max_connections),
            max_connections_per_address: self
                .max_connections_per_address
                .or(lower.max_connections_per_address),
            max_room_size: self.max_room_size.or(lower.max_room_size),
            message_rate: self.message_rate.or(lower.message_rate),
            message_burst: self.message_burst.or(lower.message_burst),
            byte_rate: self.byte_rate.or(lower.byte_rate),
            byte_burst: self.byte_burst.or(lower.byte_burst),
            relay_rate: self.relay_rate.or(lower.relay_rate),
            relay_burst: self.relay_burst.or(lower.relay_burst),
            relay_room_rate: self.relay_room_rate.or(lower.relay_room_rate),
            relay_room_burst: self.relay_room_burst.or(lower.relay_room_burst),
            stun: self.stun.or(lower.stun),
            stun_rate: self.stun_rate.or(lower.stun_rate),
            stun_burst: self.stun_burst.or(lower.stun_burst),
            turn: self.turn || lower.turn,
            turn_host: self.turn_host.or(lower.turn_host),
            turn_relay_address: list(self.turn_relay_address, lower.turn_relay_address),
            turn_external_address: list(self.turn_external_address, lower.turn_external_address),
            turn_ports: self.turn_ports.or(lower.turn_ports),
            turn_allow_peers: list(self.turn_allow_peers, lower.turn_allow_peers),
            turn_secret_file: self.turn_secret_file.or(lower.turn_secret_file),
            turn_servers: list(self.turn_servers, lower.turn_servers),
            region: self.region.or(lower.region),
            region_header: self.region_header.or(lower.region_header),
            turn_tls: self.turn_tls.or(lower.turn_tls),
            turn_tls_certificate: self.turn_tls_certificate.or(lower.turn_tls_certificate),
            turn_tls_key: self.turn_tls_key.or(lower.turn_tls_key),
            turn_allocations: self.turn_allocations.or(lower.turn_allocations),
            turn_allocations_per_user: self.turn_allocations_per_user.or(lower.turn_allocations_per_user),
            turn_allocations_per_address: self
                .turn_allocations_per_address
                .or(lower.turn_allocations_per_address),
            turn_connections: self.turn_connections.or(lower.turn_connections),
            turn_connections_per_address: self
                .turn_connections_per_address
                .or(lower.turn_connections_per_address),
            turn_rate: self.turn_rate.or(lower.turn_rate),
            turn_burst: self.turn_burst.or(lower.turn_burst),
            turn_total_rate: self.turn_total_rate.or(lower.turn_total_rate),
            turn_total_burst: self.turn_total_burst.or(lower.turn_total_burst),
            header_timeout: self.header_timeout.or(lower.header_timeout),
            join_timeout: self.join_timeout.or(lower.join_timeout),
            ping_interval: self.ping_interval.or(lower.ping_interval),
            pong_timeout: self.pong_timeout.or(lower.pong_timeout),
            drain_timeout: self.drain_timeout.or(lower.drain_timeout),
            threads: self.threads.or(lower.threads),
            log_level: self.log_level.or(lower.log_level),
            log_format: self.log_format.or(lower.log_format),
        }
    }

    fn check(self) -> Result<Settings, SettingsError> {
        let default = Limits::default();
        let limits = Limits {
            max_connections: count("max-connections", self.max_connections, default.max_connections)?,
            max_connections_per_address: count(
                "max-connections-per-address",
                self.max_connections_per_address,
                default.max_connections_per_address,
            )?,
            max_room_size: match self.max_room_size {
                Some(size) => {
                    within("max-room-size", size, 1, u32::try_from(MAX_ROOM_MEMBERS).unwrap_or(u32::MAX))?
                        as usize
                }
                None => default.max_room_size,
            },
            messages: Rate {
                per_second: positive("message-rate", self.message_rate, default.messages.per_second)?,
                burst: positive("message-burst", self.message_burst, default.messages.burst)?,
            },
            bytes: Rate {
                per_second: positive("byte-rate", self.byte_rate, default.bytes.per_second)?,
                // Two of the largest messages: with less, an honest client could not send even one.
                burst: within(
                    "byte-burst",
                    self.byte_burst.unwrap_or(default.bytes.burst),
                    131_072,
                    u32::MAX,
                )?,
            },
            relay: Rate {
                per_second: self.relay_rate.unwrap_or(default.relay.per_second),
                burst: self.relay_burst.unwrap_or(default.relay.burst),
            },
            relay_room: Rate {
                per_second: self.relay_room_rate.unwrap_or(default.relay_room.per_second),
                burst: self.relay_room_burst.unwrap_or(default.relay_room.burst),
            },
            outbox: default.outbox,
            header_timeout: seconds("header-timeout", self.header_timeout, default.header_timeout)?,
            join_timeout: seconds("join-timeout", self.join_timeout, default.join_timeout)?,
            ping_interval: seconds("ping-interval", self.ping_interval, default.ping_interval)?,
            pong_timeout: seconds("pong-timeout", self.pong_timeout, default.pong_timeout)?,
            drain_timeout: match self.drain_timeout {
                Some(0) => Duration::ZERO,
                other => seconds("drain-timeout", other, default.drain_timeout)?,
            },
        };
        check_relay(&limits)?;
        let ice = self.ice()?;
        if let Some(folder) = self.www.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(SettingsError::NoFolder(folder.clone()));
        }
        // A variable that is set but empty lists nothing.
        let origins =
            self.allow_origin.iter().map(|origin| origin.trim()).filter(|origin| !origin.is_empty());
        let allow_origins = match origins.clone().any(|origin| origin == "*") {
            true => AllowedOrigins::Any,
            false => AllowedOrigins::Listed(origins.map(str::parse).collect::<Result<_, _>>()?),
        };
        let token_keys = match (self.token_keys, self.token_keys_url, self.token_audience) {
            (Some(_), Some(_), _) => return Err(SettingsError::ManyGates),
            (Some(file), None, audience) => Some(TokenKeys::read(&file, audience)?),
            (None, Some(url), audience) => Some(TokenKeys::at(&url, audience)?),
            (None, None, Some(_)) => return Err(SettingsError::AudienceAlone),
            (None, None, None) => None,
        };
        let secret = self.admission_secret.map(|Secret(secret)| secret).unwrap_or_default();
        let admission_hook = match self.admission_url {
            Some(_) if token_keys.is_some() => return Err(SettingsError::ManyGates),
            Some(url) => Some(AdmissionHook::at(&url, &secret)?),
            None => None,
        };
        Ok(Settings {
            host: self.host.unwrap_or_else(|| "127.0.0.1".to_owned()),
            port: self.port.unwrap_or(8080),
            threads: within("threads", u32::from(self.threads.unwrap_or(1)), 1, 1024)? as u16,
            log_level: self.log_level.unwrap_or(LogLevel::Info),
            log_format: self.log_format.unwrap_or(LogFormat::Text),
            config: Config {
                allow_origins,
                www: self.www,
                trusted_proxies: self.trusted_proxy,
                token_keys,
                admission_hook,
                ice,
                limits,
            },
        })
    }
}

/// Refuses limits of relaying that honest members would trip over.
fn check_relay(limits: &Limits) -> Result<(), SettingsError> {
    if limits.relay_rates().is_none() {
        return Ok(());
    }
    for (name, burst) in [("relay-burst", limits.relay.burst), ("relay-room-burst", limits.relay_room.burst)]
    {
        if burst < LARGEST_RELAY_COST {
            return Err(SettingsError::RelayBurst(name, burst));
        }
    }
    // What surrounds a packet on the wire is less than what it counts beside its length, so equal is enough.
    for (relay_name, relay, byte_name, bytes) in [
        ("relay-rate", limits.relay.per_second, "byte-rate", limits.bytes.per_second),
        ("relay-burst", limits.relay.burst, "byte-burst", limits.bytes.burst),
    ] {
        if relay > bytes {
            return Err(SettingsError::RelayOverBytes(relay_name, relay, byte_name, bytes));
        }
    }
    Ok(())
}

pub(crate) fn within(name: &'static str, value: u32, min: u32, max: u32) -> Result<u32, SettingsError> {
    if (min..=max).contains(&value) { Ok(value) } else { Err(SettingsError::OutOfRange(name, min, max)) }
}

pub(crate) fn positive(name: &'static str, value: Option<u32>, default: u32) -> Result<u32, SettingsError> {
    within(name, value.unwrap_or(default), 1, u32::MAX)
}

pub(crate) fn count(name: &'static str, value: Option<u32>, default: usize) -> Result<usize, SettingsError> {
    value.map_or(Ok(default), |value| within(name, value, 1, u32::MAX).map(|value| value as usize))
}

/// At most a day: no timer needs more, and sums of them cannot overflow.
fn seconds(name: &'static str, value: Option<u32>, default: Duration) -> Result<Duration, SettingsError> {
    value.map_or(Ok(default), |value| {
        within(name, value, 1, 86_400).map(|value| Duration::from_secs(value.into()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turn::{IceConfig, StunAddress};

    fn settings(arguments: &[&str]) -> Result<Settings, SettingsError> {
        Options::try_parse_from([&["peerloom-signaling"], arguments].concat()).unwrap().resolve()
    }

    #[test]
    fn defaults_are_those_of_the_library() {
        let settings = settings(&[]).unwrap();
        assert_eq!((&*settings.host, settings.port, settings.threads), ("127.0.0.1", 8080, 1));
        // Save for STUN, which a program that embeds the server need not expect.
        let ice = IceConfig { stun: StunAddress::Usual, ..IceConfig::default() };
        let default = Config { ice, ..Config::default() };
        assert_eq!(format!("{:?}", settings.config), format!("{default:?}"));
    }

    #[test]
    fn the_file_says_what_flags_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("settings.toml");
        let text = "port = 1\nmax-room-size = 8\nallow-origin = [\"https://a.example\"]\nlog-format = \"json\"\n\
                    trusted-proxy = [\"10.0.0.1\"]\ndrain-timeout = 0\nrelay-rate = 1\nrelay-burst = 20001\n\
                    relay-room-rate = 2\nrelay-room-burst = 20002\n";
        std::fs::write(&path, text).unwrap();
        let settings = settings(&["--config", path.to_str().unwrap(), "--port", "2"]).unwrap();
        assert_eq!(settings.port, 2);
        assert_eq!(settings.config.limits.max_room_size, 8);
        assert_eq!(settings.config.limits.drain_timeout, Duration::ZERO);
        assert_eq!(settings.config.limits.relay, Rate { per_second: 1, burst: 20_001 });
        assert_eq!(settings.config.limits.relay_room, Rate { per_second: 2, burst: 20_002 });
        assert_eq!(settings.log_format, LogFormat::Json);
        assert_eq!(settings.config.trusted_proxies.len(), 1);
        let listed = AllowedOrigins::Listed(vec!["https://a.example".parse().unwrap()]);
        assert_eq!(settings.config.allow_origins, listed);
    }

    #[test]
    fn a_star_among_the_origins_is_any() {
        let settings = settings(&["--allow-origin", "https://a.example", "--allow-origin", "*"]).unwrap();
        assert_eq!(settings.config.allow_origins, AllowedOrigins::Any);
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        for (flag, value) in [
            ("--max-room-size", "0"),
            ("--max-room-size", "257"),
            ("--max-connections", "0"),
            ("--message-rate", "0"),
            ("--byte-burst", "131071"),
            ("--ping-interval", "0"),
            ("--pong-timeout", "86401"),
            ("--relay-burst", "18687"),
            ("--relay-room-burst", "18687"),
            ("--relay-rate", "262145"),
            ("--relay-burst", "524289"),
            ("--threads", "0"),
        ] {
            let error = settings(&[flag, value]).unwrap_err();
            assert!(error.to_string().starts_with(flag), "{error}");
        }
    }

    #[test]
    fn limits_of_relaying_fit_those_of_bytes() {
        let error = settings(&["--byte-rate", "100000"]).unwrap_err().to_string();
        assert!(error.starts_with("--relay-rate is 131072, more than --byte-rate with 100000"), "{error}");
        let just_right = settings(&["--relay-rate", "262144", "--relay-burst", "524288"]).unwrap();
        let relay = just_right.config.limits.relay;
        assert_eq!((relay.per_second, relay.burst), (262_144, 524_288));
        settings(&["--relay-burst", "18688", "--relay-room-burst", "18688"]).unwrap();
        // Without relaying nothing of it matters.
        for off in ["--relay-rate", "--relay-room-rate"] {
            let settings = settings(&[off, "0", "--relay-burst", "1", "--byte-rate", "1000"]).unwrap();
            assert!(settings.config.limits.relay_rates().is_none());
        }
    }

    #[test]
    fn a_member_is_told_no_more_than_its_room_has() {
        let settings = settings(&["--relay-room-rate", "1000", "--relay-room-burst", "20000"]).unwrap();
        let rates = settings.config.limits.relay_rates().unwrap();
        assert_eq!((rates.member.per_second, rates.member.burst), (1_000, 20_000));
        assert_eq!((rates.room.per_second, rates.room.burst), (1_000, 20_000));
    }
}
