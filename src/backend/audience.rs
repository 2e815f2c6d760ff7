//! Who hears what a backend says besides its answers: a call's client, the client of an MCP session,
//! or the connection.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    limits::{ANNOUNCEMENT_BYTES_MAX, BACKEND_REQUESTS_MAX},
    mcp::{
        error::{INTERNAL_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, error_object},
        event::{Event, Notification, Question, ResultBody},
        kind::ListKind,
        message::{RequestId, write_error, write_result},
        method::{
            CANCELLED, LOG_MESSAGE, PING, PROGRESS, RESOURCE_UPDATED, TASK_CHANGED, TASK_STATUS,
        },
        object::RawObject,
    },
};

use super::{
    asking::{self, Asked, BackendRequest},
    caller::Caller,
    endpoint::Endpoint,
    error::BackendError,
    link::{Link, LinkKey},
    message::BackendMessage,
    ongoing::OnItsWay,
};

/// Who hears what comes on one stream.
pub(crate) struct Audience<'a> {
    /// `None` for exchanges of the gateway's own.
    conversation: Option<Conversation<'a>>,
    /// The call whose stream it is.
    call: Option<&'a OnItsWay>,
    /// Whether a result of that call may be told to be complete by its beginning alone.
    plain: bool,
    requests: AtomicUsize,
}

/// What a backend is spoken with.
#[derive(Clone, Copy)]
pub(super) struct Conversation<'a> {
    /// Where.
    pub(super) endpoint: &'a Arc<Endpoint>,
    /// How.
    pub(super) link: &'a Arc<Link>,
}

impl<'a> Audience<'a> {
    /// For exchanges of the gateway's own: nobody hears notifications, and requests are ignored.
    pub(super) const fn nobody() -> Self {
        Self {
            conversation: None,
            call: None,
            plain: true,
            requests: AtomicUsize::new(0),
        }
    }

    /// For a message of a stream that answers nothing, or a request of the gateway's own.
    pub(super) const fn everybody(conversation: Conversation<'a>) -> Self {
        Self {
            conversation: Some(conversation),
            ..Self::nobody()
        }
    }

    /// For a client's call. If it is `plain`, every result of it ends it, and goes on untouched.
    pub(super) const fn client(
        conversation: Conversation<'a>,
        call: &'a OnItsWay,
        plain: bool,
    ) -> Self {
        Self {
            conversation: Some(conversation),
            call: Some(call),
            plain,
            ..Self::nobody()
        }
    }

    /// Whether a client waits for the answer, and not the gateway itself.
    pub(super) const fn is_client(&self) -> bool {
        self.call.is_some()
    }

