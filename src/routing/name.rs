//! Public names: `provider.tool`, or a spelling for clients that refuse dots.

use sha2::{Digest, Sha256};

use crate::mcp::name::{BackendName, Naming};

/// Clients that refuse a dot in a tool's name, by the start of their `clientInfo.name`.
///
/// `mcp-remote` appends ` (via mcp-remote …)` to the name of the client behind it, so a prefix is
/// what tells. Claude Desktop turns down the whole conversation over one such name.
const CLIENTS_WITHOUT_DOTS: [&str; 2] = ["claude-ai", "openai-mcp"];

/// The most characters those clients take, from `^[a-zA-Z0-9_-]{1,64}$`.
const STRICT_LENGTH_MAX: usize = 64;

/// Hexadecimal digits of the hash that keeps a shortened name unique.
const HASH_DIGITS: usize = 8;

const DOT: &str = ".";
const UNDERSCORES: &str = "__";

/// How one client sees the names of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Spelling {
    /// `provider.tool`.
    Dot,
    /// `provider__tool`, held to the strict pattern.
    Underscores,
    /// The tool's own name.
    Own,
}

impl Spelling {
    /// Picks the spelling a session's option means for a client of that name.
    #[must_use]
    pub fn of(naming: Naming, client_name: Option<&str>) -> Self {
        let refuses_dots = || {
            client_name.is_some_and(|name| {
                CLIENTS_WITHOUT_DOTS
                    .iter()
                    .any(|client| name.starts_with(client))
            })
        };
        match naming {
            Naming::Underscores => Self::Underscores,
            Naming::None => Self::Own,
            Naming::Auto if refuses_dots() => Self::Underscores,
            Naming::Dot | Naming::Auto => Self::Dot,
        }
    }

    /// The public name of a backend's tool.
    #[must_use]
    pub fn public_name(self, backend: &BackendName, own: &str) -> String {
        match self {
            Self::Dot => format!("{backend}{DOT}{own}"),
            Self::Underscores => strict(backend, own),
            Self::Own => own.to_owned(),
        }
    }
}

/// Whether an own name could be what `strict` left of another: then only the list can tell.
#[must_use]
pub fn may_be_shortened(own: &str) -> bool {
    own.len() > HASH_DIGITS
        && own.rsplit_once('_').is_some_and(|(_, hash)| {
            hash.len() == HASH_DIGITS && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
}

/// Splits a public name at the first separator of either spelling into provider and own name, and
/// tells which spelling that is.
///
/// A provider's name holds neither a dot nor `__`, so the first of them is the separator.
pub fn candidates(public: &str) -> impl Iterator<Item = (Spelling, &str, &str)> {
    [(Spelling::Dot, DOT), (Spelling::Underscores, UNDERSCORES)]
        .into_iter()
        .filter_map(move |(spelling, separator)| {
            let (provider, own) = public.split_once(separator)?;
            Some((spelling, provider, own))
        })
}

fn strict(backend: &BackendName, own: &str) -> String {
    let plain = format!("{backend}{UNDERSCORES}{own}");
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if plain.len() <= STRICT_LENGTH_MAX && plain.chars().all(allowed) {
        return plain;
    }
    let digest = Sha256::digest(own.as_bytes());
    let [a, b, c, d, ..] = digest[..] else {
        return plain;
    };
    let hash = u32::from_be_bytes([a, b, c, d]);
    let kept: String = plain
        .chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .take(STRICT_LENGTH_MAX - HASH_DIGITS - 1)
        .collect();
    format!("{kept}_{hash:0HASH_DIGITS$x}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn backend(name: &str) -> BackendName {
        name.parse().unwrap()
    }

    #[test]
    fn a_client_known_to_refuse_dots_sees_underscores() {
        for (naming, client, spelling) in [
            (Naming::Auto, None, Spelling::Dot),
            (Naming::Auto, Some("cursor-vscode"), Spelling::Dot),
            (Naming::Auto, Some("claude-ai"), Spelling::Underscores),
            (
                Naming::Auto,
                Some("claude-ai (via mcp-remote 0.15.1)"),
                Spelling::Underscores,
            ),
            (Naming::Dot, Some("claude-ai"), Spelling::Dot),
            (Naming::Underscores, None, Spelling::Underscores),
            (Naming::None, Some("claude-ai"), Spelling::Own),
        ] {
            assert_eq!(
                Spelling::of(naming, client),
                spelling,
                "{naming:?} {client:?}"
            );
        }
    }

    #[test]
    fn a_strict_name_is_the_plain_one_where_that_fits() {
        let hf = backend("huggingface");
        let name = |own: &str| Spelling::Underscores.public_name(&hf, own);
        assert_eq!(name("model_search"), "huggingface__model_search");
        let cleaned = name("docs.search");
        assert!(
            cleaned.starts_with("huggingface__docs_search_"),
            "{cleaned}"
        );
        assert!(may_be_shortened(&cleaned));
        assert_eq!(name(&"x".repeat(80)).len(), STRICT_LENGTH_MAX);
    }

    proptest! {
        #[test]
        fn a_dotted_name_splits_back_into_its_halves(own in ".{1,40}") {
            let hf = backend("hugging-face_2");
            let public = Spelling::Dot.public_name(&hf, &own);
            prop_assert_eq!(candidates(&public).next(), Some((Spelling::Dot, "hugging-face_2", own.as_str())));
        }

        #[test]
        fn a_strict_name_always_fits_the_pattern_and_splits_to_its_provider(own in ".{0,90}") {
            let hf = backend("hugging-face_2");
            let public = Spelling::Underscores.public_name(&hf, &own);
            prop_assert!(public.len() <= STRICT_LENGTH_MAX);
            prop_assert!(public.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'));
            let (_, provider, rest) = candidates(&public).next().unwrap();
            prop_assert_eq!(provider, "hugging-face_2");
            prop_assert!(rest == own || may_be_shortened(rest));
        }

        #[test]
        fn different_tools_keep_different_strict_names(a in "[a-z.]{1,90}", b in "[a-z.]{1,90}") {
            prop_assume!(a != b);
            let hf = backend("hf");
            let spell = |own: &str| Spelling::Underscores.public_name(&hf, own);
            prop_assert_ne!(spell(&a), spell(&b));
        }
    }
}
