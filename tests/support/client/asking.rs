//! Calls during which the server asks: answered by responses in the legacy era, by retries in the
//! modern one.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::GLANCE;

use super::{Answer, Asked, Client, Exchange, Message};

/// How often a modern client goes on asking back before it gives up.
const ROUNDS: usize = 16;

impl Client {
    /// Calls a tool, answering what the server asks meanwhile: `answer` makes the result for a
    /// method and its params.
    pub async fn call_answering(
        &self,
        tool: &str,
        arguments: Value,
        answer: impl FnMut(&str, &Value) -> Value,
    ) -> Answer {
        let params = json!({"name": tool, "arguments": arguments});
        self.request_answering("tools/call", params, answer).await
    }

    /// [`Self::call_answering`] for any method.
    pub async fn request_answering(
        &self,
        method: &str,
        params: Value,
        mut answer: impl FnMut(&str, &Value) -> Value,
    ) -> Answer {
        if self.is_modern() {
            self.retry(method, params, &mut answer).await
        } else {
            self.converse(method, &params.to_string(), &mut answer)
                .await
        }
    }

    /// Opens the `GET` stream of its MCP session and keeps it, so that what the server asks there
    /// is answered while a call waits. A modern client has no such stream.
    pub async fn listen(&self) {
        if !self.is_modern() {
            let stream = self.get_stream().await;
            assert_eq!(stream.status(), 200, "the GET stream");
            *self.stream.lock().await = Some(stream);
        }
    }

    /// Spec: 2026-07-28 basic/patterns/mrtr.
    async fn retry(
        &self,
        method: &str,
        params: Value,
        answer: &mut impl FnMut(&str, &Value) -> Value,
    ) -> Answer {
        let mut events = Vec::new();
        let mut asked = Vec::new();
        let mut round = params.clone();
        for _ in 0..ROUNDS {
            let mut last = self.request(method, round).await;
            events.append(&mut last.events);
            let result = last.response.as_ref().filter(|it| it.is_result());
            let result = result.map(Message::result).unwrap_or_default();
            if result["resultType"] != "input_required" {
                return Answer {
                    events,
                    asked,
                    ..last
                };
            }
            round = params.clone();
            if let Some(requests) = result["inputRequests"].as_object() {
                round["inputResponses"] = fulfil(requests, answer, &mut asked);
            }
            if let Some(state) = result.get("requestState") {
                round["requestState"] = state.clone();
            }
        }
        panic!("{method} asks back without an end");
    }

    /// Reads a call's stream to its response, and what the kept stream says meanwhile.
    async fn converse(
        &self,
        method: &str,
        params: &str,
        answer: &mut impl FnMut(&str, &Value) -> Value,
    ) -> Answer {
        let mut all = Answer::empty(0, http::HeaderMap::new());
        let mut stream = self.stream.lock().await;
        // It may be asked aside even before its call's answer begins.
        let mut opening = std::pin::pin!(self.open(method, params));
        let mut call: Option<Exchange> = None;
        loop {
            let next = async {
                if call.is_none() {
                    call = Some(opening.as_mut().await);
                }
                call.as_mut()?.next().await
            };
            let (message, is_aside) = match stream.as_mut() {
                None => (next.await, false),
                Some(stream) => tokio::select! {
                    message = next => (message, false),
                    message = stream.next() => (message, true),
                },
            };
            let Some(message) = message else {
                assert!(!is_aside, "the GET stream ended");
                let exchange = call.expect("an exchange that ended");
                return Answer {
                    status: exchange.status(),
                    headers: exchange.headers().clone(),
                    body: exchange.into_body(),
                    ..all
                };
            };
            let is_request = message.method().is_some() && message.id().is_some();
            if is_request {
                let asked = Asked::of(&message.json());
                // That it is still there is for the client to say, not for the test.
                if asked.method == "ping" {
                    self.respond(&message, json!({})).await;
                    continue;
                }
                let result = answer(&asked.method, &asked.params);
                assert_eq!(self.respond(&message, result).await, 202, "{asked:?}");
                all.asked.push(asked);
            } else if message.is_response() {
                assert!(all.response.is_none(), "a second response: {message:?}");
                all.response = Some(message);
            } else if is_aside {
                all.aside.push(message);
            } else {
                all.events.push(message);
            }
        }
    }

