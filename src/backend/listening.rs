//! Hears what a backend says without being asked: one stream a link, opened again whenever it ends,
//! for as long as the connection wants it.
//!
//! What happens to the stream is never the connection's trouble: its calls find out for themselves.

mod filter;
mod pace;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::HeaderValue;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout_at},
};

use crate::{
    limits::{LISTENING_PAUSE_MAX, LISTENING_PROVEN, LISTENING_WITHIN},
    mcp::{
        message::{Message, RequestId},
        meta,
        method::LISTEN_ACKNOWLEDGED,
    },
};

use super::{
    asking::BackendRequest,
    audience::{Audience, Conversation},
    endpoint::Endpoint,
    error::BackendError,
    exchange::{self, split},
    link::Link,
    message::BackendMessage,
    refusal,
    transport::streamable_http::{Content, Refusal},
};

pub(crate) use filter::Filter;

use pace::{admit, pause};

/// A task that listens over one link; dropping it closes the stream.
pub(super) struct Listener {
    number: u64,
    generation: u64,
    filter: Filter,
    opened: watch::Receiver<bool>,
    /// How long its opening is waited for.
    opening_until: Instant,
    task: JoinHandle<()>,
}

/// What to listen to, and how.
pub(super) struct Plan {
    /// Tells it from the connection's others.
    pub(super) number: u64,
    /// What the backend is asked to announce, where it wants to be told.
    pub(super) filter: Filter,
    /// How many times in a row no stream was found before.
    pub(super) tries: u32,
}

/// The opening of a listener's first stream.
pub(super) struct Opening {
    opened: watch::Receiver<bool>,
    until: Instant,
}

/// What a listener tells its connection.
#[derive(Debug)]
pub(crate) enum News {
    /// From now on nothing goes unheard of what the backend honours; `None` where it does not say.
    Hears { honoured: Option<Filter> },
    /// Something may have been announced before that.
    Missed,
    /// The backend has no stream for us. It stopped.
    NotOffered,
    /// It met the end of its MCP session, and stopped. So many times in a row it found no stream.
    Unheard { tries: u32 },
}

impl Listener {
    /// Begins to listen.
    pub(super) fn start(endpoint: Arc<Endpoint>, link: Arc<Link>, plan: Plan) -> Self {
        let (opens, opened) = watch::channel(false);
        let (number, generation) = (plan.number, link.generation);
        let filter = plan.filter.clone();
        let listening = Listening {
            endpoint,
            link,
            missed: plan.tries > 0,
            plan,
            offered: false,
            last_id: None,
            opens,
        };
        Self {
            number,
            generation,
            filter,
            opened,
            opening_until: Instant::now() + LISTENING_WITHIN,
            task: tokio::spawn(listening.run()),
        }
    }

    /// Tells it from the connection's others.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// The generation of its link.
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// What the backend is asked to announce.
    pub(super) const fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Whether its stream is open now.
    pub(super) fn is_open(&self) -> bool {
        *self.opened.borrow()
    }

    /// Tells whether its stream is open, for as long as it listens.
    pub(super) fn hearing(&self) -> watch::Receiver<bool> {
        self.opened.clone()
    }

