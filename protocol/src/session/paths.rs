//! The paths of a session: when they open and close, which one carries messages, and what silence means.

use super::{Buffer, Direct, Flight, Listing, Output, Path, Relay, RelayMode, Session};
use crate::action::ConnectionId;
use crate::channel::{Payload, Via};
use crate::control::Control;
use crate::hello::Delivery;
use crate::seal::Seal;
use crate::timing;

/// What a look at the clock found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is a path for the first time.
    Connected,
    /// No path was found so far.
    Unreached,
    /// Nothing was heard for too long, over any path.
    Suspended,
    /// It speaks again.
    Resumed,
    /// Nothing was heard for so long that it has left.
    Gone,
}

impl<P: Payload, B: Buffer> Session<P, B> {
    /// A direct path is open.
    pub(crate) fn direct_up(&mut self, now: u64, connection: ConnectionId) {
        self.direct_down();
        let mut path = Path::new(now);
        path.controls.push(self.begin());
        let flight = Flight::new();
        self.direct = Some(Direct {
            connection,
            path,
            flight,
            early: Vec::new(),
            early_bytes: 0,
            full: 0,
            full_since: None,
            lanes: Vec::new(),
        });
    }

    /// The direct path is closed.
    pub(crate) fn direct_down(&mut self) {
        if self.direct.take().is_some() {
            self.send_again(Via::Direct);
        }
    }

    /// Packets through the server can be exchanged from now on, sealed by this.
    pub(crate) fn relay_up(&mut self, now: u64, seal: Seal) {
        self.relay_down();
        let path = Path::new(now);
        self.relay = Some(Relay { seal, path, confirmed: false, hold_until: 0 });
    }

    /// Whether packets through the server can be exchanged.
    pub(crate) fn has_relay(&self) -> bool {
        self.relay.is_some()
    }

    /// Packets sent through the server may be lost, and no more will pass.
    pub(crate) fn relay_down(&mut self) {
        if self.relay.take().is_some() {
            self.send_again(Via::Relay);
        }
    }

    /// The server did not pass something on, and will not until `hold_until`.
    pub(crate) fn relay_throttled(&mut self, hold_until: u64) {
        if let Some(relay) = &mut self.relay {
            relay.hold_until = relay.hold_until.max(hold_until);
            // The packet may have been the first.
            relay.confirmed = false;
            self.send_again(Via::Relay);
        }
    }

    pub(super) fn send_again(&mut self, via: Via) {
        for channel in &mut self.channels {
            channel.outbox.rewind(via);
            channel.inbox.ack_again();
            channel.asked = 0;
        }
        if let Some(direct) = &mut self.direct {
            direct.flight.rewound();
        }
    }

    pub(super) fn begin(&self) -> Control {
        Control::Begin { mine: self.mine, yours: self.theirs.unwrap_or(0) }
    }

    pub(super) fn path_mut(&mut self, via: Via) -> Option<&mut Path> {
        match via {
            Via::Direct => self.direct.as_mut().map(|direct| &mut direct.path),
            Via::Relay => self.relay.as_mut().map(|relay| &mut relay.path),
        }
    }

    /// Says goodbye on every path, behind what was handed to it before.
    pub(crate) fn say_bye(&mut self) {
        for via in [Via::Direct, Via::Relay] {
            if let Some(path) = self.path_mut(via) {
                path.controls.push(Control::Bye);
            }
        }
    }

    fn direct_speaks(&self, now: u64) -> bool {
        self.direct.as_ref().is_some_and(|direct| !direct.path.life.is_quiet(now))
    }

    /// Whether the relay path may carry messages.
    fn relay_serves(&self, now: u64) -> bool {
        let allowed = match self.options.relay {
            RelayMode::First => true,
            RelayMode::Fallback => self.direct_failed || self.direct.is_some() && !self.direct_speaks(now),
            RelayMode::Never => false,
        };
        allowed && self.relay.is_some()
    }

    fn find_route(&self, now: u64) -> Option<Via> {
        if self.direct_speaks(now) {
            Some(Via::Direct)
        } else if self.relay_serves(now) {
            Some(Via::Relay)
        } else {
            self.direct.as_ref().map(|_| Via::Direct)
        }
    }

    /// The path in use. Looks anew, and sends again what a path that fell silent may have kept.
    pub(crate) fn route(&mut self, now: u64) -> Option<Via> {
        let route = self.find_route(now);
        if self.route == Some(Via::Direct) && route == Some(Via::Relay) {
            self.send_again(Via::Direct);
        }
        self.route = route;
        route
    }

    /// The path in use when last looked at.
    pub(crate) fn current_route(&self) -> Option<Via> {
        self.route
    }

