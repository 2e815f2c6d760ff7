//! The features of the protocol by name, the same in every revision.

use std::sync::PoisonError;

use serde_json::{Value, json};

use crate::world::eventually;

use super::{Answer, Client, Exchange, Message};

impl Client {
    /// Calls a tool.
    pub async fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.request("tools/call", json!({"name": tool, "arguments": arguments}))
            .await
    }

    /// Calls a tool until there is a result: where limits are short, a machine that stands still exceeds one now and then.
    pub async fn is_served(&self, tool: &str) {
        eventually("a result", async || {
            let answer = self.call(tool, json!({})).await;
            answer.response.is_some_and(|it| it.is_result())
        })
        .await;
    }

    /// The names `tools/list` shows, all pages.
    pub async fn tool_names(&self) -> Vec<String> {
        members(&self.tools().await, "name")
    }

    /// The definitions `tools/list` shows, all pages.
    pub async fn tools(&self) -> Vec<Value> {
        self.list("tools/list", "tools").await
    }

    /// The names `prompts/list` shows, all pages.
    pub async fn prompt_names(&self) -> Vec<String> {
        members(&self.prompts().await, "name")
    }

    /// The definitions `prompts/list` shows, all pages.
    pub async fn prompts(&self) -> Vec<Value> {
        self.list("prompts/list", "prompts").await
    }

    /// The URIs `resources/list` shows, all pages.
    pub async fn resource_uris(&self) -> Vec<String> {
        members(&self.resources().await, "uri")
    }

    /// The definitions `resources/list` shows, all pages.
    pub async fn resources(&self) -> Vec<Value> {
        self.list("resources/list", "resources").await
    }

    /// The definitions `resources/templates/list` shows, all pages.
    pub async fn templates(&self) -> Vec<Value> {
        self.list("resources/templates/list", "resourceTemplates")
            .await
    }

    async fn list(&self, method: &str, member: &str) -> Vec<Value> {
        let mut entries = Vec::new();
        let mut params = json!({});
        loop {
            let result = self.request(method, params).await.result();
            entries.extend_from_slice(result[member].as_array().expect("a list"));
            match &result["nextCursor"] {
                Value::Null => return entries,
                cursor => params = json!({"cursor": cursor}),
            }
        }
    }

    /// Reads a resource.
    pub async fn read(&self, uri: &str) -> Answer {
        self.request("resources/read", json!({"uri": uri})).await
    }

    /// Gets a prompt.
    pub async fn prompt(&self, name: &str, arguments: Value) -> Answer {
        self.request("prompts/get", json!({"name": name, "arguments": arguments}))
            .await
    }

    /// The values `completion/complete` proposes for an argument of what `reference` names.
    pub async fn complete(&self, reference: Value, argument: &str, value: &str) -> Answer {
        let argument = json!({"name": argument, "value": value});
        let params = json!({"ref": reference, "argument": argument});
        self.request("completion/complete", params).await
    }

    /// Wants log messages of this level and above: of its MCP session, or with each request from
    /// now on.
    pub async fn set_log_level(&self, level: &str) {
        if self.is_modern() {
            let mut current = self
                .log_level
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *current = Some(level.to_owned());
        } else {
            let params = json!({"level": level});
            self.request("logging/setLevel", params).await.result();
        }
    }

    /// Sends requests and notifications in one batch, as 2025-03-26 allows, and gives the responses
    /// in the order of the requests; what came besides stands in the answer.
    pub async fn batch(&self, messages: &[(&str, Value)]) -> (Answer, Vec<Message>) {
        let mut ids = Vec::new();
        let batch = messages.iter().map(|(method, params)| {
            let mut message = json!({"jsonrpc": "2.0", "method": method, "params": params});
            if !method.starts_with("notifications/") {
                let id = self.take_id();
                message["id"] = serde_json::from_str(&id).unwrap();
                ids.push(id);
            }
            message
        });
        let body = Value::from(batch.collect::<Vec<_>>()).to_string();
        let (answer, mut responses) = self.open_batch(&body).await.collect().await;
        if answer.status >= 400 {
            return (answer, responses);
        }
        let place = |message: &Message| {
            let id = message.id().unwrap_or_default();
            let place = ids.iter().position(|it| *it == id);
            place.unwrap_or_else(|| panic!("nobody asked {id}"))
        };
        responses.sort_by_key(place);
        let answered: Vec<String> = responses.iter().filter_map(Message::id).collect();
        assert!(responses.is_empty() || answered == ids, "{responses:?}");
        (answer, responses)
    }

    /// Sends a batch as the test wrote it, and gives its answer as it comes.
    pub async fn open_batch(&self, body: &str) -> Exchange {
        let headers = self.headers(None);
        self.post(body.to_owned(), headers, None).await
    }
}

fn members(entries: &[Value], member: &str) -> Vec<String> {
    let texts = entries.iter().map(|entry| entry[member].as_str().unwrap());
    texts.map(str::to_owned).collect()
}
