//! What kind of answer a backend says that it sends.

use http::{HeaderMap, header::CONTENT_TYPE};

/// What a body is, as far as that makes a difference.
#[derive(Clone, Copy)]
pub(super) enum MediaType {
    Json,
    Events,
    Html,
    Other,
}

impl MediaType {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let value = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let essence = value.and_then(|value| value.split(';').next());
        let essence = essence.unwrap_or_default().trim();
        let known = [
            ("application/json", Self::Json),
            ("text/event-stream", Self::Events),
            ("text/html", Self::Html),
        ];
        let found = known
            .into_iter()
            .find(|(name, _)| essence.eq_ignore_ascii_case(name));
        found.map_or(Self::Other, |(_, media_type)| media_type)
    }
}
