//! One more in a large room.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::Result;
use crate::crowd::{Crowd, Heard};
use crate::times::Times;

#[derive(Debug, clap::Args)]
pub(crate) struct Newcomer {
    /// Members of the room, the newcomer among them.
    #[arg(long, default_value_t = 100)]
    members: usize,
    /// How often one comes.
    #[arg(long, default_value_t = 50)]
    times: usize,
}

impl Newcomer {
    pub(crate) fn run(self, crowd: &mut Crowd) -> Result<serde_json::Value> {
        let newcomer = self.members - 1;
        crowd.open(0..newcomer, self.members)?;
        crowd.settle(Duration::from_millis(300))?;
        let mut known = Times::default();
        let mut welcomed = Times::default();
        for _ in 0..self.times {
            let began = Instant::now();
            crowd.clients.connect(newcomer, 0)?;
            let mut told = vec![false; self.members];
            while told.contains(&false) {
                crowd.turn(None, |_, index, heard| {
                    if matches!(heard, Heard::Welcome) {
                        welcomed.push(began.elapsed());
                    }
                    told[index] = true;
                    Ok(())
                })?;
            }
            known.push(began.elapsed());
            crowd.clients.close(newcomer);
            // The others are told of that too.
            crowd.settle(Duration::from_millis(30))?;
        }
        Ok(json!({ "ms": known.summary(), "welcomeMs": welcomed.summary() }))
    }
}
