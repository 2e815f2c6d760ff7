//! One connection's decisions: which call goes out now, waits, or fails; what a fact changes.
//!
//! Nothing here waits. Whatever takes time is a task that reports back with a message.

mod announcing;
mod capable;
mod carried;
mod leaving;
mod links;
mod opening;
mod streams;
mod tools;
mod wants;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_retry::strategy::jitter;

use crate::{
    channel::Work,
    limits::{RECONNECT_PAUSE_MAX, WAITING_CALLS_MAX},
    mcp::{
        error::{HEADER_MISMATCH, error_object},
        event::{Outcome, Rejection},
        method::only_reads,
        name::BackendName,
        request::{Asking, Context},
        version::Revision,
    },
    metrics::{CountedConnection, Standing},
    registry::ProviderSpec,
};

use super::{
    Backend, Reporter,
    call::{self, Ending, Plan},
    catalogue::Catalogue,
    endpoint::Endpoint,
    error::BackendError,
    fresh::Changes,
    link::{Link, LinkKey},
    mailbox::Mailbox,
    message::{BackendMessage, Call, Description, Report},
    pending::{Pending, Slot},
    state::{Effect, Input, Machine, Outlook, State},
};

pub(crate) use leaving::Occupied;
pub(super) use {announcing::Announcing, leaving::Occupancy, tools::Looks};

use carried::Carried;
use tools::Reason;

/// Everything one backend's actor knows.
pub(crate) struct Connection {
    pub(super) number: u64,
    pub(super) name: BackendName,
    /// Its provider's entry, if there is one.
    pub(super) spec: Option<Arc<ProviderSpec>>,
    /// Where the backend is; an error when the session's credential cannot be used.
    pub(super) endpoint: Result<Arc<Endpoint>, BackendError>,
    pub(super) machine: Machine,
    /// Counts it where it stands; without a provider it does not count.
    pub(super) counted: Option<CountedConnection>,
    pub(super) links: HashMap<LinkKey, Slot>,
    /// What waits for the first handshake.
    pub(super) queue: Vec<Pending>,
    pub(super) generation: u64,
    /// What the backend was last found to speak.
    pub(super) known: Option<Revision>,
    /// How often its lists became others.
    pub(super) changes: Arc<Changes>,
    /// What tools there are; `None` until a list came.
    pub(super) catalogue: Option<Arc<Catalogue>>,
    /// Calls that wait for a list, to know which of their arguments go into headers.
    #[expect(clippy::vec_box, reason = "a call goes from hand to hand as it is")]
    pub(super) unmirrored: Vec<Box<Call>>,
    /// The lists made in the background.
    pub(super) looks: Looks,
    /// When changes of lists were told.
    pub(super) announcing: Announcing,
    /// What the links carry besides calls; few carry anything.
    pub(super) carried: HashMap<LinkKey, Box<Carried>>,
    /// Counts the listeners.
    pub(super) listeners: u64,
    pub(super) last_error: Option<BackendError>,
    pub(super) failed_at: Option<Instant>,
    pub(super) retry_at: Option<Instant>,
    /// Counts the pauses: a timer of an earlier one has nothing to say any more.
    pub(super) pause: u64,
    /// How many handshakes are under way.
    pub(super) handshakes: usize,
    /// Whether idle links are looked for later.
    pub(super) tidying: bool,
    /// The connection ends.
    pub(super) closing: bool,
    /// It has ended: no message is taken any more.
    pub(super) has_ended: bool,
    /// Why it does while its session goes on.
    pub(super) leaving: Option<BackendError>,
    pub(super) occupancy: Occupancy,
    pub(super) report: Reporter,
    pub(super) myself: Mailbox,
}

