//! Names of keys and of callers in the callers file.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// Characters of a name: it stands in lists and logs.
const CHARS_MAX: usize = 64;

/// A name without white space, so that no caller of the file is ever taken for one of an authorization server, whose
/// name has some.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a name of 1 to {CHARS_MAX} letters, digits and . _ - + @, such as ada-laptop")]
pub struct NotAName;

impl FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-+@".contains(c);
        if starts_well && text.len() <= CHARS_MAX && text.chars().all(is_allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(NotAName)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_white_space_and_an_end() {
        for text in [
            "ada",
            "ada-laptop",
            "Ada.L_1",
            "ada+ci@example.com",
            &"a".repeat(64),
        ] {
            assert_eq!(text.parse::<Name>().unwrap().as_str(), text);
        }
        for text in [
            "",
            " ",
            "a b",
            "-a",
            ".a",
            "a/b",
            "a:b",
            "a\n",
            "ä",
            &"a".repeat(65),
        ] {
            assert_eq!(text.parse::<Name>(), Err(NotAName), "{text}");
        }
    }
}
