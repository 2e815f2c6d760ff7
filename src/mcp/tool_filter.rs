//! Which of a backend's tools a session offers: patterns of the tools' own names.

use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use crate::limits::{TOOL_PATTERN_CHARS_MAX, TOOL_PATTERNS_MAX};

/// Patterns of the tools that a session offers of one backend, and of those that it does not.
///
/// In a pattern `*` stands for any characters and `?` for one; all else is itself, and its case counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct ToolFilter {
    #[serde(skip_serializing_if = "Option::is_none")]
    allow: Option<Vec<Pattern>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deny: Vec<Pattern>,
}

impl ToolFilter {
    /// Makes a filter: without `allow` every tool is offered that `deny` does not hide.
    ///
    /// # Errors
    ///
    /// The first pattern that cannot be one, and why; or a list that has too many.
    pub fn new(allow: Option<&[String]>, deny: &[String]) -> Result<Self, PatternError> {
        Ok(Self {
            allow: allow.map(|texts| patterns("allow", texts)).transpose()?,
            deny: patterns("deny", deny)?,
        })
    }

    /// Whether it hides nothing, whatever tools there are.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.allow.is_none() && self.deny.is_empty()
    }

    /// Whether a tool of this own name is offered. One whose name is longer than any pattern may be is not.
    #[must_use]
    pub fn offers(&self, own: &str) -> bool {
        let is_one_of = |patterns: &[Pattern]| patterns.iter().any(|it| it.0.matches(own));
        own.chars().nth(TOOL_PATTERN_CHARS_MAX).is_none()
            && self.allow.as_deref().is_none_or(is_one_of)
            && !is_one_of(&self.deny)
    }

    /// The patterns of what is offered, as they are written; `None` for everything.
    #[must_use]
    pub fn allow(&self) -> Option<Vec<String>> {
        self.allow.as_deref().map(written)
    }

    /// The patterns of what is not offered, as they are written.
    #[must_use]
    pub fn deny(&self) -> Vec<String> {
        written(&self.deny)
    }
}

/// Why there is no such filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// More than anybody needs to tell tools apart.
    #[error("{list} has more than {TOOL_PATTERNS_MAX} patterns")]
    TooMany {
        /// Which list: `allow` or `deny`.
        list: &'static str,
    },
    /// One that no tool's name can follow.
    #[error("{list}[{index}] {problem}")]
    Pattern {
        /// Where it stands: `allow` or `deny`.
        list: &'static str,
        /// Which one.
        index: usize,
        /// What is wrong with it.
        problem: String,
    },
}

#[derive(Debug, Clone, PartialEq)]
struct Pattern(WildMatch);

// It has nothing that is unequal to itself.
impl Eq for Pattern {}

impl Serialize for Pattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

fn patterns(list: &'static str, texts: &[String]) -> Result<Vec<Pattern>, PatternError> {
    if texts.len() > TOOL_PATTERNS_MAX {
        return Err(PatternError::TooMany { list });
    }
    let pattern = |(index, text): (usize, &String)| {
        let problem = if text.is_empty() {
            "is empty".to_owned()
        } else if text.chars().nth(TOOL_PATTERN_CHARS_MAX).is_some() {
            format!("has more than {TOOL_PATTERN_CHARS_MAX} characters")
        } else if text.chars().any(char::is_control) {
            "holds a control character".to_owned()
        } else {
            return Ok(Pattern(WildMatch::new(text)));
        };
        Err(PatternError::Pattern {
            list,
            index,
            problem,
        })
    };
    texts.iter().enumerate().map(pattern).collect()
}

fn written(patterns: &[Pattern]) -> Vec<String> {
    patterns.iter().map(|it| it.0.pattern()).collect()
}

/// A filter as it is stored. What a later version may have written besides is not passed over: that could hide tools.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    allow: Option<Vec<String>>,
    #[serde(default)]
    deny: Vec<String>,
}

impl TryFrom<Written> for ToolFilter {
    type Error = PatternError;

    fn try_from(written: Written) -> Result<Self, PatternError> {
        Self::new(written.allow.as_deref(), &written.deny)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(allow: Option<&[&str]>, deny: &[&str]) -> ToolFilter {
        let texts =
            |texts: &[&str]| -> Vec<String> { texts.iter().map(ToString::to_string).collect() };
        let allow = allow.map(texts);
        ToolFilter::new(allow.as_deref(), &texts(deny)).unwrap()
    }

    #[test]
    fn what_is_denied_is_hidden_whatever_is_allowed() {
        let it = filter(Some(&["get_*", "list_?", "Echo"]), &["*secret*"]);
        for (own, offered) in [
            ("get_page", true),
            ("get_", true),
            ("get_secret_page", false),
            ("list_1", true),
            ("list_10", false),
            ("Echo", true),
            ("echo", false),
            ("forget_page", false),
            ("", false),
        ] {
            assert_eq!(it.offers(own), offered, "{own}");
        }
        let nothing_allowed = filter(Some(&[]), &[]);
        assert!(!nothing_allowed.offers("echo") && !nothing_allowed.is_open());
        let open = filter(None, &[]);
        assert!(open.is_open() && open.offers("echo"));
    }

    #[test]
    fn a_name_longer_than_any_pattern_is_not_looked_through() {
        let it = filter(None, &["*a*a*a*a*a*a*b"]);
        assert!(it.offers(&"a".repeat(TOOL_PATTERN_CHARS_MAX)));
        assert!(!it.offers(&"a".repeat(TOOL_PATTERN_CHARS_MAX + 1)));
    }

    #[test]
    fn what_is_stored_is_read_back_and_nothing_else_is() {
        for it in [
            filter(Some(&["a*"]), &["b", "?c"]),
            filter(Some(&[]), &[]),
            filter(None, &["x"]),
        ] {
            let text = serde_json::to_string(&it).unwrap();
            assert_eq!(serde_json::from_str::<ToolFilter>(&text).unwrap(), it);
        }
        for text in [
            "{\"allow\":[\"\"]}",
            "{\"only\":[]}",
            "[]",
            "{\"deny\":null}",
        ] {
            assert!(serde_json::from_str::<ToolFilter>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_no_name_can_follow_is_refused_where_it_stands() {
        let refused = |allow: &[String]| ToolFilter::new(Some(allow), &[]).unwrap_err();
        let one = |text: String| refused(&["ok".to_owned(), text]).to_string();
        assert_eq!(one(String::new()), "allow[1] is empty");
        assert_eq!(
            one("a\u{1b}".to_owned()),
            "allow[1] holds a control character"
        );
        assert_eq!(
            one("a".repeat(129)),
            "allow[1] has more than 128 characters"
        );
        let many = vec!["a".to_owned(); TOOL_PATTERNS_MAX + 1];
        assert_eq!(refused(&many), PatternError::TooMany { list: "allow" });
    }
}
