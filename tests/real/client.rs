//! What all clients can do, so that one test body serves them all: each performs the same list of steps.

use serde_json::{Value, json};

/// A connected MCP client.
///
/// A step is an object with its name in `step` and what it needs beside it:
///
/// | Step | What came of it |
/// | --- | --- |
/// | `list` | `{"tools": [name]}` |
/// | `call`: `tool`, `arguments`, perhaps `watch` or `cancelAtProgress` | `{"result", "progress": [{"progress", "total", "atMs"}]}`, or `{"cancelled": true}` |
/// | `prompts` | `{"prompts": [name]}` |
/// | `prompt`: `name`, `arguments` | the result |
/// | `resources` | `{"resources": [uri], "templates": [uriTemplate]}` |
/// | `read`: `uri` | the result |
/// | `complete`: `prompt`, `argument`, `begun` | `{"values": [..]}` |
/// | `setLevel`: `level` | nothing: log messages come from this level on |
/// | `listen` | nothing: changes of lists are heard from now on |
/// | `subscribe`: `uri` | nothing: updates of the resource are heard from now on |
/// | `heard`: `method` | `{"params"}` of the first such notification that no step asked for yet |
pub(crate) trait Client {
    /// Performs a step: what came of it, or the error with `code`, `message` and perhaps `data`.
    async fn step(&mut self, step: Value) -> Result<Value, Value>;

    /// Performs a step that does not fail.
    async fn does(&mut self, step: Value) -> Value {
        let words = step.to_string();
        let seen = self.step(step).await;
        seen.unwrap_or_else(|error| panic!("{words}: {error}"))
    }

    /// The names of the tools it sees.
    async fn tools(&mut self) -> Vec<String> {
        let seen = self.does(json!({"step": "list"})).await;
        serde_json::from_value(seen["tools"].clone()).unwrap()
    }

    /// Calls a tool: the result as the client saw it, or the error.
    async fn call(&mut self, tool: &str, arguments: Value) -> Result<Value, Value> {
        let call = json!({"step": "call", "tool": tool, "arguments": arguments});
        Ok(self.step(call).await?["result"].take())
    }

    /// Calls a tool and asks for progress: `{"result", "progress"}`.
    async fn watch(&mut self, tool: &str, arguments: Value) -> Value {
        self.does(json!({"step": "call", "tool": tool, "arguments": arguments, "watch": true}))
            .await
    }

    /// Calls a tool, and gives the call up as soon as progress comes: `{"cancelled": true}`.
    async fn cancel_at_progress(&mut self, tool: &str) -> Value {
        self.does(json!({"step": "call", "tool": tool, "arguments": {}, "cancelAtProgress": true}))
            .await
    }

    /// Waits for a notification: its parameters.
    async fn heard(&mut self, method: &str) -> Value {
        self.does(json!({"step": "heard", "method": method})).await["params"].take()
    }
}

/// What a client answers to every question of a server: the same as those of `node/steps.mjs`.
pub(crate) fn answer_to(method: &str) -> Value {
    match method {
        "elicitation/create" => json!({"action": "accept", "content": {"name": "Ada"}}),
        "sampling/createMessage" => {
            json!({"role": "assistant", "content": {"type": "text", "text": "Paris"}, "model": "a-model"})
        }
        "roots/list" => json!({"roots": [{"uri": "file:///work", "name": "work"}]}),
        _ => panic!("a server asks {method}"),
    }
}

/// What a client that answers so declares.
pub(crate) fn capabilities() -> Value {
    json!({"elicitation": {}, "sampling": {}, "roots": {"listChanged": true}})
}

/// The text of a tool's result that consists of one text.
pub(crate) fn text(result: &Value) -> &str {
    let content = result["content"]
        .as_array()
        .unwrap_or_else(|| panic!("no content in {result}"));
    assert_eq!(content.len(), 1, "{result}");
    content[0]["text"].as_str().unwrap()
}

/// The progress that a client saw the server report. The TypeScript SDK 2 makes some of its own, without a total, of
/// each round of questions; and `server-everything` may ask for the roots in any call.
pub(crate) fn reported(seen: &Value) -> Vec<Value> {
    let progress = seen["progress"].as_array().unwrap().iter();
    let has_total = |one: &&Value| one.get("total").is_some();
    progress.filter(has_total).cloned().collect()
}
