//! Looks at every byte of a text, several at a time.

/// How many bytes are looked at at once: names in messages and in the log are seldom longer than a few times that.
const AT_ONCE: usize = 8;

/// Whether all bytes are as wanted.
///
/// The compiler makes one comparison of those of several bytes where none of them decides when to stop.
#[must_use]
#[inline]
pub(crate) fn all(bytes: &[u8], is_wanted: impl Fn(u8) -> bool) -> bool {
    let (parts, rest) = bytes.as_chunks::<AT_ONCE>();
    let each = |part: &[u8; AT_ONCE]| part.iter().fold(true, |all, byte| all & is_wanted(*byte));
    parts.iter().all(each) && rest.iter().all(|byte| is_wanted(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_is_found_wherever_it_is() {
        for length in 0..=3 * AT_ONCE {
            let mut bytes = vec![b'a'; length];
            assert!(all(&bytes, |byte| byte == b'a'));
            for at in 0..length {
                bytes[at] = b'b';
                assert!(!all(&bytes, |byte| byte == b'a'), "{at} of {length}");
                bytes[at] = b'a';
            }
        }
    }
}
