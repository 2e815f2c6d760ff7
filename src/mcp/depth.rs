//! How deep JSON is nested, told before anything reads it.

use std::slice::Iter;

/// Whether text has more levels of objects and lists than these, in one pass; what is no JSON is left to
/// its reader.
#[must_use]
pub fn exceeds(json: &[u8], levels_max: usize) -> bool {
    // Each level begins with a byte of its own: most texts are too short for so many.
    if memchr::memchr2_iter(b'{', b'[', json)
        .nth(levels_max)
        .is_none()
    {
        return false;
    }
    let mut depth = 0_usize;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'{' | b'[' if depth == levels_max => return true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
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

    #[test]
    fn levels_are_counted_to_the_limit() {
        let nested = |levels| "[".repeat(levels) + &"]".repeat(levels);
        for most in [1, 128, 512] {
            assert!(!exceeds(nested(most).as_bytes(), most));
            assert!(exceeds(nested(most + 1).as_bytes(), most));
            // Even where it breaks off.
            assert!(exceeds("[".repeat(most + 1).as_bytes(), most));
        }
        let wide = format!("[{}{{}}]", "[],".repeat(1000));
        assert!(!exceeds(wide.as_bytes(), 2));
    }
}
