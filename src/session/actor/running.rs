//! The exchanges in flight: who may take one back, and what ends with an MCP session or a session.

use std::collections::HashMap;

use futures_util::future::join;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    channel::WeakSender,
    mcp::{
        event::{Event, Finished, Outcome},
        failure::Failure,
    },
    session::exchange::{CancelKey, Exchange},
};

/// The exchanges in flight of one session, by number.
#[derive(Default)]
pub(super) struct Running {
    exchanges: HashMap<u64, Hold>,
    /// Found by MCP session and id, so that nobody takes back another's.
    cancellable: HashMap<CancelKey, u64>,
}

/// The hold on one exchange.
struct Hold {
    mcp_session: Option<Uuid>,
    cancel_key: Option<CancelKey>,
    /// Weak: the end of the work still shows as the end of its events.
    events: WeakSender<Event>,
    cancel: CancellationToken,
}

impl Running {
    pub(super) fn began(&mut self, exchange: &Exchange, number: u64) {
        let cancel_key = exchange.mcp_session.zip(exchange.cancel_by.clone());
        if let Some(key) = &cancel_key {
            self.cancellable.insert(key.clone(), number);
        }
        let hold = Hold {
            mcp_session: exchange.mcp_session,
            cancel_key,
            events: exchange.events.downgrade(),
            cancel: exchange.cancel.clone(),
        };
        self.exchanges.insert(number, hold);
    }

    pub(super) fn ended(&mut self, number: u64) {
        let Some(hold) = self.exchanges.remove(&number) else {
            return;
        };
        // A younger exchange may have the same id by now.
        if let Some(key) = hold.cancel_key
            && self.cancellable.get(&key) == Some(&number)
        {
            self.cancellable.remove(&key);
        }
    }

    /// Takes one back at its client's wish, which wants no answer.
    pub(super) fn cancel(&mut self, key: &CancelKey) {
        let number = self.cancellable.remove(key);
        if let Some(hold) = number.and_then(|number| self.exchanges.get(&number)) {
            hold.cancel.cancel();
        }
    }

    /// The MCP sessions that have exchanges in flight.
    pub(super) fn mcp_sessions(&self) -> impl Iterator<Item = Uuid> {
        self.exchanges.values().filter_map(|hold| hold.mcp_session)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.exchanges.is_empty()
    }

    /// Ends the exchanges of an MCP session.
    pub(super) fn end_mcp_session(&self, id: Uuid) {
        for hold in self.exchanges.values() {
            if hold.mcp_session == Some(id) {
                hold.end(Failure::UnknownMcpSession);
            }
        }
    }

    /// Ends all of them.
    pub(super) fn end_all(&self, failure: &Failure) {
        for hold in self.exchanges.values() {
            hold.end(failure.clone());
        }
    }
}

impl Hold {
    /// Answers the client, which took nothing back, and has the work stopped.
    fn end(&self, failure: Failure) {
        let Some(events) = self.events.upgrade() else {
            return;
        };
        let finished = Event::Finished(Finished {
            backend: None,
            outcome: Outcome::Failed(failure),
        });
        let cancel = self.cancel.clone();
        match events.try_send(finished) {
            Ok(()) | Err(TrySendError::Closed(_)) => cancel.cancel(),
            // Events wait in the order in which they were sent, so this one comes before what the
            // cancellation brings.
            Err(TrySendError::Full(finished)) => {
                tokio::spawn(async move {
                    let cancelling = async { cancel.cancel() };
                    let (_client_left, ()) = join(events.send(finished), cancelling).await;
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        channel::{Receiver, channel},
        limits::Backlog,
        mcp::{
            event::Notification,
            message::RequestId,
            request::{Context, Request},
        },
    };

    fn exchange(mcp_session: Option<Uuid>) -> (Exchange, Receiver<Event>) {
        let (events, received) = channel(Backlog::new(1, 1));
        let exchange = Exchange {
            mcp_session,
            cancel_by: mcp_session.map(|_| RequestId::from_number(1)),
            request: Request::new("tools/call", None, Context::default()),
            events,
            cancel: CancellationToken::new(),
            pinned: None,
        };
        (exchange, received)
    }

    fn failure(event: Option<Event>) -> Option<Failure> {
        match event {
            Some(Event::Finished(Finished {
                outcome: Outcome::Failed(failure),
                ..
            })) => Some(failure),
            _ => None,
        }
    }

    #[tokio::test]
    async fn the_end_of_an_mcp_session_ends_its_exchanges_and_no_others() {
        let (id, mut running) = (Uuid::new_v4(), Running::default());
        let (own, mut told) = exchange(Some(id));
        let (strange, _) = exchange(Some(Uuid::new_v4()));
        let (plain, _) = exchange(None);
        for (number, exchange) in [(1, &own), (2, &strange), (3, &plain)] {
            running.began(exchange, number);
        }
        running.end_mcp_session(id);
        assert!(own.cancel.is_cancelled());
        assert!(!strange.cancel.is_cancelled() && !plain.cancel.is_cancelled());
        assert_eq!(failure(told.recv().await), Some(Failure::UnknownMcpSession));
        running.end_all(&Failure::SessionDeleted);
        assert!(strange.cancel.is_cancelled() && plain.cancel.is_cancelled());
    }

    #[tokio::test]
    async fn a_client_that_reads_slowly_is_answered_all_the_same() {
        let mut running = Running::default();
        let (slow, mut told) = exchange(None);
        running.began(&slow, 1);
        let progress = Notification {
            method: "notifications/progress".to_owned(),
            params: None,
        };
        slow.events.try_send(Event::Notified(progress)).unwrap();
        running.end_all(&Failure::SessionDeleted);
        slow.cancel.cancelled().await;
        assert!(matches!(told.recv().await, Some(Event::Notified(_))));
        assert_eq!(failure(told.recv().await), Some(Failure::SessionDeleted));
    }

    #[test]
    fn an_old_end_does_not_hide_a_younger_exchange_of_the_same_id() {
        let (id, mut running) = (Uuid::new_v4(), Running::default());
        let ((old, _), (young, _)) = (exchange(Some(id)), exchange(Some(id)));
        running.began(&old, 1);
        running.began(&young, 2);
        running.ended(1);
        running.cancel(&(id, RequestId::from_number(1)));
        assert!(young.cancel.is_cancelled() && !old.cancel.is_cancelled());
        running.ended(2);
        assert!(running.exchanges.is_empty() && running.cancellable.is_empty());
    }
}