    /// The opening of its first stream.
    pub(super) fn opening(&self) -> Opening {
        Opening {
            opened: self.opened.clone(),
            until: self.opening_until,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Opening {
    /// Waits until the stream is open, or [`LISTENING_WITHIN`] of its beginning is over: some
    /// backends open none, and some do not say so before they have something to tell.
    pub(super) async fn wait(mut self) {
        // An error means that the listener stopped.
        let _late = timeout_at(self.until, self.opened.wait_for(|opened| *opened)).await;
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
    plan: Plan,
    /// Whether something may have been announced while nobody listened.
    missed: bool,
    /// Whether there ever was a stream: then a refusal is a passing one.
    offered: bool,
    /// After which event the next stream goes on.
    last_id: Option<HeaderValue>,
    opens: watch::Sender<bool>,
}

impl Listening {
    async fn run(mut self) {
        let mut asked_pause = Duration::ZERO;
        loop {
            if self.plan.tries > 0 {
                sleep(pause(self.plan.tries).max(asked_pause)).await;
            }
            let Some((_permit, waited)) = admit(&self.endpoint.listeners).await else {
                return;
            };
            self.missed |= waited;
            let begun = Instant::now();
            let end = self.hear().await;
            self.opens.send_replace(false);
            if begun.elapsed() >= LISTENING_PROVEN {
                self.plan.tries = 0;
            }
            self.plan.tries = self.plan.tries.saturating_add(1);
            // A stream that goes on where it ended has missed nothing.
            self.missed |= self.last_id.is_none();
            tracing::debug!(backend.name = %self.endpoint.name, tries = self.plan.tries, ?end, "the stream of announcements ended");
            asked_pause = match end {
                End::NotOffered if !self.offered => return self.tell(News::NotOffered),
                End::NotOffered => Duration::ZERO,
                End::Expired => {
                    let tries = self.plan.tries;
                    return self.tell(News::Unheard { tries });
                }
                End::Broken { pause } => pause.unwrap_or_default().min(LISTENING_PAUSE_MAX),
            };
        }
    }

    /// Opens a stream and hears it out.
    async fn hear(&mut self) -> End {
        let id = RequestId::from_number(self.link.next_id());
        let wire = &self.endpoint.wire;
        let outgoing = self.link.dialect.listening(&id, &self.plan.filter);
        let mut events = match wire.listen(outgoing, self.last_id.as_ref()).await {
            Ok(Content::Events(events)) => events,
            Ok(Content::Refused(refusal)) => return self.refused(&refusal, &id),
            Ok(Content::Accepted | Content::Json(_)) => return End::NotOffered,
            Err(error) => return self.broken(&error, None),
        };
        let mut said = if self.link.dialect.acknowledges_listening() {
            Said::Nothing
        } else {
            Said::Listening(None)
        };
        let mut listens = false;
        loop {
            match said {
                // A backend may say it without end, but nothing new after the first time.
                Said::Listening(_) if listens => {}
                Said::Listening(honoured) => {
                    listens = true;
                    self.listens(honoured);
                }
                Said::Nothing => {}
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
                Ok(Some(messages)) => take_all(&messages, &id, &audience).await,
                Ok(None) => Ok(Said::Farewell),
                Err(error) => Err(error),
            };
            if let Some(last_id) = events.last_id()
                && !self.link.dialect.acknowledges_listening()
            {
                self.last_id = Some(last_id.clone());
            }
            said = match taken {
                Ok(said) => said,
                Err(error) => return self.broken(&error, events.retry()),
            };
        }
    }

    fn listens(&mut self, honoured: Option<Filter>) {
        self.offered = true;
        // What nobody asked for is nobody's; it may be as long as the backend likes.
        let honoured = honoured.map(|honoured| honoured.within(&self.plan.filter));
        self.tell(News::Hears { honoured });
        if std::mem::take(&mut self.missed) {
            self.tell(News::Missed);
        }
        self.opens.send_replace(true);
    }

    fn tell(&self, news: News) {
        self.link.tell(BackendMessage::Listener {
            link: self.link.key,
            number: self.plan.number,
            news,
        });
    }

    fn refused(&mut self, refusal: &Refusal, id: &RequestId) -> End {
        let status = refusal.status;
        if refusal::may_pass(status) {
            let pause = refusal.retry_after;
            return End::Broken { pause };
        }
        match self.link.dialect.judge(refusal, id, &self.endpoint.wire) {
            Err(BackendError::SessionExpired) => End::Expired,
            // The backend may no longer know the event; a stream it has all the same.
            _ if self.last_id.take().is_some() => End::Broken { pause: None },
            _ => End::NotOffered,
        }
    }

    fn broken(&self, error: &BackendError, pause: Option<Duration>) -> End {
        tracing::debug!(backend.name = %self.endpoint.name, %error, "could not listen");
        End::Broken { pause }
    }
}

/// What a message on the stream means for the stream.
enum Said {
    Nothing,
    /// From now on, nothing of this goes unheard.
    Listening(Option<Filter>),
    /// The stream is about something else.
    NotListening,
    /// The stream ends here.
    Farewell,
}

/// Takes what came at once; what ends the stream counts.
async fn take_all(
    messages: &Bytes,
    id: &RequestId,
    audience: &Audience<'_>,
) -> Result<Said, BackendError> {
    let mut said = Said::Nothing;
    for message in split(messages, audience)? {
        match take(&message, id, audience).await? {
            Said::Nothing => {}
            ends => said = ends,
        }
    }
    Ok(said)
}

async fn take(
    message: &Bytes,
    id: &RequestId,
    audience: &Audience<'_>,
) -> Result<Said, BackendError> {
    Ok(match exchange::read(message)? {
        Message::Notification { method, params } if method == LISTEN_ACKNOWLEDGED => {
            let honoured = Filter::honoured(params);
            if honoured.is_empty() {
                Said::NotListening
            } else {
                Said::Listening(Some(honoured))
            }
        }
        Message::Notification { method, params } => {
            let params = params.map(meta::without_subscription);
            audience.hear(&method, params.as_deref(), id).await;
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
