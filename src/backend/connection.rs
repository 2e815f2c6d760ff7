//! One connection's decisions: which call goes out now, waits, or fails; what a fact changes.
//!
//! Nothing here waits. Whatever takes time is a task that reports back with a message.

mod capable;
mod links;
mod tools;
mod wants;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use ractor::ActorRef;
use tokio_retry::strategy::jitter;

use crate::{
    limits::{RECONNECT_PAUSE_MAX, WAITING_CALLS_MAX},
    mcp::{method::only_reads, name::BackendName, request::Context, version::Revision},
};

use super::{
    Reporter,
    call::{self, Ending},
    catalogue::Catalogue,
    endpoint::Endpoint,
    error::BackendError,
    link::{Link, LinkKey, Origin},
    listening::Listener,
    message::{BackendMessage, Call, Description, Memory, Report},
    open::{open, still_holds},
    pending::{Pending, Slot},
    state::{Effect, Input, Machine, State},
};

pub(super) use tools::Looks;

use tools::Reason;

/// Everything one backend's actor knows.
pub(crate) struct Connection {
    pub(super) name: BackendName,
    /// Where the backend is; an error when the session's credential cannot be used.
    pub(super) endpoint: Result<Arc<Endpoint>, BackendError>,
    pub(super) machine: Machine,
    pub(super) links: HashMap<LinkKey, Slot>,
    /// What waits for the first handshake.
    pub(super) queue: Vec<Pending>,
    pub(super) generation: u64,
    /// What the backend was last found to speak.
    pub(super) known: Option<Revision>,
    /// What tools there are; `None` until a list came.
    pub(super) catalogue: Option<Catalogue>,
    /// Calls that wait for a list, to know which of their arguments go into headers.
    pub(super) unmirrored: Vec<Call>,
    /// The lists made in the background.
    pub(super) looks: Looks,
    /// Hears what the backend announces over the default link; ends when it is dropped.
    pub(super) listener: Option<Listener>,
    /// How many times in a row the last listener found no stream.
    pub(super) unheard: u32,
    pub(super) last_error: Option<BackendError>,
    pub(super) failed_at: Option<Instant>,
    pub(super) retry_at: Option<Instant>,
    /// Counts the pauses: a timer of an earlier one has nothing to say any more.
    pub(super) pause: u64,
    /// How many handshakes are under way.
    pub(super) handshakes: usize,
    /// Whether idle links are looked for later.
    pub(super) tidying: bool,
    /// The session is deleted.
    pub(super) closing: bool,
    pub(super) report: Reporter,
    pub(super) myself: ActorRef<BackendMessage>,
}

impl Connection {
    /// Takes something that needs the backend: sends it now, holds it while a handshake is under
    /// way, or fails it now.
    pub(super) fn begin(&mut self, pending: Pending) {
        if self.closing {
            return pending.fail(&self.name, BackendError::SessionExpired);
        }
        if let Err(error) = &self.endpoint {
            return pending.fail(&self.name, error.clone());
        }
        if self.machine.state() == State::Idle && self.links.contains_key(&LinkKey::Default) {
            self.machine.step(Input::Remembered);
            self.look(Reason::Unsure);
            self.listen();
        }
        let since_failure = self.failed_at.map_or(Duration::MAX, |at| at.elapsed());
        let effect = self.machine.step(Input::Wanted { since_failure });
        match (effect, self.machine.state()) {
            (Effect::FailNow, _) => {
                let error = self.last_error.clone().unwrap_or(BackendError::Truncated);
                pending.fail(&self.name, error);
            }
            (_, State::Ready) => self.send_over_link(pending),
            (effect, _) => {
                if self.queue.len() < WAITING_CALLS_MAX {
                    self.queue.push(pending);
                } else {
                    pending.fail(&self.name, crowded());
                }
                if effect == Effect::Open {
                    self.retry_at = None;
                    self.open(LinkKey::Default, Context::default());
                }
            }
        }
    }

    /// Takes the news of a handshake.
    pub(super) fn opened(&mut self, link: LinkKey, outcome: Result<Arc<Link>, BackendError>) {
        self.handshakes = self.handshakes.saturating_sub(1);
        if self.closing {
            if let Ok(opened) = &outcome {
                self.say_goodbye(opened);
            }
            return self.stop_if_done();
        }
        let waiting = match (self.links.remove(&link), &outcome) {
            (Some(Slot::Opening(waiting)), _) => waiting,
            // The MCP session ended while the backend's was being opened: end that too.
            (None, Ok(opened)) if link != LinkKey::Default => return self.say_goodbye(opened),
            // The first handshake of a connection has its own queue.
            (Some(Slot::Open(_)) | None, _) => Vec::new(),
        };
        match outcome {
            Ok(opened) => self.settle(link, opened, waiting),
            Err(error) => self.give_up(link, error, waiting),
        }
    }

    fn settle(&mut self, key: LinkKey, link: Arc<Link>, waiting: Vec<Pending>) {
        let revision = link.dialect.revision();
        self.known = Some(revision);
        self.report_opened(&link);
        self.links.insert(key, Slot::Open(link));
        self.tidy_later();
        if key == LinkKey::Default && self.machine.state() == State::Connecting {
            self.machine.step(Input::Opened);
            tracing::info!(backend.name = %self.name, %revision, "connected to {}", self.name);
            self.last_error = None;
            self.retry_at = None;
            self.look(Reason::Unsure);
            for pending in std::mem::take(&mut self.queue) {
                self.send_over_link(pending);
            }
            (self.report)(Report::Reachable {
                backend: self.name.clone(),
            });
        }
        if key == LinkKey::Default {
            self.listen();
        }
        for pending in waiting {
            self.send_over_link(pending);
        }
    }

