//! Bounds of the commands that speak with a gateway, and of the example server.

use std::time::Duration;

/// Bytes of an answer that a command reads: the description of an API with thousands of providers.
pub const CONSOLE_ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long connecting to it may take.
pub const CONSOLE_CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long a gateway may take to answer a command: it waits for its disk, and for no backend.
pub const CONSOLE_WITHIN: Duration = Duration::from_secs(30);
/// How long a command waits without saying so: a person wonders after a second.
pub const CONSOLE_QUIET_MAX: Duration = Duration::from_secs(1);
/// How long the example server takes no connection after the system refused it one: files may be free by then.
pub const EXAMPLE_ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of a request to the example server: what a person types.
pub const EXAMPLE_BODY_BYTES_MAX: usize = 1024 * 1024;
/// Sessions of the example server; a new one takes the place of the oldest.
pub const EXAMPLE_SESSIONS_MAX: usize = 1000;
/// Bytes of a client's file that is imported: some clients keep much else in theirs.
pub const IMPORT_BYTES_MAX: u64 = 64 * 1024 * 1024;