impl Connection {
    /// Takes something that needs the backend: sends it now, holds it while a handshake is under
    /// way, or fails it now.
    pub(super) fn begin(&mut self, mut pending: Pending) {
        if self.closing {
            return pending.fail(&self.name, self.farewell());
        }
        if !self.counts(&mut pending) {
            return pending.fail(&self.name, self.farewell());
        }
        if let Err(error) = &self.endpoint {
            return pending.fail(&self.name, error.clone());
        }
        self.wake();
        let since_failure = self.failed_at.map_or(Duration::MAX, |at| at.elapsed());
        let effect = self.machine.step(Input::Wanted {
            since_failure,
            outlook: self.outlook(),
        });
        match (effect, self.machine.state()) {
            (Effect::FailNow | Effect::FailAndOpen, _) => {
                let error = self.gone().or_else(|| self.last_error.clone());
                pending.fail(&self.name, error.unwrap_or(BackendError::Truncated));
            }
            (_, State::Ready) => self.send_over_link(pending),
            _ if self.queue.len() < WAITING_CALLS_MAX => self.queue.push(pending),
            _ => pending.fail(&self.name, crowded()),
        }
        if matches!(effect, Effect::Open | Effect::FailAndOpen) {
            self.retry_at = None;
            self.open(LinkKey::Default, Context::default());
        }
    }

    /// What a try would meet, as far as anybody knows.
    fn outlook(&self) -> Outlook {
        if self.gone().is_some() {
            Outlook::Gone
        } else if self
            .last_error
            .as_ref()
            .is_some_and(BackendError::took_long)
        {
            Outlook::Slow
        } else {
            Outlook::Fair
        }
    }

    /// Why the provider cannot be used by any session just now, if that is so.
    fn gone(&self) -> Option<BackendError> {
        self.endpoint.as_ref().ok()?.provider.gone()
    }

    /// Takes the news of a call's end.
    pub(super) fn ended(&mut self, key: LinkKey, generation: u64, ending: Ending) {
        match ending {
            Ending::Answered => {}
            Ending::Lost(error) => {
                if self.machine.state() == State::Ready {
                    self.note_failure(Input::Lost, &error);
                }
            }
            Ending::TurnedDown(error) => {
                if self.machine.state() == State::Ready {
                    self.note_failure(Input::Refused, &error);
                }
            }
            Ending::Expired(mut call) => {
                call.renewed = true;
                self.renew(key, generation, call);
            }
            Ending::EraChanged(mut call) => {
                call.renewed = true;
                self.change_era(key, generation);
                self.send_over_link(Pending::Call(call));
            }
            Ending::Unmirrored(mut call) => {
                call.mirrored = true;
                self.unmirrored.push(call);
                self.look(Reason::Unsure);
            }
        }
    }

    /// A handle to this connection.
    pub(super) fn handle(&self) -> Backend {
        Backend {
            number: self.number,
            name: self.name.clone(),
            mailbox: self.myself.clone(),
            changes: Arc::clone(&self.changes),
            spec: self.spec.clone(),
        }
    }

    /// How the connection stands, for people.
    pub(super) fn describe(&self) -> Description {
        let refused = self.endpoint.as_ref().err();
        let gone = self.gone();
        let retry_in = self
            .retry_at
            .map(|at| at.saturating_duration_since(Instant::now()));
        Description {
            state: match self.machine.state() {
                _ if refused.is_some() => State::Refused,
                _ if gone.is_some() => State::Waiting,
                state => state,
            },
            revision: self.known,
            tools: self.catalogue.as_ref().map(|known| known.len()),
            last_error: refused
                .or(gone.as_ref())
                .or(self.last_error.as_ref())
                .map(ToString::to_string),
            retry_in: gone.map_or(retry_in, |gone| gone.asked_pause()),
        }
    }

    /// Has it counted where it stands.
    pub(super) fn count(&mut self) {
        let standing = match self.machine.state() {
            _ if self.endpoint.is_err() => Standing::Refused,
            State::Idle => Standing::Idle,
            State::Connecting => Standing::Connecting,
            State::Ready => Standing::Ready,
            State::Waiting => Standing::Waiting,
            State::Refused => Standing::Refused,
        };
        if let Some(counted) = &mut self.counted {
            counted.stands(standing);
        }
    }

