//! What all clients can do, so that one test body serves them all.

use serde_json::Value;

/// A connected MCP client.
pub(crate) trait Client {
    /// The names of the tools it sees.
    async fn tools(&mut self) -> Vec<String>;

    /// Calls a tool: the result as the client saw it, or the error with `code`, `message` and perhaps `data`.
    async fn call(&mut self, tool: &str, arguments: Value) -> Result<Value, Value>;
}

/// The text of a tool's result that consists of one text.
pub(crate) fn text(result: &Value) -> &str {
    let content = result["content"]
        .as_array()
        .unwrap_or_else(|| panic!("no content in {result}"));
    assert_eq!(content.len(), 1, "{result}");
    content[0]["text"].as_str().unwrap()
}
