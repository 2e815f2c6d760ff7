//! From a resource's URI to the backends that may have it.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::{limits::SEEN_URIS_MAX, mcp::name::BackendName};

use super::alias;

/// Where a request about a resource goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which of the session's backends, by position.
    pub position: usize,
    /// The URI there.
    pub own: String,
}

/// What is known of the resources of a session's backends.
#[derive(Debug, Default)]
pub struct ResourceIndex {
    shelves: Vec<Shelves>,
    /// URIs that stood in results, and in whose.
    seen: HashMap<String, usize>,
    order: VecDeque<String>,
}

/// What one backend lists.
#[derive(Debug, Default)]
struct Shelves {
    uris: HashSet<String>,
    templates: Vec<String>,
}

impl ResourceIndex {
    /// An index that knows nothing of so many backends.
    #[must_use]
    pub fn new(backends: usize) -> Self {
        Self {
            shelves: (0..backends).map(|_| Shelves::default()).collect(),
            ..Self::default()
        }
    }

    /// Moves what is known of backends to where they are now among so many; the rest is forgotten.
    pub fn rearrange(&mut self, backends: usize, kept: &HashMap<usize, usize>) {
        let before = std::mem::take(&mut self.shelves);
        self.shelves.resize_with(backends, Shelves::default);
        for (from, shelves) in before.into_iter().enumerate() {
            let place = kept.get(&from).and_then(|to| self.shelves.get_mut(*to));
            if let Some(place) = place {
                *place = shelves;
            }
        }
        self.seen.retain(|_, position| match kept.get(position) {
            Some(to) => {
                *position = *to;
                true
            }
            None => false,
        });
        let seen = &self.seen;
        self.order.retain(|uri| seen.contains_key(uri));
    }

    /// Takes what a backend lists now.
    pub fn listed(&mut self, position: usize, uris: impl IntoIterator<Item = String>) {
        if let Some(shelves) = self.shelves.get_mut(position) {
            shelves.uris = uris.into_iter().collect();
        }
    }

    /// Takes the templates that a backend lists now.
    pub fn templates(&mut self, position: usize, templates: impl IntoIterator<Item = String>) {
        if let Some(shelves) = self.shelves.get_mut(position) {
            shelves.templates = templates.into_iter().collect();
        }
    }

    /// Takes a URI that stood in a backend's result. At most [`SEEN_URIS_MAX`] are kept.
    pub fn saw(&mut self, position: usize, uri: String) {
        if self.seen.insert(uri.clone(), position).is_none() {
            self.order.push_back(uri);
        }
        if self.order.len() > SEEN_URIS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
    }

    /// The backends to ask about a URI, the likeliest first; one alone where it is certain.
    ///
    /// An alias is its provider's, a URI of the first backend that lists it. Else any may have it:
    /// those whose templates it follows come first, the longest beginning before the others, then the
    /// one in whose result it stood. What stands in a result proves nothing: it only orders.
    #[must_use]
    pub fn route(&self, backends: &[BackendName], uri: &str) -> Vec<Candidate> {
        let at = |position: usize, own: &str| Candidate {
            position,
            own: own.to_owned(),
        };
        // Else it is an alias of a gateway's behind this one.
        if let Some((provider, own)) = alias::split(uri)
            && let Some(position) = backends.iter().position(|name| name.as_str() == provider)
        {
            return vec![at(position, own)];
        }
        let lists = |shelves: &Shelves| {
            shelves.uris.contains(uri) || shelves.templates.iter().any(|known| known == uri)
        };
        if let Some(position) = self.shelves.iter().position(lists) {
            return vec![at(position, uri)];
        }
        let seen = self.seen.get(uri).copied();
        let fit = |position: usize| {
            let templates = self.shelves.get(position).map(|it| &it.templates[..]);
            let fits = templates.unwrap_or_default().iter();
            let best = fits.filter_map(|template| fit(template, uri)).max();
            (best, seen == Some(position))
        };
        let mut order: Vec<usize> = (0..backends.len()).collect();
        // Stable: backends that fit alike stay in the session's order.
        order.sort_by_cached_key(|position| std::cmp::Reverse(fit(*position)));
        order
            .into_iter()
            .map(|position| at(position, uri))
            .collect()
    }
}