    pub(super) fn note_failure(&mut self, input: Input, error: &BackendError) {
        self.failed_at = Some(Instant::now());
        self.last_error = Some(error.clone());
        self.changes.note_all();
        tracing::warn!(backend.name = %self.name, %error, "no connection to {}", self.name);
        (self.report)(Report::Unreachable {
            backend: self.name.clone(),
            reason: error.to_string(),
        });
        self.retry_at = None;
        if let Effect::Wait(pause) = self.machine.step(input) {
            let asked = error.asked_pause().unwrap_or_default();
            // Half of it by chance: sessions that lost a backend together come back one by one.
            let pause = (pause / 2 + jitter(pause / 2)).max(asked.min(RECONNECT_PAUSE_MAX));
            self.retry_at = Some(Instant::now() + pause);
            self.pause += 1;
            let number = self.pause;
            // The timer ends with the actor: its message then finds no mailbox.
            let _timer = self
                .myself
                .send_after(pause, move || BackendMessage::Elapsed { pause: number });
        }
    }

    pub(super) fn send_over_link(&mut self, pending: Pending) {
        let key = self.serving(pending.link());
        match self.links.get_mut(&key) {
            Some(Slot::Open(link)) => {
                let link = Arc::clone(link);
                self.send(pending, key, link);
            }
            Some(Slot::Opening(waiting)) if waiting.len() < WAITING_CALLS_MAX => {
                waiting.push(pending);
            }
            Some(Slot::Opening(_)) => pending.fail(&self.name, crowded()),
            None => {
                if let Err(error) = self.make_room(key) {
                    return pending.fail(&self.name, error);
                }
                let context = pending.context().clone();
                self.links.insert(key, Slot::Opening(vec![pending]));
                self.open(key, context);
            }
        }
    }

    fn send(&mut self, pending: Pending, key: LinkKey, link: Arc<Link>) {
        let mut call = match pending {
            Pending::Call(call) => call,
            Pending::Connect { reply, .. } => {
                let _asker_left = reply.send(Ok(link.discovery.clone()));
                return;
            }
        };
        if call.turned_down == Some(link.dialect.is_shared()) {
            return Pending::Call(call).fail(&self.name, BackendError::EraChanged);
        }
        let Ok(endpoint) = self.endpoint.clone() else {
            return;
        };
        let mut repeatable = only_reads(&call.request.method);
        if let Some(catalogue) = &self.catalogue {
            repeatable |= catalogue.is_repeatable(&call.request);
            if let Err(header) = catalogue.mirror(&mut call.request) {
                return contradicted(self.name.clone(), call, &header);
            }
        }
        if key != LinkKey::Default && link.learn(&call.request.context) {
            self.listen(key, &link);
        }
        let (myself, generation) = (self.myself.clone(), link.generation);
        // From now on it is not idle.
        let in_use = link.take_up();
        let waits = call.request.asking != Asking::Never;
        let plan = Plan {
            repeatable,
            stream: waits.then(|| self.opening_stream(key)).flatten(),
            changes: Arc::clone(&self.changes),
        };
        let desk = call.desk.take();
        let work = Work::new(|| async move {
            let _until_answered = in_use;
            let ending = call::run(endpoint, link, call, plan).await;
            if !matches!(ending, Ending::Answered) {
                // A connection that is gone has no use for the news; an expired call's channel
                // closes with it, which its reader takes for a loss.
                let _gone = myself.cast(BackendMessage::Ended {
                    link: key,
                    generation,
                    ending,
                });
            }
        });
        // Whoever waits for the answer is there already, and does it without another task to be woken.
        match desk {
            Some(desk) => desk.put(work),
            None => work.go_on(),
        }
    }
}

/// Answers a call whose header says something else than its arguments.
///
/// Spec: 2026-07-28 basic/transports/streamable-http, "Server Validation".
fn contradicted(backend: BackendName, call: Box<Call>, header: &str) {
    let words = format!("header mismatch: {header} does not say what the arguments say");
    let rejection = Rejection {
        error: error_object(HEADER_MISMATCH, &words),
        typed: true,
    };
    tokio::spawn(async move { call.finish(&backend, Outcome::Rejected(rejection)).await });
}

const fn crowded() -> BackendError {
    BackendError::Crowded {
        limit: WAITING_CALLS_MAX,
    }
}
