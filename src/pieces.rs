//! Bytes that come in pieces and are passed on so: what is large is not copied, and what is small not carried by itself.

use bytes::{Bytes, BytesMut};

/// Shorter pieces are put together with those next to them: what each costs on its way is more than its copy, and each that is
/// kept keeps all of the memory that it was read into, which is as much at least.
const SMALL_BELOW_BYTES: usize = 8 * 1024;

/// Pieces of one text, in order.
#[derive(Debug, Default)]
pub struct Pieces {
    ended: Vec<Bytes>,
    /// Small ones, put together.
    small: BytesMut,
}

impl Pieces {
    /// Adds one behind the others.
    pub fn add(&mut self, piece: Bytes) {
        if piece.len() < SMALL_BELOW_BYTES {
            return self.small.extend_from_slice(&piece);
        }
        self.end_small();
        self.ended.push(piece);
    }

    /// All of them, none of which is empty.
    #[must_use]
    pub fn each(mut self) -> Vec<Bytes> {
        self.end_small();
        self.ended
    }

    /// All of them as one, without another copy where there is only one.
    #[must_use]
    pub fn whole(self) -> Bytes {
        match <[Bytes; 1]>::try_from(self.each()) {
            Ok([only]) => only,
            Err(each) => each.concat().into(),
        }
    }

    fn end_small(&mut self) {
        if !self.small.is_empty() {
            self.ended.push(self.small.split().freeze());
        }
    }
}

impl From<Bytes> for Pieces {
    fn from(piece: Bytes) -> Self {
        let mut pieces = Self::default();
        pieces.add(piece);
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(sizes: &[usize]) -> Pieces {
        let mut pieces = Pieces::default();
        for (letter, size) in (b'a'..).zip(sizes) {
            pieces.add(vec![letter; *size].into());
        }
        pieces
    }

    #[test]
    fn large_pieces_stay_and_small_ones_are_put_together() {
        let large = Bytes::from(vec![b'x'; SMALL_BELOW_BYTES]);
        let mut pieces = pieces(&[0, 3, 2]);
        pieces.add(large.clone());
        pieces.add(large.clone());
        pieces.add(Bytes::from_static(b"end"));
        let each = pieces.each();
        assert_eq!(each, ["bbbcc".as_bytes(), &large, &large, b"end"]);
        assert_eq!(each[1].as_ptr(), large.as_ptr(), "no copy");
    }

    #[test]
    fn nothing_of_a_text_is_lost_or_moved() {
        for sizes in [
            &[][..],
            &[0],
            &[5],
            &[SMALL_BELOW_BYTES],
            &[1, 9000, 0, 3, 4, 8192, 8191],
        ] {
            let text: Vec<u8> = (b'a'..)
                .zip(sizes)
                .flat_map(|(it, size)| vec![it; *size])
                .collect();
            assert_eq!(pieces(sizes).whole(), text);
            let each = pieces(sizes).each();
            assert_eq!(each.concat(), text);
            assert!(each.iter().all(|piece| !piece.is_empty()));
        }
    }
}
