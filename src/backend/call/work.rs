//! What a call sends and gets: once, again where that is safe, and further on where its backend wants
//! input first.

use std::{borrow::Cow, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use tokio_retry::RetryIf;

use super::Current;
use crate::{
    backend::{
        audience::{Audience, Conversation},
        caller::Caller,
        error::BackendError,
        exchange::{Answer, read_answer},
        input::{Unfulfilled, Wish},
        listening::Opening,
        message::Call,
        ongoing::OnItsWay,
        retry::Policy,
        transport::streamable_http::Content,
    },
    limits::INPUT_ROUNDS_MAX,
    mcp::{
        error::{HEADER_MISMATCH, code_of},
        event::{Outcome, Rejection, ResultBody},
        failure::Failure,
        level::Level,
        message::RequestId,
        method::may_want_input,
        request::{Asking, Request},
    },
};

/// One call at work.
pub(super) struct Work<'a> {
    conversation: Conversation<'a>,
    call: &'a Call,
    /// What is on its way now.
    current: &'a Current,
    caller: &'a Arc<Caller>,
}

/// How a request was answered.
enum Turn {
    /// For good.
    Ended(Outcome),
    /// With a wish, after which it goes on.
    Wanting(Wish),
}

impl<'a> Work<'a> {
    pub(super) fn new(
        conversation: Conversation<'a>,
        call: &'a Call,
        current: &'a Current,
        caller: &'a Arc<Caller>,
    ) -> Self {
        Self {
            conversation,
            call,
            current,
            caller,
        }
    }

    /// Does it within a call's limit; the client's own time is not counted.
    pub(super) async fn within_limit(
        self,
        repeatable: bool,
        stream: Option<Opening>,
    ) -> Result<Outcome, BackendError> {
        let after: Duration = self.conversation.endpoint.timeouts.call;
        let waiting = self.caller.waiting();
        let work = pin!(async {
            self.prepare(stream).await;
            self.rounds(repeatable).await
        });
        let done = waiting.within(after, work).await;
        done.unwrap_or(Err(BackendError::TooLong { after }))
    }

    /// Sees that the backend can ask the client, and sends the log messages it wants.
    ///
    /// What hardly any call needs is boxed, here and below: else each would have room for it, and be moved with it.
    async fn prepare(&self, stream: Option<Opening>) {
        let request = &self.call.request;
        if let Some(stream) = stream {
            Box::pin(stream.wait()).await;
        }
        if let Some(level) = request.context.log_level.as_deref().and_then(Level::read) {
            Box::pin(self.conversation.lower_level(level)).await;
        }
    }

    /// Goes on from wish to wish.
    async fn rounds(&self, repeatable: bool) -> Result<Outcome, BackendError> {
        let mut request = Cow::Borrowed(&self.call.request);
        for round in 0..INPUT_ROUNDS_MAX {
            let wish = match self.repeat(&request, round, repeatable).await {
                Ok(Turn::Ended(outcome)) => return Ok(outcome),
                Ok(Turn::Wanting(wish)) => wish,
                // From the first round on it would have to be asked for everything again.
                Err(error) if round > 0 => return Err(error.after_asking()),
                Err(error) => return Err(error),
            };
            if let Some(capability) = wish.beyond(self.caller) {
                return Ok(self.incapable(capability));
            }
            match Box::pin(wish.fulfil(self.caller)).await {
                Ok(given) => request = Cow::Owned(given.add_to(&self.call.request)),
                Err(Unfulfilled::Refused(rejection)) => return Ok(Outcome::Rejected(rejection)),
                Err(Unfulfilled::Unanswered) => return Err(BackendError::Unanswered),
            }
        }
        Err(BackendError::Garbled {
            what: "more wishes for input than the gateway passes on for one request",
        })
    }

    /// Sends a request until it is answered, or must not be sent again.
    async fn repeat(
        &self,
        request: &Request,
        round: usize,
        repeatable: bool,
    ) -> Result<Turn, BackendError> {
        let endpoint = self.conversation.endpoint;
        let policy = Policy::new(endpoint, repeatable);
        RetryIf::start(
            policy.pauses(),
            || self.attempt(request, round, &policy),
            |error: &BackendError| {
                let again = policy.allows(error);
                if again {
                    self.call.repeats(error, &endpoint.name);
                    tracing::debug!(backend.name = %endpoint.name, %error, "may send the request again");
                }
                again
            },
        )
        .await
    }