    /// Whether an answer is overdue on the direct path, or on the relay path while that is in use.
    pub(crate) fn is_silent(&self, now: u64) -> bool {
        let relay = self.relay.as_ref().filter(|_| self.route == Some(Via::Relay));
        let direct = self.direct.as_ref().map(|direct| &direct.path);
        let mut paths = direct.into_iter().chain(relay.map(|relay| &relay.path));
        paths.any(|path| path.life.is_quiet(now))
    }

    /// Whether something waits to go out, whichever way.
    pub(crate) fn wants_flush(&self, now: u64) -> bool {
        let speaks = |path: &Path| !path.controls.is_empty();
        self.direct
            .as_ref()
            .is_some_and(|direct| speaks(&direct.path) || direct.lanes.iter().any(|lane| speaks(&lane.path)))
            || self.has_frames(Via::Direct)
            || self.wants_relay(now)
    }

    /// Whether something waits to go through the server.
    pub(crate) fn wants_relay(&self, now: u64) -> bool {
        self.relay.as_ref().is_some_and(|relay| relay.hold_until <= now && !relay.path.controls.is_empty())
            || self.route == Some(Via::Relay) && self.has_frames(Via::Relay)
    }

    /// Takes over what belongs to the peer and not to the session: the way through the server.
    pub(crate) fn inherit(&mut self, old: &mut Self) {
        self.relay = old.relay.take();
        self.listing = old.listing;
        self.direct_hoped = old.direct_hoped;
        self.direct_failed = old.direct_failed;
        let begin = self.begin();
        if let Some(relay) = &mut self.relay {
            relay.confirmed = false;
            relay.path.begun = self.theirs.is_some();
            relay.path.controls = vec![begin];
        }
    }

    fn heard_by_relay_since(&self, at: u64) -> bool {
        self.relay.as_ref().is_some_and(|relay| relay.confirmed && relay.path.life.heard_at() >= at)
    }

    fn in_flight(&self) -> bool {
        self.channels.iter().any(|channel| channel.outbox.unacknowledged() > 0)
    }

    /// Looks at the clock: asks for signs of life, and judges silence.
    pub(crate) fn tick(&mut self, now: u64) -> Option<Verdict> {
        let route = self.route(now);
        let in_flight = self.in_flight();
        let ask = self.ask_later.is_some_and(|at| at <= now);
        if ask {
            self.ask_later = None;
        }
        let direct_quiet = self.direct.is_some() && !self.direct_speaks(now);
        self.nonce = self.nonce.wrapping_add(1);
        let nonce = self.nonce;
        if let Some(Direct { path, .. }) = &mut self.direct
            && (path.life.ping_at(in_flight) <= now || ask && route == Some(Via::Direct) && in_flight)
        {
            path.ping(now, nonce);
        }
        let relay_used = route == Some(Via::Relay);
        if let Some(Relay { path, hold_until, confirmed, .. }) = &mut self.relay
            && relay_used
            && *hold_until <= now
            && (path.life.ping_at(in_flight) <= now
                || ask && in_flight
                || !*confirmed && in_flight && path.life.may_ping(now)
                || direct_quiet && path.life.ping_at(true) <= now)
        {
            path.ping(now, nonce);
        }
        if let Some((_, pause)) = self.latest_retry.filter(|(at, _)| *at <= now) {
            self.retry_latest(now, pause);
        }
        self.check_direct(now);
        self.check_lanes(now, in_flight);
        if self.stalled_at().is_some_and(|at| at <= now) {
            // The server is to tell what it did not pass on. One that does not, or lies, loses nothing either.
            self.relayed_at = now;
            self.send_again(Via::Relay);
        }
        self.judge(now, route)
    }

    /// When messages that went through the server and were not acknowledged are sent again.
    fn stalled_at(&self) -> Option<u64> {
        let in_flight = self.channels.iter().any(|channel| channel.outbox.is_in_flight(Via::Relay));
        in_flight.then_some(self.relayed_at + timing::STALLED_MS)
    }

    /// A direct path that has been silent for long, while the peer can be told, is given up for a new one.
    fn check_direct(&mut self, now: u64) {
        let Some(direct) = &self.direct else { return };
        let silent = direct.path.life.unanswered_ms(now);
        // Without another way to the peer, a new connection could not be agreed on either: this one may yet heal.
        let since = now.saturating_sub(timing::DIRECT_DEAD_MS / 2);
        let can_tell = match self.options.relay {
            // Where nothing goes that way, that the server has listed the peer for a while must do: browsers take up to half a
            // minute to find out themselves.
            RelayMode::Never => self.is_listed() && self.listing.1 <= since,
            _ => self.heard_by_relay_since(since),
        };
        if silent >= timing::DIRECT_DEAD_MS && can_tell {
            self.outputs.push_back(Output::DirectDead);
        }
    }

