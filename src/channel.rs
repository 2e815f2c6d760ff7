//! Channels whose bound counts bytes as well as messages: what waits for somebody slow is held in memory,
//! and a few messages can be as much as thousands.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{
    sync::{
        OwnedSemaphorePermit, Semaphore, TryAcquireError,
        mpsc::{
            self,
            error::{SendError, SendTimeoutError, TrySendError},
        },
    },
    time::timeout,
};

use crate::limits::Backlog;

/// A message, by what it holds in memory.
pub trait Weighed {
    /// The bytes of it that whoever wrote it decides about.
    fn bytes(&self) -> usize;
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
    let (queue, waiting) = mpsc::unbounded_channel();
    let room = Room::new(backlog);
    let sender = Sender {
        queue,
        room: room.clone(),
    };
    let receiver = Receiver {
        received: waiting,
        room,
    };
    (sender, receiver)
}

/// The end of a channel that sends.
pub struct Sender<T> {
    queue: mpsc::UnboundedSender<Held<T>>,
    room: Room,
}

/// The end that receives; dropped, it takes what waits with it.
pub struct Receiver<T> {
    received: mpsc::UnboundedReceiver<Held<T>>,
    room: Room,
}

/// A sender that does not keep the channel open.
pub struct WeakSender<T> {
    queue: mpsc::WeakUnboundedSender<Held<T>>,
    room: Room,
}

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
        match self.room.take(message.bytes()).await {
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
        match timeout(within, self.room.take(message.bytes())).await {
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
        match self.room.try_take(message.bytes()) {
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
        self.queue.send(held).map_err(|unsent| unsent.0.message)
    }
}

impl<T> Sender<T> {
    /// Whether nobody receives any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Another handle, which does not keep the channel open.
    #[must_use]
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender {
            queue: self.queue.downgrade(),
            room: self.room.clone(),
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
            room: self.room.clone(),
        }
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
            room: self.room.clone(),
        }
    }
}

impl<T> WeakSender<T> {
    /// A sender, if there is one still.
    #[must_use]
    pub fn upgrade(&self) -> Option<Sender<T>> {
        Some(Sender {
            queue: self.queue.upgrade()?,
            room: self.room.clone(),
        })
    }
}

impl<T> Receiver<T> {
    /// Waits for the next message; `None` when there will be none. Losing interest loses nothing.
    pub async fn recv(&mut self) -> Option<T> {
        self.received.recv().await.map(|held| held.message)
    }

