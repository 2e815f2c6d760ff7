//! Hearing of changes, in either era: a `GET` stream and `resources/subscribe`, or a subscription.

use serde_json::{Value, json};

use super::{Client, Exchange, Message};

/// What a client wants to hear of.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    tools: bool,
    prompts: bool,
    resources: bool,
    uris: Vec<String>,
    tasks: Vec<String>,
}

impl Wanted {
    /// Changes of all three kinds of lists.
    pub fn lists() -> Self {
        Self {
            tools: true,
            prompts: true,
            resources: true,
            ..Self::default()
        }
    }

    /// Changes of a resource.
    pub fn resource(uri: &str) -> Self {
        Self::default().and_resource(uri)
    }

    /// Changes of a resource too.
    pub fn and_resource(mut self, uri: &str) -> Self {
        self.uris.push(uri.to_owned());
        self
    }

    /// The turns of a task too. A legacy client hears of its tasks anyway.
    pub fn and_task(mut self, id: &str) -> Self {
        self.tasks.push(id.to_owned());
        self
    }

    fn filter(&self) -> Value {
        let mut filter = json!({});
        let flags = [
            ("toolsListChanged", self.tools),
            ("promptsListChanged", self.prompts),
            ("resourcesListChanged", self.resources),
        ];
        for (name, _) in flags.into_iter().filter(|(_, wanted)| *wanted) {
            filter[name] = true.into();
        }
        let sets = [
            ("resourceSubscriptions", &self.uris),
            ("taskIds", &self.tasks),
        ];
        for (name, set) in sets.into_iter().filter(|(_, set)| !set.is_empty()) {
            filter[name] = json!(set);
        }
        filter
    }
}

/// An open stream of changes. Dropping it closes the stream.
pub struct Changes {
    exchange: Exchange,
    acknowledged: Value,
}

impl Changes {
    /// The next message.
    pub async fn next(&mut self) -> Message {
        self.exchange.next().await.expect("another message")
    }

    /// The next message, or `None` at the end of the stream.
    pub async fn next_or_end(&mut self) -> Option<Message> {
        self.exchange.next().await
    }

    /// Passes over messages until one has this method.
    pub async fn next_of(&mut self, method: &str) -> Message {
        loop {
            let message = self.next().await;
            if message.method().as_deref() == Some(method) {
                return message;
            }
        }
    }

    /// As [`Exchange::next_updated`].
    pub async fn next_updated(&mut self, tell: impl Fn()) -> Message {
        self.exchange.next_updated(tell).await
    }

    /// What the server said it will tell; `null` in the legacy era.
    pub fn acknowledged(&self) -> &Value {
        &self.acknowledged
    }

    /// The stream itself.
    pub fn stream(&self) -> &Exchange {
        &self.exchange
    }
}

impl Client {
    /// Begins to hear of changes. When this returns, nothing is missed any more.
    pub async fn changes(&self, wanted: Wanted) -> Changes {
        if !self.is_modern() {
            let exchange = self.get_stream().await;
            assert_eq!(exchange.status(), 200, "the GET stream");
            for uri in &wanted.uris {
                let params = json!({"uri": uri});
                self.request("resources/subscribe", params).await.result();
            }
            return Changes {
                exchange,
                acknowledged: Value::Null,
            };
        }
        let params = json!({"notifications": wanted.filter()});
        let mut exchange = self.open("subscriptions/listen", &params.to_string()).await;
        let first = exchange.next().await.expect("an acknowledgement");
        let method = first.method();
        assert_eq!(
            method.as_deref(),
            Some("notifications/subscriptions/acknowledged")
        );
        let acknowledged = first.json()["params"]["notifications"].take();
        Changes {
            exchange,
            acknowledged,
        }
    }

    /// Begins to hear of changes of one resource.
    pub async fn subscribe(&self, uri: &str) -> Changes {
        self.changes(Wanted::resource(uri)).await
    }

    /// Hears no more of a resource. A modern client closes its stream, a legacy one says so too.
    pub async fn unsubscribe(&self, uri: &str, changes: Changes) {
        drop(changes);
        if !self.is_modern() {
            let params = json!({"uri": uri});
            self.request("resources/unsubscribe", params).await.result();
        }
    }
}