    async fn attempt(
        &self,
        request: &Request,
        round: usize,
        policy: &Policy<'_>,
    ) -> Result<Turn, BackendError> {
        let turn = self.send(request, round, policy).await;
        turn.map_err(|error| {
            if self.caller.was_asked() {
                error.after_asking()
            } else {
                error
            }
        })
    }

    async fn send(
        &self,
        request: &Request,
        round: usize,
        policy: &Policy<'_>,
    ) -> Result<Turn, BackendError> {
        let Conversation { endpoint, link } = self.conversation;
        if let Some(gone) = endpoint.provider.gone() {
            return Err(gone);
        }
        let number = link.next_id();
        let id = RequestId::from_number(number);
        let mut encoded = link.dialect.encode(request, &id);
        if let Some(trace) = &request.context.trace {
            encoded.outgoing.tell(&trace.context);
        }
        if let Some(span) = self.call.span() {
            span.sent(&id, link.dialect.revision());
        }
        let on_its_way = Arc::new(OnItsWay {
            caller: Arc::clone(self.caller),
            client_token: encoded.client_token,
        });
        let _until_answered = link.ongoing.enter(number, &on_its_way);
        self.current.set(number);
        let waiting = self.caller.waiting();
        let head = endpoint.wire.call(encoded.outgoing, waiting).await;
        endpoint.met_head(&head);
        policy.tried(&head);
        match head?.content {
            Content::Refused(refusal) => {
                let answer = link.dialect.judge(&refusal, &id, &endpoint.wire)?;
                let answer = self.scrubbed(answer);
                if round == 0 && refusal.status == StatusCode::BAD_REQUEST {
                    self.understand_bad_request(answer)
                } else {
                    self.understand(answer)
                }
            }
            content => {
                let is_plain = !self.caller.is_translated() && !self.may_want_input();
                let audience = Audience::client(self.conversation, &on_its_way, is_plain);
                let answer = read_answer(content, &id, &audience).await?;
                self.understand(self.scrubbed(answer))
            }
        }
    }

    /// An answer whose error, if it is one, holds no credential.
    fn scrubbed(&self, answer: Answer) -> Answer {
        match answer {
            Answer::Error(error) => Answer::Error(self.conversation.endpoint.scrubber.error(error)),
            answer @ Answer::Result(_) => answer,
        }
    }

    /// A modern backend's word that it wants arguments in headers comes with a 400, before anything ran.
    /// Elsewhere, or once it asked for input, that code may mean anything.
    fn understand_bad_request(&self, answer: Answer) -> Result<Turn, BackendError> {
        match answer {
            Answer::Error(error)
                if code_of(&error) == Some(HEADER_MISMATCH)
                    && self.conversation.link.dialect.types_results() =>
            {
                Err(BackendError::HeadersWanted {
                    error: error.into(),
                })
            }
            answer => self.understand(answer),
        }
    }

    fn understand(&self, answer: Answer) -> Result<Turn, BackendError> {
        let typed = self.conversation.link.dialect.types_results();
        let completed = |json| {
            Turn::Ended(Outcome::Completed(ResultBody {
                json,
                typed,
                freshness: None,
            }))
        };
        match answer {
            Answer::Result(passed_on) if passed_on.is_empty() => Ok(completed(passed_on)),
            Answer::Result(json) => {
                if self.may_want_input() {
                    let wish = Wish::read(&json);
                    if self.call.request.asking != Asking::ByRetry {
                        if let Some(wish) = wish? {
                            return Ok(Turn::Wanting(wish));
                        }
                    } else if let Ok(Some(wish)) = wish
                        && let Some(capability) = wish.undeclared(self.caller)
                    {
                        return Ok(Turn::Ended(self.incapable(capability)));
                    }
                }
                Ok(match self.translated(json) {
                    Ok(json) => completed(json),
                    Err(failure) => Turn::Ended(Outcome::Failed(failure)),
                })
            }
            Answer::Error(error) => Ok(Turn::Ended(Outcome::Rejected(Rejection { error, typed }))),
        }
    }

    fn translated(&self, json: Bytes) -> Result<Bytes, Failure> {
        match &self.call.translation {
            Some(translation) => translation.result(&self.call.request, json),
            None => Ok(json),
        }
    }

    /// The end of a call whose backend asks for what its client did not declare.
    fn incapable(&self, capability: &'static str) -> Outcome {
        Outcome::Failed(Failure::Incapable {
            backend: self.conversation.endpoint.name.clone(),
            capability,
        })
    }

    /// Whether a result may not be the end.
    fn may_want_input(&self) -> bool {
        let typed = self.conversation.link.dialect.types_results();
        typed && may_want_input(&self.call.request.method)
    }
}
