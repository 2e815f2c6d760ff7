//! How links open: begun, failed, taken up again.

use std::sync::Arc;

use crate::{
    backend::{
        audience::Conversation,
        endpoint::Endpoint,
        error::BackendError,
        link::{Link, LinkKey, Origin},
        message::{BackendMessage, Memory, Report},
        open::open,
        pending::{Pending, Slot},
        state::{Effect, Input, State},
    },
    mcp::request::Context,
};

use super::{Connection, tools::Reason};

impl Connection {
    /// Goes on with what was remembered across a restart.
    pub(super) fn wake(&mut self) {
        if self.machine.state() == State::Idle && self.links.contains_key(&LinkKey::Default) {
            self.machine.step(Input::Remembered);
            self.look(Reason::Unsure);
            self.carry_all();
        }
    }

    /// Takes the news of a handshake.
    pub(in crate::backend) fn opened(
        &mut self,
        link: LinkKey,
        instead_of: Option<u64>,
        outcome: Result<Arc<Link>, BackendError>,
    ) {
        self.handshakes = self.handshakes.saturating_sub(1);
        if self.closing {
            if let Ok(opened) = &outcome {
                self.say_goodbye(opened);
            }
            return self.stop_if_done();
        }
        if self.comes_too_late(link, instead_of, &outcome) {
            if let Ok(opened) = &outcome {
                self.say_goodbye(opened);
            }
            return;
        }
        let waiting = match (self.links.remove(&link), &outcome) {
            (Some(Slot::Opening(waiting)), _) => waiting,
            // The MCP session ended while the backend's was being opened: end that too.
            (None, Ok(opened)) if link != LinkKey::Default => return self.say_goodbye(opened),
            // The first handshake of a connection has its own queue.
            (Some(Slot::Open(_)) | None, _) => Vec::new(),
        };
        if instead_of.is_some() || link == LinkKey::Default {
            // Another conversation may show other things.
            self.changes.note_all();
        }
        match outcome {
            Ok(opened) => self.settle(link, opened, waiting),
            Err(error) => self.give_up(link, error, waiting),
        }
    }

    /// Whether another handshake, begun while this one was under way, has given the link already, or
    /// is the one to wait for. The first that succeeds gives it.
    fn comes_too_late(
        &self,
        key: LinkKey,
        instead_of: Option<u64>,
        outcome: &Result<Arc<Link>, BackendError>,
    ) -> bool {
        match self.links.get(&key) {
            Some(Slot::Open(link)) => instead_of != Some(link.generation),
            Some(Slot::Opening(_)) => match outcome {
                // What a call found to have ended meanwhile.
                Ok(opened) => instead_of == Some(opened.generation),
                Err(_) => instead_of.is_some(),
            },
            None => false,
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
            self.carry_all();
            for pending in std::mem::take(&mut self.queue) {
                self.send_over_link(pending);
            }
            (self.report)(Report::Reachable {
                backend: self.name.clone(),
            });
        }
        self.carry(key);
        for pending in waiting {
            self.send_over_link(pending);
        }
    }

    fn give_up(&mut self, key: LinkKey, error: BackendError, waiting: Vec<Pending>) {
        for pending in waiting {
            pending.fail(&self.name, error.clone());
        }
        if let Some(carried) = self.carried.get_mut(&key) {
            carried.answer_all(&Err(error.clone().into_unsent(&self.name)));
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
        } else if self.machine.state() != State::Ready {
            // Whatever ended that has told of it.
        } else if error.is_outage() {
            self.note_failure(Input::Lost, &error);
        } else if error.is_passing() {
            self.last_error = Some(error);
        } else {
            self.note_failure(Input::Refused, &error);
        }
    }

    /// The pause after a failure is over.
    pub(in crate::backend) fn elapsed(&mut self, pause: u64) {
        if pause == self.pause && self.machine.step(Input::Elapsed) == Effect::Open {
            self.retry_at = None;
            self.open(LinkKey::Default, Context::default());
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
                discovery: link.discovery.clone(),
            },
        });
    }

    pub(super) fn open(&mut self, key: LinkKey, mut context: Context) {
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
        let instead_of = before.as_ref().map(|link| link.generation);
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
                            context: Some(context.untraced()),
                        };
                        let discovery = endpoint.provider.share_discovery(discovery);
                        Arc::new(Link::new(origin, dialect, discovery, myself.clone()))
                    },
                ),
            };
            // As above: without the connection nobody waits.
            let _gone = myself.cast(BackendMessage::Opened {
                link: key,
                instead_of,
                outcome,
            });
        });
    }
}

async fn still_holds(endpoint: &Arc<Endpoint>, link: &Arc<Link>) -> bool {
    Conversation { endpoint, link }.still_holds().await
}