/// How many characters of a URI a template's beginning accounts for; `None` if it cannot be of it.
///
/// An expression stands for any text: servers differ in what they expand to what.
fn fit(template: &str, uri: &str) -> Option<usize> {
    let mut literals = Vec::new();
    let mut rest = template;
    while let Some((literal, after)) = rest.split_once('{') {
        let (_, after) = after.split_once('}')?;
        literals.push(literal);
        rest = after;
    }
    let (first, middle) = literals.split_first()?;
    let mut left = uri.strip_prefix(first)?;
    for literal in middle {
        left = &left[left.find(literal)? + literal.len()..];
    }
    left.ends_with(rest).then_some(first.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backends() -> Vec<BackendName> {
        ["docs", "web", "files"]
            .map(|name| name.parse().unwrap())
            .to_vec()
    }

    fn positions(index: &ResourceIndex, uri: &str) -> Vec<usize> {
        let candidates = index.route(&backends(), uri);
        candidates.iter().map(|found| found.position).collect()
    }

    fn texts<'a>(texts: &'a [&'a str]) -> impl Iterator<Item = String> + 'a {
        texts.iter().map(|text| (*text).to_owned())
    }

    #[test]
    fn a_listed_uri_is_of_the_first_that_lists_it() {
        let mut index = ResourceIndex::new(3);
        index.listed(2, texts(&["a:1", "a:2"]));
        index.listed(1, texts(&["a:1"]));
        assert_eq!(positions(&index, "a:1"), [1]);
        assert_eq!(positions(&index, "a:2"), [2]);
        index.listed(1, texts(&[]));
        assert_eq!(positions(&index, "a:1"), [2]);
        let alias = "mcp-gateway://web/a:1";
        let found = index.route(&backends(), alias);
        assert_eq!((found[0].position, found[0].own.as_str()), (1, "a:1"));
        assert_eq!(positions(&index, "mcp-gateway://nobody/a:1"), [0, 1, 2]);
    }

    #[test]
    fn a_uri_of_an_earlier_result_is_asked_of_who_gave_it_first() {
        let mut index = ResourceIndex::new(3);
        assert_eq!(positions(&index, "x:9"), [0, 1, 2]);
        index.saw(2, "x:9".to_owned());
        assert_eq!(positions(&index, "x:9"), [2, 0, 1]);
        // A result cannot take a URI away from whose template it follows.
        index.templates(1, texts(&["x:{n}"]));
        assert_eq!(positions(&index, "x:9"), [1, 2, 0]);
        index.listed(0, texts(&["x:9"]));
        assert_eq!(positions(&index, "x:9"), [0]);
    }

    #[test]
    fn what_is_known_moves_with_its_backend() {
        let mut index = ResourceIndex::new(3);
        index.listed(0, texts(&["a:1"]));
        index.templates(2, texts(&["t:{n}"]));
        index.saw(1, "x:1".to_owned());
        index.saw(2, "x:2".to_owned());
        index.rearrange(3, &HashMap::from([(0, 2), (2, 1)]));
        assert_eq!(positions(&index, "a:1"), [2]);
        assert_eq!(positions(&index, "t:1"), [1, 0, 2]);
        assert_eq!(positions(&index, "x:1"), [0, 1, 2], "its backend is gone");
        assert_eq!(positions(&index, "x:2"), [1, 0, 2]);
        assert_eq!(index.order, ["x:2"]);
    }

    #[test]
    fn only_so_many_earlier_uris_are_kept() {
        let mut index = ResourceIndex::new(3);
        for number in 0..=SEEN_URIS_MAX {
            index.saw(1, format!("x:{number}"));
        }
        assert_eq!(positions(&index, "x:0"), [0, 1, 2]);
        assert_eq!(positions(&index, "x:1"), [1, 0, 2]);
        assert_eq!(index.seen.len(), SEEN_URIS_MAX);
    }

    #[test]
    fn those_whose_templates_fit_come_first() {
        let mut index = ResourceIndex::new(3);
        index.templates(1, texts(&["file:///{path}"]));
        index.templates(2, texts(&["file:///logs/{day}.txt", "db:{table}/{row}"]));
        assert_eq!(positions(&index, "file:///logs/1.txt"), [2, 1, 0]);
        assert_eq!(positions(&index, "file:///logs/1.md"), [1, 0, 2]);
        assert_eq!(positions(&index, "db:a/b"), [2, 0, 1]);
        assert_eq!(positions(&index, "db:a"), [0, 1, 2]);
        assert_eq!(positions(&index, "db:{table}/{row}"), [2]);
    }

    #[test]
    fn a_template_that_is_none_fits_nothing() {
        for template in ["", "{", "a{b", "a:1"] {
            assert_eq!(fit(template, "a:1"), None, "{template}");
        }
        assert_eq!(fit("{+all}", "ä"), Some(0));
    }
}
