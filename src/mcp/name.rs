//! Names that several rooms share: a backend's, and the ways to spell a public name.

use std::{fmt, str::FromStr, sync::Arc};

/// The name of a provider in the registry and of the backend it becomes in a session.
///
/// Holds 1 to 48 of `[A-Za-z0-9_-]`, no `__` and no `_` at either end: so no separator of a public
/// name can stand in it, or be formed where it meets one. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendName(Arc<str>);

impl BackendName {
    /// The most characters a name may have; leaves room for a tool's name within 64.
    pub const LENGTH_MAX: usize = 48;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BackendName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl AsRef<str> for BackendName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for BackendName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Why a text cannot name a backend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackendNameError {
    /// Nothing, or more than [`BackendName::LENGTH_MAX`] characters.
    #[error("a provider name has 1 to 48 characters")]
    Length,
    /// A character outside the set.
    #[error("a provider name holds letters, digits, '_' and '-' only, not {0:?}")]
    Character(char),
    /// `__`, or `_` at an end.
    #[error(
        "a provider name holds no '__' and neither starts nor ends with '_': tools are also called as provider__tool"
    )]
    Separator,
}

impl FromStr for BackendName {
    type Err = BackendNameError;

    fn from_str(text: &str) -> Result<Self, BackendNameError> {
        if text.is_empty() || text.chars().count() > Self::LENGTH_MAX {
            return Err(BackendNameError::Length);
        }
        let stray = |c: &char| !(c.is_ascii_alphanumeric() || *c == '_' || *c == '-');
        if let Some(character) = text.chars().find(stray) {
            return Err(BackendNameError::Character(character));
        }
        if text.contains("__") || text.starts_with('_') || text.ends_with('_') {
            return Err(BackendNameError::Separator);
        }
        Ok(Self(text.into()))
    }
}

/// How a session spells the public names of tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Naming {
    /// `provider.tool`, or `provider__tool` for a client known to refuse dots.
    #[default]
    Auto,
    /// Always `provider.tool`.
    Dot,
    /// Always `provider__tool`.
    Underscores,
    /// The tool's own name; for a session of one backend only.
    None,
}

impl Naming {
    /// Every way, in the order the documentation lists them.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Dot, Self::Underscores, Self::None];

    /// The word for it in the API and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Dot => "dot",
            Self::Underscores => "underscores",
            Self::None => "none",
        }
    }
}

/// A text that names no way of naming.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("naming is one of auto, dot, underscores, none")]
pub struct UnknownNaming;

impl FromStr for Naming {
    type Err = UnknownNaming;

    fn from_str(text: &str) -> Result<Self, UnknownNaming> {
        Self::ALL
            .into_iter()
            .find(|naming| naming.as_str() == text)
            .ok_or(UnknownNaming)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_hide_a_separator_is_refused() {
        for (text, error) in [
            ("", BackendNameError::Length),
            (&"a".repeat(49), BackendNameError::Length),
            ("a.b", BackendNameError::Character('.')),
            ("ä", BackendNameError::Character('ä')),
            ("a__b", BackendNameError::Separator),
            ("a_", BackendNameError::Separator),
            ("_a", BackendNameError::Separator),
        ] {
            assert_eq!(text.parse::<BackendName>(), Err(error), "{text}");
        }
        for text in ["huggingface", "aws_knowledge_base", "a-b", "9"] {
            assert_eq!(text.parse::<BackendName>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn every_naming_reads_back_from_its_word() {
        for naming in Naming::ALL {
            assert_eq!(naming.as_str().parse(), Ok(naming));
        }
    }
}
