//! One request under way: its messages as they arrive.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use http::HeaderMap;

use crate::world::within;

use super::{
    Answer, Message,
    judge::Judge,
    sse::{SseCutter, SseEvent},
};

/// How often something is told that nobody may have heard.
const TOLD_EVERY: Duration = Duration::from_millis(100);

/// An answer that is still coming. Dropping it closes the connection.
pub struct Exchange {
    status: u16,
    headers: HeaderMap,
    response: reqwest::Response,
    is_stream: bool,
    body: Vec<u8>,
    cutter: SseCutter,
    ready: VecDeque<Message>,
    events: Vec<SseEvent>,
    ended: bool,
    judge: Arc<Judge>,
    /// What is wrong with the request, which must be refused then.
    wrong: Option<String>,
}

impl Exchange {
    pub(super) async fn begin(
        request: reqwest::RequestBuilder,
        judge: Arc<Judge>,
        wrong: Option<String>,
    ) -> Self {
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
            cutter: SseCutter::default(),
            ready: VecDeque::new(),
            events: Vec::new(),
            ended: false,
            judge,
            wrong,
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

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(super) fn into_body(self) -> bytes::Bytes {
        self.body.into()
    }

    /// The events of the stream so far, those without a message included.
    pub fn events(&self) -> &[SseEvent] {
        &self.events
    }

    /// The id from which the stream could be resumed.
    pub fn last_event_id(&self) -> Option<String> {
        self.events.iter().rev().find_map(|event| event.id.clone())
    }

    /// The next message, or `None` at the end of the answer.
    pub async fn next(&mut self) -> Option<Message> {
        let next = self.next_or_broken().await;
        next.unwrap_or_else(|error| panic!("an answer broke off: {error:?}"))
    }

    /// Has a backend tell of an update again and again until one is heard here, and gives that: what is said on a stream
    /// that is on its way out, or before there is one, is heard by nobody.
    pub async fn next_updated(&mut self, tell: impl Fn()) -> Message {
        let heard = async {
            loop {
                let message = self.next().await.expect("another message");
                if message.method().as_deref() == Some("notifications/resources/updated") {
                    return message;
                }
            }
        };
        let told = async {
            loop {
                tell();
                tokio::time::sleep(TOLD_EVERY).await;
            }
        };
        let update = async {
            tokio::select! {
                message = heard => message,
                () = told => unreachable!("it is told for ever"),
            }
        };
        within("the update", update).await
    }

    /// Waits for the first event, also if it has no message.
    pub async fn primed(&mut self) -> &SseEvent {
        while self.events.is_empty() {
            assert!(!self.ended, "the stream is empty");
            self.read_more().await.unwrap();
        }
        &self.events[0]
    }

    /// The next message, or why there will be none though the answer is not at its end.
    pub(super) async fn next_or_broken(&mut self) -> reqwest::Result<Option<Message>> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                self.judge.hear(&message, self.status);
                if let Some(wrong) = &self.wrong
                    && message.is_result()
                {
                    panic!("was answered though it sent what {wrong}");
                }
                return Ok(Some(message));
            }
            if self.ended {
                return Ok(None);
            }
            self.read_more().await?;
        }
    }

    /// Reads to the response (or the end) and gives all that was not yet taken.
    pub async fn finish(self) -> Answer {
        let (mut answer, mut responses) = self.collect().await;
        assert!(responses.len() <= 1, "second responses: {responses:?}");
        answer.response = responses.pop();
        answer
    }

    /// Reads to the end and gives all that was not yet taken, the responses apart.
    pub async fn collect(mut self) -> (Answer, Vec<Message>) {
        let mut answer = Answer::empty(self.status, self.headers.clone());
        let mut responses = Vec::new();
        while let Some(message) = self.next().await {
            if message.is_response() {
                responses.push(message);
            } else {
                answer.events.push(message);
            }
        }
        answer.body = self.body.into();
        (answer, responses)
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

    async fn read_more(&mut self) -> reqwest::Result<()> {
        // What only keeps a stream alive is nothing that a test waits for.
        let said = async {
            loop {
                let chunk = self.response.chunk().await?;
                match chunk.as_deref() {
                    Some(b":\n\n") if self.is_stream => {}
                    _ => return Ok(chunk),
                }
            }
        };
        match within("more of an answer", said).await? {
            Some(bytes) => self.body.extend_from_slice(&bytes),
            None => self.ended = true,
        }
        if self.is_stream {
            self.cut_events();
        } else if self.ended && is_message(&self.body) {
            let raw = String::from_utf8(self.body.clone()).unwrap();
            self.ready.extend(Message::of(raw, None));
        }
        Ok(())
    }

    fn cut_events(&mut self) {
        for event in self.cutter.cut(&self.body) {
            // An event without data primes a stream and says nothing.
            if !event.data.is_empty() {
                let messages = Message::of(event.data.clone(), event.id.as_deref());
                self.ready.extend(messages);
            }
            self.events.push(event);
        }
    }
}

/// A refusal may have a body of another kind (a problem document, say), or none.
fn is_message(body: &[u8]) -> bool {
    let is_one = |it: &serde_json::Value| it["jsonrpc"] == "2.0";
    serde_json::from_slice::<serde_json::Value>(body)
        .is_ok_and(|it| is_one(&it) || it.as_array().is_some_and(|it| it.iter().all(is_one)))
}
