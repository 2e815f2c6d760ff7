//! How much may wait for somebody slow.

/// The most that waits at once: so many messages, and of so many bytes. One message may be larger than all
/// may be together; then it waits alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// How many.
    pub messages: usize,
    /// Bytes of all together.
    pub bytes: usize,
}

impl Backlog {
    /// Bounds what waits in both.
    #[must_use]
    pub const fn new(messages: usize, bytes: usize) -> Self {
        Self { messages, bytes }
    }
}
