//! Polls something that wakes itself without being woken for it.
//!
//! Where one part of a future hands something to another, it wakes the task that both belong to while that is at it. The
//! runtime then puts the whole task to the end of its queue, behind all others, and polls it from its outermost part on:
//! a wait, and caches that are cold. Here such a future only goes round once more. And where one part of a task was woken,
//! the others are polled with it, which costs them locks to learn that nothing happened: here they are left alone.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{
            AtomicU8,
            Ordering::{AcqRel, Acquire},
        },
    },
    task::{Context, Poll, Wake, Waker},
};

/// How often in a row it goes round before others have their turn.
const ROUNDS_MAX: usize = 8;

/// The rounds of one future.
#[derive(Default)]
pub struct Rounds {
    /// `None` until it is polled.
    rung: Option<Rung>,
}

/// A bell, and what rings it.
struct Rung {
    bell: Arc<Bell>,
    waker: Waker,
}

impl Rounds {
    /// Has it polled the next time, though nothing woke it: something was done to it from outside.
    pub fn ring(&self) {
        if let Some(Rung { bell, .. }) = &self.rung {
            bell.state.swap(Bell::RUNG, AcqRel);
        }
    }

    /// Polls it by `turn` if it was woken, and again if it wakes itself.
    pub fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        mut turn: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let Rung { bell, waker } = match &mut self.rung {
            Some(rung) if rung.bell.answerer.will_wake(context.waker()) => rung,
            // Polled by another task than before, if at all: what rings wakes this one from now on. Where nobody can tell
            // whether it is another, that costs a bell and a turn.
            place => place.insert(Rung::new(context.waker().clone())),
        };
        let own = &mut Context::from_waker(waker);
        for _ in 0..ROUNDS_MAX {
            if !bell.answer() {
                return Poll::Pending;
            }
            let polled = turn(own);
            if polled.is_ready() || bell.wait() {
                return polled;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Rung {
    /// One that was rung.
    fn new(answerer: Waker) -> Self {
        let state = AtomicU8::new(Bell::RUNG);
        let bell = Arc::new(Bell { state, answerer });
        let waker = Waker::from(Arc::clone(&bell));
        Self { bell, waker }
    }
}

/// A future that is polled only when it was woken, however often what it is a part of is.
pub struct Undisturbed<F> {
    rounds: Rounds,
    future: F,
}

impl<F: Future + Unpin> Undisturbed<F> {
    /// Has this polled only when it was woken.
    pub fn new(future: F) -> Self {
        let rounds = Rounds::default();
        Self { rounds, future }
    }
}

impl<F: Future + Unpin> Future for Undisturbed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self { rounds, future } = &mut *self;
        rounds.poll(context, |context| Pin::new(&mut *future).poll(context))
    }
}

/// Rung by what a future waits for.
struct Bell {
    state: AtomicU8,
    /// Wakes who polls it.
    answerer: Waker,
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
        // Nobody else answers, so that what is seen silent needs no write.
        self.state.load(Acquire) == Self::RUNG && self.turn(Self::RUNG, Self::ANSWERED)
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
            self.answerer.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{Future as _, poll_fn},
        pin::pin,
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
        thread::{self, Thread},
        time::{Duration, Instant},
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
        let (mut rounds, woken) = (Rounds::default(), Arc::<Woken>::default());
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
        let mut count = |_: &mut Context<'_>| {
            polls += 1;
            Poll::<()>::Pending
        };
        assert!(rounds.poll(context, &mut count).is_pending());
        rounds.ring();
        assert!(rounds.poll(context, &mut count).is_pending());
        assert_eq!(polls, 2);
    }

    #[test]
    fn who_polls_it_last_is_who_is_woken() {
        let (mut rounds, first, last) = (
            Rounds::default(),
            Arc::<Woken>::default(),
            Arc::<Woken>::default(),
        );
        let mut kept = Vec::new();
        for woken in [&first, &first, &last, &last] {
            let waker = Waker::from(Arc::clone(woken));
            let turn = |context: &mut Context<'_>| {
                kept.push(context.waker().clone());
                Poll::<()>::Pending
            };
            let polled = rounds.poll(&mut Context::from_waker(&waker), turn);
            assert!(polled.is_pending());
        }
        assert_eq!(kept.len(), 2, "once for each who polls it");
        kept.pop().unwrap().wake();
        assert_eq!((first.0.load(Relaxed), last.0.load(Relaxed)), (0, 1));
    }

    #[test]
    fn who_polls_it_again_is_told_though_another_did_meanwhile() {
        let (mut rounds, woken) = (Rounds::default(), Arc::<Woken>::default());
        let waker = Waker::from(Arc::clone(&woken));
        // Before it was ever polled, it is to be in any case.
        rounds.ring();
        let (mut polls, mut kept) = (0, None);
        for waker in [&waker, Waker::noop(), &waker] {
            let turn = |context: &mut Context<'_>| {
                polls += 1;
                kept.get_or_insert_with(|| context.waker().clone());
                Poll::<()>::Pending
            };
            let polled = rounds.poll(&mut Context::from_waker(waker), turn);
            assert!(polled.is_pending());
        }
        assert_eq!(polls, 3);
        kept.unwrap().wake();
        assert_eq!(woken.0.load(Relaxed), 1, "by what it was given first, too");
    }

    #[test]
    fn whatever_rings_from_another_thread_is_seen() {
        struct Unpark(Thread);

        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }

        const LAST: usize = 20_000;
        const NEVER: Duration = Duration::from_secs(30);
        let mut rounds = Rounds::default();
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let context = &mut Context::from_waker(&waker);
        let said = Arc::new(AtomicUsize::new(0));
        let mut saying = None;
        loop {
            let turn = |context: &mut Context<'_>| {
                saying.get_or_insert_with(|| {
                    let (said, waker) = (Arc::clone(&said), context.waker().clone());
                    thread::spawn(move || {
                        for number in 1..=LAST {
                            said.store(number, Relaxed);
                            waker.wake_by_ref();
                        }
                    })
                });
                if said.load(Relaxed) == LAST {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            };
            if rounds.poll(context, turn).is_ready() {
                break;
            }
            let parked = Instant::now();
            thread::park_timeout(NEVER);
            assert!(parked.elapsed() < NEVER, "it rang, and nobody was woken");
        }
        saying.unwrap().join().unwrap();
    }

    #[test]
    fn what_is_not_woken_is_not_disturbed() {
        let waker = Waker::from(Arc::<Woken>::default());
        let context = &mut Context::from_waker(&waker);
        let (let_on, waits) = futures_channel::oneshot::channel::<()>();
        let (mut waits, mut polls) = (pin!(waits), 0);
        let counted = poll_fn(|context| {
            polls += 1;
            waits.as_mut().poll(context)
        });
        let mut undisturbed = pin!(Undisturbed::new(counted));
        for _ in 0..3 {
            assert!(undisturbed.as_mut().poll(context).is_pending());
        }
        let_on.send(()).unwrap();
        assert!(undisturbed.as_mut().poll(context).is_ready());
        assert_eq!(polls, 2);
    }

    #[test]
    fn what_never_rests_has_so_many_rounds_and_is_woken_again() {
        let (mut rounds, woken) = (Rounds::default(), Arc::<Woken>::default());
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
