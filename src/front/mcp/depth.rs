//! How deep a body's JSON may be nested, told before anything reads it.

use std::slice::Iter;

use crate::{limits::DEPTH_MAX, mcp::message::MessageError};

/// Counts a body's levels in one pass; what is no JSON is left to the reader.
///
/// # Errors
///
/// When there are more than [`DEPTH_MAX`].
pub(super) fn check(body: &[u8]) -> Result<(), MessageError> {
    let mut depth = 0_usize;
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'{' | b'[' if depth == DEPTH_MAX => return Err(MessageError::TooDeep),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Goes on behind the string that began.
fn skip_string(bytes: &mut Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
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
