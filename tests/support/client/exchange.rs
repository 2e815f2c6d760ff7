//! One request under way: its messages as they arrive.

use std::collections::VecDeque;

use http::HeaderMap;

use crate::world::within;

use super::{Answer, Message};

/// An answer that is still coming. Dropping it closes the connection.
pub struct Exchange {
    status: u16,
    headers: HeaderMap,
    response: reqwest::Response,
    is_stream: bool,
    body: Vec<u8>,
    /// How much of `body` has been cut into events.
    read: usize,
    ready: VecDeque<Message>,
    ended: bool,
}

impl Exchange {
    pub(super) async fn begin(request: reqwest::RequestBuilder) -> Self {
        let response = within("an answer's headers", request.send())
            .await
            .unwrap_or_else(|error| panic!("no answer: {error:?}"));
        let headers = response.headers().clone();
        let content_type = headers.get("content-type").map(http::HeaderValue::as_bytes);
        Self {
            status: response.status().as_u16(),
            is_stream: content_type.is_some_and(|it| it.starts_with(b"text/event-stream")),
            headers,
            response,
            body: Vec::new(),
            read: 0,
            ready: VecDeque::new(),
            ended: false,
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// A header's value, if it came and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The next message, or `None` at the end of the answer.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(message);
            }
            if self.ended {
                return None;
            }
            self.read_more().await;
        }
    }

    /// Reads to the response (or the end) and gives all that was not yet taken.
    pub async fn finish(mut self) -> Answer {
        let mut events = Vec::new();
        let mut response = None;
        while let Some(message) = self.next().await {
            if !message.is_response() {
                events.push(message);
                continue;
            }
            assert!(response.is_none(), "a second response: {message:?}");
            response = Some(message);
        }
        Answer {
            status: self.status,
            headers: self.headers,
            events,
            response,
            body: self.body.into(),
        }
    }

    /// Reads until the answer breaks off; fails the test if it ends as an answer does.
    pub async fn broken(mut self) {
        let broken = async {
            loop {
                match self.response.chunk().await {
                    Ok(Some(_)) => {}
                    Ok(None) => return false,
                    Err(_) => return true,
                }
            }
        };
        assert!(
            within("an answer to break off", broken).await,
            "the answer is complete"
        );
    }

    async fn read_more(&mut self) {
        let chunk = within("more of an answer", self.response.chunk()).await;
        match chunk.unwrap_or_else(|error| panic!("an answer broke off: {error:?}")) {
            Some(bytes) => self.body.extend_from_slice(&bytes),
            None => self.ended = true,
        }
        if self.is_stream {
            self.cut_events();
        } else if self.ended && is_message(&self.body) {
            let raw = String::from_utf8(self.body.clone()).unwrap();
            self.ready.push_back(Message::new(raw));
        }
    }

    /// Spec: the HTML standard, "Interpreting an event stream"; lines end in LF or CRLF here.
    fn cut_events(&mut self) {
        let mut start = self.read;
        let mut data: Vec<&str> = Vec::new();
        while let Some(length) = self.body[start..].iter().position(|byte| *byte == b'\n') {
            let line = std::str::from_utf8(&self.body[start..start + length]).unwrap();
            let line = line.strip_suffix('\r').unwrap_or(line);
            start += length + 1;
            if let Some(value) = line.strip_prefix("data:") {
                data.push(value.strip_prefix(' ').unwrap_or(value));
            } else if line.is_empty() {
                let event = data.join("\n");
                data.clear();
                self.read = start;
                // An event without data primes a stream and says nothing.
                if !event.is_empty() {
                    self.ready.push_back(Message::new(event));
                }
            }
        }
    }
}

/// A refusal may have a body of another kind (a problem document, say), or none.
fn is_message(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|it| it["jsonrpc"] == "2.0")
}
