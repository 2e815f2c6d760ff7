//! The revisions of MCP and the two eras they fall into.

use std::{fmt, str::FromStr};

/// A published revision of the protocol that the gateway speaks.
///
/// Ordered by date: a later revision is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// `2024-11-05`
    V2024_11_05,
    /// `2025-03-26`
    V2025_03_26,
    /// `2025-06-18`
    V2025_06_18,
    /// `2025-11-25`
    V2025_11_25,
    /// `2026-07-28`
    V2026_07_28,
}

/// How a revision opens a conversation: with a handshake, or with each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Era {
    /// `initialize` negotiates once; state hangs on `Mcp-Session-Id`.
    Legacy,
    /// Each request carries its own context; there is no handshake and no MCP session.
    Modern,
}

impl Revision {
    /// Every revision, oldest first.
    pub const ALL: [Self; 5] = [
        Self::V2024_11_05,
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
        Self::V2026_07_28,
    ];
    /// What a legacy peer is offered first.
    pub const LATEST_LEGACY: Self = Self::V2025_11_25;
    /// What a modern peer is offered first.
    pub const LATEST_MODERN: Self = Self::V2026_07_28;

    /// Those of the legacy era, oldest first, for lists.
    #[must_use]
    pub const fn legacy() -> [Self; 4] {
        [
            Self::V2024_11_05,
            Self::V2025_03_26,
            Self::V2025_06_18,
            Self::V2025_11_25,
        ]
    }

    /// The date that names this revision on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The era this revision belongs to.
    #[must_use]
    pub const fn era(self) -> Era {
        match self {
            Self::V2026_07_28 => Era::Modern,
            _ => Era::Legacy,
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A text that names no revision the gateway speaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown MCP revision; known are 2024-11-05, 2025-03-26, 2025-06-18, 2025-11-25 and 2026-07-28"
)]
pub struct UnknownRevision;

impl FromStr for Revision {
    type Err = UnknownRevision;

    fn from_str(text: &str) -> Result<Self, UnknownRevision> {
        Self::ALL
            .into_iter()
            .find(|revision| revision.as_str() == text)
            .ok_or(UnknownRevision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_revision_reads_back_from_its_date() {
        for revision in Revision::ALL {
            assert_eq!(revision.as_str().parse(), Ok(revision));
        }
        assert_eq!("2023-01-01".parse::<Revision>(), Err(UnknownRevision));
    }

    #[test]
    fn only_the_revision_without_a_handshake_is_modern() {
        let modern: Vec<_> = Revision::ALL
            .into_iter()
            .filter(|revision| revision.era() == Era::Modern)
            .collect();
        assert_eq!(modern, [Revision::V2026_07_28]);
        assert_eq!([&Revision::legacy()[..], &modern].concat(), Revision::ALL);
    }
}
