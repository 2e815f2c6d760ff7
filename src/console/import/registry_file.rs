//! The registry as a file that people write: entries are added behind theirs, and all that is there stays, comments, too.

use std::{
    collections::HashSet,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::{Failure, server::Imported};
use crate::{
    files,
    registry::{Defaults, Lookup, Registry},
};

/// Spaces before a provider's name where none is there yet.
const INDENT: usize = 2;

/// A registry file, which may not be there yet.
pub(super) struct RegistryFile<'a> {
    path: PathBuf,
    text: String,
    defaults: &'a Defaults,
    names: HashSet<String>,
    urls: HashSet<String>,
}

impl<'a> RegistryFile<'a> {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or has mistakes.
    pub(super) fn read(
        path: &Path,
        defaults: &'a Defaults,
        environment: Lookup<'_>,
    ) -> Result<Self, Failure> {
        let unreadable = |source| Failure::Unreadable {
            path: path.to_owned(),
            source,
        };
        // The file itself is replaced, not a link to it.
        let (path, text) = match fs::canonicalize(path) {
            Ok(whole) => (whole, fs::read_to_string(path).map_err(unreadable)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (path.to_owned(), String::new())
            }
            Err(error) => return Err(unreadable(error)),
        };
        let mut file = Self {
            text: text_to_continue(text),
            ..Self::none(&path, defaults)
        };
        if has_entries(&file.text) {
            for spec in file.check(&file.text, environment)?.iter() {
                file.names.insert(spec.name.to_string());
                file.urls.insert(spec.url.to_string());
            }
        }
        Ok(file)
    }

    /// One of which nothing is known.
    pub(super) fn none(path: &Path, defaults: &'a Defaults) -> Self {
        Self {
            path: path.to_owned(),
            text: String::new(),
            defaults,
            names: HashSet::new(),
            urls: HashSet::new(),
        }
    }

    /// Whether an entry would be right if it stood alone.
    ///
    /// # Errors
    ///
    /// Why not.
    pub(super) fn accepts(&self, entry: &str) -> Result<(), Failure> {
        self.check(&format!("providers:\n{entry}"), &|_| None)
            .map(drop)
    }

    fn check(&self, text: &str, environment: Lookup<'_>) -> Result<Registry, Failure> {
        let read = Registry::parse(text, &self.path, self.defaults, environment);
        read.map_err(|error| Failure::Refused(error.to_string()))
    }

    /// Whether a provider has this address.
    pub(super) fn has_url(&self, url: &str) -> bool {
        url::Url::parse(url).is_ok_and(|url| self.urls.contains(url.as_str()))
    }

    /// A name that no provider has: the server's own, or with a number behind it.
    pub(super) fn take_name(&mut self, imported: &Imported) -> String {
        let mut name = imported.name.clone();
        let mut number = 1;
        while !self.names.insert(name.clone()) {
            number += 1;
            name = format!("{}-{number}", imported.name);
        }
        if let Ok(url) = url::Url::parse(&imported.url) {
            self.urls.insert(url.into());
        }
        name
    }

    /// Spaces before each provider's name.
    pub(super) fn indent(&self) -> usize {
        let lines = self
            .text
            .lines()
            .skip_while(|line| !line.starts_with("providers:"));
        let is_entry = |line: &&str| {
            let line = line.trim_start();
            !line.is_empty() && !line.starts_with('#')
        };
        let first = lines.skip(1).find(is_entry);
        first.map_or(INDENT, |line| line.len() - line.trim_start().len())
    }

    /// Writes entries behind those that are there. The file is replaced whole, or not at all.
    ///
    /// # Errors
    ///
    /// When it would not be right then, or cannot be written.
    pub(super) fn append(&self, entries: &str, environment: Lookup<'_>) -> Result<(), Failure> {
        let before = match self.text.trim_end() {
            "" => "providers:\n".to_owned(),
            text if !has_entries(text) => format!("{text}\nproviders:\n"),
            text => format!("{text}\n\n"),
        };
        let text = format!("{before}{entries}");
        let after = self.check(&text, environment).map_err(|failure| {
            Failure::Refused(format!(
                "nothing was written, since the entries do not fit behind what is there ({failure}); leave out --write, \
                 and put what is printed where it belongs"
            ))
        })?;
        let missing = self.names.iter().find(|name| after.get(name).is_none());
        if let Some(name) = missing {
            return Err(Failure::Refused(format!(
                "nothing was written, since {name} would be lost; leave out --write, and put what is printed where it \
                 belongs"
            )));
        }
        self.replace(&text).map_err(|error| {
            Failure::Refused(format!(
                "{} cannot be written: {error}",
                self.path.display()
            ))
        })
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let mut file = NamedTempFile::new_in(files::folder_of(&self.path))?;
        file.write_all(text.as_bytes())?;
        if let Ok(before) = fs::metadata(&self.path) {
            file.as_file().set_permissions(before.permissions())?;
            files::give_to_owner_of(file.as_file(), &self.path)?;
        }
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        files::sync_folder_of(&self.path)
    }
}

/// What a line says besides its comment.
fn said(line: &str) -> &str {
    let line = line.trim();
    let line = if line.starts_with('#') { "" } else { line };
    line.split(" #").next().unwrap_or_default().trim_end()
}

/// Whether there is more than comments.
fn has_entries(text: &str) -> bool {
    text.lines().any(|line| !said(line).is_empty())
}

/// The text of a registry without a provider, as people begin one, is its comments alone; any other is as it is.
fn text_to_continue(text: String) -> String {
    let lines = text.lines().map(said).filter(|line| !line.is_empty());
    let whole: String = lines.flat_map(str::split_whitespace).collect();
    let whole = whole.strip_prefix("---").unwrap_or(&whole);
    let is_empty = [
        "",
        "{}",
        "providers:",
        "providers:{}",
        "providers:null",
        "providers:~",
    ];
    if !is_empty.contains(&whole) {
        return text;
    }
    let comment = |line: &str| {
        let comment = line.find('#').map(|at| line[at..].to_owned());
        comment.or_else(|| line.trim().is_empty().then(String::new))
    };
    let comments: Vec<String> = text.lines().filter_map(comment).collect();
    comments.join("\n").trim().to_owned()
}
