//! Default credentials: named in the registry, kept elsewhere.

use std::{fs, io::Read as _, path::Path};

use secrecy::{SecretString, zeroize::Zeroizing};

use super::Lookup;
use crate::limits;

/// Where a credential is kept.
#[derive(Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// In an environment variable.
    Environment(&'a str),
    /// In a file.
    File(&'a Path),
}

impl<'a> Source<'a> {
    /// Reads `env:NAME` or `file:PATH`. Nothing for any other text, which may well be the secret
    /// itself: it must not be repeated.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        if let Some(name) = text.strip_prefix("env:") {
            let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && !name.starts_with(|c: char| c.is_ascii_digit());
            return (is_name && !name.is_empty()).then_some(Self::Environment(name));
        }
        let path = text.strip_prefix("file:")?.trim();
        (!path.is_empty()).then_some(Self::File(Path::new(path)))
    }

    /// Fetches the secret, without the line break that ends a file of one line.
    ///
    /// # Errors
    ///
    /// What is wrong with the source, for people. Never any of what it holds.
    pub fn fetch(&self, folder: &Path, environment: Lookup<'_>) -> Result<SecretString, String> {
        match self {
            Self::Environment(name) => environment(name)
                .filter(|value| !value.is_empty())
                .map(SecretString::from)
                .ok_or_else(|| format!("the environment variable {name} is not set")),
            Self::File(path) => {
                let path = folder.join(path);
                let unreadable =
                    |error| format!("the file {} cannot be read ({error})", path.display());
                let mut text = Zeroizing::new(String::new());
                // One byte and a line break more, so that a longer file is refused, not cut.
                let size_max = limits::HEADER_VALUE_BYTES_MAX as u64 + 3;
                fs::File::open(&path)
                    .map_err(unreadable)?
                    .take(size_max)
                    .read_to_string(&mut text)
                    .map_err(unreadable)?;
                Ok(text.trim_end_matches(['\r', '\n']).into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_place_to_look_is_a_source() {
        assert_eq!(Source::parse("env:A_1"), Some(Source::Environment("A_1")));
        let file = Source::File(Path::new("keys/a"));
        assert_eq!(Source::parse("file: keys/a"), Some(file));
        for text in [
            "hf_123", "env:", "env:1A", "env:A-B", "env: A", "file:", "", "FILE:a",
        ] {
            assert_eq!(Source::parse(text), None, "{text}");
        }
    }
}
