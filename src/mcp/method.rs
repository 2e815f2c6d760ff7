//! The methods the gateway itself gives a meaning to.

/// Opens the legacy era.
pub const INITIALIZE: &str = "initialize";
/// Ends the legacy handshake.
pub const INITIALIZED: &str = "notifications/initialized";
/// Asks a modern server what it is.
pub const DISCOVER: &str = "server/discover";
/// Asks whether the other side lives.
pub const PING: &str = "ping";
/// Lists tools.
pub const TOOLS_LIST: &str = "tools/list";
/// Calls a tool.
pub const TOOLS_CALL: &str = "tools/call";
/// Ends a request early.
pub const CANCELLED: &str = "notifications/cancelled";
/// Tells how far a request got.
pub const PROGRESS: &str = "notifications/progress";
/// Carries a log message.
pub const LOG_MESSAGE: &str = "notifications/message";
/// Tells that the list of tools is another now.
pub const TOOLS_CHANGED: &str = "notifications/tools/list_changed";

/// Asks a modern server to announce changes on the answer's stream.
pub const LISTEN: &str = "subscriptions/listen";
/// Tells which changes a modern server announces on a stream; the first message on it.
pub const LISTEN_ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// Whether a request of this method may be sent again after its bytes may have reached a backend.
///
/// Reading twice changes nothing; a tool may have run. Whether a tool says that it may be repeated
/// is [`Hints::repeatable`](super::tool::Hints::repeatable)'s word.
#[must_use]
pub fn only_reads(method: &str) -> bool {
    matches!(method, INITIALIZE | DISCOVER | PING | TOOLS_LIST)
}
