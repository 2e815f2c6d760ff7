//! Bounds of what clients say of themselves, and of what they want to hear.

use std::time::Duration;

use super::{Backlog, MIB};

/// Bytes of a client's `clientInfo`, and as many of its capabilities: each is kept in memory and on the
/// disk for as long as an MCP session lives, and goes to backends.
pub const CLIENT_DESCRIPTION_BYTES_MAX: usize = 16 * 1024;
/// What modern clients said of themselves that a thread remembers: programs of one kind and version say the same.
pub const CONTEXTS_REMEMBERED_MAX: usize = 4;
/// Bytes of each; what is larger is read with each request.
pub const CONTEXT_REMEMBERED_BYTES_MAX: usize = 2 * 1024;

/// What waits for a slow listener: one that is behind by more reads nothing at all. A session may have
/// hundreds, and none of them is owed more memory than a call.
pub const CHANGES_IN_FLIGHT: Backlog = Backlog::new(256, 4 * MIB);
/// Streams of one session that clients without an MCP session hear changes on.
pub const SUBSCRIBERS_PER_SESSION_MAX: usize = 256;
/// Resources and tasks that one client wants to hear of: each costs its backends memory.
pub const SUBSCRIPTIONS_MAX: usize = 1024;
/// How long a client that begins to listen waits for its backends to tell, if an `initialize` does not wait longer: what
/// they say later reaches it all the same.
pub const TELLING_WITHIN: Duration = Duration::from_secs(2);
