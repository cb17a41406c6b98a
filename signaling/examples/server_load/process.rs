//! What Linux tells about a process.

use std::fs;
use std::time::{Duration, Instant};

use crate::Result;

/// A process to look at.
#[derive(Debug)]
pub(crate) struct Process {
    folder: String,
}

impl Process {
    pub(crate) fn new(pid: u32) -> Self {
        Self { folder: format!("/proc/{pid}") }
    }

    /// This one.
    pub(crate) fn own() -> Self {
        Self { folder: "/proc/self".to_owned() }
    }

    /// Resident memory, in KiB.
    pub(crate) fn resident_kib(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("{}/status", self.folder))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Processor time of all threads so far. `stat` has it too, in steps of 10 ms.
    fn cpu(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("{}/task", self.folder))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            nanoseconds += text.split(' ').next().ok_or("an empty schedstat")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }
}

/// Processor time of the server and of this program between two moments.
#[derive(Debug)]
pub(crate) struct Meter<'a> {
    server: &'a Process,
    began: Instant,
    server_cpu: Duration,
    own_cpu: Duration,
}

impl<'a> Meter<'a> {
    pub(crate) fn start(server: &'a Process) -> Result<Self> {
        let (server_cpu, own_cpu) = (server.cpu()?, Process::own().cpu()?);
        Ok(Self { server, began: Instant::now(), server_cpu, own_cpu })
    }

    pub(crate) fn stop(&self) -> Result<Spent> {
        let elapsed = self.began.elapsed();
        let server = self.server.cpu()? - self.server_cpu;
        let own = Process::own().cpu()? - self.own_cpu;
        Ok(Spent { elapsed, server, own })
    }
}

/// What was spent between two moments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    pub(crate) elapsed: Duration,
    pub(crate) server: Duration,
    pub(crate) own: Duration,
}

impl Spent {
    /// Processor time of the server for each of so many, in microseconds.
    pub(crate) fn server_us_each(&self, count: usize) -> f64 {
        self.server.as_secs_f64() * 1e6 / count as f64
    }

    /// How many of so many in a second.
    pub(crate) fn per_second(&self, count: usize) -> f64 {
        count as f64 / self.elapsed.as_secs_f64()
    }

    /// The share of one core that the server had, and that this program had: where neither is near 1, something else
    /// slowed the run.
    pub(crate) fn shares(&self) -> [f64; 2] {
        [self.server, self.own].map(|cpu| cpu.as_secs_f64() / self.elapsed.as_secs_f64())
    }
}
