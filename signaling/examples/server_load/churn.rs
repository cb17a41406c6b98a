//! Connecting, joining and closing, all the time.

use std::time::Instant;

use serde_json::json;

use crate::Result;
use crate::crowd::{AT_ONCE, Crowd, Heard};
use crate::process::{Meter, Process};
use crate::times::Times;

const ROOM_SIZE: usize = 4;

#[derive(Debug, clap::Args)]
pub(crate) struct Churn {
    /// For how long, after an eighth of that to warm up.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
}

impl Churn {
    pub(crate) fn run(self, crowd: &mut Crowd, server: &Process) -> Result<serde_json::Value> {
        let mut began = [Instant::now(); AT_ONCE];
        for (index, began) in began.iter_mut().enumerate() {
            *began = Instant::now();
            crowd.clients.connect(index, crowd.clients.opened() / ROOM_SIZE)?;
        }
        let mut times = Times::default();
        let mut turn = |crowd: &mut Crowd, times: &mut Times| {
            crowd.turn(None, |clients, index, heard| {
                if matches!(heard, Heard::Welcome) {
                    times.push(began[index].elapsed());
                    began[index] = Instant::now();
                    // Closes the one that just came in.
                    clients.connect(index, clients.opened() / ROOM_SIZE)?;
                }
                Ok(())
            })
        };
        let start = Instant::now();
        while start.elapsed().as_secs_f64() < self.seconds / 8.0 {
            turn(crowd, &mut times)?;
        }
        times.clear();
        let meter = Meter::start(server)?;
        let start = Instant::now();
        while start.elapsed().as_secs_f64() < self.seconds {
            turn(crowd, &mut times)?;
        }
        let spent = meter.stop()?;
        let count = times.len();
        Ok(json!({
            "perSecond": spent.per_second(count),
            "cpuUsEach": spent.server_us_each(count),
            "shares": spent.shares(),
            "ms": times.summary(),
        }))
    }
}
