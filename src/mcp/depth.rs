//! How deep JSON is nested, told before anything reads it.

use memchr::memchr2;

/// Whether text has more levels of objects and lists than these, in one pass; what is no JSON is left to
/// its reader.
#[must_use]
pub fn exceeds(json: &[u8], levels_max: usize) -> bool {
    // Each level begins with a byte of its own: most texts are too short for so many, or have too few that could be one.
    if json.len() <= levels_max {
        return false;
    }
    if memchr::memchr2_iter(b'{', b'[', json)
        .nth(levels_max)
        .is_none()
    {
        return false;
    }
    let mut depth = 0_usize;
    let mut rest = json;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'"' => rest = behind_string(behind),
            b'{' | b'[' if depth == levels_max => return true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// What stands behind the string that began.
fn behind_string(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = memchr2(b'"', b'\\', rest) {
        // With a backslash goes the byte that it is about.
        let is_end = rest.get(at) == Some(&b'"');
        let length = if is_end { 1 } else { 2 };
        rest = rest.get(at + length..).unwrap_or_default();
        if is_end {
            return rest;
        }
    }
    &[]
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
        let quoted = r#"["[[[\"[[[",["\\"],{"\u005b[":"["}]"#;
        assert!(!exceeds(quoted.as_bytes(), 2));
        assert!(exceeds(quoted.as_bytes(), 1));
        let wide = format!("[{}{{}}]", "[],".repeat(1000));
        assert!(!exceeds(wide.as_bytes(), 2));
    }
}
