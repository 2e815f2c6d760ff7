//! What is said about one place of a registry file.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// A mistake or a warning: where it is, what is wrong, and what to do about it.
///
/// Shown as `registry.yaml:5:12: providers.a.url: is missing; add ..`, which editors can follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The registry file.
    pub file: PathBuf,
    /// Its line, counted from 1.
    pub line: usize,
    /// The character of that line, counted from 1.
    pub column: usize,
    /// The field's path, such as `providers.a.timeouts.connect`; empty for the file as a whole.
    pub field: String,
    /// What is wrong, to follow the field's path: `is missing`.
    pub problem: String,
    /// What to do, in the imperative.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        write!(formatter, "{file}:{}:{}: ", self.line, self.column)?;
        if !self.field.is_empty() {
            write!(formatter, "{}: ", self.field)?;
        }
        write!(formatter, "{}; {}", self.problem, self.remedy)
    }
}

/// A finding before its line is known: it names the node of the tree that it is about.
#[derive(Debug)]
pub(super) struct Remark {
    pub(super) node: usize,
    pub(super) field: String,
    pub(super) problem: String,
    pub(super) remedy: String,
}

impl Remark {
    /// Completes the finding with the place of its node.
    pub(super) fn at(self, file: &Path, (line, column): (usize, usize)) -> Finding {
        Finding {
            file: file.to_owned(),
            line,
            column,
            field: self.field,
            problem: self.problem,
            remedy: self.remedy,
        }
    }
}
