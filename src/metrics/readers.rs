//! Who may read the metrics.

use std::str::FromStr;

/// Who may read the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Readers {
    /// Nobody.
    Nobody,
    /// Operators: where callers are not authenticated, whoever reaches the gateway, who may see everything else, too.
    #[default]
    Operators,
    /// Whoever reaches the gateway, without a key.
    Everybody,
}

impl Readers {
    /// The words for them, as they are given.
    pub const WORDS: [&'static str; 3] = ["off", "operators", "open"];
}

impl FromStr for Readers {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "off" => Ok(Self::Nobody),
            "operators" => Ok(Self::Operators),
            "open" => Ok(Self::Everybody),
            _ => Err(format!("write one of {}", Self::WORDS.join(", "))),
        }
    }
}
