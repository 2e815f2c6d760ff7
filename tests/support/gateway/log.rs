//! What a gateway logs: in a file and not in a pipe, so that a test reads at once what was written, and in its order.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    process::Stdio,
    sync::{Mutex, PoisonError},
};

/// How much is read at a time.
const PIECE: usize = 64 * 1024;

/// A file without a name, which goes with its last reader or writer.
pub(super) struct Log {
    file: File,
    read: Mutex<Vec<u8>>,
}

impl Log {
    pub(super) fn new() -> Self {
        Self {
            file: tempfile::tempfile().unwrap(),
            read: Mutex::default(),
        }
    }

    /// For a process that writes behind what is there.
    pub(super) fn to_write(&self) -> Stdio {
        // A clone has the same place to write at as the processes before.
        self.file.try_clone().unwrap().into()
    }

    /// All whole lines.
    pub(super) fn text(&self) -> String {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let mut piece = vec![0; PIECE];
        loop {
            // By place, which moves nobody's place to write at.
            let count = self.file.read_at(&mut piece, read.len() as u64).unwrap();
            if count == 0 {
                break;
            }
            read.extend_from_slice(&piece[..count]);
        }
        let whole = read.iter().rposition(|byte| *byte == b'\n');
        let lines = &read[..whole.map_or(0, |end| end + 1)];
        String::from_utf8_lossy(lines).into_owned()
    }
}
