//! What a backend asks a client for by requests of its own: who is asked, and how the answer finds
//! back under the backend's id.
//!
//! Spec: 2025-11-25 client/elicitation, client/sampling, client/roots.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http::HeaderMap;
use serde_json::value::RawValue;
use tokio::{runtime::Handle, sync::OwnedSemaphorePermit};
use tokio_retry::RetryIf;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    limits::{PROGRESS_TOKEN_BYTES_MAX, within},
    mcp::{
        error::{INTERNAL_ERROR, error_object},
        event::{Answered, Event, Question},
        message::{RequestId, write_error, write_result},
        meta::PROGRESS_TOKEN,
        object::{RawObject, quote},
    },
};

use super::{
    caller::Caller,
    endpoint::Endpoint,
    error::BackendError,
    link::{Link, LinkKey},
    message::BackendMessage,
    retry::Policy,
    transport::streamable_http::{Content, Outgoing},
    waiting::Wait,
};

/// A request of a backend's own.
pub(super) struct BackendRequest<'a> {
    /// The backend's id, which the answer must repeat to the letter.
    pub(super) id: RequestId,
    /// The method.
    pub(super) method: &'a str,
    /// The parameters.
    pub(super) params: Option<&'a RawValue>,
}

/// Who is asked.
pub(super) enum Asked {
    /// Who made a call, as long as it is on its way.
    Caller(Weak<Caller>),
    /// The same, but nobody knows whether that is the call that the backend asks for.
    Guessed(Weak<Caller>),
    /// The client of an MCP session, whatever it has on its way.
    Client(Uuid),
}

/// The questions that are open in one conversation, by the backend's ids.
#[derive(Default)]
pub(super) struct Questions(Mutex<HashMap<RequestId, Open>>);

struct Open {
    number: u64,
    asked: Asked,
    /// The call it is asked for; `None` where nobody knows.
    call: Option<Arc<CancellationToken>>,
    /// What its progress is called, if that is to be told.
    progress: Option<Tokens>,
    /// Their end is the end of the waits.
    _waits: Vec<Wait>,
}

/// What the progress of an answer is called: backends choose their tokens alone, and a client that
/// several of them ask must not be given one twice.
struct Tokens {
    ours: String,
    theirs: Box<RawValue>,
}

/// A number that no other question of the process has.
pub(super) fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Makes a question of a backend's request. Its answer goes back whenever that comes.
pub(super) fn open(
    endpoint: &Arc<Endpoint>,
    link: &Arc<Link>,
    request: BackendRequest<'_>,
    asked: Asked,
) -> Question {
    let number = next_number();
    let reply = Reply {
        endpoint: Arc::clone(endpoint),
        link: Arc::clone(link),
        id: request.id.clone(),
        number,
    };
    let (call, waits) = match &asked {
        Asked::Caller(caller) => match caller.upgrade() {
            Some(caller) => (
                Some(caller.cancel().clone()),
                vec![caller.waiting().begin()],
            ),
            None => (None, Vec::new()),
        },
        // Nobody knows for which of its calls the backend asks.
        Asked::Guessed(_) | Asked::Client(_) => (None, link.ongoing.wait()),
    };
    let (params, progress) = match with_own_token(request.params) {
        Some((params, tokens)) => (Some(params), Some(tokens)),
        None => (request.params.map(ToOwned::to_owned), None),
    };
    let open = Open {
        number,
        asked,
        call,
        progress,
        _waits: waits,
    };
    link.questions.open().insert(request.id, open);
    Question::new(number, request.method.to_owned(), params, move |answered| {
        reply.answer(&answered);
    })
}

/// A question's parameters with a progress token of the gateway's own; `None` without one, and where the
/// backend's is too long to be kept: then no progress will be told.
fn with_own_token(params: Option<&RawValue>) -> Option<(Box<RawValue>, Tokens)> {
    let mut members = RawObject::parse(params?).ok()?;
    let meta = members.get("_meta")?.to_owned();
    let mut keys = RawObject::parse(&meta).ok()?;
    let theirs = keys.get(PROGRESS_TOKEN)?;
    if theirs.get().len() > PROGRESS_TOKEN_BYTES_MAX {
        return None;
    }
    let theirs = theirs.to_owned();
    let ours = Uuid::new_v4().to_string();
    keys.set(PROGRESS_TOKEN, quote(&ours));
    members.set("_meta", keys.to_raw());
    Some((members.to_raw(), Tokens { ours, theirs }))
}

impl Questions {
    /// A client's progress under the backend's own token; `None` where it is of no question here.
    pub(super) fn progress(&self, params: Option<&RawValue>) -> Option<Box<RawValue>> {
        let mut members = RawObject::parse(params?).ok()?;
        let token = members.get_str(PROGRESS_TOKEN)?;
        let questions = self.open();
        let mut tokens = questions.values().filter_map(|open| open.progress.as_ref());
        let theirs = tokens.find(|it| it.ours == token)?.theirs.clone();
        members.set(PROGRESS_TOKEN, theirs);
        Some(members.to_raw())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.open().len()
    }

