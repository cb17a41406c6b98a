//! A connection that failed, brought to life again while nobody can tell the other side anything.
//!
//! A browser stops looking for a way 15 s after the last sign of life, and forgets the pairs of candidates it had. It
//! keeps everything else: ports, keys, the state of SCTP with what is to be sent again. A candidate of the other side
//! that it does not know makes a new pair, and it looks for another 15 s; one that it knows does nothing. So each is
//! given again under another foundation. One end is enough: the other answers, and finds the way back in that
//! (measured with Chromium: 50 ms after the network is back; Firefox closes its channels instead of failing).

use super::{Link, Output};
use crate::action::Command;
use crate::attempts::Stage;

impl Link {
    /// Whether the browser looks for no way any more, or has found none since it did so last.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing
    }

    /// The connection has a way to the other side.
    pub(crate) fn works(&mut self, now: u64) {
        self.tried.reach(now, Stage::Works);
        self.failing = false;
    }

    /// The browser looks for no way any more: has it look again.
    pub(crate) fn revive(&mut self) {
        let Some(connection) = self.connection else { return };
        self.failing = true;
        self.revivals += 1;
        for candidate in &self.given {
            let line = candidate.again(self.revivals).to_line();
            self.outputs.push_back(Output::Do(Command::AddCandidate(connection, line)));
        }
    }
}
