//! Goes on with a call's stream that ended before its answer: the backend may end a connection while
//! it works, and a network may do so at any time. The request is never sent again for that.
//!
//! Spec: 2025-11-25 basic/transports, "Resumability and Redelivery".

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::sleep;

use crate::limits::{RESUMPTION_PAUSE, RESUMPTION_PAUSE_MAX, RESUMPTIONS_MAX};

use super::{
    audience::Audience,
    error::BackendError,
    refusal,
    transport::streamable_http::{Content, Events},
    waiting::Waiting,
};

/// A stream of messages, gone on with where it breaks off and that is possible.
pub(super) struct Stream<'a> {
    events: Events,
    audience: &'a Audience<'a>,
    /// How many times in a row it was gone on with, and nothing came.
    fruitless: u32,
}

impl<'a> Stream<'a> {
    /// A stream that has just been opened.
    pub(super) const fn new(events: Events, audience: &'a Audience<'a>) -> Self {
        Self {
            events,
            audience,
            fruitless: 0,
        }
    }

    /// Waits for the next message's text.
    ///
    /// # Errors
    ///
    /// When the stream ended and there is none.
    pub(super) async fn next(&mut self) -> Result<Bytes, BackendError> {
        loop {
            let heard = self.events.heard();
            let ended = match self.events.next().await {
                Ok(Some(message)) => {
                    self.fruitless = 0;
                    return Ok(message);
                }
                Ok(None) => BackendError::Truncated,
                Err(error) => error,
            };
            if self.events.heard() > heard {
                self.fruitless = 0;
            }
            self.go_on(ended).await?;
        }
    }

    /// Reads the end of a stream whose answer has come.
    pub(super) fn finish(self) {
        self.events.finish();
    }

    /// Opens the stream again behind its last event, or ends with what ended it.
    async fn go_on(&mut self, ended: BackendError) -> Result<(), BackendError> {
        let broke_off = matches!(
            ended,
            BackendError::Truncated | BackendError::Interrupted { .. }
        );
        let (Some(last_id), Some(conversation), true) = (
            self.events.last_id().cloned(),
            self.audience.conversation(),
            broke_off,
        ) else {
            return Err(ended);
        };
        let waiting = match self.audience.call() {
            Some((_, call)) => Arc::clone(call.caller.waiting()),
            // For what the gateway asks for itself no client has to answer anything.
            None => Waiting::new(),
        };
        let Some(headers) = conversation.link.dialect.reply_headers() else {
            return Err(ended);
        };
        while self.fruitless < RESUMPTIONS_MAX {
            self.fruitless += 1;
            sleep(self.pause()).await;
            let wire = &conversation.endpoint.wire;
            let resumed = wire.resume(headers.clone(), &last_id, &waiting);
            match resumed.await {
                Ok(Content::Events(events)) => {
                    self.events = events.after(&self.events);
                    return Ok(());
                }
                Ok(Content::Refused(refusal)) if refusal::may_pass(refusal.status) => {}
                Err(error) if may_be_repeated(&error) => {}
                other => {
                    tracing::debug!(backend.name = %conversation.endpoint.name, refused = ?other.err(), "could not go on with a stream");
                    break;
                }
            }
        }
        Err(ended)
    }

    /// The pause that the backend asks for; else one that grows.
    fn pause(&self) -> Duration {
        let own = RESUMPTION_PAUSE * 2_u32.pow(self.fruitless.min(RESUMPTIONS_MAX) - 1);
        let pause = self.events.retry().unwrap_or(own);
        pause.min(RESUMPTION_PAUSE_MAX)
    }
}

const fn may_be_repeated(error: &BackendError) -> bool {
    matches!(
        error,
        BackendError::Unreachable { .. }
            | BackendError::Interrupted { .. }
            | BackendError::Truncated
    )
}