    /// Takes the next message, if there is one already.
    ///
    /// # Errors
    ///
    /// When there is none yet, or there will be none.
    pub fn try_recv(&mut self) -> Result<T, mpsc::error::TryRecvError> {
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
mod tests {
    use std::collections::VecDeque;

    use futures_util::{FutureExt, poll};
    use proptest::prelude::*;

    use super::*;

    const BACKLOG: Backlog = Backlog::new(4, 100);

    impl Weighed for Vec<u8> {
        fn bytes(&self) -> usize {
            self.len()
        }
    }

    fn message(bytes: usize) -> Vec<u8> {
        vec![0; bytes]
    }

    #[test]
    fn a_channel_is_full_by_number_or_by_bytes() {
        for (sizes, more) in [
            (vec![0, 0, 0, 0], 0),
            (vec![25, 25, 25, 25], 1),
            (vec![50, 50], 0),
            (vec![75], 26),
            (vec![1, 75], 0),
            (vec![100], 0),
            (vec![7_000], 0),
            (vec![1], 7_000),
        ] {
            let (sender, mut receiver) = channel(BACKLOG);
            for size in &sizes {
                sender.try_send(message(*size)).unwrap();
            }
            let refused = sender.try_send(message(more));
            assert!(
                matches!(refused, Err(TrySendError::Full(ref untold)) if untold.len() == more),
                "{more} behind {sizes:?}"
            );
            for size in sizes {
                assert_eq!(receiver.try_recv().unwrap().len(), size);
            }
            sender.try_send(message(more)).unwrap();
        }
    }

    #[tokio::test]
    async fn who_sends_waits_for_room_in_turn_and_a_large_message_is_not_passed_by() {
        let (sender, mut receiver) = channel(BACKLOG);
        sender.send(message(60)).await.unwrap();
        let mut large = Box::pin(sender.send(message(7_000)));
        assert!(poll!(&mut large).is_pending());
        let mut small = Box::pin(sender.send(message(1)));
        assert!(poll!(&mut small).is_pending(), "it came later");
        assert_eq!(receiver.recv().await.unwrap().len(), 60);
        assert!(poll!(&mut large).is_ready());
        assert!(poll!(&mut small).is_pending(), "the large one is alone");
        assert_eq!(receiver.recv().await.unwrap().len(), 7_000);
        small.await.unwrap();
        assert_eq!(receiver.recv().await.unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_can_wait_only_so_long_gets_the_message_back() {
        let (sender, mut receiver) = channel(BACKLOG);
        sender.send(message(100)).await.unwrap();
        let second = Duration::from_secs(1);
        let late = sender.send_timeout(message(1), second).await;
        assert!(matches!(late, Err(SendTimeoutError::Timeout(_))));
        receiver.recv().await.unwrap();
        sender.send_timeout(message(1), second).await.unwrap();
        receiver.close();
        let gone = sender.send_timeout(message(1), second).await;
        assert!(matches!(gone, Err(SendTimeoutError::Closed(_))));
    }

    #[tokio::test]
    async fn the_end_of_the_receiver_frees_who_waits_and_what_waits() {
        let (sender, receiver) = channel(BACKLOG);
        sender.send(message(100)).await.unwrap();
        let mut waiting = Box::pin(sender.send(message(1)));
        assert!(poll!(&mut waiting).is_pending());
        drop(receiver);
        assert_eq!(waiting.await.unwrap_err().0.len(), 1);
        assert!(sender.is_closed());
        let refused = sender.try_send(message(1));
        assert!(matches!(refused, Err(TrySendError::Closed(_))));
    }

    #[tokio::test]
    async fn what_waits_in_a_closed_channel_is_received_still() {
        let (sender, mut receiver) = channel(BACKLOG);
        sender.send(message(1)).await.unwrap();
        receiver.close();
        assert_eq!(receiver.recv().await, Some(message(1)));
        assert_eq!(receiver.recv().await, None);
    }

    #[tokio::test]
    async fn only_senders_keep_a_channel_open() {
        let (sender, mut receiver) = channel::<Vec<u8>>(BACKLOG);
        let weak = sender.downgrade();
        weak.upgrade().unwrap().send(message(1)).await.unwrap();
        drop(sender);
        assert!(weak.upgrade().is_none());
        assert_eq!(receiver.recv().await, Some(message(1)));
        assert_eq!(receiver.recv().await, None);
    }

    proptest! {
        #[test]
        fn whatever_is_sent_and_taken_what_waits_keeps_its_bound_and_its_order(
            acts in prop::collection::vec(prop::option::of(0..150_usize), 0..200),
        ) {
            let (sender, mut receiver) = channel(BACKLOG);
            let mut waiting = VecDeque::new();
            for act in acts {
                if let Some(bytes) = act {
                    if sender.try_send(message(bytes)).is_ok() {
                        waiting.push_back(bytes);
                    } else {
                        prop_assert!(!waiting.is_empty(), "{bytes} pass alone");
                    }
                } else {
                    let taken = receiver.recv().now_or_never().flatten();
                    prop_assert_eq!(taken.map(|it| it.len()), waiting.pop_front());
                }
                let bytes: usize = waiting.iter().sum();
                prop_assert!(waiting.len() <= 4 && (bytes <= 100 || waiting.len() == 1));
            }
        }
    }
}
