//! Where an actor sits that takes its messages out of a queue, or past it.
//!
//! What a lane brings while the queue is empty and the actor takes nothing is taken at once, on that lane: no message is put
//! by for it, no other lane is woken and wakes this one again, and nothing has to be polled once more for what it answers.
//! What the actor begins meanwhile lives where the actor does.

use std::{
    any::Any,
    cell::Cell,
    hint::spin_loop,
    ops::{Deref, DerefMut},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError, TryLockError,
        atomic::{
            AtomicUsize,
            Ordering::{Acquire, Release},
        },
    },
};

use tokio::{
    runtime::{EnterGuard, Handle},
    task::yield_now,
};

use super::{Lane, here};

/// How often whoever brings a message looks whether the actor is done with another one, before it goes into the queue. To
/// take one lasts some thousand instructions; but who takes it may have lost its processor meanwhile.
const LOOKS_MAX: u32 = 64;

/// The place of an actor, which whoever has messages for it and the task that empties its queue share.
#[derive(Debug)]
pub struct Seat<A> {
    /// The lane of that task, once it is there.
    home: OnceLock<Handle>,
    /// Messages in the queue, or about to be, or out of it and not taken yet: they go first. They become fewer only with
    /// `actor` locked.
    waiting: AtomicUsize,
    /// `None` before the task begins and after it ended. Locked while a message is taken.
    actor: Mutex<Option<A>>,
}

/// The actor while it takes a message.
#[derive(Debug)]
pub struct Taking<'a, A> {
    actor: MutexGuard<'a, Option<A>>,
    /// `None` where its home was entered already.
    _home: Option<Entered<'a>>,
}

/// A home that this thread, another one's, has entered for a while.
#[derive(Debug)]
struct Entered<'a> {
    before: Option<Lane>,
    _there: EnterGuard<'a>,
}

thread_local! {
    /// The lane whose runtime this thread has entered; `None` for its own.
    static ENTERED: Cell<Option<Lane>> = const { Cell::new(None) };
}

impl<'a> Entered<'a> {
    /// Enters it, unless that was done.
    fn new(home: &'a Handle, here: Lane) -> Option<Self> {
        let before = ENTERED.get();
        let lane = home.id();
        (before.unwrap_or(here) != lane).then(|| {
            ENTERED.set(Some(lane));
            Self {
                before,
                _there: home.enter(),
            }
        })
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        ENTERED.set(self.before);
    }
}

impl<A> Default for Seat<A> {
    fn default() -> Self {
        Self {
            home: OnceLock::new(),
            waiting: AtomicUsize::new(0),
            actor: Mutex::new(None),
        }
    }
}

impl<A> Seat<A> {
    /// Has an actor sit down, on the lane that this is called in.
    ///
    /// # Panics
    ///
    /// Outside of any runtime.
    pub fn take(&self, actor: A) {
        // First: who finds the actor finds its home. Nobody else sets it.
        let _home = self.home.set(Handle::current());
        *self.actor() = Some(actor);
    }

    /// Notes that a message is about to be put into the queue: all of them have to be.
    pub fn queued(&self) {
        self.waiting.fetch_add(1, Release);
    }

    /// Gives who takes a message that came out of the queue, in the task that empties that: soon, if another lane has the
    /// actor take one just now.
    pub async fn unqueued(&self) -> MutexGuard<'_, Option<A>> {
        loop {
            if let Some(actor) = self.try_actor() {
                self.waiting.fetch_sub(1, Release);
                return actor;
            }
            yield_now().await;
        }
    }

    /// The actor, for a message of a lane that it may take past the queue: `None` where that has to wait for its turn.
    pub fn at_once(&self) -> Option<Taking<'_, A>> {
        let here = here()?;
        let mut looks = 0;
        while self.waiting.load(Acquire) == 0 && looks < LOOKS_MAX {
            let Some(actor) = self.try_actor() else {
                looks += 1;
                spin_loop();
                continue;
            };
            let home = self.home.get().filter(|_| actor.is_some())?;
            // Once more: one may have come while it was looked for.
            return (self.waiting.load(Acquire) == 0).then(|| Taking {
                actor,
                _home: Entered::new(home, here),
            });
        }
        None
    }

    /// Who sits there.
    pub fn actor(&self) -> MutexGuard<'_, Option<A>> {
        self.actor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_actor(&self) -> Option<MutexGuard<'_, Option<A>>> {
        match self.actor.try_lock() {
            Ok(actor) => Some(actor),
            Err(TryLockError::Poisoned(mistaken)) => Some(mistaken.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl<A> Deref for Taking<'_, A> {
    type Target = Option<A>;

    fn deref(&self) -> &Option<A> {
        &self.actor
    }
}

impl<A> DerefMut for Taking<'_, A> {
    fn deref_mut(&mut self) -> &mut Option<A> {
        &mut self.actor
    }
}