    fn give_up(&mut self, key: LinkKey, error: BackendError, waiting: Vec<Pending>) {
        for pending in waiting {
            pending.fail(&self.name, error.clone());
        }
        if key == LinkKey::Default && self.machine.state() == State::Connecting {
            let input = if error.is_passing() {
                Input::Failed
            } else {
                Input::Refused
            };
            self.note_failure(input, &error);
            for pending in std::mem::take(&mut self.queue) {
                pending.fail(&self.name, error.clone());
            }
        } else if error.is_outage() {
            self.note_failure(Input::Lost, &error);
        } else if error.is_passing() {
            self.last_error = Some(error);
        } else {
            self.note_failure(Input::Refused, &error);
        }
    }

    /// Takes the news of a call's end.
    pub(super) fn ended(&mut self, key: LinkKey, generation: u64, ending: Ending) {
        match ending {
            Ending::Answered => {}
            Ending::Lost(error) => {
                if self.machine.state() == State::Ready {
                    self.note_failure(Input::Lost, &error);
                    self.report_unreachable(&error);
                }
            }
            Ending::TurnedDown(error) => {
                if self.machine.state() == State::Ready {
                    self.note_failure(Input::Refused, &error);
                    self.report_unreachable(&error);
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

    /// The pause after a failure is over.
    pub(super) fn elapsed(&mut self, pause: u64) {
        if pause == self.pause && self.machine.step(Input::Elapsed) == Effect::Open {
            self.retry_at = None;
            self.open(LinkKey::Default, Context::default());
        }
    }

    /// How the connection stands, for people.
    pub(super) fn describe(&self) -> Description {
        let refused = self.endpoint.as_ref().err();
        Description {
            state: if refused.is_some() {
                State::Refused
            } else {
                self.machine.state()
            },
            revision: self.known,
            tools: self.catalogue.as_ref().map(Catalogue::len),
            last_error: refused
                .or(self.last_error.as_ref())
                .map(ToString::to_string),
            retry_in: self
                .retry_at
                .map(|at| at.saturating_duration_since(Instant::now())),
        }
    }

    fn report_opened(&self, link: &Link) {
        if matches!(link.key, LinkKey::Capable(_)) {
            // Opened anew as easily as remembered.
            return;
        }
        (self.report)(Report::LinkOpened {
            backend: self.name.clone(),
            link: link.key,
            memory: Memory {
                revision: link.dialect.revision(),
                backend_session: link
                    .dialect
                    .session()
                    .and_then(|session| session.to_str().ok())
                    .map(Into::into),
                discovery: link.discovery.result.clone(),
            },
        });
    }

    fn report_unreachable(&self, error: &BackendError) {
        (self.report)(Report::Unreachable {
            backend: self.name.clone(),
            reason: error.to_string(),
        });
    }

    fn note_failure(&mut self, input: Input, error: &BackendError) {
        self.failed_at = Some(Instant::now());
        self.last_error = Some(error.clone());
        tracing::warn!(backend.name = %self.name, %error, "no connection to {}", self.name);
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

    fn send_over_link(&mut self, pending: Pending) {
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

    fn send(&self, pending: Pending, key: LinkKey, link: Arc<Link>) {
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
            catalogue.mirror(&mut call.request);
        }
        let (myself, generation) = (self.myself.clone(), link.generation);
        // From now on it is not idle.
        let in_use = link.take_up();
        tokio::spawn(async move {
            let _until_answered = in_use;
            let ending = call::run(endpoint, link, call, repeatable).await;
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
    }

    fn open(&mut self, key: LinkKey, mut context: Context) {
        let Ok(endpoint) = self.endpoint.clone() else {
            return;
        };
        if key == LinkKey::Default {
            // Clients of every kind use it.
            context.capabilities = None;
        }
        self.generation += 1;
        self.handshakes += 1;
        let (myself, known, generation) = (self.myself.clone(), self.known, self.generation);
        let before = match self.links.get(&key) {
            Some(Slot::Open(link)) => Some(Arc::clone(link)),
            _ => None,
        };
        // In the background the next pause is the retry.
        let somebody_waits = key != LinkKey::Default || !self.queue.is_empty();
        tokio::spawn(async move {
            let outcome = match before {
                // A network that was gone for a moment has ended no MCP session.
                Some(link) if still_holds(&endpoint, &link).await => Ok(link),
                _ => open(&endpoint, known, &context, somebody_waits).await.map(
                    |(dialect, discovery)| {
                        let origin = Origin {
                            key,
                            generation,
                            context: Some(context.clone()),
                        };
                        Arc::new(Link::new(origin, dialect, discovery, myself.clone()))
                    },
                ),
            };
            // As above: without the connection nobody waits.
            let _gone = myself.cast(BackendMessage::Opened { link: key, outcome });
        });
    }
}

const fn crowded() -> BackendError {
    BackendError::Crowded {
        limit: WAITING_CALLS_MAX,
    }
}
