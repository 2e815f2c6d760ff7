//! The registry in force: read by whoever needs a provider, replaced as a whole when its file is another.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;

use super::{ProviderSpec, Registry};
use crate::mcp::name::BackendName;

/// The registry in force. A clone is another handle of the same.
#[derive(Debug, Clone)]
pub struct CurrentRegistry(Arc<ArcSwap<Registry>>);

/// The providers by which one registry differs from the one before it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Differences {
    /// Those that are new.
    pub added: Vec<BackendName>,
    /// Those that are met in another way: at another address, with another credential, or with other patience.
    pub changed: Vec<BackendName>,
    /// Those that are gone.
    pub removed: Vec<BackendName>,
}

/// A provider that is elsewhere: at another scheme, host or port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Which one.
    pub provider: BackendName,
    /// Its origin before.
    pub from: String,
    /// Its origin from now on.
    pub to: String,
}

impl CurrentRegistry {
    /// Puts a registry in force.
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(registry)))
    }

    /// The registry as it is now.
    #[must_use]
    pub fn now(&self) -> Arc<Registry> {
        self.0.load_full()
    }

    /// The provider of this name as it is now.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<ProviderSpec>> {
        self.0.load().get(name).cloned()
    }

    /// Tells what another registry would change.
    #[must_use]
    pub fn differences(&self, registry: &Registry) -> Differences {
        Differences::between(&self.0.load(), registry)
    }

    /// Tells which providers another registry has at another origin: what sessions hold for them goes there from then on.
    #[must_use]
    pub fn moves(&self, registry: &Registry) -> Vec<Move> {
        let now = self.now();
        let moves = registry.iter().filter_map(|spec| {
            let (from, to) = (now.get(spec.name.as_str())?.url.origin(), spec.url.origin());
            (from != to).then(|| Move {
                provider: spec.name.clone(),
                from: from.ascii_serialization(),
                to: to.ascii_serialization(),
            })
        });
        moves.collect()
    }

    /// Puts another registry in the place of the one before.
    pub fn replace(&self, registry: Registry) {
        self.0.store(Arc::new(registry));
    }
}

impl Differences {
    fn between(before: &Registry, now: &Registry) -> Self {
        let mut differences = Self::default();
        for spec in now.iter() {
            match before.get(spec.name.as_str()) {
                None => differences.added.push(spec.name.clone()),
                Some(known) if !known.is_met_as(spec) => {
                    differences.changed.push(spec.name.clone());
                }
                Some(_) => {}
            }
        }
        let gone = before
            .names()
            .filter(|name| now.get(name.as_str()).is_none());
        differences.removed.extend(gone.cloned());
        differences
    }

    /// Whether every provider is met as before, and no other.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    /// Those with whom nothing of before can be gone on with.
    #[must_use]
    pub fn void(&self) -> Vec<BackendName> {
        self.changed.iter().chain(&self.removed).cloned().collect()
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return formatter.write_str("no provider is another");
        }
        let mut separator = "";
        for (word, names) in [
            ("added", &self.added),
            ("changed", &self.changed),
            ("removed", &self.removed),
        ] {
            if !names.is_empty() {
                let names: Vec<&str> = names.iter().map(BackendName::as_str).collect();
                write!(formatter, "{separator}{word} {}", names.join(", "))?;
                separator = "; ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::registry::Defaults;

    fn registry(entries: &str) -> Registry {
        let text = format!("providers: {{ {entries} }}");
        let environment = |name: &str| Some(format!("of-{name}"));
        let path = Path::new("registry.yaml");
        Registry::parse(&text, path, &Defaults::default(), &environment).unwrap()
    }

    #[test]
    fn what_is_met_in_another_way_is_told_and_nothing_else() {
        let before = "a: { url: http://127.0.0.1:9/mcp }, \
                      b: { url: http://127.0.0.1:9/mcp, headers: { x-team: one }, retries: { attempts: 1 } }, \
                      c: { url: http://127.0.0.1:9/mcp, auth: { type: bearer, default: env:ONE } }";
        let current = CurrentRegistry::new(registry(before));
        let told = |entries: String| {
            let next = registry(&entries);
            let differences = current.differences(&next).to_string();
            current.replace(next);
            differences
        };
        assert_eq!(told(before.to_owned()), "no provider is another");
        let described = before.replacen("{ url", "{ description: words, url", 1);
        assert_eq!(told(described), "no provider is another");
        assert_eq!(
            current.get("a").unwrap().description.as_deref(),
            Some("words")
        );
        let optional = before.replacen("type: bearer,", "type: bearer, required: false,", 1);
        assert_eq!(told(optional), "no provider is another");
        for (old, new) in [
            (":9/", ":10/"),
            ("one }", "two }"),
            ("attempts: 1", "attempts: 2"),
            ("env:ONE", "env:TWO"),
            ("type: bearer", "type: api_key"),
            ("retries: {", "timeouts: { idle: 9s }, retries: {"),
            ("retries: {", "protocol: 2025-06-18, retries: {"),
        ] {
            let _reset = told(before.to_owned());
            let fingerprints = || {
                let registry = current.now();
                let all = registry.iter().map(|spec| spec.fingerprint());
                all.map(|it| it.expose_secret().to_owned())
                    .collect::<Vec<_>>()
            };
            let of_before = fingerprints();
            let is_told = told(before.replacen(old, new, 1));
            assert!(is_told.starts_with("changed "), "{new}: {is_told}");
            let is_another_server = fingerprints() != of_before;
            let is_patience = new.contains("attempts") || new.contains("timeouts");
            assert_eq!(is_another_server, !is_patience, "{new}");
        }
        let _reset = told(before.to_owned());
        let other = "d: { url: http://127.0.0.1:9/mcp }, a: { url: http://127.0.0.1:8/mcp }";
        let moved = current.moves(&registry(other));
        assert_eq!(moved.len(), 1, "{moved:?}");
        assert_eq!(moved[0].provider.as_str(), "a");
        assert_eq!(
            (&*moved[0].from, &*moved[0].to),
            ("http://127.0.0.1:9", "http://127.0.0.1:8")
        );
        let path_only = before.replace("/mcp", "/other");
        assert_eq!(current.moves(&registry(&path_only)), []);
        assert_eq!(told(other.to_owned()), "added d; changed a; removed b, c");
        assert!(current.get("b").is_none() && current.now().len() == 2);
    }
}
