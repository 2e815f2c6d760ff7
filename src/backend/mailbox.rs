//! A connection's actor: its mailbox, and the task that empties it, one message after the other.
//!
//! No actor of ractor's, as its session's is. One of those holds 8 KiB while it waits, for two queues, two more ports and
//! two boxed futures, and a session has a connection for each of its backends: three of them were half of what a session
//! held (benches/README.md). What is promised is the same: nobody waits in a handler, a mistake ends this connection alone
//! and its session learns of it, and a connection ends with its session.
//!
//! What its session brings is taken at once where nothing else waits to be ([`Seat`]), without a task to be woken for it.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinHandle},
    time::sleep,
};

use crate::lanes::{Seat, attempt};

use super::{
    connection::Connection,
    message::{BackendMessage, Report},
};

/// Where a connection's messages go. It has no bound of its own; ARCHITECTURE.md tells what bounds it.
#[derive(Clone)]
pub(super) struct Mailbox(Arc<Post>);

struct Post {
    seat: Seat<Connection>,
    // Boxed: a queue has places for many, and messages are large.
    queue: mpsc::UnboundedSender<Box<BackendMessage>>,
}

/// Where they are taken from.
pub(super) type Inbox = mpsc::UnboundedReceiver<Box<BackendMessage>>;

/// A running connection, which ends when this is dropped.
pub(crate) struct Life {
    number: u64,
    /// What ends with this; `None` once it was let go.
    task: Option<AbortHandle>,
}

/// A connection's task as long as it runs: with this, the connection ends.
struct Running(Arc<Post>);

impl Mailbox {
    pub(super) fn new() -> (Self, Inbox) {
        let (queue, inbox) = mpsc::unbounded_channel();
        let post = Post {
            seat: Seat::default(),
            queue,
        };
        (Self(Arc::new(post)), inbox)
    }

    /// Puts a message into it.
    ///
    /// # Errors
    ///
    /// Gives the message back when the connection has ended.
    pub(super) fn cast(&self, message: BackendMessage) -> Result<(), Box<BackendMessage>> {
        self.0.seat.queued();
        let put = self.0.queue.send(Box::new(message));
        put.map_err(|unsent| unsent.0)
    }

    /// The same, for who holds nothing that the connection could want while it takes a message: here it may be taken
    /// already.
    ///
    /// # Errors
    ///
    /// As of [`Self::cast`].
    pub(super) fn hand_over(&self, message: BackendMessage) -> Result<(), Box<BackendMessage>> {
        if let Some(mut connection) = self.0.seat.at_once() {
            if !take(&mut connection, message) {
                // Whatever it is, it wakes the task, which then ends.
                let _ended = self.cast(BackendMessage::Close);
            }
            return Ok(());
        }
        self.cast(message)
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

impl Drop for Running {
    fn drop(&mut self) {
        let connection = self.0.seat.actor().take();
        drop(connection);
    }
}

impl Life {
    /// Has a connection take its messages, until it ends or makes a mistake. Its session is told of either.
    pub(super) fn begin(connection: Connection, mut inbox: Inbox) -> Self {
        let number = connection.number;
        let post = Arc::clone(&connection.myself.0);
        post.seat.take(connection);
        let running = Running(post);
        let task = tokio::spawn(async move {
            while let Some(message) = inbox.recv().await {
                if !take(&mut *running.0.seat.unqueued().await, *message) {
                    return;
                }
            }
        });
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

/// Has the connection take a message; tells whether it goes on. Where it has ended or made a mistake, its session
/// is told.
fn take(place: &mut Option<Connection>, message: BackendMessage) -> bool {
    let Some(connection) = place else {
        return false;
    };
    let taken = attempt(|| connection.take(message));
    if taken.is_ok() && !connection.has_ended {
        return true;
    }
    let report = Arc::clone(&connection.report);
    // First it is dropped, with whatever waited for it.
    let ended = place.take();
    let dropped = attempt(|| drop(ended));
    report(Report::Ended {
        mistake: taken.and(dropped).err(),
    });
    false
}