    /// What the backend is spoken with, once that is agreed upon.
    pub(super) const fn conversation(&self) -> Option<Conversation<'a>> {
        self.conversation
    }

    /// The call whose stream it is, with its conversation.
    pub(super) fn call(&self) -> Option<(Conversation<'a>, &'a OnItsWay)> {
        self.conversation.zip(self.call)
    }

    /// Whether every result ends the call and goes on untouched.
    pub(super) const fn is_plain(&self) -> bool {
        self.plain
    }

    /// Whether several messages may come at once.
    pub(super) fn takes_batches(&self) -> bool {
        self.conversation
            .is_some_and(|conversation| conversation.link.dialect.takes_batches())
    }

    /// Passes a part of a result on.
    pub(super) async fn give(&self, json: Bytes) {
        if let Some((conversation, call)) = self.call() {
            let part = ResultBody {
                json,
                typed: conversation.link.dialect.types_results(),
                freshness: None,
            };
            call.caller.send(Event::Part(part)).await;
        }
    }

    /// Takes a notification that came on the stream of the request `id`.
    pub(super) async fn hear(&self, method: &str, params: Option<&RawValue>, id: &RequestId) {
        let Some(conversation) = self.conversation else {
            return;
        };
        let scrubbed = params
            .filter(|_| method == LOG_MESSAGE)
            .map(|params| conversation.endpoint.scrubber.log(params));
        let params = scrubbed.as_deref().or(params);
        if let Some(kind) = ListKind::of(method) {
            let stream = self.call.is_none().then_some(conversation.link.key);
            let changed = |room| BackendMessage::Changed {
                kind,
                stream,
                _room: room,
            };
            return conversation.link.tell_in_room(0, changed).await;
        }
        if conversation.heard_by_all(method, params).await {
            return;
        }
        let Some(call) = self.call else {
            return conversation.hear(method, params).await;
        };
        let params = if method == PROGRESS {
            let progress = params.and_then(|params| call.progress(params, id.as_json()));
            if progress.is_none() {
                return tracing::debug!("dropped progress of a request that nobody made");
            }
            progress
        } else {
            params.map(ToOwned::to_owned)
        };
        let method = method.to_owned();
        let notified = Event::Notified(Notification { method, params });
        call.caller.send(notified).await;
    }

    /// Takes a request of the backend's own: a ping lives; what a client can be asked it is asked.
    ///
    /// # Errors
    ///
    /// When there are too many during one call.
    pub(super) async fn reply(&self, request: BackendRequest<'_>) -> Result<(), BackendError> {
        let Some(conversation) = self.conversation else {
            return Ok(());
        };
        if conversation.link.dialect.reply_headers().is_none() {
            // Such a backend may not ask so, and no answer would reach it.
            return Ok(());
        }
        let count = self.requests.fetch_add(1, Ordering::Relaxed);
        if count >= BACKEND_REQUESTS_MAX {
            return Err(BackendError::AskedTooOften {
                what: "more requests of its own than the gateway takes during one call",
            });
        }
        if request.method == PING {
            conversation.post(write_result(&request.id, b"{}"));
            return Ok(());
        }
        match self.call {
            None => conversation.ask(request).await,
            Some(call) if call.caller.takes(request.method, request.params) => {
                let asked = Asked::Caller(Arc::downgrade(&call.caller));
                let question = conversation.open(request, asked);
                call.caller.is_asked();
                call.caller.send(Event::Asked(question)).await;
            }
            Some(_) => {
                let words = "the client of this call cannot be asked this";
                conversation.refuse(&request.id, METHOD_NOT_FOUND, words);
            }
        }
        Ok(())
    }
}

