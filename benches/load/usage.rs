//! What programs cost the machine, as Linux tells it; elsewhere nothing is known.

use std::fs;
use std::ops::Add;
use std::time::Duration;

/// Linux counts processor time in hundredths of a second, whatever its own clock does.
const TICK: Duration = Duration::from_millis(10);

/// Where group, user and system time stand in `/proc/<id>/stat`, counted after the program's name.
const GROUP: usize = 2;
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;

/// What a running program, or several together, have used so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Processor time of all threads.
    pub(crate) cpu: Duration,
    /// Memory held now. What several processes share counts for each.
    pub(crate) resident_bytes: u64,
    /// The most ever held.
    pub(crate) resident_most_bytes: u64,
}

impl Usage {
    /// What this program has used.
    pub(crate) fn of_own() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// What all processes of a group have used, if there is one.
    pub(crate) fn of_group(group: u32) -> Option<Self> {
        let entries = fs::read_dir("/proc").ok()?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let processes = names.filter_map(|name| name.parse::<u32>().ok());
        // A process may end between the listing and the look.
        let members = processes.filter(|process| {
            let stat = fs::read_to_string(format!("/proc/{process}/stat"));
            stat.is_ok_and(|stat| number(&stat, GROUP) == Some(group))
        });
        members.filter_map(Self::of).reduce(Self::add)
    }

    /// Reads what the process with this id has used.
    fn of(process: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let ticks = number(&stat, USER_TIME)?.checked_add(number(&stat, SYSTEM_TIME)?)?;
        Some(Self {
            cpu: TICK * ticks,
            resident_bytes: size_bytes(&status, "VmRSS:")?,
            resident_most_bytes: size_bytes(&status, "VmHWM:")?,
        })
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cpu: self.cpu + other.cpu,
            resident_bytes: self.resident_bytes + other.resident_bytes,
            resident_most_bytes: self.resident_most_bytes + other.resident_most_bytes,
        }
    }
}

/// Processor time between two moments; none where it is not known.
pub(crate) fn spent(before: Option<Usage>, after: Option<Usage>) -> Option<Duration> {
    Some(after?.cpu.saturating_sub(before?.cpu))
}

fn number(stat: &str, place: usize) -> Option<u32> {
    // The name stands in parentheses, and may hold spaces and parentheses itself.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace();
    fields.nth(place)?.parse().ok()
}

fn size_bytes(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kibibytes.checked_mul(1024)
}
