//! What a running process uses, from `/proc`.

use std::fs;

use anyhow::Context;

/// One look at a process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sample {
    /// Bytes of memory now, and at most so far.
    pub(crate) memory: u64,
    pub(crate) peak: u64,
    /// Of the bytes of memory now, those that no file backs: heap and stacks.
    pub(crate) anonymous: u64,
    /// Seconds of processor time so far.
    pub(crate) cpu: f64,
    pub(crate) descriptors: usize,
    /// Of these, sockets.
    pub(crate) sockets: usize,
    pub(crate) threads: u64,
}

/// The kernel counts processor time in hundredths of a second.
const TICKS: f64 = 100.0;

impl Sample {
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let value = |name: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let number = line.trim_start_matches(':').split_whitespace().next()?;
            number.parse().ok()
        };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name before it may hold anything.
        let (_, stat) = stat.rsplit_once(')').context("no name in /proc/PID/stat")?;
        let ticks: f64 = stat.split_whitespace().skip(11).take(2).flat_map(str::parse::<f64>).sum();
        let (mut descriptors, mut sockets) = (0, 0);
        for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
            descriptors += 1;
            // It may be closed by now.
            let Ok(target) = fs::read_link(entry?.path()) else { continue };
            sockets += usize::from(target.to_string_lossy().starts_with("socket:"));
        }
        Ok(Self {
            memory: value("VmRSS").context("no memory in /proc")? * 1024,
            anonymous: value("RssAnon").context("no memory in /proc")? * 1024,
            peak: value("VmHWM").context("no memory in /proc")? * 1024,
            cpu: ticks / TICKS,
            descriptors,
            sockets,
            threads: value("Threads").context("no threads in /proc")?,
        })
    }
}
