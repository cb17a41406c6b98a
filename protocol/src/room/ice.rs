//! The STUN and TURN servers that connections are made with, and new credentials for them in time: the signaling server says how
//! long those are good that it names; an application does not, so it is asked before connections are made, unless it just was.

use super::{Notice, Room};
use crate::action::{Command, Event};
use crate::ice::{IceServer, IceSource};
use crate::signal::ClientMessage;
use crate::timing;

#[derive(Debug, Default)]
pub(super) struct Ice {
    /// When the last join went out.
    joined_at: u64,
    /// Connections made until then know a TURN server.
    turn_until: u64,
    /// When the server is asked for new ones; or until when connections wait for the application, which is asked.
    renew_at: Option<u64>,
    /// What the application gave is good until then, whatever it is.
    fresh_until: u64,
}

impl Ice {
    pub(super) fn joining(&mut self, now: u64) {
        self.joined_at = now;
        // The application was asked before.
        self.fresh_until = now + timing::SHORTEST_ICE_MS;
    }

    /// The next welcome brings new ones.
    pub(super) fn server_lost(&mut self) {
        self.renew_at = None;
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        self.renew_at
    }

    /// The application has answered.
    pub(super) fn given(&mut self, now: u64) {
        self.renew_at = None;
        self.fresh_until = now + timing::SHORTEST_ICE_MS;
    }
}

impl Room {
    /// The server names some. What a browser would not take is left out.
    pub(super) fn take_ice_servers(
        &mut self,
        now: u64,
        lifetime_s: u32,
        servers: impl IntoIterator<Item = IceServer>,
    ) {
        if self.config.options.ice != IceSource::Server {
            return;
        }
        let servers: Vec<_> = servers.into_iter().filter(IceServer::is_usable).collect();
        let has_turn = servers.iter().any(IceServer::is_turn);
        self.notices.push_back(Notice::Do(Command::SetIceServers(servers)));
        self.ice.renew_at = None;
        if !has_turn {
            return;
        }
        let knew = now < self.ice.turn_until;
        let lifetime_ms = (u64::from(lifetime_s) * 1_000).max(timing::SHORTEST_ICE_MS);
        self.ice.turn_until = now + lifetime_ms;
        self.ice.renew_at = Some(now + lifetime_ms / 4 * 3);
        if !knew {
            let took = now.saturating_sub(self.ice.joined_at);
            // Without TURN there are no candidates at all where addresses are hidden.
            let hidden = self.config.options.privacy.relay_only;
            let at = if hidden { now } else { now + timing::WITHOUT_TURN_MS.max(2 * took) };
            for link in self.members.values_mut().filter_map(|member| member.link.as_mut()) {
                link.give_way(at);
            }
        }
    }

    pub(super) fn renew_ice_servers(&mut self, now: u64) {
        if self.ice.renew_at.is_none_or(|at| at > now) {
            return;
        }
        if self.config.options.ice == IceSource::Asked {
            // No answer: the last ones may still be good, and are all there is.
            return self.ice.given(now);
        }
        self.ice.renew_at = Some(now + timing::ICE_AGAIN_MS);
        self.server.send(&ClientMessage::RenewIceServers);
    }

    pub(super) fn want_ice_servers(&mut self, now: u64) {
        if self.config.options.ice == IceSource::Asked && self.ice.renew_at.is_none() {
            self.ice.renew_at = Some(now + timing::ICE_WAIT_MS);
            self.notify(Event::IceServersWanted);
        }
    }

    /// Until when connections that are to be made wait for the application, which is asked now unless it just was.
    pub(super) fn wait_for_ice_servers(&mut self, now: u64) -> Option<u64> {
        if self.ice.fresh_until <= now {
            self.want_ice_servers(now);
        }
        self.ice.renew_at.filter(|_| self.config.options.ice == IceSource::Asked)
    }
}
