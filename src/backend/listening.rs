//! Hears what a backend says without being asked: one stream a connection, opened again whenever it
//! ends, for as long as the connection wants it.
//!
//! What happens to the stream is never the connection's trouble: its calls find out for themselves.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_retry::strategy::{ExponentialBackoff, jitter};

use crate::{
    limits::{LISTENING_PAUSE_MAX, LISTENING_PROVEN},
    mcp::{
        message::{Message, RequestId},
        method::LISTEN_ACKNOWLEDGED,
    },
};

use super::{
    asking::BackendRequest,
    audience::{Audience, Conversation},
    endpoint::Endpoint,
    error::BackendError,
    link::Link,
    message::BackendMessage,
    transport::streamable_http::{Content, Refusal},
};

/// A task that listens over one link; dropping it closes the stream.
pub(super) struct Listener {
    generation: u64,
    task: JoinHandle<()>,
}

impl Listener {
    /// Begins to listen. `tries` is how many times in a row no stream was found before.
    pub(super) fn start(endpoint: Arc<Endpoint>, link: Arc<Link>, tries: u32) -> Self {
        let generation = link.generation;
        let listening = Listening {
            endpoint,
            link,
            tries,
            missed: tries > 0,
            offered: false,
        };
        Self {
            generation,
            task: tokio::spawn(listening.run()),
        }
    }

    /// The generation of its link.
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How a stream ended, or why there is none.
#[derive(Debug)]
enum End {
    /// The backend has none for us.
    NotOffered,
    /// The backend forgot the MCP session.
    Expired,
    /// It ended, or could not be opened just now. The backend may ask for a pause.
    Broken { pause: Option<Duration> },
}

/// Listening over one link, from stream to stream.
struct Listening {
    endpoint: Arc<Endpoint>,
    link: Arc<Link>,
    /// How many streams in a row did not last.
    tries: u32,
    /// Whether something may have been announced while nobody listened.
    missed: bool,
    /// Whether there ever was a stream: then a refusal is a passing one.
    offered: bool,
}

impl Listening {
    async fn run(mut self) {
        let mut asked_pause = Duration::ZERO;
        loop {
            if self.tries > 0 {
                sleep(pause(self.tries).max(asked_pause)).await;
            }
            let Some((_permit, waited)) = admit(&self.endpoint.listeners).await else {
                return;
            };
            self.missed |= waited;
            let begun = Instant::now();
            let end = self.hear().await;
            if begun.elapsed() >= LISTENING_PROVEN {
                self.tries = 0;
            }
            self.tries = self.tries.saturating_add(1);
            self.missed = true;
            tracing::debug!(backend.name = %self.endpoint.name, tries = self.tries, ?end, "the stream of announcements ended");
            asked_pause = match end {
                End::NotOffered if !self.offered => return,
                End::NotOffered => Duration::ZERO,
                End::Expired => {
                    return self.link.tell(BackendMessage::Unheard {
                        generation: self.link.generation,
                        tries: self.tries,
                    });
                }
                End::Broken { pause } => pause.unwrap_or_default().min(LISTENING_PAUSE_MAX),
            };
        }
    }

    /// Opens a stream and hears it out.
    async fn hear(&mut self) -> End {
        let id = RequestId::from_number(self.link.next_id());
        let mut events = match self.link.dialect.listen(&self.endpoint.wire, &id).await {
            Ok(Content::Events(events)) => events,
            Ok(Content::Refused(refusal)) => return self.refused(&refusal, &id),
            Ok(Content::Accepted | Content::Json(_)) => return End::NotOffered,
            Err(error) => return self.broken(&error, None),
        };
        let mut said = if self.link.dialect.acknowledges_listening() {
            Said::Nothing
        } else {
            Said::Listening
        };
        loop {
            match said {
                Said::Nothing => {}
                Said::Listening => self.listens(),
                Said::NotListening => return End::NotOffered,
                Said::Farewell => {
                    let pause = events.retry();
                    return End::Broken { pause };
                }
            }
            // Another one for each message: a ping every few seconds is no flood of requests.
            let audience = Audience::everybody(Conversation {
                endpoint: &self.endpoint,
                link: &self.link,
            });
            let taken = match events.next().await {
                Ok(Some(message)) => take(&message, &id, &audience).await,
                Ok(None) => Ok(Said::Farewell),
                Err(error) => Err(error),
            };
            said = match taken {
                Ok(said) => said,
                Err(error) => return self.broken(&error, events.retry()),
            };
        }
    }

    fn listens(&mut self) {
        self.offered = true;
        if std::mem::take(&mut self.missed) {
            self.link.tell(BackendMessage::HeardAgain);
        }
    }

    fn refused(&self, refusal: &Refusal, id: &RequestId) -> End {
        let status = refusal.status;
        if is_passing(status) {
            let pause = refusal.retry_after;
            return End::Broken { pause };
        }
        match self.link.dialect.judge(refusal, id, &self.endpoint.wire) {
            Err(BackendError::SessionExpired) => End::Expired,
            _ => End::NotOffered,
        }
    }

