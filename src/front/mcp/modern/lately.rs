//! What clients said of themselves lately: a modern one says it again with each request, nearly always to the letter.

use std::cell::RefCell;

use smol_str::SmolStr;

use crate::{
    limits::{CONTEXT_REMEMBERED_BYTES_MAX, CONTEXTS_REMEMBERED_MAX},
    mcp::request::Context,
};

/// What was read of a `_meta`.
#[derive(Debug, Clone)]
pub(super) struct Said {
    /// The revision, as it is written.
    pub(super) version: SmolStr,
    /// All else.
    pub(super) context: Context,
}

/// A `_meta` that was read.
struct Read {
    text: Box<str>,
    said: Said,
}

thread_local! {
    /// The latest in front. Each thread has its own, so that none waits for another.
    static LATELY: RefCell<Vec<Read>> = const { RefCell::new(Vec::new()) };
}

/// What was read of the same text before, if that is not long ago.
pub(super) fn find(text: &str) -> Option<Said> {
    LATELY.with_borrow_mut(|lately| {
        let place = lately.iter().position(|read| *read.text == *text)?;
        lately.get_mut(..=place)?.rotate_right(1);
        lately.first().map(|read| read.said.clone())
    })
}

/// Remembers what was read of a text, for a while.
pub(super) fn note(text: &str, said: &Said) {
    if text.len() > CONTEXT_REMEMBERED_BYTES_MAX {
        return;
    }
    LATELY.with_borrow_mut(|lately| {
        lately.truncate(CONTEXTS_REMEMBERED_MAX - 1);
        let (text, said) = (text.into(), said.clone());
        lately.insert(0, Read { text, said });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(version: &str) -> Said {
        Said {
            version: version.into(),
            context: Context::default(),
        }
    }

    #[test]
    fn the_latest_are_found_by_their_text_and_nothing_else_is() {
        let text = |number: usize| format!("{{\"number\":{number}}}");
        let found = |number| find(&text(number)).map(|said| said.version);
        for number in 0..CONTEXTS_REMEMBERED_MAX {
            assert_eq!(found(number), None);
            note(&text(number), &said(&number.to_string()));
        }
        assert_eq!(found(0).as_deref(), Some("0"));
        note(&text(CONTEXTS_REMEMBERED_MAX), &said("one more"));
        assert_eq!(found(0).as_deref(), Some("0"), "asked for since");
        assert_eq!(found(1), None, "not asked for the longest");
        let long = "x".repeat(CONTEXT_REMEMBERED_BYTES_MAX + 1);
        note(&long, &said("long"));
        assert!(find(&long).is_none());
    }
}
