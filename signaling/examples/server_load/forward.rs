//! Pairs of members that send to each other through the server.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Result;
use crate::crowd::{Crowd, Heard};
use crate::dialect::Kind;
use crate::process::{Meter, Process};
use crate::times::Times;

const ROOM_SIZE: usize = 4;

#[derive(Debug, clap::Args)]
pub(crate) struct Forward {
    /// What they send.
    #[arg(long)]
    kind: Kind,
    /// Bytes of each message, without what the server's protocol puts around them.
    #[arg(long, default_value_t = 1200)]
    bytes: usize,
    /// How many pairs, in rooms of four.
    #[arg(long, default_value_t = 40)]
    pairs: usize,
    /// Messages of one pair on their way at the same time: the next is sent when one arrives.
    #[arg(long, default_value_t = 4)]
    in_flight: usize,
    /// Messages sent each second, whether earlier ones have arrived or not, instead of as many as arrive.
    #[arg(long)]
    rate: Option<f64>,
    /// For how long, after an eighth of that to warm up.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
}

/// One member that sends to another.
#[derive(Debug)]
struct Pair {
    message: Vec<u8>,
    /// When those on their way were sent, or should have been. They arrive in this order.
    sent: VecDeque<Instant>,
}

impl Forward {
    pub(crate) fn run(self, crowd: &mut Crowd, server: &Process) -> Result<serde_json::Value> {
        crowd.open(0..2 * self.pairs, ROOM_SIZE)?;
        crowd.settle(Duration::from_millis(200))?;
        // The even ones send to the odd ones, within a room.
        let mut pairs = (0..self.pairs)
            .map(|pair| {
                let to = crowd.clients.name(2 * pair + 1)?;
                let message = crowd.clients.dialect.message(to, self.kind, self.bytes)?;
                Ok(Pair { message, sent: VecDeque::new() })
            })
            .collect::<Result<Vec<_>>>()?;
        let mut pacer = self.rate.map(Pacer::new);
        if pacer.is_none() {
            for (index, pair) in pairs.iter_mut().enumerate() {
                for _ in 0..self.in_flight {
                    pair.sent.push_back(Instant::now());
                    crowd.clients.send(2 * index, &pair.message)?;
                }
            }
        }
        let mut times = Times::default();
        let time = Duration::from_secs_f64(self.seconds);
        self.send_for(time / 8, crowd, &mut pairs, &mut pacer, &mut times)?;
        times.clear();
        let meter = Meter::start(server)?;
        self.send_for(time, crowd, &mut pairs, &mut pacer, &mut times)?;
        let spent = meter.stop()?;
        let count = times.len();
        Ok(json!({
            "perSecond": spent.per_second(count),
            "cpuUsEach": spent.server_us_each(count),
            "shares": spent.shares(),
            "ms": times.summary(),
        }))
    }

    fn send_for(
        &self,
        time: Duration,
        crowd: &mut Crowd,
        pairs: &mut [Pair],
        pacer: &mut Option<Pacer>,
        times: &mut Times,
    ) -> Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            // Busy waiting: a timer would be up to a millisecond late.
            let timeout = pacer.as_ref().map(|_| Duration::ZERO);
            if let Some(pacer) = pacer {
                while let Some((at, number)) = pacer.next() {
                    let index = number % pairs.len();
                    pairs[index].sent.push_back(at);
                    crowd.clients.send(2 * index, &pairs[index].message)?;
                }
            }
            let again = pacer.is_none();
            crowd.turn(timeout, |clients, index, heard| {
                // Anything smaller tells of others who came.
                if matches!(heard, Heard::Message(len) if len >= self.bytes) {
                    let pair = &mut pairs[index / 2];
                    let sent = pair.sent.pop_front().ok_or("more arrived than was sent")?;
                    times.push(sent.elapsed());
                    if again {
                        pair.sent.push_back(Instant::now());
                        clients.send(index - 1, &pair.message)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// When messages are due that go out at a steady rate.
#[derive(Debug)]
struct Pacer {
    interval: Duration,
    next: Instant,
    number: usize,
}

impl Pacer {
    fn new(rate: f64) -> Self {
        Self { interval: Duration::from_secs_f64(1.0 / rate), next: Instant::now(), number: 0 }
    }

    /// A message that is due, since when, and its number.
    fn next(&mut self) -> Option<(Instant, usize)> {
        let at = self.next;
        if Instant::now() < at {
            return None;
        }
        self.next += self.interval;
        self.number += 1;
        Some((at, self.number))
    }
}
