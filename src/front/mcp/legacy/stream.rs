//! The `GET` stream: what a client is told without having asked, and streams it takes up again.
//!
//! Spec: 2025-11-25 basic/transports, "Listening for Messages from the Server", "Resumability and
//! Redelivery".

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::StatusCode;
use uuid::Uuid;
use warp::reply::Response;

use crate::{
    mcp::{
        error::{INVALID_REQUEST, error_object},
        event::Notification,
        failure::Failure,
        header::LAST_EVENT_ID,
        message::{write_error, write_notification},
    },
    session::{Heard, SessionRef, Told, outbox::Kind},
};

use super::{
    super::{Caller, event_stream, not_acceptable, resumable},
    admit, asking,
    encode::has_ids,
    refuse, session_wanted,
};

/// Serves `GET`.
pub(in super::super) async fn listen(caller: Box<Caller>) -> Response {
    if !caller.accepts.events {
        return not_acceptable("text/event-stream");
    }
    let mcp_session = match admit(&caller) {
        Ok(Some(mcp_session)) => mcp_session,
        Ok(None) => return session_wanted(),
        Err(unfit) => return unfit.refuse(&caller, None),
    };
    let has_ids = has_ids(&caller.session, mcp_session).await;
    // A stream that is not held any more, or of the process before this one: what it told is gone,
    // and what comes next is told on a new one.
    if has_ids
        && let Some(last) = caller.header(LAST_EVENT_ID)
        && let Some(response) = take_up(&caller, mcp_session, last).await
    {
        return response;
    }
    // First, so that a stream that broke off is over when its place is wanted.
    let log = has_ids
        .then(|| caller.session.outbox().open(mcp_session, Kind::Standalone))
        .flatten();
    let log = log.map(|log| (log.read(), log));
    let attendance = log.as_ref().map(|(_, log)| log.attendance());
    let heard = match caller.session.listen(mcp_session, attendance).await {
        Ok(heard) => heard,
        Err(failure) => return refuse(&caller, None, &failure),
    };
    let messages = messages(caller.session.clone(), mcp_session, heard);
    match log {
        Some((reader, log)) => {
            tokio::spawn(resumable::write(messages, log));
            resumable::begin(reader, Attending::of(caller.session, mcp_session))
        }
        None => plain(messages),
    }
}

/// Somebody who reads a stream that waits for them to come back; dropped, they do no more.
struct Attending {
    session: SessionRef,
    mcp_session: Uuid,
}

impl Attending {
    const fn of(session: SessionRef, mcp_session: Uuid) -> Self {
        Self {
            session,
            mcp_session,
        }
    }
}

impl Drop for Attending {
    fn drop(&mut self) {
        self.session.attended(self.mcp_session);
    }
}

/// Goes on with the stream in which the client saw that event last; `None` where a new one takes
/// its place.
async fn take_up(caller: &Caller, mcp_session: Uuid, last: &str) -> Option<Response> {
    if let Some(reader) = caller.session.outbox().resume(mcp_session, last) {
        caller.session.attended(mcp_session);
        let attending = Attending::of(caller.session.clone(), mcp_session);
        return Some(resumable::resume(reader, attending));
    }
    match caller.session.knows(mcp_session).await {
        Ok(Some(_)) if Kind::of(last) == Some(Kind::Standalone) => None,
        Ok(Some(_)) => {
            let error = error_object(
                INVALID_REQUEST,
                "nothing is held behind that Last-Event-ID: the stream is over, or was given up",
            );
            let written = write_error(None, &error);
            Some(event_stream::json(StatusCode::BAD_REQUEST, written))
        }
        Ok(None) => Some(refuse(caller, None, &Failure::UnknownMcpSession)),
        Err(failure) => Some(refuse(caller, None, &failure)),
    }
}

/// Answers with a stream that cannot be taken up again.
fn plain(messages: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let events = messages.map(|message| event_stream::event(&message));
    event_stream::live(events)
}

/// Writes what a listener hears.
fn messages(
    session: SessionRef,
    mcp_session: Uuid,
    heard: Heard,
) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold((session, heard), move |(session, mut heard)| async move {
        let message = match heard.recv().await? {
            Told::Notification(Notification { method, params }) => {
                write_notification(&method, params.as_deref())
            }
            Told::Asked(question) => asking::ask(&session, mcp_session, question),
            Told::Withdrawn(number) => asking::withdraw(number),
        };
        Some((message, (session, heard)))
    })
}
