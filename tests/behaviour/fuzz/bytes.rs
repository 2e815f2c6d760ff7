//! Bytes that were right once.

use proptest::{prelude::*, sample::Index};

/// One thing that happens to bytes.
#[derive(Debug, Clone)]
enum Damage {
    Flip(Index, u8),
    Drop(Index, usize),
    Double(Index, usize),
    Insert(Index, Vec<u8>),
}

/// Pieces that mean something to some reader.
const PIECES: [&[u8]; 24] = [
    b"\0",
    b"\r\n",
    b"\n\n",
    b"\r",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"-",
    b"1e999",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\xc0\xaf",
    b"\xef\xbb\xbf",
    b"/*",
    b"..",
    b"%00",
    b"\x1b[31m",
];

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    let piece = prop_oneof![
        prop::sample::select(&PIECES[..]).prop_map(<[u8]>::to_vec),
        prop::collection::vec(any::<u8>(), 1..8),
    ];
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        (at(), 1_usize..20).prop_map(|(at, length)| Damage::Drop(at, length)),
        (at(), 1_usize..40).prop_map(|(at, length)| Damage::Double(at, length)),
        (at(), piece).prop_map(|(at, piece)| Damage::Insert(at, piece)),
    ]
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
    let place = |at: &Index, bytes: &[u8]| at.index(bytes.len() + 1);
    match damage {
        Damage::Flip(at, bits) if !bytes.is_empty() => {
            let place = at.index(bytes.len());
            bytes[place] ^= bits;
        }
        Damage::Flip(..) => {}
        Damage::Drop(at, length) => {
            let start = place(at, bytes);
            let end = bytes.len().min(start + length);
            bytes.drain(start..end);
        }
        Damage::Double(at, length) => {
            let start = place(at, bytes);
            let end = bytes.len().min(start + length);
            let piece = bytes[start..end].to_vec();
            bytes.splice(end..end, piece);
        }
        Damage::Insert(at, piece) => {
            let start = place(at, bytes);
            bytes.splice(start..start, piece.iter().copied());
        }
    }
}

/// Bytes of `whole` after a few mishaps, or none.
pub(super) fn damaged(whole: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let mishaps = prop::collection::vec(damage(), 0..4);
    (whole, mishaps).prop_map(|(mut bytes, mishaps)| {
        for damage in &mishaps {
            apply(&mut bytes, damage);
        }
        bytes
    })
}
