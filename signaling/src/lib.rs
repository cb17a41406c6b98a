//! The signaling server of Peerloom: introduces peers to each other, then gets out of the way.
//!
//! It keeps rooms in memory, hands out each member's cards and passes envelopes and sealed packets on inside a room; it
//! reads none of them.
//! The messages are those of [`peerloom_protocol::signal`]. Everything a client can make the server keep, wait for
//! or do is bounded: see [`Limits`].
//!
//! From the outside in: `accept` takes TCP connections and counts them (`admission`, `stream`), `web` routes
//! requests, `upgrade` decides who may open a WebSocket (`origin`), `connection` serves one WebSocket in one task,
//! `gate` decides who may join which room, by `token` and `keys` (`mint` makes tokens for trying that out) or by asking (`webhook`,
//! `fetch`), `hub` keeps the rooms, `bans` who was sent away from them, and `room`
//! knows who gets which card; `relay` reads and writes packets on their way through, `rate` bounds them; `outbox` is what
//! waits to be written to a member. `turn` answers STUN and relays, beside all that; `ice_servers` tells members how to use it,
//! and of relays elsewhere by `regions`.
//!
//! # Examples
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let listener = peerloom_signaling::bind("127.0.0.1", 0).await?;
//! println!("listening on http://{}", listener.local_addr()?);
//! let config = peerloom_signaling::Config::default();
//! let stop = std::future::ready(()); // at once, here
//! peerloom_signaling::serve(listener, config, stop).await
//! # }
//! ```

mod accept;
mod admission;
mod assets;
mod bans;
mod config;
mod connection;
mod fetch;
mod gate;
mod head;
mod hub;
mod ice_options;
mod ice_servers;
mod keys;
mod mint;
mod options;
mod origin;
mod outbox;
mod rate;
mod regions;
mod relay;
mod room;
mod stream;
mod token;
mod turn;
mod upgrade;
mod web;
mod webhook;

use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;

pub use accept::bind;
pub use config::{Config, Limits};
pub use fetch::BadUrl;
pub use ice_options::IceSettingsError;
pub use ice_servers::IceServer;
pub use keys::{TokenKeys, TokenKeysError};
pub use mint::{MintError, TokenOptions, mint};
pub use options::{LogFormat, LogLevel, Options, Secret, Settings, SettingsError};
pub use origin::{AllowedOrigins, BadOrigin, Origin};
pub use outbox::OutboxLimits;
pub use rate::Rate;
pub use regions::{BadRegion, BadTurnServer, MAX_TOLD_SERVERS, Region, TurnServer};
#[doc(hidden)]
pub use turn::TurnFuzz;
pub use turn::{
    BadNetwork, BadTurnSecret, Ice, IceConfig, IceError, LONGEST_LIFETIME_S, Network, STUN_PORT, StunAddress,
    TURNS_PORT, TurnCertificate, TurnCertificateError, TurnConfig, TurnLimits, TurnSecret, TurnTls,
};
pub use webhook::{AdmissionHook, AdmissionHookError};

use admission::Admission;
use hub::Hub;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct App {
    config: Config,
    hub: Arc<Hub>,
    admission: Arc<Admission>,
    ice: Arc<Ice>,
    /// Turns true when the server goes down.
    shutdown: watch::Receiver<bool>,
    /// Whether only this machine can connect, so that any other name in `Host` is a trick.
    is_loopback: bool,
}

impl App {
    /// Resolves when the server goes down.
    fn going_down(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut shutdown = self.shutdown.clone();
        async move {
            // An error means that `serve` was dropped, which is going down too.
            let _ = shutdown.wait_for(|down| *down).await;
        }
    }
}

/// Keeps the keys of tokens fresh, for ever.
async fn keep_keys(config: &Config) {
    match &config.token_keys {
        Some(keys) => keys.watch().await,
        None => std::future::pending().await,
    }
}

/// Serves until `stop` resolves, then closes every connection with
/// [`GoingAway`](peerloom_protocol::signal::Refusal::GoingAway), for at most [`Limits::drain_timeout`].
///
/// Use [`bind`] for the listener: it sets socket options that keep the kernel's memory per connection bounded.
///
/// STUN and TURN are served where [`Config::ice`] says.
///
/// # Errors
/// When the listener has no address, or STUN or TURN cannot have theirs. Errors of single connections end only those.
///
/// # Cancel safety
/// Dropping the future stops accepting; connections already open go on until their runtime ends.
pub async fn serve(listener: TcpListener, config: Config, stop: impl Future<Output = ()>) -> io::Result<()> {
    let ice = Ice::bind(&config.ice, listener.local_addr()?).map_err(io::Error::other)?;
    serve_with(listener, ice, config, stop).await
}

/// The same, with the ports of STUN and TURN opened before: for who wants to know them, or to say what is wrong with
/// them before it says that it listens.
///
/// # Errors
/// When the listener has no address. Errors of single connections end only those.
///
/// # Cancel safety
/// As for [`serve`].
pub async fn serve_with(
    listener: TcpListener,
    ice: Ice,
    config: Config,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let is_loopback = listener.local_addr()?.ip().is_loopback();
    let (down, shutdown) = watch::channel(false);
    let limits = &config.limits;
    let drain_timeout = limits.drain_timeout;
    let app = Arc::new(App {
        hub: Hub::new(limits),
        admission: Admission::new(limits.max_connections, limits.max_connections_per_address),
        ice: Arc::new(ice),
        config,
        shutdown,
        is_loopback,
    });
    let router = web::router(app.clone());
    tokio::select! {
        () = accept::accept(&listener, &app, &router) => {}
        () = app.ice.clone().serve() => {}
        () = keep_keys(&app.config) => {}
        () = stop => {}
    }
    // New clients find the port closed and try again elsewhere or later.
    drop(listener);
    tracing::info!(connections = app.hub.member_count(), "shutting down");
    down.send_replace(true);
    app.hub.close();
    app.ice.close();
    if tokio::time::timeout(drain_timeout, app.admission.emptied()).await.is_err() {
        tracing::warn!("some connections did not close in time");
    }
    Ok(())
}
