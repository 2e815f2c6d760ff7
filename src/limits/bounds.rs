//! What an operator may set, held to the least and the most that makes sense.

use std::{error::Error, fmt, time::Duration};

/// The least and the most that a setting may be, both allowed.
///
/// `Bounds<Duration>` bounds a time, `Bounds<usize>` bytes, `Bounds<u32>` a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds<T> {
    /// The smallest value allowed.
    pub least: T,
    /// The largest value allowed.
    pub most: T,
}

impl<T> Bounds<T> {
    /// Bounds a setting from both sides.
    #[must_use]
    pub const fn new(least: T, most: T) -> Self {
        Self { least, most }
    }
}

impl Bounds<Duration> {
    /// Reads a duration such as `3s`, `100ms` or `10m`.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] for a number without a unit, anything else that is no duration, and a
    /// duration outside the bounds.
    pub fn read(&self, text: &str) -> Result<Duration, OutOfBounds> {
        let remedy = || {
            format!(
                "write a number and its unit, such as 100ms, 3s or 10m, from {} to {}",
                spelled(self.least),
                spelled(self.most)
            )
        };
        match humantime::parse_duration(text) {
            Ok(duration) if (self.least..=self.most).contains(&duration) => Ok(duration),
            Ok(_) => Err(OutOfBounds::new("is out of bounds", remedy())),
            Err(_) => Err(OutOfBounds::new("is not a duration", remedy())),
        }
    }
}

/// A time as people would write it: whole days stay days, since a month and a year have no even number of them.
fn spelled(time: Duration) -> String {
    const DAY_SECS: u64 = 24 * 60 * 60;
    let secs = time.as_secs();
    if secs > DAY_SECS && secs.is_multiple_of(DAY_SECS) && time.subsec_nanos() == 0 {
        return format!("{}days", secs / DAY_SECS);
    }
    humantime::format_duration(time).to_string()
}

impl Bounds<u32> {
    /// Accepts a count that lies within.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] for one that does not.
    pub fn check(&self, count: u64) -> Result<u32, OutOfBounds> {
        u32::try_from(count)
            .ok()
            .filter(|count| (self.least..=self.most).contains(count))
            .ok_or_else(|| OutOfBounds::new("is out of bounds", self.remedy()))
    }

    /// Reads a count from its digits.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] for anything but a whole number within the bounds.
    pub fn read(&self, text: &str) -> Result<u32, OutOfBounds> {
        let count = text
            .parse()
            .map_err(|_| OutOfBounds::new("is not a whole number", self.remedy()))?;
        self.check(count)
    }

    /// What to write instead of a count that is refused.
    #[must_use]
    pub fn remedy(&self) -> String {
        format!("write a whole number from {} to {}", self.least, self.most)
    }
}

impl Bounds<usize> {
    /// Reads a size: a whole number with `MiB`, `KiB`, `B` or no unit (bytes).
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`] for anything else, and for a size outside the bounds.
    pub fn read(&self, text: &str) -> Result<usize, OutOfBounds> {
        let remedy = || {
            format!(
                "write a whole number with KiB or MiB, such as 4MiB, from {} to {}",
                Size(self.least),
                Size(self.most)
            )
        };
        let text = text.trim();
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit_bytes = match text.get(digits.len()..).unwrap_or_default().trim() {
            "" | "B" => Some(1),
            "KiB" => Some(1024),
            "MiB" => Some(1024 * 1024),
            _ => None,
        };
        let (Ok(number), Some(unit_bytes)) = (digits.parse::<usize>(), unit_bytes) else {
            return Err(OutOfBounds::new("is not a size", remedy()));
        };
        number
            .checked_mul(unit_bytes)
            .filter(|bytes| (self.least..=self.most).contains(bytes))
            .ok_or_else(|| OutOfBounds::new("is out of bounds", remedy()))
    }
}

/// A setting that cannot be taken, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutOfBounds {
    /// What is wrong with it, to follow its name: "is not a duration".
    pub problem: &'static str,
    /// What to write, in the imperative.
    pub remedy: String,
}

impl OutOfBounds {
    fn new(problem: &'static str, remedy: String) -> Self {
        Self { problem, remedy }
    }
}

impl fmt::Display for OutOfBounds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}; {}", self.problem, self.remedy)
    }
}

impl Error for OutOfBounds {}

/// A number of bytes in the largest unit that divides it.
struct Size(usize);

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const KIB: usize = 1024;
        const MIB: usize = 1024 * KIB;
        match self.0 {
            bytes if bytes % MIB == 0 => write!(formatter, "{}MiB", bytes / MIB),
            bytes if bytes % KIB == 0 => write!(formatter, "{}KiB", bytes / KIB),
            bytes => write!(formatter, "{bytes}B"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{CONNECT_TIMEOUT, MILLISECONDS_10, MINUTES_5, RETRY_ATTEMPTS};

    #[test]
    fn a_duration_needs_a_unit_and_stays_within_its_bounds() {
        assert_eq!(CONNECT_TIMEOUT.read("3s"), Ok(Duration::from_secs(3)));
        assert_eq!(CONNECT_TIMEOUT.read("10ms"), Ok(MILLISECONDS_10));
        assert_eq!(CONNECT_TIMEOUT.read("5m"), Ok(MINUTES_5));
        for (text, problem) in [
            ("3", "is not a duration"),
            ("", "is not a duration"),
            ("-3s", "is not a duration"),
            ("0s", "is out of bounds"),
            ("9ms", "is out of bounds"),
            ("301s", "is out of bounds"),
        ] {
            let refusal = CONNECT_TIMEOUT.read(text).unwrap_err();
            assert_eq!(refusal.problem, problem, "{text}");
            assert!(refusal.remedy.ends_with("from 10ms to 5m"), "{refusal}");
        }
    }

    #[test]
    fn a_size_is_bytes_unless_a_unit_says_otherwise() {
        let bounds = Bounds::<usize>::new(1024, 4 * 1024 * 1024);
        assert_eq!(bounds.read("2048"), Ok(2048));
        assert_eq!(bounds.read("2048B"), Ok(2048));
        assert_eq!(bounds.read("2 KiB"), Ok(2048));
        assert_eq!(bounds.read("4MiB"), Ok(4 * 1024 * 1024));
        for text in ["", "MiB", "4MB", "4.5MiB", "-1", "ä4"] {
            assert_eq!(bounds.read(text).unwrap_err().problem, "is not a size");
        }
        for text in ["1023", "5MiB", "99999999999999999MiB"] {
            let refusal = bounds.read(text).unwrap_err();
            assert_eq!(refusal.problem, "is out of bounds", "{text}");
            assert!(refusal.remedy.ends_with("from 1KiB to 4MiB"), "{refusal}");
        }
    }

    #[test]
    fn a_count_stays_within_its_bounds() {
        assert_eq!(RETRY_ATTEMPTS.read("0"), Ok(0));
        assert_eq!(RETRY_ATTEMPTS.check(10), Ok(10));
        for text in ["11", "-1", "1.5", "many", "4294967297"] {
            let refusal = RETRY_ATTEMPTS.read(text).unwrap_err();
            assert_eq!(refusal.remedy, "write a whole number from 0 to 10");
        }
    }
}