    fn broken(&self, error: &BackendError, pause: Option<Duration>) -> End {
        tracing::debug!(backend.name = %self.endpoint.name, %error, "could not listen");
        End::Broken { pause }
    }
}

/// Waits until the process may hold one more stream open; tells whether it had to wait.
async fn admit(listeners: &Arc<Semaphore>) -> Option<(OwnedSemaphorePermit, bool)> {
    if let Ok(permit) = Arc::clone(listeners).try_acquire_owned() {
        return Some((permit, false));
    }
    // An error means that it was closed, which nobody does.
    let permit = Arc::clone(listeners).acquire_owned().await.ok()?;
    Some((permit, true))
}

/// Whether the same request may be granted later.
fn is_passing(status: StatusCode) -> bool {
    let is_trouble = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED;
    is_trouble
        || [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::REQUEST_TIMEOUT,
            // A server may allow one stream a session, and not know yet that the last one ended.
            StatusCode::CONFLICT,
        ]
        .contains(&status)
}

/// After so many tries the longest pause is reached.
const GROWING_TRIES: u32 = 16;

/// Grows with every try, and differs from session to session: a backend that comes back must not
/// meet all of them at once.
fn pause(tries: u32) -> Duration {
    let most = ExponentialBackoff::from_millis(2)
        .factor(250)
        .max_delay(LISTENING_PAUSE_MAX)
        .nth(tries.clamp(1, GROWING_TRIES) as usize - 1)
        .unwrap_or(LISTENING_PAUSE_MAX);
    most / 2 + jitter(most / 2)
}

/// What a message on the stream means for the stream.
enum Said {
    Nothing,
    /// From now on, no change of tools goes unheard.
    Listening,
    /// The stream is about something else.
    NotListening,
    /// The stream ends here.
    Farewell,
}

async fn take(
    message: &Bytes,
    id: &RequestId,
    audience: &Audience<'_>,
) -> Result<Said, BackendError> {
    let message = Message::read(message).map_err(|_| BackendError::Garbled {
        what: "something that is not JSON-RPC",
    })?;
    Ok(match message {
        Message::Notification { method, params } if method == LISTEN_ACKNOWLEDGED => {
            if honours_tools(params) {
                Said::Listening
            } else {
                Said::NotListening
            }
        }
        Message::Notification { method, params } => {
            audience.hear(&method, params, id).await;
            Said::Nothing
        }
        Message::Request {
            id: asked,
            method,
            params,
        } => {
            let request = BackendRequest {
                id: asked,
                method: &method,
                params,
            };
            audience.reply(request).await?;
            Said::Nothing
        }
        // The end of the subscription; any other answer was lost on the way to somebody else.
        Message::Result { id: answered, .. } if answered == *id => Said::Farewell,
        Message::Error { id: answered, .. } if answered.as_ref() == Some(id) => Said::NotListening,
        Message::Result { .. } | Message::Error { .. } => Said::Nothing,
    })
}

/// Spec: 2026-07-28 basic/patterns/subscriptions, "Acknowledgment".
fn honours_tools(params: Option<&RawValue>) -> bool {
    #[derive(Default, Deserialize)]
    struct Acknowledged {
        notifications: Filter,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Filter {
        tools_list_changed: bool,
    }
    let acknowledged: Acknowledged = params
        .and_then(|params| serde_json::from_str(params.get()).ok())
        .unwrap_or_default();
    acknowledged.notifications.tools_list_changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_within_their_bounds() {
        for (tries, most_ms) in [(1, 500), (2, 1_000), (3, 2_000), (4, 4_000), (5, 8_000)] {
            let pause = pause(tries);
            let most = Duration::from_millis(most_ms);
            assert!((most / 2..=most).contains(&pause), "{tries}: {pause:?}");
        }
        for tries in [20, u32::MAX] {
            assert!(pause(tries) <= LISTENING_PAUSE_MAX);
            assert!(pause(tries) >= LISTENING_PAUSE_MAX / 2);
        }
    }

    #[test]
    fn only_a_refusal_that_may_pass_is_asked_again() {
        for (status, passes) in [
            (500, true),
            (503, true),
            (429, true),
            (409, true),
            (501, false),
            (404, false),
            (405, false),
            (401, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(is_passing(status), passes, "{status}");
        }
    }

    #[tokio::test]
    async fn a_stream_too_many_waits_for_another_to_end() {
        let listeners = Arc::new(Semaphore::new(1));
        let (first, waited) = admit(&listeners).await.unwrap();
        assert!(!waited);
        let mut second = std::pin::pin!(admit(&listeners));
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(first);
        let (_permit, waited) = second.await.unwrap();
        assert!(waited, "what was announced meanwhile was missed");
    }

    #[test]
    fn an_acknowledgement_says_what_will_be_heard() {
        for (params, honours) in [
            (r#"{"notifications":{"toolsListChanged":true}}"#, true),
            (r#"{"notifications":{"toolsListChanged":false}}"#, false),
            (r#"{"notifications":{"x":1}}"#, false),
            ("{}", false),
        ] {
            let params = RawValue::from_string(params.to_owned()).unwrap();
            assert_eq!(honours_tools(Some(&params)), honours, "{}", params.get());
        }
        assert!(!honours_tools(None));
    }
}
