//! One line for each packet: to see where a connection's round trips go.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::packet;

#[derive(Debug)]
pub(crate) struct PacketLog {
    file: BufWriter<File>,
}

impl PacketLog {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: BufWriter::new(File::create(path)?) })
    }

    /// Notes a packet at the moment it goes on, together with when it came. Times are milliseconds of the epoch, as a
    /// page's `performance.timeOrigin + performance.now()`.
    pub(crate) fn note(&mut self, came: Instant, packet: &[u8]) -> io::Result<()> {
        let Some((from, to)) = packet::addresses(packet) else { return Ok(()) };
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0;
        let came_ms = now_ms - came.elapsed().as_secs_f64() * 1000.0;
        writeln!(self.file, "{came_ms:.1} {now_ms:.1} {from} {to} {}", packet::payload(packet))?;
        self.file.flush()
    }
}
