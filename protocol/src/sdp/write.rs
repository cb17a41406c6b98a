//! From the values of a data-only session to text. The only place that writes SDP.

use std::fmt::Write;

use super::read::{Description, Setup};
use crate::base64::{self, Form};

impl Description {
    /// Every value was checked when it was read, so none can hold a line break.
    ///
    /// The address of `c=` and the port of `m=` say nothing to ICE (RFC 9429 §5.2.1) and are always the neutral ones.
    pub(super) fn write(&self) -> String {
        let mut out = String::with_capacity(512 + 80 * self.candidates.len());
        let mut line = |args: std::fmt::Arguments<'_>| {
            // Writing to a String cannot fail.
            let _ = out.write_fmt(args);
            out.push_str("\r\n");
        };
        line(format_args!("v=0"));
        line(format_args!("o=- {} {} IN IP4 0.0.0.0", self.session_id, self.session_version));
        line(format_args!("s=-"));
        line(format_args!("t=0 0"));
        if self.ice_lite {
            line(format_args!("a=ice-lite"));
        }
        if self.bundled {
            line(format_args!("a=group:BUNDLE {}", self.mid));
        }
        line(format_args!("m=application 9 UDP/DTLS/SCTP webrtc-datachannel"));
        line(format_args!("c=IN IP4 0.0.0.0"));
        line(format_args!("a=mid:{}", self.mid));
        line(format_args!("a=ice-ufrag:{}", self.ufrag.as_str()));
        line(format_args!("a=ice-pwd:{}", self.pwd.as_str()));
        if self.trickle {
            line(format_args!("a=ice-options:trickle"));
        }
        let mut hex = String::new();
        for byte in self.fingerprint {
            let colon = if hex.is_empty() { "" } else { ":" };
            let _ = write!(hex, "{colon}{byte:02X}");
        }
        line(format_args!("a=fingerprint:sha-256 {hex}"));
        let setup = match self.setup {
            Setup::ActPass => "actpass",
            Setup::Active => "active",
            Setup::Passive => "passive",
        };
        line(format_args!("a=setup:{setup}"));
        line(format_args!("a=sctp-port:{}", self.sctp_port));
        line(format_args!("a=max-message-size:{}", self.max_message_size));
        if let Some(chunk) = &self.sctp_init {
            line(format_args!("a=sctp-init:{}", base64::encode(Form::Standard, chunk)));
        }
        for candidate in &self.candidates {
            line(format_args!("a={}", candidate.to_line()));
        }
        if self.end_of_candidates {
            line(format_args!("a=end-of-candidates"));
        }
        out
    }
}
