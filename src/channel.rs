//! Channels whose bound counts bytes as well as messages: what waits for somebody slow is held in memory,
//! and a few messages can be as much as thousands.

mod rounds;
mod work;

use std::{
    fmt,
    future::poll_fn,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_channel::mpsc::{self, TryRecvError, UnboundedReceiver, UnboundedSender};
use futures_util::StreamExt as _;
use tokio::{
    sync::{
        OwnedSemaphorePermit, Semaphore, TryAcquireError,
        mpsc::error::{SendError, SendTimeoutError, TrySendError},
    },
    task::coop,
    time::timeout,
};

use crate::limits::Backlog;

use work::Worker;

pub use rounds::{Rounds, Undisturbed};
pub use work::{Desk, Work, is_let_go_within};

/// A message, by what it holds in memory.
pub trait Weighed {
    /// The bytes of it that whoever wrote it decides about.
    fn bytes(&self) -> usize;

    /// Whether it is a piece of something larger, of which whoever receives it takes the next as soon as it can.
    fn is_piece(&self) -> bool {
        false
    }
}

/// Room for what waits. A clone is another handle of the same.
///
/// A message takes its bytes of it, and no less than its share were there as many as may wait: so one
/// count bounds both. One that is larger than the whole takes all, and passes alone.
#[derive(Clone)]
pub struct Room {
    permits: Arc<Semaphore>,
    all: u32,
    share: u32,
}

impl Room {
    /// Room for so much.
    #[must_use]
    pub fn new(backlog: Backlog) -> Self {
        let share = (backlog.bytes / backlog.messages.max(1)).max(1);
        let all = share.saturating_mul(backlog.messages.max(1));
        let whole = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            permits: Arc::new(Semaphore::new(whole(all) as usize)),
            all: whole(all),
            share: whole(share),
        }
    }

    /// Waits for room, which is free again when what this gives is dropped; `None` once it is closed. Whoever
    /// waits first comes first.
    pub async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        // There is none to be had while somebody waits.
        if let Ok(room) = self.try_take(bytes) {
            return Some(room);
        }
        let permits = Arc::clone(&self.permits);
        permits.acquire_many_owned(self.weight(bytes)).await.ok()
    }

    /// Takes room if there is any.
    ///
    /// # Errors
    ///
    /// When there is none just now, or it is closed.
    pub fn try_take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        Arc::clone(&self.permits).try_acquire_many_owned(self.weight(bytes))
    }

    fn weight(&self, bytes: usize) -> u32 {
        u32::try_from(bytes)
            .unwrap_or(u32::MAX)
            .clamp(self.share, self.all)
    }
}

/// Opens a channel in which so much may wait.
#[must_use]
pub fn channel<T: Weighed>(backlog: Backlog) -> (Sender<T>, Receiver<T>) {
    // The room bounds it.
    let (queue, waiting) = mpsc::unbounded();
    let room = Room::new(backlog);
    let sender = Sender(Arc::new(Mouth {
        queue,
        room: room.clone(),
    }));
    let receiver = Receiver {
        received: waiting,
        room,
        worker: Worker::default(),
    };
    (sender, receiver)
}

/// The end of a channel that sends.
pub struct Sender<T>(Arc<Mouth<T>>);

/// What all that send share. The queue asks for memory a message, where tokio's has room for dozens from the first one on:
/// most channels are a call's, and see one.
struct Mouth<T> {
    queue: UnboundedSender<Held<T>>,
    room: Room,
}

/// The end that receives; dropped, it takes what waits with it.
pub struct Receiver<T> {
    received: UnboundedReceiver<Held<T>>,
    room: Room,
    /// Carries out the work whose first message is waited for.
    worker: Worker,
}

/// A sender that does not keep the channel open.
pub struct WeakSender<T>(Weak<Mouth<T>>);

/// A message that waits, and its room.
struct Held<T> {
    message: T,
    _room: OwnedSemaphorePermit,
}

