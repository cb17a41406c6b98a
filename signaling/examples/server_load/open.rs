//! Connections that do nothing.

use std::time::Duration;

use serde_json::json;

use crate::Result;
use crate::crowd::Crowd;
use crate::process::{Meter, Process};

const ROOM_SIZE: usize = 4;

#[derive(Debug, clap::Args)]
pub(crate) struct Open {
    /// How many there are when the server is looked at; may be repeated, from few to many.
    #[arg(long, required = true)]
    at: Vec<usize>,
    /// Cards that each leaves for newcomers.
    #[arg(long, default_value_t = 0)]
    cards: usize,
    /// How long to wait until whatever follows a join has happened.
    #[arg(long, default_value_t = 700)]
    settle_ms: u64,
}

impl Open {
    pub(crate) fn run(self, crowd: &mut Crowd, server: &Process) -> Result<serde_json::Value> {
        let settle = Duration::from_millis(self.settle_ms);
        // One visitor first, so that what is set up once does not count.
        crowd.open(0..1, ROOM_SIZE)?;
        crowd.clients.close(0);
        crowd.settle(settle)?;
        let before = server.resident_kib()?;
        let mut open = 0;
        let mut steps = Vec::new();
        for at in self.at {
            let meter = Meter::start(server)?;
            crowd.open(open..at, ROOM_SIZE)?;
            // What joins cost beside, such as telling the others, may come after the last welcome.
            crowd.settle(settle)?;
            let spent = meter.stop()?;
            if self.cards > 0 {
                let deposit = crowd.clients.dialect.deposit(self.cards)?;
                for index in open..at {
                    crowd.clients.send(index, &deposit)?;
                }
                crowd.settle(settle)?;
            }
            steps.push(json!({
                "connections": at,
                "kibEach": (server.resident_kib()? - before) / at as f64,
                "cpuUsEach": spent.server_us_each(at - open),
            }));
            open = at;
        }
        Ok(json!({ "beforeKib": before, "steps": steps }))
    }
}
