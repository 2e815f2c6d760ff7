//! Polls something that wakes itself without being woken for it.
//!
//! Where one part of a future hands something to another, it wakes the task that both belong to while that is at it. The
//! runtime then puts the whole task to the end of its queue, behind all others, and polls it from its outermost part on:
//! a wait, and caches that are cold. Here such a future only goes round once more.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicU8,
            Ordering::{AcqRel, Acquire, Release},
        },
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::task::AtomicWaker;

/// How often in a row it goes round before others have their turn.
const ROUNDS_MAX: usize = 8;

/// The rounds of one future.
pub struct Rounds {
    bell: Arc<Bell>,
    /// Rings it.
    waker: Waker,
}

impl Default for Rounds {
    fn default() -> Self {
        let bell = Arc::new(Bell {
            state: AtomicU8::new(Bell::RUNG),
            answerer: AtomicWaker::new(),
        });
        let waker = Waker::from(Arc::clone(&bell));
        Self { bell, waker }
    }
}

impl Rounds {
    /// Has it polled the next time, though nothing woke it: something was done to it from outside.
    pub fn ring(&self) {
        self.bell.state.store(Bell::RUNG, Release);
    }

    /// Polls it by `turn` if it was woken, and again if it wakes itself.
    pub fn poll<T>(
        &self,
        context: &mut Context<'_>,
        mut turn: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.bell.answerer.register(context.waker());
        let own = &mut Context::from_waker(&self.waker);
        for _ in 0..ROUNDS_MAX {
            if !self.bell.answer() {
                return Poll::Pending;
            }
            let polled = turn(own);
            if polled.is_ready() || self.bell.wait() {
                return polled;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Rung by what a future waits for.
struct Bell {
    state: AtomicU8,
    /// Who polls it.
    answerer: AtomicWaker,
}

impl Bell {
    /// Nothing has happened since it was answered.
    const SILENT: u8 = 0;
    /// It is to be polled.
    const RUNG: u8 = 1;
    /// It is being polled.
    const ANSWERED: u8 = 2;

    /// Begins to poll, if it was rung.
    fn answer(&self) -> bool {
        self.turn(Self::RUNG, Self::ANSWERED)
    }

    /// Waits for it to ring, unless it did meanwhile.
    fn wait(&self) -> bool {
        self.turn(Self::ANSWERED, Self::SILENT)
    }

    fn turn(&self, from: u8, to: u8) -> bool {
        let turned = self.state.compare_exchange(from, to, AcqRel, Acquire);
        turned.is_ok()
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Whoever is at it looks again.
        if self.state.swap(Self::RUNG, AcqRel) == Self::SILENT {
            self.answerer.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{Future as _, poll_fn},
        pin::pin,
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
    };

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn what_wakes_itself_is_polled_again_and_nobody_is_woken() {
        let (rounds, woken) = (Rounds::default(), Arc::<Woken>::default());
        let waker = Waker::from(Arc::clone(&woken));
        let context = &mut Context::from_waker(&waker);
        let (mut polls, mut kept) = (0, None);
        let mut turn = |context: &mut Context<'_>| {
            polls += 1;
            if polls <= 3 {
                context.waker().wake_by_ref();
            }
            kept = Some(context.waker().clone());
            Poll::<()>::Pending
        };
        assert!(rounds.poll(context, &mut turn).is_pending());
        assert!(rounds.poll(context, &mut turn).is_pending(), "nothing rang");
        assert_eq!((polls, woken.0.load(Relaxed)), (4, 0));
        kept.unwrap().wake();
        assert_eq!(woken.0.load(Relaxed), 1, "from outside");
        let mut polls = 0;
        let mut again = pin!(poll_fn(|context| {
            rounds.poll(context, |_| {
                polls += 1;
                Poll::<()>::Pending
            })
        }));
        assert!(again.as_mut().poll(context).is_pending());
        rounds.ring();
        assert!(again.as_mut().poll(context).is_pending());
        assert_eq!(polls, 2);
    }

    #[test]
    fn what_never_rests_has_so_many_rounds_and_is_woken_again() {
        let (rounds, woken) = (Rounds::default(), Arc::<Woken>::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut polls = 0;
        let turn = |context: &mut Context<'_>| {
            polls += 1;
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        };
        let polled = rounds.poll(&mut Context::from_waker(&waker), turn);
        assert!(polled.is_pending());
        assert_eq!((polls, woken.0.load(Relaxed)), (ROUNDS_MAX, 1));
    }
}
