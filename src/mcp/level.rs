//! How severe a log message is.

use serde_json::value::RawValue;

/// The severities of RFC 5424, the least first. Spec: 2025-11-25 server/utilities/logging, "Log Levels".
const LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];

/// A severity; greater is more severe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

impl Level {
    /// The severity of what goes wrong and will come right again.
    pub const WARNING: Self = Self(3);
    /// The severity of what is normal and worth telling.
    pub const INFO: Self = Self(1);

    /// Reads a severity from its JSON text.
    #[must_use]
    pub fn read(raw: &RawValue) -> Option<Self> {
        let name = raw.get().strip_prefix('"')?.strip_suffix('"')?;
        let place = LEVELS.iter().position(|level| *level == name)?;
        u8::try_from(place).ok().map(Self)
    }

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        LEVELS.get(usize::from(self.0)).copied().unwrap_or("debug")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::object::quote;

    #[test]
    fn severities_read_back_and_are_ordered() {
        let levels: Vec<_> = LEVELS
            .iter()
            .filter_map(|name| Level::read(&quote(name)))
            .collect();
        assert_eq!(levels.len(), LEVELS.len());
        assert!(levels.is_sorted());
        for (level, name) in levels.iter().zip(LEVELS) {
            assert_eq!(level.as_str(), name);
        }
        assert_eq!(Level::WARNING.as_str(), "warning");
        assert_eq!(Level::INFO.as_str(), "info");
        assert_eq!(Level::read(&quote("loud")), None);
    }
}
