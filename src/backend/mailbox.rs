//! A connection's actor: its mailbox, and the task that empties it, one message after the other.
//!
//! No actor of ractor's, as its session's is. One of those holds 8 KiB while it waits, for two queues, two more ports and
//! two boxed futures, and a session has a connection for each of its backends: three of them were half of what a session
//! held (benches/README.md). What is promised is the same: nobody waits in a handler, a mistake ends this connection alone
//! and its session learns of it, and a connection ends with its session.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinHandle},
    time::sleep,
};

use super::{
    connection::Connection,
    message::{BackendMessage, Report},
};

/// Where a connection's messages go. It has no bound of its own; ARCHITECTURE.md tells what bounds it.
#[derive(Clone)]
// Boxed: a queue has places for many, and messages are large.
pub(super) struct Mailbox(mpsc::UnboundedSender<Box<BackendMessage>>);

/// Where they are taken from.
pub(super) type Inbox = mpsc::UnboundedReceiver<Box<BackendMessage>>;

/// A running connection, which ends when this is dropped.
pub(crate) struct Life {
    number: u64,
    /// What ends with this; `None` once it was let go.
    task: Option<AbortHandle>,
}

impl Mailbox {
    pub(super) fn new() -> (Self, Inbox) {
        let (queue, inbox) = mpsc::unbounded_channel();
        (Self(queue), inbox)
    }

    /// Puts a message into it.
    ///
    /// # Errors
    ///
    /// Gives the message back when the connection has ended.
    pub(super) fn cast(&self, message: BackendMessage) -> Result<(), Box<BackendMessage>> {
        self.0.send(Box::new(message)).map_err(|unsent| unsent.0)
    }

    /// Puts a message into it after a while.
    pub(super) fn send_after(
        &self,
        pause: Duration,
        message: impl FnOnce() -> BackendMessage + Send + 'static,
    ) -> JoinHandle<()> {
        let mailbox = self.clone();
        tokio::spawn(async move {
            sleep(pause).await;
            // What has ended waits for nothing.
            let _gone = mailbox.cast(message());
        })
    }
}

impl Life {
    /// Has a connection take its messages, until it ends or makes a mistake. Its session is told of either.
    pub(super) fn begin(mut connection: Connection, mut inbox: Inbox) -> Self {
        let (number, report) = (connection.number, Arc::clone(&connection.report));
        let running = async move {
            while !connection.has_ended
                && let Some(message) = inbox.recv().await
            {
                connection.take(*message);
            }
        };
        // Put together without another `async`, which would have room for the connection twice.
        let caught = AssertUnwindSafe(running).catch_unwind();
        let task = tokio::spawn(caught.map(move |outcome| {
            // By now the connection is dropped, with whatever waited for it.
            let mistake = outcome.err().map(|mistake| words_of(&*mistake));
            report(Report::Ended { mistake });
        }));
        Self {
            number,
            task: Some(task.abort_handle()),
        }
    }

    /// The number of its connection.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// Lets the connection go on until it ends by itself.
    pub(crate) fn let_go(mut self) {
        self.task = None;
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// What a panic says.
fn words_of(mistake: &(dyn Any + Send)) -> String {
    let words = mistake.downcast_ref::<&str>().copied();
    let words = words.or_else(|| mistake.downcast_ref::<String>().map(String::as_str));
    words.unwrap_or("a panic without words").to_owned()
}