impl<T: Weighed> Sender<T> {
    /// Sends a message once there is room for it.
    ///
    /// # Errors
    ///
    /// Gives the message back when nobody receives any more.
    pub async fn send(&self, message: T) -> Result<(), SendError<T>>
    where
        T: Send,
    {
        match self.0.room.take(message.bytes()).await {
            Some(room) => self.put(message, room).map_err(SendError),
            None => Err(SendError(message)),
        }
    }

    /// The same, if there is room soon enough.
    ///
    /// # Errors
    ///
    /// Gives the message back when there is not, or nobody receives any more.
    pub async fn send_timeout(
        &self,
        message: T,
        within: Duration,
    ) -> Result<(), SendTimeoutError<T>> {
        match timeout(within, self.0.room.take(message.bytes())).await {
            Ok(Some(room)) => self.put(message, room).map_err(SendTimeoutError::Closed),
            Ok(None) => Err(SendTimeoutError::Closed(message)),
            Err(_) => Err(SendTimeoutError::Timeout(message)),
        }
    }

    /// Sends a message if there is room for it now.
    ///
    /// # Errors
    ///
    /// Gives the message back when there is none, or nobody receives any more.
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        match self.0.room.try_take(message.bytes()) {
            Ok(room) => self.put(message, room).map_err(TrySendError::Closed),
            Err(TryAcquireError::NoPermits) => Err(TrySendError::Full(message)),
            Err(TryAcquireError::Closed) => Err(TrySendError::Closed(message)),
        }
    }

    fn put(&self, message: T, room: OwnedSemaphorePermit) -> Result<(), T> {
        let held = Held {
            message,
            _room: room,
        };
        let sent = self.0.queue.unbounded_send(held);
        sent.map_err(|unsent| unsent.into_inner().message)
    }
}

impl<T> Sender<T> {
    /// Whether nobody receives any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.queue.is_closed()
    }

    /// Another handle, which does not keep the channel open.
    #[must_use]
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender(Arc::downgrade(&self.0))
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self(Weak::clone(&self.0))
    }
}

impl<T> WeakSender<T> {
    /// A sender, if there is one still.
    #[must_use]
    pub fn upgrade(&self) -> Option<Sender<T>> {
        self.0.upgrade().map(Sender)
    }
}

impl<T: Weighed> Receiver<T> {
    /// Waits for the next message; `None` when there will be none. Losing interest loses nothing.
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        // However much there is, others have their turn.
        let turn = ready!(coop::poll_proceed(context));
        let received = self.poll_within_turn(context);
        if received.is_ready() {
            turn.made_progress();
        }
        received
    }

    fn poll_within_turn(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        if self.worker.is_busy() {
            // What the work sends while it is carried on here need wake nobody.
            if let Ok(held) = self.received.try_recv() {
                return Poll::Ready(self.taken(Some(held)));
            }
        }
        self.worker.carry_on(context);
        let received = self.received.poll_next_unpin(context);
        received.map(|received| self.taken(received))
    }

    fn taken(&mut self, received: Option<Held<T>>) -> Option<T> {
        if !received
            .as_ref()
            .is_some_and(|held| held.message.is_piece())
        {
            self.let_go();
        }
        received.map(|held| held.message)
    }
}

impl<T> Receiver<T> {
    /// Takes on the work whose messages are received, for as long as nothing but pieces came of it: behind its first
    /// other message it goes on by itself, as it does when this is dropped. Who takes it on has to wait for messages
    /// until then, and to let go of it where none comes within that time.
    pub fn desk(&mut self, within: Duration) -> Desk {
        let (desk, worker) = Worker::new(within);
        self.worker = worker;
        desk
    }

    /// Has the work go on by itself, and takes on none any more.
    pub fn let_go(&mut self) {
        self.worker = Worker::Idle;
    }

    /// Takes the next message, if there is one already.
    ///
    /// # Errors
    ///
    /// When there is none yet, or there will be none.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.received.try_recv().map(|held| held.message)
    }

    /// Takes nothing new; what waits can be received still.
    pub fn close(&mut self) {
        self.received.close();
        // Whoever waits for room learns that there is nothing to wait for.
        self.room.permits.close();
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Receiver").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