    /// Calls a tool that is to run as a task, and gives the task's id.
    pub async fn call_as_task(&self, tool: &str, arguments: Value) -> String {
        let mut params = json!({"name": tool, "arguments": arguments});
        if !self.is_modern() {
            params["task"] = json!({"ttl": 60_000});
        }
        let result = self.request("tools/call", params).await.result();
        let task = if self.is_modern() {
            &result
        } else {
            &result["task"]
        };
        let id = task["taskId"].as_str();
        id.unwrap_or_else(|| panic!("no task in {result}"))
            .to_owned()
    }

    /// Sends a request about a task: `tasks/get`, `tasks/cancel`.
    pub async fn task(&self, method: &str, id: &str) -> Answer {
        self.request(method, json!({"taskId": id})).await
    }

    /// Waits for the end of a task, answering what it asks, and gives the result of its tool. The
    /// answer of a task that failed holds its error.
    pub async fn finish_task(
        &self,
        id: &str,
        mut answer: impl FnMut(&str, &Value) -> Value,
    ) -> Value {
        if !self.is_modern() {
            let params = json!({"taskId": id});
            let last = self.request_answering("tasks/result", params, answer).await;
            return match last.response {
                Some(response) if response.is_result() => response.result(),
                _ => json!({"error": last.error().code}),
            };
        }
        loop {
            let task = self.task("tasks/get", id).await.result();
            match task["status"].as_str() {
                Some("completed") => return task["result"].clone(),
                Some("failed") => return json!({"error": task["error"]["code"]}),
                Some("cancelled") => return Value::Null,
                _ => {}
            }
            if let Some(requests) = task["inputRequests"].as_object() {
                let responses = fulfil(requests, &mut answer, &mut Vec::new());
                let params = json!({"taskId": id, "inputResponses": responses});
                self.request("tasks/update", params).await.result();
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Opens a stream again behind the event of this id.
    pub async fn resume(&self, last_event_id: &str) -> Exchange {
        self.get_stream_behind(Some(last_event_id)).await
    }

    /// Calls a tool, resuming its stream whenever that breaks off or ends before the response.
    pub async fn call_resuming(&self, tool: &str, arguments: Value) -> Answer {
        let params = json!({"name": tool, "arguments": arguments});
        let mut exchange = self.open("tools/call", &params.to_string()).await;
        let mut all = Answer::empty(exchange.status(), exchange.headers().clone());
        let mut resumable = None;
        let mut retry_ms = 0;
        loop {
            let next = exchange.next_or_broken().await;
            resumable = exchange.last_event_id().or(resumable);
            let told = exchange.events().iter().rev().find_map(|it| it.retry_ms);
            retry_ms = told.unwrap_or(retry_ms);
            match next {
                Ok(Some(message)) if message.is_response() => {
                    all.response = Some(message);
                    return all;
                }
                Ok(Some(message)) => all.events.push(message),
                Ok(None) | Err(_) => {
                    let last = resumable.as_deref().expect("an event's id to go on from");
                    tokio::time::sleep(Duration::from_millis(retry_ms)).await;
                    exchange = self.resume(last).await;
                    assert_eq!(exchange.status(), 200, "resuming behind {last}");
                }
            }
        }
    }
}

impl Asked {
    fn of(request: &Value) -> Self {
        Self {
            method: request["method"].as_str().unwrap().to_owned(),
            params: request["params"].clone(),
        }
    }
}

/// The `inputResponses` for some `inputRequests`.
fn fulfil(
    requests: &serde_json::Map<String, Value>,
    answer: &mut impl FnMut(&str, &Value) -> Value,
    asked: &mut Vec<Asked>,
) -> Value {
    let responses = requests.iter().map(|(key, request)| {
        let question = Asked::of(request);
        let response = answer(&question.method, &question.params);
        asked.push(question);
        (key.clone(), response)
    });
    Value::Object(responses.collect())
}
