//! What was said to clients on streams that they may take up again where they broke off.

use std::sync::Arc;

/// The streams of one session. A clone is another handle of the same.
#[derive(Clone, Default)]
pub struct Outbox {
    _streams: Arc<()>,
}
