//! The answers of mocks, in JSON-RPC.

use mockito::{Mock, Request};
use serde_json::Value;

/// What a server of the modern era says of itself.
pub(super) const DISCOVERED: &str =
    r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}"#;

/// What a server of the legacy era says of itself.
pub(super) fn initialized(revision: &str) -> String {
    offering(revision, r#"{"tools":{}}"#)
}

/// The same of one that has these capabilities.
pub(super) fn offering(revision: &str, capabilities: &str) -> String {
    let implementation = r#"{"name":"mock","version":"1"}"#;
    format!(
        r#"{{"protocolVersion":"{revision}","capabilities":{capabilities},"serverInfo":{implementation}}}"#
    )
}

/// Answers a request, by its id: `$ID` stands for it in every text.
pub(super) trait Answers: Sized {
    /// With this result.
    fn result(self, result: &str) -> Self;
    /// With this error.
    fn error(self, error: &str) -> Self;
    /// With these messages, as events.
    fn events(self, messages: &[&str]) -> Self;
    /// With this text.
    fn text(self, media_type: &str, text: &str) -> Self;
}

impl Answers for Mock {
    fn result(self, result: &str) -> Self {
        let response = format!(r#"{{"jsonrpc":"2.0","id":$ID,"result":{result}}}"#);
        self.text("application/json", &response)
    }

    fn error(self, error: &str) -> Self {
        let response = format!(r#"{{"jsonrpc":"2.0","id":$ID,"error":{error}}}"#);
        self.text("application/json", &response)
    }

    fn events(self, messages: &[&str]) -> Self {
        let event = |message: &&str| format!("data: {message}\n\n");
        let events: String = messages.iter().map(event).collect();
        self.text("text/event-stream", &events)
    }

    fn text(self, media_type: &str, text: &str) -> Self {
        let text = text.to_owned();
        self.with_header("content-type", media_type)
            .with_body_from_request(move |request| with_id(&text, request))
    }
}

fn with_id(text: &str, request: &Request) -> Vec<u8> {
    let message: Value = serde_json::from_slice(request.body().unwrap()).unwrap();
    text.replace("$ID", &message["id"].to_string()).into()
}
