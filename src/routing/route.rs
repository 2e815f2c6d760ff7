//! From a public name to the backend that has the tool.

use smol_str::SmolStr;

use crate::mcp::name::{BackendName, Naming};

use super::name::{Spelling, candidates, may_be_shortened};

/// Where a call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Which of the session's backends, by position.
    pub position: usize,
    /// The tool's own name, or what a client was shown of it.
    pub own: SmolStr,
    /// Whether `own` could be a shortened spelling that only the backend's list resolves.
    pub may_be_shortened: bool,
}

/// Finds the backend that a public name speaks of, under either spelling, whatever was listed.
#[must_use]
pub fn route(naming: Naming, backends: &[BackendName], public: &str) -> Option<Route> {
    if naming == Naming::None {
        return (backends.len() == 1 && !public.is_empty()).then(|| Route {
            position: 0,
            own: public.into(),
            may_be_shortened: false,
        });
    }
    let (spelling, position, own) = candidates(public).find_map(|(spelling, provider, own)| {
        let position = backends.iter().position(|name| name.as_str() == provider)?;
        Some((spelling, position, own))
    })?;
    // Whoever was shown dots was shown every name whole.
    let may_be_shortened =
        naming != Naming::Dot && spelling == Spelling::Underscores && may_be_shortened(own);
    (!own.is_empty()).then(|| Route {
        position,
        own: own.into(),
        may_be_shortened,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_routed_under_either_spelling() {
        let backends: Vec<BackendName> = ["docs", "docs-2", "a_b"]
            .into_iter()
            .map(|name| name.parse().unwrap())
            .collect();
        for (public, expected) in [
            ("docs.search", Some((0, "search"))),
            ("docs__search", Some((0, "search"))),
            ("docs-2.search", Some((1, "search"))),
            ("a_b.x.y__z", Some((2, "x.y__z"))),
            ("a_b__x.y", Some((2, "x.y"))),
            ("docs.a__b", Some((0, "a__b"))),
            ("docs__a.b", Some((0, "a.b"))),
            ("docs.", None),
            ("search", None),
            ("other.search", None),
            ("", None),
        ] {
            let found = route(Naming::Auto, &backends, public);
            let found = found
                .as_ref()
                .map(|route| (route.position, route.own.as_str()));
            assert_eq!(found, expected, "{public}");
        }
    }

    #[test]
    fn only_a_name_with_underscores_may_be_shortened() {
        let backends = ["docs".parse().unwrap()];
        for (naming, public, expected) in [
            (Naming::Auto, "docs__x_deadbeef", true),
            (Naming::Underscores, "docs__x_deadbeef", true),
            (Naming::Underscores, "docs__x", false),
            (Naming::Dot, "docs__x_deadbeef", false),
            (Naming::Auto, "docs.x_deadbeef", false),
            (Naming::Underscores, "docs.x_deadbeef", false),
            (Naming::None, "docs__x_deadbeef", false),
        ] {
            let route = route(naming, &backends, public).unwrap();
            assert_eq!(route.may_be_shortened, expected, "{naming:?} {public}");
        }
    }

    #[test]
    fn without_prefixes_the_only_backend_gets_every_name() {
        let backends = ["docs".parse().unwrap()];
        let own = |public| route(Naming::None, &backends, public).map(|route| route.own);
        assert_eq!(own("docs.search").as_deref(), Some("docs.search"));
        assert_eq!(own(""), None);
    }
}
