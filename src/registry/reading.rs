//! Takes fields out of the tree, and collects what is wrong with them.

use std::{collections::HashSet, path::Path, time::Duration};

use super::{
    Lookup,
    finding::Remark,
    spec::Defaults,
    tree::{Content, Name, Node},
};
use crate::limits::Bounds;

/// What a registry file is checked against, and what the check found so far.
pub(super) struct Reader<'a> {
    pub(super) folder: &'a Path,
    pub(super) defaults: &'a Defaults,
    pub(super) environment: Lookup<'a>,
    pub(super) mistakes: Vec<Remark>,
    pub(super) warnings: Vec<Remark>,
}

/// A value with its path in the file.
pub(super) struct Field<'n> {
    pub(super) path: String,
    /// The number of its name, which is where a value that is missing or spans lines is shown.
    name: usize,
    node: &'n Node,
}

impl<'n> Field<'n> {
    /// The whole file.
    pub(super) fn root(node: &'n Node) -> Self {
        Self {
            path: String::new(),
            name: node.number,
            node,
        }
    }

    /// The number of the node to show for it.
    pub(super) fn place(&self) -> usize {
        match self.node.content {
            Content::Empty | Content::Fields(_) | Content::List => self.name,
            _ => self.node.number,
        }
    }

    /// Whether something stands behind the colon.
    pub(super) fn is_given(&self) -> bool {
        !matches!(self.node.content, Content::Empty)
    }
}

/// The fields of a value.
pub(super) struct Fields<'n> {
    pub(super) path: String,
    /// Where a field that is not there is missed.
    pub(super) place: usize,
    of: &'n [(Name, Node)],
}

impl<'n> Fields<'n> {
    /// The field of this name.
    pub(super) fn get(&self, name: &str) -> Option<Field<'n>> {
        let (name, node) = self.of.iter().find(|(other, _)| other.text == name)?;
        Some(self.field(name, node))
    }

    /// Every field with its name, in the order of the file.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'n Name, Field<'n>)> {
        let of: &'n [(Name, Node)] = self.of;
        of.iter().map(|(name, node)| (name, self.field(name, node)))
    }

    /// The path of a field, there or not.
    pub(super) fn path_of(&self, name: &str) -> String {
        // A name may hold anything; a message must stay one line.
        let name = name.escape_debug();
        if self.path.is_empty() {
            return name.to_string();
        }
        format!("{}.{name}", self.path)
    }

    fn field(&self, name: &Name, node: &'n Node) -> Field<'n> {
        Field {
            path: self.path_of(&name.text),
            name: name.number,
            node,
        }
    }
}

impl Reader<'_> {
    /// Notes a mistake at the value of a field.
    pub(super) fn mistake(
        &mut self,
        field: &Field<'_>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.mistake_at(field.place(), field.path.clone(), problem, remedy);
    }

    /// Notes a mistake at a node.
    pub(super) fn mistake_at(
        &mut self,
        node: usize,
        path: String,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.mistakes.push(Remark {
            node,
            field: path,
            problem: problem.into(),
            remedy: remedy.into(),
        });
    }

    /// Notes what does not stop the start.
    pub(super) fn warning(
        &mut self,
        field: &Field<'_>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.warnings.push(Remark {
            node: field.place(),
            field: field.path.clone(),
            problem: problem.into(),
            remedy: remedy.into(),
        });
    }

    /// Takes a value that has fields, of which only the known ones may be there.
    pub(super) fn known_fields<'n>(
        &mut self,
        field: &Field<'n>,
        known: &[&str],
    ) -> Option<Fields<'n>> {
        let fields = self.any_fields(field)?;
        for (name, unknown) in fields.iter() {
            if known.contains(&name.text.as_str()) {
                continue;
            }
            let remedy = match nearest(&name.text, known) {
                Some(meant) => format!("did you mean {meant}?"),
                None => format!("known fields are {}", known.join(", ")),
            };
            self.mistake_at(name.number, unknown.path, "is not a known field", remedy);
        }
        Some(fields)
    }

    /// Takes a value that has fields of any name, each once.
    pub(super) fn any_fields<'n>(&mut self, field: &Field<'n>) -> Option<Fields<'n>> {
        let Content::Fields(of) = &field.node.content else {
            let remedy = match field.path.as_str() {
                "" => "start with providers: and a name below it",
                _ => "write it as name: value, indented below, or { name: value }",
            };
            self.mistake(field, "has no fields", remedy);
            return None;
        };
        let fields = Fields {
            path: field.path.clone(),
            place: field.name,
            of,
        };
        let mut names = HashSet::new();
        for (name, _) in of {
            if !names.insert(&name.text) {
                let path = fields.path_of(&name.text);
                self.mistake_at(name.number, path, "is there twice", "keep one of them");
            }
        }
        Some(fields)
    }

    /// Takes a text.
    pub(super) fn text<'n>(&mut self, field: &Field<'n>, remedy: &str) -> Option<&'n str> {
        match &field.node.content {
            Content::Text(text) => Some(text),
            Content::Empty => {
                self.mistake(field, "is empty", remedy);
                None
            }
            _ => {
                self.mistake(field, "is not a text", remedy);
                None
            }
        }
    }

    /// Takes `true` or `false`.
    pub(super) fn flag(&mut self, field: &Field<'_>) -> Option<bool> {
        if let Content::Flag(flag) = field.node.content {
            return Some(flag);
        }
        self.mistake(field, "is neither true nor false", "write true or false");
        None
    }

    /// Takes a count within its bounds.
    pub(super) fn count(&mut self, field: &Field<'_>, bounds: Bounds<u32>) -> Option<u32> {
        let outcome = match field.node.content {
            Content::Whole(count) => bounds.check(count),
            // Any text that is no number will do to be refused in the same words.
            _ => bounds.read(""),
        };
        outcome
            .map_err(|refusal| self.mistake(field, refusal.problem, refusal.remedy))
            .ok()
    }

    /// Takes a duration within its bounds.
    pub(super) fn duration(
        &mut self,
        field: &Field<'_>,
        bounds: Bounds<Duration>,
    ) -> Option<Duration> {
        let text = match &field.node.content {
            Content::Text(text) => text,
            // A number without a unit, most likely.
            _ => "",
        };
        bounds
            .read(text)
            .map_err(|refusal| self.mistake(field, refusal.problem, refusal.remedy))
            .ok()
    }
}

/// The known name that was meant, if one is close.
fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&name, known), *known))
        .filter(|(distance, known)| *distance <= 2 && distance * 2 < known.len())
        .min()
        .map(|(_, known)| known)
}