impl Conversation<'_> {
    fn open(&self, request: BackendRequest<'_>, asked: Asked) -> Question {
        asking::open(self.endpoint, self.link, request, asked)
    }

    /// Ends what a call's client is still asked when the call is over: its client and its backend
    /// hear that there will be no answer.
    pub(super) async fn end_questions(&self, caller: &Arc<Caller>) {
        for (id, number) in self.link.questions.end(caller) {
            self.refuse(
                &id,
                INTERNAL_ERROR,
                "the call was over before the answer came",
            );
            caller.send(Event::Withdrawn(number)).await;
        }
    }

    /// Takes what is about more than the stream it came on; tells whether it was that.
    async fn heard_by_all(&self, method: &str, params: Option<&RawValue>) -> bool {
        match method {
            CANCELLED => {
                let params = RawObject::parse_or_empty(params);
                let id = params.get("requestId").map(RequestId::from_raw);
                if let Some(Ok(id)) = id {
                    self.link.questions.withdraw(&id, self.link).await;
                }
            }
            RESOURCE_UPDATED | TASK_CHANGED | TASK_STATUS => self.report(method, params).await,
            _ => return false,
        }
        true
    }

    /// Takes a notification of a stream that is no call's.
    async fn hear(&self, method: &str, params: Option<&RawValue>) {
        let (call, params) = match method {
            PROGRESS => {
                let progressing = params.and_then(|params| self.link.ongoing.progressing(params));
                let Some((call, progress)) = progressing else {
                    return tracing::debug!("dropped progress of a request that nobody made");
                };
                (call, Some(progress))
            }
            LOG_MESSAGE if self.listener().is_none() => {
                let Some(call) = self.meant(|caller| !caller.only_lists()) else {
                    return tracing::debug!("dropped a log message that nobody listens to");
                };
                (call, params.map(ToOwned::to_owned))
            }
            _ => return self.report(method, params).await,
        };
        let method = method.to_owned();
        let notified = Event::Notified(Notification { method, params });
        call.caller.send_soon(notified).await;
    }

    /// The call that is most likely meant by what is said on no call's stream. Clients that share a
    /// link must not hear of each other's calls: of theirs the only one that fits.
    fn meant(&self, fits: impl Fn(&Caller) -> bool) -> Option<Arc<OnItsWay>> {
        match self.link.key {
            LinkKey::Own(_) => self.link.ongoing.newest(fits),
            LinkKey::Default | LinkKey::Capable(_) => self.link.ongoing.only(fits),
        }
    }

    async fn report(&self, method: &str, params: Option<&RawValue>) {
        let bytes = method.len() + params.map_or(0, |params| params.get().len());
        if bytes > ANNOUNCEMENT_BYTES_MAX {
            return tracing::warn!(
                backend.name = %self.endpoint.name,
                bytes,
                "dropped a notification of {}: it is too large to be told to all who listen",
                self.endpoint.name
            );
        }
        let heard = |room| BackendMessage::Heard {
            link: self.link.key,
            notification: Notification {
                method: method.to_owned(),
                params: params.map(ToOwned::to_owned),
            },
            room,
        };
        self.link.tell_in_room(bytes, heard).await;
    }

    /// The client that hears what is said on no call's stream, if there is one.
    fn listener(&self) -> Option<Uuid> {
        match self.link.key {
            LinkKey::Own(mcp_session) if self.link.is_heard() => Some(mcp_session),
            _ => None,
        }
    }

    /// Passes on what a backend asks for on no call's stream: the client hears it that listens there,
    /// else the one whose call is meant most likely, else the one that may come back to listen.
    async fn ask(&self, request: BackendRequest<'_>) {
        if self.link.questions.len() >= BACKEND_REQUESTS_MAX {
            let words = "too many requests wait for their answers already";
            return self.refuse(&request.id, INVALID_REQUEST, words);
        }
        let may_be_asked = self.link.may_be_asked(request.method, request.params);
        let listener = self.listener().filter(|_| may_be_asked);
        if let Some(mcp_session) = listener.filter(|_| !self.link.is_away()) {
            return self.put(request, mcp_session).await;
        }
        let takes = |caller: &Caller| caller.takes(request.method, request.params);
        if let Some(call) = self.meant(takes) {
            let question = self.open(request, Asked::Guessed(Arc::downgrade(&call.caller)));
            call.caller.is_asked();
            return call.caller.send_soon(Event::Asked(question)).await;
        }
        if let Some(mcp_session) = listener {
            return self.put(request, mcp_session).await;
        }
        let words = "no client is there that can be asked this";
        self.refuse(&request.id, METHOD_NOT_FOUND, words);
    }

    async fn put(&self, request: BackendRequest<'_>, mcp_session: Uuid) {
        let question = self.open(request, Asked::Client(mcp_session));
        let bytes = question.bytes();
        let asked = |room| BackendMessage::Asked {
            mcp_session,
            question,
            room,
        };
        self.link.tell_in_room(bytes, asked).await;
    }

    fn refuse(&self, id: &RequestId, code: i64, words: &str) {
        self.post(write_error(Some(id), &error_object(code, words)));
    }

    /// Sends an answer to the backend's own request; the stream it came on does not wait for that.
    fn post(&self, body: Bytes) {
        if let Some(headers) = self.link.dialect.reply_headers() {
            asking::post_if_room(self.endpoint, headers, body);
        }
    }
}
