//! From a registry file as written to providers as checked.

mod credential;
mod entry;

use std::path::Path;

use super::{
    Lookup,
    finding::{Finding, Remark},
    reading::{Field, Reader},
    spec::{Defaults, ProviderSpec},
    tree::{self, NotYaml},
};
use crate::limits;

/// What a file holds, and what is to be said about it.
pub(super) struct Outcome {
    /// Complete only if there are no mistakes.
    pub(super) providers: Vec<ProviderSpec>,
    pub(super) mistakes: Vec<Finding>,
    pub(super) warnings: Vec<Finding>,
}

/// Checks a whole file.
pub(super) fn check(
    text: &str,
    path: &Path,
    defaults: &Defaults,
    environment: Lookup<'_>,
) -> Outcome {
    let root = match tree::parse(text) {
        Ok(root) => root,
        Err(error) => {
            return Outcome {
                providers: Vec::new(),
                mistakes: vec![not_yaml(&error, path)],
                warnings: Vec::new(),
            };
        }
    };
    let mut reader = Reader {
        folder: path.parent().unwrap_or(Path::new("")),
        defaults,
        environment,
        mistakes: Vec::new(),
        warnings: Vec::new(),
    };
    let providers = reader.providers(&Field::root(&root));
    let located = |mut remarks: Vec<Remark>| {
        remarks.sort_by_key(|remark| remark.node);
        remarks.truncate(limits::REGISTRY_MISTAKES_MAX);
        remarks
            .into_iter()
            .map(|remark| {
                let place = tree::locate(text, remark.node);
                remark.at(path, place)
            })
            .collect()
    };
    Outcome {
        providers,
        mistakes: located(reader.mistakes),
        warnings: located(reader.warnings),
    }
}

fn not_yaml(error: &NotYaml, path: &Path) -> Finding {
    let remark = Remark {
        node: 0,
        field: String::new(),
        problem: format!("this is not YAML as expected here ({})", error.reason),
        remedy: "indent with spaces, and quote a value that holds ': ' or ' #'".to_owned(),
    };
    remark.at(path, error.place)
}

impl Reader<'_> {
    fn providers(&mut self, root: &Field<'_>) -> Vec<ProviderSpec> {
        const REMEDY: &str =
            "add at least one, such as huggingface: { url: https://huggingface.co/mcp }";
        let Some(fields) = self.known_fields(root, &["providers"]) else {
            return Vec::new();
        };
        let Some(field) = fields.get("providers") else {
            self.mistake_at(fields.place, "providers".to_owned(), "is missing", REMEDY);
            return Vec::new();
        };
        if !field.is_given() {
            self.mistake(&field, "is empty", REMEDY);
            return Vec::new();
        }
        let Some(entries) = self.any_fields(&field) else {
            return Vec::new();
        };
        if entries.iter().next().is_none() {
            self.mistake(&field, "is empty", REMEDY);
        }
        entries
            .iter()
            .filter_map(|(name, entry)| self.provider(name, &entry))
            .collect()
    }
}
