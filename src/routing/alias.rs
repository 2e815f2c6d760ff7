//! The second name of a resource: under it, its provider's is meant, whoever else has one of that URI.
//!
//! A resource keeps its URI wherever it can, for results embed URIs, and links in them must hold.

use crate::mcp::name::BackendName;

/// Starts every alias. What follows is the provider, a slash, and the URI or template as it is.
const PREFIX: &str = "mcp-gateway://";

/// The alias of a provider's resource or template.
#[must_use]
pub fn alias(backend: &BackendName, own: &str) -> String {
    format!("{PREFIX}{backend}/{own}")
}

/// Splits an alias into its provider and the URI there; `None` for any other URI.
#[must_use]
pub fn split(uri: &str) -> Option<(&str, &str)> {
    let (provider, own) = uri.strip_prefix(PREFIX)?.split_once('/')?;
    (!own.is_empty()).then_some((provider, own))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_alias_stays_as_it_is() {
        for uri in ["file:///a", "mcp-gateway://docs", "mcp-gateway://docs/", ""] {
            assert_eq!(split(uri), None, "{uri}");
        }
    }

    proptest! {
        #[test]
        fn an_alias_splits_back_into_its_halves(own in ".{1,60}") {
            let docs: BackendName = "docs-2".parse().unwrap();
            let alias = alias(&docs, &own);
            prop_assert_eq!(split(&alias), Some(("docs-2", own.as_str())));
        }
    }
}