    fn judge(&mut self, now: u64, route: Option<Via>) -> Option<Verdict> {
        if route.is_some() && !self.connected {
            self.connected = true;
            self.heard_at = now;
            return Some(Verdict::Connected);
        }
        let silent = now.saturating_sub(self.heard_at);
        // Through the server everyone listed can be reached, so silence means that the peer's page has stopped.
        let may_go = self.relay_serves(now) || self.listing.0 != Listing::Listed;
        if may_go && now >= self.gone_at() {
            return Some(Verdict::Gone);
        }
        if self.no_path_at().is_some_and(|at| at <= now) {
            self.told_no_path = true;
            return Some(Verdict::Unreached);
        }
        if self.connected && !self.suspended && silent >= timing::SUSPEND_MS {
            self.suspended = true;
            return Some(Verdict::Suspended);
        }
        if self.suspended && silent < timing::SUSPEND_MS {
            self.suspended = false;
            return Some(Verdict::Resumed);
        }
        None
    }

    /// When it is to be told that no path was found.
    fn no_path_at(&self) -> Option<u64> {
        let is_due = !self.connected && !self.told_no_path && self.is_listed();
        is_due.then_some(self.begun_at + timing::NO_PATH_MS)
    }

    /// When the peer counts as gone, if nothing is heard from it before.
    fn gone_at(&self) -> u64 {
        let timeout = self.options.peer_timeout_ms;
        match self.listing {
            // It may be on its way back, over another network.
            (Listing::Lost, since) => {
                (self.heard_at + timing::LOST_MS).max(since + timing::PROBE_MS).min(self.heard_at + timeout)
            }
            // Never heard: it may have been let in and cut off before it knew, and then it comes back as somebody else.
            (Listing::Missing, since) if self.theirs.is_none() => {
                (since + timing::UNHEARD_MS).min(self.heard_at + timeout)
            }
            _ => self.heard_at + timeout,
        }
    }

    /// What the server says of the peer now.
    pub(crate) fn set_listing(&mut self, now: u64, listing: Listing) {
        if self.listing.0 != listing {
            self.listing = (listing, now);
        }
    }

    pub(crate) fn is_listed(&self) -> bool {
        self.listing.0 == Listing::Listed
    }

    fn retry_latest(&mut self, now: u64, pause: u64) {
        let pause = (2 * pause).min(timing::LATEST_RETRY_MS.1);
        self.latest_retry = None;
        for (channel, delivery) in self.channels.iter_mut().zip(&self.deliveries) {
            if *delivery == Delivery::Latest && channel.outbox.unacknowledged() > 0 {
                channel.outbox.rewind(Via::Direct);
                self.latest_retry = Some((now + pause, pause));
                self.urgent = true;
            }
        }
    }

    /// When to look at the clock.
    pub(crate) fn deadline(&self, now: u64) -> Option<u64> {
        let in_flight = self.in_flight();
        let direct = self.direct.as_ref().map(|direct| &direct.path.life);
        let relay = self.relay.as_ref().filter(|_| self.route == Some(Via::Relay));
        let relay_ping = relay.map(|relay| relay.path.life.ping_at(in_flight).max(relay.hold_until));
        let suspend = (self.connected && !self.suspended).then_some(self.heard_at + timing::SUSPEND_MS);
        let gone = Some(self.gone_at()).filter(|at| *at > now);
        timing::earliest(&[
            direct.map(|life| life.ping_at(in_flight)),
            direct.and_then(|life| life.quiet_at()).filter(|at| *at > now),
            self.lanes_deadline(now, in_flight),
            relay_ping,
            suspend,
            self.no_path_at(),
            gone,
            self.ask_later,
            self.stalled_at(),
            self.latest_retry.map(|(at, _)| at),
        ])
    }

    /// The page was frozen: nothing could be heard, so nothing is concluded from that.
    pub(crate) fn woke(&mut self, now: u64) {
        // Clocks may have stood still meanwhile.
        self.base_delay = None;
        self.begun_at = now;
        self.heard_at = now.saturating_sub(timing::HEARTBEAT_MS);
        for via in [Via::Direct, Via::Relay] {
            if let Some(path) = self.path_mut(via) {
                path.life.woke(now);
            }
        }
        if let Some(direct) = &mut self.direct {
            direct.lanes.iter_mut().for_each(|lane| lane.path.life.woke(now));
        }
    }

    /// Asks for a sign of life at once: the server lost sight of the peer, or the network changed.
    pub(crate) fn probe(&mut self, now: u64) {
        self.nonce = self.nonce.wrapping_add(1);
        let nonce = self.nonce;
        if let Some(path) = self.path_mut(Via::Direct) {
            path.ping(now, nonce);
        }
    }
}