    /// The backend no longer wants what it asked for under that id: who was asked is told.
    pub(super) async fn withdraw(&self, id: &RequestId, link: &Link) {
        let Some(open) = self.open().remove(id) else {
            return;
        };
        let number = open.number;
        match open.asked {
            Asked::Caller(caller) | Asked::Guessed(caller) => {
                if let Some(caller) = caller.upgrade() {
                    caller.send_soon(Event::Withdrawn(number)).await;
                } else if let LinkKey::Own(mcp_session) = link.key {
                    link.tell(BackendMessage::Withdrawn {
                        mcp_session,
                        number,
                    });
                }
            }
            Asked::Client(mcp_session) => link.tell(BackendMessage::Withdrawn {
                mcp_session,
                number,
            }),
        }
    }

    /// Closes what was asked for a call that has ended; gives the backend's ids, and the numbers.
    pub(super) fn end(&self, caller: &Arc<Caller>) -> Vec<(RequestId, u64)> {
        let is_its = |open: &Open| match &open.asked {
            Asked::Caller(asked) => std::ptr::eq(asked.as_ptr(), Arc::as_ptr(caller)),
            Asked::Guessed(_) | Asked::Client(_) => false,
        };
        let mut questions = self.open();
        let ended = questions.extract_if(|_, open| is_its(open));
        ended.map(|(id, open)| (id, open.number)).collect()
    }

    /// Closes that question; tells whether its backend still wants an answer. One whose call was
    /// taken back hears of that, and of nothing more.
    fn close(&self, id: &RequestId, number: u64) -> bool {
        let mut questions = self.open();
        if questions.get(id).is_none_or(|open| open.number != number) {
            return false;
        }
        let closed = questions.remove(id).and_then(|open| open.call);
        closed.is_none_or(|call| !call.is_cancelled())
    }

    fn open(&self) -> MutexGuard<'_, HashMap<RequestId, Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way back of one answer; dropped without one, it tells the backend that there is none.
struct Reply {
    endpoint: Arc<Endpoint>,
    link: Arc<Link>,
    id: RequestId,
    number: u64,
}

impl Reply {
    fn answer(self, answered: &Answered) {
        self.send(|id| match answered {
            Answered::Result(result) => write_result(id, result.get().as_bytes()),
            Answered::Error(error) => write_error(Some(id), error),
        });
    }

    /// Sends what answers the question, once, unless the backend withdrew it.
    fn send(&self, write: impl FnOnce(&RequestId) -> Bytes) {
        let Some(headers) = self.link.dialect.reply_headers() else {
            return;
        };
        if !self.link.questions.close(&self.id, self.number) {
            return;
        }
        post_soon(&self.endpoint, headers, write(&self.id), None);
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.send(|id| {
            let error = error_object(INTERNAL_ERROR, "the client gave no answer");
            write_error(Some(id), &error)
        });
    }
}

/// Sends an answer that nobody would miss, in the background, if not too many are on their way: a
/// backend may make requests of its own without end, and read none of the answers.
pub(super) fn post_if_room(endpoint: &Arc<Endpoint>, headers: HeaderMap, body: Bytes) {
    let Ok(room) = Arc::clone(&endpoint.replies).try_acquire_owned() else {
        return tracing::debug!(backend.name = %endpoint.name, "left a request of the backend's unanswered: it makes too many");
    };
    post_soon(endpoint, headers, body, Some(room));
}

/// Sends an answer in the background; keeps its room until then.
fn post_soon(
    endpoint: &Arc<Endpoint>,
    headers: HeaderMap,
    body: Bytes,
    room: Option<OwnedSemaphorePermit>,
) {
    let endpoint = Arc::clone(endpoint);
    // A question may be dropped while the process goes down.
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(async move {
            let _until_sent = room;
            let outgoing = || Outgoing {
                headers: headers.clone().into(),
                body: body.clone(),
            };
            if let Err(error) = post(&endpoint, outgoing).await {
                tracing::debug!(backend.name = %endpoint.name, %error, "could not answer a request of the backend's");
            }
        });
    }
}

/// Sends an answer, again where the backend did not take it.
async fn post(endpoint: &Endpoint, outgoing: impl Fn() -> Outgoing) -> Result<(), BackendError> {
    let policy = Policy::new(endpoint, false);
    let id = RequestId::from_number(0);
    let once = || async {
        let posted = within(endpoint.timeouts.handshake, endpoint.wire.post(outgoing()));
        let after = endpoint.timeouts.handshake;
        let posted = posted.await.unwrap_or(Err(BackendError::Silent { after }));
        policy.tried(&posted);
        match posted?.content {
            Content::Refused(refusal) => {
                super::refusal::judge(&refusal, &id, &endpoint.wire).map(drop)
            }
            _ => Ok(()),
        }
    };
    RetryIf::start(policy.pauses(), once, |error: &BackendError| {
        policy.allows(error)
    })
    .await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mcp::object::to_raw;

    #[test]
    fn a_token_that_is_too_long_to_keep_is_left_as_it_is() {
        for (length, is_kept) in [
            (PROGRESS_TOKEN_BYTES_MAX - 2, true),
            (PROGRESS_TOKEN_BYTES_MAX - 1, false),
        ] {
            let token = "x".repeat(length);
            let params = to_raw(&json!({ "_meta": { "progressToken": token } }));
            assert_eq!(with_own_token(Some(&params)).is_some(), is_kept, "{length}");
        }
    }
}
