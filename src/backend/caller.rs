//! The client's side of a call that is on its way: what reaches it, and how it can be asked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::{
    limits::SHARED_STREAM_WAIT_MAX,
    mcp::{
        event::Event,
        method::asked_capability,
        request::{Asking, Context},
        shelf::Shelf,
    },
};

use super::{
    message::{Call, EventSender, Translation},
    waiting::Waiting,
};

/// Who made a call, as far as its backend can reach them.
pub(super) struct Caller {
    events: EventSender,
    asking: Asking,
    context: Context,
    translation: Option<Arc<dyn Translation>>,
    waiting: Arc<Waiting>,
    cancel: Arc<CancellationToken>,
    asked: AtomicBool,
    lists: bool,
}

impl Caller {
    /// The one who made this call.
    pub(super) fn of(call: &Call) -> Self {
        Self {
            events: call.events.clone(),
            asking: call.request.asking,
            context: call.request.context.clone(),
            translation: call.translation.clone(),
            waiting: Waiting::new(),
            cancel: call.cancel.clone(),
            asked: AtomicBool::new(false),
            lists: Shelf::of(&call.request.method).is_some(),
        }
    }

    /// Whether it can be asked this, by an event of its own.
    pub(super) fn takes(&self, method: &str, params: Option<&RawValue>) -> bool {
        let reaches = match self.asking {
            Asking::Never => false,
            Asking::WhileOpen => true,
            Asking::ByRetry => asked_capability(method, params).is_some(),
        };
        reaches && self.can_be_asked(method, params)
    }

    /// Whether it declared that it can be asked this, however that reaches it.
    pub(super) fn can_be_asked(&self, method: &str, params: Option<&RawValue>) -> bool {
        self.context.can_be_asked(method, params)
    }

    /// Whether the gateway itself made it: lists it makes for clients, who hear nothing of that.
    pub(super) const fn only_lists(&self) -> bool {
        self.lists
    }

    /// Fires when it takes its call back.
    pub(super) const fn cancel(&self) -> &Arc<CancellationToken> {
        &self.cancel
    }

    /// Counts the time it takes to answer.
    pub(super) const fn waiting(&self) -> &Arc<Waiting> {
        &self.waiting
    }

    /// Whether something of its answers may be changed on the way.
    pub(super) const fn is_translated(&self) -> bool {
        self.translation.is_some()
    }

    /// Whether it was asked while the call was open: then the call has begun to run, and is the only
    /// one that the answers fit.
    pub(super) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Notes that it is asked something while its call is open.
    pub(super) fn is_asked(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Tells or asks it something. The client may be gone; its call goes on all the same, and what
    /// it was asked is dropped.
    pub(super) async fn send(&self, event: Event) {
        let _nobody_left = self.events.send(self.translated(event)).await;
    }

    /// The same, for what came on a stream that others wait for, too.
    pub(super) async fn send_soon(&self, event: Event) {
        let within: Duration = SHARED_STREAM_WAIT_MAX;
        let sent = self.events.send_timeout(self.translated(event), within);
        if sent.await.is_err() {
            tracing::debug!("dropped what a client did not take in time");
        }
    }

    fn translated(&self, event: Event) -> Event {
        match (event, &self.translation) {
            (Event::Notified(notification), Some(translation)) => {
                Event::Notified(translation.notification(notification))
            }
            (event, _) => event,
        }
    }
}
