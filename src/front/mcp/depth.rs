//! How deep a body's JSON may be nested, told before anything reads it.

use crate::{
    limits::DEPTH_MAX,
    mcp::{depth::exceeds, message::MessageError},
};

/// Counts a body's levels in one pass; what is no JSON is left to the reader.
///
/// # Errors
///
/// When there are more than [`DEPTH_MAX`].
pub(super) fn check(body: &[u8]) -> Result<(), MessageError> {
    if exceeds(body, DEPTH_MAX) {
        return Err(MessageError::TooDeep);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> String {
        let (open, close) = (r#"{"a":"#.repeat(levels), "}".repeat(levels));
        format!("{open}[]{close}")
    }

    #[test]
    fn levels_are_counted_to_the_limit() {
        assert_eq!(check(nested(DEPTH_MAX - 1).as_bytes()), Ok(()));
        let deep = nested(DEPTH_MAX);
        assert_eq!(check(deep.as_bytes()), Err(MessageError::TooDeep));
        let wide = format!("[{}{{}}]", "[],".repeat(1000));
        assert_eq!(check(wide.as_bytes()), Ok(()));
    }

    #[test]
    fn brackets_in_a_string_are_text() {
        let brackets = "[".repeat(1000);
        for text in [
            format!(r#"{{"a":"{brackets}"}}"#),
            format!(r#"{{"a":"\"{brackets}"}}"#),
            format!(r#"{{"a":"\\\"{brackets}"}}"#),
        ] {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        }
        let behind = format!(r#"{{"a":"\\",{brackets}"#);
        assert_eq!(check(behind.as_bytes()), Err(MessageError::TooDeep));
    }
}