/// Does something that may be a mistake.
///
/// # Errors
///
/// What a panic says.
pub fn attempt<T>(what: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(what)).map_err(|mistake| words_of(&*mistake))
}

fn words_of(mistake: &(dyn Any + Send)) -> String {
    let words = mistake.downcast_ref::<&str>().copied();
    let words = words.or_else(|| mistake.downcast_ref::<String>().map(String::as_str));
    words.unwrap_or("a panic without words").to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt as _;
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;
    use crate::lanes::{Lanes, current};

    #[tokio::test]
    async fn past_the_queue_goes_what_a_lane_brings_and_finds_nothing_waiting() {
        let lanes = Lanes::begin(2).unwrap();
        let seat = Arc::new(Seat::default());
        let begins = Arc::clone(&seat);
        let (home, ()) = lanes
            .settle(async move {
                assert!(begins.at_once().is_none(), "nobody sits there");
                begins.take(7);
                assert!(begins.at_once().is_none(), "this is no lane's thread");
            })
            .await;
        for place in [lanes.place(), lanes.place()] {
            let seat = Arc::clone(&seat);
            let checked = place.handle().spawn(async move {
                let mut taking = seat.at_once().unwrap();
                assert_eq!(taking.take(), Some(7));
                assert_eq!(current(), home, "what it begins lives there");
                let within = Seat::default();
                within.take(7);
                let mut other = within.at_once().unwrap();
                assert_eq!((other.take(), current()), (Some(7), home));
                drop(other);
                assert_eq!(current(), home, "still");
                assert!(seat.at_once().is_none(), "it takes one already");
                *taking = Some(7);
                drop(taking);
                assert_eq!(Some(current()), here());
                seat.queued();
                assert!(seat.at_once().is_none(), "one waits");
                let next = seat.unqueued().now_or_never().unwrap();
                assert!(seat.at_once().is_none(), "it takes that one");
                drop(next);
                assert!(seat.at_once().is_some());
            });
            checked.await.unwrap();
        }
        let left = seat.actor().take();
        assert_eq!(left, Some(7));
    }

    #[tokio::test]
    async fn of_many_threads_one_at_a_time_has_the_actor_and_none_overtakes_the_queue() {
        const EACH: usize = 2000;
        let lanes = Lanes::begin(2).unwrap();
        let seat = Arc::new(Seat::default());
        let sits = Arc::clone(&seat);
        lanes
            .settle(async move { sits.take((0_usize, 0_usize)) })
            .await;
        let (queue, mut inbox) = unbounded_channel();
        let takes = |taken: &mut Option<(usize, usize)>, number: usize| {
            let (count, last) = taken.as_mut().unwrap();
            assert!(number > *last, "it overtook another one, or was overtaken");
            (*count, *last) = (*count + 1, number);
        };
        let at_home = Arc::clone(&seat);
        let emptying = lanes.place().handle().spawn(async move {
            while let Some(number) = inbox.recv().await {
                takes(&mut *at_home.unqueued().await, number);
            }
        });
        // One brings what is in order, at once or by the queue as it comes; another one is in its way.
        let at_work = Arc::clone(&seat);
        let bringing = lanes.place().handle().spawn(async move {
            for number in 1..=EACH {
                if let Some(mut taking) = at_work.at_once().filter(|_| number % 7 != 0) {
                    takes(&mut taking, number);
                } else {
                    at_work.queued();
                    queue.send(number).unwrap();
                }
                if number % 64 == 0 {
                    yield_now().await;
                }
            }
        });
        let in_its_way = Arc::clone(&seat);
        let disturbing = lanes.place().handle().spawn(async move {
            for _ in 0..EACH {
                drop(in_its_way.at_once());
                yield_now().await;
            }
        });
        for done in [bringing, disturbing, emptying] {
            done.await.unwrap();
        }
        assert_eq!(*seat.actor(), Some((EACH, EACH)));
    }

    #[test]
    fn a_mistake_is_told_in_its_own_words() {
        assert_eq!(attempt(|| 7), Ok(7));
        assert_eq!(attempt(|| -> u8 { panic!("of {}", 7) }), Err("of 7".into()));
        assert_eq!(attempt(|| -> u8 { panic!("none") }), Err("none".into()));
    }
}
