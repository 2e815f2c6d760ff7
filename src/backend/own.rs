//! Requests of the gateway's own over an open link, for which no client waits.

use serde_json::{json, value::RawValue};

use crate::{
    limits::within,
    mcp::{
        level::Level,
        message::RequestId,
        method::{DISCOVER, PING, SET_LEVEL},
        object::to_raw,
        request::{Context, Request},
    },
};

use super::{
    audience::{Audience, Conversation},
    error::BackendError,
    exchange::{Answer, read_answer},
    provider::Leave,
    transport::streamable_http::Content,
};

impl Conversation<'_> {
    /// Makes a request, within a handshake's time.
    ///
    /// # Errors
    ///
    /// Why it got no answer.
    pub(super) async fn request(
        &self,
        method: &'static str,
        params: Option<Box<RawValue>>,
    ) -> Result<Answer, BackendError> {
        let Self { endpoint, link } = self;
        let id = RequestId::from_number(link.next_id());
        let request = Request::new(method, params, Context::default());
        let asked = async {
            let outgoing = link.dialect.encode(&request, &id).outgoing;
            match endpoint.wire.post(outgoing).await?.content {
                Content::Refused(refusal) => link.dialect.judge(&refusal, &id, &endpoint.wire),
                answering => read_answer(answering, &id, &Audience::everybody(*self)).await,
            }
        };
        let after = endpoint.timeouts.handshake;
        let late = |_| BackendError::Silent { after };
        within(after, asked).await.map_err(late)?
    }

    /// Whether the backend still knows the MCP session of the link; for others there is nothing to
    /// know.
    pub(super) async fn still_holds(&self) -> bool {
        if self.link.dialect.session().is_none() {
            return false;
        }
        let Ok(leave) = self.endpoint.provider.ask() else {
            return false;
        };
        let answered = self.request(PING, None).await;
        self.endpoint.met(leave, &answered);
        answered.is_ok()
    }

    /// Whether the backend says anything at all, where a call just heard nothing: its tool may be slow,
    /// or it may be gone without a word.
    pub(super) async fn is_alive(&self) -> bool {
        let method = if self.link.dialect.is_shared() {
            DISCOVER
        } else {
            PING
        };
        let answered = self.request(method, None).await;
        self.endpoint.met(Leave::Free, &answered);
        !answered.is_err_and(|error| error.is_silence() || error.is_outage())
    }

    /// Has the backend send log messages from this level on, where it has such.
    pub(super) async fn set_level(&self, level: Level) {
        let mut set = self.link.level.lock().await;
        if *set != Some(level) && self.send_level(level).await {
            *set = Some(level);
        }
    }

    /// The same, unless it sends as much already: others on the link may want more.
    pub(super) async fn lower_level(&self, level: Level) {
        let mut set = self.link.level.lock().await;
        if set.is_none_or(|set| set > level) && self.send_level(level).await {
            *set = Some(level);
        }
    }

    /// Tells whether that is settled. What the backend does not do is not asked for again: log
    /// messages are no call's business.
    async fn send_level(&self, level: Level) -> bool {
        if self.link.dialect.is_shared() || !self.link.discovery.offers("logging") {
            return true;
        }
        let params = to_raw(&json!({ "level": level.as_str() }));
        let answered = self.request(SET_LEVEL, Some(params)).await;
        if let Err(error) = &answered {
            tracing::debug!(backend.name = %self.endpoint.name, %error, "could not set the level of log messages");
        }
        // Of silence there would be more.
        matches!(answered, Ok(_) | Err(BackendError::Silent { .. }))
    }
}
