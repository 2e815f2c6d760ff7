//! A value that many may change and wait for.
//!
//! In place of tokio's `watch`, which spreads those who wait over eight lists, so that many of them do not wait for each other
//! as well, and looks through all of them with each change: here there are two.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, futures::Notified};

pub(super) struct Watched<T> {
    value: Mutex<T>,
    changes: Notify,
}

impl<T> Watched<T> {
    pub(super) fn new(value: T) -> Self {
        let value = Mutex::new(value);
        let changes = Notify::new();
        Self { value, changes }
    }

    /// Looks at it.
    pub(super) fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.lock())
    }

    /// Changes it; whoever waits for it looks again.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let changed = change(&mut self.lock());
        self.changes.notify_waiters();
        changed
    }

    /// Changes it as soon as it can be changed so. Losing interest changes nothing.
    pub(super) async fn once<R>(&self, mut change: impl FnMut(&mut T) -> Option<R>) -> R {
        loop {
            let changed = self.changed();
            if let Some(done) = self.try_change(&mut change) {
                return done;
            }
            changed.await;
        }
    }

    /// Waits for a change that comes after this was called.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changes.notified()
    }

    /// Changes it if it can be changed so.
    pub(super) fn try_change<R>(&self, change: impl FnOnce(&mut T) -> Option<R>) -> Option<R> {
        let done = change(&mut self.lock());
        if done.is_some() {
            self.changes.notify_waiters();
        }
        done
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
