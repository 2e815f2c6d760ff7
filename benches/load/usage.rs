//! What a program costs the machine, as Linux tells it; elsewhere nothing is known.

use std::fs;
use std::time::Duration;

/// Linux counts processor time in hundredths of a second, whatever its own clock does.
const TICK: Duration = Duration::from_millis(10);

/// Where user and system time stand in `/proc/<id>/stat`, counted after the program's name.
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;

/// What a running program has used so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Processor time of all its threads.
    pub(crate) cpu: Duration,
    /// Memory it holds now.
    pub(crate) resident_bytes: u64,
    /// The most it has ever held.
    pub(crate) resident_most_bytes: u64,
}

impl Usage {
    /// Reads what the process with this id has used.
    pub(crate) fn of(process: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        Some(Self {
            cpu: cpu(&stat)?,
            resident_bytes: size_bytes(&status, "VmRSS:")?,
            resident_most_bytes: size_bytes(&status, "VmHWM:")?,
        })
    }
}

fn cpu(stat: &str) -> Option<Duration> {
    // The name stands in parentheses, and may hold spaces and parentheses itself.
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    let ticks = |place: usize| fields.get(place)?.parse::<u32>().ok();
    Some(TICK * ticks(USER_TIME)?.checked_add(ticks(SYSTEM_TIME)?)?)
}

fn size_bytes(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kibibytes.checked_mul(1024)
}
