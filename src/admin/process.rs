//! What this process takes of the machine, from `/proc/self`, under the names that Prometheus's own
//! clients use.

use std::fs;

use prometheus::{Counter, Registry, Result};

/// The kernel tells processor time in hundredths of a second, whatever it counts in.
const TICKS: f64 = 100.0;

/// What one look found.
#[derive(Debug, PartialEq)]
struct Use {
    /// Seconds of processor time, of user and system together.
    cpu: f64,
    /// Bytes that are in memory.
    resident: f64,
    threads: f64,
}

/// Adds what there is to know; nothing where there is no `/proc`.
pub(super) fn register(
    registry: &Registry,
    gauge: impl Fn(&str, &str, f64) -> Result<()>,
) -> Result<()> {
    let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
    if let Some(it) = parse(&read("stat"), &read("status")) {
        let cpu = Counter::new(
            "process_cpu_seconds_total",
            "Seconds of processor time, user and system.",
        )?;
        cpu.inc_by(it.cpu);
        registry.register(Box::new(cpu))?;
        gauge("process_resident_memory_bytes", "Bytes that are in memory.", it.resident)?;
        gauge("process_threads", "Threads.", it.threads)?;
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // Less the one that reading them took.
        let open = u32::try_from(open.count().saturating_sub(1)).unwrap_or(u32::MAX);
        gauge("process_open_fds", "Open file descriptors.", open.into())?;
    }
    Ok(())
}

fn parse(stat: &str, status: &str) -> Option<Use> {
    // The program's name, in brackets, may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks: Vec<f64> =
        rest.split_whitespace().skip(11).take(2).map_while(|it| it.parse().ok()).collect();
    let [user, system] = ticks[..] else { return None };
    let value = |name: &str| -> Option<f64> {
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        value.split_whitespace().next()?.parse().ok()
    };
    let (resident, threads) = (value("VmRSS:")? * 1024.0, value("Threads:")?);
    Some(Use { cpu: (user + system) / TICKS, resident, threads })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_whatever_the_program_is_called() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 900 0 0 0 250 50 0 0 20 0 4 0 100 1 2";
        let status = "Name:\ta\nVmRSS:\t   16384 kB\nThreads:\t4\n";
        let expected = Use { cpu: 3.0, resident: 16_777_216.0, threads: 4.0 };
        assert_eq!(parse(stat, status), Some(expected));
        assert_eq!(parse(stat, ""), None);
        assert_eq!(parse("", status), None);
    }
}
